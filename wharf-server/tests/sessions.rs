//! What the toolkit promises a handler with sessions: frames, messages, timers and ticks, each promise on every driver.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

#[macro_use]
mod harness;

use harness::{GUARD, connect, expect, expect_end, settings};
use wharf_server::{
    AfterEnd, Client, Clients, Ended, Handler, Result, Server, Settings, SlowReader, Tick,
    codec::{ByteOrder, Codec, Decoded, FrameError, LengthPrefixed, Lines},
};

/// What has happened, in order.
type Events = mpsc::Receiver<String>;

/// Tells what happens, and does what the lines say.
struct Scribe {
    events: Mutex<mpsc::Sender<String>>,
    dropped: Arc<AtomicUsize>,
}

/// How many lines came; and counts its end.
struct Session {
    lines: usize,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Scribe {
    fn new() -> (Self, Events, Arc<AtomicUsize>) {
        let (sender, events) = mpsc::channel();
        let dropped = Arc::new(AtomicUsize::new(0));
        let scribe = Scribe {
            events: Mutex::new(sender),
            dropped: dropped.clone(),
        };
        (scribe, events, dropped)
    }

    fn note(&self, event: impl Into<String>) {
        let _ = self.events.lock().unwrap().send(event.into());
    }
}

impl Handler for Scribe {
    type Session = Session;
    type Codec = Lines;
    type Message = String;

    fn codec(&self) -> Lines {
        Lines::new()
    }

    fn connected(&self, _: &Client<String>) -> Result<Session> {
        self.note("connected");
        Ok(Session {
            lines: 0,
            dropped: self.dropped.clone(),
        })
    }

    fn received(&self, client: &Client<String>, session: &mut Session, line: &str) -> Result {
        session.lines += 1;
        self.note(format!("{}: {line}", session.lines));
        match line {
            "fail" => return Err("as it was told".into()),
            "panic" => panic!("as it was told"),
            "pause" => client.pause_reading(),
            "close" => client.close(),
            "end sending" => return Ok(client.end_sending()?),
            "again" => client.call_again(),
            "timer" => {
                client.set_timer(Duration::from_millis(20), 7)?;
            }
            "timers" => {
                while client.set_timer(Duration::from_secs(60), 1).is_ok() {
                    session.lines += 1;
                }
                client.send(format!("{}\n", session.lines - 1))?;
            }
            "cancelled timer" => {
                let timer = client.set_timer(Duration::ZERO, 8)?;
                thread::sleep(Duration::from_millis(50));
                // It is due, and is told in this client's next turn at the earliest.
                assert!(client.cancel_timer(timer));
                assert!(!client.cancel_timer(timer));
            }
            "tell yourself" => client.tell("told by itself".into())?,
            _ => {}
        }
        client.send(format!("{line}\n"))?;
        Ok(())
    }

    fn told(&self, client: &Client<String>, session: &mut Session, message: String) -> Result {
        self.note(format!("told after {}: {message}", session.lines));
        match &message[..] {
            "fail" => return Err("as it was told".into()),
            _ => client.send(format!("{message}\n"))?,
        }
        Ok(())
    }

    fn timer(&self, client: &Client<String>, _: &mut Session, token: u64) -> Result {
        self.note(format!("timer {token}"));
        client.send(format!("timer {token}\n"))?;
        Ok(())
    }

    fn resumed(&self, _: &Client<String>, session: &mut Session) -> Result {
        self.note(format!("resumed after {}", session.lines));
        Ok(())
    }

    fn bad_frame(&self, client: &Client<String>, _: &mut Session, error: &FrameError) {
        let _ = client.send(format!("{error}\n"));
    }

    fn peer_ended(&self, _: &Client<String>, session: &mut Session) -> AfterEnd {
        self.note(format!("peer ended after {}", session.lines));
        AfterEnd::Close
    }

    fn disconnected(&self, _: &Client<String>, session: &mut Session, ended: &Ended) {
        self.note(format!("disconnected after {}: {ended:?}", session.lines));
    }

