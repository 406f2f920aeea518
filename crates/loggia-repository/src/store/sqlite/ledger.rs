//! The ledger: lines, and what follows from them (`migrations/0005_ledger_lines.sql`).

use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use loggia_licence::{LineKind, MeterKey, Seat, SeatRecord, address_block, is_named};
use loggia_model::entity::PoolKind;
use loggia_model::{Moment, PoolId};

use super::{Charged, Decide, Ledger, Line, StoreError, failed};
use crate::store::{MeterLines, SeatsOut, Sum};

const QUARTER: i64 = 900_000;
const DAY: i64 = 86_400_000;
/// How far back the newest lines of a meter are looked at.
const NEWEST_LINES: u32 = 32;
/// What the visitors of an address drew is known for so long.
const ADDRESSES_KEPT: i64 = 6 * 3_600_000;

/// The ledger inside a transaction.
pub(super) struct SqliteLedger<'a>(pub(super) &'a Connection);

/// One charge: what it decides is appended whole or not at all, and does not touch the charges
/// that share the transaction.
pub(super) fn charge(
    transaction: &Transaction<'_>,
    decide: &mut Decide,
) -> Result<Charged, StoreError> {
    let lines = decide(&SqliteLedger(transaction))?;
    if lines.is_empty() {
        return Ok(Charged::Nothing);
    }
    execute(transaction, "SAVEPOINT charge", [])?;
    let appended = append_all(transaction, &lines);
    if appended.is_err() {
        execute(transaction, "ROLLBACK TO charge", [])?;
    }
    execute(transaction, "RELEASE charge", [])?;
    appended
}

fn append_all(transaction: &Transaction<'_>, lines: &[Line]) -> Result<Charged, StoreError> {
    let mut first = None;
    for line in lines {
        let charged = append(transaction, line)?;
        first.get_or_insert(charged);
    }
    Ok(first.unwrap_or(Charged::Nothing))
}

/// Appends a line and all that follows from it.
pub(super) fn append(transaction: &Transaction<'_>, line: &Line) -> Result<Charged, StoreError> {
    let meter = line.meter.map(|meter| meter.to_string()).unwrap_or_default();
    let pool = line.pool.text();
    let units = i64::try_from(line.units).unwrap_or(i64::MAX);
    let appended = execute(
        transaction,
        "INSERT INTO ledger (key, pool, kind, meter, principal, app, session, entrance, address, \
         starts, ends, units, line, moment, device, actor, reason) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
         ON CONFLICT (key) DO NOTHING",
        params![
            line.key,
            pool,
            kind_text(line.pool_kind),
            meter,
            line.principal,
            line.app.map(|app| app.text()).unwrap_or_default(),
            line.session.map(|session| session.text()),
            line.entrance,
            line.address.map(|address| address.to_string()).unwrap_or_default(),
            line.from.0,
            line.until.map(|until| until.0),
            units,
            line.kind.as_str(),
            line.moment.0,
            line.device.map(|device| device.to_string()),
            line.actor,
            line.reason,
        ],
    )?;
    if appended == 0 {
        return Ok(Charged::Repeated);
    }
    let sequence = transaction.last_insert_rowid();
    if line.kind != LineKind::Alert && is_named(line.pool_kind) {
        put_seat(transaction, line, &meter, number(sequence))?;
    }
    if matches!(line.kind, LineKind::Taken | LineKind::Used) {
        add_up(transaction, line, &pool, units)?;
    }
    let address = line.address.filter(|_| line.is_of_visitor() && !is_named(line.pool_kind));
    if let Some(address) = address {
        remember_address(transaction, line, &pool, address, sequence)?;
    }
    Ok(Charged::Appended)
}

