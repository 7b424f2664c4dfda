//! `report.md`: the aims, the rows, the machine, and the notes that a person wrote.

use std::{fs, path::Path};

use crate::{aims, contestants, figures::table, machine::Machine, results::Results, rows::ROWS};

pub fn write(lab: &Path, results: &Results) -> Result<(), String> {
    let mut text = String::from(
        "# What was measured\n\n\
         Written by `lab/run`; do not edit. What a person has to say stands in [notes.md](notes.md), and at the end. \
         [README.md](README.md) says who is measured and how.\n\n",
    );
    text += &aims::tell(results);
    text += "\n## Who was measured\n\n";
    text += &contestants(lab);
    for row in ROWS {
        text += &format!("\n## {}. {}\n\n", row.number, row.title);
        match results.of(row.number) {
            None => text += "Not measured.\n",
            Some(kept) => {
                text += &machine(&kept.machine);
                // Results of an older lab do not keep the rest from being told.
                text += &(row.tell)(&kept.figures, &lab.join("plots"))
                    .unwrap_or_else(|error| format!("Not told: {error}; measure the row again.\n"));
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
    let all = [
        contestants::all(),
        contestants::http::all(),
        contestants::win32::all(),
        contestants::tls::all(),
        contestants::web::all(),
    ];
    let rows: Vec<Vec<String>> = all
        .into_iter()
        .flatten()
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
