//! `wharf demo`: the demonstration that every book on completion ports has, of what happens when all workers are held.
//!
//! A real server, real sockets, and handlers that are held until they are let go: asleep, or computing. Each scene says
//! what it does before it does it, and checks that it comes as it said.

use std::{
    io::{self, IsTerminal, Read, Write},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use wharf::{Buffer, Snapshot, WorkerState};
use wharf_server::{Client, Server, ServerBuilder, Settings};

use crate::{
    exit, help, output, snapshot_table,
    wrap::{Stream, fit, prose},
};

pub const EXAMPLES: &[help::Example] = &[("wharf demo", "Three scenes; they take a few seconds")];

/// How long nothing must come for it to be plain that nothing comes.
const SILENCE: Duration = Duration::from_secs(1);

/// What has not come after so long does not come.
const PATIENCE: Duration = Duration::from_secs(5);

const WORKERS: usize = 3;
const CONCURRENCY: usize = 2;

/// Runs the demonstration.
pub fn run() -> ExitCode {
    match scenes() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::reader_has_gone(&error) => ExitCode::SUCCESS,
        Err(error) => exit::fail(exit::COULD_NOT_RUN, &error.to_string()),
    }
}

fn scenes() -> io::Result<()> {
    say(&format!(
        "A completion port lets any free worker serve any client. What if none is free? \
         A server, {CONCURRENCY} workers of which may run at once; clients that send a line; handlers that we hold and let go."
    ))?;
    match wharf::thread_states_available() {
        Ok(()) => {
            all_workers_blocked()?;
            one_more_worker()?;
        }
        Err(error) => say(&format!(
            "\nThe first two scenes are left out: they are about handlers that sleep, and which threads do can't be told \
             here ({error}). Mount /proc to see them."
        ))?,
    }
    all_places_taken_by_computing()?;
    title("What to try next")?;
    NEXT.iter().try_for_each(|(line, what_for)| {
        let columns = Stream::Output.columns();
        let line = fit(line, columns, 4);
        let what_for = prose(&format!("    {what_for}"), columns);
        output::print(&format!("{line}\n{what_for}\n"))
    })
}

/// Lines for a shell, or for a handler, and what they are for.
const NEXT: &[(&str, &str)] = &[
    (
        "wharf serve --stats 1s",
        "Print a line of statistics each second. On Unix, `kill -USR1 PID` prints the table of workers.",
    ),
    (
        "wharf serve --app work --max-workers 64",
        "Run a server whose handlers sleep or compute for as long as a request asks.",
    ),
    (
        "wharf bench 127.0.0.1:21000 --work fixed:10ms --kind sleep -c 64",
        "Load that server, with handlers that sleep for 10 ms.",
    ),
    (
        "wharf bench --sweep-workers 1..64",
        "Measure throughput and latency with 1 to 64 workers.",
    ),
    (
        "wharf::blocking(|| ...)",
        "In a handler of your own: call it around code that blocks.",
    ),
];

fn all_workers_blocked() -> io::Result<()> {
    title("1. Three workers, three handlers that sleep, and a fourth client")?;
    let stage = Stage::open(WORKERS)?;
    let mut held = stage.hold_three("sleep")?;
    stage.await_state("three workers blocked", |snapshot| held_up(snapshot) == 3)?;
    say("A, B and C have each sent a line, and the handler of each sleeps. D sends one too.")?;
    let mut fourth = stage.connect()?;
    fourth.write_all(b"hello\n")?;
    expect_silence(&mut fourth)?;
    say("For a second D gets nothing. The workers tell why:\n")?;
    stage.show()?;
    if cfg!(windows) {
        say("(Windows keeps to itself which of them sleep: all count as running.)")?;
    }
    say(
        "\nTwo may run and none does; but a handler that sleeps still needs its thread, and there is no other. That is what \
         --workers 3 --max-workers 3 means. We let the handler of A go.",
    )?;
    stage.let_go(&mut held[0])?;
    let waited = expect_echo(&mut fourth, Instant::now())?;
    say(&format!(
        "D is served, {waited} later: any worker serves any client."
    ))?;
    stage.end(&mut held[1..])
}