fn put_seat(
    transaction: &Transaction<'_>,
    line: &Line,
    meter: &str,
    number: u64,
) -> Result<(), StoreError> {
    let before = seat(transaction, &line.pool.text(), meter)?;
    let Some(record) = SeatRecord::after(before, number, line) else { return Ok(()) };
    let (state, ends) = match record.seat {
        Seat::Held => ("held", None),
        Seat::Quarantined { until } => ("quarantined", Some(until.0)),
        Seat::None => ("free", None),
    };
    execute(
        transaction,
        "INSERT OR REPLACE INTO ledger_seats (pool, meter, kind, principal, state, ends, since, \
         last_used, by_rule, last_line) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            line.pool.text(),
            meter,
            kind_text(line.pool_kind),
            record.principal,
            state,
            ends,
            record.since.0,
            record.last_used.map(|used| used.0),
            record.by_rule,
            i64::try_from(record.last_line).unwrap_or(i64::MAX),
        ],
    )?;
    Ok(())
}

fn add_up(
    transaction: &Transaction<'_>,
    line: &Line,
    pool: &str,
    units: i64,
) -> Result<(), StoreError> {
    let of_visitors = if line.is_of_visitor() { units } else { 0 };
    for span in [QUARTER, DAY] {
        execute(
            transaction,
            "INSERT INTO ledger_sums (pool, span, start, kind, units, units_of_visitors, uses) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1) \
             ON CONFLICT (pool, span, start) DO UPDATE SET units = units + excluded.units, \
             units_of_visitors = units_of_visitors + excluded.units_of_visitors, uses = uses + 1",
            params![
                pool,
                span,
                floor(line.from.0, span),
                kind_text(line.pool_kind),
                units,
                of_visitors
            ],
        )?;
    }
    Ok(())
}

fn remember_address(
    transaction: &Transaction<'_>,
    line: &Line,
    pool: &str,
    address: IpAddr,
    sequence: i64,
) -> Result<(), StoreError> {
    execute(
        transaction,
        "INSERT INTO ledger_addresses (pool, address, starts, sequence) VALUES (?1, ?2, ?3, ?4)",
        params![pool, address_block(address).to_string(), line.from.0, sequence],
    )?;
    // A few at a time: what a busy day leaves behind must not stop one charge of the next.
    execute(
        transaction,
        "DELETE FROM ledger_addresses WHERE (pool, address, starts, sequence) IN \
         (SELECT pool, address, starts, sequence FROM ledger_addresses WHERE starts < ?1 LIMIT 4)",
        params![line.moment.0.saturating_sub(ADDRESSES_KEPT)],
    )?;
    Ok(())
}

