//! Peers that make connections for their own sake, and end them.

use std::{
    collections::VecDeque,
    net::Shutdown,
    thread,
    time::{Duration, Instant},
};

use super::{Dial, Means, ZEROS, reset};

/// How long a flood stays.
const FLOOD_STAYS: Duration = Duration::from_millis(1_500);

/// All at once, and nothing is said; then all go at once.
pub fn flood(means: &Means) {
    while means.goes_on() {
        let streams = means.dial_many(means.clients, Dial::default());
        let left = means.ends.saturating_duration_since(Instant::now());
        thread::sleep(FLOOD_STAYS.min(left));
        // Those that the server has ended are reported as such.
        for mut stream in streams {
            means.read(&mut stream, 1);
            if let Some(stream) = stream {
                reset(stream);
            }
        }
    }
}

/// Ends in each way, at once.
pub fn connect_and_end(means: &Means) {
    let mut pace = means.pace(2_000.0);
    let mut number = 0;
    while means.goes_on() {
        if let Ok(stream) = means.dial(Dial::default()) {
            match number % 3 {
                0 => drop(stream),
                1 => reset(stream),
                _ => {
                    let _ = stream.shutdown(Shutdown::Both);
                }
            }
        }
        number += 1;
        pace.step();
    }
}

/// One after the other, each is brought into a state, left there for a moment, and reset.
pub fn resets(means: &Means) {
    let mut pace = means.pace(1_000.0);
    let mut waiting = VecDeque::new();
    let mut number = 0;
    while means.goes_on() {
        let mut stream = means.dial(Dial::default()).ok();
        match number % 5 {
            // After connecting.
            0 => {
                stream.take().into_iter().for_each(reset);
            }
            // In the middle of sending.
            1 => {
                for _ in 0..4 {
                    means.send(&mut stream, &ZEROS);
                }
                stream.take().into_iter().for_each(reset);
            }
            // With an answer unread.
            2 => {
                means.send(&mut stream, &ZEROS[..1_024]);
            }
            // Its side is ended, and the answer unread.
            3 => {
                means.send(&mut stream, &ZEROS[..64]);
                if let Some(stream) = &stream {
                    let _ = stream.shutdown(Shutdown::Write);
                }
            }
            // While the server receives.
            _ => {}
        }
        waiting.extend(stream);
        while waiting.len() > means.clients.min(20) {
            waiting.pop_front().into_iter().for_each(reset);
        }
        number += 1;
        pace.step();
    }
}
