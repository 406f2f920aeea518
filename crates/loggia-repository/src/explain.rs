//! Why may somebody do something, or why not? The gates of account and rules for one question,
//! with every rule that grants or forbids it and, for a refusal, the clause that stood in the way
//! of each rule that could have granted it.

use loggia_model::{Caller, Prefix, Principal, RequestContext, RuleId, UserKey};
use loggia_rules::{Action, Decision, Entity, Outcome, ResourceKind, Span, allows, decide, trace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Repository;
use crate::audit::Auditor;
use crate::guard::Guard;
use crate::manage::{ManageError, Violation};
use crate::record::{Record, Resource};
use crate::resolve::{self, ANONYMOUS_VISITOR, Target};
use crate::site::{RuleProblem, RuleProblems, Site, compile_rule};

/// What somebody wants explained.
#[derive(Clone, Debug)]
pub struct Question {
    /// `NONE\anonymous`, `DIRECTORY\id`, an id that only one user has, or a GUID.
    pub subject: String,
    pub action: Action,
    /// `App_<id>`, `Stream_<name>`, `QmcSection_App`; a type alone, such as `App`, is something to
    /// be created.
    pub resource: String,
    /// The app that a new object would be made in.
    pub within: Option<String>,
    /// Hub, unless the resource is a section of the console.
    pub context: Option<RequestContext>,
    /// Environment and session attributes, name and value, as [`environment_pairs`] reads them.
    ///
    /// [`environment_pairs`]: crate::environment_pairs
    pub environment: Vec<(String, String)>,
}

/// The answer, for administrators only: it names rules and quotes what they read.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    pub subject: Requester,
    pub action: Action,
    pub resource: Asked,
    pub context: RequestContext,
    /// The entrance that the requester is taken to have come through.
    pub entrance: Prefix,
    pub verdict: Verdict,
    /// What the account gate found; the rules are explained all the same.
    pub account: Option<String>,
    /// Every rule that grants it, also when it is refused in the end.
    pub granted_by: Vec<Reason>,
    pub forbidden_by: Vec<Reason>,
    /// When no rule grants it: each rule that could have, the one that came closest first.
    pub nearest: Vec<Reason>,
    /// Disabled rules that would grant it.
    pub disabled: Vec<RuleName>,
    /// Enabled rules that cannot be read and so grant nothing, though their filter may match.
    pub unreadable: Vec<Unreadable>,
    /// Whether the rules would allow it in the other context.
    pub elsewhere: bool,
    /// What looks like a slip in the question.
    pub notes: Vec<String>,
    /// Version of the site that was decided on.
    pub version: u64,
}

/// Somebody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requester {
    /// The user's id; for a visitor the one in the name, or [`ANONYMOUS_VISITOR`].
    ///
    /// [`ANONYMOUS_VISITOR`]: crate::ANONYMOUS_VISITOR
    pub id: Uuid,
    /// `DIRECTORY\id`.
    pub key: String,
    pub name: String,
    pub is_anonymous: bool,
}

/// A thing that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `App_<id>`, `QmcSection_App`, or `App` for a new one.
    pub text: String,
    pub kind: ResourceKind,
    pub id: Option<Uuid>,
    /// What people call it; empty for what has no name yet.
    pub name: String,
}

/// What comes out, and at which gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    Allowed,
    /// The account is blocked, inactive or gone.
    AccountRefused,
    /// A visitor would have to own what is made.
    OwnsNothing,
    /// A forbidding rule holds.
    Forbidden,
    /// No rule grants it.
    NoGrant,
}

/// A rule by id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleName {
    pub id: RuleId,
    pub name: String,
}

/// One rule, and the clause of it that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub rule: RuleName,
    /// The clause as written; empty for an empty condition.
    pub clause: String,
    pub span: Span,
    /// Where the clause begins in the condition, both from 1, the column in characters.
    pub line: usize,
    pub column: usize,
    /// The values that the clause saw.
    pub seen: Vec<String>,
    /// How many clauses would have to turn out otherwise for the rule to hold; 0 if it does. A
    /// million or more: it can never hold.
    pub distance: usize,
    /// What the clause asked the rules in turn.
    pub asked: Vec<Further>,
}