impl Ledger for SqliteLedger<'_> {
    fn meter(
        &self,
        pool: PoolId,
        meter: MeterKey,
        latest_end: Moment,
    ) -> Result<MeterLines, StoreError> {
        let mut statement = self
            .0
            .prepare_cached(
                "SELECT sequence, ends FROM ledger WHERE pool = ?1 AND meter = ?2 \
                 ORDER BY sequence DESC LIMIT ?3",
            )
            .map_err(failed)?;
        let mut rows = statement
            .query(params![pool.text(), meter.to_string(), NEWEST_LINES])
            .map_err(failed)?;
        let mut found = MeterLines::default();
        while let Some(row) = rows.next().map_err(failed)? {
            let sequence: i64 = row.get(0).map_err(failed)?;
            found.last_line = found.last_line.max(number(sequence));
            let ends = row.get::<_, Option<i64>>(1).map_err(failed)?.map(Moment);
            found.last_until = found.last_until.max(ends.filter(|ends| *ends <= latest_end));
        }
        Ok(found)
    }

    fn seat(&self, pool: PoolId, meter: MeterKey) -> Result<Option<SeatRecord>, StoreError> {
        seat(self.0, &pool.text(), &meter.to_string())
    }

    fn seats(&self, pool: PoolId) -> Result<Vec<(MeterKey, SeatRecord)>, StoreError> {
        let mut statement = self
            .0
            .prepare_cached(
                "SELECT state, ends, since, last_used, by_rule, last_line, principal, meter \
                 FROM ledger_seats WHERE pool = ?1 ORDER BY meter",
            )
            .map_err(failed)?;
        let rows = statement
            .query_map([pool.text()], |row| Ok((row.get::<_, String>(7)?, seat_record(row)?)))
            .map_err(failed)?;
        let mut seats = Vec::new();
        for row in rows {
            let (meter, record) = row.map_err(failed)?;
            seats.push((parsed("meter", &meter)?, record));
        }
        Ok(seats)
    }

    fn seats_out(&self, pool: PoolId, now: Moment) -> Result<SeatsOut, StoreError> {
        // Whatever the kind is: the index begins with it.
        let mut out = SeatsOut::default();
        for kind in NAMED {
            let of_kind = self.out(
                "SELECT state = 'held', count(*) FROM ledger_seats WHERE kind = ?1 \
                 AND pool = ?3 AND (state = 'held' OR (state = 'quarantined' AND ends > ?2)) \
                 GROUP BY 1",
                params![kind_text(kind), now.0, pool.text()],
            )?;
            out.held = out.held.saturating_add(of_kind.held);
            out.quarantined = out.quarantined.saturating_add(of_kind.quarantined);
        }
        Ok(out)
    }

    fn seats_out_of_kind(&self, kind: PoolKind, now: Moment) -> Result<SeatsOut, StoreError> {
        self.out(
            "SELECT state = 'held', count(*) FROM ledger_seats WHERE kind = ?1 \
             AND (state = 'held' OR (state = 'quarantined' AND ends > ?2)) GROUP BY 1",
            params![kind_text(kind), now.0],
        )
    }

    fn drawn_between(&self, pool: PoolId, from: Moment, to: Moment) -> Result<Sum, StoreError> {
        // Whole days and quarters of an hour are added up already; what is before the first and
        // after the last of them is some minutes of lines.
        let pool = pool.text();
        let mut sum = Sum::default();
        let mut add = |part: Sum| {
            sum.units = sum.units.saturating_add(part.units);
            sum.units_of_visitors = sum.units_of_visitors.saturating_add(part.units_of_visitors);
            sum.uses = sum.uses.saturating_add(part.uses);
        };
        let quarters = (ceiling(from.0, QUARTER), floor(to.0, QUARTER));
        if quarters.0 >= quarters.1 {
            add(self.sum_of_lines(&pool, from.0, to.0)?);
            return Ok(sum);
        }
        add(self.sum_of_lines(&pool, from.0, quarters.0)?);
        add(self.sum_of_lines(&pool, quarters.1, to.0)?);
        let days = (ceiling(quarters.0, DAY), floor(quarters.1, DAY));
        if days.0 >= days.1 {
            add(self.sum_of_spans(&pool, QUARTER, quarters.0, quarters.1)?);
            return Ok(sum);
        }
        add(self.sum_of_spans(&pool, QUARTER, quarters.0, days.0)?);
        add(self.sum_of_spans(&pool, DAY, days.0, days.1)?);
        add(self.sum_of_spans(&pool, QUARTER, days.1, quarters.1)?);
        Ok(sum)
    }

    fn first_since(&self, pool: PoolId, from: Moment) -> Result<Option<Moment>, StoreError> {
        self.number(
            "SELECT starts FROM ledger WHERE pool = ?1 AND starts >= ?2 AND line = 'taken' \
             ORDER BY starts LIMIT 1",
            params![pool.text(), from.0],
        )
        .map(|start| start.map(Moment))
    }

    fn drawn_pools(&self, kind: PoolKind, from: Moment) -> Result<Vec<PoolId>, StoreError> {
        let mut statement = self
            .0
            .prepare_cached(
                "SELECT DISTINCT pool FROM ledger_sums WHERE kind = ?1 AND span = ?2 \
                 AND start >= ?3",
            )
            .map_err(failed)?;
        let rows = statement
            .query_map(params![kind_text(kind), DAY, floor(from.0, DAY)], |row| {
                row.get::<_, String>(0)
            })
            .map_err(failed)?;
        let mut pools = Vec::new();
        for row in rows {
            pools.push(parsed("pool of the ledger", &row.map_err(failed)?)?);
        }
        Ok(pools)
    }

    fn drawn_from_address(
        &self,
        pool: PoolId,
        address: IpAddr,
        from: Moment,
    ) -> Result<(u64, Option<Moment>), StoreError> {
        let mut statement = self
            .0
            .prepare_cached(
                "SELECT count(*), min(starts) FROM ledger_addresses \
                 WHERE pool = ?1 AND address = ?2 AND starts > ?3",
            )
            .map_err(failed)?;
        let address = address_block(address).to_string();
        let (count, first): (i64, Option<i64>) = statement
            .query_row(params![pool.text(), address, from.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(failed)?;
        Ok((number(count), first.map(Moment)))
    }

    fn last_seat_line(&self, pool: PoolId) -> Result<u64, StoreError> {
        let last = self.number(
            "SELECT max(last_line) FROM ledger_seats WHERE pool = ?1",
            params![pool.text()],
        )?;
        Ok(number(last.unwrap_or(0)))
    }

    fn alerts(&self, pool: PoolId, most: usize) -> Result<Vec<Line>, StoreError> {
        let mut statement = self
            .0
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM ledger WHERE pool = ?1 AND line = 'alert' \
                 ORDER BY sequence DESC LIMIT ?2"
            ))
            .map_err(failed)?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![pool.text(), most]).map_err(failed)?;
        let mut alerts = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            alerts.push(line(row)?.1);
        }
        Ok(alerts)
    }
}

