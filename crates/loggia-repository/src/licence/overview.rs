//! What the operator sees of pools: counters, days, the forecast, alerts, lines and simulations.

use loggia_licence::{
    Activity, Counters, DayOfUse, Outcome, activities, counters, forecast, simulate,
};
use loggia_model::entity::LicencePool;
use loggia_model::{Caller, Moment, PoolId, Principal};
use loggia_rules::admits;

use crate::Repository;
use crate::facts::SiteFacts;
use crate::manage::ManageError;
use crate::site::Site;
use crate::store::{Line, LineKind};

/// What was drawn from a pool on one day of the site.
pub type PoolDay = DayOfUse;

/// A pool was used up to so many per cent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub pool: PoolId,
    pub time: Moment,
    pub percentage: u64,
}

const DAY: i64 = 24 * 60;
/// Days of one answer: ten years.
const MOST_DAYS: usize = 3_660;

impl Repository {
    /// The counters of a pool.
    pub fn pool_counters(&self, caller: &Caller, pool: PoolId) -> Result<Counters, ManageError> {
        let pool = self.pool(caller, pool)?;
        self.counters_of(&pool)
    }

    /// What was drawn on each day of the site from the one of `from` to the one before `to`; days
    /// without use are there.
    pub fn pool_history(
        &self,
        caller: &Caller,
        pool: PoolId,
        from: Moment,
        to: Moment,
    ) -> Result<Vec<PoolDay>, ManageError> {
        let pool = self.pool(caller, pool)?;
        self.days_of(&pool, from, to)
    }

    /// The day on which the pool will be used up if it goes on like this; none where it lasts.
    pub fn forecast(&self, caller: &Caller, pool: PoolId) -> Result<Option<Moment>, ManageError> {
        let pool = self.pool(caller, pool)?;
        let now = self.now();
        let counters = self.counters_of(&pool)?;
        let days = self.days_of(&pool, now.plus_minutes(-29 * DAY), now)?;
        Ok(forecast(pool.kind, &counters, &days, now, self.inner.settings.offset))
    }

    /// The newest alerts about a pool, the last one first.
    pub fn pool_alerts(&self, caller: &Caller, pool: PoolId) -> Result<Vec<Alert>, ManageError> {
        let pool = self.pool(caller, pool)?;
        let mut alerts = Vec::new();
        self.inner.store.read_ledger(&mut |ledger| {
            alerts = ledger.alerts(pool.id, 100)?;
            Ok(())
        })?;
        let alert =
            |line: Line| Alert { pool: line.pool, time: line.moment, percentage: line.units };
        Ok(alerts.into_iter().map(alert).collect())
    }

    /// Lines of the ledger about pools that the caller may read, by their numbers above `after`;
    /// at most so many are looked at, and the last number looked at comes with them.
    pub fn ledger_lines(
        &self,
        caller: &Caller,
        after: u64,
        most: usize,
    ) -> Result<(Vec<(u64, Line)>, u64), ManageError> {
        let pools = self.pools(caller)?;
        let mut lines = self.inner.store.lines(after, most)?;
        let last = lines.last().map_or(after, |(number, _)| *number);
        lines.retain(|(_, line)| pools.iter().any(|pool| pool.id == line.pool));
        Ok((lines, last))
    }

    /// What the activity between two moments would have cost under these pools. A pool whose id is
    /// one of the site's admits whom its rules admit; any other one admits everybody it can.
    pub fn simulate(
        &self,
        caller: &Caller,
        (from, to): (Moment, Moment),
        minutes_per_visit: u64,
        pools: &[LicencePool],
    ) -> Result<Outcome, ManageError> {
        let site = self.site();
        let lines = self.lines_between(caller, from, to)?;
        let activities = activities(&lines, minutes_per_visit);
        let offset = self.inner.settings.offset;
        Ok(simulate(&activities, pools, |activity, pool| admitted(&site, activity, pool), offset))
    }

