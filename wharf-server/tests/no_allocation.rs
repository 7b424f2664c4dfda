//! In the steady state frames cost no allocation: neither those that lie whole in one buffer, nor those that are cut, nor their
//! answers. One test, since the allocator counts for the whole process.

#![allow(unsafe_code, reason = "an allocator is unsafe")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
};

use wharf_server::{
    Client, Handler, Result, Server, ServerBuilder,
    codec::{ByteOrder, LengthPrefixed},
};

/// The system's, which counts.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const FRAMES: LengthPrefixed = LengthPrefixed::u16(ByteOrder::BigEndian);

struct Echo;

impl Handler for Echo {
    type Session = u64;
    type Codec = LengthPrefixed;
    type Message = ();

    fn codec(&self) -> LengthPrefixed {
        FRAMES
    }

    fn connected(&self, _: &Client) -> Result<u64> {
        Ok(0)
    }

    fn received(&self, client: &Client, frames: &mut u64, frame: &[u8]) -> Result {
        *frames += 1;
        client.send(FRAMES.frame(frame)?)?;
        Ok(())
    }
}

/// One frame, several in one piece, and some of which the last is cut.
fn exchange(peer: &mut TcpStream, frames: &[u8], echo: &mut [u8]) {
    let cut = frames.len() - 5;
    for parts in [[frames, &[]], [&frames[..cut], &frames[cut..]]] {
        for part in parts {
            peer.write_all(part).unwrap();
            // So that it arrives by itself, as a rule.
            std::thread::yield_now();
        }
        peer.read_exact(echo).unwrap();
        assert_eq!(echo, frames);
    }
}

/// How many allocations 46,000 frames cost, and their answers.
fn allocations(builder: ServerBuilder) -> usize {
    let builder = builder.listen("127.0.0.1:0".parse().unwrap());
    let server = builder.workers(1).workers_max(1).start(Echo).unwrap();
    let mut peer = TcpStream::connect(server.local_addr()).unwrap();
    peer.set_nodelay(true).unwrap();
    let one = FRAMES.frame(&[7; 100]).unwrap().to_vec();
    let several = one.repeat(20);
    let mut echo = vec![0; several.len()];
    let mut rounds = |count: usize| {
        for _ in 0..count {
            exchange(&mut peer, &one, &mut echo[..one.len()]);
            exchange(&mut peer, &several, &mut echo);
        }
    };
    rounds(200);
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    rounds(2_000);
    ALLOCATIONS.load(Ordering::SeqCst) - before
}

#[test]
fn frames_and_their_answers_cost_no_allocation() {
    let allocations = allocations(Server::builder());
    // Some lists may grow once more.
    assert!(allocations <= 10, "{allocations} allocations");
    #[cfg(feature = "metrics")]
    measured::nor_do_their_metrics();
}

/// The same with metrics, and a recorder that needs no memory itself.
#[cfg(feature = "metrics")]
mod measured {
    use std::sync::Arc;

    use metrics::{
        Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString,
        Unit, atomics::AtomicU64,
    };

    use super::*;

    static HANDLED: AtomicUsize = AtomicUsize::new(0);

    struct Atomics;

    struct Samples;

    impl HistogramFn for Samples {
        fn record(&self, _: f64) {
            HANDLED.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Recorder for Atomics {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(Arc::new(AtomicU64::new(0)))
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(Arc::new(AtomicU64::new(0)))
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(Arc::new(Samples))
        }
    }

    pub fn nor_do_their_metrics() {
        let builder = Server::builder().metrics("echo");
        let allocations = metrics::with_local_recorder(&Atomics, || allocations(builder));
        assert!(allocations <= 10, "{allocations} allocations with metrics");
        let handled = HANDLED.load(Ordering::SeqCst);
        assert!(handled >= 8_000, "{handled} calls were timed");
    }
}
