//! The text below the options in `--help`: examples and exit codes. And how help and wrong arguments are printed.

use std::{
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
};

use anstream::AutoStream;
use clap::{builder::styling::Styles, error::ErrorKind};

use crate::{
    exit::{self, CODES, Command},
    wrap::{Stream, display_width, entry, fit, help_columns},
};

/// An example: a line for a shell, and what it is for.
pub type Example = (&'static str, &'static str);

/// Where the meaning of an exit code begins, behind the code.
const CODE_COLUMNS: usize = 7;

/// Examples alone, for `-h`.
pub fn examples(examples: &[Example]) -> String {
    let mut text = String::new();
    add_examples(&mut text, examples);
    text
}

/// What `--help` of a command ends with.
pub fn long(command: Command, notes: &[&str], examples: &[Example]) -> String {
    let mut text = String::new();
    for note in notes {
        add_note(&mut text, note);
    }
    add_examples(&mut text, examples);
    let codes = CODES.iter();
    add_codes(
        &mut text,
        "Exit codes:",
        codes.filter_map(|code| Some((code.number, code.meaning(command)?.to_owned()))),
    );
    text
}

const WIDTH: &str = "Width: on a terminal, lines break between words at its width, or at COLUMNS if that is set. In a file or a pipe, \
                     each line is one record.";

/// What `wharf --help` ends with: all exit codes, and the commands that end with them.
pub fn long_of_all(examples: &[Example]) -> String {
    let mut text = String::new();
    add_note(&mut text, WIDTH);
    add_examples(&mut text, examples);
    let brief = |code: &exit::Code| {
        let of: Vec<_> = code.of.iter().map(|(command, _)| command.name()).collect();
        format!("{} ({})", code.brief, of.join(", "))
    };
    add_codes(
        &mut text,
        "Exit codes, and the commands that end with them:",
        CODES.iter().map(|code| (code.number, brief(code))),
    );
    text
}

fn add_note(text: &mut String, note: &str) {
    add(text, &fit(note, Some(help_columns()), 0));
    text.push('\n');
}

fn add_examples(text: &mut String, examples: &[Example]) {
    let head = match examples.len() {
        1 => "Example:",
        _ => "Examples:",
    };
    add_head(text, head);
    for (line, what_for) in examples {
        add(text, &fit(&format!("  {line}"), Some(help_columns()), 4));
        let what_for = format!("      {what_for}");
        add(text, &fit(&what_for, Some(help_columns()), 0));
    }
}

fn add_codes(text: &mut String, head: &str, codes: impl Iterator<Item = (u8, String)>) {
    text.push('\n');
    add_head(text, head);
    for (number, meaning) in codes {
        let name = format!("  {number}");
        let code = entry(&name, &meaning, CODE_COLUMNS, Some(help_columns()));
        add(text, &code);
    }
}

fn add_head(text: &mut String, head: &str) {
    let styles = Styles::styled();
    let style = styles.get_header();
    add(
        text,
        &fit(&format!("{style}{head}{style:#}"), Some(help_columns()), 0),
    );
}

fn add(text: &mut String, line: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{line}");
}

/// Prints what the parser of the command line has to say: help, the version, or what is wrong with the arguments.
pub fn print(said: &clap::Error) -> ExitCode {
    let is_help = matches!(
        said.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    let text = said.render().ansi().to_string();
    let text = match is_help {
        true => fit_help(&text, help_columns()),
        false if said.use_stderr() => fit(&text, Stream::Errors.columns(), 2),
        // The version.
        false => fit(&text, Stream::Output.columns(), 2),
    };
    if said.use_stderr() {
        // Where standard error is gone, the code alone has to say it.
        let _ = AutoStream::auto(io::stderr()).write_all(text.as_bytes());
        return ExitCode::from(exit::USAGE);
    }
    let mut output = AutoStream::auto(io::stdout().lock());
    let printed = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    match printed {
        Ok(()) => ExitCode::from(exit::DONE),
        // The reader has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(exit::DONE),
        Err(error) => exit::fail(
            exit::COULD_NOT_RUN,
            &format!("the help can't be printed: {error}"),
        ),
    }
}

/// Breaks the lines of the help. A name and what is said of it have a gap of two columns at least between them.
fn fit_help(text: &str, columns: usize) -> String {
    let fitted = text.split('\n').map(|line| {
        let line = line.trim_end_matches(' ');
        let words = line.trim_start_matches(' ');
        let margin = line.len() - words.len();
        if words.starts_with("- ") {
            return fit(line, Some(columns), 2);
        }
        let Some(gap) = words.find("  ") else {
            return fit(line, Some(columns), 0);
        };
        let (name, text) = line.split_at(margin + gap);
        let said = text.trim_start_matches(' ');
        let name_columns = display_width(name) + text.len() - said.len();
        entry(name, said, name_columns, Some(columns))
    });
    fitted.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_an_option_stays_beside_it_where_there_is_room() {
        let line = "  \x1b[1m-c\x1b[0m <N>    How many connections to make";
        let beside = "  \x1b[1m-c\x1b[0m <N>    How many connections to\n            make";
        assert_eq!(fit_help(line, 40), line);
        assert_eq!(fit_help(line, 36), beside);
        let below = "  \x1b[1m-c\x1b[0m <N>\n    How many connections to make";
        assert_eq!(fit_help(line, 35), below);
        assert_eq!(fit_help("    one two", 8), "    one\n    two");
    }
}
