//! What a server knows all the time is published by a thread of its own: so it is seen also while all workers are blocked.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use super::handles::{Handles, tell};
use crate::{StartError, shared::ServerState};

/// From one time to the next.
const PERIOD: Duration = Duration::from_millis(250);

/// Where there are so many clients that it takes long to add up their bytes, the pause is so many times as long as that.
const PAUSE_MIN: u32 = 20;

/// What the counters were told.
#[derive(Debug, Default)]
struct Published {
    received: u64,
    sent: u64,
    dropped: u64,
    releases: u64,
    #[cfg(feature = "tls")]
    handshakes: [u64; 3],
}

/// The thread, until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// Dropped, it ends the thread.
    goes_on: Sender<()>,
    /// The thread has the other end until it ends. In a lock, since what has this is shared.
    has_ended: Mutex<Receiver<()>>,
}

impl Publisher {
    /// Starts the thread, if the server has metrics.
    pub(crate) fn start<M: Send + 'static>(
        server: &Arc<ServerState<M>>,
    ) -> Result<Option<Self>, StartError> {
        if !server.clients.metrics().are_on() {
            return Ok(None);
        }
        let (goes_on, end) = mpsc::channel();
        let (lives, has_ended) = mpsc::channel::<()>();
        let server = server.clone();
        let publish = move || {
            let _lives = lives;
            // Let go of before it is told that the thread has ended.
            let server = server;
            let mut published = Published::default();
            let mut pause = Duration::ZERO;
            while end.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let begun = Instant::now();
                server.publish(&mut published);
                pause = PERIOD.max(begun.elapsed().saturating_mul(PAUSE_MIN));
            }
            // The last figures.
            server.publish(&mut published);
        };
        let thread = thread::Builder::new().name("wharf-metrics".into());
        thread.spawn(publish).map_err(StartError::Workers)?;
        Ok(Some(Publisher {
            goes_on,
            has_ended: Mutex::new(has_ended),
        }))
    }

    /// Has the thread tell the last figures and end, and waits for that; not longer than this, since the recorder is the program's and
    /// may block.
    pub(crate) fn stop(self, timeout: Duration) {
        drop(self.goes_on);
        // What panics in it is contained.
        let has_ended = self.has_ended.into_inner();
        let _ = has_ended.map(|it| it.recv_timeout(timeout));
    }
}

impl<M: Send + 'static> ServerState<M> {
    /// Tells what the server knows.
    fn publish(&self, published: &mut Published) {
        let metrics = self.clients.metrics();
        if let Some(handles) = metrics.handles() {
            tell(|| {
                self.publish_clients(handles, published);
                self.publish_port(handles, published);
                self.publish_pools(handles);
                #[cfg(feature = "tls")]
                self.publish_handshakes(handles, published);
            });
        }
    }

    fn publish_clients(&self, handles: &Handles, published: &mut Published) {
        let moved = self.moved();
        handles.clients.set(self.clients.len() as f64);
        handles.unsent.set(moved.unsent as f64);
        raise(&handles.received, &mut published.received, moved.received);
        raise(&handles.sent, &mut published.sent, moved.sent);
        raise(
            &handles.dropped,
            &mut published.dropped,
            self.clients.dropped(),
        );
    }

    fn publish_port(&self, handles: &Handles, published: &mut Published) {
        let counts = self.port.counts();
        for (gauge, count) in
            handles
                .workers
                .iter()
                .zip([counts.running, counts.parked, counts.blocked])
        {
            gauge.set(count as f64);
        }
        handles.queue.set(counts.queued as f64);
        let oldest = self.port.oldest().unwrap_or_default();
        handles.oldest.set(oldest.as_secs_f64());
        raise(&handles.releases, &mut published.releases, counts.releases);
    }

    fn publish_pools(&self, handles: &Handles) {
        let (mut clients, mut waiting) = ([0; 3], 0);
        self.clients.each_pool(|counts| {
            clients[0] += counts.idle;
            clients[1] += counts.taken;
            clients[2] += counts.dialling;
            waiting += counts.waiting;
        });
        for (gauge, count) in handles.pool_clients.iter().zip(clients) {
            gauge.set(count as f64);
        }
        handles.pool_waiting.set(waiting as f64);
    }

    #[cfg(feature = "tls")]
    fn publish_handshakes(&self, handles: &Handles, published: &mut Published) {
        let counts = self.clients.handshakes();
        handles.handshaking.set(counts.under_way as f64);
        let all = [counts.done, counts.failed, counts.refused];
        let counters = handles.handshakes.iter().zip(&mut published.handshakes);
        for ((counter, published), count) in counters.zip(all) {
            raise(counter, published, count);
        }
    }
}

/// Has a counter go on to `to`.
fn raise(counter: &metrics::Counter, published: &mut u64, to: u64) {
    counter.increment(to.saturating_sub(*published));
    *published = to.max(*published);
}
