//! `wharf serve`: the server, from its first line to its last.

mod echo;
mod frames;
mod listening;
mod metrics;
mod recorder;
mod tls;
mod work;

use std::{
    io,
    net::IpAddr,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use wharf::DriverChoice;
use wharf_server::{
    Client, Ended, Handler, IpNet, OpenFiles, Report, Server, Settings, StartError,
    codec::{Codec, Delimited, Fixed, Lines},
    raise_open_files,
};

use self::{
    echo::Echo,
    frames::Frames,
    listening::{Place, Proxies},
    metrics::Endpoint,
    work::Work,
};
use crate::{
    exit,
    framing::{FIXED_BYTES, Framing},
    help,
    output::{self, OUTPUT},
    quantity::{parse_count, parse_duration, show_bytes},
    snapshot_table,
    system::{Signal, watch_signals},
    work::SERVICE_MAX,
};

pub const EXAMPLES: &[help::Example] = &[
    (
        "wharf serve",
        "An echo server for this machine alone, on port 21000. Stop it with Ctrl-C",
    ),
    (
        "wharf serve --listen 0.0.0.0:21000 --max-clients 1000 --idle-timeout 5m --stats 10s",
        "For other machines, with limits, and a line of statistics every 10 seconds",
    ),
    (
        "wharf serve --app work --workers 4 --max-workers 64",
        "Handlers that compute or sleep: load it with `wharf bench ADDRESS --work fixed:10ms`",
    ),
];

// What `serve` takes. A default that depends on the machine is worked out by the library. Of a comment for rustdoc, clap would
// make a text of its own.
#[derive(Debug, Args)]
#[command(
    after_help = help::examples(EXAMPLES),
    after_long_help = help::long(exit::Command::Serve, &[&memory_note(), SIGNALS], EXAMPLES)
)]
pub struct Arguments {
    /// What to listen on: ADDRESS:PORT or NAME:PORT, on Unix also unix:PATH or systemd; port 0 means any free port
    ///
    /// May be given several times. A name may have several addresses: each one that can be bound is used, and at least one has to be.
    /// [::] also takes IPv4, unless 0.0.0.0 with the same port is given too. unix:PATH is a local socket: one that is left there by
    /// a server that has ended is replaced. systemd means the sockets that a socket unit hands over (LISTEN_FDS).
    /// By default only this machine can connect. The reason: an echo server that is open to the internet can be abused, because it
    /// answers to addresses that a sender has forged.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:21000", value_parser = listening::parse)]
    listen: Vec<Place>,

    /// Let other servers listen at the same TCP addresses (SO_REUSEPORT, not on Windows); the kernel shares the connections out
    ///
    /// Each of them needs this option, and belongs to the same user. A server that ends resets the connections that it has not
    /// accepted yet.
    #[arg(long)]
    reuse_port: bool,

    /// Where proxies are that speak the PROXY protocol, as in 192.0.2.0/24, or unix for all on local sockets [default: nowhere]
    ///
    /// May be given several times. A client from there begins with a header, of version 1 or 2, which has to come within 5s; its
    /// address is the one in the header, also for --max-clients-per-address. A client from elsewhere that sends a header is closed.
    #[arg(long, value_name = "RANGE", value_parser = listening::parse_proxies)]
    proxy_protocol_from: Vec<Proxies>,

    /// Where to tell a load balancer by HTTP whether new clients are welcome: ADDRESS:PORT, NAME:PORT or unix:PATH [default: nowhere]
    ///
    /// The answer is 200 while the server is ready, and 503 as soon as it is to stop: see --drain-delay. Each server needs an address of
    /// its own, also with --reuse-port.
    #[arg(long, value_name = "ADDRESS", value_parser = listening::parse_health)]
    health: Option<Place>,

    /// With --health: how long a stop goes on as before after it has told that no new clients are welcome
    ///
    /// Longer than the load balancer takes to notice. Then the server stops accepting, and closes its clients.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = time)]
    drain_delay: Duration,

    /// Where to tell metrics by HTTP, in Prometheus' text format: ADDRESS:PORT, NAME:PORT or unix:PATH [default: nowhere]
    ///
    /// It is not encrypted, and tells how busy the server is: let it be an address that only the monitoring reaches. The page
    /// wharf_server::manual::metrics of the documentation lists the metrics. What takes times costs some percent of an echo.
    #[arg(long, value_name = "ADDRESS", value_parser = listening::parse_health)]
    metrics: Option<Place>,

