//! The console, from outside: each test runs a part of this program as a process of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    ptr,
};

use super::{control::*, keys::*, message_box::*};
use crate::{INFINITE, objects::Sleep, process::ExitProcess, threads};

/// A process that runs one of the parts below.
struct Part {
    child: Child,
    input: ChildStdin,
    output: BufReader<Box<dyn Read>>,
}

impl Part {
    fn start(name: &str, variables: &[(&str, &str)]) -> Part {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let from_the_terminal = || {
            // SAFETY: the calls take numbers only, and may be made between `fork` and `exec`.
            unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
            Ok(())
        };
        // Also where the tests themselves were started by nohup.
        // SAFETY: as said there.
        unsafe { command.pre_exec(from_the_terminal) };
        let mut child = command
            .args(["--exact", "--ignored", "--nocapture", "--quiet"])
            .arg(format!("console::tests::{name}"))
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Part {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(Box::new(out.chain(errors))),
            child,
        }
    }

    fn write(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).unwrap();
    }

    /// Reads lines until one that says this.
    fn read_until(&mut self, wanted: &str) {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert_ne!(
                self.output.read_line(&mut line).unwrap(),
                0,
                "{wanted} did not come"
            );
        }
    }

    fn signal(&self, signal: i32) {
        // SAFETY: it is a child that was not waited for.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// Waits for its end, and returns how it ended and what it still wrote.
    fn end(mut self) -> (ExitStatus, String) {
        drop(self.input);
        let mut text = String::new();
        self.output.read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap(), text)
    }
}

/// What a part has to say.
fn say(text: &str) {
    println!("{text}");
}

extern "C-unwind" fn handles(event: u32) -> i32 {
    say(&format!("event {event}"));
    1
}

extern "C-unwind" fn does_not_handle(event: u32) -> i32 {
    say(&format!("seen {event}"));
    0
}

extern "C-unwind" fn never_returns(event: u32) -> i32 {
    say(&format!("begun {event}"));
    Sleep(INFINITE);
    1
}

#[test]
#[ignore = "a part"]
fn part_with_handlers() {
    assert_eq!(SetConsoleCtrlHandler(Some(handles), 1), 1);
    say("ready");
    Sleep(INFINITE);
}

#[test]
#[ignore = "a part"]
fn part_with_a_handler_that_does_not_handle() {
    assert_eq!(SetConsoleCtrlHandler(Some(does_not_handle), 1), 1);
    say("ready");
    Sleep(INFINITE);
}

#[test]
#[ignore = "a part"]
fn part_with_a_handler_that_never_returns() {
    assert_eq!(SetConsoleCtrlHandler(Some(never_returns), 1), 1);
    say("ready");
    Sleep(INFINITE);
}

#[test]
fn signals_are_events_and_closing_ends_the_process() {
    let mut part = Part::start("part_with_handlers", &[]);
    part.read_until("ready");
    part.signal(libc::SIGINT);
    part.read_until("event 0");
    part.signal(libc::SIGQUIT);
    part.read_until("event 1");
    part.signal(libc::SIGTERM);
    part.read_until("event 2");
    assert_eq!(part.end().0.signal(), Some(libc::SIGTERM));
}

#[test]
fn what_no_handler_handles_ends_the_process() {
    let mut part = Part::start("part_with_a_handler_that_does_not_handle", &[]);
    part.read_until("ready");
    part.signal(libc::SIGINT);
    let (status, text) = part.end();
    assert_eq!(status.signal(), Some(libc::SIGINT));
    assert!(text.contains("seen 0"), "{text}");
}

/// It takes the 5 seconds that such a handler has.
#[test]
fn a_handler_that_never_returns_does_not_keep_the_console_open() {
    let mut part = Part::start("part_with_a_handler_that_never_returns", &[]);
    part.read_until("ready");
    part.signal(libc::SIGINT);
    part.read_until("begun 0");
    // One that waits keeps no other event away.
    part.signal(libc::SIGHUP);
    part.read_until("begun 2");
    assert_eq!(part.end().0.signal(), Some(libc::SIGHUP));
}

#[test]
#[ignore = "a part"]
fn part_with_boxes() {
    for kind in [0, 4] {
        // SAFETY: they are strings.
        let button = unsafe { MessageBoxA(0, c"as many as may".as_ptr(), c"Full".as_ptr(), kind) };
        say(&format!("button {button}"));
    }
}

#[test]
fn a_message_box_waits_for_a_line() {
    let mut part = Part::start("part_with_boxes", &[]);
    part.write("\n");
    part.read_until("button 1");
    part.write("no\n");
    part.read_until("button 7");
    let (_, text) = part.end();
    assert_eq!(text.matches("[Full] as many as may\n").count(), 2, "{text}");
}

#[test]
fn a_message_box_waits_as_long_as_a_variable_says() {
    let part = Part::start("part_with_boxes", &[("WHARF_MESSAGE_BOX_MS", "1")]);
    let (status, text) = part.end();
    assert!(
        status.success() && text.contains("button 1") && text.contains("button 6"),
        "{text}"
    );
}

#[test]
#[ignore = "a part"]
fn part_with_keys() {
    say(&format!("waits {}", _kbhit()));
    say(&format!("keys {} {}", _getch(), _getch()));
    say(&format!("then {} {}", _kbhit(), _getch()));
}

#[test]
fn keys_without_a_terminal_are_bytes_of_the_input() {
    let mut part = Part::start("part_with_keys", &[]);
    part.read_until("waits 0");
    part.write("ab");
    part.read_until("keys 97 98");
    let (_, text) = part.end();
    // At the end of the input there is no key, and who waits for one is told.
    assert!(text.contains("then 0 -1"), "{text}");
}

extern "C-unwind" fn reads_a_line(_: *mut ()) -> usize {
    // SAFETY: it may be called at any time.
    unsafe { libc::getchar() };
    0
}

#[test]
#[ignore = "a part"]
fn part_that_ends_beside_a_reader() {
    assert!(threads::start_detached(reads_a_line, ptr::null_mut()));
    // SAFETY: a string.
    unsafe { libc::puts(c"kept by the C library".as_ptr()) };
    ExitProcess(7);
}

#[test]
fn the_end_of_the_process_writes_out_what_c_has_kept() {
    let Part {
        mut child,
        input,
        output,
    } = Part::start("part_that_ends_beside_a_reader", &[]);
    // The input stays open: the reader waits.
    assert_eq!(child.wait().unwrap().code(), Some(7));
    drop(input);
    let text = std::io::read_to_string(output).unwrap();
    assert!(text.contains("kept by the C library"), "{text}");
}
