//! What a runtime tells of its tasks: to a recorder of metrics, and to tokio-console's subscriber.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span,
};
use wharf_async::{Runtime, yield_now};

/// As long as anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program's recorder. Clones are the same.
#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<All>>);

#[derive(Debug, Default)]
struct All {
    /// Kind and unit, by name.
    described: BTreeMap<String, (&'static str, Option<Unit>)>,
    /// By name and labels.
    values: BTreeMap<String, Arc<Value>>,
}

/// The bits of a number.
#[derive(Debug, Default)]
struct Value(AtomicU64);

impl CounterFn for Value {
    fn increment(&self, by: u64) {
        let before = f64::from_bits(self.0.load(Ordering::SeqCst));
        self.0
            .store((before + by as f64).to_bits(), Ordering::SeqCst);
    }

    fn absolute(&self, _: u64) {
        unreachable!("the runtime counts on");
    }
}

impl GaugeFn for Value {
    fn increment(&self, _: f64) {
        unreachable!("the runtime sets gauges");
    }

    fn decrement(&self, _: f64) {
        unreachable!("the runtime sets gauges");
    }

    fn set(&self, to: f64) {
        self.0.store(to.to_bits(), Ordering::SeqCst);
    }
}

impl Told {
    fn describe(&self, key: &KeyName, kind: &'static str, unit: Option<Unit>) {
        let mut all = self.0.lock().unwrap();
        all.described.insert(key.as_str().to_owned(), (kind, unit));
    }

    fn value(&self, key: &Key) -> Arc<Value> {
        let labels = key
            .labels()
            .map(|it| format!("{}={}", it.key(), it.value()));
        let name = format!("{}{{{}}}", key.name(), labels.collect::<Vec<_>>().join(","));
        let mut all = self.0.lock().unwrap();
        all.values.entry(name).or_default().clone()
    }

    fn get(&self, name: &str) -> f64 {
        let all = self.0.lock().unwrap();
        let value = all.values.get(name);
        let value = value.unwrap_or_else(|| panic!("no {name} in {:?}", all.values.keys()));
        f64::from_bits(value.0.load(Ordering::SeqCst))
    }

    #[track_caller]
    fn comes_to(&self, name: &str, is_right: impl Fn(f64) -> bool) {
        let begun = Instant::now();
        while !is_right(self.get(name)) {
            assert!(begun.elapsed() < PATIENCE, "{name} is {}", self.get(name));
            thread::yield_now();
        }
    }
}

impl Recorder for Told {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, "counter", unit);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, "gauge", unit);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        unreachable!("the runtime has none");
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.value(key).into()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.value(key).into()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        unreachable!("the runtime has none");
    }
}

#[test]
fn each_figure_moves_and_the_last_are_told_when_the_runtime_has_stopped() {
    let told = Told::default();
    let builder = Runtime::builder()
        .concurrency(1)
        .threads(1..=4)
        .metrics("shop");
    let runtime = metrics::with_local_recorder(&told, || builder.build()).unwrap();
    let shop = |name: &str| format!("wharf_async_{name}{{runtime=shop}}");
    let state = |state: &str| format!("wharf_async_workers{{runtime=shop,state={state}}}");
    let (go, wait) = mpsc::channel::<()>();
    let blocks = runtime.spawn(async move { wait.recv() });
    let waits = runtime.spawn(std::future::pending::<()>());
    told.comes_to(&shop("tasks"), |it| it == 2.0);
    // Something has to wait for a worker, else nobody asks whether one is blocked.
    let begun = Instant::now();
    while told.get(&state("blocked")) == 0.0 {
        assert!(begun.elapsed() < PATIENCE, "no worker is blocked");
        runtime.block_on(runtime.spawn(yield_now())).unwrap();
    }
    if cfg!(target_os = "linux") {
        assert_ne!(told.get(&shop("worker_releases_total")), 0.0);
    }
    go.send(()).unwrap();
    runtime.block_on(blocks).unwrap().unwrap();
    told.comes_to(&state("parked"), |it| it >= 1.0);
    runtime
        .block_on(runtime.spawn(async { thread::sleep(Duration::from_millis(30)) }))
        .unwrap();
    let panics = runtime.spawn(async { panic!("as it is to") });
    assert!(runtime.block_on(panics).unwrap_err().is_panic());
    drop(waits);
    runtime.stop(PATIENCE);
    for (name, least) in [
        ("tasks", 0.0),
        ("panicked_tasks_total", 1.0),
        ("queue_length", 0.0),
        ("queue_oldest_seconds", 0.0),
    ] {
        assert_eq!(told.get(&shop(name)), least, "{name}");
    }
    for (name, least) in [
        ("spawned_tasks_total", 4.0),
        ("long_polls_total", 1.0),
        ("longest_poll_seconds", 0.02),
    ] {
        assert!(told.get(&shop(name)) >= least, "{name}");
    }
}

#[test]
fn the_manual_has_the_metrics_that_there_are() {
    let told = Told::default();
    let runtime = metrics::with_local_recorder(&told, || Runtime::builder().metrics("").build());
    drop(runtime.unwrap());
    let all = told.0.lock().unwrap();
    let named = all.values.keys().find(|name| name.contains("runtime="));
    assert_eq!(named, None, "without a name there is no label");
    let manual = include_str!("../src/manual/metrics.rs");
    let rows = manual.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("//! | `")?.split(" | ");
        let name = cells.next()?.trim_end_matches('`').to_owned();
        Some((name, (cells.next()?.to_owned(), cells.next()?.to_owned())))
    });
    let rows: BTreeMap<_, _> = rows.collect();
    let told: BTreeMap<_, _> = all
        .described
        .iter()
        .map(|(name, (kind, unit))| {
            let unit = unit.expect("it has a unit").as_str().to_owned();
            (name.clone(), ((*kind).to_owned(), unit))
        })
        .collect();
    assert_eq!(rows, told);
}

