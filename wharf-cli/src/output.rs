//! The output of the command, which never blocks the rest of it.
//!
//! A log line, a line of `--stats` or the message of a panic goes to an [`Outlet`]: it is put into a queue, which
//! never takes long and never fails, and a thread of the outlet's own writes it. If no process reads the other end of the
//! pipe, only that thread waits; if no process ever will, or the disk is full, the line is lost. Neither ends or delays a
//! worker, the thread that gets the signals, or an orderly stop. How many lines were lost is printed as soon as there is room
//! again. At the end there is [a moment](AT_END) for lines that still wait.
//!
//! `demo`, `doctor` and `bench` are for a reader, and wait for it: they [`print()`].

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt,
    io::{self, Write},
    panic,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tracing::Level;

use crate::{
    log, system,
    wrap::{Stream, fit},
};

/// How long the command waits at its end for what it has printed to be taken. A reader that is there takes it at once; on a
/// machine that is busy, its turn may take a moment to come.
pub const AT_END: Duration = Duration::from_secs(1);

/// How long where it is to end at once.
const AT_ONCE: Duration = Duration::from_millis(200);

/// What waits to be written, at most. The longest thing that is said at once, a table of 4,096 workers, takes a fifth.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// As much may wait for a line to be added that another makes up for: as much as a pipe holds.
const PASSING_BYTES_MAX: usize = 64 << 10;

/// When to try again if a pipe is full and another process has made it non-blocking.
const RETRY: Duration = Duration::from_millis(20);

/// What goes on in the next line of a terminal is indented by as much.
const HANG: usize = 2;

/// Standard output, for a command that a slow reader must not delay.
pub static OUTPUT: Outlet = Outlet::new(
    "output",
    system::write_output,
    || Stream::Output.columns(),
    |lines| format!("lost lines={lines}\n"),
);

/// Standard error: logs, and why the command failed.
pub static ERRORS: Outlet = Outlet::new(
    "errors",
    system::write_errors,
    // An object is one line, however long.
    || match log::is_json() {
        true => None,
        false => Stream::Errors.columns(),
    },
    |lines| {
        let text = format!(
            "{lines} lines are missing here: they were not read in time, or could not be written"
        );
        log::line(Level::WARN, text) + "\n"
    },
);

/// Writes to a stream of the system, as write(2) does.
type WriteTo = fn(&[u8]) -> io::Result<usize>;

/// A stream that is written to by a thread of its own.
#[derive(Debug)]
pub struct Outlet<W = WriteTo> {
    name: &'static str,
    write: W,
    /// How wide its terminal is, if it is one.
    columns: fn() -> Option<usize>,
    /// The line that says how many were lost.
    tell: fn(u64) -> String,
    queue: Mutex<Queue>,
    /// Something waits to be written.
    more: Condvar,
    /// All that was to be written is.
    written: Condvar,
}

#[derive(Debug)]
struct Queue {
    /// Whole lines.
    waiting: Vec<u8>,
    /// Lines that were lost since the last report of that.
    lost: u64,
    /// The thread is there.
    served: bool,
    /// It writes what it has taken.
    writing: bool,
}

