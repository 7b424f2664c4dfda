//! What peers do to a server: messages of every size, half-closing, resetting, vanishing, not reading, saying nothing.

#![cfg(unix)]

mod common;

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use common::{Serve, Stopped, echo, echo_in_parallel, eventually, expect, expect_end, pattern};
use rustix::process::Signal;
use socket2::SockRef;

/// A client that stops reading may cost the server its buffers and no more: two to be sent, one just received, and
/// what the allocator keeps.
const NON_READER_BYTES_MAX: u64 = 4 << 20;

on_every_driver! {
    fn messages_of_1_byte_and_of_1_mib_are_echoed(driver) {
        let serve = Serve::start(driver, &[]);
        let mut client = serve.connect();
        for byte in 0..=255 {
            echo(&mut client, &[byte]);
        }
        for seed in 0..8 {
            echo_in_parallel(&client, &pattern(seed, 1 << 20));
        }
        client.shutdown(Shutdown::Write).unwrap();
        expect_end(&mut client);
        let total = 256 + (8 << 20);
        let expected = Stopped { clients: 1, received: total, sent: total, cut: 0 };
        assert_eq!(serve.stop(), expected);
    }

    fn a_gibibyte_through_one_connection_arrives_whole(driver) {
        let serve = Serve::start(driver, &[]);
        let client = serve.connect();
        let block = pattern(3, 1 << 20);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..1024 {
                    (&client).write_all(&block).unwrap();
                }
                client.shutdown(Shutdown::Write).unwrap();
            });
            let mut receiver = client.try_clone().unwrap();
            for _ in 0..1024 {
                expect(&mut receiver, &block);
            }
            expect_end(&mut receiver);
        });
        assert_eq!(serve.stop().sent, 1 << 30);
    }

    fn many_clients_at_once_on_one_worker(driver) {
        let serve = Serve::start(driver, &["--workers", "1"]);
        many_clients(&serve);
    }

    fn many_clients_at_once_on_many_workers_of_which_one_runs(driver) {
        let serve = Serve::start(driver, &["--workers", "16", "--concurrency", "1"]);
        many_clients(&serve);
    }

    fn many_clients_at_once_on_more_workers_than_processors(driver) {
        let serve = Serve::start(driver, &["--workers", "16", "--concurrency", "8"]);
        many_clients(&serve);
    }

    fn a_buffer_of_one_byte_is_enough(driver) {
        let serve = Serve::start(driver, &["--buffer", "1"]);
        echo_in_parallel(&serve.connect(), &pattern(1, 10_000));
    }

    fn a_peer_that_half_closes_gets_all_of_its_echo_before_the_end(driver) {
        let serve = Serve::start(driver, &[]);
        let mut client = serve.connect();
        // More than the server holds for a client, less than the buffers on the way do.
        let message = pattern(5, 200_000);
        client.write_all(&message).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        expect(&mut client, &message);
        expect_end(&mut client);
        assert_eq!(serve.stop().cut, 0);
    }

    fn peers_that_reset_disturb_nobody(driver) {
        let serve = Serve::start(driver, &[]);
        let mut bystander = serve.connect();
        echo(&mut bystander, b"ahoy");
        // Some are kept aside for the threads that the pool may still start.
        let files = serve.open_files();
        for round in 0..50 {
            let mut client = serve.connect();
            // Every second is a client by then. The others may be gone before they are accepted, and before the server
            // stops they may not have been.
            if round % 2 == 0 {
                echo(&mut client, b"ahoy");
            }
            (&client).write_all(&pattern(round, 1000 * round)).unwrap();
            // A socket that is closed without lingering resets the connection.
            SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
            drop(client);
            echo(&mut bystander, &pattern(round, 100));
        }
        eventually("those that reset are gone", || serve.open_files() <= files + 10);
        drop(bystander);
        let clients = serve.stop().clients;
        assert!((26..=51).contains(&clients), "{clients} clients");
    }

    fn peers_that_are_killed_disturb_nobody(driver) {
        let serve = Serve::start(driver, &[]);
        let mut bystander = serve.connect();
        let mut victims: Vec<Child> = (0..3).map(|_| client_process(&serve)).collect();
        for victim in &mut victims {
            victim.kill().unwrap();
            victim.wait().unwrap();
        }
        echo(&mut bystander, b"ahoy");
        drop(bystander);
        let stopped = serve.stop();
        assert_eq!((stopped.clients, stopped.cut), (4, 0));
    }

    fn a_peer_that_does_not_read_is_not_read_from_and_memory_stays_bounded(driver) {
        let serve = Serve::start(driver, &[]);
        let mut bystander = serve.connect();
        echo(&mut bystander, &pattern(0, 100_000));
        let before = serve.resident();

        let stuck = serve.connect();
        stuck.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let block = pattern(0, 1 << 20);
        // The system's buffers take some megabytes; then the server must push back.
        let taken = (0..1024).take_while(|_| (&stuck).write_all(&block).is_ok()).count();
        assert!(taken < 1024, "a gibibyte was taken from a peer that reads nothing");

        echo(&mut bystander, b"ahoy");
        let grown = serve.resident().saturating_sub(before);
        assert!(grown < NON_READER_BYTES_MAX, "{grown} bytes");
    }

    fn a_peer_that_reads_late_gets_everything(driver) {
        let serve = Serve::start(driver, &[]);
        let client = serve.connect();
        let message = pattern(9, 32 << 20);
        thread::scope(|scope| {
            let (client, message) = (&client, &message);
            let writer = scope.spawn(move || {
                let mut client: &TcpStream = client;
                client.write_all(message).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
            });
            // It reads only once the writer is held up, which the server's open reply shows.
            eventually("echoes wait to be read", || unread(client) > 0);
            let mut reader = client.try_clone().unwrap();
            expect(&mut reader, message);
            expect_end(&mut reader);
            writer.join().unwrap();
        });
    }

    fn peers_that_connect_and_say_nothing_are_cut_after_the_idle_timeout(driver) {
        let serve = Serve::start(driver, &["--idle-timeout", "300ms"]);
        let mut silent: Vec<TcpStream> = (0..20).map(|_| serve.connect()).collect();
        let mut busy = serve.connect();
        let ended = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                for client in &mut silent {
                    expect_end(client);
                    ended.fetch_add(1, Ordering::Relaxed);
                }
            });
            // A peer that keeps talking stays.
            while ended.load(Ordering::Relaxed) < 20 {
                echo(&mut busy, b"still here");
                thread::sleep(Duration::from_millis(20));
            }
        });
        echo(&mut busy, b"still here");
    }

    fn out_of_open_files_accepting_pauses_without_spinning_and_resumes(driver) {
        let serve = Serve::start_with_open_files(64, driver, &[]);
        let mut clients: Vec<TcpStream> = (0..100).map(|_| serve.connect()).collect();
        // Those that were let in are served; the others wait.
        let message = b"is anybody there?";
        let served = clients.iter().take_while(|client| is_served(client, message)).count();
        assert!((20..64).contains(&served), "{served} served");
        assert_eq!(serve.log().matches("accepting pauses").count(), 1, "{}", serve.log());

        let ticks = serve.processor_ticks();
        thread::sleep(Duration::from_secs(1));
        assert!(serve.processor_ticks() - ticks < 10, "it spins");

        // As clients go, others are let in, until all have been served.
        let waiting = clients.split_off(served);
        drop(clients);
        for (index, mut client) in waiting.into_iter().enumerate() {
            // The first of them has sent already, and waits for its echo.
            if index > 0 {
                client.write_all(message).unwrap();
            }
            expect(&mut client, message);
        }
        assert_eq!(serve.log().matches("accepting pauses").count(), 1, "{}", serve.log());
        assert_eq!(serve.stop().clients, 100);
    }

    fn a_limit_of_clients_lets_the_others_wait_their_turn(driver) {
        let serve = Serve::start(driver, &["--max-clients", "2"]);
        let mut clients: Vec<TcpStream> = (0..4).map(|_| serve.connect()).collect();
        assert!(is_served(&clients[0], b"one"));
        assert!(is_served(&clients[1], b"two"));
        assert!(!is_served(&clients[2], b"three"));
        drop(clients.remove(0));
        expect(&mut clients[1], b"three");
    }

    fn stopping_under_load_loses_no_byte_that_was_received(driver) {
        let serve = Serve::start(driver, &[]);
        let echoed = AtomicU64::new(0);
        let started = Barrier::new(9);
        let stopped = thread::scope(|scope| {
            for seed in 0..8 {
                let client = serve.connect();
                let (started, echoed) = (&started, &echoed);
                scope.spawn(move || echoed.fetch_add(load_until_stopped(client, seed, started), Ordering::Relaxed));
            }
            started.wait();
            serve.stop()
        });
        assert_eq!(stopped.cut, 0);
        assert_eq!(stopped.received, stopped.sent);
        // Every byte that the server says it sent has arrived, in order.
        assert_eq!(stopped.sent, echoed.load(Ordering::Relaxed));
    }

    fn stopping_twice_in_a_row_is_two_servers_on_one_port(driver) {
        let serve = Serve::start(driver, &[]);
        let mut client = serve.connect();
        echo(&mut client, b"ahoy");
        let address = serve.address;
        serve.stop();
        // The port is free at once, although a connection of the first server is still remembered.
        let mut command = Command::new(common::WHARF);
        command.args(["serve", "--driver", driver, "--listen", &address.to_string()]);
        let second = Serve::from_command(command);
        echo(&mut second.connect(), b"ahoy");
    }

    fn when_nothing_happens_no_thread_runs(driver) {
        let serve = Serve::start(driver, &[]);
        let mut clients: Vec<TcpStream> = (0..100).map(|_| serve.connect()).collect();
        for client in &mut clients {
            echo(client, b"ahoy");
        }
        eventually("all workers have gone to wait", || {
            let switches = serve.switches();
            thread::sleep(Duration::from_millis(200));
            serve.switches() == switches
        });
        let (switches, ticks) = (serve.switches(), serve.processor_ticks());
        thread::sleep(Duration::from_secs(2));
        assert_eq!((serve.switches(), serve.processor_ticks()), (switches, ticks));
    }
}

