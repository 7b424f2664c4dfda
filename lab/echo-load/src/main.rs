//! A load of echoes, each byte checked, on one thread, as `wharf bench -c N --size N` makes them: over TLS (row 21), by WebSockets (row 24), or
//! both. It is on tokio, and its TLS is tokio-rustls, whichever server it asks.
//!
//! `--make FOLDER` writes the certificate for all servers, which this load trusts and no other. What a run came to is printed as JSON, with the
//! names that `wharf bench --json` has.

mod connection;
mod web_socket;
// As the runner measures servers that it loads by itself.
#[path = "../../runner/src/processor_time.rs"]
mod processor_time;

use std::{
    cell::RefCell,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{self, ExitCode},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::{runtime::Builder, task::LocalSet, time::sleep};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, pem::PemObject},
};

use connection::Connection;

/// The name in the certificate.
const NAME: &str = "localhost";

/// A run that takes so much longer than it should hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Echoes over TLS and by WebSockets.
#[derive(Debug, Parser)]
#[command(name = "echo-load")]
struct Arguments {
    /// Writes cert.pem and key.pem there, and ends
    #[arg(long, value_name = "FOLDER")]
    make: Option<PathBuf>,

    /// The server
    #[arg(required_unless_present = "make")]
    address: Option<SocketAddr>,

    /// The certificate that it is to have; without, there is no TLS
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,

    /// Messages of a WebSocket, which is asked for there
    #[arg(long, value_name = "PATH")]
    ws: Option<String>,

    /// Connections
    #[arg(short, long, value_name = "N", default_value_t = 64)]
    connections: usize,

    /// Bytes of a message
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    size: usize,

    /// Ends a connection after so many echoes and makes another, with a whole handshake; 0 keeps it
    #[arg(long, value_name = "N", default_value_t = 0)]
    per_connection: u64,

    /// How long it measures, in milliseconds
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    turn_ms: u64,

    /// What goes before, and is not counted
    #[arg(long, value_name = "N", default_value_t = 100)]
    warmup_ms: u64,

    /// The server's process, whose processor time is told
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
}

/// What all connections of the load share.
#[derive(Debug)]
struct Shared {
    phase: Phase,
    /// Those that have had their first answer.
    ready: usize,
    echoes: u64,
    latency_ns: Histogram<u64>,
    failures: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Warmup,
    Measured,
    Over,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.make {
        Some(folder) => make(folder),
        None => load(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make(folder: &Path) -> Result<(), String> {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]);
    let made = made.map_err(|error| format!("no certificate can be made: {error}"))?;
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    };
    write("cert.pem", made.cert.pem())?;
    write("key.pem", made.signing_key.serialize_pem())
}

/// One that trusts the certificate. Each connection has a whole handshake.
fn config(cert: &Path) -> Result<ClientConfig, String> {
    let told = |error: &dyn ToString| format!("{}: {}", cert.display(), error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(cert).map_err(|error| told(&error))? {
        let certificate = certificate.map_err(|error| told(&error))?;
        roots.add(certificate).map_err(|error| told(&error))?;
    }
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn load(arguments: &Arguments) -> Result<(), String> {
    let address = arguments.address.ok_or("an address is needed")?;
    let config = arguments.cert.as_deref().map(config).transpose()?;
    let shared = Rc::new(RefCell::new(Shared {
        phase: Phase::Warmup,
        ready: 0,
        echoes: 0,
        latency_ns: Histogram::new_with_max(60_000_000_000, 3)
            .map_err(|error| error.to_string())?,
        failures: Vec::new(),
    }));
    let connection = Connection {
        address,
        config: config.map(Arc::new),
        ws: arguments.ws.clone(),
        size: arguments.size,
        per_connection: arguments.per_connection,
        shared: shared.clone(),
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let tasks = LocalSet::new();
    for number in 0..arguments.connections {
        tasks.spawn_local(connection.clone().run(number));
    }
    let run = tasks.run_until(measure(arguments, &shared));
    let figures = runtime.block_on(run)?;
    // Those who wait for an answer have it.
    shared.borrow_mut().phase = Phase::Over;
    runtime.block_on(async {
        let ended = tokio::time::timeout(PATIENCE, tasks).await;
        ended.map_err(|_| "an answer did not come".to_owned())
    })?;
    println!("{:#}", tell(&figures, &shared.borrow()));
    Ok(())
}

/// What the time of measuring came to.
struct Figures {
    measured: Duration,
    echoes: u64,
    server: Option<Duration>,
    own: Duration,
}

/// Of this process.
fn own_time() -> Result<Duration, String> {
    processor_time::of_process(process::id())
}

async fn measure(arguments: &Arguments, shared: &Rc<RefCell<Shared>>) -> Result<Figures, String> {
    let begun = Instant::now();
    while shared.borrow().ready < arguments.connections && shared.borrow().failures.is_empty() {
        sleep(Duration::from_millis(1)).await;
        if begun.elapsed() > PATIENCE {
            return Err("not all connections have had an answer".into());
        }
    }
    sleep(Duration::from_millis(arguments.warmup_ms)).await;
    let of_server = || {
        arguments
            .server_pid
            .map(processor_time::of_process)
            .transpose()
    };
    let (server, own, begun) = (of_server()?, own_time()?, Instant::now());
    shared.borrow_mut().phase = Phase::Measured;
    sleep(Duration::from_millis(arguments.turn_ms)).await;
    let measured = begun.elapsed();
    let (server_then, own_then) = (of_server()?, own_time()?);
    let echoes = shared.borrow().echoes;
    let server = server_then.zip(server).map(|(then, before)| {
        let used = then.checked_sub(before);
        used.ok_or("one of the server's threads has ended")
    });
    Ok(Figures {
        measured,
        echoes,
        server: server.transpose()?,
        own: own_then.saturating_sub(own),
    })
}

fn tell(figures: &Figures, shared: &Shared) -> serde_json::Value {
    let seconds = figures.measured.as_secs_f64();
    let at = |quantile| shared.latency_ns.value_at_quantile(quantile);
    json!({
        "rate_hz": figures.echoes as f64 / seconds,
        "requests": figures.echoes,
        "unsent": 0,
        "missing": 0,
        "wrong": 0,
        "latency_ns": {"p50": at(0.5), "p99": at(0.99)},
        "load": {"busiest_thread": figures.own.as_secs_f64() / seconds},
        "server": figures.server.map(|used| json!({
            "requests_per_cpu_s": figures.echoes as f64 / used.as_secs_f64(),
            "switches_per_request": null,
        })),
        "errors": shared.failures.iter().map(|what| json!({"what": what, "count": 1})).collect::<Vec<_>>(),
    })
}
