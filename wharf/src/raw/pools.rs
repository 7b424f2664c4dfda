//! The thread pools that a port may ask for one more thread: what such a pool has to do, and the list of them.

use std::{fmt, io, marker::PhantomData, sync::Weak};

use super::system::member::{Reserve, discharge, enlist};
use crate::{
    sync::Mutex,
    user_code::{contain, log},
};

/// A thread pool that may grow: the port asks it for one more thread when all are blocked.
///
/// [`Workers`](crate::Workers) are such a pool. A program that has threads of its own implements this for them, and then
/// calls the port, which is a [`raw::Port`](crate::raw::Port) or a [`CompletionPort`](crate::CompletionPort):
///
/// | when | what the pool calls |
/// |---|---|
/// | before it starts its first thread | `prepare` |
/// | in each thread, before its first wait | [`DescriptorReserve::enter`] or [`lend`](DescriptorReserve::lend) |
/// | when its first threads are started | `add_pool` |
/// | in each thread that `spawn` started, when its first wait has returned | `worker_started` |
/// | when a thread has ended, if the pool may have said [`Full`](Spawned::Full) before | `can_spawn` |
///
/// ```
/// use std::{io, mem, sync::{Arc, Mutex, Weak, atomic::{AtomicUsize, Ordering}, mpsc}, thread};
/// use wharf::raw::{Answer, DescriptorReserve, Options, Port, Spawned, ThreadPool};
///
/// /// At most four threads, one of them from the start.
/// struct Growing {
///     own: Weak<Growing>,
///     port: Arc<Port>,
///     reserve: DescriptorReserve,
///     threads: AtomicUsize,
///     /// Threads that were started, and whose first wait has not returned.
///     arriving: AtomicUsize,
///     jobs: mpsc::Sender<u64>,
///     /// What a job waits for, here.
///     go: Mutex<mpsc::Receiver<()>>,
/// }
///
/// impl Growing {
///     fn start(&self) -> io::Result<()> {
///         self.threads.fetch_add(1, Ordering::SeqCst);
///         self.arriving.fetch_add(1, Ordering::SeqCst);
///         let pool = self.own.upgrade().expect("it is there while it is called");
///         let started = thread::Builder::new().spawn(move || pool.serve());
///         if started.is_err() {
///             self.threads.fetch_sub(1, Ordering::SeqCst);
///             self.arriving.fetch_sub(1, Ordering::SeqCst);
///         }
///         started.map(drop)
///     }
///
///     fn serve(&self) {
///         let _lent = self.reserve.lend();
///         let mut arrives = true;
///         loop {
///             let answer = self.port.wait(None);
///             if mem::take(&mut arrives) {
///                 self.arriving.fetch_sub(1, Ordering::SeqCst);
///                 self.port.worker_started();
///             }
///             let Ok(Answer::Packet(packet)) = answer else { return };
///             let _ = self.jobs.send(packet.token);
///             let _ = self.go.lock().unwrap().recv(); // It blocks.
///         }
///     }
/// }
///
/// impl ThreadPool for Growing {
///     fn spawn(&self) -> Spawned {
///         if self.arriving.load(Ordering::SeqCst) > 0 {
///             return Spawned::OnTheWay;
///         }
///         if self.threads.load(Ordering::SeqCst) == 4 {
///             return Spawned::Full;
///         }
///         match self.start() {
///             Ok(()) => Spawned::Started,
///             Err(error) => Spawned::Refused(Some(error)),
///         }
///     }
/// }
///
/// # fn main() -> io::Result<()> {
/// let port = Port::new(&Options::default())?;
/// port.prepare()?;
/// let (jobs, begun) = mpsc::channel();
/// let (go, may_go) = mpsc::channel();
/// let pool = Arc::new_cyclic(|own| Growing {
///     own: own.clone(),
///     port: port.clone(),
///     reserve: DescriptorReserve::new(4),
///     threads: AtomicUsize::new(0),
///     arriving: AtomicUsize::new(0),
///     jobs,
///     go: Mutex::new(may_go),
/// });
/// pool.start()?;
/// port.add_pool(Arc::<Growing>::downgrade(&pool));
///
/// // Each job blocks its thread, and yet the next is begun.
/// for token in 0..4 {
///     port.post(0, 0, token)?;
/// }
/// let mut tokens: Vec<u64> = (0..4).map(|_| begun.recv().unwrap()).collect();
/// tokens.sort_unstable();
/// assert_eq!(tokens, [0, 1, 2, 3]);
/// port.close();
/// drop(go);
/// # Ok(())
/// # }
/// ```
pub trait ThreadPool: Send + Sync {
    /// Starts a thread that waits on the port, if the pool may have one more; it does not wait for the thread.
    ///
    /// On Linux it is called when packets wait, the port's concurrency lets one more thread run, and none waits: by a thread
    /// of the port's own, again and again while this lasts, at first every 0.1 ms and later every 16. So a pool to which
    /// the system refused a thread just now answers [`Refused(None)`](Spawned::Refused) for a while before it tries again.
    /// Windows does not tell a program that all threads are blocked: there a thread calls it that took a packet while no other
    /// thread waits, and the new thread waits until one of the others blocks. There several threads may call it at once.
    ///
    /// It is called under no lock. It may use the port, but not call `can_spawn` or `worker_started`, which may call it. A
    /// panic is caught and logged, and counts as `Refused`.
    fn spawn(&self) -> Spawned;
}

