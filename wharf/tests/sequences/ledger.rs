//! The ledger: what was started, what may become of it, and whether what came of it is that.
//!
//! It knows what was done to each stream, by us and by its peer, and so which results its operations may have. Where two
//! things were done at once it allows for both orders, and nowhere else.

use std::{
    collections::HashMap,
    fmt::{self, Display},
    io,
    time::Instant,
};

use rustix::io::Errno;
use wharf::{Buffer, Completion, Finished, OperationId};

use crate::{
    acts::{Key, Kind, Note, content},
    moves::Closing,
};

/// Where to the bytes of a stream's peer differ from those of any send.
const PEERS: u64 = 1 << 31;

/// The bytes that the peer of a stream writes.
pub fn written_by_peer(stream: usize, from: usize, len: usize) -> Vec<u8> {
    content(PEERS + stream as u64, from, len)
}

/// Who took what a closing port returned.
pub const CLOSER: usize = usize::MAX;

/// Why an operation failed: the system's number.
type Outcome = Result<usize, Errno>;

#[derive(Debug)]
struct Operation {
    stream: Option<usize>,
    kind: Kind,
    /// A cancellation may have met it.
    may_be_cancelled: bool,
    /// A cancellation named it and did meet it.
    cancelled_by_name: bool,
    /// It has to complete, whatever the peer does.
    due: bool,
    end: Option<End>,
}

#[derive(Debug)]
struct End {
    outcome: Outcome,
    transferred: usize,
    /// What a receive brought.
    bytes: Vec<u8>,
}

/// How a peer saw its stream end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saw {
    End,
    Failure(io::ErrorKind),
}

/// One stream, and what is known of it.
#[derive(Debug, Default)]
pub struct Stream {
    reads: Vec<usize>,
    writes: Vec<usize>,
    /// Another thread may cancel or close meanwhile: what follows from that having been done or not is not judged.
    loose: bool,

    closed: bool,
    /// Closed so that the peer is told of a failure.
    reset_by_us: bool,
    dropped: bool,
    limit: Option<usize>,
    shutdown: Option<usize>,
    was_shut_down: bool,
    /// What may be started no more, since an operation has told of the failure.
    reads_failed: bool,
    writes_failed: bool,

    /// Operations that a cancellation of all met, of the receives alone and of all; and those of them that are known.
    swept_receives: usize,
    swept_all: usize,
    swept_reads_told: usize,
    swept_writes_told: usize,
    /// Received and sent, as closing told.
    told_traffic: Option<(u64, u64)>,

    /// What the peer has written and read.
    pub written: usize,
    pub read: Vec<u8>,
    pub saw: Option<Saw>,
    pub peer_ended: bool,
    pub peer_gone: bool,
    /// The connection may break, or has.
    may_be_reset: bool,
    /// It has, for certain.
    is_reset: bool,

    /// How far the receives are checked, in the order of their starts.
    checked: usize,
    verified: usize,
    found_end: bool,
}

#[derive(Debug, Default)]
pub struct Ledger {
    pub streams: Vec<Stream>,
    operations: Vec<Operation>,
    by_id: HashMap<OperationId, usize>,
    timers: HashMap<u64, usize>,
    /// Posts that nobody has taken.
    posts: HashMap<(usize, u64), ()>,
    /// The last post that a thread took of another.
    last_posts: HashMap<(usize, usize), u64>,
    operations_max: Option<usize>,
    /// Two threads act at once.
    rush: bool,
    /// The port is closing; and closed.
    pub closing: bool,
    closed: bool,
    /// Where the operations of the present rush begin.
    rush_from: usize,
}

/// Whether it is the failure of a connection that is gone.
fn is_broken(errno: Errno) -> bool {
    [Errno::CONNRESET, Errno::PIPE, Errno::NOTCONN].contains(&errno)
}

impl Kind {
    fn is_write(&self) -> bool {
        matches!(self, Kind::Send { .. } | Kind::Shutdown)
    }

    fn is_quiet(&self) -> bool {
        matches!(self, Kind::Send { quiet: true, .. })
    }

