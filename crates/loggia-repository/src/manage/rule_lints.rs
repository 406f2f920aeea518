//! What is worth a look about a rule that can be saved, as its author may know it.

use loggia_model::RuleId;
use loggia_model::entity::{RuleCategory, SystemRule};
use loggia_rules::lint::{Place, USELESS};
use loggia_rules::{
    Action, Category, Lint, LintScope, Problem, ProblemCode, Rule, RuleSet, lint, straightened,
};

use super::Violation;
use crate::guard::Guard;
use crate::record::Record;
use crate::site::compile_rule;

/// Everything worth a look about a rule, given the others in force. Of other rules nobody learns
/// more than they may read, and who could not make the rule learns nothing of them at all.
pub(super) fn look(guard: &Guard<'_>, rule: &SystemRule, compiled: &Rule) -> Vec<Violation> {
    let site = guard.site();
    let others = match rule.category {
        _ if !may_make(guard, rule) => RuleSet::default(),
        RuleCategory::Security => site.security().clone(),
        RuleCategory::Sync => site.sync().clone(),
        RuleCategory::License => site.licence_rules(),
    };
    let category = match rule.category {
        RuleCategory::Security => Category::Security,
        RuleCategory::License => Category::License,
        RuleCategory::Sync => Category::Sync,
    };
    let may_know = |lint: &Lint| {
        let Some(other) = lint.other.and_then(|id| site.rule(RuleId(id))) else {
            return lint.other.is_none();
        };
        guard.decide(Record::Rule(other), Action::Read).is_allowed()
    };
    let lints = lint(compiled, &others, LintScope { category }).into_iter();
    lints.filter(may_know).map(of_lint).collect()
}

/// Whether the caller could make the rule, or change one to be it.
pub(super) fn may_make(guard: &Guard<'_>, rule: &SystemRule) -> bool {
    guard.decide_new(Record::Rule(rule), Action::Create).is_allowed()
        || guard.decide_draft(Record::Rule(rule), Action::Update).is_allowed()
}

/// What is worth a look about a rule that only lacks its actions, besides what was found already.
pub(super) fn look_without_actions(
    guard: &Guard<'_>,
    rule: &SystemRule,
    found: &[Violation],
) -> Vec<Violation> {
    let with_action = SystemRule { actions: Action::Create.bit(), ..rule.clone() };
    let Ok(compiled) = compile_rule(&with_action) else {
        return Vec::new();
    };
    // Whether another rule does the same is a matter of the actions.
    let is_new = |lint: &Violation| lint.code != Some(USELESS) && !found.contains(lint);
    look(guard, &with_action, &compiled).into_iter().filter(is_new).collect()
}

/// Puts straight quotes in place of curly ones, as people paste them from documents.
pub(super) fn straighten(rule: &mut SystemRule) -> Option<Violation> {
    rule.condition = straightened(&rule.condition)?;
    let message = "quotes of another kind were replaced by straight double quotes";
    Some(Violation::warning("rule", message).coded(ProblemCode::OtherQuotes.code()))
}

fn of_lint(lint: Lint) -> Violation {
    let place = match lint.place {
        Place::Filter => "resourceFilter",
        Place::Context => "ruleContext",
        Place::Condition | Place::Rule => "rule",
    };
    Violation {
        place,
        message: lint.message.into_boxed_str(),
        span: lint.span.map(|span| span.start..span.end),
        suggestion: lint.suggestion,
        code: Some(lint.code),
        severity: loggia_rules::Severity::Warning,
        other: lint.other.map(RuleId),
    }
}

/// A problem of one of a rule's two texts.
pub(super) fn violation(place: &'static str, problem: &Problem) -> Violation {
    Violation {
        span: Some(problem.span.start..problem.span.end),
        suggestion: problem.suggestion.clone(),
        severity: problem.severity(),
        ..Violation::new(place, problem.message.clone()).coded(problem.code.code())
    }
}