/// The answer of [`ThreadPool::spawn`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Spawned {
    /// A thread was started. No other pool is asked.
    Started,
    /// A thread that was started before has not returned from its first wait yet. On Linux another pool is asked; later
    /// this one is asked again, if one more thread is needed then.
    OnTheWay,
    /// The system had no thread, now or a moment ago. Another pool is asked, and this one again: on Linux 0.1 to 16 ms later, on
    /// Windows when a thread next takes a packet and leaves none that waits.
    ///
    /// If the error is given, it is logged; a pool to which the system refuses a thread again and again gives it only the first
    /// time.
    Refused(Option<io::Error>),
    /// The pool has as many threads as it may have. Once all pools say so, none is asked until one calls `can_spawn`.
    Full,
}

/// The result of asking the pools of a port for a thread.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SpawnOutcome {
    /// One was started.
    Started,
    /// A thread is on the way, or was refused, or a pool that was full has room again: the pools are to be asked again.
    Pending,
    /// All are full.
    AllFull,
}

/// The pools of a port that may grow. The port does not own them.
#[derive(Default)]
pub(super) struct Pools(Mutex<List>);

#[derive(Default)]
struct List {
    pools: Vec<Weak<dyn ThreadPool>>,
    /// How often a pool was added, or had room again.
    changes: u64,
}

impl Pools {
    /// From now on this pool is asked too. `tell` is as with [`has_room`](Self::has_room).
    pub(super) fn add<T>(&self, pool: Weak<dyn ThreadPool>, tell: impl FnOnce() -> T) -> T {
        self.0.lock().pools.push(pool);
        self.has_room(tell)
    }

    /// A pool that was full has room again. `tell` notes it for the port, under the list's lock.
    pub(super) fn has_room<T>(&self, tell: impl FnOnce() -> T) -> T {
        let mut list = self.0.lock();
        list.changes += 1;
        tell()
    }

    /// Asks one pool after the other for a thread, until one starts it. `all_full` notes for the port that all are full: under
    /// the list's lock, and only if none has had room since they were asked, so that the note never undoes a later one.
    pub(super) fn spawn(&self, all_full: impl FnOnce()) -> SpawnOutcome {
        let (pools, changes) = self.present();
        let mut outcome = SpawnOutcome::AllFull;
        for pool in pools {
            // One by one: this thread may be the last to hold the pool, and then drops it here, under no lock.
            let Some(pool) = pool.upgrade() else { continue };
            // Code of the user's: under no lock, since it may use the port.
            let spawned = contain("the `spawn` of a pool of threads", || pool.spawn());
            contain("the drop of a pool of threads", || drop(pool));
            match spawned {
                Some(Spawned::Started) => return SpawnOutcome::Started,
                Some(Spawned::Full) => continue,
                Some(Spawned::Refused(error)) => tell_refused(error),
                // The kernel of Windows needs one thread that waits, and this will be it.
                Some(Spawned::OnTheWay) if cfg!(windows) => return SpawnOutcome::Pending,
                Some(Spawned::OnTheWay) | None => {}
            }
            outcome = SpawnOutcome::Pending;
        }
        if outcome == SpawnOutcome::AllFull {
            let list = self.0.lock();
            if list.changes != changes {
                return SpawnOutcome::Pending;
            }
            all_full();
        }
        outcome
    }

