//! May this caller open this app, and what does it cost? Gates 3 to 5.
//!
//! The rules are asked before the licence although they are the later gate: who may not know that
//! an app exists must not learn it from a licence message, and must not pay for it. Nor does
//! anybody pay for an app that no node may open.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use loggia_model::entity::{App, PoolKind, Stream};
use loggia_model::{AppId, Caller, DeviceHash, Moment, PoolId, VisitorId};
use loggia_rules::{Action, Actions, Decision, Outcome};

use crate::Repository;
use crate::explain;
use crate::guard::{Guard, finding};
use crate::nodes;
use crate::record::Record;
use crate::refusal::{Code, Gate, Refusal};
use crate::site::Site;
use crate::store::StoreError;

/// What a visit is, beside its caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VisitInfo {
    /// Other live sessions of the same person, for the limit of five.
    pub parallel_sessions: u32,
    /// How long until one of them is in the way no longer, since it ended and only its place rests.
    pub place_wait: Option<Duration>,
    /// The id in a visitor cookie that outlives the anonymous session: one browser, one meter.
    pub visitor: Option<VisitorId>,
    /// What tells the person's devices apart: each runs units of its own.
    pub device: Option<DeviceHash>,
}

/// An app that is open for the caller.
#[derive(Clone, Debug)]
pub struct OpenedApp {
    pub app: Arc<App>,
    pub stream: Option<Arc<Stream>>,
    /// What the rules and the kind of access let the caller do with the app.
    pub may: Actions,
    pub access: Access,
    /// Version of the site that was decided on.
    pub version: u64,
}

/// What covers a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The server's own accounts need no licence.
    Free,
    /// Access from a pool; without end for a seat.
    Held {
        pool: PoolId,
        kind: PoolKind,
        until: Option<Moment>,
        /// Until then nothing has to be asked or written down, unless licences change.
        ask_again: Moment,
    },
}

/// Why an app does not open.
#[derive(Debug, Error)]
pub enum OpenAppError {
    /// It is not there, or not for this caller; both look the same.
    #[error("app {app} is not here for this caller")]
    Hidden { app: AppId, decision: Box<Decision>, refusal: Box<Refusal> },
    #[error("no licence covers this visit")]
    Unlicensed { app: AppId, refusal: Box<Refusal> },
    /// The load-balancing rules let no node open it.
    #[error("no node may open app {app}")]
    Unplaced { app: AppId, refusal: Box<Refusal> },
    #[error("the account is refused")]
    Blocked { app: AppId, refusal: Box<Refusal> },
    #[error("cannot tell whether app {app} may be opened")]
    Store { app: AppId, source: StoreError },
}

impl OpenAppError {
    /// The refusal to show and to look up; none when the store failed.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            OpenAppError::Hidden { refusal, .. }
            | OpenAppError::Unlicensed { refusal, .. }
            | OpenAppError::Unplaced { refusal, .. }
            | OpenAppError::Blocked { refusal, .. } => Some(refusal),
            OpenAppError::Store { .. } => None,
        }
    }
}

impl Access {
    /// When the next unit or pass will be needed; none when never.
    #[must_use]
    pub fn until(self) -> Option<Moment> {
        match self {
            Access::Free => None,
            Access::Held { until, .. } => until,
        }
    }

    /// When the licence has to be asked again: at the end of a unit or pass, and of a seat once a
    /// day, which is how its last use is known. Never for the server's own accounts.
    #[must_use]
    pub fn ask_again(self) -> Moment {
        match self {
            Access::Free => Moment(i64::MAX),
            Access::Held { ask_again, .. } => ask_again,
        }
    }

    /// Whether this access lets its holder create, edit and publish, if the rules agree.
    #[must_use]
    pub fn may_author(self) -> bool {
        match self {
            Access::Free => true,
            Access::Held { kind, .. } => loggia_licence::may_author(kind),
        }
    }
}

impl Repository {
    /// Opens an app: rules, then licence; a charge is in the ledger before this returns.
    pub fn open_app(
        &self,
        caller: &Caller,
        app: AppId,
        visit: &VisitInfo,
    ) -> Result<OpenedApp, OpenAppError> {
        let site = self.site();
        let seen = self.place_app(&site, caller, app)?;
        let access = match self.covered(&site, caller, visit) {
            Some(access) if visit.parallel_sessions < loggia_licence::PARALLEL_SESSIONS => {
                Ok(access)
            }
            _ => self.acquire(&site, caller, app, visit),
        };
        self.opened(&site, caller, seen, access)
    }

    /// What [`Repository::open_app`] would answer, without charging anything.
    pub fn would_open_app(
        &self,
        caller: &Caller,
        app: AppId,
        visit: &VisitInfo,
    ) -> Result<OpenedApp, OpenAppError> {
        let site = self.site();
        let seen = self.place_app(&site, caller, app)?;
        let access = self.would_acquire(&site, caller, app, visit);
        self.opened(&site, caller, seen, access)
    }

