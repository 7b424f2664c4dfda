//! Without the feature `metrics`: nothing is counted.

use std::{sync::Arc, time::Duration};

use super::Counted;
use crate::{Settings, StartError, shared::ServerState};

#[derive(Debug, Clone)]
pub(crate) struct Metrics;

impl Metrics {
    pub(crate) fn new(_: &Settings) -> Self {
        Metrics
    }

    #[inline(always)]
    pub(crate) fn are_on(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn count(&self, _: Counted<'_>) {}

    pub(crate) fn time<T>(&self, call: impl FnOnce() -> T) -> T {
        call()
    }
}

#[derive(Debug)]
pub(crate) struct Publisher;

impl Publisher {
    pub(crate) fn start<M>(_: &Arc<ServerState<M>>) -> Result<Option<Self>, StartError> {
        Ok(None)
    }

    pub(crate) fn stop(self, _: Duration) {}
}
