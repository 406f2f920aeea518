//! Seats of named people by hand: give, take away, give back.

use loggia_licence::{
    HolderKey, LineKind, MeterKey, Seat, SeatRecord, TakenAway, is_named, take_away,
};
use loggia_model::entity::{LicencePool, PoolKind};
use loggia_model::{Caller, Moment, PoolId, UserId, UserKey};
use loggia_rules::Action;

use super::tokens;
use crate::Repository;
use crate::guard::Guard;
use crate::manage::{Conflict, ManageError, Violation};
use crate::record::Record;
use crate::store::{Change, Ledger, Line, StoreError};

/// Somebody's seat in a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    pub pool: PoolId,
    pub user: UserId,
    /// `DIRECTORY\id`; of somebody whose row was deleted it is the last thing known.
    pub principal: String,
    /// Display name; empty for somebody whose row was deleted.
    pub name: String,
    pub is_deleted: bool,
    pub status: AllocationStatus,
    /// To the day; none where the seat was never used.
    pub last_used: Option<Moment>,
    /// Whether a licence rule gave the seat.
    pub by_rule: bool,
    pub since: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocationStatus {
    Allocated,
    Quarantined { until: Moment },
}

impl Repository {
    /// Gives a user a seat of the pool. Giving it again changes nothing.
    pub fn allocate(
        &self,
        caller: &Caller,
        pool: PoolId,
        user: UserId,
    ) -> Result<Allocation, ManageError> {
        self.change_seat(caller, pool, user, |seat| {
            match seat.state() {
                Seat::Held => return Ok(None),
                Seat::Quarantined { .. } => {
                    let why = "the seat is in quarantine; reinstate it instead".to_owned();
                    return Err(Conflict::Protected { why }.into());
                }
                Seat::None => {}
            }
            if seat.is_deleted {
                return Err(ManageError::Invalid(vec![Violation::new("user", "does not exist")]));
            }
            let out = seat.ledger.seats_out(seat.pool.id, seat.now)?;
            let is_full = |capacity| out.held.saturating_add(out.quarantined) >= capacity;
            if seat.pool.capacity.is_some_and(is_full) {
                let why = format!("{:?} has no seat left", seat.pool.name);
                return Err(Conflict::Protected { why }.into());
            }
            if seat.pool.kind == PoolKind::UserAccess {
                let site = seat.guard.site();
                let left = tokens::token_counters(site, seat.ledger, seat.now)?.available;
                if left == Some(0) {
                    let why = "there is no token left for another seat".to_owned();
                    return Err(Conflict::Protected { why }.into());
                }
            }
            Ok(Some(Line { units: 1, ..seat.line(LineKind::Taken) }))
        })?
        .ok_or_else(|| StoreError::Failed("the seat is not there after it was given".into()).into())
    }

    /// Takes a user's seat away; what was used lately stays out of the pool for the days of its
    /// quarantine. None when the seat is back in the pool at once.
    pub fn deallocate(
        &self,
        caller: &Caller,
        pool: PoolId,
        user: UserId,
    ) -> Result<Option<Allocation>, ManageError> {
        let offset = self.inner.settings.offset;
        self.change_seat(caller, pool, user, |seat| {
            if seat.state() != Seat::Held {
                return Ok(None);
            }
            let last_used = seat.record.as_ref().and_then(|record| record.last_used);
            Ok(Some(match take_away(seat.pool, last_used, seat.now, offset) {
                TakenAway::Released => seat.line(LineKind::Released),
                TakenAway::Quarantined { until } => {
                    Line { until: Some(until), ..seat.line(LineKind::Quarantined) }
                }
            }))
        })
    }

