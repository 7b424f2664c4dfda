//! What the rows of HTTP servers share: a turn of each kind, and answers that are read by hand.

use std::io::{self, BufRead, BufReader, Read};

use super::{BOTH, LOAD, SERVER};
use crate::{
    Lab,
    contestants::{self, Contestant, Role},
    load::Run,
    server::Server,
};

/// So many threads Wharf may have where handlers block, of which one or two run at once.
pub const THREADS_MAX: u32 = 64;

/// A turn of rows that measure cost: one thread on one processor, the load on the other.
pub fn cost_turn(lab: &Lab, contestant: &Contestant, words: &str) -> Result<Run, String> {
    lab.bench.load(LOAD, &start_alone(contestant)?, words)
}

/// On one thread, with a processor of its own.
pub fn start_alone(contestant: &Contestant) -> Result<Server, String> {
    Server::start(SERVER, &contestant.http_command(1, THREADS_MAX))
}

/// On two threads, which share both processors with the load.
pub fn start_beside_load(contestant: &Contestant) -> Result<Server, String> {
    Server::start(BOTH, &contestant.http_command(2, THREADS_MAX))
}

/// Says which of Wharf's servers were not there to be measured.
pub fn tell_unbuilt<'a>(measured: impl IntoIterator<Item = &'a String>) -> String {
    let measured: Vec<&String> = measured.into_iter().collect();
    let wharf = contestants::http::all()
        .iter()
        .filter(|contestant| contestant.role == Role::Wharf);
    let missing: Vec<&str> = wharf
        .map(|contestant| contestant.name)
        .filter(|name| !measured.iter().any(|measured| measured == name))
        .collect();
    match missing.is_empty() {
        true => String::new(),
        false => format!("Not measured, since not built: {}.\n", missing.join(", ")),
    }
}

/// An answer, all of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads the only answer that is under way. It has to say how long it is, as all do that the lab asks for.
    pub fn read(client: &mut impl Read) -> io::Result<Answer> {
        let mut client = BufReader::new(client);
        let line = head_line(&mut client)?;
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| invalid(&line))?;
        let mut length = None;
        loop {
            let line = head_line(&mut client)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok();
            }
        }
        let length: usize = length.ok_or_else(|| invalid("an answer without its length"))?;
        let mut body = vec![0; length];
        client.read_exact(&mut body)?;
        Ok(Answer { status, body })
    }
}

/// Without what ends it.
fn head_line(client: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    client.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn invalid(what: &str) -> io::Error {
    let message = format!("no answer of HTTP/1.1: {what:?}");
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_status_and_its_body() {
        let read = |text: &str| Answer::read(&mut text.as_bytes());
        let good = read("HTTP/1.1 200 OK\r\nContent-Length: 5\r\ndate: now\r\n\r\nhello");
        let hello = Answer {
            status: 200,
            body: b"hello".into(),
        };
        assert_eq!(good.expect("an answer"), hello);
        for bad in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 x00 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello",
            "echo\r\n\r\n",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