/// A question that a clause asked the rules through `HasPrivilege`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Further {
    pub action: Action,
    pub resource: Asked,
    pub is_granted: bool,
}

/// A rule whose text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub rule: RuleName,
    pub message: String,
    /// Bytes from the start of the text that is at fault; none where no text is.
    pub at: Option<usize>,
}

impl Asked {
    /// The thing as rules are asked about it.
    #[must_use]
    pub fn entity(&self) -> Entity {
        match self.id {
            Some(id) => Entity::new(self.kind, id),
            None if self.kind == ResourceKind::TransientObject => {
                Entity::transient(self.name.as_str())
            }
            None => Entity::to_create(self.kind),
        }
    }

    /// The thing for use cases; none for what does not exist.
    #[must_use]
    pub fn resource(&self) -> Option<Resource> {
        let Some(id) = self.id else {
            let is_section = self.kind == ResourceKind::TransientObject;
            return is_section.then(|| Resource::Transient(self.name.as_str().into()));
        };
        Some(match self.kind {
            ResourceKind::App => Resource::App(id.into()),
            ResourceKind::AppObject => Resource::AppObject(id.into()),
            ResourceKind::Stream => Resource::Stream(id.into()),
            ResourceKind::User => Resource::User(id.into()),
            ResourceKind::SystemRule => Resource::Rule(id.into()),
            ResourceKind::VirtualProxyConfig => Resource::VirtualProxy(id.into()),
            ResourceKind::UserDirectory => Resource::UserDirectory(id.into()),
            ResourceKind::ProxyService => Resource::Proxy(id.into()),
            ResourceKind::ServerNodeConfiguration => Resource::Node(id.into()),
            _ => Resource::Pool(id.into()),
        })
    }
}

impl Verdict {
    #[must_use]
    pub fn is_allowed(self) -> bool {
        self == Verdict::Allowed
    }

    /// The stable word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Allowed => "allowed",
            Verdict::AccountRefused => "accountRefused",
            Verdict::OwnsNothing => "ownsNothing",
            Verdict::Forbidden => "forbidden",
            Verdict::NoGrant => "noGrant",
        }
    }
}

impl Repository {
    /// Explains a decision to somebody who may read the console's audit section.
    pub fn explain(
        &self,
        caller: &Caller,
        question: &Question,
    ) -> Result<Explanation, ManageError> {
        self.auditor(caller)?.explain(question)
    }
}