/// 200 clients in 4 threads, each with its own bytes, in messages of mixed sizes.
fn many_clients(serve: &Serve) {
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let mut clients: Vec<TcpStream> = (0..50).map(|_| serve.connect()).collect();
                for round in 0..10 {
                    let messages: Vec<Vec<u8>> = (0..clients.len())
                        .map(|client| pattern(thread * 1000 + client, 1 + round * 997))
                        .collect();
                    for (client, message) in clients.iter_mut().zip(&messages) {
                        client.write_all(message).unwrap();
                    }
                    for (client, message) in clients.iter_mut().zip(&messages) {
                        expect(client, message);
                    }
                }
            });
        }
    });
}

/// Sends as fast as it can, and checks the echo, until the server stops. Returns how many bytes came back.
fn load_until_stopped(client: TcpStream, seed: usize, started: &Barrier) -> u64 {
    let block = pattern(seed, 64 << 10);
    thread::scope(|scope| {
        let (client, block) = (&client, &block);
        scope.spawn(move || {
            let mut sender = client;
            while sender.write_all(block).is_ok() {}
        });
        let mut receiver = client;
        let (mut total, mut received) = (0, vec![0; 64 << 10]);
        loop {
            match receiver.read(&mut received) {
                Ok(0) => break,
                Ok(count) => {
                    let at = (total % block.len() as u64) as usize;
                    let expected = block.iter().cycle().skip(at).take(count);
                    assert!(received[..count].iter().eq(expected), "the echo differs");
                    if total == 0 {
                        started.wait();
                    }
                    total += count as u64;
                }
                Err(error) => panic!("after {total} bytes: {error}"),
            }
        }
        // The writer may be held up by what nobody reads any more.
        let _ = client.shutdown(Shutdown::Both);
        total
    })
}

