//! `/stream/{id}/public`, `/app/{id}/audience` and `/app/object/{id}/audience`: who things are for.

use loggia_model::{AppId, ObjectId, StreamId};
use loggia_repository::share::{
    AudienceKind, AudienceState, Choice, ConditionalRule, Influence, ListedMember, Member,
    MemberText, PairPart, PairRule, PairState, Person, PublicStream, Publicity, Readers, Shared,
    SharedPlace, Shift, ShownApp,
};
use serde_json::{Value, json};

use crate::body::Body;
use crate::call::{Answer, Call};
use crate::problem::Problem;

pub(crate) fn stream(call: &Call) -> Result<Answer, Problem> {
    let state = call.repository.stream_public(&call.caller, StreamId(call.id()?))?;
    Ok(Answer::Ok(public(&state)))
}

/// `{"public": true}`; with `"preview": true` nothing is stored.
pub(crate) fn set_stream(call: &Call) -> Result<Answer, Problem> {
    let id = StreamId(call.id()?);
    let mut body = call.body()?;
    let is_public = body.flag("public");
    let is_preview = body.flag("preview").unwrap_or(false);
    if is_public.is_none() && !body.mentions("public") {
        body.problem("public", "is missing; give true or false");
    }
    body.finish()?;
    let is_public = is_public.unwrap_or(false);
    let shared = if is_preview {
        call.repository.preview_stream_public(&call.caller, id, is_public)?
    } else {
        call.repository.set_stream_public(&call.caller, id, is_public)?
    };
    Ok(Answer::Ok(changed(&shared, public, is_preview)))
}

pub(crate) fn app(call: &Call) -> Result<Answer, Problem> {
    show_audience(call, SharedPlace::App(AppId(call.id()?)))
}

pub(crate) fn set_app(call: &Call) -> Result<Answer, Problem> {
    set_audience(call, SharedPlace::App(AppId(call.id()?)))
}

pub(crate) fn sheet(call: &Call) -> Result<Answer, Problem> {
    show_audience(call, SharedPlace::Sheet(ObjectId(call.id()?)))
}

pub(crate) fn set_sheet(call: &Call) -> Result<Answer, Problem> {
    set_audience(call, SharedPlace::Sheet(ObjectId(call.id()?)))
}

fn show_audience(call: &Call, place: SharedPlace) -> Result<Answer, Problem> {
    Ok(Answer::Ok(audience(&call.repository.audience(&call.caller, place)?)))
}

/// `{"audience": "stream"}` or `{"audience": "own", "members": [{"type", "value", "name"}]}`; with
/// `"preview": true` nothing is stored.
fn set_audience(call: &Call, place: SharedPlace) -> Result<Answer, Problem> {
    let mut body = call.body()?;
    let is_preview = body.flag("preview").unwrap_or(false);
    let choice = choice(&mut body);
    body.finish()?;
    let choice = choice.unwrap_or(Choice::SameAsStream);
    let shared = if is_preview {
        call.repository.preview_audience(&call.caller, place, &choice)?
    } else {
        call.repository.set_audience(&call.caller, place, &choice)?
    };
    Ok(Answer::Ok(changed(&shared, audience, is_preview)))
}

fn choice(body: &mut Body) -> Option<Choice> {
    match body.text("audience").as_deref() {
        Some("stream") => Some(Choice::SameAsStream),
        Some("own") => members(body).map(Choice::Own),
        _ => {
            body.problem("audience", "is \"stream\", or \"own\" with a list of members");
            None
        }
    }
}

fn members(body: &mut Body) -> Option<Vec<MemberText>> {
    let Some(Value::Array(elements)) = body.value("members") else {
        body.problem(
            "members",
            "expected a list such as [{\"type\": \"role\", \"value\": \"HR\"}]",
        );
        return None;
    };
    let mut members = Vec::with_capacity(elements.len());
    for (place, element) in elements.iter().enumerate() {
        let text = |name: &str| match element.get(name) {
            None | Some(Value::Null) => Some(String::new()),
            Some(value) => value.as_str().map(str::to_owned),
        };
        match (text("type"), text("value"), text("name")) {
            (Some(kind), Some(value), Some(name)) if element.is_object() => {
                members.push(MemberText { kind, value, name });
            }
            _ => body.problem(
                "members",
                format!("member {}: type, value and name are texts", place + 1),
            ),
        }
    }
    Some(members)
}

fn changed<T>(shared: &Shared<T>, state: impl Fn(&T) -> Value, is_preview: bool) -> Value {
    let mut value = state(&shared.state);
    if let Some(members) = value.as_object_mut() {
        members.insert("gained".to_owned(), shift(&shared.gained));
        members.insert("lost".to_owned(), shift(&shared.lost));
        members.insert("preview".to_owned(), json!(is_preview));
    }
    value
}

