//! Listening, and what to do when accepting fails.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
    os::fd::AsFd,
    sync::Once,
    time::Duration,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};

use crate::{announce, complain};

/// Connections that the system holds until they are accepted. Enough for a load that opens thousands at once.
const BACKLOG: i32 = 4096;

/// Listens, and announces it. The listener blocks: a runtime that needs it otherwise has to say so.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = bound(address, false)?;
    announce(listener.local_addr()?);
    Ok(listener)
}

/// Listens on the same port `count` times, and announces it. The system spreads the connections over the listeners.
pub fn listen_for_each(address: SocketAddr, count: NonZeroUsize) -> io::Result<Vec<TcpListener>> {
    // A listener alone does not share its port: then nothing that was left running can take a part of the load.
    let share = count.get() > 1;
    let first = bound(address, share)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..count.get() {
        listeners.push(bound(address, share)?);
    }
    announce(address);
    Ok(listeners)
}

/// Sets the backlog of a listener that a runtime has made with another one.
pub fn set_backlog(listener: &TcpListener) -> io::Result<()> {
    // For a socket that listens already, this changes the backlog and nothing else.
    Ok(rustix::net::listen(listener, BACKLOG)?)
}

/// Says what it was that failed.
pub fn cannot_listen(address: SocketAddr, error: io::Error) -> io::Error {
    let message = format!("can't listen on {address}: {error}");
    io::Error::new(error.kind(), message)
}

/// How long to wait before accepting again, after an error. Where the error concerns the one connection, not at all;
/// otherwise (no file may be opened, no memory is left) for a while, since trying at once would only fail again.
pub fn pause_after(error: &io::Error) -> Duration {
    static TOLD: Once = Once::new();
    match error.kind() {
        ErrorKind::ConnectionAborted | ErrorKind::Interrupted => Duration::ZERO,
        _ => {
            TOLD.call_once(|| {
                complain(&format!(
                    "warning: can't accept: {error}; it is tried again, and not told again"
                ))
            });
            Duration::from_millis(100)
        }
    }
}

fn bound(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let bound = || {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if share {
            sockopt::set_socket_reuseport(&socket, true)?;
        }
        bind(socket.as_fd(), &address)?;
        rustix::net::listen(&socket, BACKLOG)?;
        rustix::io::Result::Ok(TcpListener::from(socket))
    };
    bound().map_err(|errno| cannot_listen(address, errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_listeners_share_a_free_port() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listeners = listen_for_each(any, NonZeroUsize::new(3).unwrap()).unwrap();
        let ports: Vec<_> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        assert_eq!(ports, [ports[0]; 3]);
        assert_ne!(ports[0], 0);
    }

    #[test]
    fn a_listener_alone_does_not_share_its_port() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = listen_for_each(any, NonZeroUsize::MIN).unwrap();
        let taken = first[0].local_addr().unwrap();
        let error = listen(taken).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&taken.to_string()), "{error}");
    }

    #[test]
    fn only_what_would_fail_again_is_waited_for() {
        assert_eq!(
            pause_after(&ErrorKind::ConnectionAborted.into()),
            Duration::ZERO
        );
        let no_more_files = io::Error::from(rustix::io::Errno::MFILE);
        assert!(pause_after(&no_more_files) > Duration::ZERO);
    }
}
