//! Peers that read, but whose bytes come in ways that cost.

use std::net::TcpStream;

use socket2::SockRef;

use super::{Dial, Means, ZEROS, count};

/// How many bytes of a message are under way at most.
const MESSAGE: usize = 20 << 10;

/// Urgent bytes between the others: the server's kernel takes them out of the stream, and wakes the thread that asked for them.
pub fn urgent(means: &Means) {
    let mut streams = means.dial_many(means.clients, Dial::default());
    let mut pace = means.pace(3_000.0);
    while means.goes_on() {
        for stream in &mut streams {
            means.send(stream, &ZEROS[..96]);
            if let Some(stream) = stream {
                let sent = SockRef::from(&*stream).send_out_of_band(&[0]);
                count(&means.deeds.sent, sent.unwrap_or_default());
            }
            means.read(stream, usize::MAX);
            again(means, stream);
            pace.step();
        }
    }
}

/// Large messages, a byte in each segment; an answer is read as it comes.
pub fn one_byte_segments(means: &Means) {
    let mut streams = means.dial_many(means.clients, Dial::default());
    let mut under_way = vec![0; streams.len()];
    let mut pace = means.pace(10_000.0);
    while means.goes_on() {
        for (stream, under_way) in streams.iter_mut().zip(&mut under_way) {
            if *under_way < MESSAGE {
                *under_way += means.send(stream, &[0]);
            }
            *under_way = under_way.saturating_sub(means.read(stream, usize::MAX));
            if again(means, stream) {
                *under_way = 0;
            }
            pace.step();
        }
    }
}

fn again(means: &Means, stream: &mut Option<TcpStream>) -> bool {
    let gone = stream.is_none();
    if gone {
        *stream = means.dial(Dial::default()).ok();
    }
    gone
}
