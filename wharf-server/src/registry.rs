//! The clients of a server.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use wharf::CompletionPort;

use crate::{
    Client,
    client::{Key, Who},
    outbox::Sending,
    patience::Patience,
    present::Present,
};

/// The clients of a server, as they come and go. Clones are the same registry.
#[derive(Debug, Clone)]
pub struct Clients(Arc<Registry>);

#[derive(Debug)]
struct Registry {
    present: Mutex<Present<Client>>,
    last_id: AtomicU64,
    began: Instant,
    // The parts of its server that a client needs, on any thread.
    port: CompletionPort<Key>,
    sending: Sending,
    patience: Patience,
}

impl Clients {
    pub(crate) fn new(port: CompletionPort<Key>, sending: Sending, patience: Patience) -> Self {
        Clients(Arc::new(Registry {
            present: Mutex::default(),
            last_id: AtomicU64::new(0),
            began: Instant::now(),
            port,
            sending,
            patience,
        }))
    }

    /// When the server was started.
    pub(crate) fn began(&self) -> Instant {
        self.0.began
    }

    /// How long ago that is, in nanoseconds.
    pub(crate) fn age_ns(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn sending(&self) -> &Sending {
        &self.0.sending
    }

    pub(crate) fn port(&self) -> &CompletionPort<Key> {
        &self.0.port
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.0.patience
    }

    /// There is a client to look after: it may be idle, or reads more slowly than the server sends.
    pub(crate) fn watch_patience(&self) {
        self.0.patience.watch(&self.0.port, || Arc::new(Who::Round));
    }

    fn present(&self) -> MutexGuard<'_, Present<Client>> {
        // No code of a handler runs under the lock.
        self.0
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.present().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The client with this number, if it is still there.
    pub fn get(&self, id: u64) -> Option<Client> {
        self.present().get(id).cloned()
    }

    /// The clients that are there at this moment.
    pub fn snapshot(&self) -> Vec<Client> {
        self.present().iter().cloned().collect()
    }

    /// How many there were in all.
    pub fn seen(&self) -> u64 {
        self.0.last_id.load(Ordering::Relaxed)
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.0.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn insert(&self, client: Client) {
        let before = self.present().insert(client.id(), client);
        debug_assert!(before.is_none(), "numbers are used once");
    }

    /// Takes a client off the registry; returns how many are left, if it was there.
    pub(crate) fn remove(&self, client: &Client) -> Option<usize> {
        let mut present = self.present();
        // Dropped after the lock: it may be the last of its socket.
        let removed = present.remove(client.id());
        let left = present.len();
        drop(present);
        removed.map(|_| left)
    }
}
