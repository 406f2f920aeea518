//! Who may do what? Many requesters and many things at once, rule by rule or as a matrix, also
//! for a rule that is not saved yet. Lists name what the auditor may not see otherwise: that is
//! what the audit section is for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use loggia_audit::{Event, Kind};
use loggia_licence::is_named;
use loggia_model::entity::{Node, RuleCategory, SystemRule, User};
use loggia_model::{Caller, InternalAccount, Moment, Principal, RequestContext, RuleId};
use loggia_rules::{
    Action, Actions, Effect, Entity, Facts, ResourceFilter, ResourceKind, Rule, RuleSet,
    SubjectSet, Subjects, trace,
};
use uuid::Uuid;

use crate::Repository;
use crate::explain::{self, Asked, Requester, RuleName};
use crate::facts::SiteFacts;
use crate::guard::Guard;
use crate::manage::{ManageError, RuleEdit, Violation, rules as manage_rules};
use crate::record::Record;
use crate::resolve::{self, ANONYMOUS_VISITOR, KINDS, SECTIONS};
use crate::site::{Site, compile_rule};
use crate::store::StoreError;

/// Most cells, users times things, that one audit looks at.
pub const MOST_CELLS: usize = 100_000_000;
/// Most rows of one answer.
pub const MOST_ROWS: usize = 200_000;
/// Most rows of one answer that say why a rule does not hold.
pub(crate) const MOST_REASONS: usize = 20_000;

/// Somebody who may read the audit section, looking at one snapshot.
pub struct Auditor {
    site: Arc<Site>,
    now: Moment,
}

/// What is to be audited.
#[derive(Clone, Debug)]
pub struct AuditRequest {
    pub category: RuleCategory,
    /// Ids among [`Auditor::subjects`], or of nodes for load balancing, in the order of the answer.
    pub subjects: Vec<Uuid>,
    pub resources: Vec<Entity>,
    /// Typed-in environment and session attributes, the same for everybody.
    pub environment: Vec<(String, String)>,
    pub contexts: Contexts,
    /// Only rules and rights of these actions.
    pub actions: Actions,
    /// Whether rules are listed that are disabled, cannot be read, or do not hold.
    pub with_non_granting: bool,
}

/// Hub, console or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Contexts {
    pub hub: bool,
    pub console: bool,
}

/// A row of the answer is about one of these.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditSubject {
    pub requester: Requester,
    /// None for the visitor, and for a node.
    pub user: Option<Arc<User>>,
    /// Why the account gate refuses everything, whatever the rules say.
    pub refused: Option<String>,
}

/// Every rule that has to do with the cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    pub subjects: Vec<AuditSubject>,
    pub resources: Vec<Asked>,
    pub rules: Vec<AuditRule>,
    pub applications: Vec<Application>,
    pub version: u64,
}

/// One rule of an [`Audit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRule {
    pub rule: RuleName,
    /// The bit mask, also of a rule that cannot be read.
    pub actions: u32,
    pub is_disabled: bool,
    pub is_forbidding: bool,
    pub state: RuleState,
    /// What keeps it from being read, and where.
    pub error: Option<(String, Option<usize>)>,
}

/// What a rule is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleState {
    /// Enabled, and can be read.
    Valid,
    /// Would hold, were it enabled.
    Disabled,
    /// Cannot be read, so it grants nothing.
    Invalid,
}

/// One rule at one cell; members are places in the lists of the [`Audit`].
#[derive(Clone, Debug, PartialEq)]
pub struct Application {
    pub subject: usize,
    pub resource: usize,
    pub rule: usize,
    /// Whether the rule is the reason, or one of several, that the subject may do something.
    pub is_allowed: bool,
    /// Where the rule's condition holds.
    pub contexts: Contexts,
    /// Where it does not hold: what stands in the way.
    pub reason: Option<Failing>,
    /// Where it holds and yet lets nobody in: what is stronger.
    pub overruled: Option<Overruled>,
    /// Actions that the subject would gain by an unsaved rule; none for saved ones.
    pub gains: Option<Actions>,
}