    /// The bytes that it offers to move.
    fn len(&self) -> usize {
        match self {
            Kind::Receive {
                capacities: lens, ..
            }
            | Kind::Send { lens, .. } => lens.iter().sum(),
            Kind::ReceiveFrom { capacity } => *capacity,
            Kind::Readable | Kind::Shutdown | Kind::Timer { .. } => 0,
        }
    }
}

impl Ledger {
    pub fn new(operations_max: Option<usize>) -> Self {
        Ledger {
            operations_max,
            ..Ledger::default()
        }
    }

    pub fn open(&mut self) -> usize {
        self.streams.push(Stream::default());
        self.streams.len() - 1
    }

    /// From here on two threads act; these streams may be cancelled or closed by the second.
    pub fn rush_begins(&mut self, touched: impl IntoIterator<Item = usize>) {
        self.rush = true;
        self.rush_from = self.operations.len();
        for stream in touched {
            self.streams[stream].loose = true;
        }
    }

    pub fn rush_ends(&mut self) {
        self.rush = false;
        self.streams
            .iter_mut()
            .for_each(|stream| stream.loose = false);
    }

    /// The handle of its socket was dropped: it lives for as long as its operations.
    pub fn dropped(&mut self, stream: usize) {
        self.streams[stream].dropped = true;
    }

    /// The port is closed: so is everything on it.
    pub fn port_closed(&mut self) {
        self.closed = true;
        self.closing = true;
        for stream in 0..self.streams.len() {
            self.streams[stream].closed = true;
        }
        for operation in self
            .operations
            .iter_mut()
            .filter(|operation| operation.end.is_none())
        {
            operation.may_be_cancelled = true;
            operation.due = true;
        }
    }

    /// The peer closed its end, or reset the connection.
    pub fn peer_goes(&mut self, stream: usize, resets: bool) {
        let sent = self.started_to_send(stream);
        let stream = &mut self.streams[stream];
        stream.peer_gone = true;
        if resets {
            stream.is_reset = true;
            stream.may_be_reset = true;
        } else {
            stream.peer_ended = true;
            // What it has not read, and what comes yet, is answered with a reset.
            stream.may_be_reset |= sent > stream.read.len();
        }
    }

    fn started_to_send(&self, stream: usize) -> usize {
        let writes = self.streams[stream].writes.iter();
        writes.map(|index| self.operations[*index].kind.len()).sum()
    }

    // What threads did.

    pub fn note(&mut self, note: Note) {
        match note {
            Note::Started {
                stream,
                kind,
                answer: Ok(id),
                unsent,
            } => {
                self.started(stream, kind, id, unsent.1);
            }
            Note::Started {
                stream,
                kind,
                answer: Err(error),
                unsent,
            } => {
                self.refused(stream, &kind, &error, unsent.0);
            }
            Note::Cancelled { operation, answer } => self.cancelled(operation, answer),
            Note::CancelledQuietly { operation, answer } => {
                self.cancelled_quietly(operation, answer);
            }
            Note::CancelledAll {
                stream,
                receives_only,
                count,
            } => {
                self.cancelled_all(stream, receives_only, count);
            }
            Note::Closed {
                stream,
                how,
                was_open,
                traffic,
            } => {
                self.closed(stream, how, was_open, traffic);
            }
            Note::Limited {
                stream,
                bytes,
                answer,
            } => self.limited(stream, bytes, answer),
            Note::Posted {
                number,
                poster,
                answer,
            } => self.posted(number, poster, answer),
        }
    }

    fn started(&mut self, stream: Option<usize>, kind: Kind, id: OperationId, unsent: usize) {
        assert!(!self.closed, "a closed port refuses {kind:?}");
        let index = self.operations.len();
        if let Kind::Timer { stamp, .. } = kind {
            self.timers.insert(stamp, index);
        }
        if let Some(number) = stream {
            self.lined_up(number, &kind, index, unsent);
        }
        assert!(
            self.by_id.insert(id, index).is_none(),
            "{id:?} names two operations, the second is {kind:?}"
        );
        self.operations.push(Operation {
            stream,
            kind,
            may_be_cancelled: false,
            cancelled_by_name: false,
            due: false,
            end: None,
        });
    }

