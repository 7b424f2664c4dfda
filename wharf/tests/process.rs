//! Statements that a test has to change the whole process for: descriptors that run out (29), a fork (42), and
//! signals (44). They run one at a time, apart from the others.

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, reason = "the chapters use all of it")]
mod harness;

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::thread::JoinHandleExt,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate as process;
use harness::*;
use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use wharf::{Buffer, Done, DriverChoice, Socket, Wait};

static ALONE: Mutex<()> = Mutex::new(());

macro_rules! suite {
    ($driver:expr) => {
        tests! {
            $driver;
            process {
                s29_out_of_descriptors_is_an_error_that_does_not_spin
                s42_a_fork_between_start_and_completion_leaves_the_parent_whole
                s44_signals_end_no_wait_and_spoil_no_operation
                s44_a_broken_connection_raises_no_signal
            }
        }
    };
}

on_every_driver!(suite);

/// Opens files until there are no descriptors left.
fn use_up_descriptors() -> Vec<File> {
    let open = || File::open("/dev/null");
    std::iter::from_fn(|| open().ok()).collect()
}

fn s29_out_of_descriptors_is_an_error_that_does_not_spin(driver: DriverChoice) {
    let _alone = ALONE.lock();
    let port = port(driver, 1);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let listener = port.associate(listener, ()).expect("an association");
    let peer = TcpStream::connect(listener.local_addr()).expect("a connection");

    let before = getrlimit(Resource::Nofile);
    let few = Rlimit {
        current: Some(256),
        ..before
    };
    setrlimit(Resource::Nofile, few).expect("a lower limit");
    let files = use_up_descriptors();
    let mut errors = Vec::new();
    for _ in 0..3 {
        listener.accept().expect("it is for the completion to say");
        let completion = next(&port);
        assert!(matches!(
            completion.done,
            Done::Accepted {
                connection: None,
                ..
            }
        ));
        errors.push(completion.result.expect_err("no descriptor is left"));
        // One failure for each accept: nobody tries by itself what can't succeed.
        expect_nothing(&port);
    }
    drop(files);
    setrlimit(Resource::Nofile, before).expect("the limit as it was");
    for error in errors {
        assert_eq!(Errno::from_io_error(&error), Some(Errno::MFILE));
    }

    // The connection stayed in the backlog.
    listener.accept().expect("a start");
    let Done::Accepted { connection, .. } = next(&port).done else {
        panic!("it was an accept");
    };
    let connection = connection.expect("there are descriptors again");
    assert_eq!(connection.peer, peer.local_addr().expect("an address"));
}

fn s42_a_fork_between_start_and_completion_leaves_the_parent_whole(driver: DriverChoice) {
    let _alone = ALONE.lock();
    let port = port(driver, 1);
    let (socket, mut peer) = pair(&port, 1);
    socket.receive(Buffer::with_capacity(8)).expect("a start");
    port.timer(QUIET, 2).expect("a timer");
    let child = Fork::new();
    peer.write_all(b"ahoy").expect("a write");
    assert_eq!(next(&port).key, 1);
    assert_eq!(next(&port).key, 2);

    // The child holds a copy of the socket: what still happens to that must reach no other that is here now.
    socket.close();
    let (next_socket, mut next_peer) = pair(&port, 3);
    next_socket
        .receive(Buffer::with_capacity(8))
        .expect("a start");
    peer.write_all(b"late").expect("a write");
    expect_nothing(&port);
    next_peer.write_all(b"ahoy").expect("a write");
    assert_eq!(next(&port).key, 3);
    drop(child);
    expect_nothing(&port);
}

