//! What the runtime promises of local (Unix) sockets, on every driver of the system.

#![cfg(unix)]

#[macro_use]
mod harness;

use std::{
    io::{self, IoSlice, Read, Write},
    mem::MaybeUninit,
    net::Shutdown,
    os::{fd::AsFd, unix::net},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use harness::{PATIENCE, Turns, builder, one_at_once, pattern, run, sleep_until_idle};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wharf::{Buffer, DriverChoice};
use wharf_async::{
    net::{UnixDatagram, UnixListener, UnixStream},
    spawn,
    time::{sleep, timeout},
    yield_now,
};

macro_rules! suite {
    ($driver:expr) => {
        tests! { $driver,
            the_end_of_the_stream_comes_behind_all_bytes
            an_accept_that_is_dropped_loses_no_connection
            tasks_that_accept_at_once_get_a_connection_each
            connections_that_have_come_are_accepted_without_a_turn_of_others_for_each
            a_peer_that_has_gone_is_accepted_with_what_it_sent
            a_failure_is_told_behind_what_came_before_it
            a_connect_waits_while_the_backlog_is_full
            a_path_is_told_in_errors_and_stays_when_its_listener_is_dropped
            names_without_a_path_are_listened_at
            a_path_with_a_zero_byte_is_refused_and_not_cut
            the_process_at_the_other_end_is_told
            owned_memory_is_sent_and_received
            halves_read_and_write_in_two_tasks_and_can_be_put_together
            a_pair_is_connected_and_a_peek_takes_nothing
            what_was_written_arrives_though_the_stream_is_dropped
            a_peer_that_never_reads_keeps_no_socket_for_ever
            descriptors_that_are_passed_do_not_stop_the_stream
            datagrams_come_whole_and_with_their_senders
            a_datagram_waits_for_room_and_is_not_sent_if_it_is_dropped
            a_receive_that_is_dropped_loses_no_datagram
        }
    };
}

on_every_driver!(suite);

/// A path in a folder of temporary files that nobody has used, removed when this is dropped.
struct TestPath(PathBuf);

impl TestPath {
    fn new() -> TestPath {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("wharf-async-unix-{}-{number}", std::process::id());
        TestPath(std::env::temp_dir().join(name))
    }
}

impl Drop for TestPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A stream of the runtime's, and the standard library's other end. To be called in a task.
fn pair() -> (UnixStream, net::UnixStream) {
    let (near, peer) = net::UnixStream::pair().expect("a pair");
    peer.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    peer.set_write_timeout(Some(PATIENCE)).expect("a time-out");
    (UnixStream::from_std(near).expect("a stream"), peer)
}

fn the_end_of_the_stream_comes_behind_all_bytes(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, mut peer) = pair();
        peer.write_all(b"ahoy").expect("it takes them");
        peer.shutdown(Shutdown::Write).expect("it ends");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.expect("no failure");
        assert_eq!(all, b"ahoy");
        assert_eq!(stream.read(&mut [0; 8]).await.expect("the end"), 0);
        // The other side is open, until it is shut down.
        stream.write_all(b"aye").await.expect("it goes");
        stream.shutdown().await.expect("it ends");
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("no failure");
        assert_eq!(all, b"aye");
        let error = stream.write_all(b"more").await.expect_err("it has ended");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    });
}

fn an_accept_that_is_dropped_loses_no_connection(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let path = TestPath::new();
        let listener = UnixListener::bind(&path.0).expect("it listens");
        for _ in 0..20 {
            let early = timeout(Duration::ZERO, listener.accept()).await;
            assert!(early.is_err(), "nobody has connected");
            let mut peer = net::UnixStream::connect(&path.0).expect("it connects");
            // The accept that is under way completes, with nobody to wait for it.
            sleep(Duration::from_millis(1)).await;
            let (mut stream, from) = listener.accept().await.expect("a connection");
            assert!(from.is_unnamed());
            peer.write_all(b"!").expect("it takes it");
            assert_eq!(stream.read_u8().await.expect("it comes"), b'!');
        }
    });
}

fn tasks_that_accept_at_once_get_a_connection_each(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let path = TestPath::new();
        let listener = Arc::new(UnixListener::bind(&path.0).expect("it listens"));
        let accepts: Vec<_> = (0..4)
            .map(|_| {
                let listener = listener.clone();
                spawn(async move { listener.accept().await })
            })
            .collect();
        yield_now().await;
        let mut peers = Vec::new();
        for _ in 0..4 {
            peers.push(UnixStream::connect(&path.0).await.expect("it connects"));
        }
        for accept in accepts {
            accept.await.expect("it ends").expect("a connection");
        }
    });
}