    fn lined_up(&mut self, number: usize, kind: &Kind, index: usize, unsent: usize) {
        let is_shut = self.is_shut(number);
        let stream = &mut self.streams[number];
        let what = || format!("{kind:?} on stream {number}");
        if !stream.loose && !self.closing {
            assert!(!stream.closed, "a closed socket refuses {}", what());
            assert!(
                !(kind.is_write() && is_shut == Some(true)),
                "a side that is shut down refuses {}",
                what()
            );
        }
        let failed = if kind.is_write() {
            stream.writes_failed
        } else {
            stream.reads_failed
        };
        assert!(!failed, "a connection that has failed refuses {}", what());
        match kind {
            Kind::Shutdown => {
                stream.shutdown = Some(index);
                stream.was_shut_down = true;
            }
            Kind::Send { .. } => {
                let len = kind.len();
                let limit = stream.limit.unwrap_or(usize::MAX).max(len);
                assert!(
                    len == 0 || unsent <= limit,
                    "{unsent} bytes wait with {}, and the limit is {:?}",
                    what(),
                    stream.limit
                );
                stream.may_be_reset |= stream.peer_gone && len > 0;
            }
            _ => {}
        }
        let line = if kind.is_write() {
            &mut stream.writes
        } else {
            &mut stream.reads
        };
        line.push(index);
    }

    /// Whether the sending side is shut down; none, if it may be.
    fn is_shut(&self, stream: usize) -> Option<bool> {
        let Some(index) = self.streams[stream].shutdown else {
            return Some(false);
        };
        let shutdown = &self.operations[index];
        match &shutdown.end {
            None if shutdown.may_be_cancelled => None,
            None => Some(true),
            Some(end) => Some(end.outcome != Err(Errno::CANCELED)),
        }
    }

    fn refused(&mut self, stream: Option<usize>, kind: &Kind, error: &io::Error, unsent: usize) {
        let why = |reason: bool| {
            assert!(
                reason,
                "{kind:?} on {stream:?} is refused without reason: {error:?}"
            )
        };
        let Some(errno) = Errno::from_io_error(error) else {
            return match error.kind() {
                io::ErrorKind::NotConnected => why(self.may_be_closed(stream)),
                io::ErrorKind::QuotaExceeded => why(self.may_be_full()),
                io::ErrorKind::WouldBlock => {
                    let limit = stream.and_then(|number| self.streams[number].limit);
                    why(unsent > 0 && limit.is_some_and(|limit| unsent + kind.len() > limit));
                }
                _ => why(false),
            };
        };
        let number = stream.expect("only a stream fails");
        let shut = kind.is_write() && errno == Errno::PIPE && {
            let stream = &self.streams[number];
            self.is_shut(number) != Some(false) || stream.loose && stream.was_shut_down
        };
        why(shut || is_broken(errno) && self.streams[number].may_be_reset);
    }

    fn may_be_closed(&self, stream: Option<usize>) -> bool {
        self.closing
            || stream
                .is_some_and(|number| self.streams[number].closed || self.streams[number].loose)
    }

    /// Whether so many operations are under way that another one may be refused. Where two threads start, one that is
    /// refused may take the last place for a moment.
    fn may_be_full(&self) -> bool {
        self.operations_max
            .is_some_and(|max| self.rush || self.under_way() >= max)
    }

    /// Operations and posts that nobody has taken, with the quiet ones that nobody has told of.
    fn under_way(&self) -> usize {
        self.pending().count() + self.posts.len()
    }

    fn pending(&self) -> impl Iterator<Item = &Operation> {
        self.operations
            .iter()
            .filter(|operation| operation.end.is_none())
    }

