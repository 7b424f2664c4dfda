//! What the WebSockets promise, to tungstenite's client. There is no tokio context.

#[macro_use]
#[allow(unused_macros, reason = "these promises have no driver in them")]
mod harness;

use std::{
    future::IntoFuture,
    io::{ErrorKind, Write},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ws::{CloseFrame, Message},
    http::{Request, header::SEC_WEBSOCKET_PROTOCOL},
    response::Response,
    routing::any,
};
use futures_util::{SinkExt, StreamExt};
use hyper::{client::conn::http2, ext::Protocol};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message as Theirs, client::ClientRequestBuilder, protocol::Role},
};
use wharf_async::{
    Runtime,
    hyper::Executor,
    net::{TcpListener, TcpStream},
    time,
};
use wharf_axum::{
    Serve,
    ws::{WebSocket, WebSocketUpgrade},
};

use harness::{Client, PATIENCE};

/// A runtime that serves a router, one worker of which runs at a time.
fn serve(app: Router) -> (Runtime, SocketAddr) {
    serve_with(app, |it| it)
}

fn serve_with(
    app: Router,
    set: impl FnOnce(Serve<Router>) -> Serve<Router>,
) -> (Runtime, SocketAddr) {
    let builder = Runtime::builder().concurrency(1).threads(1..=8);
    let runtime = builder.tokio_context(false).build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr();
    let serving = set(wharf_axum::serve(listener, app)).into_future();
    runtime.spawn(serving).detach();
    (runtime, address)
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        // The others are answered by themselves, as long as messages are awaited.
        if !matches!(message, Message::Text(_) | Message::Binary(_)) {
            continue;
        }
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn echoes(upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade.protocols(["other", "echo"]).max_message_size(1_000);
    upgrade.on_upgrade(echo)
}

/// A client that has shaken hands.
async fn connect(address: SocketAddr, path: &str) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let uri = format!("ws://it{path}").parse().unwrap();
    let request = ClientRequestBuilder::new(uri).with_sub_protocol("none, echo");
    let (client, response) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "echo");
    client
}

/// Each kind of message, and the end.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(mut client: WebSocketStream<S>) {
    for message in [Theirs::text("ahoy, \u{2693}"), Theirs::binary(vec![0; 500])] {
        client.send(message.clone()).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), message);
    }
    client.send(Theirs::Ping("1".into())).await.unwrap();
    let pong = client.next().await.unwrap().unwrap();
    assert_eq!(pong, Theirs::Pong("1".into()));
    // On HTTP/2 the server may be gone before the client has seen that its farewell went out.
    let _ = client.close(None).await;
    let last = client.next().await.unwrap().unwrap();
    assert_eq!(last, Theirs::Close(None));
}

#[test]
fn messages_are_echoed_over_both_versions_of_http() {
    let (runtime, address) = serve(Router::new().route("/echo", any(echoes)));
    runtime.block_on(async {
        talk(connect(address, "/echo").await).await;

        let stream = TcpStream::connect(address).await.unwrap();
        let made = http2::handshake(Executor::current(), stream).await;
        let (mut client, connection) = made.unwrap();
        wharf_async::spawn(connection).detach();
        // Without their settings it does not know that the server has it.
        let plain = Request::get("http://it/none").body(Body::empty()).unwrap();
        client.send_request(plain).await.unwrap();
        let request = Request::connect("http://it/echo")
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header(SEC_WEBSOCKET_PROTOCOL, "echo");
        let request = request.body(Body::empty()).unwrap();
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()[SEC_WEBSOCKET_PROTOCOL], "echo");
        let upgraded = hyper::upgrade::on(answer).await.unwrap();
        let upgraded = TokioIo::new(upgraded);
        talk(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await).await;
    });
}

