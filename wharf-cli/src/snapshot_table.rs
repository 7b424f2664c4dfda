//! The state of a server, in text: a line for the log, and a table of its workers.

use std::time::Duration;

use wharf::{Snapshot, WorkerState};

use crate::{
    table::{Side, Table},
    wrap::prose,
};

/// One line, as `--stats` prints it. Workers of which the system does not tell whether they sleep count as running, and are
/// counted apart only if there are any.
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

/// The table of workers, and the backlog, in so many columns of a terminal. Without a last line break.
pub fn table(snapshot: &Snapshot, columns: Option<usize>) -> String {
    let mut table = Table::new([
        ("worker", Side::Left),
        ("state", Side::Left),
        ("for", Side::Right),
        ("packets", Side::Right),
    ]);
    for worker in &snapshot.workers {
        table.row([
            worker.name.to_string(),
            worker.state.to_string(),
            brief(worker.since),
            worker.packets.to_string(),
        ]);
    }
    let waiting = match snapshot.oldest {
        None if cfg!(windows) => "Windows does not tell what waits for a worker".to_owned(),
        None => "nothing waits for a worker".to_owned(),
        Some(oldest) => format!(
            "{} waiting for a worker, the oldest for {}",
            snapshot.counts.queued,
            brief(oldest)
        ),
    };
    format!("{}\n{}", table.text(columns), prose(&waiting, columns))
}

/// As exact as a look is: milliseconds, or tenths of a second.
fn brief(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ 0..1_000 => format!("{millis}ms"),
        _ => format!("{:.1}s", duration.as_secs_f64()),
    }
}