    #[command(flatten)]
    tls: tls::Arguments,

    /// What to do with the bytes that clients send
    #[arg(long, value_enum, default_value_t = AppChoice::Echo)]
    app: AppChoice,

    /// With `--app echo`: cut what clients send into frames, and send back each frame when it is whole
    ///
    /// A client whose bytes are no frame is closed. Load it with `wharf bench ADDRESS --frames` and the same framing.
    #[arg(long, value_enum, default_value_t = Framing::None)]
    frames: Framing,

    /// With --frames: the longest frame, with the length before it or the mark behind it [default: 65536]
    ///
    /// A client that sends a longer one is closed. A frame that arrives in pieces uses up to twice as much memory.
    #[arg(long, value_name = "BYTES", value_parser = bytes(16))]
    max_frame: Option<u32>,

    /// With --frames: close a client that has sent a part of a frame and not the rest for this long [default: never]
    ///
    /// However it comes: a client that sends a byte now and then is closed too, up to half of the time later.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    frame_timeout: Option<Duration>,

    /// With `--app work`: the longest service time that a request may ask for, at most 10s
    ///
    /// A client that asks for more is closed. Clients take turns: a turn ends after 20ms, or after --work-max if that is
    /// shorter, but not before one request is done. So when N clients ask at the same time, the last one waits for N x --work-max /
    /// --concurrency, and a new client waits up to twice as long: 1 s for 100 clients on two processors with 20ms.
    #[arg(long, value_name = "DURATION", default_value = "20ms", value_parser = work_max)]
    work_max: Duration,

    /// Worker threads at the start [default: --concurrency + 1]
    ///
    /// With one more worker than --concurrency, one handler may block and another worker runs in its place.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    workers: Option<u32>,

    /// Most worker threads [default: 64, or --workers if that is more]
    ///
    /// The pool grows one worker at a time, while packets wait and handlers are blocked. A worker that is idle for some seconds
    /// ends. If this many handlers are blocked at the same time, the server makes no progress until one of them returns.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    max_workers: Option<u32>,

    /// The concurrency value of the completion port: how many workers run at the same time
    ///
    /// 0 means as many as the processors that this process may use. More workers would only take turns on the processors.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1024))]
    concurrency: u32,

    /// How to talk to the kernel
    #[arg(long, value_enum, default_value_t = Driver::Auto)]
    driver: Driver,

    /// Bytes in a receive buffer
    ///
    /// A client has a buffer only while it has data. The default holds several TCP segments, and is smaller than what a memory
    /// allocator treats as a large block. With --tls-cert a buffer has at least 16,645 bytes: a whole record.
    #[arg(long, value_name = "BYTES", default_value_t = 15_000, value_parser = bytes(1))]
    buffer: u32,

    /// Most clients at the same time; more of them wait in the backlog
    ///
    /// A waiting client gets in when another one leaves. A client that does not read its answers is closed after
    /// --stall-timeout (or up to half of it later), an idle one after --idle-timeout if that is set. The default fits into the
    /// memory of a laptop. If the limit of open files is lower, accepting pauses at that limit.
    #[arg(long, value_name = "N", default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    max_clients: u32,

    /// Connections that the kernel holds until they are accepted
    ///
    /// The default takes a burst of clients. On Linux, sysctl net.core.somaxconn is an upper limit.
    #[arg(long, value_name = "N", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    backlog: u32,

    /// Close a client that neither sends nor receives for this long, such as 90s or 5m [default: never]
    ///
    /// By default idle clients stay: one costs little memory, and TCP keep-alive finds peers that are gone.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    idle_timeout: Option<Duration>,

    /// Close a client that does not read its answers for this long
    ///
    /// The server does not read from such a client in the meantime, so the memory that it uses is bounded. In the default time,
    /// TCP tries many times to reach a peer, so a short failure of the network closes no client.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    stall_timeout: Duration,

