//! What the runtime promises of UDP sockets, on every driver of the system.

#[macro_use]
mod harness;

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use harness::{Turns, builder, one_at_once, run, sleep_until_idle};
use tokio::io::ReadBuf;
use wharf::DriverChoice;
use wharf_async::{
    net::UdpSocket,
    spawn,
    time::{sleep, timeout},
    yield_now,
};

macro_rules! suite {
    ($driver:expr) => {
        tests! { $driver,
            datagrams_come_whole_and_with_their_senders
            what_does_not_fit_is_lost_and_the_next_is_whole
            a_receive_that_is_dropped_loses_no_datagram
            a_peek_takes_nothing
            tasks_that_receive_at_once_get_a_datagram_each
            datagrams_that_have_come_are_received_without_a_turn_of_others_for_each
            a_connected_socket_sends_to_its_peer_and_hears_nobody_else
            a_refusal_is_told_and_the_socket_goes_on
            a_datagram_that_is_too_long_is_refused
            names_are_sent_to_and_errors_tell_them
            many_datagrams_are_sent_and_none_stays_under_way
            a_socket_that_is_dropped_leaves_nothing
        }
    };
}

on_every_driver!(suite);

async fn socket() -> (UdpSocket, SocketAddr) {
    socket_at("127.0.0.1:0").await
}

async fn socket_at(address: &str) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(address).await.expect("an address");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

fn datagrams_come_whole_and_with_their_senders(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, here) = socket().await;
        let (far, there) = socket().await;
        let mut memory = vec![0; 1 << 16];
        for len in [0, 1, 1_472, (16 << 10) + 1, 65_507] {
            let sent: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let took = near.send_to(&sent, there).await.expect("it goes");
            assert_eq!(took, len);
            let (came, from) = far.recv_from(&mut memory).await.expect("it comes");
            assert_eq!((came, from), (len, here));
            assert!(memory[..len] == sent[..], "{len} bytes came otherwise");
            near.send_to(&sent, there).await.expect("it goes");
            let (buffer, from) = far.receive().await.expect("it comes");
            assert!(buffer[..] == sent[..], "{len} bytes came otherwise");
            assert_eq!(from, here);
        }
    });
}

fn what_does_not_fit_is_lost_and_the_next_is_whole(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, _) = socket().await;
        let (far, there) = socket().await;
        for datagram in [&b"ahoy, sailor"[..], b"aye"] {
            near.send_to(datagram, there).await.expect("it goes");
        }
        let mut memory = [0; 4];
        let (len, _) = far.recv_from(&mut memory).await.expect("it comes");
        assert_eq!((len, &memory), (4, b"ahoy"));
        let (len, _) = far.recv_from(&mut memory).await.expect("it comes");
        assert_eq!(&memory[..len], b"aye");
    });
}

fn a_receive_that_is_dropped_loses_no_datagram(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, _) = socket().await;
        let (far, there) = socket().await;
        for number in 0..20_u8 {
            let early = timeout(Duration::ZERO, far.receive()).await;
            assert!(early.is_err(), "nothing was sent");
            near.send_to(&[number], there).await.expect("it goes");
            // The receive that is under way completes, with nobody to wait for it.
            sleep(Duration::from_millis(1)).await;
            let (datagram, _) = far.receive().await.expect("it comes");
            assert_eq!(&datagram[..], [number]);
        }
    });
}

fn a_peek_takes_nothing(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, here) = socket().await;
        let (far, there) = socket().await;
        near.send_to(b"ahoy", there).await.expect("it goes");
        let mut memory = [0; 2];
        for _ in 0..2 {
            let peeked = far.peek_from(&mut memory).await.expect("it comes");
            assert_eq!((peeked, &memory), ((2, here), b"ah"));
        }
        let mut memory = [0; 8];
        let mut memory = ReadBuf::new(&mut memory);
        let received = poll_fn(|context| far.poll_recv_from(context, &mut memory)).await;
        assert_eq!(received.expect("it comes"), here);
        assert_eq!(memory.filled(), b"ahoy");
    });
}

fn tasks_that_receive_at_once_get_a_datagram_each(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, _) = socket().await;
        let (far, there) = socket().await;
        let far = Arc::new(far);
        let receives: Vec<_> = (0..4)
            .map(|_| {
                let far = far.clone();
                spawn(async move { far.receive().await })
            })
            .collect();
        yield_now().await;
        for number in 0..4_u8 {
            near.send_to(&[number], there).await.expect("it goes");
        }
        let mut numbers = Vec::new();
        for receive in receives {
            let received = receive.await.expect("it ends");
            numbers.push(received.expect("a datagram").0[0]);
        }
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3]);
    });
}

