//! What the toolkit promises a handler and its clients, each promise on every driver.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

#[macro_use]
mod harness;
#[path = "harness/raw.rs"]
mod raw;

use harness::{GUARD, connect, expect, expect_end, settings};
use raw::{Call, Reporter, echo, exchange, serve};
use wharf::{Buffer, DriverChoice};
use wharf_server::{Client, Ended, Handler, Result, Server, Settings, StartError};

/// What a client has received and sent, in bytes.
fn moved(client: &Client) -> (u64, u64) {
    let traffic = client.traffic();
    (traffic.received_bytes, traffic.sent_bytes)
}

/// The peer may have a byte before the worker that sent it has counted it.
fn await_traffic(client: &Client, traffic: (u64, u64)) {
    let deadline = Instant::now() + GUARD;
    while moved(client) != traffic {
        assert!(Instant::now() < deadline, "{:?}", client.traffic());
        thread::yield_now();
    }
}

/// Does in pieces what it is asked for, and echoes what is no such wish.
#[derive(Default)]
struct Tireless {
    served: AtomicUsize,
    /// What is done for whom, and since when.
    wishes: Mutex<HashMap<u64, (Vec<u8>, Instant)>>,
    ends: Option<Mutex<mpsc::Sender<&'static str>>>,
}

impl Handler for Tireless {
    raw_bytes!();

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), bytes: Buffer) -> Result {
        if &bytes[..] == b"ahoy" {
            self.served.fetch_add(1, Ordering::SeqCst);
            let _ = client.send(bytes);
        } else {
            let wish = (bytes.to_vec(), Instant::now());
            self.wishes.lock().unwrap().insert(client.id(), wish);
            client.call_again();
        }
        Ok(())
    }

    fn resumed(&self, client: &Client, (): &mut ()) -> Result {
        let (wish, since) = self.wishes.lock().unwrap()[&client.id()].clone();
        let done = match &wish[..] {
            b"until others were served" => self.served.load(Ordering::SeqCst) >= 3,
            b"for five time-outs" => since.elapsed() > Duration::from_millis(500),
            b"for ever" => client.send(b".").is_err(),
            b"much" => {
                client.send(vec![7; 10_000]).unwrap();
                false
            }
            wish => panic!("{wish:?}"),
        };
        if !done {
            client.call_again();
        } else if &wish[..] != b"for ever" {
            let _ = client.send(b"done");
        }
        Ok(())
    }

    fn disconnected(&self, _: &Client, (): &mut (), ended: &Ended) {
        if let Some(ends) = &self.ends {
            let ended = match ended {
                Ended::ByServer => "by server",
                Ended::Failed(_) => "failed",
                Ended::Aborted => "aborted",
                _ => "otherwise",
            };
            let _ = ends.lock().unwrap().send(ended);
        }
    }
}

