//! A port with its streams, their peers and the threads that wait: what a sequence is carried out on.

use std::{
    io::{self, Read, Write},
    mem,
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use proptest_state_machine::StateMachineTest;
use wharf::{BufferPool, Completion, CompletionPort, Wait, WaitMany};

use crate::{
    acts::{HELPER, Hand, Held, Key, MAIN, Note, STAFF},
    harness::{Driver, GUARD, Stream, moved, narrow_pair, pair, reset},
    ledger::{CLOSER, Ledger, Saw, written_by_peer},
    moves::{Act, Ending, Into, Model, Move, SEATS, Step, What},
};

/// What a thread is told when it waits.
enum Told {
    Took(Instant, Vec<Completion<Key>>),
    Closed,
    /// A wait that was shorter than asked.
    Early(Duration),
}

type Report = (usize, Told);

/// How long the staff waits before it looks whether it is still on duty.
const SHIFT: Duration = Duration::from_millis(5);

/// Something has failed: what follows only finds the shortest sequence that does, and waits less for what does not come.
static FAILED: AtomicBool = AtomicBool::new(false);

fn guard() -> Duration {
    match FAILED.load(Ordering::Relaxed) {
        true => Duration::from_secs(2),
        false => GUARD,
    }
}

pub struct Rig {
    hand: Hand,
    helper: Helper,
    staff: Vec<Member>,
    report: Sender<Report>,
    reports: Receiver<Report>,
    ledger: Ledger,
    /// Of each stream, while they are there.
    peers: Vec<Option<TcpStream>>,
    /// The latest stream of each seat.
    seats: [Option<usize>; SEATS],
    kept: Vec<wharf::Buffer>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        if thread::panicking() {
            FAILED.store(true, Ordering::Relaxed);
            // Closing a port that has lost an operation may not end.
            mem::forget(self.hand.port.clone());
        }
    }
}

/// Waits once, and tells of it. Says whether the port is open.
fn wait(
    port: &CompletionPort<Key>,
    who: usize,
    max: usize,
    time: Duration,
    report: &Sender<Report>,
) -> bool {
    let (mut taken, began) = (Vec::new(), Instant::now());
    let answer = match max {
        1 => match port.wait(time).expect("a wait") {
            Wait::Completed(completion) => {
                taken.push(completion);
                WaitMany::Packets(1)
            }
            Wait::Task(task) => panic!("none was posted: {task:?}"),
            Wait::TimedOut => WaitMany::TimedOut,
            Wait::Closed => WaitMany::Closed,
        },
        _ => port.wait_many(&mut taken, max, time).expect("a wait"),
    };
    let now = Instant::now();
    let told = match answer {
        WaitMany::Packets(count) => {
            assert_eq!(count, taken.len(), "as many as it says");
            assert!(
                (1..=max).contains(&count),
                "{count} where up to {max} were asked for"
            );
            Told::Took(now, taken)
        }
        WaitMany::TimedOut if now - began >= time => return true,
        WaitMany::TimedOut => Told::Early(time - (now - began)),
        WaitMany::Closed => Told::Closed,
    };
    let open = !matches!(told, Told::Closed);
    let _ = report.send((who, told));
    open
}

/// A thread that waits as long as it is on duty.
struct Member {
    off_duty: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    fn new(port: &CompletionPort<Key>, who: usize, report: &Sender<Report>) -> Self {
        let off_duty = Arc::new(AtomicBool::new(false));
        let (port, report, ends) = (port.clone(), report.clone(), off_duty.clone());
        let max = if who % 2 == 0 { 1 } else { 4 };
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) && wait(&port, who, max, SHIFT, &report) {}
        });
        Member {
            off_duty,
            thread: Some(thread),
        }
    }

    fn join(&mut self) {
        let thread = self.thread.take().expect("it is joined once");
        let deadline = Instant::now() + guard();
        while !thread.is_finished() {
            assert!(
                Instant::now() < deadline,
                "a thread does not come out of its wait"
            );
            thread::sleep(Duration::from_micros(100));
        }
        thread.join().expect("it ends well");
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.off_duty.store(true, Ordering::Relaxed);
    }
}

