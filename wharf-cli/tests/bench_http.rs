//! `wharf bench --http`: what it asks for, which answers it takes, and what it says of the others.

#![cfg(unix)]

mod common;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use common::{GUARD, WHARF, run};
use serde_json::Value;

/// Runs `wharf bench` to its end: exit code, output, messages.
fn bench(words: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(WHARF);
    command.arg("bench").args(words.split_whitespace());
    run(command)
}

/// Runs it with `--json`: exit code, figures, messages.
fn outcome(words: &str) -> (Option<i32>, Value, String) {
    let (code, output, errors) = bench(&format!("{words} --json"));
    let figures = serde_json::from_str(&output);
    let figures = figures.unwrap_or_else(|_| panic!("{words}: {errors}{output}"));
    (code, figures, errors)
}

/// Runs it, and expects it to succeed.
#[track_caller]
fn figures(words: &str) -> Value {
    let (code, figures, errors) = outcome(words);
    assert_eq!(code, Some(0), "{words}: {errors}{figures}");
    figures
}

#[track_caller]
fn count(figures: &Value) -> u64 {
    let count = figures.as_u64();
    count.unwrap_or_else(|| panic!("no count: {figures}"))
}

/// Runs it, and expects that answers were wrong: of what kind, and on how many connections.
#[track_caller]
fn expect_wrong(words: &str, what: &str, connections: u64) {
    let (code, figures, errors) = outcome(words);
    assert_eq!(code, Some(4), "{errors}{figures}");
    assert_eq!(figures["wrong"], connections, "{figures}");
    let told = figures["errors"].as_array().expect("a list");
    let is_told = |one: &&Value| one["what"] == format!("answer: {what}");
    let told = told.iter().find(is_told);
    let told = told.unwrap_or_else(|| panic!("no {what:?} in {figures}"));
    assert_eq!(told["count"], connections);
    assert!(errors.contains(&format!("{connections} connections brought wrong answers")));
}

/// What has come of a request.
#[derive(Debug, Clone)]
struct Request {
    line: String,
    /// By their names in lower case.
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    /// How many came before on this connection, and which connection it is.
    before: usize,
    connection: usize,
}

impl Request {
    /// Reads the next one of a connection.
    fn read(stream: &mut impl BufRead, before: usize, connection: usize) -> Option<Request> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            stream
                .read_line(&mut line)
                .ok()
                .filter(|bytes| *bytes > 0)?;
            match line.strip_suffix("\r\n").expect("a line end") {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let headers = lines[1..].iter().map(|line| {
            let (name, value) = line.split_once(": ").expect("a header");
            (name.to_lowercase(), value.to_owned())
        });
        let headers: BTreeMap<String, String> = headers.collect();
        let length = headers.get("content-length");
        let length = length.map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        Some(Request {
            line: lines[0].clone(),
            headers,
            body,
            before,
            connection,
        })
    }
}

/// A server of the test's own: what it sends as the answer to a request. After none it closes the connection.
fn server(answer: impl Fn(&Request) -> Option<Vec<u8>> + Send + Sync + 'static) -> SocketAddr {
    served(move |stream, connection| {
        let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
        for before in 0.. {
            let request = Request::read(&mut reader, before, connection);
            let Some(answer) = request.and_then(|request| answer(&request)) else {
                return;
            };
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    })
}

/// The same: what it does with a connection, by its number.
fn served(serve: impl Fn(&mut TcpStream, usize) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (connection, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            stream.set_read_timeout(Some(GUARD)).expect("a guard");
            stream.set_nodelay(true).expect("no delay");
            let serve = serve.clone();
            thread::spawn(move || serve(&mut stream, connection));
        }
    });
    address
}

