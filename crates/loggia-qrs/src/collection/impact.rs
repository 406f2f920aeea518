//! `/systemrule/security/impact`: what a change that is not saved yet would open, and to whom.
//!
//! Each change has the `value` that its own address takes; one that is the `id` of something
//! changes it, or deletes it with `"delete": true`.

use loggia_model::{AppId, ObjectId, PoolId, RuleId, StreamId, UserId, VirtualProxyId};
use loggia_repository::impact::{
    ConditionalShift, Confirmation, ConfirmationCode, Contexts, Held, Named, Shift, Things,
};
use loggia_repository::{Excerpt, ObjectEdit, ProposedChange};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{app, license, stream, system_rule, user, virtual_proxy};
use crate::body::Body;
use crate::call::{Answer, Call};
use crate::problem::{Problem, violations};

/// Most changes that are looked at together, and most names in one list.
const MOST_CHANGES: usize = 100;
const MOST_NAMES: usize = 10_000;

pub(crate) fn preview(call: &Call) -> Result<Answer, Problem> {
    system_rule::refuse_visitor(call)?;
    let mut body = call.body()?;
    let excerpt = Excerpt {
        skip: body.number("skip").unwrap_or(0),
        take: body.number("take").unwrap_or(Excerpt::default().take).min(MOST_NAMES),
    };
    let changes = body.value("changes");
    body.finish()?;
    let Some(Value::Array(changes)) = changes else {
        return Err(Problem::bad("changes: expected a list of changes"));
    };
    if changes.len() > MOST_CHANGES {
        let detail = format!("changes: at most {MOST_CHANGES} are looked at together");
        return Err(Problem::bad(detail));
    }
    let changes = changes
        .iter()
        .enumerate()
        .map(|(index, change)| {
            read(call, change).map_err(|mut problem| {
                problem.detail = format!("changes[{index}]: {}", problem.detail);
                problem
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let impact = call.repository.impact(&call.caller, &changes, excerpt)?;
    Ok(Answer::Ok(json!({
        "siteVersion": impact.version,
        "permitted": impact.is_permitted,
        "needsConfirmation": !impact.confirm.is_empty(),
        "confirm": impact.confirm.iter().map(confirmation).collect::<Value>(),
        "gained": impact.gained.iter().map(shift).collect::<Value>(),
        "lost": impact.lost.iter().map(shift).collect::<Value>(),
        "conditional": impact.conditional.iter().map(conditional).collect::<Value>(),
        "assumptions": impact.assumptions,
        "warnings": violations(&impact.warnings),
    })))
}

fn read(call: &Call, change: &Value) -> Result<ProposedChange, Problem> {
    let mut body = Body::parse(change.to_string().as_bytes())?;
    let kind = body.text("type").unwrap_or_default().to_lowercase();
    let id = body.id();
    let deletes = body.flag("delete").unwrap_or(false);
    let value = body.value("value");
    body.finish()?;
    if deletes {
        let Some(id) = id else {
            return Err(Problem::bad("the id of what is to be deleted is missing"));
        };
        return delete(&kind, id);
    }
    let text = value.unwrap_or_else(|| json!({})).to_string();
    let mut value = Body::parse(text.as_bytes())?;
    let id = id.or_else(|| value.id());
    Ok(match kind.as_str() {
        "rule" | "systemrule" => {
            let edit = system_rule::read(call, value)?;
            ProposedChange::Rule { id: id.map(RuleId), edit }
        }
        "stream" => {
            ProposedChange::Stream { id: id.map(StreamId), edit: stream::read(call, value)? }
        }
        "app" => {
            let place = read_stream(&value)?;
            // Moving an app is a right of its own, so it is not mixed with an edit that says
            // nothing.
            let others = ["name", "description", "thumbnail", "owner", "customProperties", "tags"];
            let is_edit = others.iter().any(|name| value.mentions(name));
            let edit = app::read(call, value)?;
            let edit = Some(edit).filter(|_| is_edit || id.is_none());
            ProposedChange::App { id: id.map(AppId), edit, stream: place }
        }
        "object" | "app.object" => {
            let Some(id) = id else {
                return Err(Problem::bad("the id of the object is missing"));
            };
            let is_published = value.flag("published");
            let is_approved = value.flag("approved");
            let edit = ObjectEdit {
                name: value.text("name"),
                description: value.text("description"),
                owner: value.owner(),
                ..ObjectEdit::default()
            };
            value.finish()?;
            let is_edit = edit.name.is_some() || edit.description.is_some() || edit.owner.is_some();
            let edit = Some(edit).filter(|_| is_edit);
            ProposedChange::AppObject { id: ObjectId(id), edit, is_published, is_approved }
        }
        "user" => ProposedChange::User { id: id.map(UserId), edit: user::read(call, value)? },
        "virtualproxy" | "virtualproxyconfig" => ProposedChange::VirtualProxy {
            id: id.map(VirtualProxyId),
            edit: Box::new(virtual_proxy::read(&call.repository, value)?),
        },
        "pool" | "licensepool" => {
            ProposedChange::Pool { id: id.map(PoolId), edit: license::read(value, None)? }
        }
        _ => return Err(unknown(&kind)),
    })
}

fn delete(kind: &str, id: Uuid) -> Result<ProposedChange, Problem> {
    Ok(match kind {
        "rule" | "systemrule" => ProposedChange::DeleteRule(RuleId(id)),
        "stream" => ProposedChange::DeleteStream(StreamId(id)),
        "app" => ProposedChange::DeleteApp(AppId(id)),
        "object" | "app.object" => ProposedChange::DeleteAppObject(ObjectId(id)),
        "user" => ProposedChange::DeleteUser(UserId(id)),
        "virtualproxy" | "virtualproxyconfig" => {
            ProposedChange::DeleteVirtualProxy(VirtualProxyId(id))
        }
        "pool" | "licensepool" => ProposedChange::DeletePool(PoolId(id)),
        _ => return Err(unknown(kind)),
    })
}

fn unknown(kind: &str) -> Problem {
    let known = "rule, stream, app, object, user, virtualproxy, pool";
    Problem::bad(format!("type: {kind:?} is none of {known}"))
}

/// Where an app is to be: absent leaves it where it is, null takes it out of its stream.
fn read_stream(value: &Body) -> Result<Option<Option<StreamId>>, Problem> {
    if !value.mentions("stream") {
        return Ok(None);
    }
    let Some(stream) = value.value("stream") else { return Ok(Some(None)) };
    let id = stream.get("id").unwrap_or(&stream).as_str();
    match id.and_then(|id| Uuid::parse_str(id).ok()) {
        Some(id) => Ok(Some(Some(StreamId(id)))),
        None => Err(Problem::bad(format!("stream: {stream} has no id of a stream"))),
    }
}

fn confirmation(confirmation: &Confirmation) -> Value {
    let code = match confirmation.code {
        ConfirmationCode::Everyone => "everyone",
        ConfirmationCode::Visitors => "visitors",
        ConfirmationCode::VisitorsInConsole => "visitors-in-console",
    };
    json!({ "code": code, "text": confirmation.text })
}

fn shift(shift: &Shift) -> Value {
    let audience = &shift.audience;
    json!({
        "audience": {
            "text": audience.text,
            "visitors": texts(&audience.visitors),
            "people": audience.people,
            "names": audience.names.iter().map(named).collect::<Value>(),
        },
        "actions": shift.deeds.iter().map(|deed| deed.name()).collect::<Value>(),
        "context": context(shift.contexts),
        "resources": things(&shift.things),
    })
}

fn conditional(shift: &ConditionalShift) -> Value {
    json!({
        "entrances": texts(&shift.entrances),
        "actions": shift.deeds.iter().map(|deed| deed.name()).collect::<Value>(),
        "context": context(shift.contexts),
        "before": held(&shift.before),
        "after": held(&shift.after),
        "resources": things(&shift.things),
    })
}

fn things(things: &Things) -> Value {
    json!({
        "text": things.text,
        "kind": things.kind.map(|kind| kind.name()),
        "count": things.count,
        "exist": things.exist,
        "names": things.names.iter().map(named).collect::<Value>(),
    })
}

fn named(named: &Named) -> Value {
    json!({ "resource": named.key, "name": named.name })
}

fn texts(texts: &[std::sync::Arc<str>]) -> Value {
    texts.iter().map(|text| &**text).collect()
}

fn held(held: &Held) -> Value {
    match held {
        Held::Never => json!({ "verdict": "never" }),
        Held::When(when) => json!({ "verdict": "when", "when": **when }),
        Held::Always => json!({ "verdict": "always" }),
    }
}

fn context(contexts: Contexts) -> &'static str {
    match contexts {
        Contexts::Both => "both",
        Contexts::Hub => "hub",
        Contexts::Console => "console",
    }
}
