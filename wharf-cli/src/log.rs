//! The log of the command, on standard error: lines for a reader, or one JSON object a line.
//!
//! In JSON everything on standard error is an object, also what is no event of the log: why the command failed, a panic, how many
//! lines were lost. Only what is wrong about the arguments themselves is told as text, since the format is one of them.

use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime, SystemTime},
};

use crate::output;

/// The least severe level that is logged.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For a reader
    Text,
    /// For programs: one JSON object a line, with timestamp, level, message and fields
    Json,
}

static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Sets the log up, once.
pub fn start(level: LogLevel, format: LogFormat) {
    let log = tracing_subscriber::fmt()
        .with_writer(|| output::Log)
        // Else it would print its own failures, and panic where that fails.
        .log_internal_errors(false)
        .with_max_level(Level::from(level))
        .with_target(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => {
            IS_JSON.store(true, Ordering::Relaxed);
            log.json().flatten_event(true).with_span_list(false).init();
        }
    }
}

/// Whether each line is an object.
pub fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// A line that is no event: in JSON the object, else the text.
pub fn line(level: Level, text: String) -> String {
    if !is_json() {
        return text;
    }
    let mut now = String::new();
    // Writing to memory does not fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut now));
    let message = serde_json::Value::from(text);
    format!(r#"{{"timestamp":"{now}","level":"{level}","message":{message}}}"#)
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