/// Where tasks compute, a turn of theirs is long.
fn connections_that_have_come_are_accepted_without_a_turn_of_others_for_each(driver: DriverChoice) {
    const COUNT: usize = 64;
    let runtime = builder(driver).concurrency(1).threads(1..=1);
    run(&runtime.build().expect("a runtime"), async {
        let path = TestPath::new();
        let listener = UnixListener::bind(&path.0).expect("it listens");
        let connect = |_| net::UnixStream::connect(&path.0).expect("it connects");
        let _peers: Vec<_> = (0..COUNT).map(connect).collect();
        let turns = Turns::begin();
        let mut accepted = vec![listener.accept().await.expect("a connection")];
        let before = turns.until_now();
        while accepted.len() < COUNT {
            accepted.push(listener.accept().await.expect("a connection"));
        }
        let between = turns.until_now() - before;
        assert!(between < COUNT / 4, "{between} turns of another task");
    });
}

fn a_peer_that_has_gone_is_accepted_with_what_it_sent(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let path = TestPath::new();
        let listener = UnixListener::bind(&path.0).expect("it listens");
        for is_waiting in [false, true] {
            let mut accept = Box::pin(listener.accept());
            if is_waiting {
                let early = timeout(Duration::ZERO, accept.as_mut()).await;
                assert!(early.is_err(), "nobody has connected");
            }
            let mut peer = net::UnixStream::connect(&path.0).expect("it connects");
            peer.write_all(b"ahoy").expect("it takes them");
            drop(peer);
            let (mut stream, from) = accept.await.expect("a connection");
            assert!(from.is_unnamed());
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.expect("no failure");
            assert_eq!(all, b"ahoy");
        }
    });
    sleep_until_idle(&runtime);
}

/// A peer that goes with bytes it has not read resets the stream. What it sent fills what the runtime receives into, of whatever size
/// that is: a read with more room looks for more then, and finds the failure.
fn a_failure_is_told_behind_what_came_before_it(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        for len in [1 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10] {
            let (mut stream, mut peer) = pair();
            stream.write_all(b"unread").await.expect("it goes");
            // The first of them is read, so the others are there.
            peer.read_exact(&mut [0; 1]).expect("they come");
            let sent = pattern(len);
            peer.write_all(&sent).expect("it takes them");
            // They are received, as much as there is room for, and not read.
            stream.peek(&mut [0; 1]).await.expect("bytes");
            drop(peer);
            let (mut received, mut memory) = (Vec::new(), vec![0; 128 << 10]);
            let error = loop {
                match stream.read(&mut memory).await {
                    Ok(read @ 1..) => received.extend_from_slice(&memory[..read]),
                    Ok(0) => panic!("an end behind {} of {len} bytes", received.len()),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            assert!(received == sent, "{} of {len} bytes", received.len());
        }
    });
    sleep_until_idle(&runtime);
}

fn a_connect_waits_while_the_backlog_is_full(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let path = TestPath::new();
        let listener = net::UnixListener::bind(&path.0).expect("it listens");
        SockRef::from(&listener).listen(0).expect("it listens");
        let listener = UnixListener::from_std(listener).expect("a listener");
        let mut connected = Vec::new();
        let short = Duration::from_millis(100);
        // Cut off in time, and nothing blocks.
        while let Ok(stream) = timeout(short, UnixStream::connect(&path.0)).await {
            connected.push(stream.expect("it connects"));
            assert!(connected.len() < 100, "the backlog has no end");
        }
        let to = path.0.clone();
        let waits = spawn(async move { UnixStream::connect(to).await });
        sleep(Duration::from_millis(2)).await;
        assert!(!waits.is_finished());
        for _ in 0..=connected.len() {
            listener.accept().await.expect("a connection");
        }
        waits.await.expect("it ends").expect("it connects");
    });
}

