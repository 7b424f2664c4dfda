//! What a handler logs carries its client: each client has a span, where the program's subscriber wants it.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt::{Debug, Write as _},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use wharf_server::{Client, Dial, Server};

const GUARD: Duration = Duration::from_secs(30);

static SPANS_ARE_WANTED: AtomicBool = AtomicBool::new(true);

thread_local! {
    static ENTERED: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the fields of the spans, and of each event of the handler the span that it came in.
#[derive(Default)]
struct Log {
    last: AtomicU64,
    spans: Mutex<HashMap<u64, String>>,
    events: Mutex<Vec<(String, String)>>,
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(Log::default)
}

struct ToLog;

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for ToLog {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        match metadata.is_span() {
            true => {
                assert_eq!(
                    (metadata.target(), metadata.name()),
                    ("wharf_server::span", "client")
                );
                SPANS_ARE_WANTED.load(Ordering::SeqCst)
            }
            false => metadata.target() == "handler",
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        assert!(span.is_root() && *span.metadata().level() == Level::DEBUG);
        let id = log().last.fetch_add(1, Ordering::SeqCst) + 1;
        let mut fields = String::new();
        span.record(&mut Text(&mut fields));
        log().spans.lock().unwrap().insert(id, fields);
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut spans = log().spans.lock().unwrap();
        values.record(&mut Text(spans.get_mut(&span.into_u64()).unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut Text(&mut text));
        let within = ENTERED.with_borrow(|entered| entered.last().copied());
        let span = within.map(|id| log().spans.lock().unwrap()[&id].clone());
        let mut events = log().events.lock().unwrap();
        events.push((span.unwrap_or_default(), text));
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        let left = ENTERED.with_borrow_mut(Vec::pop);
        assert_eq!(left, Some(span.into_u64()));
    }

    fn try_close(&self, span: Id) -> bool {
        log().spans.lock().unwrap().remove(&span.into_u64());
        true
    }
}

fn exchange(peer: &mut TcpStream) {
    peer.set_read_timeout(Some(GUARD)).unwrap();
    peer.write_all(b"a").unwrap();
    peer.read_exact(&mut [0]).unwrap();
}

/// What was logged, in which span.
fn taken() -> Vec<(String, String)> {
    std::mem::take(&mut *log().events.lock().unwrap())
}

#[test]
fn what_a_handler_logs_carries_its_client() {
    tracing::subscriber::set_global_default(ToLog).unwrap();
    let builder = Server::builder().listen("127.0.0.1:0".parse().unwrap());
    let builder = builder.proxy_protocol_from(vec!["127.0.0.2/32".parse().unwrap()]);
    let server = builder.serve(|client: &Client, bytes| {
        tracing::info!(target: "handler", "ahoy");
        client.send(bytes)
    });
    let server = server.unwrap();
    let address = server.local_addr();
    let said = |span: String| vec![(span, " message=ahoy".to_owned())];

    let mut peer = TcpStream::connect(address).unwrap();
    exchange(&mut peer);
    let own = peer.local_addr().unwrap();
    assert_eq!(
        taken(),
        said(format!(" id=1 listener={address} peer={own}"))
    );

    // One that is dialled.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    server.dial(Dial::to(there).unwrap()).unwrap();
    let mut dialled = listener.accept().unwrap().0;
    exchange(&mut dialled);
    assert_eq!(taken(), said(format!(" id=2 dialled={there} peer={there}")));

    // One that comes while it is not wanted has none, and the first still has.
    SPANS_ARE_WANTED.store(false, Ordering::SeqCst);
    let mut other = TcpStream::connect(address).unwrap();
    exchange(&mut other);
    assert_eq!(taken(), said(String::new()));
    exchange(&mut peer);
    assert_eq!(
        taken(),
        said(format!(" id=1 listener={address} peer={own}"))
    );

    // It ends with the client.
    drop((peer, dialled, other));
    server.stop(GUARD);
    drop(listener);
    let begun = std::time::Instant::now();
    while !log().spans.lock().unwrap().is_empty() {
        assert!(begun.elapsed() < GUARD, "a span is left");
        std::thread::yield_now();
    }
}
