//! Why a rule did not hold: the clause that stood in the way, and what it saw.

use crate::oracle::Evaluator;
use crate::problem::Span;
use crate::program::{Clause, Node, Path, Term, Test};
use crate::{Action, Entity, Fact, Facts, Refusal, RequestContext, Rule, RuleSet};

/// A constant cannot turn out otherwise, so it is farther than anything else.
const NEVER: usize = 1_000_000;
/// Most values of one path that a reason shows, and most characters of one value.
const MOST_VALUES: usize = 10;
const LONGEST_VALUE: usize = 80;

/// Most lines about what a clause saw.
const MOST_SEEN: usize = 10;

/// What became of one rule for one thing: for explanations, previews and rules that are not in
/// force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    pub holds: bool,
    /// The deciding clause as written: the one that holds, or the one that stands in the way.
    pub clause: String,
    /// Where the clause stands in the condition.
    pub span: Span,
    /// The values it saw. For administrators only.
    pub seen: Vec<String>,
    /// How many clauses would have to turn out otherwise for the rule to hold; 0 if it does.
    pub distance: usize,
    /// What the clause asked the rules through `HasPrivilege`, and whether it was granted.
    pub asked: Vec<(Entity, Action, bool)>,
}

/// Evaluates one rule with reasons, whatever its filter, context and effect say. The rule need not
/// be among `rules`, which answer its `HasPrivilege`.
#[must_use]
pub fn trace(
    rules: &RuleSet,
    facts: &dyn Facts,
    context: RequestContext,
    rule: &Rule,
    entity: &Entity,
    action: Action,
) -> Trace {
    let mut evaluator = Evaluator::new(rules, facts, context);
    evaluator.as_question(entity, action, |evaluator| {
        let (clause, scope) = (rule.condition.clause(), Some(entity));
        let holds = evaluator.holds(clause, scope);
        let reason = if holds {
            evidence(evaluator, clause, scope)
        } else {
            reason(evaluator, clause, scope, true).unwrap_or_default()
        };
        let mut asked = Vec::new();
        clause.for_each_clause(&mut |part| {
            if let Node::Test(Test::HasPrivilege { path, action }) = &part.node
                && reason.span.start <= part.span.start
                && part.span.end <= reason.span.end
            {
                evaluator.with_values(path, scope, |evaluator, things| {
                    for thing in things.iter().take(MOST_VALUES) {
                        if let Fact::Entity(thing) = thing {
                            let granted = evaluator.has_privilege(thing, *action);
                            asked.push((thing.clone(), *action, granted));
                        }
                    }
                });
            }
        });
        Trace {
            holds,
            clause: reason.span.of(rule.condition.text()).to_owned(),
            span: reason.span,
            seen: reason.seen,
            distance: reason.distance,
            asked,
        }
    })
}

/// Explains a rule that did not hold for `entity`, within the question that it was asked for.
pub(crate) fn refusal(evaluator: &mut Evaluator<'_>, rule: &Rule, entity: &Entity) -> Refusal {
    let reason = reason(evaluator, rule.condition.clause(), Some(entity), true).unwrap_or_default();
    Refusal {
        rule: rule.id,
        rule_name: rule.name.clone(),
        clause: reason.span.of(rule.condition.text()).to_owned(),
        span: reason.span,
        seen: reason.seen,
        distance: reason.distance,
    }
}

