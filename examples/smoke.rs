//! Starts each example as a program of its own, and talks to it over real sockets.
//!
//! `cargo test -p wharf-examples` builds the examples and runs this. Nothing here waits for ever: sockets have
//! time-outs, output is waited for with one, and a program that is still there when its test ends is killed.

mod harness;

use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::mpsc::Receiver,
    thread,
    time::{Duration, Instant},
};

use harness::{Example, PATIENCE, lines_of, next_line, program, spawn, with_timeouts};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use socket2::{Domain, Socket, Type};

/// A moment in which sent bytes arrive, so that the next ones are received apart from them.
const MOMENT: Duration = Duration::from_millis(50);

// Sockets.

/// A listener of the test's own, for the proxy to connect to, and its address.
fn target() -> (TcpListener, String) {
    target_at("127.0.0.1")
}

/// One that is to go and to come back has an address of its own: else another test may get its port.
fn target_at(ip: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind((ip, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    (listener, address)
}

/// Bytes that show when any of them is lost, doubled or moved.
fn pattern(len: usize) -> Vec<u8> {
    let words = (0u32..).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes());
    words.take(len).collect()
}

/// Sends `bytes` and the end while it receives, and sees all of it come back with the end behind it.
fn echo_to_the_end(stream: &TcpStream, bytes: &[u8]) {
    let mut echo = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = stream;
            stream.write_all(bytes).expect("it takes all of it");
            stream.shutdown(Shutdown::Write).expect("it is connected");
        });
        let mut stream = stream;
        stream
            .read_to_end(&mut echo)
            .expect("all of it, and the end");
    });
    assert!(
        echo == bytes,
        "{} bytes of {} came back, or others",
        echo.len(),
        bytes.len()
    );
}

/// The peer closed the connection, in order or not. Not: it has not done so in time.
fn assert_closed(mut stream: &TcpStream) {
    match io::copy(&mut stream, &mut io::sink()) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("it is not closed: {error}"),
    }
}

// The echo servers.

fn echoes(name: &str) -> String {
    let example = Example::start(name, &[]);
    let mut first = example.connect();
    let mut second = example.connect();
    let mut echo = [0; 4];
    for stream in [&mut first, &mut second] {
        stream.write_all(b"ahoy").expect("it takes it");
        stream.read_exact(&mut echo).expect("it sends it back");
        assert_eq!(&echo, b"ahoy");
    }
    echo_to_the_end(&first, &pattern(1 << 20));
    // A client that leaves without reading what was sent to it (a reset) does not disturb the others.
    let mut third = example.connect();
    third.write_all(b"and gone").expect("it takes it");
    third.peek(&mut echo).expect("it sends it back");
    drop(third);
    second.write_all(b"here").expect("it takes it");
    second.read_exact(&mut echo).expect("it sends it back");
    assert_eq!(&echo, b"here");
    // One client is still there, and a receive under way.
    let last = example.stop();
    assert_closed(&second);
    last
}

#[test]
fn echo_port_echoes_and_stops() {
    echoes("echo_port");
}

#[test]
fn echo_server_echoes_and_stops() {
    let last = echoes("echo_server");
    assert!(
        last.starts_with("stopped: 3 clients, ") && last.ends_with(" 0 clients cut"),
        "{last}"
    );
}

/// Out of descriptors, it says so, and the clients that it could not accept are served when others have gone.
#[test]
#[cfg(unix)]
fn echo_port_waits_for_descriptors() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 32 && exec \"$0\" --listen 127.0.0.1:0"])
        .arg(program("echo_port"));
    let example = Example::start_command(command);
    let clients: Vec<TcpStream> = (0..40u8)
        .map(|number| {
            let mut client = example.connect();
            client.write_all(&[number]).expect("the backlog takes it");
            client
        })
        .collect();
    let said = next_line(&example.errors);
    assert!(said.starts_with("can't accept: "), "{said}");
    for (number, mut client) in clients.into_iter().enumerate() {
        let mut echo = [0];
        client
            .read_exact(&mut echo)
            .expect("it is served in the end");
        assert_eq!(usize::from(echo[0]), number);
    }
    example.stop();
}

// The chat.

/// A client of the chat.
struct Talker(BufReader<TcpStream>);

impl Talker {
    /// Connects, without a name.
    fn connect(chat: &Example) -> Talker {
        let mut talker = Talker(BufReader::new(chat.connect()));
        talker.hears("* Your name?");
        talker
    }

    /// Connects, and joins.
    fn join(chat: &Example, name: &str) -> Talker {
        let mut talker = Self::connect(chat);
        talker.says(&format!("{name}\n"));
        talker.hears(&format!("* Welcome, {name}."));
        talker
    }

    fn says(&mut self, text: &str) {
        let sent = self.0.get_mut().write_all(text.as_bytes());
        sent.expect("the chat takes it");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("there is a line");
        line
    }

