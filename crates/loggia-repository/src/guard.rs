//! The one decision point: gates 3 (account) and 5 (rules) for one caller on one snapshot.

use loggia_model::{Caller, Moment, Principal, RequestContext, RuleId};
use loggia_rules::Refusal as Near;
use loggia_rules::{Action, Actions, Audience, Decision, Entity, KindSet, Outcome, Request};
use uuid::Uuid;

use crate::Site;
use crate::explain;
use crate::facts::SiteFacts;
use crate::manage::ManageError;
use crate::record::Record;
use crate::refusal::{Code, Gate, Refusal};

/// One caller on one snapshot at one moment.
pub(crate) struct Guard<'a> {
    site: &'a Site,
    caller: &'a Caller,
    now: Moment,
}

impl<'a> Guard<'a> {
    pub(crate) fn new(site: &'a Site, caller: &'a Caller, now: Moment) -> Guard<'a> {
        Guard { site, caller, now }
    }

    pub(crate) fn site(&self) -> &'a Site {
        self.site
    }

    pub(crate) fn caller(&self) -> &'a Caller {
        self.caller
    }

    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// Gate 3. The refusal is not logged yet.
    pub(crate) fn account(&self) -> Result<(), Box<Refusal>> {
        let Principal::User { id, .. } = &self.caller.principal else { return Ok(()) };
        let finding = match self.site.user(*id) {
            None => "the account was deleted",
            Some(user) if user.is_blocked => "the account is blocked",
            Some(user) if user.is_inactive => "the account is inactive",
            Some(_) => return Ok(()),
        };
        Err(Box::new(self.refusal(Code::AccInactive).found(finding)))
    }

    /// Gate 5, with reasons.
    pub(crate) fn decide(&self, record: Record<'_>, action: Action) -> Decision {
        self.decide_entity(None, &record.entity(), action)
    }

    /// Gate 5 on proposed values of a thing that exists.
    pub(crate) fn decide_draft(&self, draft: Record<'_>, action: Action) -> Decision {
        self.decide_entity(Some(draft), &draft.entity(), action)
    }

    /// Gate 5 on a thing that does not exist yet.
    pub(crate) fn decide_new(&self, draft: Record<'_>, action: Action) -> Decision {
        self.decide_entity(Some(draft), &draft.entity_to_create(), action)
    }

    /// Everything the caller may do to a thing.
    pub(crate) fn granted(&self, record: Record<'_>) -> Actions {
        let facts = self.facts(None);
        Request::new(self.site.security(), &facts, self.context()).granted(&record.entity())
    }

    /// Those whom the rules about these kinds cannot tell from the caller.
    pub(crate) fn audience(&self, kinds: KindSet) -> Audience {
        self.site.security().audience_of(&self.facts(None), self.context(), kinds)
    }

    /// The rows the caller may read, sharing what is found out on the way.
    pub(crate) fn readable<T>(
        &self,
        rows: impl Iterator<Item = T>,
        entity: impl Fn(&T) -> Entity,
    ) -> Vec<T> {
        let facts = self.facts(None);
        let mut request = Request::new(self.site.security(), &facts, self.context());
        rows.filter(|row| request.allows(&entity(row), Action::Read)).collect()
    }

    /// Refuses unless the caller holds `action` on a thing that has values but no row.
    pub(crate) fn require_on_draft(
        &self,
        draft: Record<'_>,
        action: Action,
    ) -> Result<(), ManageError> {
        let decision = self.decide_new(draft, action);
        if decision.is_allowed() { Ok(()) } else { Err(self.denied(draft, action, &decision)) }
    }

    /// A refusal by the account gate or the rules, not yet logged.
    pub(crate) fn refusal(&self, code: Code) -> Refusal {
        let gate = if code == Code::AccInactive { Gate::Account } else { Gate::Rules };
        Refusal::new(self.caller, self.now, self.site.version(), gate, code)
    }

    /// The refusal of an action on a thing that the caller knows, logged.
    pub(crate) fn denied(
        &self,
        record: Record<'_>,
        action: Action,
        decision: &Decision,
    ) -> ManageError {
        let id = record.id().map(|id| id.hyphenated().to_string()).unwrap_or_default();
        let refusal = self
            .refusal(Code::RuleDenied)
            .found(format!("{action} on {} {id}: {}", record.kind_name(), finding(decision)))
            .explained(explain::brief(self.site, decision));
        let refusal = self.site.refused(refusal);
        ManageError::Refused(Box::new(refusal))
    }

    /// The rules that could have granted it, the one that is most likely meant first.
    pub(crate) fn nearest<'d>(&self, decision: &'d Decision, entity: &Entity) -> Vec<&'d Near> {
        let rules = self.site.security().rules();
        let mut nearest: Vec<&Near> = decision.nearest.iter().collect();
        nearest.sort_by_cached_key(|near| {
            let rule = rules.iter().find(|rule| rule.id == near.rule);
            // Of rules that are equally near, the one that speaks of less.
            let breadth = rule.map_or((0, false), |rule| {
                (rule.filter.kinds().iter().count(), !names_only(rule.filter.text(), entity))
            });
            (!self.may_concern(near.rule), near.distance, breadth)
        });
        nearest
    }

    /// Whether the rule could ever hold for such a caller: visitors own nothing and are no account
    /// of the server, so what the essential rules say of these is no help to them.
    pub(crate) fn may_concern(&self, rule: Uuid) -> bool {
        const OF_OTHERS: [&str; 3] = ["owner", "owner-read", "service-account"];
        let seed = self.site.rule(RuleId(rule)).and_then(|rule| rule.seed.as_deref());
        !self.caller.is_anonymous() || seed.is_none_or(|seed| !OF_OTHERS.contains(&seed))
    }

    pub(crate) fn context(&self) -> loggia_rules::RequestContext {
        match self.caller.context {
            RequestContext::Hub => loggia_rules::RequestContext::Hub,
            RequestContext::Console => loggia_rules::RequestContext::Console,
        }
    }

    pub(crate) fn facts<'s>(&'s self, draft: Option<Record<'s>>) -> SiteFacts<'s> {
        SiteFacts::new(self.site, self.caller).with_draft(draft)
    }

    fn decide_entity(
        &self,
        draft: Option<Record<'_>>,
        entity: &Entity,
        action: Action,
    ) -> Decision {
        let facts = SiteFacts::new(self.site, self.caller).with_draft(draft);
        loggia_rules::decide(self.site.security(), &facts, self.context(), entity, action)
    }
}

/// Whether a resource filter speaks of this one thing and of nothing else.
pub(crate) fn names_only(filter: &str, entity: &Entity) -> bool {
    entity.id.is_some() && filter.trim().eq_ignore_ascii_case(&entity.to_string())
}

/// The decision's reasons in one line, for the log and for administrators.
#[must_use]
pub fn finding(decision: &Decision) -> String {
    match decision.outcome {
        Outcome::Allowed => "allowed".to_owned(),
        Outcome::Forbidden => format!("forbidden by {} rules", decision.forbidden_by.len()),
        Outcome::NoGrant => match decision.nearest.first() {
            Some(nearest) => format!(
                "no rule grants it; nearest is {:?}, where {} fails",
                nearest.rule_name, nearest.clause
            ),
            None => "no rule grants it".to_owned(),
        },
    }
}
