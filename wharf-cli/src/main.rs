//! The command `wharf`: what it takes, and how it ends.

mod address;
mod bench;
#[cfg(test)]
#[path = "../../fuzz/checks.rs"]
mod checks;
#[cfg(test)]
mod corpus;
mod demo;
mod doctor;
mod exit;
mod output;
mod quantity;
mod serve;
mod standing;
mod system;
mod table;
mod work;
mod wrap;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use tracing::Level;

/// An I/O completion port for every platform: the server that shows it, and the tools to load it.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// The least level of the messages on standard error
    #[arg(long, global = true, value_enum, default_value_t = LogLevel::Info)]
    log: LogLevel,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until it is told to stop: by SIGINT or SIGTERM, on Windows by Ctrl-C or Ctrl-Break
    Serve(serve::Arguments),
    /// Load an echo server, check every byte, and say what it took
    Bench(Box<bench::Arguments>),
    /// Show what happens when all workers are held, and what a completion port does about it
    Demo,
    /// Say what this machine allows, what `serve` would choose here, and what to change
    Doctor,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Level::ERROR,
            LogLevel::Warn => Level::WARN,
            LogLevel::Info => Level::INFO,
            LogLevel::Debug => Level::DEBUG,
            LogLevel::Trace => Level::TRACE,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let _flushed = output::Flushed;
    output::tell_of_panics();
    tracing_subscriber::fmt()
        .with_writer(|| output::Log)
        // Else it would print its own failures, and panic where that fails.
        .log_internal_errors(false)
        .with_max_level(Level::from(arguments.log))
        .with_target(false)
        .init();
    match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Demo => demo::run(),
        Command::Doctor => doctor::run(),
    }
}
