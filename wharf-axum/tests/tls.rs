//! What `serve_tls` promises, to rustls' own client.

#[macro_use]
#[allow(unused_macros, reason = "these promises have no driver in them")]
mod harness;

use std::{
    fs,
    future::IntoFuture,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream as StdStream},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension, Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, Version},
    routing::get,
};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use socket2::SockRef;
use tokio::sync::oneshot;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, ClientConnection, RootCertStore, StreamOwned,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};
use wharf_async::{
    JoinHandle, Runtime,
    net::{TcpListener, TcpStream},
    time,
};
use wharf_axum::{
    Serve,
    tls::{Agreed, ClientCertificates, Identity, Pem, Server as Tls},
};

use harness::{Client, PATIENCE};

const NAME: &str = "localhost";

/// Who vouches for the others.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
struct Certified {
    certificate: String,
    key: String,
}

impl Certified {
    fn identity(&self) -> Identity {
        Identity::new(Pem::memory(&self.certificate), Pem::memory(&self.key))
    }

    fn der(&self) -> Vec<u8> {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        certificate.unwrap().to_vec()
    }
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Authority(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Vouches for somebody with this name.
    fn certify(&self, name: &str) -> Certified {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certified {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A client that trusts it, names these protocols, and may have a certificate.
    fn client(&self, alpn: &[&str], own: Option<&Certified>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                let chain = vec![CertificateDer::from(own.der())];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// A server on a runtime of its own, one worker of which runs at a time.
struct Server {
    address: SocketAddr,
    runtime: Runtime,
    serving: JoinHandle<io::Result<()>>,
    stop: oneshot::Sender<()>,
}

type App = axum::extract::connect_info::IntoMakeServiceWithConnectInfo<Router, SocketAddr>;

impl Server {
    fn start(tls: Tls, app: Router, set: impl FnOnce(Serve<App>) -> Serve<App>) -> Server {
        let runtime = Runtime::builder().concurrency(1).threads(1..=8);
        let runtime = runtime.build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let (stop, stopping) = oneshot::channel::<()>();
        let serve = set(wharf_axum::serve_tls(listener, tls, app));
        let serve = serve.with_graceful_shutdown(async { drop(stopping.await) });
        let serving = runtime.spawn(serve.into_future());
        Server {
            address,
            runtime,
            serving,
            stop,
        }
    }

    fn stop(self) {
        self.stop.send(()).unwrap();
        let ended = time::timeout(PATIENCE, self.serving);
        let ended = self.runtime.block_on(ended);
        ended.expect("it stops").unwrap().unwrap();
    }

    /// A connection whose handshake is done.
    fn connect(
        &self,
        config: &Arc<ClientConfig>,
    ) -> io::Result<StreamOwned<ClientConnection, StdStream>> {
        let stream = StdStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(NAME).unwrap();
        let connection = ClientConnection::new(config.clone(), name).unwrap();
        let mut peer = StreamOwned::new(connection, stream);
        peer.conn.complete_io(&mut peer.sock)?;
        Ok(peer)
    }
}

/// The answer of HTTP/1, on a connection of its own.
fn ask(server: &Server, config: &Arc<ClientConfig>, path: &str) -> io::Result<String> {
    let mut peer = server.connect(config)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n");
    peer.write_all(request.as_bytes())?;
    let mut answer = String::new();
    peer.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").expect("a head").1;
    Ok(body.to_owned())
}

/// What a handler knows of its client, in a line.
async fn facts(
    version: Version,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    agreed: Option<Extension<Arc<Agreed>>>,
) -> String {
    let Some(Extension(agreed)) = agreed else {
        return format!("{version:?} {} plain", peer.ip());
    };
    let alpn = agreed.alpn.as_deref().map(String::from_utf8_lossy);
    let name = agreed.server_name.as_deref().unwrap_or_default();
    let certificates = agreed.peer_certificates.len();
    let (ip, tls) = (peer.ip(), agreed.version);
    format!("{version:?} {ip} {tls} {alpn:?} {name} {certificates}")
}

fn app() -> Router {
    let blocks = || async { std::thread::sleep(Duration::from_millis(20)) };
    Router::new()
        .route("/", get(facts))
        .route("/blocks", get(blocks))
}

/// A server of this name, and its authority.
fn tls() -> (Tls, Authority) {
    let authority = Authority::new();
    let tls = Tls::builder(authority.certify(NAME).identity());
    (tls.build().unwrap(), authority)
}

#[test]
fn a_client_chooses_its_http_by_alpn_or_by_its_first_bytes() {
    let (tls, authority) = tls();
    let server = Server::start(tls, app(), |serve| serve);
    for (alpn, expected) in [(&["http/1.1"][..], "Some(\"http/1.1\")"), (&[][..], "None")] {
        let facts = ask(&server, &authority.client(alpn, None), "/").unwrap();
        let expected = format!("HTTP/1.1 127.0.0.1 TLS 1.3 {expected} localhost 0");
        assert_eq!(facts, expected);
    }
    for (alpn, expected) in [(&["http/1.1", "h2"][..], "Some(\"h2\")"), (&[][..], "None")] {
        let config = authority.client(alpn, None);
        let address = server.address;
        let facts = server.runtime.block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from(NAME).unwrap();
            let stream = TlsConnector::from(config).connect(name, stream).await;
            let executor = wharf_async::hyper::Executor::current();
            let stream = TokioIo::new(stream.unwrap());
            let made = hyper::client::conn::http2::handshake(executor, stream).await;
            let (mut client, connection) = made.unwrap();
            wharf_async::spawn(connection).detach();
            // It blocks, and the other is answered.
            let ask = |path: &str| {
                let request = Request::get(format!("https://localhost{path}"));
                client.send_request(request.body(Body::empty()).unwrap())
            };
            let [blocks, asks] = ["/blocks", "/"].map(ask);
            let answer = asks.await.unwrap();
            assert!(blocks.await.unwrap().status().is_success());
            answer.into_body().collect().await.unwrap().to_bytes()
        });
        let expected = format!("HTTP/2.0 127.0.0.1 TLS 1.3 {expected} localhost 0");
        assert_eq!(facts, expected.as_bytes());
    }
    server.stop();
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused() {
    let (tls, authority) = tls();
    let server = Server::start(tls, app(), |serve| serve);
    let refused = server.connect(&authority.client(&["smtp"], None));
    assert!(refused.is_err());
    server.stop();
    let builder = Tls::builder(authority.certify(NAME).identity());
    let error = builder.alpn(["h3"]).build().unwrap_err();
    assert!(error.to_string().contains("`h3`"), "{error}");
}

#[test]
fn plain_and_tls_are_served_beside_each_other() {
    let (tls, authority) = tls();
    let runtime = Runtime::builder().threads(1..=4).build().unwrap();
    let plain = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = plain.local_addr();
    let server = Server::start(tls, app(), |serve| serve.and(plain));
    let facts = ask(&server, &authority.client(&[], None), "/").unwrap();
    assert!(facts.contains("TLS 1.3"), "{facts}");
    let facts = Client::connect(address).get("/");
    assert_eq!(facts, "HTTP/1.1 127.0.0.1 plain");
    server.stop();
}

#[test]
fn a_handshake_that_is_not_done_in_time_costs_its_own_connection() {
    let timeout = Duration::from_millis(100);
    let (tls, authority) = tls();
    let server = Server::start(tls, app(), |serve| serve.tls_handshake_timeout(timeout));
    let start = Instant::now();
    let mut silent = Client::connect(server.address);
    let mut half = Client::connect(server.address);
    half.send(b"\x16\x03\x01");
    // One that is cut itself, since its own thread was late, does not count.
    while ask(&server, &authority.client(&[], None), "/").is_err() {
        assert!(start.elapsed() < PATIENCE, "nobody is served");
    }
    silent.expect_closed();
    half.expect_closed();
    assert!(start.elapsed() >= timeout);
    server.stop();
}

#[test]
fn what_is_no_tls_costs_its_own_connection() {
    let (tls, authority) = tls();
    let server = Server::start(tls, app(), |serve| serve);
    let mut plain = StdStream::connect(server.address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    ask(&server, &authority.client(&[], None), "/").unwrap();
    server.stop();
}

/// And who has its handshake behind it is none of them.
#[test]
fn the_oldest_handshake_ends_for_one_too_many() {
    let (tls, authority) = tls();
    let server = Server::start(tls, app(), |serve| serve.handshakes_at_most(1));
    let config = authority.client(&[], None);
    let mut done = server.connect(&config).unwrap();
    for _ in 0..4 {
        let mut silent = Client::connect(server.address);
        silent.send(b"\x16");
        // The second comes after the silent one was begun, if the first did not.
        for _ in 0..2 {
            ask(&server, &config, "/").unwrap();
        }
        silent.expect_closed();
    }
    let request = b"GET / HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n";
    done.write_all(request).unwrap();
    let mut answer = String::new();
    done.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop();
}

/// Else the oldest of those that wait would end for one of them.
#[test]
fn a_handshake_that_is_done_counts_no_more() {
    let (tls, authority) = tls();
    let server = Server::start(tls, app(), |serve| serve.handshakes_at_most(2));
    let config = authority.client(&[], None);
    // One that has failed. It may still be counted for a moment, as the oldest.
    let mut plain = Client::connect(server.address);
    plain.send("GET / HTTP/1.1\r\n\r\n");
    let _ = plain.stream().read_to_end(&mut Vec::new());
    let stream = StdStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    for _ in 0..4 {
        ask(&server, &config, "/").unwrap();
    }
    // It was begun before those that are done.
    let name = ServerName::try_from(NAME).unwrap();
    let connection = ClientConnection::new(config.clone(), name).unwrap();
    let mut waited = StreamOwned::new(connection, stream);
    let request = b"GET / HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n";
    waited.write_all(request).unwrap();
    let mut answer = String::new();
    waited.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop();
}

#[test]
fn settings_that_let_nobody_in_are_refused() {
    let none: fn(Serve<App>) -> Serve<App> = |serve| serve.handshakes_at_most(0);
    let no_time: fn(Serve<App>) -> Serve<App> = |serve| serve.tls_handshake_timeout(Duration::ZERO);
    for (set, name) in [
        (none, "handshakes_at_most"),
        (no_time, "tls_handshake_timeout"),
    ] {
        let server = Server::start(tls().0, app(), set);
        let ended = time::timeout(PATIENCE, server.serving);
        let ended = server.runtime.block_on(ended).expect("it serves");
        let error = ended.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn who_has_shaken_hands_and_asks_nothing_is_closed() {
    let timeout = Duration::from_millis(100);
    let (tls, authority) = tls();
    let server = Server::start(tls, app(), |serve| serve.header_timeout(timeout));
    for alpn in ["h2", "http/1.1"] {
        let mut peer = server.connect(&authority.client(&[alpn], None)).unwrap();
        let mut received = Vec::new();
        let _ = peer.read_to_end(&mut received);
        assert_eq!(received, b"", "{alpn}");
    }
    server.stop();
}

/// Neither one whose handshake is under way nor one that has asked nothing is waited for.
#[test]
fn a_stop_is_orderly() {
    let (tls, authority) = tls();
    let server = Server::start(tls, app(), |serve| serve);
    let mut silent = Client::connect(server.address);
    let mut idle = server.connect(&authority.client(&[], None)).unwrap();
    server.stop();
    silent.expect_closed();
    let mut received = Vec::new();
    let _ = idle.read_to_end(&mut received);
    assert_eq!(received, b"");
}

#[test]
fn a_reload_is_for_new_connections_and_wrong_files_change_nothing() {
    let authority = Authority::new();
    let (first, second) = (authority.certify(NAME), authority.certify(NAME));
    let folder = std::env::temp_dir().join(format!("wharf-axum-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    let write = |certified: &Certified| {
        fs::write(&chain, &certified.certificate).unwrap();
        fs::write(&key, &certified.key).unwrap();
    };
    write(&first);
    let tls = Tls::builder(Identity::files(&chain, &key)).build().unwrap();
    let server = Server::start(tls.clone(), app(), |serve| serve);
    let config = authority.client(&[], None);
    let shown = || {
        let peer = server.connect(&config).unwrap();
        peer.conn.peer_certificates().unwrap()[0].to_vec()
    };
    let mut old = server.connect(&config).unwrap();
    assert_eq!(shown(), first.der());

    write(&second);
    tls.reload().unwrap();
    assert_eq!(shown(), second.der());
    fs::write(&key, &first.key).unwrap();
    let error = tls.reload().unwrap_err();
    assert!(error.to_string().contains("key.pem"), "{error}");
    fs::write(&chain, "no PEM").unwrap();
    let error = tls.reload().unwrap_err();
    assert!(error.to_string().contains("chain.pem"), "{error}");
    fs::remove_dir_all(&folder).unwrap();
    tls.reload().unwrap_err();
    assert_eq!(shown(), second.der());

    let request = b"GET / HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n";
    old.write_all(request).unwrap();
    let mut answer = String::new();
    old.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop();
}

#[test]
fn clients_are_asked_for_certificates_and_handlers_see_them() {
    let authority = Authority::new();
    let roots = Pem::memory(authority.0.pem());
    let builder = Tls::builder(authority.certify(NAME).identity());
    let tls = builder.client_certificates(ClientCertificates::Required(roots));
    let server = Server::start(tls.build().unwrap(), app(), |serve| serve);
    let own = authority.certify("client");
    let facts = ask(&server, &authority.client(&[], Some(&own)), "/").unwrap();
    assert!(facts.ends_with("localhost 1"), "{facts}");
    ask(&server, &authority.client(&[], None), "/").expect_err("it has none");
    let other = Authority::new().certify("client");
    ask(&server, &authority.client(&[], Some(&other)), "/").expect_err("no one vouches");
    server.stop();
}

/// What is in flight is more for the system than for HTTP/2, and that it has arrived is seen nevertheless. The client allows more of an
/// answer as it takes it, which no socket may get that is closed.
#[test]
fn an_answer_that_is_taken_slowly_arrives_at_a_stop() {
    const LEN: usize = 3 << 20;
    let frame = |kind, stream, payload: &[u8]| {
        let len = u8::try_from(payload.len()).unwrap();
        [&[0, 0, len, kind, 5, 0, 0, 0, stream], payload].concat()
    };
    let (tls, authority) = tls();
    let app = Router::new().route("/", get(|| async { vec![7; LEN] }));
    let server = Server::start(tls, app, |serve| serve);
    let mut client = server.connect(&authority.client(&["h2"], None)).unwrap();
    SockRef::from(&client.sock)
        .set_recv_buffer_size(64 << 10)
        .unwrap();
    let window = [&[0, 4][..], &(1_u32 << 30).to_be_bytes()].concat();
    client
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0")
        .unwrap();
    client.write_all(&window).unwrap();
    client
        .write_all(&frame(8, 0, &(1_u32 << 30).to_be_bytes()))
        .unwrap();
    client
        .write_all(&frame(1, 1, &[0x82, 0x87, 0x84, 0x41, 1, b'a']))
        .unwrap();

    let (mut taken, mut stops) = (0, Some(server));
    let mut stopping = None;
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).unwrap();
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        client.read_exact(&mut payload).unwrap();
        if head[3] != 0 {
            continue;
        }
        taken += payload.len();
        if head[4] & 1 == 1 {
            break;
        }
        if let Some(server) = stops.take() {
            let stop = std::thread::spawn(|| server.stop());
            // It is longer than one has that is gone.
            std::thread::sleep(Duration::from_millis(1_500));
            stopping = Some(stop);
        }
        client
            .write_all(&frame(8, 1, &len.max(1).to_be_bytes()))
            .unwrap();
    }
    assert_eq!(taken, LEN);
    drop(client);
    stopping.unwrap().join().unwrap();
}
