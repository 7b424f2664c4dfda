//! An example as a program of its own, for the tests that talk to it.

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// The time-out for everything that should come at once, long enough for the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Starts one. Wine on a busy machine now and then fails to (`ERROR_INTERNAL_ERROR`); then it is tried again.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    const INTERNAL_ERROR: i32 = 1359;
    for _ in 0..3 {
        match command.spawn() {
            Err(error) if cfg!(windows) && error.raw_os_error() == Some(INTERNAL_ERROR) => {}
            spawned => return spawned,
        }
    }
    command.spawn()
}

/// A running example.
pub struct Example {
    pub child: Child,
    pub input: Option<ChildStdin>,
    pub output: Receiver<String>,
    pub errors: Receiver<String>,
    pub address: SocketAddr,
}

impl Example {
    /// Starts an example on a free port.
    pub fn start(name: &str, arguments: &[&str]) -> Example {
        let mut command = Command::new(program(name));
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        Self::start_command(command)
    }

    pub fn start_command(mut command: Command) -> Example {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn(&mut command).expect("the example starts");
        let input = child.stdin.take();
        let output = lines_of(child.stdout.take().expect("it was piped"));
        let errors = lines_of(child.stderr.take().expect("it was piped"));
        let mut example = Example {
            child,
            input,
            output,
            errors,
            address: SocketAddr::from(([0; 4], 0)),
        };
        let first = next_line(&example.output);
        let address = first.strip_prefix("listening on ");
        let address = address.unwrap_or_else(|| panic!("the first line is {first:?}"));
        example.address = address.parse().expect("an address with the real port");
        example
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        with_timeouts(stream)
    }

    /// Ends its standard input, and sees it end in order. Returns the last line that it printed.
    pub fn stop(mut self) -> String {
        drop(self.input.take());
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "it goes on after the end of its input"
            );
            thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "it ended with {status}");
        let last = next_line(&self.output);
        assert!(last.starts_with("stopped"), "the last line is {last:?}");
        last
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where cargo puts an example: beside the directory of the tests.
pub fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a test is a file");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("a test is in `deps`, in the profile's directory");
    let program = profile
        .join("examples")
        .join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "{} is not built: `cargo build --workspace --examples`",
        program.display()
    );
    program
}

/// The lines of a program's output, as they come.
pub fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

pub fn next_line(lines: &Receiver<String>) -> String {
    lines.recv_timeout(PATIENCE).expect("it prints a line")
}

pub fn with_timeouts(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
    stream
}
