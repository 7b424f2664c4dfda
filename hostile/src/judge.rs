//! The judge: whether a polite client was held up by a hostile peer, or by a machine that was too busy.
//!
//! The time of an attack is cut into periods. A period counts if every answer of the idle server that was awaited in it
//! came in time. An answer of the attacked server is too late if it was awaited for longer than the bound, where only
//! the time within periods that count is counted. If fewer than half of the periods count, nothing is judged.

use std::time::{Duration, Instant};

/// How long a period is.
pub const PERIOD: Duration = Duration::from_millis(500);

/// The idle server's answers stay below this in a period that counts.
pub const IDLE_BOUND: Duration = Duration::from_millis(50);

/// One request of a polite client: from when it was begun until its answer was there, or was awaited no more.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub start: Instant,
    pub end: Instant,
    pub answered: bool,
}

impl Sample {
    pub fn took(&self) -> Duration {
        self.end - self.start
    }

    /// How much of it lies between two moments.
    fn within(&self, from: Instant, to: Instant) -> Duration {
        let (start, end) = (self.start.max(from), self.end.min(to));
        end.saturating_duration_since(start)
    }

    fn touches(&self, from: Instant, to: Instant) -> bool {
        self.start < to && self.end > from
    }
}

/// What a time of attack showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every answer came in time.
    Kept,
    /// An answer came too late: how much of the time that counts it took.
    Late(Duration),
    /// The machine is too busy.
    NotJudged,
}

#[derive(Debug, Clone, Copy)]
pub struct Judgement {
    pub verdict: Verdict,
    pub periods: usize,
    pub counted: usize,
}

/// Judges the answers of both servers between two moments. `bound` is how long a polite client may wait.
pub fn judge(
    attacked: &[Sample],
    idle: &[Sample],
    (from, to): (Instant, Instant),
    bound: Duration,
) -> Judgement {
    let mut all = Vec::new();
    let mut start = from;
    while start < to {
        let end = (start + PERIOD).min(to);
        all.push((start, end));
        start = end;
    }
    let counts = |&(from, to): &(Instant, Instant)| {
        let mut asked = idle.iter().filter(|sample| sample.touches(from, to));
        let first = asked.next();
        first.is_some_and(in_time) && asked.all(in_time)
    };
    let counted: Vec<_> = all.iter().copied().filter(counts).collect();
    let latest = attacked
        .iter()
        .map(|sample| {
            let parts = counted.iter().map(|&(from, to)| sample.within(from, to));
            parts.sum::<Duration>()
        })
        .max()
        .unwrap_or_default();
    let verdict = if counted.len() * 2 < all.len() || all.is_empty() {
        Verdict::NotJudged
    } else if latest > bound {
        Verdict::Late(latest)
    } else {
        Verdict::Kept
    };
    Judgement {
        verdict,
        periods: all.len(),
        counted: counted.len(),
    }
}

fn in_time(sample: &Sample) -> bool {
    sample.answered && sample.took() < IDLE_BOUND
}

/// The median, the 99th percentile and the longest, in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Times {
    pub fn of(samples: &[Sample], (from, to): (Instant, Instant)) -> Self {
        let touching = samples.iter().filter(|sample| sample.touches(from, to));
        let mut times: Vec<Duration> = touching.map(Sample::took).collect();
        times.sort_unstable();
        let at = |share: f64| {
            let last = times.len().checked_sub(1)?;
            let time = times[(last as f64 * share).ceil() as usize];
            Some(time.as_secs_f64() * 1e3)
        };
        Times {
            p50: at(0.5).unwrap_or_default(),
            p99: at(0.99).unwrap_or_default(),
            max: at(1.0).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_millis(250);

    /// Requests one after the other, each of so many milliseconds, from the first moment on.
    fn answers(from: Instant, times: impl IntoIterator<Item = u64>) -> Vec<Sample> {
        let mut at = from;
        let sample = |ms| {
            let start = at;
            at += Duration::from_millis(ms);
            Sample {
                start,
                end: at,
                answered: true,
            }
        };
        times.into_iter().map(sample).collect()
    }

    fn judge_seconds(from: Instant, attacked: &[Sample], idle: &[Sample]) -> Judgement {
        judge(attacked, idle, (from, from + Duration::from_secs(4)), BOUND)
    }

    #[test]
    fn quick_answers_beside_quick_ones_pass() {
        let from = Instant::now();
        let quick = answers(from, [10; 400]);
        let judgement = judge_seconds(from, &quick, &quick);
        assert_eq!(judgement.verdict, Verdict::Kept);
        assert_eq!((judgement.counted, judgement.periods), (8, 8));
    }

    #[test]
    fn one_late_answer_beside_quick_ones_fails() {
        let from = Instant::now();
        let attacked = answers(from, [10, 10, 10, 260, 10, 10]);
        let idle = answers(from, [10; 400]);
        let judgement = judge_seconds(from, &attacked, &idle);
        let late = Duration::from_millis(260);
        assert_eq!(judgement.verdict, Verdict::Late(late));
        let attacked = answers(from, [10, 10, 10, 250, 10, 10]);
        let judgement = judge_seconds(from, &attacked, &idle);
        assert_eq!(judgement.verdict, Verdict::Kept);
    }

    #[test]
    fn an_answer_that_never_comes_fails() {
        let from = Instant::now();
        let mut attacked = answers(from, [10, 3_990]);
        attacked[1].answered = false;
        let judgement = judge_seconds(from, &attacked, &answers(from, [10; 400]));
        assert_eq!(
            judgement.verdict,
            Verdict::Late(Duration::from_millis(3_990))
        );
    }

    #[test]
    fn beside_an_idle_server_that_is_as_slow_nothing_is_judged() {
        let from = Instant::now();
        let slow = answers(from, [400; 10]);
        let judgement = judge_seconds(from, &slow, &slow);
        assert_eq!(judgement.verdict, Verdict::NotJudged);
        assert_eq!(judgement.counted, 0);
    }

    #[test]
    fn an_idle_server_that_is_not_asked_or_does_not_answer_judges_nothing() {
        let from = Instant::now();
        let attacked = answers(from, [10; 400]);
        let judgement = judge_seconds(from, &attacked, &[]);
        assert_eq!(judgement.verdict, Verdict::NotJudged);
        let mut silent = answers(from, [10, 3_990]);
        silent[1].answered = false;
        let judgement = judge_seconds(from, &attacked, &silent);
        assert_eq!(judgement.verdict, Verdict::NotJudged);
    }

    #[test]
    fn what_is_late_while_the_idle_one_is_slow_does_not_count() {
        let from = Instant::now();
        // Both are held up from 600 ms on, for 300 ms.
        let attacked = answers(from, [100, 100, 100, 100, 100, 100, 300]);
        let idle = answers(from, [[10; 60].as_slice(), &[300], &[10; 310]].concat());
        let judgement = judge_seconds(from, &attacked, &idle);
        assert_eq!(judgement.verdict, Verdict::Kept);
        assert_eq!((judgement.counted, judgement.periods), (7, 8));
        // Of what goes on for longer, the rest counts.
        let attacked = answers(from, [100, 100, 100, 100, 100, 100, 700]);
        let judgement = judge_seconds(from, &attacked, &idle);
        assert_eq!(judgement.verdict, Verdict::Late(Duration::from_millis(300)));
    }
}
