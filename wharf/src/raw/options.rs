//! What a port is made with.

use crate::driver::DriverChoice;

/// What a port is made with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The most threads that run at once; 0 for as many as the processors that this process may use.
    pub concurrency: usize,
    /// Which driver to use.
    pub driver: DriverChoice,
    /// The most operations, timers and posted packets that may be under way at once.
    pub operations_max: usize,
    /// In the place of a driver of the system's: a simulated kernel.
    #[cfg(all(unix, feature = "simulated"))]
    pub kernel: Option<crate::simulated::Kernel>,
}

impl Default for Options {
    /// One running thread a processor, the best driver there is, and 4,194,304 operations: several for each of as
    /// many handles as a port takes.
    fn default() -> Self {
        Options {
            concurrency: 0,
            driver: DriverChoice::Auto,
            operations_max: 4 << 20,
            #[cfg(all(unix, feature = "simulated"))]
            kernel: None,
        }
    }
}
