//! The faults of a simulated kernel: a real one may do all of this, too.

/// How often each fault happens: in thousandths of the occasions, 0 for never.
///
/// The manual pages allow each of these to the real kernel, and on most machines most of them are rare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Faults {
    /// Bytes take a while from one end to the other, in order for each end; so do events.
    pub delays: u16,
    /// A transfer moves less than it could.
    pub cuts: u16,
    /// A call fails with `EINTR`.
    pub interrupts: u16,
    /// A call that could have succeeded fails with `EAGAIN`; an event follows.
    pub refusals: u16,
    /// A send fails with `ENOBUFS`, a receive with `ENOMEM`.
    pub shortages: u16,
    /// An accept fails with `EMFILE`, or with `ECONNABORTED`.
    pub failed_accepts: u16,
    /// A connection is reset during a transfer.
    pub resets: u16,
    /// A datagram is lost.
    pub losses: u16,
    /// A file's transfer fails with `EIO`.
    pub disk_errors: u16,
    /// The driver makes several transfers at once, so that sends are staged for the next batch.
    pub batches: bool,
    /// The driver makes no promises beyond those of every driver: the first of several threads that wait is woken first, only
    /// one may wait at once, and it can't tell that a thread is blocked.
    pub promises_least: bool,
}

impl Faults {
    /// A few of the faults: the seed says which ones, and how often.
    pub fn from_seed(seed: u64) -> Faults {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut rate = |usual: u16| match random.u8(..3) {
            0 => 0,
            1 => usual,
            _ => random.u16(..=4 * usual),
        };
        Faults {
            delays: rate(200),
            cuts: rate(100),
            interrupts: rate(50),
            refusals: rate(50),
            shortages: rate(10),
            failed_accepts: rate(50),
            resets: rate(5),
            losses: rate(50),
            disk_errors: rate(20),
            batches: random.bool(),
            promises_least: random.u8(..4) == 0,
        }
    }
}