    /// Most clients at the same time from one address (IPv6: from one /64) [default: see --help]
    ///
    /// More clients from there are closed at once. [default: no limit if the server listens on a loopback address, and none for
    /// peers that connect over loopback; else a sixteenth of --max-clients, so that no single address can use all of them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    max_clients_per_address: Option<u32>,

    /// Addresses without the limit per address, such as 192.0.2.0/24 for proxies
    ///
    /// May be given several times.
    #[arg(long, value_name = "RANGE", value_parser = range)]
    exempt: Vec<IpNet>,

    /// How long a stop waits for operations under way before it closes the clients
    ///
    /// The default is shorter than service managers wait, and long enough for clients that read their answers.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = time)]
    stop_timeout: Duration,

    /// Print a line of statistics at this interval, such as 1s [default: never]
    ///
    /// On Unix, the signal SIGUSR1 prints the table of workers at any time.
    #[arg(long, value_name = "DURATION", value_parser = stats_period)]
    stats: Option<Duration>,

    /// Also stop when standard input ends
    ///
    /// So the server never outlives a program that has started it with a pipe.
    #[arg(long)]
    stop_with_stdin: bool,
}

const SIGNALS: &str = match cfg!(windows) {
    true => {
        "Stop: the first Ctrl-C or Ctrl-Break stops the server in order. The second one ends it at once."
    }
    false => {
        "Stop: the first SIGINT or SIGTERM stops the server in order. The second one ends it at once. With --tls-cert, SIGHUP reads the \
         files of TLS again."
    }
};

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AppChoice {
    /// Send them back
    Echo,
    /// Read them as requests for a service time (see `bench --work`)
    Work,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Driver {
    /// The best one that the kernel allows; if io_uring is refused, a log message says so
    Auto,
    /// Linux: readiness by epoll, and transfers in batches through io_uring
    Uring,
    /// Linux: readiness by epoll, and a system call for each transfer
    Readiness,
    /// Windows: the kernel's I/O completion port
    Windows,
}

/// What all clients together can have the server keep: the toolkit's bound, and the bytes of cut frames of `work`.
fn memory_bytes_max(settings: &Settings) -> usize {
    let cut_frames = settings.clients_max.saturating_mul(settings.buffer_bytes);
    settings.memory_bytes_max().saturating_add(cut_frames)
}

/// The figure is worked out, and so is true of the settings as they are.
fn memory_note() -> String {
    let mut defaults = Settings::default();
    defaults.dials_max = 0;
    format!(
        "Memory: all clients together use at most --max-clients x (6 x --buffer + 10 KiB), and 64 MiB for the program itself. \
         With the defaults this is {}. An idle client uses less than 1 KiB. With --tls-cert, a buffer has at least 16,645 bytes, each client may use \
         100 KiB more, and each handshake under way 256 KiB. With --frames, each client may use 3 x --max-frame more; and where frames are large, what glibc's allocator keeps of freed \
         memory for each thread comes on top (with MALLOC_ARENA_MAX=1 in the environment it keeps much less). Memory that the kernel uses for connections comes \
         on top; on Linux, sysctl net.ipv4.tcp_mem bounds it.",
        show_bytes(memory_bytes_max(&defaults) as f64, "B")
    )
}

/// Reads a time that is added to the clock's.
fn time(text: &str) -> Result<Duration, String> {
    const LONGEST_DAYS: u64 = 1_000;
    let time = parse_duration(text)?;
    if time > Duration::from_secs(LONGEST_DAYS * 24 * 3_600) {
        return Err(format!(
            "`{text}` is longer than {LONGEST_DAYS} days: use that or less"
        ));
    }
    Ok(time)
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = time(text)?;
    if duration.is_zero() {
        return Err("0 would cut every client; leave the option out for no limit".into());
    }
    Ok(duration)
}

/// Reads a size: so many bytes at least, and 64 MiB at most.
fn bytes(least: u32) -> impl Fn(&str) -> Result<u32, String> + Clone + Send + Sync {
    const MOST: u32 = 64 << 20;
    move |text| match u32::try_from(parse_count(text)?) {
        Ok(bytes) if (least..=MOST).contains(&bytes) => Ok(bytes),
        _ => Err(format!("use {least} bytes to 64Mi")),
    }
}

fn range(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
        format!(
            "`{text}` is no range of addresses; write 192.0.2.0/24, 2001:db8::/32 or one address"
        )
    })
}