/// The smallest clause that makes the condition hold, and everything that it saw.
fn evidence(evaluator: &mut Evaluator<'_>, clause: &Clause, scope: Option<&Entity>) -> Reason {
    let mut clause = clause;
    while let Node::Any(parts) = &clause.node {
        match parts.iter().find(|part| evaluator.holds(part, scope)) {
            Some(part) => clause = part,
            None => break,
        }
    }
    let mut lines = Vec::new();
    clause.for_each_test(&mut |test| {
        if lines.len() < MOST_SEEN {
            for line in seen(evaluator, test, scope) {
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
    });
    lines.truncate(MOST_SEEN);
    Reason { span: clause.span, seen: lines, distance: 0 }
}

#[derive(Default)]
struct Reason {
    span: Span,
    seen: Vec<String>,
    /// How many tests would have to turn out otherwise.
    distance: usize,
}

/// Why the clause is not `wanted`; none if it is.
fn reason(
    evaluator: &mut Evaluator<'_>,
    clause: &Clause,
    scope: Option<&Entity>,
    wanted: bool,
) -> Option<Reason> {
    match &clause.node {
        Node::Constant(value) if *value == wanted => None,
        Node::Constant(_) => Some(Reason { span: clause.span, seen: Vec::new(), distance: NEVER }),
        Node::Not(inner) => {
            let inner = reason(evaluator, inner, scope, !wanted)?;
            Some(Reason { span: clause.span, ..inner })
        }
        // Every part must be mended: the first one is named, all are counted.
        Node::All(parts) if wanted => every(evaluator, parts, scope, wanted),
        Node::Any(parts) if !wanted => every(evaluator, parts, scope, wanted),
        // One part is enough: the nearest.
        Node::All(parts) | Node::Any(parts) => nearest(evaluator, parts, scope, wanted),
        Node::Test(test) => {
            if evaluator.holds(clause, scope) == wanted {
                return None;
            }
            let seen = seen(evaluator, test, scope);
            Some(Reason { span: clause.span, seen, distance: 1 })
        }
    }
}

fn every(
    evaluator: &mut Evaluator<'_>,
    parts: &[Clause],
    scope: Option<&Entity>,
    wanted: bool,
) -> Option<Reason> {
    let mut first: Option<Reason> = None;
    for part in parts {
        let Some(reason) = reason(evaluator, part, scope, wanted) else {
            continue;
        };
        match &mut first {
            Some(first) => first.distance = NEVER.min(first.distance + reason.distance),
            None => first = Some(reason),
        }
    }
    first
}

fn nearest(
    evaluator: &mut Evaluator<'_>,
    parts: &[Clause],
    scope: Option<&Entity>,
    wanted: bool,
) -> Option<Reason> {
    let mut nearest: Option<Reason> = None;
    for part in parts {
        let reason = reason(evaluator, part, scope, wanted)?;
        if nearest.as_ref().is_none_or(|nearest| reason.distance < nearest.distance) {
            nearest = Some(reason);
        }
    }
    nearest
}

/// What a test saw, in words for an administrator.
fn seen(evaluator: &mut Evaluator<'_>, test: &Test, scope: Option<&Entity>) -> Vec<String> {
    match test {
        Test::Compare { left, right, .. } => left
            .iter()
            .chain(right)
            .filter_map(|term| match term {
                Term::Path(path) => Some(seen_at(evaluator, path, scope)),
                _ => None,
            })
            .collect(),
        Test::Empty { path } => vec![seen_at(evaluator, path, scope)],
        Test::IsOwned { path } => {
            let is_owned = evaluator.test(test, scope);
            let word = if is_owned { "has an owner" } else { "has no owner" };
            vec![format!("{} {word}", path.text)]
        }
        Test::IsAnonymous if evaluator.facts.requester_is_anonymous() => {
            vec!["the requester is anonymous".to_owned()]
        }
        Test::IsAnonymous => vec!["the requester has signed in".to_owned()],
        Test::HasPrivilege { path, action } => {
            let right = evaluator.with_values(path, scope, |evaluator, things| {
                let granted: Vec<(String, bool)> = things
                    .iter()
                    .take(MOST_VALUES)
                    .filter_map(|thing| match thing {
                        Fact::Entity(entity) => Some(entity),
                        Fact::Text(_) => None,
                    })
                    .map(|entity| (entity.to_string(), evaluator.has_privilege(entity, *action)))
                    .collect();
                granted
            });
            if right.is_empty() {
                return vec![format!("{}: nothing", path.text)];
            }
            let line = |(thing, is_granted): (String, bool)| {
                let word = if is_granted { "granted" } else { "not granted" };
                format!("{} {thing}: {action} {word}", path.text)
            };
            right.into_iter().map(line).collect()
        }
    }
}

fn seen_at(evaluator: &mut Evaluator<'_>, path: &Path, scope: Option<&Entity>) -> String {
    evaluator.with_values(path, scope, |_, values| {
        if values.is_empty() {
            return format!("{}: no value", path.text);
        }
        let mut shown: Vec<String> = values.iter().take(MOST_VALUES).map(show).collect();
        if values.len() > MOST_VALUES {
            shown.push(format!("and {} more", values.len() - MOST_VALUES));
        }
        format!("{}: {}", path.text, shown.join(", "))
    })
}

fn show(value: &Fact) -> String {
    match value {
        Fact::Entity(entity) => entity.to_string(),
        Fact::Text(text) if text.chars().count() > LONGEST_VALUE => {
            let beginning: String = text.chars().take(LONGEST_VALUE).collect();
            format!("\"{beginning}…\"")
        }
        Fact::Text(text) => format!("\"{text}\""),
    }
}