/// A recorder that waits for a lock of the program's, and tells when it begins to.
#[derive(Debug, Clone)]
struct Locked(Arc<Mutex<()>>, mpsc::Sender<()>);

impl Locked {
    fn wait(&self) {
        // The test may be over.
        let _ = self.1.send(());
        assert!(self.0.lock().is_ok(), "it panics, as a test wants it");
    }
}

impl CounterFn for Locked {
    fn increment(&self, _: u64) {
        self.wait();
    }

    fn absolute(&self, _: u64) {
        self.wait();
    }
}

impl GaugeFn for Locked {
    fn increment(&self, _: f64) {
        self.wait();
    }

    fn decrement(&self, _: f64) {
        self.wait();
    }

    fn set(&self, _: f64) {
        self.wait();
    }
}

impl Recorder for Locked {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(self.clone()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(self.clone()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn a_runtime_that_tells_is_shared_by_threads() {
    fn is_shared<T: Send + Sync>(_: &T) {}
    is_shared(&Runtime::builder().metrics("shared").build().unwrap());
}

#[test]
fn a_recorder_that_panics_is_told_all_the_same() {
    let lock = Arc::new(Mutex::new(()));
    let poisons = lock.clone();
    let poisoned = thread::spawn(move || {
        let _held = poisons.lock();
        panic!("as a test wants it");
    });
    poisoned.join().unwrap_err();
    let (tells, told) = mpsc::channel();
    let build = || Runtime::builder().metrics("panics").build();
    let runtime = metrics::with_local_recorder(&Locked(lock, tells), build).unwrap();
    // From time to time, though each time panics.
    for _ in 0..3 {
        told.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(runtime.block_on(async { 7 }), 7);
}

#[test]
fn a_recorder_that_blocks_does_not_keep_a_stop() {
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let (waits, waiting) = mpsc::channel();
    let build = || Runtime::builder().metrics("blocks").build();
    let recorder = Locked(lock.clone(), waits);
    let runtime = metrics::with_local_recorder(&recorder, build).unwrap();
    waiting.recv_timeout(PATIENCE).unwrap();
    let (stops, stopped) = mpsc::channel();
    thread::spawn(move || {
        runtime.stop(Duration::from_millis(10));
        stops.send(())
    });
    // While the lock is held.
    stopped.recv_timeout(PATIENCE).unwrap();
    drop(held);
}

/// What a subscriber is told, a line a thing, for the spans that tokio-console looks for.
#[derive(Debug, Clone, Default)]
struct Console(Arc<Mutex<Vec<String>>>, Arc<AtomicU64>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {field}={value:?}"));
    }
}

impl Console {
    fn tell(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Subscriber for Console {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("tokio::task")
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let id = self.1.fetch_add(1, Ordering::SeqCst) + 1;
        let mut line = format!("{id} {}", attributes.metadata().name());
        attributes.record(&mut Fields(&mut line));
        self.tell(line);
        span::Id::from_u64(id)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = event.metadata().target().to_owned();
        event.record(&mut Fields(&mut line));
        self.tell(line);
    }

    fn enter(&self, id: &span::Id) {
        self.tell(format!("{} is polled", id.into_u64()));
    }

    fn exit(&self, id: &span::Id) {
        self.tell(format!("{} was polled", id.into_u64()));
    }

    fn try_close(&self, id: span::Id) -> bool {
        self.tell(format!("{} has ended", id.into_u64()));
        true
    }
}

/// Panics when a span is entered or left.
struct Panics;

impl Subscriber for Panics {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "tokio::task"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &span::Id) {
        panic!("a subscriber panics, on purpose");
    }

    fn exit(&self, _: &span::Id) {
        panic!("a subscriber panics, on purpose");
    }
}

#[test]
fn a_subscriber_that_panics_at_a_poll_is_not_the_tasks_fault() {
    let runtime = Runtime::new().unwrap();
    let spawn = || runtime.spawn(async { 7 });
    let task = tracing::subscriber::with_default(Panics, spawn);
    assert_eq!(runtime.block_on(task).unwrap(), 7);
}

#[test]
fn a_task_has_the_span_that_tokio_console_looks_for_entered_for_each_poll() {
    let console = Console::default();
    let of_workers = console.clone();
    let runtime = Runtime::builder()
        .concurrency(1)
        .threads(1..=1)
        .around(move |life| tracing::subscriber::with_default(of_workers.clone(), life));
    let runtime = runtime.build().unwrap();
    let line = line!() + 2;
    let task = tracing::subscriber::with_default(console.clone(), || {
        runtime.spawn(async { yield_now().await })
    });
    runtime.block_on(task).unwrap();
    // With the worker, which tells of the end after the result is there.
    runtime.stop(PATIENCE);
    let told = console.0.lock().unwrap();
    let spawned = &told[0];
    for part in [
        "1 runtime.spawn kind=\"task\" task.id=".to_owned(),
        format!("loc.file=\"{}\" loc.line={line} loc.col=", file!()),
    ] {
        assert!(spawned.contains(&part), "no {part} in {spawned}");
    }
    // The second wake is that of its yield.
    let expected = [
        "tokio::task::waker op=\"waker.clone\" task.id=1",
        "tokio::task::waker op=\"waker.wake_by_ref\" task.id=1",
        "1 is polled",
        "1 was polled",
        "tokio::task::waker op=\"waker.wake_by_ref\" task.id=1",
        "1 is polled",
        "1 was polled",
        "1 has ended",
    ];
    assert_eq!(told[1..], expected);
}