    /// Gives a user in quarantine their seat back, which ends the quarantine.
    pub fn reinstate(
        &self,
        caller: &Caller,
        pool: PoolId,
        user: UserId,
    ) -> Result<Allocation, ManageError> {
        self.change_seat(caller, pool, user, |seat| match seat.state() {
            Seat::Held => Ok(None),
            Seat::Quarantined { .. } => Ok(Some(seat.line(LineKind::Reinstated))),
            Seat::None => {
                let why = "the user has no seat in quarantine; allocate one instead".to_owned();
                Err(Conflict::Protected { why }.into())
            }
        })?
        .ok_or_else(|| StoreError::Failed("the seat is not there after it was given".into()).into())
    }

    /// Seats that are held or in quarantine, by principal.
    pub fn allocations(
        &self,
        caller: &Caller,
        pool: PoolId,
    ) -> Result<Vec<Allocation>, ManageError> {
        let pool = self.pool(caller, pool)?;
        let (site, now) = (self.site(), self.now());
        let mut found = Vec::new();
        self.inner.store.read_ledger(&mut |ledger| {
            found = ledger.seats(pool.id)?;
            Ok(())
        })?;
        let mut allocations: Vec<Allocation> = found
            .into_iter()
            .filter_map(|(meter, record)| {
                let user = meter.holder.user()?;
                allocation(pool.id, user, site.user(user).map(AsRef::as_ref), &record, now)
            })
            .collect();
        allocations.sort_by_cached_key(|row| (row.principal.to_lowercase(), row.user));
        Ok(allocations)
    }

    /// The lines that take all seats of a pool away which a rule or anybody gave, for a pool that
    /// is about to be deleted.
    pub(crate) fn take_all_away(
        &self,
        guard: &Guard<'_>,
        pool: &LicencePool,
        reason: &str,
    ) -> Result<Vec<Change>, ManageError> {
        self.take_away_where(guard, pool, reason, |_| true)
    }

    /// The lines that take those seats of a pool away that are meant.
    pub(crate) fn take_away_where(
        &self,
        guard: &Guard<'_>,
        pool: &LicencePool,
        reason: &str,
        is_meant: impl Fn(&MeterKey) -> bool,
    ) -> Result<Vec<Change>, ManageError> {
        if !is_named(pool.kind) {
            return Ok(Vec::new());
        }
        let (now, offset) = (guard.now(), self.inner.settings.offset);
        let (mut seats, mut last_line) = (Vec::new(), 0);
        self.inner.store.read_ledger(&mut |ledger| {
            seats = ledger.seats(pool.id)?;
            last_line = ledger.last_seat_line(pool.id)?;
            Ok(())
        })?;
        let mut changes = vec![Change::ExpectSeatLine { pool: pool.id, last_line }];
        for (meter, record) in
            seats.into_iter().filter(|(meter, seat)| seat.at(now) == Seat::Held && is_meant(meter))
        {
            let (kind, until) = match take_away(pool, record.last_used, now, offset) {
                TakenAway::Released => (LineKind::Released, None),
                TakenAway::Quarantined { until } => (LineKind::Quarantined, Some(until)),
            };
            changes.push(Change::AppendLine(Box::new(Line {
                meter: Some(meter),
                principal: record.principal.clone(),
                until,
                actor: guard.caller().principal.to_string(),
                reason: reason.to_owned(),
                ..Line::new(line_key(pool, meter, &record), kind, (pool.id, pool.kind), now)
            })));
        }
        Ok(changes)
    }