    fn hears(&mut self, expected: &str) {
        assert_eq!(self.line(), format!("{expected}\n"));
    }
}

#[test]
fn chat_passes_lines_on() {
    let chat = Example::start("chat", &[]);
    let mut anna = Talker::join(&chat, "anna");
    let mut bert = Talker::join(&chat, "bert");
    anna.hears("* bert has joined.");

    anna.says("good morning\n");
    bert.hears("anna: good morning");
    bert.says("good evening\r\n");
    anna.hears("bert: good evening");
    // Cut anywhere, and several at once.
    anna.says("in two ");
    thread::sleep(MOMENT);
    anna.says("pieces\nand two\nin one\nand");
    bert.hears("anna: in two pieces");
    bert.hears("anna: and two");
    bert.hears("anna: in one");
    anna.says(" \x1b[2Jcleared\n");
    bert.hears("anna: and [2Jcleared");

    // A client without a name is heard by no other, and hears no other.
    let mut carl = Talker::connect(&chat);
    carl.says(&format!("{}\n", "carl".repeat(6)));
    carl.hears("* 1 to 20 characters. Your name?");
    anna.says("unheard\n");
    bert.hears("anna: unheard");
    carl.says("carl\n");
    carl.hears("* Welcome, carl.");
    anna.hears("* carl has joined.");
    bert.hears("* carl has joined.");

    drop(carl);
    anna.hears("* carl has left.");
    bert.hears("* carl has left.");
    assert_eq!(chat.stop(), "stopped: 3 clients, 0 cut");
    assert_closed(anna.0.get_ref());
}

#[test]
fn chat_has_rooms() {
    let chat = Example::start("chat", &[]);
    let mut anna = Talker::join(&chat, "anna");
    let mut bert = Talker::join(&chat, "bert");
    anna.hears("* bert has joined.");
    bert.says("/join kitchen\nunheard\n");
    anna.hears("* bert has gone to kitchen.");
    anna.says("unheard\n/join kitchen\nheard\n");
    bert.hears("* anna has joined.");
    bert.hears("anna: heard");
    chat.stop();
}

#[test]
fn chat_bounds_a_line() {
    let chat = Example::start("chat", &[]);
    let mut anna = Talker::join(&chat, "anna");
    let mut long = Talker::join(&chat, "long");
    anna.hears("* long has joined.");
    long.says(&"x".repeat(999));
    long.says("\n");
    assert_eq!(anna.line().len(), "long: \n".len() + 999);
    // In two pieces: what counts is the line.
    long.says(&"x".repeat(600));
    thread::sleep(MOMENT);
    long.says(&"x".repeat(600));
    let told = long.line();
    assert!(told.contains("above the limit of 1000"), "{told}");
    assert_closed(long.0.get_ref());
    anna.hears("* long was dropped.");
    chat.stop();
}

#[test]
fn chat_drops_who_does_not_read() {
    let chat = Example::start("chat", &[]);
    let mut anna = Talker::join(&chat, "anna");
    let mut bert = Talker::join(&chat, "bert");
    anna.hears("* bert has joined.");
    let deaf = Talker::join(&chat, "deaf");
    anna.hears("* deaf has joined.");
    bert.hears("* deaf has joined.");

    let dropped = "* deaf does not read, and was dropped.\n";
    let line = format!("{}\n", "x".repeat(900));
    let batch = line.repeat(50);
    let deadline = Instant::now() + 3 * PATIENCE;
    let mut noticed = false;
    // Bert keeps up: there is never more than a batch on its way to him.
    while !noticed {
        assert!(Instant::now() < deadline, "nobody was dropped");
        anna.says(&batch);
        let mut heard = 0;
        while heard < 50 {
            match bert.line() {
                notice if notice == dropped => noticed = true,
                said => {
                    assert_eq!(said, format!("anna: {line}"));
                    heard += 1;
                }
            }
        }
    }
    anna.hears(dropped.trim_end());
    anna.says("still here\n");
    bert.hears("anna: still here");
    assert_closed(deaf.0.get_ref());
    chat.stop();
}

// The proxies, on the bare port and as `async` code.

fn carries_both_ways(name: &str) {
    let echo = Example::start("echo_port", &[]);
    let proxy = Example::start(name, &["--target", &echo.address.to_string()]);
    let bytes = pattern(1 << 20);
    // Two sessions at once, which must not mix.
    let (first, second) = (proxy.connect(), proxy.connect());
    thread::scope(|scope| {
        scope.spawn(|| echo_to_the_end(&first, &bytes));
        scope.spawn(|| echo_to_the_end(&second, &bytes[1..]));
    });
    // And one that is under way when it stops.
    let mut third = proxy.connect();
    let mut ahoy = [0; 4];
    third.write_all(b"ahoy").expect("it takes it");
    third.read_exact(&mut ahoy).expect("it comes back");
    proxy.stop();
    assert_closed(&third);
    echo.stop();
}

