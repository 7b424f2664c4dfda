//! TLS, as peers on plain sockets see it, those that mean harm too. OpenSSL and curl are in `ci/net.sh`.

#[macro_use]
mod harness;
#[path = "harness/tls.rs"]
mod secure;

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use harness::{GUARD, connect, expect, expect_end};
use rustls::version::{TLS12, TLS13};
use secure::{Authority, ByByte, Peer, echoed, peer, server_peer};
use wharf::Buffer;
use wharf_server::{
    AfterEnd, Client, Clients, Dial, DialFailed, Ended, Handler, Listen, Outcome, Result, Server,
    ServerBuilder, Settings, SlowReader, codec::Lines, tls,
};

const NAME: &str = "localhost";

fn serve<R: Outcome>(
    settings: &Settings,
    received: impl Fn(&Client, Buffer) -> R + Send + Sync + 'static,
) -> Server {
    let builder = ServerBuilder::from(settings.clone());
    builder.serve(received).unwrap()
}

fn echo(client: &Client, bytes: Buffer) {
    let _ = client.send(bytes);
}

/// The settings of a server that speaks TLS, and who vouches for it.
fn secure(mut settings: Settings) -> (Settings, Authority) {
    let authority = Authority::new();
    let server = tls::Server::builder(authority.certify(NAME).identity());
    settings.tls = Some(server.build().unwrap());
    (settings, authority)
}

/// A peer of the newest version.
fn connect_to<M: Send>(server: &Server<M>, authority: &Authority) -> Peer {
    peer(
        &authority.client(&[&TLS13], &[], None),
        NAME,
        connect(server),
    )
}

/// Bytes that differ from place to place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ (at >> 8)) as u8).collect()
}

/// Tells why its clients are gone, and what was agreed on; keeps sending where it is told to.
struct Teller {
    ended: Mutex<mpsc::Sender<String>>,
    after: AfterEnd,
}

impl Teller {
    fn new(after: AfterEnd) -> (Self, mpsc::Receiver<String>) {
        let (sender, receiver) = mpsc::channel();
        let ended = Mutex::new(sender);
        (Teller { ended, after }, receiver)
    }

    fn tell(&self, text: String) {
        let _ = self.ended.lock().unwrap().send(text);
    }
}

impl Handler for Teller {
    raw_bytes!();

    fn connected(&self, client: &Client) -> Result {
        if client.dialled().is_some() {
            client.send("by dial")?;
            self.tell(format!("connected to {}", client.peer()));
        }
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), bytes: Buffer) -> Result {
        if client.dialled().is_some() {
            self.tell(String::from_utf8_lossy(&bytes).into_owned());
            client.close();
        } else if &bytes[..] == b"close" {
            client.close();
        } else {
            client.send(bytes)?;
        }
        Ok(())
    }

    fn peer_ended(&self, client: &Client, (): &mut ()) -> AfterEnd {
        let _ = client.send("you have ended");
        if self.after == AfterEnd::KeepSending {
            let client = client.clone();
            thread::spawn(move || {
                let _ = client.send(", and I go on");
                client.close();
            });
        }
        self.after
    }

    fn disconnected(&self, _: &Client, (): &mut (), ended: &Ended) {
        self.tell(format!("{ended:?}"));
    }

    fn dial_failed(&self, _: &Clients, failed: &DialFailed<'_>) {
        self.tell(format!("failed: {}", failed.error));
    }
}

/// Waits for what has to come.
fn until(has_come: impl Fn() -> bool) {
    let began = Instant::now();
    while !has_come() {
        assert!(began.elapsed() < GUARD, "it does not come");
        thread::yield_now();
    }
}

fn told(receiver: &mpsc::Receiver<String>) -> String {
    receiver.recv_timeout(GUARD).unwrap()
}

