//! A match on an enum that may grow names its variants of today only.
use wharf::Payload;

pub fn kind(payload: &Payload) -> &str {
    match payload { //~ E0004
        Payload::Buffer(_) => "buffer",
        Payload::Bytes(_) => "bytes",
        //= _ => "bytes, or what comes later",
    }
}
