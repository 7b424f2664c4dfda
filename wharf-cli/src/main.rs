//! The command `wharf`: what it takes, and how it ends.

mod address;
mod bench;
mod chart;
mod demo;
mod doctor;
mod exit;
mod framing;
mod help;
mod http_answer;
mod log;
mod output;
mod quantity;
mod serve;
mod snapshot_table;
mod system;
mod table;
mod work;
mod wrap;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::log::{LogFormat, LogLevel};

const EXAMPLES: &[help::Example] = &[
    (
        "wharf demo",
        "Show in a few seconds what a completion port does when workers block",
    ),
    (
        "wharf bench -c 64 -d 5s",
        "Start an echo server, and load it with 64 connections for 5 seconds",
    ),
    (
        "wharf serve --help",
        "All options and exit codes of a command",
    ),
];

/// A server on an I/O completion port (IOCP), and tools to load and examine it.
#[derive(Debug, Parser)]
#[command(
    name = "wharf",
    version,
    // Its lines are broken where they are printed.
    term_width = 0,
    after_help = help::examples(EXAMPLES),
    after_long_help = help::long_of_all(EXAMPLES)
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// The least severe level of log messages to write to standard error
    #[arg(long, global = true, display_order = 900, value_enum, default_value_t = LogLevel::Info)]
    log: LogLevel,

    /// How log messages are written: text, or one JSON object a line
    #[arg(long, global = true, display_order = 901, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run an echo server on a completion port until a signal stops it
    Serve(Box<serve::Arguments>),
    /// Load an echo server or an HTTP server, check every byte, and report throughput, latency and cost
    Bench(Box<bench::Arguments>),
    /// Show what a completion port does when all of its workers are blocked or busy
    #[command(
        after_help = help::examples(demo::EXAMPLES),
        after_long_help = help::long(exit::Command::Demo, &[], demo::EXAMPLES)
    )]
    Demo,
    /// Report the limits of this machine, the settings that `serve` would choose, and what to change
    #[command(
        after_help = help::examples(doctor::EXAMPLES),
        after_long_help = help::long(exit::Command::Doctor, &[], doctor::EXAMPLES)
    )]
    Doctor,
}

fn main() -> ExitCode {
    let _flushed = output::Flushed;
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(said) => return help::print(&said),
    };
    output::tell_of_panics();
    log::start(arguments.log, arguments.log_format);
    match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Demo => demo::run(),
        Command::Doctor => doctor::run(),
    }
}
