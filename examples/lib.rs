//! The examples are beside this file; `README.md` gives the order. What this file holds is what all of them do, their one
//! argument, and their end; and the repository's README, so that the program there is compiled like any other, in both languages.

pub mod patient;
pub mod relay;

use std::{
    env, io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use wharf_server::{Server, tls};

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

/// A certificate for `localhost` and 127.0.0.1, and its key, as PEM.
///
/// # Errors
/// It can't be made.
pub fn self_signed() -> Result<(String, String), rcgen::Error> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names)?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}

/// Who a server of TLS is: the files of PEM that `TLS_CERT` and `TLS_KEY` name in the environment. Where there are none, a certificate is
/// [made](self_signed), and printed as PEM, for a client that is to trust it: on standard error, since standard output is for where
/// the server listens.
///
/// # Errors
/// It can't be made.
pub fn identity() -> Result<tls::Identity, rcgen::Error> {
    if let (Some(certificate), Some(key)) = (env::var_os("TLS_CERT"), env::var_os("TLS_KEY")) {
        return Ok(tls::Identity::files(certificate, key));
    }
    let (certificate, key) = self_signed()?;
    eprint!("{certificate}");
    Ok(tls::Identity::new(
        tls::Pem::memory(certificate),
        tls::Pem::memory(key),
    ))
}

/// The options of the examples, each with an address behind it.
const OPTIONS: [&str; 2] = ["--listen", "--target"];

/// The address after an option, or this one.
///
/// # Errors
/// It is no address; or there is another argument than `--listen` and `--target`, each with an address.
pub fn address(option: &str, default: &str) -> Result<SocketAddr, String> {
    let arguments: Vec<String> = env::args().skip(1).collect();
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
