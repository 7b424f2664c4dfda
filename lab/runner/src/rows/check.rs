//! No row: sees that every contestant starts, and answers every byte and every kind of work.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::{
    BOTH,
    http::{self, Answer},
    tls::Tls,
    web_check,
};
use crate::{
    Lab,
    contestants::{self, Contestant, Role},
    load::Bench,
    server::Server,
};

const RUNS: [(&str, &str); 5] = [
    ("echo", "-n 2000 -c 100"),
    ("echo", "-n 200 -c 20 --size 100k --pipeline 4"),
    ("echo", "-n 300 -c 10 --per-connection 1"),
    (
        "work",
        "-n 500 -c 20 --pipeline 8 --work exp:100us --kind spin",
    ),
    ("work", "-n 200 -c 20 --work fixed:1ms --kind sleep"),
];

/// The same for servers of HTTP.
const HTTP_RUNS: [&str; 8] = [
    "--http /hello --answer hello -n 2000 -c 100",
    "--http /hello --answer hello -n 2000 -c 20 --pipeline 8",
    "--http /hello --answer hello -n 300 -c 10 --per-connection 1",
    "--http /hello --answer hello --also 5:/sleep/1 -n 1000 -c 20",
    "--http /spin/1 -n 100 -c 10",
    "--http /echo --post --size 100000 -n 100 -c 10",
    "--http /bytes/1048576 -n 50 -c 10",
    "--http /count --post --size 1048576 --answer 1048576 -n 50 -c 10",
];

/// And over TLS.
const TLS_RUNS: [&str; 3] = [
    "-c 100 --turn-ms 100",
    "-c 10 --size 100000 --turn-ms 100",
    "-c 10 --per-connection 1 --turn-ms 100",
];

/// Every route, what is sent to it, and what the answer has to be.
pub const ROUTES: [(&str, &str, Expected); 11] = [
    ("GET /hello", "", Expected::Text("hello")),
    ("GET /sleep/1", "", Expected::Any),
    ("GET /spin/1", "", Expected::Any),
    (
        "POST /echo",
        "there and back",
        Expected::Text("there and back"),
    ),
    ("POST /echo", "", Expected::Text("")),
    ("GET /bytes/0", "", Expected::Bytes(0)),
    ("GET /bytes/100000", "", Expected::Bytes(100_000)),
    ("POST /count", "seven b", Expected::Text("7")),
    ("GET /sleep/60001", "", Expected::Refusal),
    ("GET /spin/60001", "", Expected::Refusal),
    ("GET /bytes/67108865", "", Expected::Refusal),
];

/// No answer takes longer, unless a server hangs.
const ANSWER_MAX: Duration = Duration::from_secs(10);

