//! A frame that is written: its bytes, with what belongs around them.

/// At most so many bytes belong before a frame's bytes, and behind them.
const EDGE_MAX: usize = 16;

/// A frame to be [sent](crate::Client::send): borrowed bytes, and what belongs before and behind them.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    before: Edge,
    bytes: &'a [u8],
    behind: Edge,
}

/// A few bytes.
#[derive(Debug, Clone, Copy)]
struct Edge {
    bytes: [u8; EDGE_MAX],
    len: u8,
}

impl Edge {
    fn new(from: &[u8]) -> Self {
        assert!(
            from.len() <= EDGE_MAX,
            "{} bytes belong around a frame; at most {EDGE_MAX} may",
            from.len()
        );
        let mut bytes = [0; EDGE_MAX];
        bytes[..from.len()].copy_from_slice(from);
        Edge {
            bytes,
            len: from.len() as u8,
        }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl<'a> Written<'a> {
    /// These bytes, with those before and behind them.
    ///
    /// # Panics
    /// If more than 16 belong before them, or behind them.
    pub fn new(before: &[u8], bytes: &'a [u8], behind: &[u8]) -> Self {
        Written {
            before: Edge::new(before),
            bytes,
            behind: Edge::new(behind),
        }
    }

    /// All parts, in order; some may be empty.
    pub fn parts(&self) -> [&[u8]; 3] {
        [self.before.as_slice(), self.bytes, self.behind.as_slice()]
    }

    /// How many bytes it has.
    #[expect(
        clippy::len_without_is_empty,
        reason = "it is seldom empty, and nobody asks"
    )]
    pub fn len(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }

    /// A copy, in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// A copy in one piece, to be sent to several clients, which share it.
    pub fn to_bytes(&self) -> bytes::Bytes {
        self.to_vec().into()
    }
}
