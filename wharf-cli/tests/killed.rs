//! Clients that are killed: in each state that a conversation can be in, the server lets go of them, and nobody else notices.

#![cfg(unix)]

mod common;

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    process::{Child, Command, Stdio},
    thread,
};

use common::{Serve, echo, eventually, pattern};
use rustix::process::Signal;

/// In the process that is a client: whose, and in which state it is to be killed.
const CLIENT: &str = "WHARF_CLIENT";

/// More than the buffers between client and server hold, so that the server's sends wait for the client to read.
const FLOOD: usize = 16 << 20;

const STATES: [&str; 6] = [
    "connected",
    "in the middle of a message",
    "with an echo that it has not read",
    "not reading, with sends of the server's under way",
    "with its own side ended, and echoes under way",
    "idle after an echo",
];

/// Not a test of its own: what the clients of the others run.
#[test]
#[ignore = "it is the other tests' client"]
fn client() {
    let Ok(client) = env::var(CLIENT) else { return };
    let (address, state) = client.split_once(' ').expect("an address and a state");
    let mut stream = TcpStream::connect(address).expect("the server is there");
    match STATES.iter().position(|known| *known == state) {
        Some(0) => {}
        Some(1) => {
            // The server echoes each part as it comes; half of one is on its way.
            stream.write_all(&pattern(0, 7_001)).unwrap();
        }
        Some(2) => {
            stream.write_all(b"is anybody there?").unwrap();
            stream.peek(&mut [0; 1]).unwrap();
        }
        Some(3) => flood(&stream),
        Some(4) => {
            flood(&stream);
            stream.shutdown(Shutdown::Write).unwrap();
        }
        Some(5) => echo(&mut stream, b"is anybody there?"),
        _ => panic!("{state} is no state"),
    }
    println!("\nthere");
    std::io::stdin().read_exact(&mut [0; 1]).unwrap();
}

/// Writes until nothing more is taken: the server reads no further while its echoes wait.
fn flood(stream: &TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let bytes = pattern(0, 1 << 16);
    let (mut written, mut refusals) = (0, 0);
    while written < FLOOD && refusals < 20 {
        match (&*stream).write(&bytes) {
            Ok(count) => (written, refusals) = (written + count, 0),
            Err(_) => {
                refusals += 1;
                thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
    stream.set_nonblocking(false).unwrap();
}

/// A process that is connected, and in a state.
struct Client(Child);

impl Client {
    fn start(server: &Serve, state: &str) -> Client {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["client", "--exact", "--ignored", "--nocapture"])
            .env(CLIENT, format!("{} {state}", server.address))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let there = said
            .lines()
            .map_while(Result::ok)
            .any(|line| line == "there");
        assert!(there, "the client gets there: {state}");
        Client(child)
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

on_every_driver! {
    fn a_client_that_is_killed_in_any_state_is_let_go_of_and_disturbs_nobody(driver) {
        let server = Serve::start(driver, &[]);
        let mut bystander = server.connect();
        echo(&mut bystander, &pattern(1, 1000));
        let before = server.open_files();
        for (round, state) in STATES.into_iter().enumerate() {
            let mut client = Client::start(&server, state);
            eventually("the client is there", || server.open_files() == before + 1);
            echo(&mut bystander, &pattern(round, 1000));
            client.kill();
            eventually(&format!("the server lets go of a client that was {state}"), || {
                server.open_files() == before
            });
            echo(&mut bystander, &pattern(round, 100_000));
        }
        drop(bystander);
        let stopped = server.stop();
        assert_eq!(stopped.clients, 1 + STATES.len() as u64);
    }

    fn a_client_that_is_killed_while_the_server_waits_for_it_to_stop_ends_the_wait(driver) {
        let server = Serve::start(driver, &["--stop-timeout", "1m"]);
        let mut client = Client::start(&server, STATES[3]);
        server.signal(Signal::TERM);
        // It stops listening first, and then waits for its clients.
        eventually("the server is about to stop", || {
            TcpStream::connect(server.address).is_err()
        });
        client.kill();
        let (status, rest) = server.wait();
        assert!(status.success(), "{status}: {rest}");
        // Those that asked whether it listens may have been clients, too.
        assert!(rest.starts_with("stopped clients="), "{rest}");
        assert!(rest.contains(" cut=0"), "{rest}");
    }
}