fn s44_signals_end_no_wait_and_spoil_no_operation(driver: DriverChoice) {
    let _alone = ALONE.lock();
    handle(libc::SIGUSR1);
    let port = port::<usize>(driver, 2);
    // Three that wait, so that both ways of waiting are interrupted.
    let waiters = [0; 3].map(|_| {
        let port = port.clone();
        thread::spawn(move || {
            let start = Instant::now();
            assert!(matches!(port.wait(5 * QUIET), Ok(Wait::TimedOut)));
            assert!(start.elapsed() >= 5 * QUIET);
            let mut keys = Vec::new();
            while let Wait::Completed(completion) = port.wait(None).expect("no error") {
                assert!(completion.result.is_ok(), "{completion:?}");
                keys.push(completion.key);
            }
            keys
        })
    });
    let interrupt_all = || {
        waiters
            .iter()
            .for_each(|waiter| interrupt(waiter, libc::SIGUSR1))
    };
    eventually("all wait", || port.counts().parked == 3);
    let before = handled(libc::SIGUSR1).load(Ordering::Relaxed);
    let start = Instant::now();
    while start.elapsed() < 6 * QUIET {
        interrupt_all();
        thread::sleep(Duration::from_millis(1));
    }
    assert!(
        handled(libc::SIGUSR1).load(Ordering::Relaxed) > before,
        "they were interrupted"
    );

    // Now while they transfer.
    let mut pairs: Vec<_> = (0..4).map(|key| narrow_pair(&port, key)).collect();
    for (socket, _) in &pairs {
        socket.send(pattern(BIG)).expect("a start");
        socket.receive(Buffer::with_capacity(8)).expect("a start");
    }
    for (_, peer) in &mut pairs {
        let mut all = vec![0; BIG];
        for part in all.chunks_mut(BIG / 64) {
            interrupt_all();
            peer.read_exact(part).expect("a part");
        }
        assert!(all == pattern(BIG));
        peer.write_all(b"ahoy").expect("a write");
    }
    eventually("all have completed", || {
        pairs
            .iter()
            .all(|(socket, _)| socket.traffic() == Some((4, BIG as u64)))
    });
    eventually("all wait", || {
        port.counts().parked == 3 && port.counts().queued == 0
    });
    assert!(port.close().is_empty());
    let mut keys = waiters
        .map(|waiter| waiter.join().expect("no panic"))
        .concat();
    keys.sort_unstable();
    assert_eq!(keys, [0, 0, 1, 1, 2, 2, 3, 3]);
}

fn s44_a_broken_connection_raises_no_signal(driver: DriverChoice) {
    let _alone = ALONE.lock();
    handle(libc::SIGPIPE);
    let before = handled(libc::SIGPIPE).load(Ordering::Relaxed);
    let port = port(driver, 1);
    type Start = dyn Fn(&Socket<()>);
    let starts: [&Start; 3] = [
        &|socket| drop(socket.send(pattern(8))),
        &|socket| drop(socket.send_many(vec![pattern(8).into(), pattern(8).into()])),
        &|socket| drop(socket.shutdown()),
    ];
    for start in starts {
        // The peer ends and resets: from there on, the system answers EPIPE.
        let (socket, peer) = pair(&port, ());
        reset(peer);
        until_reset(&socket);
        socket.receive(Buffer::with_capacity(8)).expect("a start");
        start(&socket);
        while let Wait::Completed(completion) = port.wait(QUIET).expect("a wait") {
            assert!(completion.result.is_err());
        }
        start(&socket);
        expect_nothing(&port);
    }
    assert_eq!(handled(libc::SIGPIPE).load(Ordering::Relaxed), before);
}

/// By number, the signals that were handled.
static HANDLED: [AtomicUsize; 65] = [const { AtomicUsize::new(0) }; 65];

extern "C" fn count(signal: libc::c_int) {
    handled(signal).fetch_add(1, Ordering::Relaxed);
}

fn handled(signal: libc::c_int) -> &'static AtomicUsize {
    &HANDLED[signal as usize]
}

/// Has `signal` counted, and every system call that it interrupts fail with `EINTR`.
fn handle(signal: libc::c_int) {
    // SAFETY: all of a zeroed `sigaction` is valid: no flags, so no `SA_RESTART`, and an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the action is valid, and its handler does nothing but count in an atomic: async-signal-safe.
    let result = unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
    assert_eq!(result, 0, "the signal can be handled");
}

/// Sends a signal that is [handled](handle) to one thread.
fn interrupt<T>(thread: &JoinHandle<T>, signal: libc::c_int) {
    // SAFETY: a thread that is neither joined nor detached has a valid name, also once it has ended.
    let result = unsafe { libc::pthread_kill(thread.as_pthread_t(), signal) };
    assert_eq!(result, 0, "the signal can be sent");
}

/// A child that is nothing but a copy of this process, asleep.
struct Fork(libc::pid_t);

impl Fork {
    fn new() -> Self {
        // SAFETY: the child calls nothing but async-signal-safe functions, as fork(2) asks where there are threads.
        match unsafe { libc::fork() } {
            0 => loop {
                // SAFETY: takes no arguments and touches no memory; async-signal-safe.
                unsafe { libc::pause() };
            },
            child => {
                assert!(child > 0, "the process can be forked");
                Fork(child)
            }
        }
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        let child = rustix::process::Pid::from_raw(self.0).expect("a child");
        let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
        let _ = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty());
    }
}