    /// The pools that are still there, and how many changes there were.
    fn present(&self) -> (Vec<Weak<dyn ThreadPool>>, u64) {
        let mut list = self.0.lock();
        list.pools.retain(|pool| pool.strong_count() > 0);
        (list.pools.clone(), list.changes)
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pools").finish_non_exhaustive()
    }
}

/// Logs that the system has no thread. Called under no lock: the subscriber of the log may use the port.
fn tell_refused(refused: Option<io::Error>) {
    if let Some(error) = refused {
        log(|| {
            tracing::warn!(
                %error,
                "no thread for one more worker, though all are blocked: it is tried again and again; raise the limit of \
                 threads (ulimit -u, pids.max)"
            );
        });
    }
}

/// Descriptors that a pool keeps open for the threads that it may still start.
///
/// On Linux each thread that waits on a port has a descriptor open, by which the port asks the system whether it sleeps in its
/// handler. A thread without one is never found to be blocked, and no other thread gets its place. Threads are started when
/// others block, and the process may have no descriptors left then, for the same reason. So a pool keeps one open for each
/// thread that it may still start, and lends it to that thread. All reserves of a process together keep at most a quarter of
/// its limit of open files, as the limit is when they are made.
///
/// On Windows nothing is kept, and all of this does nothing.
///
/// ```
/// # use wharf::raw::DescriptorReserve;
/// let reserve = DescriptorReserve::new(3);
/// # #[cfg(unix)]
/// assert_eq!(reserve.descriptors(), 3);
/// std::thread::scope(|threads| {
///     threads.spawn(|| {
///         let _lent = reserve.lend();
///         // It waits on a port, again and again.
///     });
/// });
/// reserve.close();
/// assert_eq!(reserve.descriptors(), 0);
/// ```
#[derive(Debug)]
pub struct DescriptorReserve(Reserve);

impl DescriptorReserve {
    /// Opens descriptors for so many threads: fewer, if that would be more than all reserves may keep, or if the system has no
    /// more.
    pub fn new(threads: usize) -> DescriptorReserve {
        DescriptorReserve(Reserve::of(threads))
    }

    /// How many descriptors it has, kept and lent together; always the same until it is [closed](Self::close).
    pub fn descriptors(&self) -> usize {
        self.0.max()
    }

    /// Opens the descriptor that the calling thread needs to wait on a port: for a thread that the pool has from its start. If
    /// the system has none, it takes one of the reserve's. To be called before the thread's first wait; without this, the first
    /// wait opens the descriptor, but takes none of the reserve's.
    pub fn enter(&self) {
        enlist(&self.0, false);
    }

    /// As [`enter`](Self::enter), for a thread that the reserve is for: one that
    /// [`spawn`](ThreadPool::spawn) started. When the returned value is dropped, the reserve keeps the descriptor for the next
    /// thread; the thread drops it after its last wait.
    pub fn lend(&self) -> LentDescriptor<'_> {
        enlist(&self.0, true);
        LentDescriptor {
            reserve: self,
            _of_one_thread: PhantomData,
        }
    }

    /// Closes the descriptors that are not lent, and keeps no more: the pool will start no more threads.
    pub fn close(&self) {
        self.0.clear();
    }
}

/// A descriptor of a [`DescriptorReserve`] that a thread has; it goes back when this is dropped.
#[derive(Debug)]
#[must_use = "the descriptor goes back when this is dropped, and the thread is to wait before"]
pub struct LentDescriptor<'a> {
    reserve: &'a DescriptorReserve,
    /// It is dropped by the thread that has the descriptor.
    _of_one_thread: PhantomData<*const ()>,
}