/// An answer with these headers beside its length.
fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// An answer in chunks of so many bytes.
fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(size) {
        answer.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

fn echo() -> SocketAddr {
    server(|request| Some(ok("", &request.body)))
}

#[test]
fn every_request_that_was_asked_for_is_made_and_counted_once() {
    let large: Vec<u8> = (0..1 << 20).map(|at| (at % 251) as u8).collect();
    let plain = server(|_| Some(ok("", b"hello")));
    let in_chunks = server(|_| Some(chunked(b"hello, world", 5)));
    let large_one = large.clone();
    let many_bytes = server(move |_| Some(ok("", &large_one)));
    let many_chunks = server(move |_| Some(chunked(&large, 10_000)));
    let echo = echo();
    for words in [
        format!("{plain} -n 500 -c 10"),
        format!("{plain} -n 500 -c 10 --pipeline 16"),
        format!("{plain} -n 500 -c 10 --rate 20k"),
        format!("{plain} -n 500 -c 10 --rate 20k --skew 2:90 --pipeline 8"),
        format!("{plain} -n 200 -c 10 --per-connection 1"),
        format!("{plain} -n 200 -c 10 --per-connection 7 --pipeline 3"),
        format!("{plain} -n 200 -c 10 --timeout 30s --answer hello"),
        format!("{in_chunks} -n 500 -c 10 --pipeline 4"),
        format!("{many_bytes} -n 40 -c 4"),
        format!("{many_chunks} -n 40 -c 4 --pipeline 2"),
        format!("{echo} -n 500 -c 10 --post"),
        format!("{echo} -n 500 -c 10 --post --size 1 --pipeline 16"),
        format!("{echo} -n 40 -c 4 --post --size 1Mi --pipeline 2"),
        format!("{echo} -n 500 -c 10 --post --size 100 --rate 20k"),
        format!("{echo} -n 500 -c 10 --post --pipeline 4 --also 20:/other"),
    ] {
        let figures = figures(&format!("{words} --http /"));
        let asked = words.split(' ').nth(2).and_then(|n| n.parse::<u64>().ok());
        assert_eq!(figures["requests"].as_u64(), asked, "{words}: {figures}");
        for name in ["missing", "wrong", "lost"] {
            assert_eq!(figures[name], 0, "{words}: {figures}");
        }
    }
}

#[test]
fn a_request_is_what_http_asks_for_and_a_connection_is_kept() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let address = server(move |request| {
        kept.lock().unwrap().push(request.clone());
        Some(ok("", b"x"))
    });
    figures(&format!("{address} -c 1 -n 3 --http /a?b=c"));
    figures(&format!(
        "{address} -c 1 -n 2 --http / --post --size 9 --answer x"
    ));
    let seen = seen.lock().unwrap();
    for (at, request) in seen[..3].iter().enumerate() {
        assert_eq!(request.line, "GET /a?b=c HTTP/1.1");
        assert_eq!(request.headers["host"], address.to_string());
        assert!(request.body.is_empty());
        assert_eq!(request.before, at);
    }
    for request in &seen[3..] {
        assert_eq!(request.line, "POST / HTTP/1.1");
        assert_eq!(request.headers["host"], address.to_string());
        assert_eq!(request.body.len(), 9);
    }
    // What requests bring differs, so that an answer to another one is noticed.
    assert_ne!(seen[3].body, seen[4].body);
    assert_eq!(seen.len(), 5);
}

#[test]
fn figures_say_what_was_asked_for() {
    let address = echo();
    let posted = figures(&format!("{address} -n 50 -c 2 --http /a --post --size 100"));
    assert_eq!(posted["size_bytes"], 100);
    let http = &posted["http"];
    assert_eq!(
        (&http["method"], &http["path"]),
        (&"POST".into(), &"/a".into())
    );
    assert_eq!(http["checked_against"], "echo");
    assert_eq!(
        (&http["requests"], &http["answer_bytes"]),
        (&50.into(), &100.into())
    );
    assert_eq!(
        (&http["replaced"], &http["also"]),
        (&0.into(), &Value::Null)
    );
    let got = figures(&format!("{address} -n 50 -c 2 --http /a"));
    assert_eq!(got["size_bytes"], 0);
    let http = &got["http"];
    assert_eq!(
        (&http["method"], &http["checked_against"]),
        (&"GET".into(), &"first".into())
    );
    assert_eq!(figures("-n 50 -c 2")["http"], Value::Null);

    let (code, output, errors) = bench(&format!("{address} -n 50 -c 2 --http /a --also 40:/b"));
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{output}");
    for line in [
        "GET /a, 40% GET /b, 2 connections",
        "requests    50 answered",
        "every body checked",
        "throughput  ",
        "latency     p50 ",
        "also        p50 ",
        " answered for /b)",
    ] {
        assert!(output.contains(line), "no {line:?} in {output}");
    }
}

