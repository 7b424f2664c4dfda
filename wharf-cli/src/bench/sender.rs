//! Makes the requests of one thread and sends them.

use std::{io, time::Instant};

use super::{connection::Connection, content::Content, shared::LoadState};

/// What one thread sends.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    content: &'a Content,
    next_id: u64,
    /// Requests that have left and were neither answered nor lost.
    under_way: usize,
    /// What is random in the load of this thread: in a run with the same seed, the same.
    pub(super) random: fastrand::Rng,
}

impl<'a> Sender<'a> {
    pub(super) fn new(shared: &LoadState<'a>, thread: usize) -> Self {
        let seed = shared.plan.seed.wrapping_add(thread as u64);
        Sender {
            content: shared.content,
            // Different ones for each thread.
            next_id: (thread as u64) << 48,
            under_way: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Sends requests on a connection, if it is there: as many to a send as fit.
    ///
    /// # Errors
    /// They could not be sent. Those that were tried count as under way.
    pub(super) fn send(
        &mut self,
        connection: &mut Connection,
        count: usize,
        due: Instant,
        now: Instant,
    ) -> io::Result<()> {
        let Some(socket) = &connection.socket else {
            return Ok(());
        };
        connection.made += count as u64;
        let mut left = count;
        while left > 0 {
            let at_once = left.min(self.content.requests_per_send());
            left -= at_once;
            let first = connection.departures.len();
            for _ in 0..at_once {
                self.next_id += 1;
                let departure = self
                    .content
                    .request(self.next_id, due, now, &mut self.random);
                connection.departures.push_back(departure);
            }
            self.under_way += at_once;
            let requests = connection.departures.range(first..);
            let payload = self.content.payload(connection.sent, requests);
            connection.sent += payload.len() as u64;
            let sent = socket.send_quietly(payload);
            sent.map_err(|refused| refused.error)?;
        }
        Ok(())
    }

    /// So many requests were answered, or lost.
    pub(super) fn completed(&mut self, count: usize) {
        self.under_way -= count;
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }
}
