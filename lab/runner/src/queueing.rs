//! The theory beside row 6: the time in the system of one queue for two servers, and of two queues of one, first come
//! first served, Poisson arrivals. By seeded simulation, which takes any service; checked against the formulas.

/// How long service takes; the mean is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Exponential,
    /// Nine of ten take half, the tenth takes 5.5.
    Bimodal,
}

/// How the servers share the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queues {
    /// Both take from one.
    One,
    /// Each has its own.
    Two,
}

/// How many customers are simulated for a figure.
const CUSTOMERS: usize = 400_000;

/// The 99th percentile of the time in the system, over the mean service time, at a load from 0 to 1.
pub fn p99(queues: Queues, service: Service, load: f64) -> f64 {
    let mut random = Random::new();
    let mut free_at = [0.0_f64; 2];
    let mut now = 0.0;
    let mut times = Vec::with_capacity(CUSTOMERS);
    for _ in 0..CUSTOMERS {
        // Two servers, each of rate 1.
        now += random.exponential() / (2.0 * load);
        let server = match queues {
            Queues::One => usize::from(free_at[1] < free_at[0]),
            Queues::Two => usize::from(random.unit() < 0.5),
        };
        free_at[server] = free_at[server].max(now) + service.draw(&mut random);
        times.push(free_at[server] - now);
    }
    times.sort_by(f64::total_cmp);
    times[CUSTOMERS * 99 / 100]
}

/// The load at which the 99th percentile passes `limit` for good: between the two loads next to it, in a straight line. A
/// tail grows with the load; where a point stands out and the next are below again, something else was in its way.
pub fn load_at(limit: f64, points: &[(f64, f64)]) -> Option<f64> {
    points.windows(2).rev().find_map(|pair| {
        let [(low, below), (high, above)] = *pair else {
            return None;
        };
        (below < limit && limit <= above)
            .then(|| low + (high - low) * (limit - below) / (above - below))
    })
}

impl Service {
    fn draw(self, random: &mut Random) -> f64 {
        match self {
            Service::Exponential => random.exponential(),
            Service::Bimodal if random.unit() < 0.9 => 0.5,
            Service::Bimodal => 5.5,
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers each time.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Random(0x9E37_79B9_7F4A_7C15)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, and without, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_at_ten(queues: Queues) -> f64 {
        let points: Vec<(f64, f64)> = (10..=90)
            .step_by(2)
            .map(|percent| f64::from(percent) / 100.0)
            .map(|load| (load, p99(queues, Service::Exponential, load)))
            .collect();
        load_at(10.0, &points).expect("it is reached")
    }

    #[test]
    fn two_queues_are_as_the_formula_says() {
        // M/M/1: the time in the system is exponential with rate 1 - load.
        for load in [0.3, 0.5, 0.7] {
            let formula = 100.0_f64.ln() / (1.0 - load);
            let simulated = p99(Queues::Two, Service::Exponential, load);
            assert!(
                (simulated / formula - 1.0).abs() < 0.06,
                "{load}: {simulated}, {formula}"
            );
        }
    }

    #[test]
    fn one_queue_carries_what_is_known_at_ten_times_the_mean() {
        let (one, two) = (load_at_ten(Queues::One), load_at_ten(Queues::Two));
        assert!((one - 0.76).abs() < 0.02, "one queue: {one}");
        assert!((two - 0.54).abs() < 0.02, "two queues: {two}");
    }
}