/// The thread that acts beside the main one: the same all along, so that its posts are one thread's.
struct Helper {
    orders: Sender<(Hand, Vec<Act>)>,
    done: Receiver<(Hand, Vec<Note>)>,
}

impl Helper {
    fn new() -> Self {
        let (orders, told_to) = mpsc::channel::<(Hand, Vec<Act>)>();
        let (tell, done) = mpsc::channel();
        thread::spawn(move || {
            for (mut hand, acts) in told_to {
                hand.who = HELPER;
                let notes = acts.iter().flat_map(|act| hand.act(act)).collect();
                let _ = tell.send((hand, notes));
            }
        });
        Helper { orders, done }
    }

    fn begin(&self, hand: &Hand, acts: Vec<Act>) {
        self.orders
            .send((hand.clone(), acts))
            .expect("the helper is there");
    }

    fn end(&self) -> (Hand, Vec<Note>) {
        self.done
            .recv_timeout(guard())
            .expect("the helper has acted")
    }
}

impl StateMachineTest for Rig {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(model: &Model) -> Self {
        let driver = model.driver.expect("it was chosen");
        Rig::new(model, driver)
    }

    fn apply(mut rig: Self, _: &Model, chosen: Move) -> Self {
        rig.make(chosen);
        rig.collect();
        rig.ledger.check();
        rig
    }

    fn teardown(mut rig: Self, model: Model) {
        rig.end(model.ending);
    }
}

impl Rig {
    fn new(model: &Model, driver: Driver) -> Self {
        let mut builder = driver.builder().concurrency(model.concurrency);
        if let Some(max) = model.operations_max {
            builder = builder.operations_max(max);
        }
        let (report, reports) = mpsc::channel();
        let hand = Hand {
            port: builder.build().expect("a port"),
            pool: BufferPool::with_limit(48, model.pool_max),
            who: MAIN,
            seats: Default::default(),
            timers: Vec::new(),
            stamps: Arc::default(),
        };
        Rig {
            hand,
            helper: Helper::new(),
            staff: Vec::new(),
            report,
            reports,
            ledger: Ledger::new(model.operations_max),
            peers: Vec::new(),
            seats: Default::default(),
            kept: Vec::new(),
        }
    }

    fn make(&mut self, chosen: Move) {
        match chosen {
            Move::Open { on, narrow } => self.open(on, narrow),
            Move::Drop { on } => {
                if let Some(held) = self.hand.seats[on].take() {
                    self.ledger.dropped(held.stream);
                }
            }
            Move::Step(step) => {
                let notes = self.step(&step);
                self.note(notes);
            }
            Move::Rush { helper, main } => self.rush(helper, &main),
            Move::PeerEnds { on } => self.peer_ends(on),
            Move::PeerResets { on } => self.peer_goes(on, true),
            Move::PeerLeaves { on } => self.peer_goes(on, false),
            Move::Staff(count) => self.staff(count),
            Move::KeepBuffer => self.kept.extend(self.hand.pool.get()),
            Move::ReturnBuffers => self.kept.clear(),
            Move::Settle => self.settle(),
        }
    }

    fn open(&mut self, on: usize, narrow: bool) {
        if self.hand.seats[on].is_some() {
            return;
        }
        let stream = self.ledger.open();
        let (socket, peer) = match narrow {
            true => narrow_pair(&self.hand.port, Key::Stream(stream)),
            false => pair(&self.hand.port, Key::Stream(stream)),
        };
        let Stream::System(peer) = peer else {
            panic!("it is for the system's kernel");
        };
        peer.set_nonblocking(true).expect("a setting");
        self.peers.push(Some(peer));
        self.seats[on] = Some(stream);
        self.hand.seats[on] = Some(Held {
            stream,
            socket,
            started: Vec::new(),
        });
    }

    fn step(&mut self, step: &Step) -> Vec<Note> {
        match *step {
            Step::Act(ref act) => return self.hand.act(act),
            Step::PeerWrites { on, bytes } => self.peer_writes(on, bytes),
            Step::PeerReads { on, bytes } => {
                if let Some(stream) = self.seats[on] {
                    self.peer_reads(stream, bytes);
                }
            }
            Step::Wait { max, ms } => {
                wait(
                    &self.hand.port,
                    MAIN,
                    max,
                    Duration::from_millis(ms),
                    &self.report,
                );
            }
        }
        Vec::new()
    }

