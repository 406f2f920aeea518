//! The table that people read, and the rows that machines compare.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// One measured figure, beside its budget and a peer's.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) metric: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) budget: Option<f64>,
    pub(crate) holds: Option<bool>,
    pub(crate) peer: Option<String>,
    pub(crate) peer_value: Option<f64>,
    /// How many times more the peer takes.
    pub(crate) ratio: Option<f64>,
}

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn own(&mut self, metric: impl Into<String>, value: f64, unit: &'static str) {
        self.push(metric.into(), value, unit, None, None);
    }

    pub(crate) fn budget(
        &mut self,
        metric: impl Into<String>,
        value: f64,
        unit: &'static str,
        budget: f64,
    ) {
        self.push(metric.into(), value, unit, Some(budget), None);
    }

    pub(crate) fn peer(
        &mut self,
        metric: impl Into<String>,
        value: f64,
        unit: &'static str,
        peer: &str,
        peer_value: f64,
    ) {
        self.push(metric.into(), value, unit, None, Some((peer, peer_value)));
    }

    fn push(
        &mut self,
        metric: String,
        value: f64,
        unit: &'static str,
        budget: Option<f64>,
        peer: Option<(&str, f64)>,
    ) {
        let row = Row {
            metric,
            value,
            unit,
            budget,
            holds: budget.map(|budget| value <= budget),
            peer: peer.map(|(name, _)| name.to_owned()),
            peer_value: peer.map(|(_, value)| value),
            ratio: peer.map(|(_, theirs)| theirs / value),
        };
        print_row(&row);
        self.rows.push(row);
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(&self.rows)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

pub(crate) fn print_header() {
    println!(
        "{:<64} {:>12} {:<5} {:>10} {:>5}  peer",
        "metric", "value", "unit", "budget", "holds"
    );
}

fn print_row(row: &Row) {
    let budget = row.budget.map_or_else(String::new, |budget| format!("{budget}"));
    let holds = match row.holds {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    let peer = match (&row.peer, row.peer_value, row.ratio) {
        (Some(name), Some(value), Some(ratio)) => {
            format!("{name}: {value:.2} {} = {ratio:.0}x", row.unit)
        }
        _ => String::new(),
    };
    println!(
        "{:<64} {:>12.3} {:<5} {:>10} {:>5}  {peer}",
        row.metric, row.value, row.unit, budget, holds
    );
}

/// The middle of `runs` durations of `work`.
pub(crate) fn median(runs: usize, mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