impl Auditor {
    /// Explains one decision.
    pub fn explain(&self, question: &Question) -> Result<Explanation, ManageError> {
        let site = self.site();
        let typed = resolve::environment(&question.environment).map_err(ManageError::Invalid)?;
        let mut notes = typed.notes.clone();
        let invalid = |violation: Violation| ManageError::Invalid(vec![violation]);
        let (mut caller, name) = resolve::subject(site, &question.subject).map_err(invalid)?;
        caller.environment = typed.environment;
        if !typed.has_entrance {
            caller.environment.virtual_proxy = usual_entrance(site, &caller);
        }
        let target = resolve::target(
            site,
            &question.resource,
            question.action,
            question.within.as_deref(),
            &caller,
            &mut notes,
        )
        .map_err(invalid)?;
        let (entity, draft) = match &target {
            Target::There(entity) => (entity.clone(), None),
            Target::New(kind, draft) => (Entity::to_create(*kind), draft.as_deref()),
        };
        caller.context =
            question.context.or(typed.context).unwrap_or_else(|| usual_context(&entity));

        let guard = Guard::new(site, &caller, self.now());
        let facts = guard.facts(draft.map(|draft| draft.record()));
        let (rules, context, action) = (site.security(), guard.context(), question.action);
        let decision = decide(rules, &facts, context, &entity, action);
        let reason = |id: Uuid| -> Option<Reason> {
            let rule = rules.rules().iter().find(|rule| rule.id == id)?;
            let found = trace(rules, &facts, context, rule, &entity, action);
            let (line, column) = found.span.line_and_column(rule.condition.text());
            let further = |(thing, action, is_granted): &(Entity, Action, bool)| Further {
                action: *action,
                resource: asked(site, thing),
                is_granted: *is_granted,
            };
            Some(Reason {
                rule: RuleName { id: RuleId(rule.id), name: rule.name.to_string() },
                clause: found.clause,
                span: found.span,
                line,
                column,
                seen: found.seen,
                distance: found.distance,
                asked: found.asked.iter().map(further).collect(),
            })
        };
        let nearest = guard.nearest(&decision, &entity);
        let nearest = nearest.into_iter().filter_map(|near| reason(near.rule)).collect();
        let account = guard.account().err().map(|refusal| refusal.finding);
        let ownerless = caller.is_anonymous() && draft.is_some_and(|draft| draft.needs_owner());
        let verdict = match (&account, decision.outcome) {
            (Some(_), _) => Verdict::AccountRefused,
            (None, Outcome::Forbidden) => Verdict::Forbidden,
            (None, _) if ownerless => Verdict::OwnsNothing,
            (None, Outcome::NoGrant) => Verdict::NoGrant,
            (None, Outcome::Allowed) => Verdict::Allowed,
        };
        let mut disabled = Vec::new();
        let mut unreadable = Vec::new();
        for record in site.rules() {
            if record.category != loggia_model::entity::RuleCategory::Security {
                continue;
            }
            let name = || RuleName { id: record.id, name: record.name.clone() };
            if let Some(problems) = site.rule_problems().get(&record.id) {
                let (filter, _) = loggia_rules::ResourceFilter::parse(&record.resource_filter);
                let may_match = filter.is_none_or(|filter| filter.matches(&entity));
                if may_match && !record.is_disabled {
                    let (message, at) = fault(problems);
                    unreadable.push(Unreadable { rule: name(), message, at });
                }
                continue;
            }
            if !record.is_disabled || record.is_forbidding {
                continue;
            }
            if let Ok(rule) = compile_rule(record) {
                let speaks_of_it = rule.actions.contains(action)
                    && rule.context.covers(context)
                    && rule.filter.matches(&entity);
                if speaks_of_it && trace(rules, &facts, context, &rule, &entity, action).holds {
                    disabled.push(name());
                }
            }
        }
        let by_name = |rule: &RuleName| (rule.name.to_lowercase(), rule.id);
        disabled.sort_by_cached_key(by_name);
        unreadable.sort_by_cached_key(|unreadable| by_name(&unreadable.rule));
        let other = match context {
            loggia_rules::RequestContext::Hub => loggia_rules::RequestContext::Console,
            loggia_rules::RequestContext::Console => loggia_rules::RequestContext::Hub,
        };
        let mut there = caller.clone();
        there.context = match caller.context {
            RequestContext::Hub => RequestContext::Console,
            RequestContext::Console => RequestContext::Hub,
        };
        let guard_there = Guard::new(site, &there, self.now());
        let facts_there = guard_there.facts(draft.map(|draft| draft.record()));
        let elsewhere =
            account.is_none() && !ownerless && allows(rules, &facts_there, other, &entity, action);
        Ok(Explanation {
            subject: requester(site, &caller, name),
            action,
            resource: asked(site, &entity),
            context: caller.context,
            entrance: caller.environment.virtual_proxy.clone(),
            verdict,
            account,
            granted_by: decision.granted_by.iter().filter_map(|&id| reason(id)).collect(),
            forbidden_by: decision.forbidden_by.iter().filter_map(|&id| reason(id)).collect(),
            nearest,
            disabled,
            unreadable,
            elsewhere,
            notes,
            version: site.version(),
        })
    }
}

/// A decision as one line of JSON, bounded in size, for the log line of its refusal.
pub(crate) fn brief(site: &Site, decision: &Decision) -> String {
    let rule = |id: &Uuid| {
        let name = site.rule(RuleId(*id)).map(|rule| clip(&rule.name, NAME)).unwrap_or_default();
        json!({ "id": id, "name": name })
    };
    let rules = |ids: &[Uuid]| -> Value { ids.iter().take(MOST_REASONS).map(rule).collect() };
    let mut nearest: Vec<Value> = decision
        .nearest
        .iter()
        .take(MOST_REASONS)
        .map(|near| {
            let seen: Vec<_> = near.seen.iter().take(3).map(|line| clip(line, LINE)).collect();
            json!({
                "rule": rule(&near.rule),
                "clause": clip(&near.clause, LINE),
                "seen": seen,
                "distance": near.distance,
            })
        })
        .collect();
    let outcome = match decision.outcome {
        Outcome::Allowed => Verdict::Allowed,
        Outcome::Forbidden => Verdict::Forbidden,
        Outcome::NoGrant => Verdict::NoGrant,
    };
    loop {
        let text = json!({
            "outcome": outcome.as_str(),
            "grantedBy": rules(&decision.granted_by),
            "forbiddenBy": rules(&decision.forbidden_by),
            "nearest": nearest,
            "notShown": decision.nearest.len() - nearest.len(),
        })
        .to_string();
        if text.len() <= LONGEST || nearest.pop().is_none() {
            return text;
        }
    }
}

