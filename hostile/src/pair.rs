//! The polite clients of a server that is attacked and of an idle one, and what they were answered.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    App,
    judge::{Judgement, Verdict, judge},
    polite::{GRACE, Polite, Told},
};

/// The polite clients of one server.
pub struct Pair {
    stays: Arc<Polite>,
    newcomer: Arc<Polite>,
    threads: Vec<JoinHandle<()>>,
}

impl Pair {
    pub fn start(address: SocketAddr, app: App) -> Self {
        let (stays, newcomer) = (Arc::<Polite>::default(), Arc::<Polite>::default());
        let (one, other) = (stays.clone(), newcomer.clone());
        Pair {
            stays,
            newcomer,
            threads: vec![
                thread::spawn(move || one.stay(address, app)),
                thread::spawn(move || other.come_and_go(address, app)),
            ],
        }
    }

    pub fn rest(&self, rests: bool) {
        self.stays.rest(rests);
        self.newcomer.rest(rests);
    }

    /// Waits until nothing is asked any more. False if answers are missing.
    pub fn await_quiet(&self) -> bool {
        let start = Instant::now();
        loop {
            if self.stays.is_quiet() && self.newcomer.is_quiet() {
                return true;
            }
            if start.elapsed() > GRACE {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn end(self) -> (Told, Told) {
        self.stays.end();
        self.newcomer.end();
        for thread in self.threads {
            let _ = thread.join();
        }
        (self.stays.result(), self.newcomer.result())
    }
}

/// What the polite clients of both servers were answered.
pub struct Answers {
    pub stays: Told,
    pub newcomer: Told,
    pub idle_stays: Told,
    pub idle_newcomer: Told,
    /// The server owes newcomers an answer, too.
    pub newcomer_judged: bool,
}

impl Answers {
    /// Judges what the attacked server answered in that time, beside the idle one, and says what failed.
    pub fn judge(
        &self,
        time: (Instant, Instant),
        bound: Duration,
        failed: &mut Vec<String>,
    ) -> Judgement {
        let idle = [
            &self.idle_stays.samples[..],
            &self.idle_newcomer.samples[..],
        ]
        .concat();
        let mut judged = self.stays.samples.clone();
        if self.newcomer_judged {
            judged.extend_from_slice(&self.newcomer.samples);
        }
        let judgement = judge(&judged, &idle, time, bound);
        if let Verdict::Late(late) = judgement.verdict {
            failed.push(format!(
                "an answer took {late:.2?} while the idle server was quick; {bound:?} is the most"
            ));
        }
        failed.extend(self.stays.failed.clone());
        let newcomer = self.newcomer.failed.clone();
        failed.extend(newcomer.filter(|_| self.newcomer_judged));
        let of_idle = [&self.idle_stays.failed, &self.idle_newcomer.failed];
        let of_idle = of_idle.into_iter().flatten();
        failed.extend(of_idle.map(|it| format!("the idle server: {it}")));
        judgement
    }
}
