//! What the README says is so: in both languages alike, with figures of the report, links that lead somewhere, and a picture
//! of what the demonstration prints.

#![cfg(unix)]
#![allow(missing_docs)]

use std::{collections::BTreeMap, fs, path::Path, process::Command};

const READMES: [&str; 2] = ["README.md", "README.ko.md"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What a heading has below it, without the words of a language.
#[derive(Debug, Default, PartialEq)]
struct Section {
    /// How many `#` its heading has.
    level: usize,
    /// Each with its language, without comments.
    blocks: Vec<String>,
    /// Those in the text, in the order of the alphabet: the order of words is another in each language.
    code: Vec<String>,
    links: Vec<String>,
    figures: Vec<String>,
    /// How many cells each row of each table has, and the figures in it, as they stand.
    rows: Vec<(usize, Vec<String>)>,
    items: usize,
    paragraphs: usize,
    comments: Vec<String>,
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut lines = text.lines();
    let mut section = Section::default();
    let mut words = String::new();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block = lines.by_ref().take_while(|line| *line != "```");
            section.blocks.push(without_comments(language, block));
            continue;
        }
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        if level > 0 {
            sections.push(close(section, &words));
            words.clear();
            section = Section {
                level,
                ..Section::default()
            };
        }
        section.paragraphs += usize::from(!line.is_empty() && words.ends_with("\n\n"));
        section.items += usize::from(line.starts_with("- "));
        if line.starts_with('|') {
            section
                .rows
                .push((line.matches('|').count(), figures(line)));
        }
        if line.starts_with("<!--") {
            section.comments.push(line.to_owned());
        }
        words += line;
        words.push('\n');
    }
    sections.push(close(section, &words));
    sections
}

fn without_comments<'a>(language: &str, lines: impl Iterator<Item = &'a str>) -> String {
    let mark = if language.starts_with("rust") {
        " // "
    } else {
        " # "
    };
    let mut block = format!("{language}\n");
    for line in lines {
        block += line.split(mark).next().unwrap_or("").trim_end();
        block.push('\n');
    }
    block
}

/// Takes code, links and figures out of the words of a section.
fn close(mut section: Section, words: &str) -> Section {
    let mut text = String::new();
    for (number, part) in words.split('`').enumerate() {
        match number % 2 {
            0 => text += part,
            _ => section.code.push(part.to_owned()),
        }
    }
    let mut rest = text.as_str();
    let mut plain = String::new();
    while let Some((before, after)) = rest.split_once("](") {
        let (target, after) = after.split_once(')').expect("a link ends");
        // Each of the two has a link to the other.
        if !READMES.contains(&target) {
            section.links.push(target.to_owned());
        }
        plain += before;
        plain.push(' ');
        rest = after;
    }
    plain += rest;
    section.figures = figures(&plain);
    section.code.sort();
    section.links.sort();
    section.figures.sort();
    section
}

/// All numbers: `6,172` and `0.76` are one each.
fn figures(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut figure = String::new();
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        let goes_on = rest.peek().is_some_and(char::is_ascii_digit);
        if letter.is_ascii_digit() || (!figure.is_empty() && ",.".contains(letter) && goes_on) {
            figure.push(letter);
        } else if !figure.is_empty() {
            found.push(std::mem::take(&mut figure));
        }
    }
    found.extend((!figure.is_empty()).then_some(figure));
    found
}

/// Only the words may differ.
#[test]
fn both_languages_say_the_same() {
    let [english, korean] = READMES.map(|file| sections(&read(file)));
    for (english, korean) in english.iter().zip(&korean) {
        assert_eq!(english, korean);
    }
    assert_eq!(english.len(), korean.len());
}

#[test]
fn what_differs_between_languages_is_found() {
    let text = "# One\n\nSee [it](a.md), `b`: 6,172.\n\n```sh\nrun # so\n```\n\n- x\n\n| 1 | 2 |\n";
    let same =
        "# 하나\n\n`b`는 [거기](a.md): 6,172.\n\n```sh\nrun # 이렇게\n```\n\n- y\n\n| 1 | 2 |\n";
    assert_eq!(sections(text), sections(same));
    for (old, new) in [
        ("# 하나", "## 하나"),
        ("a.md", "b.md"),
        ("`b`", "`c`"),
        ("6,172", "6,127"),
        ("run", "walk"),
        ("- y", "y"),
        ("| 1 | 2 |", "| 1 2 |"),
        ("| 1 | 2 |", "| 2 | 1 |"),
        ("\n\n- y", "\n\nz\n\n- y"),
    ] {
        assert_ne!(sections(text), sections(&same.replace(old, new)), "{new}");
    }
}

/// A table of the README's with figures of the report.
struct Table<'a> {
    /// A heading that no other table has.
    heading: &'a str,
    /// The row of the report that it is of.
    row: &'a str,
    /// The cells with a rate and a time: here, and in the report.
    cells: [[usize; 2]; 2],
    /// The servers by the README's names, and by the lab's.
    names: &'a [(&'a str, &'a str)],
}

const SLEEPERS: Table<'_> = Table {
    heading: "may compute at once",
    row: "5. ",
    cells: [[3, 4], [1, 3]],
    names: &[
        (
            "Wharf, readiness, up to 128 workers",
            "wharf-readiness, up to 128 workers",
        ),
        (
            "Wharf, io_uring, up to 128 workers",
            "wharf-uring, up to 128 workers",
        ),
        ("Wharf, io_uring, two workers", "wharf-uring"),
        ("tokio, `spawn_blocking`", "tokio-spawn-blocking"),
        ("tokio, `block_in_place`", "tokio-block-in-place"),
        ("tokio, 128 threads", "tokio-pool, 128 threads"),
        ("tokio", "tokio-pool"),
        ("Boost.Asio, 128 threads", "asio, 128 threads"),
        ("Boost.Asio", "asio"),
        ("Go, `time.Sleep`", "go"),
        ("compio", "compio"),
        ("C, epoll", "floor-epoll"),
    ],
};

