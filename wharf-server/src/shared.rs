//! The data that the workers of a server share. The methods are in other files, one for each concern.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use wharf::{
    BufferPool, CompletionPort,
    user_code::{discard, log, panic_message},
};

use crate::{
    Clients, Settings, accepting::Acceptor, addresses::Addresses, calls::Calls, client::Key,
    metrics::Counted, proxy::Proxies, ticker::Ticker,
};

/// The data that the workers share.
pub(crate) struct ServerState<M> {
    pub(crate) port: CompletionPort<Key<M>>,
    pub(crate) handler: Box<dyn Calls<M>>,
    pub(crate) acceptor: Acceptor<M>,
    pub(crate) clients: Clients<M>,
    pub(crate) ticker: Option<Ticker>,
    pub(crate) addresses: Addresses,
    /// Where proxies are that tell their clients' addresses.
    pub(crate) proxies: Proxies,
    pub(crate) buffers: BufferPool,
    pub(crate) buffers_per_client: usize,
    /// Bytes of clients that are gone.
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    stopping: AtomicBool,
    /// Notified when the last client is gone.
    emptied: (Mutex<()>, Condvar),
}

/// The bytes of all clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    /// Those that wait to be sent.
    pub(crate) unsent: u64,
}

impl<M: Send + 'static> ServerState<M> {
    pub(crate) fn new(
        settings: &Settings,
        port: CompletionPort<Key<M>>,
        acceptor: Acceptor<M>,
        handler: Box<dyn Calls<M>>,
    ) -> Self {
        let (buffers_max, buffers_per_client) = settings.buffers();
        let clients = Clients::new(port.clone(), settings);
        ServerState {
            port,
            handler,
            acceptor,
            clients,
            addresses: settings.addresses(),
            proxies: Proxies::new(settings),
            buffers: BufferPool::with_limit(settings.receive_bytes(), buffers_max),
            buffers_per_client,
            ticker: settings.tick.map(Ticker::new),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            emptied: (Mutex::new(()), Condvar::new()),
        }
    }

    /// The bytes of all clients until now. None are counted twice; those of a client that goes at this moment may be missed.
    pub(crate) fn moved(&self) -> Moved {
        // Those that are gone come first: one that goes meanwhile is not counted with both.
        let mut moved = Moved {
            received: self.received.load(Ordering::SeqCst),
            sent: self.sent.load(Ordering::SeqCst),
            unsent: 0,
        };
        self.clients.each(|client| {
            let traffic = client.traffic();
            moved.received += traffic.received_bytes;
            moved.sent += traffic.sent_bytes;
            moved.unsent += client.unsent() as u64;
        });
        moved
    }

    /// Makes a call that is no client's. A panic of it ends here, and is logged.
    pub(crate) fn contain(&self, what: &str, call: impl FnOnce()) {
        self.contained(what, call);
    }

    /// Likewise; returns nothing after a panic.
    pub(crate) fn contained<T>(&self, what: &str, call: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(returned) => Some(returned),
            Err(panic) => {
                log(|| tracing::error!("a handler's {what} panicked: {}", panic_message(&*panic)));
                discard(panic);
                None
            }
        }
    }

    /// Counts something for the program's metrics.
    pub(crate) fn count(&self, what: Counted<'_>) {
        self.clients.metrics().count(what);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// The server stops: each client that is there from now on is to end.
    pub(crate) fn set_stopping(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// The last client is gone.
    pub(crate) fn notify_emptied(&self) {
        drop(
            self.emptied
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.emptied.1.notify_all();
    }

    pub(crate) fn await_end_of_clients(&self, deadline: Instant) {
        let mut guard = self
            .emptied
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while !self.clients.is_empty() {
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                return;
            }
            let waited = self.emptied.1.wait_timeout(guard, remaining);
            guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
