//! What does the trail say? For people whose rules open the console's audit section to them, and
//! for the server's own work; never for visitors.

use std::ops::ControlFlow;

use loggia_audit::{Event, Head, Key, Kind, Row, Verdict, Verifier};
use loggia_model::{Caller, Principal};
use loggia_rules::Action;
use std::sync::Arc;

use crate::Repository;
use crate::manage::ManageError;
use crate::record::Record;
use crate::refusal::Code;
use crate::store::{StoreError, TrailFilter, TrailOrder};

/// Some rows.
#[derive(Clone, Debug)]
pub struct TrailPage {
    pub rows: Vec<Row>,
    /// Whether there are more in the same direction.
    pub has_more: bool,
    /// The ends of the trail.
    pub head: Head,
}

/// What [`Repository::verify_trail`] found.
#[derive(Clone, Debug)]
pub struct TrailReport {
    pub verdict: Verdict,
    pub head: Head,
}

/// Most rows of a page.
const MOST_ROWS: usize = 1_000;

impl Repository {
    /// Rows of the trail, at most a thousand, with the events that wait.
    pub fn trail(
        &self,
        caller: &Caller,
        filter: &TrailFilter,
        most: usize,
    ) -> Result<TrailPage, ManageError> {
        self.may_read_trail(caller)?;
        if !matches!(caller.principal, Principal::Internal(_)) {
            let event = Event::by(caller, Kind::AdminTrailRead, self.now());
            // Buffered: while the trail is blocked, reading it tells why.
            let _ = self.record(event.with("filter", format!("{filter:?}")));
        }
        // What waits is a tenth of a second old; the trail may be blocked and still be read.
        let _ = self.flush_trail();
        let most = most.clamp(1, MOST_ROWS);
        let mut rows = Vec::new();
        let mut has_more = false;
        let head = self.walk_trail(filter, |_, row| {
            if rows.len() == most {
                has_more = true;
                return ControlFlow::Break(());
            }
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        Ok(TrailPage { rows, has_more, head })
    }

    /// Every row that the filter picks, one after the other, for the server's own work.
    pub fn walk_trail(
        &self,
        filter: &TrailFilter,
        mut look: impl FnMut(&Head, Row) -> ControlFlow<()>,
    ) -> Result<Head, StoreError> {
        self.inner.store.walk_trail(filter, &mut look)
    }

    /// Looks whether the trail is as it was written. The key tells whether its ends are ours.
    pub fn verify_trail(&self, key: Option<&Key>) -> Result<TrailReport, StoreError> {
        let mut verifier = None;
        let head = self.walk_trail(&TrailFilter::default(), |head, row| {
            verifier.get_or_insert_with(|| Verifier::new(head)).look(&row);
            ControlFlow::Continue(())
        })?;
        let verifier = verifier.unwrap_or_else(|| Verifier::new(&head));
        Ok(TrailReport { verdict: verifier.finish(&head, key), head })
    }

    /// How far rows were sent to a place outside; none before the first time.
    pub fn trail_sent(&self, place: &str) -> Result<Option<u64>, StoreError> {
        self.inner.store.trail_sent(place)
    }

    pub fn note_trail_sent(&self, place: &str, number: u64) -> Result<(), StoreError> {
        self.inner.store.note_trail_sent(place, number)
    }

    /// Whether the last thing this node said of its runs was that one ended.
    pub(super) fn stopped_cleanly(&self) -> Result<bool, StoreError> {
        let filter = TrailFilter {
            kinds: vec![Kind::TrailOpened, Kind::TrailClosed],
            order: TrailOrder::NewestFirst,
            ..TrailFilter::default()
        };
        let mut is_clean = true;
        self.walk_trail(&filter, |_, row| {
            if row.entry.node != self.inner.settings.host_name {
                return ControlFlow::Continue(());
            }
            is_clean = row.entry.known_kind() == Some(Kind::TrailClosed);
            ControlFlow::Break(())
        })?;
        Ok(is_clean)
    }

    fn may_read_trail(&self, caller: &Caller) -> Result<(), ManageError> {
        if matches!(caller.principal, Principal::Internal(_)) {
            return Ok(());
        }
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        if caller.is_anonymous() {
            // No rule opens it to visitors, however it is written.
            let refusal =
                guard.refusal(Code::RuleDenied).found("the audit trail is not for visitors");
            return Err(ManageError::Refused(Box::new(site.refused(refusal))));
        }
        let section: Arc<str> = "QmcSection_Audit".into();
        let section = Record::Transient(&section);
        let decision = guard.decide(section, Action::Read);
        if decision.is_allowed() {
            Ok(())
        } else {
            Err(guard.denied(section, Action::Read, &decision))
        }
    }
}