fn one_more_worker() -> io::Result<()> {
    title("2. The same, and the pool may grow to four")?;
    let stage = Stage::open(WORKERS + 1)?;
    let mut held = stage.hold_three("sleep")?;
    stage.await_state("three workers blocked", |snapshot| held_up(snapshot) == 3)?;
    say("A, B and C sleep in their handlers as before. D sends a line.")?;
    let mut fourth = stage.connect()?;
    let start = Instant::now();
    fourth.write_all(b"hello\n")?;
    let waited = expect_echo(&mut fourth, start)?;
    say(&format!("D is served after {waited}. The workers:\n"))?;
    stage.show()?;
    say(match cfg!(windows) {
        true => {
            "\nA pool that may grow has one more worker wait than are in their handlers; the kernel released it as soon as it \
             had D's line. It will leave when it has been idle for some seconds."
        }
        false => {
            "\nWork waited, two might run and none did: the port noticed that all its workers were asleep, and had a fourth \
             started. It will leave when it has been idle for some seconds."
        }
    })?;
    stage.end(&mut held)
}

fn all_places_taken_by_computing() -> io::Result<()> {
    title("3. The same four, but the handlers compute")?;
    let stage = Stage::open(WORKERS + 1)?;
    let mut held = stage.hold_three("compute")?;
    stage.await_state("two handlers computing", |snapshot| {
        // Without /proc it is not known that they run, and what waits, Windows keeps to itself.
        let computing =
            count(snapshot, WorkerState::Running) + count(snapshot, WorkerState::Unknown);
        computing >= 2 && (cfg!(windows) || snapshot.counts.queued > 0)
    })?;
    if cfg!(windows) && stage.all_begin() {
        say(
            "This system lets a third run where two may, as Wine does: there is nothing to see here.",
        )?;
        return stage.end(&mut held);
    }
    say("A and B compute; C waits for its turn. D sends a line.")?;
    let mut fourth = stage.connect()?;
    fourth.write_all(b"hello\n")?;
    expect_silence(&mut fourth)?;
    say("For a second D gets nothing. The workers:\n")?;
    stage.show()?;
    say(
        "\nA worker is free, and is not released: two handlers run, which is the concurrency, and more would only take turns \
         on the processors. Nobody is blocked, so nobody's place is given away. We let two of them go.",
    )?;
    let released = Instant::now();
    stage.let_go_running(&mut held)?;
    stage.let_go_running(&mut held)?;
    let waited = expect_echo(&mut fourth, released)?;
    say(&format!(
        "C had its turn, and D is served, {waited} later: first come, first served."
    ))?;
    stage.end(&mut held)
}

/// A server whose handlers can be held.
struct Stage {
    server: Server,
    holds: Arc<Holds>,
}

/// One whose handler is held, by its place in the order of arrival.
struct Held {
    stream: TcpStream,
    place: usize,
}

