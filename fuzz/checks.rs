//! What must hold for any bytes at all, wherever bytes come in. The fuzzers call it with what they make up, and a test of the
//! command with the corpus: this file is part of both.

use std::time::Duration;

use wharf::names::Target;

use crate::{
    address, header,
    http_answer::{Answers, HEAD_BYTES_MAX, Part},
    quantity,
    work::{FRAME_BYTES, Frame, Frames, SERVICE_MAX},
};

/// The work protocol: a stream is the same frames however the network cuts it, and a frame is read as it was written or not
/// at all. The first byte says into segments of how many the rest is cut.
pub fn frames(bytes: &[u8]) {
    let Some((segment, stream)) = bytes.split_first() else {
        return;
    };
    let (whole, rest) = stream.as_chunks::<FRAME_BYTES>();
    let mut expected = whole.iter();
    let mut frames = Frames::default();
    for segment in stream.chunks(usize::from(*segment).max(1)) {
        frames.push(segment);
        while let Some(frame) = frames.first() {
            assert_eq!(Some(frame), expected.next());
            check_frame(frame);
            frames.pop();
        }
        frames.shrink();
    }
    assert_eq!(expected.next(), None, "each has come");
    assert_eq!(frames.is_empty(), rest.is_empty());
}

fn check_frame(bytes: &[u8; FRAME_BYTES]) {
    let [.., a, b, c, d, kind, x, y, z] = *bytes;
    let service = Duration::from_micros(u32::from_le_bytes([a, b, c, d]).into());
    match Frame::decode(bytes) {
        Some(frame) => {
            assert_eq!(frame.encode(), *bytes);
            assert_eq!(frame.service, service);
            assert!(service <= SERVICE_MAX);
        }
        None => assert!(kind > 1 || [x, y, z] != [0; 3] || service > SERVICE_MAX),
    }
}

/// Answers of HTTP/1.1: a stream is the same answers however the network cuts it, or is refused at the same place, and what is
/// held of it is bounded. The first byte says into segments of how many the rest is cut.
pub fn answers(bytes: &[u8]) {
    let Some((segment, stream)) = bytes.split_first() else {
        return;
    };
    let cut = read_answers(stream.chunks(usize::from(*segment).max(1)));
    assert_eq!(cut, read_answers([stream]));
}

/// A status, a body, and, behind its end, whether the connection ends too.
type Answer = (u16, Vec<u8>, Option<bool>);

/// The answers of a stream that comes in these pieces, and what it was refused for.
fn read_answers<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Answer>, Option<String>) {
    let (mut reader, mut answers) = (Answers::default(), Vec::new());
    for mut piece in pieces {
        loop {
            let part = match reader.next(&mut piece) {
                Ok(Some(part)) => part,
                Ok(None) => break,
                Err(error) => return (answers, Some(error.to_string())),
            };
            if let Part::Head { status } = part {
                assert!((101..1_000).contains(&status), "{status}");
                answers.push((status, Vec::new(), None));
            }
            let (_, body, end) = answers.last_mut().expect("a head comes first");
            assert_eq!(*end, None, "nothing comes behind an end");
            match part {
                Part::Head { .. } => {}
                Part::Body(piece) => body.extend_from_slice(piece),
                Part::End { closes } => *end = Some(closes),
            }
        }
        assert!(piece.is_empty(), "all is taken");
        assert!(reader.held() < HEAD_BYTES_MAX);
    }
    (answers, None)
}

/// The quantities of the command line: what is taken is within its limits, and is taken again as it is shown.
pub fn quantities(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match quantity::parse_count(&text) {
        Ok(count) => {
            assert!(count <= 1 << 53);
            assert_eq!(quantity::parse_count(&count.to_string()), Ok(count));
            let shown = quantity::show_count(count);
            assert_eq!(shown.replace(',', ""), count.to_string());
        }
        Err(error) => assert!(!error.is_empty()),
    }
    match quantity::parse_rate(&text) {
        Ok(rate) => {
            assert!(rate > 0.0 && rate.is_finite(), "{rate}");
            assert!(!quantity::show_many(rate, "requests/s").is_empty());
            assert!(!quantity::show_bytes(rate, "B/s").is_empty());
        }
        Err(error) => assert!(!error.is_empty()),
    }
    match quantity::parse_duration(&text) {
        Ok(duration) => {
            let nanoseconds = duration.as_nanos();
            // What is longer, a number with a fraction holds to a nanosecond no more.
            if nanoseconds < 1 << 50 {
                let written = format!("{nanoseconds}ns");
                assert_eq!(quantity::parse_duration(&written), Ok(duration));
            }
            assert!(!quantity::show_duration(duration).is_empty());
        }
        Err(error) => assert!(!error.is_empty()),
    }
}

/// The address to listen on: what is taken is written as it can be read again, and is what the standard library takes it
/// for.
pub fn addresses(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let parsed = address::parse(&text);
    assert_eq!(parsed.clone().ok(), parsed.as_ref().ok().and_then(reread));
    match parsed {
        Ok(Target::Addresses(addresses)) => {
            assert_eq!(addresses, [text.parse().expect("an address")]);
        }
        Ok(Target::Name(host, _)) => {
            assert!(!host.is_empty() && host.len() <= 254, "{host}");
            assert!(
                host.is_ascii() && !host.contains(['/', '*', '[', ']', ' ', '\0']),
                "{host}"
            );
        }
        Ok(target) => panic!("{target} is of another kind"),
        Err(error) => {
            assert!(text.parse::<std::net::SocketAddr>().is_err());
            assert!(!error.is_empty());
        }
    }
}

fn reread(place: &Target) -> Option<Target> {
    address::parse(&place.to_string()).ok()
}

/// Headers of the PROXY protocol: one is taken as soon as its last byte has come, and whatever comes behind it; and what is none is
/// refused, however the network cuts it.
pub fn headers(bytes: &[u8]) {
    let whole = header::parse(bytes);
    let prefixes = 0..=bytes.len().min(header::BYTES_MAX);
    let decided = prefixes
        .map(|end| (end, header::parse(&bytes[..end])))
        .find(|(_, parsed)| *parsed != Ok(None));
    match decided {
        Some((end, Ok(Some(header)))) => {
            assert_eq!(header.len, end);
            assert_eq!(header::is_header(&bytes[..end]), Some(true));
            assert_eq!(whole, Ok(Some(header)));
        }
        Some((_, Err(error))) => {
            assert!(!error.is_empty());
            assert!(whole.is_err());
        }
        _ => {
            assert_eq!(whole, Ok(None));
            assert!(bytes.len() < header::BYTES_MAX, "more is awaited for ever");
        }
    }
}
