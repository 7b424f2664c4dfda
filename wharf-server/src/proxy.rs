//! The proxies that speak the PROXY protocol to a server. What they send is in [`header`](crate::header).

use ipnet::IpNet;

use crate::{Peer, Settings};

/// The peers that are proxies, and send a header for each client.
#[derive(Debug)]
pub(crate) struct Proxies {
    ranges: Vec<IpNet>,
    local: bool,
}

impl Proxies {
    pub(crate) fn new(settings: &Settings) -> Self {
        Proxies {
            ranges: settings.proxy_protocol_from.clone(),
            local: settings.proxy_protocol_from_local,
        }
    }

    pub(crate) fn are_none(&self) -> bool {
        self.ranges.is_empty() && !self.local
    }

    pub(crate) fn has(&self, peer: Peer) -> bool {
        match peer.ip() {
            Some(ip) => self.ranges.iter().any(|range| range.contains(&ip)),
            None => self.local,
        }
    }
}