impl SqliteLedger<'_> {
    fn number(&self, sql: &str, values: impl rusqlite::Params) -> Result<Option<i64>, StoreError> {
        let mut statement = self.0.prepare_cached(sql).map_err(failed)?;
        let found = statement.query_row(values, |row| row.get(0)).optional().map_err(failed)?;
        Ok(found.flatten())
    }

    fn out(&self, sql: &str, values: impl rusqlite::Params) -> Result<SeatsOut, StoreError> {
        let mut statement = self.0.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query(values).map_err(failed)?;
        let mut out = SeatsOut::default();
        while let Some(row) = rows.next().map_err(failed)? {
            let count = number(row.get(1).map_err(failed)?);
            if row.get::<_, bool>(0).map_err(failed)? {
                out.held = count;
            } else {
                out.quarantined = count;
            }
        }
        Ok(out)
    }

    fn sum_of_lines(&self, pool: &str, from: i64, to: i64) -> Result<Sum, StoreError> {
        if from >= to {
            return Ok(Sum::default());
        }
        self.sum(
            "SELECT sum(units), sum(CASE WHEN meter LIKE 'visitor:%' THEN units ELSE 0 END), \
             count(*) FROM ledger WHERE pool = ?1 AND starts >= ?2 AND starts < ?3 \
             AND line IN ('taken', 'used')",
            params![pool, from, to],
        )
    }

    fn sum_of_spans(&self, pool: &str, span: i64, from: i64, to: i64) -> Result<Sum, StoreError> {
        self.sum(
            "SELECT sum(units), sum(units_of_visitors), sum(uses) FROM ledger_sums \
             WHERE pool = ?1 AND span = ?2 AND start >= ?3 AND start < ?4",
            params![pool, span, from, to],
        )
    }

    fn sum(&self, sql: &str, values: impl rusqlite::Params) -> Result<Sum, StoreError> {
        let mut statement = self.0.prepare_cached(sql).map_err(failed)?;
        statement
            .query_row(values, |row| {
                let amount =
                    |index| row.get(index).map(|sum: Option<i64>| number(sum.unwrap_or(0)));
                Ok(Sum { units: amount(0)?, units_of_visitors: amount(1)?, uses: amount(2)? })
            })
            .map_err(failed)
    }
}

fn seat(
    connection: &Connection,
    pool: &str,
    meter: &str,
) -> Result<Option<SeatRecord>, StoreError> {
    connection
        .prepare_cached(
            "SELECT state, ends, since, last_used, by_rule, last_line, principal \
             FROM ledger_seats WHERE pool = ?1 AND meter = ?2",
        )
        .map_err(failed)?
        .query_row(params![pool, meter], seat_record)
        .optional()
        .map_err(failed)
}

