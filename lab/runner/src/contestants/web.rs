//! The servers of rows 22 to 24: axum on tokio and axum on Wharf, with routes from one file, over TLS if they are given a certificate.

use super::{
    Contestant,
    Program::Rust,
    Role::{Again, Floor, Wharf},
    contestant,
};

/// tokio's multi-thread runtime: what every ratio is to.
pub const TOKIO: &str = "tokio-web";

/// The same once more: how far it is from 1.00 is noise.
pub const AGAIN: &str = "tokio-web again";

/// What is compared stands together, so that little time passes between the turns of a pair.
static ALL: [Contestant; 4] = [
    contestant(
        TOKIO,
        "axum on tokio's multi-thread runtime: `axum::serve`; with TLS, tokio-rustls and hyper-util's server",
        Floor,
        Rust("peer-axum"),
        &[],
    ),
    contestant(
        "wharf-web-readiness",
        "axum by `wharf_axum`, readiness with plain system calls",
        Wharf,
        Rust("peer-wharf-axum"),
        &["--driver", "readiness"],
    ),
    contestant(
        "wharf-web-uring",
        "axum by `wharf_axum`, readiness with transfers batched through io_uring",
        Wharf,
        Rust("peer-wharf-axum"),
        &["--driver", "uring"],
    ),
    contestant(
        AGAIN,
        "tokio-web under another name: how far it is from 1.00 is noise",
        Again,
        Rust("peer-axum"),
        &[],
    ),
];

/// All there are, built or not.
pub fn all() -> &'static [Contestant] {
    &ALL
}
