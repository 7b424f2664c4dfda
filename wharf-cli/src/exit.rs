//! How the command ends: one table of all exit codes. `--help` prints from it, and a test causes each of them.
//!
//! A panic of the main thread ends with 101, as in any Rust program. That is a defect, and so is not in the table.

use std::process::ExitCode;

use tracing::Level;
use wharf_server::StartError;

use crate::{log, output};

/// The command did what it was asked to.
pub const DONE: u8 = 0;
/// A load, a demonstration or a report could not be made or printed.
pub const COULD_NOT_RUN: u8 = 1;
/// The arguments are wrong. The parser of the command line ends with the same code.
pub const USAGE: u8 = 2;
/// A figure of a load is out of the bounds that it was given.
pub const THRESHOLD: u8 = 3;
/// A server answered with other bytes than it was sent, or did not answer, or not in time.
pub const WRONG_BYTES: u8 = 4;
/// The completion port can't be made, its workers can't be started, or signals can't be handled.
pub const PORT: u8 = 10;
/// The socket can't be made.
pub const SOCKET: u8 = 20;
/// The socket can't be bound.
pub const BIND: u8 = 30;
/// The socket can't listen.
pub const LISTEN: u8 = 40;
/// Accepting fails for good.
pub const ACCEPT: u8 = 50;
/// A second signal ended the command at once: as a shell reports a process that SIGINT has ended. On Windows, Ctrl-C and
/// Ctrl-Break.
pub const INTERRUPTED: u8 = 130;
/// The same, for SIGTERM.
#[cfg(unix)]
pub const TERMINATED: u8 = 143;

/// A command that has exit codes of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Serve,
    Bench,
    Demo,
    Doctor,
}

/// An exit code, and what it means: in brief for all commands, and for each command that ends with it.
#[derive(Debug)]
pub struct Code {
    pub number: u8,
    pub brief: &'static str,
    pub of: &'static [(Command, &'static str)],
}

use Command::{Bench, Demo, Doctor, Serve};

const ARGUMENTS: &str = "the arguments are wrong; the message says what is accepted";

/// All exit codes, in their order.
pub const CODES: &[Code] = &[
    Code {
        number: DONE,
        brief: "done, or help was asked for",
        of: &[
            (Serve, STOPPED),
            (
                Bench,
                "at least one request was answered, and none of the failures below happened. Also after a first signal, if \
                 this is true of what was measured until then",
            ),
            (Demo, "each scene ended as its text says"),
            (Doctor, "a server can run here"),
        ],
    },
    Code {
        number: COULD_NOT_RUN,
        brief: "it could not run, or its output could not be printed",
        of: &[
            (Serve, "the help could not be printed"),
            (
                Bench,
                "the load could not run as asked: no connection, a connection that was lost (with --reconnect: and could not \
                 be made again), no answer in the measured time, or figures that could not be printed",
            ),
            (
                Demo,
                "a scene could not run, did not end as its text says, or could not be printed",
            ),
            (Doctor, "the report could not be printed"),
        ],
    },
    Code {
        number: USAGE,
        brief: "wrong arguments",
        of: &[
            (Serve, ARGUMENTS),
            (
                Bench,
                "the arguments are wrong, standard output is closed, or the file of --svg can't be written",
            ),
            (Demo, ARGUMENTS),
            (Doctor, ARGUMENTS),
        ],
    },
    Code {
        number: THRESHOLD,
        brief: "a condition of --fail-if was met",
        of: &[(Bench, "a condition of --fail-if was met")],
    },
    Code {
        number: WRONG_BYTES,
        brief: "an answer was wrong or missing",
        of: &[(
            Bench,
            "an answer had wrong bytes, or a request had no answer, or none within --timeout",
        )],
    },
    Code {
        number: PORT,
        brief: "the completion port, its threads or the handling of signals could not be made",
        of: &[
            (
                Serve,
                "the completion port, its threads or the handling of signals could not be made",
            ),
            (Doctor, "no completion port can be made here"),
        ],
    },
    Code {
        number: SOCKET,
        brief: "no socket could be made",
        of: &[(Serve, "no socket could be made")],
    },
    Code {
        number: BIND,
        brief: "the address could not be bound",
        of: &[(
            Serve,
            "the address could not be bound: it is in use, not permitted, or not an address of this machine",
        )],
    },
    Code {
        number: LISTEN,
        brief: "the socket could not listen",
        of: &[(Serve, "the socket could not listen")],
    },
    Code {
        number: ACCEPT,
        brief: "no more clients could be accepted",
        of: &[(
            Serve,
            "no more clients could be accepted; the server stopped in order",
        )],
    },
    Code {
        number: INTERRUPTED,
        brief: "ended at once by a second signal",
        of: &[(Serve, SECOND_INTERRUPT), (Bench, SECOND_INTERRUPT)],
    },
    #[cfg(unix)]
    Code {
        number: TERMINATED,
        brief: "ended at once by a second signal",
        of: &[(Serve, SECOND_TERMINATE), (Bench, SECOND_TERMINATE)],
    },
];

const STOPPED: &str = match cfg!(windows) {
    true => "stopped in order: by Ctrl-C, Ctrl-Break or --stop-with-stdin",
    false => "stopped in order: by SIGINT, SIGTERM or --stop-with-stdin",
};
const SECOND_INTERRUPT: &str = match cfg!(windows) {
    true => "a second signal, Ctrl-C or Ctrl-Break, ended it at once",
    false => "a second signal, SIGINT, ended it at once",
};
#[cfg(unix)]
const SECOND_TERMINATE: &str = "a second signal, SIGTERM, ended it at once";

impl Code {
    /// What it means for a command that may end with it.
    pub fn meaning(&self, command: Command) -> Option<&'static str> {
        let of = self.of.iter().find(|(of, _)| *of == command);
        of.map(|(_, meaning)| *meaning)
    }
}

impl Command {
    pub fn name(self) -> &'static str {
        match self {
            Serve => "serve",
            Bench => "bench",
            Demo => "demo",
            Doctor => "doctor",
        }
    }
}

/// Ends with a message for the user.
pub fn fail(code: u8, message: &str) -> ExitCode {
    debug_assert!(CODES.iter().any(|known| known.number == code));
    // Where standard error is gone, the code alone has to say it.
    let text = format!("error: {message}");
    output::ERRORS.say(&log::line(Level::ERROR, text));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_in_the_table_once_and_in_order() {
        let numbers: Vec<u8> = CODES.iter().map(|code| code.number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        assert!(CODES.iter().all(|code| !code.of.is_empty()));
    }
}
