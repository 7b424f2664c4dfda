//! Who is measured: one line each.

pub mod http;
pub mod tls;
pub mod web;
pub mod win32;

use std::path::{self, Path, PathBuf};

/// Where a contestant's program is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    /// `wharf serve`.
    Product,
    /// A package of the lab's workspace.
    Rust(&'static str),
    /// Built from Debian's packages, in a folder of its own.
    Native(&'static str),
    /// An example of Wharf.
    Example(&'static str),
    /// A native one that was built for Windows: Wine runs it.
    Windows(&'static str),
}

/// A server that is measured.
#[derive(Debug, Clone)]
pub struct Contestant {
    pub name: &'static str,
    /// What it is, for the report.
    pub what: &'static str,
    program: Program,
    /// What it is started with, beside what all are.
    arguments: &'static [&'static str],
    pub role: Role,
    path: PathBuf,
}

/// What part it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What is measured against.
    Floor,
    /// The plainest server under another name: it differs from itself by what the machine does.
    Again,
    Wharf,
    Peer,
    /// Only where handlers block: the remedy that a peer's documentation gives.
    Remedy,
}

/// The plainest server: what every ratio is to.
pub const FLOOR: &str = "floor-epoll";

/// The same once more, where aims are judged.
pub const AGAIN: &str = "floor-epoll again";

const fn contestant(
    name: &'static str,
    what: &'static str,
    role: Role,
    program: Program,
    arguments: &'static [&'static str],
) -> Contestant {
    Contestant {
        name,
        what,
        program,
        arguments,
        role,
        path: PathBuf::new(),
    }
}

/// What is compared stands together, so that little time passes between the turns of a pair.
static ALL: [Contestant; 19] = {
    use Program::{Native, Product, Rust};
    use Role::{Again, Floor, Peer, Remedy, Wharf};
    [
        contestant(
            FLOOR,
            "C, epoll, level-triggered, one recv and one send a message",
            Floor,
            Native("floor-epoll"),
            &[],
        ),
        contestant(
            "wharf-readiness",
            "Wharf, readiness with plain system calls",
            Wharf,
            Product,
            &["--driver", "readiness"],
        ),
        contestant(
            "wharf-uring",
            "Wharf, readiness with transfers batched through io_uring",
            Wharf,
            Product,
            &["--driver", "uring"],
        ),
        contestant(
            AGAIN,
            "floor-epoll under another name, where aims are judged: how far it is from 1.00 is noise",
            Again,
            Native("floor-epoll"),
            &[],
        ),
        contestant(
            "floor-epoll beside a thread",
            "floor-epoll in a process with another thread, which sleeps: what threads cost in the kernel, where aims are judged",
            Again,
            Native("floor-epoll"),
            &["--sleeping", "yes"],
        ),
        contestant(
            "floor-uring",
            "C, io_uring, DEFER_TASKRUN, multishot accept",
            Floor,
            Native("floor-uring"),
            &[],
        ),
        contestant(
            "asio",
            "C++, Boost.Asio, one io_context run by all threads",
            Peer,
            Native("asio"),
            &[],
        ),
        contestant(
            "libuv",
            "C, libuv, a loop a thread",
            Peer,
            Native("libuv"),
            &[],
        ),
        contestant(
            "tokio-one",
            "tokio, current-thread runtime",
            Peer,
            Rust("peer-tokio"),
            &["--flavour", "one"],
        ),
        contestant(
            "tokio-pool",
            "tokio, multi-thread runtime",
            Peer,
            Rust("peer-tokio"),
            &["--flavour", "pool"],
        ),
        contestant(
            "may",
            "may, a coroutine a connection",
            Peer,
            Rust("peer-may"),
            &[],
        ),
        contestant(
            "go",
            "Go, a goroutine a connection",
            Peer,
            Native("go"),
            &[],
        ),
        contestant(
            "smol",
            "smol, one executor run by all threads",
            Peer,
            Rust("peer-smol"),
            &[],
        ),
        contestant(
            "compio",
            "compio, io_uring, dispatcher",
            Peer,
            Rust("peer-compio"),
            &[],
        ),
        contestant(
            "monoio",
            "monoio, io_uring, a runtime a thread",
            Peer,
            Rust("peer-monoio"),
            &[],
        ),
        contestant(
            "tokio-uring",
            "tokio-uring, a runtime a thread",
            Peer,
            Rust("peer-tokio-uring"),
            &[],
        ),
        contestant(
            "glommio",
            "glommio, io_uring, an executor a thread",
            Peer,
            Rust("peer-glommio"),
            &[],
        ),
        contestant(
            "tokio-spawn-blocking",
            "tokio, work in spawn_blocking",
            Remedy,
            Rust("peer-tokio"),
            &["--flavour", "spawn-blocking"],
        ),
        contestant(
            "tokio-block-in-place",
            "tokio, work in block_in_place",
            Remedy,
            Rust("peer-tokio"),
            &["--flavour", "block-in-place"],
        ),
    ]
};

