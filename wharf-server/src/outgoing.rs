//! What can be sent to a client.

use bytes::Bytes;
use wharf::{Buffer, BufferPool, Payload};

use crate::{codec::Written, outbox::CHUNK_BYTES};

/// What can be [sent](crate::Client::send): owned bytes go as they are, without a copy; borrowed ones are copied, into memory
/// that is used again if they are few (up to 4 KiB).
///
/// | given | sent |
/// |---|---|
/// | [`Buffer`], as it was received; [`Payload`] | as it is |
/// | [`Bytes`], `Vec<u8>`, `String` | as they are; clones of the same `Bytes` share their memory |
/// | `&[u8]`, `&[u8; N]`, `&str` | a copy |
/// | [`Written`], a frame; `&[&[u8]]`, several pieces | a copy of all, in one piece |
#[derive(Debug)]
pub struct Outgoing<'a>(Content<'a>);

#[derive(Debug)]
enum Content<'a> {
    Owned(Payload),
    One(&'a [u8]),
    Frame(Written<'a>),
    Several(&'a [&'a [u8]]),
}

impl Outgoing<'_> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Content::Owned(payload) => payload.len(),
            Content::One(bytes) => bytes.len(),
            Content::Frame(frame) => frame.len(),
            Content::Several(pieces) => pieces.iter().map(|piece| piece.len()).sum(),
        }
    }

    /// Calls `with` with each piece.
    pub(crate) fn for_each(&self, mut with: impl FnMut(&[u8])) {
        match &self.0 {
            Content::Owned(payload) => with(payload),
            Content::One(bytes) => with(bytes),
            Content::Frame(frame) => frame.parts().into_iter().for_each(with),
            Content::Several(pieces) => pieces.iter().for_each(|piece| with(piece)),
        }
    }

    /// All of it, where it is in one piece.
    pub(crate) fn in_one(&self) -> Option<&[u8]> {
        match &self.0 {
            Content::Owned(payload) => Some(payload),
            Content::One(bytes) => Some(bytes),
            Content::Frame(_) | Content::Several(_) => None,
        }
    }

    /// The shared bytes, if it has such.
    pub(crate) fn shared(&self) -> Option<&Bytes> {
        match &self.0 {
            Content::Owned(Payload::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// All of it, to be shared.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self.0 {
            Content::Owned(Payload::Bytes(bytes)) => bytes,
            content => Outgoing(content).to_vec().into(),
        }
    }

    /// A copy of all of it.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(self.len());
        self.for_each(|piece| copy.extend_from_slice(piece));
        copy
    }

    /// A payload of all of it. Borrowed bytes are copied into a buffer of the pool, if they fit.
    #[inline]
    pub(crate) fn into_payload(self, chunks: &BufferPool) -> Payload {
        match self.0 {
            Content::Owned(payload) => payload,
            borrowed => Outgoing(borrowed).copy(chunks),
        }
    }

    fn copy(self, chunks: &BufferPool) -> Payload {
        let len = self.len();
        let chunk = match len <= CHUNK_BYTES {
            true => chunks.get(),
            false => None,
        };
        let mut copy = chunk.unwrap_or_else(|| Buffer::with_capacity(len));
        copy.set_len(len);
        let mut at = 0;
        self.for_each(|piece| {
            copy[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        });
        Payload::Buffer(copy)
    }
}

/// Payloads, and what becomes one.
macro_rules! owned {
    ($($type:ty),*) => {
        $(
            impl From<$type> for Outgoing<'_> {
                #[inline]
                fn from(owned: $type) -> Self {
                    Outgoing(Content::Owned(owned.into()))
                }
            }
        )*
    };
}

owned!(Payload, Buffer, Bytes, Vec<u8>, String);

impl<'a> From<&'a [u8]> for Outgoing<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Outgoing(Content::One(bytes))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Outgoing<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Outgoing(Content::One(bytes))
    }
}

impl<'a> From<&'a str> for Outgoing<'a> {
    fn from(text: &'a str) -> Self {
        Outgoing(Content::One(text.as_bytes()))
    }
}

impl<'a> From<&'a String> for Outgoing<'a> {
    fn from(text: &'a String) -> Self {
        Outgoing(Content::One(text.as_bytes()))
    }
}

impl<'a> From<&'a Vec<u8>> for Outgoing<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Outgoing(Content::One(bytes))
    }
}

impl From<&Bytes> for Outgoing<'_> {
    /// Shared, without a copy.
    fn from(bytes: &Bytes) -> Self {
        Outgoing(Content::Owned(bytes.clone().into()))
    }
}

impl<'a> From<Written<'a>> for Outgoing<'a> {
    fn from(frame: Written<'a>) -> Self {
        Outgoing(Content::Frame(frame))
    }
}

impl<'a> From<&Written<'a>> for Outgoing<'a> {
    fn from(frame: &Written<'a>) -> Self {
        Outgoing(Content::Frame(*frame))
    }
}

impl<'a> From<&'a [&'a [u8]]> for Outgoing<'a> {
    fn from(pieces: &'a [&'a [u8]]) -> Self {
        Outgoing(Content::Several(pieces))
    }
}

impl<'a, const N: usize> From<&'a [&'a [u8]; N]> for Outgoing<'a> {
    fn from(pieces: &'a [&'a [u8]; N]) -> Self {
        Outgoing(Content::Several(pieces))
    }
}
