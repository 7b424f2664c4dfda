//! A server under load for long: clients that echo, come and go, reset, end their sides, flood and fall silent, and clients
//! that are ports themselves and cancel whatever they have under way. Memory and descriptors stay what they are, on both sides.
//!
//! `ci/soak.sh` runs it: for ten minutes, or as many seconds as it is told to.

#![cfg(unix)]

mod common;

use std::{
    env,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread::{self, Scope},
    time::{Duration, Instant},
};

use common::{GUARD, Serve, echo, echo_in_parallel, expect_end, pattern};
use socket2::SockRef;
use wharf::{Buffer, BufferPool, CompletionPort, DriverChoice, Finished, Socket, Wait};

/// A server and a process may grow by so much from the first tenth of the time to the last, for what the allocator keeps.
const GROWTH_MAX: u64 = 3 << 20;

/// What all clients share.
struct Load {
    address: SocketAddr,
    ends: AtomicBool,
    echoes: AtomicU64,
    resets: AtomicU64,
    cancelled: AtomicU64,
    operations: AtomicU64,
}

impl Load {
    fn new(address: SocketAddr) -> Self {
        Load {
            address,
            ends: AtomicBool::new(false),
            echoes: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            operations: AtomicU64::new(0),
        }
    }

    fn goes_on(&self) -> bool {
        !self.ends.load(Ordering::Relaxed)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(GUARD)).unwrap();
        stream.set_write_timeout(Some(GUARD)).unwrap();
        stream
    }
}

/// Comes, echoes and goes, each time in another way.
fn come_and_go(load: &Load, mut random: fastrand::Rng) {
    while load.goes_on() {
        let mut stream = load.connect();
        let bytes = pattern(random.usize(..1000), random.usize(1..40_000));
        for _ in 0..random.usize(..6) {
            echo_in_parallel(&stream, &bytes);
            load.echoes.fetch_add(1, Ordering::Relaxed);
        }
        match random.u8(..4) {
            0 => {
                SockRef::from(&stream)
                    .set_linger(Some(Duration::ZERO))
                    .unwrap();
                load.resets.fetch_add(1, Ordering::Relaxed);
            }
            1 => {
                stream.write_all(&bytes).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).unwrap();
                assert!(rest == bytes, "the echo of {} bytes differs", bytes.len());
            }
            2 => {
                stream.shutdown(Shutdown::Write).unwrap();
                expect_end(&mut stream);
            }
            _ => {}
        }
    }
}

/// Sends and reads nothing, and resets when the server's sends wait for it.
fn flood(load: &Load) {
    let bytes = pattern(0, 1 << 18);
    while load.goes_on() {
        let stream = load.connect();
        stream.set_nonblocking(true).unwrap();
        for _ in 0..200 {
            if (&stream).write(&bytes).is_err() {
                thread::sleep(Duration::from_millis(1));
            }
        }
        SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        load.resets.fetch_add(1, Ordering::Relaxed);
    }
}

/// Connections of a port: everything is started, and much of it cancelled.
fn cancel(load: &Load, driver: DriverChoice, mut random: fastrand::Rng) {
    let port: CompletionPort<()> = CompletionPort::builder().driver(driver).build().unwrap();
    let pool = BufferPool::with_limit(4096, 64);
    while load.goes_on() {
        let (mut started, mut completed) = (0_u64, 0_u64);
        for _ in 0..8 {
            port.connect(load.address, ()).unwrap();
            started += 1;
        }
        let mut sockets: Vec<Socket<()>> = Vec::new();
        while completed < 8 {
            if let Finished::Connected { socket } = take(load, &port, &mut completed) {
                sockets.push(socket);
            }
        }
        for _ in 0..200 {
            let socket = &sockets[random.usize(..sockets.len())];
            let operation = match random.u8(..5) {
                0 => socket.receive(Buffer::with_capacity(512)).ok(),
                1 => socket.receive_from(&pool).ok(),
                2 => socket.send(pattern(0, random.usize(..30_000))).ok(),
                3 => port
                    .timer(Duration::from_micros(random.u64(..500)), ())
                    .ok(),
                _ => socket.readable().ok(),
            };
            started += u64::from(operation.is_some());
            if let Some(operation) = operation.filter(|_| random.bool()) {
                // Or it has ended.
                let _ = port.cancel(operation);
            }
            while let Wait::Completed(completion) = port.wait(Duration::ZERO).unwrap() {
                load.cancelled
                    .fetch_add(u64::from(completion.is_cancelled()), Ordering::Relaxed);
                completed += 1;
            }
        }
        // With its sockets, whatever is under way ends.
        sockets.iter().for_each(|socket| {
            socket.close();
        });
        while completed < started {
            take(load, &port, &mut completed);
        }
        assert!(
            matches!(port.wait(Duration::ZERO), Ok(Wait::TimedOut)),
            "more completed than was started"
        );
        assert_eq!(pool.in_use(), 0, "all buffers are back");
        load.operations.fetch_add(started, Ordering::Relaxed);
    }
}

