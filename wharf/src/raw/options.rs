//! The settings that a port is made with.

use crate::driver::DriverChoice;

/// The settings that a port is made with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The most threads that run at once; 0 for as many as the processors that this process may use.
    pub concurrency: usize,
    /// Which driver to use.
    pub driver: DriverChoice,
    /// The most operations, timers and posted packets that may be under way at once; more are refused (backpressure).
    pub operations_max: usize,
    /// A simulated kernel, instead of a driver of the system's.
    #[cfg(all(unix, feature = "simulated"))]
    pub kernel: Option<crate::simulated::Kernel>,
}

impl Default for Options {
    /// One running thread for each processor, the best driver of the system, and 4,194,304 operations: several for each handle,
    /// if the port has as many as it takes.
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
