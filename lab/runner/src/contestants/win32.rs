//! The servers of row 20: a program of Windows' names on `wharf-win32`, the same under Wine, and what they are measured against
//! beside the plainest server.

use super::{
    Contestant,
    Program::{Native, Product, Windows},
    Role::{Floor, Peer, Wharf},
    contestant,
};

/// `wharf serve`.
pub const SERVE: &str = "serve";

/// The program on `wharf-win32`.
pub const LAYER: &str = "win32";

/// The same source, built for Windows.
pub const WINE: &str = "win32 under Wine";

static ALL: [Contestant; 3] = [
    contestant(
        LAYER,
        "C, Windows' names on wharf-win32, AcceptEx, a packet for each receive and each send",
        Wharf,
        Native("win32"),
        &[],
    ),
    contestant(
        SERVE,
        "`wharf serve`, with the driver that it chooses itself, as wharf-win32 does",
        Floor,
        Product,
        &[],
    ),
    contestant(
        WINE,
        "the source of win32, built for Windows and run by Wine",
        Peer,
        Windows("win32.exe"),
        &[],
    ),
];

/// All there are, built or not.
pub fn all() -> &'static [Contestant] {
    &ALL
}
