//! `report.md`: the aims, the rows, the machine, and the notes that a person wrote.

use std::{fs, path::Path};

use serde::Deserialize;

use crate::{
    contestants::{self, FLOOR, Role},
    figures::{Runs, ratio_text, spread, table},
    machine::Machine,
    results::Results,
    rows::{ROWS, churn, echo, idle, posted},
};

pub fn write(lab: &Path, results: &Results) -> Result<(), String> {
    let mut text = String::from(
        "# What was measured\n\n\
         Written by `lab/run`; do not edit. What a person has to say stands in [notes.md](notes.md), and at the end. \
         [README.md](README.md) says who is measured and how.\n\n",
    );
    text += &aims(results);
    text += "\n## Who was measured\n\n";
    text += &contestants(lab);
    for row in ROWS {
        text += &format!("\n## {}. {}\n\n", row.number, row.title);
        match results.of(row.number) {
            None => text += "Not measured.\n",
            Some(kept) => {
                text += &machine(&kept.machine);
                text += &(row.tell)(&kept.figures, &lab.join("plots"))?;
            }
        }
    }
    text += "\n## Notes\n\n";
    text += &fs::read_to_string(lab.join("notes.md")).unwrap_or_default();
    let file = lab.join("report.md");
    fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
}

fn machine(machine: &Machine) -> String {
    format!(
        "*{}; {} processors ({}), {} GiB, Linux {}, TCP {}, {} open files; Wharf {}.*\n\n",
        machine.date,
        machine.processors,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        machine.congestion_control,
        machine.open_files_max,
        machine.revision
    )
}

fn contestants(lab: &Path) -> String {
    let unbuilt = fs::read_to_string(lab.join("target/unbuilt.txt")).unwrap_or_default();
    let rows: Vec<Vec<String>> = contestants::all()
        .iter()
        .map(|contestant| vec![contestant.name.to_owned(), contestant.what.to_owned()])
        .collect();
    let mut text = table(&["name", "what it is"], &rows);
    if unbuilt.trim().is_empty() {
        text += "\nAll of them could be built.\n";
    } else {
        text += "\nWhat could not be built, and why:\n\n";
        text.extend(unbuilt.lines().map(|line| format!("- {line}\n")));
    }
    text
}

/// An aim, what it came to, and whether it was met.
struct Aim {
    what: String,
    figure: String,
    met: Option<bool>,
}

fn aims(results: &Results) -> String {
    let mut aims = Vec::new();
    aims.extend(echo_aims(results));
    aims.extend(churn_aim(results));
    aims.extend(idle_aim(results));
    aims.extend(posted_aims(results));
    let rows: Vec<Vec<String>> = aims
        .into_iter()
        .map(|aim| {
            let met = match aim.met {
                None => "not measured",
                Some(true) => "met",
                Some(false) => "**missed**",
            };
            vec![aim.what, aim.figure, met.to_owned()]
        })
        .collect();
    format!(
        "## The aims\n\nFor the better of Wharf's drivers; ratios are of echoes (or connections) for each second of the \
         server's processor time.\n\n{}",
        table(&["aim", "figure", ""], &rows)
    )
}

fn figures<T: for<'a> Deserialize<'a>>(results: &Results, row: u8) -> Option<T> {
    T::deserialize(results.of(row)?.figures).ok()
}

/// Wharf's better driver at a point.
fn best_wharf(all: &[Runs]) -> Option<&Runs> {
    let cost = |runs: &&Runs| runs.spread(echo::cost).map_or(0.0, |spread| spread.median);
    let wharf = all.iter().filter(|runs| runs.name.starts_with("wharf"));
    wharf.max_by(|left, right| cost(left).total_cmp(&cost(right)))
}

/// The peer that comes nearest to `own`, and how far `own` is ahead of it.
fn nearest<'a>(
    own: &Runs,
    all: &'a [Runs],
    which: impl Fn(&Runs) -> bool,
) -> Option<(&'a str, f64, String)> {
    all.iter()
        .filter(|runs| which(runs))
        .filter_map(|runs| {
            let ratio = own.ratio(runs, echo::cost)?;
            Some((runs.name.as_str(), ratio.median, ratio_text(Some(ratio))))
        })
        .min_by(|left, right| left.1.total_cmp(&right.1))
}

fn is_peer(runs: &Runs) -> bool {
    contestants::all()
        .iter()
        .any(|contestant| contestant.name == runs.name && contestant.role == Role::Peer)
}

fn is_floor(runs: &Runs) -> bool {
    contestants::all()
        .iter()
        .any(|contestant| contestant.name == runs.name && contestant.role == Role::Floor)
}