fn a_path_is_told_in_errors_and_stays_when_its_listener_is_dropped(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let path = TestPath::new();
        let name = path.0.display().to_string();
        let error = UnixStream::connect(&path.0).await.expect_err("nobody");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains(&name), "{error}");
        let listener = UnixListener::bind(&path.0).expect("it listens");
        let address = listener.local_addr().expect("an address");
        assert_eq!(address.as_pathname(), Some(&*path.0));
        let error = UnixListener::bind(&path.0).expect_err("it is in use");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("remove it"), "{error}");
        let early = timeout(Duration::ZERO, listener.accept()).await;
        assert!(early.is_err(), "nobody has connected");
        drop(listener);
        assert!(path.0.exists());
        let error = UnixStream::connect(&path.0).await.expect_err("nobody");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let long = "x".repeat(200);
        let error = UnixListener::bind(&long).expect_err("it is too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&long), "{error}");
    });
}

#[cfg(target_os = "linux")]
fn names_without_a_path_are_listened_at(driver: DriverChoice) {
    use std::os::linux::net::SocketAddrExt;

    let runtime = one_at_once(driver);
    run(&runtime, async move {
        let name = format!("wharf-async-{}-{driver:?}", std::process::id());
        let path = format!("\0{name}");
        let error = UnixStream::connect(&path).await.expect_err("nobody");
        assert!(error.to_string().contains(&format!("@{name}")), "{error}");
        let listener = UnixListener::bind(&path).expect("it listens");
        let address = listener.local_addr().expect("an address");
        assert_eq!(address.as_abstract_name(), Some(name.as_bytes()));
        let near = UnixStream::connect(&path).await.expect("it connects");
        listener.accept().await.expect("a connection");
        let address = near.peer_addr().expect("an address");
        assert_eq!(address.as_abstract_name(), Some(name.as_bytes()));
        let (near, _) = near.into_split();
        assert!(near.peer_addr().is_ok());
    });
}

#[cfg(not(target_os = "linux"))]
fn names_without_a_path_are_listened_at(_driver: DriverChoice) {}

fn a_path_with_a_zero_byte_is_refused_and_not_cut(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let path = TestPath::new();
        let cut = format!("{}\0.allowed", path.0.display());
        let datagrams = UnixDatagram::unbound().expect("a socket");
        let refused = [
            UnixListener::bind(&cut).map(drop),
            UnixDatagram::bind(&cut).map(drop),
            UnixStream::connect(&cut).await.map(drop),
            datagrams.connect(&cut),
            datagrams.send_to(b"ahoy", &cut).await.map(drop),
        ];
        for refused in refused {
            let error = refused.expect_err("it has a zero byte");
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("zero"), "{error}");
        }
        assert!(!path.0.exists());
    });
}

/// The other side of [`a_peer_that_this_namespace_does_not_see_has_no_number`], in a namespace of its own.
const PEER_AT: &str = "WHARF_ASYNC_PEER_AT";

/// The kernel says 0 then.
#[cfg(target_os = "linux")]
#[test]
fn a_peer_that_this_namespace_does_not_see_has_no_number() {
    use std::{
        io::BufRead,
        process::{Command, Stdio},
    };

    if let Some(path) = std::env::var_os(PEER_AT) {
        let runtime = one_at_once(DriverChoice::default());
        let told = run(&runtime, async move {
            let listener = UnixListener::bind(path).expect("it listens");
            println!("it listens");
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.peer_cred().expect("a process")
        });
        println!("the peer is {:?}", told.pid());
        return;
    }
    // Root in a user namespace may have one of processes.
    let unshare = ["--user", "--map-root-user", "--pid", "--fork"];
    let may = Command::new("unshare").args(unshare).arg("true").status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this system gives no namespace");
        return;
    }
    let path = TestPath::new();
    let mut listens = Command::new("unshare")
        .args(unshare)
        .arg(std::env::current_exe().expect("a program"))
        .args(["--exact", "--nocapture"])
        .arg("a_peer_that_this_namespace_does_not_see_has_no_number")
        .env(PEER_AT, &path.0)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = io::BufReader::new(listens.stdout.take().expect("a pipe")).lines();
    let mut lines = lines.map(|line| line.expect("text"));
    // The harness writes on the same lines.
    assert!(lines.any(|line| line.ends_with("it listens")));
    let near = net::UnixStream::connect(&path.0).expect("it connects");
    assert!(lines.any(|line| line == "the peer is None"));
    drop(near);
    assert!(listens.wait().expect("it ends").success());
}

