//! What the manual of `wharf-async` ("from tokio") says of axum's features and of layers: what works as it is, what panics for want
//! of tokio's context, and what works with the feature `tokio`.

#![allow(missing_docs)]

use std::{
    convert::Infallible,
    io::{Read, Write},
    net::{SocketAddr, TcpStream as StdStream},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    error_handling::HandleErrorLayer,
    extract::{ConnectInfo, Path, Query, State, WebSocketUpgrade},
    http::{Request, StatusCode},
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use futures_util::{SinkExt, StreamExt, stream};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::Message;
use tower::ServiceExt;
use wharf_async::{
    Builder, Handle, Runtime,
    net::{TcpListener, TcpStream},
};

fn builder() -> Builder {
    Runtime::builder().concurrency(2).threads(2..=16)
}

/// Without tokio's context.
fn runtime() -> Runtime {
    let builder = builder().tokio_context(false);
    builder.build().expect("a runtime")
}

fn with_tokio() -> Runtime {
    builder().build().expect("a runtime")
}

/// Serves a router until the runtime stops.
fn serve(runtime: &Runtime, app: Router) -> SocketAddr {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
    let listener = listener.expect("an address");
    let address = listener.local_addr();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    runtime
        .spawn(async move { wharf_axum::serve(listener, app).await })
        .detach();
    address
}

/// Sends a request, and reads until the server closes.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = StdStream::connect(address).expect("a connection");
    stream.write_all(request.as_bytes()).expect("it is there");
    let mut answer = Vec::new();
    // A reset is an answer, too: of a connection whose task panicked.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get_of(address: SocketAddr, path: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: it\r\norigin: there\r\nconnection: close\r\n\r\n");
    ask(address, &request)
}

#[test]
fn extractors_and_layers_without_timers_work() {
    #[derive(Clone)]
    struct Known(&'static str);
    let layers = tower::ServiceBuilder::new()
        .layer(tower_http::trace::TraceLayer::new_for_http())
        .layer(tower_http::cors::CorsLayer::permissive())
        .concurrency_limit(2);
    let shedding = tower::ServiceBuilder::new()
        .layer(HandleErrorLayer::new(|_: tower::BoxError| async {
            StatusCode::SERVICE_UNAVAILABLE
        }))
        .load_shed();
    let query = |Query(pairs): Query<Vec<(String, u32)>>| async move { Json(pairs) };
    let app = Router::new()
        .route("/path/{it}", get(|Path(it): Path<String>| async { it }))
        .route("/query", get(query))
        .route(
            "/state",
            get(|State(Known(it)): State<Known>| async move { it }),
        )
        .route(
            "/peer",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }),
        )
        .route("/echo", post(|body: Body| async { body }))
        .route("/sse", get(|| async { Sse::new(events()) }))
        .layer(layers)
        .layer(shedding)
        .with_state(Known("known"));
    let runtime = runtime();
    let address = serve(&runtime, app);
    for (path, expected) in [
        ("/path/here", "here"),
        ("/query?a=1", "[[\"a\",1]]"),
        ("/state", "known"),
        ("/peer", "127.0.0.1"),
        ("/sse", "data: ahoy"),
    ] {
        let answer = get_of(address, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        assert!(answer.contains(expected), "{path}: {answer}");
        assert!(answer.contains("access-control-allow-origin"), "{answer}");
    }
    let request =
        "POST /echo HTTP/1.1\r\nhost: it\r\ncontent-length: 4\r\nconnection: close\r\n\r\nahoy";
    assert!(ask(address, request).ends_with("ahoy"));
}

fn events() -> impl stream::Stream<Item = Result<Event, Infallible>> + Send + 'static {
    stream::iter([Ok(Event::default().data("ahoy"))])
}

/// Ours needs no context; axum's has it from the side runtime.
#[test]
fn events_are_kept_alive() {
    let millisecond = Duration::from_millis(1);
    let two = move || {
        let late = stream::once(async move {
            wharf_async::time::sleep(20 * millisecond).await;
            Ok::<_, Infallible>(Event::default().data("late"))
        });
        events().chain(late)
    };
    let ours = move || async move {
        Sse::new(wharf_axum::sse::KeepAlive::new(two()).interval(millisecond))
    };
    let theirs =
        move || async move { Sse::new(two()).keep_alive(KeepAlive::new().interval(millisecond)) };
    let runtimes = [
        (runtime(), "/ours"),
        (with_tokio(), "/ours"),
        (with_tokio(), "/theirs"),
    ];
    for (runtime, path) in runtimes {
        let app = Router::new().route("/ours", get(ours));
        let address = serve(&runtime, app.route("/theirs", get(theirs)));
        let answer = get_of(address, path);
        let (before, after) = answer.split_once("data: ahoy\n\n").expect("the first");
        let is_comment = |line: &str| line.trim_end() == ":";
        assert!(!before.lines().any(is_comment), "{path}: {answer}");
        let (between, _) = after.split_once("data: late").expect("the second");
        assert!(between.lines().any(is_comment), "{path}: {answer}");
    }
}

