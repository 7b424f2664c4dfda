//! A small server beside another: it answers each question by HTTP in the same way, such as whether that one is ready, or how it stands.
//!
//! It has a worker of its own, and so answers however busy the other's workers are, until it is dropped.

use std::time::Duration;

use crate::{
    Client, Handler, Listen, ListenAddress, Result, Server, Settings, StartError, codec::Delimited,
};

/// A client that asks is done within so long, or is cut.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// What answers; until it is dropped. For the other packages of the repository.
#[doc(hidden)]
#[derive(Debug)]
pub struct Answers(Box<Server>);

/// One answer.
#[doc(hidden)]
#[derive(Debug)]
pub struct Answer {
    status: &'static str,
    head: &'static str,
    body: String,
}

impl Answer {
    /// `status`: the code and its words. `head`: lines, each with its end, besides those that each answer has. `body` is told unless only
    /// the head is asked for.
    pub fn new(status: &'static str, head: &'static str, body: String) -> Self {
        Answer { status, head, body }
    }
}

impl Answers {
    /// Has the heads of requests answered, of so many clients at the same time: a sixteenth of them from one address, but for this
    /// machine's own.
    pub fn start(
        listen: Listen,
        clients_max: usize,
        answer: impl Fn(&[u8]) -> Answer + Send + Sync + 'static,
    ) -> std::result::Result<Self, StartError> {
        let settings = Settings {
            listen: vec![listen],
            workers: 1,
            workers_max: 1,
            concurrency: 1,
            clients_max,
            dials_max: 0,
            frame_bytes_max: HEAD_BYTES_MAX,
            first_bytes_timeout: Some(PATIENCE),
            frame_timeout: Some(PATIENCE),
            stall_timeout: Some(PATIENCE),
            idle_timeout: Some(PATIENCE),
            ..Settings::default()
        };
        let crowd = clients_max * 3 / 4;
        let server = Server::start(&settings, Answering { crowd, answer })?;
        Ok(Answers(Box::new(server)))
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<ListenAddress> {
        self.0.local_addrs()
    }
}

struct Answering<F> {
    /// Above so many clients, the one that has been there for longest is cut when another comes. A balancer asks at once: so those
    /// that only occupy places, from however many addresses, do not keep it waiting.
    crowd: usize,
    answer: F,
}

impl<F: Fn(&[u8]) -> Answer + Send + Sync + 'static> Handler for Answering<F> {
    type Session = ();
    type Codec = Delimited;
    type Message = ();

    fn codec(&self) -> Delimited {
        // The end of a request's head.
        Delimited::new(b"\r\n\r\n")
    }

    fn connected(&self, client: &Client) -> Result {
        if client.clients().len() > self.crowd {
            let clients = client.clients().snapshot();
            if let Some(oldest) = clients.iter().min_by_key(|client| client.id()) {
                oldest.abort();
            }
        }
        Ok(())
    }

    /// One answer, and the end of the connection.
    fn received(&self, client: &Client, (): &mut (), head: &[u8]) -> Result {
        let answer = (self.answer)(head);
        let sent = match head.starts_with(b"HEAD ") {
            true => "",
            false => &answer.body,
        };
        client.send(format!(
            "HTTP/1.1 {}\r\n{}Content-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{sent}",
            answer.status,
            answer.head,
            answer.body.len()
        ))?;
        client.close();
        Ok(())
    }
}