fn stats_period(text: &str) -> Result<Duration, String> {
    const SHORTEST: Duration = Duration::from_millis(10);
    let period = time(text)?;
    if period < SHORTEST {
        return Err(format!(
            "the shortest period is {SHORTEST:?}: use that or more"
        ));
    }
    Ok(period)
}

fn work_max(text: &str) -> Result<Duration, String> {
    let longest = parse_duration(text)?;
    if longest.is_zero() {
        return Err("0 would refuse all work; 20ms is the default".into());
    }
    if longest > SERVICE_MAX {
        return Err(format!(
            "the protocol's longest time is {SERVICE_MAX:?}: use that or less"
        ));
    }
    Ok(longest)
}

impl Arguments {
    /// What the parser can't see, since it takes two options to be wrong.
    fn check(&self) -> Result<(), String> {
        let told = [
            ("--health", self.health.as_ref()),
            ("--metrics", self.metrics.as_ref()),
        ];
        listening::check(&self.listen, &told, self.reuse_port)?;
        self.tls.check()?;
        match (self.workers, self.max_workers) {
            (Some(workers), Some(max)) if max < workers => Err(format!(
                "--max-workers {max} is fewer than --workers {workers}, which is how many there are from the start; \
                 allow at least {workers}"
            )),
            _ if self.health.is_none() && !self.drain_delay.is_zero() => Err(
                "--drain-delay is for --health: without it nobody can see that the server is not ready; add --health ADDRESS"
                    .to_owned(),
            ),
            _ if matches!(self.app, AppChoice::Work) && self.frames != Framing::None => Err(
                "--frames is for `--app echo`: the requests of `--app work` are frames of their own; leave one of both out"
                    .to_owned(),
            ),
            _ if self.frames == Framing::None && self.frame_timeout.is_some() => Err(
                "--frame-timeout is for --frames: without it there are no frames; add --frames, or use --idle-timeout"
                    .to_owned(),
            ),
            _ if self.frames == Framing::None && self.max_frame.is_some() => Err(
                "--max-frame is for --frames: without it there are no frames; add --frames, or leave it out".to_owned(),
            ),
            _ => Ok(()),
        }
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.workers = self.workers.unwrap_or(0) as usize;
        settings.workers_max = self.max_workers.unwrap_or(0) as usize;
        settings.concurrency = self.concurrency as usize;
        settings.driver = match self.driver {
            Driver::Auto => DriverChoice::Auto,
            Driver::Uring => DriverChoice::Uring,
            Driver::Readiness => DriverChoice::Readiness,
            Driver::Windows => DriverChoice::Windows,
        };
        settings.buffer_bytes = self.buffer as usize;
        settings.unsent_bytes_max = settings.unsent_bytes_max.max(4 * settings.buffer_bytes);
        settings.clients_max = self.max_clients as usize;
        // It calls nobody.
        settings.dials_max = 0;
        settings.backlog = self.backlog;
        settings.idle_timeout = self.idle_timeout;
        settings.stall_timeout = Some(self.stall_timeout);
        settings.clients_per_address_max = self.max_clients_per_address.unwrap_or(0) as usize;
        settings.exempt_addresses = self.exempt.clone();
        if let Some(max_frame) = self.max_frame {
            settings.frame_bytes_max = max_frame as usize;
            // A frame is sent back whole, beside what the client has not taken yet.
            settings.unsent_bytes_max += max_frame as usize;
        }
        settings.frame_timeout = self.frame_timeout;
        for proxies in &self.proxy_protocol_from {
            proxies.add_to(&mut settings);
        }
        settings.drain_delay = self.drain_delay;
        self.tls.add_to(&mut settings);
        settings
    }
}

/// Why the main thread goes on.
enum Event {
    Signal(Signal),
    StdinEnded,
    Failed(io::Error),
}

/// What the server does with what its clients send.
trait App: Send + Sync + 'static {
    type Codec: Codec;

    /// As [`Handler::codec`].
    fn codec(&self) -> Self::Codec;

    /// As [`Handler::received`].
    fn received(
        &self,
        client: &Client,
        frame: <Self::Codec as Codec>::Frame<'_>,
    ) -> wharf_server::Result;

    /// As [`Handler::resumed`].
    fn resumed(&self, _client: &Client) {}

    /// The last call for a client.
    fn disconnected(&self, _client: &Client) {}
}

