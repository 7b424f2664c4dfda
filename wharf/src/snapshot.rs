//! The state of a port and of its threads at one moment: for a program's metrics, or a look while it runs.

use std::{fmt, time::Duration};

/// The state of a port at one moment; see [`CompletionPort::snapshot`](crate::CompletionPort::snapshot).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// How many threads and packets there are of each kind.
    pub counts: Counts,
    /// How long the oldest entry of the queue has waited: a packet, or an operation that is ready to be carried out. None if
    /// nothing waits. As coarse as the system's timer tick: some milliseconds. On Windows always none: the kernel does not
    /// tell.
    pub oldest: Option<Duration>,
    /// Operations, timers and posted packets that are under way: started, and not handed out.
    pub operations: usize,
    /// Each thread that has waited on the port, and has neither ended nor gone to wait on another.
    pub workers: Vec<WorkerSnapshot>,
}

/// One thread of a port.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerSnapshot {
    /// The thread's name; empty if it has none.
    pub name: String,
    /// What it does.
    pub state: WorkerState,
    /// For how long it has been in this state; of a thread that runs or is blocked, how long it has been in its handler. As
    /// coarse as the system's timer tick.
    pub since: Duration,
    /// How many packets it has taken.
    pub packets: u64,
}

/// What a thread of a port does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WorkerState {
    /// It sleeps until it is released.
    Parked,
    /// It waits in the kernel, and is the next to run when something becomes ready.
    Polling,
    /// It is in a handler, or carries out operations.
    Running,
    /// It is in a handler, and sleeps there or waits for the disk.
    Blocked,
    /// It is in a handler, or carries out operations; the system does not tell whether it sleeps there: `/proc` is not mounted,
    /// say. It counts as running. The log has the reason, and
    /// [`thread_states_available`](crate::thread_states_available) tells it.
    Unknown,
    /// It is doing something else: a wait of its timed out, or the port is closed.
    Away,
}

impl fmt::Display for WorkerState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            WorkerState::Parked => "parked",
            WorkerState::Polling => "polling",
            WorkerState::Running => "running",
            WorkerState::Blocked => "blocked",
            WorkerState::Unknown => "unknown",
            WorkerState::Away => "away",
        })
    }
}

/// Bytes that a socket has moved; see [`Socket::traffic`](crate::Socket::traffic).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Traffic {
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent: taken by the system.
    pub sent_bytes: u64,
}

/// How many threads and packets of a port are in which state at one moment. Windows does not tell which threads are blocked or
/// how much waits: there `blocked`, `queued` and `releases` are always 0, and blocked threads count as running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Threads that took a packet and have not come back for the next, and threads that were released and are on their
    /// way to one. Without blocked threads.
    pub running: usize,
    /// Threads that wait, in the kernel or asleep.
    pub parked: usize,
    /// Threads that are known to be blocked in their handlers. Another thread has, or may have, the place of each. A thread
    /// whose state [can't be known](WorkerState::Unknown) counts as running.
    pub blocked: usize,
    /// The queue: packets that wait for a thread, and operations that are ready to be carried out by one.
    pub queued: usize,
    /// The most threads that ever ran at once. More than the concurrency only if blocked threads ran again while other threads
    /// had their places.
    pub running_max: usize,
    /// How often the monitor found a thread blocked in its handler, and gave its place away.
    pub releases: u64,
}