/// What is stronger than a rule that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overruled {
    /// The account is refused everything.
    Account,
    /// Forbidding rules take away all that the rule allows.
    Forbidden,
    /// The pool is disabled, or holds seats and the subject is a visitor.
    Pool,
}

/// The clause that stands in a rule's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    pub clause: String,
    pub line: usize,
    pub column: usize,
    pub seen: Vec<String>,
    pub distance: usize,
}

/// Rights by cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub subjects: Vec<AuditSubject>,
    pub resources: Vec<Asked>,
    /// Cells with any right before or after, by resource, then by subject.
    pub cells: Vec<Cell>,
    /// Cells with any right, also those beyond the limit that was asked for.
    pub total: usize,
    pub version: u64,
}

/// What one subject may do to one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub subject: usize,
    pub resource: usize,
    pub hub: Actions,
    pub console: Actions,
    /// Without the unsaved rule; the same as above when there is none.
    pub hub_before: Actions,
    pub console_before: Actions,
}

impl Contexts {
    pub const BOTH: Contexts = Contexts { hub: true, console: true };

    fn iter(self) -> impl Iterator<Item = RequestContext> {
        [(self.hub, RequestContext::Hub), (self.console, RequestContext::Console)]
            .into_iter()
            .filter_map(|(is_in, context)| is_in.then_some(context))
    }

    const NONE: Contexts = Contexts { hub: false, console: false };

    fn add(&mut self, context: RequestContext) {
        match context {
            RequestContext::Hub => self.hub = true,
            RequestContext::Console => self.console = true,
        }
    }

    fn is_empty(self) -> bool {
        self == Contexts::NONE
    }
}

impl RuleState {
    /// The number that the wire uses.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            RuleState::Valid => 0,
            RuleState::Disabled => 1,
            RuleState::Invalid => 2,
        }
    }
}

impl Repository {
    /// Opens the present snapshot to somebody who may read the console's audit section.
    pub fn auditor(&self, caller: &Caller) -> Result<Auditor, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let section: Arc<str> = "QmcSection_Audit".into();
        let section = Record::Transient(&section);
        let decision = guard.decide(section, Action::Read);
        if !decision.is_allowed() {
            return Err(guard.denied(section, Action::Read, &decision));
        }
        tracing::info!(
            target: "loggia::audit",
            principal = %caller.principal,
            version = site.version(),
            "{} looks into the audit",
            caller.principal
        );
        let now = self.now();
        // The server's own reports are looked at by whoever runs it, who needs no trail.
        if !matches!(caller.principal, Principal::Internal(_)) {
            let event = Event::by(caller, Kind::AdminAuditRun, now).with("version", site.version());
            self.record(event).map_err(|blocked| StoreError::AuditBlocked(blocked.to_string()))?;
        }
        Ok(Auditor { site, now })
    }
}

impl Auditor {
    /// The snapshot that is looked at.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// The ids of those things that the caller may read, audit or not.
    #[must_use]
    pub fn readable(
        &self,
        caller: &Caller,
        things: impl IntoIterator<Item = Entity>,
    ) -> HashSet<Uuid> {
        let guard = Guard::new(&self.site, caller, self.now);
        if guard.account().is_err() {
            return HashSet::new();
        }
        let readable = guard.readable(things.into_iter(), Entity::clone);
        readable.into_iter().filter_map(|thing| thing.id).collect()
    }

    /// Everybody who can be asked about: the visitor, then the users by directory and id.
    #[must_use]
    pub fn subjects(&self) -> Vec<AuditSubject> {
        let mut users: Vec<&Arc<User>> = self.site.users().collect();
        users.sort_by(|one, other| one.key.folded().cmp(other.key.folded()));
        let users = users.into_iter().map(|user| self.subject_of(Some(user)));
        std::iter::once(self.subject_of(None)).chain(users).collect()
    }

