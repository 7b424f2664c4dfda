//! Making a runtime.

use std::{fmt, future::Future, io, ops::RangeInclusive, sync::Arc, time::Duration};

use wharf::{Completion, CompletionPort, DriverChoice, Workers, user_code::log};

#[cfg(feature = "metrics")]
use crate::metrics::Publisher;
use crate::{
    context,
    polls::Polls,
    runtime::{Handle, Runtime},
    shared::{Key, Shared, UNSENT_TIMEOUT, complete},
};

/// The most workers, unless a program says otherwise: as many as tokio has threads for blocking.
const THREADS_MAX: usize = 512;

/// For the end of a program whose `main` has ended.
const RUN_STOP: Duration = Duration::from_secs(5);

/// What each worker runs within.
type Around = dyn Fn(Box<dyn FnOnce() + '_>) + Send + Sync;

/// Makes a [`Runtime`] with other than the default settings.
#[must_use = "nothing is made before `build`"]
pub struct Builder {
    concurrency: usize,
    threads: Option<RangeInclusive<usize>>,
    driver: DriverChoice,
    name_prefix: String,
    unsent_timeout: Duration,
    around: Option<Box<Around>>,
    #[cfg(feature = "metrics")]
    metrics: Option<String>,
    #[cfg(feature = "tokio")]
    tokio_context: Option<bool>,
    #[cfg(all(unix, feature = "simulated"))]
    kernel: Option<wharf::simulated::Kernel>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Builder");
        debug.field("concurrency", &self.concurrency);
        debug.field("threads", &self.threads);
        debug.field("driver", &self.driver);
        debug.field("name_prefix", &self.name_prefix);
        debug.finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            concurrency: 0,
            threads: None,
            driver: DriverChoice::default(),
            name_prefix: "wharf-".into(),
            unsent_timeout: UNSENT_TIMEOUT,
            around: None,
            #[cfg(feature = "metrics")]
            metrics: None,
            #[cfg(feature = "tokio")]
            tokio_context: None,
            #[cfg(all(unix, feature = "simulated"))]
            kernel: None,
        }
    }
}

impl Builder {
    /// The most workers that run at once. Those that block do not count. 0, the default, is as many as the processors that this
    /// process may use.
    pub fn concurrency(mut self, workers: usize) -> Self {
        self.concurrency = workers;
        self
    }

    /// How many workers there are, and up to how many while tasks block. A worker that is not needed ends after 5 seconds. The
    /// default is the concurrency, up to 512. If both are the same, tasks that block halt the others as on any other
    /// runtime, and the log says so.
    pub fn threads(mut self, threads: RangeInclusive<usize>) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Which driver the port uses; the default is the best that the kernel allows.
    pub fn driver(mut self, driver: DriverChoice) -> Self {
        self.driver = driver;
        self
    }

