//! Methods of an open app: its objects, its selections as a whole, evaluation.

use std::sync::Arc;

use loggia_engine::selection::Locks;
use serde_json::{Value, json};

use super::Call;
use super::object::{destroy, hand_out, info, is_plain_object};
use crate::document::{Document, Object};
use crate::effect::Effects;
use crate::fault::Fault;
use crate::handle::Target;
use crate::layout::definition::Computer;
use crate::layout::items;
use crate::session::Session;
use crate::wire::{self, flag_at, items_at};
use crate::{timestamp, view};

pub(super) fn nothing(_: &Call<'_>, _: &Session) -> Result<Value, Fault> {
    Ok(json!({}))
}

pub(super) fn get_app_layout(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let loaded = &document.loaded;
    let app = call.view.app().ok_or_else(Fault::access_denied)?;
    let states: Vec<&str> =
        std::iter::once("$").chain(document.states.iter().map(|state| &**state)).collect();
    let privileges = call.view.privileges();
    let mut layout = json!({
        "qTitle": app.name,
        "qFileName": app.id.text(),
        "qLastReloadTime": app.last_reload.map(timestamp::iso).unwrap_or_default(),
        "qModified": false,
        "qHasScript": true,
        "qHasData": !loaded.model.tables().is_empty(),
        "qReadOnly": !privileges.contains(&"update"),
        "qStateNames": states,
        "qIsOpenedWithoutData": loaded.is_without_data,
        "qIsSessionApp": false,
        "qProhibitBinaryLoad": false,
        "qIsDirectQueryMode": false,
        "qUnsupportedFeatures": ["binningData"],
        "qUsage": "ANALYTICS",
        "qThumbnail": { "qUrl": app.thumbnail },
        "qLocaleInfo": locale(call, session)?,
        // A visitor's page must not try to keep things in the app.
        "permissions": {},
    });
    let meta = view::app_meta(app, call.view.stream(), privileges);
    if let (Value::Object(layout), Value::Object(dynamic)) = (&mut layout, &meta) {
        for (name, value) in dynamic {
            layout.insert(name.clone(), value.clone());
        }
        layout.insert("qMeta".to_owned(), meta.clone());
    }
    Ok(json!({ "qLayout": layout }))
}

pub(super) fn get_app_properties(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    session.document()?;
    let app = call.view.app().ok_or_else(Fault::access_denied)?;
    Ok(json!({ "qProp": {
        "qTitle": app.name,
        "qLastReloadTime": app.last_reload.map(timestamp::iso).unwrap_or_default(),
        "qSavedInProductVersion": env!("CARGO_PKG_VERSION"),
        "qThumbnail": { "qUrl": app.thumbnail },
        "qHasSectionAccess": false,
        "qUsage": "ANALYTICS",
        "description": app.description,
    } }))
}

pub(super) fn get_locale_info(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    Ok(json!({ "qReturn": locale(call, session)? }))
}

fn locale(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let locale = &session.document()?.loaded.locale;
    let year = timestamp::iso(call.shared.now()).get(..4).and_then(|year| year.parse::<i64>().ok());
    Ok(json!({
        "qDecimalSep": &*locale.decimal,
        "qThousandSep": &*locale.thousand,
        "qListSep": &*locale.list_separator,
        "qMoneyDecimalSep": &*locale.money_decimal,
        "qMoneyThousandSep": &*locale.money_thousand,
        "qCurrentYear": year,
        "qMoneyFmt": &*locale.money_format,
        "qTimeFmt": &*locale.time_format,
        "qDateFmt": &*locale.date_format,
        "qTimestampFmt": &*locale.timestamp_format,
        "qCalendarStrings": {
            "qDayNames": locale.day_names,
            "qMonthNames": locale.month_names,
            "qLongDayNames": locale.long_day_names,
            "qLongMonthNames": locale.long_month_names,
        },
        "qFirstWeekDay": locale.first_week_day,
        "qBrokenWeeks": locale.broken_weeks,
        "qReferenceDay": locale.reference_day,
        "qFirstMonthOfYear": locale.first_month_of_year,
        "qCollation": &*locale.collation,
        "qNumericalAbbreviation": &*locale.numerical_abbreviation,
    }))
}

pub(super) fn get_object(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let id = call.params.text(0)?;
    let object = session
        .document()?
        .object(&call.view, &id)
        .filter(|object| is_plain_object(&object.properties))
        .ok_or_else(|| Fault::object_not_found(id))?;
    hand_out(call, &object)
}

