//! How long the requests of the work protocol take: `exp:1ms`, `fixed:1ms`, `bimodal:1ms`.

use std::{str::FromStr, time::Duration};

use crate::{
    quantity::{parse_duration, show_duration},
    work::SERVICE_MAX,
};

/// A distribution of service times, by its mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Service {
    /// Always the same.
    Fixed(Duration),
    /// Exponential. What would be above the limit of the protocol is at the limit: for a mean of 1 s, 1 in 22,000.
    Exponential(Duration),
    /// Nine of ten take half of the mean, the tenth takes 5.5 times the mean.
    Bimodal(Duration),
}

impl Service {
    /// Draws a time, in whole microseconds, as the protocol has it.
    pub fn draw(&self, random: &mut fastrand::Rng) -> Duration {
        let seconds = match self {
            Service::Fixed(mean) => mean.as_secs_f64(),
            Service::Exponential(mean) => mean.as_secs_f64() * exponential(random),
            Service::Bimodal(mean) if random.f64() < 0.9 => mean.as_secs_f64() * 0.5,
            Service::Bimodal(mean) => mean.as_secs_f64() * 5.5,
        };
        Duration::from_micros((seconds * 1e6).round() as u64).min(SERVICE_MAX)
    }

    pub fn mean(&self) -> Duration {
        let (Service::Fixed(mean) | Service::Exponential(mean) | Service::Bimodal(mean)) = self;
        *mean
    }

    /// The longest that is to be expected; of exponential times, one in a billion is longer.
    pub fn longest(&self) -> Duration {
        match self {
            Service::Fixed(mean) => *mean,
            Service::Exponential(mean) => mean.mul_f64(1e9_f64.ln()).min(SERVICE_MAX),
            Service::Bimodal(mean) => mean.mul_f64(5.5),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Service::Fixed(_) => "fixed",
            Service::Exponential(_) => "exp",
            Service::Bimodal(_) => "bimodal",
        }
    }
}

/// Draws from the exponential distribution with mean 1.
pub fn exponential(random: &mut fastrand::Rng) -> f64 {
    // `f64` is below 1, so the logarithm is finite.
    -(1.0 - random.f64()).ln()
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, mean) = text.split_once(':').ok_or_else(|| {
            format!("`{text}` is no distribution; use exp:1ms, fixed:1ms or bimodal:1ms")
        })?;
        let mean = parse_duration(mean)?;
        // Before anything is made of it, since there is no end to what can be written.
        if mean > SERVICE_MAX {
            return Err(too_long(text, mean));
        }
        let service = match name {
            "fixed" => Service::Fixed(mean),
            "exp" => Service::Exponential(mean),
            "bimodal" => Service::Bimodal(mean),
            _ => {
                return Err(format!(
                    "`{name}` is no distribution; use exp, fixed or bimodal"
                ));
            }
        };
        if service.longest() > SERVICE_MAX {
            return Err(too_long(text, service.longest()));
        }
        Ok(service)
    }
}

fn too_long(text: &str, longest: Duration) -> String {
    format!(
        "`{text}` asks for {}, and a server of this protocol refuses more than {}; use a shorter mean",
        show_duration(longest),
        show_duration(SERVICE_MAX)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_has_its_mean_and_its_shape() {
        let mut random = fastrand::Rng::with_seed(7);
        for text in ["fixed:1ms", "exp:1ms", "bimodal:1ms"] {
            let service: Service = text.parse().expect("a distribution");
            let drawn: Vec<f64> = (0..200_000)
                .map(|_| service.draw(&mut random).as_secs_f64() * 1e3)
                .collect();
            let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
            assert!((mean - 1.0).abs() < 0.02, "{text}: mean {mean} ms");
            let above = |limit| drawn.iter().filter(|time| **time > limit).count() as f64 / 2e5;
            let expected = match service {
                Service::Fixed(_) => [(0.999, 1.0), (1.001, 0.0)],
                Service::Exponential(_) => [(1.0, (-1.0_f64).exp()), (3.0, (-3.0_f64).exp())],
                Service::Bimodal(_) => [(0.501, 0.1), (5.501, 0.0)],
            };
            for (limit, share) in expected {
                assert!(
                    (above(limit) - share).abs() < 0.005,
                    "{text} above {limit} ms"
                );
            }
        }
    }

    #[test]
    fn what_the_server_would_refuse_is_refused_here() {
        assert_eq!("fixed:10s".parse(), Ok(Service::Fixed(SERVICE_MAX)));
        for text in [
            "fixed:11s",
            "bimodal:9999999999h",
            "bimodal:2s",
            "exp",
            "exp:",
            "gauss:1ms",
            "exp:1",
        ] {
            assert!(text.parse::<Service>().is_err(), "{text}");
        }
    }
}
