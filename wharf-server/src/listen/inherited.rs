//! Sockets that the process was started with: systemd's protocol, of the environment variables `LISTEN_FDS` and `LISTEN_PID`.

use std::{io, os::fd::AsFd};

use listenfd::ListenFd;
use socket2::SockRef;

use super::{Listen, set_options};

/// No service has as many; a larger number is an error of whoever has set it.
const SOCKETS_MAX: usize = 1_024;

impl Listen {
    /// The listening sockets that the process was started with, TCP and local ones, as systemd does for a service with a socket unit
    /// (sd_listen_fds(3)); none if it was started without. They are taken once: a second call finds none.
    ///
    /// To be called before the program has other threads that read or change the environment, since it takes `LISTEN_FDS` and
    /// `LISTEN_PID` out of it.
    ///
    /// # Errors
    /// One of them is no stream socket that listens ([`InvalidInput`](io::ErrorKind::InvalidInput)), or there are more than 1,024, or `LISTEN_FDS` is no
    /// number.
    pub fn inherited() -> io::Result<Vec<Listen>> {
        if let Some(count) = std::env::var_os("LISTEN_FDS") {
            check_count(&count.to_string_lossy()).map_err(invalid)?;
        }
        let mut sockets = ListenFd::from_env();
        (0..sockets.len())
            .map(|number| take(&mut sockets, number))
            .collect()
    }
}

/// Refuses what is no number of sockets.
fn check_count(count: &str) -> Result<(), String> {
    match count.parse::<usize>() {
        Ok(count) if count <= SOCKETS_MAX => Ok(()),
        Ok(count) => Err(format!(
            "LISTEN_FDS is {count}, above the limit of {SOCKETS_MAX}"
        )),
        Err(_) => Err(format!(
            "LISTEN_FDS is `{count}`, which is no number of sockets; unset it, or start this by a socket unit"
        )),
    }
}

fn take(sockets: &mut ListenFd, number: usize) -> io::Result<Listen> {
    let tcp = sockets.take_tcp_listener(number).ok().flatten();
    let mut local = || sockets.take_unix_listener(number).ok().flatten();
    let listen = match tcp {
        Some(listener) => {
            check_that_it_listens(&listener, number)?;
            set_options(SockRef::from(&listener))?;
            Listen::from(listener)
        }
        None => {
            let listener = local().ok_or_else(|| {
                invalid(format!(
                    "socket {number} of LISTEN_FDS is no stream socket, of TCP or local; use ListenStream= in its socket unit"
                ))
            })?;
            check_that_it_listens(&listener, number)?;
            Listen::from(listener)
        }
    };
    Ok(listen)
}

fn check_that_it_listens(socket: &impl AsFd, number: usize) -> io::Result<()> {
    match rustix::net::sockopt::socket_acceptconn(socket)? {
        true => Ok(()),
        false => Err(invalid(format!(
            "socket {number} of LISTEN_FDS does not listen, but is a connection; use Accept=no in its socket unit"
        ))),
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_of_sockets_is_told() {
        for count in ["0", "1", "1024"] {
            assert_eq!(check_count(count), Ok(()));
        }
        for wrong in ["", "abc", "-1", "1025", "99999999999999999999999"] {
            let error = check_count(wrong).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
