//! What would these visits have cost under other pools?

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use loggia_model::entity::{LicencePool, PoolKind};
use loggia_model::{AppId, Moment, PoolId};

use crate::acquire::{Admission, Charge, RefusalCode, acquire};
use crate::line::{Line, LineKind, MeterKey, address_block};
use crate::seat::Seat;
use crate::view::{PoolView, PoolsView, Visit, returns};
use crate::{UNIT_MINUTES, UtcOffset};

/// Somebody was active at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    pub at: Moment,
    pub visit: Visit,
    /// `DIRECTORY\id`, from which the caller knows whom the pools would admit.
    pub principal: String,
}

/// What a simulation came to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Outcome {
    /// In the order of the pools given.
    pub pools: Vec<PoolOutcome>,
    pub activities: u64,
    pub refused: u64,
    /// How many activities were refused with which code.
    pub refusals: BTreeMap<&'static str, u64>,
    /// When somebody was refused because pools were used up for the first time.
    pub first_empty: Option<Moment>,
}

/// What one pool would have given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOutcome {
    pub pool: PoolId,
    /// Minutes, passes or seats drawn.
    pub units: u64,
    pub units_of_visitors: u64,
    /// How much was out at most at one time.
    pub peak: u64,
    /// Activities that it served.
    pub served: u64,
}

/// The activities that lines of a ledger bear witness of, in the order of time.
///
/// A unit stands for one activity, at its beginning. Of the hour of a pass, and of the day on which
/// a seat was used, nobody knows more than the beginning either, so that a pool of minutes looks
/// cheaper after passes and seats than it would be: `minutes_per_visit` says for how long people
/// are taken to be active then, at least one unit.
#[must_use]
pub fn activities(lines: &[Line], minutes_per_visit: u64) -> Vec<Activity> {
    let mut found = Vec::new();
    for line in lines {
        let is_use = matches!(line.kind, LineKind::Taken | LineKind::Used);
        let is_by_hand = !line.actor.is_empty();
        let Some(meter) = line.meter.filter(|_| is_use && !is_by_hand) else { continue };
        let visit = Visit {
            session: line.session,
            device: line.device,
            entrance: line.entrance.parse().unwrap_or_else(|_| {
                // An entrance of another time: only what is reported about it is lost.
                loggia_model::Prefix::default_entrance()
            }),
            address: line.address,
            ..Visit::new(meter.holder, line.app.unwrap_or(AppId(uuid::Uuid::nil())))
        };
        let is_unit = line.pool_kind == loggia_model::entity::PoolKind::AnalyzerCapacity;
        let units = if is_unit { 1 } else { minutes_per_visit.div_ceil(UNIT_MINUTES).max(1) };
        for unit in 0..units.min(10) {
            let minutes = i64::try_from(unit * UNIT_MINUTES).unwrap_or(0);
            found.push(Activity {
                at: line.from.plus_minutes(minutes),
                visit: visit.clone(),
                principal: line.principal.clone(),
            });
        }
    }
    found.sort_by_key(|activity| activity.at);
    found
}

