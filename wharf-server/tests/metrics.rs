//! Every metric moves as the manual promises, through a recorder as a program has; and the manual's table is what the server tells.

#[macro_use]
mod harness;
#[cfg(feature = "tls")]
#[allow(dead_code, reason = "the tests of TLS use all of it")]
#[path = "harness/tls.rs"]
mod secure;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use harness::{GUARD, connect, expect, expect_end};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use wharf::DriverChoice;
use wharf_server::{
    Client, Dial, Pool, PoolLimits, Server, ServerBuilder, Settings, SlowReader, StartError,
    codec::{Codec, Delimited, Lines, Raw},
};

/// The program's recorder. Clones are the same.
#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<All>>);

#[derive(Debug, Default)]
struct All {
    /// Kind and unit, by name.
    described: BTreeMap<String, (&'static str, Option<Unit>)>,
    /// By the key, as `name{label=value,...}`.
    values: BTreeMap<String, (&'static str, Arc<Value>)>,
}

/// The bits of a number: of a histogram the count of samples, and how many are not of a plausible length.
#[derive(Debug, Default)]
struct Value(AtomicU64, AtomicU64);

impl Value {
    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::SeqCst))
    }

    fn change(&self, by: f64) {
        let changed = |bits| Some((f64::from_bits(bits) + by).to_bits());
        let _ = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, changed);
    }
}

impl CounterFn for Value {
    fn increment(&self, by: u64) {
        self.change(by as f64);
    }

    fn absolute(&self, _: u64) {
        unreachable!("the server counts on");
    }
}

impl GaugeFn for Value {
    fn increment(&self, _: f64) {
        unreachable!("the server sets gauges");
    }

    fn decrement(&self, _: f64) {
        unreachable!("the server sets gauges");
    }

    fn set(&self, to: f64) {
        self.0.store(to.to_bits(), Ordering::SeqCst);
    }
}

impl HistogramFn for Value {
    fn record(&self, seconds: f64) {
        if !(0.0..GUARD.as_secs_f64()).contains(&seconds) {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
        self.change(1.0);
    }
}

impl Told {
    fn describe(&self, name: &KeyName, kind: &'static str, unit: Option<Unit>) {
        let mut all = self.0.lock().unwrap();
        all.described.insert(name.as_str().to_owned(), (kind, unit));
    }

    fn value(&self, key: &Key, kind: &'static str) -> Arc<Value> {
        let labels: Vec<String> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = match labels.is_empty() {
            true => key.name().to_owned(),
            false => format!("{}{{{}}}", key.name(), labels.join(",")),
        };
        let mut all = self.0.lock().unwrap();
        let entry = all.values.entry(name);
        entry.or_insert_with(|| (kind, Arc::default())).1.clone()
    }

    /// Without the prefix that all have.
    fn get(&self, name: &str) -> f64 {
        let all = self.0.lock().unwrap();
        match all.values.get(&format!("wharf_{name}")) {
            Some((_, value)) => value.get(),
            None => panic!("{name} is none of {:?}", all.values.keys()),
        }
    }

    /// What is published comes some times a second.
    fn comes(&self, name: &str, expected: impl Fn(f64) -> bool) {
        let begun = Instant::now();
        while !expected(self.get(name)) {
            assert!(begun.elapsed() < GUARD, "{name} stays {}", self.get(name));
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn comes_to(&self, name: &str, expected: f64) {
        self.comes(name, |value| value == expected);
    }

    /// Starts a server that tells this.
    fn start<T>(&self, start: impl FnOnce() -> Result<T, StartError>) -> T {
        metrics::with_local_recorder(self, start).unwrap()
    }
}

impl Recorder for Told {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, "counter", unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, "gauge", unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, "histogram", unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value(key, "counter"))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value(key, "gauge"))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.value(key, "histogram"))
    }
}

fn measured() -> Settings {
    asked(harness::settings(DriverChoice::Auto))
}

fn asked(mut settings: Settings) -> Settings {
    settings.metrics = Some(String::new());
    settings
}

/// An echo of frames.
fn echo<C>(settings: Settings, codec: C) -> (Told, Server)
where
    C: Codec + Clone + Sync,
    for<'a> C::Frame<'a>: AsRef<[u8]>,
{
    let told = Told::default();
    let server = told.start(|| {
        ServerBuilder::from(settings).serve_frames(codec, |client: &Client, frame: C::Frame<'_>| {
            client.send(frame.as_ref())
        })
    });
    (told, server)
}

