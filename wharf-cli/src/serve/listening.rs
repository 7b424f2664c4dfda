//! What `serve` listens on, from its options to what it prints.

use std::{fmt, process::ExitCode};

use wharf::names::{Names, TIMEOUT, Target};
use wharf_server::{IpNet, Listen, ListenAddress, Server, Settings};

use super::{metrics::Endpoint, range};
use crate::{address, exit, output::OUTPUT};

/// One of the places that `--listen` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A TCP address, or a name that is to be looked up.
    Tcp(Target),
    /// A local socket.
    #[cfg(unix)]
    Local(ListenAddress),
    /// The sockets that the process was started with.
    #[cfg(unix)]
    Systemd,
}

/// Reads a place. The error says what would do.
pub fn parse(text: &str) -> Result<Place, String> {
    #[cfg(unix)]
    if text == "systemd" {
        return Ok(Place::Systemd);
    } else if text.starts_with("unix:") {
        let local = text.parse::<ListenAddress>();
        return local.map(Place::Local).map_err(|error| error.to_string());
    }
    address::parse(text).map(Place::Tcp)
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(target) => target.fmt(formatter),
            #[cfg(unix)]
            Place::Local(address) => address.fmt(formatter),
            #[cfg(unix)]
            Place::Systemd => formatter.write_str("systemd"),
        }
    }
}

impl Place {
    /// What the server listens on there. Names are looked up now.
    fn listens(&self, reuse_port: bool) -> Result<Vec<Listen>, ExitCode> {
        match self {
            Place::Tcp(target) => {
                let addresses = Names::shared().find(target, TIMEOUT).map_err(|error| {
                    let message = format!(
                        "can't bind to {target}: {error}; use an address of this machine, such as 127.0.0.1, or a name that has one"
                    );
                    exit::fail(exit::BIND, &message)
                })?;
                Ok(vec![Listen::any_of(addresses).reuse_port(reuse_port)])
            }
            #[cfg(unix)]
            Place::Local(address) => Ok(vec![address.clone().into()]),
            #[cfg(unix)]
            Place::Systemd => match Listen::inherited() {
                Ok(sockets) if !sockets.is_empty() => Ok(sockets),
                Ok(_) => Err(exit::fail(
                    exit::SOCKET,
                    "no socket was handed over: LISTEN_FDS is not set for this process. Have a socket unit of systemd start it, or \
                     systemd-socket-activate; or use --listen ADDRESS",
                )),
                Err(error) => Err(exit::fail(
                    exit::SOCKET,
                    &format!("the sockets that were handed over can't be used: {error}"),
                )),
            },
        }
    }
}

/// What the server listens on at all of the places, and at each of those where it tells how it is. To be called before there is a
/// second thread: see [`Listen::inherited`].
pub fn listens<const N: usize>(
    places: &[Place],
    told: [Option<&Place>; N],
    reuse_port: bool,
) -> Result<(Vec<Listen>, [Option<Listen>; N]), ExitCode> {
    let mut all = Vec::new();
    for place in places {
        all.extend(place.listens(reuse_port)?);
    }
    let mut told_on = [const { None }; N];
    for (place, listen) in told.into_iter().zip(&mut told_on) {
        if let Some(place) = place {
            // Of several servers at one address, another might answer for this one.
            *listen = place.listens(false)?.pop();
        }
    }
    Ok((all, told_on))
}

/// Who is a proxy that speaks the PROXY protocol.
#[derive(Debug, Clone)]
pub enum Proxies {
    Range(IpNet),
    /// The peers of local sockets.
    #[cfg(unix)]
    Local,
}

/// Reads a range of proxies. The error says what would do.
pub fn parse_proxies(text: &str) -> Result<Proxies, String> {
    #[cfg(unix)]
    if text == "unix" {
        return Ok(Proxies::Local);
    }
    range(text).map(Proxies::Range)
}

