//! Peers that take nothing, or next to nothing.

use std::{
    collections::HashMap,
    fs,
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{Dial, Means, ZEROS, reset};

/// Sends as much as goes to each, and reads nothing. Now and then one goes and comes again, so that it is not over once
/// all are full.
pub fn never_reads(means: &Means) {
    // Of some, the kernel holds much; of others little.
    let mut streams: Vec<_> = (0..means.clients)
        .map(|at| {
            means
                .dial(Dial {
                    narrow: at % 2 == 0,
                })
                .ok()
        })
        .collect();
    let mut pace = means.pace(4_000.0);
    let mut rotation = (Instant::now(), 0);
    while means.goes_on() {
        let mut sent = 0;
        for stream in &mut streams {
            sent += means.send(stream, &ZEROS);
            pace.step();
        }
        if rotation.0.elapsed() > Duration::from_millis(100) {
            let at = rotation.1 % streams.len();
            if let Some(stream) = streams[at].take() {
                reset(stream);
            }
            streams[at] = means
                .dial(Dial {
                    narrow: at % 2 == 0,
                })
                .ok();
            rotation = (Instant::now(), rotation.1 + 1);
        }
        if sent == 0 {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Sends as much as goes, and reads a byte a second of each.
pub fn byte_a_second(means: &Means) {
    let mut streams = means.dial_many(means.clients, Dial { narrow: true });
    let mut pace = means.pace(4_000.0);
    let mut read = Instant::now();
    while means.goes_on() {
        for stream in &mut streams {
            means.send(stream, &ZEROS[..1_024]);
            pace.step();
        }
        if read.elapsed() >= Duration::from_secs(1) {
            read = Instant::now();
            for stream in &mut streams {
                means.read(stream, 1);
            }
        }
        dial_again(means, &mut streams);
    }
}

/// Single bytes behind full buffers, so that each waits in the server.
pub fn single_bytes(means: &Means) {
    let mut streams = means.dial_many(means.clients, Dial { narrow: true });
    fill(means, &mut streams, 512);
    say_single_bytes(means, &mut streams);
}

/// As [`single_bytes`], with so many clients that each needs to say very little.
pub fn many_silent(means: &Means) {
    let mut streams = means.dial_many(means.clients, Dial { narrow: true });
    fill(means, &mut streams, 4_096);
    say_single_bytes(means, &mut streams);
}

fn say_single_bytes(means: &Means, streams: &mut [Option<TcpStream>]) {
    let mut pace = means.pace(10_000.0);
    while means.goes_on() {
        for stream in &mut *streams {
            means.send(stream, &[0]);
            pace.step();
        }
        dial_again(means, streams);
    }
}

/// Connects anew where the server has ended a connection, some at a time.
fn dial_again(means: &Means, streams: &mut [Option<TcpStream>]) {
    for stream in streams.iter_mut().filter(|it| it.is_none()).take(10) {
        *stream = means.dial(Dial { narrow: true }).ok();
    }
}

/// Sends until the kernel holds all that it will of the answers, on both sides. What comes then waits in the server. It
/// must not be much more: a server that reads no more can't be sent single bytes.
pub fn fill(means: &Means, streams: &mut [Option<TcpStream>], chunk: usize) {
    let mut seen: HashMap<SocketAddr, (u64, u32)> = HashMap::new();
    let mut pace = means.pace(20_000.0);
    let deadline = Instant::now() + means.ends.saturating_duration_since(Instant::now()) / 2;
    let mut full = vec![false; streams.len()];
    while full.iter().any(|full| !full) && Instant::now() < deadline {
        for (stream, full) in streams.iter_mut().zip(&mut full) {
            if !*full {
                *full = means.send(stream, &ZEROS[..chunk]) < chunk;
                pace.step();
            }
        }
        // The server needs a moment to answer.
        thread::sleep(Duration::from_millis(2));
        let held = held_by_kernel(means.server);
        for (stream, full) in streams.iter().zip(&mut full) {
            let Some(peer) = stream.as_ref().and_then(|it| it.local_addr().ok()) else {
                continue;
            };
            let Some(&now) = held.get(&peer) else {
                continue;
            };
            let (before, same) = seen.entry(peer).or_default();
            if now > 0 && now == *before {
                *same += 1;
                *full |= *same >= 3;
            } else {
                (*before, *same) = (now, 0);
            }
        }
    }
}

/// How many bytes the server's kernel holds to be sent, for each of its peers (proc(5), /proc/net/tcp).
fn held_by_kernel(server: SocketAddr) -> HashMap<SocketAddr, u64> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let line = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let local = address(fields.next()?)?;
        let peer = address(fields.next()?)?;
        let (queued, _) = fields.nth(1)?.split_once(':')?;
        (local == server).then_some((peer, u64::from_str_radix(queued, 16).ok()?))
    };
    table.lines().filter_map(line).collect()
}

/// As `0100007F:5208`; the address is a number in the machine's own order.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddr::from((address, port)))
}

/// Half a request and no more, or much and its end, and no reading.
pub fn half_open(means: &Means) {
    let open = |at: usize| {
        let mut stream = means.dial(Dial { narrow: true }).ok();
        if at % 2 == 0 {
            means.send(&mut stream, &ZEROS[..8]);
        } else {
            means.send(&mut stream, &ZEROS);
            means.send(&mut stream, &ZEROS);
            if let Some(stream) = &stream {
                let _ = stream.shutdown(Shutdown::Write);
            }
        }
        stream
    };
    let mut pace = means.pace(300.0);
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut at = 0;
    while means.goes_on() {
        if streams.len() < means.clients {
            streams.push(open(at));
        } else {
            // The oldest goes: what it has not read resets the connection.
            let slot = at % means.clients;
            streams[slot] = open(at);
        }
        at += 1;
        pace.step();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        let text = format!("{:08X}:5208", u32::from_ne_bytes([127, 0, 0, 1]));
        assert_eq!(address(&text), "127.0.0.1:21000".parse().ok());
    }
}