pub(super) fn get_objects(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let options = call.params.value(0);
    let types: Vec<&str> = items_at(options, "qTypes").iter().filter_map(Value::as_str).collect();
    let wanted = options.get("qData").cloned().unwrap_or_else(|| json!({}));
    let computer = Computer::new(call, document);
    let mut ids: Vec<_> = call.view.objects().map(|stored| stored.id.clone()).collect();
    if flag_at(options, "qIncludeSessionObjects") {
        ids.extend(document.session_objects().map(|(id, _)| id.clone()));
    }
    let list: Vec<Value> = ids
        .iter()
        .filter_map(|id| document.object(&call.view, id))
        .filter(|object| types.is_empty() || types.contains(&object.generic_type()))
        .map(|object| {
            let meta = items::meta(&call.view, &object, object.properties.get("qMetaDef"));
            let data = items::picked(&computer, &wanted, &object.properties, &meta, &Value::Null);
            json!({ "qInfo": info(&object.properties), "qMeta": meta, "qData": data })
        })
        .collect();
    Ok(json!({ "qList": list }))
}

/// Everything stored in the app that the caller may read; objects of the session are not.
pub(super) fn get_all_infos(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    session.document()?;
    let infos: Vec<Value> = call.view.items().map(|stored| info(&stored.properties)).collect();
    Ok(json!({ "qInfos": infos }))
}

pub(super) fn create_session_object(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let properties = call.params.object(0)?.clone();
    let document = session.document_mut()?;
    let id = match document.create_session_object(&call.view, properties.clone(), None) {
        Err(fault) if fault.is_limit() => {
            document.drop_unheld(&call.sockets.held_objects());
            document.create_session_object(&call.view, properties, None)?
        }
        made => made?,
    };
    let object = document.object(&call.view, &id).ok_or_else(|| Fault::object_not_found(&*id))?;
    let mut answer = hand_out(call, &object)?;
    answer["qInfo"] = info(&object.properties);
    Ok((answer, Effects::none()))
}

pub(super) fn destroy_session_object(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let id = call.params.required_text(0)?;
    match session.document_mut()?.destroy_session_object(&id) {
        Some(effects) => Ok((json!({ "qSuccess": true }), effects)),
        None => Ok((json!({ "qSuccess": false }), Effects::none())),
    }
}

pub(super) fn create_object(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let mut properties = call.params.object(0)?.clone();
    let document = session.document_mut()?;
    let id = document.claim_id(&call.view, &mut properties)?;
    let effects = view::create(call, document.app, properties, None)?;
    let view = call.socket.view();
    let object = document.object(&view, &id).ok_or_else(|| Fault::object_not_found(&*id))?;
    let mut answer = hand_out(call, &object)?;
    answer["qInfo"] = info(&object.properties);
    Ok((answer, effects))
}

pub(super) fn destroy_object(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let id = call.params.required_text(0)?;
    let document = session.document_mut()?;
    let object = document.object(&call.view, &id).ok_or_else(|| Fault::object_not_found(id))?;
    let effects = destroy(call, document, &object)?;
    Ok((json!({ "qSuccess": true }), effects))
}

pub(super) fn clone_object(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let id = call.params.required_text(0)?;
    let document = session.document_mut()?;
    let source = document.object(&call.view, &id).ok_or_else(|| Fault::object_not_found(id))?;
    let (clone, effects) = clone_below(call, document, &source, None, 0)?;
    Ok((json!({ "qCloneId": &*clone }), effects))
}

fn clone_below(
    call: &Call<'_>,
    document: &mut Document,
    source: &Object,
    parent: Option<&Arc<str>>,
    depth: usize,
) -> Result<(Arc<str>, Effects), Fault> {
    let mut properties = (*source.properties).clone();
    if let Some(Value::Object(info)) = properties.get_mut("qInfo") {
        info.remove("qId");
    }
    let id = document.claim_id(&call.socket.view(), &mut properties)?;
    let mut effects = view::create(call, document.app, properties, parent)?;
    if depth < 8 {
        for child in document.children(&call.socket.view(), &source.id) {
            if let Some(child) = document.object(&call.socket.view(), &child) {
                effects = effects.and(clone_below(call, document, &child, Some(&id), depth + 1)?.1);
            }
        }
    }
    Ok((id, effects))
}

/// The object with these properties' id, made when there is none.
pub(super) fn get_or_create_object(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let properties = call.params.object(0)?;
    let id = properties.pointer("/qInfo/qId").and_then(Value::as_str).unwrap_or_default();
    match session.document()?.object(&call.view, id) {
        Some(object) => {
            let mut answer = hand_out(call, &object)?;
            answer["qInfo"] = info(&object.properties);
            answer["qNewObject"] = json!(false);
            Ok((answer, Effects::none()))
        }
        None => {
            let (mut answer, effects) = create_object(call, session)?;
            answer["qNewObject"] = json!(true);
            Ok((answer, effects))
        }
    }
}

pub(super) fn get_field(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let name = call.params.required_text(0)?;
    let state = call.params.text(1)?;
    let state = if state.is_empty() { "$" } else { &state };
    let field = document.field(&name).ok_or_else(|| Fault::not_found(name))?;
    let name = document.loaded.model.field_info(field).name.clone();
    let target = Target::Field { name: name.clone(), state: state.into() };
    Ok(json!({ "qReturn": call.socket.interface(&target, "", &name)? }))
}

