//! Debian's `h2load`, as the lab uses it: pinned, for so many requests, the server's processor time beside it. It checks that each answer has
//! a good status; how many bytes their bodies have together is checked here.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{load::Run, server::Server};

/// What is asked for, and how many bytes the body of its answer has.
const PATH: &str = "/hello";
const BODY_BYTES: u64 = 5;

/// What `/proc` counts in, for every architecture that Linux has.
const TICKS_HZ: u32 = 100;

/// One turn, by these words of `h2load`. It tells no percentiles: those are 0.
pub fn turn(processors: &str, server: &Server, scheme: &str, words: &str) -> Result<Run, String> {
    let (before, own_before) = (server.processor_time()?, of_children()?);
    let told = run(processors, server, scheme, words)?;
    let used = server.processor_time()?.checked_sub(before);
    let used = used.ok_or("one of the server's threads has ended")?;
    let own = of_children()?.saturating_sub(own_before);
    let answers = answered(&told)?;
    let body_bytes = body_bytes(&told).ok_or("it told of no bytes")?;
    if body_bytes != answers * BODY_BYTES {
        return Err(format!(
            "the bodies of {answers} answers have {body_bytes} bytes"
        ));
    }
    let (elapsed, rate_hz) = finished(&told).ok_or("it did not tell how long it took")?;
    Ok(Run {
        rate_hz,
        p50_ns: 0.0,
        p99_ns: 0.0,
        requests_per_cpu_s: answers as f64 / used.as_secs_f64(),
        switches_per_request: 0.0,
        busiest: own.as_secs_f64() / elapsed,
    })
}

/// What it tells.
fn run(processors: &str, server: &Server, scheme: &str, words: &str) -> Result<String, String> {
    let output = Command::new("taskset")
        .args(["-c", processors, "h2load", "-t", "1"])
        .args(words.split_whitespace())
        .arg(format!("{scheme}://{}{PATH}", server.address))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("can't start taskset: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let first = errors.lines().next().unwrap_or("it said nothing");
        return Err(format!(
            "{first}; Debian's package nghttp2-client is needed"
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How many requests were answered, by a line such as `requests: 9 total, 9 started, 9 done, 9 succeeded, 0 failed, 0 errored, 0 timeout`.
/// An error if not all were.
pub fn answered(told: &str) -> Result<u64, String> {
    let line = line(told, "requests: ").ok_or("it told of no requests")?;
    let (total, rest) = line.split_once(" total,").ok_or_else(|| line.to_owned())?;
    match total.parse() {
        Ok(count) if count > 0 && rest.contains(&format!(" {total} succeeded")) => Ok(count),
        _ => Err(format!("requests: {line}")),
    }
}

/// By a line such as `traffic: 1.05MB (1100357) total, 293.20KB (300240) headers (space savings 90.00%), 48.83KB (50000) data`.
fn body_bytes(told: &str) -> Option<u64> {
    let data = line(told, "traffic: ")?.strip_suffix(") data")?;
    data.rsplit_once('(')?.1.parse().ok()
}

/// Seconds, and requests a second, by a line such as `finished in 462.07ms, 64926.81 req/s, 2.25MB/s`.
fn finished(told: &str) -> Option<(f64, f64)> {
    let mut parts = line(told, "finished in ")?.split(", ");
    let (time, rate) = (parts.next()?, parts.next()?);
    let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    let seconds = units.into_iter().find_map(|(unit, seconds)| {
        let number: f64 = time.strip_suffix(unit)?.parse().ok()?;
        Some(number * seconds)
    });
    Some((seconds?, rate.strip_suffix(" req/s")?.parse().ok()?))
}

fn line<'a>(told: &'a str, begin: &str) -> Option<&'a str> {
    told.lines()
        .find_map(|line| line.trim().strip_prefix(begin))
}

/// The processor time of the processes that were started here and have ended.
fn of_children() -> Result<Duration, String> {
    let file = "/proc/self/stat";
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    // The second field, a name in parentheses, may hold spaces. The 16th and the 17th are those of children, in user space and in the kernel.
    let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut ticks = fields.split(' ').skip(13).map(|field| field.parse::<u32>());
    match (ticks.next(), ticks.next()) {
        (Some(Ok(user)), Some(Ok(kernel))) => {
            Ok(Duration::from_secs(1) * (user + kernel) / TICKS_HZ)
        }
        _ => Err(format!("{file}: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "\
        finished in 462.07ms, 64926.81 req/s, 2.25MB/s\n\
        requests: 10 total, 10 started, 10 done, 10 succeeded, 0 failed, 0 errored, 0 timeout\n\
        status codes: 10 2xx, 0 3xx, 0 4xx, 0 5xx\n\
        traffic: 1.05KB (1075) total, 293B (293) headers (space savings 90.00%), 50B (50) data\n";

    #[test]
    fn what_it_tells_is_read() {
        assert_eq!(answered(TOLD), Ok(10));
        assert_eq!(body_bytes(TOLD), Some(50));
        let (seconds, rate_hz) = finished(TOLD).expect("both");
        assert!((seconds - 0.46207).abs() < 1e-9, "{seconds}");
        assert!((rate_hz - 64_926.81).abs() < 1e-9, "{rate_hz}");
        let finished = |time: &str| finished(&format!("finished in {time}, 1.00 req/s, 1B/s"));
        assert_eq!(finished("1.50s"), Some((1.5, 1.0)));
        assert_eq!(finished("soon"), None);
    }

    #[test]
    fn what_failed_is_told() {
        let failed = TOLD.replace("10 succeeded, 0 failed", "9 succeeded, 1 failed");
        let error = answered(&failed).expect_err("one has failed");
        assert!(error.contains("9 succeeded, 1 failed"), "{error}");
        assert!(answered("").is_err());
    }

    #[test]
    fn what_a_child_has_used_is_seen() {
        let before = of_children().expect("Linux has it");
        let spins = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let status = Command::new("sh").args(["-c", spins]).status();
        assert!(status.is_ok_and(|status| status.success()));
        let used = of_children().expect("Linux has it") - before;
        assert!(used >= Duration::from_millis(10), "{used:?}");
    }
}
