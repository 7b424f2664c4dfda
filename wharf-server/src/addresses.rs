//! How many clients each address has: so that one peer can't fill the table.
//!
//! An IPv4 address counts by itself, an IPv6 address by its first 64 bits, since that is the least that a provider gives to one
//! customer (RFC 6177).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ipnet::IpNet;

use crate::Peer;

#[derive(Debug)]
pub(crate) struct Addresses {
    /// None is without limit, and then nothing is counted.
    pub(crate) max: Option<usize>,
    /// Not counted: proxies, behind which there are many.
    exempt: Vec<IpNet>,
    counts: Mutex<HashMap<Origin, usize>>,
}

/// The addresses that are counted as one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Origin {
    V4(u32),
    V6(u64),
}

impl Origin {
    fn of(address: IpAddr) -> Origin {
        match address.to_canonical() {
            IpAddr::V4(address) => Origin::V4(address.to_bits()),
            IpAddr::V6(address) => Origin::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl Addresses {
    pub(crate) fn new(max: Option<usize>, exempt: Vec<IpNet>) -> Self {
        Addresses {
            max,
            exempt,
            counts: Mutex::default(),
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Origin, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limit for this peer, and the addresses that it is counted with.
    fn limit(&self, peer: Peer) -> Option<(usize, Origin)> {
        let address = peer.ip()?;
        let is_exempt = self.exempt.iter().any(|range| range.contains(&address));
        self.max
            .filter(|_| !is_exempt)
            .map(|max| (max, Origin::of(address)))
    }

    /// Counts a client, unless its address has as many as it may.
    pub(crate) fn admit(&self, peer: Peer) -> bool {
        let Some((max, origin)) = self.limit(peer) else {
            return true;
        };
        let mut counts = self.counts();
        let count = counts.entry(origin).or_default();
        let admits = *count < max;
        *count += usize::from(admits);
        admits
    }

    /// A client that was counted has gone.
    pub(crate) fn leave(&self, peer: Peer) {
        let Some((_, origin)) = self.limit(peer) else {
            return;
        };
        let mut counts = self.counts();
        if let Some(count) = counts.get_mut(&origin) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn peer(address: &str) -> Peer {
        SocketAddr::new(address.parse().expect("an address"), 1).into()
    }

    #[test]
    fn each_address_has_so_many_and_no_more_until_one_leaves() {
        let addresses = Addresses::new(Some(2), Vec::new());
        let (here, there) = (peer("192.0.2.1"), peer("192.0.2.2"));
        assert!(addresses.admit(here) && addresses.admit(here));
        assert!(!addresses.admit(here));
        assert!(addresses.admit(there), "another is none of its");
        addresses.leave(here);
        assert!(addresses.admit(here));
        assert!(!addresses.admit(here));
    }

    #[test]
    fn nothing_is_kept_of_an_address_that_has_none_left() {
        let addresses = Addresses::new(Some(2), Vec::new());
        for number in 0..100 {
            let peer = peer(&format!("192.0.2.{number}"));
            assert!(addresses.admit(peer));
            addresses.leave(peer);
        }
        assert!(addresses.counts().is_empty());
    }

    #[test]
    fn ipv6_counts_by_64_bits_and_a_mapped_address_is_the_ipv4_one() {
        let addresses = Addresses::new(Some(1), Vec::new());
        assert!(addresses.admit(peer("2001:db8:1:2::1")));
        assert!(!addresses.admit(peer("2001:db8:1:2:ffff::9")));
        assert!(addresses.admit(peer("2001:db8:1:3::1")));
        assert!(addresses.admit(peer("192.0.2.1")));
        assert!(!addresses.admit(peer("::ffff:192.0.2.1")));
    }

    #[test]
    fn exempt_ranges_are_not_counted_and_without_a_limit_nobody_is() {
        let exempt = vec!["10.0.0.0/8".parse().expect("a range")];
        let addresses = Addresses::new(Some(1), exempt);
        assert!((0..10).all(|_| addresses.admit(peer("10.1.2.3"))));
        assert!((0..10).all(|_| addresses.admit(peer("::ffff:10.1.2.3"))));
        let addresses = Addresses::new(None, Vec::new());
        assert!((0..10).all(|_| addresses.admit(peer("192.0.2.1"))));
        assert!(addresses.counts().is_empty());
    }
}
