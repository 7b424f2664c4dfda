//! What the runtime promises of listeners and streams, on every driver of the system.

#[macro_use]
mod harness;

use std::{
    future::{Future, poll_fn},
    io::{self, IoSlice, Read, Write},
    net::{Shutdown, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use harness::{
    PATIENCE, Turns, builder, one_at_once, pattern, run, sleep_until, sleep_until_idle, soon,
};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wharf::{Buffer, DriverChoice, Payload};
use wharf_async::{
    net::{ConnectError, TcpListener, TcpStream},
    spawn,
    time::{sleep, timeout},
    yield_now,
};

macro_rules! suite {
    ($driver:expr) => {
        tests! { $driver,
            the_end_of_the_stream_comes_behind_all_bytes
            an_accept_that_is_dropped_loses_no_connection
            a_connect_that_is_dropped_leaves_nothing
            a_peek_takes_nothing
            after_much_each_way_of_reading_brings_what_comes_next
            an_end_that_comes_during_a_send_is_waited_for_without_polls
            owned_buffers_come_back_with_the_bytes
            a_receive_that_is_dropped_leaves_its_bytes_to_the_next_read
            a_payload_that_is_sent_comes_back_and_is_sent_though_the_future_is_dropped
            vectored_writes_keep_the_order_of_their_pieces
            a_writer_waits_while_its_peer_does_not_read
            single_bytes_that_are_not_read_are_few_operations
            what_was_written_arrives_though_the_stream_is_dropped
            halves_read_and_write_in_two_tasks_and_can_be_put_together
            a_shutdown_waits_until_all_is_out
            a_reset_is_told_by_read_and_by_write
            names_are_connected_to_and_errors_list_what_was_tried
            a_connect_has_a_time_out
            options_are_set_and_a_linger_that_would_block_is_refused
            a_listener_that_is_dropped_refuses
            a_peer_that_never_reads_keeps_no_socket_for_ever
            a_stream_that_is_dropped_while_a_read_waits_is_closed
            a_linger_of_zero_resets_what_is_unsent_at_once
            what_waits_to_be_sent_is_bounded_in_bytes
            a_waker_that_panics_keeps_no_other_from_its_connection
            who_polls_again_and_again_is_woken_though_many_others_have_polled
            a_payload_that_is_sent_behind_others_keeps_no_socket_for_ever
            what_was_written_arrives_though_the_runtime_stops
            a_stop_that_cuts_a_stream_resets_it_and_says_so
            a_stop_that_cuts_a_shutdown_resets_the_stream_and_says_so
            what_was_shut_down_and_dropped_arrives_though_the_runtime_stops
            a_shutdown_that_is_dropped_keeps_no_socket_for_ever
            tasks_that_accept_at_once_get_a_connection_each
            connections_that_have_come_are_accepted_without_a_turn_of_others_for_each
            a_peek_leaves_a_failure_to_the_next_read
            a_block_on_of_another_thread_ends_when_the_runtime_stops
            a_stream_is_idle_without_operations_but_one
        }
    };
}

on_every_driver!(suite);

/// A stream of the runtime's, and the standard library's other end. To be called in a task.
async fn pair() -> (TcpStream, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
    let peer = std::net::TcpStream::connect(listener.local_addr()).expect("it connects");
    peer.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    peer.set_write_timeout(Some(PATIENCE)).expect("a time-out");
    let (stream, _) = listener.accept().await.expect("a connection");
    (stream, peer)
}

fn the_end_of_the_stream_comes_behind_all_bytes(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, mut peer) = pair().await;
        peer.write_all(b"ahoy").expect("it takes them");
        drop(peer);
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.expect("no failure");
        assert_eq!(all, b"ahoy");
        assert_eq!(stream.read(&mut [0; 8]).await.expect("the end"), 0);
        assert_eq!(stream.peek(&mut [0; 8]).await.expect("the end"), 0);
        assert_eq!(
            stream
                .receive(Buffer::with_capacity(8))
                .await
                .0
                .expect("the end"),
            0
        );
    });
}

fn an_accept_that_is_dropped_loses_no_connection(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
        for _ in 0..20 {
            let early = timeout(Duration::ZERO, listener.accept()).await;
            assert!(early.is_err(), "nobody has connected");
            let mut peer =
                std::net::TcpStream::connect(listener.local_addr()).expect("it connects");
            // The accept that is under way completes, with nobody to wait for it.
            sleep(Duration::from_millis(1)).await;
            let (mut stream, from) = listener.accept().await.expect("a connection");
            assert_eq!(from, peer.local_addr().expect("an address"));
            peer.write_all(b"!").expect("it takes it");
            assert_eq!(stream.read_u8().await.expect("it comes"), b'!');
        }
    });
}

