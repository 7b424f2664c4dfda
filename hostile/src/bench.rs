//! The command: which cases there are, and how they end.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, nice, setrlimit};

use crate::{
    App,
    case::{Case, Outcome, mib},
    framing::Framing,
    peers::{Deeds, LEFT_OUT, Means, Only, PEERS, Peer},
    server,
};

/// A case failed.
const FAILED: u8 = 1;
/// The arguments make no sense, or the bench could not run.
const USAGE: u8 = 2;

/// Hostile peers against `wharf serve`, each beside polite clients, and these beside an idle server's.
///
/// For each case two servers are started. The peer, in a process of less priority, attacks one of them for some seconds,
/// while of each server one client that stays and one newcomer after the other ask for echoes and check every byte. An answer
/// that takes more than 250 ms fails the case, where the idle server's took less than 50 ms in the same half-second; if
/// fewer than half of these count, the machine is too busy, and the case is tried once more and then not judged. Once the peer
/// has gone, the server's memory, descriptors, threads, clients and operations have to be what they were, within 15 s,
/// and SIGTERM has to stop it in order.
#[derive(Debug, Parser)]
#[command(name = "hostile", max_term_width = 100, args_override_self = true)]
pub struct Arguments {
    /// The built command `wharf`
    #[arg(long, value_name = "PATH", required_unless_present_any = ["list", "against"])]
    server: Option<PathBuf>,

    /// Which peers, by name: `every` is one after the other, `all` is all of them together
    #[arg(
        long,
        value_name = "NAME,..",
        value_delimiter = ',',
        default_value = "every"
    )]
    peers: Vec<String>,

    /// Which of the server's drivers; `turn` takes another for each case
    #[arg(long, value_enum, default_value_t = Driver::Turn)]
    driver: Driver,

    /// What the server does; `own` is work or frames for the peers that only mean something to these, and echo for the others
    #[arg(long, value_enum, default_value_t = Apps::Own)]
    app: Apps,

    /// How the server cuts bytes into frames, where it does [default: in each way, one after the other]
    #[arg(long, value_enum, value_name = "FRAMING,..", value_delimiter = ',')]
    framing: Vec<Framing>,

    /// The servers' --max-clients
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(32..=1 << 16))]
    max_clients: u32,

    /// How long each peer attacks
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,

    /// How long a polite client of `--app work` may wait for an answer [default: 250 ms, and 40 ms for each client that
    /// asks for the longest time, divided by the server's concurrency]
    #[arg(long, value_name = "MS")]
    polite_wait: Option<u64>,

    /// How much more memory the server may keep once a peer has gone, for its pools and its allocator [default: 16 MiB, and
    /// 64 KiB for each of the peer's connections]
    #[arg(long, value_name = "MIB")]
    memory_slack: Option<u64>,

    /// Name the peers, and end
    #[arg(long)]
    list: bool,

    /// More options of `wharf serve`, for both servers
    #[arg(last = true, value_name = "SERVE OPTIONS")]
    options: Vec<String>,

    /// Be the peer, against this server
    #[arg(long, hide = true, requires_all = ["clients", "milliseconds", "longest_us"])]
    against: Option<SocketAddr>,
    #[arg(long, hide = true)]
    clients: Option<usize>,
    #[arg(long, hide = true)]
    milliseconds: Option<u64>,
    #[arg(long, hide = true)]
    longest_us: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Driver {
    Readiness,
    Uring,
    Both,
    Turn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Apps {
    Own,
    Echo,
    Work,
    Frames,
    /// Echo and work; and frames for the peers that only mean something to these.
    Both,
}

const DRIVERS: [&str; 2] = ["readiness", "uring"];

/// A case, as chosen.
type Choice = (&'static Peer, &'static str, App);

impl Arguments {
    fn chosen_peers(&self) -> Result<Vec<&'static Peer>, String> {
        if self.peers == ["every"] {
            return Ok(PEERS.iter().collect());
        }
        let find = |name: &String| {
            let found = PEERS.iter().find(|peer| peer.name == name);
            found.ok_or_else(|| format!("there is no peer {name:?}; --list names them"))
        };
        self.peers.iter().map(find).collect()
    }

    fn choices(&self) -> Result<Vec<Choice>, String> {
        let mut choices = Vec::new();
        for peer in self.chosen_peers()? {
            for app in self.apps(peer.only) {
                let drivers = match self.driver {
                    Driver::Readiness => &DRIVERS[..1],
                    Driver::Uring => &DRIVERS[1..],
                    Driver::Both => &DRIVERS[..],
                    Driver::Turn => {
                        let turn = choices.len() % 2;
                        &DRIVERS[turn..=turn]
                    }
                };
                choices.extend(drivers.iter().map(|&driver| (peer, driver, app)));
            }
        }
        if !self.framing.is_empty()
            && !choices
                .iter()
                .any(|(.., app)| matches!(app, App::Frames(_)))
        {
            return Err("--framing is for --app frames, or for the peer `frames`".to_owned());
        }
        if choices.is_empty() {
            return Err(
                "these peers mean something to another --app only; --list says to which".to_owned(),
            );
        }
        Ok(choices)
    }

    fn apps(&self, only: Only) -> Vec<App> {
        let framings = match &self.framing[..] {
            [] => Framing::value_variants(),
            chosen => chosen,
        };
        let frames = framings.iter().copied().map(App::Frames);
        let mut apps = match (self.app, only) {
            (Apps::Own, Only::Any) | (Apps::Echo, _) => vec![App::Echo],
            (Apps::Own, Only::Work) | (Apps::Work, _) => vec![App::Work],
            (Apps::Own | Apps::Both, Only::Frames) | (Apps::Frames, _) => frames.collect(),
            (Apps::Both, _) => vec![App::Echo, App::Work],
        };
        apps.retain(|&app| only.is(app));
        apps
    }
}