fn take(load: &Load, port: &CompletionPort<()>, completed: &mut u64) -> Finished<()> {
    let Wait::Completed(completion) = port.wait(GUARD).unwrap() else {
        panic!("a completion is due");
    };
    load.cancelled
        .fetch_add(u64::from(completion.is_cancelled()), Ordering::Relaxed);
    *completed += 1;
    completion.what
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Holdings {
    resident: u64,
    open_files: u64,
    threads: u64,
}

impl Holdings {
    fn of(process: &str) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let open_files = std::fs::read_dir(format!("/proc/{process}/fd"))
            .unwrap()
            .count();
        Holdings {
            resident: field("VmRSS:") * 1024,
            open_files: open_files as u64,
            threads: field("Threads:"),
        }
    }

    /// The most memory and descriptors: under load, they come and go. And the fewest threads: the load begins and ends one with each
    /// echo, so their most is a matter of chance, and one that is kept is in every sample.
    fn in_all(of: &[Holdings]) -> Self {
        let most = |field: fn(&Holdings) -> u64| of.iter().map(field).max().unwrap_or(0);
        Holdings {
            resident: most(|it| it.resident),
            open_files: most(|it| it.open_files),
            threads: of.iter().map(|it| it.threads).min().unwrap_or(0),
        }
    }
}

fn is_flat(whose: &str, samples: &[Holdings]) {
    let tenth = (samples.len() / 10).max(1);
    let first = Holdings::in_all(&samples[..tenth]);
    let last = Holdings::in_all(&samples[samples.len() - tenth..]);
    println!("{whose}: {first:?} at first, {last:?} at last");
    assert!(
        last.resident <= first.resident + GROWTH_MAX,
        "{whose} grows: {} to {} bytes",
        first.resident,
        last.resident
    );
    assert!(
        last.open_files <= first.open_files + 40,
        "{whose} keeps descriptors"
    );
    assert!(last.threads <= first.threads + 4, "{whose} keeps threads");
}

#[test]
#[ignore = "it takes ten minutes; ci/soak.sh runs it"]
fn memory_and_descriptors_stay_flat_under_load_resets_and_cancels() {
    let seconds = env::var("WHARF_SOAK_SECONDS").map_or(600, |text| text.parse().unwrap());
    let half = Duration::from_secs(seconds) / 2;
    soak("readiness", DriverChoice::Readiness, half);
    if common::uring_can_be_tested() {
        soak("uring", DriverChoice::Uring, half);
    }
}

fn soak(driver: &str, choice: DriverChoice, time: Duration) {
    let server = Serve::start(driver, &["--max-workers", "16"]);
    let load = Load::new(server.address);
    let mut idle: Vec<_> = (0..50).map(|_| load.connect()).collect();
    let samples = thread::scope(|scope| {
        start_clients(scope, &load, choice);
        let samples = watch(driver, &load, server.pid(), time);
        load.ends.store(true, Ordering::Relaxed);
        samples
    });
    idle.iter_mut()
        .for_each(|stream| echo(stream, b"still there"));
    drop(idle);
    println!(
        "{driver}: {} echoes, {} resets, {} operations of which {} cancelled",
        load.echoes.into_inner(),
        load.resets.into_inner(),
        load.operations.into_inner(),
        load.cancelled.into_inner()
    );
    is_flat(&format!("{driver}, the server"), &samples.theirs);
    is_flat(&format!("{driver}, its clients"), &samples.ours);
    let stopped = server.stop();
    assert!(stopped.sent <= stopped.received, "{stopped:?}");
    println!("{driver}: {stopped:?}");
}

fn start_clients<'scope>(
    scope: &'scope Scope<'scope, '_>,
    load: &'scope Load,
    choice: DriverChoice,
) {
    for seed in 0..6 {
        let random = fastrand::Rng::with_seed(seed);
        scope.spawn(move || come_and_go(load, random));
    }
    scope.spawn(|| flood(load));
    for seed in 0..2 {
        let random = fastrand::Rng::with_seed(seed);
        scope.spawn(move || cancel(load, choice, random));
    }
}

/// What both processes hold, from time to time.
#[derive(Default)]
struct Samples {
    ours: Vec<Holdings>,
    theirs: Vec<Holdings>,
}

/// Looks at both processes for so long, but for the first fifth of it, in which they grow; and says each minute how it is.
fn watch(driver: &str, load: &Load, server: u32, time: Duration) -> Samples {
    let mut samples = Samples::default();
    let start = Instant::now();
    let warm = time / 5;
    let mut said = Duration::ZERO;
    while start.elapsed() < time {
        thread::sleep(time / 500);
        if start.elapsed() > warm {
            samples.ours.push(Holdings::of("self"));
            samples.theirs.push(Holdings::of(&server.to_string()));
        }
        if start.elapsed() > said + Duration::from_secs(60) {
            said = start.elapsed();
            let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            println!(
                "{driver} {:.0?}: {} echoes, {} resets, {} operations, {} cancelled; server {:?}",
                said,
                of(&load.echoes),
                of(&load.resets),
                of(&load.operations),
                of(&load.cancelled),
                samples.theirs.last()
            );
        }
    }
    samples
}