fn a_connect_that_is_dropped_leaves_nothing(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
        let address = listener.local_addr();
        for _ in 0..50 {
            let mut connect = Box::pin(TcpStream::connect(address));
            let _ = poll_fn(|context| Poll::Ready(connect.as_mut().poll(context))).await;
            drop(connect);
        }
        yield_now().await;
        // Those that were made all the same are at their end.
        while let Ok(accepted) = timeout(Duration::from_millis(50), listener.accept()).await {
            let (mut stream, _) = accepted.expect("a connection");
            let read = timeout(PATIENCE, stream.read(&mut [0; 1])).await;
            assert!(matches!(read.expect("in time"), Ok(0) | Err(_)));
        }
    });
    sleep_until_idle(&runtime);
}

fn a_peek_takes_nothing(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, mut peer) = pair().await;
        peer.write_all(b"ahoy").expect("it takes them");
        let mut memory = [0; 2];
        for _ in 0..2 {
            assert_eq!(stream.peek(&mut memory).await.expect("bytes"), 2);
            assert_eq!(&memory, b"ah");
        }
        let mut all = [0; 4];
        stream.read_exact(&mut all).await.expect("bytes");
        assert_eq!(&all, b"ahoy");
    });
}

fn after_much_each_way_of_reading_brings_what_comes_next(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, mut peer) = pair().await;
        let much = pattern(200_000);
        let mut memory = vec![0; 64 << 10];
        for way in 0..4 {
            let (mut sends, sent) = (peer.try_clone().expect("a peer"), much.clone());
            let sends = thread::spawn(move || sends.write_all(&sent));
            let mut received = Vec::new();
            while received.len() < much.len() {
                let len = stream.read(&mut memory).await.expect("bytes");
                received.extend_from_slice(&memory[..len]);
            }
            assert!(received == much, "bytes were lost");
            sends.join().expect("no panic").expect("it takes them");
            // It waits for more, in vain for now.
            let early = timeout(Duration::from_millis(1), stream.read(&mut memory)).await;
            assert!(early.is_err(), "nothing has come");
            peer.write_all(b"ahoy").expect("it takes them");
            let mut few = [0; 4];
            match way {
                0 => {
                    stream.read_exact(&mut few).await.expect("bytes");
                }
                1 => {
                    stream.peek(&mut few[..1]).await.expect("bytes");
                    assert_eq!(few[0], b'a');
                    stream.read_exact(&mut few).await.expect("bytes");
                }
                2 => {
                    let (len, buffer) = stream.receive(Buffer::with_capacity(64)).await;
                    few.copy_from_slice(&buffer[..len.expect("bytes")]);
                }
                _ => {
                    let len = stream.read(&mut memory).await.expect("bytes");
                    few.copy_from_slice(&memory[..len]);
                }
            }
            assert_eq!(&few, b"ahoy", "way {way}");
        }
        peer.write_all(&much[..50_000]).expect("it takes them");
        peer.shutdown(Shutdown::Write).expect("it ends");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("bytes");
        assert!(rest == much[..50_000], "bytes were lost");
    });
}

fn an_end_that_comes_during_a_send_is_waited_for_without_polls(driver: DriverChoice) {
    let two_at_once = builder(driver).concurrency(2).threads(2..=8);
    let runtime = two_at_once.build().expect("a runtime");
    let polls = run(&runtime, async {
        let mut polls = 0;
        for _ in 0..20 {
            let (stream, mut peer) = pair().await;
            let (mut reads, mut writes) = stream.into_split();
            // What fills a buffer makes the stream wait without one.
            let mut memory = vec![0; 64 << 10];
            peer.write_all(&memory).expect("it takes them");
            reads.read_exact(&mut memory).await.expect("bytes");
            let mut drains = peer.try_clone().expect("a peer");
            let drains = thread::spawn(move || io::copy(&mut drains, &mut io::sink()));
            let writes = spawn(async move {
                let much = vec![1; 4 << 20];
                for _ in 0..4 {
                    writes.write_all(&much).await.expect("it takes them");
                }
            });
            let reads = spawn(async move {
                let mut polls = 0;
                let mut read = Box::pin(reads.read(&mut memory));
                let end = poll_fn(|context| {
                    polls += 1;
                    read.as_mut().poll(context)
                });
                assert_eq!(end.await.expect("the end"), 0);
                polls
            });
            sleep(Duration::from_millis(1)).await;
            peer.shutdown(Shutdown::Write).expect("it ends");
            polls += reads.await.expect("it ends");
            writes.await.expect("it ends");
            drains.join().expect("no panic").expect("it reads");
        }
        polls
    });
    assert!(polls < 200, "{polls} polls of 20 reads");
}

