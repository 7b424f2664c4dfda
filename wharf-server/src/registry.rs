//! The clients of a server.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use wharf::{BufferPool, CompletionPort};

use crate::{
    Client, Outgoing, Settings, Stopper,
    client::{Key, Who},
    dialling::Dials,
    metrics::Metrics,
    outbox::{CHUNK_BYTES, Sending},
    patience::Patience,
    pool::Pooled,
    present::Present,
};

/// The clients of a server, as they come and go. Clones are the same registry.
pub struct Clients<M = ()>(Arc<Registry<M>>);

struct Registry<M> {
    present: Mutex<Present<Client<M>>>,
    /// How many places are taken: of those that are there, and of those that are just being let in. Those that were dialled have others.
    places: AtomicUsize,
    last_id: AtomicU64,
    dials: Dials<M>,
    began: Instant,
    /// Sends that were dropped since their clients read too slowly.
    dropped: AtomicU64,
    metrics: Metrics,
    /// Where there are metrics: all pools.
    pools: Mutex<Vec<Weak<dyn Pooled<M>>>>,
    // The parts of its server that a client needs, on any thread.
    port: CompletionPort<Key<M>>,
    sending: Sending,
    patience: Patience,
    limits: Limits,
    stopper: Stopper,
    #[cfg(feature = "tls")]
    tls: Tls,
}

/// What sessions of TLS share.
#[cfg(feature = "tls")]
struct Tls {
    pools: crate::tls::Pools,
    handshakes: Arc<crate::tls::Handshakes>,
}

/// What each client may have.
#[derive(Debug)]
struct Limits {
    frame_bytes_max: usize,
    messages_max: usize,
    timers_per_client: usize,
    receive_rate: u32,
    /// A client to which more bytes wait to be sent is no longer read from.
    unsent_pause_bytes: usize,
}

impl<M> Clone for Clients<M> {
    fn clone(&self) -> Self {
        Clients(self.0.clone())
    }
}

impl<M> fmt::Debug for Clients<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Clients")
            .field("len", &self.len())
            .field("seen", &self.seen())
            .finish_non_exhaustive()
    }
}

impl<M> Clients<M> {
    pub(crate) fn new(port: CompletionPort<Key<M>>, settings: &Settings) -> Self {
        let chunks = BufferPool::new(CHUNK_BYTES);
        Clients(Arc::new(Registry {
            present: Mutex::default(),
            places: AtomicUsize::new(0),
            last_id: AtomicU64::new(0),
            dials: Dials::new(settings.dials_max),
            began: Instant::now(),
            dropped: AtomicU64::new(0),
            metrics: Metrics::new(settings),
            pools: Mutex::default(),
            port,
            #[cfg(feature = "tls")]
            tls: Tls {
                pools: crate::tls::Pools::new(chunks.clone()),
                handshakes: crate::tls::Handshakes::new(settings.handshakes_at_most),
            },
            sending: Sending {
                chunks,
                bytes_max: settings.unsent_bytes_max,
                sends_max: settings.unsent_max,
                slow_reader: settings.slow_reader,
            },
            patience: Patience::new(settings),
            limits: Limits {
                frame_bytes_max: settings.frame_bytes_max,
                messages_max: settings.messages_max,
                timers_per_client: settings.timers_per_client,
                receive_rate: settings.receive_rate,
                unsent_pause_bytes: settings.unsent_pause_bytes(),
            },
            stopper: Stopper::default(),
        }))
    }

    /// Asks the server to stop, if it [waits](crate::Server::wait) for that.
    pub fn stopper(&self) -> &Stopper {
        &self.0.stopper
    }

    /// When the server was started.
    pub(crate) fn began(&self) -> Instant {
        self.0.began
    }

    /// How long ago that is, in nanoseconds.
    pub(crate) fn age_ns(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn frame_bytes_max(&self) -> usize {
        self.0.limits.frame_bytes_max
    }

    pub(crate) fn messages_max(&self) -> usize {
        self.0.limits.messages_max
    }

    pub(crate) fn timers_per_client(&self) -> usize {
        self.0.limits.timers_per_client
    }

    pub(crate) fn receive_rate(&self) -> u32 {
        self.0.limits.receive_rate
    }

    pub(crate) fn unsent_pause_bytes(&self) -> usize {
        self.0.limits.unsent_pause_bytes
    }

    /// So many sends were dropped.
    pub(crate) fn count_dropped(&self, sends: usize) {
        if sends > 0 {
            self.0.dropped.fetch_add(sends as u64, Ordering::Relaxed);
        }
    }

    /// How many sends were dropped because their clients read too slowly
    /// ([`SlowReader::DropOldest`](crate::SlowReader::DropOldest)).
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Sends the same to all clients that are there at this moment, from one memory. A send that is refused concerns its
    /// client alone. Returns to how many it was sent. A client that has just come may get it before
    /// [`connected`](crate::Handler::connected) is called for it.
    pub fn broadcast<'a>(&self, outgoing: impl Into<Outgoing<'a>>) -> usize
    where
        M: Send + 'static,
    {
        let shared = outgoing.into().into_bytes();
        let clients = self.snapshot();
        let sent = clients.iter().filter(|client| client.send(&shared).is_ok());
        sent.count()
    }