#[test]
fn proxy_carries_both_ways() {
    carries_both_ways("proxy");
}

#[test]
fn async_proxy_carries_both_ways() {
    carries_both_ways("async_proxy");
}

/// A proxy, a client of it, and the server's side of what the proxy connects for it.
fn proxied(name: &str) -> (Example, TcpStream, TcpStream) {
    let (listener, address) = target();
    let proxy = Example::start(name, &["--target", &address]);
    let client = proxy.connect();
    let server = with_timeouts(listener.accept().expect("the proxy connects").0);
    (proxy, client, server)
}

/// One sends a question and ends its side; the other, which sees that, still answers.
fn ask_by_half_close(mut asking: TcpStream, mut answering: TcpStream) {
    let expect = |stream: &mut TcpStream, expected| {
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it, and the end");
        assert_eq!(text, expected);
    };
    asking.write_all(b"question").expect("it takes it");
    asking.shutdown(Shutdown::Write).expect("it is connected");
    expect(&mut answering, "question");
    answering.write_all(b"answer").expect("it takes it");
    drop(answering);
    expect(&mut asking, "answer");
}

/// The server closes with bytes unread, which is a reset: the client's connection ends, too.
fn end_by_a_reset(mut client: &TcpStream, server: TcpStream) {
    client.write_all(b"unread").expect("it takes it");
    server.peek(&mut [0]).expect("it has arrived");
    drop(server);
    assert_closed(client);
}

/// The client has ended its side, and the target, which sees that, still answers.
#[test]
fn proxy_passes_a_half_close_on() {
    for name in ["proxy", "async_proxy"] {
        let (proxy, client, server) = proxied(name);
        ask_by_half_close(client, server);
        proxy.stop();
    }
}

#[test]
fn proxy_ends_both_sides_on_an_error() {
    for name in ["proxy", "async_proxy"] {
        let (proxy, client, server) = proxied(name);
        end_by_a_reset(&client, server);
        let said = next_line(&proxy.errors);
        assert!(said.starts_with("session 1: "), "{said}");
        assert_eq!(proxy.stop(), "stopped, 0 sessions were open");
    }
}

/// A client that resets while the target sends: what is still on its way to it belongs to no session.
#[test]
fn proxy_survives_clients_that_reset_while_the_target_sends() {
    survives_resets("proxy");
}

#[test]
fn async_proxy_survives_clients_that_reset_while_the_target_sends() {
    survives_resets("async_proxy");
}

fn survives_resets(name: &str) {
    let (listener, address) = target();
    let proxy = Example::start(name, &["--target", &address]);
    let sends = thread::spawn(move || {
        for _ in 0..20 {
            let mut server = listener.accept().expect("the proxy connects").0;
            let sends = move || while server.write_all(&[7; 10_000]).is_ok() {};
            thread::spawn(sends);
        }
    });
    for _ in 0..20 {
        let mut client = proxy.connect();
        client.read_exact(&mut [0; 1_000]).expect("it is sent to");
        // Bytes are unread, so this is a reset.
        drop(client);
    }
    sends.join().expect("each was connected to");
    for _ in 0..20 {
        let said = next_line(&proxy.errors);
        assert!(said.starts_with("session "), "{said}");
    }
    assert_eq!(proxy.stop(), "stopped, 0 sessions were open");
}

#[test]
fn proxy_closes_the_client_where_the_target_refuses() {
    for name in ["proxy", "async_proxy"] {
        closes_where_refused(name);
    }
}

fn closes_where_refused(name: &str) {
    // Bound, and no socket listens at it: so the system gives the address to no other program, either.
    let target = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    target.bind(&any.into()).expect("a free port");
    let address = target.local_addr().expect("it is bound").as_socket();
    let address = address.expect("of the Internet").to_string();
    let proxy = Example::start(name, &["--target", &address]);
    assert_closed(&proxy.connect());
    let said = next_line(&proxy.errors);
    assert!(said.starts_with("session 1: "), "{said}");
    // It goes on.
    assert_closed(&proxy.connect());
    assert_eq!(proxy.stop(), "stopped, 0 sessions were open");
}

// The patient proxy.

/// Waits for the errors of a program to have a line with this.
fn says(errors: &Receiver<String>, what: &str) {
    while !next_line(errors).contains(what) {}
}

#[test]
fn patient_proxy_waits_for_its_target_and_carries_both_ways() {
    let (listener, address) = target_at("127.7.7.1");
    drop(listener);
    let proxy = Example::start("patient_proxy", &["--target", &address]);
    let (first, second) = (proxy.connect(), proxy.connect());
    let refused = format!("can't connect to {address}; {address}: ");
    says(&proxy.errors, &refused);
    let mut command = Command::new(program("echo_port"));
    command.args(["--listen", &address]);
    let echo = Example::start_command(command);
    let bytes = pattern(4 << 20);
    thread::scope(|scope| {
        scope.spawn(|| echo_to_the_end(&first, &bytes));
        scope.spawn(|| echo_to_the_end(&second, &bytes[1..]));
    });
    drop((first, second));
    // And one that is under way when it stops.
    let mut third = proxy.connect();
    third.write_all(b"ahoy").expect("it takes it");
    third.read_exact(&mut [0; 4]).expect("it comes back");
    assert_eq!(proxy.stop(), "stopped: 6 clients, 0 cut");
    assert_closed(&third);
    echo.stop();
}

