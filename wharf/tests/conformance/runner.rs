//! Runs the statements: each on each driver, in a process of its own, and tells how each came out.
//!
//! A process of its own, so that what a test leaves behind can be told: its threads and descriptors are counted before and
//! after. The arguments are those of every Rust test (`cargo test --test conformance -- s20 --exact`, `--list`, ...); at the end
//! stands the table, unless only some were asked for.

use std::{
    collections::BTreeMap,
    env,
    process::{Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::harness::{Driver, descriptors, eventually_or, guarded, platform, threads, unavailable};

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

/// In a process that does nothing.
const SLEEPER: &str = "a sleeper";

/// A process that does nothing, for as long as it is let live.
pub fn sleeper() -> Command {
    let mut sleeper = Command::new(env::current_exe().expect("a path of our own"));
    sleeper.env(ONLY, SLEEPER);
    sleeper
}

pub fn run(
    statements: &'static [Statement],
    exceptions: &[Exception],
    not_covered: &[(&str, &str)],
) -> ExitCode {
    for (name, ..) in exceptions {
        assert!(
            statements.iter().any(|statement| statement.name == *name),
            "there is an exception to {name}, and no such statement"
        );
    }
    match env::var(ONLY) {
        Ok(only) if only == SLEEPER => loop {
            thread::park();
        },
        Ok(only) => return run_one(statements, &only),
        Err(_) => {}
    }
    let mut arguments = Arguments::from_args();
    // Some look for what must not come for a while, and few compute: more than processors, but so that none starves.
    arguments.test_threads.get_or_insert(4);
    let judgements = Judgements::default();
    let mut trials = Vec::new();
    for driver in Driver::here() {
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
    exceptions: &[Exception],
    judgements: Judgements,
) -> Trial {
    let name = format!("{}::{}", driver.name(), statement.name);
    let only = name.clone();
    let exception = exceptions
        .iter()
        .find(|(name, of, _)| (*name, *of) == (statement.name, driver))
        .map(|(.., reason)| *reason);
    let note = move |judgement| {
        let mut judgements = judgements.lock().expect("no panic");
        judgements.insert((statement.name, driver), judgement);
    };
    if let Some(reason) = exception.or_else(|| unavailable(driver)) {
        note(Judgement::NotJudged(reason));
        // Counted as ignored, not as passed; who insists on it is told why.
        let judge = move || Err(format!("it can't be judged here: {reason}").into());
        return Trial::test(name, judge).with_ignored_flag(true);
    }
    let judge = move || {
        let result = run_apart(&only);
        note(match result {
            Ok(()) => Judgement::Kept,
            Err(_) => Judgement::Broken,
        });
        result
    };
    Trial::test(name, judge)
}

/// Runs one test in a process of its own.
fn run_apart(only: &str) -> Result<(), Failed> {
    let mut command = Command::new(env::current_exe()?);
    command.env(ONLY, only).stdin(Stdio::null());
    let output = platform::output(&mut command)?;
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
    platform::settle();
    let before = (descriptors(), threads());
    let listed = platform::belongings();
    guarded(move || test(driver));
    let complaint = || {
        let now = platform::belongings();
        format!("the test leaves threads or descriptors behind; before it:\n{listed}now:\n{now}")
    };
    eventually_or(complaint, || {
        // A thread that was about to end when they were counted is left behind by no test.
        descriptors() == before.0 && threads() <= before.1
    });
    ExitCode::SUCCESS
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
                None => "elsewhere",
            };
            columns.push_str(&format!("{word:<11}"));
        }
        println!("{:<width$}  {}", statement.name, columns.trim_end());
    }
    for driver in Driver::here() {
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