    /// The nodes, which load-balancing rules are about in place of requesters.
    #[must_use]
    pub fn nodes(&self) -> Vec<AuditSubject> {
        let mut nodes: Vec<AuditSubject> =
            self.site.nodes().map(|node| node_subject(node)).collect();
        nodes.sort_by_cached_key(|node| (node.requester.name.to_lowercase(), node.requester.id));
        nodes
    }

    /// The things of a kind, by name; sections for transient objects.
    #[must_use]
    pub fn resources(&self, kind: ResourceKind) -> Vec<Asked> {
        if kind == ResourceKind::TransientObject {
            let sections = SECTIONS.iter().map(|name| Entity::transient(*name));
            return sections.map(|section| explain::asked(&self.site, &section)).collect();
        }
        let mut rows: Vec<Asked> = resolve::rows(&self.site, kind)
            .map(|record| explain::asked(&self.site, &record.entity()))
            .collect();
        rows.sort_by_cached_key(|row| (row.name.to_lowercase(), row.id));
        rows
    }

    /// Kinds that have anything to be asked about.
    pub fn kinds(&self) -> impl Iterator<Item = ResourceKind> {
        KINDS.into_iter().chain([ResourceKind::TransientObject])
    }

    /// Which rules have to do with which cells.
    pub fn audit(&self, request: &AuditRequest) -> Result<Audit, ManageError> {
        let mut request = request.clone();
        if request.category != RuleCategory::Security {
            // Licences are drawn and apps are placed in the hub, wherever somebody came from.
            request.contexts = Contexts { hub: true, console: false };
        }
        let request = &request;
        let in_force: HashMap<Uuid, &Arc<Rule>> = match request.category {
            RuleCategory::Security => by_id(self.site.security()),
            RuleCategory::Sync => by_id(self.site.sync()),
            RuleCategory::License => HashMap::new(),
        };
        let mut rules = Vec::new();
        for record in self.site.rules().filter(|rule| rule.category == request.category) {
            if record.is_disabled && !request.with_non_granting {
                continue;
            }
            let (compiled, state) = match in_force.get(&record.id.0) {
                Some(rule) => (Some(Arc::clone(rule)), RuleState::Valid),
                None => match compile_rule(record) {
                    Ok(rule) if record.is_disabled => (Some(rule.into()), RuleState::Disabled),
                    Ok(rule) => (Some(rule.into()), RuleState::Valid),
                    Err(_) => (None, RuleState::Invalid),
                },
            };
            if state == RuleState::Valid || request.with_non_granting {
                rules.push(Candidate { record, compiled, state });
            }
        }
        rules.sort_by_cached_key(|rule| (rule.record.name.to_lowercase(), rule.record.id));
        if request.category != RuleCategory::Sync {
            return self.applications(request, self.site.security(), &rules, None);
        }
        // Each node is a crowd of its own: what is asked about is read with the node in mind.
        let mut audit = self.applications(
            &AuditRequest { subjects: Vec::new(), ..request.clone() },
            self.site.sync(),
            &rules,
            None,
        )?;
        for (place, node) in request.subjects.iter().enumerate() {
            let request = AuditRequest { subjects: vec![*node], ..request.clone() };
            let of_node = self.applications(&request, self.site.sync(), &rules, None)?;
            audit.subjects.extend(of_node.subjects);
            let moved = of_node.applications.into_iter();
            audit.applications.extend(moved.map(|one| Application { subject: place, ..one }));
        }
        Ok(audit)
    }