#[test]
fn a_status_other_than_200_is_an_error_that_names_it() {
    for status in [
        "500 Internal Server Error",
        "404 Not Found",
        "301 Moved",
        "204 No Content",
        "101 Other",
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let address = server(move |request| match request.before {
            0 => Some(ok("", b"")),
            _ => Some(answer.clone().into()),
        });
        let words = format!("{address} -c 2 -n 100 --http /");
        expect_wrong(&words, &format!("status {}", &status[..3]), 2);
    }
}

#[test]
fn a_body_that_is_not_the_right_one_is_noticed() {
    // Which answer is wrong, of those on each connection, and what comes in its stead.
    let wrong_at = |at: usize, wrong: Vec<u8>, right: fn(&Request) -> Vec<u8>| {
        server(move |request| match request.before {
            before if before == at => Some(wrong.clone()),
            _ => Some(right(request)),
        })
    };
    let hello = |_: &Request| ok("", b"hello");
    let echo = |request: &Request| ok("", &request.body);
    let first = "another body than that of the first answer";
    for (wrong, what) in [
        (ok("", b"hellO"), first),
        (ok("", b"hell"), first),
        (chunked(b"Hello", 2), first),
        (ok("", b"hello!"), "a body that is longer than 5 bytes"),
    ] {
        let address = wrong_at(3, wrong, hello);
        expect_wrong(&format!("{address} -c 1 -n 9 --http /"), what, 1);
    }
    let given = "another body than --answer";
    for (answer, what) in [
        ("hellO", given),
        ("hello!", given),
        ("hell", "a body that is longer than 4 bytes"),
    ] {
        let address = wrong_at(usize::MAX, Vec::new(), hello);
        expect_wrong(
            &format!("{address} -c 3 -n 9 --http / --answer {answer}"),
            what,
            3,
        );
    }
    let echoed = "another body than that of the request";
    for (wrong, what) in [
        (ok("", &[7; 64]), echoed),
        (ok("", b""), echoed),
        (ok("", &[7; 65]), "a body that is longer than 64 bytes"),
    ] {
        let address = wrong_at(3, wrong, echo);
        expect_wrong(&format!("{address} -c 1 -n 9 --http / --post"), what, 1);
    }
}

#[test]
fn an_answer_to_another_request_is_noticed() {
    let last = Mutex::new(Vec::new());
    let address = server(move |request| {
        let mut last = last.lock().unwrap();
        let answer = ok("", &last);
        last.clone_from(&request.body);
        match request.before {
            0 => Some(ok("", &request.body)),
            _ => Some(answer),
        }
    });
    let what = "another body than that of the request";
    expect_wrong(&format!("{address} -c 1 -n 9 --http / --post"), what, 1);
}

#[test]
fn what_is_no_answer_is_an_error_that_says_what_is_wrong_with_it() {
    for (answer, what) in [
        (
            "SSH-2.0-OpenSSH\r\n",
            "no HTTP/1.1, since it does not begin with HTTP/1",
        ),
        (
            "\0\u{7f}",
            "no HTTP/1.1, since it does not begin with HTTP/1",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "no HTTP/1.1, since its Content-Length is no number of bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "no HTTP/1.1, since the size of a chunk can't be read",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "one that no request has asked for",
        ),
        (
            &"HTTP/1.1 200 OK\r\n".repeat(5_000),
            "no HTTP/1.1, since its head is above 64 KiB",
        ),
    ] {
        let answer = answer.to_owned();
        let address = server(move |_| Some(answer.clone().into()));
        expect_wrong(&format!("{address} -c 2 -n 2 --http /"), what, 2);
    }
}

#[test]
fn a_server_that_closes_within_an_answer_is_told_of() {
    for part in [
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
    ] {
        let address = server(move |request| match request.before {
            0 => Some(part.into()),
            _ => None,
        });
        // It closes when it has sent a part, and read the next request.
        let words = format!("{address} -c 2 -n 8 --pipeline 2 --http /");
        let (code, figures, _) = outcome(&words);
        assert_eq!(code, Some(4), "{figures}");
        assert_eq!(
            (count(&figures["wrong"]), count(&figures["missing"])),
            (0, 4)
        );
        let why = "receive: the server has closed the connection within an answer";
        assert_eq!(figures["errors"][0]["what"], why);
    }
}

