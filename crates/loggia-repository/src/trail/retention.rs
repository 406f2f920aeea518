//! How long is what kept? Old rows go from the oldest end and leave their hash as the anchor of the
//! rest; addresses go before them.

use std::ops::ControlFlow;

use loggia_audit::{Event, Kind};
use loggia_model::{Caller, InternalAccount, Moment};

use crate::Repository;
use crate::store::{Retire, StoreError, TrailFilter};

/// What the operator wants kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days for which rows are kept; none is for ever.
    pub keep_days: Option<u32>,
    /// Most rows; the oldest go first.
    pub most_rows: Option<u64>,
    /// Days after which only the network of an address is left; none is never.
    pub address_days: Option<u32>,
}

/// What [`Repository::retire_trail`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retired {
    pub rows: u64,
    /// Rows in which addresses were forgotten.
    pub addresses: u64,
}

/// Rows taken in one transaction.
const STEP: u64 = 5_000;
const DAY: i64 = 24 * 60 * 60 * 1_000;

impl Default for Retention {
    fn default() -> Retention {
        Retention { keep_days: Some(730), most_rows: Some(20_000_000), address_days: Some(30) }
    }
}

impl Repository {
    /// Takes what is older than it may be, in steps between which others write.
    pub fn retire_trail(&self, retention: &Retention) -> Result<Retired, StoreError> {
        let now = self.now();
        let mut retired = Retired::default();
        let head = self.walk_trail(&TrailFilter::default(), |_, _| ControlFlow::Break(()))?;
        let mut rows_to = head.pruned;
        if let Some(days) = retention.keep_days {
            rows_to = rows_to.max(self.last_before(head.pruned, before(now, days))?);
        }
        if let Some(most) = retention.most_rows {
            rows_to = rows_to.max(head.number.saturating_sub(most));
        }
        let mut done = head.pruned;
        while done < rows_to {
            let through = done.saturating_add(STEP).min(rows_to);
            self.retire(Retire::Rows, done, through)?;
            retired.rows += through - done;
            done = through;
        }
        if let Some(days) = retention.address_days {
            let mut done = head.forgotten.max(done);
            let addresses_to = self.last_before(done, before(now, days))?;
            while done < addresses_to {
                let through = done.saturating_add(STEP).min(addresses_to);
                self.retire(Retire::Addresses, done, through)?;
                retired.addresses += through - done;
                done = through;
            }
        }
        Ok(retired)
    }

    fn retire(&self, what: Retire, from: u64, through: u64) -> Result<(), StoreError> {
        let kind = match what {
            Retire::Rows => Kind::TrailPruned,
            Retire::Addresses => Kind::TrailForgotten,
        };
        let caller = Caller::internal(InternalAccount::Repository);
        let event = Event::by(&caller, kind, self.now())
            .with("from", from.saturating_add(1))
            .with("through", through);
        let entry = self.inner.trail.entry(event);
        self.inner.store.retire_trail(what, through, &entry)
    }

    /// The last row of those beyond `after` that are all from before `time`.
    fn last_before(&self, after: u64, time: Moment) -> Result<u64, StoreError> {
        let filter = TrailFilter { after: Some(after), from: Some(time), ..TrailFilter::default() };
        let mut first = None;
        let head = self.walk_trail(&filter, |_, row| {
            first = Some(row.number);
            ControlFlow::Break(())
        })?;
        Ok(first.map_or(head.number, |first| first.saturating_sub(1)))
    }
}

fn before(now: Moment, days: u32) -> Moment {
    Moment(now.0.saturating_sub(i64::from(days).saturating_mul(DAY)))
}
