//! A terminal of a given width, and what it shows.

use std::{
    fs::File,
    io::Read,
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use super::GUARD;

/// Widths that people have: of a telephone, of half a window, of old, of large.
pub const WIDTHS: [u16; 6] = [20, 40, 60, 80, 113, 200];

/// Which stream of a process goes to the terminal; the other one is a pipe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shown {
    Output,
    Errors,
}

/// A process, and the terminal on which it writes. The process is killed when this is dropped.
pub struct Terminal {
    pub child: Child,
    screen: File,
    text: String,
}

impl Terminal {
    /// Starts a command on a terminal of so many columns.
    pub fn start(columns: u16, mut command: Command, shown: Shown) -> Terminal {
        let (screen, user) = open(columns);
        command.stdin(Stdio::null());
        match shown {
            Shown::Output => command.stdout(user).stderr(Stdio::piped()),
            Shown::Errors => command.stdout(Stdio::piped()).stderr(user),
        };
        command.env("TERM", "xterm");
        let child = command.spawn().expect("wharf starts");
        Terminal {
            child,
            screen: screen.into(),
            text: String::new(),
        }
    }

    /// Reads on until the text that was shown is as expected, and returns it.
    pub fn read_until(&mut self, expected: impl Fn(&str) -> bool) -> String {
        while !expected(&self.text) {
            assert!(self.read(), "it has ended: {:?}", self.text);
        }
        self.text.clone()
    }

    /// Reads to the end: exit code, what was shown, and what went to the other stream.
    pub fn end(mut self) -> (Option<i32>, String, String) {
        while self.read() {}
        let mut other = String::new();
        if let Some(output) = &mut self.child.stdout {
            output.read_to_string(&mut other).expect("text");
        }
        if let Some(errors) = &mut self.child.stderr {
            errors.read_to_string(&mut other).expect("text");
        }
        let code = self.child.wait().expect("it ends").code();
        (code, std::mem::take(&mut self.text), other)
    }

    /// False at the end.
    fn read(&mut self) -> bool {
        let guard = GUARD.try_into().expect("some seconds");
        let mut more = [PollFd::new(&self.screen, PollFlags::IN)];
        let ready = poll(&mut more, Some(&guard)).expect("it can be waited for");
        assert_eq!(ready, 1, "it shows nothing more: {:?}", self.text);
        let mut bytes = vec![0; 1 << 16];
        match self.screen.read(&mut bytes) {
            Ok(0) => false,
            // Nobody has the other end any more.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => false,
            Err(error) => panic!("{error}"),
            Ok(len) => {
                // The command writes whole lines, and a terminal takes what it is given at once.
                self.text.push_str(&String::from_utf8_lossy(&bytes[..len]));
                true
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pair of ends: what shows, and what a process writes to.
fn open(columns: u16) -> (OwnedFd, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let screen = openpt(flags).expect("a terminal");
    grantpt(&screen).expect("it is ours");
    unlockpt(&screen).expect("it is ours");
    let user = ioctl_tiocgptpeer(&screen, flags).expect("its other end");
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&screen, size).expect("it has a size");
    (screen, user)
}

/// The lines on the screen, without what moves the cursor or sets colours. A line that is drawn over counts as well.
pub fn lines(shown: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut signs = shown.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\x1b' => {
                assert_eq!(signs.next(), Some('['), "{shown:?}");
                let end = signs.find(|sign| ('@'..='~').contains(sign));
                // Moved or cleared: what comes is another line.
                if end != Some('m') {
                    plain.push('\n');
                }
            }
            '\r' => plain.push('\n'),
            sign => plain.push(sign),
        }
    }
    let lines = plain.split('\n').filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// How many columns a line takes, counted apart from what the command counts with: for the signs that the tests use.
pub fn width(line: &str) -> usize {
    let columns = |sign| match sign {
        '\u{300}'..'\u{370}' => 0,
        '\u{3000}'..'\u{a000}' => 2,
        _ => 1,
    };
    line.chars().map(columns).sum()
}

/// No line is longer than the terminal.
#[track_caller]
pub fn expect_no_line_longer(shown: &str, columns: u16) {
    for line in lines(shown) {
        let width = width(&line);
        assert!(
            width <= usize::from(columns),
            "{width} > {columns}: {line:?} in\n{shown}"
        );
    }
}

/// All words are there that a script gets, in their order, and none is split that is not longer than a line.
#[track_caller]
pub fn expect_same_words(shown: &str, plain: &str, columns: u16) {
    let lines = lines(shown);
    let mut words = lines.iter().flat_map(|line| line.split_whitespace());
    for word in plain.split_whitespace() {
        let mut found = words.next().unwrap_or_default().to_owned();
        while width(word) > usize::from(columns) && found.len() < word.len() {
            found.push_str(words.next().unwrap_or_default());
        }
        assert_eq!(found, word, "at {columns} columns:\n{shown}");
    }
    assert_eq!(words.next(), None, "at {columns} columns:\n{shown}");
}
