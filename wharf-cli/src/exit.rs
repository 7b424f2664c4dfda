//! How the command ends: a code for each thing that a script would test for. For `serve`, one for each stage of starting
//! a server; for `bench`, one for each way in which a run can fail.

use std::process::ExitCode;

use wharf_server::StartError;

use crate::output;

/// The arguments make no sense; the same as for those that can't be parsed.
pub const USAGE: u8 = 2;
/// The completion port can't be made, or its workers can't be started.
pub const PORT: u8 = 10;
/// The socket can't be made.
pub const SOCKET: u8 = 20;
/// The socket can't be bound.
pub const BIND: u8 = 30;
/// The socket can't listen.
pub const LISTEN: u8 = 40;
/// Accepting fails for good.
pub const ACCEPT: u8 = 50;

/// A load could not be run, or not as it was asked for: connections could not be made or were lost, nothing was answered
/// in the measured time, or the figures could not be printed.
pub const COULD_NOT_RUN: u8 = 1;
/// A figure of a load is out of the bounds that it was given.
pub const THRESHOLD: u8 = 3;
/// A server answered with other bytes than it was sent, or did not answer, or not in the time for it.
pub const WRONG_BYTES: u8 = 4;

/// Ends with a message for the user.
pub fn fail(code: u8, message: &str) -> ExitCode {
    // Where standard error is gone, the code alone has to say it.
    output::ERRORS.say(&format!("error: {message}"));
    ExitCode::from(code)
}

/// The code for a server that could not be started.
pub fn code_of(error: &StartError) -> u8 {
    match error {
        StartError::Settings(_) => USAGE,
        StartError::Socket(_) => SOCKET,
        StartError::Bind(..) => BIND,
        StartError::Listen(_) => LISTEN,
        StartError::Accept(_) => ACCEPT,
        _ => PORT,
    }
}
