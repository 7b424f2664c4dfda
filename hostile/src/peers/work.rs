//! Peers that ask `--app work` for more than is good. A request is 16 bytes: its number, microseconds, a kind (0 computes, 1
//! sleeps), and zeros.

use std::time::{Duration, Instant};

use super::{Dial, Means};

const FRAME: usize = 16;

fn frame(number: u64, time: Duration, kind: u8) -> [u8; FRAME] {
    let mut bytes = [0; FRAME];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    bytes[8..12].copy_from_slice(&micros.to_le_bytes());
    bytes[12] = kind;
    bytes
}

/// How long it waits for what it asked for, before it leaves and asks anew.
const STAYS: Duration = Duration::from_secs(2);

/// 900 requests in a segment, from each; every other one computes.
pub fn frames_900(means: &Means) {
    let segment = |kind| -> Vec<u8> {
        let frames = (0..900).flat_map(|number| frame(number, means.longest, kind));
        frames.collect()
    };
    let segments = [segment(0), segment(1)];
    let mut pace = means.pace(200.0);
    while means.goes_on() {
        let mut streams = means.dial_many(means.clients, Dial::default());
        for (at, stream) in streams.iter_mut().enumerate() {
            means.send(stream, &segments[at % 2]);
        }
        let since = Instant::now();
        while since.elapsed() < STAYS && means.goes_on() {
            for (at, stream) in streams.iter_mut().enumerate() {
                // Where an answer came, another is asked for.
                if means.read(stream, usize::MAX) > 0 {
                    means.send(stream, &frame(0, means.longest, (at % 2) as u8));
                }
                pace.step();
            }
        }
        // Those that wait for answers reset their connections.
        streams.into_iter().flatten().for_each(super::reset);
    }
}

/// A byte at a time.
pub fn slow_frames(means: &Means) {
    let mut streams = means.dial_many(means.clients, Dial::default());
    let requests = [frame(1, means.longest, 0), frame(2, means.longest, 1)];
    let mut pace = means.pace(1_000.0);
    let mut at = 0;
    while means.goes_on() {
        for (number, stream) in streams.iter_mut().enumerate() {
            means.send(stream, &requests[number % 2][at..=at]);
            means.read(stream, usize::MAX);
            pace.step();
        }
        at = (at + 1) % FRAME;
        // Only between requests: what is sent then is whole.
        for stream in streams.iter_mut().filter(|it| at == 0 && it.is_none()) {
            *stream = means.dial(Dial::default()).ok();
        }
    }
}

/// What the server has to refuse, one kind after the other.
pub fn bad_frames(means: &Means) {
    let mut padded = frame(1, Duration::ZERO, 0);
    padded[15] = 1;
    let longer = means.longest + Duration::from_micros(1);
    let bad = [
        frame(1, Duration::ZERO, 2).to_vec(),
        frame(1, Duration::MAX, 0).to_vec(),
        frame(1, longer, 1).to_vec(),
        padded.to_vec(),
        vec![0; FRAME - 1],
        vec![0xFF; 15_000],
    ];
    let mut streams = Vec::new();
    let mut pace = means.pace(500.0);
    let mut number = 0;
    while means.goes_on() {
        let mut stream = means.dial(Dial::default()).ok();
        means.send(&mut stream, &bad[number % bad.len()]);
        let slot = number % means.clients;
        match streams.get_mut(slot) {
            None => streams.push(stream),
            Some(old) => {
                // Whether the server has ended it.
                means.read(old, usize::MAX);
                *old = stream;
            }
        }
        number += 1;
        pace.step();
    }
}
