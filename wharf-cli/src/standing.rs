//! How a server stands, in text: a line for the log, a table of its workers for whoever looks.

use std::{fmt::Write, time::Duration};

use wharf::{Snapshot, WorkerState};

/// One line, as `--stats` prints it. Those of which the system does not tell whether they sleep count as running, and are
/// named only where there are any.
pub fn line(snapshot: &Snapshot, clients: usize) -> String {
    let counts = &snapshot.counts;
    let workers = snapshot.workers.iter();
    let unknown = match workers
        .filter(|it| it.state == WorkerState::Unknown)
        .count()
    {
        0 => String::new(),
        unknown => format!(" unknown={unknown}"),
    };
    format!(
        "stats clients={clients} operations={} workers={} running={} parked={} blocked={} queued={} oldest={} \
         releases={} running_max={}{unknown}",
        snapshot.operations,
        snapshot.workers.len(),
        counts.running,
        counts.parked,
        counts.blocked,
        counts.queued,
        snapshot.oldest.map_or("-".into(), brief),
        counts.releases,
        counts.running_max,
    )
}

/// The table of workers, and what waits for them. Without a last line break.
pub fn table(snapshot: &Snapshot) -> String {
    let mut text = format!(
        "{:<16} {:<9} {:>9} {:>12}",
        "worker", "state", "for", "packets"
    );
    for worker in &snapshot.workers {
        let _ = write!(
            text,
            "\n{:<16} {:<9} {:>9} {:>12}",
            worker.name,
            worker.state,
            brief(worker.since),
            worker.packets
        );
    }
    let _ = match snapshot.oldest {
        None if cfg!(windows) => write!(text, "\nwhat waits for a worker, Windows keeps to itself"),
        None => write!(text, "\nnothing waits for a worker"),
        Some(oldest) => write!(
            text,
            "\n{} waiting for a worker, the oldest for {}",
            snapshot.counts.queued,
            brief(oldest)
        ),
    };
    text
}

/// As exact as a look is: milliseconds, or tenths of a second.
fn brief(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ 0..1_000 => format!("{millis}ms"),
        _ => format!("{:.1}s", duration.as_secs_f64()),
    }
}
