//! Runs the statements: each on each driver, in a process of its own, and tells how each came out.
//!
//! A process of its own, so that what a test leaves behind can be told: its threads and descriptors are counted before and
//! after. The arguments are those of every Rust test (`cargo test --test conformance -- s20 --exact`, `--list`, ...); at the end
//! stands the table, unless only some were asked for.

use std::{
    collections::BTreeMap,
    env, fs,
    process::{Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::harness::{Driver, eventually, guarded, unavailable};

/// A test, named after the statement that it holds the library to.
#[derive(Debug, Clone, Copy)]
pub struct Statement {
    pub name: &'static str,
    pub test: fn(Driver),
}

/// A statement that a driver can't be held to, and why.
pub type Exception = (&'static str, Driver, &'static str);

/// How one came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Kept,
    Broken,
    NotJudged(&'static str),
}

type Judgements = Arc<Mutex<BTreeMap<(&'static str, Driver), Judgement>>>;

/// In the process that runs one test: which.
const ONLY: &str = "WHARF_STATEMENT";

pub fn run(
    statements: &'static [Statement],
    exceptions: &'static [Exception],
    not_covered: &[(&str, &str)],
) -> ExitCode {
    for (name, ..) in exceptions {
        assert!(
            statements.iter().any(|statement| statement.name == *name),
            "there is an exception to {name}, and no such statement"
        );
    }
    if let Ok(only) = env::var(ONLY) {
        return run_one(statements, &only);
    }
    let mut arguments = Arguments::from_args();
    // Some look for what must not come for a while, and few compute: more than processors, but so that none starves.
    arguments.test_threads.get_or_insert(4);
    let judgements = Judgements::default();
    let mut trials = Vec::new();
    for driver in Driver::ALL {
        for statement in statements {
            trials.push(trial(*statement, driver, exceptions, judgements.clone()));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list && conclusion.num_filtered_out == 0 {
        print_table(
            statements,
            &judgements.lock().expect("no panic"),
            not_covered,
        );
    }
    conclusion.exit_code()
}

fn trial(
    statement: Statement,
    driver: Driver,
    exceptions: &'static [Exception],
    judgements: Judgements,
) -> Trial {
    let name = format!("{}::{}", driver.name(), statement.name);
    let only = name.clone();
    let exception = exceptions
        .iter()
        .find(|(name, of, _)| (*name, *of) == (statement.name, driver))
        .map(|(.., reason)| *reason);
    let judge = move || {
        let reason = exception.or_else(|| unavailable(driver));
        let result = match reason {
            Some(_) => Ok(()),
            None => run_apart(&only),
        };
        let judgement = match (reason, &result) {
            (Some(reason), _) => Judgement::NotJudged(reason),
            (None, Ok(())) => Judgement::Kept,
            (None, Err(_)) => Judgement::Broken,
        };
        let mut judgements = judgements.lock().expect("no panic");
        judgements.insert((statement.name, driver), judgement);
        result
    };
    Trial::test(name, judge)
}

/// Runs one test in a process of its own.
fn run_apart(only: &str) -> Result<(), Failed> {
    let output = Command::new(env::current_exe()?)
        .env(ONLY, only)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}\n{said}", output.status).into())
}

/// The process of one test: runs it, and looks at what it leaves behind.
fn run_one(statements: &[Statement], only: &str) -> ExitCode {
    let found = Driver::ALL.into_iter().find_map(|driver| {
        let name = only.strip_prefix(driver.name())?.strip_prefix("::")?;
        let statement = statements.iter().find(|statement| statement.name == name)?;
        Some((driver, statement.test))
    });
    let (driver, test) = found.expect("a statement and a driver");
    // What is found out once for the whole process.
    let _ = unavailable(driver);
    let before = Holdings::now();
    guarded(move || test(driver));
    eventually("threads and descriptors are what they were", || {
        let now = Holdings::now();
        let same = now == before;
        if !same && env::var_os("WHARF_HOLDINGS").is_some() {
            eprintln!("{before:?}, {now:?}");
        }
        same
    });
    ExitCode::SUCCESS
}

/// What the process holds.
#[derive(Debug, PartialEq, Eq)]
struct Holdings {
    descriptors: usize,
    threads: usize,
}

impl Holdings {
    fn now() -> Self {
        let count = |path| fs::read_dir(path).expect("the process's own").count();
        Holdings {
            descriptors: count("/proc/self/fd"),
            threads: count("/proc/self/task"),
        }
    }
}

fn print_table(
    statements: &[Statement],
    judgements: &BTreeMap<(&'static str, Driver), Judgement>,
    not_covered: &[(&str, &str)],
) {
    let width = statements.iter().map(|it| it.name.len()).max().unwrap_or(0);
    let drivers = Driver::ALL.map(|driver| format!("{:<11}", driver.name()));
    println!("\n{:<width$}  {}", "statement", drivers.join(""));
    let mut reasons = BTreeMap::<(&str, &str), Vec<&str>>::new();
    for statement in statements {
        let mut columns = String::new();
        for driver in Driver::ALL {
            let word = match judgements.get(&(statement.name, driver)) {
                Some(Judgement::Kept) => "kept",
                Some(Judgement::Broken) => "BROKEN",
                Some(Judgement::NotJudged(reason)) => {
                    let names = reasons.entry((driver.name(), reason)).or_default();
                    names.push(statement.name);
                    "not judged"
                }
                None => "not run",
            };
            columns.push_str(&format!("{word:<11}"));
        }
        println!("{:<width$}  {}", statement.name, columns.trim_end());
    }
    for driver in Driver::ALL {
        let of_driver = judgements.iter().filter(|((_, of), _)| *of == driver);
        let (mut kept, mut broken, mut not_judged) = (0, 0, 0);
        for (_, judgement) in of_driver {
            match judgement {
                Judgement::Kept => kept += 1,
                Judgement::Broken => broken += 1,
                Judgement::NotJudged(_) => not_judged += 1,
            }
        }
        let name = driver.name();
        println!("{name}: {kept} kept, {broken} broken, {not_judged} not judged");
    }
    println!("\nnot judged:");
    for ((driver, reason), names) in reasons {
        println!("  on {driver}: {reason}");
        names.iter().for_each(|name| println!("    {name}"));
    }
    println!("not covered:");
    for (statement, reason) in not_covered {
        println!("  {statement}: {reason}");
    }
}
