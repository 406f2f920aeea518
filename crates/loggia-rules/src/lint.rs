//! What is worth a look about a rule that can be used: what it may not mean, what it cannot do, and
//! which other rule already does it.
//!
//! A lint is never wrong about what it claims; where something cannot be proved, nothing is said.

mod logic;

use uuid::Uuid;

use crate::problem::{Problem, Severity, Span};
use crate::program::{Clause, Node, Test};
use crate::syntax;
use crate::{
    Action, Category, Context, Effect, KindSet, RequestContext, ResourceFilter, ResourceKind, Rule,
    RuleSet,
};
use logic::{Form, Premise, Prover};

/// One thing worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Stable words, such as `rule-useless`; notices about the texts have those of
    /// [`crate::ProblemCode::code`].
    pub code: &'static str,
    /// Which member of the rule it is about.
    pub place: Place,
    /// Where in the member's text.
    pub span: Option<Span>,
    /// A sentence for the person who writes the rule.
    pub message: String,
    /// A ready rewrite: text to put in place of the span.
    pub suggestion: Option<String>,
    /// The other rule that it is about.
    pub other: Option<Uuid>,
}

/// A member of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Condition,
    Filter,
    Context,
    /// The rule as a whole.
    Rule,
}

/// What a rule is looked at as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LintScope {
    pub category: Category,
}

/// An empty condition: it holds for everybody.
pub const EMPTY_CONDITION: &str = "rule-empty-condition";
/// A condition that says something, but holds for everybody all the same.
pub const ALWAYS_HOLDS: &str = "rule-always-holds";
/// A condition that never holds.
pub const NEVER_HOLDS: &str = "rule-never-holds";
/// *Only in the hub*, for something that only the console shows.
pub const CONSOLE_ONLY: &str = "rule-console-only";
/// What the rule asks through `HasPrivilege` leads back to the rule.
pub const ASKS_ITSELF: &str = "rule-asks-itself";
/// Another rule already does all that this one does.
pub const USELESS: &str = "rule-useless";
/// It forbids every action on everything to everybody.
pub const FORBIDS_EVERYTHING: &str = "rule-forbids-everything";
/// A licence rule that admits nobody.
pub const ADMITS_NOBODY: &str = "rule-licence-admits-nobody";
/// A licence rule that gives visitors a seat, which only named people can have.
pub const SEAT_FOR_VISITORS: &str = "rule-seat-for-visitors";

/// Everything worth a look about `rule`, given the `others` of its category that are in force. A
/// rule among them with its id is the rule as it was before, and is passed over.
#[must_use]
pub fn lint(rule: &Rule, others: &RuleSet, scope: LintScope) -> Vec<Lint> {
    let mut lints = notices(rule);
    lints.extend(lint_scope_of_rule(rule, scope));
    let prover = Prover::new(rule.filter.kinds(), request_context(rule, scope));
    let reach = Reach::of(rule.condition.clause(), &prover);
    lints.extend(lint_truth(rule, scope, &prover, reach));
    if scope.category == Category::License {
        lints.extend(lint_seats(rule, &prover));
    }
    if rule.condition.asks_rules() {
        lints.extend(lint_cycle(rule, others));
    }
    if reach != Reach::Nobody {
        lints.extend(lint_useless(rule, others, &prover));
    }
    lints
}

impl Lint {
    fn new(code: &'static str, place: Place, message: impl Into<String>) -> Lint {
        Lint { code, place, span: None, message: message.into(), suggestion: None, other: None }
    }

    fn at(mut self, span: Span) -> Lint {
        self.span = Some(span);
        self
    }

    fn suggest(mut self, suggestion: impl Into<String>) -> Lint {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// A rule with lints can be used.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        Severity::Warning
    }
}

/// Whom a condition can hold for, as far as that is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Everybody,
    Nobody,
    Unknown,
}

impl Reach {
    fn of(clause: &Clause, prover: &Prover) -> Reach {
        let is_never = |holds| {
            let form = prover.form(clause, holds);
            prover.cubes(&form).is_some_and(|cubes| cubes.is_empty())
        };
        if is_never(false) {
            Reach::Everybody
        } else if is_never(true) {
            Reach::Nobody
        } else {
            Reach::Unknown
        }
    }
}