    fn cancelled(&mut self, id: OperationId, answer: io::Result<()>) {
        let index = self.by_id[&id];
        let operation = &mut self.operations[index];
        match answer {
            Ok(()) => {
                assert!(
                    operation.end.is_none(),
                    "what has completed is cancelled: {operation:?}"
                );
                operation.may_be_cancelled = true;
                operation.cancelled_by_name = true;
                operation.due = true;
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::NotFound);
                // It has completed, or is about to.
                operation.due = true;
            }
        }
    }

    /// It has ended, without a packet.
    fn cancelled_quietly(&mut self, id: OperationId, answer: io::Result<Key>) {
        let key = answer.as_ref().ok().copied();
        self.cancelled(id, answer.map(drop));
        let Some(key) = key else { return };
        let operation = &mut self.operations[self.by_id[&id]];
        assert!(
            matches!(operation.kind, Kind::Timer { stamp, .. } if key == Key::Timer(stamp)),
            "{key:?} came back with {operation:?}"
        );
        operation.end = Some(End {
            outcome: Err(Errno::CANCELED),
            transferred: 0,
            bytes: Vec::new(),
        });
    }

    fn cancelled_all(&mut self, number: usize, receives_only: bool, count: usize) {
        let met = self.sweep(number, !receives_only);
        assert!(
            count <= met,
            "{count} operations of stream {number} are cancelled, {met} are under way"
        );
        let stream = &mut self.streams[number];
        match receives_only {
            true => stream.swept_receives += count,
            false => stream.swept_all += count,
        }
    }

    /// What is under way on a stream may be cancelled; says how many there are. Where the cancelling thread is not the
    /// one that starts, it may have come before what was started meanwhile.
    fn sweep(&mut self, number: usize, writes: bool) -> usize {
        let stream = &self.streams[number];
        let certain = if stream.loose {
            self.rush_from
        } else {
            usize::MAX
        };
        let writes = if writes { &stream.writes[..] } else { &[] };
        let mut met = 0;
        for index in stream.reads.iter().chain(writes) {
            let operation = &mut self.operations[*index];
            if operation.end.is_none() {
                operation.may_be_cancelled = true;
                operation.due |= *index < certain;
                met += 1;
            }
        }
        met
    }

    fn closed(&mut self, number: usize, how: Closing, was_open: bool, traffic: Option<(u64, u64)>) {
        let stream = &self.streams[number];
        if !was_open {
            let busy = || {
                let mut all = stream.writes.iter().chain(&stream.reads);
                all.any(|index| self.operations[*index].end.is_none())
            };
            assert!(
                self.may_be_closed(Some(number)) || how == Closing::IfSent && busy(),
                "stream {number} is open, and closing it says that it is not"
            );
            // Where another thread closes it just then, the peer may be reset all the same.
            let meanwhile = stream.loose || self.closing;
            self.streams[number].reset_by_us |= how == Closing::Reset && meanwhile;
            return;
        }
        assert!(!stream.closed, "stream {number} is closed twice");
        self.sweep(number, how != Closing::IfSent);
        let stream = &mut self.streams[number];
        stream.closed = true;
        stream.reset_by_us |= how == Closing::Reset;
        stream.told_traffic = traffic;
        for index in stream.reads.iter().chain(&stream.writes) {
            self.operations[*index].due = true;
        }
    }

    fn limited(&mut self, number: usize, bytes: usize, answer: io::Result<()>) {
        match answer {
            Ok(()) => {
                let closed = self.streams[number].closed && !self.streams[number].loose;
                assert!(!closed, "a closed socket takes no limit");
                self.streams[number].limit = Some(bytes);
            }
            Err(error) => assert!(self.may_be_closed(Some(number)), "no limit is set: {error}"),
        }
    }

    fn posted(&mut self, number: u64, poster: usize, answer: io::Result<()>) {
        match answer {
            Ok(()) => {
                assert!(!self.closed, "a closed port refuses a post");
                self.posts.insert((poster, number), ());
            }
            Err(error) => {
                let closed = error.kind() == io::ErrorKind::NotConnected && self.closing;
                let full = error.kind() == io::ErrorKind::QuotaExceeded && self.may_be_full();
                assert!(
                    closed || full,
                    "a post is refused without reason: {error:?}"
                );
            }
        }
    }

    // What became of it.

    /// A thread took a completion, at that time.
    pub fn completed(&mut self, who: usize, at: Instant, completion: Completion<Key>) {
        if let Key::Post { poster, number } = completion.key {
            assert!(
                matches!(completion.what, Finished::Posted),
                "a post came as {completion:?}"
            );
            assert_eq!(completion.result.as_ref().ok(), Some(&(number as usize)));
            return self.took_post(who, poster, number);
        }
        let Some(&index) = self.by_id.get(&completion.operation) else {
            panic!("nothing was started that could complete as {completion:?}");
        };
        let operation = &self.operations[index];
        assert!(
            operation.end.is_none(),
            "it completes a second time: {operation:?}\nas {completion:?}"
        );
        let key = match operation.kind {
            Kind::Timer { stamp, .. } => Key::Timer(stamp),
            _ => Key::Stream(operation.stream.expect("all else is started on a stream")),
        };
        assert_eq!(completion.key, key, "the key of {operation:?}");
        let end = operation.end_of(completion);
        if let (Kind::Timer { due, .. }, Ok(_)) = (&operation.kind, &end.outcome) {
            assert!(at >= *due, "a timer came {:?} early", *due - at);
            assert!(
                !operation.cancelled_by_name,
                "a timer that was cancelled came"
            );
        }
        self.judge(index, &end);
        self.operations[index].end = Some(end);
    }

    fn took_post(&mut self, who: usize, poster: usize, number: u64) {
        assert!(
            self.posts.remove(&(poster, number)).is_some(),
            "post {number} of thread {poster} was not under way"
        );
        let last = self.last_posts.entry((who, poster)).or_insert(0);
        assert!(
            *last < number,
            "thread {who} took post {number} of thread {poster} after {last}"
        );
        *last = number;
        if who == CLOSER {
            let mut taken = self.last_posts.iter();
            let later = taken.find(|((_, of), last)| *of == poster && **last > number);
            assert!(
                later.is_none(),
                "post {number} was left behind, later ones were taken: {later:?}"
            );
        }
    }

    /// Whether an operation may end like this, as far as that does not depend on those before it in its line.
    fn judge(&mut self, index: usize, end: &End) {
        let Operation {
            stream,
            kind,
            may_be_cancelled,
            cancelled_by_name,
            ..
        } = &self.operations[index];
        let told = || format!("{kind:?} on stream {stream:?} ends as {:?}", end.outcome);
        assert!(
            !(kind.is_quiet() && end.outcome.is_ok()),
            "what was to be quiet tells of its success: {}",
            told()
        );
        match end.outcome {
            Ok(count) => assert_eq!(count, end.transferred, "{}", told()),
            Err(Errno::CANCELED) => assert!(may_be_cancelled, "nobody cancelled it: {}", told()),
            Err(errno) => {
                let reset = stream.is_some_and(|number| self.streams[number].may_be_reset);
                assert!(
                    is_broken(errno) && reset,
                    "its connection is whole: {}",
                    told()
                );
            }
        }
        let Some(number) = *stream else { return };
        let stream = &mut self.streams[number];
        match end.outcome {
            Ok(_) => {}
            Err(Errno::CANCELED) => {
                if !cancelled_by_name {
                    stream.swept(kind.is_write());
                }
            }
            Err(_) if kind.is_write() => stream.writes_failed |= *kind != Kind::Shutdown,
            Err(_) => (stream.reads_failed, stream.writes_failed) = (true, true),
        }
    }

    /// Takes stock of a stream after each move: what its peer saw, and what its receives brought so far.
    pub fn check(&mut self) {
        for number in 0..self.streams.len() {
            self.check_receives(number);
            let stream = &self.streams[number];
            let closed = stream.closed || stream.dropped || self.closing;
            match stream.saw {
                None => {}
                Some(Saw::End) => assert!(
                    closed || stream.was_shut_down,
                    "the peer of stream {number} sees an end that nobody made"
                ),
                Some(Saw::Failure(kind)) => assert!(
                    closed
                        && [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe]
                            .contains(&kind),
                    "the peer of stream {number} sees a failure that nobody made: {kind}"
                ),
            }
        }
    }

    /// Receives bring the bytes of the stream in the order in which they were started.
    fn check_receives(&mut self, number: usize) {
        let stream = &mut self.streams[number];
        while let Some(index) = stream.reads.get(stream.checked) {
            let Operation {
                kind,
                end: Some(end),
                ..
            } = &self.operations[*index]
            else {
                return;
            };
            stream.checked += 1;
            if let Ok(count) = end.outcome {
                stream.check_received(number, kind, count, &end.bytes);
            }
        }
    }

    // What must be so at rest.

    /// What has to complete and has not, and what has to arrive and has not; none, if all is at rest.
    pub fn unrest(&self) -> Option<String> {
        if !self.posts.is_empty() {
            return Some(format!("posts that nobody got: {:?}", self.posts.keys()));
        }
        let unended =
            |operation: &&Operation| !operation.kind.is_quiet() && self.must_end(operation);
        if let Some(operation) = self.pending().find(unended) {
            return Some(format!(
                "{operation:?}\non {:?}",
                operation.stream.map(|number| self.streams[number].state())
            ));
        }
        (0..self.streams.len())
            .find_map(|number| self.unsent_of(number).or_else(|| self.overtaken(number)))
    }

    fn must_end(&self, operation: &Operation) -> bool {
        let now = Instant::now();
        operation.due
            || match (&operation.kind, operation.stream) {
                (Kind::Timer { due, .. }, _) => {
                    now >= *due || due.duration_since(now).as_secs() < 60
                }
                (kind, Some(number)) => {
                    let stream = &self.streams[number];
                    let unread = stream.written > self.received(number);
                    kind.is_write() || unread || stream.peer_ended || stream.is_reset
                }
                _ => unreachable!("all but timers are started on a stream"),
            }
    }

    fn received(&self, number: usize) -> usize {
        let reads = self.streams[number].reads.iter();
        reads
            .filter_map(|index| self.operations[*index].end.as_ref())
            .map(|end| end.bytes.len())
            .sum()
    }

    /// What was sent to a peer that reads and did not arrive.
    fn unsent_of(&self, number: usize) -> Option<String> {
        let stream = &self.streams[number];
        let sent = self.sent(number);
        (stream.is_whole() && stream.read.len() < sent.len()).then(|| {
            format!(
                "{} of {} bytes reached the peer of stream {number}",
                stream.read.len(),
                sent.len()
            )
        })
    }

    /// What went out, and what of it was quiet: all of which nothing else is known.
    fn sent(&self, number: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        for index in &self.streams[number].writes {
            let Operation { kind, end, .. } = &self.operations[*index];
            if let Kind::Send { stamp, .. } = kind {
                let len = end.as_ref().map_or(kind.len(), |end| end.transferred);
                sent.extend(content(*stamp, 0, len));
            }
        }
        sent
    }

    /// All that can complete has: nothing stands behind what has not, no more is under way than may be, and what was
    /// quiet so far has succeeded.
    pub fn at_rest(&mut self) {
        for number in 0..self.streams.len() {
            self.check_sent(number);
            assert_eq!(self.overtaken(number), None);
        }
        let under_way = self
            .pending()
            .filter(|operation| !operation.kind.is_quiet())
            .count();
        if let Some(max) = self.operations_max {
            assert!(
                under_way <= max,
                "{under_way} operations are under way, {max} may be"
            );
        }
        self.quiet_ones_succeeded();
    }

    /// All of the bytes have arrived, so those that were quiet so far have succeeded and may not complete any more. One
    /// without bytes leaves no trace, and may stand in its line still.
    fn quiet_ones_succeeded(&mut self) {
        for number in 0..self.streams.len() {
            if !self.streams[number].is_whole() {
                continue;
            }
            for index in &self.streams[number].writes {
                let operation = &mut self.operations[*index];
                let len = operation.kind.len();
                if operation.end.is_none() && operation.kind.is_quiet() && len > 0 {
                    operation.end = Some(End {
                        outcome: Ok(len),
                        transferred: len,
                        bytes: Vec::new(),
                    });
                }
            }
        }
    }

    /// What the peer read is what was sent, in the order in which it was started.
    fn check_sent(&self, number: usize) {
        let (stream, sent) = (&self.streams[number], self.sent(number));
        let agree = stream
            .read
            .iter()
            .zip(&sent)
            .take_while(|(read, sent)| read == sent);
        let agree = agree.count();
        assert_eq!(
            agree,
            stream.read.len(),
            "what the peer of stream {number} read differs from what was sent, at {agree} of {}: {}",
            sent.len(),
            stream.state()
        );
    }

    /// A receive that brought bytes while an earlier one waits, as far as the completions have been noted.
    fn overtaken(&self, number: usize) -> Option<String> {
        let mut reads = self.streams[number]
            .reads
            .iter()
            .map(|index| &self.operations[*index]);
        let waiting = reads.by_ref().find(|read| read.end.is_none())?;
        let brings = |read: &&Operation| read.end.as_ref().is_some_and(|end| !end.bytes.is_empty());
        let overtakes = reads.find(brings)?;
        Some(format!("{overtakes:?} overtook {waiting:?}"))
    }

    /// The port is closed and everybody has told: nothing is left over, and what went over each connection is whole.
    pub fn at_the_end(&mut self) {
        assert!(self.posts.is_empty(), "posts are lost: {:?}", self.posts);
        let lost: Vec<_> = self
            .pending()
            .filter(|operation| !operation.kind.is_quiet())
            .collect();
        assert!(lost.is_empty(), "operations are lost: {lost:#?}");
        self.at_rest();
        for number in 0..self.streams.len() {
            let (received, sent) = (self.received(number), self.sent(number).len());
            let stream = &self.streams[number];
            if let Some((told_received, told_sent)) = stream.told_traffic {
                assert!(
                    (told_received, told_sent) == (received as u64, sent as u64),
                    "closing stream {number} told {told_received} bytes received and {told_sent} sent, \
                     it was {received} and {sent}"
                );
            }
            // With bytes unread, closing resets; else the peer gets all, and the end.
            let orderly = !stream.peer_gone && !stream.reset_by_us && received == stream.written;
            if orderly {
                assert_eq!(
                    stream.saw,
                    Some(Saw::End),
                    "the end of stream {number}: {}",
                    stream.state()
                );
                assert_eq!(stream.read.len(), sent, "all is sent: {}", stream.state());
            }
        }
    }

    /// What a socket says of its traffic, at rest.
    pub fn check_traffic(&self, number: usize, told: (u64, u64)) {
        let ours = (self.received(number) as u64, self.sent(number).len() as u64);
        let stream = &self.streams[number];
        if !stream.may_be_reset {
            assert_eq!(
                told,
                ours,
                "the traffic of stream {number}: {}",
                stream.state()
            );
        }
    }
}

