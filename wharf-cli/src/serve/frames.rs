//! `--frames`: cuts what it receives into frames, and sends each back as it came.

use wharf_server::{
    Client, Result,
    codec::{Codec, Delimited, Fixed, LengthPrefixed, Lines},
};

use super::App;

/// Sends frames back.
pub struct Frames<C>(pub C);

/// A codec that writes what it reads.
pub trait SendBack: Codec {
    /// Sends a frame, with what belongs around it.
    fn send_back(&self, client: &Client, frame: Self::Frame<'_>) -> Result;
}

impl SendBack for Lines {
    fn send_back(&self, client: &Client, line: &str) -> Result {
        Ok(client.send(Lines::frame(line))?)
    }
}

impl SendBack for LengthPrefixed {
    fn send_back(&self, client: &Client, frame: &[u8]) -> Result {
        Ok(client.send(self.frame(frame)?)?)
    }
}

impl SendBack for Delimited {
    fn send_back(&self, client: &Client, frame: &[u8]) -> Result {
        Ok(client.send(self.frame(frame))?)
    }
}

impl SendBack for Fixed {
    fn send_back(&self, client: &Client, frame: &[u8]) -> Result {
        Ok(client.send(frame)?)
    }
}

impl<C: SendBack + Clone + Sync> App for Frames<C> {
    type Codec = C;

    fn codec(&self) -> C {
        self.0.clone()
    }

    fn received(&self, client: &Client, frame: C::Frame<'_>) -> Result {
        self.0.send_back(client, frame)
    }
}
