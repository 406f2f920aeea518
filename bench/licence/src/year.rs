//! A year of the ledger of a busy public site: what the console asks of it, and compaction.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use loggia_repository::VisitInfo;
use rusqlite::{Connection, params};

use crate::report::{Budget, Report};
use crate::site::{self, NOW, Site, visitor};
use crate::timed;

const DAY: i64 = 86_400_000;

pub(crate) fn measure(beside: &Path, lines: u64, report: &mut Report) -> Result<()> {
    let site = Site::new(beside)?;
    fill(&site, lines)?;
    let server = site::server();
    // A server that has just started: nothing of the year is in its memory.
    let repository = site::open(site.folder.path())?;
    let a_year_ago = loggia_model::Moment(NOW.0 - 365 * DAY);
    let before = repository.pool_history(&server, site.pool, a_year_ago, NOW)?;
    let drawn: u64 = before.iter().map(|day| day.units).sum();
    ensure!(drawn == lines * 6, "the year has {drawn} minutes");

    let repository = site::open(site.folder.path())?;
    let of = |what: &str| format!("{lines} lines: {what}");
    let mut whole = 0.0;
    let mut ask = |report: &mut Report, what: &str, micros: f64| {
        whole += micros / 1e3;
        report.own(of(what), micros / 1e3, "ms", Budget::AtMost(1_000.0));
    };
    let micros = timed(|| Ok(repository.pool_counters(&server, site.pool)?))?;
    ask(report, "counters", micros);
    let micros = timed(|| Ok(repository.pool_history(&server, site.pool, a_year_ago, NOW)?))?;
    ask(report, "a year by days", micros);
    let micros = timed(|| Ok(repository.forecast(&server, site.pool)?))?;
    ask(report, "forecast", micros);
    let micros = timed(|| Ok(repository.pool_alerts(&server, site.pool)?))?;
    ask(report, "alerts", micros);
    let micros = timed(|| Ok(repository.ledger_lines(&server, lines - 1_000, 1_000)?))?;
    ask(report, "the last thousand lines", micros);
    report.own(of("the console's page"), whole, "ms", Budget::AtMost(1_000.0));
    let opened = |repository: &loggia_repository::Repository| {
        timed(|| {
            let opened = repository.open_app(&visitor(), site.app, &VisitInfo::default());
            opened.map(|_| ()).map_err(|error| anyhow::anyhow!("{error}"))
        })
    };
    let mut openings = (0..200).map(|_| opened(&repository)).collect::<Result<Vec<_>>>()?;
    openings.sort_by(f64::total_cmp);
    let p99 = openings[openings.len() * 99 / 100] / 1e3;
    report.own(of("opening an app, p99"), p99, "ms", Budget::AtMost(5.0));

    let counted = repository.pool_counters(&server, site.pool)?;
    let history = repository.pool_history(&server, site.pool, a_year_ago, NOW)?;
    let begun = Instant::now();
    let mut moved = 0;
    loop {
        match repository.compact_ledger()? {
            0 => break,
            some => moved += some,
        }
    }
    let rate = moved as f64 / begun.elapsed().as_secs_f64();
    report.own(of("compacted"), rate, "1/s", Budget::No);
    ensure!(repository.pool_counters(&server, site.pool)? == counted, "counters changed");
    let after = repository.pool_history(&server, site.pool, a_year_ago, NOW)?;
    ensure!(after == history, "days changed");
    let raw = Connection::open(site.store_path())?;
    let pages = |name: &str| -> Result<f64> {
        Ok(raw.pragma_query_value(None, name, |row| row.get::<_, f64>(0))?)
    };
    let (size, all, free) = (pages("page_size")?, pages("page_count")?, pages("freelist_count")?);
    report.own(of("before compaction"), all * size / 1e6, "MB", Budget::No);
    report.own(of("after it"), (all - free) * size / 1e6, "MB", Budget::No);
    Ok(())
}

/// Lines as the store writes them, evenly over the year, without waiting for the disk at each.
fn fill(site: &Site, lines: u64) -> Result<()> {
    let mut raw = Connection::open(site.store_path())?;
    raw.pragma_update(None, "synchronous", "OFF")?;
    raw.pragma_update(None, "cache_size", -400_000)?;
    let indexes: Vec<(String, String)> = raw
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'ledger' AND sql IS NOT NULL")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let transaction = raw.transaction()?;
    for (name, _) in &indexes {
        transaction.execute(&format!("DROP INDEX {name}"), [])?;
    }
    let pool = site.pool.text();
    let app = site.app.text();
    {
        let mut insert = transaction.prepare(
            "INSERT INTO ledger (key, pool, kind, meter, principal, app, entrance, address, \
             starts, ends, units, moment) \
             VALUES (?1, ?2, 'AnalyzerCapacity', ?3, ?4, ?5, 'public', ?6, ?7, ?8, 6, ?7)",
        )?;
        let step = 364 * DAY / i64::try_from(lines)?;
        for number in 0..lines {
            let visitor = uuid::Uuid::from_u128(u128::from(number) + 1).hyphenated().to_string();
            let meter = format!("visitor:{visitor}");
            let starts = NOW.0 - 364 * DAY + step * i64::try_from(number)?;
            let address = format!("203.0.{}.{}", number / 256 % 256, number % 256);
            insert.execute(params![
                format!("{pool}/{meter}/0/24323"),
                pool,
                meter,
                format!("NONE\\anonymous{visitor}"),
                app,
                address,
                starts,
                starts + 360_000,
            ])?;
        }
    }
    for (_, sql) in &indexes {
        transaction.execute(sql, [])?;
    }
    transaction.execute(
        "INSERT INTO ledger_sums \
         SELECT pool, span, starts - starts % span, kind, sum(units), sum(units), count(*) \
         FROM ledger, (SELECT 900000 AS span UNION ALL SELECT 86400000) GROUP BY 1, 2, 3",
        [],
    )?;
    transaction.commit()?;
    raw.pragma_update_and_check(None, "wal_checkpoint", "TRUNCATE", |_| Ok(()))?;
    Ok(())
}
