//! What a post from a handler costs, ordinary against quiet: `cargo bench -p wharf-port --bench posts`.
//!
//! *A chain*: each handler posts the next packet and ends. How often the next handler ran on another thread is counted too, in chains
//! of their own. *Now and then*: a thread outside posts a packet, whose handler posts
//! another, and pauses before the next; there the port's own thread, which watches for quiet posts, is a part of the cost. Both
//! kinds take turns, round after round, and the median of the rounds' ratios is told, so that what else the machine does meets both.

use std::{
    mem,
    sync::{
        Mutex,
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use wharf::{CompletionPort, Workers};

const HANDLERS: usize = 1_000_000;
const PAUSES: [Duration; 3] = [
    Duration::from_micros(100),
    Duration::from_millis(1),
    Duration::from_millis(20),
];
/// So long a run of those takes.
const RUN: Duration = Duration::from_millis(800);

type Port = CompletionPort<usize>;

/// What a run took, in nanoseconds a handler.
#[derive(Clone, Copy)]
struct Cost {
    elapsed: f64,
    /// The processors' time, where the system tells.
    busy: Option<f64>,
}

fn main() {
    // Without `--bench`, which `cargo bench` gives, it is only to be seen to run.
    let rounds = match std::env::args().any(|argument| argument == "--bench") {
        true => 9,
        false => 1,
    };
    println!("Nanoseconds a handler; in brackets, of the processors' time. Medians of {rounds}");
    for (threads, chains) in [(1, 1), (2, 1), (2, 2), (2, 8)] {
        compare(
            rounds,
            &format!("{threads} threads, {chains} chains"),
            |quietly| chain(threads, chains, quietly),
        );
    }
    let moves = |quietly| median((0..rounds).map(|_| moves(quietly)).collect());
    println!(
        "2 threads, 1 chain, handlers of a thousand that ran on another thread: ordinary {:.1}, quiet {:.1}",
        moves(false),
        moves(true)
    );
    for pause in PAUSES {
        compare(
            rounds,
            &format!("2 threads, pauses of {pause:?}"),
            |quietly| now_and_then(pause, quietly),
        );
    }
}

fn compare(rounds: usize, title: &str, run: impl Fn(bool) -> Cost) {
    let mut pairs: Vec<(Cost, Cost)> = Vec::new();
    for round in 0..rounds {
        // There and back.
        let first = run(round % 2 == 0);
        let second = run(round % 2 != 0);
        pairs.push(match round % 2 {
            0 => (second, first),
            _ => (first, second),
        });
    }
    let of = |figure: fn(&Cost) -> Option<f64>| {
        let both = pairs
            .iter()
            .filter_map(|(ordinary, quiet)| Some((figure(ordinary)?, figure(quiet)?)));
        let both: Vec<_> = both.collect();
        let median_of = |what: fn(&(f64, f64)) -> f64| median(both.iter().map(what).collect());
        (
            median_of(|it| it.0),
            median_of(|it| it.1),
            median_of(|it| it.1 / it.0),
        )
    };
    let (elapsed, busy) = (of(|cost| Some(cost.elapsed)), of(|cost| cost.busy));
    println!(
        "{title:>30}: ordinary {:.0} ({:.0}), quiet {:.0} ({:.0}), ratio {:.2} ({:.2})",
        elapsed.0, busy.0, elapsed.1, busy.1, elapsed.2, busy.2
    );
}

/// Not a number if there is none.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn cost(handlers: usize, run: impl FnOnce()) -> Cost {
    let (start, busy) = (Instant::now(), processor_time());
    run();
    let elapsed = start.elapsed();
    let busy = busy.and_then(|before| Some(processor_time()? - before));
    let each = |time: Duration| time.as_nanos() as f64 / handlers as f64;
    Cost {
        elapsed: each(elapsed),
        busy: busy.map(each),
    }
}

fn post(port: &Port, key: usize, quietly: bool) {
    let posted = match quietly {
        true => port.post_quietly(key, 0),
        false => port.post(key, 0),
    };
    posted.expect("the port is open");
}

/// A port and its workers. The key is how many handlers are still to follow; the last of a chain is told.
fn start(threads: usize, quietly: bool) -> (Port, Workers, Receiver<()>) {
    let port = Port::new(threads).expect("a port");
    let (sender, ends) = mpsc::channel();
    let handlers = port.clone();
    let workers = Workers::start(&port, threads, move |_, completion| match completion.key {
        0 => sender.send(()).expect("it is awaited"),
        left => post(&handlers, left - 1, quietly),
    });
    (port, workers.expect("workers"), ends)
}

fn chain(threads: usize, chains: usize, quietly: bool) -> Cost {
    let (port, workers, ends) = start(threads, quietly);
    let cost = cost(HANDLERS, || {
        (0..chains).for_each(|_| post(&port, HANDLERS / chains, false));
        (0..chains).for_each(|_| ends.recv().expect("an end"));
    });
    port.close();
    workers.join();
    cost
}

/// Of a thousand handlers, how many ran on another thread than the one before.
fn moves(quietly: bool) -> f64 {
    const HANDLERS: usize = 100_000;
    let port = Port::new(2).expect("a port");
    let (sender, ends) = mpsc::channel();
    let (handlers, threads) = (port.clone(), Mutex::new(Vec::with_capacity(HANDLERS)));
    let workers = Workers::start(&port, 2, move |_, completion| {
        let mut threads = threads.lock().expect("no panic");
        threads.push(thread::current().id());
        match completion.key {
            0 => sender
                .send(mem::take(&mut *threads))
                .expect("it is awaited"),
            left => {
                drop(threads);
                post(&handlers, left - 1, quietly);
            }
        }
    });
    post(&port, HANDLERS - 1, false);
    let threads = ends.recv().expect("an end");
    port.close();
    workers.expect("workers").join();
    let moves = threads.windows(2).filter(|two| two[0] != two[1]);
    moves.count() as f64 * 1e3 / HANDLERS as f64
}

fn now_and_then(pause: Duration, quietly: bool) -> Cost {
    let (port, workers, ends) = start(2, quietly);
    let times = (RUN.as_nanos() / pause.as_nanos()) as usize;
    let mut waited = Duration::ZERO;
    let cost = cost(2 * times, || {
        for _ in 0..times {
            thread::sleep(pause);
            let start = Instant::now();
            post(&port, 1, false);
            ends.recv().expect("an end");
            waited += start.elapsed();
        }
    });
    port.close();
    workers.join();
    Cost {
        // Without the pauses.
        elapsed: waited.as_nanos() as f64 / (2 * times) as f64,
        ..cost
    }
}

/// The time that the threads of this process have had a processor, where the system tells. All of them are still there.
fn processor_time() -> Option<Duration> {
    let mut sum = 0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let path = thread.ok()?.path().join("schedstat");
        let times = std::fs::read_to_string(path).ok()?;
        sum += times.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(sum))
}