#[test]
fn an_answer_may_come_in_any_pieces_and_after_others_that_are_none() {
    let address = served(|stream, connection| {
        let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
        let interim =
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
        let answers = [
            [&interim[..], &chunked(b"hello,world", 5)].concat(),
            ok("", b"hello,world"),
        ];
        for answer in answers.iter().cycle() {
            if Request::read(&mut reader, 0, connection).is_none() {
                return;
            }
            for piece in answer.chunks(connection + 1) {
                if stream.write_all(piece).is_err() {
                    return;
                }
            }
        }
    });
    let words = format!("{address} -c 8 -n 160 --pipeline 2 --http / --answer hello,world");
    let figures = figures(&words);
    assert_eq!(figures["requests"], 160);
    assert_eq!(figures["http"]["checked_against"], "text");
}

#[test]
fn a_connection_that_an_answer_ends_is_made_again_and_no_failure() {
    let closes = server(|request| match request.before {
        0..3 => Some(ok("", b"hello")),
        3 => Some(ok("connection: Close\r\n", b"hello")),
        _ => None,
    });
    let old = served(|stream, _| {
        let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
        if Request::read(&mut reader, 0, 0).is_some() {
            // Only the end of the connection ends it.
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello");
        }
    });
    for (address, per_connection) in [(closes, 4), (old, 1)] {
        for words in [
            "-n 100",
            "-n 100 --rate 10k",
            "-n 100 --rate 10k --threads 2 --reconnect",
            "-n 100 -c 1 --rate 10k",
        ] {
            let few = if words.contains("-c") { "" } else { "-c 5" };
            let figures = figures(&format!("{address} {words} {few} --http / --answer hello"));
            assert_eq!(figures["requests"], 100, "{words}: {figures}");
            assert_eq!(
                (count(&figures["lost"]), count(&figures["missing"])),
                (0, 0)
            );
            // Those that made fewer at the end were not replaced.
            let least = 100 / per_connection - 5;
            let replaced = count(&figures["http"]["replaced"]);
            assert!(
                (least..=100 / per_connection).contains(&replaced),
                "{figures}"
            );
        }
    }
}

#[test]
fn requests_behind_an_answer_that_ends_its_connection_are_missing() {
    let address = server(|request| match request.before {
        0 => Some(ok("Connection: close\r\n", b"hello")),
        _ => None,
    });
    let (code, figures, _) = outcome(&format!("{address} -c 1 -n 12 --pipeline 4 --http /"));
    assert_eq!(code, Some(4), "{figures}");
    assert_eq!(
        (count(&figures["requests"]), count(&figures["missing"])),
        (3, 9)
    );
    let why = figures["errors"][0]["what"].as_str().expect("a text");
    assert!(why.contains("use --pipeline 1"), "{why}");
}

#[test]
fn a_request_that_is_not_answered_in_time_is_given_up() {
    let address = server(|request| match request.before {
        0..2 => Some(ok("", b"hello")),
        // A head without its body.
        _ => Some(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec()),
    });
    let words = format!("{address} -c 2 -n 6 --timeout 200ms --http /");
    let (code, figures, errors) = outcome(&words);
    assert_eq!(code, Some(4), "{errors}{figures}");
    assert_eq!(
        (count(&figures["requests"]), count(&figures["timed_out"])),
        (4, 2)
    );
    let (code, figures, _) = outcome(&format!(
        "{address} -c 1 -n 3 --drain-timeout 200ms --http /"
    ));
    assert_eq!(code, Some(4));
    assert_eq!(figures["missing"], 1);
}

#[test]
fn with_reconnect_the_load_goes_on_after_a_wrong_answer() {
    let address = server(|request| match (request.connection, request.before) {
        (0, 5) => Some(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec()),
        _ => Some(ok("", b"hello")),
    });
    let words = format!("{address} -c 1 -n 50 --reconnect --http /");
    let (code, figures, _) = outcome(&words);
    assert_eq!(code, Some(4), "{figures}");
    assert_eq!(
        (count(&figures["requests"]), count(&figures["wrong"])),
        (49, 1)
    );
    assert_eq!(
        (count(&figures["lost"]), count(&figures["reconnected"])),
        (1, 1)
    );
}

/// How long the slow path takes.
const SLOW: Duration = Duration::from_millis(200);