on_every_driver! {
    fn a_handler_is_told_of_a_client_from_its_first_moment_to_its_last(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut peer = connect(&server);
        let next = || calls.recv_timeout(GUARD).unwrap();
        assert_eq!(next(), Call::Connected(1));
        exchange(&mut peer, b"ahoy");
        assert_eq!(next(), Call::Received(1, b"ahoy".to_vec()));
        drop(peer);
        assert_eq!(next(), Call::Disconnected(1, "by peer"));
        server.stop(GUARD);
        assert_eq!(calls.recv_timeout(GUARD).unwrap_err(), mpsc::RecvTimeoutError::Disconnected);
    }

    fn a_handler_that_panics_ends_its_own_client_and_nothing_else(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut bystander = connect(&server);
        exchange(&mut bystander, b"before");
        // More often than there are workers: none of them is lost.
        for _ in 0..=server.workers() {
            let mut victim = connect(&server);
            victim.write_all(b"panic").unwrap();
            expect_end(&mut victim);
        }
        exchange(&mut bystander, b"after");
        drop(bystander);
        let report = server.stop(GUARD);
        assert_eq!((report.cut, report.workers_left.len()), (0, 0));
        let panicked = calls.iter().filter(|call| matches!(call, Call::Disconnected(_, "panicked")));
        assert_eq!(panicked.count() as u64, report.clients - 1);
    }

    fn one_worker_at_a_time_handles_a_client(settings) {
        let mut settings = settings;
        settings.workers = 8;
        settings.concurrency = 8;
        let inside = Arc::new(AtomicUsize::new(0));
        let counted = inside.clone();
        let server = serve(&settings, move |client: &Client, bytes: Buffer| {
            assert_eq!(counted.fetch_add(1, Ordering::SeqCst), 0);
            let _ = client.send(bytes);
            thread::yield_now();
            counted.fetch_sub(1, Ordering::SeqCst);
        }).unwrap();
        let mut peer = connect(&server);
        for round in 0..500_u32 {
            exchange(&mut peer, &round.to_le_bytes());
        }
        // A second call at once would have panicked, and ended the client.
        drop(peer);
        assert_eq!(server.stop(GUARD).received_bytes, 2000);
        assert_eq!(inside.load(Ordering::SeqCst), 0);
    }

    fn any_thread_sends_to_any_client_whole_and_in_its_own_order(settings) {
        const SENDS: u32 = 2_000;
        let server = serve(&settings, echo).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        let client = server.clients().snapshot().remove(0);
        thread::scope(|scope| {
            for sender in 0..4_u32 {
                let client = &client;
                scope.spawn(move || {
                    for number in 0..SENDS {
                        let message = [sender.to_le_bytes(), number.to_le_bytes()].concat();
                        client.send(message).unwrap();
                    }
                });
            }
            let mut next = [0; 4];
            for _ in 0..4 * SENDS {
                let mut message = [0; 8];
                peer.read_exact(&mut message).unwrap();
                let sender = u32::from_le_bytes(message[..4].try_into().unwrap());
                let number = u32::from_le_bytes(message[4..].try_into().unwrap());
                assert_eq!(number, next[sender as usize], "of sender {sender}");
                next[sender as usize] += 1;
            }
        });
    }

    fn what_waits_to_be_sent_to_a_client_is_bounded(settings) {
        let mut settings = settings;
        settings.unsent_bytes_max = 100_000;
        let server = serve(&settings, echo).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        let client = server.clients().snapshot().remove(0);
        let message = vec![1; 10_000];
        let mut taken = 0;
        let refused = loop {
            match client.send(message.clone()) {
                Ok(()) => taken += message.len(),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        assert!(client.unsent() <= 100_000);
        // What was taken still arrives.
        expect(&mut peer, &vec![1; taken]);
        client.send(message.clone()).unwrap();
        expect(&mut peer, &message);
    }

    fn the_buffers_of_all_clients_together_are_bounded(settings) {
        let mut settings = settings;
        settings.buffer_bytes = 1000;
        settings.buffers_bytes_max = 2000;
        let server = serve(&settings, echo).unwrap();
        // Many more than there are buffers, all at once: they take turns, and nobody is left out.
        let mut peers: Vec<TcpStream> = (0..50).map(|_| connect(&server)).collect();
        for round in 0..20 {
            for peer in &mut peers {
                peer.write_all(&[round; 3000]).unwrap();
            }
            for peer in &mut peers {
                expect(peer, &[round; 3000]);
            }
        }
    }

    fn a_client_that_is_closed_gets_all_that_was_sent_before(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        let client = server.clients().snapshot().remove(0);
        let message = vec![9; 900_000];
        client.send(message.clone()).unwrap();
        client.close();
        // It keeps talking meanwhile, which must not cost it what it has not read.
        peer.write_all(b"one more thing").unwrap();
        expect(&mut peer, &message);
        // What it said is echoed if it was received before the client was closed.
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty() || rest == b"one more thing", "{rest:?}");
        drop(peer);
        let ended = calls.iter().find(|call| matches!(call, Call::Disconnected(..)));
        assert_eq!(ended, Some(Call::Disconnected(1, "by server")));
    }

    fn a_client_that_is_closed_more_than_once_gets_all_the_same(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        let client = server.clients().snapshot().remove(0);
        let message = vec![9; 900_000];
        client.send(message.clone()).unwrap();
        let mut taken = 0;
        // Until all is out, and while the system delivers it.
        while taken < message.len() {
            client.close();
            taken += peer.read(&mut [0; 1_000]).unwrap();
        }
        client.close();
        assert_eq!(taken, message.len());
        expect_end(&mut peer);
        let ended = calls.iter().find(|call| matches!(call, Call::Disconnected(..)));
        assert_eq!(ended, Some(Call::Disconnected(1, "by server")));
    }

    fn a_handler_may_close_its_own_client(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut peer = connect(&server);
        peer.write_all(b"close").unwrap();
        expect(&mut peer, b"close");
        expect_end(&mut peer);
        let ended = calls.iter().find(|call| matches!(call, Call::Disconnected(..)));
        assert_eq!(ended, Some(Call::Disconnected(1, "by server")));
    }

    fn an_aborted_client_is_gone_at_once_and_told_so(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        let client = server.clients().snapshot().remove(0);
        await_traffic(&client, (4, 4));
        client.abort();
        let error = peer.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let ended = calls.iter().find(|call| matches!(call, Call::Disconnected(..)));
        assert_eq!(ended, Some(Call::Disconnected(1, "aborted")));
        assert!(client.send(b"too late").is_err());
        assert_eq!(moved(&client), (4, 4));
    }

    fn a_reset_is_a_failure_and_not_an_end(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        let ended = calls.iter().find(|call| matches!(call, Call::Disconnected(..)));
        assert_eq!(ended, Some(Call::Disconnected(1, "failed")));
    }

    fn a_client_whose_handler_is_at_work_is_not_idle(settings) {
        let mut settings = settings;
        settings.idle_timeout = Some(Duration::from_millis(100));
        let (tell, answered) = mpsc::channel();
        let server = serve(&settings, move |client: &Client, bytes: Buffer| {
            thread::sleep(Duration::from_millis(500));
            tell.send(Instant::now()).unwrap();
            let _ = client.send(bytes);
        }).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"slow");
        // And then it is.
        expect_end(&mut peer);
        assert!(answered.recv().unwrap().elapsed() >= Duration::from_millis(100));
    }

    fn a_handler_that_gives_way_goes_on_when_others_have_had_their_turn(settings) {
        let mut settings = settings;
        (settings.workers, settings.workers_max, settings.concurrency) = (1, 1, 1);
        let server = Server::start(&settings, Tireless::default()).unwrap();
        let mut long = connect(&server);
        long.write_all(b"until others were served").unwrap();
        // It would hold the only worker until then.
        for _ in 0..3 {
            exchange(&mut connect(&server), b"ahoy");
        }
        expect(&mut long, b"done");
        // And what it said meanwhile is received after that.
        exchange(&mut long, b"ahoy");
    }

    fn a_client_that_is_to_be_called_again_can_end_in_every_way(settings) {
        let (ends, ended) = mpsc::channel();
        let handler = Tireless { ends: Some(Mutex::new(ends)), ..Tireless::default() };
        let server = Server::start(&settings, handler).unwrap();
        let start = || {
            let mut peer = connect(&server);
            peer.write_all(b"for ever").unwrap();
            expect(&mut peer, b"..");
            let clients = server.clients().snapshot();
            let client = clients.into_iter().max_by_key(Client::id).unwrap();
            (peer, client)
        };
        let (peer, _) = start();
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        assert_eq!(ended.recv_timeout(GUARD).unwrap(), "failed");
        let (_peer, client) = start();
        client.abort();
        assert_eq!(ended.recv_timeout(GUARD).unwrap(), "aborted");
        let (peer, client) = start();
        client.close();
        (&peer).read_to_end(&mut Vec::new()).unwrap();
        drop(peer);
        assert_eq!(ended.recv_timeout(GUARD).unwrap(), "by server");
        // A stop does not wait for what would never be done.
        let (peer, _) = start();
        let stopping = thread::spawn(move || server.stop(GUARD));
        (&peer).read_to_end(&mut Vec::new()).unwrap();
        drop(peer);
        assert_eq!(stopping.join().unwrap().cut, 0);
        assert_eq!(ended.recv_timeout(GUARD).unwrap(), "by server");
    }

    fn a_client_that_does_not_read_is_not_called_again(settings) {
        let mut settings = settings;
        settings.unsent_bytes_max = 100_000;
        settings.buffer_bytes = 1_000;
        let server = Server::start(&settings, Tireless::default()).unwrap();
        let mut peer = connect(&server);
        peer.write_all(b"much").unwrap();
        // A send that was refused would have ended it.
        let mut taken = vec![0; 1 << 20];
        for _ in 0..10 {
            peer.read_exact(&mut taken).unwrap();
        }
        let client = server.clients().snapshot().remove(0);
        assert!(client.ended().is_none());
    }

    fn a_client_that_waits_to_be_called_again_is_not_idle(settings) {
        let mut settings = settings;
        settings.idle_timeout = Some(Duration::from_millis(100));
        let server = Server::start(&settings, Tireless::default()).unwrap();
        let mut peer = connect(&server);
        peer.write_all(b"for five time-outs").unwrap();
        expect(&mut peer, b"done");
        // And then it is.
        expect_end(&mut peer);
    }

    fn a_stop_waits_for_the_handler_that_is_at_work_and_for_its_reply(settings) {
        let (at_work, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let handler = (at_work.clone(), go_on.clone());
        let server = serve(&settings, move |client: &Client, bytes: Buffer| {
            handler.0.wait();
            handler.1.wait();
            let _ = client.send(bytes);
        }).unwrap();
        let mut peer = connect(&server);
        peer.write_all(b"ahoy").unwrap();
        at_work.wait();
        let address = server.local_addr();
        let stopping = thread::spawn(move || server.stop(GUARD));
        while TcpStream::connect(address).is_ok() {
            thread::yield_now();
        }
        go_on.wait();
        expect(&mut peer, b"ahoy");
        expect_end(&mut peer);
        drop(peer);
        let report = stopping.join().unwrap();
        assert_eq!((report.received_bytes, report.sent_bytes, report.cut), (4, 4, 0));
    }

    fn a_stop_without_a_limit_waits_for_all_and_no_time_is_too_long(settings) {
        let mut settings = settings;
        settings.idle_timeout = Some(Duration::MAX);
        let server = serve(&settings, echo).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"ahoy");
        let stops = thread::spawn(move || server.stop(Duration::MAX));
        expect_end(&mut peer);
        drop(peer);
        let report = stops.join().unwrap();
        assert_eq!((report.clients, report.cut), (1, 0));
        assert!(report.workers_left.is_empty());
    }

    fn a_worker_whose_handler_does_not_return_is_left_and_named(settings) {
        let (at_work, forever) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let handler = (at_work.clone(), forever.clone());
        let server = serve(&settings, move |_: &Client, _: Buffer| {
            handler.0.wait();
            handler.1.wait();
        }).unwrap();
        let mut peer = connect(&server);
        peer.write_all(b"ahoy").unwrap();
        at_work.wait();
        let report = server.stop(Duration::from_millis(50));
        assert_eq!((report.clients, report.received_bytes, report.cut), (1, 4, 1));
        assert_eq!(report.workers_left.len(), 1);
        assert!(report.workers_left[0].starts_with("wharf-"), "{:?}", report.workers_left);
        forever.wait();
    }

    fn a_dropped_server_cuts_its_clients_and_ends_at_once(settings) {
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"ahoy");
        let address = server.local_addr();
        drop(server);
        // The handler goes with the server, and with it this end.
        let ended = calls.iter().filter(|call| matches!(call, Call::Disconnected(..)));
        assert!(ended.eq([Call::Disconnected(1, "cut")]));
        assert!(TcpStream::connect(address).is_err());
        let end = peer.read(&mut [0; 1]);
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }

    fn a_peer_that_half_closes_still_gets_what_other_threads_send(settings) {
        let server = serve(&settings, |client: &Client, bytes: Buffer| {
            // Three replies to one message, the end already behind it.
            for _ in 0..3 {
                client.send(bytes.to_vec()).unwrap();
            }
        }).unwrap();
        let mut peer = connect(&server);
        peer.write_all(b"ahoy").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        expect(&mut peer, b"ahoyahoyahoy");
        expect_end(&mut peer);
    }

    fn clients_are_listed_with_their_address_and_traffic(settings) {
        let server = serve(&settings, echo).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"ahoy");
        let listed = server.clients().snapshot();
        assert_eq!(listed.len(), 1);
        let client = &listed[0];
        assert_eq!(client.peer(), peer.local_addr().unwrap());
        await_traffic(client, (4, 4));
        assert!(client.since() <= Instant::now());
        assert_eq!(server.clients().get(client.id()).as_ref(), Some(client));
    }

    fn clients_that_do_not_read_keep_no_memory_from_the_others(settings) {
        let mut settings = settings;
        settings.buffer_bytes = 1000;
        // Two, for all.
        settings.buffers_bytes_max = 2000;
        let server = serve(&settings, echo).unwrap();
        let mut greedy: Vec<_> = (0..4).map(|_| connect(&server)).collect();
        for peer in &mut greedy {
            fill(peer);
        }
        let mut polite = connect(&server);
        for round in 0..100_u8 {
            for peer in &mut greedy {
                // Single bytes, as long as there is room for them.
                let _ = peer.write(&[round]);
            }
            exchange(&mut polite, &[round; 2500]);
        }
        // What waits for each is as much as it may be.
        for client in server.clients().snapshot() {
            assert!(client.unsent() <= 2000, "{} bytes", client.unsent());
        }
        drop(greedy);
    }

    fn many_small_sends_to_a_client_that_does_not_read_are_few_operations(settings) {
        let mut settings = settings;
        settings.clients_max = 4;
        let server = serve(&settings, echo).unwrap();
        let mut silent = connect(&server);
        exchange(&mut silent, b"here");
        let client = server.clients().snapshot().remove(0);
        let said = send_until_some_waits(&client);
        // More of them than the port has operations for four clients.
        for _ in 0..50_000 {
            client.send(vec![7]).unwrap();
        }
        exchange(&mut connect(&server), b"a newcomer");
        expect(&mut silent, &vec![7; said + 50_000]);
    }

    fn what_was_sent_in_small_pieces_arrives_before_an_orderly_end(settings) {
        let server = serve(&settings, echo).unwrap();
        let mut peer = connect(&server);
        exchange(&mut peer, b"here");
        let client = server.clients().snapshot().remove(0);
        let mut all = Vec::new();
        while client.unsent() < 100_000 {
            // Copied, and kept as they are, in turns.
            for len in [1, 5000, 3, 90_000] {
                let piece: Vec<_> = (0..len).map(|at| (all.len() + at) as u8).collect();
                client.send(piece.clone()).unwrap();
                all.extend(piece);
            }
        }
        client.close();
        let refused = client.send(vec![1]);
        expect(&mut peer, &all);
        if refused.is_ok() {
            // It came before the end had been told.
            expect(&mut peer, &[1]);
        }
        expect_end(&mut peer);
    }

    fn a_client_that_takes_nothing_goes_by_itself_and_one_that_takes_stays(settings) {
        let mut settings = settings;
        settings.stall_timeout = Some(Duration::from_millis(400));
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut silent = connect(&server);
        exchange(&mut silent, b"here");
        let client = server.clients().snapshot().remove(0);
        send_until_some_waits(&client);
        let ended = calls.iter().find(|call| matches!(call, Call::Disconnected(..)));
        assert_eq!(ended, Some(Call::Disconnected(1, "stalled")));

        // Takes some now and then, for several times as long, and all in the end.
        let mut slow = connect(&server);
        exchange(&mut slow, b"here");
        let client = server.clients().snapshot().remove(0);
        let mut said = 0;
        let from = Instant::now();
        while from.elapsed() < 4 * settings.stall_timeout.unwrap() {
            if client.unsent() == 0 {
                client.send(vec![7; 500_000]).unwrap();
                said += 500_000;
            }
            let some = 100_000.min(said);
            expect(&mut slow, &vec![7; some]);
            said -= some;
        }
        expect(&mut slow, &vec![7; said]);
        assert!(client.ended().is_none());
    }

    fn a_client_that_reads_slowly_and_all_the_time_stays(settings) {
        if cfg!(windows) {
            // The system does not tell what the peer has.
            return;
        }
        let mut settings = settings;
        let timeout = Duration::from_millis(400);
        settings.stall_timeout = Some(timeout);
        settings.unsent_bytes_max = 64 << 20;
        let (reporter, _calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut slow = connect(&server);
        exchange(&mut slow, b"here");
        let client = server.clients().snapshot().remove(0);
        client.send(vec![7; 32 << 20]).unwrap();
        assert!(client.unsent() > 0);
        // The system takes nothing until a large part of its buffer is read, which takes longer than the time-out.
        let from = Instant::now();
        while from.elapsed() < 6 * timeout {
            expect(&mut slow, &[7; 32 << 10]);
            thread::sleep(timeout / 20);
        }
        assert!(client.ended().is_none(), "{:?}", client.ended());
    }

    fn a_client_that_is_closed_and_takes_nothing_goes_by_itself(settings) {
        struct Farewell(Mutex<mpsc::Sender<()>>);
        impl Handler for Farewell {
            raw_bytes!();

            fn connected(&self, client: &Client) -> Result {
                client.send(vec![7; 16 << 20]).unwrap();
                client.close();
                Ok(())
            }
            fn received(&self, _: &Client, (): &mut (), _: Buffer) -> Result {
                Ok(())
            }
            fn disconnected(&self, _: &Client, (): &mut (), ended: &Ended) {
                assert!(matches!(ended, Ended::Stalled), "{ended:?}");
                self.0.lock().unwrap().send(()).unwrap();
            }
        }
        let mut settings = settings;
        settings.stall_timeout = Some(Duration::from_millis(200));
        let (gone, is_gone) = mpsc::channel();
        let server = Server::start(&settings, Farewell(Mutex::new(gone))).unwrap();
        let _silent = connect(&server);
        is_gone.recv_timeout(GUARD).unwrap();
    }

    fn idle_time_does_not_run_for_a_client_whose_bytes_are_not_read(settings) {
        let mut settings = settings;
        settings.idle_timeout = Some(Duration::from_millis(100));
        settings.stall_timeout = Some(Duration::from_millis(800));
        let (reporter, calls) = Reporter::new();
        let server = Server::start(&settings, reporter).unwrap();
        let mut silent = connect(&server);
        fill(&mut silent);
        let ended = calls.iter().find(|call| matches!(call, Call::Disconnected(..)));
        assert_eq!(ended, Some(Call::Disconnected(1, "stalled")));
        drop(server);
    }

    fn an_address_has_so_many_clients_and_another_is_let_in_when_one_goes(settings) {
        let mut settings = settings;
        settings.clients_per_address_max = 2;
        let server = serve(&settings, echo).unwrap();
        let (mut first, mut second) = (connect(&server), connect(&server));
        exchange(&mut first, b"one");
        exchange(&mut second, b"two");
        let mut third = connect(&server);
        let end = third.read(&mut [0; 1]);
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        exchange(&mut second, b"still here");
        drop(first);
        let deadline = Instant::now() + GUARD;
        while server.clients().len() == 2 {
            assert!(Instant::now() < deadline);
            thread::yield_now();
        }
        exchange(&mut connect(&server), b"there is room");
    }

    fn an_address_that_is_exempt_has_as_many_as_it_likes(settings) {
        let mut settings = settings;
        settings.clients_per_address_max = 1;
        settings.exempt_addresses = vec!["127.0.0.0/8".parse().unwrap()];
        let server = serve(&settings, echo).unwrap();
        let mut peers: Vec<_> = (0..5).map(|_| connect(&server)).collect();
        for peer in &mut peers {
            exchange(peer, b"here");
        }
    }
}

