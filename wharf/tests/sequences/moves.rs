//! What may happen: the moves that sequences are made of, and as much of a model as it takes to choose sensible ones.
//!
//! Streams sit on a few *seats*. A move that names a seat which has no stream, or a peer that is gone, does nothing: so
//! any part of a sequence is a sequence, and failures shrink well.

use proptest::{
    collection::vec,
    prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof},
    sample::select,
    strategy::Union,
};
use proptest_state_machine::ReferenceStateMachine;

use crate::harness::Driver;

/// How many streams are open at once.
pub const SEATS: usize = 3;

/// What the port and its pool are made with, how the sequence ends, and which seats are taken.
#[derive(Debug, Clone)]
pub struct Model {
    /// Chosen by the test, not at random.
    pub driver: Option<Driver>,
    pub concurrency: usize,
    pub operations_max: Option<usize>,
    pub pool_max: usize,
    pub ending: Ending,
    seats: [Seat; SEATS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Seat {
    /// The handle of the socket is there.
    held: bool,
    /// The peer is there, and what it may still do.
    reads: bool,
    writes: bool,
}

/// How the port is closed.
#[derive(Debug, Clone)]
pub enum Ending {
    /// When everything that can complete has.
    Settled,
    /// With whatever is under way.
    AsItIs,
    /// While another thread does this.
    Meanwhile(Vec<Act>),
}

#[derive(Debug, Clone)]
pub enum Move {
    /// A connected pair is associated; with little room between its ends, if it is `narrow`.
    Open {
        on: usize,
        narrow: bool,
    },
    /// The handle of the socket is dropped.
    Drop {
        on: usize,
    },
    Step(Step),
    /// A helper acts while the main thread does something else.
    Rush {
        helper: Vec<Act>,
        main: Vec<Step>,
    },
    PeerEnds {
        on: usize,
    },
    PeerResets {
        on: usize,
    },
    PeerLeaves {
        on: usize,
    },
    /// From now on so many threads wait all the time, beside the main one.
    Staff(usize),
    /// Buffers of the pool are kept back.
    KeepBuffer,
    ReturnBuffers,
    /// The peers read all, and what can complete does.
    Settle,
}

/// What the main thread does, also while a helper acts.
#[derive(Debug, Clone)]
pub enum Step {
    Act(Act),
    PeerWrites { on: usize, bytes: usize },
    PeerReads { on: usize, bytes: usize },
    Wait { max: usize, ms: u64 },
}

/// What any thread does.
#[derive(Debug, Clone)]
pub enum Act {
    Receive {
        on: usize,
        into: Into,
    },
    Send {
        on: usize,
        what: What,
    },
    Shutdown {
        on: usize,
    },
    /// Cancels the operation that was started so many before the last; it may have completed.
    Cancel {
        on: usize,
        back: usize,
    },
    CancelTimer {
        back: usize,
        quietly: bool,
    },
    CancelAll {
        on: usize,
    },
    CancelReceives {
        on: usize,
    },
    Close {
        on: usize,
        how: Closing,
    },
    LimitUnsent {
        on: usize,
        bytes: usize,
    },
    Post {
        count: usize,
    },
    /// None is a time that does not come.
    Timer {
        ms: Option<u64>,
    },
}

#[derive(Debug, Clone)]
pub enum Into {
    Own(usize),
    BufferPool,
    Many(Vec<usize>),
    Nothing,
}

#[derive(Debug, Clone)]
pub enum What {
    Bytes(usize),
    Quiet(usize),
    Pooled,
    Many(Vec<usize>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    Plain,
    Reset,
    IfSent,
}

impl Model {
    /// The same on a driver.
    pub fn on(mut self, driver: Driver) -> Self {
        self.driver = Some(driver);
        self
    }

    fn seats(&self, which: impl Fn(&Seat) -> bool) -> Vec<usize> {
        (0..SEATS).filter(|on| which(&self.seats[*on])).collect()
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Move;

    fn init_state() -> BoxedStrategy<Self> {
        let operations_max = prop_oneof![4 => Just(None), 1 => (6_usize..16).prop_map(Some)];
        let ending = prop_oneof![
            Just(Ending::Settled),
            Just(Ending::AsItIs),
            vec(act((0..SEATS).collect()), 1..6).prop_map(Ending::Meanwhile),
        ];
        (1_usize..=2, operations_max, 1_usize..=3, ending)
            .prop_map(|(concurrency, operations_max, pool_max, ending)| Model {
                driver: None,
                concurrency,
                operations_max,
                pool_max,
                ending,
                seats: Default::default(),
            })
            .boxed()
    }

    fn transitions(model: &Self) -> BoxedStrategy<Move> {
        let held = model.seats(|seat| seat.held);
        let readers = model.seats(|seat| seat.reads);
        let writers = model.seats(|seat| seat.writes);
        let mut choices = vec![
            (
                6,
                step(&held, &readers, &writers).prop_map(Move::Step).boxed(),
            ),
            (1, (0_usize..=3).prop_map(Move::Staff).boxed()),
            (1, Just(Move::KeepBuffer).boxed()),
            (1, Just(Move::ReturnBuffers).boxed()),
            (1, Just(Move::Settle).boxed()),
        ];
        let free = model.seats(|seat| !seat.held);
        if !free.is_empty() {
            let open = (select(free), any::<bool>());
            let open = open.prop_map(|(on, narrow)| Move::Open { on, narrow });
            choices.push((4, open.boxed()));
        }
        if !held.is_empty() {
            choices.push((
                1,
                select(held.clone())
                    .prop_map(|on| Move::Drop { on })
                    .boxed(),
            ));
            let main = vec(beside(&held, &readers, &writers), 0..6);
            let rush = (vec(act(held), 1..8), main);
            let rush = rush.prop_map(|(helper, main)| Move::Rush { helper, main });
            choices.push((4, rush.boxed()));
        }
        if !readers.is_empty() {
            choices.push((1, peer_goes(readers, writers)));
        }
        Union::new_weighted(choices).boxed()
    }

    fn apply(mut model: Self, chosen: &Move) -> Self {
        let seats = &mut model.seats;
        match *chosen {
            Move::Open { on, .. } => {
                seats[on] = Seat {
                    held: true,
                    reads: true,
                    writes: true,
                };
            }
            Move::Drop { on } => seats[on].held = false,
            Move::PeerEnds { on } => seats[on].writes = false,
            Move::PeerResets { on } | Move::PeerLeaves { on } => {
                (seats[on].reads, seats[on].writes) = (false, false);
            }
            _ => {}
        }
        model
    }
}

fn peer_goes(readers: Vec<usize>, writers: Vec<usize>) -> BoxedStrategy<Move> {
    let on = select(readers);
    let goes = prop_oneof![
        on.clone().prop_map(|on| Move::PeerResets { on }),
        on.prop_map(|on| Move::PeerLeaves { on }),
    ];
    if writers.is_empty() {
        return goes.boxed();
    }
    let ends = select(writers).prop_map(|on| Move::PeerEnds { on });
    prop_oneof![ends, goes].boxed()
}

fn step(held: &[usize], readers: &[usize], writers: &[usize]) -> BoxedStrategy<Step> {
    let acts = (8, act(held.to_vec()).prop_map(Step::Act).boxed());
    Union::new_weighted([vec![acts], others(readers, writers)].concat()).boxed()
}

/// What may go on beside a helper that acts: nothing that is started on a stream, since nobody could say then in which
/// order the operations of the stream were started.
fn beside(held: &[usize], readers: &[usize], writers: &[usize]) -> BoxedStrategy<Step> {
    let act = prop_oneof![
        2 => cancel(held.to_vec()),
        1 => close(held.to_vec()),
        1 => of_the_port(),
    ];
    let acts = (3, act.prop_map(Step::Act).boxed());
    Union::new_weighted([vec![acts], others(readers, writers)].concat()).boxed()
}

fn others(readers: &[usize], writers: &[usize]) -> Vec<(u32, BoxedStrategy<Step>)> {
    let wait = (1_usize..6, 0_u64..3).prop_map(|(max, ms)| Step::Wait { max, ms });
    let mut others = vec![(3, wait.boxed())];
    if !writers.is_empty() {
        let writes = (select(writers.to_vec()), bytes());
        let writes = writes.prop_map(|(on, bytes)| Step::PeerWrites { on, bytes });
        others.push((3, writes.boxed()));
    }
    if !readers.is_empty() {
        let reads = (select(readers.to_vec()), bytes());
        let reads = reads.prop_map(|(on, bytes)| Step::PeerReads { on, bytes });
        others.push((2, reads.boxed()));
    }
    others
}

/// Mostly few, sometimes more than the system takes at once.
fn bytes() -> BoxedStrategy<usize> {
    prop_oneof![6 => 1_usize..200, 1 => 60_000_usize..400_000].boxed()
}

fn act(held: Vec<usize>) -> BoxedStrategy<Act> {
    if held.is_empty() {
        return of_the_port();
    }
    prop_oneof![
        6 => receive(held.clone()),
        6 => send(held.clone()),
        2 => select(held.clone()).prop_map(|on| Act::Shutdown { on }),
        3 => cancel(held.clone()),
        1 => close(held.clone()),
        1 => limit(held),
        2 => of_the_port(),
    ]
    .boxed()
}

fn receive(held: Vec<usize>) -> BoxedStrategy<Act> {
    let into = prop_oneof![
        3 => (0_usize..160).prop_map(Into::Own),
        3 => Just(Into::BufferPool),
        1 => vec(0_usize..40, 0..4).prop_map(Into::Many),
        1 => Just(Into::Nothing),
    ];
    (select(held), into)
        .prop_map(|(on, into)| Act::Receive { on, into })
        .boxed()
}

fn send(held: Vec<usize>) -> BoxedStrategy<Act> {
    let len = prop_oneof![1 => Just(0), 6 => bytes()];
    let what = prop_oneof![
        3 => len.clone().prop_map(What::Bytes),
        2 => len.clone().prop_map(What::Quiet),
        1 => Just(What::Pooled),
        1 => vec(len, 0..4).prop_map(What::Many),
    ];
    (select(held), what)
        .prop_map(|(on, what)| Act::Send { on, what })
        .boxed()
}

fn cancel(held: Vec<usize>) -> BoxedStrategy<Act> {
    let on = select(held);
    prop_oneof![
        4 => (on.clone(), 0_usize..5).prop_map(|(on, back)| Act::Cancel { on, back }),
        1 => on.clone().prop_map(|on| Act::CancelAll { on }),
        1 => on.prop_map(|on| Act::CancelReceives { on }),
    ]
    .boxed()
}

fn close(held: Vec<usize>) -> BoxedStrategy<Act> {
    let how = prop_oneof![
        Just(Closing::Plain),
        Just(Closing::Reset),
        Just(Closing::IfSent)
    ];
    (select(held), how)
        .prop_map(|(on, how)| Act::Close { on, how })
        .boxed()
}

fn limit(held: Vec<usize>) -> BoxedStrategy<Act> {
    let bytes = prop_oneof![1 => Just(usize::MAX), 3 => 0_usize..100_000];
    (select(held), bytes)
        .prop_map(|(on, bytes)| Act::LimitUnsent { on, bytes })
        .boxed()
}

fn of_the_port() -> BoxedStrategy<Act> {
    let ms = prop_oneof![1 => Just(None), 3 => (0_u64..20).prop_map(Some)];
    prop_oneof![
        3 => (1_usize..8).prop_map(|count| Act::Post { count }),
        2 => ms.prop_map(|ms| Act::Timer { ms }),
        2 => (0_usize..4, any::<bool>()).prop_map(|(back, quietly)| Act::CancelTimer { back, quietly }),
    ]
    .boxed()
}
