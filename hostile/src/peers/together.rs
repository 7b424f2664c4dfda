//! Many clients at the same moment, and all peers together.

use std::{
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

use socket2::SockRef;

use super::{Deeds, Dial, Limits, Means, PEERS, Peer, ZEROS, reset, silent::fill};

/// From one blow to the next.
const BLOWS: Duration = Duration::from_millis(500);

/// How many single bytes each says in one blow; by the time of its next, the server has received it.
const SINGLE_BYTES: u32 = 20;

/// Every client does the same at the same moment, behind full buffers.
pub fn worst_phase(means: &Means) {
    let dial = Dial { narrow: true };
    let mut streams = means.dial_many(means.clients, dial);
    fill(means, &mut streams, 4_096);
    let mut blow = 0;
    let mut next = Instant::now();
    while means.goes_on() {
        let what = blow % 7;
        for _ in 0..if what == 0 { SINGLE_BYTES } else { 1 } {
            for stream in &mut streams {
                act(means, stream, what);
            }
        }
        // Those that are gone come again, at a pace of their own.
        let mut pace = means.pace(5_000.0);
        for stream in streams.iter_mut().filter(|stream| stream.is_none()) {
            *stream = means.dial(dial).ok();
            pace.step();
        }
        blow += 1;
        next = (next + BLOWS).max(Instant::now());
        thread::sleep(
            next.min(means.ends)
                .saturating_duration_since(Instant::now()),
        );
    }
}

fn act(means: &Means, stream: &mut Option<TcpStream>, what: u32) {
    match what {
        0 => {
            means.send(stream, &[0]);
        }
        1 => {
            means.send(stream, &ZEROS[..8 << 10]);
        }
        2 => {
            means.read(stream, 1);
            means.send(stream, &ZEROS[..8]);
        }
        3 => {
            if let Some(stream) = stream {
                let _ = SockRef::from(&*stream).send_out_of_band(&[0]);
            }
        }
        4 => {
            means.send(stream, &ZEROS);
        }
        5 => {
            if let Some(stream) = stream.take() {
                let _ = stream.shutdown(Shutdown::Write);
            }
        }
        _ => {
            means.send(stream, &ZEROS[..64]);
            stream.take().into_iter().for_each(reset);
        }
    }
}

/// All others at once, each with its part of the places and of the rate.
pub fn all(means: &Means) {
    let is_meant = |peer: &&Peer| peer.name != "all" && peer.only.is(means.app);
    let peers: Vec<_> = PEERS.iter().filter(is_meant).collect();
    let limits = Limits {
        clients_max: means.clients,
        concurrency: 2,
    };
    let wanted = |peer: &Peer| (peer.clients)(limits).min(means.clients);
    let sum: usize = peers.iter().map(|peer| wanted(peer)).sum();
    let parts: Vec<_> = peers
        .iter()
        .map(|peer| Means {
            // Less than its part, since connections that were ended here last a moment longer there.
            clients: (wanted(peer) * means.clients * 9 / 10 / sum).max(1),
            part: means.part * 2.0 / peers.len() as f64,
            deeds: Deeds::default(),
            ..*means
        })
        .collect();
    thread::scope(|scope| {
        for (peer, part) in peers.iter().zip(&parts) {
            scope.spawn(|| (peer.run)(part));
        }
    });
    for part in &parts {
        means.deeds.add(&part.deeds);
    }
}
