//! What a run is to do: the arguments, checked and made definite before anything is started.

use std::{
    net::{Ipv6Addr, SocketAddr, ToSocketAddrs},
    thread,
    time::Duration,
};

use super::{Arguments, content::Content};
use crate::system::open_files_max;

/// Files that are open beside the connections: ports, rings, standard streams.
const OTHER_FILES: u64 = 64;

/// What a run is to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) connections: usize,
    pub(super) threads: usize,
    /// Requests that may be under way on a connection.
    pub(super) pipeline: usize,
    pub(super) pace: Pace,
    pub(super) warmup: Duration,
    /// How long to measure; without it, until the requests are used up.
    pub(super) duration: Option<Duration>,
    /// How many requests to send in all.
    pub(super) requests: Option<u64>,
    /// How many requests a connection makes before it is replaced.
    pub(super) per_connection: Option<u64>,
    /// How long to wait for answers after the end.
    pub(super) drain_timeout: Duration,
    /// How long an attempt to connect may take.
    pub(super) connect_timeout: Duration,
    /// How long a request may be under way before its connection is given up.
    pub(super) timeout: Option<Duration>,
    /// Whether lost connections are made again.
    pub(super) reconnect: bool,
    pub(super) seed: u64,
}

/// When requests leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// With the answer to the one before.
    Closed,
    /// When they are due, whatever the answers do.
    Open { rate_hz: f64, skew: Option<Skew> },
}

/// A few connections that carry most of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Skew {
    /// How many they are.
    pub connections: usize,
    /// The share of the requests that they make, above 0 and below 1.
    pub share: f64,
}

impl std::str::FromStr for Skew {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no skew; use 8:90 for 8 connections that make 90% of the requests")
        };
        let (connections, percent) = text.split_once(':').ok_or_else(wrong)?;
        let connections = connections.parse().map_err(|_| wrong())?;
        let percent: f64 = percent.trim_end_matches('%').parse().map_err(|_| wrong())?;
        if connections == 0 || !(percent > 0.0 && percent < 100.0) {
            return Err(wrong());
        }
        Ok(Skew {
            connections,
            share: percent / 100.0,
        })
    }
}

impl Plan {
    /// Works out a plan. The error is one of usage, with the remedy.
    pub(super) fn new(arguments: &Arguments) -> Result<Plan, String> {
        let connections = arguments.connections as usize;
        if let Some(address) = &arguments.address {
            check_address(address)?;
        }
        if let Some(skew) = arguments.skew
            && skew.connections >= connections
        {
            return Err(format!(
                "--skew makes {} of {connections} connections hot; leave at least one cold, or open more with -c",
                skew.connections
            ));
        }
        check_open_files(connections)?;
        let processors = thread::available_parallelism().map_or(1, |count| count.get());
        let threads = arguments.threads.map_or(processors, |count| count as usize);
        Ok(Plan {
            connections,
            threads: threads.min(connections),
            pipeline: arguments.pipeline as usize,
            pace: match arguments.rate {
                None => Pace::Closed,
                Some(rate_hz) => Pace::Open {
                    rate_hz,
                    skew: arguments.skew,
                },
            },
            warmup: arguments.warmup.unwrap_or(match arguments.requests {
                None => super::WARMUP,
                Some(_) => Duration::ZERO,
            }),
            duration: match (arguments.duration, arguments.requests) {
                (None, None) => Some(super::DURATION),
                (duration, _) => duration,
            },
            requests: arguments.requests,
            per_connection: arguments.per_connection,
            drain_timeout: arguments.drain_timeout,
            connect_timeout: arguments.connect_timeout,
            timeout: arguments.timeout,
            reconnect: arguments.reconnect,
            seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..)),
        })
    }

    /// What its requests are made of.
    pub(super) fn content(arguments: &Arguments) -> Content {
        match arguments.work {
            None => Content::echo(arguments.size as usize),
            Some(service) => Content::Work {
                service,
                kind: arguments.kind,
            },
        }
    }

    /// The connections of a thread: which of the first are hot is told by their number.
    pub(super) fn share(&self, thread: usize) -> impl Iterator<Item = usize> + use<> {
        (thread..self.connections).step_by(self.threads)
    }

    /// A few connections that carry most of the load, if there are such.
    pub(super) fn skew(&self) -> Option<Skew> {
        match self.pace {
            Pace::Open { skew, .. } => skew,
            Pace::Closed => None,
        }
    }

    /// Of which stream of an open loop a connection is: 1 for a hot one, 0 for any other.
    pub(super) fn stream_of(&self, number: usize) -> usize {
        usize::from(self.skew().is_some_and(|skew| number < skew.connections))
    }
}

