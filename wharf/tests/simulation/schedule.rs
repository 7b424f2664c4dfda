//! Which thread runs next: as a seed says.

use fastrand::Rng;
use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};

/// The thread that moves time on is the first that a run starts; it runs when no other can, and else one time in so many.
const TIME: usize = 1;
pub const TIME_SELDOM: u32 = 1000;
pub const TIME_OFTEN: u32 = 10;

/// Runs one seed once. How long a thread goes on before another has its turn varies from seed to seed: some bugs need many
/// turns, others a thread that is left behind.
#[derive(Debug)]
pub struct Seeded {
    seed: u64,
    random: Rng,
    /// A thread goes on, if it can, but for one time in so many.
    stays: u32,
    /// How seldom time moves on though other threads can run.
    time: u32,
    is_run: bool,
}

impl Seeded {
    pub fn new(seed: u64, time: u32) -> Self {
        let mut random = Rng::with_seed(seed);
        let stays = [1, 2, 4, 16, 64][random.usize(..5)];
        Seeded {
            seed,
            random,
            stays,
            time,
            is_run: false,
        }
    }
}

impl Scheduler for Seeded {
    fn new_execution(&mut self) -> Option<Schedule> {
        let first = !std::mem::replace(&mut self.is_run, true);
        first.then(|| Schedule::new(self.seed))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let ids: Vec<_> = runnable.iter().map(|task| task.id()).collect();
        let is_time = |id: &TaskId| usize::from(*id) == TIME;
        let others: Vec<_> = ids.iter().copied().filter(|id| !is_time(id)).collect();
        if others.is_empty() || (others.len() < ids.len() && self.random.u32(..self.time) == 0) {
            return ids.into_iter().find(is_time);
        }
        let stays = current.filter(|id| !is_yielding && others.contains(id));
        match stays {
            Some(id) if self.random.u32(..self.stays) != 0 => Some(id),
            _ => Some(others[self.random.usize(..others.len())]),
        }
    }

    fn next_u64(&mut self) -> u64 {
        self.random.u64(..)
    }
}
