//! How is the site changed? Per kind of entity: list, read, create, update, delete, each for a
//! caller and by the rules, each ending in one commit and one new snapshot.
//!
//! A right is asked on the old value and on the new one, so that nobody writes something into a
//! place where they could not have made it.

pub(crate) mod app_objects;
pub(crate) mod apps;
mod declaration;
mod licence_rules;
mod pools;
mod proxy_services;
mod rule_lints;
pub(crate) mod rules;
mod shipped_rules;
mod simulation;
pub(crate) mod streams;
pub(crate) mod user_directories;
pub(crate) mod users;
pub(crate) mod virtual_proxies;

use std::ops::Range;

use thiserror::Error;
use uuid::Uuid;

use loggia_model::entity::{PropertyValue, Stamp};
use loggia_model::{Caller, Moment, Principal, RuleId, UserId};
use loggia_rules::{Action, Actions, Decision, Severity};

use crate::Repository;
use crate::explain;
use crate::guard::Guard;
use crate::record::Record;
use crate::refusal::{Code, Refusal};
use crate::site::{Site, SiteError};
use crate::store::{Change, StoreError};
use crate::trail;

pub use app_objects::{ObjectEdit, StoredObject};
pub use apps::AppEdit;
pub use declaration::{
    Declaration, DeclarationError, DeclaredPool, DeclaredRule, ImportStep, Imported, KIND_NAMES,
    Limit, StepOutcome,
};
pub use licence_rules::{Allocations, GivenSeat, PoolVisitors};
pub use pools::{PoolEdit, PoolUse};
pub use proxy_services::ProxyServiceEdit;
pub use rules::RuleEdit;
pub use shipped_rules::ShippedReset;
pub use simulation::Simulation;
pub use streams::StreamEdit;
pub use user_directories::UserDirectoryEdit;
pub use users::UserEdit;
pub use virtual_proxies::{
    HeaderEdit, JwtEdit, LoadBalancingEdit, OidcEdit, SamlEdit, TicketEdit, VirtualProxyEdit,
    VisitorRatesEdit,
};

/// Why a request to read or change an entity was not done.
#[derive(Debug, Error)]
pub enum ManageError {
    /// It is not there, or the caller may not know that it is. Both look the same.
    #[error("no such {kind}")]
    Hidden { kind: &'static str, refusal: Box<Refusal> },
    /// The caller knows of it and may not do this; or the account is refused altogether.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The request does not make sense; every problem is listed.
    #[error("{}", list(.0))]
    Invalid(Vec<Violation>),
    #[error(transparent)]
    Conflict(#[from] Conflict),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Site(#[from] SiteError),
}

/// Why a sensible and permitted change does not fit the present state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Conflict {
    #[error("it was changed in the meantime; read it again and repeat the change")]
    Stale { modified: Moment },
    #[error("{what} is already taken")]
    Duplicate { what: String },
    #[error("it is still in use: {by}")]
    InUse { by: String },
    #[error("{why}")]
    Protected { why: String },
    /// A licence rule gave seats, and deleting it does not take them back by itself.
    #[error("{}", allocated(.seats))]
    Allocated { seats: Vec<GivenSeat> },
}

fn allocated(seats: &[GivenSeat]) -> String {
    let mut who: Vec<&str> = seats.iter().take(10).map(|seat| seat.principal.as_str()).collect();
    let more = seats.len().saturating_sub(who.len());
    let more = format!("{more} more");
    if seats.len() > who.len() {
        who.push(&more);
    }
    format!(
        "the rule gave seats to {}; say whether they keep them or they are released",
        who.join(", ")
    )
}

/// One problem of a request, or one warning about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The member of the entity, such as `prefix` or `condition`.
    pub place: &'static str,
    pub message: Box<str>,
    /// Where in the member's text, in bytes.
    pub span: Option<Range<usize>>,
    /// Text to put in place of the span, or of the whole member.
    pub suggestion: Option<String>,
    /// Stable words for what it is, where there are such.
    pub code: Option<&'static str>,
    pub severity: Severity,
    /// The other rule that it is about.
    pub other: Option<RuleId>,
}

/// A change that was done, and what its author should know about it.
#[derive(Clone, Debug)]
pub struct Saved<T> {
    pub value: T,
    pub warnings: Vec<Violation>,
}

impl Violation {
    /// A problem of a member as a whole.
    #[must_use]
    pub fn new(place: &'static str, message: impl Into<String>) -> Violation {
        Violation {
            place,
            message: message.into().into_boxed_str(),
            span: None,
            suggestion: None,
            code: None,
            severity: Severity::Error,
            other: None,
        }
    }

