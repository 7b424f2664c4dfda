//! Quantities with units, in and out: `50k`, `16KiB`, `1.5ms`.

use std::time::Duration;

/// Reads a count or a size: a number, perhaps with a fraction, and `k`, `M`, `G` (powers of 1,000) or `Ki`, `Mi`, `Gi`
/// (powers of 1,024), perhaps with a `B` behind.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let count = parse_scaled(text)?;
    if count.fract() != 0.0 || count > 2_f64.powi(53) {
        return Err(format!(
            "`{text}` is not a whole number that can be counted to"
        ));
    }
    Ok(count as u64)
}

/// Reads a rate, in 1 a second: as [`parse_count`] does, with a fraction if it is one.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = parse_scaled(text.strip_suffix("/s").unwrap_or(text))?;
    if rate == 0.0 {
        return Err("a rate of 0 would never do anything; use a higher one".into());
    }
    if !rate.is_finite() {
        return Err("this rate is beyond any number; use 1G or less".into());
    }
    Ok(rate)
}

fn parse_scaled(text: &str) -> Result<f64, String> {
    let (number, unit) = split(text)?;
    let scale = match unit.strip_suffix('B').unwrap_or(unit) {
        "" => 1.0,
        "k" | "K" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "Ki" => 1_024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        _ => {
            return Err(format!(
                "`{unit}` is no unit of a count; use k, M, G, Ki, Mi or Gi"
            ));
        }
    };
    Ok(number * scale)
}

/// The units of time, with what they are in seconds.
const UNITS_S: [(&str, f64); 9] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("h", 3_600.0),
    ("d", 86_400.0),
];

/// Reads a time: a number, perhaps with a fraction, and `ns`, `us`, `ms`, `s`, `m` (or `min`), `h` or `d`; or several of
/// those, which add up, as in `1m30s`. A bare number is refused, even 0, with what would do.
///
/// The result may be as long as a [`Duration`] can be, and so too long for any clock: code that adds it to an instant
/// has to check for that.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    loop {
        let (number, behind) = split(rest)?;
        let end = behind
            .find(|char: char| char.is_ascii_digit() || char == '.' || char.is_whitespace())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let seconds = match UNITS_S.iter().find(|(name, _)| *name == unit) {
            Some((_, seconds)) => number * seconds,
            None if unit.is_empty() => {
                let bare = &rest[..rest.len() - behind.len()].trim_end();
                return Err(format!(
                    "`{bare}` has no unit of time; use {bare}s or {bare}ms"
                ));
            }
            None => {
                return Err(format!(
                    "`{unit}` is no unit of time; use ns, us, ms, s, m, h or d, as in 1.5ms or 1m30s"
                ));
            }
        };
        // Nanoseconds are what a `Duration` holds, so that is where to round.
        sum = Duration::try_from_secs_f64(seconds)
            .ok()
            .and_then(|part| sum.checked_add(part))
            .ok_or_else(|| format!("`{text}` is longer than any clock runs; use 1000d or less"))?;
        rest = behind.trim_start();
        if rest.is_empty() {
            return Ok(sum);
        }
    }
}

fn split(text: &str) -> Result<(f64, &str), String> {
    let text = text.trim();
    let end = text
        .find(|char: char| !(char.is_ascii_digit() || matches!(char, '.' | '_')))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    match number.replace('_', "").parse() {
        Ok(number) => Ok((number, unit.trim_start())),
        Err(_) => Err(format!(
            "`{text}` does not begin with a number that is 0 or more"
        )),
    }
}

/// A time in nanoseconds, with three digits that count and its unit.
pub fn show_ns(nanoseconds: f64) -> String {
    let steps = [(1e3, "ns", 1.0), (1e6, "us", 1e3), (1e9, "ms", 1e6)];
    for (below, unit, scale) in steps {
        // A value that would be rounded up to 1000 is 1.00 of the next unit.
        if nanoseconds < below * 0.9995 {
            return format!("{} {unit}", digits(nanoseconds / scale));
        }
    }
    format!("{} s", digits(nanoseconds / 1e9))
}

/// A time, with three digits that count and its unit.
pub fn show_duration(duration: Duration) -> String {
    show_ns(duration.as_nanos() as f64)
}