pub fn run(arguments: &Arguments) -> ExitCode {
    raise_open_files();
    let run = if arguments.list {
        list();
        Ok(ExitCode::SUCCESS)
    } else if let Some(server) = arguments.against {
        be_the_peer(arguments, server)
    } else {
        run_cases(arguments)
    };
    run.unwrap_or_else(|wrong| {
        eprintln!("error: {wrong}");
        ExitCode::from(USAGE)
    })
}

fn list() {
    for peer in PEERS {
        let for_whom = match peer.only {
            Only::Any => "",
            Only::Work => " (--app work)",
            Only::Frames => " (--app frames)",
        };
        say(&format!("{:<18} {}{for_whom}", peer.name, peer.does));
    }
    say(&format!("\nNot here:\n{LEFT_OUT}"));
}

fn run_cases(arguments: &Arguments) -> Result<ExitCode, String> {
    let program = arguments.server.as_deref().ok_or("no --server")?;
    let choices = arguments.choices()?;
    let help = server::help(program)?;
    let start = Instant::now();
    let mut outcomes = Vec::new();
    for (peer, driver, app) in choices {
        if matches!(app, App::Frames(_)) && !help.contains("--frames") {
            let framing = app.name();
            say(&format!(
                "{} {driver} {framing}: left out, since this build has no `serve --frames`",
                peer.name
            ));
            continue;
        }
        let case = Case {
            program,
            peer,
            driver,
            app,
            clients_max: arguments.max_clients as usize,
            time: Duration::from_secs(arguments.seconds),
            polite_wait: arguments.polite_wait.map(Duration::from_millis),
            memory_slack: arguments.memory_slack.map(|mib| mib * 1024),
            options: &arguments.options,
            help: &help,
        };
        let mut outcome = case.run()?;
        let again = match () {
            _ if outcome.is_not_judged() => Some("the machine is too busy; once more"),
            _ if outcome.is_late_alone() => Some("late, and nothing else: once more, which counts"),
            _ => None,
        };
        if let Some(again) = again {
            say(&format!("{outcome}\n    {again}"));
            outcome = case.run()?;
        }
        say(&outcome.to_string());
        outcomes.push(outcome);
    }
    print_table(&outcomes);
    let failed = outcomes.iter().filter(|it| !it.failed.is_empty()).count();
    let not_judged = outcomes.iter().filter(|it| it.is_not_judged()).count();
    say(&format!(
        "{} cases in {:.0} s: {failed} failed, {not_judged} not judged since the machine is too busy",
        outcomes.len(),
        start.elapsed().as_secs_f64()
    ));
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FAILED),
    })
}

