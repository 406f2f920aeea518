//! Which pool serves a visit? Loads what `loggia-licence` looks at, stores the charge it asks for
//! in the same transaction, and remembers what is covered, so that activity inside a running unit
//! costs no query.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use loggia_licence::{
    Admission, Charge, HolderKey, PASS_RETURN_DAYS, PoolView, PoolsView, RefusalCode, Seat, Visit,
    acquire, is_named,
};
use loggia_model::entity::{LicencePool, PoolKind};
use loggia_model::{AppId, Caller, Moment, Principal, SessionId};
use loggia_rules::admits;

use crate::Repository;
use crate::facts::SiteFacts;
use crate::refusal::Code;
use crate::site::Site;
use crate::store::{Ledger, LedgerRow, StoreError};
use crate::visit::{Access, Unlicensed, VisitInfo};

/// What is known to be covered, by holder and session.
#[derive(Default)]
pub(crate) struct Coverage(Mutex<HashMap<(HolderKey, Option<SessionId>), Covered>>);

#[derive(Clone, Copy)]
struct Covered {
    /// A later change of a pool, a rule or a user may have ended it.
    licence_version: u64,
    access: Access,
}

/// Beyond this many entries, those that ran out are dropped.
const SWEEP_AT: usize = 10_000;

impl Repository {
    /// Access for the visit, charged if need be.
    pub(crate) fn acquire(
        &self,
        site: &Site,
        caller: &Caller,
        app: AppId,
        info: &VisitInfo,
    ) -> Result<Access, Unlicensed> {
        let Some(visit) = visit(caller, app, info) else { return Ok(Access::Free) };
        let now = self.now();
        let mut admission = None;
        self.inner
            .store
            .charge(&mut |ledger| {
                let view = self.pools_view(site, caller, &visit, ledger, now)?;
                let decided = acquire(&view, &visit, now);
                let row = match &decided {
                    Admission::Charge(charge) => Some(ledger_row(charge, &visit, caller)),
                    Admission::Covered { .. } | Admission::Refused(_) => None,
                };
                admission = Some(decided);
                Ok(row)
            })
            .map_err(Unlicensed::Store)?;
        let access = self.access(site, admission, info)?;
        self.inner.coverage.put(
            key(&visit),
            Covered { licence_version: site.licence_version(), access },
            now,
        );
        Ok(access)
    }

    /// The answer of [`Repository::acquire`] without its effect.
    pub(crate) fn would_acquire(
        &self,
        site: &Site,
        caller: &Caller,
        app: AppId,
        info: &VisitInfo,
    ) -> Result<Access, Unlicensed> {
        let Some(visit) = visit(caller, app, info) else { return Ok(Access::Free) };
        let now = self.now();
        let mut admission = None;
        self.inner
            .store
            .read_ledger(&mut |ledger| {
                let view = self.pools_view(site, caller, &visit, ledger, now)?;
                admission = Some(acquire(&view, &visit, now));
                Ok(())
            })
            .map_err(Unlicensed::Store)?;
        self.access(site, admission, info)
    }

    /// Access that is known to last, without asking the store.
    pub(crate) fn covered(&self, site: &Site, caller: &Caller, info: &VisitInfo) -> Option<Access> {
        let Some(holder) = holder(caller, info) else { return Some(Access::Free) };
        let covered = self.inner.coverage.get((holder, caller.session))?;
        let lasts = covered.access.until().is_none_or(|until| self.now() < until);
        (covered.licence_version == site.licence_version() && lasts).then_some(covered.access)
    }

    /// All pools as this visit sees them.
    pub(crate) fn pools_view(
        &self,
        site: &Site,
        caller: &Caller,
        visit: &Visit,
        ledger: &dyn Ledger,
        now: Moment,
    ) -> Result<PoolsView, StoreError> {
        let facts = SiteFacts::new(site, caller);
        let mut view = PoolsView { pools: Vec::new(), offset: self.inner.settings.offset };
        for pool in site.pools() {
            let conditions = site.licence_conditions(pool.id);
            let is_admitted = conditions.iter().any(|(_, condition)| admits(condition, &facts));
            view.pools.push(self.pool_view(pool, is_admitted, visit, ledger, now)?);
        }
        Ok(view)
    }

    /// One pool as `PoolView::from_ledger` would see it, from sums instead of lines. What is out
    /// of an unlimited pool decides nothing and is not added up: a busy public site may have drawn
    /// a million units this month, and every charge waits for the one before.
    #[doc(hidden)]
    pub fn pool_view(
        &self,
        pool: &LicencePool,
        is_admitted: bool,
        visit: &Visit,
        ledger: &dyn Ledger,
        now: Moment,
    ) -> Result<PoolView, StoreError> {
        let meter = visit.meter(pool.kind).to_string();
        let mut view = PoolView {
            pool: pool.clone(),
            admits: is_admitted,
            seat: Seat::None,
            last_until: None,
            used: 0,
            renews: None,
        };
        if is_named(pool.kind) {
            if ledger.has_seat(pool.id, &meter)? {
                view.seat = Seat::Held;
            }
        } else {
            view.last_until = ledger.last_until(pool.id, &meter)?;
        }
        if pool.capacity.is_some() {
            (view.used, view.renews) = self.pool_use(pool, ledger, now)?;
        }
        Ok(view)
    }