#[test]
fn the_table_of_the_manual_is_what_is_told() {
    let told = Told::default();
    let server = told.start(|| {
        let builder = Server::builder().listen("127.0.0.1:0".parse().unwrap());
        builder
            .metrics("a")
            .serve(|client, bytes| client.send(bytes))
    });
    drop(server);
    let manual = include_str!("../src/manual/metrics.rs");
    let mut listed = BTreeMap::new();
    for line in manual
        .lines()
        .filter(|line| line.starts_with("//! | `wharf_"))
    {
        let cells: Vec<&str> = line
            .trim_start_matches("//! |")
            .split('|')
            .map(str::trim)
            .collect();
        let [name, kind, unit, labels, text, ""] = cells[..] else {
            panic!("{line}");
        };
        assert!(!text.is_empty(), "{line}");
        let words: Vec<&str> = labels.split('`').skip(1).step_by(2).collect();
        listed.insert(name.trim_matches('`'), (kind, unit, words));
    }
    let all = told.0.lock().unwrap();
    let described: Vec<_> = all.described.keys().map(String::as_str).collect();
    assert_eq!(described, listed.keys().copied().collect::<Vec<_>>());
    let mut keys = Vec::new();
    for (name, (kind, unit, words)) in &listed {
        let (described, described_unit) = &all.described[*name];
        let described_unit = described_unit.map(|unit| unit.as_str());
        assert_eq!((described, described_unit), (kind, Some(*unit)), "{name}");
        match words.split_first() {
            None => keys.push(format!("{name}{{server=a}}")),
            Some((label, values)) => {
                keys.extend(
                    values
                        .iter()
                        .map(|value| format!("{name}{{server=a,{label}={value}}}")),
                );
            }
        }
    }
    keys.sort_unstable();
    let mut told: Vec<_> = all.values.keys().cloned().collect();
    told.sort_unstable();
    assert_eq!(told, keys);
    for (key, (kind, _)) in &all.values {
        let name = key.split('{').next().unwrap();
        assert_eq!(*kind, listed[name].0, "{key}");
    }
}

on_every_driver! {
    fn clients_bytes_frames_and_the_time_of_the_handler_are_told(settings) {
        let (told, server) = echo(asked(settings), Delimited::new(b"\n"));
        let mut peers = [connect(&server), connect(&server)];
        for (peer, sent) in peers.iter_mut().zip([&b"a\nbc\n"[..], b"a\nbc\nd"]) {
            peer.write_all(sent).unwrap();
            expect(peer, b"abc");
        }
        told.comes_to("clients", 2.0);
        assert_eq!(told.get("accepted_clients_total"), 2.0);
        told.comes_to("received_bytes_total", 11.0);
        told.comes_to("sent_bytes_total", 6.0);
        told.comes_to("frames_total", 4.0);
        // Each was connected, and one call brought its frames.
        told.comes("handler_seconds", |calls| calls >= 4.0);
        told.comes("workers{state=parked}", |parked| parked >= 1.0);
        let [first, mut second] = peers;
        drop(first);
        told.comes_to("ended_clients_total{reason=by_peer}", 1.0);
        told.comes_to("clients", 1.0);
        second.write_all(b"\n").unwrap();
        expect(&mut second, b"d");
        let report = server.stop(GUARD);
        expect_end(&mut second);
        // The last figures are told when the server has stopped.
        assert_eq!(
            told.get("received_bytes_total"),
            report.received_bytes as f64
        );
        assert_eq!(told.get("sent_bytes_total"), report.sent_bytes as f64);
        assert_eq!(told.get("clients"), 0.0);
        assert_eq!(told.get("ended_clients_total{reason=by_server}"), 1.0);
        let all = told.0.lock().unwrap();
        let handler = &all.values["wharf_handler_seconds"].1;
        assert_eq!(handler.1.load(Ordering::SeqCst), 0, "times that can't be");
    }
}

#[test]
fn bytes_without_frames_count_as_they_came_and_a_server_that_is_not_asked_tells_nothing() {
    let (told, server) = echo(measured(), Raw);
    let mut peer = connect(&server);
    peer.write_all(b"ahoy").unwrap();
    expect(&mut peer, b"ahoy");
    told.comes("frames_total", |frames| (1.0..=4.0).contains(&frames));
    let mut settings = measured();
    settings.metrics = None;
    let (told, _server) = echo(settings, Raw);
    assert!(told.0.lock().unwrap().values.is_empty());
}