/// Whether this may be the address of a server: a name or an address, and a port. The error says what would do.
pub(super) fn check_address(address: &str) -> Result<(), String> {
    if let Some((scheme, rest)) = address.split_once("://") {
        let host = rest.split('/').next().unwrap_or(rest);
        let port = match (host.rsplit_once(':'), scheme) {
            (Some(_), _) => "",
            (None, "https") => ":443",
            (None, _) => ":80",
        };
        return Err(format!(
            "`{address}` has a scheme, and bench speaks none: it loads a server that sends back what it receives; use \
             ADDRESS:PORT, as in {host}{port}"
        ));
    }
    let no_port = || {
        let host = match address.parse::<Ipv6Addr>() {
            Ok(_) => format!("[{address}]"),
            Err(_) if address.is_empty() => "127.0.0.1".to_owned(),
            Err(_) => address.to_owned(),
        };
        format!("`{address}` names no port; use ADDRESS:PORT, as in {host}:21000")
    };
    if address.parse::<Ipv6Addr>().is_ok() {
        return Err(no_port());
    }
    let (host, port) = address.rsplit_once(':').ok_or_else(no_port)?;
    match port.parse::<u16>() {
        Err(_) if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(format!(
                "`{address}` names no port, since `{port}` is none; use ADDRESS:PORT, as in 127.0.0.1:21000"
            ));
        }
        Ok(1..) => {}
        Ok(0) | Err(_) => {
            return Err(format!(
                "no server is at port {port}; use one within 1 and 65535"
            ));
        }
    }
    match host {
        "" | "*" => Err(format!(
            "`{address}` names no machine; use ADDRESS:PORT, as in 127.0.0.1:{port}"
        )),
        _ => Ok(()),
    }
}

/// Finds the addresses of the server, in the order in which they are to be tried.
pub(super) fn resolve(address: &str) -> Result<Vec<SocketAddr>, String> {
    let found = address
        .to_socket_addrs()
        .map_err(|error| format!("can't find `{address}`: {error}"))?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for found in found {
        if !addresses.contains(&found) {
            addresses.push(found);
        }
    }
    if addresses.is_empty() {
        return Err(format!("`{address}` has no address"));
    }
    Ok(addresses)
}

/// Raises the limit of open files, and says so if that is not enough.
fn check_open_files(connections: usize) -> Result<(), String> {
    let needed = connections as u64 + OTHER_FILES;
    // Where it can't be raised, what there is may do.
    let _ = wharf_server::raise_open_files();
    match open_files_max() {
        Some(limit) if limit < needed => Err(format!(
            "{connections} connections need {needed} open files, and the limit is {limit}; use fewer with -c, or raise \
             the hard limit (ulimit -Hn)"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_name_or_a_number_and_a_port() {
        for address in [
            "127.0.0.1:80",
            "[::1]:80",
            "localhost:65535",
            "a.b-c.example:1",
        ] {
            assert_eq!(check_address(address), Ok(()), "{address}");
        }
        for (address, message) in [
            (
                "127.0.0.1",
                "names no port; use ADDRESS:PORT, as in 127.0.0.1:21000",
            ),
            ("localhost", "as in localhost:21000"),
            ("::1", "as in [::1]:21000"),
            ("[::1]", "names no port"),
            ("localhost:", "names no port"),
            ("localhost:http", "since `http` is none"),
            ("localhost:-1", "since `-1` is none"),
            ("localhost:0", "no server is at port 0"),
            ("localhost:65536", "no server is at port 65536"),
            (
                ":80",
                "names no machine; use ADDRESS:PORT, as in 127.0.0.1:80",
            ),
            ("*:80", "names no machine"),
            ("http://host:80/", "has a scheme, and bench speaks none"),
            ("http://host:80/", "as in host:80"),
            ("http://host", "as in host:80"),
            ("https://host/a:b", "as in host:443"),
            ("", "names no port"),
        ] {
            let error = check_address(address).expect_err(address);
            assert!(error.contains(message), "{address}: {error}");
        }
    }

    #[test]
    fn every_address_of_a_name_is_found_once() {
        let found = resolve("127.0.0.1:80").expect("an address");
        assert_eq!(found, ["127.0.0.1:80".parse().expect("an address")]);
    }

    #[test]
    fn a_skew_names_connections_and_their_share() {
        let skew: Skew = "8:90%".parse().expect("a skew");
        assert_eq!((skew.connections, skew.share), (8, 0.9));
        for text in ["8", "0:90", "8:0", "8:100", "8:x", "x:90", "8:NaN"] {
            assert!(text.parse::<Skew>().is_err(), "{text}");
        }
    }
}