on_every_driver! {
    fn bytes_come_back_whole_and_in_records_of_one_byte(settings) {
        let (settings, authority) = secure(settings);
        let server = serve(&settings, echo);
        for version in [&TLS12, &TLS13] {
            let config = authority.client(&[version], &[], None);
            let mut whole = peer(&config, NAME, connect(&server));
            for len in [1, 100, 4_096, 15_000, 16_384, 16_385, 100_000] {
                echoed(&mut whole, &pattern(len));
            }
            for byte in b"ahoy" {
                whole.write_all(&[*byte]).unwrap();
            }
            let mut received = [0; 4];
            whole.read_exact(&mut received).unwrap();
            assert_eq!(&received, b"ahoy");
        }
        assert_eq!(server.clients().handshakes().done, 2);
    }

    fn a_handshake_and_all_behind_it_may_come_byte_by_byte(settings) {
        let (settings, authority) = secure(settings);
        let server = serve(&settings, echo);
        for version in [&TLS12, &TLS13] {
            let config = authority.client(&[version], &[], None);
            let stream = connect(&server);
            stream.set_nodelay(true).unwrap();
            let mut slow = peer(&config, NAME, ByByte(stream));
            echoed(&mut slow, &pattern(300));
        }
    }

    fn much_comes_back_to_a_peer_that_reads_late(settings) {
        const BYTES: usize = 8 << 20;
        let (settings, authority) = secure(settings);
        let server = serve(&settings, echo);
        let mut writing = connect_to(&server, &authority);
        echoed(&mut writing, b"it is there");
        // A stream has one side at a time: so both directions are driven by hand.
        let (bytes, mut received) = (pattern(BYTES), Vec::new());
        let mut sent = 0;
        writing.sock.set_nonblocking(true).unwrap();
        let began = Instant::now();
        while received.len() < BYTES {
            assert!(began.elapsed() < GUARD, "{sent} sent, {} came back", received.len());
            let mut moved = false;
            if sent < BYTES {
                if let Ok(count) = writing.write(&bytes[sent..BYTES.min(sent + 50_000)]) {
                    sent += count;
                    moved |= count > 0;
                }
            } else {
                let _ = writing.flush();
            }
            // It reads only once nothing more goes out.
            if !moved {
                let mut some = [0; 65_536];
                match writing.read(&mut some) {
                    Ok(count) => received.extend_from_slice(&some[..count]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
        }
        assert!(received == bytes, "other bytes than were sent");
    }

    fn frames_are_cut_from_what_was_opened_and_take_turns(settings) {
        const LINES: usize = 20_000;
        let (settings, authority) = secure(settings);
        let server = ServerBuilder::from(settings)
            .serve_frames(Lines::new(), |client, line| {
                // Reading is paused in the midst of records that were opened already.
                if line.ends_with("00") {
                    client.pause_reading();
                    let paused = client.clone();
                    thread::spawn(move || paused.resume_reading());
                }
                client.send(format!("{line}!\n"))
            })
            .unwrap();
        let mut peer = connect_to(&server, &authority);
        let lines: String = (0..LINES).map(|number| format!("{number}\n")).collect();
        let answers: String = (0..LINES).map(|number| format!("{number}!\n")).collect();
        peer.write_all(lines.as_bytes()).unwrap();
        let mut received = vec![0; answers.len()];
        peer.read_exact(&mut received).unwrap();
        assert!(received == answers.as_bytes());
    }

    fn the_handler_knows_what_was_agreed_on(settings) {
        let authority = Authority::new();
        let (other, any) = (authority.certify("other.example"), authority.certify("a.any.example"));
        let server = tls::Server::builder(authority.certify(NAME).identity())
            .name("other.example", other.identity())
            .name("*.any.example", any.identity())
            .alpn(["echo", "chat"]);
        let mut settings = settings;
        settings.tls = Some(server.build().unwrap());
        let server = serve(&settings, |client, _| {
            let agreed = client.tls().expect("it speaks TLS");
            let alpn = agreed.alpn.map(|it| String::from_utf8(it).unwrap());
            client.send(format!("{}, {alpn:?}, {:?}\n", agreed.version, agreed.server_name))
        });
        for (name, version, alpn, answer) in [
            (NAME, &TLS13, &[][..], "TLS 1.3, None, Some(\"localhost\")\n"),
            ("other.example", &TLS12, &["chat"][..], "TLS 1.2, Some(\"chat\"), Some(\"other.example\")\n"),
            ("a.any.example", &TLS13, &["chat", "echo"], "TLS 1.3, Some(\"echo\"), Some(\"a.any.example\")\n"),
        ] {
            let mut peer = peer(&authority.client(&[version], alpn, None), name, connect(&server));
            peer.write_all(b"?").unwrap();
            let mut received = vec![0; answer.len()];
            peer.read_exact(&mut received).unwrap();
            assert_eq!(String::from_utf8(received).unwrap(), answer);
        }
        let mut stranger = peer(&authority.client(&[&TLS13], &["smtp"], None), NAME, connect(&server));
        let error = stranger.write_all(b"?").unwrap_err();
        assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    }

    fn a_client_without_a_certificate_is_refused_where_one_is_required(settings) {
        let authority = Authority::new();
        let required = tls::ClientCertificates::Required(authority.pem());
        let server = tls::Server::builder(authority.certify(NAME).identity());
        let mut settings = settings;
        settings.tls = Some(server.client_certificates(required).build().unwrap());
        let server = serve(&settings, |client, _| {
            let certificates = client.tls().expect("it speaks TLS").peer_certificates;
            client.send([certificates.len() as u8].as_slice())
        });
        let (known, unknown) = (authority.certify("ann"), Authority::new().certify("ann"));
        for version in [&TLS12, &TLS13] {
            let with = |own| peer(&authority.client(&[version], &[], own), NAME, connect(&server));
            let mut one = with(Some(&known));
            one.write_all(b"?").unwrap();
            let mut count = [0];
            one.read_exact(&mut count).unwrap();
            assert_eq!(count, [1]);
            for own in [None, Some(&unknown)] {
                let mut refused = with(own);
                let written = refused.write_all(b"?").and_then(|()| refused.read_exact(&mut count));
                let error = written.unwrap_err();
                assert!(error.to_string().contains("fatal alert"), "{error}");
            }
        }
        assert_eq!(server.clients().seen(), 6);
    }

    fn a_reload_takes_what_is_right_and_leaves_what_is_there_otherwise(settings) {
        let name = format!("wharf-tls-{}-{:?}", std::process::id(), settings.driver);
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        let (old, new) = (Authority::new(), Authority::new());
        let write = |authority: &Authority| {
            let certified = authority.certify(NAME);
            fs::write(&chain, certified.certificate).unwrap();
            fs::write(&key, certified.key).unwrap();
        };
        write(&old);
        let files = tls::Identity::files(&chain, &key);
        let reloading = tls::Server::builder(files).build().unwrap();
        let mut settings = settings;
        settings.tls = Some(reloading.clone());
        let server = serve(&settings, echo);
        let mut before = connect_to(&server, &old);
        echoed(&mut before, b"before");

        fs::write(&key, old.certify(NAME).key).unwrap();
        let error = reloading.reload().unwrap_err();
        assert!(matches!(error, tls::Error::Mismatch { .. }), "{error:?}");
        fs::write(&key, "no key").unwrap();
        let error = reloading.reload().unwrap_err().to_string();
        assert!(error.contains("key.pem") && error.contains("no private key"), "{error}");
        fs::remove_file(&key).unwrap();
        let error = reloading.reload().unwrap_err().to_string();
        assert!(error.contains("key.pem") && error.contains("can't be read"), "{error}");
        echoed(&mut connect_to(&server, &old), b"as it was");

        write(&new);
        reloading.reload().unwrap();
        echoed(&mut connect_to(&server, &new), b"after");
        assert!(connect_to(&server, &old).write_all(b"?").is_err());
        echoed(&mut before, b"and it goes on");
        fs::remove_dir_all(&folder).unwrap();
    }

    fn a_receive_buffer_holds_the_longest_record(settings) {
        let (mut settings, authority) = secure(settings);
        (settings.buffer_bytes, settings.buffers_bytes_max) = (1_000, 16_644);
        let error = ServerBuilder::from(settings.clone()).serve(echo).unwrap_err();
        assert!(error.to_string().contains("16644, less than one buffer of 16645"), "{error}");
        // One for all.
        settings.buffers_bytes_max += 1;
        let server = serve(&settings, echo);
        let mut peers = [0; 3].map(|_| connect_to(&server, &authority));
        for peer in &mut peers {
            echoed(peer, &[7; 16_384]);
        }
    }

    fn half_a_handshake_is_cut_in_time_and_is_no_client(settings) {
        let (mut settings, _) = secure(settings);
        settings.tls_handshake_timeout = Duration::from_millis(200);
        let (teller, ended) = Teller::new(AfterEnd::Close);
        let server = ServerBuilder::from(settings).start(teller).unwrap();
        let began = Instant::now();
        let mut half = connect(&server);
        half.write_all(b"\x16\x03\x01\x01\x00\x01").unwrap();
        let _ = half.read_to_end(&mut Vec::new());
        assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
        until(|| server.clients().is_empty());
        assert!(ended.try_recv().is_err(), "the handler was told of it");
        let counts = server.clients().handshakes();
        assert_eq!((counts.under_way, counts.done, counts.failed), (0, 0, 1));
    }

    fn silent_peers_keep_no_other_from_its_handshake(settings) {
        let (mut settings, authority) = secure(settings);
        settings.handshakes_at_most = 2;
        let (teller, ended) = Teller::new(AfterEnd::Close);
        let server = ServerBuilder::from(settings).start(teller).unwrap();
        let mut done = connect_to(&server, &authority);
        echoed(&mut done, b"its handshake is done");
        for expected in 1..=5 {
            let mut silent: [_; 3] = std::array::from_fn(|_| connect(&server));
            expect_end(&mut silent[0]);
            echoed(&mut connect_to(&server, &authority), b"I take the place of the second");
            expect_end(&mut silent[1]);
            // The third is there still, and goes.
            assert_eq!(server.clients().handshakes().under_way, 1);
            drop(silent);
            until(|| server.clients().handshakes().failed >= expected);
            let counts = server.clients().handshakes();
            assert_eq!((counts.refused, counts.failed, counts.done), (2 * expected, expected, 1 + expected));
        }
        echoed(&mut done, b"it is here still");
        drop(ended);
    }

    fn peers_that_come_all_at_once_take_each_others_place_and_none_is_forgotten(settings) {
        let (mut settings, _) = secure(settings);
        settings.handshakes_at_most = 1;
        let (teller, ended) = Teller::new(AfterEnd::Close);
        let server = ServerBuilder::from(settings).start(teller).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let peers: Vec<_> = (0..100).map(|_| connect(&server)).collect();
                    // Those that go sooner would all be over before the next is accepted, on a slow machine.
                    until(|| server.clients().handshakes().refused > 0);
                    drop(peers);
                });
            }
        });
        let over = |counts: tls::HandshakeCounts| counts.refused + counts.failed;
        until(|| over(server.clients().handshakes()) >= 400 && server.clients().is_empty());
        assert_eq!(server.clients().handshakes().under_way, 0);
        assert!(ended.try_recv().is_err(), "the handler was told of one");
        assert_eq!(server.stop(GUARD).cut, 0);
    }

    fn an_end_without_notice_is_told_from_one_with_it(settings) {
        let (settings, authority) = secure(settings);
        for (notice, expected) in [(true, "ByPeer"), (false, "Truncated")] {
            let (teller, ended) = Teller::new(AfterEnd::Close);
            let server = ServerBuilder::from(settings.clone()).start(teller).unwrap();
            let mut peer = connect_to(&server, &authority);
            echoed(&mut peer, b"ahoy");
            let mut rest = Vec::new();
            if notice {
                peer.conn.send_close_notify();
                peer.flush().unwrap();
                peer.read_to_end(&mut rest).unwrap();
                assert_eq!(rest, b"you have ended");
            } else {
                peer.sock.shutdown(Shutdown::Write).unwrap();
                peer.read_to_end(&mut rest).unwrap();
                assert!(rest.is_empty());
            }
            assert_eq!(told(&ended), expected);
        }
    }

    fn the_server_says_its_end_and_goes_on_after_the_peers(settings) {
        let (settings, authority) = secure(settings);
        let (teller, ended) = Teller::new(AfterEnd::KeepSending);
        let server = ServerBuilder::from(settings).start(teller).unwrap();
        let mut peer = connect_to(&server, &authority);
        peer.write_all(b"close").unwrap();
        // An end without notice would be an error.
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        drop(peer);
        assert_eq!(told(&ended), "ByServer");
        let mut half = connect_to(&server, &authority);
        echoed(&mut half, b"ahoy");
        half.conn.send_close_notify();
        half.flush().unwrap();
        let mut rest = String::new();
        half.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "you have ended, and I go on");
        drop(half);
        assert_eq!(told(&ended), "ByServer");
    }

    fn an_orderly_stop_delivers_all_and_says_the_end(settings) {
        let (settings, authority) = secure(settings);
        let echoed = Arc::new(AtomicUsize::new(0));
        let server = serve(&settings, {
            let echoed = echoed.clone();
            move |client, bytes| {
                let len = bytes.len();
                echo(client, bytes);
                echoed.fetch_add(len, Ordering::SeqCst);
            }
        });
        let mut peer = connect_to(&server, &authority);
        let bytes = pattern(50_000);
        peer.write_all(&bytes).unwrap();
        let mut first = [0; 1];
        peer.read_exact(&mut first).unwrap();
        until(|| echoed.load(Ordering::SeqCst) >= bytes.len());
        let stopping = thread::spawn(move || server.stop(GUARD));
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).unwrap();
        assert!(rest == bytes[1..], "{} bytes", rest.len());
        assert_eq!(stopping.join().unwrap().cut, 0);
    }

    fn what_is_no_tls_is_told_so_and_closed(settings) {
        let (settings, _) = secure(settings);
        let (teller, ended) = Teller::new(AfterEnd::Close);
        let server = ServerBuilder::from(settings).start(teller).unwrap();
        for wrong in [
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".as_slice(),
            &pattern(70_000),
            &[0xff; 20_000],
        ] {
            let mut peer = connect(&server);
            let _ = peer.write_all(wrong);
            let mut answer = Vec::new();
            let _ = peer.read_to_end(&mut answer);
            // An alert, if it was not lost with a reset.
            assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
        }
        until(|| server.clients().is_empty());
        assert!(ended.try_recv().is_err(), "the handler was told of it");
        assert_eq!(server.clients().handshakes().failed, 3);
    }

    fn a_record_that_was_changed_on_its_way_ends_the_client(settings) {
        let (settings, authority) = secure(settings);
        let (teller, ended) = Teller::new(AfterEnd::Close);
        let server = ServerBuilder::from(settings).start(teller).unwrap();
        let mut peer = connect_to(&server, &authority);
        echoed(&mut peer, b"ahoy");
        peer.sock.write_all(b"\x17\x03\x03\x00\x20this was not sealed by the peer!").unwrap();
        let error = peer.read(&mut [0]).unwrap_err();
        assert!(error.to_string().contains("BadRecordMac"), "{error}");
        let why = told(&ended);
        assert!(why.starts_with("Failed"), "{why}");
    }

    fn a_proxys_header_comes_before_the_handshake(settings) {
        let (mut settings, authority) = secure(settings);
        settings.proxy_protocol_from = vec!["127.0.0.0/8".parse().unwrap()];
        let server = serve(&settings, |client, _| {
            client.send(format!("{}\n", client.peer()))
        });
        let header = b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n";
        // By itself, and in one piece with the beginning of the handshake.
        for together in [false, true] {
            let mut stream = connect(&server);
            let config = authority.client(&[&TLS13], &[], None);
            let mut peer = match together {
                false => {
                    stream.write_all(header).unwrap();
                    peer(&config, NAME, stream)
                }
                true => {
                    let mut peer = peer(&config, NAME, stream);
                    let mut first = header.to_vec();
                    peer.conn.write_tls(&mut first).unwrap();
                    peer.sock.write_all(&first).unwrap();
                    peer
                }
            };
            peer.write_all(b"who?").unwrap();
            let mut answer = [0; 15];
            peer.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"192.0.2.1:4000\n");
        }
    }

    fn a_dial_speaks_tls_with_whom_it_trusts_and_with_nobody_else(settings) {
        let plain = settings.clone();
        let (settings, authority) = secure(settings);
        let echoing = serve(&settings, echo);
        let (teller, heard) = Teller::new(AfterEnd::Close);
        let server = ServerBuilder::from(plain).start(teller).unwrap();
        let address = echoing.local_addr();
        let trusting = |authority: &Authority| tls::Client::builder(authority.pem());
        let right = trusting(&authority).server_name(NAME).build().unwrap();
        server.dial(Dial::to(address).unwrap().tls(right)).unwrap();
        assert_eq!(told(&heard), format!("connected to {address}"));
        assert_eq!(told(&heard), "by dial");
        assert_eq!(told(&heard), "ByServer");
        for (wrong, why) in [
            (trusting(&Authority::new()).server_name(NAME), "invalid peer certificate"),
            (trusting(&authority).server_name("other.example"), "not valid for name"),
        ] {
            let dial = Dial::to(address).unwrap().tls(wrong.build().unwrap());
            server.dial(dial).unwrap();
            let failed = told(&heard);
            assert!(failed.starts_with("failed: ") && failed.contains(why), "{failed}");
        }
        // One that answers no handshake, but ends.
        let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tls = trusting(&authority).server_name(NAME).build().unwrap();
        let dial = Dial::to(mute.local_addr().unwrap()).unwrap().attempts(2).tls(tls);
        let dialled = server.dial(dial).unwrap();
        for _ in 0..2 {
            drop(mute.accept().unwrap());
            let failed = told(&heard);
            assert!(failed.starts_with("failed: can't connect to"), "{failed}");
        }
        until(|| dialled.is_over());
        assert!(heard.try_recv().is_err());
    }

    fn what_the_program_has_closed_is_not_connected_again_if_the_peer_says_no_end(settings) {
        let authority = Authority::new();
        let (teller, heard) = Teller::new(AfterEnd::Close);
        let server = ServerBuilder::from(settings).start(teller).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tls = tls::Client::builder(authority.pem()).server_name(NAME).build().unwrap();
        let dial = Dial::to(listener.local_addr().unwrap()).unwrap();
        let dialled = server.dial(dial.attempts(None).reconnect(true).tls(tls)).unwrap();
        let mut peer = server_peer(&authority.certify(NAME), listener.accept().unwrap().0);
        let mut received = [0; 7];
        peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"by dial");
        // The handler closes for this; and the peer ends without notice.
        peer.write_all(b"enough").unwrap();
        assert_eq!(peer.read(&mut received).unwrap(), 0);
        drop(peer);
        assert!(told(&heard).starts_with("connected to"));
        assert_eq!(told(&heard), "enough");
        told(&heard);
        let report = server.stop(GUARD);
        assert!(dialled.is_over());
        assert_eq!(report.clients, 1);
    }

    fn peers_that_mean_harm_are_not_felt_by_others(settings) {
        let (settings, authority) = secure(settings);
        let server = serve(&settings, echo);
        let mut polite = connect_to(&server, &authority);
        let mut updating = connect_to(&server, &authority);
        echoed(&mut updating, b"ahoy");
        let mut single = connect_to(&server, &authority);
        let began = Instant::now();
        for round in 0..200 {
            // Keys are changed without end, and an answer is asked for each time.
            if updating.conn.refresh_traffic_keys().is_ok() {
                let _ = updating.write_all(b"!").and_then(|()| updating.flush());
            }
            // Records of one byte, of which none is read.
            for _ in 0..50 {
                let _ = single.write_all(b"1");
            }
            // Half a handshake each.
            let mut half = connect(&server);
            half.write_all(b"\x16\x03\x01\x01\x00\x01").unwrap();
            echoed(&mut polite, &[round; 100]);
        }
        assert!(began.elapsed() < GUARD);
        let mut answers = vec![0; 200 * 50];
        single.read_exact(&mut answers).unwrap();
        assert!(answers.iter().all(|byte| *byte == b'1'));
    }

    fn one_of_several_listeners_may_speak_tls(settings) {
        let authority = Authority::new();
        let tls = tls::Server::builder(authority.certify(NAME).identity());
        let mut settings = settings;
        let listen: Listen = "127.0.0.1:0".parse().unwrap();
        settings.listen.push(listen.tls(tls.build().unwrap()));
        let server = serve(&settings, |client, bytes| {
            assert_eq!(client.tls().is_some(), client.peer().address().is_some() && &bytes[..] == b"sealed");
            client.send(bytes)
        });
        let mut plain = connect(&server);
        plain.write_all(b"plain").unwrap();
        expect(&mut plain, b"plain");
        let address = server.local_addrs()[1].tcp().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(GUARD)).unwrap();
        echoed(&mut peer(&authority.client(&[&TLS13], &[], None), NAME, stream), b"sealed");
    }

    fn what_waits_for_a_slow_reader_may_be_dropped_before_it_is_sealed(settings) {
        let (mut settings, authority) = secure(settings);
        settings.slow_reader = SlowReader::DropOldest;
        settings.unsent_bytes_max = 100_000;
        let server = serve(&settings, echo);
        let mut slow = connect_to(&server, &authority);
        echoed(&mut slow, b"it is there");
        let mut last = 0_u32;
        while server.clients().dropped() < 10 {
            last += 1;
            let news = [last.to_be_bytes().as_slice(), &[7; 9_996]].concat();
            assert_eq!(server.clients().broadcast(news), 1);
        }
        let (mut news, mut before) = (vec![0; 10_000], 0);
        while before != last {
            slow.read_exact(&mut news).unwrap();
            let number = u32::from_be_bytes(news[..4].try_into().unwrap());
            assert!(number > before, "{number} comes behind {before}");
            before = number;
        }
    }

    fn many_threads_send_to_one_client(settings) {
        const THREADS: usize = 4;
        const SENDS: usize = 500;
        let (settings, authority) = secure(settings);
        let server = serve(&settings, echo);
        let mut peer = connect_to(&server, &authority);
        echoed(&mut peer, b"it is there");
        let client = server.clients().snapshot().remove(0);
        let sending: Vec<_> = (0..THREADS)
            .map(|number| {
                let client = client.clone();
                thread::spawn(move || {
                    for _ in 0..SENDS {
                        while client.send([number as u8; 100].as_slice()).is_err() {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let mut counts = [0; THREADS];
        for _ in 0..THREADS * SENDS {
            let mut bytes = [0; 100];
            peer.read_exact(&mut bytes).unwrap();
            assert!(bytes.iter().all(|byte| *byte == bytes[0]), "sends are mixed");
            counts[usize::from(bytes[0])] += 1;
        }
        assert_eq!(counts, [SENDS; THREADS]);
        sending.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn settings_that_cannot_work_are_refused_with_their_value() {
    let start = |builder: ServerBuilder| {
        let builder = builder.listen("127.0.0.1:0".parse().unwrap());
        builder.serve(echo).unwrap_err().to_string()
    };
    let builder = || Server::builder();
    let error = start(builder().tls_handshake_timeout(Duration::ZERO));
    assert!(error.contains("tls_handshake_timeout is 0"), "{error}");
    let error = start(builder().handshakes_at_most(0));
    assert!(error.contains("handshakes_at_most is 0"), "{error}");
}

#[test]
fn files_that_are_wrong_are_named_with_what_is_wrong() {
    let authority = Authority::new();
    let (good, other) = (authority.certify(NAME), authority.certify(NAME));
    let memory = |pem: &str| tls::Pem::memory(pem);
    let build = |chain, key| tls::Server::builder(tls::Identity::new(chain, key)).build();
    for (chain, key, expected) in [
        (
            tls::Pem::file("/no/such.pem"),
            memory(&good.key),
            "/no/such.pem can't be read",
        ),
        (
            memory(&good.key),
            memory(&good.key),
            "there is no certificate in",
        ),
        (
            memory(&good.certificate),
            memory(&good.certificate),
            "there is no private key in",
        ),
        (
            memory(&good.certificate),
            memory(&other.key),
            "is not that of the first certificate",
        ),
        (
            memory("-----BEGIN CERTIFICATE-----\n!\n"),
            memory(&good.key),
            "is no PEM",
        ),
        (
            memory("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            memory(&good.key),
            "can't be used",
        ),
    ] {
        let error = build(chain, key).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let named = tls::Server::builder(good.identity()).name("a b", good.identity());
    assert!(matches!(named.build(), Err(tls::Error::Name(_))));
    let nameless = tls::Server::builder(good.identity()).alpn([""]);
    assert!(matches!(nameless.build(), Err(tls::Error::Alpn(0))));
    let shown = format!("{:?}", good.identity());
    assert!(!shown.contains("PRIVATE"), "a key is shown: {shown}");
}