#[test]
fn who_is_refused_is_told_by_reason() {
    let mut settings = measured();
    settings.clients_per_address_max = 1;
    let (told, server) = echo(settings, Raw);
    let mut first = connect(&server);
    first.write_all(b"a").unwrap();
    expect(&mut first, b"a");
    let gone = connect(&server).read(&mut [0]);
    assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}");
    told.comes_to("refused_clients_total{reason=address}", 1.0);
    assert_eq!(told.get("accepted_clients_total"), 1.0);

    let mut settings = measured();
    settings.clients_per_address_max = 1;
    settings.proxy_protocol_from = vec!["127.0.0.1/32".parse().unwrap()];
    settings.proxy_header_timeout = Duration::from_millis(20);
    let (told, server) = echo(settings, Raw);
    let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 2000\r\n";
    let mut welcome = connect(&server);
    welcome.write_all(&[&header[..], b"a"].concat()).unwrap();
    expect(&mut welcome, b"a");
    // One of the same address; one with none, one whose header is cut off, and one whose does not come.
    for sent in [&header[..], b"GET / HTTP/1.1\r\n", b"PROXY", b""] {
        let mut peer = connect(&server);
        peer.write_all(sent).unwrap();
        if sent == b"PROXY" {
            peer.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let gone = peer.read(&mut [0]);
        assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}");
    }
    told.comes_to("refused_clients_total{reason=address}", 1.0);
    told.comes_to("refused_clients_total{reason=proxy_header}", 3.0);
    told.comes_to("ended_clients_total{reason=not_begun}", 4.0);
}

#[test]
fn a_connection_that_can_not_be_served_is_told() {
    #[derive(Clone)]
    struct NoCodec;
    impl Codec for NoCodec {
        type Frame<'a> = &'a [u8];

        fn decode<'a>(
            &mut self,
            _: &'a [u8],
        ) -> Result<wharf_server::codec::Decoded<&'a [u8]>, wharf_server::codec::FrameError>
        {
            unreachable!("there is none")
        }
    }
    struct Panics;
    impl wharf_server::Handler for Panics {
        type Session = ();
        type Codec = NoCodec;
        type Message = ();

        fn codec(&self) -> NoCodec {
            panic!("by the test")
        }

        fn connected(&self, _: &Client) -> wharf_server::Result {
            Ok(())
        }

        fn received(&self, _: &Client, (): &mut (), _: &[u8]) -> wharf_server::Result {
            Ok(())
        }
    }
    let told = Told::default();
    let server = told.start(|| ServerBuilder::from(measured()).start(Panics));
    let gone = connect(&server).read(&mut [0]);
    assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}");
    told.comes_to("refused_clients_total{reason=unserved}", 1.0);
}

#[test]
fn accepting_that_pauses_at_the_limit_is_told() {
    let mut settings = measured();
    settings.clients_max = 1;
    let (told, server) = echo(settings, Raw);
    let mut first = connect(&server);
    first.write_all(b"a").unwrap();
    expect(&mut first, b"a");
    told.comes_to("accept_pauses_total{reason=clients_max}", 1.0);
    assert_eq!(told.get("accept_pauses_total{reason=system}"), 0.0);
}

#[test]
fn the_ends_are_told_by_reason() {
    let mut settings = measured();
    settings.first_bytes_timeout = Some(Duration::from_millis(50));
    settings.frame_timeout = Some(Duration::from_millis(50));
    settings.frame_bytes_max = 16;
    let told = Told::default();
    let server = told.start(|| {
        ServerBuilder::from(settings).serve_frames(Lines::new(), |client: &Client, line: &str| {
            match line {
                "abort" => client.abort(),
                "close" => client.close(),
                "panic" => panic!("by the test"),
                _ => return Err(std::io::Error::other("by the test")),
            }
            Ok(())
        })
    });
    for (sent, reason) in [
        (&b"abort\n"[..], "aborted"),
        (b"close\n", "by_server"),
        (b"panic\n", "panicked"),
        (b"error\n", "by_handler"),
        (b"\xFF\n", "bad_frame"),
        (b"half", "slow_frame"),
        (b"", "silent"),
    ] {
        let mut peer = connect(&server);
        peer.write_all(sent).unwrap();
        let gone = peer.read(&mut [0]);
        assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}");
        told.comes_to(&format!("ended_clients_total{{reason={reason}}}"), 1.0);
    }

    let mut settings = measured();
    settings.idle_timeout = Some(Duration::from_millis(50));
    let (told, server) = echo(settings, Raw);
    expect_end(&mut connect(&server));
    told.comes_to("ended_clients_total{reason=idle}", 1.0);
}

/// Sends until that is so: the system takes much, and more later than a send returns.
fn fill(client: &Client, is_so: impl Fn() -> bool) {
    let piece = vec![7; 64 << 10];
    let begun = Instant::now();
    while !is_so() {
        if client.send(&piece).is_err() {
            assert!(client.ended().is_some());
        }
        assert!(begun.elapsed() < GUARD);
    }
}

