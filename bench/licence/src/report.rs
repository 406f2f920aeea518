//! The table that people read, and the rows that machines compare.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// One measured figure, beside its budget and a peer's.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    metric: String,
    value: f64,
    unit: &'static str,
    budget: Option<f64>,
    holds: Option<bool>,
    peer: Option<&'static str>,
    peer_value: Option<f64>,
    /// Ours as a multiple of the peer's.
    ratio: Option<f64>,
}

/// What a budget limits.
#[derive(Clone, Copy)]
pub(crate) enum Budget {
    No,
    AtMost(f64),
    /// The ratio to the peer's, not the value.
    RatioAtLeast(f64),
}

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn own(
        &mut self,
        metric: impl Into<String>,
        value: f64,
        unit: &'static str,
        budget: Budget,
    ) {
        self.push(metric.into(), value, unit, budget, None);
    }

    pub(crate) fn beside(
        &mut self,
        metric: impl Into<String>,
        value: f64,
        unit: &'static str,
        budget: Budget,
        peer: (&'static str, f64),
    ) {
        self.push(metric.into(), value, unit, budget, Some(peer));
    }

    fn push(
        &mut self,
        metric: String,
        value: f64,
        unit: &'static str,
        budget: Budget,
        peer: Option<(&'static str, f64)>,
    ) {
        let ratio = peer.map(|(_, theirs)| value / theirs);
        let (budget, holds) = match budget {
            Budget::No => (None, None),
            Budget::AtMost(most) => (Some(most), Some(value <= most)),
            Budget::RatioAtLeast(least) => (Some(least), ratio.map(|ratio| ratio >= least)),
        };
        let row = Row {
            metric,
            value,
            unit,
            budget,
            holds,
            peer: peer.map(|(name, _)| name),
            peer_value: peer.map(|(_, value)| value),
            ratio,
        };
        println!("{}", line(&row));
        self.rows.push(row);
    }

    /// Writes the rows, and says how many budgets do not hold.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(&self.rows)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let missed = self.rows.iter().filter(|row| row.holds == Some(false)).count();
        println!("{missed} of {} figures miss their budget", self.rows.len());
        Ok(())
    }
}

pub(crate) fn print_header() {
    println!("{:<48} {:>11} {:<4} {:<34} {:>6}  budget", "metric", "value", "", "beside", "ratio");
}

fn line(row: &Row) -> String {
    let peer = match (row.peer, row.peer_value) {
        (Some(name), Some(value)) => format!("{name} {value:.1}"),
        _ => String::new(),
    };
    let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x"));
    let budget = row.budget.map_or_else(String::new, |budget| format!("{budget}"));
    let holds = match row.holds {
        Some(true) => " holds",
        Some(false) => " MISSED",
        None => "",
    };
    let (metric, value, unit) = (&row.metric, row.value, row.unit);
    format!("{metric:<48} {value:>11.2} {unit:<4} {peer:<34} {ratio:>6}  {budget}{holds}")
        .trim_end()
        .to_owned()
}