/// Whether an echo comes within a time that is ample for one.
fn is_served(mut client: &TcpStream, message: &[u8]) -> bool {
    client.write_all(message).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut received = vec![0; message.len()];
    let result = client.read_exact(&mut received);
    client.set_read_timeout(Some(common::GUARD)).unwrap();
    match result {
        Ok(()) => received == message,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    }
}

fn unread(client: &TcpStream) -> u64 {
    rustix::io::ioctl_fionread(client).unwrap()
}

/// A process that connects, sends, and stays.
fn client_process(serve: &Serve) -> Child {
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{}; echo ahoy >&3; read -r line <&3; echo $line; sleep 600",
        serve.address.port()
    );
    let mut child = Command::new("bash")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It is connected and served once it prints the echo.
    let mut line = [0; 5];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut line)
        .unwrap();
    assert_eq!(&line, b"ahoy\n");
    child
}

#[test]
fn signals_that_stop_and_continue_the_process_change_nothing() {
    let serve = Serve::start("auto", &[]);
    let mut client = serve.connect();
    echo(&mut client, b"before");
    serve.signal(Signal::STOP);
    client.write_all(b"during").unwrap();
    serve.signal(Signal::CONT);
    expect(&mut client, b"during");
    echo(&mut client, b"after");
}
