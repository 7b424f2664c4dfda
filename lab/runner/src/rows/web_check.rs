//! A part of the check: what the servers of rows 22 to 24 answer by HTTP/2, over TLS, and by WebSockets.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use super::{
    BOTH,
    check::{ROUTES, ask},
    http::THREADS_MAX,
    tls::Tls,
    web::{WEB_SOCKET_WORDS, https_command},
};
use crate::{contestants::Contestant, h2load, load::Bench, server::Server};

/// By HTTP/2, and over TLS by HTTP/1.1 as well.
const H2LOAD_RUNS: [&str; 2] = ["-c 10 -m 32 -n 3000", "-c 20 -m 1 -n 1000"];
const H1_RUN: &str = "--h1 -c 20 -n 1000";

/// Lengths of each of the three kinds that frames have.
const WEB_SOCKET_RUNS: [&str; 4] = [
    "-c 100 --turn-ms 100",
    "-c 10 --size 1000 --turn-ms 100",
    "-c 10 --size 100000 --turn-ms 100",
    "-c 10 --per-connection 1 --turn-ms 100",
];

/// More than fits into what a client may be sent before it says that it has taken something.
const LARGE_BYTES: usize = 200_000;

/// Both without TLS and with it; gives back what failed.
pub fn check(load: &Bench, tls: &Tls, built: &Contestant, threads: u32) -> Vec<String> {
    let plain = built.http_command(threads, THREADS_MAX);
    let sealed = https_command(built, tls, threads);
    let trusted = tls.load_words();
    let all = [("http", plain, String::new()), ("https", sealed, trusted)];
    all.into_iter()
        .flat_map(|(scheme, command, trusted)| {
            let failed = match Server::start(BOTH, &command) {
                Ok(server) => check_server(load, &server, scheme, &trusted),
                Err(error) => vec![error],
            };
            let failed = failed.into_iter();
            failed.map(move |failure| format!("{threads} threads, {scheme}, {failure}"))
        })
        .collect()
}

fn check_server(load: &Bench, server: &Server, scheme: &str, trusted: &str) -> Vec<String> {
    let mut failed = Vec::new();
    let mut note = |what: &str, checked: Result<(), String>| {
        failed.extend(checked.err().map(|error| format!("{what}: {error}")));
    };
    if scheme == "http" {
        for (route, body, expected) in &ROUTES {
            note(route, ask(server.address, route, body, expected));
        }
    } else {
        note(H1_RUN, h2load::turn(BOTH, server, scheme, H1_RUN).map(drop));
    }
    note(
        "GET by HTTP/2",
        fetch(server, scheme, "/hello", None, b"hello"),
    );
    let large: Vec<u8> = (0..LARGE_BYTES).map(|at| (at * 7 / 3) as u8).collect();
    note(
        "POST by HTTP/2",
        fetch(server, scheme, "/echo", Some(&large), &large),
    );
    for words in H2LOAD_RUNS {
        note(words, h2load::turn(BOTH, server, scheme, words).map(drop));
    }
    for words in WEB_SOCKET_RUNS {
        let words = format!("{trusted} {WEB_SOCKET_WORDS} {words}");
        note(&words, load.load(BOTH, server, &words).map(drop));
    }
    failed
}

/// Asks by HTTP/2, with Debian's `nghttp`, and compares the body that comes.
fn fetch(
    server: &Server,
    scheme: &str,
    path: &str,
    body: Option<&[u8]>,
    expected: &[u8],
) -> Result<(), String> {
    let needed = |error: String| format!("{error}; Debian's package nghttp2-client is needed");
    let mut command = Command::new("nghttp");
    command.arg("--no-verify-peer");
    if body.is_some() {
        command.args(["--data", "-"]);
    }
    command.arg(format!("{scheme}://{}{path}", server.address));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| needed(format!("can't start nghttp: {error}")))?;
    if let Some(mut input) = child.stdin.take() {
        // It reads all of it before it asks. If it does not, it says why.
        let _ = input.write_all(body.unwrap_or_default());
    }
    let output = child.wait_with_output();
    let output = output.map_err(|error| format!("nghttp: {error}"))?;
    if output.status.success() && output.stdout == expected {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{} bytes that are not those that should come; nghttp says: {}",
        output.stdout.len(),
        said.lines().next().unwrap_or("nothing")
    ))
}