    fn panicked(&self, _: &Client<String>, message: &str) {
        self.note(format!("panicked: {message}"));
    }
}

fn next(events: &Events) -> String {
    events.recv_timeout(GUARD).expect("it happens")
}

fn says(peer: &mut TcpStream, text: &str) {
    peer.write_all(text.as_bytes()).unwrap();
}

/// The first client of a server, once it is there.
fn only_client<M: Send + 'static>(server: &Server<M>) -> Client<M> {
    let deadline = Instant::now() + GUARD;
    loop {
        if let Some(client) = server.clients().snapshot().pop() {
            return client;
        }
        assert!(Instant::now() < deadline, "no client has come");
        thread::yield_now();
    }
}

on_every_driver! {
    fn a_session_lives_from_connected_to_disconnected(settings) {
        let (scribe, events, dropped) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        assert_eq!(next(&events), "connected");
        says(&mut peer, "ahoy\nsail\n");
        expect(&mut peer, b"ahoy\nsail\n");
        assert_eq!((next(&events), next(&events)), ("1: ahoy".into(), "2: sail".into()));
        drop(peer);
        assert_eq!(next(&events), "peer ended after 2");
        assert_eq!(next(&events), "disconnected after 2: ByPeer");
        server.stop(GUARD);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }

    fn an_error_of_a_handler_ends_its_client_and_no_other(settings) {
        let (scribe, events, dropped) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut bystander = connect(&server);
        assert_eq!(next(&events), "connected");
        let mut peer = connect(&server);
        assert_eq!(next(&events), "connected");
        says(&mut peer, "fail\nnever\n");
        assert_eq!(next(&events), "1: fail");
        assert_eq!(next(&events), "disconnected after 1: ByHandler(\"as it was told\")");
        assert_eq!(peer.read(&mut [0; 9]).unwrap_or(0), 0, "it has ended");
        says(&mut bystander, "here\n");
        expect(&mut bystander, b"here\n");
        server.stop(GUARD);
        assert_eq!(dropped.load(Ordering::SeqCst), 2);
    }

    fn after_a_panic_no_call_gets_the_session(settings) {
        let (scribe, events, dropped) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        says(&mut peer, "panic\nnever\n");
        assert_eq!((next(&events), next(&events)), ("connected".into(), "1: panic".into()));
        assert_eq!(next(&events), "panicked: as it was told");
        assert_eq!(peer.read(&mut [0; 9]).unwrap_or(0), 0, "it has ended");
        assert_eq!(dropped.load(Ordering::SeqCst), 1, "at once");
        server.stop(GUARD);
        assert!(events.try_recv().is_err(), "it is called no more");
    }

    fn a_frame_may_come_in_pieces_and_many_in_one(settings) {
        let (scribe, _events, _) = Scribe::new();
        let mut settings = settings;
        settings.buffer_bytes = 7;
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        let text: String = (0..200).map(|number| format!("{}\n", "x".repeat(number))).collect();
        for byte in text.as_bytes() {
            peer.write_all(&[*byte]).unwrap();
        }
        expect(&mut peer, text.as_bytes());
        says(&mut peer, &text);
        expect(&mut peer, text.as_bytes());
    }

    fn a_frame_that_is_too_long_ends_its_client_with_the_reason(settings) {
        let (scribe, events, _) = Scribe::new();
        let mut settings = settings;
        settings.frame_bytes_max = 100;
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        says(&mut peer, &format!("{}\n", "x".repeat(99)));
        expect(&mut peer, format!("{}\n", "x".repeat(99)).as_bytes());
        says(&mut peer, &"x".repeat(500));
        peer.shutdown(Shutdown::Write).unwrap();
        let mut reason = String::new();
        peer.read_to_string(&mut reason).unwrap();
        assert!(reason.contains("above the limit of 100 (frame_bytes_max)"), "{reason}");
        next(&events);
        next(&events);
        let end = next(&events);
        assert!(end.starts_with("disconnected after 1: BadFrame(TooLong"), "{end}");
    }

    fn the_last_line_may_lack_its_end_and_other_frames_may_not(settings) {
        let (scribe, events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        says(&mut peer, "one\ntwo");
        peer.shutdown(Shutdown::Write).unwrap();
        expect(&mut peer, b"one\ntwo\n");
        expect_end(&mut peer);
        let told: Vec<String> = (0..5).map(|_| next(&events)).collect();
        assert_eq!(told, ["connected", "1: one", "2: two", "peer ended after 2", "disconnected after 2: ByPeer"]);
    }

    fn no_frame_is_handed_out_while_reading_is_paused(settings) {
        let (scribe, events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        says(&mut peer, "pause\nlater\n");
        expect(&mut peer, b"pause\n");
        let client = only_client(&server);
        client.tell("meanwhile".into()).unwrap();
        expect(&mut peer, b"meanwhile\n");
        client.resume_reading();
        expect(&mut peer, b"later\n");
        let told: Vec<String> = (0..4).map(|_| next(&events)).collect();
        assert_eq!(told, ["connected", "1: pause", "told after 1: meanwhile", "2: later"]);
    }

    fn frames_behind_a_close_are_dropped_and_what_was_sent_arrives(settings) {
        let (scribe, events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        says(&mut peer, "one\nclose\nnever\n");
        expect(&mut peer, b"one\nclose\n");
        expect_end(&mut peer);
        drop(peer);
        let told: Vec<String> = (0..4).map(|_| next(&events)).collect();
        assert_eq!(told, ["connected", "1: one", "2: close", "disconnected after 2: ByServer"]);
    }

    fn a_call_that_is_asked_for_comes_between_two_frames(settings) {
        let (scribe, events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        says(&mut peer, "again\nthen\n");
        expect(&mut peer, b"again\nthen\n");
        let told: Vec<String> = (0..4).map(|_| next(&events)).collect();
        assert_eq!(told, ["connected", "1: again", "resumed after 1", "2: then"]);
    }

    fn a_client_is_told_in_order_and_in_its_turn_by_any_thread(settings) {
        const MESSAGES: usize = 500;
        let (scribe, events, _) = Scribe::new();
        let mut settings = settings;
        settings.messages_max = 4 * MESSAGES;
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        let client = only_client(&server);
        // It reads meanwhile, so that nothing waits for it.
        let mut reader = peer.try_clone().unwrap();
        let reading = thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        thread::scope(|threads| {
            for thread in 0..3 {
                let client = &client;
                threads.spawn(move || {
                    for number in 0..MESSAGES {
                        client.tell(format!("{thread} {number}")).unwrap();
                    }
                });
            }
            for _ in 0..MESSAGES {
                says(&mut peer, "line\n");
            }
        });
        assert_eq!(next(&events), "connected");
        let (mut told, mut lines) = ([0; 3], 0);
        for _ in 0..4 * MESSAGES {
            let event = next(&events);
            match event.split_once(": ") {
                Some((after, message)) if after.starts_with("told") => {
                    assert_eq!(after, format!("told after {lines}"));
                    let (thread, number) = message.split_once(' ').unwrap();
                    let thread: usize = thread.parse().unwrap();
                    assert_eq!(number, told[thread].to_string());
                    told[thread] += 1;
                }
                _ => lines += 1,
            }
        }
        assert_eq!((told, lines), ([MESSAGES; 3], MESSAGES));
        drop(client);
        server.stop(GUARD);
        reading.join().unwrap().unwrap();
    }

    fn messages_are_bounded_and_a_refused_one_comes_back(settings) {
        let (scribe, _events, _) = Scribe::new();
        let mut settings = settings;
        settings.messages_max = 3;
        settings.workers_max = 1;
        settings.workers = 1;
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        let client = only_client(&server);
        // The only worker is held.
        says(&mut peer, "cancelled timer\n");
        let refused = loop {
            if let Err(refused) = client.tell("more".into()) {
                break refused;
            }
        };
        assert_eq!((refused.error.kind(), &refused.given[..]), (std::io::ErrorKind::WouldBlock, "more"));
        drop(peer);
        let deadline = Instant::now() + GUARD;
        while client.ended().is_none() {
            assert!(Instant::now() < deadline);
            thread::yield_now();
        }
        server.stop(GUARD);
        let refused = client.tell("late".into()).unwrap_err();
        assert_eq!(refused.error.kind(), std::io::ErrorKind::NotConnected);
    }

    fn a_client_may_tell_itself_and_an_error_there_ends_it(settings) {
        let (scribe, events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        says(&mut peer, "tell yourself\n");
        expect(&mut peer, b"tell yourself\ntold by itself\n");
        only_client(&server).tell("fail".into()).unwrap();
        let told: Vec<String> = (0..5).map(|_| next(&events)).collect();
        assert_eq!(told[3..], ["told after 1: fail", "disconnected after 1: ByHandler(\"as it was told\")"]);
    }

    fn a_timer_of_a_client_is_told_in_its_turn_unless_it_is_cancelled(settings) {
        let (scribe, events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        says(&mut peer, "timer\n");
        expect(&mut peer, b"timer\ntimer 7\n");
        says(&mut peer, "cancelled timer\n");
        expect(&mut peer, b"cancelled timer\n");
        says(&mut peer, "timers\n");
        let most = Settings::default().timers_per_client + 2;
        expect(&mut peer, format!("{most}\ntimers\n").as_bytes());
        drop(peer);
        let told: Vec<String> = (0..7).map(|_| next(&events)).collect();
        assert!(told[6].starts_with("disconnected"), "{told:?}");
        assert!(!told.iter().any(|it| it == "timer 8"), "{told:?}");
        // The timers have ended with their client.
        let report = server.stop(GUARD);
        assert_eq!(report.cut, 0);
    }

    fn broadcasts_and_news_of_which_the_last_counts(settings) {
        let (scribe, _events, _) = Scribe::new();
        let mut settings = settings;
        settings.slow_reader = SlowReader::DropOldest;
        settings.unsent_max = 3;
        let server = Server::start(&settings, scribe).unwrap();
        let mut peers = [connect(&server), connect(&server)];
        for peer in &mut peers {
            says(peer, "here\n");
            expect(peer, b"here\n");
        }
        assert_eq!(server.clients().broadcast("to all\n"), 2);
        peers.iter_mut().for_each(|peer| expect(peer, b"to all\n"));
        let [mut slow, _other] = peers;
        let clients = server.clients().snapshot();
        let client = clients.iter().find(|client| client.peer() == slow.local_addr().unwrap()).unwrap();
        let mut number = 0_u64;
        while server.clients().dropped() < 100 {
            client.send(format!("{number:0>99}\n")).unwrap();
            number += 1;
        }
        let mut news = Vec::new();
        let mut line = [0; 100];
        while news.last() != Some(&(number - 1)) {
            slow.read_exact(&mut line).unwrap();
            let text = std::str::from_utf8(&line).unwrap();
            news.push(text.trim().parse().unwrap());
        }
        assert!(news.is_sorted(), "none comes twice, and none out of turn");
        assert_eq!(news.len() as u64, number - server.clients().dropped());
    }

    fn a_client_that_reads_too_slowly_may_be_cut(settings) {
        let (scribe, events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let _peer = connect(&server);
        let client = only_client(&server);
        client.set_slow_reader(SlowReader::Cut);
        while client.send(&[7; 100_000]).is_ok() {}
        assert_eq!(next(&events), "connected");
        assert_eq!(next(&events), "disconnected after 0: TooSlow");
    }

    fn a_client_that_sends_nothing_or_half_a_frame_is_cut_in_time(settings) {
        let (scribe, events, _) = Scribe::new();
        let mut settings = settings;
        settings.first_bytes_timeout = Some(Duration::from_millis(200));
        settings.frame_timeout = Some(Duration::from_millis(200));
        let server = Server::start(&settings, scribe).unwrap();
        let start = Instant::now();
        let mut silent = connect(&server);
        assert_eq!(next(&events), "connected");
        let end = next(&events);
        assert_eq!(end, "disconnected after 0: Silent");
        assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
        assert_eq!(silent.read(&mut [0; 1]).unwrap_or(0), 0);

        let mut slow = connect(&server);
        assert_eq!(next(&events), "connected");
        // A byte now and then does not help; whole frames do.
        says(&mut slow, "one\n");
        expect(&mut slow, b"one\n");
        assert_eq!(next(&events), "1: one");
        let start = Instant::now();
        let end = loop {
            let _ = slow.write_all(b"x");
            match events.recv_timeout(Duration::from_millis(20)) {
                Ok(event) => break event,
                Err(_) => assert!(start.elapsed() < GUARD),
            }
        };
        assert_eq!(end, "disconnected after 1: SlowFrame");
        assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());

        // A client between two frames owes nothing.
        let mut idle = connect(&server);
        says(&mut idle, "one\n");
        expect(&mut idle, b"one\n");
        thread::sleep(Duration::from_millis(600));
        says(&mut idle, "two\n");
        expect(&mut idle, b"two\n");
    }

    fn a_client_that_sends_frames_without_end_is_never_late_with_one(settings) {
        let (scribe, _events, _) = Scribe::new();
        let mut settings = settings;
        settings.frame_timeout = Some(Duration::from_millis(200));
        settings.buffer_bytes = 64;
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        // There is a part of a frame at any time.
        let line = format!("{}\n", "x".repeat(100));
        says(&mut peer, &line[..50]);
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(800) {
            says(&mut peer, &line[50..]);
            says(&mut peer, &line[..50]);
            expect(&mut peer, line.as_bytes());
        }
    }

    fn a_frame_that_the_server_does_not_read_is_not_late(settings) {
        let (scribe, _events, _) = Scribe::new();
        let mut settings = settings;
        settings.frame_timeout = Some(Duration::from_millis(100));
        settings.receive_rate = 1_000;
        settings.buffer_bytes = 100;
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        let line = format!("{}\n", "x".repeat(599));
        says(&mut peer, &line);
        expect(&mut peer, line.as_bytes());
    }

    fn no_frame_is_lost_where_reading_is_paused_and_resumed_at_once(settings) {
        const LINES: usize = 2_000;
        let (scribe, events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        let client = only_client(&server);
        let (done, is_done) = mpsc::channel::<()>();
        let resuming = thread::spawn(move || {
            while is_done.try_recv() == Err(mpsc::TryRecvError::Empty) {
                client.resume_reading();
            }
        });
        let lines = "pause\n".repeat(LINES);
        let mut writer = peer.try_clone().unwrap();
        let writing = thread::spawn(move || writer.write_all(lines.as_bytes()));
        expect(&mut peer, "pause\n".repeat(LINES).as_bytes());
        writing.join().unwrap().unwrap();
        assert_eq!(next(&events), "connected");
        for number in 1..=LINES {
            assert_eq!(next(&events), format!("{number}: pause"));
        }
        drop(done);
        resuming.join().unwrap();
    }

    fn answers_that_wait_for_other_frames_are_no_slow_readers_fault(settings) {
        let (scribe, _events, _) = Scribe::new();
        let mut settings = settings;
        settings.unsent_max = 2;
        settings.unsent_bytes_max = 1_000;
        settings.slow_reader = SlowReader::Cut;
        settings.frame_bytes_max = 2_000;
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        let lines = format!("{}{}\n", "a\n".repeat(500), "x".repeat(1_500));
        says(&mut peer, &lines);
        expect(&mut peer, lines.as_bytes());
    }

    fn the_answers_before_an_error_arrive(settings) {
        let (scribe, _events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        for end in ["fail", "panic"] {
            let mut peer = connect(&server);
            says(&mut peer, &format!("a\nb\n{end}\n"));
            expect(&mut peer, b"a\nb\n");
            assert_eq!(peer.read(&mut [0; 9]).unwrap_or(0), 0, "it has ended");
        }
    }

    fn a_client_without_a_session_is_not_called_and_has_a_codec_of_its_own(settings) {
        /// Panics for the first client's codec, fails for the second, and serves the third.
        struct Third(AtomicUsize, Mutex<mpsc::Sender<&'static str>>);
        impl Handler for Third {
            type Session = ();
            type Codec = wharf_server::codec::Raw;
            type Message = ();

            fn codec(&self) -> wharf_server::codec::Raw {
                wharf_server::codec::Raw
            }
            fn connected(&self, client: &Client) -> Result {
                match self.0.fetch_add(1, Ordering::SeqCst) {
                    0 => Err("as it was told".into()),
                    _ => Ok(client.send("welcome")?),
                }
            }
            fn received(&self, _: &Client, (): &mut (), _: wharf::Buffer) -> Result {
                panic!("as it was told")
            }
            fn disconnected(&self, _: &Client, (): &mut (), _: &Ended) {
                self.1.lock().unwrap().send("disconnected").unwrap();
            }
            fn panicked(&self, _: &Client, _: &str) {
                self.1.lock().unwrap().send("panicked").unwrap();
            }
        }
        let (sender, calls) = mpsc::channel();
        let server = Server::start(&settings, Third(AtomicUsize::new(0), Mutex::new(sender))).unwrap();
        let mut refused = connect(&server);
        assert_eq!(refused.read(&mut [0; 9]).unwrap_or(0), 0, "it has no session");
        let mut peer = connect(&server);
        expect(&mut peer, b"welcome");
        says(&mut peer, "panic");
        assert_eq!(peer.read(&mut [0; 9]).unwrap_or(0), 0, "it has ended");
        server.stop(GUARD);
        assert_eq!(calls.iter().collect::<Vec<_>>(), ["panicked"]);
    }

    fn a_new_rate_reaches_a_client_that_waits_by_the_old_one(settings) {
        let (scribe, _events, _) = Scribe::new();
        let mut settings = settings;
        settings.receive_rate = 1;
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        says(&mut peer, "an hour and more, byte by byte\n");
        expect(&mut peer, b"an hour and more, byte by byte\n");
        says(&mut peer, "now\n");
        only_client(&server).set_receive_rate(0);
        expect(&mut peer, b"now\n");
    }

    fn a_client_that_closes_is_told_nothing_more(settings) {
        let (scribe, _events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        let client = only_client(&server);
        client.close();
        let refused = client.tell("late".into()).unwrap_err();
        assert_eq!((refused.error.kind(), &refused.given[..]), (std::io::ErrorKind::NotConnected, "late"));
        assert!(client.set_timer(Duration::ZERO, 1).is_err());
        expect_end(&mut peer);
    }

    fn our_side_may_end_while_the_peer_goes_on(settings) {
        let (scribe, events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        says(&mut peer, "one\n");
        let client = only_client(&server);
        expect(&mut peer, b"one\n");
        // Behind one that waits at the socket, and behind others that wait for that.
        client.send(vec![b'x'; 1 << 18]).unwrap();
        for _ in 0..1 << 6 {
            client.send(&[b'x'; 1 << 12]).unwrap();
        }
        client.end_sending().unwrap();
        client.end_sending().unwrap();
        assert!(client.send("more").is_err());
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        assert_eq!(rest.len(), 1 << 19, "behind all that was sent");
        // It is still received from. The handler's answer is refused, which ends the client.
        says(&mut peer, "two\n");
        let told: Vec<String> = (0..3).map(|_| next(&events)).collect();
        assert_eq!(told, ["connected", "1: one", "2: two"]);
        assert!(next(&events).starts_with("disconnected after 2: ByHandler"));

        // In the middle of several frames, and with a close behind it.
        for end in ["peer", "close"] {
            let mut peer = connect(&server);
            assert_eq!(next(&events), "connected");
            says(&mut peer, "a\nend sending\n");
            expect(&mut peer, b"a\n");
            expect_end(&mut peer);
            let client = only_client(&server);
            match end {
                "close" => client.close(),
                _ => drop(peer),
            }
            let told: Vec<String> = (0..2).map(|_| next(&events)).collect();
            assert_eq!(told, ["1: a", "2: end sending"]);
            let last = std::iter::repeat_with(|| next(&events)).find(|it| it.starts_with("disc"));
            let expected = match end {
                "close" => "disconnected after 2: ByServer",
                _ => "disconnected after 2: ByPeer",
            };
            assert_eq!(last.as_deref(), Some(expected));
        }
    }

    fn a_client_that_does_not_read_is_told_all_the_same(settings) {
        let (scribe, events, _) = Scribe::new();
        let server = Server::start(&settings, scribe).unwrap();
        // One large send that waits at the socket, and many behind each other.
        for size in [1 << 19, 10_000] {
            let mut peer = connect(&server);
            assert_eq!(next(&events), "connected");
            let client = only_client(&server);
            while client.unsent() < 100_000 {
                client.send(vec![7; size]).unwrap();
            }
            // Its turn is with what waits, or will be when it has been told this.
            for _ in 0..3 {
                client.tell("here".into()).unwrap();
                assert_eq!(next(&events), "told after 0: here");
                client.set_timer(Duration::from_millis(1), 3).unwrap();
                assert_eq!(next(&events), "timer 3");
            }
            // And it goes on when it reads.
            says(&mut peer, "last\n");
            let mut all = Vec::new();
            while !all.ends_with(b"last\n") {
                let mut some = [0; 4_096];
                let count = peer.read(&mut some).unwrap();
                assert!(count > 0);
                all.extend_from_slice(&some[..count]);
            }
            assert_eq!(next(&events), "1: last");
            let ends = [&b"here\ntimer 3\n".repeat(3)[..], b"last\n"].concat();
            assert!(all.ends_with(&ends));
            drop(peer);
            while !next(&events).starts_with("disconnected") {}
        }
    }

    fn a_client_is_read_from_at_its_rate(settings) {
        let (scribe, _events, _) = Scribe::new();
        let mut settings = settings;
        settings.receive_rate = 100_000;
        settings.buffer_bytes = 1_000;
        let server = Server::start(&settings, scribe).unwrap();
        let mut peer = connect(&server);
        let text = format!("{}\n", "x".repeat(99)).repeat(500);
        let start = Instant::now();
        says(&mut peer, &text);
        expect(&mut peer, text.as_bytes());
        let elapsed = start.elapsed();
        assert!(elapsed >= Duration::from_millis(480), "{elapsed:?} for half a second's bytes");
        // Without a limit the same client is as fast as any other.
        only_client(&server).set_receive_rate(0);
        says(&mut peer, &text);
        expect(&mut peer, text.as_bytes());
    }

    fn a_server_is_stopped_by_its_stopper_and_its_handler_is_told(settings) {
        struct Stopped(Mutex<mpsc::Sender<String>>);
        impl Handler for Stopped {
            raw_bytes!();

            fn connected(&self, client: &Client) -> Result {
                client.clients().stopper().stop();
                Ok(())
            }
            fn received(&self, _: &Client, (): &mut (), _: wharf::Buffer) -> Result {
                Ok(())
            }
            fn stopping(&self, clients: &Clients) {
                clients.broadcast("farewell");
                self.0.lock().unwrap().send("stopping".into()).unwrap();
            }
            fn stopped(&self, report: &wharf_server::Report) {
                self.0.lock().unwrap().send(format!("stopped: {}", report.clients)).unwrap();
            }
        }
        let (sender, events) = mpsc::channel();
        let server = Server::start(&settings, Stopped(Mutex::new(sender))).unwrap();
        let address = server.local_addr();
        let waiting = thread::spawn(move || server.wait(GUARD));
        let mut peer = TcpStream::connect(address).unwrap();
        peer.set_read_timeout(Some(GUARD)).unwrap();
        expect(&mut peer, b"farewell");
        expect_end(&mut peer);
        drop(peer);
        assert_eq!(waiting.join().unwrap().clients, 1);
        assert_eq!((next(&events), next(&events)), ("stopping".into(), "stopped: 1".into()));
    }

    fn a_server_ticks_without_drifting_and_counts_what_it_misses(settings) {
        struct Ticking(Mutex<mpsc::Sender<Tick>>);
        impl Handler for Ticking {
            raw_bytes!();

            fn connected(&self, _: &Client) -> Result {
                Ok(())
            }
            fn received(&self, _: &Client, (): &mut (), _: wharf::Buffer) -> Result {
                Ok(())
            }
            fn tick(&self, _: &Clients, tick: Tick) {
                let _ = self.0.lock().unwrap().send(tick);
                match tick.number {
                    3 => thread::sleep(Duration::from_millis(70)),
                    5 => panic!("as it was told"),
                    _ => {}
                }
            }
        }
        let (sender, ticks) = mpsc::channel();
        let mut settings = settings;
        settings.tick = Some(Duration::from_millis(20));
        let start = Instant::now();
        let server = Server::start(&settings, Ticking(Mutex::new(sender))).unwrap();
        let mut number = 0;
        let mut missed = 0;
        while number < 20 {
            let tick = ticks.recv_timeout(GUARD).unwrap();
            assert_eq!(tick.number, number + 1 + tick.missed);
            let due = Duration::from_millis(20) * tick.number as u32;
            assert!(start.elapsed() >= due, "none comes early");
            (number, missed) = (tick.number, missed + tick.missed);
        }
        assert!(missed >= 2, "the third took three periods and a half: {missed}");
        server.stop(GUARD);
    }
}

/// Gives frames back, with the same length before them.
struct Frames(LengthPrefixed);

impl Handler for Frames {
    type Session = ();
    type Codec = LengthPrefixed;
    type Message = ();

    fn codec(&self) -> LengthPrefixed {
        self.0
    }

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), frame: &[u8]) -> Result {
        client.send(self.0.frame(frame)?)?;
        Ok(())
    }
}

#[test]
fn frames_with_lengths_of_every_kind_come_back_however_they_are_cut() {
    let orders = [ByteOrder::BigEndian, ByteOrder::LittleEndian];
    let numbers = orders.map(|order| [LengthPrefixed::u16(order), LengthPrefixed::u32(order)]);
    let mut kinds = numbers.concat();
    kinds.push(LengthPrefixed::u8());
    kinds.extend(
        kinds
            .clone()
            .into_iter()
            .map(LengthPrefixed::counting_itself),
    );
    kinds.push(LengthPrefixed::varint());
    for kind in kinds {
        let server = Server::start(&settings(wharf::DriverChoice::Auto), Frames(kind)).unwrap();
        let mut peer = connect(&server);
        let mut bytes = Vec::new();
        for len in (0..250).step_by(7) {
            bytes.extend(kind.frame(&vec![len as u8; len]).unwrap().to_vec());
        }
        for piece in [1, 3, 100, bytes.len()] {
            for part in bytes.chunks(piece) {
                peer.write_all(part).unwrap();
            }
            expect(&mut peer, &bytes);
        }
    }
}

#[test]
fn a_length_that_can_not_be_is_refused_before_its_bytes_come() {
    let mut settings = settings(wharf::DriverChoice::Auto);
    settings.frame_bytes_max = 1_000;
    let kind = LengthPrefixed::u32(ByteOrder::BigEndian);
    let server = Server::start(&settings, Frames(kind)).unwrap();
    let mut peer = connect(&server);
    peer.write_all(&[0xff, 0xff, 0xff, 0xff]).unwrap();
    expect_end(&mut peer);
    let mut varint = LengthPrefixed::varint();
    assert_eq!(
        varint.decode(&[0x80; 5]),
        Err(FrameError::invalid("a length of more than 5 bytes"))
    );
    assert_eq!(
        varint.decode(&[0xff, 0xff, 0xff, 0xff, 0x7f]),
        Err(FrameError::invalid("a length of more than 32 bits"))
    );
    assert_eq!(varint.decode(&[0x80, 1]), Ok(Decoded::Incomplete(130)));
}

#[test]
#[cfg(feature = "tokio-util")]
fn decoders_of_tokio_util_are_codecs_however_the_bytes_are_cut() {
    use tokio_util::codec::LengthDelimitedCodec;
    use wharf_server::codec::Tokio;

    struct Echo;
    impl Handler for Echo {
        type Session = ();
        type Codec = Tokio<LengthDelimitedCodec>;
        type Message = ();

        fn codec(&self) -> Tokio<LengthDelimitedCodec> {
            let decoder = LengthDelimitedCodec::builder()
                .max_frame_length(1_000)
                .new_codec();
            Tokio::new(decoder, 2_000)
        }
        fn connected(&self, _: &Client) -> Result {
            Ok(())
        }
        fn received(&self, client: &Client, (): &mut (), frame: bytes::BytesMut) -> Result {
            let kind = LengthPrefixed::u32(ByteOrder::BigEndian);
            Ok(client.send(kind.frame(&frame)?)?)
        }
    }
    let mut settings = settings(wharf::DriverChoice::Auto);
    // It is no limit for such a codec.
    settings.frame_bytes_max = 1;
    let server = Server::start(&settings, Echo).unwrap();
    let mut peer = connect(&server);
    let kind = LengthPrefixed::u32(ByteOrder::BigEndian);
    let bytes: Vec<u8> = (0..200)
        .flat_map(|len| kind.frame(&vec![7; len]).unwrap().to_vec())
        .collect();
    for piece in [1, 3, 1_000, bytes.len()] {
        for part in bytes.chunks(piece) {
            peer.write_all(part).unwrap();
        }
        expect(&mut peer, &bytes);
    }
    // Its own limit.
    peer.write_all(&[0, 0, 4, 0]).unwrap();
    expect_end(&mut peer);
}
