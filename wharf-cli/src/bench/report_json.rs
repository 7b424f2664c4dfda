//! What a run came to, for programs.

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    arguments::Arguments,
    http::Http,
    outcome::{Outcome, per},
    pace::Pace,
    report::Report,
};
use crate::framing::Framing;

/// A report as one object.
pub(super) fn json(report: &Report) -> String {
    let (plan, outcome) = (report.plan, report.outcome);
    let (rate_offered_hz, skew) = match plan.pace {
        Pace::Closed => (None, None),
        Pace::Open { rate_hz, skew } => (Some(rate_hz), skew),
    };
    let object = json!({
        "address": report.address.to_string(),
        "mode": if rate_offered_hz.is_some() { "open" } else { "closed" },
        "connections": plan.connections,
        "connected": outcome.connected,
        "pipeline": plan.pipeline,
        "per_connection": plan.per_connection,
        "size_bytes": report.content.size(),
        "threads": plan.threads,
        "seed": plan.seed,
        "frames": frames(report.arguments),
        "work": work(report.arguments),
        "http": report.content.http().map(|http| self::http(http, outcome)),
        "skew": skew.map(|skew| json!({"connections": skew.connections, "share": skew.share})),
        "connect_timeout_s": plan.connect_timeout.as_secs_f64(),
        "timeout_s": plan.timeout.map(|timeout| timeout.as_secs_f64()),
        "warmup_s": plan.warmup.as_secs_f64(),
        "measured_s": outcome.measured.as_secs_f64(),
        "interrupted": outcome.interrupted,
        "rate_offered_hz": rate_offered_hz,
        "requests": outcome.requests,
        "unsent": outcome.unsent,
        "missing": outcome.missing,
        "timed_out": outcome.timed_out,
        "late": outcome.late,
        "unmade": outcome.unmade,
        "wrong": outcome.wrong,
        "lost": outcome.lost,
        "reconnected": outcome.reconnected,
        "down": outcome.down,
        "rate_hz": outcome.rate_hz(),
        "latency_ns": Times::of(&outcome.latency),
        "send_lag_ns": (!outcome.lag.is_empty()).then(|| Times::of(&outcome.lag)),
        "load": load(outcome),
        "server": server(report),
        "errors": errors(outcome),
    });
    format!("{object:#}\n")
}

/// How the requests are framed, if they are.
fn frames(arguments: &Arguments) -> Option<String> {
    (arguments.frames != Framing::None).then(|| arguments.frames.name())
}

/// What the requests ask for, if they ask for anything.
fn work(arguments: &Arguments) -> Option<Value> {
    let service = arguments.work?;
    Some(json!({
        "distribution": service.name(),
        "mean_us": service.mean().as_secs_f64() * 1e6,
        "kind": format!("{:?}", arguments.kind).to_lowercase(),
    }))
}

/// What was asked for over HTTP, and how much of it was answered.
fn http(http: &Http, outcome: &Outcome) -> Value {
    let also = http.also.as_ref().map(|(percent, target)| {
        let latency = &outcome.also_latency;
        json!({
            "path": target.path,
            "share": percent / 100.0,
            "requests": outcome.also_requests,
            "answer_bytes": target.answer_bytes(),
            "latency_ns": (!latency.is_empty()).then(|| Times::of(latency)),
        })
    });
    json!({
        "method": http.main.method,
        "path": http.main.path,
        "checked_against": http.main.checked_against(),
        "requests": outcome.requests - outcome.also_requests,
        "answer_bytes": http.main.answer_bytes(),
        "replaced": outcome.replaced,
        "also": also,
    })
}

/// What the load itself took, if that can be told.
fn load(outcome: &Outcome) -> Option<Value> {
    (!outcome.load.is_empty()).then(|| {
        json!({
            "cpu_s": outcome.load_total().as_secs_f64(),
            "busiest_thread": outcome.busiest(),
            "is_bottleneck": outcome.is_bottleneck(),
        })
    })
}

/// What the server took, if it was watched.
fn server(report: &Report) -> Option<Value> {
    let server = report.outcome.server?;
    let requests = report.outcome.requests as f64;
    Some(json!({
        "pid": server.pid,
        "cpu_s": server.processor.as_secs_f64(),
        "requests_per_cpu_s": per(requests, server.processor),
        "switches_per_request": report.switches_per_request(),
    }))
}

fn errors(outcome: &Outcome) -> Vec<Value> {
    let groups = outcome.errors.groups().into_iter();
    groups
        .map(|(what, count)| json!({"what": what, "count": count}))
        .collect()
}

/// A histogram in numbers, in nanoseconds.
#[derive(Debug, Serialize)]
struct Times {
    min: u64,
    mean: f64,
    p50: u64,
    p90: u64,
    p99: u64,
    p99_9: u64,
    max: u64,
}

impl Times {
    fn of(histogram: &Histogram<u64>) -> Self {
        Times {
            min: histogram.min(),
            mean: histogram.mean(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p99_9: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}
