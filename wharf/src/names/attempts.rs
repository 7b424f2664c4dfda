//! Which of several addresses to connect to, and when: RFC 8305 ("Happy Eyeballs"), sections 4 and 5.
//!
//! No clock and no socket: the caller says what time it is, starts the attempts, and tells what came of them.

use std::{
    collections::VecDeque,
    error, fmt, io, mem,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// The next address is tried after so long, while the attempts before it go on (RFC 8305, section 5).
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// So many attempts may be under way at once. For one more, the oldest is given up, after two seconds at least.
const UNDER_WAY_MAX: usize = 8;

/// No address could be connected to. It comes inside an [`io::Error`], of the kind that the last attempt had.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectError {
    /// What was to be connected to.
    pub target: String,
    /// Each address that was tried, with what it came to.
    pub tried: Vec<(SocketAddr, io::Error)>,
    /// The addresses for which there was no time.
    pub untried: Vec<SocketAddr>,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "can't connect to {}", self.target)?;
        for (address, error) in &self.tried {
            write!(formatter, "; {address}: {error}")?;
        }
        for address in &self.untried {
            write!(formatter, "; {address}: not tried, the time was over")?;
        }
        Ok(())
    }
}

impl error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        let last = self.tried.last()?;
        Some(&last.1)
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        let last = error.tried.last();
        let kind = last.map_or(io::ErrorKind::TimedOut, |it| it.1.kind());
        io::Error::new(kind, error)
    }
}

/// The attempts to connect to one of several addresses. `O` is what the caller has of an attempt that is under way, to give it up:
/// an [`OperationId`](crate::OperationId), as a rule.
///
/// ```
/// use std::{io, net::TcpListener, time::{Duration, Instant}};
/// use wharf::{CompletionPort, Finished, Wait, names::Attempts};
///
/// # fn main() -> io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let here = listener.local_addr()?;
/// let dead = ([127, 0, 0, 2], here.port()).into(); // it refuses
/// let port = CompletionPort::<u32>::new(1)?;
///
/// let mut attempts = Attempts::new("the server", vec![dead, here], Duration::from_secs(5), Instant::now());
/// let socket = loop {
///     for operation in attempts.step(Instant::now(), |number, address| port.connect(address, number)) {
///         let _ = port.cancel(operation); // its completion is of no use any more
///     }
///     if attempts.is_over() {
///         return Err(attempts.into_error().into());
///     }
///     let wait = attempts.next_step().map(|next| next.saturating_duration_since(Instant::now()));
///     let Wait::Completed(done) = port.wait(wait)? else { continue };
///     match (done.result, done.what) {
///         (Err(error), _) => attempts.failed(done.key, error),
///         (Ok(_), Finished::Connected { socket }) => break socket,
///         _ => unreachable!("nothing else was started"),
///     }
/// };
/// // Those that are still under way are not needed.
/// attempts.take_under_way().into_iter().for_each(|operation| drop(port.cancel(operation)));
/// assert_eq!(socket.peer_addr()?, here);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Attempts<O> {
    target: String,
    waiting: VecDeque<SocketAddr>,
    under_way: VecDeque<Attempt<O>>,
    tried: Vec<(SocketAddr, io::Error)>,
    untried: Vec<SocketAddr>,
    /// When the next address is to be tried.
    next: Instant,
    within: Duration,
    deadline: Option<Instant>,
    last_number: u32,
}

#[derive(Debug)]
struct Attempt<O> {
    number: u32,
    address: SocketAddr,
    operation: O,
}

impl<O> Attempts<O> {
    /// To connect to `target`, which is for the error alone, at one of `addresses`: these are tried in their order, within so long for
    /// all of them.
    pub fn new(
        target: impl fmt::Display,
        addresses: impl IntoIterator<Item = SocketAddr>,
        within: Duration,
        now: Instant,
    ) -> Self {
        Attempts {
            target: target.to_string(),
            waiting: addresses.into_iter().collect(),
            under_way: VecDeque::new(),
            tried: Vec::new(),
            untried: Vec::new(),
            next: now,
            within,
            // Too far for the clock is never.
            deadline: now.checked_add(within),
            last_number: 0,
        }
    }