impl<W: Fn(&[u8]) -> io::Result<usize> + Send + Sync + 'static> Outlet<W> {
    const fn new(
        name: &'static str,
        write: W,
        columns: fn() -> Option<usize>,
        tell: fn(u64) -> String,
    ) -> Self {
        Outlet {
            name,
            write,
            columns,
            tell,
            queue: Mutex::new(Queue {
                waiting: Vec::new(),
                lost: 0,
                served: false,
                writing: false,
            }),
            more: Condvar::new(),
            written: Condvar::new(),
        }
    }

    /// Prints a line, or some. Returns at once; if too much waits to be written, they are lost.
    pub fn say(&'static self, text: &str) {
        self.offer(self.lines(text).as_bytes(), WAITING_BYTES_MAX);
    }

    /// As [`say`](Self::say), for what is to be copied from a terminal as it is.
    fn say_as_it_is(&'static self, text: &str) {
        self.offer(format!("{text}\n").as_bytes(), WAITING_BYTES_MAX);
    }

    /// As [`say`](Self::say), for a line that the next one of its kind makes up for: it is lost early.
    pub fn say_in_passing(&'static self, text: &str) {
        self.offer(self.lines(text).as_bytes(), PASSING_BYTES_MAX);
    }

    /// The lines of a text, at the width of a terminal.
    fn lines(&self, text: &str) -> String {
        fit(text, (self.columns)(), HANG) + "\n"
    }

    fn offer(&'static self, lines: &[u8], waiting_max: usize) {
        let mut queue = self.queue();
        // If there is no thread to spare, the next line may find one, or the end does without.
        let _ = self.start(&mut queue);
        if queue.waiting.len() + lines.len() > waiting_max {
            queue.lost += count_lines(lines);
            return;
        }
        queue.waiting.extend_from_slice(lines);
        drop(queue);
        self.more.notify_one();
    }

    fn start(&'static self, queue: &mut Queue) -> io::Result<()> {
        if !queue.served {
            let serve = move || self.serve();
            thread::Builder::new().name(self.name.into()).spawn(serve)?;
            queue.served = true;
        }
        Ok(())
    }

    /// Waits until all is written, but no longer than `patience`; says whether it is.
    pub fn flush(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut queue = self.queue();
        if !queue.served {
            let batch = queue.take(Vec::new(), |lost| self.told(lost));
            queue.writing = false;
            drop(queue);
            self.write_all(&batch);
            return true;
        }
        while queue.writing || !queue.waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.written.wait_timeout(queue, left);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The thread: writes what comes, for ever.
    fn serve(&self) {
        let mut batch = Vec::new();
        loop {
            let mut queue = self.queue();
            while queue.waiting.is_empty() {
                queue.writing = false;
                self.written.notify_all();
                let waited = self.more.wait(queue);
                queue = waited.unwrap_or_else(PoisonError::into_inner);
            }
            let lost_before = queue.lost;
            batch = queue.take(batch, |lost| self.told(lost));
            drop(queue);
            let unwritten = self.write_all(&batch);
            if unwritten > 0 {
                // If the lines that tell of those before are among them, those before stand for them.
                let told = match lost_before {
                    0 => 0,
                    lost => count_lines(self.told(lost).as_bytes()),
                };
                self.queue().lost += unwritten.saturating_sub(told) + lost_before;
            }
        }
    }

    /// What is said of lines that were lost.
    fn told(&self, lost: u64) -> String {
        fit(&(self.tell)(lost), (self.columns)(), HANG)
    }

    /// Says how many of the lines could not be written.
    fn write_all(&self, mut lines: &[u8]) -> u64 {
        while !lines.is_empty() {
            match (self.write)(lines) {
                Ok(len @ 1..) => lines = lines.get(len..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
                Ok(0) | Err(_) => return count_lines(lines),
            }
        }
        0
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Takes all that waits, and leaves the memory of what was taken before in its place.
    fn take(&mut self, mut emptied: Vec<u8>, tell: impl Fn(u64) -> String) -> Vec<u8> {
        emptied.clear();
        emptied.shrink_to(PASSING_BYTES_MAX);
        self.writing = true;
        let mut batch = std::mem::replace(&mut self.waiting, emptied);
        if self.lost > 0 {
            // They would have stood behind all that did find room.
            batch.extend_from_slice(tell(std::mem::take(&mut self.lost)).as_bytes());
        }
        batch
    }
}

fn count_lines(lines: &[u8]) -> u64 {
    lines.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Logs are written line by line, each in one call that never fails: what would print the failure might panic.
#[derive(Debug, Clone, Copy)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        ERRORS.say(String::from_utf8_lossy(line).trim_end_matches('\n'));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has panics told like all else; else the thread that panics writes to standard error itself, and stands where nobody reads
/// it.
pub fn tell_of_panics() {
    panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        let name = thread.name().unwrap_or("without a name");
        let backtrace = Backtrace::capture();
        let text = match backtrace.status() {
            BacktraceStatus::Captured => format!("thread '{name}' {panic}\n{backtrace}"),
            _ => format!("thread '{name}' {panic}"),
        };
        ERRORS.say_as_it_is(&log::line(Level::ERROR, text));
        // It may be the last thing that the process does.
        ERRORS.flush(AT_ONCE);
    }));
}

/// Sees to it that what was said is written before the command ends, however it ends, if anybody takes it.
#[derive(Debug)]
pub struct Flushed;

impl Drop for Flushed {
    fn drop(&mut self) {
        flush(AT_END);
    }
}

/// Starts the threads that write: for a command that is not to go on without them.
///
/// # Errors
/// The system's, if it can't start one.
pub fn start() -> io::Result<()> {
    OUTPUT.start(&mut OUTPUT.queue())?;
    ERRORS.start(&mut ERRORS.queue())
}

/// Waits until all that was said is written, but no longer than `patience`.
pub fn flush(patience: Duration) {
    let start = Instant::now();
    OUTPUT.flush(patience);
    ERRORS.flush(patience.saturating_sub(start.elapsed()));
}

/// As [`flush`], where the command is to end at once.
pub fn flush_at_once() {
    flush(AT_ONCE);
}

/// Prints for a reader, and waits for it.
///
/// # Errors
/// The system's; where [the reader has gone](reader_has_gone), that is no failure of the command.
pub fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    let printed = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    printed.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::other(ReaderHasGone),
        _ => error,
    })
}

/// Whether nothing more could be printed because the reader has closed its end.
pub fn reader_has_gone(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|error| error.is::<ReaderHasGone>())
}

/// No process reads standard output any more. An error of its own: a connection may fail with the same error of the system.
#[derive(Debug)]
struct ReaderHasGone;

impl fmt::Display for ReaderHasGone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nobody reads standard output any more")
    }
}