#[test]
fn what_clients_leave_unread_is_told() {
    let mut settings = measured();
    settings.unsent_max = 2;
    settings.slow_reader = SlowReader::DropOldest;
    let (told, server) = echo(settings, Raw);
    let mut peer = connect(&server);
    peer.write_all(b"a").unwrap();
    expect(&mut peer, b"a");
    let client = server.clients().snapshot().pop().unwrap();
    fill(&client, || told.get("unsent_bytes") > 0.0);
    fill(&client, || server.clients().dropped() >= 2);
    told.comes_to("dropped_sends_total", server.clients().dropped() as f64);
    client.set_slow_reader(SlowReader::Cut);
    fill(&client, || client.ended().is_some());
    told.comes_to("ended_clients_total{reason=too_slow}", 1.0);
    told.comes_to("unsent_bytes", 0.0);
}

/// The system tells which threads are blocked.
#[cfg(unix)]
#[test]
fn blocked_workers_and_what_waits_for_them_are_told_while_all_are_blocked() {
    let mut settings = measured();
    (settings.workers, settings.workers_max, settings.concurrency) = (2, 2, 1);
    let told = Told::default();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let server = told.start(|| {
        ServerBuilder::from(settings).serve(move |_, _| {
            let _ = released.lock().unwrap().recv();
        })
    });
    let mut peers: Vec<_> = (0..4).map(|_| connect(&server)).collect();
    told.comes_to("clients", 4.0);
    for peer in &mut peers {
        peer.write_all(b"a").unwrap();
    }
    told.comes("workers{state=blocked}", |blocked| blocked >= 1.0);
    told.comes("worker_releases_total", |releases| releases >= 1.0);
    told.comes("queue_length", |length| length >= 1.0);
    told.comes("queue_oldest_seconds", |age| {
        (0.02..GUARD.as_secs_f64()).contains(&age)
    });
    // The handlers return.
    drop(release);
    told.comes_to("queue_length", 0.0);
    told.comes_to("queue_oldest_seconds", 0.0);
    told.comes_to("workers{state=blocked}", 0.0);
}

#[test]
fn dials_and_pools_are_told() {
    let mut settings = measured();
    settings.dials_max = 2;
    let (told, server) = echo(settings, Raw);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let short = Duration::from_millis(1);
    let dial = Dial::to(address)
        .unwrap()
        .reconnect(true)
        .attempts(None)
        .backoff(short, short);
    let dialled = server.dial(dial).unwrap();
    drop(listener.accept().unwrap());
    told.comes("dial_reconnects_total", |times| times >= 1.0);
    let (again, _) = listener.accept().unwrap();
    told.comes("dialled_clients_total", |clients| clients >= 2.0);
    assert!(told.get("dial_attempts_total") >= 2.0);
    assert_eq!(told.get("dial_failures_total"), 0.0);
    dialled.stop();
    drop(again);

    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    server.dial(Dial::to(nobody).unwrap()).unwrap();
    told.comes_to("dial_failures_total", 1.0);
    told.comes_to("clients", 0.0);

    let mut limits = PoolLimits::default();
    limits.clients_max = 1;
    let pool = Pool::new(server.clients(), Dial::to(address).unwrap(), limits).unwrap();
    let lease = pool.wait(GUARD).unwrap();
    let (sender, waits) = mpsc::channel();
    pool.take(GUARD, move |lease| sender.send(lease).unwrap());
    told.comes_to("pool_clients{state=taken}", 1.0);
    told.comes_to("pool_waiting", 1.0);
    drop(lease);
    drop(waits.recv_timeout(GUARD).unwrap());
    told.comes_to("pool_clients{state=idle}", 1.0);
    told.comes_to("pool_waiting", 0.0);
    let _other = server.dial(Dial::to(address).unwrap()).unwrap();
    let refused = server.dial(Dial::to(address).unwrap());
    assert_eq!(
        refused.unwrap_err().kind(),
        std::io::ErrorKind::QuotaExceeded
    );
    assert_eq!(told.get("refused_dials_total"), 1.0);
}