pub(super) fn clear_all(call: &Call<'_>, session: &mut Session) -> Result<(Value, Effects), Fault> {
    let locks = if call.params.flag(0)? { Locks::Override } else { Locks::Respect };
    let state = call.params.text(1)?;
    let document = session.document_mut()?;
    let effects = document.end_modal(true);
    let selections = document.selections.all_cleared(&state, locks);
    Ok((json!({}), effects.and(document.select(selections))))
}

pub(super) fn lock_all(call: &Call<'_>, session: &mut Session) -> Result<(Value, Effects), Fault> {
    set_all_locks(call, session, true)
}

pub(super) fn unlock_all(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    set_all_locks(call, session, false)
}

fn set_all_locks(
    call: &Call<'_>,
    session: &mut Session,
    is_locked: bool,
) -> Result<(Value, Effects), Fault> {
    let state = call.params.text(0)?;
    let document = session.document_mut()?;
    let effects = document.end_modal(true);
    let selections = document.selections.all_locked(&state, is_locked);
    Ok((json!({}), effects.and(document.select(selections))))
}

pub(super) fn back(_: &Call<'_>, session: &mut Session) -> Result<(Value, Effects), Fault> {
    let (is_done, effects) = session.document_mut()?.go_back();
    Ok((json!({ "qSuccess": is_done }), effects))
}

pub(super) fn forward(_: &Call<'_>, session: &mut Session) -> Result<(Value, Effects), Fault> {
    let (is_done, effects) = session.document_mut()?.go_forward();
    Ok((json!({ "qSuccess": is_done }), effects))
}

pub(super) fn back_count(_: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    Ok(json!({ "qReturn": session.document()?.back.len() }))
}

pub(super) fn forward_count(_: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    Ok(json!({ "qReturn": session.document()?.forward.len() }))
}

pub(super) fn abort_modal(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let is_accepted = call.params.flag(0)?;
    Ok((json!({}), session.document_mut()?.end_modal(is_accepted)))
}

pub(super) fn add_state(call: &Call<'_>, session: &mut Session) -> Result<(Value, Effects), Fault> {
    let name = call.params.required_text(0)?;
    let source = call.params.text(1)?;
    session.document_mut()?.add_state(&name, &source)?;
    Ok((json!({ "qSuccess": true }), Effects { app: true, ..Effects::default() }))
}

pub(super) fn remove_state(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let name = call.params.required_text(0)?;
    let is_removed = session.document_mut()?.remove_state(&name);
    let effects = Effects { app: is_removed, selections: is_removed, ..Effects::default() };
    Ok((json!({ "qSuccess": is_removed }), effects))
}

pub(super) fn evaluate(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let computer = Computer::new(call, session.document()?);
    let text = match computer.evaluate(&call.params.text(0)?, "$") {
        Ok(value) => value.text().into_owned(),
        Err(problem) => format!("Error: {problem}"),
    };
    Ok(json!({ "qReturn": text }))
}

/// A faulty expression is no fault of the request: the text says what is wrong.
pub(super) fn evaluate_ex(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let computer = Computer::new(call, session.document()?);
    let value = match computer.evaluate(&call.params.text(0)?, "$") {
        Ok(value) => json!({
            "qText": value.text(),
            "qIsNumeric": value.number().is_some(),
            "qNumber": wire::number(value.number().unwrap_or(0.0)),
        }),
        Err(problem) => json!({
            "qText": format!("Error: {problem}"),
            "qIsNumeric": false,
            "qNumber": 0,
        }),
    };
    Ok(json!({ "qValue": value }))
}

pub(super) fn expand_expression(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let computer = Computer::new(call, session.document()?);
    Ok(json!({ "qExpandedExpression": computer.expanded(&call.params.text(0)?) }))
}

pub(super) fn check_expression(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let document = session.document()?;
    let computer = Computer::new(call, document);
    let text = computer.expanded(&call.params.text(0)?);
    let parsed = loggia_engine::expression::parse_expression(&text);
    let problem = parsed.problems.first().map(|problem| problem.message.clone());
    let mut unknown = Vec::new();
    for name in parsed.expr.iter().flat_map(|expression| expression.field_names()) {
        let is_known = document.loaded.model.field(&name).is_some()
            || document.variable(&call.view, &name).is_some();
        if !is_known && let Some(at) = text.find(&*name) {
            let from = text.get(..at).unwrap_or_default().chars().count();
            unknown.push(json!({ "qFrom": from, "qCount": name.chars().count() }));
        }
    }
    Ok(json!({
        "qErrorMsg": problem.unwrap_or_default(),
        "qBadFieldNames": unknown,
        "qDangerousFieldNames": [],
    }))
}
