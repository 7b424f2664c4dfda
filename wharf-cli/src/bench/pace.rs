//! When requests leave, and how they are spread over the connections: `--rate`, `--skew`.

use std::str::FromStr;

/// When requests leave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// With the answer to the one before.
    Closed,
    /// When they are due, whatever the answers do.
    Open { rate_hz: f64, skew: Option<Skew> },
}

/// A few connections that carry most of the load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Skew {
    /// How many they are.
    pub connections: usize,
    /// The share of the requests that they make, above 0 and below 1.
    pub share: f64,
}

impl FromStr for Skew {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no skew; use 8:90 for 8 connections that make 90% of the requests")
        };
        let (connections, percent) = text.split_once(':').ok_or_else(wrong)?;
        let connections = connections.parse().map_err(|_| wrong())?;
        let percent: f64 = percent.trim_end_matches('%').parse().map_err(|_| wrong())?;
        if connections == 0 || !(percent > 0.0 && percent < 100.0) {
            return Err(wrong());
        }
        Ok(Skew {
            connections,
            share: percent / 100.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skew_names_connections_and_their_share() {
        let skew: Skew = "8:90%".parse().expect("a skew");
        assert_eq!((skew.connections, skew.share), (8, 0.9));
        for text in ["8", "0:90", "8:0", "8:100", "8:x", "x:90", "8:NaN"] {
            assert!(text.parse::<Skew>().is_err(), "{text}");
        }
    }
}