/// Most rules of each sort in a log line; most characters of a name and of a line; and most bytes
/// of the whole.
const MOST_REASONS: usize = 5;
const NAME: usize = 60;
const LINE: usize = 160;
const LONGEST: usize = 4_096;

/// The text in one line, cut with a mark.
fn clip(text: &str, most: usize) -> String {
    let mut words = text.split_whitespace();
    let mut line = words.next().unwrap_or_default().to_owned();
    for word in words {
        line.push(' ');
        line.push_str(word);
    }
    match line.char_indices().nth(most) {
        Some((end, _)) => {
            line.truncate(end);
            line.push('…');
            line
        }
        None => line,
    }
}

/// The first thing that keeps a rule from being read, and where.
pub(crate) fn fault(problems: &RuleProblems) -> (String, Option<usize>) {
    let mut texts = problems.filter.iter().chain(&problems.condition).filter(|p| p.is_error());
    match (texts.next(), problems.other.first()) {
        (Some(problem), _) => (problem.message.clone(), Some(problem.span.start)),
        (None, Some(RuleProblem::Actions(bits))) => {
            (format!("the actions {bits} are no sum of actions"), None)
        }
        (None, Some(RuleProblem::Context(number))) => {
            (format!("the context {number} is none of 0, 1 and 2"), None)
        }
        (None, None) => (String::new(), None),
    }
}

pub(crate) fn requester(site: &Site, caller: &Caller, name: String) -> Requester {
    let (id, key) = match &caller.principal {
        Principal::Anonymous(id) if *id == ANONYMOUS_VISITOR => {
            (id.0, format!("{}\\anonymous", UserKey::ANONYMOUS_DIRECTORY))
        }
        Principal::Anonymous(id) => (id.0, caller.principal.to_string()),
        Principal::User { id, .. } => (id.0, caller.principal.to_string()),
        Principal::Internal(account) => {
            let id = site.internal_user(*account).map_or(Uuid::nil(), |user| user.id.0);
            (id, caller.principal.to_string())
        }
    };
    Requester { id, key, name, is_anonymous: caller.is_anonymous() }
}

/// The thing as answers name it.
pub(crate) fn asked(site: &Site, entity: &Entity) -> Asked {
    let name = match (&entity.id, &entity.name) {
        (_, Some(name)) => name.to_string(),
        (Some(_), None) => {
            Record::find(site, entity).map(|r| r.name().to_owned()).unwrap_or_default()
        }
        (None, None) => String::new(),
    };
    let text = match (&entity.id, &entity.name) {
        (None, None) => entity.kind.to_string(),
        _ => entity.to_string(),
    };
    Asked { text, kind: entity.kind, id: entity.id, name }
}

/// The entrance of a visitor when only one lets visitors in; else the default one.
pub(crate) fn usual_entrance(site: &Site, caller: &Caller) -> Prefix {
    if !caller.is_anonymous() {
        return Prefix::default_entrance();
    }
    let mut open = site
        .virtual_proxies()
        .filter(|entrance| entrance.anonymous != loggia_model::entity::AnonymousMode::Never);
    match (open.next(), open.next()) {
        (Some(only), None) => only.prefix.clone(),
        _ => Prefix::default_entrance(),
    }
}

/// Sections of the console are for the console; everything else is asked about in the hub.
fn usual_context(entity: &Entity) -> RequestContext {
    let is_section = entity.name.as_ref().is_some_and(|name| {
        name.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("QmcSection_"))
    });
    if is_section { RequestContext::Console } else { RequestContext::Hub }
}
