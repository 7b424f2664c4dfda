//! From which of our own addresses to connect.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

/// So many connections are made from one address of ours before the next is used. An address has some 28,000 ports
/// for a server.
const CONNECTIONS_PER_ADDRESS: usize = 20_000;

/// Connections that come and go leave their ports taken for a while; they are spread over so many addresses.
const PASSING_ADDRESSES: usize = 64;

/// So many addresses may turn out to have no port left.
const FULL_MAX: usize = 256;

/// The addresses of ours that a thread connects from.
#[derive(Debug)]
pub(super) struct Sources {
    server: SocketAddr,
    /// Connections come and go.
    are_passing: bool,
    /// How often an address had no port left: so many are no longer used.
    full: usize,
}

impl Sources {
    pub(super) fn new(server: SocketAddr, are_passing: bool) -> Self {
        Sources {
            server,
            are_passing,
            full: 0,
        }
    }

    /// The address for a connection with this number in the run, the `begun`th that is begun; and how many were full
    /// then, for [`is_full`](Self::is_full). No address if it does not matter.
    pub(super) fn next(&self, number: usize, begun: usize) -> (Option<SocketAddr>, usize) {
        let host = self.full
            + match self.are_passing {
                true => 1 + begun % PASSING_ADDRESSES,
                false => number / CONNECTIONS_PER_ADDRESS,
            };
        let address = (self.are_many() && host > 0).then(|| {
            let [_, _, high, low] = (host as u32 + 1).to_be_bytes();
            SocketAddr::from((Ipv4Addr::new(127, 0, high, low), 0))
        });
        (address, self.full)
    }

    /// Notes that all ports of an address are taken, of one that was chosen when so many were full. Says whether there is
    /// another to try.
    pub(super) fn is_full(&mut self, full_then: usize) -> bool {
        if self.full == full_then {
            self.full += 1;
        }
        self.are_many() && self.full < FULL_MAX
    }

    /// Whether there is a choice: every address of 127.0.0.0/8 is ours, and no other network is like that.
    fn are_many(&self) -> bool {
        self.server.is_ipv4() && self.server.ip().is_loopback()
    }
}

/// What to say if no more addresses can be tried.
pub(super) fn all_taken(error: &io::Error) -> String {
    format!(
        "connect: {error}: all ports from here to there are taken; use fewer connections with -c, or widen the range of \
         ports (sysctl net.ipv4.ip_local_port_range)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(sources: &Sources, of: impl IntoIterator<Item = (usize, usize)>) -> Vec<String> {
        of.into_iter()
            .map(|(number, begun)| match sources.next(number, begun).0 {
                Some(address) => address.ip().to_string(),
                None => "any".into(),
            })
            .collect()
    }

    #[test]
    fn an_address_that_is_full_is_followed_by_the_next() {
        let server = "127.0.0.1:80".parse().expect("an address");
        let mut sources = Sources::new(server, false);
        let numbers = [(0, 0), (20_000, 20_000)];
        assert_eq!(hosts(&sources, numbers), ["any", "127.0.0.2"]);
        // Two that were on their way at once find the same address full.
        assert!(sources.is_full(0) && sources.is_full(0));
        assert_eq!(hosts(&sources, numbers), ["127.0.0.2", "127.0.0.3"]);
        assert!((1..255).all(|full| sources.is_full(full)));
        assert_eq!(hosts(&sources, [(0, 0)]), ["127.0.1.0"]);
        assert!(!sources.is_full(255));
    }

    #[test]
    fn connections_that_pass_are_spread() {
        let server = "127.0.0.1:80".parse().expect("an address");
        let mut sources = Sources::new(server, true);
        let begun = [(0, 0), (0, 63), (0, 64)];
        assert_eq!(
            hosts(&sources, begun),
            ["127.0.0.2", "127.0.0.65", "127.0.0.2"]
        );
        assert!(sources.is_full(0));
        assert_eq!(
            hosts(&sources, begun),
            ["127.0.0.3", "127.0.0.66", "127.0.0.3"]
        );
    }

    #[test]
    fn where_there_is_one_address_it_is_the_systems_choice() {
        for server in ["[::1]:80", "192.0.2.1:80"] {
            let mut sources = Sources::new(server.parse().expect("an address"), true);
            assert_eq!(hosts(&sources, [(50_000, 7)]), ["any"]);
            assert!(!sources.is_full(0));
        }
    }
}
