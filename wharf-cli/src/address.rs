//! Where to listen, as it is written on the command line: `127.0.0.1:21000`, `[::1]:0`, `localhost:21000`.
//!
//! Reading it makes no look-up, so that a wrong address is refused like any other argument; a name is looked up afterwards.

use std::{
    fmt, io,
    net::{Ipv6Addr, SocketAddr, ToSocketAddrs},
};

/// The longest name that there may be, and the longest part of one, in bytes (RFC 1035).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// An address and a port, or a name that is to be looked up and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    At(SocketAddr),
    /// A name, or an IPv6 address with the name of an interface.
    Named {
        host: String,
        port: u16,
    },
}

/// Reads a place. The error says what would do.
pub fn parse(text: &str) -> Result<Endpoint, String> {
    if let Ok(address) = text.parse() {
        return Ok(Endpoint::At(address));
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(format!(
            "`{text}` has a scheme; leave {scheme}:// out: ADDRESS:PORT, as in 127.0.0.1:21000"
        ));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!(
            "`{text}` is an address without a port; use [{text}]:21000"
        ));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        let host = if text.is_empty() { "127.0.0.1" } else { text };
        return Err(format!("`{text}` names no port; use {host}:21000"));
    };
    let port = parse_port(port)?;
    match host {
        "" | "*" => Err(format!(
            "`{text}` would let all the world in, which has to be asked for plainly: use 0.0.0.0:{port} for each address of \
             this machine, [::]:{port} for IPv6 too, or 127.0.0.1:{port} for this machine alone"
        )),
        _ => {
            let host = parse_host(host)?.to_owned();
            Ok(Endpoint::Named { host, port })
        }
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|_| digits);
    port.ok_or_else(|| {
        format!("`{text}` is no port; use one up to 65535, or 0 for any that is free")
    })
}

/// Checks a name that is to be looked up, which is no address of the usual form.
fn parse_host(text: &str) -> Result<&str, String> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or_default();
        let is_scoped = inner.split_once('%').is_some_and(|(address, interface)| {
            address.parse::<Ipv6Addr>().is_ok() && is_label(interface)
        });
        return match is_scoped {
            true => Ok(inner),
            false => Err(format!(
                "`{text}` is no IPv6 address; use one such as [::1]"
            )),
        };
    }
    if text.contains(':') {
        return Err(format!(
            "`{text}` is no name; an IPv6 address stands in brackets, as in [::1]:21000"
        ));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(is_label) {
        return Err(format!(
            "`{text}` is no name of a machine; use an address, as in 127.0.0.1:21000, or a name such as localhost"
        ));
    }
    // The system would take 127.1 for an address, and 2130706433 too.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(format!(
            "`{text}` is no IPv4 address; use four numbers up to 255, as in 127.0.0.1"
        ));
    }
    Ok(text)
}

/// Whether this may stand between the dots of a name. Names of interfaces are shorter everywhere.
fn is_label(text: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LABEL_BYTES_MAX).contains(&text.len()) && text.bytes().all(may_be)
}

impl Endpoint {
    /// Its addresses, in the order in which they are to be tried; never none.
    ///
    /// # Errors
    /// The system's: there is no such name, or no name server answers.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = match self {
            Endpoint::At(address) => return Ok(vec![*address]),
            Endpoint::Named { host, port } => (host.as_str(), *port),
        };
        let mut addresses = Vec::new();
        for address in (host, port).to_socket_addrs()? {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        match addresses.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "it has no address")),
            false => Ok(addresses),
        }
    }
}

/// As it can be read again.
impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::At(address) => address.fmt(formatter),
            Endpoint::Named { host, port } if host.contains(':') => {
                write!(formatter, "[{host}]:{port}")
            }
            Endpoint::Named { host, port } => write!(formatter, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_taken_and_written_as_they_were() {
        for text in [
            "127.0.0.1:21000",
            "0.0.0.0:0",
            "[::1]:0",
            "[::]:65535",
            "[fe80::1%2]:80",
        ] {
            let place = parse(text).unwrap();
            assert!(matches!(place, Endpoint::At(_)), "{text}");
            assert_eq!(place.to_string(), text);
        }
        for (text, host, port) in [
            ("localhost:0", "localhost", 0),
            ("a-b_c.example:80", "a-b_c.example", 80),
            ("example.org.:80", "example.org.", 80),
            ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ] {
            let place = parse(text).unwrap();
            let host = host.to_owned();
            assert_eq!(place, Endpoint::Named { host, port });
            assert_eq!(place.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_place_is_refused_with_what_would_do() {
        for (text, remedy) in [
            (":0", "use 0.0.0.0:0"),
            ("*:21000", "[::]:21000"),
            ("", "use 127.0.0.1:21000"),
            ("localhost", "use localhost:21000"),
            ("::1", "use [::1]:21000"),
            ("::1:80", "use [::1:80]:21000"),
            ("1::2::3:80", "in brackets"),
            ("[::1", "[::1]"),
            ("[]:80", "[::1]"),
            ("[localhost]:80", "[::1]"),
            ("[127.0.0.1]:80", "[::1]"),
            ("127.0.0.1:", "0 for any"),
            ("127.0.0.1:+1", "up to 65535"),
            ("127.0.0.1:65536", "up to 65535"),
            ("127.0.0.1:http", "up to 65535"),
            ("127.1:80", "four numbers"),
            ("1.2.3.256:80", "four numbers"),
            ("2130706433:80", "four numbers"),
            ("http://localhost:80/", "leave http:// out"),
            ("a..b:80", "such as localhost"),
            ("a b:80", "such as localhost"),
            ("münchen:80", "such as localhost"),
            (".:80", "such as localhost"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(remedy), "{text}: {error}");
        }
        let label = "a".repeat(63);
        assert!(parse(&format!("{label}.{label}:80")).is_ok());
        for long in [
            format!("{label}a:80"),
            format!("[::1%{label}a]:80"),
            format!("{label}.{label}.{label}.{label}:80"),
        ] {
            assert!(parse(&long).is_err(), "{long}");
        }
    }

    #[test]
    fn an_address_is_its_own_and_a_name_has_some() {
        let place = parse("127.0.0.1:80").unwrap();
        assert_eq!(place.resolve().unwrap(), ["127.0.0.1:80".parse().unwrap()]);
        let found = parse("localhost:80").unwrap().resolve().unwrap();
        assert!(!found.is_empty());
        assert!(
            found
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == 80)
        );
    }
}