fn owned_buffers_come_back_with_the_bytes(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, mut peer) = pair().await;
        let waits = spawn(async move {
            let (result, buffer) = stream.receive(Buffer::with_capacity(64)).await;
            assert_eq!(result.expect("bytes"), 4);
            assert_eq!((&buffer[..], buffer.capacity()), (&b"ahoy"[..], 64));
            (stream, buffer)
        });
        sleep(Duration::from_millis(5)).await;
        peer.write_all(b"ahoy").expect("it takes them");
        let (mut stream, buffer) = waits.await.expect("it ends");
        // Bytes that a read has left are copied into the buffer.
        peer.write_all(b"0123456789").expect("it takes them");
        stream.read_exact(&mut [0; 4]).await.expect("bytes");
        let (result, buffer) = stream.receive(buffer).await;
        assert_eq!((result.expect("bytes"), &buffer[..]), (6, &b"456789"[..]));
        drop(peer);
        let (result, buffer) = stream.receive(buffer).await;
        assert_eq!((result.expect("the end"), buffer.capacity()), (0, 64));
    });
}

fn a_receive_that_is_dropped_leaves_its_bytes_to_the_next_read(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, mut peer) = pair().await;
        let early = timeout(
            Duration::from_millis(1),
            stream.receive(Buffer::with_capacity(3)),
        );
        assert!(early.await.is_err());
        peer.write_all(b"ahoy").expect("it takes them");
        let mut all = [0; 4];
        stream.read_exact(&mut all).await.expect("bytes");
        assert_eq!(&all, b"ahoy");
    });
}

fn a_payload_that_is_sent_comes_back_and_is_sent_though_the_future_is_dropped(
    driver: DriverChoice,
) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, mut peer) = pair().await;
        stream.write_all(b"one ").await.expect("it goes");
        let (result, payload) = stream.send("two ".to_owned()).await;
        assert_eq!((result.expect("it goes"), &payload[..]), (4, &b"two "[..]));
        let mut send = Box::pin(stream.send(Payload::from(&b"three "[..])));
        let _ = poll_fn(|context| Poll::Ready(send.as_mut().poll(context))).await;
        drop(send);
        stream.write_all(b"four").await.expect("it goes");
        stream.shutdown().await.expect("it goes");
        let mut all = String::new();
        peer.read_to_string(&mut all).expect("bytes");
        assert_eq!(all, "one two three four");
    });
}

fn vectored_writes_keep_the_order_of_their_pieces(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        for size in [10, 300_000] {
            let (mut stream, mut peer) = pair().await;
            let (head, body) = (pattern(7), pattern(size));
            let whole = [&head[..], &[], &body[..]].concat();
            let reads = thread::spawn(move || {
                let mut all = Vec::new();
                peer.read_to_end(&mut all).expect("bytes");
                all
            });
            assert!(stream.is_write_vectored());
            let mut written = 0;
            while written < whole.len() {
                let rest = &whole[written..];
                let (first, second) = rest.split_at(rest.len().min(7));
                let pieces = [IoSlice::new(first), IoSlice::new(&[]), IoSlice::new(second)];
                written +=
                    poll_fn(|context| Pin::new(&mut stream).poll_write_vectored(context, &pieces))
                        .await
                        .expect("they go");
            }
            drop(stream);
            assert!(reads.join().expect("no panic") == whole, "of {size} bytes");
        }
    });
}

