//! No row: sees that every contestant starts, and answers every byte and every kind of work.

use super::BOTH;
use crate::{
    Lab,
    contestants::{self, Contestant, Role},
    server::Server,
};

const RUNS: [(&str, &str); 5] = [
    ("echo", "-n 2000 -c 100"),
    ("echo", "-n 200 -c 20 --size 100k --pipeline 4"),
    ("echo", "-n 300 -c 10 --per-connection 1"),
    (
        "work",
        "-n 500 -c 20 --pipeline 8 --work exp:100us --kind spin",
    ),
    ("work", "-n 200 -c 20 --work fixed:1ms --kind sleep"),
];

pub fn run(lab: &Lab) -> Result<(), String> {
    let mut failed = Vec::new();
    let all = contestants::all().iter();
    for contestant in all.filter(|contestant| contestant.role != Role::Again) {
        let Some(built) = lab
            .contestants
            .iter()
            .find(|built| built.name == contestant.name)
        else {
            println!("{:<22} not built", contestant.name);
            continue;
        };
        let failures: Vec<String> = [1, 2]
            .into_iter()
            .filter(|threads| built.serves_on(*threads))
            .flat_map(|threads| RUNS.map(|(app, words)| (threads, app, words)))
            .filter_map(|(threads, app, words)| {
                let error = check(lab, built, threads, app, words).err()?;
                Some(format!("{threads} threads, {app}, {words}: {error}"))
            })
            .collect();
        println!(
            "{:<22} {}",
            contestant.name,
            if failures.is_empty() {
                "good"
            } else {
                "FAILED"
            }
        );
        failed.extend(
            failures
                .into_iter()
                .map(|failure| format!("{}, {failure}", contestant.name)),
        );
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(failed.join("\n"))
}

fn check(
    lab: &Lab,
    contestant: &Contestant,
    threads: u32,
    app: &str,
    words: &str,
) -> Result<(), String> {
    let server = Server::start(BOTH, &contestant.command(app, threads))?;
    lab.bench.load(BOTH, &server, words).map(drop)
}
