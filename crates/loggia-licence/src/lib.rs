//! Licence pools, who may draw from them, and what a visit costs.
//!
//! There is no vendor: a pool is capacity that the operator chose to declare, and may be unlimited
//! (`design.md` D5). This crate answers one question, when an app is opened or stays in use: does
//! the visitor hold access already, does this cost something, or is there nothing for them? It
//! reads no clock and stores nothing. The caller loads a [`PoolsView`], asks [`acquire`], stores the
//! [`Charge`] if there is one, and only then lets the visitor in, all in one transaction.
//!
//! Whether a pool's rule admits the requester is `loggia-rules`' matter; here it is a boolean.
//!
//! ```
//! use loggia_licence::{acquire, Admission, HolderKey, PoolsView, RefusalCode, Visit};
//! use loggia_model::{AppId, Moment, VisitorId};
//! use uuid::Uuid;
//!
//! let visitor = HolderKey::Visitor(VisitorId(Uuid::from_u128(1)));
//! let visit = Visit::new(visitor, AppId(Uuid::from_u128(2)));
//! match acquire(&PoolsView::default(), &visit, Moment(0)) {
//!     Admission::Refused(refusal) => assert_eq!(refusal.code, RefusalCode::None),
//!     other => unreachable!("nothing admits anybody without a pool: {other:?}"),
//! }
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod acquire;
mod calendar;
mod counters;
mod forecast;
mod line;
mod seat;
mod simulate;
mod view;

pub use acquire::{Admission, Charge, Refusal, RefusalCode, acquire};
pub use calendar::{Month, UtcOffset};
pub use counters::{
    Counters, Drawn, LoginTokens, TokenCounters, UserTokens, counters, tokens_occupied, tokens_of,
};
pub use forecast::{DayOfUse, forecast};
pub use line::{Device, HolderKey, Line, LineKind, MeterError, MeterKey, address_block};
pub use seat::{
    Seat, SeatRecord, TakenAway, USER_ACCESS_QUARANTINE_DAYS, quarantine_days, take_away,
};
pub use simulate::{Activity, Outcome, PoolOutcome, activities, simulate};
pub use view::{PoolView, PoolsView, Visit, returns};

pub use loggia_model::PARALLEL_SESSIONS;
use loggia_model::entity::PoolKind;

/// Length of a unit of analyzer capacity, which is also its cost in minutes of the pool.
pub const UNIT_MINUTES: u64 = 6;
/// How long a login access pass serves its holder, by the wall clock.
pub const PASS_MINUTES: u64 = 60;
/// When a used login access pass is back in its pool, counted from its use.
pub const PASS_RETURN_DAYS: u64 = 28;

/// How many login access passes a token buys.
pub const PASSES_PER_TOKEN: u64 = 10;
/// How much of a pool has to be used up for the operator to be told, in per cent.
pub const ALERT_PERCENTAGES: [u64; 3] = [80, 95, 100];
/// Most units or passes an hour that the visitors of one address begin, in pools that are made
/// without another figure.
pub const UNITS_PER_ADDRESS_PER_HOUR: u64 = 20;

/// Whether the kind is a seat of one lasting person, which a visitor can never take: the identity
/// of a visitor ends with the session, and the seat would be lost with it.
#[must_use]
pub fn is_named(kind: PoolKind) -> bool {
    match kind {
        PoolKind::Professional | PoolKind::Analyzer | PoolKind::UserAccess => true,
        PoolKind::LoginAccess | PoolKind::AnalyzerCapacity => false,
    }
}

/// Whether the kind lets its holder create, edit and publish, if the rules agree
/// (`spec/access.md` §3.2). With the others the licence says no before any rule is asked.
#[must_use]
pub fn may_author(kind: PoolKind) -> bool {
    match kind {
        PoolKind::Professional | PoolKind::UserAccess | PoolKind::LoginAccess => true,
        PoolKind::Analyzer | PoolKind::AnalyzerCapacity => false,
    }
}