/// What was noticed when the texts were read.
fn notices(rule: &Rule) -> Vec<Lint> {
    let lint = |place| {
        move |problem: &Problem| Lint {
            code: problem.code.code(),
            place,
            span: Some(problem.span),
            message: problem.message.clone(),
            suggestion: problem.suggestion.clone(),
            other: None,
        }
    };
    let filter = rule.filter.problems().iter().map(lint(Place::Filter));
    let condition = rule.condition.warnings().iter().map(lint(Place::Condition));
    filter.chain(condition).collect()
}

/// The context that the rule is always asked in, where there is one.
fn request_context(rule: &Rule, scope: LintScope) -> Option<RequestContext> {
    match (scope.category, rule.context) {
        (Category::License, _) | (_, Context::Hub) => Some(RequestContext::Hub),
        (_, Context::Console) => Some(RequestContext::Console),
        (_, Context::Both) => None,
    }
}

/// Filter and context that do not fit each other.
fn lint_scope_of_rule(rule: &Rule, scope: LintScope) -> Vec<Lint> {
    if scope.category != Category::Security || rule.context != Context::Hub {
        return Vec::new();
    }
    let items: Vec<(Span, bool)> =
        rule.filter.items().map(|(span, item)| (span, is_console_only(&item))).collect();
    if items.iter().all(|(_, is_console_only)| *is_console_only) {
        let message = "only the console shows what this rule is about, so in the context \"only \
                       in the hub\" it does nothing";
        return vec![Lint::new(CONSOLE_ONLY, Place::Context, message)];
    }
    let lint = |span: Span| {
        let item = span.of(rule.filter.text());
        let message =
            format!("only the console shows {item}, and this rule is in force in the hub");
        Lint::new(CONSOLE_ONLY, Place::Filter, message).at(span)
    };
    items.iter().filter(|(_, is_console_only)| *is_console_only).map(|&(s, _)| lint(s)).collect()
}

fn is_console_only(filter: &ResourceFilter) -> bool {
    filter.kinds().iter().all(|kind| match kind {
        ResourceKind::TransientObject => filter.names_sections_of_console_only(),
        kind => CONSOLE_KINDS.contains(&kind),
    })
}

/// What the hub has no place for. Users, tags, tasks and custom properties are not among it: it
/// shows who owns an app, what it is tagged with and when it is reloaded.
const CONSOLE_KINDS: &[ResourceKind] = &[
    ResourceKind::SystemRule,
    ResourceKind::UserDirectory,
    ResourceKind::UserSyncTask,
    ResourceKind::ExternalProgramTask,
    ResourceKind::License,
    ResourceKind::LicenseProfessionalAccessGroup,
    ResourceKind::LicenseAnalyzerAccessGroup,
    ResourceKind::LicenseUserAccessGroup,
    ResourceKind::LicenseLoginAccessType,
    ResourceKind::LicenseAnalyzerTimeAccessType,
    ResourceKind::ServerNodeConfiguration,
    ResourceKind::ServiceCluster,
    ResourceKind::ServiceStatus,
    ResourceKind::EngineService,
    ResourceKind::ProxyService,
    ResourceKind::VirtualProxyConfig,
    ResourceKind::RepositoryService,
    ResourceKind::SchedulerService,
    ResourceKind::PrintingService,
    ResourceKind::FileExtension,
    ResourceKind::FileExtensionWhiteList,
    ResourceKind::ContentCacheControl,
];

/// What somebody meets who is in the hub without having signed in, besides sections of the hub.
const VISITOR_KINDS: &[ResourceKind] = &[
    ResourceKind::App,
    ResourceKind::AppObject,
    ResourceKind::AppContent,
    ResourceKind::AppDataSegment,
    ResourceKind::AppInternal,
    ResourceKind::Stream,
    ResourceKind::ContentLibrary,
    ResourceKind::StaticContentReference,
    ResourceKind::FileReference,
    ResourceKind::TempContent,
    ResourceKind::SharedContent,
    ResourceKind::Extension,
    ResourceKind::Widgets,
    ResourceKind::WebExtensionLibrary,
];

