//! A server of the Redis protocol on the toolkit, which `redis-cli` and `redis-benchmark` talk to: PING, GET, SET (EX, PX), DEL,
//! INCR, EXPIRE, TTL. The keys are in memory, and only there.
//!
//! A codec of the program's own cuts the requests (RESP2): arrays of bulk strings, and plain lines ("inline commands"). It finds
//! where a request ends, and the handler takes it apart where it lies. Answers to requests that came in one piece leave in one
//! piece.
//!
//! `cargo run --release -p wharf-examples --example redis`, then `redis-benchmark -p 21007 -t get,set,incr -P 16`. A line on
//! its standard input, or the end of it, stops it.

use std::{
    collections::HashMap,
    error::Error,
    sync::Mutex,
    time::{Duration, Instant},
};

use wharf_examples::lock;
use wharf_server::{
    Client, Handler, Result, Server,
    codec::{Codec, Decoded, FrameError},
};

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let server = Server::builder()
        .listen(wharf_examples::address("--listen", "127.0.0.1:21007")?.into())
        .frame_bytes_max(1 << 20)
        .tick(Duration::from_secs(1))
        .start(Store::default())?;
    wharf_examples::run(server);
    Ok(())
}

/// The words of a request: at most so many.
const WORDS_MAX: usize = 8;

/// The longest line, in bytes.
const LINE_MAX: usize = 1_024;

/// Finds the words of the first request.
struct Requests;

type Words<'a> = ([&'a [u8]; WORDS_MAX], usize);

impl Codec for Requests {
    type Frame<'a> = Words<'a>;

    fn decode<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> std::result::Result<Decoded<Words<'a>>, FrameError> {
        let mut words = [&[][..]; WORDS_MAX];
        let Some((first, mut at)) = line_at(bytes, 0)? else {
            return Ok(Decoded::Incomplete(bytes.len() + 1));
        };
        let Some(count) = first.strip_prefix(b"*") else {
            let mut count = 0;
            for word in first
                .split(|byte| *byte == b' ')
                .filter(|word| !word.is_empty())
            {
                *words
                    .get_mut(count)
                    .ok_or(FrameError::invalid("too many words"))? = word;
                count += 1;
            }
            return Ok(match count {
                0 => Decoded::Skip(at),
                count => Decoded::Frame((words, count), at),
            });
        };
        let count = number(count).filter(|count| (1..=WORDS_MAX).contains(count));
        let count = count.ok_or(FrameError::invalid("an array of no words, or of too many"))?;
        for word in &mut words[..count] {
            let Some((line, begin)) = line_at(bytes, at)? else {
                return Ok(Decoded::Incomplete(bytes.len() + 1));
            };
            let len = line.strip_prefix(b"$").and_then(number);
            let len = len.ok_or(FrameError::invalid("no bulk string"))?;
            let end = begin.saturating_add(len);
            match bytes.get(end..end.saturating_add(2)) {
                Some(b"\r\n") => *word = &bytes[begin..end],
                Some(_) => return Err(FrameError::invalid("a bulk string without its end")),
                None => return Ok(Decoded::Incomplete(end.saturating_add(2))),
            }
            at = end + 2;
        }
        Ok(Decoded::Frame((words, count), at))
    }
}