impl Proxies {
    pub fn add_to(&self, settings: &mut Settings) {
        match self {
            Proxies::Range(range) => settings.proxy_protocol_from.push(*range),
            #[cfg(unix)]
            Proxies::Local => settings.proxy_protocol_from_local = true,
        }
    }
}

/// Reads where the server tells how it is.
pub fn parse_health(text: &str) -> Result<Place, String> {
    match parse(text)? {
        #[cfg(unix)]
        Place::Systemd => Err("a socket of systemd's is for clients; use an address of its own, such as 127.0.0.1:21001".into()),
        place => Ok(place),
    }
}

/// Says where a server listens: the first place in the first line, with what it runs on.
pub fn say_where(server: &Server, metrics: Option<&Endpoint>) {
    let addresses = server.local_addrs();
    let first = addresses.first().map(ListenAddress::to_string);
    OUTPUT.say(&format!(
        "listening on {} driver={} workers={} max_workers={} concurrency={}",
        first.unwrap_or_default(),
        server.driver().name,
        server.workers(),
        server.workers_max(),
        server.concurrency()
    ));
    for address in addresses.iter().skip(1) {
        OUTPUT.say(&format!("listening on {address} too"));
    }
    for address in server.health_addrs() {
        OUTPUT.say(&format!("health on {address}"));
    }
    for address in metrics.map_or(Vec::new(), Endpoint::addresses) {
        OUTPUT.say(&format!("metrics on {address}"));
    }
}

/// Refuses what the same process can't listen on twice.
pub fn check(
    places: &[Place],
    told: &[(&str, Option<&Place>)],
    reuse_port: bool,
) -> Result<(), String> {
    for (option, place) in told {
        if let Some(place) = place
            && places.contains(place)
            && !has_port_0(place)
        {
            return Err(format!(
                "{option} {place} is given to --listen too, and clients are told nothing of it; use another address for one of both"
            ));
        }
    }
    let twice = places
        .iter()
        .enumerate()
        .find(|(nth, place)| places[..*nth].contains(place));
    match twice {
        Some((_, place)) if !reuse_port && !has_port_0(place) => Err(format!(
            "--listen {place} is given twice; leave one out, or use --reuse-port, which shares the connections out"
        )),
        _ => Ok(()),
    }
}

/// Whether it is another address each time.
fn has_port_0(place: &Place) -> bool {
    match place {
        Place::Tcp(Target::Addresses(addresses)) => addresses.iter().any(|it| it.port() == 0),
        Place::Tcp(Target::Name(_, port)) => *port == 0,
        Place::Tcp(_) => false,
        #[cfg(unix)]
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn places_are_read_and_written_as_they_were() {
        for text in [
            "127.0.0.1:21000",
            "[::]:0",
            "localhost:80",
            "unix:/run/a b.sock",
            "systemd",
        ] {
            assert_eq!(parse(text).map(|place| place.to_string()), Ok(text.into()));
        }
        for (text, remedy) in [
            ("unix:", "unix:/run/"),
            ("systemd:80:90", "in brackets"),
            ("nowhere", "nowhere:21000"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(remedy), "{text}: {error}");
        }
    }

    #[test]
    fn a_place_is_listened_on_once() {
        let place = |text| parse(text).unwrap();
        let twice = [place("127.0.0.1:1"), place("127.0.0.1:1")];
        assert!(check(&twice, &[], false).is_err());
        assert_eq!(check(&twice, &[], true), Ok(()));
        let free = [place("127.0.0.1:0"), place("127.0.0.1:0")];
        let told = [("--health", Some(&free[0])), ("--metrics", None)];
        assert_eq!(check(&free, &told, false), Ok(()));
        for (option, reuse_port) in [("--health", false), ("--health", true), ("--metrics", true)] {
            let told = [("--other", None), (option, Some(&twice[0]))];
            let error = check(&twice[..1], &told, reuse_port).unwrap_err();
            assert!(
                error.contains(&format!("{option} 127.0.0.1:1 is given")),
                "{error}"
            );
        }
    }
}
