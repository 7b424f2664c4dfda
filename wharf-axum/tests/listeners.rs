//! What `serve` promises of several listeners, and of kinds of a program's own.

#[macro_use]
#[allow(unused_macros, reason = "these promises have no driver in them")]
mod harness;

use std::{
    future::IntoFuture,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{ConnectInfo, connect_info::Connected},
    routing::get,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    sync::{mpsc, oneshot},
};
use wharf_async::{Runtime, net::TcpListener, time};
use wharf_axum::{Accepted, Listener, Stream};

use harness::{Client, PATIENCE};

fn runtime() -> Runtime {
    let runtime = Runtime::builder().concurrency(1).threads(1..=8);
    runtime.build().unwrap()
}

async fn tcp() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr();
    (listener, address)
}

/// Connections within the program.
struct Pipes(tokio::sync::Mutex<mpsc::Receiver<DuplexStream>>);

/// One of them; `Sync`, which the pipe is not.
struct Pipe(Arc<Mutex<DuplexStream>>);

impl Listener for Pipes {
    type Stream = Pipe;
    type Address = &'static str;

    async fn accept(&self) -> io::Result<(Pipe, &'static str)> {
        match self.0.lock().await.recv().await {
            Some(pipe) => Ok((Pipe(Arc::new(Mutex::new(pipe))), "a pipe")),
            None => std::future::pending().await,
        }
    }
}

impl Stream for Pipe {}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_shutdown(context)
    }
}

/// Who has connected, by either.
#[derive(Clone)]
struct Peer(String);

impl Connected<Accepted<'_, TcpListener>> for Peer {
    fn connect_info(accepted: Accepted<'_, TcpListener>) -> Peer {
        Peer(accepted.peer.ip().to_string())
    }
}

impl Connected<Accepted<'_, Pipes>> for Peer {
    fn connect_info(accepted: Accepted<'_, Pipes>) -> Peer {
        Peer(accepted.peer.to_owned())
    }
}

#[test]
fn listeners_of_several_kinds_serve_the_same_and_stop_together() {
    let runtime = runtime();
    let (one, first) = runtime.block_on(tcp());
    let (other, second) = runtime.block_on(tcp());
    let (connect, pipes) = mpsc::channel(1);
    let peer = |ConnectInfo(Peer(peer)): ConnectInfo<Peer>| async move { peer };
    let app = Router::new().route("/", get(peer));
    let app = app.into_make_service_with_connect_info::<Peer>();
    let (stop, stopping) = oneshot::channel::<()>();
    let serve = wharf_axum::serve(one, app)
        .and(Pipes(tokio::sync::Mutex::new(pipes)))
        .and(other)
        .with_graceful_shutdown(async { drop(stopping.await) });
    assert_eq!(serve.local_addrs(), [first, second]);
    let serving = runtime.spawn(serve.into_future());

    let mut clients = [first, second].map(Client::connect);
    for client in &mut clients {
        assert_eq!(client.get("/"), "127.0.0.1");
    }
    let answer = runtime.block_on(async {
        let (mut near, far) = tokio::io::duplex(1024);
        connect.send(far).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n";
        near.write_all(request).await.unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        answer
    });
    assert!(answer.ends_with("\r\n\r\na pipe"), "{answer}");

    stop.send(()).unwrap();
    let ended = runtime.block_on(time::timeout(PATIENCE, serving));
    ended.expect("it stops").unwrap().unwrap();
    for mut client in clients {
        client.expect_closed();
    }
    for address in [first, second] {
        std::net::TcpStream::connect(address).expect_err("nobody listens");
    }
}

#[test]
fn a_listener_to_which_nobody_comes_takes_no_place_from_the_others() {
    let runtime = runtime();
    let (one, first) = runtime.block_on(tcp());
    let (other, second) = runtime.block_on(tcp());
    let app = Router::new().route("/", get(|| async { "ahoy" }));
    let serve = wharf_axum::serve(one, app).and(other);
    let serving = runtime.spawn(serve.connections_at_most(1).into_future());
    for address in [first, second, second, first] {
        assert_eq!(Client::connect(address).get("/"), "ahoy");
    }
    drop(serving);
}

