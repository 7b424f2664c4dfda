//! What an idle client costs: the bytes that are allocated for it alone, in the library and in the toolkit. One test in a process
//! of its own, since the allocator is the process's. Its place in the port's table is in larger pieces: the size of a place is
//! tested where it is declared, and the lab's row 3 measures all of it.

#![cfg(unix)]
#![allow(unsafe_code, reason = "an allocator is unsafe")]

#[macro_use]
#[allow(dead_code, unused_macros, reason = "the other tests use all of it")]
mod harness;
#[allow(dead_code, reason = "likewise")]
#[path = "harness/raw.rs"]
mod raw;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use harness::{connect, settings, uring_can_be_tested};
use raw::{echo, exchange, serve};
use wharf::{Buffer, DriverChoice};
use wharf_server::{Client, Server, raise_open_files};

/// The bytes of a client's state, its association with the port, and its share of the receive buffers; as the system's
/// allocator rounds them.
const EACH_MAX: usize = 96 + 48 + 32;

/// What comes on top for one that has fallen behind once, and has caught up.
const BEHIND_MAX: usize = 80 + 128;

/// Its part of the toolkit's list of clients, 11 bytes, and of lists that grow. Another field would cost 16 bytes at once, as the
/// allocator rounds.
const OF_LISTS: usize = 16;

/// What is made once for all of them is there after so many.
const FEW: usize = 256;

/// The bytes are counted so many times: what a worker takes or gives back that begins or ends meanwhile, as on a busy machine,
/// is in one of them.
const ROUNDS: usize = 7;

/// So many clients come in each round.
const EACH_ROUND: usize = 256;

/// So many fall behind in each round, one after the other.
const BEHIND_ROUND: usize = 16;

/// Pieces from this size on are not one client's.
const LARGE: usize = 4096;

/// Counts the bytes of small pieces that are in use, each as large as the system's allocator makes it.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// What glibc takes for it: a word more, rounded up to 16 bytes.
fn bytes_of(layout: Layout) -> usize {
    match layout.size() {
        LARGE.. => 0,
        size => (size + 8).next_multiple_of(16),
    }
}

// SAFETY: the system's allocator does all of the work; counting touches no memory of its callers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(bytes_of(layout), Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(bytes_of(layout), Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The bytes in use, once the server's threads have come to rest.
fn in_use() -> usize {
    let mut before = IN_USE.load(Ordering::Relaxed);
    loop {
        thread::sleep(Duration::from_millis(100));
        let now = IN_USE.load(Ordering::Relaxed);
        if now == before {
            return now;
        }
        before = now;
    }
}

/// The bytes that one of `count` costs, in the round in which they cost least: what each costs is in every round.
fn cost(count: usize, mut round: impl FnMut()) -> usize {
    let costs = [0; ROUNDS].map(|_| {
        let before = in_use();
        round();
        in_use().saturating_sub(before) / count
    });
    assert!(costs.iter().any(|&cost| cost > 0), "the count counts");
    costs.into_iter().min().unwrap_or(0)
}

/// Clients that have talked once, as an idle client has.
fn talk(server: &Server, clients: &mut Vec<TcpStream>, count: usize) {
    for _ in 0..count {
        let mut client = connect(server);
        exchange(&mut client, &[7; 64]);
        clients.push(client);
    }
}

/// Echoes; and where it is asked for much, sends more than the system takes, and a full stop.
fn send_much(client: &Client, bytes: Buffer) {
    if bytes[..] != b"much"[..] {
        return echo(client, bytes);
    }
    while client.unsent() == 0 {
        client.send(vec![7; 1 << 16]).unwrap();
    }
    client.send(b".").unwrap();
}

/// The client falls behind, and catches up.
fn fall_behind(client: &mut TcpStream) {
    let mut bytes = [0; 1 << 12];
    client.write_all(b"much").unwrap();
    while !bytes.ends_with(b".") {
        let count = client.read(&mut bytes).unwrap();
        assert!(count > 0, "it is there still");
        bytes.rotate_left(count);
    }
    exchange(client, &[7; 64]);
}

#[test]
fn an_idle_client_costs_so_many_bytes_and_no_more() {
    raise_open_files().unwrap();
    let mut drivers = vec![DriverChoice::Readiness];
    if uring_can_be_tested() {
        drivers.push(DriverChoice::Uring);
    }
    for driver in drivers {
        let mut settings = settings(driver);
        settings.workers = 1;
        let mut clients = Vec::with_capacity(FEW + ROUNDS * EACH_ROUND);
        let server = serve(&settings, send_much).unwrap();
        talk(&server, &mut clients, FEW);
        let each = cost(EACH_ROUND, || talk(&server, &mut clients, EACH_ROUND));
        assert!(each <= EACH_MAX + OF_LISTS, "{each} bytes, {driver:?}");
        let mut idle = clients.iter_mut();
        let behind = cost(BEHIND_ROUND, || {
            idle.by_ref().take(BEHIND_ROUND).for_each(fall_behind)
        });
        assert!(
            behind <= BEHIND_MAX + OF_LISTS,
            "{behind} bytes, {driver:?}"
        );
        drop(clients);
        server.stop(Duration::from_secs(10));
    }
}