fn a_writer_waits_while_its_peer_does_not_read(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        for size in [1_000, 100_000] {
            let (mut stream, mut peer) = pair().await;
            let piece = pattern(size);
            let mut sent = 0_usize;
            loop {
                let write = timeout(Duration::from_millis(200), stream.write(&piece)).await;
                match write {
                    Ok(written) => sent += written.expect("it goes"),
                    Err(_) => break,
                }
                assert!(sent < 64 << 20, "a writer is never told to wait");
            }
            let reads = thread::spawn(move || {
                let mut all = Vec::new();
                peer.read_to_end(&mut all).expect("bytes");
                all
            });
            stream.write_all(b"the end").await.expect("the peer reads");
            stream.shutdown().await.expect("all is out");
            let all = reads.join().expect("no panic");
            assert_eq!(
                all.len(),
                sent + 7,
                "a write that was dropped wrote nothing"
            );
            assert!(all.ends_with(b"the end"));
        }
    });
}

fn what_was_written_arrives_though_the_stream_is_dropped(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, mut peer) = pair().await;
        // Less than the writer waits for, and more than the system takes.
        SockRef::from(&peer)
            .set_recv_buffer_size(4 << 10)
            .expect("an option");
        stream
            .option(|socket| socket.set_send_buffer_size(4 << 10))
            .expect("an option");
        let bytes = pattern(60_000);
        stream.write_all(&bytes).await.expect("they go");
        drop(stream);
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("bytes");
        assert!(all == bytes, "{} of 60,000 came", all.len());
    });
}

fn halves_read_and_write_in_two_tasks_and_can_be_put_together(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, mut peer) = pair().await;
        {
            let (mut reads, mut writes) = stream.split();
            writes.write_all(b"a").await.expect("it goes");
            peer.read_exact(&mut [0; 1]).expect("it comes");
            peer.write_all(b"b").expect("it goes");
            assert_eq!(reads.read_u8().await.expect("it comes"), b'b');
        }
        let (mut reads, mut writes) = stream.into_split();
        let read = spawn(async move { (reads.read_u8().await.expect("it comes"), reads) });
        sleep(Duration::from_millis(1)).await;
        writes.write_all(b"c").await.expect("it goes");
        peer.read_exact(&mut [0; 1]).expect("it comes");
        peer.write_all(b"d").expect("it goes");
        let (byte, reads) = read.await.expect("it ends");
        assert_eq!(byte, b'd');
        let stream = reads.reunite(writes).expect("they are of one stream");
        let (mut reads, writes) = stream.into_split();
        // The half that writes ends the stream; the other still reads.
        drop(writes);
        assert_eq!(peer.read(&mut [0; 1]).expect("the end"), 0);
        peer.write_all(b"e").expect("it goes");
        assert_eq!(reads.read_u8().await.expect("it comes"), b'e');
        let (other, _) = pair().await.0.into_split();
        let (_, writes) = pair().await.0.into_split();
        assert!(other.reunite(writes).is_err());
    });
}

fn a_shutdown_waits_until_all_is_out(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, mut peer) = pair().await;
        stream.write_all(b"ahoy").await.expect("it goes");
        stream.shutdown().await.expect("all is out");
        stream.shutdown().await.expect("once more is no failure");
        let error = stream.write(b"more").await.expect_err("its side has ended");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("bytes");
        assert_eq!(all, b"ahoy");
        peer.write_all(b"!").expect("it goes");
        assert_eq!(stream.read_u8().await.expect("it comes"), b'!');
    });
}

fn a_reset_is_told_by_read_and_by_write(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, peer) = pair().await;
        let reads = timeout(Duration::from_millis(1), stream.read_u8()).await;
        assert!(reads.is_err(), "nothing has come");
        SockRef::from(&peer)
            .set_linger(Some(Duration::ZERO))
            .expect("an option");
        drop(peer);
        let error = stream.read_u8().await.expect_err("it was reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        // A write's own failure comes with a later one.
        let failed = async {
            loop {
                if let Err(error) = stream.write_all(b"more").await {
                    return error;
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, failed).await.expect("it is told");
    });
}

/// An address where nobody listens for as long as the socket is kept: no other test gets its port.
fn bound() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    (socket, address.as_socket().expect("of IPv4"))
}

fn names_are_connected_to_and_errors_list_what_was_tried(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
        let port = listener.local_addr().port();
        // `localhost` may have an address of IPv6 as well, where nothing listens.
        let stream = TcpStream::connect(("localhost", port))
            .await
            .expect("it connects");
        assert_eq!(
            stream.peer_addr().expect("connected"),
            listener.local_addr()
        );
        let (_held, dead) = bound();
        let error = TcpStream::connect(&[dead, dead][..])
            .await
            .expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let inside = error
            .get_ref()
            .and_then(|it| it.downcast_ref::<ConnectError>());
        let tried = &inside.expect("it lists them").tried;
        assert_eq!(tried.len(), 2);
        assert!(error.to_string().contains(&dead.to_string()), "{error}");
        let error = TcpStream::connect("no-such-name.invalid:80").await;
        let error = error.expect_err("it has no address").to_string();
        assert!(error.contains("no-such-name.invalid"), "{error}");
        let error = TcpStream::connect("no-port").await.expect_err("no port");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    });
}

