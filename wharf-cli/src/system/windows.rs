//! Windows.

use std::{
    io::{self, Write},
    os::windows::process::CommandExt,
    process::Command,
    sync::{OnceLock, mpsc},
    time::{Duration, Instant},
};

use super::Signal;
use crate::exit;

/// The process is the first of a group of its own (`CREATE_NEW_PROCESS_GROUP`).
const NEW_PROCESS_GROUP: u32 = 0x200;

/// Ctrl-C, Ctrl-Break and the closing of the console, as they come. There is no signal that asks for the table.
///
/// # Errors
/// The system's.
pub fn signals(_: bool) -> io::Result<impl Iterator<Item = Signal> + Send> {
    let (sender, receiver) = mpsc::channel();
    ctrlc::set_handler(move || {
        // The receiver is gone once the command ends.
        let _ = sender.send(Signal::Stop {
            name: "Ctrl-C or Ctrl-Break",
            code: exit::INTERRUPTED,
        });
    })
    .map_err(io::Error::other)?;
    Ok(receiver.into_iter())
}

/// Writes to standard output, once.
///
/// # Errors
/// The system's.
pub fn write_output(bytes: &[u8]) -> io::Result<usize> {
    let mut output = io::stdout().lock();
    output.write_all(bytes)?;
    // It keeps the beginnings of lines, and is never given one.
    output.flush()?;
    Ok(bytes.len())
}

/// Writes to standard error, once.
///
/// # Errors
/// The system's.
pub fn write_errors(bytes: &[u8]) -> io::Result<usize> {
    io::stderr().lock().write(bytes)
}

/// Has this thread's waits end when they are due. Windows has no such wish for a thread: they end with a tick of its clock.
///
/// # Errors
/// None.
pub fn wait_exactly() -> io::Result<()> {
    Ok(())
}

/// The processor time that the calling thread has used: no safe call tells it on Windows.
pub fn processor_time() -> Option<Duration> {
    None
}

/// The clock of a thread that computes for a while: the time that has passed. A thread's own counts whole ticks here, some 16
/// milliseconds, which is no use for a request of microseconds. So a thread that is not let run gets done all the same.
pub fn spin_time() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// Keeps a Ctrl-C for us that is meant for a process and those it has started.
pub fn apart(command: &mut Command) {
    command.creation_flags(NEW_PROCESS_GROUP);
}

/// The most files that may be open, if there is such a limit: memory alone limits them here.
pub fn open_files_max() -> Option<u64> {
    None
}

/// What the system is called.
pub fn kernel() -> String {
    let version = Command::new("cmd").args(["/c", "ver"]).output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let version = version.ok().filter(|version| !version.is_empty());
    let version = version.unwrap_or_else(|| "Windows".to_owned());
    format!("{version} {}", std::env::consts::ARCH)
}