    /// Appends what `decide` makes of a seat, if anything, and answers with what is then there.
    fn change_seat(
        &self,
        caller: &Caller,
        pool: PoolId,
        user: UserId,
        decide: impl Fn(&SeatDraft<'_>) -> Result<Option<Line>, ManageError>,
    ) -> Result<Option<Allocation>, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let pool =
                site.pool(pool).ok_or_else(|| guard.unknown("licence pool", Some(pool.0)))?;
            guard.require(Record::Pool(pool), Action::Update)?;
            if !is_named(pool.kind) {
                let why = "this pool has no seats of named people".to_owned();
                return Err(Conflict::Protected { why }.into());
            }
            let row = site.user(user);
            let is_internal = row.is_some_and(|row| {
                row.key.directory().eq_ignore_ascii_case(UserKey::INTERNAL_DIRECTORY)
            });
            if is_internal {
                let why = "the server's own accounts need no seat".to_owned();
                return Err(Conflict::Protected { why }.into());
            }
            let now = self.now();
            let mut planned = Ok((Vec::new(), None));
            self.inner.store.read_ledger(&mut |ledger| {
                let meter = MeterKey::of(HolderKey::User(user));
                let record = ledger.seat(pool.id, meter)?;
                let last_line = ledger.last_seat_line(pool.id)?;
                if row.is_none() && record.is_none() {
                    planned = Err(guard.unknown("user", Some(user.0)));
                    return Ok(());
                }
                let principal = match (row, &record) {
                    (Some(row), _) => row.key.to_string(),
                    (None, Some(record)) => record.principal.clone(),
                    (None, None) => String::new(),
                };
                let draft = SeatDraft {
                    guard: &guard,
                    pool,
                    meter,
                    principal,
                    is_deleted: row.is_none(),
                    record,
                    ledger,
                    now,
                };
                planned = decide(&draft).map(|line| match line {
                    None => (Vec::new(), draft.record.clone()),
                    Some(line) => {
                        let after = SeatRecord::after(draft.record.clone(), 0, &line);
                        let expect = Change::ExpectSeatLine { pool: pool.id, last_line };
                        (vec![expect, Change::AppendLine(Box::new(line))], after)
                    }
                });
                Ok(())
            })?;
            let (changes, after) = planned?;
            let user_row = row.map(AsRef::as_ref);
            let answer = after.and_then(|seat| allocation(pool.id, user, user_row, &seat, now));
            Ok((changes, answer))
        })
    }
}

/// One seat, and all that is needed to decide about it.
struct SeatDraft<'a> {
    guard: &'a Guard<'a>,
    pool: &'a LicencePool,
    meter: MeterKey,
    principal: String,
    is_deleted: bool,
    record: Option<SeatRecord>,
    ledger: &'a dyn Ledger,
    now: Moment,
}

impl SeatDraft<'_> {
    fn state(&self) -> Seat {
        self.record.as_ref().map_or(Seat::None, |record| record.at(self.now))
    }

    /// A line about the seat, by the caller's hand.
    fn line(&self, kind: LineKind) -> Line {
        let key = match &self.record {
            Some(record) => line_key(self.pool, self.meter, record),
            None => format!("{}/{}/0/0", self.pool.id, self.meter),
        };
        let pool = (self.pool.id, self.pool.kind);
        Line {
            meter: Some(self.meter),
            principal: self.principal.clone(),
            actor: self.guard.caller().principal.to_string(),
            ..Line::new(key, kind, pool, self.now)
        }
    }
}

/// What follows the last line about a seat: the same key as an automatic allocation would have, so
/// that only one of them can.
fn line_key(pool: &LicencePool, meter: MeterKey, record: &SeatRecord) -> String {
    format!("{}/{meter}/{}/0", pool.id, record.last_line)
}

fn allocation(
    pool: PoolId,
    user: UserId,
    row: Option<&loggia_model::entity::User>,
    record: &SeatRecord,
    now: Moment,
) -> Option<Allocation> {
    let status = match record.at(now) {
        Seat::None => return None,
        Seat::Held => AllocationStatus::Allocated,
        Seat::Quarantined { until } => AllocationStatus::Quarantined { until },
    };
    Some(Allocation {
        pool,
        user,
        principal: row.map_or_else(|| record.principal.clone(), |row| row.key.to_string()),
        name: row.map(|row| row.name.clone()).unwrap_or_default(),
        is_deleted: row.is_none(),
        status,
        last_used: record.last_used,
        by_rule: record.by_rule,
        since: record.since,
    })
}
