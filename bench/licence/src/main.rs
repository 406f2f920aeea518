//! What licences cost: how many apps a second open with each unit safe on the disk, what that adds
//! to opening one, and how long the console waits for a year of the ledger.
//!
//! `loggia-bench-licence <results.json>`. The peer makes the same charges, each in a synced
//! transaction of its own, in a table with nothing but what the charge needs. `LOGGIA_BENCH_QUICK`
//! makes everything small, for trying out.

#![expect(clippy::disallowed_methods, reason = "measuring takes time, and now and then waits")]

mod peer;
mod report;
mod site;
mod year;

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use loggia_model::AppId;
use loggia_repository::{Repository, VisitInfo};

use crate::peer::Peer;
use crate::report::{Budget, Report};
use crate::site::{Site, visitor};

/// How much is measured.
struct Size {
    /// Apps that open in each round of the closed loop.
    charges: usize,
    rounds: usize,
    /// Apps that open one by one at a steady rate, as they do on a busy day.
    arrivals: usize,
    lines: u64,
}

const WHOLE: Size = Size { charges: 8_000, rounds: 5, arrivals: 2_000, lines: 10_000_000 };
const QUICK: Size = Size { charges: 300, rounds: 2, arrivals: 200, lines: 100_000 };

/// Visitors who open an app at the same time.
const WAITING: usize = 64;
/// Between two arrivals: fifty units a second keep 18,000 visitors at work.
const PACE: Duration = Duration::from_millis(20);
const PEER: &str = "one transaction each";

fn main() -> Result<()> {
    let results = std::env::args().nth(1).context("usage: loggia-bench-licence <results.json>")?;
    let size = if std::env::var_os("LOGGIA_BENCH_QUICK").is_some() { QUICK } else { WHOLE };
    let mut report = Report::default();
    report::print_header();
    let results = Path::new(&results);
    let beside = results.parent().filter(|folder| !folder.as_os_str().is_empty());
    let beside = beside.unwrap_or(Path::new("."));
    throughput(beside, &size, &mut report)?;
    latency(beside, &size, &mut report)?;
    year::measure(beside, size.lines, &mut report)?;
    report.write(results)
}

/// Charges a second, many at once, beside the peer in turns.
fn throughput(beside: &Path, size: &Size, report: &mut Report) -> Result<()> {
    let site = Site::new(beside)?;
    let peer = Peer::new(beside)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..size.rounds {
        let rate = together(size.charges, || {
            let opened = open(&site.repository, site.app, &VisitInfo::default());
            opened.map(|_| ())
        })?;
        ours.push(rate);
        theirs.push(together(size.charges, || peer.charge())?);
    }
    let most = size.charges * size.rounds;
    let counters = site.repository.pool_counters(&site::server(), site.pool)?;
    if counters.used != most as u64 * 6 || peer.charges()? != most as u64 {
        return Err(anyhow!("charges were lost or doubled: {counters:?}"));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let least = Budget::RatioAtLeast(2.0);
    report.beside(
        format!("{WAITING} at once, each unit synced"),
        ours,
        "1/s",
        least,
        (PEER, theirs),
    );
    let alone = (0..size.charges / 8)
        .map(|_| timed(|| open(&site.repository, site.app, &VisitInfo::default())))
        .collect::<Result<Vec<_>>>()?;
    let rate = alone.len() as f64 / (alone.iter().sum::<f64>() / 1e6);
    report.own("one after the other", rate, "1/s", Budget::No);
    Ok(())
}

/// What a unit adds to opening an app, while apps open at a steady rate.
fn latency(beside: &Path, size: &Size, report: &mut Report) -> Result<()> {
    let site = Site::new(beside)?;
    let mut with =
        steadily(size.arrivals, || open(&site.repository, site.app, &VisitInfo::default()))?;
    // Whoever has a unit that runs opens the same app for nothing.
    let here = visitor();
    let covered = || {
        let opened = site.repository.open_app(&here, site.app, &VisitInfo::default());
        opened.map(|_| ()).map_err(|error| anyhow!("{error}"))
    };
    covered()?;
    let mut without = steadily(size.arrivals, covered)?;
    let (with, without) = (ranks(&mut with), ranks(&mut without));
    // What the disk itself takes, at the same pace: no durable charge is faster than that.
    let file = Mutex::new(tempfile::tempfile_in(beside)?);
    let mut bare = steadily(size.arrivals, || {
        let mut file = file.lock().unwrap_or_else(|broken| broken.into_inner());
        file.write_all(&[0; 4096])?;
        Ok(file.sync_data()?)
    })?;
    let bare = ranks(&mut bare);
    let sync = "a synced page";
    report.beside("opening an app with a unit: p50", with.0, "us", Budget::No, (sync, bare.0));
    report.beside("opening an app with a unit: p99", with.1, "us", Budget::No, (sync, bare.1));
    report.own("opening an app, covered: p99", without.1, "us", Budget::No);
    report.own(
        "added to opening an app: p99",
        (with.1 - without.1) / 1e3,
        "ms",
        Budget::AtMost(5.0),
    );
    Ok(())
}

fn open(repository: &Repository, app: AppId, info: &VisitInfo) -> Result<()> {
    let opened = repository.open_app(&visitor(), app, info);
    opened.map(|_| ()).map_err(|error| anyhow!("{error}"))
}

/// Runs `work` so often by many threads, and answers how often in a second.
fn together(count: usize, work: impl Fn() -> Result<()> + Sync) -> Result<f64> {
    let failure = Mutex::new(None);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..WAITING {
            let (work, failure) = (&work, &failure);
            scope.spawn(move || {
                for _ in (thread..count).step_by(WAITING) {
                    if let Err(error) = work() {
                        *failure.lock().unwrap_or_else(|broken| broken.into_inner()) = Some(error);
                        return;
                    }
                }
            });
        }
    });
    let time = begun.elapsed().as_secs_f64();
    match failure.into_inner().unwrap_or_else(|broken| broken.into_inner()) {
        Some(error) => Err(error),
        None => Ok(count as f64 / time),
    }
}

/// Runs `work` at [`PACE`], each arrival in a thread of its own; microseconds of each, counted from
/// the moment when it was due.
fn steadily(count: usize, work: impl Fn() -> Result<()> + Sync) -> Result<Vec<f64>> {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let mut arrivals = Vec::with_capacity(count);
        for number in 0..count {
            let due = begun + PACE * number as u32;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let work = &work;
            arrivals.push(scope.spawn(move || {
                let came = Instant::now();
                work().map(|()| came.elapsed().as_secs_f64() * 1e6)
            }));
        }
        arrivals
            .into_iter()
            .map(|arrival| arrival.join().map_err(|_| anyhow!("an arrival was lost"))?)
            .collect()
    })
}

/// Microseconds that `work` takes.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<f64> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64() * 1e6)
}

fn ranks(figures: &mut [f64]) -> (f64, f64) {
    figures.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (figures.len() as f64 * share) as usize;
        figures.get(place.min(figures.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
    };
    (at(0.5), at(0.99))
}

fn median(mut figures: Vec<f64>) -> f64 {
    ranks(&mut figures).0
}