/// The target ends its side first, and still gets what the client sends.
#[test]
fn patient_proxy_passes_a_half_close_on() {
    let (proxy, client, server) = proxied("patient_proxy");
    ask_by_half_close(server, client);
    proxy.stop();
}

#[test]
fn patient_proxy_ends_both_sides_on_an_error() {
    let (proxy, client, server) = proxied("patient_proxy");
    end_by_a_reset(&client, server);
    assert_eq!(proxy.stop(), "stopped: 2 clients, 0 cut");
}

// TLS.

/// A client that trusts the certificate that an example has made and printed.
fn trusting(example: &Example) -> StreamOwned<ClientConnection, TcpStream> {
    let mut pem = String::new();
    while !pem.contains("-----END CERTIFICATE-----") {
        pem += &next_line(&example.errors);
        pem.push('\n');
    }
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
    roots.add(certificate).expect("it can be trusted");
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("they are known")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(config.into(), name).expect("a connection");
    StreamOwned::new(connection, example.connect())
}

#[test]
fn tls_echo_greets_and_echoes() {
    let example = Example::start("tls_echo", &[]);
    let mut client = trusting(&example);
    let mut reader = BufReader::new(&mut client);
    let mut line = String::new();
    reader.read_line(&mut line).expect("it greets");
    assert!(line.starts_with("TLS 1.3, TLS13_"), "{line}");
    let bytes = pattern(40_000);
    client.write_all(&bytes).expect("it takes it");
    let mut received = vec![0; bytes.len()];
    client.read_exact(&mut received).expect("it comes back");
    assert!(received == bytes, "other bytes than were sent");
    drop(client);
    assert_eq!(example.stop(), "stopped: 1 clients, 0 cut");
}

#[test]
fn tls_proxy_carries_both_ways_in_the_clear_behind_it() {
    let (listener, address) = target();
    let proxy = Example::start("tls_proxy", &["--target", &address]);
    let mut client = trusting(&proxy);
    client.write_all(b"question").expect("it takes it");
    let mut server = with_timeouts(listener.accept().expect("the proxy connects").0);
    let mut question = [0; 8];
    server.read_exact(&mut question).expect("it arrives");
    assert_eq!(&question, b"question");
    server.write_all(b"answer").expect("it takes it");
    drop(server);
    let mut answer = String::new();
    // An end that is not said would be an error.
    client.read_to_string(&mut answer).expect("it, and the end");
    assert_eq!(answer, "answer");
    drop(client);
    proxy.stop();
}

// The bot.

#[test]
fn bot_comes_back_when_the_chat_does() {
    let (listener, address) = target_at("127.7.7.2");
    drop(listener);
    let start_chat = || {
        let mut command = Command::new(program("chat"));
        command.args(["--listen", &address]);
        Example::start_command(command)
    };
    let mut command = Command::new(program("bot"));
    command.arg(&address).stdin(Stdio::piped());
    let mut bot = spawn(command.stdout(Stdio::piped())).expect("it is built");
    let output = lines_of(bot.stdout.take().expect("it is piped"));
    for _ in 0..2 {
        says(&output, "; attempt ");
        let chat = start_chat();
        says(&output, "connected to ");
        // It may join before her, after her, or while she does: she asks each time that she may be the last.
        let mut talker = Talker::connect(&chat);
        talker.says("ann\n");
        loop {
            let heard = talker.line();
            if heard.starts_with("bot: for ") {
                break;
            }
            if ["* Welcome, ann.\n", "* bot has joined.\n"].contains(&&*heard) {
                talker.says("bot, how long?\n");
            }
        }
        drop(talker);
        chat.stop();
        says(&output, "gone: ByPeer");
    }
    drop(bot.stdin.take());
    assert!(bot.wait().expect("it ends").success());
}

// The SOCKS5 proxy.

/// Connects through the proxy; returns the stream, and how the proxy has answered.
fn connect_by(socks: &Example, destination: &[u8], port: u16) -> (TcpStream, u8) {
    let mut client = socks.connect();
    exchange(&mut client, b"\x05\x02\x02\0", b"\x05\0");
    client
        .write_all(&[&[5, 1, 0], destination, &port.to_be_bytes()].concat())
        .expect("it takes it");
    let mut reply = [0; 10];
    client.read_exact(&mut reply).expect("a reply");
    assert_eq!((reply[0], reply[2], reply[3]), (5, 0, 1));
    (client, reply[1])
}

