//! Hostile peers against `wharf serve`: none of them may stop it for the others. See [`bench::Arguments`] for what is judged.
//!
//! Linux only, since what a server holds is read from /proc.

#[cfg(target_os = "linux")]
mod bench;
#[cfg(target_os = "linux")]
mod case;
#[cfg(target_os = "linux")]
mod framing;
#[cfg(target_os = "linux")]
mod judge;
#[cfg(target_os = "linux")]
mod pair;
#[cfg(target_os = "linux")]
mod peers;
#[cfg(target_os = "linux")]
mod polite;
#[cfg(target_os = "linux")]
mod server;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
use framing::Framing;

/// What the servers do.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum App {
    /// Send back what comes.
    Echo,
    /// Spend the time that a request asks for, and send it back.
    Work,
    /// Cut what comes into frames, and send each back.
    Frames(Framing),
}

#[cfg(target_os = "linux")]
impl App {
    fn name(self) -> &'static str {
        match self {
            App::Echo => "echo",
            App::Work => "work",
            App::Frames(framing) => framing.name(),
        }
    }

    /// What `wharf serve` is started with.
    fn server_options(self) -> Vec<&'static str> {
        match self {
            App::Echo => vec!["--app", "echo"],
            App::Work => vec!["--app", "work"],
            App::Frames(framing) => vec!["--app", "echo", "--frames", framing.name()],
        }
    }

    /// What the process of a peer is started with.
    fn peer_options(self) -> Vec<&'static str> {
        match self {
            App::Echo => vec!["--app", "echo"],
            App::Work => vec!["--app", "work"],
            App::Frames(framing) => vec!["--app", "frames", "--framing", framing.name()],
        }
    }

    /// What a polite client says as its `number`th: a few bytes, and now and then 20 KiB.
    fn message(self, number: usize) -> Vec<u8> {
        const LARGE: usize = 20 << 10;
        let is_large = number % 20 == 19;
        let len = if is_large { LARGE } else { 4 + number % 60 };
        match self {
            App::Echo => (number..number + len).map(|at| (at % 251) as u8).collect(),
            App::Frames(framing) => framing.frames(number, len),
            // Requests for no time, or for 10 us of computing.
            App::Work => {
                let frames = if is_large { LARGE / 16 } else { 1 + number % 3 };
                let micros: u32 = if is_large { 0 } else { 10 };
                let frame = |at: usize| {
                    let mut frame = [0; 16];
                    frame[..8].copy_from_slice(&((number + at) as u64).to_le_bytes());
                    frame[8..12].copy_from_slice(&micros.to_le_bytes());
                    frame
                };
                (0..frames).flat_map(frame).collect()
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    bench::run(&clap::Parser::parse())
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("error: what a server holds is read from /proc, so that this needs Linux");
    ExitCode::from(2)
}