fn a_connect_has_a_time_out(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        // A listener whose backlog is full answers no more.
        let (full, address) = bound();
        full.listen(0).expect("it listens");
        let mut made = Vec::new();
        let error = loop {
            match TcpStream::connect_timeout(address, Duration::from_millis(100)).await {
                Ok(stream) => made.push(stream),
                Err(error) => break error,
            }
            assert!(made.len() < 100, "its backlog has no end");
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    });
}

fn options_are_set_and_a_linger_that_would_block_is_refused(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (stream, mut peer) = pair().await;
        stream.set_nodelay(true).expect("it is set");
        assert!(stream.nodelay().expect("it is known"));
        stream.set_ttl(42).expect("it is set");
        assert_eq!(
            stream
                .option(|socket| socket.ttl_v4())
                .expect("it is known"),
            42
        );
        let error = stream.set_linger(Some(Duration::from_secs(1)));
        assert_eq!(
            error.expect_err("it blocks").kind(),
            io::ErrorKind::InvalidInput
        );
        stream.set_linger(Some(Duration::ZERO)).expect("it is set");
        drop(stream);
        let error = peer.read(&mut [0; 1]).expect_err("it was reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

fn a_listener_that_is_dropped_refuses(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        // An address of its own: else another test may get the port once it is free.
        let listener = TcpListener::bind("127.7.7.8:0").await.expect("it listens");
        let address = listener.local_addr();
        assert!(
            timeout(Duration::from_millis(1), listener.accept())
                .await
                .is_err()
        );
        drop(listener);
        let error = loop {
            match TcpStream::connect(address).await {
                Err(error) => break error,
                // Wine closes the socket when the thread that began the accept has heard of its end.
                Ok(_) if cfg!(windows) => {}
                Ok(stream) => panic!("nobody listens: {stream:?}"),
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        // The address is free.
        TcpListener::bind(address).await.expect("it listens");
    });
}

fn a_stream_is_idle_without_operations_but_one(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (sender, receiver) = mpsc::channel();
    let waits = runtime.spawn(async move {
        let (mut stream, peer) = pair().await;
        sender.send(peer).expect("the test waits");
        stream.read_u8().await
    });
    let peer = soon(&receiver);
    // The receive that waits, and the place of its task.
    sleep_until(&runtime, |snapshot| snapshot.port.operations == 2);
    peer.shutdown(Shutdown::Write).expect("it ends");
    let error = run(&runtime, waits).expect("it ends").expect_err("the end");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    sleep_until_idle(&runtime);
}

fn tasks_that_accept_at_once_get_a_connection_each(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.expect("it listens"));
        let accepts: Vec<_> = (0..4)
            .map(|_| {
                let listener = listener.clone();
                spawn(async move { listener.accept().await })
            })
            .collect();
        yield_now().await;
        let address = listener.local_addr();
        let connect = |_| std::net::TcpStream::connect(address).expect("it connects");
        let _peers: Vec<_> = (0..4).map(connect).collect();
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
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
        let address = listener.local_addr();
        let connect = |_| std::net::TcpStream::connect(address).expect("it connects");
        let _peers: Vec<_> = (0..COUNT).map(connect).collect();
        let turns = Turns::begin();
        let mut accepted = vec![listener.accept().await.expect("a connection")];
        let before = turns.until_now();
        while accepted.len() < COUNT {
            accepted.push(listener.accept().await.expect("a connection"));
        }
        let between = turns.until_now() - before;
        // On Windows the kernel may have each come through its queue.
        let is_few = between < COUNT / 4 || cfg!(windows);
        assert!(is_few, "{between} turns of another task");
    });
}

