//! Starts each example as a program of its own, and talks to it over real sockets. `ci/examples.sh` does so with the clients of others, too:
//! curl, a browser, gRPC for Python.

#[path = "../harness.rs"]
#[allow(dead_code, reason = "the other examples use all of it")]
mod harness;

use std::{
    env,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    thread,
};

use futures_util::{SinkExt, StreamExt};
use harness::{Example, PATIENCE, program, with_timeouts};
use tokio::runtime::{Builder, Runtime};
use tokio_tungstenite::tungstenite::Message;
use wharf_examples_web::{Numbers, Sum};

/// For the clients, which are tokio's.
fn tokio_runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// Sends a request of HTTP/1.1, and returns the answer, head and body.
fn ask(address: SocketAddr, request: &str) -> String {
    let stream = TcpStream::connect(address).expect("it listens");
    let mut stream = with_timeouts(stream);
    let (line, rest) = request.split_once("\r\n").unwrap_or((request, ""));
    let request = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{rest}");
    stream.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it ends");
    answer
}

// TLS: the client is curl, in ci/examples.sh; the tests of wharf-axum are for the rest.

#[test]
fn axum_tls_closes_what_is_no_tls_and_stops() {
    let example = Example::start("axum_tls", &[]);
    let mut stream = example.connect();
    // No TLS: it is closed, and the others are served.
    stream
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("it is sent");
    let _ = stream.read_to_end(&mut Vec::new());
    example.stop();
}

// gRPC, by tonic's client.

#[allow(clippy::too_many_lines, reason = "it is generated")]
mod sums {
    tonic::include_proto!("wharf.sums.Sums");
}

#[test]
fn grpc_answers_streams_and_refuses() {
    let example = Example::start("grpc", &[]);
    tokio_runtime().block_on(async {
        let url = format!("http://{}", example.address);
        let endpoint = tonic::transport::Endpoint::from_shared(url).expect("a URL");
        let channel = endpoint.connect().await.expect("it connects");
        let mut client = sums::sums_client::SumsClient::new(channel);
        let numbers = (1..=10).collect();
        let sum = client.add(Numbers { numbers }).await.expect("a sum");
        assert_eq!(sum.into_inner().sum, 55);
        let mut counted = Vec::new();
        let counts = client.count(Sum { sum: 5 }).await.expect("a stream");
        let mut counts = counts.into_inner();
        while let Some(sum) = counts.message().await.expect("a number") {
            counted.push(sum.sum);
        }
        assert_eq!(counted, [1, 2, 3, 4, 5]);
        let numbers = vec![i64::MAX, 1];
        let refused = client.add(Numbers { numbers }).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::OutOfRange);
        let refused = client.count(Sum { sum: 5_000 }).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    });
    assert_eq!(example.stop(), "stopped; 0 tasks left");
}

// The chat.

#[test]
fn web_chat_tells_all_what_one_says_and_refuses_bad_names() {
    let example = Example::start("web_chat", &[]);
    assert!(ask(example.address, "GET /\r\n\r\n").contains("<title>Chat</title>"));
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for name in ["", "a%0Ab", &"x".repeat(33)] {
        let mut stream = example.connect();
        let request = format!("GET /chat?name={name} HTTP/1.1\r\nhost: localhost\r\n{upgrade}");
        stream.write_all(request.as_bytes()).expect("it is sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, *b"HTTP/1.1 400");
    }
    tokio_runtime().block_on(async {
        let url = |name: &str| format!("ws://{}/chat?name={name}", example.address);
        let enter = async |name: &str| {
            let entered = tokio_tungstenite::connect_async(url(name)).await;
            entered.expect("it enters").0
        };
        let (mut ann, mut bob) = (enter("ann").await, enter("bob").await);
        bob.send(Message::text("hello")).await.expect("it is sent");
        for (member, lines) in [
            (
                &mut ann,
                &["* ann is here", "* bob is here", "bob: hello"][..],
            ),
            (&mut bob, &["* bob is here", "bob: hello"]),
        ] {
            for line in lines {
                let said = tokio::time::timeout(PATIENCE, member.next()).await;
                let said = said
                    .expect("it comes")
                    .expect("it goes on")
                    .expect("a line");
                assert_eq!(said.into_text().expect("text"), *line);
            }
        }
        bob.close(None).await.expect("it is told");
        let said = ann.next().await.expect("it goes on").expect("a line");
        assert_eq!(said.into_text().expect("text"), "* bob has gone");
    });
    assert_eq!(example.stop(), "stopped; 0 tasks left");
}

// The database.

#[cfg(unix)]
mod postgres;

/// Without Debian's package `postgresql` this judges nothing; with `WHARF_REQUIRE_POSTGRES` set, that is a failure.
#[cfg(unix)]
#[test]
fn postgres_writes_reads_and_asks_itself() {
    let Some(programs) = postgres::programs() else {
        assert!(
            env::var_os("WHARF_REQUIRE_POSTGRES").is_none(),
            "no PostgreSQL"
        );
        return println!("NOT JUDGED: no PostgreSQL is installed");
    };
    let postgres = postgres::Postgres::start(&programs);
    let mut command = Command::new(program("postgres"));
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("DATABASE_URL", &postgres.url);
    let example = Example::start_command(command);
    let address = example.address;
    let write = |text: &str| {
        let body = format!("{{\"text\":\"{text}\"}}");
        let head = format!(
            "content-type: application/json\r\ncontent-length: {}",
            body.len()
        );
        ask(address, &format!("POST /notes\r\n{head}\r\n\r\n{body}"))
    };
    thread::scope(|scope| {
        for text in ["one", "two", "three"] {
            let write = &write;
            scope.spawn(move || assert!(write(text).starts_with("HTTP/1.1 201")));
        }
    });
    for path in ["/notes", "/mirror"] {
        let answer = ask(address, &format!("GET {path}\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for text in ["one", "two", "three"] {
            assert!(
                answer.contains(&format!("{{\"text\":\"{text}\"}}")),
                "{answer}"
            );
        }
    }
    assert!(ask(address, "POST /notes\r\n\r\n").starts_with("HTTP/1.1 415"));
    // The database goes; the program says so, and goes on.
    drop(postgres);
    let answer = ask(address, "GET /notes\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!(example.stop(), "stopped; 0 tasks left");
}
