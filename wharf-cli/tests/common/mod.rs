//! A `wharf` process under test, and what can be seen of it from outside.

// Each test file uses its own part of this.
#![allow(dead_code, missing_docs)]

pub mod terminal;

use std::{
    fs,
    io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    process::{Pid, Signal, kill_process},
};
use seccompiler::{SeccompAction, SeccompFilter, TargetArch};
use socket2::{Domain, Socket, Type};

/// Nothing that is waited for takes as long, unless it is broken.
pub const GUARD: Duration = Duration::from_secs(60);

pub const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// Runs each test once for each driver.
#[macro_export]
macro_rules! on_every_driver {
    ($($(#[$meta:meta])* fn $name:ident($driver:ident) $body:block)*) => {
        mod readiness {
            $(#[test] $(#[$meta])* fn $name() { super::$name("readiness"); })*
        }
        mod uring {
            $(#[test] $(#[$meta])* fn $name() {
                if $crate::common::uring_can_be_tested() {
                    super::$name("uring");
                }
            })*
        }
        $(fn $name($driver: &str) $body)*
    };
}

/// Whether there is an io_uring to test. A container may forbid it; then the tests on it say so and judge nothing, but
/// where `WHARF_REQUIRE_URING` is set, as in CI, that is a failure.
pub fn uring_can_be_tested() -> bool {
    match wharf::uring_available() {
        Ok(()) => true,
        Err(error) if std::env::var_os("WHARF_REQUIRE_URING").is_none() => {
            eprintln!("NOT JUDGED: {error}");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// A running `wharf serve`. Killed when it is dropped.
pub struct Serve {
    child: Child,
    /// None once closed.
    output: Option<BufReader<ChildStdout>>,
    log: Arc<Mutex<String>>,
    /// Reads its log, until that ends.
    reader: Option<JoinHandle<()>>,
    pub first_line: String,
    pub address: SocketAddr,
}

impl Serve {
    /// Starts it on a free port, and waits for its first line.
    pub fn start(driver: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(WHARF);
        command.args(["serve", "--listen", "127.0.0.1:0", "--driver", driver]);
        command.args(arguments);
        Self::from_command(command)
    }

    /// As [`start`](Self::start), with a limit of open files.
    pub fn start_with_open_files(limit: u32, driver: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
        command.args(["-c", &script, WHARF]);
        command.args(["serve", "--listen", "127.0.0.1:0", "--driver", driver]);
        command.args(arguments);
        Self::from_command(command)
    }

    pub fn from_command(command: Command) -> Self {
        Self::with_errors(command, Stdio::piped())
    }

    /// As [`from_command`](Self::from_command); what it logs goes elsewhere.
    pub fn with_errors(mut command: Command, errors: Stdio) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("wharf starts");
        let log = Arc::new(Mutex::new(String::new()));
        let reader = child.stderr.take().map(|errors| {
            let copy = log.clone();
            thread::spawn(move || {
                for line in BufReader::new(errors).lines().map_while(Result::ok) {
                    let mut log = copy.lock().unwrap();
                    log.push_str(&line);
                    log.push('\n');
                }
            })
        });
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut first_line = String::new();
        output.read_line(&mut first_line).expect("a first line");
        let address = first_line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.split(' ').next())
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("{first_line:?}: {}", log.lock().unwrap()));
        Serve {
            child,
            output: Some(output),
            log,
            reader,
            first_line,
            address,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its log, which it may still add to: all of it after [`wait`](Self::wait).
    pub fn log_at_the_end(&self) -> Arc<Mutex<String>> {
        self.log.clone()
    }

    /// The next line that it prints, without its end.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let output = self.output.as_mut().expect("its output is open");
        if output.buffer().is_empty() {
            let guard = GUARD.try_into().expect("some seconds");
            let mut more = [PollFd::new(output.get_ref(), PollFlags::IN)];
            let ready = poll(&mut more, Some(&guard)).expect("it can be waited for");
            assert_eq!(ready, 1, "it prints nothing more");
        }
        output.read_line(&mut line).expect("a line");
        assert!(line.ends_with('\n'), "it has ended: {line:?}");
        line.pop();
        line
    }

    /// The table of workers, once all of these have come to wait: a title, a line for each, and what waits for them.
    pub fn table(&mut self, workers: usize) -> Vec<String> {
        loop {
            self.signal(Signal::USR1);
            let mut table = vec![self.line()];
            while !table[table.len() - 1].contains("for a worker") {
                table.push(self.line());
            }
            if table.len() == workers + 2 {
                return table;
            }
        }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it can be connected to");
        stream.set_read_timeout(Some(GUARD)).unwrap();
        stream.set_write_timeout(Some(GUARD)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is running");
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it ends, and returns its status and what it printed after its first line.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        if let Some(output) = &mut self.output {
            output.read_to_string(&mut rest).unwrap();
        }
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status, rest)
    }

    /// Closes our end of its standard output.
    pub fn close_output(&mut self) {
        self.output = None;
    }

    /// Stops it in order and returns its last line, taken apart.
    pub fn stop(self) -> Stopped {
        self.signal(Signal::TERM);
        let log = self.log.clone();
        let (status, rest) = self.wait();
        assert!(status.success(), "{status}: {}", log.lock().unwrap());
        Stopped::parse(&rest)
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    /// How often its threads were given a processor since it started: each sleep that ended counts.
    pub fn switches(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        tasks
            .map(|task| {
                let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
                let counts = status.lines().filter(|line| line.contains("ctxt_switches"));
                let count = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
                counts.filter_map(count).sum::<u64>()
            })
            .sum()
    }

    /// Processor time used so far, in clock ticks (a hundredth of a second).
    pub fn processor_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let after_name = stat.rsplit_once(')').unwrap().1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // utime and stime are fields 14 and 15; the name is field 2.
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// How many files it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .unwrap()
            .count()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last line of a server.
#[derive(Debug, PartialEq, Eq)]
pub struct Stopped {
    pub clients: u64,
    pub received: u64,
    pub sent: u64,
    pub cut: u64,
}

impl Stopped {
    pub fn parse(line: &str) -> Self {
        let rest = line
            .strip_prefix("stopped ")
            .unwrap_or_else(|| panic!("{line:?}"));
        let field = |name: &str| {
            let value = rest
                .split_whitespace()
                .find_map(|field| field.strip_prefix(name));
            value
                .unwrap_or_else(|| panic!("no {name} in {line:?}"))
                .parse()
                .unwrap()
        };
        Stopped {
            clients: field("clients="),
            received: field("received="),
            sent: field("sent="),
            cut: field("cut="),
        }
    }
}

/// Runs `wharf` to its end and returns its exit code, its output and its messages.
pub fn run(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.stdin(Stdio::null()).output().expect("wharf starts");
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Runs a command of `wharf` where /proc is hidden: exit code, output, messages. None where that is not allowed; then a test
/// says so and judges nothing.
pub fn run_without_proc(words: &str) -> Option<(Option<i32>, String, String)> {
    let mut command = Command::new("unshare");
    let script = format!("umount -l /proc && exec \"$0\" {words}");
    command.args(["--mount", "sh", "-c", &script, WHARF]);
    let (code, output, errors) = run(command);
    if output.is_empty() {
        eprintln!("NOT JUDGED: a namespace of one's own, to hide /proc in, is not permitted here");
        return None;
    }
    Some((code, output, errors))
}

/// A pipe that takes nothing more; nobody reads it.
pub fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = fcntl_getfl(&writer).unwrap();
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    for len in [4096, 1] {
        while writer.write(&vec![b'.'; len]).is_ok() {}
    }
    fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

/// A pipe whose reader has gone.
pub fn pipe_without_reader() -> PipeWriter {
    std::io::pipe().unwrap().1
}

/// A device that is always full.
pub fn full_disk() -> fs::File {
    let open = fs::File::options().write(true).open("/dev/full");
    open.expect("Linux has one")
}

/// Bytes that repeat only after 251 times 64 KiB, so that a byte that is lost, doubled or moved shows.
pub fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (seed..seed + len)
        .map(|at| (at % 251) as u8 ^ (at >> 16) as u8)
        .collect()
}

/// Sends and checks the echo of it, in step.
pub fn echo(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
    expect(stream, bytes);
}

/// Sends everything while the echo is read, as a peer must whose messages fill the buffers on the way.
pub fn echo_in_parallel(stream: &TcpStream, bytes: &[u8]) {
    let mut receiver = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || (&*stream).write_all(bytes).unwrap());
        expect(&mut receiver, bytes);
    });
}

pub fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut received = vec![0; bytes.len()];
    stream.read_exact(&mut received).unwrap();
    // Not `assert_eq`: nobody wants to read a mebibyte.
    assert!(
        received == bytes,
        "the echo of {} bytes differs",
        bytes.len()
    );
}

pub fn expect_end(stream: &mut TcpStream) {
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "the end was expected");
}