fn a_peek_leaves_a_failure_to_the_next_read(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, peer) = pair().await;
        // A receive is under way when the reset comes: Wine may tell a later one of an end.
        let peeks = timeout(Duration::from_millis(1), stream.peek(&mut [0; 1])).await;
        assert!(peeks.is_err(), "nothing has come");
        let zero = Some(Duration::ZERO);
        SockRef::from(&peer).set_linger(zero).expect("an option");
        drop(peer);
        for _ in 0..2 {
            let error = stream.peek(&mut [0; 1]).await.expect_err("it was reset");
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        let error = stream.read_u8().await.expect_err("it was reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

fn a_block_on_of_another_thread_ends_when_the_runtime_stops(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (sender, receiver) = mpsc::channel();
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("it listens");
    let (mut stream, _peer) = runtime.block_on(pair());
    let sleeps = Box::pin(sleep(Duration::from_secs(600)));
    let accepts = Box::pin(async move {
        let accepted = listener.accept().await;
        accepted.expect_err("the runtime has stopped");
    });
    let reads = Box::pin(async move {
        let read = stream.read_u8().await;
        read.expect_err("the runtime has stopped");
    });
    let waits: [Pin<Box<dyn Future<Output = ()> + Send>>; 3] = [sleeps, accepts, reads];
    for wait in waits {
        let (handle, sender) = (runtime.handle().clone(), sender.clone());
        let before = runtime.snapshot().port.operations;
        thread::spawn(move || {
            // A sleep panics.
            let waited = catch_unwind(AssertUnwindSafe(|| handle.block_on(wait)));
            sender.send(waited.is_ok()).expect("the test waits");
        });
        // It waits in the port.
        while runtime.snapshot().port.operations == before {
            thread::sleep(Duration::from_millis(1));
        }
    }
    runtime.stop(PATIENCE);
    let ended = (0..3).filter(|_| soon(&receiver));
    assert_eq!(ended.count(), 2);
}

/// Each of them would be one, with memory of its own.
fn single_bytes_that_are_not_read_are_few_operations(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let counts = runtime.handle().clone();
    run(&runtime, async move {
        let (mut stream, mut peer) = pair().await;
        // What the system itself takes.
        let mut written = 0;
        let full = loop {
            match stream.option(|socket| socket.send(&[7; 10_000])) {
                Ok(len) => written += len,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        let mut singles = 0;
        let all = async {
            loop {
                singles += stream.write(&[7]).await.expect("it goes");
            }
        };
        let waits = timeout(Duration::from_millis(200), all).await;
        assert!(waits.is_err(), "the writer waits");
        // A few go to the system, which has room for a byte more.
        assert!((1..1_000).contains(&singles), "{singles} bytes");
        let operations = counts.snapshot().port.operations;
        assert!(operations < 200, "{operations} operations");
        let reads = thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all.len())
        });
        for _ in 0..1_000 {
            stream.write_all(&[7]).await.expect("it goes on");
        }
        stream.shutdown().await.expect("it goes");
        let read = reads.join().expect("no panic").expect("no reset");
        assert_eq!(read, written + singles + 1_000);
    });
}

/// A peer that does not get all bytes is not to take those it gets for all.
fn expect_reset(peer: &mut std::net::TcpStream, written: usize) {
    let mut all = Vec::new();
    match peer.read_to_end(&mut all) {
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        // Wine tells a reset as an end.
        Ok(_) if cfg!(windows) => {}
        Ok(_) => panic!("it was reset"),
    }
    assert!(all.len() < written);
}

fn a_peer_that_never_reads_keeps_no_socket_for_ever(driver: DriverChoice) {
    let builder = harness::builder(driver).unsent_timeout(Duration::from_millis(50));
    let runtime = builder.build().expect("a runtime");
    let (mut peer, written) = fill(&runtime);
    sleep_until_idle(&runtime);
    expect_reset(&mut peer, written);
}

/// The receive that is under way would keep it open.
fn a_stream_that_is_dropped_while_a_read_waits_is_closed(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let mut peer = run(&runtime, async {
        let (mut stream, peer) = pair().await;
        let mut read = Box::pin(stream.read_u8());
        let polled = poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await;
        assert!(polled.is_pending(), "nothing has come");
        drop(read);
        drop(stream);
        peer
    });
    assert_eq!(peer.read(&mut [0; 1]).expect("the end"), 0);
    sleep_until_idle(&runtime);
}

/// Within the time that a stream has else, which is longer than anything is waited for here.
fn a_linger_of_zero_resets_what_is_unsent_at_once(driver: DriverChoice) {
    let builder = harness::builder(driver).unsent_timeout(10 * PATIENCE);
    let runtime = builder.build().expect("a runtime");
    let (mut peer, written) = fill_and(&runtime, GivenUp::Reset);
    sleep_until_idle(&runtime);
    expect_reset(&mut peer, written);
}

/// 64 KiB, and a piece more; a small part of what as many writes as may wait would come to.
fn what_waits_to_be_sent_is_bounded_in_bytes(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (mut stream, peer) = pair().await;
        let small = |socket: SockRef<'_>| socket.set_send_buffer_size(4 << 10);
        SockRef::from(&peer)
            .set_recv_buffer_size(4 << 10)
            .expect("an option");
        stream.option(small).expect("an option");
        // What the system itself takes.
        while stream.option(|socket| socket.send(&[7; 10_000])).is_ok() {}
        let mut written = 0;
        let all = async {
            loop {
                written += stream.write(&[7; 10_000]).await.expect("it goes");
            }
        };
        let waits = timeout(Duration::from_millis(200), all).await;
        assert!(waits.is_err(), "the writer waits");
        assert!((1..400_000).contains(&written), "{written} bytes");
        // What is unsent is no concern any more.
        stream.set_linger(Some(Duration::ZERO)).expect("it is set");
        drop(peer);
    });
}