    /// Which cells an unsaved rule would have to do with; with an `id`, in place of that rule.
    pub fn preview(
        &self,
        request: &AuditRequest,
        id: Option<RuleId>,
        edit: RuleEdit,
    ) -> Result<Audit, ManageError> {
        let (record, compiled) = manage_rules::drafted(&self.site, id, edit)?;
        let state = if record.is_disabled { RuleState::Disabled } else { RuleState::Valid };
        // What it gains is measured against the rules as they are, without the one it replaces.
        let others = self.site.security().with(Vec::new(), &replaced(id));
        let candidate = Candidate { record: &record, compiled: Some(compiled.into()), state };
        self.applications(request, &others, &[candidate], Some(self.site.security()))
    }

    /// What the subjects may do, as the rules are or as they would be with an unsaved one. With a
    /// limit, so many cells at most; how many there are is told in any case.
    pub fn matrix(
        &self,
        request: &AuditRequest,
        unsaved: Option<(Option<RuleId>, RuleEdit)>,
        limit: Option<usize>,
    ) -> Result<Matrix, ManageError> {
        let crowd = self.crowd(request)?;
        let before = self.site.security();
        let after = match unsaved {
            None => None,
            Some((id, edit)) => {
                let (record, compiled) = manage_rules::drafted(&self.site, id, edit)?;
                let put = if record.is_disabled { Vec::new() } else { vec![compiled] };
                Some(before.with(put, &replaced(id)))
            }
        };
        let most = limit.unwrap_or(MOST_ROWS).min(MOST_ROWS);
        let views = crowd.views(&self.site, request.contexts);
        let facts: Vec<_> = views.iter().map(View::facts).collect();
        let mut lookers = lookers_of(before, &views, &facts);
        let mut lookers_after = match &after {
            Some(after) => lookers_of(after, &views, &facts),
            None => Vec::new(),
        };
        let mut cells: Vec<Cell> = Vec::new();
        let mut total = 0;
        let mut here = vec![Cell::nothing(); crowd.subjects.len()];
        for (resource, entity) in request.resources.iter().enumerate() {
            here.fill(Cell::nothing());
            for (lookers, is_before) in [(&mut lookers, true), (&mut lookers_after, false)] {
                for (context, subjects) in lookers {
                    for (action, may) in subjects.granted(entity) {
                        if !request.actions.contains(action) {
                            continue;
                        }
                        for subject in may.iter().filter(|&subject| crowd.is_let_in(subject)) {
                            if let Some(cell) = here.get_mut(subject) {
                                *cell.rights(*context, is_before) |= action.into();
                            }
                        }
                    }
                }
            }
            for (subject, cell) in here.iter().enumerate() {
                let mut cell = Cell { subject, resource, ..*cell };
                if after.is_none() {
                    (cell.hub, cell.console) = (cell.hub_before, cell.console_before);
                }
                if cell.is_empty() {
                    continue;
                }
                total += 1;
                if cells.len() < most {
                    cells.push(cell);
                } else if limit.is_none() {
                    return Err(too_many_rows(MOST_ROWS));
                }
            }
        }
        drop((lookers, lookers_after));
        Ok(Matrix {
            subjects: crowd.subjects,
            resources: self.asked(request),
            cells,
            total,
            version: self.site.version(),
        })
    }