impl Stream {
    /// Whether all that is sent has to reach the peer.
    fn is_whole(&self) -> bool {
        !self.closed && !self.peer_gone && self.saw.is_none()
    }

    /// An operation was cancelled, though not by its name.
    fn swept(&mut self, is_write: bool) {
        match is_write {
            true => self.swept_writes_told += 1,
            false => self.swept_reads_told += 1,
        }
        // Closing does not count what it cancels.
        let told = self.swept_reads_told + self.swept_writes_told;
        let met = self.swept_receives + self.swept_all;
        assert!(
            self.closed || (told <= met && self.swept_writes_told <= self.swept_all),
            "more operations end as cancelled than were: {}",
            self.state()
        );
    }

    /// Whether the next receive of the line may have brought this.
    fn check_received(&mut self, number: usize, kind: &Kind, count: usize, bytes: &[u8]) {
        let told = || format!("{kind:?} on stream {number} brings {count} bytes");
        let (unread, ended) = (self.written - self.verified, self.peer_ended);
        if kind.len() == 0 {
            let something = unread > 0 || ended || self.may_be_reset;
            return assert!(something, "there is nothing to receive: {}", told());
        }
        if count == 0 {
            assert!(ended, "the peer has not ended: {}", told());
            assert!(
                unread == 0 || self.may_be_reset,
                "{unread} bytes stand before the end: {}",
                told()
            );
            self.found_end = true;
            return;
        }
        assert!(!self.found_end, "something follows the end: {}", told());
        assert!(count <= unread, "the peer has written {unread}: {}", told());
        let written = written_by_peer(number, self.verified, count);
        assert!(
            bytes == written,
            "they are not the next of the stream: {}",
            told()
        );
        self.verified += count;
    }

