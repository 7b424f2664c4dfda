//! What `wharf bench` takes on its command line, and within which bounds.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{pace::Skew, service::Service, threshold::Threshold, workers_range::WorkersRange};
use crate::{
    quantity::{parse_count, parse_duration, parse_rate},
    serve::Driver,
    work::Kind,
};

/// No more requests than one in a nanosecond: their times are told no finer.
const RATE_MAX_HZ: f64 = 1e9;

// What `bench` takes. Of a comment for rustdoc, clap would make a text of its own.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Counts, sizes and rates take k, M, G, Ki, Mi and Gi, as in 50k or 16KiB. Times take ns, us, ms, s, m, h and d, and \
                  sums of them, as in 1.5s or 1m30s.\n\n\
                  Exit codes:\n  \
                  0  done: something was answered, and nothing of what follows was so\n  \
                  1  could not run, or not as it was asked to: no answer in the measured time, connections\n     \
                  that could not be made or were lost (with --reconnect: could not be made again), or\n     \
                  figures that could not be printed\n  \
                  2  wrong usage, or a file to draw into that can't be written\n  \
                  3  a --fail-if was met\n  \
                  4  wrong bytes, or requests without an answer, or without one within --timeout\n\n\
                  The first SIGINT or SIGTERM (on Windows, Ctrl-C or Ctrl-Break) ends the run with the report of what was measured \
                  so far, and code 0 if all is well with that; the second ends it at once."
)]
pub struct Arguments {
    /// The server: ADDRESS:PORT, where the address is a number or a name. The addresses of a name are tried in turn, until
    /// connections can be made. Without it, a server of our own is started on a free port of this machine
    pub(super) address: Option<String>,

    /// Connections
    #[arg(short, long, value_name = "N", default_value = "64", value_parser = within(1, 1 << 20))]
    pub(super) connections: u64,

    /// How long to measure [default: 5s, or as long as -n takes]
    #[arg(short, long, value_name = "TIME", value_parser = some_time)]
    pub(super) duration: Option<Duration>,

    /// How many requests to make in all; with -d, whichever ends first
    #[arg(short = 'n', long, value_name = "N", value_parser = within(1, u64::MAX))]
    pub(super) requests: Option<u64>,

    /// Bytes in a request
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = within(1, 64 << 20))]
    pub(super) size: u64,

    /// Requests under way on a connection at once
    #[arg(long, value_name = "N", default_value = "1", value_parser = within(1, 65_536))]
    pub(super) pipeline: u64,

    /// How long to load before measuring [default: 500ms, or nothing with -n]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) warmup: Option<Duration>,

    /// Threads that make the load [default: as many as processors]
    #[arg(long, value_name = "N", value_parser = within(1, 1_024))]
    pub(super) threads: Option<u64>,

    /// Open loop: so many requests a second in all, at random times (Poisson), each measured from when it should have
    /// left. A request takes a connection that has room for it at random; if none has, it waits. Without a rate each
    /// answer sends the next request, and a server that stalls stalls the load, too
    #[arg(long, value_name = "RATE", value_parser = some_rate)]
    pub(super) rate: Option<f64>,

    /// So many connections make so much of the load, as in 8:90 for 8 of them and 90%
    #[arg(long, value_name = "N:PERCENT", requires = "rate")]
    pub(super) skew: Option<Skew>,

    /// Close each connection after so many requests, and make another. The time to connect counts
    #[arg(long, value_name = "N", conflicts_with = "rate", value_parser = within(1, u64::MAX))]
    pub(super) per_connection: Option<u64>,

    /// Speak the work protocol (`serve --app work`): each request asks for a service time, which is exp:MEAN,
    /// fixed:TIME or bimodal:MEAN (90% at half of it, 10% at 5.5 times)
    #[arg(long, value_name = "DISTRIBUTION", conflicts_with = "size")]
    pub(super) work: Option<Service>,

    /// How the server is to spend it
    #[arg(long, value_enum, default_value = "spin", requires = "work")]
    pub(super) kind: Kind,

    /// Fail if a figure is out of bounds, as in 'p99>2ms'. Figures are p50, p90, p99, p99.9, mean, max, rate and
    /// errors; may be given several times
    #[arg(long, value_name = "CONDITION")]
    pub(super) fail_if: Vec<Threshold>,

    /// Print the figures as JSON
    #[arg(long)]
    pub(super) json: bool,

    /// No progress, and no report: only errors, the exit code, and what --json prints
    #[arg(short, long)]
    pub(super) quiet: bool,

    /// How long to wait for the last answers after -d; in a run that -n ends, how long a request may be under way while nothing
    /// else is answered
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub(super) drain_timeout: Duration,

    /// How long an attempt to connect may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = some_time)]
    pub(super) connect_timeout: Duration,

    /// How long a request may be under way [default: as long as the run]. An answer that comes later counts as timed out, and
    /// its connection is given up
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(super) timeout: Option<Duration>,

    /// Make connections again that are lost: at once, then ever less often, down to once a second. Without it, an open loop
    /// leaves its load to those that live
    #[arg(long)]
    pub(super) reconnect: bool,

    /// Draw the same arrivals and service times as another run with this number
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,

    /// Also say what this process uses: the server, if it runs on this machine
    #[arg(long, value_name = "PID", requires = "address")]
    pub(super) server_pid: Option<u32>,

    /// Workers of our own server [default: as `serve`]
    #[arg(long, value_name = "N", conflicts_with = "address", value_parser = within(1, 4_096))]
    pub(super) workers: Option<u64>,

    /// Workers that our own server may grow to while handlers are blocked [default: as `serve`]
    #[arg(long, value_name = "N", conflicts_with = "address", value_parser = within(1, 4_096))]
    pub(super) max_workers: Option<u64>,

    /// Concurrency of our own server [default: as `serve`]
    #[arg(long, value_name = "N", conflicts_with = "address", value_parser = within(1, 1_024))]
    pub(super) concurrency: Option<u64>,

    /// Driver of our own server [default: as `serve`]
    #[arg(long, value_enum, conflicts_with = "address")]
    pub(super) driver: Option<Driver>,

    /// Measure servers of our own with so many workers, as in 1..64: the powers of 2 and both ends, each under much load
    /// (-c connections) and under little (200 requests a second), five times for -d [default: 1s]
    #[arg(
        long,
        value_name = "FROM..TO",
        conflicts_with_all = ["address", "workers", "max_workers", "requests", "rate", "work", "per_connection", "fail_if"]
    )]
    pub(super) sweep_workers: Option<WorkersRange>,

    /// Draw the sweep into this file
    #[arg(long, value_name = "FILE", requires = "sweep_workers")]
    pub(super) svg: Option<PathBuf>,
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
            let _ = text.parse::<WorkersRange>();
            for name in ["exp", "fixed", "bimodal"] {
                if let Ok(service) = format!("{name}:{text}").parse::<Service>() {
                    assert!(service.longest() <= SERVICE_MAX, "{text}");
                }
            }
        }
    }
}