    /// What is out of a pool, and when something comes back.
    pub(crate) fn pool_use(
        &self,
        pool: &LicencePool,
        ledger: &dyn Ledger,
        now: Moment,
    ) -> Result<(u64, Option<Moment>), StoreError> {
        match pool.kind {
            PoolKind::AnalyzerCapacity => {
                let month = self.inner.settings.offset.month_of(now);
                let used = ledger.units_between(pool.id, month.start, month.end)?;
                Ok((used, Some(month.end)))
            }
            PoolKind::LoginAccess => {
                let minutes = i64::try_from(PASS_RETURN_DAYS * 24 * 60).unwrap_or(i64::MAX);
                // A pass used exactly 28 days ago is back already.
                let first_out = Moment(now.plus_minutes(-minutes).0.saturating_add(1));
                let used = ledger.units_between(pool.id, first_out, Moment(i64::MAX))?;
                let first = ledger.first_since(pool.id, first_out)?;
                Ok((used, first.map(|first| first.plus_minutes(minutes))))
            }
            PoolKind::Professional | PoolKind::Analyzer | PoolKind::UserAccess => {
                Ok((ledger.seats(pool.id)?, None))
            }
        }
    }

    fn access(
        &self,
        site: &Site,
        admission: Option<Admission>,
        info: &VisitInfo,
    ) -> Result<Access, Unlicensed> {
        match admission {
            Some(Admission::Covered { pool, kind, until }) => {
                Ok(Access::Held { pool, kind, until })
            }
            Some(Admission::Charge(charge)) => {
                Ok(Access::Held { pool: charge.pool, kind: charge.kind, until: charge.until })
            }
            Some(Admission::Refused(refusal)) => {
                let names: Vec<_> = refusal
                    .pools
                    .iter()
                    .filter_map(|pool| site.pool(*pool))
                    .map(|pool| pool.name.clone())
                    .collect();
                let mut renews = refusal.renews;
                let (code, finding) = match refusal.code {
                    RefusalCode::None => {
                        (Code::LicNone, "no licence pool has a rule that admits the caller".into())
                    }
                    RefusalCode::Empty => (Code::LicEmpty, format!("used up: {}", quoted(&names))),
                    RefusalCode::AnonymousKind => (
                        Code::LicAnonKind,
                        "only pools of named seats exist for the caller, and a visitor has none"
                            .into(),
                    ),
                    RefusalCode::Sessions => {
                        let finding = match info.place_wait {
                            None => "the person has too many sessions",
                            Some(_) => "the person had too many sessions until a short while ago",
                        };
                        renews = info.place_wait.map(|wait| later(self.now(), wait));
                        (Code::LicSessions, finding.into())
                    }
                };
                Err(Unlicensed::Refused { code, finding, renews, pools: names })
            }
            None => Err(Unlicensed::Store(StoreError::Failed("the ledger was not read".into()))),
        }
    }
}

impl Coverage {
    fn get(&self, key: (HolderKey, Option<SessionId>)) -> Option<Covered> {
        self.0.lock().get(&key).copied()
    }

    fn put(&self, key: (HolderKey, Option<SessionId>), covered: Covered, now: Moment) {
        let mut entries = self.0.lock();
        if entries.len() >= SWEEP_AT && !entries.contains_key(&key) {
            entries.retain(|_, covered| covered.access.until().is_some_and(|until| now < until));
            if entries.len() >= SWEEP_AT {
                // Only a memory of what the store knows: forgetting costs queries, not units.
                entries.clear();
            }
        }
        entries.insert(key, covered);
    }
}

/// The visit as the licence sees it; none for the server's own accounts.
fn visit(caller: &Caller, app: AppId, info: &VisitInfo) -> Option<Visit> {
    Some(Visit {
        session: caller.session,
        entrance: caller.environment.virtual_proxy.clone(),
        address: caller.environment.ip,
        parallel_sessions: info.parallel_sessions,
        ..Visit::new(holder(caller, info)?, app)
    })
}

fn holder(caller: &Caller, info: &VisitInfo) -> Option<HolderKey> {
    match &caller.principal {
        Principal::User { id, .. } => Some(HolderKey::User(*id)),
        Principal::Anonymous(visitor) => Some(HolderKey::Visitor(info.visitor.unwrap_or(*visitor))),
        Principal::Internal(_) => None,
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

fn later(now: Moment, wait: Duration) -> Moment {
    Moment(now.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
}

fn key(visit: &Visit) -> (HolderKey, Option<SessionId>) {
    (visit.holder, visit.session)
}

fn ledger_row(charge: &Charge, visit: &Visit, caller: &Caller) -> LedgerRow {
    LedgerRow {
        key: charge.key.clone(),
        pool: charge.pool,
        kind: charge.kind,
        meter: charge.meter.to_string(),
        principal: caller.principal.to_string(),
        app: visit.app,
        session: visit.session,
        entrance: visit.entrance.to_string(),
        address: visit.address.map(|address| address.to_string()).unwrap_or_default(),
        from: charge.from,
        until: charge.until,
        units: charge.units,
    }
}
