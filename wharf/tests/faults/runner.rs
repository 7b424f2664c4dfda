//! Runs the cases, each in a process of its own under `strace`, and compares what it says with what a user may expect.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitCode, Stdio},
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{
    cases::{CASES, Case, LEFT_OUT},
    harness::unavailable,
    scenarios,
};

/// In the process that runs a scenario: which, and on which driver.
const SCENARIO: &str = "WHARF_SCENARIO";

pub fn run() -> ExitCode {
    if let Ok(scenario) = env::var(SCENARIO) {
        scenarios::run(&scenario);
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(4);
    if let Err(reason) = can_trace() {
        let required = env::var_os("WHARF_REQUIRE_STRACE").is_some();
        assert!(!required, "{reason}");
        eprintln!("NOT JUDGED: {reason}");
        return ExitCode::SUCCESS;
    }
    let mut trials = Vec::new();
    for case in CASES {
        for error in case.errors {
            let name = format!(
                "{}::{}::{error}::{}",
                case.driver.name(),
                case.call,
                case.scenario
            );
            let judge = move || match unavailable(case.driver) {
                Some(_) => Ok(()),
                None => judge(case, error),
            };
            trials.push(Trial::test(name, judge));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list && conclusion.num_filtered_out == 0 {
        print_table();
    }
    conclusion.exit_code()
}

/// Whether calls can be made to fail here.
fn can_trace() -> Result<(), String> {
    let remedy = "install strace (ci/faults.sh does), and allow ptrace in the container";
    let output = Command::new("strace")
        .args([
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "inject=getppid:error=EPERM",
            "true",
        ])
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("strace can't trace ({}); {remedy}", said.trim()))
        }
        Err(error) => Err(format!("strace can't be run ({error}); {remedy}")),
    }
}

/// Runs a case, and compares what came of it.
fn judge(case: &Case, error: &str) -> Result<(), Failed> {
    let mut subject = Command::new(env::current_exe()?)
        .env(
            SCENARIO,
            format!("{} {}", case.driver.name(), case.scenario),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(subject.stdout.take().ok_or("an output")?);
    let mut line = String::new();
    said.read_line(&mut line)?;
    let thread = line.trim().strip_prefix("ready ").ok_or("it is ready")?;
    let record = tempfile::NamedTempFile::new()?;
    let mut tracer = attach(case, error, thread, record.path())?;
    subject.stdin.take().ok_or("an input")?.write_all(b"go\n")?;
    let mut outcome = String::new();
    said.read_to_string(&mut outcome)?;
    let output = subject.wait_with_output()?;
    tracer.wait()?;
    let expected = case.outcome.replace("{error}", error);
    let injected = std::fs::read_to_string(record.path())?;
    if !injected.contains("(INJECTED)") {
        return Err(format!("the call was never made: {}\n{injected}", outcome.trim()).into());
    }
    if !output.status.success() || outcome.trim() != expected {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "expected: {expected}\nit was:   {}\n{why}\n{injected}",
            outcome.trim()
        )
        .into());
    }
    Ok(())
}

/// Has the thread's next call of the kind fail. Returns once that is so.
fn attach(
    case: &Case,
    error: &str,
    thread: &str,
    record: &std::path::Path,
) -> Result<Child, Failed> {
    let inject = format!("inject={}:error={error}:when={}", case.call, case.when);
    let mut tracer = Command::new("strace")
        .args(["-f", "-p", thread, "-e"])
        .arg(format!("trace={}", case.call))
        .arg("-e")
        .arg(inject)
        .arg("-o")
        .arg(record)
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(tracer.stderr.take().ok_or("a standard error")?);
    let mut line = String::new();
    while !line.contains("attached") {
        line.clear();
        if said.read_line(&mut line)? == 0 {
            return Err("strace did not attach".into());
        }
    }
    // What else it says is of no use, and must not fill the pipe.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    Ok(tracer)
}

fn print_table() {
    println!("\n{:<17} {:<11} {:<52} outcome", "call", "driver", "errors");
    for case in CASES {
        println!(
            "{:<17} {:<11} {:<52} {}",
            case.call,
            case.driver.name(),
            case.errors.join(" "),
            case.outcome.replace("{error}", "the error")
        );
    }
    println!("\nleft out:");
    for (calls, reason) in LEFT_OUT {
        println!("  {calls}: {reason}");
    }
}
