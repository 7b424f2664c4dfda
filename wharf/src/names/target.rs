//! What a program may give where an address is wanted. Reading it makes no look-up, so that a wrong one is refused at once.

use std::{
    error, fmt, io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

/// The longest name that there may be, and the longest part of one, in bytes (RFC 1035).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Addresses, or a name whose addresses are to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// These, in this order.
    Addresses(Vec<SocketAddr>),
    /// A name, or an IPv6 address with the name of an interface, and a port.
    Name(String, u16),
}

/// A text of one name, or of one address, can be read again.
impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Name(name, port) if name.contains(':') => {
                write!(formatter, "[{name}]:{port}")
            }
            Target::Name(name, port) => write!(formatter, "{name}:{port}"),
            Target::Addresses(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                formatter.write_str(&addresses.join(", "))
            }
        }
    }
}

/// A text that is neither an address nor a name with a port: it says which text, and what would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetError(String);

impl fmt::Display for TargetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl error::Error for TargetError {}

impl FromStr for Target {
    type Err = TargetError;

    /// Reads `ADDRESS:PORT` or `NAME:PORT`, as `127.0.0.1:80`, `[::1]:80`, `[fe80::1%eth0]:80` or `localhost:80`. The error says what
    /// would do.
    fn from_str(text: &str) -> Result<Target, TargetError> {
        parse(text).map_err(TargetError)
    }
}

fn parse(text: &str) -> Result<Target, String> {
    if let Ok(address) = text.parse() {
        return Ok(Target::Addresses(vec![address]));
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
    if host.is_empty() {
        return Err(format!(
            "`{text}` names no machine; use ADDRESS:PORT, as in 127.0.0.1:{port}"
        ));
    }
    Ok(Target::Name(parse_host(host)?.to_owned(), port))
}

fn parse_port(text: &str) -> Result<u16, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|_| digits);
    port.ok_or_else(|| {
        format!("`{text}` is no port; use one up to 65535, or to listen on 0 for any that is free")
    })
}

/// Reads what stands before a port, and is no address of the usual form.
fn parse_host(text: &str) -> Result<&str, String> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').unwrap_or_default();
        return match is_scoped(inner) {
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
    check_name(text)?;
    Ok(text)
}

/// Whether this is an IPv6 address with the name of an interface.
fn is_scoped(text: &str) -> bool {
    text.split_once('%').is_some_and(|(address, interface)| {
        address.parse::<Ipv6Addr>().is_ok() && is_label(interface)
    })
}

/// Checks a name that is to be looked up.
fn check_name(text: &str) -> Result<(), String> {
    if is_scoped(text) {
        return Ok(());
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
    Ok(())
}

/// Whether this may stand between the dots of a name. Names of interfaces are shorter everywhere.
fn is_label(text: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LABEL_BYTES_MAX).contains(&text.len()) && text.bytes().all(may_be)
}

/// What can be connected to or listened on: an address, several, a name and a port, or a text of either.
pub trait ToTarget {
    /// What is meant.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): it is neither address nor name with a port, or there is none.
    fn to_target(&self) -> io::Result<Target>;
}

impl ToTarget for SocketAddr {
    fn to_target(&self) -> io::Result<Target> {
        Ok(Target::Addresses(vec![*self]))
    }
}

impl ToTarget for (IpAddr, u16) {
    fn to_target(&self) -> io::Result<Target> {
        SocketAddr::from(*self).to_target()
    }
}

impl ToTarget for [SocketAddr] {
    fn to_target(&self) -> io::Result<Target> {
        match self {
            [] => Err(refused("no address was given")),
            _ => Ok(Target::Addresses(self.to_vec())),
        }
    }
}

impl ToTarget for (&str, u16) {
    fn to_target(&self) -> io::Result<Target> {
        let (name, port) = *self;
        match name.parse::<IpAddr>() {
            Ok(address) => (address, port).to_target(),
            Err(_) => {
                check_name(name).map_err(refused)?;
                Ok(Target::Name(name.to_owned(), port))
            }
        }
    }
}

impl ToTarget for (String, u16) {
    fn to_target(&self) -> io::Result<Target> {
        (self.0.as_str(), self.1).to_target()
    }
}

impl ToTarget for str {
    fn to_target(&self) -> io::Result<Target> {
        self.parse::<Target>().map_err(refused)
    }
}

impl ToTarget for Target {
    fn to_target(&self) -> io::Result<Target> {
        Ok(self.clone())
    }
}

impl ToTarget for String {
    fn to_target(&self) -> io::Result<Target> {
        self.as_str().to_target()
    }
}

impl<T: ToTarget + ?Sized> ToTarget for &T {
    fn to_target(&self) -> io::Result<Target> {
        (**self).to_target()
    }
}

fn refused(what: impl Into<Box<dyn error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn name(name: &str, port: u16) -> Target {
        Target::Name(name.to_owned(), port)
    }

    #[test]
    fn addresses_and_names_are_told_apart_and_written_as_they_were() {
        for text in [
            "127.0.0.1:21000",
            "0.0.0.0:0",
            "[::1]:0",
            "[::]:65535",
            "[fe80::1%2]:80",
        ] {
            let target: Target = text.parse().unwrap();
            assert!(matches!(target, Target::Addresses(_)), "{text}");
            assert_eq!(target.to_string(), text);
        }
        for (text, host, port) in [
            ("localhost:0", "localhost", 0),
            ("a-b_c.example:80", "a-b_c.example", 80),
            ("example.org.:80", "example.org.", 80),
            ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ] {
            let target = text.to_target().unwrap();
            assert_eq!(target, name(host, port));
            assert_eq!(target.to_string(), text);
            assert_eq!((host, port).to_target().unwrap(), target);
            assert_eq!((host.to_owned(), port).to_target().unwrap(), target);
        }
        let one = Target::Addresses(vec!["[::1]:80".parse().unwrap()]);
        assert_eq!(("::1", 80).to_target().unwrap(), one);
        assert_eq!(one.to_target().unwrap(), one);
    }

    #[test]
    fn what_is_no_target_is_refused_with_what_would_do() {
        for (text, remedy) in [
            ("", "use 127.0.0.1:21000"),
            (":80", "as in 127.0.0.1:80"),
            ("localhost", "use localhost:21000"),
            ("::1", "use [::1]:21000"),
            ("::1:80", "use [::1:80]:21000"),
            ("1::2::3:80", "in brackets"),
            ("[::1", "[::1]"),
            ("[]:80", "[::1]"),
            ("[localhost]:80", "[::1]"),
            ("[127.0.0.1]:80", "[::1]"),
            ("127.0.0.1:", "up to 65535"),
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
            let error = text.to_target().expect_err(text);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
            assert!(error.to_string().contains(remedy), "{text}: {error}");
        }
        let label = "a".repeat(LABEL_BYTES_MAX);
        assert!(format!("{label}.{label}:80").to_target().is_ok());
        for long in [
            format!("{label}a:80"),
            format!("[::1%{label}a]:80"),
            format!("{label}.{label}.{label}.{label}:80"),
        ] {
            assert!(long.to_target().is_err(), "{long}");
        }
        ("", 80).to_target().expect_err("no name");
        let none: &[SocketAddr] = &[];
        none.to_target().expect_err("no address");
    }
}