fn the_process_at_the_other_end_is_told(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, _far) = UnixStream::pair().expect("a pair");
        let peer = near.peer_cred().expect("a process");
        assert_eq!(peer.pid(), i32::try_from(std::process::id()).ok());
        assert_eq!(peer.uid(), rustix::process::getuid().as_raw());
        assert_eq!(peer.gid(), rustix::process::getgid().as_raw());
    });
}

fn owned_memory_is_sent_and_received(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut near, far) = UnixStream::pair().expect("a pair");
        let (sent, payload) = far.send(b"ahoy".to_vec()).await;
        assert_eq!((sent.expect("it goes"), payload.len()), (4, 4));
        let (result, buffer) = near.receive(Buffer::with_capacity(64)).await;
        assert_eq!((result.expect("bytes"), &buffer[..]), (4, &b"ahoy"[..]));
        drop(far);
        let (result, _) = near.receive(buffer).await;
        assert_eq!(result.expect("the end"), 0);
    });
}

fn halves_read_and_write_in_two_tasks_and_can_be_put_together(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, mut far) = UnixStream::pair().expect("a pair");
        let (other, _) = UnixStream::pair().expect("a pair");
        let (mut reads, mut writes) = near.into_split();
        let echo = spawn(async move {
            let mut bytes = [0; 4];
            far.read_exact(&mut bytes).await.expect("bytes");
            far.write_all(&bytes).await.expect("it goes");
            let mut rest = Vec::new();
            far.read_to_end(&mut rest).await.expect("the end");
            rest
        });
        let writes = spawn(async move {
            writes.write_all(b"ahoy").await.expect("it goes");
            writes
        });
        let mut bytes = [0; 4];
        reads.read_exact(&mut bytes).await.expect("bytes");
        assert_eq!(&bytes, b"ahoy");
        let writes = writes.await.expect("it ends");
        let (other, theirs) = other.into_split();
        let mut error = *other.reunite(writes).expect_err("two streams");
        drop((error.read, theirs));
        error.write.write_all(b"aye").await.expect("it goes");
        let mut near = reads.reunite(error.write).expect("one stream");
        let (_, mut writes) = near.split();
        writes.write_all(b"!").await.expect("it goes");
        // The half that writes, dropped, ends the stream.
        drop(near.into_split().1);
        assert_eq!(echo.await.expect("it ends"), b"aye!");
    });
}

fn a_pair_is_connected_and_a_peek_takes_nothing(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut near, mut far) = UnixStream::pair().expect("a pair");
        far.write_all(b"ahoy").await.expect("it goes");
        let mut memory = [0; 2];
        for _ in 0..2 {
            assert_eq!(near.peek(&mut memory).await.expect("bytes"), 2);
            assert_eq!(&memory, b"ah");
        }
        drop(far);
        let mut all = String::new();
        near.read_to_string(&mut all).await.expect("bytes");
        assert_eq!(all, "ahoy");
    });
}

/// Writes as much as a stream takes whose peer does not read, and drops it. Returns the peer, and how many bytes were written.
fn fill(runtime: &wharf_async::Runtime) -> (net::UnixStream, usize) {
    run(runtime, async {
        let (mut stream, peer) = pair();
        let (mut written, mut waited) = (0, 0);
        // A thread that was late itself may be in time with the next.
        while waited < 3 {
            match timeout(Duration::from_millis(20), stream.write(&[7; 10_000])).await {
                Ok(len) => (written, waited) = (written + len.expect("it goes"), 0),
                Err(_) => waited += 1,
            }
        }
        (peer, written)
    })
}

fn what_was_written_arrives_though_the_stream_is_dropped(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (mut peer, written) = fill(&runtime);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).expect("no failure");
    assert_eq!(all.len(), written);
}

fn a_peer_that_never_reads_keeps_no_socket_for_ever(driver: DriverChoice) {
    let builder = builder(driver).unsent_timeout(Duration::from_millis(20));
    let runtime = builder.build().expect("a runtime");
    let (mut peer, _) = fill(&runtime);
    sleep_until_idle(&runtime);
    // What the system had arrives, and then the end.
    let mut all = Vec::new();
    let _ = peer.read_to_end(&mut all);
    assert!(!all.is_empty());
}

