//! How much time of processors a process has used.

use std::{fs, io, time::Duration};

/// By the threads that it has now.
pub fn of_process(pid: u32) -> Result<Duration, String> {
    let threads = format!("/proc/{pid}/task");
    let read = |error: io::Error| format!("{threads} can't be read: {error}");
    let mut nanoseconds = 0;
    for thread in fs::read_dir(&threads).map_err(read)? {
        let file = thread.map_err(read)?.path().join("schedstat");
        // A thread that has just ended has used little.
        let text = fs::read_to_string(file).unwrap_or_default();
        let of_thread = text.split(' ').next().and_then(|word| word.parse().ok());
        nanoseconds += of_thread.unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}
