//! What timers cost: `cargo bench -p wharf-port --bench timers`.
//!
//! Each figure is the median of some rounds. That a timer which is set and cancelled makes no system call is not measured here
//! but tested, in `tests/no_system_calls`.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use fastrand::Rng;
use wharf::{CompletionPort, OperationId, Wait, WaitMany};

const MILLION: usize = 1_000_000;
const AT_ONE_INSTANT: usize = 10_000;
/// As long as the time-outs of servers are.
const MINUTE: Duration = Duration::from_secs(60);

type Port = CompletionPort<u64>;

fn main() {
    // Without `--bench`, which `cargo bench` gives, it is only to be seen to run.
    let rounds = match std::env::args().any(|argument| argument == "--bench") {
        true => 9,
        false => 1,
    };
    // First, while the process has no memory that it does not need.
    a_million();
    println!("Set and cancelled, nanoseconds for both, by the number of other timers");
    for others in [0, 1_000, MILLION] {
        let port = port();
        let mut names = set(&port, others);
        let quietly = median(rounds, || set_and_cancel(&port));
        let with_clock = median(rounds, || set_after_and_cancel(&port));
        let with_packet = median(rounds, || set_and_cancel_with_a_packet(&port));
        println!(
            "{others:>9} others: the same one again and again {quietly:.0}; with a delay, for which the clock is read, {with_clock:.0}; by `cancel`, whose packet is taken, {with_packet:.0}"
        );
        if others > 0 {
            let any = median(rounds, || set_anew(&port, &mut names));
            println!("{others:>9} others: any one of them, {any:.0}");
        }
    }
    println!("{AT_ONE_INSTANT} due at one instant, from then until the last is delivered, in ms");
    let one_by_one = median(rounds, || due_at_once(take_one_by_one));
    let many = median(rounds, || due_at_once(take_many));
    println!("          by `wait` {one_by_one:.2}; by `wait_many` {many:.2}");
}

fn port() -> Port {
    Port::builder()
        .concurrency(1)
        .operations_max(2 * MILLION)
        .build()
        .expect("a port")
}

fn median(rounds: usize, mut measure: impl FnMut() -> f64) -> f64 {
    let mut figures: Vec<_> = (0..rounds).map(|_| measure()).collect();
    figures.sort_by(f64::total_cmp);
    figures[rounds / 2]
}

/// The nanoseconds of each of so many calls.
fn nanoseconds(calls: usize, mut call: impl FnMut(u64)) -> f64 {
    let start = Instant::now();
    (0..calls as u64).for_each(&mut call);
    start.elapsed().as_nanos() as f64 / calls as f64
}

/// Sets so many timers, all over a minute that is an hour away.
fn set(port: &Port, count: usize) -> Vec<OperationId> {
    let (start, mut random) = (Instant::now() + 60 * MINUTE, Rng::with_seed(1));
    let mut deadline = || start + Duration::from_nanos(random.u64(..60_000_000_000));
    (0..count as u64)
        .map(|key| port.timer_at(deadline(), key).expect("a timer"))
        .collect()
}

fn set_and_cancel(port: &Port) -> f64 {
    let deadline = Instant::now() + 61 * MINUTE;
    nanoseconds(MILLION, |key| {
        let timer = port.timer_at(deadline, key).expect("a timer");
        black_box(port.cancel_timer_quietly(timer).expect("it is set"));
    })
}

fn set_after_and_cancel(port: &Port) -> f64 {
    nanoseconds(MILLION, |key| {
        let timer = port.timer(61 * MINUTE, key).expect("a timer");
        black_box(port.cancel_timer_quietly(timer).expect("it is set"));
    })
}

fn set_and_cancel_with_a_packet(port: &Port) -> f64 {
    let deadline = Instant::now() + 61 * MINUTE;
    nanoseconds(MILLION / 10, |key| {
        let timer = port.timer_at(deadline, key).expect("a timer");
        port.cancel(timer).expect("it is set");
        assert!(matches!(port.wait(None), Ok(Wait::Completed(_))));
    })
}

/// As a server does with the timers of its clients: one of them, whichever, is cancelled, and set anew behind all the others.
fn set_anew(port: &Port, names: &mut [OperationId]) -> f64 {
    let (start, mut random) = (Instant::now() + 61 * MINUTE, Rng::with_seed(2));
    nanoseconds(MILLION, |key| {
        let name = &mut names[random.usize(..names.len())];
        black_box(port.cancel_timer_quietly(*name).expect("it is set"));
        let deadline = start + Duration::from_micros(key);
        *name = port.timer_at(deadline, key).expect("a timer");
    })
}

/// The milliseconds from the instant on.
fn due_at_once(take: fn(&Port)) -> f64 {
    let port = port();
    let deadline = Instant::now() + Duration::from_millis(50);
    for key in 0..AT_ONE_INSTANT as u64 {
        port.timer_at(deadline, key).expect("a timer");
    }
    assert!(Instant::now() < deadline, "all are set before it");
    take(&port);
    deadline.elapsed().as_secs_f64() * 1e3
}

fn take_one_by_one(port: &Port) {
    for key in 0..AT_ONE_INSTANT as u64 {
        let Ok(Wait::Completed(completion)) = port.wait(None) else {
            panic!("it has no time-out, and is open");
        };
        assert_eq!(completion.key, key, "in the order in which they were set");
    }
}

fn take_many(port: &Port) {
    let (mut taken, mut completions) = (0, Vec::with_capacity(64));
    while taken < AT_ONE_INSTANT {
        let wait = port.wait_many(&mut completions, 64, None);
        assert!(matches!(wait, Ok(WaitMany::Packets(_))));
        taken += completions.drain(..).count();
    }
}

/// A million timers at once, and what is left when they are gone: the allocator may keep what it got back.
fn a_million() {
    let port = port();
    let empty = resident();
    let mut names = Vec::with_capacity(MILLION);
    let deadline = Instant::now() + 60 * MINUTE;
    let setting = nanoseconds(MILLION, |key| {
        names.push(port.timer_at(deadline, key).expect("a timer"));
    });
    let full = resident();
    let mut names = names.into_iter();
    let cancelling = nanoseconds(MILLION, |_| {
        let name = names.next().expect("as many");
        black_box(port.cancel_timer_quietly(name).expect("it is set"));
    });
    println!(
        "A million at once: set in {setting:.0} ns each, cancelled in {cancelling:.0} ns each"
    );
    if let (Some(empty), Some(full), Some(left)) = (empty, full, resident()) {
        let each = full.saturating_sub(empty) / MILLION;
        let left = left.saturating_sub(empty) / MILLION;
        println!("          {each} bytes each, of which {left} stay when they are gone");
    }
}

/// The bytes of memory that this process has, where the system tells.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
