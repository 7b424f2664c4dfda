//! A server in a simulation: its network, its clock and the order of its tasks are a seed's, and nothing of it knows.
#![cfg(unix)]

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{Request, StatusCode},
    routing::{get, post},
};
use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wharf_async::{
    JoinSet,
    net::{TcpListener, TcpStream},
    simulation::{Faults, Simulation},
    spawn,
    time::{self, sleep, timeout},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Answers after so many milliseconds.
fn app() -> Router {
    let answer = |Path(ms): Path<u64>| async move {
        sleep(Duration::from_millis(ms)).await;
        ms.to_string()
    };
    Router::new().route("/after/{ms}", get(answer))
}

async fn listen() -> TcpListener {
    TcpListener::bind("0.0.0.0:80").await.expect("it listens")
}

/// One request, over HTTP/1 or HTTP/2.
async fn ask(ms: u64, is_two: bool) -> Result<(StatusCode, String), Box<dyn std::error::Error>> {
    let stream = TcpStream::connect("127.0.0.1:80").await?;
    let request = Request::get(format!("http://it/after/{ms}")).header("host", "it");
    let request = request.body(Body::empty())?;
    let answer = if is_two {
        let executor = wharf_async::hyper::Executor::current();
        let (mut client, connection) = http2::handshake(executor, stream).await?;
        spawn(connection).detach();
        client.send_request(request).await?
    } else {
        let (mut client, connection) = http1::handshake(stream).await?;
        spawn(connection).detach();
        client.send_request(request).await?
    };
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8(body.to_vec())?))
}

#[test]
fn time_outs_of_a_server_come_in_their_time_which_takes_none() {
    Simulation::new(1).run(async {
        let server = wharf_axum::serve(listen().await, app()).header_timeout(MINUTE);
        spawn(async move { server.await }).detach();
        // A client that says half of a head is closed after the time.
        let began = time::now();
        let mut half = TcpStream::connect("127.0.0.1:80")
            .await
            .expect("it listens");
        half.write_all(b"GET /after/1 HTTP/1.1\r\n")
            .await
            .expect("it is sent");
        let read = half.read_to_end(&mut Vec::new()).await;
        assert!(read.is_ok(), "{read:?}");
        assert_eq!((time::now() - began).as_secs(), MINUTE.as_secs());
        // An answer that takes longer is waited for.
        let slow = 10 * MINUTE.as_millis() as u64;
        let answer = ask(slow, false).await.expect("an answer");
        assert_eq!(answer, (StatusCode::OK, slow.to_string()));
    });
}

/// Asked each minute whether it is still there, it says so; and a body that comes little by little has a minute for each piece.
#[test]
fn who_is_idle_or_slow_and_not_silent_is_not_cut() {
    Simulation::new(1).run(async {
        let app = app().route("/echo", post(|body: String| async { body }));
        let server = wharf_axum::serve(listen().await, app);
        let server = server.header_timeout(MINUTE).body_timeout(MINUTE);
        spawn(async move { server.stall_timeout(MINUTE).await }).detach();
        let stream = TcpStream::connect("127.0.0.1:80").await;
        let executor = wharf_async::hyper::Executor::current();
        let made = http2::handshake(executor, stream.expect("it listens")).await;
        let (mut client, connection) = made.expect("it speaks HTTP/2");
        spawn(connection).detach();
        let mut slow = TcpStream::connect("127.0.0.1:80")
            .await
            .expect("it listens");
        let head =
            b"POST /echo HTTP/1.1\r\nhost: it\r\nconnection: close\r\ncontent-length: 20\r\n\r\n";
        slow.write_all(head).await.expect("it is sent");
        for _ in 0..20 {
            sleep(MINUTE / 2).await;
            slow.write_all(b"w").await.expect("it is sent");
        }
        let mut answer = String::new();
        slow.read_to_string(&mut answer).await.expect("an answer");
        assert!(answer.ends_with(&"w".repeat(20)), "{answer}");
        let request = Request::get("http://it/after/1").body(Body::empty());
        let answer = client.send_request(request.expect("a request")).await;
        assert_eq!(answer.expect("an answer").status(), StatusCode::OK);
    });
}

#[test]
fn a_graceful_stop_waits_for_the_answers_whatever_the_order() {
    Simulation::with_seeds(0..50, |simulation| {
        let mut faults = Faults::default();
        (faults.delays, faults.cuts, faults.refusals) = (300, 200, 100);
        simulation.faults(faults).run(async {
            let server = wharf_axum::serve(listen().await, app());
            let server = server.with_graceful_shutdown(sleep(Duration::from_millis(50)));
            let server = spawn(async move { server.await });
            let mut clients = JoinSet::new();
            for client in 0..6 {
                clients.spawn(async move {
                    let answer = ask(100 + client, client % 2 == 0).await;
                    let answer = answer.map_err(|error| error.to_string());
                    assert_eq!(answer, Ok((StatusCode::OK, (100 + client).to_string())));
                });
            }
            while let Some(joined) = clients.join_next().await {
                joined.expect("it has its answer");
            }
            server.await.expect("no panic").expect("it stops");
            let refused = TcpStream::connect("127.0.0.1:80").await;
            let refused = refused.expect_err("nobody listens");
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        });
    });
}

#[test]
fn an_answer_is_right_or_there_is_none_whatever_goes_wrong() {
    let answers = Arc::new(AtomicUsize::new(0));
    Simulation::with_seeds(0..100, |simulation| {
        let answers = answers.clone();
        let faults = Faults::from_seed(simulation.seed());
        simulation.faults(faults).run(async move {
            spawn(async { wharf_axum::serve(listen().await, app()).await }).detach();
            sleep(Duration::from_millis(1)).await;
            for client in 0..6 {
                // A connection that is reset while its end is on the way would be waited for.
                let asked = timeout(MINUTE, ask(client, client % 2 == 0));
                if let Ok(Ok(answer)) = asked.await {
                    assert_eq!(answer, (StatusCode::OK, client.to_string()));
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    });
    let answers = answers.load(Ordering::Relaxed);
    assert!((300..600).contains(&answers), "{answers} of 600");
}