/// Plays activities, in the order of time, against pools from which nothing is out yet.
#[must_use]
pub fn simulate(
    activities: &[Activity],
    pools: &[LicencePool],
    admits: impl Fn(&Activity, &LicencePool) -> bool,
    offset: UtcOffset,
) -> Outcome {
    let mut states: Vec<State> = pools.iter().map(|_| State::default()).collect();
    let empty = |pool: &LicencePool| PoolOutcome {
        pool: pool.id,
        units: 0,
        units_of_visitors: 0,
        peak: 0,
        served: 0,
    };
    let mut outcome = Outcome { pools: pools.iter().map(empty).collect(), ..Outcome::default() };
    for activity in activities {
        outcome.activities += 1;
        let now = activity.at;
        let mut view = PoolsView { offset, ..PoolsView::default() };
        for (pool, state) in pools.iter().zip(&mut states) {
            let admits = admits(activity, pool);
            view.pools.push(state.view(pool, admits, &activity.visit, now, offset));
        }
        match acquire(&view, &activity.visit, now) {
            Admission::Covered { pool, .. } => serve(&mut outcome, pool, 0, 0, false),
            Admission::Charge(charge) => {
                let of_visitor = charge.meter.holder.is_anonymous();
                let place = pools.iter().position(|pool| pool.id == charge.pool);
                let Some(state) = place.and_then(|place| states.get_mut(place)) else { continue };
                state.draw(&charge, activity.visit.address);
                serve(&mut outcome, charge.pool, charge.units, state.used, of_visitor);
            }
            Admission::Refused(refusal) => {
                outcome.refused += 1;
                *outcome.refusals.entry(refusal.code.as_str()).or_default() += 1;
                if refusal.code == RefusalCode::Empty && outcome.first_empty.is_none() {
                    outcome.first_empty = Some(now);
                }
            }
        }
    }
    outcome
}

/// What is out of one pool, kept as time goes on: [`PoolView::from_ledger`] would read all lines
/// again for each activity.
#[derive(Default)]
struct State {
    used: u64,
    used_by_visitors: u64,
    /// What comes back, in the order of time.
    out: VecDeque<(Moment, u64, bool)>,
    /// Ends of the newest unit or pass of each meter, or that it has a seat.
    meters: HashMap<MeterKey, Option<Moment>>,
    addresses: HashMap<IpAddr, VecDeque<Moment>>,
}

impl State {
    fn view(
        &mut self,
        pool: &LicencePool,
        admits: bool,
        visit: &Visit,
        now: Moment,
        offset: UtcOffset,
    ) -> PoolView {
        let month = offset.month_of(now);
        let is_back = |from: Moment| match pool.kind {
            PoolKind::AnalyzerCapacity => from < month.start,
            PoolKind::LoginAccess => returns(from) <= now,
            _ => false,
        };
        while let Some(&(from, units, of_visitor)) = self.out.front() {
            if !is_back(from) {
                break;
            }
            self.out.pop_front();
            self.used = self.used.saturating_sub(units);
            if of_visitor {
                self.used_by_visitors = self.used_by_visitors.saturating_sub(units);
            }
        }
        let mut view = PoolView::new(pool.clone(), admits);
        match self.meters.get(&visit.meter(pool.kind)) {
            Some(None) => view.seat = Seat::Held,
            Some(until) => view.last_until = *until,
            None => {}
        }
        view.used = self.used;
        view.used_by_visitors = self.used_by_visitors;
        if let Some(address) = visit.limited_address(pool)
            && let Some(begun) = self.addresses.get_mut(&address)
        {
            let hour_ago = now.plus_minutes(-60);
            while begun.front().is_some_and(|from| *from <= hour_ago) {
                begun.pop_front();
            }
            view.from_address = u64::try_from(begun.len()).unwrap_or(u64::MAX);
        }
        view
    }

    fn draw(&mut self, charge: &Charge, address: Option<IpAddr>) {
        let of_visitor = charge.meter.holder.is_anonymous();
        self.used = self.used.saturating_add(charge.units);
        if of_visitor {
            self.used_by_visitors = self.used_by_visitors.saturating_add(charge.units);
        }
        self.out.push_back((charge.from, charge.units, of_visitor));
        self.meters.insert(charge.meter, charge.until);
        if let Some(address) = address.filter(|_| of_visitor) {
            self.addresses.entry(address_block(address)).or_default().push_back(charge.from);
        }
    }
}

fn serve(outcome: &mut Outcome, pool: PoolId, units: u64, used: u64, of_visitor: bool) {
    let Some(entry) = outcome.pools.iter_mut().find(|entry| entry.pool == pool) else { return };
    entry.served += 1;
    entry.units = entry.units.saturating_add(units);
    entry.peak = entry.peak.max(used);
    if of_visitor {
        entry.units_of_visitors = entry.units_of_visitors.saturating_add(units);
    }
}