    /// The lines of use that begin between two moments.
    pub(crate) fn lines_between(
        &self,
        caller: &Caller,
        from: Moment,
        to: Moment,
    ) -> Result<Vec<Line>, ManageError> {
        // A clock that was a day off is no reason to miss what it wrote.
        let mut after = self.line_before(from.plus_minutes(-DAY))?;
        let mut lines = Vec::new();
        loop {
            let (found, last) = self.ledger_lines(caller, after, 10_000)?;
            let is_meant = |line: &Line| line.kind != LineKind::Alert && line.from < to;
            let found = found.into_iter().map(|(_, line)| line);
            lines.extend(found.filter(|line| line.from >= from && is_meant(line)));
            if last == after {
                break;
            }
            after = last;
        }
        Ok(lines)
    }

    /// Moves what no decision looks at any more into compact blocks, some lines at a time; answers
    /// how many were moved. Counters, days, seats and running units stay what they are.
    pub fn compact_ledger(&self) -> Result<u64, ManageError> {
        Ok(self.inner.store.compact_ledger(self.now().plus_minutes(-LINES_KEPT_DAYS * DAY))?)
    }

    /// Number of a line that was written before this moment, the last one if clocks were right; 0
    /// for none. Lines are many, so that it is searched for.
    fn line_before(&self, moment: Moment) -> Result<u64, ManageError> {
        let is_before = |number: u64| -> Result<bool, ManageError> {
            let lines = self.inner.store.lines(number.saturating_sub(1), 1)?;
            Ok(lines.first().is_some_and(|(_, line)| line.moment < moment))
        };
        let (mut before, mut step) = (0_u64, 1_u64);
        while is_before(before.saturating_add(step))? {
            before = before.saturating_add(step);
            step = step.saturating_mul(2);
        }
        while step > 1 {
            step /= 2;
            if is_before(before.saturating_add(step))? {
                before = before.saturating_add(step);
            }
        }
        Ok(before)
    }

    pub(crate) fn counters_of(&self, pool: &LicencePool) -> Result<Counters, ManageError> {
        let mut found = None;
        self.inner.store.read_ledger(&mut |ledger| {
            found = Some(self.drawn(pool, ledger, self.now())?);
            Ok(())
        })?;
        Ok(counters(pool, &found.unwrap_or_default()))
    }

    fn days_of(
        &self,
        pool: &LicencePool,
        from: Moment,
        to: Moment,
    ) -> Result<Vec<PoolDay>, ManageError> {
        let offset = self.inner.settings.offset;
        let mut days = Vec::new();
        self.inner.store.read_ledger(&mut |ledger| {
            days.clear();
            let mut day = offset.day_of(from);
            while day < to && days.len() < MOST_DAYS {
                let next = day.plus_minutes(DAY);
                let sum = ledger.drawn_between(pool.id, day, next)?;
                days.push(DayOfUse {
                    day,
                    units: sum.units,
                    units_of_visitors: sum.units_of_visitors,
                    uses: sum.uses,
                });
                day = next;
            }
            Ok(())
        })?;
        Ok(days)
    }
}

/// Lines younger than this are kept as they are: a month and what a pass may be out, and some.
const LINES_KEPT_DAYS: i64 = 93;

/// Whether the pool would have admitted whoever was active. Of people only the row is known now,
/// not the attributes that their session had then.
pub(crate) fn admitted(site: &Site, activity: &Activity, pool: &LicencePool) -> bool {
    if site.pool(pool.id).is_none() {
        return true;
    }
    let principal = match activity.visit.holder {
        loggia_licence::HolderKey::Visitor(visitor) => Principal::Anonymous(visitor),
        loggia_licence::HolderKey::User(id) => match site.user(id) {
            Some(user) => Principal::User { id, key: user.key.clone() },
            None => return false,
        },
    };
    let environment = loggia_model::Environment {
        ip: activity.visit.address,
        virtual_proxy: activity.visit.entrance.clone(),
        ..loggia_model::Environment::default()
    };
    let caller = Caller {
        principal,
        context: loggia_model::RequestContext::Hub,
        environment,
        session: activity.visit.session,
    };
    let facts = SiteFacts::new(site, &caller);
    site.licence_conditions(pool.id).iter().any(|(_, condition)| admits(condition, &facts))
}