impl Drop for LentDescriptor<'_> {
    fn drop(&mut self) {
        discharge(&self.reserve.0);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    /// A pool whose answers are given.
    struct Answering<F> {
        answer: F,
        asked: AtomicUsize,
    }

    impl<F: Fn() -> Spawned + Send + Sync> ThreadPool for Answering<F> {
        fn spawn(&self) -> Spawned {
            self.asked.fetch_add(1, Ordering::SeqCst);
            (self.answer)()
        }
    }

    impl<F> Answering<F> {
        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    fn add<F>(pools: &Pools, answer: F) -> Arc<Answering<F>>
    where
        F: Fn() -> Spawned + Send + Sync + 'static,
    {
        let asked = AtomicUsize::new(0);
        let pool = Arc::new(Answering { answer, asked });
        pools.add(Arc::<Answering<F>>::downgrade(&pool), || {});
        pool
    }

    /// What they come to, and whether it was noted that all are full.
    fn spawn(pools: &Pools) -> (SpawnOutcome, bool) {
        let mut noted = false;
        let outcome = pools.spawn(|| noted = true);
        (outcome, noted)
    }

    #[test]
    fn the_first_pool_that_starts_a_thread_is_the_last_that_is_asked() {
        let pools = Pools::default();
        let full = add(&pools, || Spawned::Full);
        let starts = add(&pools, || Spawned::Started);
        let idle = add(&pools, || Spawned::Started);
        assert_eq!(spawn(&pools), (SpawnOutcome::Started, false));
        assert_eq!((full.asked(), starts.asked(), idle.asked()), (1, 1, 0));
    }

    #[test]
    fn all_are_full_only_if_each_says_so() {
        let pools = Pools::default();
        assert_eq!(
            spawn(&pools),
            (SpawnOutcome::AllFull, true),
            "there is none"
        );
        let _full = add(&pools, || Spawned::Full);
        assert_eq!(spawn(&pools), (SpawnOutcome::AllFull, true));
        let refused = add(&pools, || Spawned::Refused(None));
        assert_eq!(spawn(&pools), (SpawnOutcome::Pending, false));
        drop(refused);
        let on_the_way = add(&pools, || Spawned::OnTheWay);
        assert_eq!(spawn(&pools), (SpawnOutcome::Pending, false));
        drop(on_the_way);
        assert_eq!(
            spawn(&pools),
            (SpawnOutcome::AllFull, true),
            "those that are gone are not asked"
        );
    }

    #[test]
    fn a_pool_that_has_room_while_it_is_asked_is_not_noted_as_full() {
        let pools = Arc::new(Pools::default());
        let has_room = pools.clone();
        let pool = add(&pools, move || {
            // As another thread may, just after it was found full; and the list's lock is free.
            has_room.has_room(|| {});
            Spawned::Full
        });
        assert_eq!(spawn(&pools), (SpawnOutcome::Pending, false));
        assert_eq!(pool.asked(), 1);
    }

    #[test]
    fn a_pool_that_is_not_asked_is_not_held() {
        /// It goes while another is asked, and its drop panics.
        struct Going;
        impl ThreadPool for Going {
            fn spawn(&self) -> Spawned {
                panic!("it is not asked")
            }
        }
        impl Drop for Going {
            fn drop(&mut self) {
                std::panic::resume_unwind(Box::new("a pool"));
            }
        }
        let going = Mutex::new(Some(Arc::new(Going)));
        let pools = Arc::new(Pools::default());
        let dropped = Arc::downgrade(going.lock().as_ref().expect("it is there"));
        let weak = dropped.clone();
        let _starts = add(&pools, move || {
            contain("a drop", || drop(going.lock().take()));
            Spawned::Started
        });
        pools.add(weak, || {});
        assert_eq!(spawn(&pools), (SpawnOutcome::Started, false));
        assert_eq!(dropped.strong_count(), 0);
    }

    #[test]
    fn a_pool_that_panics_is_asked_again_and_hides_no_other() {
        let pools = Pools::default();
        let panics = add(&pools, || std::panic::resume_unwind(Box::new("a pool")));
        let full = add(&pools, || Spawned::Full);
        for times in 1..=2 {
            assert_eq!(spawn(&pools), (SpawnOutcome::Pending, false));
            assert_eq!((panics.asked(), full.asked()), (times, times));
        }
    }
}