#[test]
fn a_session_may_block() {
    let (release, released) = mpsc::channel::<()>();
    let released = std::sync::Mutex::new(Some(released));
    let blocks = move |upgrade: WebSocketUpgrade| {
        let released = released.lock().unwrap().take().unwrap();
        let session = |mut socket: WebSocket| async move {
            socket.send("blocks".into()).await.unwrap();
            released.recv_timeout(PATIENCE).unwrap();
            socket.send("goes on".into()).await.unwrap();
        };
        async { upgrade.protocols(["echo"]).on_upgrade(session) }
    };
    let blocks = std::sync::Arc::new(blocks);
    let app = Router::new()
        .route("/blocks", any(move |upgrade| blocks(upgrade)))
        .route("/echo", any(echoes));
    let (runtime, address) = serve(app);
    runtime.block_on(async {
        let mut blocked = connect(address, "/blocks").await;
        assert_eq!(blocked.next().await.unwrap().unwrap(), "blocks".into());
        talk(connect(address, "/echo").await).await;
        release.send(()).unwrap();
        assert_eq!(blocked.next().await.unwrap().unwrap(), "goes on".into());
    });
}

#[test]
fn a_message_beyond_the_limit_ends_its_socket() {
    let (runtime, address) = serve(Router::new().route("/echo", any(echoes)));
    runtime.block_on(async {
        let mut client = connect(address, "/echo").await;
        client.send(Theirs::binary(vec![0; 1_001])).await.unwrap();
        let next = time::timeout(PATIENCE, client.next()).await.unwrap();
        assert!(matches!(next, Some(Err(_))), "{next:?}");
        talk(connect(address, "/echo").await).await;
    });
}

#[test]
fn a_socket_splits_and_says_farewell() {
    let split = |upgrade: WebSocketUpgrade| async {
        upgrade.protocols(["echo"]).on_upgrade(|socket| async {
            assert_eq!(socket.protocol().unwrap(), "echo");
            let (mut sender, receiver) = socket.split();
            let sends = async move {
                sender.send("first".into()).await.unwrap();
                let frame = CloseFrame {
                    code: 4_000,
                    reason: "enough".into(),
                };
                sender.send(Message::Close(Some(frame))).await.unwrap();
            };
            let receives = receiver.collect::<Vec<_>>();
            let ((), received) = tokio::join!(sends, receives);
            // The answer to the farewell.
            assert!(
                matches!(received[..], [Ok(Message::Close(_))]),
                "{received:?}"
            );
        })
    };
    let (runtime, address) = serve(Router::new().route("/", any(split)));
    runtime.block_on(async {
        let mut client = connect(address, "/").await;
        assert_eq!(client.next().await.unwrap().unwrap(), "first".into());
        let Some(Ok(Theirs::Close(Some(frame)))) = client.next().await else {
            panic!("no farewell");
        };
        assert_eq!((u16::from(frame.code), &*frame.reason), (4_000, "enough"));
        assert!(client.next().await.is_none());
    });
}

#[test]
fn who_asks_for_no_web_socket_is_told_so() {
    let (_runtime, address) = serve(Router::new().route("/echo", any(echoes)));
    let ask = |headers: &str| {
        let mut client = Client::connect(address);
        client.send(format!("GET /echo HTTP/1.1\r\nhost: it\r\n{headers}\r\n"));
        client.answer()
    };
    assert_eq!(ask("").status, 400);
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\n";
    assert_eq!(ask(upgrade).status, 400, "no key");
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_eq!(ask(&format!("{upgrade}{key}")).status, 400, "no version");
    let all = format!("{upgrade}{key}sec-websocket-version: 13\r\n");
    let answer = ask(&all);
    assert_eq!(answer.status, 101);
    let accepted = answer.field("sec-websocket-accept");
    assert_eq!(
        accepted,
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        "RFC 6455, section 1.3"
    );
}