#[test]
fn a_part_of_the_requests_goes_to_another_path_whose_latencies_are_apart() {
    let address = server(|request| match &request.line[..] {
        "GET /slow HTTP/1.1" => {
            thread::sleep(SLOW);
            Some(ok("", b"was slow"))
        }
        _ => Some(ok("", b"hello")),
    });
    let words = |count| {
        format!("{address} -n {count} -c 16 --http / --also 2.5:/slow --seed 7 --threads 1")
    };
    for (requests, words) in [
        (2_000, words(2_000)),
        (400, format!("{} --rate 400", words(400))),
    ] {
        let figures = figures(&format!("{words} --fail-if p50>150ms"));
        let http = &figures["http"];
        let also = &http["also"];
        assert_eq!(figures["requests"], requests);
        let (main, slow) = (count(&http["requests"]), count(&also["requests"]));
        assert_eq!(main + slow, requests);
        // One of forty on average.
        assert!((1..=requests / 20).contains(&slow), "{figures}");
        assert_eq!(
            (&also["path"], &also["share"]),
            (&"/slow".into(), &0.025.into())
        );
        assert_eq!(
            (&http["answer_bytes"], &also["answer_bytes"]),
            (&5.into(), &8.into())
        );
        let slow_ns = SLOW.as_nanos() as u64;
        assert!(
            count(&also["latency_ns"]["min"]) >= slow_ns * 999 / 1_000,
            "{figures}"
        );
        assert!(count(&figures["latency_ns"]["p50"]) < slow_ns, "{figures}");
    }
    let words = words(2_000);
    // The same seed asks for the same.
    let [one, other] = [0; 2].map(|_| figures(&words)["http"]["requests"].clone());
    assert_eq!(one, other);
    let judged = format!("{words} --fail-if p50>1ns");
    assert_eq!(bench(&judged).0, Some(3));
}

#[test]
fn a_wrong_body_of_the_other_path_is_noticed() {
    let seen = Mutex::new(0);
    let address = server(move |request| match &request.line[..] {
        "GET /b HTTP/1.1" => {
            let mut seen = seen.lock().unwrap();
            *seen += 1;
            Some(ok("", format!("the {}th", *seen % 10).as_bytes()))
        }
        _ => Some(ok("", &request.body)),
    });
    let what = "another body than that of the first answer";
    let words = format!("{address} -c 1 -n 1000 --http /a --post --also 50:/b");
    expect_wrong(&words, what, 1);
}

#[test]
fn an_open_loop_keeps_its_rate_for_the_time_that_was_asked_for() {
    let address = server(|_| Some(ok("", b"hello")));
    let words = format!("{address} -c 8 -d 500ms --warmup 100ms --rate 2k --http /");
    let figures = figures(&words);
    assert_eq!(figures["mode"], "open");
    // Eight standard deviations.
    assert!(
        (750..=1_250).contains(&count(&figures["requests"])),
        "{figures}"
    );
}

#[test]
fn arguments_that_do_not_go_with_it_are_refused_with_a_remedy() {
    for (words, message) in [
        (
            "--http /",
            "name one as ADDRESS:PORT, as in wharf bench 127.0.0.1:8080 --http /",
        ),
        ("127.0.0.1:1 --http x", "does not begin with `/`"),
        ("127.0.0.1:1 --http /#", "write it as in %23"),
        ("127.0.0.1:1 --http / --size 10", "use --post"),
        ("127.0.0.1:1 --http / --frames lines", "cannot be used with"),
        ("127.0.0.1:1 --http / --work exp:1ms", "cannot be used with"),
        ("--http / --sweep-workers 1..4", "cannot be used with"),
        ("127.0.0.1:1 --post", "--http <PATH>"),
        ("127.0.0.1:1 --answer x", "--http <PATH>"),
        ("127.0.0.1:1 --also 1:/", "--http <PATH>"),
        (
            "127.0.0.1:1 --http / --also 0:/",
            "use more than 0 and less than 100",
        ),
        (
            "127.0.0.1:1 --http / --also 100:/",
            "use more than 0 and less than 100",
        ),
        ("127.0.0.1:1 --http / --also 1:x", "does not begin with `/`"),
        (
            "http://127.0.0.1:1/a --http /",
            "as in 127.0.0.1:1 --http /a",
        ),
    ] {
        let (code, output, errors) = bench(words);
        assert_eq!(code, Some(2), "{words}: {errors}{output}");
        assert!(errors.contains(message), "{words}: {errors}");
    }
}
