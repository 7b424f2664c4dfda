//! `serve --metrics`: the address where the metrics are told by HTTP, to Prometheus and its like.

use wharf_server::{Answer, Answers, Listen, ListenAddress, StartError};

use super::recorder::Metrics;

/// The most that ask at the same time.
const CLIENTS_MAX: usize = 64;

/// What answers; until it is dropped.
#[derive(Debug)]
pub struct Endpoint(Answers);

impl Endpoint {
    /// Starts it. What is told from now on is the process's.
    pub fn start(listen: Listen) -> Result<Self, StartError> {
        let metrics = Metrics::default();
        // There is no other recorder: this is called once.
        if metrics::set_global_recorder(metrics.clone()).is_err() {
            unreachable!("the recorder is set once");
        }
        let answers = Answers::start(listen, CLIENTS_MAX, move |head| answer(head, &metrics))?;
        Ok(Endpoint(answers))
    }

    pub fn addresses(&self) -> Vec<ListenAddress> {
        self.0.addresses()
    }
}

fn answer(head: &[u8], metrics: &Metrics) -> Answer {
    let (status, body) = match path(head) {
        Some("/" | "/metrics") => ("200 OK", metrics.text()),
        Some(_) => ("404 Not Found", "the metrics are at /metrics\n".to_owned()),
        None => ("405 Method Not Allowed", "use GET or HEAD\n".to_owned()),
    };
    let head = "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\nAllow: GET, HEAD\r\n";
    Answer::new(status, head, body)
}

/// What is asked for, without what is behind `?`; none if it is not asked for by GET or HEAD.
fn path(head: &[u8]) -> Option<&str> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    match words.next() {
        Some("GET" | "HEAD") => words.next()?.split('?').next(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_of_a_request() {
        for (head, expected) in [
            ("GET /metrics HTTP/1.1\r\nHost: a", Some("/metrics")),
            ("HEAD /?a=b HTTP/1.0", Some("/")),
            ("POST /metrics HTTP/1.1\r\n", None),
            ("GET", None),
            ("", None),
        ] {
            assert_eq!(path(head.as_bytes()), expected, "{head}");
        }
    }
}