#[test]
fn a_connection_that_fails_before_it_is_a_web_socket_is_told() {
    let (told, tells) = mpsc::channel();
    let forgets = move |upgrade: WebSocketUpgrade| {
        let upgrade = upgrade.on_failed_upgrade(move |error| told.send(error).unwrap());
        drop(upgrade.on_upgrade(echo));
        async { "no WebSocket" }
    };
    let (_runtime, address) = serve(Router::new().route("/", any(forgets)));
    let mut client = Client::connect(address);
    client.send(
        "GET / HTTP/1.1\r\nhost: it\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(client.answer().text(), "no WebSocket");
    client.send("no HTTP\r\n\r\n");
    tells.recv_timeout(PATIENCE).unwrap();
}

/// A client of HTTP/1.1 that has shaken hands, without a library: it may send what one would not.
fn shaken(address: SocketAddr, path: &str) -> Client {
    let mut client = Client::connect(address);
    client.send(format!(
        "GET {path} HTTP/1.1\r\nhost: it\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(client.answer().status, 101);
    client
}

/// Nothing of what the frame has is ever sent: it is not waited for.
#[test]
fn a_frame_beyond_the_limit_of_a_message_is_not_held() {
    let (_runtime, address) = serve(Router::new().route("/echo", any(echoes)));
    let mut client = shaken(address, "/echo");
    let mut head = vec![0x82, 0x80 | 127];
    head.extend(2_000_u64.to_be_bytes());
    head.extend([0; 4]);
    client.send(head);
    client.expect_closed();
}

/// Sends pings until that fails, and returns how. Both systems have room for some; a server that reads on takes all.
fn ping_until_it_fails(client: &Client) -> ErrorKind {
    let mut ping = vec![0x89, 0x80 | 125, 0, 0, 0, 0];
    ping.extend([7; 125]);
    let pings = ping.repeat(500);
    let mut sent = 0;
    loop {
        match client.stream().write_all(&pings) {
            Ok(()) => sent += pings.len(),
            Err(error) => return error.kind(),
        }
        assert!(
            sent < 64 << 20,
            "it reads on, while nobody takes its answers"
        );
    }
}

/// It would have the answers to all pings in memory. No time-out ends it: else a slow server would not come to so many.
#[test]
fn who_pings_and_takes_no_answers_is_read_no_more() {
    let session = |upgrade: WebSocketUpgrade| async {
        upgrade
            .on_upgrade(|mut socket| async move { while let Some(Ok(_)) = socket.recv().await {} })
    };
    let app = Router::new().route("/pings", any(session));
    let (_runtime, address) = serve_with(app, |it| it.stall_timeout(None));
    let client = shaken(address, "/pings");
    let short = Some(Duration::from_secs(1));
    client.stream().set_write_timeout(short).unwrap();
    let failed = ping_until_it_fails(&client);
    assert!(
        matches!(failed, ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{failed}"
    );
}

#[test]
fn who_pings_and_takes_no_answers_is_cut() {
    const STALL_TIMEOUT: Duration = Duration::from_secs(2);
    let (tell, told) = mpsc::channel();
    let session = move |upgrade: WebSocketUpgrade| {
        let tell = tell.clone();
        let session = |mut socket: WebSocket| async move {
            while let Some(Ok(_)) = socket.recv().await {}
            assert!(socket.recv().await.is_none(), "it goes on behind its end");
            tell.send(()).unwrap();
        };
        async { upgrade.on_upgrade(session) }
    };
    let app = Router::new().route("/pings", any(session));
    let (runtime, address) = serve_with(app, |it| it.stall_timeout(STALL_TIMEOUT));
    let client = shaken(address, "/pings");
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    let failed = ping_until_it_fails(&client);
    assert!(
        matches!(failed, BrokenPipe | ConnectionAborted | ConnectionReset),
        "{failed}"
    );
    told.recv_timeout(PATIENCE).unwrap();
    drop(runtime);
}

/// Waits until a writer waits: its count moves no more.
async fn stands_still(sent: &AtomicUsize) -> usize {
    let mut before = 0;
    loop {
        time::sleep(Duration::from_millis(100)).await;
        match sent.load(Ordering::Relaxed) {
            now if now > 0 && now == before => return now,
            now => before = now,
        }
    }
}

#[test]
fn a_writer_goes_on_while_its_reader_answers_pings() {
    const MESSAGES: usize = 200;
    let sent = Arc::new(AtomicUsize::new(0));
    let counts = sent.clone();
    let session = move |upgrade: WebSocketUpgrade| {
        let counts = counts.clone();
        let session = async move |socket: WebSocket| {
            let (mut sender, mut receiver) = socket.split();
            let reads = wharf_async::spawn(async move {
                while let Some(Ok(_)) = receiver.next().await {
                    // It is polled behind the writer, which a ping wakes as well.
                    wharf_async::yield_now().await;
                }
            });
            for _ in 0..MESSAGES {
                sender.send(vec![7; 64 << 10].into()).await.unwrap();
                counts.fetch_add(1, Ordering::Relaxed);
            }
            sender.close().await.unwrap();
            reads.await.unwrap();
        };
        async { upgrade.protocols(["echo"]).on_upgrade(session) }
    };
    let (runtime, address) = serve(Router::new().route("/split", any(session)));
    runtime.block_on(async {
        let client = connect(address, "/split").await;
        let (mut sender, mut receiver) = client.split();
        // They come while the writer waits: the client takes nothing until they are sent.
        assert!(stands_still(&sent).await < MESSAGES);
        for _ in 0..100 {
            sender.send(Theirs::Ping("1".into())).await.unwrap();
        }
        let mut messages = 0;
        while messages < MESSAGES {
            let next = time::timeout(PATIENCE, receiver.next()).await.unwrap();
            messages += usize::from(next.unwrap().unwrap().is_binary());
        }
    });
}

/// Neither would go on, if the server took nothing more until the answer to the ping is out.
#[test]
fn who_reads_after_it_has_sent_all_is_read_though_the_answer_to_its_ping_waits() {
    const MESSAGES: usize = 400;
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = std::sync::Mutex::new(Some(tell));
    let sent = Arc::new(AtomicUsize::new(0));
    let counts = sent.clone();
    let session = move |upgrade: WebSocketUpgrade| {
        let (tell, counts) = (tell.lock().unwrap().take().unwrap(), counts.clone());
        let session = async move |socket: WebSocket| {
            let (mut sender, receiver) = socket.split();
            let sends = async move {
                for _ in 0..MESSAGES {
                    sender.send(vec![7; 64 << 10].into()).await.unwrap();
                    counts.fetch_add(1, Ordering::Relaxed);
                }
                sender
            };
            let receives = receiver.take(MESSAGES + 1).count();
            let (_sender, came) = tokio::join!(sends, receives);
            tell.send(came).unwrap();
        };
        async { upgrade.protocols(["echo"]).on_upgrade(session) }
    };
    let session = Arc::new(session);
    let app = Router::new().route("/both", any(move |upgrade| session(upgrade)));
    let (runtime, address) = serve(app);
    runtime.block_on(async {
        let talk = async {
            let mut client = connect(address, "/both").await;
            assert!(stands_still(&sent).await < MESSAGES);
            client.send(Theirs::Ping("1".into())).await.unwrap();
            for _ in 0..MESSAGES {
                let message = Theirs::binary(vec![7; 64 << 10]);
                client.send(message).await.unwrap();
            }
            let mut messages = 0;
            while messages < MESSAGES {
                let next = client.next().await.unwrap().unwrap();
                messages += usize::from(next.is_binary());
            }
            told.await.unwrap()
        };
        let came = time::timeout(2 * PATIENCE, talk).await;
        // With the ping.
        assert_eq!(came.expect("it goes on"), MESSAGES + 1);
    });
}

#[test]
fn bounds_of_what_waits_to_be_written_that_do_not_agree_are_made_to() {
    for (write_buffer, max) in [(100 << 20, 1), (usize::MAX, usize::MAX)] {
        let session = move |upgrade: WebSocketUpgrade| async move {
            let upgrade = upgrade.write_buffer_size(write_buffer);
            let upgrade = upgrade.max_write_buffer_size(max);
            upgrade.protocols(["echo"]).on_upgrade(echo)
        };
        let (runtime, address) = serve(Router::new().route("/echo", any(session)));
        runtime.block_on(async {
            let talk = time::timeout(PATIENCE, talk(connect(address, "/echo").await));
            talk.await.expect("it echoes");
        });
    }
}