    fn note(&mut self, notes: Vec<Note>) {
        notes.into_iter().for_each(|note| self.ledger.note(note));
    }

    /// The helper acts, and the main thread takes its steps meanwhile. The ledger hears of the helper's acts first: the
    /// main thread starts nothing on a stream.
    fn rush(&mut self, acts: Vec<Act>, steps: &[Step]) {
        let touched = steps.iter().filter_map(|step| match *step {
            Step::Act(
                Act::Cancel { on, .. }
                | Act::CancelAll { on }
                | Act::CancelReceives { on }
                | Act::Close { on, .. },
            ) => self.seats[on],
            _ => None,
        });
        self.ledger.rush_begins(touched);
        let timers = self.hand.timers.len();
        self.helper.begin(&self.hand, acts);
        let notes: Vec<_> = steps.iter().flat_map(|step| self.step(step)).collect();
        let (helpers, its_notes) = self.helper.end();
        let own_timers = self.hand.timers.split_off(timers);
        self.hand.seats = helpers.seats;
        self.hand.timers = helpers.timers;
        self.hand.timers.extend(own_timers);
        self.note(its_notes);
        self.note(notes);
        self.ledger.rush_ends();
    }

    fn staff(&mut self, count: usize) {
        for who in self.staff.len()..count {
            self.staff
                .push(Member::new(&self.hand.port, STAFF + who, &self.report));
        }
        let mut leaving = self.staff.split_off(count);
        leaving
            .iter()
            .for_each(|member| member.off_duty.store(true, Ordering::Relaxed));
        leaving.iter_mut().for_each(Member::join);
    }

    /// Takes in what the threads were told.
    fn collect(&mut self) {
        while let Ok((who, told)) = self.reports.try_recv() {
            match told {
                Told::Took(at, completions) => {
                    for completion in completions {
                        self.ledger.completed(who, at, completion);
                    }
                }
                Told::Early(early) => panic!("a wait of thread {who} ends {early:?} early"),
                Told::Closed => assert!(
                    self.ledger.closing,
                    "thread {who} finds an open port closed"
                ),
            }
        }
    }

    // The peers.