/// Waits until something holds that only shows by looking.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + GUARD;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not after {GUARD:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Connects as soon as a server listens there.
pub fn client_of(address: SocketAddr) -> TcpStream {
    let mut client = None;
    eventually("it listens", || {
        client = TcpStream::connect(address).ok();
        client.is_some()
    });
    client.expect("it has connected")
}

/// Leaves so much unread that the server holds the rest of it.
pub fn client_that_does_not_read(serve: &Serve) -> TcpStream {
    let client = serve.connect();
    client
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let block = vec![7; 1 << 20];
    while std::io::Write::write_all(&mut (&client), &block).is_ok() {}
    client
}

/// `wharf serve` on an address.
pub fn serve_on(address: &str, driver: &str) -> Command {
    let mut command = Command::new(WHARF);
    command.args(["serve", "--listen", address, "--driver", driver]);
    command
}

/// An address where nobody listens yet, and that the system gives to nobody meanwhile: neither to another test, nor to the
/// client that tries to connect to it, which would meet itself there. A server may still ask for it.
pub fn reserved() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// Runs a command under a kernel that fails one system call.
pub fn run_filtered(call: i64, errno: i32, command: Command) -> (Option<i32>, String, String) {
    filtered(call, errno, || run(command))
}

/// Has everything that `start` starts fail one system call, as a container's seccomp profile would.
pub fn filtered<T: Send>(call: i64, errno: i32, start: impl FnOnce() -> T + Send) -> T {
    let filter = SeccompFilter::new(
        [(call, Vec::new())].into(),
        SeccompAction::Allow,
        SeccompAction::Errno(errno as u32),
        TargetArch::try_from(std::env::consts::ARCH).unwrap(),
    );
    let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
    // A filter holds for the thread that applies it, and for what that thread starts.
    thread::scope(|scope| {
        let filtered = scope.spawn(move || {
            seccompiler::apply_filter(&program).unwrap();
            start()
        });
        filtered
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
