//! Decoders of tokio-util, as codecs. By the feature `tokio-util`.

use std::fmt::Display;

use ::tokio_util::codec::Decoder;
use bytes::BytesMut;

use super::{Codec, Decoded, FrameError};

/// A decoder of tokio-util: `LengthDelimitedCodec`, or one of a program's own. It keeps the bytes that it needs itself, and makes
/// frames of its own; so each byte is copied once, and the server's [longest
/// frame](crate::Settings::frame_bytes_max) is no limit here: the decoder has its own.
///
/// ```
/// use tokio_util::codec::LengthDelimitedCodec;
/// use wharf_server::{Client, Handler, Result, codec::Tokio};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Session = ();
///     type Codec = Tokio<LengthDelimitedCodec>;
///     type Message = ();
///
///     fn codec(&self) -> Tokio<LengthDelimitedCodec> {
///         let decoder = LengthDelimitedCodec::builder().max_frame_length(1_000).new_codec();
///         Tokio::new(decoder, 4_096)
///     }
///
///     fn connected(&self, _: &Client) -> Result {
///         Ok(())
///     }
///
///     fn received(&self, client: &Client, (): &mut (), frame: bytes::BytesMut) -> Result {
///         Ok(client.send(frame.freeze())?)
///     }
/// }
/// # let builder = wharf_server::Server::builder().listen("127.0.0.1:0".parse().unwrap());
/// # drop(builder.start(Echo).unwrap());
/// ```
#[derive(Debug)]
pub struct Tokio<D> {
    decoder: D,
    bytes: BytesMut,
    bytes_max: usize,
}

impl<D> Tokio<D> {
    /// The decoder of one client. `bytes_max`: the most bytes that it may leave undecoded, beside one receive buffer; a client
    /// that sends more before a frame is whole is gone.
    pub fn new(decoder: D, bytes_max: usize) -> Self {
        Tokio {
            decoder,
            bytes: BytesMut::new(),
            bytes_max,
        }
    }
}

impl<D> Codec for Tokio<D>
where
    D: Decoder<Error: Display> + Send + 'static,
{
    type Frame<'a> = D::Item;

    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded<D::Item>, FrameError> {
        if !bytes.is_empty() {
            self.bytes.extend_from_slice(bytes);
            return Ok(Decoded::Skip(bytes.len()));
        }
        if let Some(frame) = self.decoder.decode(&mut self.bytes).map_err(invalid)? {
            return Ok(Decoded::Frame(frame, 0));
        }
        if self.bytes.len() > self.bytes_max {
            return Err(FrameError::TooLong {
                bytes: self.bytes.len(),
                bytes_max: self.bytes_max,
            });
        }
        Ok(Decoded::Incomplete(1))
    }

    fn decode_end(&mut self, _: &[u8]) -> Result<Option<D::Item>, FrameError> {
        self.decoder.decode_eof(&mut self.bytes).map_err(invalid)
    }
}

fn invalid(error: impl Display) -> FrameError {
    FrameError::Invalid(error.to_string().into())
}
