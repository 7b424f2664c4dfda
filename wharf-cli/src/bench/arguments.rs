//! What `wharf bench` takes on its command line, and within which bounds.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{
    http_path::{Also, parse_path},
    pace::Skew,
    service::Service,
    threshold::Threshold,
    workers_range::WorkersRange,
};
use crate::{
    exit,
    framing::Framing,
    help,
    quantity::{parse_count, parse_duration, parse_rate},
    serve::Driver,
    work::Kind,
};

/// No more requests than one in a nanosecond: their times are told no finer.
const RATE_MAX_HZ: f64 = 1e9;

/// Bytes in a request, unless it is told.
const SIZE: u64 = 64;

const EXAMPLES: &[help::Example] = &[
    (
        "wharf bench",
        "Start an echo server on this machine, and load it for 5 seconds with 64 connections",
    ),
    (
        "wharf bench 192.0.2.1:21000 -c 1000 --rate 50k --fail-if 'p99>2ms'",
        "50,000 requests a second to another machine; exit code 3 if the 99th percentile is above 2 ms",
    ),
    (
        "wharf bench 192.0.2.1:8080 --http / --rate 10k --also 1:/slow",
        "GET requests to an HTTP server, 1% of them for another path, whose latencies are told apart",
    ),
    (
        "wharf bench --work exp:1ms --kind sleep -c 128 --json",
        "Handlers that sleep for 1 ms on average; print the figures as JSON",
    ),
];

const UNITS: &str = "Units: counts, sizes and rates take k, M, G, Ki, Mi and Gi, as in 50k or 16KiB. Times take ns, us, ms, s, m, h and \
                     d, and sums of them, as in 1.5s or 1m30s.";

const SIGNALS: &str = match cfg!(windows) {
    true => {
        "Stop: the first Ctrl-C or Ctrl-Break ends the run, with a report of what was measured until then. The second one \
             ends it at once."
    }
    false => {
        "Stop: the first SIGINT or SIGTERM ends the run, with a report of what was measured until then. The second one ends \
              it at once."
    }
};

// What `bench` takes. Of a comment for rustdoc, clap would make a text of its own.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = help::examples(EXAMPLES),
    after_long_help = help::long(exit::Command::Bench, &[UNITS, SIGNALS], EXAMPLES)
)]
pub struct Arguments {
    /// The server, as ADDRESS:PORT or NAME:PORT [default: a server that bench starts itself]
    ///
    /// The addresses of a name are tried in turn, until connections can be made. Without an address, bench starts `wharf serve`
    /// on a free port of this machine, and stops it at the end.
    pub(super) address: Option<String>,

    /// Number of connections
    #[arg(short, long, value_name = "N", default_value = "64", value_parser = within(1, 1 << 20))]
    pub(super) connections: u64,

    /// How long to measure [default: 5s, or with -n until all requests are done]
    #[arg(short, long, value_name = "TIME", value_parser = some_time)]
    pub(super) duration: Option<Duration>,

    /// How many requests to make in all, those of --warmup too; with -d, the run ends when either is reached
    #[arg(short = 'n', long, value_name = "N", value_parser = within(1, u64::MAX))]
    pub(super) requests: Option<u64>,

    /// Bytes in a request; with --post, in its body [default: 64]
    #[arg(long, value_name = "BYTES", value_parser = within(1, 64 << 20))]
    pub(super) size: Option<u64>,

    /// Send frames, for a server that cuts what it receives into frames (`serve --frames`)
    ///
    /// A request is a frame of --size bytes, with the length before it or the mark behind it.
    #[arg(long, value_enum, default_value_t = Framing::None, conflicts_with = "work")]
    pub(super) frames: Framing,

    /// Requests under way on a connection at the same time
    #[arg(long, value_name = "N", default_value = "1", value_parser = within(1, 65_536))]
    pub(super) pipeline: u64,

    /// How long to make load before measuring [default: 500ms, or 0s with -n]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) warmup: Option<Duration>,

    /// Threads that make the load [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = within(1, 1_024))]
    pub(super) threads: Option<u64>,

