//! `--app work`: spends the time that a request asks for, and sends the request back. See [`crate::work`].
//!
//! A client may send many requests at once. They are served in turns with those of others, a [budget](BUDGET) of time for
//! each turn, so that others wait for a turn of each client and not for all that it has sent; and between turns the server
//! sees whether the client is still there, and whether it is to stop itself. A stop drops requests that were not begun.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use wharf::Buffer;
use wharf_server::{Client, codec::Raw};

use super::App;
use crate::{
    system::{spin_time, wait_exactly},
    work::{Frame, Frames, Kind},
};

/// How long a turn is: as long as no request is begun that would make it longer, but for the first.
const BUDGET: Duration = Duration::from_millis(20);

pub struct Work {
    /// Requests that ask for more are refused.
    service_max: Duration,
    /// By client, what has arrived and was not served.
    waiting: Mutex<HashMap<u64, Waiting>>,
}

#[derive(Default)]
struct Waiting {
    frames: Frames,
    /// The first was served, and its answer could not be sent yet.
    served: bool,
}

impl App for Work {
    type Codec = Raw;

    fn codec(&self) -> Raw {
        Raw
    }

    fn received(&self, client: &Client, bytes: Buffer) -> wharf_server::Result {
        let mut waiting = self.take(client).unwrap_or_default();
        waiting.frames.push(&bytes);
        // Others may need its memory while this client is served.
        drop(bytes);
        self.take_turn(client, waiting);
        Ok(())
    }

    fn resumed(&self, client: &Client) {
        if let Some(waiting) = self.take(client) {
            self.take_turn(client, waiting);
        }
    }

    fn disconnected(&self, client: &Client) {
        self.take(client);
    }
}

impl Work {
    pub fn new(service_max: Duration) -> Self {
        Work {
            service_max,
            waiting: Mutex::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, client: &Client) -> Option<Waiting> {
        self.waiting().remove(&client.id())
    }

    /// Serves requests of a client for as long as a turn is, and leaves the rest for another.
    fn take_turn(&self, client: &Client, mut waiting: Waiting) {
        let budget = BUDGET.min(self.service_max);
        let start = Instant::now();
        let mut first = true;
        while let Some(bytes) = waiting.frames.first() {
            let frame = match Frame::decode(bytes) {
                Some(frame) if frame.service <= self.service_max => frame,
                refused => {
                    let (id, service_max) = (client.id(), self.service_max);
                    match refused {
                        Some(Frame { service, .. }) => {
                            tracing::debug!(
                                client = id,
                                ?service,
                                "above --work-max ({service_max:?}): closing"
                            );
                        }
                        None => tracing::debug!(client = id, ?bytes, "no such work: closing"),
                    }
                    client.close();
                    return;
                }
            };
            if !waiting.served {
                if !first && start.elapsed() + frame.service > budget {
                    client.call_again();
                    break;
                }
                spend(&frame);
                first = false;
            }
            if let Err(error) = client.send(&bytes[..]) {
                if error.kind() == io::ErrorKind::WouldBlock {
                    // It does not take its answers.
                    waiting.served = true;
                    client.call_again();
                    break;
                }
                // If it is not gone already, it must not take the next answer for this one.
                client.abort();
            }
            if client.ended().is_some() {
                // No client waits for the rest.
                return;
            }
            waiting.served = false;
            waiting.frames.pop();
        }
        if !waiting.frames.is_empty() {
            waiting.frames.shrink();
            self.waiting().insert(client.id(), waiting);
        }
    }
}

/// Spends the time that a request asks for.
fn spend(frame: &Frame) {
    match frame.kind {
        Kind::Sleep => {
            // A call for each, since it costs nothing beside a sleep.
            let _ = wait_exactly();
            thread::sleep(frame.service);
        }
        Kind::Spin => {
            let end = spin_time() + frame.service;
            while spin_time() < end {
                std::hint::spin_loop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spinning_uses_the_processor_for_as_long_as_asked() {
        let frame = Frame {
            id: 1,
            service: Duration::from_millis(3),
            kind: Kind::Spin,
        };
        let before = spin_time();
        spend(&frame);
        assert!(spin_time() - before >= frame.service);
    }
}
