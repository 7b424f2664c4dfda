//! The loads of others beside `wharf bench --http`, as a check of it: Debian's wrk and h2load, one run each, where they are
//! installed.

use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{LOAD, http};
use crate::{
    contestants::{Contestant, http::TOKIO},
    figures::{digits, table},
    h2load,
};

/// The name, Debian's package, and the words before the address. All of 64 connections, for about a second.
const LOADS: [(&str, &str, &str); 3] = [
    ("wrk", "wrk", "wrk -t 1 -c 64 -d 1s"),
    (
        "h2load, HTTP/1.1",
        "nghttp2-client",
        "h2load --h1 -t 1 -c 64 -n 50000",
    ),
    (
        "h2load, HTTP/2",
        "nghttp2-client",
        "h2load -t 1 -c 64 -m 1 -n 50000",
    ),
];

/// What one of them came to on one server.
#[derive(Serialize, Deserialize)]
pub struct OtherLoad {
    load: String,
    server: String,
    /// Requests for each second of the server's processor time; or why there are none.
    requests_per_cpu_s: Result<f64, String>,
}

pub fn measure(contestants: &[&Contestant]) -> Vec<OtherLoad> {
    let mut all = Vec::new();
    for (load, package, words) in LOADS {
        for contestant in contestants {
            all.push(OtherLoad {
                load: load.to_owned(),
                server: contestant.name.to_owned(),
                requests_per_cpu_s: run(contestant, package, words),
            });
        }
    }
    all
}

fn run(contestant: &Contestant, package: &str, words: &str) -> Result<f64, String> {
    let server = http::start_alone(contestant)?;
    let before = server.processor_time()?;
    let output = Command::new("taskset")
        .args(["-c", LOAD])
        .args(words.split(' '))
        .arg(format!("http://{}/hello", server.address))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("can't start taskset: {error}"))?;
    let used = server.processor_time()?.checked_sub(before);
    let used = used.ok_or("one of the server's threads has ended")?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let first = errors.lines().next().unwrap_or("it said nothing");
        return Err(format!("{first}; Debian's package {package} is needed"));
    }
    let told = String::from_utf8_lossy(&output.stdout);
    Ok(answered(&told)? as f64 / used.as_secs_f64())
}

/// How many requests were answered, by what wrk or h2load tells. An error if not all were.
fn answered(told: &str) -> Result<u64, String> {
    if told.contains("requests: ") {
        return h2load::answered(told);
    }
    let mut answered = None;
    for line in told.lines().map(str::trim) {
        if line.starts_with("Non-2xx") || line.starts_with("Socket errors") {
            return Err(line.to_owned());
        }
        // Of wrk: `123 requests in 1.00s, 1.5MB read`.
        if let Some((count, _)) = line.split_once(" requests in ") {
            answered = count.parse().ok();
        }
    }
    answered
        .filter(|count| *count > 0)
        .ok_or_else(|| "it told of no requests".into())
}

/// Each beside the others, with what could not be measured.
pub fn tell(all: &[OtherLoad]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|own| {
            let tokio = all
                .iter()
                .find(|other| other.load == own.load && other.server == TOKIO);
            let tokio = tokio.and_then(|tokio| tokio.requests_per_cpu_s.as_ref().ok());
            let (cost, ratio) = match (&own.requests_per_cpu_s, tokio) {
                (Err(error), _) => (error.clone(), "-".into()),
                (Ok(cost), None) => (format!("{}k", digits(cost / 1e3)), "-".into()),
                (Ok(cost), Some(tokio)) => {
                    (format!("{}k", digits(cost / 1e3)), digits(cost / tokio))
                }
            };
            vec![own.load.clone(), own.server.clone(), cost, ratio]
        })
        .collect();
    let words: Vec<String> = LOADS
        .iter()
        .map(|(.., words)| format!("`{words}`"))
        .collect();
    let heads = [
        "load",
        "server",
        "requests a second of its processor",
        "ratio to axum on tokio",
    ];
    format!(
        "**The loads of others, 64 connections**: a check of ours, one run each ({}). One run's ratio means little.\n\n{}\n",
        words.join(", "),
        table(&heads, &rows)
    )
}

#[cfg(test)]
mod tests {
    use super::answered;

    #[test]
    fn what_was_answered_is_read_and_what_failed_is_told() {
        let wrk = "Running 1s test @ http://127.0.0.1:1/hello\n  1 threads and 64 connections\n  98765 requests in 1.00s, 11.5MB read\n";
        assert_eq!(answered(wrk), Ok(98_765));
        let errors = format!("{wrk}  Non-2xx or 3xx responses: 5\n");
        assert_eq!(
            answered(&errors),
            Err("Non-2xx or 3xx responses: 5".to_owned())
        );
        let h2load =
            "requests: 10 total, 10 started, 10 done, 10 succeeded, 0 failed, 0 errored, 0 timeout";
        assert_eq!(answered(h2load), Ok(10));
        let failed = h2load.replace("10 succeeded, 0 failed", "9 succeeded, 1 failed");
        assert_eq!(answered(&failed), Err(failed.clone()));
        assert!(answered("").is_err());
    }
}