#[test]
fn a_recorder_that_panics_costs_nobody_a_worker() {
    struct Panics;
    impl CounterFn for Panics {
        fn increment(&self, _: u64) {
            panic!("by the test")
        }

        fn absolute(&self, _: u64) {}
    }
    impl HistogramFn for Panics {
        fn record(&self, _: f64) {
            panic!("by the test")
        }
    }
    impl Recorder for Panics {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(Arc::new(Panics))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(Arc::new(Panics))
        }
    }
    let mut settings = measured();
    (settings.workers, settings.workers_max) = (1, 1);
    let start = || ServerBuilder::from(settings).serve(|client, bytes| client.send(bytes));
    let server = metrics::with_local_recorder(&Panics, start).unwrap();
    for _ in 0..3 {
        let mut peer = connect(&server);
        peer.write_all(b"ahoy").unwrap();
        expect(&mut peer, b"ahoy");
    }
    let report = server.stop(GUARD);
    assert_eq!(
        (report.clients, report.sent_bytes, report.workers_left.len()),
        (3, 12, 0)
    );
}

#[test]
fn a_recorder_that_blocks_does_not_keep_a_stop() {
    /// Waits for a lock of the program's, and tells when it begins to.
    #[derive(Clone)]
    struct Locked(Arc<Mutex<()>>, mpsc::Sender<()>);
    impl GaugeFn for Locked {
        fn increment(&self, _: f64) {}
        fn decrement(&self, _: f64) {}

        fn set(&self, _: f64) {
            // The test may be over.
            let _ = self.1.send(());
            drop(self.0.lock());
        }
    }
    impl Recorder for Locked {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(Arc::new(self.clone()))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }
    for is_stopped in [true, false] {
        let lock = Arc::new(Mutex::new(()));
        let held = lock.lock().unwrap();
        let (waits, waiting) = mpsc::channel();
        let start = || ServerBuilder::from(measured()).serve(|client, bytes| client.send(bytes));
        let recorder = Locked(lock.clone(), waits);
        let server = metrics::with_local_recorder(&recorder, start).unwrap();
        waiting.recv_timeout(GUARD).unwrap();
        let (ends, ended) = mpsc::channel();
        thread::spawn(move || {
            match is_stopped {
                true => drop(server.stop(Duration::from_millis(10))),
                false => drop(server),
            }
            ends.send(())
        });
        // While the lock is held.
        ended.recv_timeout(GUARD).unwrap();
        drop(held);
    }
}

#[cfg(feature = "tls")]
#[test]
fn handshakes_are_told_by_result() {
    let authority = secure::Authority::new();
    let tls = wharf_server::tls::Server::builder(authority.certify("localhost").identity());
    let mut settings = measured();
    settings.tls = Some(tls.build().unwrap());
    settings.tls_handshake_timeout = Duration::from_millis(100);
    let (told, server) = echo(settings, Raw);
    let config = authority.client(&[&rustls::version::TLS13], &[], None);
    let mut peer = secure::peer(&config, "localhost", connect(&server));
    secure::echoed(&mut peer, b"ahoy");
    told.comes_to("tls_handshakes_total{result=done}", 1.0);
    assert_eq!(told.get("refused_clients_total{reason=tls}"), 0.0);
    // No TLS, one that ends before it, and one that does not come.
    for sent in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16", b""] {
        let mut other = connect(&server);
        other.write_all(sent).unwrap();
        if sent == b"\x16" {
            other.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let _ = other.read_to_end(&mut Vec::new());
    }
    told.comes_to("tls_handshakes_total{result=failed}", 3.0);
    assert_eq!(told.get("refused_clients_total{reason=tls}"), 3.0);
    told.comes_to("tls_handshakes_under_way", 0.0);
    told.comes_to("clients", 1.0);
    // A dial whose handshake fails is an attempt that has failed.
    let stranger = wharf_server::tls::Client::builder(secure::Authority::new().pem());
    let stranger = stranger.server_name("localhost").build().unwrap();
    let dial = Dial::to(server.local_addr()).unwrap().tls(stranger);
    server.dial(dial).unwrap();
    told.comes_to("dial_failures_total", 1.0);
}

#[cfg(feature = "tls")]
#[test]
fn a_handshake_too_many_is_told() {
    let authority = secure::Authority::new();
    let tls = wharf_server::tls::Server::builder(authority.certify("localhost").identity());
    let mut settings = measured();
    settings.tls = Some(tls.build().unwrap());
    settings.handshakes_at_most = 1;
    let (told, server) = echo(settings, Raw);
    let mut silent = connect(&server);
    told.comes_to("tls_handshakes_under_way", 1.0);
    let _newer = connect(&server);
    let gone = silent.read(&mut [0]);
    assert!(matches!(gone, Ok(0) | Err(_)), "{gone:?}");
    told.comes_to("tls_handshakes_total{result=refused}", 1.0);
    assert_eq!(told.get("refused_clients_total{reason=tls}"), 1.0);
}
