//! Polite clients: they ask at a gentle pace, read every answer, and check every byte.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{App, judge::Sample};

/// How long one of a client's waits lasts, until it looks at whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

/// The time from an answer to the next request.
const PACE: Duration = Duration::from_millis(5);

/// A newcomer comes so often.
const NEWCOMER_PACE: Duration = Duration::from_millis(100);

/// How long an answer is awaited after the client was told to end.
pub const GRACE: Duration = Duration::from_secs(10);

/// What a polite client is told, and what it tells.
#[derive(Debug, Default)]
pub struct Polite {
    ends: AtomicBool,
    rests: AtomicBool,
    told: Mutex<Told>,
}

#[derive(Debug, Default, Clone)]
pub struct Told {
    pub samples: Vec<Sample>,
    /// When the request was begun that is under way.
    under_way: Option<Instant>,
    /// Why it could not go on, if it could not.
    pub failed: Option<String>,
}

impl Polite {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has it end. An answer that is due is awaited for [`GRACE`].
    pub fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    /// Has it ask nothing more for now, or go on; its connection stays.
    pub fn rest(&self, rests: bool) {
        self.rests.store(rests, Ordering::Relaxed);
    }

    fn is_ending(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    fn may_ask(&self) -> bool {
        !self.rests.load(Ordering::Relaxed) && !self.is_ending()
    }

    /// Whether no request is under way.
    pub fn is_quiet(&self) -> bool {
        self.told().under_way.is_none()
    }

    pub fn result(&self) -> Told {
        self.told().clone()
    }

    fn request(&self, ask: impl FnOnce() -> io::Result<bool>) -> io::Result<bool> {
        let start = Instant::now();
        self.told().under_way = Some(start);
        let asked = ask();
        let mut told = self.told();
        told.under_way = None;
        told.samples.push(Sample {
            start,
            end: Instant::now(),
            answered: matches!(asked, Ok(true)),
        });
        asked
    }

    fn failed(&self, who: &str, error: &io::Error) {
        self.told().failed = Some(format!("{who}: {error}"));
    }

    /// One client that stays, and asks one thing after the other.
    pub fn stay(&self, address: SocketAddr, app: App) {
        let mut stream = None;
        self.ask_on("the polite client", PACE, app, |message| {
            let stream = match &mut stream {
                Some(stream) => stream,
                none => none.insert(connect(address)?),
            };
            self.exchange(stream, message)
        });
    }

    /// One client after the other: it comes, asks one thing, and leaves.
    pub fn come_and_go(&self, address: SocketAddr, app: App) {
        self.ask_on("a newcomer", NEWCOMER_PACE, app, |message| {
            self.exchange(&mut connect(address)?, message)
        });
    }

    /// Asks one thing after the other, as long as it may and is answered; the next so long after an answer.
    fn ask_on(
        &self,
        who: &str,
        pace: Duration,
        app: App,
        mut ask: impl FnMut(&[u8]) -> io::Result<bool>,
    ) {
        let mut number = 0;
        while !self.is_ending() {
            if !self.may_ask() {
                thread::sleep(PACE);
                continue;
            }
            let message = app.message(number);
            match self.request(|| ask(&message)) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return self.failed(who, &error),
            }
            number += 1;
            thread::sleep(pace);
        }
    }

    /// Sends, and reads as much. False if it was given up, since the client is to end.
    fn exchange(&self, stream: &mut TcpStream, message: &[u8]) -> io::Result<bool> {
        stream.write_all(message)?;
        let mut answer = vec![0; message.len()];
        let (mut have, mut ending) = (0, None);
        while have < answer.len() {
            match stream.read(&mut answer[have..]) {
                Ok(0) => {
                    let ended = format!("ended after {have} of {} bytes", answer.len());
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, ended));
                }
                Ok(count) => have += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if self.is_ending() && ending.get_or_insert_with(Instant::now).elapsed() > GRACE {
                return Ok(false);
            }
        }
        match answer.iter().zip(message).position(|(is, was)| is != was) {
            None => Ok(true),
            Some(at) => {
                let other = format!("byte {at} of {} is another", answer.len());
                Err(io::Error::new(ErrorKind::InvalidData, other))
            }
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, GRACE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LOOK))?;
    // What it sends, the system's buffers hold, so that it never waits here where a server is well.
    stream.set_write_timeout(Some(GRACE))?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread::Scope};

    use super::*;
    use crate::judge::{Judgement, Verdict, judge};

    const SLOW: Duration = Duration::from_millis(400);

    /// A server of one client that echoes, each time after a while.
    fn fake<'scope>(scope: &'scope Scope<'scope, '_>, delay: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        scope.spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = vec![0; 32 << 10];
            while let Ok(count @ 1..) = stream.read(&mut bytes) {
                thread::sleep(delay);
                stream.write_all(&bytes[..count]).unwrap();
            }
        });
        address
    }

    fn judged(attacked: Duration, idle: Duration) -> Judgement {
        let (one, other) = (Polite::default(), Polite::default());
        let start = Instant::now();
        thread::scope(|scope| {
            let (attacked, idle) = (fake(scope, attacked), fake(scope, idle));
            for (polite, address) in [(&one, attacked), (&other, idle)] {
                scope.spawn(move || polite.stay(address, App::Echo));
            }
            thread::sleep(4 * SLOW);
            one.end();
            other.end();
        });
        let (one, other) = (one.result(), other.result());
        assert_eq!((one.failed, other.failed), (None, None));
        let time = (start, start + 4 * SLOW);
        let bound = Duration::from_millis(250);
        judge(&one.samples, &other.samples, time, bound)
    }

    #[test]
    fn a_slow_server_fails() {
        // On a machine that is too busy to judge, again.
        let mut verdicts = (0..50).map(|_| judged(SLOW, Duration::ZERO).verdict);
        let verdict = verdicts.find(|it| *it != Verdict::NotJudged);
        assert!(matches!(verdict, Some(Verdict::Late(_))), "{verdict:?}");
    }

    #[test]
    fn a_slow_server_beside_one_that_is_as_slow_is_not_judged() {
        assert_eq!(judged(SLOW, SLOW).verdict, Verdict::NotJudged);
    }

    #[test]
    fn another_byte_than_was_sent_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let polite = Polite::default();
        thread::scope(|scope| {
            scope.spawn(|| polite.stay(address, App::Echo));
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = vec![0; 32 << 10];
            let count = stream.read(&mut bytes).unwrap();
            bytes[count - 1] ^= 1;
            stream.write_all(&bytes[..count]).unwrap();
        });
        let failed = polite.result().failed.expect("it is told");
        assert!(failed.contains("is another"), "{failed}");
    }
}