    /// Open loop: make this many requests a second in all, at random times (Poisson)
    ///
    /// The latency of a request counts from when it should have left. A request takes a random connection that has room for
    /// it; if none has, the request waits. Without a rate the loop is closed: each answer causes the next request, so a server
    /// that stalls also stops the load.
    #[arg(long, value_name = "RATE", value_parser = some_rate)]
    pub(super) rate: Option<f64>,

    /// Some connections make most of the load, as in 8:90: 8 connections make 90% of the requests
    #[arg(long, value_name = "N:PERCENT", requires = "rate")]
    pub(super) skew: Option<Skew>,

    /// Close each connection after this many requests, and make a new one
    ///
    /// The time to connect is part of the latency.
    #[arg(long, value_name = "N", conflicts_with = "rate", value_parser = within(1, u64::MAX))]
    pub(super) per_connection: Option<u64>,

    /// Ask for service times with the protocol of `serve --app work`: exp:MEAN, fixed:TIME or bimodal:MEAN
    ///
    /// Each request asks for a service time from this distribution: exponential, always the same, or bimodal (90% of the
    /// requests take half of the mean, 10% take 5.5 times the mean).
    #[arg(long, value_name = "DISTRIBUTION", conflicts_with = "size")]
    pub(super) work: Option<Service>,

    /// What the handler does for the service time
    #[arg(long, value_enum, default_value = "spin", requires = "work")]
    pub(super) kind: Kind,

    /// Make HTTP/1.1 requests for this path, for an HTTP server at ADDRESS
    ///
    /// The requests are GET. Each answer must have status 200, and the same body as the first one. A connection is kept until an
    /// answer ends it; then another is made in its place.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["frames", "work"], value_parser = parse_path)]
    pub(super) http: Option<String>,

    /// Make POST requests with a body of --size bytes, which must be the body of the answer, too
    #[arg(long, requires = "http")]
    pub(super) post: bool,

    /// The body that each answer must have, for a server that answers --post with other bytes, or to be stricter with GET
    #[arg(long, value_name = "TEXT", requires = "http")]
    pub(super) answer: Option<String>,

    /// GET another path in this percentage of the requests, at random, as in 1:/slow or 0.5:/slow
    ///
    /// The latencies of that path are told in a line of their own. All other latencies, and those of --fail-if, are of the path of
    /// --http. The rate counts both.
    #[arg(long, value_name = "PERCENT:PATH", requires = "http")]
    pub(super) also: Option<Also>,

    /// Exit with code 3 if a figure is out of bounds, as in 'p99>2ms'
    ///
    /// Figures are p50, p90, p99, p99.9, mean, max, rate and errors. May be given several times.
    #[arg(long, value_name = "CONDITION")]
    pub(super) fail_if: Vec<Threshold>,

    /// Print the figures as JSON
    #[arg(long)]
    pub(super) json: bool,

    /// Print no progress and no report, only errors, and what --json prints
    #[arg(short, long)]
    pub(super) quiet: bool,

    /// How long to wait for the last answers after -d
    ///
    /// In a run that ends with -n: how long a request may be under way while no other answer comes.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub(super) drain_timeout: Duration,

    /// How long an attempt to connect may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = some_time)]
    pub(super) connect_timeout: Duration,

    /// How long a request may be under way [default: until the run ends]
    ///
    /// A request without an answer in this time counts as timed out, and its connection is closed.
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(super) timeout: Option<Duration>,

    /// Make a connection again after it was lost
    ///
    /// The first attempt comes at once, the next ones less and less often, down to one a second. Without this option, an open
    /// loop moves its load to the other connections.
    #[arg(long)]
    pub(super) reconnect: bool,

    /// Repeat the random arrival and service times of another run with the same number [default: a random number]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,

    /// Also report what this process uses: for a server on this machine
    #[arg(long, value_name = "PID", requires = "address")]
    pub(super) server_pid: Option<u32>,

    /// Without ADDRESS: workers of the server [default: as `serve`]
    #[arg(long, value_name = "N", conflicts_with = "address", value_parser = within(1, 4_096))]
    pub(super) workers: Option<u64>,