fn public(state: &PublicStream) -> Value {
    let public = match state.public {
        Publicity::Yes => "yes",
        Publicity::No => "no",
        Publicity::Partly => "partly",
    };
    json!({
        "stream": { "id": state.stream.id, "name": state.stream.name },
        "public": public,
        "rules": state.rules.iter().map(pair_rule).collect::<Value>(),
        "otherRules": influences(&state.others),
        "readers": readers(&state.readers),
        "conditional": state.conditional.iter().map(conditional).collect::<Value>(),
        "apps": state.apps.iter().map(shown_app).collect::<Value>(),
        "hidden": { "rules": state.hidden_rules, "conditional": state.hidden_conditional, "apps": state.hidden_apps },
        "notes": state.notes,
        "version": state.version,
    })
}

fn conditional(found: &ConditionalRule) -> Value {
    json!({
        "rule": { "id": found.rule, "name": found.name },
        "effect": if found.is_forbidding { "forbid" } else { "allow" },
        "condition": found.condition,
    })
}

fn pair_rule(part: &PairRule) -> Value {
    let rule = part.is_shown.then_some(&part.rule);
    json!({
        "for": match part.part {
            PairPart::Visitors => "visitors",
            PairPart::People => "people",
        },
        "state": match part.state {
            PairState::InForce => "inForce",
            PairState::SwitchedOff => "switchedOff",
            PairState::Missing => "missing",
            PairState::Edited => "edited",
        },
        "id": rule.map(|rule| rule.id),
        "name": rule.map(|rule| &rule.name),
        "resourceFilter": rule.map(|rule| &rule.resource_filter),
        "rule": rule.map(|rule| &rule.condition),
        "actions": rule.map(|rule| rule.actions),
        "ruleContext": rule.map(|rule| rule.context),
        "disabled": rule.map(|rule| rule.is_disabled),
    })
}

fn shown_app(shown: &ShownApp) -> Value {
    json!({
        "id": shown.app.id,
        "name": shown.app.name,
        "visitors": shown.visitors,
        "audience": if shown.is_narrowed { "own" } else { "stream" },
    })
}

fn audience(state: &AudienceState) -> Value {
    let kind = match state.kind {
        AudienceKind::SameAsStream => "stream",
        AudienceKind::Own => "own",
        AudienceKind::OwnRule => "rule",
    };
    let sheet = state.sheet.as_ref().map(
        |sheet| json!({ "id": sheet.id, "name": sheet.name, "engineObjectId": sheet.engine_id }),
    );
    let stream =
        state.stream.as_ref().map(|stream| json!({ "id": stream.id, "name": stream.name }));
    let rule = state.rule.as_ref().map(|rule| {
        json!({
            "id": rule.id,
            "name": rule.name,
            "resourceFilter": rule.resource_filter,
            "rule": rule.condition,
            "disabled": rule.is_disabled,
        })
    });
    let app = state.app.as_ref().map(|app| json!({ "id": app.id, "name": app.name }));
    json!({
        "app": app,
        "sheet": sheet,
        "stream": stream,
        "audience": kind,
        "members": state.members.iter().map(member).collect::<Value>(),
        "rule": rule,
        "otherRules": influences(&state.forbidding),
        "hidden": {
            "rules": state.hidden_rules,
            "members": state.hidden_members,
            "stream": state.is_in_stream && state.stream.is_none(),
        },
        "readers": readers(&state.readers),
        "notes": state.notes,
        "version": state.version,
    })
}

fn member(listed: &ListedMember) -> Value {
    let (value, name) = match &listed.member {
        Member::Visitors | Member::SignedIn => (None, None),
        Member::User(id) => (Some(id.text()), None),
        Member::Role(value) | Member::Group(value) => (Some(value.clone()), None),
        Member::Property { name, value } => (Some(value.clone()), Some(name)),
    };
    json!({
        "type": listed.member.kind(),
        "value": value,
        "name": name,
        "title": listed.name,
        "known": listed.is_known,
        "people": listed.people,
    })
}

fn influences(influences: &[Influence]) -> Value {
    influences
        .iter()
        .map(|influence| {
            json!({
                "id": influence.rule,
                "name": influence.name,
                "effect": if influence.is_forbidding { "forbid" } else { "allow" },
                "visitors": influence.visitors,
                "people": influence.people,
            })
        })
        .collect()
}

fn readers(readers: &Readers) -> Value {
    json!({
        "visitors": readers.visitors,
        "entrances": readers.entrances,
        "people": readers.people,
        "of": readers.of,
    })
}

fn shift(shift: &Shift) -> Value {
    json!({
        "visitors": shift.visitors,
        "count": shift.people.len() + shift.hidden,
        "people": shift.people.iter().map(person).collect::<Value>(),
    })
}

fn person(person: &Person) -> Value {
    json!({
        "id": person.id,
        "userDirectory": person.key.directory(),
        "userId": person.key.id(),
        "name": person.name,
    })
}
