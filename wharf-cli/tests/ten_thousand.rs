//! Ten thousand clients at once: each echoing, every byte checked; and what they cost while they are idle.
//!
//! The server is a process of its own, so each side needs ten thousand open files, not both together.

#![cfg(unix)]

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{Mutex, PoisonError},
    thread,
};

use common::{Serve, Stopped, eventually, pattern};

const CLIENTS: usize = 10_000;
const THREADS: usize = 4;

/// At most this much user-space memory for each idle client.
const IDLE_BYTES_MAX: u64 = 1024;

/// One at a time: together they would need more files than one process may open.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

on_every_driver! {
    fn ten_thousand_clients_each_get_their_own_bytes_back(driver) {
        let _alone = alone();
        let serve = Serve::start(driver, &[]);
        let mut clients = connect_all(&serve);
        let messages: usize = (0..3).map(|round| echo_all(&mut clients, round)).sum();
        drop(clients);
        let expected = Stopped {
            clients: CLIENTS as u64,
            received: messages as u64,
            sent: messages as u64,
            cut: 0,
        };
        assert_eq!(serve.stop(), expected);
    }

    fn an_idle_client_costs_at_most_a_kibibyte(driver) {
        let _alone = alone();
        let serve = Serve::start(driver, &[]);
        // What the first clients bring to life is not theirs alone.
        let mut first = vec![serve.connect()];
        echo_all(&mut first, 0);
        let before = serve.resident();
        let mut clients = connect_all(&serve);
        let connected = serve.resident() - before;
        // Also once they have talked: nothing is left of it.
        echo_all(&mut clients, 1);
        let talked = serve.resident() - before;
        for (when, bytes) in [("connected", connected), ("after an echo", talked)] {
            let each = bytes / CLIENTS as u64;
            eprintln!("{driver}: {each} bytes for each idle client, {when}");
            assert!(each <= IDLE_BYTES_MAX, "{each} bytes for each idle client, {when}");
        }
    }

    fn ten_thousand_idle_clients_do_not_hold_up_a_stop(driver) {
        let _alone = alone();
        let serve = Serve::start(driver, &["--stop-timeout", "60s"]);
        let mut clients = connect_all(&serve);
        let stopped = serve.stop();
        assert_eq!((stopped.clients, stopped.cut), (CLIENTS as u64, 0));
        for client in &mut clients {
            common::expect_end(client);
        }
    }
}

fn alone() -> impl Sized {
    let limits = wharf_server::raise_open_files().unwrap();
    let needed = CLIENTS as u64 + 200;
    assert!(
        limits.soft >= needed,
        "{} files may be open and {needed} are needed; raise the hard limit (ulimit -Hn)",
        limits.soft
    );
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect_all(serve: &Serve) -> Vec<TcpStream> {
    let before = serve.open_files();
    let clients = thread::scope(|scope| {
        let connect = || {
            (0..CLIENTS / THREADS)
                .map(|_| serve.connect())
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(connect)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    eventually("all are accepted", || {
        serve.open_files() >= before + CLIENTS
    });
    clients
}

/// Sends on all, then reads from all: the messages of all are under way at once. Returns the bytes of one direction.
fn echo_all(clients: &mut [TcpStream], round: usize) -> usize {
    let share = clients.len().div_ceil(THREADS);
    let message = |number: usize| pattern(number * 7 + round, 1 + (number + round * 331) % 3000);
    thread::scope(|scope| {
        let threads: Vec<_> = clients
            .chunks_mut(share)
            .enumerate()
            .map(|(thread, clients)| {
                scope.spawn(move || {
                    for (index, client) in clients.iter_mut().enumerate() {
                        client.write_all(&message(thread * share + index)).unwrap();
                    }
                    let mut total = 0;
                    for (index, client) in clients.iter_mut().enumerate() {
                        let expected = message(thread * share + index);
                        let mut received = vec![0; expected.len()];
                        client.read_exact(&mut received).unwrap();
                        assert!(
                            received == expected,
                            "client {} got other bytes",
                            thread * share + index
                        );
                        total += expected.len();
                    }
                    total
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}