fn ahead(what: String, least: f64, nearest: Option<(&str, f64, String)>) -> Aim {
    match nearest {
        None => Aim {
            what,
            figure: "-".into(),
            met: None,
        },
        Some((name, ratio, text)) => Aim {
            what,
            figure: format!("{text} of {name}"),
            met: Some(ratio >= least),
        },
    }
}

fn echo_aims(results: &Results) -> Vec<Aim> {
    let points = figures::<echo::Figures>(results, 1).map_or(Vec::new(), |figures| figures.points);
    let mut aims = Vec::new();
    for connections in [64, 512] {
        let point = points
            .iter()
            .find(|point| (point.connections, point.bytes, point.pipeline) == (connections, 64, 1));
        let all = point.map_or(&[][..], |point| &point.runs);
        let own = best_wharf(all);
        let against = |which: &dyn Fn(&Runs) -> bool| own.and_then(|own| nearest(own, all, which));
        let title = |aim: &str| format!("row 1, {connections} connections: {aim}");
        aims.push(ahead(
            title("at least 1.00 of the plainest epoll server"),
            1.0,
            against(&|runs| runs.name == FLOOR),
        ));
        aims.push(ahead(
            title("at least 1.10 of tokio's best"),
            1.1,
            against(&|runs| matches!(runs.name.as_str(), "tokio-one" | "tokio-pool")),
        ));
        aims.push(ahead(title("ahead of every peer"), 1.0, against(&is_peer)));
        aims.push(ahead(
            title("at least 0.95 of the better floor"),
            0.95,
            against(&is_floor),
        ));
    }
    aims
}

fn churn_aim(results: &Results) -> Option<Aim> {
    let runs = figures::<churn::Figures>(results, 2).map_or(Vec::new(), |figures| figures.runs);
    let own = best_wharf(&runs);
    let nearest = own.and_then(|own| nearest(own, &runs, is_peer));
    Some(ahead("row 2: ahead of every peer".into(), 1.0, nearest))
}

fn idle_aim(results: &Results) -> Option<Aim> {
    let what = "row 3: at most 512 user-space bytes a connection".to_owned();
    let Some(figures) = figures::<idle::Figures>(results, 3) else {
        return Some(Aim {
            what,
            figure: "-".into(),
            met: None,
        });
    };
    let wharf = figures
        .servers
        .iter()
        .filter(|idle| idle.name.starts_with("wharf"));
    let bytes: Vec<(f64, &str)> = wharf
        .map(|idle| (idle.user_bytes(figures.many), idle.name.as_str()))
        .collect();
    let (most, name) = bytes
        .into_iter()
        .max_by(|left, right| left.0.total_cmp(&right.0))?;
    Some(Aim {
        what,
        figure: format!("{most:.0} bytes at most ({name})"),
        met: Some(most <= 512.0),
    })
}

fn posted_aims(results: &Results) -> Vec<Aim> {
    let measures = figures::<Vec<posted::Measure>>(results, 7).unwrap_or_default();
    let aim = |measure: &posted::Measure| {
        let own: Vec<(&String, &Vec<f64>)> = measure
            .contestants
            .iter()
            .filter(|(name, _)| name.starts_with("wharf"))
            .collect();
        let middle =
            |figures: &Vec<f64>| spread(figures.clone()).map_or(0.0, |spread| spread.median);
        // Of the ways to take packets from the port, the better one.
        let better = |left: &f64, right: &f64| {
            if measure.is_time() {
                right.total_cmp(left)
            } else {
                left.total_cmp(right)
            }
        };
        let (_, own) = own
            .into_iter()
            .max_by(|left, right| better(&middle(left.1), &middle(right.1)))?;
        let others = measure
            .contestants
            .iter()
            .filter(|(name, _)| !name.starts_with("wharf"));
        let ratios = others.filter_map(|(name, other)| {
            let pairs = own.iter().zip(other);
            let ratios = pairs.map(|(own, other)| {
                if measure.is_time() {
                    other / own
                } else {
                    own / other
                }
            });
            let ratio = spread(ratios.collect())?;
            Some((name.as_str(), ratio.median, ratio_text(Some(ratio))))
        });
        let nearest = ratios.min_by(|left, right| left.1.total_cmp(&right.1));
        let advantage = if measure.is_time() {
            " (their time over ours)"
        } else {
            ""
        };
        Some(ahead(
            format!(
                "row 7, {}: ahead of every channel{advantage}",
                measure.measure
            ),
            1.0,
            nearest,
        ))
    };
    measures.iter().filter_map(aim).collect()
}