/// Where tasks compute, a turn of theirs is long.
fn datagrams_that_have_come_are_received_without_a_turn_of_others_for_each(driver: DriverChoice) {
    const COUNT: usize = 64;
    let runtime = builder(driver).concurrency(1).threads(1..=1);
    run(&runtime.build().expect("a runtime"), async {
        let (far, there) = socket().await;
        let near = std::net::UdpSocket::bind("127.0.0.1:0").expect("an address");
        for _ in 0..COUNT {
            near.send_to(b"ahoy", there).expect("it goes");
        }
        let turns = Turns::begin();
        far.receive().await.expect("it comes");
        let before = turns.until_now();
        for _ in 1..COUNT {
            far.receive().await.expect("it comes");
        }
        let between = turns.until_now() - before;
        // On Windows the kernel may have each come through its queue.
        let is_few = between < COUNT / 4 || cfg!(windows);
        assert!(is_few, "{between} turns of another task");
    });
}

fn a_connected_socket_sends_to_its_peer_and_hears_nobody_else(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, here) = socket().await;
        let (far, there) = socket().await;
        let (other, _) = socket().await;
        let error = near.send(b"ahoy").await.expect_err("to whom?");
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        near.connect(there).await.expect("connected");
        assert_eq!(near.peer_addr().expect("a peer"), there);
        near.send(b"ahoy").await.expect("it goes");
        let (datagram, from) = far.receive().await.expect("it comes");
        assert_eq!((&datagram[..], from), (&b"ahoy"[..], here));
        other.send_to(b"no", here).await.expect("it goes");
        far.send_to(b"aye", here).await.expect("it goes");
        let mut memory = [0; 8];
        let len = near.recv(&mut memory).await.expect("it comes");
        assert_eq!(&memory[..len], b"aye");
        // One that the standard library has connected.
        let std = std::net::UdpSocket::bind("127.0.0.1:0").expect("an address");
        std.connect(there).expect("connected");
        let near = UdpSocket::from_std(std).expect("a socket");
        near.send(b"hi").await.expect("it goes");
        assert_eq!(&far.receive().await.expect("it comes").0[..], b"hi");
    });
}

fn a_refusal_is_told_and_the_socket_goes_on(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, here) = socket().await;
        // An address of its own: else another test may get the port once it is free.
        let (far, there) = socket_at("127.7.7.9:0").await;
        near.connect(there).await.expect("connected");
        drop(far);
        near.send(b"ahoy").await.expect("it goes");
        let refused = near.receive().await.expect_err("nobody is there");
        let kind = refused.kind();
        let kinds = [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::ConnectionReset,
        ];
        assert!(kinds.contains(&kind), "{refused}");
        let far = UdpSocket::bind(there).await.expect("it is free");
        far.send_to(b"aye", here).await.expect("it goes");
        let (datagram, _) = near.receive().await.expect("it comes");
        assert_eq!(&datagram[..], b"aye");
    });
}

fn a_datagram_that_is_too_long_is_refused(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, _) = socket().await;
        let (far, there) = socket().await;
        let long = vec![0; 70_000];
        near.send_to(&long, there)
            .await
            .expect_err("it is too long");
        near.send_to(b"ahoy", there).await.expect("it goes");
        assert_eq!(&far.receive().await.expect("it comes").0[..], b"ahoy");
    });
}

fn names_are_sent_to_and_errors_tell_them(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, _) = socket().await;
        let (far, there) = socket().await;
        let name = format!("localhost:{}", there.port());
        near.send_to(b"ahoy", &*name).await.expect("it goes");
        assert_eq!(&far.receive().await.expect("it comes").0[..], b"ahoy");
        let error = near.send_to(b"ahoy", "nowhere").await.expect_err("no port");
        assert!(error.to_string().contains("nowhere"), "{error}");
        let error = UdpSocket::bind(there).await.expect_err("it is in use");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&there.to_string()), "{error}");
    });
}

fn many_datagrams_are_sent_and_none_stays_under_way(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, _) = socket().await;
        let (far, there) = socket().await;
        let are_sent = Arc::new(AtomicBool::new(false));
        let sent = are_sent.clone();
        let receives = spawn(async move {
            let mut received = 0;
            loop {
                match timeout(Duration::from_millis(200), far.receive()).await {
                    Ok(datagram) => drop(datagram.expect("no failure")),
                    Err(_) if sent.load(Ordering::SeqCst) => return received,
                    Err(_) => continue,
                }
                received += 1;
            }
        });
        for number in 0..1_000_u32 {
            let mut send = Box::pin(near.send_to(b"ahoy", there));
            if number % 2 == 0 {
                // Polled once, and dropped if it is not ready.
                let _ = poll_fn(|context| Poll::Ready(send.as_mut().poll(context))).await;
            } else {
                send.await.expect("it goes");
            }
        }
        are_sent.store(true, Ordering::SeqCst);
        // The system may drop some, and some of ours were cancelled.
        assert!(receives.await.expect("it ends") >= 100);
    });
    sleep_until_idle(&runtime);
}

fn a_socket_that_is_dropped_leaves_nothing(driver: DriverChoice) {
    let runtime = one_at_once(driver);
    run(&runtime, async {
        let (near, here) = socket_at("127.7.7.9:0").await;
        let early = timeout(Duration::from_millis(1), near.receive()).await;
        assert!(early.is_err(), "nothing was sent");
        drop(near);
        UdpSocket::bind(here).await.expect("it is free");
    });
    sleep_until_idle(&runtime);
}