    fn applications(
        &self,
        request: &AuditRequest,
        in_force: &RuleSet,
        rules: &[Candidate<'_>],
        saved: Option<&RuleSet>,
    ) -> Result<Audit, ManageError> {
        let crowd = self.crowd(request)?;
        let views = crowd.views(&self.site, request.contexts);
        let facts: Vec<_> = views.iter().map(View::facts).collect();
        let mut lookers = lookers_of(in_force, &views, &facts);
        let mut lookers_saved = match saved {
            Some(saved) => lookers_of(saved, &views, &facts),
            None => Vec::new(),
        };
        let mut applications = Vec::new();
        let mut reasons = 0;
        for (resource, entity) in request.resources.iter().enumerate() {
            let mut verdicts = Verdicts::new(crowd.subjects.len());
            if request.category == RuleCategory::Security {
                for rule in in_force.rules().iter().filter(|rule| rule.effect == Effect::Forbid) {
                    if speaks_of(rule, request, entity) {
                        verdicts.forbid_by(&mut lookers, rule, entity);
                    }
                }
            }
            let had = granted(&mut lookers_saved, entity, crowd.subjects.len());
            for (rule, candidate) in rules.iter().enumerate() {
                let Some(compiled) = candidate.relevant(request, entity) else { continue };
                let mut holds: Vec<(RequestContext, SubjectSet)> = Vec::new();
                if let Some(compiled) = compiled {
                    look(&mut lookers, compiled, entity, &mut |context, set| {
                        holds.push((context, set));
                    });
                }
                let everybody = request.with_non_granting
                    && (compiled.is_none() || candidate.state == RuleState::Valid);
                let places: Vec<usize> = match holds.as_slice() {
                    _ if everybody => (0..crowd.subjects.len()).collect(),
                    [] => Vec::new(),
                    [(_, only)] => only.iter().collect(),
                    [(_, one), (_, other), ..] => one.union(other).iter().collect(),
                };
                for subject in places {
                    let mut contexts = Contexts::NONE;
                    for (context, _) in holds.iter().filter(|(_, set)| set.contains(subject)) {
                        contexts.add(*context);
                    }
                    let mut application = Application {
                        subject,
                        resource,
                        rule,
                        is_allowed: false,
                        contexts,
                        reason: None,
                        overruled: None,
                        gains: saved.map(|_| Actions::NONE),
                    };
                    match compiled {
                        Some(compiled) if !contexts.is_empty() => {
                            let actions = intersection(compiled.actions, request.actions);
                            let is_granting = candidate.state == RuleState::Valid
                                && compiled.effect == Effect::Allow;
                            if is_granting {
                                let taken = verdicts.forbidden(subject, contexts);
                                application.overruled = if !crowd.is_let_in(subject) {
                                    Some(Overruled::Account)
                                } else if !self.serves(request, entity, &crowd, subject) {
                                    Some(Overruled::Pool)
                                } else if (actions - taken).is_empty() {
                                    Some(Overruled::Forbidden)
                                } else {
                                    None
                                };
                                application.is_allowed = application.overruled.is_none();
                            }
                            if saved.is_some() && application.is_allowed {
                                let had = had.get(subject).copied().unwrap_or(Actions::NONE);
                                application.gains = Some(actions - had);
                            }
                        }
                        // A disabled rule is shown where it would hold, and only there.
                        Some(compiled) => {
                            reasons += 1;
                            if reasons > MOST_REASONS {
                                return Err(too_many_rows(MOST_REASONS));
                            }
                            application.reason = failing(
                                &views,
                                in_force,
                                request.actions,
                                compiled,
                                entity,
                                subject,
                            );
                        }
                        None => {}
                    }
                    if applications.len() >= MOST_ROWS {
                        return Err(too_many_rows(MOST_ROWS));
                    }
                    applications.push(application);
                }
            }
        }
        let rules = rules.iter().map(|candidate| candidate.shown()).collect();
        drop((lookers, lookers_saved));
        Ok(Audit {
            subjects: crowd.subjects,
            resources: self.asked(request),
            rules,
            applications,
            version: self.site.version(),
        })
    }

    /// Whether the thing can serve the subject at all: seats are for named people.
    fn serves(
        &self,
        request: &AuditRequest,
        entity: &Entity,
        crowd: &Crowd,
        subject: usize,
    ) -> bool {
        if request.category != RuleCategory::License {
            return true;
        }
        let Some(pool) = entity.id.and_then(|id| self.site.pool(id.into())) else { return false };
        let is_visitor = crowd.in_hub.get(subject).is_some_and(Caller::is_anonymous);
        !(pool.is_disabled || is_visitor && is_named(pool.kind))
    }

    fn crowd(&self, request: &AuditRequest) -> Result<Crowd, ManageError> {
        let cells = request.subjects.len().saturating_mul(request.resources.len());
        if cells > MOST_CELLS {
            let message = format!(
                "{} users × {} resources are {cells} cells; at most {MOST_CELLS} at a time: narrow \
                 it with userFilter or resourceFilter, or page with userTake and resourceTake",
                request.subjects.len(),
                request.resources.len(),
            );
            return Err(ManageError::Invalid(vec![Violation::new("resourceTake", message)]));
        }
        let typed = resolve::environment(&request.environment).map_err(ManageError::Invalid)?;
        let mut crowd =
            Crowd { subjects: Vec::new(), in_hub: Vec::new(), in_console: Vec::new(), node: None };
        if request.category == RuleCategory::Sync {
            for id in &request.subjects {
                let node = self.site.node((*id).into()).cloned();
                let node = node.ok_or_else(|| unknown("node", *id))?;
                let caller = Caller::internal(InternalAccount::Repository);
                crowd.subjects.push(node_subject(&node));
                crowd.in_hub.push(Caller { context: RequestContext::Hub, ..caller.clone() });
                crowd.in_console.push(caller);
                crowd.node = Some(node);
            }
            return Ok(crowd);
        }
        for id in &request.subjects {
            let user = self.site.user((*id).into());
            if user.is_none() && *id != ANONYMOUS_VISITOR.0 {
                return Err(unknown("user", *id));
            }
            let mut caller = self.caller_of(user);
            let entrance = explain::usual_entrance(&self.site, &caller);
            caller.environment = typed.environment.clone();
            if !typed.has_entrance {
                caller.environment.virtual_proxy = entrance;
            }
            crowd.subjects.push(self.subject_of(user));
            crowd.in_console.push(caller.clone().in_console());
            crowd.in_hub.push(caller);
        }
        Ok(crowd)
    }

    fn caller_of(&self, user: Option<&Arc<User>>) -> Caller {
        match user {
            Some(user) => resolve::person(user).0,
            None => resolve::visitor(ANONYMOUS_VISITOR).0,
        }
    }

    fn subject_of(&self, user: Option<&Arc<User>>) -> AuditSubject {
        let (caller, name) = match user {
            Some(user) => resolve::person(user),
            None => resolve::visitor(ANONYMOUS_VISITOR),
        };
        let refused = Guard::new(&self.site, &caller, self.now).account().err();
        AuditSubject {
            requester: explain::requester(&self.site, &caller, name),
            user: user.cloned(),
            refused: refused.map(|refusal| refusal.finding),
        }
    }

    fn asked(&self, request: &AuditRequest) -> Vec<Asked> {
        request.resources.iter().map(|entity| explain::asked(&self.site, entity)).collect()
    }
}

/// A rule that may have to do with the cells.
struct Candidate<'a> {
    record: &'a SystemRule,
    compiled: Option<Arc<Rule>>,
    state: RuleState,
}