impl Stage {
    fn open(workers_max: usize) -> io::Result<Stage> {
        let holds = Arc::new(Holds::default());
        let mut settings = Settings::default();
        settings.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0)).into()];
        settings.workers = WORKERS;
        settings.workers_max = workers_max;
        settings.concurrency = CONCURRENCY;
        let holding = Holding(holds.clone());
        let server = ServerBuilder::from(settings)
            .serve(move |client, bytes| holding.received(client, bytes))
            .map_err(io::Error::other)?;
        say(&format!(
            "(workers={WORKERS} max_workers={workers_max} concurrency={CONCURRENCY})"
        ))?;
        Ok(Stage { server, holds })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.server.local_addr())?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Three clients, each of which asks to be held.
    fn hold_three(&self, how: &str) -> io::Result<Vec<Held>> {
        let hold = |place| {
            let mut stream = self.connect()?;
            stream.write_all(format!("{how} {place}\n").as_bytes())?;
            Ok(Held { stream, place })
        };
        (0..3).map(hold).collect()
    }

    /// Lets one go, and sees to it that it is answered.
    fn let_go(&self, held: &mut Held) -> io::Result<()> {
        self.holds.let_go(held.place);
        expect_line(&mut held.stream)
    }

    /// Lets the first go whose handler has begun.
    fn let_go_running(&self, held: &mut Vec<Held>) -> io::Result<()> {
        let has_begun = |held: &Held| self.holds.has_begun(held.place);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(index) = held.iter().position(has_begun) {
                return self.let_go(&mut held.remove(index));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("no handler has begun"));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether the handlers of all three begin, within the time in which they would.
    fn all_begin(&self) -> bool {
        let deadline = Instant::now() + SILENCE / 4;
        while Instant::now() < deadline {
            if (0..3).all(|place| self.holds.has_begun(place)) {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    fn show(&self) -> io::Result<()> {
        let table = snapshot_table::table(&self.server.snapshot(), Stream::Output.columns());
        output::print(&format!("{table}\n"))
    }

    /// Waits until the workers are in the given states.
    fn await_state(&self, what: &str, holds: impl Fn(&Snapshot) -> bool) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.server.snapshot()) {
            if Instant::now() > deadline {
                let columns = Stream::Errors.columns();
                let table = snapshot_table::table(&self.server.snapshot(), columns);
                return Err(io::Error::other(format!(
                    "expected {what} within {PATIENCE:?}; the workers:\n{table}"
                )));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Lets all go and stops the server.
    fn end(self, held: &mut [Held]) -> io::Result<()> {
        held.iter_mut().try_for_each(|held| self.let_go(held))?;
        let left = self.server.stop(PATIENCE).workers_left;
        if left.is_empty() {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "left in their handlers: {left:?}"
            )))
        }
    }
}

/// Which handlers are held.
#[derive(Default)]
struct Holds {
    /// By place: those that have begun, and those that may go.
    begun: [AtomicBool; 3],
    free: [AtomicBool; 3],
    sleep: (Mutex<()>, Condvar),
}

impl Holds {
    fn let_go(&self, place: usize) {
        self.free[place].store(true, Ordering::SeqCst);
        drop(self.sleep.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.sleep.1.notify_all();
    }

    fn has_begun(&self, place: usize) -> bool {
        self.begun[place].load(Ordering::SeqCst)
    }

    fn is_held(&self, place: usize) -> bool {
        !self.free[place].load(Ordering::SeqCst)
    }

    fn sleep(&self, place: usize) {
        self.begun[place].store(true, Ordering::SeqCst);
        let mut guard = self.sleep.0.lock().unwrap_or_else(PoisonError::into_inner);
        while self.is_held(place) {
            let waited = self.sleep.1.wait(guard);
            guard = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn compute(&self, place: usize) {
        self.begun[place].store(true, Ordering::SeqCst);
        // What Collatz found no end to.
        let mut number = 27_u64;
        while self.is_held(place) {
            number = match number {
                0..=1 => 27,
                even if even % 2 == 0 => even / 2,
                odd => 3 * odd + 1,
            };
        }
        std::hint::black_box(number);
    }
}

/// Holds clients that ask for it, and sends back what it received.
struct Holding(Arc<Holds>);

impl Holding {
    fn received(&self, client: &Client, bytes: Buffer) {
        let place = |text: &[u8]| match text {
            [digit @ b'0'..=b'2', b'\n'] => Some(usize::from(digit - b'0')),
            _ => None,
        };
        if let Some(place) = bytes.strip_prefix(b"sleep ").and_then(place) {
            self.0.sleep(place);
        } else if let Some(place) = bytes.strip_prefix(b"compute ").and_then(place) {
            self.0.compute(place);
        }
        // Refused if it is gone.
        let _ = client.send(bytes);
    }
}

/// How many workers are asleep in their handlers. Windows counts them as running.
fn held_up(snapshot: &Snapshot) -> usize {
    let state = match cfg!(windows) {
        true => WorkerState::Running,
        false => WorkerState::Blocked,
    };
    count(snapshot, state)
}

fn count(snapshot: &Snapshot, state: WorkerState) -> usize {
    let workers = snapshot.workers.iter();
    workers.filter(|worker| worker.state == state).count()
}

fn expect_silence(stream: &mut TcpStream) -> io::Result<()> {
    let deadline = Instant::now() + SILENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match stream.read(&mut [0; 1]) {
            // A time-out has two names.
            Err(error)
                if [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut].contains(&error.kind()) =>
            {
                return Ok(());
            }
            // The server of the scene before is going, and its io_uring with it: see `DriverChoice::Uring`.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) => {
                return Err(io::Error::other(
                    "the fourth client was answered, and should not have been",
                ));
            }
        }
    }
}

/// Reads the answer; says how long that took, since `start`.
fn expect_echo(stream: &mut TcpStream, start: Instant) -> io::Result<String> {
    expect_line(stream)?;
    let waited = start.elapsed();
    Ok(match waited.as_micros() {
        micros @ 0..1_000 => format!("{micros} us"),
        _ => format!("{:.1} ms", 1e3 * waited.as_secs_f64()),
    })
}

fn expect_line(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut byte = [0];
    while byte != *b"\n" {
        stream.read_exact(&mut byte)?;
    }
    Ok(())
}

fn title(text: &str) -> io::Result<()> {
    match io::stdout().is_terminal() {
        true => say(&format!("\n\x1b[1m{text}\x1b[0m")),
        false => say(&format!("\n{text}")),
    }
}

/// A reader that has closed its end ends the demonstration.
fn say(text: &str) -> io::Result<()> {
    let columns = Stream::Output.columns();
    output::print(&format!("{}\n", prose(text, columns)))
}