fn print_table(outcomes: &[Outcome]) {
    say(&format!(
        "\n{:<34} {:<10} {:>9} {:>9} {:>9} {:>9} {:>13} {:>9} {:>9}",
        "peer, driver, app",
        "verdict",
        "p99, ms",
        "max",
        "newcomer",
        "idle max",
        "memory, MiB",
        "files",
        "threads"
    ));
    for it in outcomes {
        let pair = |before: u64, after: u64| format!("{before} > {after}");
        let (before, after) = (&it.before, &it.after);
        say(&format!(
            "{:<34} {:<10} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>13} {:>9} {:>9}",
            it.case,
            it.word(),
            it.attacked.p99,
            it.attacked.max,
            it.newcomer.max,
            it.idle.max,
            format!("{:.1} > {:.1}", mib(before.memory), mib(after.memory)),
            pair(before.descriptors, after.descriptors),
            pair(before.threads, after.threads),
        ));
    }
}

/// The process of the peer itself.
fn be_the_peer(arguments: &Arguments, server: SocketAddr) -> Result<ExitCode, String> {
    // The servers and the polite clients end first, and no process is left behind if the bench is ended.
    let _ = nice(10);
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let number = |given: Option<u64>| given.ok_or("a peer needs its numbers");
    let means = Means {
        server,
        clients: number(arguments.clients.map(|it| it as u64))? as usize,
        part: 1.0,
        ends: Instant::now() + Duration::from_millis(number(arguments.milliseconds)?),
        app: match (arguments.app, &arguments.framing[..]) {
            (Apps::Work, _) => App::Work,
            (Apps::Frames, &[framing]) => App::Frames(framing),
            _ => App::Echo,
        },
        longest: Duration::from_micros(number(arguments.longest_us)?),
        deeds: Deeds::default(),
    };
    for peer in arguments.chosen_peers()? {
        (peer.run)(&means);
    }
    say(&means.deeds.line());
    Ok(ExitCode::SUCCESS)
}

/// A thousand clients need as many files.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // If it can't be raised, connections are refused, which is reported.
    let _ = setrlimit(Resource::Nofile, raised);
}

fn say(line: &str) {
    // The reader may have closed its end; the exit code tells too.
    let mut output = io::stdout().lock();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(arguments: &[&str]) -> Result<Vec<String>, String> {
        let given = ["hostile", "--server", "wharf"].iter().chain(arguments);
        let choices = Arguments::parse_from(given).choices()?;
        let name = |(peer, driver, app): Choice| format!("{} {driver} {}", peer.name, app.name());
        Ok(choices.into_iter().map(name).collect())
    }

    #[test]
    fn by_default_each_peer_runs_once_on_the_drivers_in_turn() {
        let cases = cases(&[]).unwrap();
        let framings = Framing::value_variants().len();
        assert_eq!(cases.len(), PEERS.len() - 1 + framings);
        assert_eq!(cases[0], "never-reads readiness echo");
        assert_eq!(cases[1], "byte-a-second uring echo");
        assert!(
            cases
                .iter()
                .any(|case| case.starts_with("frames-900") && case.ends_with(" work"))
        );
        let is_of_frames = |case: &&String| case.starts_with("frames ");
        assert_eq!(cases.iter().filter(is_of_frames).count(), framings);
    }

    #[test]
    fn both_drivers_and_both_apps_are_all_that_mean_something() {
        let cases = cases(&[
            "--driver",
            "both",
            "--app",
            "both",
            "--peers",
            "urgent,frames-900",
        ]);
        let expected = [
            "urgent readiness echo",
            "urgent uring echo",
            "urgent readiness work",
            "urgent uring work",
            "frames-900 readiness work",
            "frames-900 uring work",
        ];
        assert_eq!(cases.unwrap(), expected);
    }

    #[test]
    fn what_would_run_nothing_is_refused() {
        assert!(cases(&["--peers", "nobody"]).is_err());
        assert!(cases(&["--peers", "frames-900", "--app", "echo"]).is_err());
        assert!(cases(&["--peers", "frames", "--app", "work"]).is_err());
        assert!(cases(&["--peers", "urgent", "--framing", "u8"]).is_err());
    }
}
