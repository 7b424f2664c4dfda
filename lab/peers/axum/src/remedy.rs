//! What tokio's documentation advises for handlers that block or compute.

use clap::ValueEnum;
use tokio::task::{block_in_place, spawn_blocking};

/// How a handler blocks or computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Remedy {
    /// On the worker, as it is written
    None,
    /// On a thread of the pool for what blocks
    SpawnBlocking,
    /// On the worker, which gives its tasks away first
    BlockInPlace,
}

impl Remedy {
    pub async fn run(self, work: impl FnOnce() + Send + 'static) {
        match self {
            Remedy::None => work(),
            Remedy::BlockInPlace => block_in_place(work),
            // A panic has ended the process already, and nobody aborts it.
            Remedy::SpawnBlocking => spawn_blocking(work).await.expect("it does not panic"),
        }
    }
}
