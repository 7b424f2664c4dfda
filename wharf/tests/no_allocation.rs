//! The steady state allocates nothing: not for a receive, not for a send, not for a wait. A process of its own, since
//! the allocator is the process's.

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::{Read, Write},
    sync::Arc,
    thread,
};

use crate as no_allocation;
use harness::*;
use wharf::{Buffer, BufferPool, Completion, CompletionPort, Finished, Payload, Socket, WaitMany};

/// Counts the allocations of each thread for itself.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does all of the work; counting touches no memory of its callers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: passed on to the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What this thread allocated so far.
fn allocations() -> usize {
    ALLOCATIONS.get()
}

const WARM_UP: usize = 200;
const STEADY: usize = 2000;

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            no_allocation {
                the_count_counts
                a_ping_pong_allocates_nothing
                a_ping_pong_from_a_pool_with_quiet_sends_allocates_nothing
                a_ping_pong_with_contexts_up_to_an_address_in_size_allocates_nothing
                many_sockets_at_once_allocate_nothing
                time_outs_allocate_nothing
                timers_that_are_set_and_cancelled_allocate_nothing
                a_thread_that_serves_two_ports_allocates_nothing
                #[cfg(unix)]
                posts_allocate_nothing
                #[cfg(unix)]
                posts_on_a_reserved_place_allocate_nothing
            }
        }
    };
}

on_every_driver!(suite);

fn the_count_counts(_: Driver) {
    let before = allocations();
    drop(Buffer::with_capacity(64));
    assert_eq!(allocations(), before + 1);
}

/// A peer that sends, awaits the echo, and starts over.
fn ping(mut peer: Stream) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut echo = [0; 64];
        for _ in 0..WARM_UP + STEADY {
            peer.write_all(&[7; 64]).expect("a write");
            peer.read_exact(&mut echo).expect("an echo");
        }
    })
}

/// Once so many rounds have been made, further ones allocate nothing.
#[track_caller]
fn expect_none(warm_up: usize, mut rounds: impl FnMut(usize)) {
    rounds(warm_up);
    let before = allocations();
    rounds(STEADY);
    assert_eq!(allocations() - before, 0);
}

/// Serves so many completions, and says how many allocations that took.
fn serve<K: Key>(port: &CompletionPort<K>, count: usize, handler: impl Fn(Completion<K>)) -> usize {
    let before = allocations();
    for _ in 0..count {
        handler(next(port));
    }
    allocations() - before
}

fn a_ping_pong_allocates_nothing(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = pair(&port, ());
    socket.receive(Buffer::with_capacity(64)).expect("a start");
    let peer = ping(peer);
    // The classic: the buffer that was received is sent, and then received into again.
    let echo = |completion: Completion<()>| match completion.what {
        Finished::Received { socket, buffer } => drop(socket.send(buffer).expect("a start")),
        Finished::Sent {
            socket,
            payload: Payload::Buffer(buffer),
        } => drop(socket.receive(buffer).expect("a start")),
        other => panic!("nothing else was started: {other:?}"),
    };
    serve(&port, 2 * WARM_UP, echo);
    assert_eq!(serve(&port, 2 * STEADY, echo), 0);
    peer.join().expect("it ends well");
}

fn a_ping_pong_from_a_pool_with_quiet_sends_allocates_nothing(driver: Driver) {
    let port = port(driver, 1);
    let pool = BufferPool::new(64);
    let (socket, peer) = pair(&port, ());
    socket.receive_from(&pool).expect("a start");
    let peer = ping(peer);
    let echo = |completion: Completion<()>| match completion.what {
        Finished::Received { socket, buffer } => {
            socket.send_quietly(buffer).expect("a start");
            socket.receive_from(&pool).expect("a start");
        }
        other => panic!("nothing else was started: {other:?}"),
    };
    serve(&port, WARM_UP, echo);
    assert_eq!(serve(&port, STEADY, echo), 0);
    peer.join().expect("it ends well");
}

fn a_ping_pong_with_contexts_up_to_an_address_in_size_allocates_nothing(driver: Driver) {
    let port = port(driver, 1);
    let (socket, peer) = pair(&port, ());
    let buffer = Buffer::with_capacity(64);
    socket
        .with(Arc::new(7_u32))
        .receive(buffer)
        .expect("a start");
    let peer = ping(peer);
    let echo = |mut completion: Completion<()>| {
        let context = completion.take_context::<Arc<u32>>();
        let context = context.expect("it has one");
        match completion.what {
            Finished::Received { socket, buffer } => {
                socket.with(context).send(buffer).expect("a start");
            }
            Finished::Sent {
                socket,
                payload: Payload::Buffer(buffer),
            } => {
                socket.with(context).receive(buffer).expect("a start");
            }
            other => panic!("nothing else was started: {other:?}"),
        }
    };
    serve(&port, 2 * WARM_UP, echo);
    assert_eq!(serve(&port, 2 * STEADY, echo), 0);
    peer.join().expect("it ends well");
}

