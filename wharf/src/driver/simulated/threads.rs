//! Whether threads sleep: the answer of a simulation, in the place of the system's (`driver/linux/threads.rs`).

use std::io;

use crate::sync;

pub(crate) fn coarse_now_ns() -> u64 {
    sync::coarse_now_ns()
}

/// Whether the states of threads can be told: those of a simulation always can.
///
/// # Errors
/// None.
pub fn thread_states_available() -> io::Result<()> {
    Ok(())
}

#[derive(Debug)]
pub(crate) struct Probe(u32);

/// A simulation reads no descriptors.
#[derive(Debug)]
pub(crate) struct Nothing;

impl Probe {
    /// A probe of a thread about which the system is never asked.
    #[cfg(test)]
    pub(crate) fn of_nobody() -> Probe {
        Probe(0)
    }

    pub(crate) fn of_this_thread() -> Probe {
        Probe(sync::thread_number() as u32)
    }

    pub(crate) fn of_this_worker(_reserve: &Reserve, _replaces: bool) -> Probe {
        Probe::of_this_thread()
    }

    pub(crate) fn is_of_this_thread(&self) -> bool {
        self.0 == sync::thread_number() as u32
    }

    pub(crate) fn end(&self) -> Option<Nothing> {
        None
    }

    /// Always true: a simulation does not know.
    pub(crate) fn has_run(&self) -> bool {
        true
    }

    pub(crate) fn is_asleep(&self) -> Option<bool> {
        Some(sync::asleep(self.0 as usize))
    }
}

/// A simulation keeps no descriptors.
#[derive(Debug, Default)]
pub(crate) struct Reserve;

impl Reserve {
    pub(crate) fn of(_threads: usize) -> Reserve {
        Reserve
    }

    pub(crate) fn max(&self) -> usize {
        0
    }

    pub(crate) fn take_back(&self, _: Option<Nothing>) {}

    pub(crate) fn clear(&self) {}
}