    /// Without ADDRESS: most workers of the server, while handlers are blocked [default: as `serve`]
    #[arg(long, value_name = "N", conflicts_with = "address", value_parser = within(1, 4_096))]
    pub(super) max_workers: Option<u64>,

    /// Without ADDRESS: concurrency of the server [default: as `serve`]
    #[arg(long, value_name = "N", conflicts_with = "address", value_parser = within(1, 1_024))]
    pub(super) concurrency: Option<u64>,

    /// Without ADDRESS: driver of the server [default: as `serve`]
    #[arg(long, value_enum, conflicts_with = "address")]
    pub(super) driver: Option<Driver>,

    /// Measure servers with different numbers of workers, as in 1..64
    ///
    /// The numbers are the powers of 2 in this range and both ends. Each server is measured under much load (a closed loop on
    /// -c connections) and under little load (200 requests a second), five times, each time for -d [default: 1s].
    #[arg(
        long,
        value_name = "FROM..TO",
        conflicts_with_all = ["address", "workers", "max_workers", "requests", "rate", "work", "http", "per_connection", "fail_if"]
    )]
    pub(super) sweep_workers: Option<WorkersRange>,

    /// Draw the result of --sweep-workers into this file
    #[arg(long, value_name = "FILE", requires = "sweep_workers")]
    pub(super) svg: Option<PathBuf>,
}

impl Arguments {
    /// The bytes of a request, or of its body.
    pub(super) fn size(&self) -> usize {
        self.size.unwrap_or(SIZE) as usize
    }
}

/// A count that is neither below nor above what makes sense.
fn within(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync {
    move |text| match parse_count(text)? {
        count if count < least => Err(format!("{count} is below the least, {least}")),
        count if count > most => Err(format!("{count} is above the most, {most}")),
        count => Ok(count),
    }
}

fn some_time(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("nothing comes to anything in no time; use 1s or more".into()),
        duration => Ok(duration),
    }
}

fn some_rate(text: &str) -> Result<f64, String> {
    let rate_hz = parse_rate(text)?;
    if rate_hz > RATE_MAX_HZ {
        return Err(format!(
            "{rate_hz} requests a second are more than one in a nanosecond; use 1G or less"
        ));
    }
    Ok(rate_hz)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bench::server_address::check_address, quantity::show_duration, work::SERVICE_MAX};

    #[test]
    fn whatever_is_written_is_read_or_refused() {
        const PIECES: [&str; 30] = [
            "",
            "0",
            "1",
            "9",
            "50",
            "00000",
            "18446744073709551615",
            ".",
            "_",
            "-",
            "+",
            ":",
            "::",
            "://",
            "/",
            "[",
            "]",
            "%",
            ">",
            "<",
            " ",
            "s",
            "ms",
            "m",
            "d",
            "k",
            "Gi",
            "p99",
            "µs",
            "\u{1F600}",
        ];
        let mut random = fastrand::Rng::with_seed(13);
        for _ in 0..200_000 {
            let text: String = (0..random.usize(..8))
                .map(|_| PIECES[random.usize(..PIECES.len())])
                .collect();
            if let Ok(count) = parse_count(&text) {
                assert!(count <= 1 << 53, "{text}");
            }
            if let Ok(rate_hz) = some_rate(&text) {
                assert!(rate_hz > 0.0 && rate_hz <= RATE_MAX_HZ, "{text}");
            }
            if let Ok(time) = some_time(&text) {
                assert!(!time.is_zero(), "{text}");
                // However long it is, it can be shown.
                let _ = show_duration(time);
            }
            let _ = check_address(&text);
            let _ = text.parse::<Skew>();
            let _ = text.parse::<Threshold>();
            let _ = text.parse::<Also>();
            let _ = text.parse::<WorkersRange>();
            for name in ["exp", "fixed", "bimodal"] {
                if let Ok(service) = format!("{name}:{text}").parse::<Service>() {
                    assert!(service.longest() <= SERVICE_MAX, "{text}");
                }
            }
        }
    }
}
