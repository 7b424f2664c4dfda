//! What `serve --metrics` tells: a recorder of the crate `metrics`, in Prometheus' text format.
//!
//! A value is one atomic, a histogram one for each of its buckets; they are made when the server starts. So nothing that is recorded takes
//! memory or a lock, which the crate `metrics-exporter-prometheus` needs for each sample of a histogram.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// The upper bounds of a histogram's buckets, in seconds: from what an echo takes to what a handler that waits may take.
const BOUNDS: [f64; 15] = [
    1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 2.5e-3, 1e-2, 2.5e-2, 1e-1, 1.0,
    10.0,
];

const NANOSECONDS: f64 = 1e9;

/// All metrics of the process. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<Families>>);

/// By their names.
type Families = BTreeMap<String, Family>;

#[derive(Debug, Default)]
struct Family {
    help: String,
    /// By their labels, as they are printed.
    series: BTreeMap<String, Series>,
}

#[derive(Debug, Clone)]
enum Series {
    Counter(Arc<Count>),
    Gauge(Arc<Level>),
    Histogram(Arc<Buckets>),
}

#[derive(Debug, Default)]
struct Count(AtomicU64);

/// The bits of a number.
#[derive(Debug, Default)]
struct Level(AtomicU64);

#[derive(Debug, Default)]
struct Buckets {
    /// Each without those below; the last is for what is above all bounds.
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_ns: AtomicU64,
}

impl Metrics {
    fn families(&self) -> MutexGuard<'_, Families> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, family) in &*self.families() {
            // Writing to memory does not fail.
            let _ = family.write(name, &mut text);
        }
        text
    }

    fn describe(&self, name: &KeyName, description: &str) {
        let mut families = self.families();
        let family = families.entry(name.as_str().to_owned()).or_default();
        description.clone_into(&mut family.help);
    }

    /// What a key stands for; made by `make` if it is new.
    fn series(&self, key: &Key, make: impl FnOnce() -> Series) -> Series {
        let mut families = self.families();
        let family = families.entry(key.name().to_owned()).or_default();
        let series = family.series.entry(labels(key)).or_insert_with(make);
        series.clone()
    }
}

impl Recorder for Metrics {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(&name, &description);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(&name, &description);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(&name, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.series(key, || Series::Counter(Arc::default())) {
            Series::Counter(count) => Counter::from_arc(count),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.series(key, || Series::Gauge(Arc::default())) {
            Series::Gauge(level) => Gauge::from_arc(level),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.series(key, || Series::Histogram(Arc::default())) {
            Series::Histogram(buckets) => Histogram::from_arc(buckets),
            _ => Histogram::noop(),
        }
    }
}

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }
}

impl Level {
    fn change(&self, by: f64) {
        let changed = |bits| Some((f64::from_bits(bits) + by).to_bits());
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        // It always changes.
        let _ = self.0.fetch_update(set, fetch, changed);
    }
}

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        self.change(value);
    }

    fn decrement(&self, value: f64) {
        self.change(-value);
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

impl HistogramFn for Buckets {
    fn record(&self, seconds: f64) {
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound);
        let count = &self.counts[bucket.unwrap_or(BOUNDS.len())];
        count.fetch_add(1, Ordering::Relaxed);
        let nanoseconds = (seconds * NANOSECONDS) as u64;
        self.sum_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

impl Family {
    fn write(&self, name: &str, text: &mut String) -> std::fmt::Result {
        let kind = match self.series.values().next() {
            Some(Series::Counter(_)) => "counter",
            Some(Series::Gauge(_)) => "gauge",
            Some(Series::Histogram(_)) => "histogram",
            // It was described, and nothing is told of it.
            None => return Ok(()),
        };
        writeln!(text, "# HELP {name} {}", escape(&self.help))?;
        writeln!(text, "# TYPE {name} {kind}")?;
        for (labels, series) in &self.series {
            match series {
                Series::Counter(count) => {
                    line(text, name, labels, count.0.load(Ordering::Relaxed))?;
                }
                Series::Gauge(level) => {
                    let value = f64::from_bits(level.0.load(Ordering::Relaxed));
                    line(text, name, labels, value)?;
                }
                Series::Histogram(buckets) => buckets.write(name, labels, text)?,
            }
        }
        Ok(())
    }
}

impl Buckets {
    fn write(&self, name: &str, labels: &str, text: &mut String) -> std::fmt::Result {
        let comma = if labels.is_empty() { "" } else { "," };
        let bounds = BOUNDS.iter().map(f64::to_string);
        let bounds = bounds.chain(["+Inf".to_owned()]);
        let mut below = 0;
        for (bound, count) in bounds.zip(&self.counts) {
            below += count.load(Ordering::Relaxed);
            let labels = format!("{labels}{comma}le=\"{bound}\"");
            line(text, &format!("{name}_bucket"), &labels, below)?;
        }
        let sum = self.sum_ns.load(Ordering::Relaxed) as f64 / NANOSECONDS;
        line(text, &format!("{name}_sum"), labels, sum)?;
        line(text, &format!("{name}_count"), labels, below)
    }
}

fn line(
    text: &mut String,
    name: &str,
    labels: &str,
    value: impl std::fmt::Display,
) -> std::fmt::Result {
    match labels.is_empty() {
        true => writeln!(text, "{name} {value}"),
        false => writeln!(text, "{name}{{{labels}}} {value}"),
    }
}

/// As they stand between the braces.
fn labels(key: &Key) -> String {
    let labels = key
        .labels()
        .map(|label| format!("{}=\"{}\"", label.key(), escape(label.value())));
    labels.collect::<Vec<_>>().join(",")
}

/// A text within one line.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use metrics::{Label, Level as Of};

    use super::*;

    const METADATA: Metadata<'static> = Metadata::new("test", Of::INFO, None);

    #[test]
    fn values_are_told_in_the_text_format() {
        let metrics = Metrics::default();
        metrics.describe_counter("sends_total".into(), None, "Sends,\nall".into());
        metrics.describe_gauge("nothing".into(), None, "Nothing".into());
        let labels = vec![Label::new("why", "a \"b\"\\")];
        let sends = metrics.register_counter(&Key::from_parts("sends_total", labels), &METADATA);
        sends.increment(3);
        let depth = metrics.register_gauge(&Key::from_name("depth"), &METADATA);
        depth.set(2.5);
        depth.increment(1.0);
        let time = metrics.register_histogram(&Key::from_name("time_seconds"), &METADATA);
        for seconds in [5e-7, 0.05, 100.0] {
            time.record(seconds);
        }
        // The same key is the same value.
        metrics
            .register_gauge(&Key::from_name("depth"), &METADATA)
            .decrement(2.0);
        let text = metrics.text();
        for expected in [
            "# TYPE depth gauge\ndepth 1.5\n",
            "# HELP sends_total Sends,\\nall\n# TYPE sends_total counter\nsends_total{why=\"a \\\"b\\\"\\\\\"} 3\n",
            "time_seconds_bucket{le=\"0.000001\"} 1\n",
            "time_seconds_bucket{le=\"0.1\"} 2\n",
            "time_seconds_bucket{le=\"10\"} 2\ntime_seconds_bucket{le=\"+Inf\"} 3\ntime_seconds_sum 100.0500005\ntime_seconds_count 3\n",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert!(!text.contains("nothing"), "{text}");
    }
}