/// The layers and features that ask for tokio's context, each behind a path.
fn timed() -> Router {
    let hello = || async { "hello" };
    let erring = || {
        HandleErrorLayer::new(|error: tower::BoxError| async move {
            (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        })
    };
    let timeout = tower_http::timeout::TimeoutLayer::with_status_code(
        StatusCode::REQUEST_TIMEOUT,
        Duration::from_secs(30),
    );
    let tower_timeout = tower::ServiceBuilder::new()
        .layer(erring())
        .timeout(Duration::from_secs(30));
    let files = tower_http::services::ServeDir::new(env!("CARGO_MANIFEST_DIR"));
    let keep_alive = || async { Sse::new(events()).keep_alive(KeepAlive::default()) };
    Router::new()
        .route("/timeout", get(hello).layer(timeout))
        .route("/tower-timeout", get(hello).layer(tower_timeout))
        .route("/sse", get(keep_alive))
        .nest_service("/files", files)
}

const TIMED: [&str; 4] = ["/timeout", "/tower-timeout", "/sse", "/files/Cargo.toml"];

#[test]
fn layers_with_timers_panic_without_tokios_context() {
    let runtime = runtime();
    for path in TIMED {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let task = runtime.spawn(async move {
            let response = timed().oneshot(request).await.expect("no failure");
            let _ = response.into_body().collect().await;
        });
        let error = runtime.block_on(task).expect_err(path);
        let panic = error.try_into_panic().expect(path);
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        let text = text.expect(path);
        assert!(text.contains("no reactor running"), "{path}: {text}");
    }
}

#[test]
fn buffers_and_rate_limits_of_tower_panic_without_tokios_context() {
    let runtime = runtime();
    let service = || tower::service_fn(|(): ()| async { Ok::<(), tower::BoxError>(()) });
    let buffer = runtime.spawn(async move { drop(tower::buffer::Buffer::new(service(), 1)) });
    let limited = runtime.spawn(async move {
        let rate = tower::ServiceBuilder::new().rate_limit(1, Duration::from_secs(30));
        let _ = rate.service(service()).oneshot(()).await;
    });
    for task in [buffer, limited] {
        let error = runtime.block_on(task).expect_err("it panics");
        assert!(error.is_panic(), "{error}");
    }
}

#[test]
fn layers_with_timers_work_with_tokios_context() {
    let runtime = with_tokio();
    // It is made in the context, as in a program whose `main` is within `block_on`.
    let app = runtime.block_on(async { timed() });
    let address = serve(&runtime, app);
    for path in TIMED {
        let answer = get_of(address, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
}

/// What the manual says of time-outs: the first handler is ready when its call comes back, and the second has yet to wait.
#[test]
fn a_time_out_ends_what_waits_and_not_what_blocks() {
    let runtime = with_tokio();
    let block = || std::thread::sleep(Duration::from_millis(20));
    let waits = move || async move {
        block();
        std::future::pending::<()>().await;
    };
    let (late, short) = (StatusCode::REQUEST_TIMEOUT, Duration::from_millis(1));
    let timeout = tower_http::timeout::TimeoutLayer::with_status_code(late, short);
    let app = Router::new().route("/blocks", get(move || async move { block() }));
    let address = serve(&runtime, app.route("/waits", get(waits)).layer(timeout));
    for (path, status) in [("/blocks", "200"), ("/waits", "408")] {
        let answer = get_of(address, path);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {answer}"
        );
    }
    let ended = runtime.block_on(wharf_async::time::timeout(short, async move { block() }));
    assert_eq!(ended, Ok(()));
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nhost: it\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn web_sockets() -> Router {
    Router::new().route(
        "/ws",
        get(|upgrade: WebSocketUpgrade| async {
            upgrade.on_upgrade(|mut socket| async move {
                while let Some(Ok(message)) = socket.recv().await {
                    if socket.send(message).await.is_err() {
                        break;
                    }
                }
            })
        }),
    )
}

#[test]
fn axums_web_sockets_panic_without_tokios_context() {
    let runtime = runtime();
    let address = serve(&runtime, web_sockets());
    assert_eq!(ask(address, UPGRADE), "", "the task panics");
}

/// Sends a message over a client of tokio-tungstenite's, on a stream of ours.
async fn echoes(stream: TcpStream) -> Option<Message> {
    let client = tokio_tungstenite::client_async("ws://it/ws", stream).await;
    let (mut client, _) = client.expect("a handshake");
    client.send("ahoy".into()).await.expect("it is there");
    client.next().await.and_then(Result::ok)
}

#[test]
fn axums_web_sockets_work_with_tokios_context() {
    let runtime = with_tokio();
    let address = serve(&runtime, web_sockets());
    let task = runtime.spawn(async move {
        let stream = TcpStream::connect(address).await.expect("a connection");
        echoes(stream).await
    });
    let echo = runtime.block_on(task).expect("no panic");
    assert_eq!(echo, Some("ahoy".into()));
}

/// With hyper's traits, and its tasks on our executor.
#[test]
fn clients_of_hyper_work_over_streams() {
    use hyper::client::conn::{http1, http2};
    let hello = Router::new().route("/", get(|| async { "hello" }));
    let runtime = runtime();
    let address = serve(&runtime, hello);
    let request = || {
        let request = Request::get("http://it/").header("host", "it");
        request.body(Body::empty()).expect("a request")
    };
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (mut client, connection) = http1::handshake(stream).await.expect("a handshake");
        wharf_async::spawn(connection).detach();
        let answer = client.send_request(request()).await.expect("an answer");
        let body = answer.into_body().collect().await.expect("a body");
        assert_eq!(body.to_bytes(), "hello");

        let stream = TcpStream::connect(address).await.expect("a connection");
        let executor = wharf_async::hyper::Executor::current();
        let handshake = http2::handshake(executor, stream).await;
        let (mut client, connection) = handshake.expect("a handshake");
        wharf_async::spawn(connection).detach();
        let answer = client.send_request(request()).await.expect("an answer");
        let body = answer.into_body().collect().await.expect("a body");
        assert_eq!(body.to_bytes(), "hello");
    });
}

/// As reqwest is made: a stream of tokio's, a connection that is a task of tokio's, and a time-out by tokio's timer. The handler blocks, and
/// what waits for it is not on a thread that does.
#[test]
fn clients_on_tokio_work_with_its_context() {
    let sleeps = || async { std::thread::sleep(Duration::from_millis(20)) };
    let runtime = with_tokio();
    let address = serve(&runtime, Router::new().route("/", get(sleeps)));
    let task = runtime.spawn(async move {
        let stream = tokio::net::TcpStream::connect(address).await;
        let stream = TokioIo::new(stream.expect("a connection"));
        let handshake = hyper::client::conn::http1::handshake(stream).await;
        let (mut client, connection) = handshake.expect("a handshake");
        tokio::spawn(connection);
        let request = Request::get("/").header("host", "it").body(Body::empty());
        let asks = client.send_request(request.expect("a request"));
        let answer = tokio::time::timeout(Duration::from_secs(20), asks).await;
        answer.expect("in time").expect("an answer").status()
    });
    assert_eq!(runtime.block_on(task).expect("no panic"), StatusCode::OK);
}

/// They work, and their connections are tokio's; without the context they don't begin.
#[test]
fn axums_own_serve_needs_tokios_context() {
    let hello = || Router::new().route("/", get(|| async { thread_name() }));
    let listener = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
        listener.set_nonblocking(true).expect("an option");
        listener
    };
    let runtime = runtime();
    let task = runtime.spawn(async move { drop(tokio::net::TcpListener::from_std(listener())) });
    assert!(runtime.block_on(task).expect_err("no context").is_panic());

    let runtime = with_tokio();
    let listener = listener();
    let address = listener.local_addr().expect("an address");
    let task = runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        axum::serve(listener, hello()).await
    });
    let answer = get_of(address, "/");
    assert!(answer.ends_with("wharf-tokio"), "{answer}");
    drop(task);
}

fn thread_name() -> String {
    let thread = std::thread::current();
    thread.name().unwrap_or_default().to_owned()
}

#[test]
fn tungstenite_works_over_streams() {
    let runtime = runtime();
    let echo = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let address = listener.local_addr();
        let server = wharf_async::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            let server = tokio_tungstenite::accept_async(stream).await;
            let mut server = server.expect("a handshake");
            let message = server.next().await.expect("a message").expect("no failure");
            server.send(message).await.expect("it is there");
        });
        let stream = TcpStream::connect(address).await.expect("a connection");
        let echo = echoes(stream).await;
        server.await.expect("no panic");
        echo
    });
    assert_eq!(echo, Some("ahoy".into()));
}

/// `tokio::spawn` of a handler's is another matter than a task of ours.
#[test]
fn handlers_spawn_tasks() {
    let app = Router::new().route(
        "/",
        get(|| async {
            let known = Handle::current().is_some();
            let told = wharf_async::spawn(async move { known.to_string() }).await;
            told.expect("no panic")
        }),
    );
    let runtime = runtime();
    let address = serve(&runtime, app);
    assert!(get_of(address, "/").ends_with("true"));
}
