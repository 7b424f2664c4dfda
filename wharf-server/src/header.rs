//! The header of the PROXY protocol, versions 1 and 2: what a proxy sends before a client's bytes, to tell the client's address.
//! After the specification of HAProxy (`doc/proxy-protocol.txt`); the crate `proxy-header` reads it. This file is fuzzed, and so needs
//! nothing of the rest.

use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, ProxyHeader};

/// The longest header, in bytes. One of version 2 may have fields behind the addresses; those of proxies are much shorter.
pub(crate) const BYTES_MAX: usize = 4_096;

/// Likewise of version 1, as the specification has it.
const V1_BYTES_MAX: usize = 107;

/// The least that shows how long a header of version 2 is: its mark, its command, its addresses' kind, its length.
const V2_FIXED: usize = 16;

/// How a header begins: of version 1, and of version 2.
const MARKS: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];

/// What a header tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its length, in bytes.
    pub(crate) len: usize,
    /// The client's address; none if the proxy speaks for itself, or does not know it.
    pub(crate) client: Option<SocketAddr>,
}

/// Reads the header at the front of the bytes; returns none while a part of it is missing.
///
/// # Errors
/// They are no header, or one that is too long.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Header>, String> {
    if !MARKS.iter().any(|mark| begins_alike(bytes, mark)) {
        return Err("there is no PROXY header in front of its bytes".to_owned());
    }
    // Nothing behind the end of a header is looked at, whatever is in it.
    let mut bytes = bytes;
    let mut is_whole = false;
    if bytes.len() >= V2_FIXED && bytes.starts_with(MARKS[1]) {
        let len = V2_FIXED + usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
        if len > BYTES_MAX {
            return Err(format!(
                "its PROXY header has {len} bytes, above the limit of {BYTES_MAX}"
            ));
        }
        is_whole = bytes.len() >= len;
        bytes = &bytes[..bytes.len().min(len)];
    }
    match ProxyHeader::parse(bytes, ParseConfig::default()) {
        // Whether it came in one piece or in many.
        Ok((_, len)) if bytes.starts_with(MARKS[0]) && len > V1_BYTES_MAX => Err(format!(
            "its PROXY header has {len} bytes, above the limit of {V1_BYTES_MAX} of version 1"
        )),
        Ok((header, len)) => {
            let client = header.proxied_address().map(|address| address.source);
            Ok(Some(Header { len, client }))
        }
        Err(Error::BufferTooShort) if is_whole => Err(format!(
            "its PROXY header has {} bytes, too few for its addresses",
            bytes.len()
        )),
        Err(Error::BufferTooShort) => Ok(None),
        Err(error) => Err(format!("its PROXY header is wrong: {error}")),
    }
}

/// The most bytes that it takes to tell whether they begin as a header does.
pub(crate) const MARK_BYTES_MAX: usize = MARKS[1].len();

/// Whether these bytes begin as a header does; none if they are too few to tell.
pub(crate) fn is_header(bytes: &[u8]) -> Option<bool> {
    if MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Some(true);
    }
    let may_become = MARKS.iter().any(|mark| begins_alike(bytes, mark));
    (!may_become).then_some(false)
}

/// Whether one is the beginning of the other.
fn begins_alike(bytes: &[u8], mark: &[u8]) -> bool {
    let common = bytes.len().min(mark.len());
    bytes[..common] == mark[..common]
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n";
    const V2: &[u8] =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x50";

    #[test]
    fn a_header_is_read_once_it_is_whole_and_not_before() {
        for header in [V1, V2] {
            let bytes = [header, b"ahoy"].concat();
            for len in 0..header.len() {
                assert_eq!(parse(&bytes[..len]), Ok(None), "{len} bytes");
            }
            let client = Some("192.0.2.1:4000".parse().unwrap());
            let len = header.len();
            for end in len..bytes.len() {
                assert_eq!(parse(&bytes[..end]), Ok(Some(Header { len, client })));
            }
        }
    }

    #[test]
    fn a_proxy_may_tell_no_address() {
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
        let local_with_address = [&V2[..12], b"\x20", &V2[13..]].concat();
        for header in [
            b"PROXY UNKNOWN\r\n",
            b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".as_slice(),
            local,
            &local_with_address,
        ] {
            let read = parse(header).unwrap().unwrap();
            assert_eq!((read.len, read.client), (header.len(), None));
        }
    }

    #[test]
    fn what_is_no_header_or_too_long_is_refused_as_soon_as_it_shows() {
        let too_long = [&V2[..14], &u16::MAX.to_be_bytes()].concat();
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        for wrong in [
            b"G".as_slice(),
            b"PROXZ",
            b"\r\n\r\n\0\r\nQUIT\r",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80 \r\n",
            b"PROXY TCP4 192.0.2.256 192.0.2.2 4000 80\r\n",
            b"PROXY TCP5 192.0.2.1 192.0.2.2 4000 80\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x50",
            &too_long,
            &endless,
            // Their lengths leave no room for their addresses.
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\0",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x05abcdefghijklmnop",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x50",
            &[b"PROXY UNKNOWN ".as_slice(), &[b'1'; 100], b"\r\n"].concat(),
        ] {
            assert!(parse(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
