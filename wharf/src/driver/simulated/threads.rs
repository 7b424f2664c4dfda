//! What a simulation knows of its threads, in the place of what the system knows (`driver/threads.rs`).

use std::io;

use crate::sync;

pub(crate) fn current_thread() -> u32 {
    sync::thread_number() as u32
}

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

impl Probe {
    pub(crate) fn of(thread: u32) -> Probe {
        Probe(thread)
    }

    /// It may have, for all that is known.
    pub(crate) fn has_run(&mut self) -> bool {
        true
    }

    pub(crate) fn is_asleep(&mut self) -> io::Result<bool> {
        Ok(sync::asleep(self.0 as usize))
    }
}
