//! What a port leaves behind: no descriptor, no thread, no byte. A process of its own with one test, since all of
//! these are the process's.

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io::{Read, Write},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use harness::*;
use wharf::{Buffer, BufferPool, Finished, Workers};

/// Counts the bytes that are in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does all of the work; counting touches no memory of its callers.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: passed on to the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holdings {
    descriptors: usize,
    threads: usize,
    bytes: usize,
}

impl Holdings {
    fn now() -> Self {
        Holdings {
            descriptors: descriptors(),
            threads: threads(),
            bytes: IN_USE.load(Ordering::Relaxed),
        }
    }
}

/// A port's life: clients that are served, clients that are idle, and an end with operations of every kind under way.
fn live_and_close(driver: Driver) {
    let port = port(driver, 2);
    let pool = BufferPool::new(64);
    let buffers = pool.clone();
    let workers = Workers::start(&port, 3, move |port, completion| match completion.what {
        Finished::Accepted {
            listener,
            connection,
        } => {
            let _ = listener.accept();
            if let Some(socket) =
                connection.and_then(|connection| port.associate(connection, ()).ok())
            {
                let _ = socket.receive_from(&buffers);
            }
        }
        Finished::Received { socket, buffer } if !buffer.is_empty() => drop(socket.send(buffer)),
        Finished::Sent { socket, .. } => drop(socket.receive_from(&buffers)),
        _ => {}
    });
    let listener = listen(&port, ());
    listener.accept().expect("a start");
    let connect = |_| connect(driver, listener.local_addr());
    let mut peers: Vec<_> = (0..20).map(connect).collect();
    for _ in 0..30 {
        peers
            .iter_mut()
            .for_each(|peer| peer.write_all(b"ahoy").expect("a write"));
        peers
            .iter_mut()
            .for_each(|peer| peer.read_exact(&mut [0; 4]).expect("an echo"));
    }

    let (socket, _peer) = narrow_pair(&port, ());
    socket.receive(Buffer::with_capacity(64)).expect("a start");
    socket.send(pattern(BIG)).expect("a start");
    socket
        .send_vectored(vec![pattern(64).into()])
        .expect("a start");
    socket.shutdown().expect("a start");
    port.timer(10 * GUARD, ()).expect("a timer");
    let connect = port.connect(listener.local_addr(), ()).expect("a start");
    let _ = port.cancel(connect);
    let given_back = port.close();
    assert!(given_back.len() > 20, "one for each client, at least");
    drop(given_back);
    workers.expect("workers").join();
    assert_eq!(pool.in_use(), 0);
    for peer in &mut peers {
        assert_eq!(peer.read(&mut [0; 1]).expect("an end"), 0);
    }
}

#[test]
fn s38_a_closed_port_leaves_no_descriptor_no_thread_and_no_byte_behind() {
    guarded(ports_come_and_go);
}

fn ports_come_and_go() {
    let threads = Holdings::now().threads;
    for driver in Driver::here().filter(|driver| unavailable(*driver).is_none()) {
        // What is made once in a process is made by now. A thread of its own takes along what is kept with each thread.
        let live = || {
            let thread = thread::spawn(move || live_and_close(driver));
            thread.join().expect("all goes as it should");
        };
        live();
        // The system lists a thread for a moment after it has been joined.
        eventually("the threads are gone", || {
            Holdings::now().threads == threads
        });
        let before = Holdings::now();
        for _ in 0..5 {
            live();
            eventually("all of it is gone", || Holdings::now() == before);
        }
    }
}
