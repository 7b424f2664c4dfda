//! How late a server's ticks are: `cargo bench -p wharf-server --bench ticks`.
//!
//! 20 ticks a second for 20 seconds, on each driver, while clients in threads of this process ask for echoes: none; 10,000 a
//! second or so; or as many as go.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use wharf::{Buffer, DriverChoice};
use wharf_server::{Client, Clients, Handler, Result, Server, Tick, codec::Raw};

const PERIOD: Duration = Duration::from_millis(50);

/// Each with a thread.
const CLIENTS: usize = 4;

/// What the clients do.
#[derive(Debug, Clone, Copy)]
enum Load {
    None,
    /// Each asks, and rests for so long.
    Some(Duration),
    All,
}

/// An echo server that notes how late its ticks are.
#[derive(Clone, Default)]
struct Echo(Arc<Noted>);

#[derive(Default)]
struct Noted {
    late: Mutex<Vec<Duration>>,
    missed: AtomicU64,
}

impl Handler for Echo {
    type Session = ();
    type Codec = Raw;
    type Message = ();

    fn codec(&self) -> Raw {
        Raw
    }

    fn connected(&self, _: &Client) -> Result {
        Ok(())
    }

    fn received(&self, client: &Client, (): &mut (), bytes: Buffer) -> Result {
        Ok(client.send(bytes)?)
    }

    fn tick(&self, _: &Clients, tick: Tick) {
        let mut late = self.0.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.push(tick.late);
        self.0.missed.fetch_add(tick.missed, Ordering::Relaxed);
    }
}

fn main() {
    // Without `--bench`, which `cargo bench` gives, it is only to be seen to run.
    let time = match std::env::args().any(|argument| argument == "--bench") {
        true => Duration::from_secs(20),
        false => Duration::from_millis(300),
    };
    let loads = [
        Load::None,
        Load::Some(Duration::from_micros(350)),
        Load::All,
    ];
    #[cfg(target_os = "linux")]
    let drivers = [DriverChoice::Readiness, DriverChoice::Uring];
    #[cfg(not(target_os = "linux"))]
    let drivers = [DriverChoice::Auto];
    println!("How late ticks are, {PERIOD:?} apart, for {time:?}");
    for driver in drivers {
        for load in loads {
            measure(driver, load, time);
        }
    }
}

fn measure(driver: DriverChoice, load: Load, time: Duration) {
    let echo = Echo::default();
    let builder = Server::builder()
        .listen(SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .driver(driver)
        .tick(PERIOD);
    let server = match builder.start(echo.clone()) {
        Ok(server) => server,
        Err(error) => return println!("{driver:?}: {error}"),
    };
    let stops = Arc::new(AtomicBool::new(false));
    let begin = Instant::now();
    let clients: Vec<JoinHandle<u64>> = (0..CLIENTS)
        .filter(|_| !matches!(load, Load::None))
        .map(|_| {
            let (address, stops) = (server.local_addr(), stops.clone());
            thread::spawn(move || ask(address, load, &stops).expect("it answers"))
        })
        .collect();
    thread::sleep(time);
    stops.store(true, Ordering::Relaxed);
    let echoes: u64 = clients
        .into_iter()
        .map(|client| client.join().expect("it has not panicked"))
        .sum();
    let rate_hz = echoes as f64 / begin.elapsed().as_secs_f64();
    server.stop(Duration::from_secs(10));
    let mut late = std::mem::take(&mut *echo.0.late.lock().unwrap_or_else(PoisonError::into_inner));
    late.sort_unstable();
    let at = |share: f64| late[(late.len() - 1).min((late.len() as f64 * share) as usize)];
    println!(
        "{:<10} {rate_hz:>8.0} echoes/s: p50 {:?}, p99 {:?}, latest {:?} of {} ticks, {} missed",
        format!("{driver:?}"),
        at(0.5),
        at(0.99),
        at(1.0),
        late.len(),
        echo.0.missed.load(Ordering::Relaxed)
    );
}

fn ask(address: SocketAddr, load: Load, stops: &AtomicBool) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut echoes = 0;
    while !stops.load(Ordering::Relaxed) {
        let mut echo = [0; 64];
        stream.write_all(&[7; 64])?;
        stream.read_exact(&mut echo)?;
        echoes += 1;
        if let Load::Some(rest) = load {
            thread::sleep(rest);
        }
    }
    Ok(echoes)
}
