//! What `wharf` writes on a terminal of any width: no line is longer, and no word is split that fits a line.

#![cfg(unix)]

mod common;

use std::{collections::BTreeSet, process::Command};

use common::{
    WHARF, run,
    terminal::{Shown, Terminal, WIDTHS, expect_no_line_longer, expect_same_words, lines, width},
};
use rustix::process::{Pid, Signal, kill_process};

fn wharf(words: &str) -> Command {
    let mut command = Command::new(WHARF);
    command.args(words.split_whitespace()).env_remove("COLUMNS");
    command
}

/// A text that is the same at each run: on a terminal of any width, and for a script.
#[track_caller]
fn expect_fits(words: &str, shown: Shown) {
    let plain = match (run(wharf(words)), shown) {
        ((_, output, _), Shown::Output) => output,
        ((_, _, errors), Shown::Errors) => errors,
    };
    assert!(plain.len() > 20, "{words}: {plain}");
    for columns in WIDTHS {
        let terminal = Terminal::start(columns, wharf(words), shown);
        let (_, text, _) = terminal.end();
        expect_no_line_longer(&text, columns);
        expect_same_words(&text, &plain, columns);
    }
}

#[test]
fn help_fits() {
    for command in ["", "serve", "bench", "demo", "doctor"] {
        expect_fits(&format!("{command} --help"), Shown::Output);
        expect_fits(&format!("{command} -h"), Shown::Output);
    }
}

#[test]
fn the_report_of_the_doctor_fits() {
    expect_fits("doctor", Shown::Output);
}

#[test]
fn errors_fit() {
    for words in [
        "",
        "serve --listen nowhere",
        "serve --listen *:0",
        "serve --listen 203.0.113.1:21000",
        "serve --workers 5 --max-workers 4",
        "serve --max-workres 4",
        "bench http://host:80/",
        "bench --fail-if p98>1ms",
        "bench --skew 64:90 --rate 1k",
        "bench no-such-host.invalid:80 -n 1",
        "bench 127.0.0.1:1 --driver uring",
        // Signs of two columns, and some of none.
        "bench --sweep-workers 1..2 --svg /no/図表/日本語/とても長い名前の/图形/e\u{301}te\u{301}.svg",
    ] {
        expect_fits(words, Shown::Errors);
    }
}

/// What stays the same of a word from run to run: numbers are zero.
fn kind(word: &str) -> String {
    let mut kind = String::new();
    let mut in_number = false;
    for sign in word.chars() {
        let part = sign.is_ascii_digit() || (in_number && matches!(sign, '.' | ','));
        match (part, in_number) {
            (true, true) => {}
            (true, false) => kind.push('0'),
            // A bar of any length is one.
            (false, _) if sign == '#' && kind.ends_with('#') => {}
            (false, _) => kind.push(sign),
        }
        in_number = part;
    }
    kind
}

/// The kinds of words in what a script gets, and others that may come instead.
fn kinds(plain: &str, others: &str) -> BTreeSet<String> {
    let words = plain.split_whitespace().chain(others.split_whitespace());
    words.map(kind).collect()
}

/// No line is longer than the terminal, and each of its words is one that a script may get; or is a part of one that is longer
/// than a line.
#[track_caller]
fn expect_known_words(shown: &str, known: &BTreeSet<String>, columns: u16) {
    expect_no_line_longer(shown, columns);
    let lines = lines(shown);
    for word in lines.iter().flat_map(|line| line.split_whitespace()) {
        let word = kind(word);
        let part = || {
            let long = |known: &&String| width(known) > usize::from(columns);
            known.iter().filter(long).any(|known| known.contains(&word))
        };
        assert!(
            known.contains(&word) || part(),
            "{word:?} at {columns} columns:\n{shown}"
        );
    }
}

/// On a terminal of any width the command succeeds, and shows words that are known. `check` gets these, and the errors.
#[track_caller]
fn expect_shows(words: &str, known: &BTreeSet<String>, check: impl Fn(&str, &str)) {
    for columns in WIDTHS {
        let terminal = Terminal::start(columns, wharf(words), Shown::Output);
        let (code, text, errors) = terminal.end();
        assert_eq!(code, Some(0), "{errors}");
        expect_known_words(&text, known, columns);
        check(&text, &errors);
    }
}

/// Units of figures, as they come.
const UNITS: &str =
    "0 0k 0M 0% ns us ms s B kB MB B/s kB/s MB/s 0ms 0s 0, 0k, us, ms, s, us. ms. s.";

#[test]
fn the_demonstration_fits() {
    let (_, plain, _) = run(wharf("demo"));
    let states =
        "parked polling running blocked unknown nothing waits waiting for a worker, the oldest";
    let known = kinds(&plain, &format!("{states} worker. {UNITS}"));
    expect_shows("demo", &known, |text, _| {
        assert!(text.contains("wharf-0"), "a table: {text}");
    });
}

#[test]
fn the_report_of_a_bench_fits() {
    let words = "bench -n 300 -c 10 --rate 3k";
    let (_, plain, _) = run(wharf(words));
    // It may be busy.
    let busy = "THE LOAD GENERATOR IS THE BOTTLENECK: above 0% its latencies are its own. Use more --threads, a lower --rate, or \
                another machine";
    let known = kinds(&plain, &format!("{busy} (p0); (p0) {UNITS}"));
    expect_shows(words, &known, |text, errors| {
        assert_eq!(errors, "");
        assert!(text.contains("requests") && text.contains('#'), "{text}");
    });
}