#[test]
fn socks5_connects_by_address_and_by_name() {
    let echo = Example::start("echo_port", &[]);
    let socks = Example::start("socks5", &[]);
    let port = echo.address.port();
    let bytes = pattern(1 << 20);
    for destination in [&b"\x01\x7F\0\0\x01"[..], b"\x03\x09localhost"] {
        let (client, code) = connect_by(&socks, destination, port);
        assert_eq!(code, 0);
        echo_to_the_end(&client, &bytes);
    }
    // All at once, and byte by byte: what comes behind the request is the target's.
    let request = [
        &b"\x05\x01\0\x05\x01\0\x01\x7F\0\0\x01"[..],
        &port.to_be_bytes(),
    ]
    .concat();
    let answer = b"\x05\0\x05\0\0\x01\0\0\0\0\0\0ahoy";
    let mut first = socks.connect();
    exchange(&mut first, &[&request[..], b"ahoy"].concat(), answer);
    let mut second = socks.connect();
    for byte in request {
        second.write_all(&[byte]).expect("it takes it");
        thread::sleep(Duration::from_millis(1));
    }
    exchange(&mut second, b"ahoy", answer);
    assert_eq!(socks.stop(), "stopped, 2 sessions were open");
    echo.stop();
}

#[test]
fn socks5_says_why_it_does_not_connect() {
    let socks = Example::start("socks5", &[]);
    let (listener, _) = target_at("127.7.7.3");
    let refusing = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let (refused, code) = connect_by(&socks, b"\x01\x7F\x07\x07\x03", refusing);
    assert_eq!(code, 5);
    assert_closed(&refused);
    let (unknown, code) = connect_by(&socks, b"\x03\x0Cnone.invalid", 80);
    assert_eq!(code, 4);
    assert_closed(&unknown);
    // To listen, which is not done.
    let mut binds = socks.connect();
    let answer = b"\x05\0\x05\x07\0\x01\0\0\0\0\0\0";
    exchange(&mut binds, b"\x05\x01\0\x05\x02\0\x01\0\0\0\0\0\0", answer);
    assert_closed(&binds);
    // Only by a name and a password.
    let mut authenticates = socks.connect();
    exchange(&mut authenticates, b"\x05\x01\x02", b"\x05\xFF");
    assert_closed(&authenticates);
    // No SOCKS5.
    let mut other = socks.connect();
    other.write_all(b"GET / HTTP/1.1\r\n").expect("it takes it");
    assert_closed(&other);
    let said = next_line(&socks.errors);
    assert!(said.contains("does not speak SOCKS5"), "{said}");
    assert_eq!(socks.stop(), "stopped, 0 sessions were open");
}

// HTTP.

/// Sends to an example, and gets exactly that back.
fn exchange(stream: &mut TcpStream, request: &[u8], answer: &[u8]) {
    stream.write_all(request).expect("it takes it");
    let mut received = vec![0; answer.len()];
    stream.read_exact(&mut received).expect("an answer");
    assert_eq!(
        String::from_utf8_lossy(&received),
        String::from_utf8_lossy(answer)
    );
}

#[test]
fn http_keeps_connections_and_answers_what_is_pipelined() {
    let http = Example::start("http", &[]);
    let mut client = http.connect();
    let answer = |path: &str, more: &str| {
        let text = format!("You asked for {path}\n");
        let length = text.len();
        format!("HTTP/1.1 200 OK\r\n{more}Content-Length: {length}\r\n\r\n{text}")
    };
    let request = b"GET /a HTTP/1.1\r\nHost: here\r\n\r\n";
    exchange(&mut client, request, answer("/a", "").as_bytes());
    // Cut anywhere.
    client
        .write_all(b"GET /b HTTP/1.1\r\nHost: here\r\n\r")
        .expect("it takes it");
    thread::sleep(MOMENT);
    let both = answer("/b", "") + &answer("/c", "");
    exchange(&mut client, b"\nGET /c HTTP/1.1\r\n\r\n", both.as_bytes());
    let last = answer("/d", "Connection: close\r\n");
    let request = b"GET /d HTTP/1.1\r\nconnection: close\r\n\r\n";
    exchange(&mut client, request, last.as_bytes());
    assert_closed(&client);
    let mut client = http.connect();
    exchange(
        &mut client,
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 501 Not Implemented\r\n",
    );
    assert_closed(&client);
    // Of another kind, without a body: it ends its connection too.
    let mut client = http.connect();
    exchange(
        &mut client,
        b"DELETE / HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 501 Not Implemented\r\nConnection: close\r\n",
    );
    assert_closed(&client);
    assert_eq!(http.stop(), "stopped: 3 clients, 0 cut");
}

// The game.