impl Candidate<'_> {
    /// None when the rule does not speak of the thing and the actions; inside, the rule unless it
    /// cannot be read.
    fn relevant(&self, request: &AuditRequest, entity: &Entity) -> Option<Option<&Rule>> {
        match &self.compiled {
            Some(rule) => speaks_of(rule, request, entity).then_some(Some(rule)),
            None => {
                let (filter, _) = ResourceFilter::parse(&self.record.resource_filter);
                filter.is_some_and(|filter| filter.matches(entity)).then_some(None)
            }
        }
    }

    fn shown(&self) -> AuditRule {
        let record = self.record;
        AuditRule {
            rule: RuleName { id: record.id, name: record.name.clone() },
            actions: record.actions,
            is_disabled: record.is_disabled,
            is_forbidding: record.is_forbidding,
            state: self.state,
            error: match self.state {
                RuleState::Invalid => compile_rule(record).err().map(|p| explain::fault(&p)),
                _ => None,
            },
        }
    }
}

/// The subjects of a request, ready to be asked about.
struct Crowd {
    subjects: Vec<AuditSubject>,
    in_hub: Vec<Caller>,
    in_console: Vec<Caller>,
    /// The node that load-balancing rules are asked about.
    node: Option<Arc<Node>>,
}

/// What is known of everybody in one context.
struct View<'s> {
    context: RequestContext,
    facts: Vec<SiteFacts<'s>>,
}