/// So many are kept that have polled a listener by hand, and those go first that have not polled for longest.
fn who_polls_again_and_again_is_woken_though_many_others_have_polled(driver: DriverChoice) {
    #[derive(Default)]
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let runtime = one_at_once(driver);
    run(&runtime, async {
        // Whichever of the others comes last.
        for others in 64..192 {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("it listens");
            let woken = Arc::new(Counts::default());
            let own = Waker::from(woken.clone());
            for _ in 0..others {
                let other = Waker::from(Arc::new(Counts::default()));
                for waker in [&own, &other] {
                    let polled = listener.poll_accept(&mut Context::from_waker(waker));
                    assert!(polled.is_pending(), "nobody has connected");
                }
            }
            let address = listener.local_addr();
            let _peer = std::net::TcpStream::connect(address).expect("it connects");
            let start = Instant::now();
            while woken.0.load(Ordering::SeqCst) == 0 {
                assert!(start.elapsed() < PATIENCE, "with {others} others");
                sleep(Duration::from_millis(1)).await;
            }
        }
    });
}

/// Each of them is woken for a connection that one alone gets.
fn a_waker_that_panics_keeps_no_other_from_its_connection(driver: DriverChoice) {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("as a test wants it");
        }
    }
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.expect("it listens"));
        for _ in 0..3 {
            let waker = Waker::from(Arc::new(Panics));
            let polled = listener.poll_accept(&mut Context::from_waker(&waker));
            assert!(polled.is_pending(), "nobody has connected");
        }
        let accepts = listener.clone();
        let accept = spawn(async move { accepts.accept().await });
        yield_now().await;
        let address = listener.local_addr();
        let _peer = std::net::TcpStream::connect(address).expect("it connects");
        accept.await.expect("it ends").expect("a connection");
    });
}

/// How a stream is given up.
#[derive(Debug, Clone, Copy)]
enum GivenUp {
    /// It is dropped.
    Dropped,
    /// Its shutdown is begun, and given up as well.
    ShutDown,
    /// Its halves are dropped, that which writes first.
    InHalves,
    /// It is dropped, with a linger of zero.
    Reset,
}

/// Writes as much as a stream takes whose peer does not read. Returns how many bytes that was.
async fn write_until_full(stream: &mut TcpStream) -> usize {
    let (mut written, mut waited) = (0, 0);
    // A thread that was late itself may be in time with the next.
    while waited < 3 {
        match timeout(Duration::from_millis(70), stream.write(&[7; 10_000])).await {
            Ok(len) => (written, waited) = (written + len.expect("it goes"), 0),
            Err(_) => waited += 1,
        }
    }
    written
}

/// Writes as much as a stream takes whose peer does not read, and drops it. Returns the peer, and how many bytes were written.
fn fill(runtime: &wharf_async::Runtime) -> (std::net::TcpStream, usize) {
    fill_and(runtime, GivenUp::Dropped)
}