    #[inline(always)]
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    fn pools(&self) -> MutexGuard<'_, Vec<Weak<dyn Pooled<M>>>> {
        // No code of the user's runs under the lock.
        self.0.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is another pool.
    pub(crate) fn note_pool(&self, pool: Weak<dyn Pooled<M>>) {
        if self.metrics().are_on() {
            let mut pools = self.pools();
            pools.retain(|pool| pool.strong_count() > 0);
            pools.push(pool);
        }
    }

    /// How each pool stands.
    #[cfg(feature = "metrics")]
    pub(crate) fn each_pool(&self, mut tell: impl FnMut(crate::PoolCounts)) {
        for number in 0.. {
            // Not under the lock: this may be the last that holds the pool.
            let pool = match self.pools().get(number) {
                None => return,
                Some(pool) => pool.upgrade(),
            };
            if let Some(pool) = pool {
                tell(pool.counts());
            }
        }
    }

    /// How many TLS handshakes of its clients came to what.
    #[cfg(feature = "tls")]
    pub fn handshakes(&self) -> crate::tls::HandshakeCounts {
        self.0.tls.handshakes.counts()
    }

    #[cfg(feature = "tls")]
    pub(crate) fn all_handshakes(&self) -> &Arc<crate::tls::Handshakes> {
        &self.0.tls.handshakes
    }

    #[cfg(feature = "tls")]
    pub(crate) fn session_pools(&self) -> &crate::tls::Pools {
        &self.0.tls.pools
    }

    pub(crate) fn sending(&self) -> &Sending {
        &self.0.sending
    }

    pub(crate) fn port(&self) -> &CompletionPort<Key<M>> {
        &self.0.port
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.0.patience
    }

    /// There is a client to look after: it may be idle, or reads more slowly than the server sends.
    #[inline]
    pub(crate) fn watch_patience(&self)
    where
        M: Send + 'static,
    {
        self.0.patience.watch(&self.0.port, || Arc::new(Who::Round));
    }

    fn present(&self) -> MutexGuard<'_, Present<Client<M>>> {
        // No code of a handler runs under the lock.
        self.0
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are; also those from which a PROXY header is awaited.
    pub fn len(&self) -> usize {
        self.present().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The client with this number, if it is still there, and its handler has been told of it.
    pub fn get(&self, id: u64) -> Option<Client<M>> {
        let client = self.find(id);
        client.filter(|client| !client.state().is_in_prelude())
    }

    /// The client with this number, if it is there.
    pub(crate) fn find(&self, id: u64) -> Option<Client<M>> {
        self.present().get(id).cloned()
    }

    /// The clients that are there at this moment; but for those of which their handler has not been told, since a PROXY header is
    /// awaited from them first.
    pub fn snapshot(&self) -> Vec<Client<M>> {
        let mut clients = self.all();
        clients.retain(|client| !client.state().is_in_prelude());
        clients
    }

    /// All clients that are there at this moment.
    pub(crate) fn all(&self) -> Vec<Client<M>> {
        self.present().iter().cloned().collect()
    }

    /// Looks at each client that is there, some thousands under one lock. One that comes or goes meanwhile may be missed.
    pub(crate) fn each(&self, mut look: impl FnMut(&Client<M>)) {
        let mut from = Some(0);
        while let Some(number) = from {
            from = self.present().some_from(number, &mut look);
        }
    }

    /// How many there were in all, those included that were refused when they had their number.
    pub fn seen(&self) -> u64 {
        self.0.last_id.load(Ordering::Relaxed)
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.0.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn dials(&self) -> &Dials<M> {
        &self.0.dials
    }

    /// Takes a place for a client that is to be let in, if fewer than `max` are taken.
    pub(crate) fn take_place(&self, max: usize) -> bool {
        let more = |places| (places < max).then_some(places + 1);
        let places = &self.0.places;
        places
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_ok()
    }

    /// The place of a client that was not let in, or has gone.
    pub(crate) fn give_place_back(&self) {
        self.0.places.fetch_sub(1, Ordering::SeqCst);
    }

    /// How many places are taken.
    pub(crate) fn places(&self) -> usize {
        self.0.places.load(Ordering::SeqCst)
    }

    pub(crate) fn insert(&self, client: Client<M>) {
        let before = self.present().insert(client.id(), client);
        debug_assert!(before.is_none(), "numbers are used once");
    }

    /// Takes a client off the registry; returns how many are left, if it was there.
    pub(crate) fn remove(&self, client: &Client<M>) -> Option<usize> {
        let mut present = self.present();
        // Dropped after the lock: it may be the last of its socket.
        let removed = present.remove(client.id());
        let left = present.len();
        drop(present);
        removed.as_ref()?;
        if client.dialled().is_none() {
            self.give_place_back();
        }
        Some(left)
    }
}
