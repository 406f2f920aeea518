//! `loggia audit`: looking at the trail beside a server, and letting old rows go.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, bail};
use loggia_repository::loggia_audit::{Head, Kind, export as shape};
use loggia_repository::{Repository, Retention, TrailFilter};

use super::known_key;
use crate::cli::say;
use crate::serve;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportFormat {
    Jsonl,
    Csv,
    Syslog,
}

/// Whether the trail is as it was written.
pub(crate) fn verify(data: &Path, expected: Option<&str>) -> anyhow::Result<bool> {
    let repository = serve::inspect_repository(data)?;
    let key = known_key(data)?;
    let report = repository.verify_trail(key.as_ref())?;
    let (verdict, head) = (&report.verdict, &report.head);
    let mut text = String::new();
    for fault in &verdict.faults {
        text.push_str(&format!("{fault}\n"));
    }
    if verdict.count > verdict.faults.len() as u64 {
        text.push_str(&format!("and {} more\n", verdict.count - verdict.faults.len() as u64));
    }
    let mut is_whole = verdict.is_whole();
    if let Some(expected) = expected {
        let (number, hash) = expected.split_once(':').context("expect: write NUMBER:HASH")?;
        let number: u64 = number.parse().context("expect: the number cannot be read")?;
        match known_hash(&repository, number, head)? {
            Known::Pruned => text.push_str(&format!("row {number} was pruned\n")),
            Known::Hash(found) if found.eq_ignore_ascii_case(hash) => {}
            Known::Hash(_) | Known::Missing => {
                is_whole = false;
                text.push_str(&format!("row {number} is not the one that was expected\n"));
            }
        }
    }
    if !verdict.is_sealed {
        text.push_str("there is no audit.key here: who made the trail cannot be told\n");
    }
    text.push_str(&format!(
        "{} rows, {} to {}: {}\nthe end is {}:{}\n",
        verdict.rows,
        head.pruned + 1,
        head.number,
        if is_whole { "as they were written" } else { "NOT as they were written" },
        head.number,
        shape::hex(&head.hash)
    ));
    say(&text)?;
    Ok(is_whole)
}

enum Known {
    Hash(String),
    Pruned,
    Missing,
}

fn known_hash(repository: &Repository, number: u64, head: &Head) -> anyhow::Result<Known> {
    if number == head.pruned {
        return Ok(Known::Hash(shape::hex(&head.pruned_hash)));
    }
    if number < head.pruned {
        return Ok(Known::Pruned);
    }
    let filter = TrailFilter { after: number.checked_sub(1), ..TrailFilter::default() };
    let mut found = Known::Missing;
    repository.walk_trail(&filter, |_, row| {
        if row.number == number {
            found = Known::Hash(shape::hex(&row.hash));
        }
        ControlFlow::Break(())
    })?;
    Ok(found)
}

/// Writes the trail to standard output.
pub(crate) fn export(
    data: &Path,
    format: ExportFormat,
    after: Option<u64>,
    events: &[String],
) -> anyhow::Result<()> {
    let repository = serve::inspect_repository(data)?;
    let mut kinds: Vec<Kind> = Vec::new();
    for event in events {
        kinds.push(event.parse().map_err(|()| anyhow::anyhow!("there is no event {event:?}"))?);
    }
    let filter = TrailFilter { after, kinds, ..TrailFilter::default() };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    if format == ExportFormat::Csv {
        out.write_all(shape::CSV_HEADER.as_bytes())?;
    }
    let mut outcome = Ok(());
    repository.walk_trail(&filter, |_, row| {
        let line = match format {
            ExportFormat::Jsonl => shape::json_line(&row),
            ExportFormat::Csv => shape::csv_line(&row),
            ExportFormat::Syslog => format!("{}\n", shape::syslog(&row, &row.entry.node)),
        };
        outcome = out.write_all(line.as_bytes());
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome.and_then(|()| out.flush()).context("cannot write the trail")
}

/// Lets old rows go.
pub(crate) fn prune(data: &Path, retention: &Retention) -> anyhow::Result<()> {
    if *retention == (Retention { keep_days: None, most_rows: None, address_days: None }) {
        bail!("say what may go: --keep-days, --most-rows or --address-days");
    }
    let retired = serve::open_repository(data)?.retire_trail(retention)?;
    say(&format!(
        "{} rows are gone; addresses are forgotten in {}\n",
        retired.rows, retired.addresses
    ))
}
