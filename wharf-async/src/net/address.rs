//! What a program may give where an address is wanted.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
};

/// Addresses, or a name whose addresses are to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// These, in this order.
    Addresses(Vec<SocketAddr>),
    /// A name and a port.
    Name(String, u16),
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Name(name, port) => write!(formatter, "{name}:{port}"),
            Target::Addresses(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                formatter.write_str(&addresses.join(", "))
            }
        }
    }
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
            Err(_) if name.is_empty() => Err(refused("the name is empty")),
            Err(_) => Ok(Target::Name(name.to_owned(), port)),
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
        if let Ok(address) = self.parse::<SocketAddr>() {
            return address.to_target();
        }
        let parts = self.rsplit_once(':');
        let named = parts.and_then(|(name, port)| Some((name, port.parse().ok()?)));
        match named {
            Some((name, port)) if !name.contains([':', '/']) => (name, port).to_target(),
            _ => {
                let what = format!(
                    "`{self}` is no address: ADDRESS:PORT or NAME:PORT, as 127.0.0.1:80, [::1]:80 or localhost:80"
                );
                Err(refused(what))
            }
        }
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

fn refused(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_told_apart() {
        let address: SocketAddr = "[::1]:80".parse().expect("an address");
        let one = Target::Addresses(vec![address]);
        assert_eq!("[::1]:80".to_target().expect("an address"), one);
        assert_eq!(("::1", 80).to_target().expect("an address"), one);
        let name = Target::Name("localhost".into(), 80);
        assert_eq!("localhost:80".to_target().expect("a name"), name);
        assert_eq!(
            ("localhost".to_owned(), 80).to_target().expect("a name"),
            name
        );
        for wrong in [
            "",
            ":80",
            "localhost",
            "localhost:",
            "localhost:http",
            "::1:80",
            "http://a:80",
            "a:65536",
        ] {
            let error = wrong.to_target().expect_err(wrong);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{wrong}");
        }
        let none: &[SocketAddr] = &[];
        none.to_target().expect_err("no address");
    }
}
