//! Where a client has connected from.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// Where a client has connected from: its own address, also where a proxy [tells](crate::Settings::proxy_protocol_from) it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// An IP address and a port.
    Address(SocketAddr),
    /// A process of this machine, over a local (Unix) socket.
    Local,
}

impl Peer {
    /// Its IP address and port; none for a [local](Self::Local) one.
    pub fn address(self) -> Option<SocketAddr> {
        match self {
            Peer::Address(address) => Some(address),
            Peer::Local => None,
        }
    }

    /// Its IP address; none for a [local](Self::Local) one.
    pub fn ip(self) -> Option<IpAddr> {
        Some(self.address()?.ip())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Address(address) => address.fmt(formatter),
            Peer::Local => formatter.write_str("local"),
        }
    }
}

impl From<SocketAddr> for Peer {
    /// An IPv4 address is one, also if it came to an IPv6 socket (`::ffff:192.0.2.1`).
    fn from(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        match ip.is_ipv4() {
            true => Peer::Address(SocketAddr::new(ip, address.port())),
            false => Peer::Address(address),
        }
    }
}

impl PartialEq<SocketAddr> for Peer {
    fn eq(&self, other: &SocketAddr) -> bool {
        self.address() == Some(*other)
    }
}