/// An app, and what every app needs told.
struct Served<A> {
    app: A,
    events: Mutex<mpsc::Sender<Event>>,
}

impl<A: App> Handler for Served<A> {
    type Session = ();
    type Codec = A::Codec;
    type Message = ();

    fn codec(&self) -> A::Codec {
        self.app.codec()
    }

    fn connected(&self, _: &Client) -> wharf_server::Result {
        Ok(())
    }

    fn received(
        &self,
        client: &Client,
        (): &mut (),
        frame: <A::Codec as Codec>::Frame<'_>,
    ) -> wharf_server::Result {
        self.app.received(client, frame)
    }

    fn resumed(&self, client: &Client, (): &mut ()) -> wharf_server::Result {
        self.app.resumed(client);
        Ok(())
    }

    fn panicked(&self, client: &Client, _: &str) {
        self.app.disconnected(client);
    }

    fn disconnected(&self, client: &Client, (): &mut (), ended: &Ended) {
        let why = match ended {
            Ended::Idle => "idle",
            Ended::Stalled => "it took none of its answers",
            Ended::SlowFrame => "the rest of a frame did not come",
            Ended::Truncated => "its connection ended before its TLS did",
            _ => "",
        };
        if !why.is_empty() {
            tracing::info!(client = client.id(), peer = %client.peer(), "cut: {why}");
        }
        self.app.disconnected(client);
    }

    fn failed(&self, error: &io::Error) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        // The receiver is gone once the server stops, and then it does not matter.
        let _ = events.send(Event::Failed(copy_of(error)));
    }
}

fn start(
    arguments: &Arguments,
    settings: &Settings,
    events: mpsc::Sender<Event>,
) -> Result<Server, StartError> {
    if let Some(lengths) = arguments.frames.lengths() {
        return start_app(settings, events, Frames(lengths));
    }
    match (arguments.app, arguments.frames) {
        (AppChoice::Work, _) => start_app(settings, events, Work::new(arguments.work_max)),
        (_, Framing::Lines) => start_app(settings, events, Frames(Lines::new())),
        (_, Framing::Zero) => start_app(settings, events, Frames(Delimited::new(b"\0"))),
        (_, Framing::Fixed) => start_app(settings, events, Frames(Fixed::new(FIXED_BYTES))),
        _ => start_app(settings, events, Echo),
    }
}

fn start_app(
    settings: &Settings,
    events: mpsc::Sender<Event>,
    app: impl App,
) -> Result<Server, StartError> {
    let events = Mutex::new(events);
    Server::start(settings, Served { app, events })
}