impl View<'_> {
    fn facts(&self) -> Vec<&dyn Facts> {
        self.facts.iter().map(|facts| facts as &dyn Facts).collect()
    }
}

impl Crowd {
    /// Everybody in each of the contexts.
    fn views<'s>(&'s self, site: &'s Site, contexts: Contexts) -> Vec<View<'s>> {
        let view = |context| {
            let callers = match context {
                RequestContext::Hub => &self.in_hub,
                RequestContext::Console => &self.in_console,
            };
            let facts = callers.iter().map(|caller| {
                let facts = SiteFacts::new(site, caller);
                match &self.node {
                    Some(node) => facts.on_node(node),
                    None => facts,
                }
            });
            View { context, facts: facts.collect() }
        };
        contexts.iter().map(view).collect()
    }

    /// Whether the account gate lets the subject through.
    fn is_let_in(&self, subject: usize) -> bool {
        self.subjects.get(subject).is_some_and(|subject| subject.refused.is_none())
    }
}

/// What forbidding rules take away, by subject.
struct Verdicts(Vec<(Actions, Actions)>);

impl Verdicts {
    fn new(subjects: usize) -> Verdicts {
        Verdicts(vec![(Actions::NONE, Actions::NONE); subjects])
    }

    fn forbid(&mut self, subject: usize, context: RequestContext, actions: Actions) {
        if let Some((hub, console)) = self.0.get_mut(subject) {
            match context {
                RequestContext::Hub => *hub |= actions,
                RequestContext::Console => *console |= actions,
            }
        }
    }

