//! The servers of HTTP, of rows 13 to 17 and 19: axum on tokio and axum on Wharf, with the same routes.

use super::{
    Contestant,
    Program::{Example, Rust},
    Role::{Again, Floor, Remedy, Wharf},
    contestant,
};

/// tokio's multi-thread runtime, handlers as they are written: what every ratio is to.
pub const TOKIO: &str = "tokio-axum";

/// The same once more: how far it is from 1.00 is noise.
pub const AGAIN: &str = "tokio-axum again";

/// What is compared stands together, so that little time passes between the turns of a pair.
static ALL: [Contestant; 6] = [
    contestant(
        TOKIO,
        "axum on tokio's multi-thread runtime, handlers as they are written",
        Floor,
        Rust("peer-axum"),
        &[],
    ),
    contestant(
        "wharf-axum-readiness",
        "Wharf's example `axum`, readiness with plain system calls",
        Wharf,
        Example("axum"),
        &["--driver", "readiness"],
    ),
    contestant(
        "wharf-axum-uring",
        "Wharf's example `axum`, readiness with transfers batched through io_uring",
        Wharf,
        Example("axum"),
        &["--driver", "uring"],
    ),
    contestant(
        AGAIN,
        "tokio-axum under another name: how far it is from 1.00 is noise",
        Again,
        Rust("peer-axum"),
        &[],
    ),
    contestant(
        "tokio-axum-spawn-blocking",
        "axum on tokio, what blocks or computes in spawn_blocking",
        Remedy,
        Rust("peer-axum"),
        &["--remedy", "spawn-blocking"],
    ),
    contestant(
        "tokio-axum-block-in-place",
        "axum on tokio, what blocks or computes in block_in_place",
        Remedy,
        Rust("peer-axum"),
        &["--remedy", "block-in-place"],
    ),
];

/// All there are, built or not.
pub fn all() -> &'static [Contestant] {
    &ALL
}

impl Contestant {
    /// The program and its arguments, to serve HTTP on so many threads. Of Wharf's, `threads` run at once, and there may
    /// be `threads_max` where some are blocked.
    pub fn http_command(&self, threads: u32, threads_max: u32) -> Vec<String> {
        let mut command = vec![self.path.display().to_string()];
        let mut add = |words: &[&str]| command.extend(words.iter().map(|word| (*word).to_owned()));
        add(&["--listen", "127.0.0.1:0"]);
        add(self.arguments);
        if self.role == Wharf {
            add(&["--threads", &format!("{threads}..={threads_max}")]);
            add(&["--concurrency", &threads.to_string()]);
        } else {
            add(&["--threads", &threads.to_string()]);
        }
        command
    }
}
