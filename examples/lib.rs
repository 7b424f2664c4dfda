//! The examples are beside this file; `README.md` gives the order. What this file holds is what all of them do, their one
//! argument, and their end; and the repository's README, so that the program there is compiled like any other, in both languages.

pub mod relay;

use std::{
    io,
    net::{AddrParseError, SocketAddr},
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

/// The address after an option, or this one.
///
/// # Errors
/// It is no address.
pub fn address(option: &str, default: &str) -> Result<SocketAddr, AddrParseError> {
    let mut arguments = std::env::args().skip_while(|argument| argument != option);
    arguments.nth(1).as_deref().unwrap_or(default).parse()
}

/// The repository's README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The same in Korean.
#[cfg(doctest)]
#[doc = include_str!("../README.ko.md")]
pub struct ReadmeInKorean;
