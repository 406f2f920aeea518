//! A house with pools and a ledger, as a repository would keep them.

use loggia_licence::{
    Admission, Charge, Drawn, HolderKey, MeterKey, PoolView, PoolsView, Seat, UtcOffset, Visit,
    acquire,
};
use loggia_model::entity::{LicencePool, PoolKind, Stamp};
use loggia_model::{AppId, Moment, PoolId, SessionId, UserId, VisitorId};
use uuid::Uuid;

/// 2024-03-01T00:00:00Z, the beginning of a month of 31 days.
pub(crate) const MARCH: Moment = Moment(1_709_251_200_000);

pub(crate) struct House {
    pub(crate) pools: Vec<Pool>,
    pub(crate) ledger: Vec<(PoolId, String, Drawn)>,
    pub(crate) offset: UtcOffset,
}

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) pool: LicencePool,
    pub(crate) admits: fn(HolderKey) -> bool,
    pub(crate) quarantined: Vec<HolderKey>,
}

impl House {
    pub(crate) fn new(pools: Vec<Pool>) -> House {
        House { pools, ledger: Vec::new(), offset: UtcOffset::UTC }
    }

    pub(crate) fn view(&self, visit: &Visit, now: Moment) -> PoolsView {
        let view = |pool: &Pool| {
            let lines: Vec<Drawn> = self
                .ledger
                .iter()
                .filter(|(id, ..)| *id == pool.pool.id)
                .map(|(.., drawn)| *drawn)
                .collect();
            let admits = (pool.admits)(visit.holder);
            let mut view =
                PoolView::from_ledger(pool.pool.clone(), admits, &lines, visit, now, self.offset);
            if pool.quarantined.contains(&visit.holder) {
                view.seat = Seat::Quarantined;
            }
            // Lines before the horizon must not matter.
            if let Some(horizon) = PoolView::horizon(pool.pool.kind, now, self.offset) {
                let recent: Vec<Drawn> =
                    lines.into_iter().filter(|drawn| drawn.from >= horizon).collect();
                let pool = pool.pool.clone();
                let short = PoolView::from_ledger(pool, admits, &recent, visit, now, self.offset);
                assert_eq!((short.used, short.renews), (view.used, view.renews));
                let is_live = |view: &PoolView| view.last_until.filter(|until| now < *until);
                assert_eq!(is_live(&short), is_live(&view));
            }
            view
        };
        PoolsView { pools: self.pools.iter().map(view).collect(), offset: self.offset }
    }

    /// A visit at `now`: what it is answered, with its charge in the ledger.
    pub(crate) fn visit(&mut self, visit: &Visit, now: Moment) -> Admission {
        let admission = acquire(&self.view(visit, now), visit, now);
        if let Admission::Charge(charge) = &admission {
            self.store(charge);
        }
        admission
    }

    /// Stores a charge unless its key is there already.
    pub(crate) fn store(&mut self, charge: &Charge) {
        if self.ledger.iter().any(|(_, key, _)| *key == charge.key) {
            return;
        }
        let Charge { pool, key, meter, from, until, units, .. } = charge.clone();
        self.ledger.push((pool, key, Drawn { meter, from, until, units }));
    }

    /// A visit in one line: what it costs, what covers it, or why it is refused.
    pub(crate) fn says(&mut self, visit: &Visit, now: Moment) -> String {
        match self.visit(visit, now) {
            Admission::Covered { pool, .. } => format!("covered by {}", self.name(pool)),
            Admission::Charge(charge) => {
                format!("{} of {}", charge.units, self.name(charge.pool))
            }
            Admission::Refused(refusal) => {
                let pools: Vec<&str> = refusal.pools.iter().map(|pool| self.name(*pool)).collect();
                let mut text = refusal.code.to_string();
                if !pools.is_empty() {
                    text = format!("{text} {}", pools.join(", "));
                }
                match refusal.renews {
                    Some(renews) => {
                        let minutes = renews.millis_since(now) / 60_000;
                        format!("{text}, again in {minutes} min")
                    }
                    None => text,
                }
            }
        }
    }

    pub(crate) fn used(&self, name: &str, now: Moment) -> u64 {
        let anybody = Visit::new(visitor(999), app());
        let view = self.view(&anybody, now);
        view.pools.iter().find(|pool| pool.pool.name == name).unwrap().used
    }

    fn name(&self, id: PoolId) -> &str {
        &self.pools.iter().find(|pool| pool.pool.id == id).unwrap().pool.name
    }
}

/// A pool that admits everybody.
pub(crate) fn pool(name: &str, kind: PoolKind, capacity: Option<u64>) -> Pool {
    let id = name.bytes().fold(7u128, |hash, byte| hash * 31 + u128::from(byte));
    Pool {
        pool: LicencePool {
            id: PoolId(Uuid::from_u128(id)),
            name: name.to_owned(),
            kind,
            capacity,
            overage: 0,
            is_disabled: false,
            stamp: Stamp { created: MARCH, modified: MARCH, modified_by: String::new() },
        },
        admits: |_| true,
        quarantined: Vec::new(),
    }
}

impl Pool {
    pub(crate) fn admits(self, admits: fn(HolderKey) -> bool) -> Pool {
        Pool { admits, ..self }
    }

    pub(crate) fn overage(mut self, minutes: u64) -> Pool {
        self.pool.overage = minutes;
        self
    }

    pub(crate) fn disabled(mut self) -> Pool {
        self.pool.is_disabled = true;
        self
    }
}

pub(crate) fn visitors(holder: HolderKey) -> bool {
    holder.is_anonymous()
}

pub(crate) fn people(holder: HolderKey) -> bool {
    !holder.is_anonymous()
}

pub(crate) fn nobody(_: HolderKey) -> bool {
    false
}

pub(crate) fn visitor(number: u128) -> HolderKey {
    HolderKey::Visitor(VisitorId(Uuid::from_u128(number)))
}

pub(crate) fn person(number: u128) -> HolderKey {
    HolderKey::User(UserId(Uuid::from_u128(number)))
}

pub(crate) fn app() -> AppId {
    AppId(Uuid::from_u128(1))
}

/// A visit of this holder, in their first browser.
pub(crate) fn visit(holder: HolderKey) -> Visit {
    in_browser(holder, 1)
}

pub(crate) fn in_browser(holder: HolderKey, browser: u128) -> Visit {
    let session = Some(SessionId(Uuid::from_u128(browser)));
    Visit { session, ..Visit::new(holder, app()) }
}

/// A time of the first day of March, such as 15:46.
pub(crate) fn at(hour: i64, minute: i64) -> Moment {
    MARCH.plus_minutes(hour * 60 + minute)
}

pub(crate) fn days(count: i64) -> i64 {
    count * 24 * 60
}

#[test]
fn meters_have_texts_of_their_own() {
    let session = Some(SessionId(Uuid::from_u128(1)));
    let texts = [
        MeterKey { holder: visitor(1), session: None }.to_string(),
        MeterKey { holder: person(1), session: None }.to_string(),
        MeterKey { holder: person(1), session }.to_string(),
    ];
    assert_eq!(texts[0], "visitor:00000000-0000-0000-0000-000000000001");
    assert!(texts[2].starts_with(&texts[1]) && texts[2] != texts[1]);
}