fn copy_of(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Runs the server until it is told to stop.
pub fn run(arguments: &Arguments) -> ExitCode {
    if let Err(wrong) = arguments.check() {
        return exit::fail(exit::USAGE, &wrong);
    }
    let listens = listening::listens(
        &arguments.listen,
        [arguments.health.as_ref(), arguments.metrics.as_ref()],
        arguments.reuse_port,
    );
    let (listen, [health, metrics]) = match listens {
        Ok(listens) => listens,
        Err(failed) => return failed,
    };
    let (events, event) = mpsc::channel();
    // Before the first line: a program that reads that line may send a signal at once.
    let told = events.clone();
    // It fails if the server has ended by itself.
    let tell = move |signal| drop(told.send(Event::Signal(signal)));
    if let Err(error) = output::start() {
        return exit::fail(exit::PORT, &format!("no thread for the output: {error}"));
    }
    let tls = match arguments.tls.server() {
        Ok(tls) => tls,
        Err(error) => return exit::fail(exit::USAGE, &error.to_string()),
    };
    if let Err(error) = watch_signals(tell, output::flush_at_once, tls.is_some()) {
        return exit::fail(exit::PORT, &format!("signals can't be watched: {error}"));
    }
    if arguments.stop_with_stdin
        && let Err(error) = watch_stdin(events.clone())
    {
        return exit::fail(
            exit::PORT,
            &format!("standard input can't be watched: {error}"),
        );
    }
    prepare_open_files(arguments.max_clients);
    let mut settings = arguments.settings();
    settings.listen = listen;
    settings.health = health;
    // Before the server, which tells the recorder that is there when it starts.
    let endpoint = match metrics.map(Endpoint::start).transpose() {
        Ok(endpoint) => endpoint,
        Err(error) => return exit::fail(exit::code_of(&error), &error.to_string()),
    };
    settings.metrics = endpoint.as_ref().map(|_| String::new());
    settings.tls.clone_from(&tls);
    let server = match start(arguments, &settings, events.clone()) {
        Ok(server) => server,
        Err(error) => return exit::fail(exit::code_of(&error), &error.to_string()),
    };
    drop(events);
    listening::say_where(&server, endpoint.as_ref());
    let failure = show_until_the_end(&server, &event, arguments, tls.as_ref());
    report(&server.stop(arguments.stop_timeout));
    match failure {
        None => ExitCode::SUCCESS,
        Some(error) => exit::fail(exit::ACCEPT, &format!("can't accept any more: {error}")),
    }
}

/// Prints what it is asked for until the server is to stop; says what failed, if that is why.
fn show_until_the_end(
    server: &Server,
    event: &mpsc::Receiver<Event>,
    arguments: &Arguments,
    tls: Option<&wharf_server::tls::Server>,
) -> Option<io::Error> {
    // There is no signal that would have it reloaded.
    #[cfg(windows)]
    let _ = tls;
    let mut next_line = arguments
        .stats
        .and_then(|period| Instant::now().checked_add(period));
    loop {
        let received = match next_line {
            None => event.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => event.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match received {
            Ok(Event::Signal(Signal::Stop { name, .. })) => {
                if !arguments.drain_delay.is_zero() {
                    tracing::info!(
                        "{name}: not ready any more, for {:?}",
                        arguments.drain_delay
                    );
                }
                tracing::info!("{name}: stopping, for {:?} at most", arguments.stop_timeout);
                return None;
            }
            #[cfg(unix)]
            Ok(Event::Signal(Signal::Table)) => {
                let columns = crate::wrap::Stream::Output.columns();
                OUTPUT.say(&snapshot_table::table(&server.snapshot(), columns));
            }
            #[cfg(unix)]
            Ok(Event::Signal(Signal::Reload)) => tls.into_iter().for_each(tls::reload),
            Ok(Event::StdinEnded) => {
                tracing::debug!("standard input has ended: stopping");
                return None;
            }
            Ok(Event::Failed(error)) => return Some(error),
            Err(RecvTimeoutError::Timeout) => {
                let clients = server.clients().len();
                OUTPUT.say_in_passing(&snapshot_table::line(&server.snapshot(), clients));
                // A period that was missed is left out.
                let now = Instant::now();
                let period = arguments.stats.unwrap_or(Duration::MAX);
                next_line = next_line.and_then(|at| Some(at.checked_add(period)?.max(now)));
            }
            Err(RecvTimeoutError::Disconnected) => {
                unreachable!("the signals' thread never ends")
            }
        }
    }
}

fn report(report: &Report) {
    if !report.workers_left.is_empty() {
        let names = report.workers_left.join(", ");
        tracing::warn!("left in their handlers: {names}");
    }
    OUTPUT.say(&format!(
        "stopped clients={} received={} sent={} cut={}",
        report.clients, report.received_bytes, report.sent_bytes, report.cut
    ));
}

/// Has the end of standard input stop the server in order.
fn watch_stdin(events: mpsc::Sender<Event>) -> io::Result<()> {
    let watch = move || {
        // What it says does not matter, nor how it ends.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = events.send(Event::StdinEnded);
    };
    thread::Builder::new().name("stdin".into()).spawn(watch)?;
    Ok(())
}

/// Raises the limit of open files as far as it goes, and says so where it is below what was asked for.
fn prepare_open_files(max_clients: u32) {
    let limits = raise_open_files().unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files can't be raised");
        OpenFiles::current()
    });
    if limits.soft < u64::from(max_clients) {
        tracing::warn!(
            "{} files may be open, fewer than the {max_clients} clients that --max-clients allows; raise the hard \
             limit (ulimit -Hn)",
            limits.soft
        );
    }
}
