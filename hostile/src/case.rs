//! One case: a hostile peer against one server, beside polite clients of it and of an idle one.

use std::{
    env, fmt,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    App,
    judge::{Judgement, Times, Verdict},
    pair::{Answers, Pair},
    peers::{Limits, Only, Peer},
    polite::GRACE,
    server::{Holdings, Server},
};

/// How long a polite client of an echo may wait; what comes on top where others ask for work, see [`Case::bound`].
pub const POLITE_WAIT: Duration = Duration::from_millis(250);

/// The longest time that a request of `--app work` may ask for, where the server has `--work-max`.
pub const WORK_MAX: Duration = Duration::from_millis(20);

/// And where it does not.
pub const WORK_MAX_OF_OLD: Duration = Duration::from_secs(10);

/// The time for which both servers are asked before the peer comes.
const WARM_UP: Duration = Duration::from_millis(700);

/// How long what a peer has held is awaited. Workers that were needed leave after 5 s.
const SETTLE_MAX: Duration = Duration::from_secs(15);

/// A peer that has not ended so long after its time is ended.
const OVERTIME: Duration = Duration::from_secs(3);

/// What a server's pools and its allocator may keep, in KiB: in all, and for each of the peer's connections.
const MEMORY_KEPT: u64 = 16 << 10;
const MEMORY_KEPT_OF_A_CLIENT: u64 = 64;

/// Descriptors and threads that there may be more of than before: what a server takes once, when it is first needed.
const FEW: u64 = 2;

pub struct Case<'a> {
    pub program: &'a Path,
    pub peer: &'static Peer,
    pub driver: &'static str,
    pub app: App,
    pub clients_max: usize,
    pub time: Duration,
    /// For `--app work`, where it was given.
    pub polite_wait: Option<Duration>,
    /// In KiB, where it was given.
    pub memory_slack: Option<u64>,
    /// More options of `serve`.
    pub options: &'a [String],
    /// What `serve --help` says.
    pub help: &'a str,
}

/// The result.
pub struct Outcome {
    pub case: String,
    pub judgement: Judgement,
    pub attacked: Times,
    pub idle: Times,
    pub newcomer: Times,
    pub newcomer_judged: bool,
    pub before: Holdings,
    pub after: Holdings,
    pub peak: u64,
    pub deeds: String,
    /// What failed, if anything did.
    pub failed: Vec<String>,
}

