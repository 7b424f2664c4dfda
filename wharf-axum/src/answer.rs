//! What a connection is doing: its requests that are under way, and whether its client takes the answers.

use std::{
    future::Future,
    io, mem,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes};
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wharf_async::time;

use crate::{patience::Taken, prefixed::Version};

/// What is given to HTTP/2 at once: as much as its frames have. hyper asks for the next when the client has allowed this one, so that it is
/// seen whether it takes anything.
const PIECE: usize = 16 << 10;

/// Before a client is cut that has taken nothing, it has so much time more.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Of one connection.
#[derive(Debug)]
pub(crate) struct Doing {
    began: Instant,
    /// There are first bytes.
    has_begun: AtomicBool,
    /// From the head of a request until all of its answer was given to hyper.
    requests: AtomicUsize,
    /// On HTTP/2: streams that the client has begun, and whose answers have not ended.
    streams: AtomicUsize,
    /// The last write waits.
    is_writing: AtomicBool,
    is_cut: AtomicBool,
    /// On HTTP/2: a [`Stage`].
    stage: AtomicU8,
    /// On HTTP/2, at a stop: a part of an answer has not arrived.
    is_in_flight: AtomicBool,
    /// On HTTP/2, at a stop: the word of it has arrived.
    is_told: AtomicBool,
    taking: Taking,
    /// On HTTP/2: it was asked what the client has taken.
    is_asked: AtomicBool,
    taken: Mutex<Taken>,
}

/// How far the stop of a connection of HTTP/2 has come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    Begun = 1,
    /// The client has had its time: what it begins from now on does not count.
    Late,
    /// It has all that counts.
    Over,
}

/// How a client of HTTP/2 takes answers. The times are since the connection began.
#[derive(Debug, Default)]
struct Taking {
    /// Answers of which hyper has a piece, or is to have one.
    offered: AtomicUsize,
    /// When it has taken something, or had nothing to take. It says something only while an answer is offered.
    last_ns: AtomicU64,
    /// When the last write that waits, or did, began to.
    waits_since_ns: AtomicU64,
}

impl Doing {
    /// The connection begins.
    pub(crate) fn begin() -> Doing {
        Doing {
            began: time::now(),
            has_begun: AtomicBool::default(),
            requests: AtomicUsize::default(),
            streams: AtomicUsize::default(),
            is_writing: AtomicBool::default(),
            is_cut: AtomicBool::default(),
            stage: AtomicU8::default(),
            is_in_flight: AtomicBool::default(),
            is_told: AtomicBool::default(),
            taking: Taking::default(),
            is_asked: AtomicBool::default(),
            taken: Mutex::default(),
        }
    }