/// The line that begins at a place, without its end, and where the next one begins; none if it has not arrived whole.
fn line_at(bytes: &[u8], at: usize) -> std::result::Result<Option<(&[u8], usize)>, FrameError> {
    // Bounded, since all of it is looked at again whenever a part of the request arrives.
    let rest = &bytes[at..bytes.len().min(at + LINE_MAX)];
    match rest.iter().position(|byte| *byte == b'\n') {
        Some(len) => {
            let line = &rest[..len];
            Ok(Some((
                line.strip_suffix(b"\r").unwrap_or(line),
                at + len + 1,
            )))
        }
        None if rest.len() < LINE_MAX => Ok(None),
        None => Err(FrameError::invalid("too long a line")),
    }
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The values, and when they expire.
#[derive(Default)]
struct Store(Mutex<HashMap<Box<[u8]>, Value>>);

struct Value {
    bytes: Vec<u8>,
    expires: Option<Instant>,
}

impl Value {
    fn is_over(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl Store {
    /// The values, of which this one is there only if it has not expired.
    fn values(&self, key: &[u8]) -> std::sync::MutexGuard<'_, HashMap<Box<[u8]>, Value>> {
        let mut values = lock(&self.0);
        let expires = values.get(key).and_then(|value| value.expires);
        if expires.is_some_and(|expires| expires <= Instant::now()) {
            values.remove(key);
        }
        values
    }

    fn get(&self, client: &Client, key: &[u8]) -> Result {
        match self.values(key).get(key) {
            Some(Value { bytes, .. }) => {
                let mut head = [0; 24];
                client.send(&[bulk(&mut head, bytes.len()), bytes, b"\r\n"])?;
            }
            None => client.send(b"$-1\r\n")?,
        }
        Ok(())
    }

    fn set(&self, client: &Client, key: &[u8], bytes: &[u8], options: &[&[u8]]) -> Result {
        let expires = match options {
            [] => None,
            [unit, count] => {
                let count: Option<u64> = number(count).filter(|count| *count > 0);
                let after = match (&unit.to_ascii_uppercase()[..], count) {
                    (b"EX", Some(count)) => Duration::from_secs(count),
                    (b"PX", Some(count)) => Duration::from_millis(count),
                    _ => return Ok(client.send("-ERR syntax error\r\n")?),
                };
                Instant::now().checked_add(after)
            }
            _ => return Ok(client.send("-ERR syntax error\r\n")?),
        };
        let mut values = lock(&self.0);
        match values.get_mut(key) {
            Some(value) => {
                value.bytes.clear();
                value.bytes.extend_from_slice(bytes);
                value.expires = expires;
            }
            None => {
                let bytes = bytes.to_vec();
                values.insert(key.into(), Value { bytes, expires });
            }
        }
        drop(values);
        Ok(client.send(b"+OK\r\n")?)
    }

    fn increment(&self, client: &Client, key: &[u8]) -> Result {
        let mut values = self.values(key);
        let value = values
            .get(key)
            .map_or(Some(0), |value| number::<i64>(&value.bytes));
        let Some(next) = value.and_then(|value| value.checked_add(1)) else {
            return Ok(client.send("-ERR value is not an integer or out of range\r\n")?);
        };
        let text = next.to_string().into_bytes();
        match values.get_mut(key) {
            Some(value) => value.bytes = text,
            None => drop(values.insert(
                key.into(),
                Value {
                    bytes: text,
                    expires: None,
                },
            )),
        }
        drop(values);
        Ok(client.send(format!(":{next}\r\n"))?)
    }

    fn expire(&self, client: &Client, key: &[u8], seconds: &[u8]) -> Result {
        let Some(seconds) = number(seconds) else {
            return Ok(client.send("-ERR value is not an integer or out of range\r\n")?);
        };
        let found = self.values(key).get_mut(key).map(|value| {
            value.expires = Instant::now().checked_add(Duration::from_secs(seconds));
        });
        Ok(client.send(format!(":{}\r\n", u8::from(found.is_some())))?)
    }

    fn time_left(&self, client: &Client, key: &[u8]) -> Result {
        let seconds = match self.values(key).get(key).map(|value| value.expires) {
            None => -2,
            Some(None) => -1,
            Some(Some(expires)) => expires
                .saturating_duration_since(Instant::now())
                .as_secs_f64()
                .ceil() as i64,
        };
        Ok(client.send(format!(":{seconds}\r\n"))?)
    }
}

/// The head of a bulk string, written into `head`.
fn bulk(head: &mut [u8; 24], len: usize) -> &[u8] {
    use std::io::Write;
    let mut rest = &mut head[..];
    let _ = write!(rest, "${len}\r\n");
    let left = rest.len();
    &head[..24 - left]
}

impl Handler for Store {
    type Session = ();
    type Codec = Requests;
    type Message = ();

    fn codec(&self) -> Requests {
        Requests
    }

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), (words, count): Words<'_>) -> Result {
        match (&words[0].to_ascii_uppercase()[..], &words[1..count]) {
            (b"GET", [key]) => self.get(client, key),
            (b"SET", [key, value, options @ ..]) => self.set(client, key, value, options),
            (b"INCR", [key]) => self.increment(client, key),
            (b"DEL", [_, ..]) => {
                let gone = words[1..count]
                    .iter()
                    .filter(|key| self.values(key).remove(**key).is_some());
                Ok(client.send(format!(":{}\r\n", gone.count()))?)
            }
            (b"EXPIRE", [key, seconds]) => self.expire(client, key, seconds),
            (b"TTL", [key]) => self.time_left(client, key),
            (b"PING", []) => Ok(client.send(b"+PONG\r\n")?),
            (b"PING" | b"ECHO", [text]) => {
                let mut head = [0; 24];
                Ok(client.send(&[bulk(&mut head, text.len()), text, b"\r\n"])?)
            }
            (b"QUIT", []) => {
                client.send(b"+OK\r\n")?;
                client.close();
                Ok(())
            }
            // What redis-cli and redis-benchmark ask at their start: nothing is to be told.
            (b"COMMAND" | b"CONFIG", _) => Ok(client.send(b"*0\r\n")?),
            (name, _) => {
                let name = String::from_utf8_lossy(name);
                Ok(client.send(format!(
                    "-ERR unknown command, or a wrong number of words: {name}\r\n"
                ))?)
            }
        }
    }

    fn bad_frame(&self, client: &Client, (): &mut (), error: &FrameError) {
        let _ = client.send(format!("-ERR Protocol error: {error}\r\n"));
    }

    fn tick(&self, _: &wharf_server::Clients, _: wharf_server::Tick) {
        let now = Instant::now();
        lock(&self.0).retain(|_, value| !value.is_over(now));
    }
}
