//! Statements that a test has to change the whole process for: descriptors that run out (29), a fork (42), and
//! signals (44). They run one at a time, apart from the others.

#![cfg(unix)]

#[macro_use]
#[path = "conformance/harness.rs"]
#[allow(dead_code, unused_macros, reason = "the chapters use all of it")]
mod harness;

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::thread::JoinHandleExt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate as process;
use harness::*;
use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags},
    },
    io::Errno,
    process::{Resource, Rlimit, WaitOptions, getrlimit, setrlimit},
};
use wharf::{Buffer, Finished, Socket, Transmit, Wait};

static TURN: Mutex<()> = Mutex::new(());

macro_rules! suite {
    ($driver:expr) => {
        alone! {
            $driver;
            process {
                s29_out_of_descriptors_is_an_error_that_does_not_spin
                s42_a_fork_between_start_and_completion_leaves_the_parent_whole
                s42_a_child_that_closes_its_copies_takes_nothing_from_the_parent
                s44_signals_end_no_wait_and_spoil_no_operation
                s44_a_broken_connection_raises_no_signal
                s44_a_file_sent_on_a_broken_connection_raises_no_signal
                s44_a_file_that_is_too_large_raises_no_signal
                s44_a_port_that_goes_interrupts_nothing_that_its_threads_do_elsewhere
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

fn s29_out_of_descriptors_is_an_error_that_does_not_spin(driver: Driver) {
    let port = port(driver, 1);
    let listener = listen(&port, ());
    let peer = connect(driver, listener.local_addr());

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
            completion.what,
            Finished::Accepted {
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
    let Finished::Accepted { connection, .. } = next(&port).what else {
        panic!("it was an accept");
    };
    let connection = connection.expect("there are descriptors again");
    assert_eq!(connection.peer, peer.local_addr());
}

fn s42_a_fork_between_start_and_completion_leaves_the_parent_whole(driver: Driver) {
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

fn s42_a_child_that_closes_its_copies_takes_nothing_from_the_parent(driver: Driver) {
    let port = port::<usize>(driver, 1);
    let mut pairs: Vec<_> = (0..4).map(|key| pair(&port, key)).collect();
    // Several at a time, so that a driver that batches does, and so often that one that remembers descriptors has them.
    let echo = |pairs: &mut Vec<(Socket<usize>, Stream)>| {
        for _ in 0..40 {
            for (socket, peer) in &mut *pairs {
                socket.receive(Buffer::with_capacity(8)).expect("a start");
                peer.write_all(b"ahoy").expect("a write");
                until_arrived(socket, 4);
            }
            for _ in &*pairs {
                assert_eq!(received(&port)[..], *b"ahoy");
            }
        }
    };
    echo(&mut pairs);
    // SAFETY: the child has this one thread, and only it has used the port, so that no lock of it is held; the allocator's are
    // whole in a child.
    match unsafe { libc::fork() } {
        0 => {
            let all_were_open = pairs.iter().all(|(socket, _)| socket.close());
            // SAFETY: ends the child, and runs nothing of what the parent has yet to do.
            unsafe { libc::_exit(if all_were_open { 0 } else { 1 }) };
        }
        child => {
            let child = rustix::process::Pid::from_raw(child).expect("a child");
            let status = rustix::process::waitpid(Some(child), WaitOptions::empty());
            let (_, status) = status.expect("a child").expect("it has ended");
            assert_eq!(status.exit_status(), Some(0));
        }
    }
    echo(&mut pairs);
}

fn s44_signals_end_no_wait_and_spoil_no_operation(driver: Driver) {
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
            .all(|(socket, _)| socket.traffic().map(moved) == Some((4, BIG as u64)))
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

fn s44_a_broken_connection_raises_no_signal(driver: Driver) {
    handle(libc::SIGPIPE);
    let before = handled(libc::SIGPIPE).load(Ordering::Relaxed);
    let port = port(driver, 1);
    // More than one, so that a driver that batches does.
    let pairs: Vec<_> = (0..4).map(|_| narrow_pair(&port, ())).collect();
    for (number, (socket, _)) in pairs.iter().enumerate() {
        socket.receive(Buffer::with_capacity(8)).expect("a start");
        if number % 2 == 0 {
            socket.send(pattern(BIG)).expect("a start");
        } else {
            let halves = vec![pattern(BIG / 2).into(), pattern(BIG / 2).into()];
            socket.send_vectored(halves).expect("a start");
        }
    }
    let sockets: Vec<_> = pairs
        .into_iter()
        .map(|(socket, peer)| {
            // A peer that has ended before it resets: a write to it fails with a broken pipe at once.
            peer.shutdown();
            reset(peer);
            socket
        })
        .collect();
    sockets.iter().for_each(until_reset);
    let failures = (0..2 * sockets.len()).filter(|_| next(&port).result.is_err());
    assert!(failures.count() >= sockets.len(), "every send fails");
    for socket in &sockets {
        // Refused or failed, in whatever way.
        drop(socket.send(pattern(8)));
        drop(socket.shutdown());
    }
    while let Wait::Completed(completion) = port.wait(QUIET).expect("a wait") {
        assert!(completion.result.is_err());
    }
    assert_eq!(handled(libc::SIGPIPE).load(Ordering::Relaxed), before);
}

fn s44_a_file_sent_on_a_broken_connection_raises_no_signal(driver: Driver) {
    handle(libc::SIGPIPE);
    let before = handled(libc::SIGPIPE).load(Ordering::Relaxed);
    let port = port(driver, 1);
    let content = pattern(BIG);
    let transmit_on_a_broken_connection = || {
        let (socket, peer) = pair(&port, ());
        drop(peer);
        // The peer's system answers with a reset, which nobody looks for.
        socket.send(pattern(1)).expect("a start");
        sent(&port);
        until_reset(&socket);
        let file = Arc::new(file(driver, &content));
        for _ in 0..3 {
            let part = Transmit::new(file.clone(), 0..content.len() as u64);
            match socket.transmit(part) {
                Ok(_) => drop(failed(&next(&port))),
                Err(refused) => drop(refused.error),
            }
        }
    };
    transmit_on_a_broken_connection();
    assert_eq!(handled(libc::SIGPIPE).load(Ordering::Relaxed), before);

    // A signal of somebody else's stays as it was: pending, and blocked.
    let blocked = |how| {
        // SAFETY: a zeroed set is as good as an empty one here, and is initialised; the signal is one that there is.
        unsafe {
            let [mut set, mut was]: [libc::sigset_t; 2] = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGPIPE);
            assert_eq!(libc::pthread_sigmask(how, &set, &mut was), 0);
            libc::sigismember(&was, libc::SIGPIPE) == 1
        }
    };
    assert!(!blocked(libc::SIG_BLOCK), "the mask is as it was");
    transmit_on_a_broken_connection();
    // SAFETY: it sends a signal that is handled to this thread.
    assert_eq!(unsafe { libc::raise(libc::SIGPIPE) }, 0);
    transmit_on_a_broken_connection();
    assert_eq!(handled(libc::SIGPIPE).load(Ordering::Relaxed), before);
    assert!(blocked(libc::SIG_UNBLOCK), "the mask is as it was");
    assert_eq!(handled(libc::SIGPIPE).load(Ordering::Relaxed), before + 1);
}

fn s44_a_file_that_is_too_large_raises_no_signal(driver: Driver) {
    handle(libc::SIGXFSZ);
    let counted = handled(libc::SIGXFSZ).load(Ordering::Relaxed);
    let port = port(driver, 1);
    let file = file_on(&port, b"", ());
    let before = getrlimit(Resource::Fsize);
    // Far beyond what the test's own output may be written to, which has the same limit. The file has a hole.
    const LIMIT: u64 = 1 << 32;
    let lower = Rlimit {
        current: Some(LIMIT),
        ..before
    };
    setrlimit(Resource::Fsize, lower).expect("a lower limit");
    file.write_at(pattern(32), LIMIT - 16).expect("a start");
    let completion = next(&port);
    setrlimit(Resource::Fsize, before).expect("the limit as it was");
    let error = completion.result.expect_err("it does not fit");
    assert_eq!(Errno::from_io_error(&error), Some(Errno::FBIG));
    assert_eq!(completion.transferred, 16, "what fitted is told");
    assert_eq!(handled(libc::SIGXFSZ).load(Ordering::Relaxed), counted);
}

fn s44_a_port_that_goes_interrupts_nothing_that_its_threads_do_elsewhere(driver: Driver) {
    if driver == Driver::Uring {
        // Not promised; see `NOT_COVERED` in `conformance/main.rs`.
        return;
    }
    let (give, take) = mpsc::channel();
    let thread = thread::spawn(move || {
        // This thread has made the port and carried out its transfers, many at a time.
        let port = port(driver, 1);
        let mut pairs: Vec<_> = (0..8).map(|key| pair(&port, key)).collect();
        for (socket, peer) in &mut pairs {
            socket.receive(Buffer::with_capacity(8)).expect("a start");
            peer.write_all(b"ahoy").expect("a write");
            until_arrived(socket, 4);
        }
        pairs.iter().for_each(|_| drop(received(&port)));
        give.send((port, pairs)).expect("another thread");
        wait_elsewhere(Duration::from_millis(300))
    });
    let (port, pairs) = told(&take);
    // Late enough for it to wait by now, early enough for it to wait still.
    thread::sleep(QUIET);
    drop((port, pairs));
    assert_eq!(thread.join().expect("no panic"), Ok(()));
}

#[test]
fn s44_asking_whether_io_uring_can_be_used_interrupts_nothing() {
    let _turn = TURN.lock();
    for _ in 0..20 {
        let _ = wharf::uring_available();
        assert_eq!(wait_elsewhere(Duration::from_millis(20)), Ok(()));
    }
}

/// A wait that no kernel starts again by itself when it is interrupted.
fn wait_elsewhere(time: Duration) -> Result<(), Errno> {
    let set = epoll::create(CreateFlags::CLOEXEC).expect("a set of descriptors");
    let timeout = Timespec::try_from(time).expect("a short time");
    let mut events: Vec<epoll::Event> = Vec::with_capacity(1);
    epoll::wait(&set, spare_capacity(&mut events), Some(&timeout)).map(drop)
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