    /// What a failure message needs.
    fn state(&self) -> String {
        format!(
            "written {}, received {}, read {}, the peer saw {:?}, closed {}, dropped {}, peer ended {}, gone {}, reset {}, may be {}",
            self.written,
            self.verified,
            self.read.len(),
            self.saw,
            self.closed,
            self.dropped,
            self.peer_ended,
            self.peer_gone,
            self.is_reset,
            self.may_be_reset
        )
    }
}

/// How an operation came back, for a failure message.
struct Told<'a>(&'a Kind, &'a Completion<Key>);

impl Display for Told<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told(kind, completion) = self;
        write!(to, "{kind:?} came as {:?}", completion.what)
    }
}

impl Operation {
    /// Takes a completion apart, and checks that it gives back what was given.
    fn end_of(&self, completion: Completion<Key>) -> End {
        let told = Told(&self.kind, &completion);
        let bytes = match &completion.what {
            Finished::Received { .. } | Finished::ReceivedVectored { .. } => {
                self.received(&completion, &told)
            }
            _ => {
                self.check_rest(&completion, &told);
                Vec::new()
            }
        };
        let moved = if self.kind.is_write() {
            completion.transferred
        } else {
            bytes.len()
        };
        assert_eq!(completion.transferred, moved, "{told}");
        assert!(moved <= self.kind.len(), "{told}");
        if self.kind.is_write() && completion.result.is_ok() {
            assert_eq!(moved, self.kind.len(), "a send sends all: {told}");
        }
        let outcome = completion.result.map_err(|error| {
            Errno::from_io_error(&error)
                .unwrap_or_else(|| panic!("not the system's error: {error:?}"))
        });
        End {
            outcome,
            transferred: completion.transferred,
            bytes,
        }
    }