/// So many bytes, or bytes a second, with three digits that count.
pub fn show_bytes(bytes: f64, unit: &str) -> String {
    let (number, prefix) = scale(bytes);
    format!("{number} {prefix}{unit}")
}

/// So many of something, with three digits that count.
pub fn show_many(number: f64, unit: &str) -> String {
    let (number, prefix) = scale(number);
    format!("{number}{prefix} {unit}")
}

fn scale(number: f64) -> (String, &'static str) {
    let steps = [(1e3, "", 1.0), (1e6, "k", 1e3), (1e9, "M", 1e6)];
    for (below, prefix, scale) in steps {
        if number < below * 0.9995 {
            return (digits(number / scale), prefix);
        }
    }
    (digits(number / 1e9), "G")
}

fn digits(number: f64) -> String {
    if number.fract() == 0.0 || number >= 99.95 {
        format!("{number:.0}")
    } else if number >= 9.995 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

/// A count, in groups of three digits.
pub fn show_count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_sizes_take_si_and_binary_prefixes() {
        for (text, count) in [
            ("64", 64),
            ("1k", 1_000),
            ("1_000", 1_000),
            ("1.5kB", 1_500),
            ("16KiB", 16_384),
            ("1Mi", 1_048_576),
            ("2 G", 2_000_000_000),
        ] {
            assert_eq!(parse_count(text), Ok(count), "{text}");
        }
        for text in ["", "k", "-1", "1.5", "1x", "1e300G", "1.2.3"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_take_fractions() {
        assert_eq!(parse_rate("50k/s"), Ok(50_000.0));
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        assert!(parse_rate("0").is_err());
    }

    #[test]
    fn times_are_numbers_with_units_and_sums_of_them() {
        for (text, duration) in [
            ("1.5ms", Duration::from_micros(1_500)),
            ("0s", Duration::ZERO),
            ("250ns", Duration::from_nanos(250)),
            ("7us", Duration::from_micros(7)),
            ("7µs", Duration::from_micros(7)),
            ("90s", Duration::from_secs(90)),
            ("2m", Duration::from_secs(120)),
            ("2min", Duration::from_secs(120)),
            ("1m30s", Duration::from_secs(90)),
            (" 1m 30.5s ", Duration::from_millis(90_500)),
            ("2 h", Duration::from_secs(7_200)),
            ("1d12h", Duration::from_secs(36 * 3_600)),
            ("10_000s", Duration::from_secs(10_000)),
        ] {
            assert_eq!(parse_duration(text), Ok(duration), "{text}");
        }
        // As long as a time can be, and longer.
        assert!(parse_duration("18446744073709549568s").is_ok());
        for text in ["18446744073709551616s", "9999999999999999999999h"] {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains("longer than any clock runs"), "{error}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_would_do() {
        for (text, message) in [
            ("5", "`5` has no unit of time; use 5s or 5ms"),
            ("1m30", "`30` has no unit of time; use 30s or 30ms"),
            ("1 30s", "`1` has no unit of time; use 1s or 1ms"),
            ("1 year", "`year` is no unit of time; use ns, us, ms"),
            ("1e3s", "`e` is no unit of time"),
            ("1S", "`S` is no unit of time"),
            ("ms", "`ms` does not begin with a number"),
            ("", "`` does not begin with a number"),
            ("-1s", "`-1s` does not begin with a number"),
            ("1s-", "`s-` is no unit of time"),
            ("1.2.3s", "`1.2.3s` does not begin with a number"),
            ("inf", "`inf` does not begin with a number"),
        ] {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_shown_has_three_digits_and_a_unit() {
        for (ns, text) in [
            (0.0, "0 ns"),
            (999.0, "999 ns"),
            (999.6, "1.00 us"),
            (41_230.0, "41.2 us"),
            (999_960.0, "1.00 ms"),
            (2e6, "2 ms"),
            (1_500_000_000.0, "1.50 s"),
            (120e9, "120 s"),
        ] {
            assert_eq!(show_ns(ns), text);
        }
        assert_eq!(show_many(61_727.0, "requests/s"), "61.7k requests/s");
        assert_eq!(show_bytes(2_500_000.0, "B/s"), "2.50 MB/s");
        assert_eq!(show_bytes(64.0, "B"), "64 B");
        assert_eq!(show_count(1_234_567), "1,234,567");
        assert_eq!(show_count(123), "123");
    }
}