    /// Something worth a look about a member as a whole.
    #[must_use]
    pub fn warning(place: &'static str, message: impl Into<String>) -> Violation {
        Violation { severity: Severity::Warning, ..Violation::new(place, message) }
    }

    pub(crate) fn coded(self, code: &'static str) -> Violation {
        Violation { code: Some(code), ..self }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if let Some(span) = &self.span {
            write!(f, " (at character {})", span.start)?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; {suggestion}")?;
        }
        Ok(())
    }
}

fn list(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Codes of [`Problems::text`].
const TEXT_BLANK: &str = "text-blank";
const TEXT_TOO_LONG: &str = "text-too-long";
const TEXT_CONTROL: &str = "text-control-character";

/// The problems of a request, collected so that all of them can be told at once.
#[derive(Default)]
pub(crate) struct Problems(Vec<Violation>);

impl Problems {
    pub(crate) fn add(&mut self, place: &'static str, message: impl Into<String>) {
        self.0.push(Violation::new(place, message));
    }

    pub(crate) fn push(&mut self, violation: Violation) {
        self.0.push(violation);
    }

    /// A text that people read: not blank, no control characters, not endless.
    pub(crate) fn text(&mut self, place: &'static str, text: &str, is_mandatory: bool) {
        if is_mandatory && text.trim().is_empty() {
            self.push(Violation::new(place, "must not be blank").coded(TEXT_BLANK));
        }
        if text.chars().count() > 4_096 {
            self.push(
                Violation::new(place, "is longer than 4,096 characters").coded(TEXT_TOO_LONG),
            );
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t' && c != '\r') {
            self.push(Violation::new(place, "contains a control character").coded(TEXT_CONTROL));
        }
    }

    pub(crate) fn properties(&mut self, values: &[PropertyValue]) {
        for value in values {
            let is_word = value.name.chars().all(|c| c.is_alphanumeric() || c == '_');
            if value.name.is_empty() || !is_word {
                self.add(
                    "customProperties",
                    format!("{:?} is not a name; use letters and digits", value.name),
                );
            }
        }
    }

    /// Whether something was said about the member already.
    pub(crate) fn has(&self, place: &str) -> bool {
        self.0.iter().any(|violation| violation.place == place)
    }

    pub(crate) fn into_list(self) -> Vec<Violation> {
        self.0
    }

    /// That there are problems, for who knows that there are.
    pub(crate) fn into_error(self) -> ManageError {
        ManageError::Invalid(self.0)
    }

    pub(crate) fn finish(self) -> Result<(), ManageError> {
        if self.0.is_empty() { Ok(()) } else { Err(ManageError::Invalid(self.0)) }
    }
}

/// What a plan hands to [`Repository::change`]: the changes and the answer once they are stored.
pub(crate) type Plan<T> = Result<(Vec<Change>, T), ManageError>;

impl Repository {
    /// Commits what `plan` makes of the present site and swaps in the next one. The plan runs
    /// again when another process was faster, so that it never builds on an old site.
    pub(crate) fn change<T>(
        &self,
        caller: &Caller,
        mut plan: impl FnMut(&Site) -> Plan<T>,
    ) -> Result<T, ManageError> {
        let _writing = self.inner.writing.lock();
        // A command line may have committed since. A refusal, or the answer that there is nothing to
        // do, must not come from before that; a commit would notice by itself.
        if self.inner.store.version()? != self.site().version() {
            self.load_again()?;
        }
        loop {
            let site = self.site();
            let (mut changes, answer) = plan(&site)?;
            if changes.is_empty() {
                return Ok(answer);
            }
            let told = trail::changes::events(&site, &changes, caller, self.now());
            let entries = told.into_iter().map(|event| Box::new(self.inner.trail.entry(event)));
            changes.extend(entries.map(Change::Record));
            // Made before the commit: what cannot be served must not be stored.
            let next = site.after(site.version() + 1, &changes)?;
            match self.inner.store.commit(site.version(), &changes) {
                Ok(_) => {
                    self.swap(next);
                    return Ok(answer);
                }
                Err(StoreError::Stale { .. }) => self.load_again()?,
                Err(StoreError::Constraint(detail)) => {
                    return Err(Conflict::Duplicate { what: detail }.into());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The gate every use case passes first: a blocked or vanished account gets nothing.
    pub(crate) fn enter<'a>(
        &self,
        site: &'a Site,
        caller: &'a Caller,
    ) -> Result<Guard<'a>, ManageError> {
        let guard = Guard::new(site, caller, self.now());
        guard
            .account()
            .map_err(|refusal| ManageError::Refused(Box::new(site.refused(*refusal))))?;
        Ok(guard)
    }

    /// The actions a caller may do with a thing; empty for what is not there.
    #[must_use]
    pub fn privileges(&self, caller: &Caller, resource: &crate::Resource) -> Actions {
        let site = self.site();
        let guard = Guard::new(&site, caller, self.now());
        if guard.account().is_err() {
            return Actions::NONE;
        }
        resource.record(&site).map_or(Actions::NONE, |record| guard.granted(record))
    }
}

impl Guard<'_> {
    /// Refuses with [`ManageError::Hidden`] unless the caller may read it.
    pub(crate) fn visible(&self, record: Record<'_>) -> Result<(), ManageError> {
        let decision = self.decide(record, Action::Read);
        if decision.is_allowed() {
            return Ok(());
        }
        Err(self.hidden(record.kind_name(), record.id(), Some(&decision)))
    }

    /// The answer for what is not there, or is not there for this caller.
    pub(crate) fn unknown(&self, kind: &'static str, id: Option<Uuid>) -> ManageError {
        self.hidden(kind, id, None)
    }

    /// Looks the same to the caller whether there is a decision or nothing to decide about.
    fn hidden(
        &self,
        kind: &'static str,
        id: Option<Uuid>,
        decision: Option<&Decision>,
    ) -> ManageError {
        let id = id.map(|id| id.hyphenated().to_string()).unwrap_or_default();
        let mut refusal = self
            .refusal(Code::RuleDenied)
            .found(format!("{kind} {id} is not there, or no rule lets the caller read it"));
        if let Some(decision) = decision {
            refusal = refusal.explained(explain::brief(self.site(), decision));
        }
        ManageError::Hidden { kind, refusal: Box::new(self.site().refused(refusal)) }
    }

    /// The caller must see the thing and hold `action` on it.
    pub(crate) fn require(&self, record: Record<'_>, action: Action) -> Result<(), ManageError> {
        self.visible(record)?;
        let decision = self.decide(record, action);
        if decision.is_allowed() {
            return Ok(());
        }
        Err(self.denied(record, action, &decision))
    }

    /// Whether the caller sees the thing and may change it.
    pub(crate) fn may_update(&self, record: Record<'_>) -> bool {
        let may = |action| self.decide(record, action).is_allowed();
        may(Action::Read) && may(Action::Update)
    }

    /// The caller must hold `action` on the thing as it is and as it would be.
    pub(crate) fn require_change(
        &self,
        before: Record<'_>,
        after: Record<'_>,
        action: Action,
    ) -> Result<(), ManageError> {
        self.require(before, action)?;
        let decision = self.decide_draft(after, action);
        if decision.is_allowed() { Ok(()) } else { Err(self.denied(after, action, &decision)) }
    }

    /// The caller must be allowed to make the thing.
    pub(crate) fn require_create(&self, record: Record<'_>) -> Result<(), ManageError> {
        let decision = self.decide_new(record, Action::Create);
        if decision.is_allowed() {
            Ok(())
        } else {
            Err(self.denied(record, Action::Create, &decision))
        }
    }

    /// Who owns what the caller makes. Visitors own nothing (`spec/access.md` §1.3).
    pub(crate) fn owner(&self) -> Result<UserId, ManageError> {
        let user = match &self.caller().principal {
            Principal::User { id, .. } => Some(*id),
            Principal::Internal(account) => self.site().internal_user(*account).map(|u| u.id),
            Principal::Anonymous(_) => None,
        };
        user.ok_or_else(|| {
            let refusal = self.refusal(Code::RuleDenied).found("visitors own nothing");
            let refusal = self.site().refused(refusal);
            ManageError::Refused(Box::new(refusal))
        })
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp {
            created: self.now(),
            modified: self.now(),
            modified_by: self.caller().principal.to_string(),
        }
    }

    /// The stamp after a change; always later than the one before, so that the next change can
    /// tell which of the two it was made from.
    pub(crate) fn restamp(&self, before: &Stamp) -> Stamp {
        Stamp {
            created: before.created,
            modified: self.now().max(Moment(before.modified.0.saturating_add(1))),
            modified_by: self.caller().principal.to_string(),
        }
    }
}

/// Refuses a change that was made from an older state (`spec/qrs.md` §2, update rule).
pub(crate) fn refuse_stale(basis: Option<Moment>, before: &Stamp) -> Result<(), ManageError> {
    match basis {
        Some(basis) if basis < before.modified => {
            Err(Conflict::Stale { modified: before.modified }.into())
        }
        _ => Ok(()),
    }
}

/// Replaces `target` when the edit mentions it.
pub(crate) fn set<T>(target: &mut T, edit: Option<T>) {
    if let Some(value) = edit {
        *target = value;
    }
}