#[test]
fn the_progress_of_a_bench_is_one_line_that_fits() {
    let known = "0 of 0 connected s: answered, 0k 0M requests/s on average";
    for columns in WIDTHS {
        let words = wharf("bench -d 400ms --warmup 0s -c 10");
        let terminal = Terminal::start(columns, words, Shown::Errors);
        let (code, text, report) = terminal.end();
        assert_eq!(code, Some(0), "{report}");
        assert!(text.contains("requests/s"), "{text:?}");
        // The sign that turns is no word.
        let text: String = text
            .chars()
            .filter(|sign| !('\u{2800}'..'\u{2900}').contains(sign))
            .collect();
        expect_known_words(&text, &kinds(known, ""), columns);
    }
}

#[test]
fn the_table_of_a_sweep_fits() {
    // Long enough for an answer on a busy machine.
    let words = "bench --sweep-workers 1..1 -d 200ms --warmup 1ms -c 4";
    let (_, plain, _) = run(wharf(words));
    let known = kinds(&plain, &format!("- requests requests/s {UNITS}"));
    expect_shows(words, &known, |text, errors| {
        assert_eq!(errors, "");
        assert!(text.contains("much") && text.contains("little"), "{text}");
    });
}

#[test]
fn the_lines_of_a_server_fit() {
    let known = "listening on 0:0 driver=uring driver=readiness workers=0 max_workers=0 concurrency=0 stats clients=0 operations=0 \
                 running=0 parked=0 blocked=0 queued=0 oldest=- oldest=0ms releases=0 running_max=0 unknown=0 worker wharf-0 \
                 state parked polling running blocked unknown for packets nothing waits for a worker 0 waiting worker, the \
                 oldest stopped received=0 sent=0 cut=0 too health metrics";
    for columns in WIDTHS {
        let words = "serve --listen 127.0.0.1:0 --listen 127.0.0.1:0 --health 127.0.0.1:0 --metrics 127.0.0.1:0 --workers 3 --concurrency 2 --stats 20ms";
        let mut terminal = Terminal::start(columns, wharf(words), Shown::Output);
        let pid = Pid::from_child(&terminal.child);
        terminal.read_until(|text| text.contains("running_max="));
        kill_process(pid, Signal::USR1).expect("it runs");
        terminal.read_until(|text| text.contains("wharf-2") && text.contains("packets"));
        kill_process(pid, Signal::TERM).expect("it runs");
        let (code, text, errors) = terminal.end();
        assert_eq!(code, Some(0), "{errors}");
        expect_known_words(&text, &kinds(known, UNITS), columns);
        assert!(text.contains("stopped"), "{text}");
    }
}

#[test]
fn an_object_of_the_log_is_one_line_however_long() {
    let words = "--log debug serve --log-format json --listen 127.0.0.1:0 --stop-with-stdin";
    let terminal = Terminal::start(40, wharf(words), Shown::Errors);
    let (code, text, _) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    let said = "\"message\":\"standard input has ended: stopping\"";
    let line = text.lines().find(|line| line.contains(said));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    assert!(
        line.starts_with('{') && line.trim_end().ends_with('}'),
        "{text}"
    );
}

#[test]
fn log_lines_fit() {
    for columns in WIDTHS {
        let words = "--log debug serve --listen 127.0.0.1:0 --stop-with-stdin";
        let terminal = Terminal::start(columns, wharf(words), Shown::Errors);
        let (code, text, _) = terminal.end();
        assert_eq!(code, Some(0), "{text}");
        let said = lines(&text);
        let words: Vec<_> = said
            .iter()
            .flat_map(|line| line.split_whitespace())
            .collect();
        for word in ["DEBUG", "standard", "input", "has", "ended:", "stopping"] {
            assert!(words.contains(&word), "{word}: {text}");
        }
        expect_no_line_longer(&text, columns);
    }
}

#[test]
fn columns_that_are_set_count_before_those_of_the_terminal() {
    for words in ["doctor", "serve --help"] {
        let mut command = wharf(words);
        command.env("COLUMNS", "50");
        let (_, text, _) = Terminal::start(80, command, Shown::Output).end();
        expect_no_line_longer(&text, 50);
        assert!(lines(&text).iter().any(|line| width(line) > 40), "{text}");
        // What is none does not count.
        let mut command = wharf(words);
        command.env("COLUMNS", "0");
        let (_, text, _) = Terminal::start(80, command, Shown::Output).end();
        expect_no_line_longer(&text, 80);
        assert!(lines(&text).iter().any(|line| width(line) > 50), "{text}");
    }
}

#[test]
fn for_a_script_a_line_is_a_record_whatever_columns_are_set() {
    let mut command = wharf("doctor");
    command.env("COLUMNS", "20");
    assert_eq!(run(command), run(wharf("doctor")));
    let mut command = wharf("bench no-such-host.invalid:80 -n 1");
    command.env("COLUMNS", "20");
    let (_, _, errors) = run(command);
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn a_terminal_that_does_not_tell_its_width_has_80_columns() {
    let (_, text, _) = Terminal::start(0, wharf("doctor"), Shown::Output).end();
    expect_no_line_longer(&text, 80);
    let known = run(wharf("doctor")).1;
    expect_same_words(&text, &known, 80);
}
