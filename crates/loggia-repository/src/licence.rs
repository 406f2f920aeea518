//! Which pool serves a visit? Loads what `loggia-licence` looks at, stores the charge it asks for
//! in the same transaction, and remembers what is covered, so that activity inside a running unit
//! costs no query.

mod overview;
mod seats;
mod tokens;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use loggia_audit::{Event, Kind};
use loggia_licence::{
    Admission, Charge, Drawn, HolderKey, LineKind, MeterKey, PoolView, PoolsView, RefusalCode,
    Seat, Visit, acquire, is_named, returns,
};
use loggia_model::entity::{LicencePool, PoolKind};
use loggia_model::{AppId, Caller, Moment, PoolId, Principal, SessionId};
use loggia_rules::admits;

use crate::Repository;
use crate::facts::SiteFacts;
use crate::refusal::Code;
use crate::site::Site;
use crate::store::{Charged, Ledger, Line, StoreError};
use crate::visit::{Access, Unlicensed, VisitInfo};

pub(crate) use overview::admitted;
pub use overview::{Alert, PoolDay};
pub use seats::{Allocation, AllocationStatus};
pub(crate) use tokens::{may_read_tokens, require_on_tokens};

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
        site: &Arc<Site>,
        caller: &Caller,
        app: AppId,
        info: &VisitInfo,
    ) -> Result<Access, Unlicensed> {
        let Some(visit) = visit(caller, app, info) else { return Ok(Access::Free) };
        let now = self.now();
        let decided = Arc::new(Mutex::new(None));
        let (repository, site_then, caller_then) = (self.clone(), site.clone(), caller.clone());
        let (visit_then, decided_then) = (visit.clone(), decided.clone());
        let charged = self
            .inner
            .store
            .charge(Box::new(move |ledger| {
                let view =
                    repository.pools_view(&site_then, &caller_then, &visit_then, ledger, now)?;
                let admission = acquire(&view, &visit_then, now);
                let lines = lines(&site_then, &admission, &visit_then, &caller_then, now, &view);
                *decided_then.lock() = Some(admission);
                Ok(lines)
            }))
            .map_err(Unlicensed::Store)?;
        let admission = decided.lock().take();
        if let Some(Admission::Charge(charge)) = &admission {
            tell_of_alerts(site, charge);
            if charged == Charged::Appended {
                self.tell_of_charge(site, caller, app, charge);
            }
        }
        let access = self.access(site, admission, info)?;
        self.inner.coverage.put(
            key(&visit),
            Covered { licence_version: site.licence_version(), access },
            now,
        );
        Ok(access)
    }

    /// Tells the trail what was taken, and what the operator is warned of. The ledger is the proof;
    /// this is for who reads what happened.
    fn tell_of_charge(&self, site: &Site, caller: &Caller, app: AppId, charge: &Charge) {
        let now = self.now();
        let name = site.pool(charge.pool).map_or("", |pool| pool.name.as_str());
        let taken = Event::by(caller, Kind::LicenceTaken, now)
            .about(app)
            .with("kind", format!("{:?}", charge.kind))
            .with("pool", charge.pool.text())
            .with("name", name)
            .with("units", charge.units)
            .with("unit", charge.key.clone());
        // Classes that never fail closed.
        let _ = self.record(taken);
        for percentage in &charge.reaches {
            let alert = Event::new(Kind::LicenceAlert, now)
                .with("pool", charge.pool.text())
                .with("name", name)
                .with("percentage", *percentage);
            let _ = self.record(alert);
        }
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
        let now = self.now();
        // A clock that was set back does not make what is remembered last longer.
        let latest = match covered.access {
            Access::Free => now,
            Access::Held { kind, until: Some(_), .. } => PoolView::latest_end(kind, now),
            Access::Held { until: None, .. } => self.tomorrow(now),
        };
        let lasts = now < covered.access.ask_again() && covered.access.ask_again() <= latest;
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
        let mut view = PoolsView { offset: self.inner.settings.offset, ..PoolsView::default() };
        for pool in site.pools() {
            let conditions = site.licence_conditions(pool.id);
            let is_admitted = conditions.iter().any(|(_, condition)| admits(condition, &facts));
            view.pools.push(self.pool_view(pool, is_admitted, visit, ledger, now)?);
        }
        let wants_token = |pool: &PoolView| pool.pool.kind == PoolKind::UserAccess && pool.admits;
        if site.tokens().is_some() && view.pools.iter().any(wants_token) {
            view.tokens_left = tokens::token_counters(site, ledger, now)?.available;
        }
        Ok(view)
    }

    /// One pool as `PoolView::from_ledger` would see it, from sums instead of lines. What is out
    /// of an unlimited pool decides nothing and is not looked up, nor is anything of a pool that
    /// cannot serve the visit.
    #[doc(hidden)]
    pub fn pool_view(
        &self,
        pool: &LicencePool,
        is_admitted: bool,
        visit: &Visit,
        ledger: &dyn Ledger,
        now: Moment,
    ) -> Result<PoolView, StoreError> {
        let meter = visit.meter(pool.kind);
        let mut view = PoolView::new(pool.clone(), is_admitted);
        let is_named = is_named(pool.kind);
        if is_named && visit.holder.is_anonymous() || !is_named && !is_admitted {
            return Ok(view);
        }
        if is_named {
            if let Some(record) = ledger.seat(pool.id, meter)? {
                view.seat = record.at(now);
                view.last_used = record.last_used;
                view.last_line = record.last_line;
            }
            if view.seat == Seat::Held || !is_admitted {
                return Ok(view);
            }
        } else {
            let latest_end = PoolView::latest_end(pool.kind, now);
            let lines = ledger.meter(pool.id, meter, latest_end)?;
            view.last_line = lines.last_line;
            view.last_until = lines.last_until;
            if view.last_until.is_some_and(|until| now < until) {
                return Ok(view);
            }
        }
        if pool.capacity.is_some() {
            let drawn = self.drawn(pool, ledger, now)?;
            view.used = drawn.used.saturating_add(drawn.quarantined);
            view.used_by_visitors = drawn.used_by_visitors;
            view.renews = drawn.renews;
        }
        if let Some(address) = visit.limited_address(pool) {
            let since = now.plus_minutes(-60);
            let (count, first) = ledger.drawn_from_address(pool.id, address, since)?;
            view.from_address = count;
            view.address_renews = first.map(|first| first.plus_minutes(60));
        }
        Ok(view)
    }

    /// What is out of a pool, and when something comes back.
    pub(crate) fn drawn(
        &self,
        pool: &LicencePool,
        ledger: &dyn Ledger,
        now: Moment,
    ) -> Result<Drawn, StoreError> {
        if is_named(pool.kind) {
            let out = ledger.seats_out(pool.id, now)?;
            return Ok(Drawn { used: out.held, quarantined: out.quarantined, ..Drawn::default() });
        }
        let (sum, renews) = if pool.kind == PoolKind::AnalyzerCapacity {
            let month = self.inner.settings.offset.month_of(now);
            (ledger.drawn_between(pool.id, month.start, month.end)?, Some(month.end))
        } else {
            let since = first_out(now);
            let sum = ledger.drawn_between(pool.id, since, Moment(i64::MAX))?;
            (sum, ledger.first_since(pool.id, since)?.map(returns))
        };
        Ok(Drawn {
            used: sum.units,
            used_by_visitors: sum.units_of_visitors,
            quarantined: 0,
            renews,
        })
    }

    fn access(
        &self,
        site: &Site,
        admission: Option<Admission>,
        info: &VisitInfo,
    ) -> Result<Access, Unlicensed> {
        match admission {
            Some(Admission::Covered { pool, kind, until, .. }) => Ok(self.held(pool, kind, until)),
            Some(Admission::Charge(charge)) => {
                Ok(self.held(charge.pool, charge.kind, charge.until))
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
                    RefusalCode::Address => (
                        Code::LicAddress,
                        format!(
                            "the visitors of this address have drawn what one address may within \
                             an hour: {}",
                            quoted(&names)
                        ),
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

    fn held(&self, pool: PoolId, kind: PoolKind, until: Option<Moment>) -> Access {
        let ask_again = until.unwrap_or_else(|| self.tomorrow(self.now()));
        Access::Held { pool, kind, until, ask_again }
    }

    /// The site's next midnight.
    fn tomorrow(&self, now: Moment) -> Moment {
        self.inner.settings.offset.day_of(now).plus_minutes(24 * 60)
    }
}

/// The earliest use of a pass that is not back at `now`: one used exactly 28 days ago is.
pub(crate) fn first_out(now: Moment) -> Moment {
    let length = returns(now).millis_since(now);
    Moment(now.0.saturating_sub(length).saturating_add(1))
}

impl Coverage {
    fn get(&self, key: (HolderKey, Option<SessionId>)) -> Option<Covered> {
        self.0.lock().get(&key).copied()
    }

    fn put(&self, key: (HolderKey, Option<SessionId>), covered: Covered, now: Moment) {
        let mut entries = self.0.lock();
        if entries.len() >= SWEEP_AT && !entries.contains_key(&key) {
            entries.retain(|_, covered| now < covered.access.ask_again());
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
        device: info.device,
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

/// What the ledger gets to know of an admission.
fn lines(
    site: &Site,
    admission: &Admission,
    visit: &Visit,
    caller: &Caller,
    now: Moment,
    view: &PoolsView,
) -> Vec<Line> {
    let about = |key: String, kind: LineKind, pool: (PoolId, PoolKind), meter: MeterKey| Line {
        meter: Some(meter),
        principal: caller.principal.to_string(),
        app: Some(visit.app),
        session: visit.session,
        entrance: visit.entrance.to_string(),
        address: visit.address,
        device: visit.device,
        ..Line::new(key, kind, pool, now)
    };
    match admission {
        Admission::Charge(charge) => {
            let pool = (charge.pool, charge.kind);
            let taken = Line {
                from: charge.from,
                until: charge.until,
                units: charge.units,
                ..about(charge.key.clone(), LineKind::Taken, pool, charge.meter)
            };
            let alerts = charge.reaches.iter().map(|&percentage| {
                let month = view.offset.month_of(now).number;
                let key = format!("{}/alert/{month}/{percentage}", charge.pool);
                let name = site.pool(charge.pool).map_or("", |pool| pool.name.as_str());
                Line {
                    units: percentage,
                    reason: format!("{name} is used up to {percentage} %"),
                    ..Line::new(key, LineKind::Alert, pool, now)
                }
            });
            std::iter::once(taken).chain(alerts).collect()
        }
        Admission::Covered { pool, kind, is_first_today: true, .. } => {
            let meter = visit.meter(*kind);
            let day = view.offset.day_of(now);
            let key = format!("{pool}/{meter}/used/{}", day.0);
            vec![about(key, LineKind::Used, (*pool, *kind), meter)]
        }
        Admission::Covered { .. } | Admission::Refused(_) => Vec::new(),
    }
}

/// One log line for each percentage that a charge reached.
fn tell_of_alerts(site: &Site, charge: &Charge) {
    for percentage in &charge.reaches {
        let name = site.pool(charge.pool).map_or("", |pool| pool.name.as_str());
        tracing::warn!(
            target: "loggia::licence",
            pool = %charge.pool,
            percentage,
            "licence pool {name:?} is used up to {percentage} %"
        );
    }
}