fn seat_record(row: &Row<'_>) -> rusqlite::Result<SeatRecord> {
    let state: String = row.get(0)?;
    let ends: Option<i64> = row.get(1)?;
    Ok(SeatRecord {
        seat: match (state.as_str(), ends) {
            ("held", _) => Seat::Held,
            ("quarantined", ends) => Seat::Quarantined { until: Moment(ends.unwrap_or(i64::MAX)) },
            _ => Seat::None,
        },
        since: Moment(row.get(2)?),
        last_used: row.get::<_, Option<i64>>(3)?.map(Moment),
        by_rule: row.get(4)?,
        last_line: number(row.get(5)?),
        principal: row.get(6)?,
    })
}

/// The columns that [`line`] reads.
pub(super) const COLUMNS: &str = "sequence, key, line, moment, pool, kind, meter, principal, app, \
     session, entrance, address, device, starts, ends, units, actor, reason";

/// A line and its number.
pub(super) fn line(row: &Row<'_>) -> Result<(u64, Line), StoreError> {
    let text = |index: usize| row.get::<_, String>(index).map_err(failed);
    let maybe = |index: usize| row.get::<_, Option<String>>(index).map_err(failed);
    let from = Moment(row.get(13).map_err(failed)?);
    let moment = row.get::<_, Option<i64>>(3).map_err(failed)?.map(Moment);
    let sequence: i64 = row.get(0).map_err(failed)?;
    let units: i64 = row.get(15).map_err(failed)?;
    Ok((
        number(sequence),
        Line {
            key: text(1)?,
            kind: line_kind(&text(2)?)?,
            moment: moment.unwrap_or(from),
            pool: parsed("pool of the ledger", &text(4)?)?,
            pool_kind: pool_kind(&text(5)?)?,
            meter: optional("meter", Some(text(6)?))?,
            principal: text(7)?,
            app: optional("app of the ledger", Some(text(8)?))?,
            session: optional("session of the ledger", maybe(9)?)?,
            entrance: text(10)?,
            address: optional("address of the ledger", Some(text(11)?))?,
            device: optional("device of the ledger", maybe(12)?)?,
            from,
            until: row.get::<_, Option<i64>>(14).map_err(failed)?.map(Moment),
            units: number(units),
            actor: text(16)?,
            reason: text(17)?,
        },
    ))
}

const NAMED: [PoolKind; 3] = [PoolKind::Professional, PoolKind::Analyzer, PoolKind::UserAccess];

/// How the ledger writes a kind of pool.
pub(super) fn kind_text(kind: PoolKind) -> &'static str {
    match kind {
        PoolKind::Professional => "Professional",
        PoolKind::Analyzer => "Analyzer",
        PoolKind::UserAccess => "UserAccess",
        PoolKind::LoginAccess => "LoginAccess",
        PoolKind::AnalyzerCapacity => "AnalyzerCapacity",
    }
}

pub(super) fn pool_kind(text: &str) -> Result<PoolKind, StoreError> {
    let shared = [PoolKind::LoginAccess, PoolKind::AnalyzerCapacity];
    let found = NAMED.into_iter().chain(shared).find(|kind| kind_text(*kind) == text);
    found.ok_or_else(|| StoreError::Corrupt { kind: "kind of pool", reason: text.to_owned() })
}

pub(super) fn line_kind(text: &str) -> Result<LineKind, StoreError> {
    let found = LineKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    found
        .ok_or_else(|| StoreError::Corrupt { kind: "kind of ledger line", reason: text.to_owned() })
}

pub(super) fn parsed<T: std::str::FromStr>(
    kind: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt { kind, reason: text.to_owned() })
}

/// A value that is absent where the text is.
pub(super) fn optional<T: std::str::FromStr>(
    kind: &'static str,
    text: Option<String>,
) -> Result<Option<T>, StoreError> {
    text.filter(|text| !text.is_empty()).map(|text| parsed(kind, &text)).transpose()
}

fn execute(
    transaction: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
) -> Result<usize, StoreError> {
    transaction.prepare_cached(sql).map_err(failed)?.execute(values).map_err(failed)
}

fn floor(moment: i64, span: i64) -> i64 {
    moment.saturating_sub(moment.rem_euclid(span))
}

fn ceiling(moment: i64, span: i64) -> i64 {
    let floor = floor(moment, span);
    if floor == moment { moment } else { floor.saturating_add(span) }
}

fn number(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or(0)
}