    /// What a receive has brought; it gives back its buffers.
    fn received(&self, completion: &Completion<Key>, told: &impl Display) -> Vec<u8> {
        match (&self.kind, &completion.what) {
            (
                Kind::Receive {
                    capacities,
                    many: false,
                },
                Finished::Received { buffer, .. },
            ) => {
                assert_eq!(buffer.capacity(), capacities[0], "its buffer: {told}");
                buffer.to_vec()
            }
            (
                Kind::Receive {
                    capacities,
                    many: true,
                },
                Finished::ReceivedVectored { buffers, .. },
            ) => received_in_parts(capacities, buffers, told),
            (Kind::ReceiveFrom { capacity }, Finished::Received { buffer, .. }) => {
                let lent = if completion.transferred > 0 {
                    *capacity
                } else {
                    0
                };
                assert_eq!(buffer.capacity(), lent, "a buffer with bytes only: {told}");
                buffer.to_vec()
            }
            _ => panic!("{told}"),
        }
    }

    /// Checks what is no receive; a send gives back what it has sent.
    fn check_rest(&self, completion: &Completion<Key>, told: &impl Display) {
        match (&self.kind, &completion.what) {
            (Kind::Readable, Finished::Readable { .. })
            | (Kind::Shutdown, Finished::Shutdown { .. })
            | (Kind::Timer { .. }, Finished::Timer) => assert_eq!(completion.transferred, 0),
            (
                Kind::Send {
                    stamp,
                    lens,
                    many: false,
                    ..
                },
                Finished::Sent { payload, .. },
            ) => {
                let given = content(*stamp, 0, lens[0]);
                assert!(given == payload[..], "its payload: {told}");
            }
            (
                Kind::Send {
                    stamp,
                    lens,
                    many: true,
                    ..
                },
                Finished::SentVectored { payloads, .. },
            ) => {
                let back: Vec<_> = payloads.iter().map(|payload| payload.len()).collect();
                assert_eq!(&back, lens, "its payloads: {told}");
                let sent: Vec<u8> = payloads
                    .iter()
                    .flat_map(|payload| payload.to_vec())
                    .collect();
                let given = content(*stamp, 0, sent.len());
                assert!(given == sent, "its payloads: {told}");
            }
            _ => panic!("{told}"),
        }
    }
}

/// What came in several buffers, which are those that were given, filled one after the other.
fn received_in_parts(capacities: &[usize], buffers: &[Buffer], told: &impl Display) -> Vec<u8> {
    let back: Vec<_> = buffers.iter().map(|buffer| buffer.capacity()).collect();
    assert_eq!(back, capacities, "its buffers: {told}");
    let part_filled = buffers
        .iter()
        .position(|buffer| buffer.len() < buffer.capacity());
    let mut rest = buffers
        .iter()
        .skip(part_filled.map_or(usize::MAX, |at| at + 1));
    assert!(
        rest.all(|buffer| buffer.is_empty()),
        "one after the other: {told}"
    );
    buffers.iter().flat_map(|buffer| buffer.to_vec()).collect()
}