/// Of these, those that have any of `only` in their names, and what is measured against; all if `only` is empty. What was
/// not built is in the report by what the build said.
pub fn chosen(all: &[Contestant], lab: &Path, only: &[String]) -> Vec<Contestant> {
    all.iter()
        .filter(|contestant| {
            let named = only
                .iter()
                .any(|part| contestant.name.contains(part.as_str()));
            only.is_empty() || matches!(contestant.role, Role::Floor | Role::Again) || named
        })
        .map(|contestant| Contestant {
            path: contestant.program.path(lab),
            ..contestant.clone()
        })
        .filter(|contestant| contestant.path.exists())
        .collect()
}

/// All there are that serve bytes, built or not.
pub fn all() -> &'static [Contestant] {
    &ALL
}

impl Program {
    fn path(self, lab: &Path) -> PathBuf {
        match self {
            Program::Product => lab.join("../target/release/wharf"),
            Program::Rust(package) => lab.join("target/release").join(package),
            Program::Native(name) | Program::Windows(name) => lab.join("target/peers").join(name),
            Program::Example(name) => lab.join("../target/release/examples").join(name),
        }
    }
}

impl Contestant {
    /// The program and its arguments, to serve an app on so many threads.
    pub fn command(&self, app: &str, threads: u32) -> Vec<String> {
        self.command_with_workers(app, threads, threads, threads)
    }

    /// As [`command`](Self::command); of Wharf's workers, `concurrency` run at once, and there may be `workers_max` where
    /// some are blocked.
    pub fn command_with_workers(
        &self,
        app: &str,
        workers: u32,
        workers_max: u32,
        concurrency: u32,
    ) -> Vec<String> {
        let mut command = self.runner();
        let mut add = |words: &[&str]| command.extend(words.iter().map(|word| (*word).to_owned()));
        add(&[&self.path.display().to_string()]);
        if self.program == Program::Product {
            add(&["--log", "error", "serve"]);
        }
        add(&["--listen", "127.0.0.1:0", "--app", app]);
        add(self.arguments);
        if self.program == Program::Product {
            // All that the limit of open files allows.
            add(&["--max-clients", "100000"]);
            // As large as the others' are.
            add(&["--buffer", "16384"]);
            add(&["--workers", &workers.to_string()]);
            add(&["--max-workers", &workers_max.to_string()]);
            add(&["--concurrency", &concurrency.to_string()]);
            // As the others, it refuses no work.
            add(&["--work-max", "10s"]);
        } else if !self.has_one_thread() {
            add(&["--threads", &workers.to_string()]);
        }
        command
    }

    /// What runs the program, where the system can't.
    fn runner(&self) -> Vec<String> {
        let (Program::Windows(_), Some(peers)) = (self.program, self.path.parent()) else {
            return Vec::new();
        };
        // Wine takes no other path. What can't be made one does not start, and Wine says why.
        let prefix = peers.with_file_name("wine");
        let prefix = path::absolute(&prefix).unwrap_or(prefix);
        let prefix = format!("WINEPREFIX={}", prefix.display());
        ["env", &prefix, "WINEDEBUG=-all", "wine"]
            .map(str::to_owned)
            .into()
    }

    /// Whether it can serve on so many threads.
    pub fn serves_on(&self, threads: u32) -> bool {
        threads == 1 || !self.has_one_thread()
    }

    /// Those on tokio's current-thread runtime.
    fn has_one_thread(&self) -> bool {
        self.arguments == ["--flavour", "one"]
    }
}