const ONE_IN_A_HUNDRED: Table<'_> = Table {
    heading: "p99 of the other requests",
    row: "14. ",
    cells: [[2, 3], [1, 3]],
    names: &[
        ("Wharf, readiness", "wharf-axum-readiness"),
        ("Wharf, io_uring", "wharf-axum-uring"),
        ("tokio, `spawn_blocking`", "tokio-axum-spawn-blocking"),
        ("tokio, `block_in_place`", "tokio-axum-block-in-place"),
        ("tokio", "tokio-axum"),
    ],
};

/// The cells of each row of a table, by the first.
fn cells<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let cells = |line: &'a str| line.trim_matches(['|', ' ']).split(" | ").collect();
    let cells = lines.map(cells);
    cells.map(|cells: Vec<&str>| (cells[0], cells)).collect()
}

/// The tables of handlers that sleep, line by line.
#[test]
fn the_figures_are_the_reports() {
    for table in [SLEEPERS, ONE_IN_A_HUNDRED] {
        check(&table, &read("lab/report.md"), &read(READMES[0]));
    }
}

fn check(table: &Table<'_>, report: &str, readme: &str) {
    let row = report.split("\n## ").find(|row| row.starts_with(table.row));
    let row = row.expect("a row of the report");
    let revision = row
        .split("; Wharf ")
        .nth(1)
        .and_then(|rest| rest.split('.').next());
    let revision = format!("`{}`", revision.expect("a revision"));
    assert!(
        readme.contains(&revision),
        "{revision} is what was measured"
    );

    let measured = cells(row.lines().filter(|line| line.starts_with("| ")));
    let names: BTreeMap<_, _> = table.names.iter().copied().collect();
    let lines = readme
        .lines()
        .skip_while(|line| !line.contains(table.heading));
    let told = cells(lines.skip(2).take_while(|line| line.starts_with('|')));
    assert_eq!(told.len(), names.len(), "{told:?}");
    let [here, there] = table.cells;
    for (name, told) in told {
        let name = names
            .get(name)
            .unwrap_or_else(|| panic!("{name}: what is it in the lab?"));
        let measured = measured
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not in the report"));
        let told = here.map(|cell| told[cell].replace(',', ""));
        assert_eq!(told, there.map(|cell| measured[cell]), "{name}");
    }
}

#[test]
fn links_lead_somewhere() {
    for file in READMES {
        for link in sections(&read(file))
            .iter()
            .flat_map(|section| &section.links)
        {
            let (target, heading) = link.split_once('#').unwrap_or((link, ""));
            assert!(root().join(target).exists(), "{file}: {link}");
            if !heading.is_empty() {
                let text = read(target);
                let headings = text.lines().filter(|line| line.starts_with('#'));
                assert!(
                    headings.map(anchor).any(|anchor| anchor == heading),
                    "{file}: {link}"
                );
            }
        }
    }
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -".contains(*letter));
    kept.collect::<String>().replace(' ', "-")
}

/// The command needs one, the library may do with an older one.
#[test]
fn the_toolchains_are_the_packages() {
    let command = least_rust(&read("wharf-cli/Cargo.toml"));
    let library = least_rust(&read("Cargo.toml"));
    for file in READMES {
        let text = read(file);
        let told: Vec<String> = text
            .lines()
            .filter(|line| line.contains("Rust"))
            .flat_map(figures)
            .collect();
        assert_eq!(told, [&*command, &*library], "{file}");
    }
}

fn least_rust(manifest: &str) -> String {
    let version = manifest.split("rust-version = \"").nth(1);
    let version = version.and_then(|rest| rest.split('"').next());
    version.expect("a version").to_owned()
}

/// `docs/pictures.sh` draws it again.
#[cfg(target_os = "linux")]
#[test]
fn the_picture_is_of_what_the_demonstration_prints() {
    let output = Command::new(env!("CARGO_BIN_EXE_wharf"))
        .arg("demo")
        .output();
    let output = output.expect("wharf starts");
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).expect("text");
    let printed = printed.lines().take_while(|line| !line.starts_with("3. "));
    let picture = read("docs/demo.svg");
    let drawn = picture
        .lines()
        .filter(|line| {
            line.contains("xml:space") && !line.contains("\"typed\"") && !line.contains("\"aside\"")
        })
        .filter_map(|line| line.split_once('>')?.1.strip_suffix("</text>"))
        .map(|line| {
            line.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&")
        });
    let drawn: Vec<String> = drawn.collect();
    // Lines end elsewhere on a terminal.
    let printed: Vec<&str> = printed.flat_map(timeless).collect();
    let drawn: Vec<&str> = drawn.iter().flat_map(|line| timeless(line)).collect();
    assert_eq!(printed, drawn);
}

/// The words of a line but for what is another in each run: how long something took, and how the workers stood.
#[cfg(target_os = "linux")]
fn timeless(line: &str) -> impl Iterator<Item = &str> {
    let words = line
        .split_whitespace()
        .filter(|_| !line.starts_with("wharf-"));
    let is_time = |word: &&str| {
        let word = word.trim_end_matches(|letter: char| ",.".contains(letter));
        let is_unit = ["us", "ms", "s"].contains(&word);
        is_unit || word.starts_with(|letter: char| letter.is_ascii_digit())
    };
    words.filter(move |word| !is_time(word))
}
