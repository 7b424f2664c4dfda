//! Row 10: instructions of an echo in user space, and the locked ones among them. Counted by `lab/counts/count.py`.

use std::{path::Path, process::Command};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{from_value, to_value};
use crate::{
    Lab, contention,
    figures::{digits, table},
};

const DRIVERS: [&str; 2] = ["readiness", "uring"];
const WORKERS: [u32; 4] = [1, 2, 4, 8];

/// Of which what they share is simulated.
const PROCESSORS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// What `count.py` prints, as far as the report has it.
#[derive(Serialize, Deserialize)]
pub struct Count {
    pub driver: String,
    pub workers: u32,
    pub connections: u32,
    pub instructions: f64,
    pub locked: f64,
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let mut counts: Vec<Count> = Vec::new();
    for driver in DRIVERS {
        for workers in WORKERS {
            counts.push(count(lab, driver, workers)?);
        }
    }
    to_value(counts)
}

fn count(lab: &Lab, driver: &str, workers: u32) -> Result<Count, String> {
    let output = Command::new(lab.folder.join("counts/count.py"))
        .arg(lab.folder.join("../target/counts/release/wharf"))
        .args([
            "--json",
            "--driver",
            driver,
            "--workers",
            &workers.to_string(),
        ])
        .output()
        .map_err(|error| format!("can't start counts/count.py: {error}"))?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let messages = String::from_utf8_lossy(&output.stderr);
        let last = messages.lines().last().unwrap_or("it said nothing");
        format!("counts/count.py: {last}")
    })
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let counts: Vec<Count> = from_value(figures)?;
    let rows: Vec<Vec<String>> = counts
        .iter()
        .map(|count| {
            let cells = [
                count.workers.to_string(),
                digits(count.instructions),
                digits(count.locked),
            ];
            [vec![count.driver.clone()], cells.into()].concat()
        })
        .collect();
    let connections = counts.first().map_or(0, |count| count.connections);
    Ok(format!(
        "Of an echo of 64 bytes on one of {connections} connections, the load in lockstep, by callgrind: of the workers in user \
         space only, neither the kernel's nor the monitor's. As many workers may run at once as there are, but valgrind runs \
         one thread at a time, so waits for a lock are not in it. Counts are no times: they are the same on a busy machine. \
         `lab/counts/run --driver DRIVER --workers N` says which functions they are in.\n\n{}\n{}",
        table(&["driver", "workers", "instructions", "locked ones"], &rows),
        tell_contention()
    ))
}

/// What is simulated, not measured.
fn tell_contention() -> String {
    let rows: Vec<Vec<String>> = PROCESSORS
        .iter()
        .map(|&processors| {
            let share = contention::share(processors);
            let (line, busy) = share.busiest;
            vec![
                processors.to_string(),
                format!("{} million", digits(share.rate_hz / 1e6)),
                format!("{:.0}%", share.of_ideal * 100.0),
                format!("{line}, {:.0}% of the time", busy * 100.0),
            ]
        })
        .collect();
    let heads = [
        "processors",
        "echoes a second",
        "of what they make that share nothing",
        "the busiest line",
    ];
    format!(
        "**Simulated, not measured: more processors than this machine has.** An echo takes its processor {:.0} us, as in row 1, and \
         visits the lines that all threads write: the head of the ring once, the count of operations and the buffer pool's lock \
         twice each, the scheduler's lock once for {} packets. A visit is assumed to hold its line for {:.0} ns, in which it comes \
         from another processor, the scheduler's for {:.0} ns more. The connections' own locks are not shared.\n\n{}",
        contention::ECHO_NS / 1e3,
        contention::BATCH,
        contention::TRANSFER_NS,
        contention::VISIT_NS,
        table(&heads, &rows)
    )
}