#[test]
fn game_moves_players_with_each_tick() {
    let game = Example::start("game", &[]);
    let mut player = game.connect();
    let mut world = |steps: &[u8]| {
        player.write_all(steps).expect("it takes it");
        let mut length = [0; 2];
        player
            .read_exact(&mut length)
            .expect("a world comes with each tick");
        let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
        player.read_exact(&mut frame).expect("all of it");
        assert_eq!(frame.len(), 4 + 8, "there is one player");
        let place = |at: usize| i16::from_be_bytes([frame[at], frame[at + 1]]);
        (
            u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]),
            place(8),
            place(10),
        )
    };
    let (first, ..) = world(&[]);
    let deadline = Instant::now() + PATIENCE;
    let step = [0, 2, 1, 254];
    loop {
        let (tick, x, y) = world(&step);
        assert!(tick > first && y == -2 * x, "{tick}: {x}, {y}");
        if x >= 5 {
            break;
        }
        assert!(Instant::now() < deadline, "it does not move");
    }
    drop(player);
    assert_eq!(game.stop(), "stopped: 1 clients, 0 cut");
}

// The Redis protocol.

#[test]
fn redis_answers_as_redis_does() {
    let redis = Example::start("redis", &[]);
    let mut client = redis.connect();
    let set = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n41\r\n";
    exchange(&mut client, set, b"+OK\r\n");
    exchange(&mut client, b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n", b":42\r\n");
    exchange(
        &mut client,
        b"GET a\r\nGET b\nping\r\nTTL a\r\n",
        b"$2\r\n42\r\n$-1\r\n+PONG\r\n:-1\r\n",
    );
    exchange(
        &mut client,
        b"SET b x PX 1\r\nEXPIRE a 100\r\nTTL a\r\nDEL a c\r\n",
        b"+OK\r\n:1\r\n:100\r\n:1\r\n",
    );
    thread::sleep(MOMENT);
    exchange(
        &mut client,
        b"GET b\r\nINCR b\r\nSET b x\r\nINCR b\r\n",
        b"$-1\r\n:1\r\n+OK\r\n-ERR value is not an integer or out of range\r\n",
    );
    // Byte by byte, and many in one.
    for byte in set {
        client.write_all(&[*byte]).expect("it takes it");
    }
    exchange(
        &mut client,
        &b"PING\r\n".repeat(1_000),
        (String::from("+OK\r\n") + &"+PONG\r\n".repeat(1_000)).as_bytes(),
    );
    exchange(
        &mut client,
        b"*1\r\n!\r\n",
        b"-ERR Protocol error: no bulk string\r\n",
    );
    assert_closed(&client);
    assert_eq!(redis.stop(), "stopped: 1 clients, 0 cut");
}

// Publish and subscribe.

#[test]
fn pubsub_sends_to_the_subscribers_of_a_topic() {
    let pubsub = Example::start("pubsub", &[]);
    let (mut anna, mut bert) = (pubsub.connect(), pubsub.connect());
    exchange(&mut anna, b"sub tea\n", b"ok\n");
    exchange(&mut bert, b"sub tea\nsub milk\n", b"ok\nok\n");
    exchange(&mut anna, b"pub milk is here\n", b"sent to 1\n");
    exchange(&mut bert, b"", b"milk is here\n");
    exchange(
        &mut bert,
        b"unsub milk\npub milk gone\n",
        b"ok\nsent to 0\n",
    );
    exchange(&mut bert, b"pub tea is hot\n", b"tea is hot\nsent to 2\n");
    exchange(&mut anna, b"", b"tea is hot\n");
    drop(bert);
    assert_eq!(pubsub.stop(), "stopped: 2 clients, 0 cut");
}

// The client.

#[test]
fn client_asks_many_servers_and_waits_for_none_too_long() {
    let http = Example::start("http", &[]);
    let (silent, address) = target();
    let many: Vec<String> = std::iter::repeat_n(http.address.to_string(), 200).collect();
    let start = Instant::now();
    let output = Command::new(program("client"))
        .args(&many)
        .arg(&address)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let answers = text
        .lines()
        .filter(|line| line.ends_with("HTTP/1.1 200 OK"));
    assert_eq!(answers.count(), many.len(), "{text}");
    assert!(text.contains(&format!("{address}: timed out")), "{text}");
    assert!(start.elapsed() < PATIENCE);
    drop(silent);
    http.stop();
}

// axum.

/// A client of HTTP/1.1, for servers that answer with more fields than one can know beforehand.
struct Browser(BufReader<TcpStream>);

impl Browser {
    fn connect(example: &Example) -> Browser {
        Browser(BufReader::new(example.connect()))
    }

    /// Sends a request: `what` is its method and its path.
    fn ask(&mut self, what: &str, body: &[u8]) {
        let len = body.len();
        let head = format!("{what} HTTP/1.1\r\nHost: here\r\nContent-Length: {len}\r\n\r\n");
        let sent = self
            .0
            .get_mut()
            .write_all(&[head.as_bytes(), body].concat());
        sent.expect("it takes it");
    }

    /// The head of an answer: its status, and the length of its body.
    fn head(&mut self) -> (u16, usize) {
        let (mut head, mut len) = (String::new(), 0);
        loop {
            let start = head.len();
            self.0.read_line(&mut head).expect("there is a line");
            match head[start..].trim_end().split_once(": ") {
                Some(("content-length", value)) => len = value.parse().expect("a number"),
                Some(_) => {}
                None if start == 0 => {}
                None => break,
            }
        }
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer of HTTP: {head:?}"));
        (status, len)
    }

    fn body(&mut self, len: usize) -> Vec<u8> {
        let mut body = vec![0; len];
        self.0.read_exact(&mut body).expect("all of the body");
        body
    }

    fn answer(&mut self) -> (u16, String) {
        let (status, len) = self.head();
        let body = String::from_utf8(self.body(len));
        (status, body.expect("a text"))
    }

    /// Sends a request, and gets its answer.
    fn gets(&mut self, what: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        self.ask(what, body.as_ref());
        self.answer()
    }
}

/// It says what is wrong with its arguments, and does not begin.
fn assert_refuses(name: &str, arguments: &[&str]) {
    let output = Command::new(program(name))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    assert!(
        output.stdout.is_empty() && !output.stderr.is_empty(),
        "{arguments:?}: {output:?}"
    );
}

#[test]
fn axum_answers_on_each_route() {
    let axum = Example::start("axum", &[]);
    let mut client = Browser::connect(&axum);
    let ok = |body: &str| (200, body.to_owned());
    assert_eq!(client.gets("GET /hello", ""), ok("hello"));
    assert_eq!(client.gets("GET /sleep/1", ""), ok("slept for 1 ms"));
    assert_eq!(client.gets("GET /spin/1", ""), ok("computed for 1 ms"));
    assert_eq!(client.gets("GET /bytes/0", ""), ok(""));
    assert_eq!(
        client.gets("GET /bytes/100000", ""),
        ok(&"w".repeat(100_000))
    );
    for wrong in [
        "sleep/60001",
        "spin/60001",
        "bytes/67108865",
        "sleep/x",
        "bytes/-1",
    ] {
        assert_eq!(client.gets(&format!("GET /{wrong}"), "").0, 400, "{wrong}");
    }
    assert_eq!(client.gets("GET /none", "").0, 404);
    assert_eq!(client.gets("GET /echo", "").0, 405);
    let bytes = pattern(1 << 20);
    assert_eq!(client.gets("POST /count", &bytes), ok("1048576"));
    let mut sender = client.0.get_ref().try_clone().expect("a descriptor");
    thread::scope(|scope| {
        // It comes back while it is sent.
        scope.spawn(|| {
            let head = b"POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 1048576\r\n\r\n";
            sender
                .write_all(&[head, &bytes[..]].concat())
                .expect("it takes it");
        });
        assert_eq!(client.head(), (200, bytes.len()));
        assert!(client.body(bytes.len()) == bytes, "other bytes came back");
    });
    assert_eq!(axum.stop(), "stopped; 0 tasks left");
}

#[test]
fn axum_goes_on_while_handlers_block() {
    const BLOCKED: u32 = 8;
    const TIME: Duration = Duration::from_secs(2);
    let axum = Example::start("axum", &["--concurrency", "1", "--threads", "1..=16"]);
    let start = Instant::now();
    let blocked: Vec<Browser> = (0..BLOCKED)
        .map(|_| {
            let mut client = Browser::connect(&axum);
            client.ask("GET /sleep/2000", b"");
            client
        })
        .collect();
    let mut other = Browser::connect(&axum);
    for _ in 0..100 {
        assert_eq!(other.gets("GET /hello", ""), (200, "hello".into()));
    }
    for mut client in blocked {
        assert_eq!(client.answer(), (200, "slept for 2000 ms".into()));
    }
    // One after the other they would have taken longer.
    assert!(start.elapsed() < TIME * BLOCKED / 2);
    axum.stop();
}

#[test]
fn axum_stops_when_what_is_under_way_has_its_answer() {
    let mut axum = Example::start("axum", &[]);
    let mut idle = Browser::connect(&axum);
    assert_eq!(idle.gets("GET /hello", "").0, 200);
    let mut sends = Browser::connect(&axum);
    let sent = b"POST /echo HTTP/1.1\r\nHost: here\r\nContent-Length: 8\r\n\r\nahoy";
    sends.0.get_mut().write_all(sent).expect("it takes it");
    assert_eq!(sends.head(), (200, 8));
    assert_eq!(sends.body(4), b"ahoy");
    drop(axum.input.take());
    assert_closed(idle.0.get_ref());
    sends.0.get_mut().write_all(b" you").expect("it takes it");
    assert_eq!(sends.body(4), b" you");
    assert_closed(sends.0.get_ref());
    assert_eq!(axum.stop(), "stopped; 0 tasks left");
}

#[test]
fn axum_refuses_wrong_arguments() {
    for wrong in [
        &["--threads", "many"][..],
        &["--threads", "2..64"],
        &["--concurrency", "-1"],
        &["--driver", "fastest"],
        &["--listen"],
        &["--colour", "blue"],
        &["more"],
    ] {
        assert_refuses("axum", wrong);
    }
}

/// Out of descriptors, it pauses, and serves the clients that it could not accept when others have gone.
#[test]
#[cfg(unix)]
fn axum_waits_for_descriptors() {
    // The one that is always there, and the best one.
    for driver in ["--driver readiness", ""] {
        let script = format!("ulimit -n 32 && exec \"$0\" --listen 127.0.0.1:0 {driver}");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(program("axum"));
        let axum = Example::start_command(command);
        let clients: Vec<Browser> = (0..40)
            .map(|_| {
                let mut client = Browser::connect(&axum);
                client.ask("GET /hello", b"");
                client
            })
            .collect();
        for mut client in clients {
            assert_eq!(client.answer(), (200, "hello".into()));
        }
        axum.stop();
    }
}

/// A client of others' making, if it is there, in each version of HTTP that it has.
#[test]
fn axum_speaks_with_curl() {
    let Ok(about) = Command::new("curl").arg("--version").output() else {
        return eprintln!("NOT JUDGED: there is no curl");
    };
    let axum = Example::start("axum", &[]);
    for (option, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        if version == "2" && !String::from_utf8_lossy(&about.stdout).contains("HTTP2") {
            eprintln!("NOT JUDGED: curl has no HTTP/2");
            continue;
        }
        let output = Command::new("curl")
            .args(["--silent", "--max-time", "20", option, "--data", "ahoy"])
            .args(["--write-out", " %{http_version}"])
            .arg(format!("http://{}/echo", axum.address))
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said, format!("ahoy {version}"));
    }
    axum.stop();
}