    /// The caller did something in an open app: asks the gates again and takes the next unit when
    /// the last one ran out. Costs nothing but the decision while a unit runs.
    pub fn keep_alive(
        &self,
        caller: &Caller,
        app: AppId,
        visit: &VisitInfo,
    ) -> Result<Access, OpenAppError> {
        let site = self.site();
        self.place_app(&site, caller, app)?;
        if let Some(access) = self.covered(&site, caller, visit) {
            return Ok(access);
        }
        // Sessions were counted when the app was opened.
        let visit = VisitInfo { parallel_sessions: 0, ..visit.clone() };
        self.acquire(&site, caller, app, &visit)
            .map_err(|reason| self.unlicensed(&site, caller, app, reason))
    }

    /// Gates 3 and 5 for reading the app, and a node that may open it.
    fn place_app<'s>(
        &self,
        site: &'s Site,
        caller: &Caller,
        id: AppId,
    ) -> Result<&'s Arc<App>, OpenAppError> {
        let app = self.see_app(site, caller, id)?;
        if nodes::some_may_open(site, caller, app) {
            return Ok(app);
        }
        let guard = Guard::new(site, caller, self.now());
        let finding = nodes::why_none(site, caller, app).finding;
        let refusal = guard.refusal(Code::NodeNone).about(id).found(finding);
        let refusal = site.refused(refusal);
        Err(OpenAppError::Unplaced { app: id, refusal: Box::new(refusal) })
    }

    /// Gates 3 and 5 for reading the app.
    fn see_app<'s>(
        &self,
        site: &'s Site,
        caller: &Caller,
        id: AppId,
    ) -> Result<&'s Arc<App>, OpenAppError> {
        let guard = Guard::new(site, caller, self.now());
        if let Err(refusal) = guard.account() {
            let refusal = Box::new(site.refused(refusal.about(id)));
            return Err(OpenAppError::Blocked { app: id, refusal });
        }
        let (decision, finding) = match site.app(id) {
            Some(app) => {
                let decision = guard.decide(Record::App(app), Action::Read);
                if decision.is_allowed() {
                    return Ok(app);
                }
                let finding = finding(&decision);
                (decision, finding)
            }
            None => (nothing_grants(), "there is no such app".to_owned()),
        };
        let explanation = explain::brief(site, &decision);
        let refusal = guard.refusal(Code::RuleDenied).about(id).found(finding);
        let refusal = Box::new(site.refused(refusal.explained(explanation)));
        Err(OpenAppError::Hidden { app: id, decision: Box::new(decision), refusal })
    }

    fn opened(
        &self,
        site: &Site,
        caller: &Caller,
        app: &Arc<App>,
        access: Result<Access, Unlicensed>,
    ) -> Result<OpenedApp, OpenAppError> {
        let access = access.map_err(|reason| self.unlicensed(site, caller, app.id, reason))?;
        let granted = Guard::new(site, caller, self.now()).granted(Record::App(app));
        // The licence says no before any rule is asked (`spec/access.md` gate 3).
        let may = if access.may_author() { granted } else { granted - AUTHORING };
        let stream = app.stream.and_then(|stream| site.stream(stream)).cloned();
        Ok(OpenedApp { app: app.clone(), stream, may, access, version: site.version() })
    }

    fn unlicensed(
        &self,
        site: &Site,
        caller: &Caller,
        app: AppId,
        reason: Unlicensed,
    ) -> OpenAppError {
        match reason {
            Unlicensed::Store(source) => OpenAppError::Store { app, source },
            Unlicensed::Refused { code, finding, renews, pools } => {
                let mut refusal =
                    Refusal::new(caller, self.now(), site.version(), Gate::Licence, code)
                        .about(app)
                        .found(finding);
                refusal.renews = renews;
                refusal.pools = pools;
                refusal.offset = self.inner.settings.offset;
                OpenAppError::Unlicensed { app, refusal: Box::new(site.refused(refusal)) }
            }
        }
    }
}

/// Rights that analyzer kinds never give.
pub(crate) const AUTHORING: Actions = Actions::CREATE
    .and(Actions::UPDATE)
    .and(Actions::DELETE)
    .and(Actions::PUBLISH)
    .and(Actions::DUPLICATE)
    .and(Actions::APPROVE);

/// Why the licence gate did not open.
pub(crate) enum Unlicensed {
    Refused { code: Code, finding: String, renews: Option<Moment>, pools: Vec<String> },
    Store(StoreError),
}

pub(crate) fn nothing_grants() -> Decision {
    Decision {
        outcome: Outcome::NoGrant,
        granted_by: Vec::new(),
        forbidden_by: Vec::new(),
        nearest: Vec::new(),
    }
}
