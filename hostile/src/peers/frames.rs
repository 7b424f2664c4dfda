//! The peer that sends frames as no client should: against a server that cuts bytes into frames.

use std::{
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use super::{Dial, Means, reset};
use crate::App;

/// How long one that holds the beginning of a frame stays, before it leaves and begins anew.
const STAYS: Duration = Duration::from_secs(2);

/// Small frames that are sent at once.
const SEGMENT: usize = 8 << 10;

/// So many bytes of the longest frame come one by one.
const SLOW_BYTES: usize = 20;

/// What one of its clients does.
#[derive(Debug, Clone, Copy)]
enum Habit {
    /// Sends the longest frame, its end byte by byte, and reads.
    Slow,
    /// Sends the smallest frames, as many as go, and reads.
    Small,
    /// Sends what is no frame, or ends within one, and comes again.
    Bad,
    /// Sends half of the longest frame and nothing more, then resets and comes again.
    Half,
}

const HABITS: [Habit; 4] = [Habit::Slow, Habit::Small, Habit::Bad, Habit::Half];

/// All habits at once, each on a quarter of the connections.
pub fn frames(means: &Means) {
    let App::Frames(framing) = means.app else {
        return;
    };
    let (longest, small, bad) = (framing.longest(), framing.smallest(SEGMENT), framing.bad());
    let mut streams = means.dial_many(means.clients, Dial::default());
    let mut began = Instant::now();
    let mut pace = means.pace(2_000.0);
    let mut turn = 0;
    // How much each has sent of the longest frame.
    let mut sent = vec![0; streams.len()];
    while means.goes_on() {
        let leave = began.elapsed() > STAYS;
        if leave {
            began = Instant::now();
        }
        for (number, stream) in streams.iter_mut().enumerate() {
            match HABITS[number % HABITS.len()] {
                Habit::Slow => {
                    let at = sent[number];
                    let end = longest.len().saturating_sub(SLOW_BYTES).max(at + 1);
                    sent[number] = (at + means.send(stream, &longest[at..end])) % longest.len();
                    means.read(stream, usize::MAX);
                    if stream.is_none() {
                        *stream = means.dial(Dial::default()).ok();
                        sent[number] = 0;
                    }
                }
                Habit::Small => {
                    means.send(stream, &small);
                    means.read(stream, usize::MAX);
                }
                Habit::Bad => {
                    // Whether the server has ended the one before.
                    means.read(stream, usize::MAX);
                    *stream = means.dial(Dial::default()).ok();
                    let which = (turn + number) % bad.len();
                    means.send(stream, &bad[which]);
                    if which + 1 == bad.len() {
                        end(stream);
                    }
                }
                Habit::Half if leave || turn == 0 => {
                    if turn > 0 {
                        stream.take().into_iter().for_each(reset);
                        *stream = means.dial(Dial::default()).ok();
                    }
                    means.send(stream, &longest[..longest.len() / 2]);
                }
                Habit::Half => {}
            }
            pace.step();
        }
        turn += 1;
    }
}

fn end(stream: &Option<TcpStream>) {
    if let Some(stream) = stream {
        // One that is not connected yet has nothing to end.
        let _ = stream.shutdown(Shutdown::Write);
    }
}