    /// What the names of the workers begin with; a number follows. The default is `wharf-`. Linux shows 15 bytes.
    pub fn name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.name_prefix = prefix.into();
        self
    }

    /// How long a stream that was dropped may still send what was written to it. A peer that has not taken it by then loses it:
    /// else a peer that never reads would keep a descriptor for ever. The default is 30 seconds.
    pub fn unsent_timeout(mut self, timeout: Duration) -> Self {
        self.unsent_timeout = timeout;
        self
    }

    /// Makes the runtime report its metrics to the program's recorder of the crate `metrics`, which must be installed before. The name
    /// tells the runtime from the program's other runtimes: it is the label `runtime`; with an empty name there is no label. The
    /// [manual](crate::manual::metrics) lists the metrics.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, runtime: impl Into<String>) -> Self {
        self.metrics = Some(runtime.into());
        self
    }

    /// A function that each worker runs within, from its start to its end: its argument is the rest of the worker's life, which the function
    /// has to call. For guards that a thread needs, such as another runtime's; and for what is to happen at a thread's start or
    /// end. [`WorkersBuilder::around`](wharf::WorkersBuilder::around) says what happens at a panic there.
    pub fn around<A>(mut self, around: A) -> Self
    where
        A: Fn(Box<dyn FnOnce() + '_>) + Send + Sync + 'static,
    {
        self.around = Some(Box::new(around));
        self
    }

    /// Whether there is a runtime of tokio's beside this one, with each worker and the thread of a
    /// [`block_on`](Handle::block_on) in its context; see [the manual](crate::manual::from_tokio#a-runtime-of-tokios-beside-it). A task
    /// that tokio *spawns* runs there, on one thread, and holds up all others there if it blocks. The thread is called `tokio`, after the
    /// [prefix](Self::name_prefix). The default is true, except on a simulated kernel, whose time is not tokio's.
    #[cfg(feature = "tokio")]
    pub fn tokio_context(mut self, is_there: bool) -> Self {
        self.tokio_context = Some(is_there);
        self
    }

    /// Puts the runtime on a simulated kernel, for tests.
    #[cfg(all(unix, feature = "simulated"))]
    pub fn simulated(mut self, kernel: &wharf::simulated::Kernel) -> Self {
        self.kernel = Some(kernel.clone());
        self
    }

    /// Makes the runtime, and starts its workers.
    ///
    /// # Errors
    /// The system's, if it has no descriptors, memory or threads to give.
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if there are to be no threads, or the most is less than the least, or the
    /// prefix of their names has a zero byte.
    pub fn build(self) -> io::Result<Runtime> {
        // A task must never be refused: its place on the port is one of these.
        let port = CompletionPort::builder().operations_max(usize::MAX / 2);
        let port = port.concurrency(self.concurrency).driver(self.driver);
        #[cfg(all(unix, feature = "simulated"))]
        let port = match &self.kernel {
            Some(kernel) => port.simulated(kernel),
            None => port,
        };
        let port = port.build()?;
        let threads = self.threads.clone().unwrap_or_else(|| {
            let least = port.concurrency();
            least..=THREADS_MAX.max(least)
        });
        warn_of_a_fixed_number(&threads);
        let shared = Arc::new(Shared::new(port, *threads.end(), self.unsent_timeout));
        #[cfg(feature = "tokio")]
        let side = self.start_side(&shared)?;
        let workers = Workers::builder(&shared.port)
            .threads(threads)
            .name_prefix(self.name_prefix);
        let (lives, around) = (shared.clone(), self.around);
        let workers = workers.around(move |life| live(&lives, around.as_deref(), life));
        let handles = shared.clone();
        let workers = workers.start(move |_, completion| handle(&handles, completion))?;
        #[cfg(feature = "metrics")]
        let of_publisher = shared.clone();
        #[cfg_attr(not(feature = "metrics"), expect(unused_mut))]
        let mut runtime = Runtime {
            handle: Handle(Arc::new(shared)),
            workers: Some(workers),
            #[cfg(feature = "tokio")]
            side,
            #[cfg(feature = "metrics")]
            publisher: None,
        };
        #[cfg(feature = "metrics")]
        if let Some(name) = &self.metrics {
            runtime.publisher = Some(Publisher::start(of_publisher, name)?);
        }
        Ok(runtime)
    }

    /// Makes the runtime, polls a future on the calling thread until it is ready ([`Runtime::block_on`]), and then
    /// [stops](Runtime::stop) the runtime, within five seconds: what was written goes out, and tasks that are left end. The
    /// attributes `main` and `test` do this.
    ///
    /// # Panics
    /// The runtime can't be [made](Self::build).
    pub fn run<F: Future>(self, future: F) -> F::Output {
        let runtime = match self.build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("the runtime can't be started: {error}"),
        };
        let output = runtime.block_on(future);
        runtime.stop(RUN_STOP);
        output
    }

    /// Starts the side runtime, before the workers that enter it.
    #[cfg(feature = "tokio")]
    fn start_side(&self, shared: &Arc<Shared>) -> io::Result<Option<crate::tokio_context::Side>> {
        #[cfg(all(unix, feature = "simulated"))]
        let is_simulated = self.kernel.is_some();
        #[cfg(not(all(unix, feature = "simulated")))]
        let is_simulated = false;
        if !self.tokio_context.unwrap_or(!is_simulated) {
            return Ok(None);
        }
        let side = crate::tokio_context::Side::start(shared, &self.name_prefix)?;
        let _ = shared.tokio.set(side.handle());
        Ok(Some(side))
    }
}

fn warn_of_a_fixed_number(threads: &RangeInclusive<usize>) {
    if threads.start() == threads.end() {
        log(|| {
            let threads = threads.end();
            tracing::warn!(
                "a runtime with exactly {threads} threads: tasks that block halt the others; Builder::threads takes a range"
            );
        });
    }
}

/// What a worker does with a completion: it wakes the task that waits for it, and polls that.
fn handle(shared: &Shared, completion: Completion<Key>) {
    if let Some(waker) = complete(completion) {
        context::wake_and_run(shared, waker);
    }
}

/// A worker's life, within what the program gave and what the runtime needs.
fn live(shared: &Arc<Shared>, around: Option<&Around>, life: Box<dyn FnOnce() + '_>) {
    let _entered = context::Entered::new(shared);
    let _registered = Polls::enter(shared);
    #[cfg(feature = "tokio")]
    let _context = shared.tokio.get().map(tokio::runtime::Handle::enter);
    match around {
        Some(around) => around(life),
        None => life(),
    }
}
