//! Where to listen, as it is written on the command line: `127.0.0.1:21000`, `[::1]:0`, `localhost:21000`.
//!
//! Reading it makes no look-up, so that a wrong address is refused like any other argument; a name is looked up afterwards.

use wharf::names::{Target, TargetError};

/// Reads a place. The error says what would do.
pub fn parse(text: &str) -> Result<Target, String> {
    let Some(("" | "*", port)) = text.rsplit_once(':') else {
        return text.parse().map_err(|error: TargetError| error.to_string());
    };
    // Whether it is a port is found out in the usual way.
    parse(&format!("0.0.0.0:{port}"))?;
    Err(format!(
        "`{text}` would let all the world in, which has to be asked for plainly: use 0.0.0.0:{port} for each address of \
         this machine, [::]:{port} for IPv6 too, or 127.0.0.1:{port} for this machine alone"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_taken_and_written_as_they_were() {
        for text in [
            "127.0.0.1:21000",
            "[::]:0",
            "localhost:0",
            "[fe80::1%eth0]:80",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_place_is_refused_with_what_would_do() {
        for (text, remedy) in [
            (":0", "use 0.0.0.0:0"),
            ("*:21000", "[::]:21000"),
            ("", "use 127.0.0.1:21000"),
            (":http", "up to 65535"),
            ("127.0.0.1:", "0 for any"),
            ("[::1", "[::1]"),
            ("127.1:80", "four numbers"),
            ("http://localhost:80/", "leave http:// out"),
            ("a b:80", "such as localhost"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(remedy), "{text}: {error}");
        }
    }
}
