//! The data that the workers of a server share. The methods are in other files, one for each concern.

use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use wharf::{BufferPool, CompletionPort, Listener};

use crate::{
    Clients, Handler, Settings,
    accepting::Acceptor,
    addresses::Addresses,
    client::Key,
    outbox::{CHUNK_BYTES, Sending},
    patience::Patience,
};

/// The data that the workers share.
pub(crate) struct ServerState {
    pub(crate) port: CompletionPort<Key>,
    pub(crate) handler: Box<dyn Handler>,
    pub(crate) acceptor: Acceptor,
    pub(crate) clients: Clients,
    pub(crate) addresses: Addresses,
    pub(crate) buffers: BufferPool,
    pub(crate) buffers_per_client: usize,
    /// A client to which more bytes wait to be sent is no longer read from.
    pub(crate) unsent_pause_bytes: usize,
    /// Bytes of clients that are gone.
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    stopping: AtomicBool,
    /// Notified when the last client is gone.
    emptied: (Mutex<()>, Condvar),
}

impl ServerState {
    pub(crate) fn new(
        settings: &Settings,
        port: CompletionPort<Key>,
        listener: Listener<Key>,
        handler: Box<dyn Handler>,
    ) -> Self {
        let (buffers_max, buffers_per_client) = settings.buffers();
        let sending = Sending {
            chunks: BufferPool::new(CHUNK_BYTES),
            bytes_max: settings.unsent_bytes_max,
        };
        let clients = Clients::new(port.clone(), sending, Patience::new(settings));
        ServerState {
            port,
            handler,
            acceptor: Acceptor::new(listener, settings.clients_max),
            clients,
            addresses: settings.addresses(),
            buffers: BufferPool::with_limit(settings.buffer_bytes, buffers_max),
            buffers_per_client,
            unsent_pause_bytes: settings.unsent_pause_bytes(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            emptied: (Mutex::new(()), Condvar::new()),
        }
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