fn descriptors_that_are_passed_do_not_stop_the_stream(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, peer) = pair();
        let sends = thread::spawn(move || {
            for _ in 0..50 {
                let descriptors = [peer.as_fd()];
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut passed = SendAncillaryBuffer::new(&mut space);
                assert!(passed.push(SendAncillaryMessage::ScmRights(&descriptors)));
                let bytes = [7; 1_000];
                let pieces = [IoSlice::new(&bytes)];
                let flags = SendFlags::empty();
                let sent = rustix::net::sendmsg(&peer, &pieces, &mut passed, flags);
                assert_eq!(sent.expect("it takes them"), 1_000);
            }
            // A stop of the whole stream, whoever else holds it.
            peer.shutdown(Shutdown::Both).expect("it ends");
        });
        let mut memory = vec![0; 16 << 10];
        let mut received = 0;
        loop {
            let len = timeout(PATIENCE, stream.read(&mut memory)).await;
            match len.expect("in time").expect("no failure") {
                0 => break,
                len => received += len,
            }
        }
        assert_eq!(received, 50_000);
        sends.join().expect("no panic");
    });
}

fn datagrams_come_whole_and_with_their_senders(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (here, there) = (TestPath::new(), TestPath::new());
        let near = UnixDatagram::bind(&here.0).expect("a socket");
        let far = UnixDatagram::bind(&there.0).expect("a socket");
        let mut memory = [0; 16];
        near.send_to(b"ahoy", &there.0).await.expect("it goes");
        near.send_to(b"", &there.0).await.expect("it goes");
        let (len, from) = far.recv_from(&mut memory).await.expect("it comes");
        assert_eq!(
            (&memory[..len], from.as_pathname()),
            (&b"ahoy"[..], Some(&*here.0))
        );
        assert_eq!(far.recv(&mut memory).await.expect("it comes"), 0);
        let error = near.send(b"to whom?").await.expect_err("to nobody");
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        near.connect(&there.0).expect("connected");
        near.send(&pattern(100)).await.expect("it goes");
        near.send(b"aye").await.expect("it goes");
        // What does not fit is lost.
        assert_eq!(far.recv(&mut memory).await.expect("it comes"), 16);
        assert_eq!(far.recv(&mut memory).await.expect("it comes"), 3);
        let nobody = TestPath::new();
        let error = near.send_to(b"no", &nobody.0).await.expect_err("nobody");
        assert!(error.to_string().contains("wharf-async-unix"), "{error}");
        let unbound = UnixDatagram::unbound().expect("a socket");
        unbound.send_to(b"hi", &there.0).await.expect("it goes");
        let (len, from) = far.recv_from(&mut memory).await.expect("it comes");
        assert_eq!((len, from.is_unnamed()), (2, true));
    });
}

fn a_datagram_waits_for_room_and_is_not_sent_if_it_is_dropped(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let there = TestPath::new();
        let far = Arc::new(UnixDatagram::bind(&there.0).expect("a socket"));
        let near = Arc::new(UnixDatagram::unbound().expect("a socket"));
        for is_connected in [false, true] {
            if is_connected {
                near.connect(&there.0).expect("connected");
            }
            let (near, to) = (near.clone(), there.0.clone());
            let send = async move |number: u32| match is_connected {
                true => near.send(&number.to_ne_bytes()).await,
                false => near.send_to(&number.to_ne_bytes(), &to).await,
            };
            let mut sent = 0;
            let short = Duration::from_millis(5);
            while timeout(short, send(sent)).await.is_ok() {
                sent += 1;
                assert!(sent < 100_000, "there is always room");
            }
            // The one that was cut off is sent now.
            let waits = spawn(async move { send(sent).await });
            let mut memory = [0; 16];
            for number in 0..=sent {
                let came = far.recv(&mut memory).await.expect("it comes");
                assert_eq!(memory[..came], number.to_ne_bytes());
            }
            waits.await.expect("it ends").expect("it goes");
            let early = timeout(short, far.recv(&mut memory)).await;
            assert!(early.is_err(), "it was sent twice");
        }
    });
}

fn a_receive_that_is_dropped_loses_no_datagram(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, far) = UnixDatagram::pair().expect("a pair");
        for number in 0..20_u8 {
            let mut memory = [0; 16];
            let early = timeout(Duration::ZERO, far.recv(&mut memory)).await;
            assert!(early.is_err(), "nothing was sent");
            near.send(&[number]).await.expect("it goes");
            assert_eq!(far.recv(&mut memory).await.expect("it comes"), 1);
            assert_eq!(memory[0], number);
        }
    });
    sleep_until_idle(&runtime);
}
