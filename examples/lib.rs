//! The examples are beside this file; `README.md` gives the order. What this file holds is what all of them do, their one
//! argument, and their end; and the repository's README, so that the program there is compiled like any other, in both languages.

pub mod relay;

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use wharf_server::Server;

/// Says where a server listens, and stops it in order when a line comes on standard input, or the end of it.
pub fn run<M: Send + 'static>(server: Server<M>) {
    println!("listening on {}", server.local_addr());
    // What it says does not matter, nor how it ends.
    let _ = io::stdin().read_line(&mut String::new());
    let report = server.stop(Duration::from_secs(10));
    println!("stopped: {} clients, {} cut", report.clients, report.cut);
}

/// Locks what clients share. A handler that panics ends its own client, and the others go on with what is there.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The options of the examples, each with an address behind it.
const OPTIONS: [&str; 2] = ["--listen", "--target"];

/// The address after an option, or this one.
///
/// # Errors
/// It is no address; or there is another argument than `--listen` and `--target`, each with an address.
pub fn address(option: &str, default: &str) -> Result<SocketAddr, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut found = default;
    for pair in arguments.chunks(2) {
        let known = OPTIONS.contains(&pair[0].as_str());
        let Some(value) = pair.get(1).filter(|_| known) else {
            return Err(format!(
                "`{}`: use {option} ADDRESS, as in {option} {default}",
                pair[0]
            ));
        };
        if pair[0] == option {
            found = value;
        }
    }
    let parsed = found.parse();
    parsed.map_err(|_| format!("`{found}` is no address with a port; use one such as {default}"))
}

/// The repository's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The same in Korean.
#[cfg(doctest)]
#[doc = include_str!("../README.ko.md")]
pub struct ReadmeInKorean;