/// Seats belong to one named person each.
const SEATS: &[ResourceKind] = &[
    ResourceKind::LicenseProfessionalAccessGroup,
    ResourceKind::LicenseAnalyzerAccessGroup,
    ResourceKind::LicenseUserAccessGroup,
];

/// What the hours and minutes of pools that anybody may draw from are.
const POOLS: &[ResourceKind] =
    &[ResourceKind::LicenseLoginAccessType, ResourceKind::LicenseAnalyzerTimeAccessType];

fn covers_any(kinds: KindSet, of: &[ResourceKind]) -> bool {
    of.iter().any(|&kind| kinds.contains(kind))
}

/// Conditions that hold for everybody or for nobody.
fn lint_truth(rule: &Rule, scope: LintScope, prover: &Prover, reach: Reach) -> Option<Lint> {
    let clause = rule.condition.clause();
    match (reach, scope.category) {
        (Reach::Everybody, _) if forbids_everything(rule) => {
            let message = "this forbids everything to everybody, administrators too: nobody could \
                           take it back by signing in";
            Some(Lint::new(FORBIDS_EVERYTHING, Place::Rule, message))
        }
        (Reach::Everybody, category) => everybody(rule, category),
        (Reach::Nobody, Category::License) => {
            let message = format!("this rule admits nobody: {}", why_never(rule, prover));
            Some(Lint::new(ADMITS_NOBODY, Place::Condition, message).at(clause.span))
        }
        (Reach::Nobody, Category::Security | Category::Sync) => {
            let message = format!("this condition never holds: {}", why_never(rule, prover));
            Some(Lint::new(NEVER_HOLDS, Place::Condition, message).at(clause.span))
        }
        (Reach::Unknown, _) => None,
    }
}

fn forbids_everything(rule: &Rule) -> bool {
    rule.effect == Effect::Forbid
        && rule.filter.is_everything()
        && rule.actions.contains(Action::Read)
}

/// Whether visitors are where the rule is in force, and meet what it is about.
fn reaches_visitors(rule: &Rule) -> bool {
    let kinds = rule.filter.kinds();
    let meets = covers_any(kinds, VISITOR_KINDS)
        || kinds.contains(ResourceKind::TransientObject)
            && !rule.filter.names_sections_of_console_only();
    meets && rule.context != Context::Console
}

fn everybody(rule: &Rule, category: Category) -> Option<Lint> {
    let text = rule.condition.text();
    let verb = if rule.effect == Effect::Forbid { "forbids it to" } else { "holds for" };
    let (whom, keeps_visitors_out) = match category {
        // Every app on every node is an ordinary wish.
        Category::Sync => return None,
        Category::Security if reaches_visitors(rule) => {
            (format!("{verb} everyone, including anonymous visitors"), true)
        }
        Category::Security => (format!("{verb} everyone"), true),
        Category::License if covers_any(rule.filter.kinds(), POOLS) => {
            ("lets everyone draw, including anonymous visitors".to_owned(), true)
        }
        Category::License => ("gives everyone who signs in a seat".to_owned(), false),
    };
    // In a forbidding rule it would do the opposite.
    let keeps_visitors_out = keeps_visitors_out && rule.effect == Effect::Allow;
    let whole = Span::new(0, text.len());
    if syntax::parse(text).0.is_none() {
        let mut message = format!("an empty condition {whom}");
        if keeps_visitors_out {
            message
                .push_str("; write !user.IsAnonymous() to keep visitors out, or true to mean it");
        } else {
            message.push_str("; write true to mean it");
        }
        let suggestion = if keeps_visitors_out { "!user.IsAnonymous()" } else { "true" };
        let lint = Lint::new(EMPTY_CONDITION, Place::Condition, message).at(whole);
        return Some(lint.suggest(suggestion));
    }
    // Whoever writes `true` means it.
    if matches!(rule.condition.clause().node, Node::Constant(true)) {
        return None;
    }
    let message = format!("this condition always holds, so it {whom}; write true to mean it");
    Some(Lint::new(ALWAYS_HOLDS, Place::Condition, message).at(whole).suggest("true"))
}

