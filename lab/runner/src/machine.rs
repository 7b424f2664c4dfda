//! The machine that is measured on, and how it stands.

use std::{fs, process::Command};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// Where and when figures were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub processors: usize,
    pub memory_gib: u64,
    pub kernel: String,
    pub congestion_control: String,
    pub open_files_max: u64,
    pub date: String,
    pub revision: String,
}

impl Machine {
    pub fn now() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let models = cpuinfo
            .lines()
            .filter_map(|line| line.strip_prefix("model name"));
        let models: Vec<&str> = models
            .map(|rest| rest.trim_start_matches([' ', '\t', ':']))
            .collect();
        Machine {
            processor: (*models.first().unwrap_or(&"unknown")).to_owned(),
            processors: models.len(),
            memory_gib: (meminfo_kib("MemTotal:") + (1 << 19)) >> 20,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control")
                .trim()
                .to_owned(),
            open_files_max: getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX),
            date: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            revision: revision(),
        }
    }
}

/// The commit, marked if the tree has changes that are not in it. What the lab itself writes while it measures is none.
fn revision() -> String {
    let commit = said("git", &["describe", "--always", "--exclude=*"]);
    let written = ["results", "plots", "report.md"].map(|name| format!(":(top,exclude)lab/{name}"));
    let mut status = vec![
        "status",
        "--porcelain",
        "--untracked-files=no",
        "--",
        ":(top)",
    ];
    status.extend(written.iter().map(String::as_str));
    let dirty = if said("git", &status).is_empty() {
        ""
    } else {
        "-dirty"
    };
    commit + dirty
}

/// Memory that the kernel uses for itself, in bytes: slabs, page tables, stacks, and the buffers of sockets.
pub fn kernel_bytes() -> u64 {
    let kib: u64 = ["Slab:", "PageTables:", "KernelStack:"]
        .into_iter()
        .map(meminfo_kib)
        .sum();
    let sockstat = read("/proc/net/sockstat");
    let pages = sockstat
        .lines()
        .find(|line| line.starts_with("TCP:"))
        .and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
    kib * 1024 + pages.unwrap_or(0) * 4096
}

/// Raises the limit of open files as far as it goes.
pub fn raise_open_files() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Where it can't be raised, a row that needs more says so.
    let _ = setrlimit(Resource::Nofile, raised);
}

fn meminfo_kib(name: &str) -> u64 {
    let meminfo = read("/proc/meminfo");
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or("unknown".into(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}
