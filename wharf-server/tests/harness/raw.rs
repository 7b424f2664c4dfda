//! Handlers without frames and sessions: a closure, and one that reports its calls.

use std::{
    io::Write,
    net::TcpStream,
    sync::{Mutex, mpsc},
};

use wharf::Buffer;
use wharf_server::{
    Client, Ended, Handler, Outcome, Result, Server, ServerBuilder, Settings, StartError,
};

use super::harness::expect;

/// Starts a server whose handler is a closure.
pub fn serve<F, R>(settings: &Settings, received: F) -> Result<Server, StartError>
where
    F: Fn(&Client, Buffer) -> R + Send + Sync + 'static,
    R: Outcome,
{
    ServerBuilder::from(settings.clone()).serve(received)
}

pub fn echo(client: &Client, bytes: Buffer) {
    let _ = client.send(bytes);
}

pub fn exchange(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    expect(stream, bytes);
}

/// What a handler was called with, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Call {
    Connected(u64),
    Received(u64, Vec<u8>),
    Disconnected(u64, &'static str),
    Failed,
}

/// Reports its calls; panics when it is told to.
pub struct Reporter(Mutex<mpsc::Sender<Call>>);

impl Reporter {
    pub fn new() -> (Self, mpsc::Receiver<Call>) {
        let (sender, receiver) = mpsc::channel();
        (Reporter(Mutex::new(sender)), receiver)
    }

    fn report(&self, call: Call) {
        let _ = self.0.lock().unwrap().send(call);
    }
}

/// Why a client is gone, in a word.
pub fn name_of(ended: &Ended) -> &'static str {
    match ended {
        Ended::ByPeer => "by peer",
        Ended::ByServer => "by server",
        Ended::Failed(_) => "failed",
        Ended::Idle => "idle",
        Ended::Stalled => "stalled",
        Ended::Panicked(message) => {
            assert_eq!(message, "as it was told");
            "panicked"
        }
        Ended::Aborted => "aborted",
        Ended::Cut => "cut",
        _ => "otherwise",
    }
}

impl Handler for Reporter {
    raw_bytes!();

    fn connected(&self, client: &Client) -> Result {
        self.report(Call::Connected(client.id()));
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), bytes: Buffer) -> Result {
        self.report(Call::Received(client.id(), bytes.to_vec()));
        match &bytes[..] {
            b"panic" => panic!("as it was told"),
            b"close" => client.close(),
            b"pause" => client.pause_reading(),
            _ => {}
        }
        let _ = client.send(bytes);
        Ok(())
    }

    fn disconnected(&self, client: &Client, (): &mut (), ended: &Ended) {
        self.report(Call::Disconnected(client.id(), name_of(ended)));
    }

    fn panicked(&self, client: &Client, message: &str) {
        assert_eq!(message, "as it was told");
        self.report(Call::Disconnected(client.id(), "panicked"));
    }

    fn failed(&self, _: &std::io::Error) {
        self.report(Call::Failed);
    }
}
