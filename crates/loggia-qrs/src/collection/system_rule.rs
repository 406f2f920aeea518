//! `/systemrule`

use loggia_model::RuleId;
use loggia_model::entity::{RuleCategory, RuleOrigin, SystemRule};
use loggia_repository::{Allocations, ManageError, Resource, RuleEdit, Saved};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Collection, shown};
use crate::body::{Body, parse_json};
use crate::call::{Answer, Call};
use crate::problem::{Problem, violations};
use crate::schema::{RULE_CONTEXTS, SYSTEM_RULE, Schema};
use crate::wire::{self, View};

pub(crate) struct SystemRules;

impl Collection for SystemRules {
    type Entity = SystemRule;

    const SCHEMA: &'static Schema = &SYSTEM_RULE;

    fn list(call: &Call) -> Result<Vec<SystemRule>, ManageError> {
        call.repository.rules(&call.caller)
    }

    fn one(call: &Call, id: Uuid) -> Result<SystemRule, ManageError> {
        call.repository.rule(&call.caller, RuleId(id))
    }

    fn condensed(view: &View<'_>, rule: &SystemRule) -> Value {
        json!({
            "id": rule.id,
            "category": category(rule.category),
            "subcategory": "",
            "type": origin(rule.origin),
            "name": rule.name,
            "rule": rule.condition,
            "resourceFilter": rule.resource_filter,
            "actions": rule.actions,
            "comment": rule.comment,
            "disabled": rule.is_disabled,
            "effect": effect(rule.is_forbidding),
            "privileges": view.privileges(&Resource::Rule(rule.id)),
        })
    }

    fn full(view: &View<'_>, rule: &SystemRule) -> Value {
        let version = view.site.stored_rule(rule.id).map_or(0, |stored| stored.seed_version);
        let own = json!({
            "ruleContext": rule.context,
            "seedId": rule.seed,
            "version": version,
            "tags": wire::tags(&rule.tags),
        });
        let condensed = SystemRules::condensed(view, rule);
        wire::full(view, rule.id.0, &rule.stamp, SYSTEM_RULE.name, condensed, own)
    }
}

pub(crate) fn create(call: &Call) -> Result<Answer, Problem> {
    let mut body = call.body()?;
    let id = body.id().map(RuleId);
    let edit = read(call, body)?;
    let saved = call.repository.create_rule(&call.caller, id, edit)?;
    Ok(Answer::Created(with_warnings(call, saved)?))
}

pub(crate) fn update(call: &Call) -> Result<Answer, Problem> {
    let id = RuleId(call.id()?);
    let mut body = call.body()?;
    let basis = body.modified();
    let edit = read(call, body)?;
    let saved = call.repository.update_rule(&call.caller, id, basis, edit)?;
    Ok(Answer::Ok(with_warnings(call, saved)?))
}

/// A licence rule that gave seats is deleted with `allocations=keep` or `allocations=release`.
pub(crate) fn delete(call: &Call) -> Result<Answer, Problem> {
    let allocations = match call.query.get("allocations") {
        None => None,
        Some(text) if text.eq_ignore_ascii_case("keep") => Some(Allocations::Keep),
        Some(text) if text.eq_ignore_ascii_case("release") => Some(Allocations::Release),
        Some(text) => {
            let detail = format!("allocations is {text:?}, expected keep or release");
            return Err(Problem::bad(detail));
        }
    };
    call.repository.delete_rule_with(&call.caller, RuleId(call.id()?), allocations)?;
    Ok(Answer::NoContent)
}

/// What is wrong with a proposed rule, for an editor; stores nothing.
pub(crate) fn check(call: &Call) -> Result<Answer, Problem> {
    refuse_visitor(call)?;
    let mut body = call.body()?;
    let id = body.id().map(RuleId);
    let edit = read(call, body)?;
    let found = call.repository.check_rule(&call.caller, id, edit)?;
    Ok(Answer::Ok(json!({ "problems": violations(&found) })))
}

/// Which of the named sections the caller may see.
pub(crate) fn transient(call: &Call) -> Result<Answer, Problem> {
    let Value::Array(names) = parse_json(&call.bytes)? else {
        return Err(Problem::bad("expected a list of section names"));
    };
    let mut seen = Vec::new();
    for name in names.iter().take(1_000) {
        let Some(name) = name.as_str() else {
            return Err(Problem::bad(format!("expected the name of a section, found {name}")));
        };
        let section = Resource::Transient(name.into());
        let read = loggia_repository::Action::Read;
        if call.repository.decide(&call.caller, &section, read).is_allowed() {
            seen.push(json!(name));
        }
    }
    Ok(Answer::Ok(Value::Array(seen)))
}

pub(crate) fn refuse_visitor(call: &Call) -> Result<(), Problem> {
    if call.caller.is_anonymous() {
        let detail = "visitors have no use for this; sign in first";
        return Err(Problem::new(http::StatusCode::FORBIDDEN, "RULE-DENIED", detail));
    }
    Ok(())
}

pub(crate) fn with_warnings(call: &Call, saved: Saved<SystemRule>) -> Result<Value, Problem> {
    let mut shown = shown::<SystemRules>(call, &saved.value)?;
    if let Some(members) = shown.as_object_mut() {
        members.insert("warnings".to_owned(), violations(&saved.warnings));
    }
    Ok(shown)
}

const CATEGORIES: &[(i64, &str)] = &[(0, "Security"), (1, "License"), (2, "Sync")];

pub(crate) fn read(call: &Call, mut body: Body) -> Result<RuleEdit, Problem> {
    let category = body.choice("category", CATEGORIES).map(|number| match number {
        0 => RuleCategory::Security,
        1 => RuleCategory::License,
        _ => RuleCategory::Sync,
    });
    let is_forbidding = body.text("effect").and_then(|text| match text.as_str() {
        "allow" => Some(false),
        "forbid" => Some(true),
        _ => {
            body.problem("effect", format!("{text:?} is neither allow nor forbid"));
            None
        }
    });
    let context = body.choice("ruleContext", RULE_CONTEXTS);
    let edit = RuleEdit {
        category,
        name: body.text("name"),
        comment: body.text("comment"),
        condition: body.text("rule"),
        resource_filter: body.text("resourceFilter"),
        actions: body.number("actions"),
        context: context.and_then(|number| u8::try_from(number).ok()),
        is_forbidding,
        is_disabled: body.flag("disabled"),
        tags: body.tags(&call.repository),
    };
    body.finish()?;
    Ok(edit)
}

fn category(category: RuleCategory) -> &'static str {
    match category {
        RuleCategory::Security => "Security",
        RuleCategory::License => "License",
        RuleCategory::Sync => "Sync",
    }
}

fn origin(origin: RuleOrigin) -> &'static str {
    match origin {
        RuleOrigin::Default => "Default",
        RuleOrigin::ReadOnly => "ReadOnly",
        RuleOrigin::Custom => "Custom",
    }
}

fn effect(is_forbidding: bool) -> &'static str {
    if is_forbidding { "forbid" } else { "allow" }
}
