//! The address of the server: how it is written, and what it stands for.

use std::net::{Ipv6Addr, SocketAddr};

use wharf::names::{Names, TIMEOUT, Target, TargetError};

/// Whether this may be the address of a server: a name or an address, and a port. The error says what would do.
pub(super) fn check_address(address: &str) -> Result<(), String> {
    if let Some((scheme, rest)) = address.split_once("://") {
        let host = rest.split('/').next().unwrap_or(rest);
        let port = match (host.rsplit_once(':'), scheme) {
            (Some(_), _) => "",
            (None, "https") => ":443",
            (None, _) => ":80",
        };
        if scheme == "http" {
            let path = rest.find('/').map_or("/", |at| &rest[at..]);
            return Err(format!(
                "`{address}` has a scheme; use ADDRESS:PORT and --http PATH, as in {host}{port} --http {path}"
            ));
        }
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
        _ => target(address).map(drop),
    }
}

/// Finds the addresses of the server, in the order in which they are to be tried.
pub(super) fn resolve(address: &str) -> Result<Vec<SocketAddr>, String> {
    let found = Names::shared().find(&target(address)?, TIMEOUT);
    found.map_err(|error| format!("can't find `{address}`: {error}"))
}

fn target(address: &str) -> Result<Target, String> {
    address
        .parse()
        .map_err(|error: TargetError| error.to_string())
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
            ("http://host:8080/a", "as in host:8080 --http /a"),
            ("http://host", "as in host:80 --http /"),
            ("ftp://host:80/", "has a scheme, and bench speaks none"),
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
}
