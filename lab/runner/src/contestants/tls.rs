//! The servers of row 21: an echo over TLS, on `wharf serve` and on tokio-rustls. Both have rustls with the cryptography of ring.

use super::{
    Contestant,
    Program::{Product, Rust},
    Role::{Again, Floor, Peer, Wharf},
    contestant,
};

/// tokio's current-thread runtime: what every ratio is to.
pub const TOKIO: &str = "tokio-rustls-one";

/// The same once more: how far it is from 1.00 is noise.
pub const AGAIN: &str = "tokio-rustls-one again";

/// tokio's multi-thread runtime.
pub const POOL: &str = "tokio-rustls-pool";

/// What is compared stands together, so that little time passes between the turns of a pair.
static ALL: [Contestant; 5] = [
    contestant(
        TOKIO,
        "tokio-rustls on tokio's current-thread runtime",
        Floor,
        Rust("peer-tokio-rustls"),
        &["--flavour", "one"],
    ),
    contestant(
        "wharf-tls-readiness",
        "`wharf serve --tls-cert`, readiness with plain system calls",
        Wharf,
        Product,
        &["--driver", "readiness"],
    ),
    contestant(
        "wharf-tls-uring",
        "`wharf serve --tls-cert`, readiness with transfers batched through io_uring",
        Wharf,
        Product,
        &["--driver", "uring"],
    ),
    contestant(
        AGAIN,
        "tokio-rustls-one under another name: how far it is from 1.00 is noise",
        Again,
        Rust("peer-tokio-rustls"),
        &["--flavour", "one"],
    ),
    contestant(
        POOL,
        "tokio-rustls on tokio's multi-thread runtime",
        Peer,
        Rust("peer-tokio-rustls"),
        &["--flavour", "pool"],
    ),
];

/// All there are, built or not.
pub fn all() -> &'static [Contestant] {
    &ALL
}