    /// Does what is due: `begin` starts an attempt, which has a number. To be called first, whenever an attempt has
    /// [failed](Self::failed), and at [`next_step`](Self::next_step). Returns the attempts that are given up, to be cancelled: what
    /// is told of them later is ignored.
    pub fn step(
        &mut self,
        now: Instant,
        mut begin: impl FnMut(u32, SocketAddr) -> io::Result<O>,
    ) -> Vec<O> {
        let mut given_up = Vec::new();
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.untried.extend(self.waiting.drain(..));
            while let Some(operation) = self.give_oldest_up() {
                given_up.push(operation);
            }
        }
        while self.next <= now {
            let Some(address) = self.waiting.pop_front() else {
                break;
            };
            if self.under_way.len() == UNDER_WAY_MAX {
                given_up.extend(self.give_oldest_up());
            }
            self.last_number += 1;
            let number = self.last_number;
            match begin(number, address) {
                Ok(operation) => {
                    self.under_way.push_back(Attempt {
                        number,
                        address,
                        operation,
                    });
                    self.next = now + ATTEMPT_DELAY;
                }
                Err(error) => self.tried.push((address, error)),
            }
        }
        given_up
    }

    fn give_oldest_up(&mut self) -> Option<O> {
        let attempt = self.under_way.pop_front()?;
        let what = format!("no answer, and {:?} are over", self.within);
        let what = match self.waiting.is_empty() {
            true => what,
            false => "no answer, and others were to be tried".to_owned(),
        };
        let error = io::Error::new(io::ErrorKind::TimedOut, what);
        self.tried.push((attempt.address, error));
        Some(attempt.operation)
    }

    /// An attempt has failed: the next address is due at once.
    pub fn failed(&mut self, number: u32, error: io::Error) {
        let mut under_way = self.under_way.iter();
        let Some(place) = under_way.position(|attempt| attempt.number == number) else {
            return;
        };
        if let Some(attempt) = self.under_way.remove(place) {
            self.tried.push((attempt.address, error));
        }
        // It is past, whatever the clock of the caller.
        self.next = self.next.checked_sub(ATTEMPT_DELAY).unwrap_or(self.next);
    }

    /// Takes the attempts that are under way, to be cancelled: one has succeeded, or none is wanted any more.
    pub fn take_under_way(&mut self) -> Vec<O> {
        self.waiting.clear();
        let under_way = mem::take(&mut self.under_way);
        under_way.into_iter().map(|it| it.operation).collect()
    }

    /// The attempts that are under way, by their numbers.
    pub fn under_way(&self) -> impl Iterator<Item = (u32, &O)> {
        let attempts = self.under_way.iter();
        attempts.map(|attempt| (attempt.number, &attempt.operation))
    }

    /// When there is something to do, if no attempt has ended before; none where the time has no end, and no address is left.
    pub fn next_step(&self) -> Option<Instant> {
        let next = (!self.waiting.is_empty()).then_some(self.next);
        match (self.deadline, next) {
            (Some(deadline), Some(next)) => Some(deadline.min(next)),
            (deadline, next) => deadline.or(next),
        }
    }

    /// Whether no attempt is under way, and none left to be made.
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// What was tried, once it [is over](Self::is_over).
    pub fn into_error(self) -> ConnectError {
        ConnectError {
            target: self.target,
            tried: self.tried,
            untried: self.untried,
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 80))
    }

    fn attempts(count: u8, within: Duration, now: Instant) -> Attempts<u32> {
        Attempts::new("it", (1..=count).map(address), within, now)
    }

    fn refused() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    #[test]
    fn the_next_is_tried_after_a_while_or_when_one_has_failed() {
        let now = Instant::now();
        let mut attempts = attempts(3, Duration::from_secs(9), now);
        let mut begun = Vec::new();
        let mut step = |attempts: &mut Attempts<u32>, now| {
            let given_up = attempts.step(now, |number, address| {
                begun.push(address);
                Ok(number)
            });
            assert!(given_up.is_empty());
            begun.len()
        };
        assert_eq!(step(&mut attempts, now), 1);
        assert_eq!(attempts.next_step(), Some(now + ATTEMPT_DELAY));
        assert_eq!(step(&mut attempts, now + ATTEMPT_DELAY / 2), 1);
        assert_eq!(step(&mut attempts, now + ATTEMPT_DELAY), 2);
        attempts.failed(1, refused());
        assert_eq!(step(&mut attempts, now + ATTEMPT_DELAY), 3);
        assert_eq!(attempts.next_step(), Some(now + Duration::from_secs(9)));
        assert!(attempts.under_way().eq([(2, &2), (3, &3)]));
        assert_eq!(attempts.take_under_way(), [2, 3]);
        assert!(attempts.is_over());
        assert_eq!(begun, [1, 2, 3].map(address));
    }

    #[test]
    fn what_cannot_be_begun_is_noted_and_the_next_is_tried_at_once() {
        let now = Instant::now();
        let mut attempts = attempts(3, Duration::from_secs(9), now);
        attempts.step(now, |_, _| Err(refused()));
        assert!(attempts.is_over());
        let error = attempts.into_error();
        assert_eq!(error.tried.len(), 3);
        let error = io::Error::from(error);
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(
            error
                .to_string()
                .contains("127.0.0.2:80: connection refused"),
            "{error}"
        );
    }

    #[test]
    fn when_the_time_is_over_all_are_given_up_and_those_untried_are_named() {
        let now = Instant::now();
        let within = ATTEMPT_DELAY / 2;
        let mut attempts = attempts(2, within, now);
        attempts.step(now, |number, _| Ok(number));
        assert_eq!(attempts.next_step(), Some(now + within));
        let given_up = attempts.step(now + within, |number, _| Ok(number));
        assert_eq!(given_up, [1]);
        assert!(attempts.is_over());
        // It is ignored.
        attempts.failed(1, refused());
        let error = attempts.into_error();
        assert_eq!(
            (error.tried.len(), &error.untried[..]),
            (1, &[address(2)][..])
        );
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn no_more_than_so_many_are_under_way_and_yet_each_is_tried() {
        let now = Instant::now();
        let mut attempts = attempts(20, Duration::from_secs(60), now);
        let (mut begun, mut given_up) = (0, Vec::new());
        for nth in 0..20 {
            given_up.extend(attempts.step(now + nth * ATTEMPT_DELAY, |number, _| {
                begun += 1;
                Ok(number)
            }));
            assert!(attempts.under_way.len() <= UNDER_WAY_MAX);
        }
        assert_eq!((begun, given_up.len()), (20, 20 - UNDER_WAY_MAX));
        assert_eq!(given_up, (1..=12).collect::<Vec<u32>>());
    }

    #[test]
    fn a_time_without_end_is_none() {
        let now = Instant::now();
        let mut attempts = attempts(1, Duration::MAX, now);
        attempts.step(now, |number, _| Ok(number));
        assert_eq!(attempts.next_step(), None);
        assert!(attempts.under_way().eq([(1, &1)]));
    }
}