    fn peer_writes(&mut self, on: usize, bytes: usize) {
        let Some(number) = self.seats[on] else { return };
        let Some(peer) = &mut self.peers[number] else {
            return;
        };
        let stream = &mut self.ledger.streams[number];
        if stream.peer_ended {
            return;
        }
        match retried(|| peer.write(&written_by_peer(number, stream.written, bytes))) {
            Ok(count) => stream.written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                stream.saw.get_or_insert(Saw::Failure(error.kind()));
            }
        }
    }

    /// Reads what is there, up to so many bytes. Says whether there may be more.
    fn peer_reads(&mut self, number: usize, bytes: usize) -> bool {
        let stream = &mut self.ledger.streams[number];
        let Some(peer) = &mut self.peers[number] else {
            return false;
        };
        if stream.saw.is_some() {
            return false;
        }
        let mut buffer = vec![0; bytes];
        match retried(|| peer.read(&mut buffer)) {
            Ok(0) => stream.saw = Some(Saw::End),
            Ok(count) => {
                stream.read.extend_from_slice(&buffer[..count]);
                return true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => stream.saw = Some(Saw::Failure(error.kind())),
        }
        false
    }

    fn peer_ends(&mut self, on: usize) {
        let Some(number) = self.seats[on] else { return };
        if let Some(peer) = &self.peers[number] {
            // Where we have reset the connection, it can't be ended any more.
            let _ = peer.shutdown(Shutdown::Write);
            self.ledger.streams[number].peer_ended = true;
        }
    }

    fn peer_goes(&mut self, on: usize, resets: bool) {
        let Some(number) = self.seats[on] else { return };
        if let Some(peer) = self.peers[number].take() {
            self.ledger.peer_goes(number, resets);
            match resets {
                true => reset(Stream::System(peer)),
                false => drop(peer),
            }
        }
    }

    // Rest, and the end.

    /// Peers read all, and all that can complete does; what is left waits for peers that have nothing to say.
    fn settle(&mut self) {
        self.kept.clear();
        let deadline = Instant::now() + guard();
        while let Some(unrest) = self.turn() {
            assert!(
                Instant::now() < deadline,
                "it does not come to rest: {unrest}"
            );
        }
        self.ledger.at_rest();
        for held in self.hand.seats.iter().flatten() {
            if let Some(traffic) = held.socket.traffic().map(moved) {
                self.ledger.check_traffic(held.stream, traffic);
            }
        }
        // A receive may hold one for a moment, until it finds that there is nothing to receive.
        while self.hand.pool.in_use() > 0 {
            assert!(
                Instant::now() < deadline,
                "at rest nobody holds a buffer: {:?}",
                self.hand.pool
            );
            thread::yield_now();
        }
    }

    fn turn(&mut self) -> Option<String> {
        for number in 0..self.peers.len() {
            while self.peer_reads(number, 1 << 16) {}
        }
        wait(
            &self.hand.port,
            MAIN,
            8,
            Duration::from_micros(200),
            &self.report,
        );
        self.collect();
        self.ledger.check();
        self.ledger.unrest()
    }

    fn end(&mut self, ending: Ending) {
        let meanwhile = match ending {
            Ending::Settled => {
                self.settle();
                Vec::new()
            }
            Ending::AsItIs => Vec::new(),
            Ending::Meanwhile(acts) => acts,
        };
        let streams = 0..self.ledger.streams.len();
        self.ledger.rush_begins(streams);
        self.ledger.closing = true;
        self.helper.begin(&self.hand, meanwhile);
        let rest = self.close();
        let (_, notes) = self.helper.end();
        self.note(notes);
        self.ledger.rush_ends();
        self.ledger.port_closed();
        self.staff.iter_mut().for_each(Member::join);
        self.collect();
        let now = Instant::now();
        for completion in rest {
            self.ledger.completed(CLOSER, now, completion);
        }
        self.ledger.check();
        self.after_the_end();
    }

    fn close(&self) -> Vec<Completion<Key>> {
        let (tell, told) = mpsc::channel();
        let port = self.hand.port.clone();
        thread::spawn(move || tell.send(port.close()));
        told.recv_timeout(guard()).expect("closing the port ends")
    }

    /// Nothing is started any more, nothing comes any more, and nothing is kept.
    fn after_the_end(&mut self) {
        let mut late = vec![Act::Post { count: 1 }, Act::Timer { ms: Some(0) }];
        for on in 0..SEATS {
            late.push(Act::Receive {
                on,
                into: Into::Own(8),
            });
            late.push(Act::Receive {
                on,
                into: Into::BufferPool,
            });
            late.push(Act::Send {
                on,
                what: What::Quiet(8),
            });
            late.push(Act::Send {
                on,
                what: What::Pooled,
            });
            late.push(Act::Shutdown { on });
        }
        for act in late {
            let notes = self.hand.act(&act);
            self.note(notes);
        }
        assert!(
            self.hand.port.close().is_empty(),
            "what was given back once is not again"
        );
        assert!(
            !wait(&self.hand.port, MAIN, 8, GUARD, &self.report),
            "a closed port says so"
        );
        self.collect();

        self.hand.seats = Default::default();
        self.kept.clear();
        for number in 0..self.peers.len() {
            self.peer_reads_to_the_end(number);
        }
        self.ledger.at_the_end();
        assert_eq!(
            self.hand.pool.in_use(),
            0,
            "no buffer is lost: {:?}",
            self.hand.pool
        );
    }

    fn peer_reads_to_the_end(&mut self, number: usize) {
        if let Some(peer) = &self.peers[number] {
            peer.set_nonblocking(false).expect("a setting");
            peer.set_read_timeout(Some(guard())).expect("a setting");
        }
        while self.peer_reads(number, 1 << 16) {}
    }
}

/// Tries again if it was interrupted: a ring that is torn down may do that to the threads that used it.
fn retried<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