impl Outcome {
    pub fn word(&self) -> &'static str {
        match self.judgement.verdict {
            _ if !self.failed.is_empty() => "FAILED",
            Verdict::NotJudged => "not judged",
            _ => "ok",
        }
    }

    /// Whether only the machine was the reason.
    pub fn is_not_judged(&self) -> bool {
        self.failed.is_empty() && self.judgement.verdict == Verdict::NotJudged
    }

    /// Whether late answers are all that failed. Where work is asked for, another program that computes makes the attacked server late, and
    /// the idle one is quick all the same: only a second time tells it from a fault.
    pub fn is_late_alone(&self) -> bool {
        self.failed.len() == 1 && matches!(self.judgement.verdict, Verdict::Late(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |it: &Times| format!("{:.2}/{:.2}/{:.2}", it.p50, it.p99, it.max);
        let (before, after) = (&self.before, &self.after);
        write!(
            formatter,
            "{}: {}; polite p50/p99/max {} ms, idle {} ms, newcomer max {:.2} ms{}; {} of {} periods; memory {:.1} -> \
             {:.1} MiB (most {:.1}), descriptors {} -> {}, threads {} -> {}; {}",
            self.case,
            self.word(),
            times(&self.attacked),
            times(&self.idle),
            self.newcomer.max,
            if self.newcomer_judged {
                ""
            } else {
                " (not judged)"
            },
            self.judgement.counted,
            self.judgement.periods,
            mib(before.memory),
            mib(after.memory),
            mib(self.peak),
            before.descriptors,
            after.descriptors,
            before.threads,
            after.threads,
            self.deeds,
        )?;
        for failed in &self.failed {
            write!(formatter, "\n    {failed}")?;
        }
        Ok(())
    }
}

pub fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

impl Case<'_> {
    pub fn name(&self) -> String {
        format!("{} {} {}", self.peer.name, self.driver, self.app.name())
    }

    fn knows(&self, option: &str) -> bool {
        self.help.contains(option)
    }

    /// Whether each address has only a part of the places, so that even a flood leaves room.
    fn has_shares_of_addresses(&self) -> bool {
        self.knows("--max-clients-per-address")
    }

    fn server_options(&self) -> Vec<String> {
        let mut options = vec![
            "--driver".to_owned(),
            self.driver.to_owned(),
            "--max-clients".to_owned(),
            self.clients_max.to_string(),
        ];
        options.extend(self.app.server_options().into_iter().map(str::to_owned));
        if self.app == App::Work && self.knows("--work-max") {
            options.push("--work-max".to_owned());
            options.push(format!("{}ms", WORK_MAX.as_millis()));
        }
        if self.peer.fills_the_table && self.has_shares_of_addresses() {
            // The peer has eight addresses, so that half of the places are left.
            options.push("--max-clients-per-address".to_owned());
            options.push((self.clients_max / 16).max(2).to_string());
        }
        options.extend(self.options.iter().cloned());
        options
    }

    fn longest(&self) -> Duration {
        if self.knows("--work-max") {
            WORK_MAX
        } else {
            WORK_MAX_OF_OLD
        }
    }

    /// How long a polite client may wait. Where work is asked for, the server may take its turn with each of those that
    /// ask first: twice over, for what is under way when the request comes.
    fn bound(&self, clients: usize, concurrency: u32) -> Duration {
        let turns = match self.app {
            App::Echo | App::Frames(_) => return POLITE_WAIT,
            App::Work if self.peer.only == Only::Work => clients,
            // The part of those that ask for work is small.
            App::Work if self.peer.name == "all" => clients.min(32),
            App::Work => 0,
        };
        let computed = POLITE_WAIT + WORK_MAX * 2 * turns as u32 / concurrency;
        self.polite_wait.unwrap_or(computed)
    }

    /// Runs it. An error is one of the bench, not of the server.
    pub fn run(&self) -> Result<Outcome, String> {
        let options = self.server_options();
        let mut attacked = Server::start(self.program, &options)?;
        let idle = Server::start(self.program, &options)?;
        let limits = Limits {
            clients_max: self.clients_max,
            concurrency: attacked.concurrency as usize,
        };
        let clients = (self.peer.clients)(limits);
        let bound = self.bound(clients, attacked.concurrency);
        let ours = Pair::start(attacked.address, self.app);
        let theirs = Pair::start(idle.address, self.app);
        let before = self.warm_up(&ours, &mut attacked)?;

        let start = Instant::now();
        let peer = self.start_peer(attacked.address, clients)?;
        let (deeds, peak) = self.await_peer(peer, &attacked)?;
        let time = (start, Instant::now());

        let mut failed = Vec::new();
        let after = self.calm_down(&ours, &mut attacked, before, clients, &mut failed)?;
        let answers = self.ask_once_more(ours, theirs, &mut failed);
        let judgement = answers.judge(time, bound, &mut failed);
        stop(attacked, idle, &mut failed);
        Ok(Outcome {
            case: self.name(),
            judgement,
            attacked: Times::of(&answers.stays.samples, time),
            idle: Times::of(&answers.idle_stays.samples, time),
            newcomer: Times::of(&answers.newcomer.samples, time),
            newcomer_judged: answers.newcomer_judged,
            before,
            after,
            peak,
            deeds,
            failed,
        })
    }

    /// Has both servers asked for a while. What the one that is to be attacked holds when all is answered.
    fn warm_up(&self, ours: &Pair, attacked: &mut Server) -> Result<Holdings, String> {
        thread::sleep(WARM_UP);
        ours.rest(true);
        if !ours.await_quiet() || !attacked.await_stats(GRACE) {
            return Err(format!("{}: no answer before the peer came", self.name()));
        }
        let before = holdings(attacked)?;
        ours.rest(false);
        Ok(before)
    }

    /// The peer has gone: what is under way is answered, and nothing more is asked. What the server holds then.
    fn calm_down(
        &self,
        ours: &Pair,
        attacked: &mut Server,
        before: Holdings,
        clients: usize,
        failed: &mut Vec<String>,
    ) -> Result<Holdings, String> {
        ours.rest(true);
        if !ours.await_quiet() {
            failed.push(format!("no answer {GRACE:?} after the peer has gone"));
        }
        let kept = MEMORY_KEPT + clients as u64 * MEMORY_KEPT_OF_A_CLIENT;
        let memory_slack = self.memory_slack.unwrap_or(kept);
        await_settled(attacked, before, memory_slack, failed)
    }

    /// Has the servers asked once more, and ends their clients.
    fn ask_once_more(&self, ours: Pair, theirs: Pair, failed: &mut Vec<String>) -> Answers {
        let asked = Instant::now();
        ours.rest(false);
        thread::sleep(Duration::from_millis(250));
        let (stays, newcomer) = ours.end();
        let (idle_stays, idle_newcomer) = theirs.end();
        let last = Times::of(&newcomer.samples, (asked, Instant::now()));
        if newcomer.failed.is_none() && last.max > 1e3 {
            failed.push(format!("a newcomer waited {:.0} ms afterwards", last.max));
        }
        Answers {
            stays,
            newcomer,
            idle_stays,
            idle_newcomer,
            newcomer_judged: !self.peer.fills_the_table || self.has_shares_of_addresses(),
        }
    }

    /// Starts the peer as a process of its own, which is given way to the others, and ends by itself.
    fn start_peer(&self, server: SocketAddr, clients: usize) -> Result<Child, String> {
        let program = env::current_exe().map_err(|error| error.to_string())?;
        Command::new(program)
            .arg("--peers")
            .arg(self.peer.name)
            .args(self.app.peer_options())
            .arg("--against")
            .arg(server.to_string())
            .arg("--clients")
            .arg(clients.to_string())
            .arg("--milliseconds")
            .arg(self.time.as_millis().to_string())
            .arg("--longest-us")
            .arg(self.longest().as_micros().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the peer can't be started: {error}"))
    }

    /// Waits until it is gone. What it did, and the most memory of the server meanwhile.
    fn await_peer(&self, mut peer: Child, server: &Server) -> Result<(String, u64), String> {
        let start = Instant::now();
        let mut peak = 0;
        let mut overtime = "";
        while let Ok(None) = peer.try_wait() {
            if start.elapsed() > self.time + OVERTIME {
                let _ = peer.kill();
                overtime = " (ended by force)";
            }
            // It may have ended, which is seen later.
            peak = peak.max(server.holdings().map_or(0, |it| it.memory));
            thread::sleep(Duration::from_millis(20));
        }
        let output = peer.wait_with_output().map_err(|error| error.to_string())?;
        if !output.status.success() && overtime.is_empty() {
            return Err(format!(
                "{}: the peer failed: {}",
                self.name(),
                output.status
            ));
        }
        let deeds = String::from_utf8_lossy(&output.stdout);
        Ok((format!("{}{overtime}", deeds.trim()), peak))
    }
}

/// Stops both servers, and says what failed.
fn stop(mut attacked: Server, idle: Server, failed: &mut Vec<String>) {
    if attacked.has_ended() {
        failed.push(format!("the server has ended: {}", attacked.last_errors()));
    } else {
        failed.extend(attacked.stop().err());
    }
    failed.extend(idle.stop().err().map(|it| format!("the idle server: {it}")));
}

fn holdings(server: &Server) -> Result<Holdings, String> {
    let read = server.holdings();
    read.map_err(|error| format!("the server can't be looked at: {error}"))
}

/// Waits until the server holds what it held before. What it holds then, or in the end.
fn await_settled(
    server: &mut Server,
    before: Holdings,
    memory_slack: u64,
    failed: &mut Vec<String>,
) -> Result<Holdings, String> {
    let start = Instant::now();
    loop {
        if server.has_ended() {
            return Ok(Holdings::default());
        }
        let told = server.await_stats(Duration::from_secs(2));
        let now = holdings(server)?;
        let more = what_is_more(&before, &now, memory_slack);
        if told && more.is_empty() {
            return Ok(now);
        }
        if start.elapsed() > SETTLE_MAX {
            if !told {
                failed.push("--stats says nothing".to_owned());
            }
            let after = |it| format!("{SETTLE_MAX:?} after the peer has gone: {it}");
            failed.extend(more.into_iter().map(after));
            return Ok(now);
        }
    }
}

fn what_is_more(before: &Holdings, now: &Holdings, memory_slack: u64) -> Vec<String> {
    let mut more = Vec::new();
    let mut compare = |what: &str, before: u64, now: u64, slack: u64| {
        if now > before + slack {
            more.push(format!("{what} {before} -> {now}"));
        }
    };
    compare("memory in KiB", before.memory, now.memory, memory_slack);
    compare("descriptors", before.descriptors, now.descriptors, FEW);
    compare("threads", before.threads, now.threads, FEW);
    compare("clients", before.clients, now.clients, 0);
    compare("queued", 0, now.queued, 0);
    if let (Some(before), Some(now)) = (before.operations, now.operations) {
        compare("operations", before, now, FEW);
    }
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_left_behind_is_named() {
        let before = Holdings {
            memory: 5_000,
            descriptors: 12,
            threads: 5,
            clients: 1,
            queued: 0,
            operations: Some(2),
        };
        assert!(what_is_more(&before, &before, 0).is_empty());
        let more = Holdings {
            memory: 6_001,
            descriptors: 15,
            threads: 8,
            clients: 2,
            queued: 1,
            operations: Some(5),
        };
        assert_eq!(what_is_more(&before, &more, 1_000).len(), 6);
        let told_nothing = Holdings {
            operations: None,
            ..before
        };
        assert!(what_is_more(&before, &told_nothing, 0).is_empty());
    }
}
