//! Row 3: what a connection costs that does nothing.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BOTH, from_value, to_value};
use crate::{
    Lab,
    contestants::FLOOR,
    figures::{digits, table},
    machine::kernel_bytes,
    server::Server,
};

const FEW: usize = 1_000;
const MANY: usize = 19_000;

/// Files that are open beside the connections.
const SPARE: u64 = 200;

#[derive(Serialize, Deserialize)]
pub struct Figures {
    pub many: usize,
    pub servers: Vec<Idle>,
    failures: Vec<String>,
}

/// How a connection is used once: the request, and what reads the answer to it.
pub struct Exchange {
    pub request: &'static [u8],
    pub read_answer: fn(&mut TcpStream) -> io::Result<()>,
}

/// 64 bytes, there and back.
pub const ECHO: Exchange = Exchange {
    request: &[7; 64],
    read_answer: |client| client.read_exact(&mut [0; 64]),
};

/// Bytes that came with so many connections, those of the process and those of the kernel.
#[derive(Serialize, Deserialize)]
pub struct Idle {
    pub name: String,
    few: (f64, f64),
    many: (f64, f64),
}

impl Idle {
    /// User-space bytes each: the slope between few and many.
    pub fn user_bytes(&self, many: usize) -> f64 {
        (self.many.0 - self.few.0) / (many - FEW) as f64
    }

    pub fn kernel_bytes(&self, many: usize) -> f64 {
        (self.many.1 - self.few.1) / (many - FEW) as f64
    }
}

pub fn measure(lab: &Lab) -> Result<Value, String> {
    let servers = lab.servers().into_iter();
    let commands = servers.map(|contestant| (contestant.name, contestant.command("echo", 1)));
    to_value(measure_all(commands, &ECHO)?)
}

/// Each of these servers, by name and command.
pub fn measure_all(
    servers: impl Iterator<Item = (&'static str, Vec<String>)>,
    exchange: &Exchange,
) -> Result<Figures, String> {
    let limit = crate::machine::Machine::now().open_files_max;
    let many = MANY.min(limit.saturating_sub(SPARE) as usize);
    if many <= 2 * FEW {
        return Err(format!(
            "{limit} open files are too few for {FEW} and many connections; raise the hard limit"
        ));
    }
    let mut figures = Figures {
        many,
        servers: Vec::new(),
        failures: Vec::new(),
    };
    for (name, command) in servers {
        eprintln!("  {name}");
        match measure_one(name, &command, many, exchange) {
            Ok(idle) => figures.servers.push(idle),
            Err(error) => figures.failures.push(format!("{name}: {error}")),
        }
    }
    Ok(figures)
}

fn measure_one(
    name: &str,
    command: &[String],
    many: usize,
    exchange: &Exchange,
) -> Result<Idle, String> {
    let server = Server::start(BOTH, command)?;
    // What the first clients bring to life is not theirs alone.
    let mut first = connect(&server, 64)?;
    exchange.with_all(&mut first)?;
    let before = bytes(&server)?;
    let since = |(user, kernel): (u64, u64)| {
        (
            user as f64 - before.0 as f64,
            kernel as f64 - before.1 as f64,
        )
    };
    let mut clients = connect(&server, FEW)?;
    exchange.with_all(&mut clients)?;
    let few = since(bytes(&server)?);
    let mut more = connect(&server, many - FEW)?;
    exchange.with_all(&mut more)?;
    let idle = Idle {
        name: name.to_owned(),
        few,
        many: since(bytes(&server)?),
    };
    drop((first, clients, more));
    // The kernel takes a while to forget them.
    thread::sleep(Duration::from_millis(500));
    Ok(idle)
}

/// Memory of the server and of the kernel, once neither moves.
fn bytes(server: &Server) -> Result<(u64, u64), String> {
    thread::sleep(Duration::from_millis(300));
    let user = server.anonymous_bytes().ok_or("its memory can't be read")?;
    Ok((user, kernel_bytes()))
}

fn connect(server: &Server, count: usize) -> Result<Vec<TcpStream>, String> {
    let open = server.open_files() + count;
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let client =
            TcpStream::connect(server.address).map_err(|error| format!("connect: {error}"))?;
        client
            .set_read_timeout(Some(Duration::from_secs(30)))
            .map_err(|error| error.to_string())?;
        clients.push(client);
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.open_files() < open {
        if Instant::now() > deadline {
            return Err(format!("it did not accept {count} connections"));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(clients)
}

impl Exchange {
    /// Each has talked once, as an idle connection has.
    fn with_all(&self, clients: &mut [TcpStream]) -> Result<(), String> {
        for client in clients {
            client
                .write_all(self.request)
                .and_then(|()| (self.read_answer)(client))
                .map_err(|error| format!("exchange: {error}"))?;
        }
        Ok(())
    }
}

pub fn tell(figures: &Value, _: &Path) -> Result<String, String> {
    let figures: Figures = from_value(figures)?;
    Ok(format!(
        "{FEW} and {many} connections to a server of one thread, each of which has sent and got 64 bytes and is idle since; \
         64 others before them brought to life what is made once. User bytes are the growth of the process's anonymous \
         memory; kernel bytes that of slabs, page tables, stacks and socket buffers of the whole machine, so both ends' \
         sockets are in it (about half is the server's); the fit is the slope between the two counts.\n\n{}",
        figures.tell(FLOOR, "the plainest server's"),
        many = figures.many,
    ))
}

impl Figures {
    /// What an idle connection costs, the cheapest first, and what failed. The standard is what the kernel's bytes are
    /// compared with.
    pub fn tell(&self, standard: &str, standard_is: &str) -> String {
        let many = self.many;
        let standard = self.servers.iter().find(|idle| idle.name == standard);
        let mut servers: Vec<&Idle> = self.servers.iter().collect();
        servers.sort_by(|left, right| left.user_bytes(many).total_cmp(&right.user_bytes(many)));
        let rows: Vec<Vec<String>> = servers
            .iter()
            .map(|idle| {
                let (user, kernel) = (idle.user_bytes(many), idle.kernel_bytes(many));
                let above = standard.map_or("-".into(), |standard| {
                    format!("{:+.0}", kernel - standard.kernel_bytes(many))
                });
                vec![
                    idle.name.clone(),
                    format!("{:.0}", idle.few.0 / FEW as f64),
                    format!("{:.0}", idle.many.0 / many as f64),
                    format!("{user:.0}"),
                    format!("{kernel:.0}"),
                    above,
                    format!("{} GB", digits(user * 1e6 / 1e9)),
                    format!("{} GB", digits((user + kernel) * 1e6 / 1e9)),
                ]
            })
            .collect();
        let few_head = format!("user bytes each, of {FEW}");
        let many_head = format!("of {many}");
        let heads = [
            "server",
            &few_head,
            &many_head,
            "fit: user bytes each",
            "fit: kernel bytes each, both ends",
            &format!("kernel bytes above {standard_is}"),
            "a million: user",
            "a million: with both ends' sockets",
        ];
        let failed: String = self
            .failures
            .iter()
            .map(|failure| format!("- {failure}\n"))
            .collect();
        format!("{}\n{failed}", table(&heads, &rows))
    }
}