/// Sends to a client that reads nothing, until half of what may wait for it does; says how much.
fn send_until_some_waits(client: &Client) -> usize {
    let (mut last, mut sent) = (Instant::now(), 0);
    // What is only on its way to the system is soon gone: so it waits if it does so for a while.
    while last.elapsed() < Duration::from_millis(200) {
        if client.unsent() < 500_000 {
            client.send(vec![7; 100_000]).unwrap();
            (last, sent) = (Instant::now(), sent + 100_000);
        }
        thread::yield_now();
    }
    sent
}

/// Says as much as the two systems and the server take from one who reads nothing.
fn fill(peer: &mut TcpStream) {
    peer.set_nonblocking(true).unwrap();
    let mut last = Instant::now();
    // Nothing tells that it is all: so it is, when nothing more is taken for a while.
    while last.elapsed() < Duration::from_millis(200) {
        match peer.write(&[7; 10_000]).is_ok_and(|count| count > 0) {
            true => last = Instant::now(),
            false => thread::yield_now(),
        }
    }
}

#[test]
fn settings_that_can_not_work_are_refused_with_the_value_and_the_remedy() {
    type Change = fn(&mut Settings);
    let wrong: [(Change, &str); 8] = [
        (|settings| settings.buffer_bytes = 0, "buffer_bytes is 0"),
        (
            |settings| settings.buffers_bytes_max = 1,
            "buffers_bytes_max is 1",
        ),
        (|settings| settings.clients_max = 0, "clients_max is 0"),
        (
            |settings| settings.backlog = u32::MAX,
            "backlog is 4294967295",
        ),
        (
            |settings| settings.idle_timeout = Some(Duration::ZERO),
            "idle_timeout is 0",
        ),
        (
            |settings| settings.stall_timeout = Some(Duration::ZERO),
            "stall_timeout is 0",
        ),
        (
            |settings| settings.buffers_per_client = 0,
            "buffers_per_client is 0",
        ),
        (
            |settings| settings.clients_max = usize::MAX,
            "clients_max is 18446744073709551615",
        ),
    ];
    for (change, message) in wrong {
        let mut settings = settings(DriverChoice::Auto);
        change(&mut settings);
        let Err(StartError::Settings(text)) = serve(&settings, echo) else {
            panic!("{message}: it was taken");
        };
        assert!(text.starts_with(message), "{text}");
    }
}

#[test]
fn an_address_in_use_says_so_and_what_to_do() {
    let first = serve(&settings(DriverChoice::Auto), echo).unwrap();
    let mut second = settings(DriverChoice::Auto);
    second.listen = vec![first.local_addr().into()];
    let error = serve(&second, echo).unwrap_err();
    assert!(
        matches!(&error, StartError::Bind(address, _) if address.tcp() == Some(first.local_addr()))
    );
    assert!(
        error.to_string().contains("another program listens there"),
        "{error}"
    );
}