pub enum Expected {
    Text(&'static str),
    Bytes(usize),
    Any,
    /// A status that says the client was wrong.
    Refusal,
}

pub fn run(lab: &Lab) -> Result<(), String> {
    let mut failed = check_all(contestants::all(), &lab.contestants, |built| {
        check_bytes(lab, built, RUNS.into_iter())
    });
    failed.extend(check_all(contestants::http::all(), &lab.http, |built| {
        [1, 2]
            .into_iter()
            .flat_map(|threads| check_http(lab, built, threads))
            .collect()
    }));
    failed.extend(check_all(contestants::win32::all(), &lab.win32, |built| {
        let echoes = RUNS.into_iter().filter(|(app, _)| *app == "echo");
        check_bytes(lab, built, echoes)
    }));
    let tls = Tls::new(&lab.folder)?;
    failed.extend(check_all(contestants::tls::all(), &lab.tls, |built| {
        check_tls(&tls, built)
    }));
    let echoes = Bench::echo(&lab.folder)?;
    failed.extend(check_all(contestants::web::all(), &lab.web, |built| {
        [1, 2]
            .into_iter()
            .flat_map(|threads| web_check::check(&echoes, &tls, built, threads))
            .collect()
    }));
    if failed.is_empty() {
        return Ok(());
    }
    Err(failed.join("\n"))
}

/// Checks those that were built, prints how each did, and gives back what failed.
fn check_all(
    all: &[Contestant],
    built: &[Contestant],
    check: impl Fn(&Contestant) -> Vec<String>,
) -> Vec<String> {
    let mut failed = Vec::new();
    let all = all.iter();
    for name in all
        .filter(|contestant| contestant.role != Role::Again)
        .map(|contestant| contestant.name)
    {
        let Some(built) = built.iter().find(|built| built.name == name) else {
            println!("{name:<26} not built");
            continue;
        };
        let failures = check(built);
        let verdict = if failures.is_empty() {
            "good"
        } else {
            "FAILED"
        };
        println!("{name:<26} {verdict}");
        let failures = failures.into_iter();
        failed.extend(failures.map(|failure| format!("{name}, {failure}")));
    }
    failed
}

/// Each of these runs, an app and its load, on one thread and on two; gives back what failed.
fn check_bytes(
    lab: &Lab,
    built: &Contestant,
    runs: impl Iterator<Item = (&'static str, &'static str)> + Clone,
) -> Vec<String> {
    [1, 2]
        .into_iter()
        .filter(|threads| built.serves_on(*threads))
        .flat_map(|threads| runs.clone().map(move |(app, words)| (threads, app, words)))
        .filter_map(|(threads, app, words)| {
            let error = check(lab, built, threads, app, words).err()?;
            Some(format!("{threads} threads, {app}, {words}: {error}"))
        })
        .collect()
}

/// As [`check_bytes`], over TLS.
fn check_tls(tls: &Tls, built: &Contestant) -> Vec<String> {
    let threads = [1, 2]
        .into_iter()
        .filter(|threads| built.serves_on(*threads));
    threads
        .flat_map(|threads| TLS_RUNS.map(|words| (threads, words)))
        .filter_map(|(threads, words)| {
            let error = tls.turn(built, (BOTH, BOTH), threads, words).err()?;
            Some(format!("{threads} threads, {words}: {error}"))
        })
        .collect()
}

fn check(
    lab: &Lab,
    contestant: &Contestant,
    threads: u32,
    app: &str,
    words: &str,
) -> Result<(), String> {
    let server = Server::start(BOTH, &contestant.command(app, threads))?;
    lab.bench.load(BOTH, &server, words).map(drop)
}

/// Every route by hand, and then under load; gives back what failed.
fn check_http(lab: &Lab, contestant: &Contestant, threads: u32) -> Vec<String> {
    let command = contestant.http_command(threads, http::THREADS_MAX);
    let failure = |what: &str, error| format!("{threads} threads, {what}: {error}");
    let server = match Server::start(BOTH, &command) {
        Ok(server) => server,
        Err(error) => return vec![failure("start", error)],
    };
    let by_hand = ROUTES.iter().filter_map(|(route, body, expected)| {
        let error = ask(server.address, route, body, expected).err()?;
        Some(failure(route, error))
    });
    let under_load = HTTP_RUNS.iter().filter_map(|words| {
        let error = lab.bench.load(BOTH, &server, words).err()?;
        Some(failure(words, error))
    });
    by_hand.chain(under_load).collect()
}

pub fn ask(
    address: SocketAddr,
    route: &str,
    body: &str,
    expected: &Expected,
) -> Result<(), String> {
    let exchange = || {
        let mut client = TcpStream::connect(address)?;
        client.set_read_timeout(Some(ANSWER_MAX))?;
        let length = body.len();
        write!(
            client,
            "{route} HTTP/1.1\r\nhost: lab\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        Answer::read(&mut client)
    };
    let Answer { status, body } = exchange().map_err(|error: io::Error| error.to_string())?;
    let is_right = match expected {
        Expected::Text(text) => status == 200 && body == text.as_bytes(),
        Expected::Bytes(count) => status == 200 && body.len() == *count,
        Expected::Any => status == 200,
        Expected::Refusal => (400..500).contains(&status),
    };
    match is_right {
        true => Ok(()),
        false => Err(format!(
            "status {status}, {} bytes: {}",
            body.len(),
            body[..body.len().min(80)].escape_ascii()
        )),
    }
}