/// One message to and from every peer, all of them ready at once, served as many at a time as there are.
fn round(
    port: &CompletionPort<()>,
    pairs: &mut [(Socket<()>, Stream)],
    pool: &BufferPool,
    taken: &mut Vec<Completion<()>>,
) {
    for (socket, peer) in &mut *pairs {
        socket.receive_from(pool).expect("a start");
        peer.write_all(&[7; 64]).expect("a write");
    }
    let mut sent = 0;
    while sent < pairs.len() {
        let many = port.wait_many(taken, pairs.len(), GUARD).expect("a wait");
        assert!(matches!(many, WaitMany::Packets(_)));
        for completion in taken.drain(..) {
            match completion.what {
                Finished::Received { socket, buffer } => {
                    socket.send(buffer).expect("a start");
                }
                Finished::Sent { .. } => sent += 1,
                other => panic!("nothing else was started: {other:?}"),
            }
        }
    }
    for (_, peer) in pairs {
        peer.read_exact(&mut [0; 64]).expect("an echo");
    }
}

fn many_sockets_at_once_allocate_nothing(driver: Driver) {
    const SOCKETS: usize = 100;
    let port = port(driver, 1);
    let pool = BufferPool::new(64);
    let mut pairs: Vec<_> = (0..SOCKETS).map(|_| pair(&port, ())).collect();
    let mut taken = Vec::with_capacity(2 * SOCKETS);
    let mut rounds = |count| {
        let before = allocations();
        (0..count).for_each(|_| round(&port, &mut pairs, &pool, &mut taken));
        allocations() - before
    };
    // What is kept for later grows to the most that was ever needed at once, and how much that is, is a matter of chance. What
    // each round needed anew would never come to nothing.
    let settles = (0..20).any(|_| rounds(50) == 0);
    assert!(settles, "each time of 50 rounds allocates");
}

/// On Windows each posted packet is one: the kernel's has no room for all that ours carries.
#[cfg(unix)]
fn posts_allocate_nothing(driver: Driver) {
    let port = port(driver, 1);
    let rounds = |count| {
        for _ in 0..count {
            (0..10).for_each(|_| port.post((), 0).expect("a post"));
            (0..10).for_each(|_| drop(next(&port)));
        }
    };
    expect_none(WARM_UP, rounds);
}

/// A task that does nothing, and has nothing to free.
#[cfg(unix)]
fn idle_task() -> wharf::raw::Task {
    static FUNCTIONS: wharf::raw::TaskFunctions = wharf::raw::TaskFunctions {
        run: |_| {},
        discard: |_| {},
    };
    // SAFETY: the functions do nothing with the pointer.
    unsafe { wharf::raw::Task::new(&FUNCTIONS, std::ptr::NonNull::dangling()) }
}

#[cfg(unix)]
fn posts_on_a_reserved_place_allocate_nothing(driver: Driver) {
    let port = port::<()>(driver, 1);
    let places: Vec<_> = (0..10)
        .map(|_| port.reserve_post().expect("a place"))
        .collect();
    let take = || port.wait(GUARD).expect("a wait");
    // From the first on.
    let before = allocations();
    for place in &places {
        place.post(idle_task()).expect("it is open");
    }
    assert_eq!(allocations() - before, 0);
    let rounds = |count| {
        for _ in 0..count {
            for _ in &places {
                let wharf::Wait::Task(task) = take() else {
                    panic!("a task is due");
                };
                task.run();
            }
            for place in &places {
                place.post(idle_task()).expect("it is open");
            }
        }
    };
    expect_none(1, rounds);
}

fn a_thread_that_serves_two_ports_allocates_nothing(driver: Driver) {
    // Their operations are of different sizes.
    let (small, large) = (port::<()>(driver, 1), port::<[usize; 8]>(driver, 1));
    let rounds = |count| {
        for _ in 0..count {
            let timer = small.timer(10 * GUARD, ()).expect("a timer");
            small.cancel_timer_quietly(timer).expect("it is set");
            let timers = [1, 2].map(|key| large.timer(10 * GUARD, [key; 8]).expect("a timer"));
            for timer in timers {
                large.cancel_timer_quietly(timer).expect("it is set");
            }
        }
    };
    expect_none(WARM_UP, rounds);
}

fn timers_that_are_set_and_cancelled_allocate_nothing(driver: Driver) {
    let port = port::<usize>(driver, 1);
    let mut set: Vec<_> = (0..WARM_UP)
        .map(|key| port.timer(10 * GUARD, key).expect("a timer"))
        .collect();
    let rounds = |count| {
        for round in 0..count {
            let timer = port.timer(10 * GUARD, round).expect("a timer");
            let earlier = std::mem::replace(&mut set[round % WARM_UP], timer);
            port.cancel_timer_quietly(earlier).expect("it is set");
        }
    };
    expect_none(WARM_UP, rounds);
}

fn time_outs_allocate_nothing(driver: Driver) {
    let port = port::<()>(driver, 1);
    let rounds = |count| {
        for _ in 0..count {
            let answer = port.wait(std::time::Duration::ZERO).expect("a wait");
            assert!(matches!(answer, wharf::Wait::TimedOut));
        }
    };
    expect_none(WARM_UP, rounds);
}