// The database.

#[test]
fn sqlite_keeps_notes() {
    let file = env::temp_dir().join(format!("wharf-notes-{}.sqlite", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let arguments = ["--database", file.to_str().expect("a name in UTF-8")];
    let sqlite = Example::start("sqlite", &arguments);
    let mut client = Browser::connect(&sqlite);
    let ok = |body: &str| (200, body.to_owned());
    assert_eq!(client.gets("GET /notes", ""), ok("{}"));
    let quoted = "it's \"here\"; DROP TABLE notes";
    for (text, id) in [("first", "1\n"), (quoted, "2\n")] {
        assert_eq!(client.gets("POST /notes", text), (201, id.into()));
    }
    assert_eq!(client.gets("GET /notes/2", ""), ok(quoted));
    sqlite.stop();
    // They are there for the next one.
    let sqlite = Example::start("sqlite", &arguments);
    let mut client = Browser::connect(&sqlite);
    let both = r#"{"1":"first","2":"it's \"here\"; DROP TABLE notes"}"#;
    assert_eq!(client.gets("GET /notes", ""), ok(both));
    assert_eq!(sqlite.stop(), "stopped; 0 tasks left");
    std::fs::remove_file(&file).expect("nobody has it open");
}

#[test]
fn sqlite_says_what_is_wrong() {
    let sqlite = Example::start("sqlite", &[]);
    let mut client = Browser::connect(&sqlite);
    for (what, body, status) in [
        ("GET /notes/1", &b""[..], 404),
        ("GET /notes/one", b"", 400),
        ("GET /notes/9223372036854775808", b"", 400),
        ("POST /notes", b" \r\n", 400),
        ("POST /notes", b"\xFF", 400),
        ("POST /notes", &[b'x'; 1_001], 413),
        ("DELETE /notes", b"", 405),
        ("POST /notes", &[b'x'; 1_000], 201),
    ] {
        // Some end their connection with the answer.
        let (answered, text) = Browser::connect(&sqlite).gets(what, body);
        assert_eq!(answered, status, "{what}: {text}");
        assert!(!text.is_empty() || status == 405, "{what}");
    }
    assert_eq!(client.gets("GET /notes/1", ""), (200, "x".repeat(1_000)));
    sqlite.stop();
    assert_refuses("sqlite", &["--database"]);
    assert_refuses("sqlite", &["--colour", "blue"]);
}

#[test]
fn sqlite_serves_many_at_once() {
    const CLIENTS: usize = 8;
    const NOTES: usize = 10;
    let sqlite = Example::start("sqlite", &[]);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut client = Browser::connect(&sqlite);
            scope.spawn(move || {
                for number in 0..NOTES {
                    let text = format!("note {number}");
                    let (status, id) = client.gets("POST /notes", &text);
                    assert_eq!(status, 201);
                    let path = format!("GET /notes/{}", id.trim_end());
                    assert_eq!(client.gets(&path, ""), (200, text));
                }
            });
        }
    });
    let (_, all) = Browser::connect(&sqlite).gets("GET /notes", "");
    assert_eq!(all.matches("note ").count(), CLIENTS * NOTES, "{all}");
    sqlite.stop();
}