    /// Notes what a forbidding rule takes away.
    fn forbid_by(
        &mut self,
        lookers: &mut [(RequestContext, Subjects<'_>)],
        rule: &Rule,
        entity: &Entity,
    ) {
        look(lookers, rule, entity, &mut |context, set| {
            for subject in set.iter() {
                self.forbid(subject, context, rule.actions);
            }
        });
    }

    /// What is forbidden in every one of these contexts.
    fn forbidden(&self, subject: usize, contexts: Contexts) -> Actions {
        let Some(&(hub, console)) = self.0.get(subject) else { return Actions::NONE };
        match (contexts.hub, contexts.console) {
            (true, true) => intersection(hub, console),
            (true, false) => hub,
            (false, true) => console,
            (false, false) => Actions::NONE,
        }
    }
}

impl Cell {
    fn nothing() -> Cell {
        Cell {
            subject: 0,
            resource: 0,
            hub: Actions::NONE,
            console: Actions::NONE,
            hub_before: Actions::NONE,
            console_before: Actions::NONE,
        }
    }

    fn rights(&mut self, context: RequestContext, is_before: bool) -> &mut Actions {
        match (context, is_before) {
            (RequestContext::Hub, false) => &mut self.hub,
            (RequestContext::Hub, true) => &mut self.hub_before,
            (RequestContext::Console, false) => &mut self.console,
            (RequestContext::Console, true) => &mut self.console_before,
        }
    }

    fn is_empty(&self) -> bool {
        (self.access() | self.before()).is_empty()
    }

    /// Rights in any context.
    #[must_use]
    pub fn access(&self) -> Actions {
        self.hub | self.console
    }

    /// Rights in any context without the unsaved rule.
    #[must_use]
    pub fn before(&self) -> Actions {
        self.hub_before | self.console_before
    }
}

fn by_id(rules: &RuleSet) -> HashMap<Uuid, &Arc<Rule>> {
    rules.rules().iter().map(|rule| (rule.id, rule)).collect()
}

/// Questions about everybody, context by context.
fn lookers_of<'a>(
    rules: &'a RuleSet,
    views: &[View<'_>],
    facts: &'a [Vec<&'a dyn Facts>],
) -> Vec<(RequestContext, Subjects<'a>)> {
    let looker = |(view, facts): (&View<'_>, &'a Vec<&'a dyn Facts>)| {
        (view.context, Subjects::new(rules, rules_context(view.context), facts))
    };
    views.iter().zip(facts).map(looker).collect()
}

/// Tells for whom the rule's condition holds, context by context.
fn look(
    lookers: &mut [(RequestContext, Subjects<'_>)],
    rule: &Rule,
    entity: &Entity,
    found: &mut dyn FnMut(RequestContext, SubjectSet),
) {
    for (context, subjects) in lookers {
        if rule.context.covers(rules_context(*context)) {
            found(*context, subjects.holds(rule, entity));
        }
    }
}

/// Whether the rule has to do with the thing and what is asked about it.
fn speaks_of(rule: &Rule, request: &AuditRequest, entity: &Entity) -> bool {
    rule.actions.intersects(request.actions)
        && rule.filter.matches(entity)
        && request.contexts.iter().any(|context| rule.context.covers(rules_context(context)))
}

/// What each subject may do in any of the contexts.
fn granted(
    lookers: &mut [(RequestContext, Subjects<'_>)],
    entity: &Entity,
    subjects: usize,
) -> Vec<Actions> {
    let mut granted = vec![Actions::NONE; subjects];
    for (_, looker) in lookers {
        for (action, may) in looker.granted(entity) {
            for subject in may.iter() {
                if let Some(actions) = granted.get_mut(subject) {
                    *actions |= action.into();
                }
            }
        }
    }
    granted
}

/// Why the rule does not hold for the subject, in the first context that it speaks of.
fn failing(
    views: &[View<'_>],
    in_force: &RuleSet,
    actions: Actions,
    rule: &Rule,
    entity: &Entity,
    subject: usize,
) -> Option<Failing> {
    let view = views.iter().find(|view| rule.context.covers(rules_context(view.context)))?;
    let facts = view.facts.get(subject)?;
    let action = intersection(rule.actions, actions).iter().next()?;
    let found = trace(in_force, facts, rules_context(view.context), rule, entity, action);
    let (line, column) = found.span.line_and_column(rule.condition.text());
    Some(Failing { clause: found.clause, line, column, seen: found.seen, distance: found.distance })
}

/// The saved rule that an unsaved one takes the place of.
fn replaced(id: Option<RuleId>) -> Vec<Uuid> {
    id.into_iter().map(|id| id.0).collect()
}

fn rules_context(context: RequestContext) -> loggia_rules::RequestContext {
    match context {
        RequestContext::Hub => loggia_rules::RequestContext::Hub,
        RequestContext::Console => loggia_rules::RequestContext::Console,
    }
}

fn intersection(one: Actions, other: Actions) -> Actions {
    one - (one - other)
}

fn node_subject(node: &Node) -> AuditSubject {
    let requester = Requester {
        id: node.id.0,
        key: node.host_name.clone(),
        name: node.name.clone(),
        is_anonymous: false,
    };
    AuditSubject { requester, user: None, refused: None }
}

fn unknown(place: &'static str, id: Uuid) -> ManageError {
    let message = format!("no {place} has the id {id}");
    ManageError::Invalid(vec![Violation::new(place, message)])
}

fn too_many_rows(most: usize) -> ManageError {
    let message = format!(
        "the answer would have more than {most} rows; narrow it with userFilter, resourceFilter or \
         actions, or page with userTake and resourceTake"
    );
    ManageError::Invalid(vec![Violation::new("userTake", message)])
}
