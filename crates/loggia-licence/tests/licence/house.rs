//! A house with pools and a ledger, as a repository would keep them.

use loggia_licence::{
    Admission, Charge, HolderKey, Line, LineKind, MeterKey, PoolView, PoolsView, Seat, UtcOffset,
    Visit, acquire,
};
use loggia_model::entity::{LicencePool, PoolKind, Stamp};
use loggia_model::{AppId, DeviceHash, Moment, PoolId, SessionId, UserId, VisitorId};
use uuid::Uuid;

/// 2024-03-01T00:00:00Z, the beginning of a month of 31 days.
pub(crate) const MARCH: Moment = Moment(1_709_251_200_000);

pub(crate) struct House {
    pub(crate) pools: Vec<Pool>,
    pub(crate) ledger: Vec<(u64, Line)>,
    pub(crate) offset: UtcOffset,
    pub(crate) tokens_left: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) pool: LicencePool,
    pub(crate) admits: fn(HolderKey) -> bool,
}

impl House {
    pub(crate) fn new(pools: Vec<Pool>) -> House {
        House { pools, ledger: Vec::new(), offset: UtcOffset::UTC, tokens_left: None }
    }

    pub(crate) fn view(&self, visit: &Visit, now: Moment) -> PoolsView {
        let view = |pool: &Pool| {
            let lines = self.ledger.iter().filter(|(_, line)| line.pool == pool.pool.id);
            let lines: Vec<_> = lines.cloned().collect();
            let admits = (pool.admits)(visit.holder);
            PoolView::from_ledger(pool.pool.clone(), admits, &lines, visit, now, self.offset)
        };
        PoolsView {
            pools: self.pools.iter().map(view).collect(),
            offset: self.offset,
            tokens_left: self.tokens_left,
        }
    }

    /// A visit at `now`: what it is answered, with its charge in the ledger.
    pub(crate) fn visit(&mut self, visit: &Visit, now: Moment) -> Admission {
        let admission = acquire(&self.view(visit, now), visit, now);
        match &admission {
            Admission::Charge(charge) => self.store(charge, visit),
            Admission::Covered { pool, kind, is_first_today: true, .. } => {
                let key = format!("{pool}/{:?}/used/{}", visit.holder, self.offset.day_of(now).0);
                let line = Line::new(key, LineKind::Used, (*pool, *kind), now);
                self.append(Line { meter: Some(visit.meter(*kind)), ..line });
            }
            _ => {}
        }
        admission
    }

    /// Stores a charge unless its key is there already.
    pub(crate) fn store(&mut self, charge: &Charge, visit: &Visit) {
        self.append(Line {
            meter: Some(charge.meter),
            address: visit.address,
            from: charge.from,
            until: charge.until,
            units: charge.units,
            ..Line::new(
                charge.key.clone(),
                LineKind::Taken,
                (charge.pool, charge.kind),
                charge.from,
            )
        });
    }

    pub(crate) fn append(&mut self, line: Line) {
        if self.ledger.iter().all(|(_, other)| other.key != line.key) {
            let number = u64::try_from(self.ledger.len()).unwrap() + 1;
            self.ledger.push((number, line));
        }
    }

    /// A line about somebody's seat, by the operator's hand.
    pub(crate) fn by_hand(
        &mut self,
        name: &str,
        holder: HolderKey,
        kind: LineKind,
        until: Option<Moment>,
        now: Moment,
    ) {
        let pool = &self.pools.iter().find(|pool| pool.pool.name == name).unwrap().pool;
        let key = format!("by hand {}", self.ledger.len());
        let line = Line {
            meter: Some(MeterKey::of(holder)),
            until,
            actor: "LOGGIA\\root".to_owned(),
            ..Line::new(key, kind, (pool.id, pool.kind), now)
        };
        self.append(line);
    }

    pub(crate) fn seat(&self, name: &str, holder: HolderKey, now: Moment) -> Seat {
        let view = self.view(&Visit::new(holder, app()), now);
        view.pools.iter().find(|pool| pool.pool.name == name).unwrap().seat
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
    let stamp = Stamp { created: MARCH, modified: MARCH, modified_by: String::new() };
    let pool = LicencePool::unlimited(PoolId(Uuid::from_u128(id)), name, kind, stamp);
    Pool { pool: LicencePool { capacity, ..pool }, admits: |_| true }
}

impl Pool {
    pub(crate) fn admits(self, admits: fn(HolderKey) -> bool) -> Pool {
        Pool { admits, ..self }
    }

    pub(crate) fn overage(mut self, minutes: u64) -> Pool {
        self.pool.overage = minutes;
        self
    }

    pub(crate) fn reserved(mut self, units: u64) -> Pool {
        self.pool.reserved_for_users = units;
        self
    }

    pub(crate) fn per_address(mut self, units: u64) -> Pool {
        self.pool.units_per_address_per_hour = Some(units);
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
    let on = |number| {
        let device = Some(DeviceHash(number));
        let session = Some(SessionId(Uuid::from_u128(u128::from(number))));
        let known = Visit { device, session, ..Visit::new(person(1), app()) };
        let unknown = Visit { device: None, ..known.clone() };
        [known.meter(PoolKind::AnalyzerCapacity), unknown.meter(PoolKind::AnalyzerCapacity)]
    };
    let mut meters = vec![MeterKey::of(visitor(1)), MeterKey::of(person(1))];
    meters.extend(on(1));
    meters.extend(on(2));
    let mut texts: Vec<String> = meters.iter().map(ToString::to_string).collect();
    assert_eq!(texts[0], "visitor:00000000-0000-0000-0000-000000000001");
    assert_eq!(texts[2], format!("{}/device:0000000000000001", texts[1]));
    for (meter, text) in meters.iter().zip(&texts) {
        assert_eq!(text.parse::<MeterKey>(), Ok(*meter));
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), meters.len());
    for bad in ["", "user:", "user:1", "person:00000000-0000-0000-0000-000000000001", "user:/x"] {
        assert!(bad.parse::<MeterKey>().is_err(), "{bad}");
    }
}
