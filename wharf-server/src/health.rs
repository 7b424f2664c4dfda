//! Whether a server is ready for new clients, as a balancer asks: by HTTP, on an address of its own.

use crate::{
    Listen, ListenAddress, StartError, Stopper,
    answers::{Answer, Answers},
};

/// The most that ask at the same time.
const CLIENTS_MAX: usize = 256;

/// What answers; until it is dropped.
#[derive(Debug)]
pub(crate) struct Health(Answers);

impl Health {
    pub(crate) fn start(listen: Listen, of: Stopper) -> Result<Self, StartError> {
        let answers = Answers::start(listen, CLIENTS_MAX, move |_| answer(of.is_ready()))?;
        Ok(Health(answers))
    }

    pub(crate) fn addresses(&self) -> Vec<ListenAddress> {
        self.0.addresses()
    }
}

fn answer(is_ready: bool) -> Answer {
    let (status, body) = match is_ready {
        true => ("200 OK", "ready\n"),
        false => ("503 Service Unavailable", "not ready\n"),
    };
    Answer::new(status, "Content-Type: text/plain\r\n", body.to_owned())
}