/// Names two tests that exclude each other, where it is as simple as that.
fn why_never(rule: &Rule, prover: &Prover) -> String {
    let clause = rule.condition.clause();
    let form = prover.form(clause, true);
    if form == Form::Never {
        return "it is false whatever anybody has".to_owned();
    }
    let conflict = prover.first_conflict(&form);
    let shown = conflict.and_then(|(one, other)| {
        let text = rule.condition.text();
        let find = |literal| prover.find(clause, literal).map(|span| span.of(text));
        Some((find(&one)?, find(&other)?))
    });
    match shown {
        Some((one, other)) if one != other => format!("{one} and {other} exclude each other"),
        Some((one, _)) => format!("{one} would have to hold and not to hold"),
        None => "its parts exclude each other".to_owned(),
    }
}

/// A seat for visitors, who cannot have one.
fn lint_seats(rule: &Rule, prover: &Prover) -> Option<Lint> {
    let kinds = rule.filter.kinds();
    if !covers_any(kinds, SEATS) {
        return None;
    }
    let cubes = prover.cubes(&prover.form(rule.condition.clause(), true))?;
    let of_visitors = cubes.iter().filter(|cube| Prover::is_of_visitors(cube)).count();
    if of_visitors == 0 {
        return None;
    }
    let is_all = of_visitors == cubes.len() && !covers_any(kinds, POOLS);
    let outcome = match is_all {
        true => "so this rule admits nobody",
        false => "whatever the rule says",
    };
    let message = format!(
        "seats are for named people: an anonymous visitor never gets one, {outcome}; use a pool \
         of analyzer capacity or login access"
    );
    let lint = Lint::new(SEAT_FOR_VISITORS, Place::Condition, message);
    Some(match first_anonymous(rule.condition.clause()) {
        Some(span) => lint.at(span),
        None => lint.at(rule.condition.clause().span),
    })
}

fn first_anonymous(clause: &Clause) -> Option<Span> {
    let mut found = None;
    clause.for_each_clause(&mut |part| {
        if found.is_none() && matches!(part.node, Node::Test(Test::IsAnonymous)) {
            found = Some(part.span);
        }
    });
    found
}

/// A rule that, by what it asks, comes back to itself.
fn lint_cycle(rule: &Rule, others: &RuleSet) -> Option<Lint> {
    if !others.with(vec![rule.clone()], &[]).cyclic_rules().contains(&rule.id) {
        return None;
    }
    let mut span = None;
    rule.condition.clause().for_each_clause(&mut |part| {
        if span.is_none() && matches!(part.node, Node::Test(Test::HasPrivilege { .. })) {
            span = Some(part.span);
        }
    });
    let message = "what HasPrivilege asks here can lead back to this rule; a question that is \
                   asked within itself is answered no";
    Some(Lint::new(ASKS_ITSELF, Place::Condition, message).at(span?))
}

/// Another rule that does all that this one does.
fn lint_useless(rule: &Rule, others: &RuleSet, prover: &Prover) -> Option<Lint> {
    let clause = rule.condition.clause();
    let wider = others.rules().iter().filter(|other| {
        other.id != rule.id
            && other.effect == rule.effect
            && (rule.actions - other.actions).is_empty()
            && (other.context == Context::Both || other.context == rule.context)
            && other.filter.covers(&rule.filter)
    });
    let whole = prover.premise(clause);
    let mut by_kind: Option<Vec<(Prover, Premise)>> = None;
    for other in wider {
        let other_clause = other.condition.clause();
        let is_implied = prover.implies(&whole, &prover.form(other_clause, true)) || {
            // Type by type more can be said of conditions that tell types apart.
            (logic::asks_kind(clause) || logic::asks_kind(other_clause)) && {
                let by_kind = by_kind.get_or_insert_with(|| {
                    let of = |kind| {
                        let prover = prover.only(kind);
                        let premise = prover.premise(clause);
                        (prover, premise)
                    };
                    rule.filter.kinds().iter().map(of).collect()
                });
                by_kind
                    .iter()
                    .all(|(prover, one)| prover.implies(one, &prover.form(other_clause, true)))
            }
        };
        if is_implied {
            let verb = match rule.effect {
                Effect::Allow => "grants",
                Effect::Forbid => "forbids",
            };
            let message =
                format!("the rule {:?} already {verb} all that this one does", other.name);
            let lint = Lint::new(USELESS, Place::Rule, message);
            return Some(Lint { other: Some(other.id), ..lint });
        }
    }
    None
}
