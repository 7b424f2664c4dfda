//! What a run is to do: the arguments, checked and made definite before anything is started.

use std::{thread, time::Duration};

use super::{
    arguments::Arguments,
    content::Content,
    http::Http,
    pace::{Pace, Skew},
    server_address::check_address,
};
use crate::system::open_files_max;

/// How long a run measures unless it is told.
const DURATION: Duration = Duration::from_secs(5);
/// How long it warms up before.
const WARMUP: Duration = Duration::from_millis(500);

/// Files that are open beside the connections: ports, rings, standard streams.
const OTHER_FILES: u64 = 64;

/// What a run is to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) connections: usize,
    pub(super) threads: usize,
    /// Requests that may be under way on a connection.
    pub(super) pipeline: usize,
    pub(super) pace: Pace,
    pub(super) warmup: Duration,
    /// How long to measure; without it, until the requests are used up.
    pub(super) duration: Option<Duration>,
    /// How many requests to send in all.
    pub(super) requests: Option<u64>,
    /// How many requests a connection makes before it is replaced.
    pub(super) per_connection: Option<u64>,
    /// How long to wait for answers after the end.
    pub(super) drain_timeout: Duration,
    /// How long an attempt to connect may take.
    pub(super) connect_timeout: Duration,
    /// How long a request may be under way before its connection is given up.
    pub(super) timeout: Option<Duration>,
    /// Whether lost connections are made again.
    pub(super) reconnect: bool,
    pub(super) seed: u64,
}

impl Plan {
    /// Works out a plan. The error is one of usage, with the remedy.
    pub(super) fn new(arguments: &Arguments) -> Result<Plan, String> {
        let connections = arguments.connections as usize;
        if let Some(address) = &arguments.address {
            check_address(address)?;
        }
        if let Some(skew) = arguments.skew
            && skew.connections >= connections
        {
            return Err(format!(
                "--skew makes {} of {connections} connections hot; leave at least one cold, or open more with -c",
                skew.connections
            ));
        }
        arguments.frames.check(arguments.size())?;
        check_http(arguments)?;
        check_open_files(connections)?;
        let processors = thread::available_parallelism().map_or(1, |count| count.get());
        let threads = arguments.threads.map_or(processors, |count| count as usize);
        Ok(Plan {
            connections,
            threads: threads.min(connections),
            pipeline: arguments.pipeline as usize,
            pace: match arguments.rate {
                None => Pace::Closed,
                Some(rate_hz) => Pace::Open {
                    rate_hz,
                    skew: arguments.skew,
                },
            },
            warmup: arguments.warmup.unwrap_or(match arguments.requests {
                None => WARMUP,
                Some(_) => Duration::ZERO,
            }),
            duration: match (arguments.duration, arguments.requests) {
                (None, None) => Some(DURATION),
                (duration, _) => duration,
            },
            requests: arguments.requests,
            per_connection: arguments.per_connection,
            drain_timeout: arguments.drain_timeout,
            connect_timeout: arguments.connect_timeout,
            timeout: arguments.timeout,
            reconnect: arguments.reconnect,
            seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..)),
        })
    }

    /// What its requests are made of.
    pub(super) fn content(arguments: &Arguments) -> Content {
        let size = arguments.size();
        match (arguments.work, &arguments.http, &arguments.address) {
            (Some(service), ..) => Content::Work {
                service,
                kind: arguments.kind,
            },
            (None, Some(path), Some(server)) => Content::Http(Box::new(Http::new(
                server,
                path,
                arguments.post.then_some(size),
                arguments.answer.as_deref(),
                arguments.also.as_ref(),
            ))),
            _ => Content::echo(arguments.frames, size),
        }
    }

    /// The connections of a thread: which of the first are hot is told by their number.
    pub(super) fn share(&self, thread: usize) -> impl Iterator<Item = usize> + use<> {
        (thread..self.connections).step_by(self.threads)
    }

    /// A few connections that carry most of the load, if there are such.
    pub(super) fn skew(&self) -> Option<Skew> {
        match self.pace {
            Pace::Open { skew, .. } => skew,
            Pace::Closed => None,
        }
    }

    /// Of which stream of an open loop a connection is: 1 for a hot one, 0 for any other.
    pub(super) fn stream_of(&self, number: usize) -> usize {
        usize::from(self.skew().is_some_and(|skew| number < skew.connections))
    }
}

/// Whether there is a server for requests over HTTP, and nothing is asked for that they don't have.
fn check_http(arguments: &Arguments) -> Result<(), String> {
    let Some(path) = &arguments.http else {
        return Ok(());
    };
    match (&arguments.address, arguments.size) {
        (None, _) => Err(format!(
            "--http needs an HTTP server, and the server that bench starts itself is none; name one as ADDRESS:PORT, as in \
             wharf bench 127.0.0.1:8080 --http {path}"
        )),
        (_, Some(size)) if !arguments.post => Err(format!(
            "--size {size} is the size of a body, and a GET request has none; leave it out, or use --post"
        )),
        _ => Ok(()),
    }
}

/// Raises the limit of open files, and says so if that is not enough.
fn check_open_files(connections: usize) -> Result<(), String> {
    let needed = connections as u64 + OTHER_FILES;
    // Where it can't be raised, what there is may do.
    let _ = wharf_server::raise_open_files();
    match open_files_max() {
        Some(limit) if limit < needed => Err(format!(
            "{connections} connections need {needed} open files, and the limit is {limit}; use fewer with -c, or raise \
             the hard limit (ulimit -Hn)"
        )),
        _ => Ok(()),
    }
}
