//! `wharf doctor`: what this machine allows, what `serve` would choose here, and what to change.

use std::{fs, io, process::ExitCode, thread};

#[cfg(unix)]
use rustix::process::{Resource, getrlimit};
use wharf::CompletionPort;
#[cfg(unix)]
use wharf_server::OpenFiles;
use wharf_server::Settings;

use crate::{
    exit, help, output, system,
    wrap::{Stream, entry},
};

pub const EXAMPLES: &[help::Example] = &[(
    "wharf doctor",
    "Run it before the first `wharf serve` on a machine",
)];

/// Where what was found begins, behind its name.
const NAME_COLUMNS: usize = 16;

/// Below this many open files, the default number of clients does not fit.
#[cfg(unix)]
const OPEN_FILES_SPARE: u64 = 64;

/// What was found, line by line, and what is worth changing.
#[derive(Default)]
struct Findings {
    lines: Vec<(&'static str, String)>,
    advice: Vec<String>,
}

/// Looks and tells. Fails only where no server could run.
pub fn run() -> ExitCode {
    let mut findings = Findings::default();
    findings.kernel();
    findings.processors();
    #[cfg(unix)]
    findings.unix();
    #[cfg(windows)]
    findings.windows();
    let served = findings.choice();
    match output::print(&findings.text(Stream::Output.columns())) {
        Err(error) if !output::reader_has_gone(&error) => {
            return exit::fail(exit::COULD_NOT_RUN, &format!("can't print: {error}"));
        }
        // The reader may have closed its end.
        Ok(()) | Err(_) => {}
    }
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::fail(
            exit::PORT,
            &format!("no completion port can be made: {error}"),
        ),
    }
}

impl Findings {
    fn note(&mut self, name: &'static str, text: impl Into<String>) {
        self.lines.push((name, text.into()));
    }

    #[cfg(unix)]
    fn advise(&mut self, text: impl Into<String>) {
        self.advice.push(text.into());
    }

    fn kernel(&mut self) {
        self.note("kernel", system::kernel());
    }

    fn processors(&mut self) {
        // Linux tells which there are.
        let online = fs::read_to_string("/sys/devices/system/cpu/online");
        let online = online.map_or(String::new(), |list| format!(" (online: {})", list.trim()));
        let usable = match thread::available_parallelism() {
            Ok(count) => count.to_string(),
            Err(error) => format!("unknown ({error})"),
        };
        self.note("processors", format!("{usable} for this process{online}"));
    }

    fn choice(&mut self) -> io::Result<()> {
        let port = CompletionPort::<()>::new(0)?;
        let driver = port.driver().name;
        let concurrency = port.concurrency();
        let threads = Settings::default().threads(concurrency);
        let (workers, most) = (threads.start(), threads.end());
        let choice = format!(
            "driver={driver} workers={workers} max_workers={most} concurrency={concurrency}"
        );
        self.note("serve", format!("would choose {choice}"));
        Ok(())
    }

    /// A line for each finding, for programs that look for one; on a terminal, at its width.
    fn text(&self, columns: Option<usize>) -> String {
        let lines = self.lines.iter().map(|(name, text)| (*name, text.as_str()));
        let advice = self.advice.iter().map(|text| ("to change", text.as_str()));
        let nothing = self.advice.is_empty().then_some(("to change", "nothing"));
        let all = lines.chain(advice).chain(nothing);
        all.map(|(name, text)| entry(name, text, NAME_COLUMNS, columns) + "\n")
            .collect()
    }
}

/// What a Linux kernel allows.
#[cfg(unix)]
impl Findings {
    fn unix(&mut self) {
        self.uring();
        self.open_files();
        self.memory();
        self.backlog();
        self.blocked_workers();
    }

    fn uring(&mut self) {
        let switch = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
        let switch = match switch.trim() {
            "" => String::new(),
            value => format!(" (kernel.io_uring_disabled={value})"),
        };
        match wharf::uring_available() {
            Ok(()) => self.note("io_uring", format!("allowed{switch}")),
            Err(error) => {
                self.note("io_uring", format!("not allowed{switch}"));
                self.advise(format!("{error}; until then transfers are not batched"));
            }
        }
    }

    fn open_files(&mut self) {
        let limits = OpenFiles::current();
        let (soft, hard) = (limit_text(limits.soft), limit_text(limits.hard));
        self.note(
            "open files",
            format!("{soft}, which serve raises to {hard}"),
        );
        let clients = Settings::default().clients_max as u64;
        if limits.hard < clients + OPEN_FILES_SPARE {
            self.advise(format!(
                "{hard} open files are too few for the default of {clients} clients: raise the hard limit (ulimit -Hn, \
                 LimitNOFILE=)"
            ));
        }
    }

    fn memory(&mut self) {
        let locked = getrlimit(Resource::Memlock).current;
        self.note(
            "locked memory",
            match locked {
                None => "no limit".into(),
                Some(bytes) => format!("{} KiB", bytes / 1024),
            },
        );
        let space = getrlimit(Resource::As).current;
        let cgroup = fs::read_to_string("/sys/fs/cgroup/memory.max").unwrap_or_default();
        let cgroup = match cgroup.trim() {
            "" | "max" => String::new(),
            bytes => format!(", {bytes} bytes for the control group"),
        };
        let space = space.map_or("no limit".into(), |bytes| format!("{} MiB", bytes >> 20));
        self.note("memory", format!("address space: {space}{cgroup}"));
    }

    fn backlog(&mut self) {
        const PATH: &str = "/proc/sys/net/core/somaxconn";
        let somaxconn = match fs::read_to_string(PATH) {
            Ok(somaxconn) => somaxconn,
            Err(error) => {
                self.note("backlog", format!("at most unknown ({PATH}: {error})"));
                return;
            }
        };
        let somaxconn = somaxconn.trim();
        self.note(
            "backlog",
            format!("at most {somaxconn} (net.core.somaxconn)"),
        );
        let wanted = Settings::default().backlog;
        if somaxconn.parse().is_ok_and(|limit: u32| limit < wanted) {
            self.advise(format!(
                "the backlog of {wanted} is cut to {somaxconn}: raise sysctl net.core.somaxconn"
            ));
        }
    }

    fn blocked_workers(&mut self) {
        match wharf::thread_states_available() {
            Ok(()) => self.note("blocked workers", "noticed (/proc/self/task can be read)"),
            Err(error) => {
                self.note("blocked workers", "not noticed");
                self.advise(format!(
                    "{error}, so that a handler that blocks gives its place to another; until then only those do that \
                     say so (wharf::blocking)"
                ));
            }
        }
    }
}

/// What a Windows kernel allows: there is less to ask.
#[cfg(windows)]
impl Findings {
    fn windows(&mut self) {
        self.note("completion port", "the kernel's own");
        self.note("open files", "no limit but memory");
        self.note("blocked workers", "noticed by the kernel");
        self.note("timers", "as fine as the system's clock ticks, some 16 ms");
    }
}

#[cfg(unix)]
fn limit_text(limit: u64) -> String {
    match limit {
        u64::MAX => "no limit".into(),
        limit => limit.to_string(),
    }
}