fn fill_and(runtime: &wharf_async::Runtime, given_up: GivenUp) -> (std::net::TcpStream, usize) {
    run(runtime, async move {
        let (mut stream, peer) = pair().await;
        let written = write_until_full(&mut stream).await;
        match given_up {
            GivenUp::Dropped => drop(stream),
            GivenUp::ShutDown => {
                let polled = poll_fn(|context| {
                    Poll::Ready(Pin::new(&mut stream).poll_shutdown(context).is_pending())
                });
                assert!(polled.await, "bytes are unsent");
                drop(stream);
            }
            GivenUp::InHalves => {
                let (reads, writes) = stream.into_split();
                drop(writes);
                drop(reads);
            }
            GivenUp::Reset => {
                stream.set_linger(Some(Duration::ZERO)).expect("it is set");
                drop(stream);
            }
        }
        (peer, written)
    })
}

fn what_was_written_arrives_though_the_runtime_stops(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (mut peer, written) = fill(&runtime);
    let reads = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        let mut all = Vec::new();
        peer.read_to_end(&mut all).map(|_| all.len())
    });
    let start = Instant::now();
    let report = runtime.stop(2 * PATIENCE);
    // As soon as all is out.
    assert!(start.elapsed() < PATIENCE);
    assert_eq!((report.streams_left, report.tasks_left.len()), (0, 0));
    assert_eq!(reads.join().expect("no panic").expect("no reset"), written);
}

fn a_stop_that_cuts_a_stream_resets_it_and_says_so(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    let (mut peer, written) = fill(&runtime);
    let report = runtime.stop(Duration::from_millis(20));
    assert_eq!(report.streams_left, 1);
    let mut all = Vec::new();
    let error = peer.read_to_end(&mut all).expect_err("it was reset");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(all.len() < written);
}

fn a_stop_that_cuts_a_shutdown_resets_the_stream_and_says_so(driver: DriverChoice) {
    for given_up in [GivenUp::ShutDown, GivenUp::InHalves] {
        let runtime = one_at_once(driver);
        let (mut peer, written) = fill_and(&runtime, given_up);
        let report = runtime.stop(Duration::from_millis(20));
        assert_eq!(report.streams_left, 1, "{given_up:?}");
        let mut all = Vec::new();
        let error = peer.read_to_end(&mut all).expect_err("it was reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(all.len() < written);
    }
}

fn what_was_shut_down_and_dropped_arrives_though_the_runtime_stops(driver: DriverChoice) {
    for given_up in [GivenUp::ShutDown, GivenUp::InHalves] {
        let runtime = one_at_once(driver);
        let (mut peer, written) = fill_and(&runtime, given_up);
        let (stopping, begun) = mpsc::channel();
        let reads = thread::spawn(move || {
            soon(&begun);
            // The stop waits by now, or it does not: without a wait it would be over.
            thread::sleep(Duration::from_millis(50));
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all.len())
        });
        stopping.send(()).expect("the peer waits");
        let report = runtime.stop(PATIENCE);
        assert_eq!(report.streams_left, 0, "{given_up:?}");
        assert_eq!(reads.join().expect("no panic").expect("no reset"), written);
    }
}

/// Nor does it keep its timer, if the peer reads.
fn a_shutdown_that_is_dropped_keeps_no_socket_for_ever(driver: DriverChoice) {
    for given_up in [GivenUp::ShutDown, GivenUp::InHalves] {
        let builder = harness::builder(driver).unsent_timeout(Duration::from_millis(50));
        let runtime = builder.build().expect("a runtime");
        let (mut silent, _) = fill_and(&runtime, given_up);
        sleep_until(&runtime, |it| it.port.operations == 0);
        let mut all = Vec::new();
        let error = silent.read_to_end(&mut all).expect_err("it was reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

        let runtime = one_at_once(driver);
        let (mut peer, written) = fill_and(&runtime, given_up);
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("no failure");
        assert_eq!(all.len(), written);
        sleep_until(&runtime, |it| it.port.operations == 0);
    }
}

fn a_payload_that_is_sent_behind_others_keeps_no_socket_for_ever(driver: DriverChoice) {
    let builder = harness::builder(driver).unsent_timeout(Duration::from_secs(2));
    let runtime = builder.build().expect("a runtime");
    let peer = run(&runtime, async {
        let (mut stream, mut peer) = pair().await;
        let written = write_until_full(&mut stream).await;
        let mut send = Box::pin(stream.send(vec![7; 32 << 20]));
        let _ = poll_fn(|context| Poll::Ready(send.as_mut().poll(context))).await;
        drop(send);
        drop(stream);
        // What the writer waited for is out then, and the payload is not.
        peer.read_exact(&mut vec![0; written]).expect("bytes");
        peer
    });
    sleep_until_idle(&runtime);
    drop(peer);
}
