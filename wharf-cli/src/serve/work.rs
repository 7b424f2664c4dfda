//! `--app work`: spends the time that a request asks for, and sends the request back. See [`crate::work`].

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use wharf::Buffer;
use wharf_server::Client;

use super::App;
use crate::work::{FRAME_BYTES, Frame};

#[derive(Default)]
pub struct Work {
    /// The beginnings of frames whose rest has not arrived, by client.
    cut: Mutex<HashMap<u64, Vec<u8>>>,
}

impl App for Work {
    fn received(&self, client: &Client, bytes: Buffer) {
        let earlier = self.cut().remove(&client.id());
        let whole;
        let bytes = match earlier {
            None => &bytes[..],
            Some(mut earlier) => {
                earlier.extend_from_slice(&bytes);
                whole = earlier;
                &whole[..]
            }
        };
        let (frames, rest) = bytes.as_chunks();
        for frame in frames {
            if !serve(client, frame) {
                return;
            }
        }
        if !rest.is_empty() {
            self.cut().insert(client.id(), rest.to_vec());
        }
    }

    fn disconnected(&self, client: &Client) {
        self.cut().remove(&client.id());
    }
}

impl Work {
    fn cut(&self) -> MutexGuard<'_, HashMap<u64, Vec<u8>>> {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves one request; says whether the client's next is to be served.
fn serve(client: &Client, bytes: &[u8; FRAME_BYTES]) -> bool {
    let Some(frame) = Frame::decode(bytes) else {
        tracing::debug!(client = client.id(), ?bytes, "no such work: closing");
        client.close();
        return false;
    };
    frame.serve();
    // Refused if it is gone: then nobody waits for the rest either.
    client.send(bytes.to_vec()).is_ok()
}