impl std::error::Error for ReaderHasGone {}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Nothing that is waited for takes as long, unless it is broken.
    const GUARD: Duration = Duration::from_secs(30);

    /// The other end of an outlet: each of its writes is shown, and waits for what it is to return.
    struct Reader {
        written: mpsc::Receiver<Vec<u8>>,
        answers: mpsc::Sender<io::Result<usize>>,
    }

    impl Reader {
        fn next(&self) -> String {
            String::from_utf8(self.written.recv_timeout(GUARD).unwrap()).unwrap()
        }

        fn answer(&self, answer: io::Result<usize>) {
            self.answers.send(answer).unwrap();
        }

        fn fail(&self, kind: io::ErrorKind) {
            self.answer(Err(kind.into()));
        }
    }

    /// Never freed, as a static is not.
    type Leaked<W> = &'static Outlet<W>;

    fn outlet() -> (
        Leaked<impl Fn(&[u8]) -> io::Result<usize> + Send + Sync>,
        Reader,
    ) {
        outlet_of_width(|| None)
    }

    fn outlet_of_width(
        columns: fn() -> Option<usize>,
    ) -> (
        Leaked<impl Fn(&[u8]) -> io::Result<usize> + Send + Sync>,
        Reader,
    ) {
        let (shows, written) = mpsc::channel();
        let (answers, answered) = mpsc::channel();
        let answered = Mutex::new(answered);
        let write = move |bytes: &[u8]| {
            shows.send(bytes.to_vec()).map_err(io::Error::other)?;
            let answer = answered.lock().unwrap().recv();
            answer.map_err(io::Error::other)?
        };
        let outlet = Outlet::new("test", write, columns, |lines| format!("lost {lines}\n"));
        (Box::leak(Box::new(outlet)), Reader { written, answers })
    }

    #[test]
    fn what_is_said_is_written_in_its_order_however_the_system_takes_it() {
        let (outlet, reader) = outlet();
        outlet.say("one");
        assert_eq!(reader.next(), "one\n");
        outlet.say("two");
        outlet.say("three");
        reader.answer(Ok(4));
        assert_eq!(reader.next(), "two\nthree\n");
        reader.answer(Ok(1));
        assert_eq!(reader.next(), "wo\nthree\n");
        reader.fail(io::ErrorKind::Interrupted);
        assert_eq!(reader.next(), "wo\nthree\n");
        reader.fail(io::ErrorKind::WouldBlock);
        assert_eq!(reader.next(), "wo\nthree\n");
        reader.answer(Ok(9));
        assert!(outlet.flush(GUARD));
    }

    #[test]
    fn while_nobody_reads_lines_are_counted_and_not_kept() {
        let (outlet, reader) = outlet();
        outlet.say("stands");
        assert_eq!(reader.next(), "stands\n");
        // No process reads it: this returns all the same, and the waiting lines stay below the limit.
        let long = "x".repeat(1023);
        for _ in 0..1_100 {
            outlet.say(&long);
        }
        outlet.say_in_passing("passing");
        assert!(!outlet.flush(Duration::from_millis(1)));
        reader.answer(Ok(7));
        let all = reader.next();
        assert_eq!(all.len(), WAITING_BYTES_MAX + "lost 77\n".len());
        assert!(all.ends_with("x\nlost 77\n"));
        reader.answer(Ok(all.len()));
        outlet.say("on");
        assert_eq!(reader.next(), "on\n");
    }

    #[test]
    fn lines_in_passing_leave_room_for_others() {
        let (outlet, reader) = outlet();
        outlet.say("stands");
        assert_eq!(reader.next(), "stands\n");
        let long = "x".repeat(1023);
        for _ in 0..100 {
            outlet.say_in_passing(&long);
        }
        outlet.say("the last");
        reader.answer(Ok(7));
        let all = reader.next();
        assert_eq!(all.lines().count(), 66);
        assert!(all.ends_with("x\nthe last\nlost 36\n"), "{all}");
        reader.answer(Ok(all.len()));
        assert!(outlet.flush(GUARD));
    }

    #[test]
    fn what_can_not_be_written_is_lost_counted_and_ends_nothing() {
        let (outlet, reader) = outlet();
        outlet.say("one\ntwo");
        assert_eq!(reader.next(), "one\ntwo\n");
        reader.answer(Ok(4));
        assert_eq!(reader.next(), "two\n");
        reader.fail(io::ErrorKind::StorageFull);
        outlet.say("three");
        assert_eq!(reader.next(), "three\nlost 1\n");
        reader.fail(io::ErrorKind::StorageFull);
        assert!(outlet.flush(GUARD));
        outlet.say("four");
        assert_eq!(reader.next(), "four\nlost 2\n");
        reader.answer(Ok(12));
        assert!(outlet.flush(GUARD));
    }

    #[test]
    fn lines_that_a_terminal_has_no_room_for_are_broken_and_still_counted() {
        let (outlet, reader) = outlet_of_width(|| Some(5));
        outlet.say("one two");
        assert_eq!(reader.next(), "one\n  two\n");
        reader.fail(io::ErrorKind::StorageFull);
        outlet.say("three");
        assert_eq!(reader.next(), "three\nlost\n 2\n");
        reader.fail(io::ErrorKind::StorageFull);
        outlet.say("four");
        assert_eq!(reader.next(), "four\nlost\n 3\n");
        reader.answer(Ok(13));
        assert!(outlet.flush(GUARD));
    }
}
