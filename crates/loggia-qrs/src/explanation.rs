//! How an explanation looks on the wire; the command line prints the same.

use loggia_model::RequestContext;
use loggia_repository::{Asked, Explanation, Reason, RuleName, Verdict};
use serde_json::{Value, json};

/// An explanation as `systemrule/security/explain` answers it.
#[must_use]
pub fn explanation(found: &Explanation) -> Value {
    let code = match found.verdict {
        Verdict::Allowed => None,
        Verdict::AccountRefused => Some("ACC-INACTIVE"),
        Verdict::OwnsNothing | Verdict::Forbidden | Verdict::NoGrant => Some("RULE-DENIED"),
    };
    let reasons = |reasons: &[Reason]| reasons.iter().map(reason).collect::<Value>();
    let unreadable = found.unreadable.iter().map(|unreadable| {
        json!({
            "rule": rule(&unreadable.rule),
            "errorMessage": unreadable.message,
            "errorAt": unreadable.at,
        })
    });
    json!({
        "allowed": found.verdict.is_allowed(),
        "outcome": found.verdict.as_str(),
        "code": code,
        "subject": {
            "id": found.subject.id,
            "key": found.subject.key,
            "name": found.subject.name,
            "anonymous": found.subject.is_anonymous,
        },
        "action": found.action.name(),
        "resource": asked(&found.resource),
        "context": context_name(found.context),
        "entrance": found.entrance,
        "account": found.account,
        "grantedBy": reasons(&found.granted_by),
        "forbiddenBy": reasons(&found.forbidden_by),
        "nearest": reasons(&found.nearest),
        "disabled": found.disabled.iter().map(rule).collect::<Value>(),
        "unreadable": unreadable.collect::<Value>(),
        "allowedInOtherContext": found.elsewhere,
        "notes": found.notes,
        "version": found.version,
        "schemaPath": "SystemRule.Explanation",
    })
}

pub(crate) fn context_name(context: RequestContext) -> &'static str {
    match context {
        RequestContext::Hub => "hub",
        RequestContext::Console => "console",
    }
}

fn rule(rule: &RuleName) -> Value {
    json!({ "id": rule.id, "name": rule.name })
}

fn asked(asked: &Asked) -> Value {
    json!({
        "text": asked.text,
        "type": asked.kind.name(),
        "id": asked.id,
        "name": asked.name,
    })
}

fn reason(reason: &Reason) -> Value {
    let further = reason.asked.iter().map(|further| {
        json!({
            "action": further.action.name(),
            "resource": asked(&further.resource),
            "granted": further.is_granted,
        })
    });
    json!({
        "rule": rule(&reason.rule),
        "clause": reason.clause,
        "span": [reason.span.start, reason.span.end],
        "line": reason.line,
        "column": reason.column,
        "seen": reason.seen,
        "distance": reason.distance,
        "asked": further.collect::<Value>(),
    })
}