    /// The client has sent its first bytes.
    pub(crate) fn begins(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// After a poll that has no end: no request is under way, and no answer waits to be written.
    pub(crate) fn waits_for_a_head(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0 && self.writes_nothing()
    }

    /// Whether the stop has come so far.
    pub(crate) fn is_at(&self, stage: Stage) -> bool {
        self.stage.load(Ordering::Relaxed) >= stage as u8
    }

    pub(crate) fn goes_on_to(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Has the task of the connection see what the client has taken, in the poll that it is in, or in the next.
    pub(crate) fn ask_what_is_taken(&self) {
        self.is_asked.store(true, Ordering::Relaxed);
    }

    /// What the client had taken when it was asked last.
    pub(crate) fn taken(&self) -> Taken {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what the client has taken, if that was asked.
    pub(crate) fn is_to_tell_taken(&self, look: impl FnOnce() -> Taken) {
        if self.is_asked.load(Ordering::Relaxed) {
            self.is_asked.store(false, Ordering::Relaxed);
            *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = look();
        }
    }

    /// What has arrived: seen by the task of the connection, at a stop.
    pub(crate) fn arrives(&self, is_in_flight: bool, is_told: bool) {
        self.is_in_flight.store(is_in_flight, Ordering::Relaxed);
        self.is_told.store(is_told, Ordering::Relaxed);
    }

    /// Whether a part of an answer has not arrived.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.is_in_flight.load(Ordering::Relaxed)
    }

    /// At a stop of HTTP/2, when some time is over: whether the client has had it. Not while the word is on its way behind an answer,
    /// which it may take slowly. One that is gone takes nothing, and there is nothing that it has to take.
    pub(crate) fn was_waited_for(&self) -> bool {
        let waits = !self.writes_nothing() || self.is_in_flight();
        self.is_told.load(Ordering::Relaxed) || !waits
    }

    /// After a poll that has no end, on HTTP/2: the client has all answers. h2 may have the end of one, which waits until the client
    /// allows it. A stream that was upgraded counts as an answer, until it ends; one that the client has reset does not.
    pub(crate) fn owes_nothing(&self) -> bool {
        let waits = !self.writes_nothing() || self.is_in_flight();
        self.streams.load(Ordering::Relaxed) == 0 && !waits
    }

    /// No write waits.
    pub(crate) fn writes_nothing(&self) -> bool {
        !self.is_writing.load(Ordering::Relaxed)
    }

    /// So many streams are open: told and asked by the task of the connection.
    pub(crate) fn has_open(&self, streams: usize) {
        self.streams.store(streams, Ordering::Relaxed);
    }

    /// A write waits, or does not. What waits is judged by what the peer's system acknowledges ([`Stall`](crate::stall::Stall)), and that
    /// time does not count here. Something was taken then, but it may have been no answer: a ping's is none.
    pub(crate) fn writes(&self, waits: bool) {
        // Only the task of the connection sets it.
        if self.is_writing.load(Ordering::Relaxed) == waits {
            return;
        }
        self.is_writing.store(waits, Ordering::Relaxed);
        let (now_ns, taking) = (self.age_ns(), &self.taking);
        let since_ns = match waits {
            true => return taking.waits_since_ns.store(now_ns, Ordering::Relaxed),
            false => taking.waits_since_ns.load(Ordering::Relaxed),
        };
        let last_ns = taking.last_ns.load(Ordering::Relaxed) + now_ns.saturating_sub(since_ns);
        // An answer may have noted a later one meanwhile.
        taking
            .last_ns
            .fetch_max(last_ns.min(now_ns), Ordering::Relaxed);
    }

    /// For how long there has been the connection; some milliseconds less at times.
    fn age_ns(&self) -> u64 {
        let age = time::coarse_now().saturating_duration_since(self.began);
        u64::try_from(age.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Whether the client was cut: what is unsent keeps the connection no longer.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// Ready when the client has taken nothing of any answer for the time, though it was offered some; up to as late again,
    /// and [so much](LOOK_AGAIN) later.
    pub(crate) async fn stalled(&self, timeout: Option<Duration>) -> io::Error {
        let Some(timeout) = timeout else {
            return std::future::pending().await;
        };
        let (mut until, mut is_suspect) = (time::now() + timeout, false);
        loop {
            time::sleep_until(until).await;
            let now = time::now();
            let due = self.offered_since().unwrap_or(now) + timeout;
            if due > now {
                (until, is_suspect) = (due, false);
            } else if is_suspect {
                self.is_cut.store(true, Ordering::Relaxed);
                let what = format!("the peer has taken nothing for {timeout:?}");
                return io::Error::new(io::ErrorKind::TimedOut, what);
            } else {
                // Where all threads have stood still, what the client has said was not looked at yet.
                (until, is_suspect) = (now + timeout.min(LOOK_AGAIN), true);
            }
        }
    }

    /// Since when the client could have taken something, and has not. None: there is nothing, or it waits in a write.
    fn offered_since(&self) -> Option<Instant> {
        let is_judged = self.taking.offered.load(Ordering::Acquire) > 0 && self.writes_nothing();
        let last_ns = self.taking.last_ns.load(Ordering::Relaxed);
        is_judged.then(|| self.began + Duration::from_nanos(last_ns))
    }
}

/// A request, until its answer is.
#[derive(Debug)]
pub(crate) struct UnderWay {
    doing: Arc<Doing>,
    turn: Option<OwnedSemaphorePermit>,
}

impl UnderWay {
    pub(crate) fn begin(doing: Arc<Doing>) -> UnderWay {
        doing.requests.fetch_add(1, Ordering::Relaxed);
        UnderWay { doing, turn: None }
    }

    pub(crate) fn has_its_turn(&mut self, turn: OwnedSemaphorePermit) {
        self.turn = Some(turn);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.doing.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Of a request that waits for another to leave its handler.
pub(crate) type Turn = Pin<Box<dyn Future<Output = OwnedSemaphorePermit> + Send>>;

/// How many requests of a connection of HTTP/2 are in handlers at once. The client has as many streams at most, but one that it resets
/// is a stream no more, while its handler may block and can't be dropped: another would begin in its place, and another.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Option<Arc<Semaphore>>);

impl Turns {
    pub(crate) fn new(version: Version, at_most: u32) -> Turns {
        let at_most = (at_most as usize).min(Semaphore::MAX_PERMITS);
        let turns = (version == Version::Two).then(|| Semaphore::new(at_most));
        Turns(turns.map(Arc::new))
    }

    /// One that is free, or the wait for it. None: there is one request at a time.
    pub(crate) fn next(&self) -> Option<Result<OwnedSemaphorePermit, Turn>> {
        let turns = self.0.as_ref()?;
        let free = turns.clone().try_acquire_owned();
        Some(free.map_err(|_| {
            let next = turns.clone().acquire_owned();
            Box::pin(async { next.await.expect("it is never closed") }) as Turn
        }))
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Body,
    under_way: UnderWay,
    is_judged: bool,
    /// Of a piece of the body: what was not asked for yet.
    rest: Bytes,
    is_offered: bool,
}

impl Answer {
    pub(crate) fn new(body: Body, under_way: UnderWay, is_judged: bool) -> Answer {
        let mut answer = Answer {
            body,
            under_way,
            is_judged,
            rest: Bytes::new(),
            is_offered: false,
        };
        if is_judged && !answer.is_end_stream() {
            answer.offer(true, false);
        }
        answer
    }

    /// Notes whether the client may take more now, and whether it has taken some.
    fn offer(&mut self, offered: bool, taken: bool) {
        let doing = &self.under_way.doing;
        let taking = &doing.taking;
        // The time first: where nothing is offered, it says nothing.
        if taken || taking.offered.load(Ordering::Relaxed) == 0 {
            taking.last_ns.fetch_max(doing.age_ns(), Ordering::Relaxed);
        }
        match (mem::replace(&mut self.is_offered, offered), offered) {
            (false, true) => taking.offered.fetch_add(1, Ordering::Release),
            (true, false) => taking.offered.fetch_sub(1, Ordering::Release),
            _ => 0,
        };
    }

    /// What is next of the body, in pieces.
    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        let len = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(len)))))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.is_offered {
            self.offer(false, false);
        }
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.is_judged {
            return Pin::new(&mut self.body).poll_frame(context);
        }
        let polled = self.poll_piece(context);
        // While the program has nothing, the client can take nothing. What was the last is dropped when it was taken.
        let is_offered = matches!(polled, Poll::Ready(Some(Ok(_))));
        self.offer(is_offered, true);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (of_body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(of_body.lower() + rest);
        hint
    }
}