/// It is a connection as any other: it may be behind TLS, and who is at its other end can be asked.
#[cfg(unix)]
#[test]
fn local_sockets_are_served_beside_tcp() {
    use std::os::unix::net::SocketAddr as LocalAddr;
    use wharf_async::net::{UnixListener, UnixStream};

    #[derive(Clone)]
    struct Process(u32);
    impl Connected<Accepted<'_, UnixListener>> for Process {
        fn connect_info(accepted: Accepted<'_, UnixListener>) -> Process {
            let told = accepted.stream.peer_cred().unwrap().pid().unwrap();
            Process(told.unsigned_abs())
        }
    }
    impl Connected<Accepted<'_, TcpListener>> for Process {
        fn connect_info(_: Accepted<'_, TcpListener>) -> Process {
            Process(0)
        }
    }
    let runtime = runtime();
    let path = std::env::temp_dir().join(format!("wharf-axum-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let (tcp, address) = runtime.block_on(tcp());
    let local = runtime.block_on(async { UnixListener::bind(&path) });
    let process = |ConnectInfo(Process(it)): ConnectInfo<Process>| async move { it.to_string() };
    let app = Router::new().route("/", get(process));
    let app = app.into_make_service_with_connect_info::<Process>();
    let (stop, stopping) = oneshot::channel::<()>();
    let serve = wharf_axum::serve(local.unwrap(), app).and(tcp);
    assert_eq!(serve.local_addrs(), [address]);
    let serve = serve.with_graceful_shutdown(async { drop(stopping.await) });
    let serving = runtime.spawn(serve.into_future());

    let answer = runtime.block_on(async {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    });
    let own = format!("\r\n\r\n{}", std::process::id());
    assert!(answer.ends_with(&own), "{answer}");
    assert_eq!(Client::connect(address).get("/"), "0");
    stop.send(()).unwrap();
    let ended = runtime.block_on(time::timeout(PATIENCE, serving));
    ended.expect("it stops").unwrap().unwrap();
    std::fs::remove_file(&path).unwrap();

    // The address of a local peer is told as that of one of IP is.
    fn takes<L: Listener, M: wharf_axum::MakeService<L>>(_: M) {}
    let app = Router::new().into_make_service_with_connect_info::<LocalAddr>();
    takes::<UnixListener, _>(app);
}

/// A listener of TCP whose first accepts fail so.
struct FailsFirst(TcpListener, Mutex<Vec<io::Error>>);

impl Listener for FailsFirst {
    type Stream = wharf_async::net::TcpStream;
    type Address = SocketAddr;

    async fn accept(&self) -> io::Result<(Self::Stream, SocketAddr)> {
        let error = self.1.lock().unwrap().pop();
        match error {
            Some(error) => Err(error),
            None => self.0.accept().await,
        }
    }
}

/// A subscriber that panics with each line, as one that prints does when its disk is full. It counts those that are above `info`.
struct Panics(Arc<AtomicUsize>);

impl tracing::Subscriber for Panics {
    fn enabled(&self, it: &tracing::Metadata<'_>) -> bool {
        it.target().starts_with("wharf_axum")
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, it: &tracing::Event<'_>) {
        let counts = *it.metadata().level() < tracing::Level::INFO;
        self.0.fetch_add(usize::from(counts), Ordering::Relaxed);
        panic!("the disk is full");
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Its line is of the level `warn`; and a subscriber that panics at it ends no server.
#[test]
fn that_there_is_no_room_is_told_in_the_log_once() {
    const SHORT: Duration = Duration::from_millis(50);
    let told = Arc::new(AtomicUsize::new(0));
    let tells = told.clone();
    let runtime = runtime();
    // `block_on` polls it on this thread, whose subscriber that is.
    tracing::subscriber::with_default(Panics(told.clone()), || {
        runtime.block_on(async {
            let (listener, address) = tcp().await;
            let (answered, stop) = oneshot::channel::<()>();
            let clients = thread::spawn(move || {
                let mut kept = Client::connect(address);
                assert_eq!(kept.get("/"), "ahoy");
                for _ in 0..3 {
                    let mut waits = Client::connect(address);
                    waits.ask("/");
                    let stream = waits.stream();
                    stream.set_read_timeout(Some(SHORT)).unwrap();
                    stream.peek(&mut [0]).expect_err("there is no place");
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let start = Instant::now();
                    while tells.load(Ordering::Relaxed) == 0 {
                        assert!(start.elapsed() < PATIENCE, "it is not told");
                        thread::yield_now();
                    }
                    drop(kept);
                    assert_eq!(waits.answer().text(), "ahoy");
                    kept = waits;
                }
                drop(answered);
            });
            let app = Router::new().route("/", get(|| async { "ahoy" }));
            let serving = wharf_axum::serve(listener, app).connections_at_most(1);
            let serving = serving.with_graceful_shutdown(async { drop(stop.await) });
            serving.await.unwrap();
            clients.join().unwrap();
        });
    });
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[test]
fn a_subscriber_that_panics_does_not_end_the_server() {
    let told = Arc::new(AtomicUsize::new(0));
    let panics = Panics(told.clone());
    let runtime = runtime();
    // `block_on` polls it on this thread, whose subscriber that is.
    tracing::subscriber::with_default(panics, || {
        runtime.block_on(async {
            let (listener, address) = tcp().await;
            let listener = FailsFirst(
                listener,
                Mutex::new(vec![io::Error::other("as a test wants it")]),
            );
            let (answered, stop) = oneshot::channel::<()>();
            let client = thread::spawn(move || {
                let text = Client::connect(address).get("/");
                drop(answered);
                text
            });
            let app = Router::new().route("/", get(|| async { "ahoy" }));
            let serving = wharf_axum::serve(listener, app).with_graceful_shutdown(async {
                let _ = stop.await;
            });
            serving.await.unwrap();
            assert_eq!(client.join().unwrap(), "ahoy");
        });
    });
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

/// A listener that fails for ever with what is a connection's error.
struct FailsForEver(mpsc::UnboundedSender<()>);

impl Listener for FailsForEver {
    type Stream = Pipe;
    type Address = ();

    async fn accept(&self) -> io::Result<(Pipe, ())> {
        let _ = self.0.send(());
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

/// It is not the connections' in truth, then: a worker would do nothing else, and no stop would be seen.
#[test]
fn a_listener_that_fails_for_ever_takes_no_worker_and_holds_no_stop() {
    let runtime = runtime();
    let (fails, mut failed) = mpsc::unbounded_channel();
    let serving = wharf_axum::serve(FailsForEver(fails), Router::new());
    let (stop, stopping) = oneshot::channel::<()>();
    let serving = serving.with_graceful_shutdown(async { drop(stopping.await) });
    let serving = runtime.spawn(serving.into_future());
    let ended = runtime.block_on(async {
        let fails = async { while failed.recv().await.is_some_and(|()| failed.is_empty()) {} };
        time::timeout(PATIENCE, fails).await.expect("it fails");
        drop(stop);
        time::timeout(PATIENCE, serving).await
    });
    ended.expect("it stops").unwrap().unwrap();
}

/// Errors that accept(2) has for a connection. With a pause of a second for each it would take longer.
#[cfg(target_os = "linux")]
#[test]
fn an_error_of_one_connection_makes_no_other_wait() {
    const FAILURES: u64 = 10;
    let runtime = runtime();
    // EPERM, ENONET, EPROTO, ENOPROTOOPT, EOPNOTSUPP, ENETDOWN, ENETUNREACH, ETIMEDOUT, EHOSTDOWN, EHOSTUNREACH
    let codes = [1, 64, 71, 92, 95, 100, 101, 110, 112, 113];
    let errors: Vec<_> = codes
        .into_iter()
        .map(io::Error::from_raw_os_error)
        .collect();
    assert_eq!(errors.len() as u64, FAILURES);
    let address = runtime.block_on(async {
        let (listener, address) = tcp().await;
        let listener = FailsFirst(listener, Mutex::new(errors));
        let app = Router::new().route("/", get(|| async { "ahoy" }));
        wharf_async::spawn(wharf_axum::serve(listener, app).into_future()).detach();
        address
    });
    let start = Instant::now();
    let mut client = Client::connect(address);
    client
        .stream()
        .set_read_timeout(Some(3 * PATIENCE))
        .unwrap();
    assert_eq!(client.get("/"), "ahoy");
    assert!(
        start.elapsed().as_secs() < FAILURES / 2,
        "{:?}",
        start.elapsed()
    );
}
