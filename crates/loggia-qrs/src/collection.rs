//! What every type can do: list, list in full, count, show one. Reading is the same for all;
//! each type adds its shape and its ways of writing.

pub(crate) mod app;
pub(crate) mod app_object;
pub(crate) mod audit;
pub(crate) mod audit_log;
pub(crate) mod exposure;
pub(crate) mod impact;
pub(crate) mod license;
pub(crate) mod proxy_service;
pub(crate) mod share;
pub(crate) mod stream;
pub(crate) mod system_rule;
pub(crate) mod user;
pub(crate) mod user_directory;
pub(crate) mod virtual_proxy;

use std::cmp::Ordering;

use loggia_repository::ManageError;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::schema::Schema;
use crate::wire::View;

/// A type of entity with a path of its own.
pub(crate) trait Collection {
    type Entity;

    const SCHEMA: &'static Schema;

    /// Everything of the type that the caller may read.
    fn list(call: &Call) -> Result<Vec<Self::Entity>, ManageError>;

    fn one(call: &Call, id: Uuid) -> Result<Self::Entity, ManageError>;

    /// The few members of lists and references.
    fn condensed(view: &View<'_>, entity: &Self::Entity) -> Value;

    /// Every member.
    fn full(view: &View<'_>, entity: &Self::Entity) -> Value;
}

pub(crate) fn list<C: Collection>(call: &Call) -> Result<Answer, Problem> {
    show::<C>(call, C::list(call)?, C::condensed).map(Answer::Ok)
}

pub(crate) fn list_full<C: Collection>(call: &Call) -> Result<Answer, Problem> {
    show::<C>(call, C::list(call)?, C::full).map(Answer::Ok)
}

pub(crate) fn count<C: Collection>(call: &Call) -> Result<Answer, Problem> {
    let filter = call.query.filter(C::SCHEMA)?;
    let site = call.repository.site();
    let view = View { with_privileges: false, ..call.view(&site)? };
    let entities = C::list(call)?;
    let found =
        entities.iter().filter(|entity| filter.accepts(&C::full(&view, entity), C::SCHEMA)).count();
    Ok(Answer::Ok(json!({ "value": found })))
}

pub(crate) fn one<C: Collection>(call: &Call) -> Result<Answer, Problem> {
    let entity = C::one(call, call.id()?)?;
    Ok(Answer::Ok(shown::<C>(call, &entity)?))
}

/// The full form of an entity that was just read or written.
pub(crate) fn shown<C: Collection>(call: &Call, entity: &C::Entity) -> Result<Value, Problem> {
    let site = call.repository.site();
    Ok(C::full(&call.view(&site)?, entity))
}

/// Filters, orders and cuts a list, then gives it its form.
pub(crate) fn show<C: Collection>(
    call: &Call,
    entities: Vec<C::Entity>,
    form: fn(&View<'_>, &C::Entity) -> Value,
) -> Result<Value, Problem> {
    let schema = C::SCHEMA;
    let filter = call.query.filter(schema)?;
    let order = call.query.order(schema)?;
    let skip = call.query.number("skip")?.unwrap_or(0);
    let take = call.query.number("take")?.unwrap_or(usize::MAX);
    let site = call.repository.site();
    let view = call.view(&site)?;
    let plain = View { with_privileges: false, ..call.view(&site)? };
    let mut rows: Vec<(Value, C::Entity)> = entities
        .into_iter()
        .map(|entity| (C::full(&plain, &entity), entity))
        .filter(|(full, _)| filter.accepts(full, schema))
        .collect();
    rows.sort_by(|(one, _), (two, _)| {
        order
            .iter()
            .map(|(path, descends)| {
                let order = compare(member(one, path), member(two, path));
                if *descends { order.reverse() } else { order }
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    Ok(rows.iter().skip(skip).take(take).map(|(_, entity)| form(&view, entity)).collect())
}

fn member<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| {
        value
            .as_object()?
            .iter()
            .find(|(member, _)| member.eq_ignore_ascii_case(name))
            .map(|(_, member)| member)
    })
}

/// Nothing first, then by number or by text without letter case.
fn compare(one: Option<&Value>, two: Option<&Value>) -> Ordering {
    match (one, two) {
        (Some(Value::Number(one)), Some(Value::Number(two))) => {
            one.as_f64().partial_cmp(&two.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Some(Value::Bool(one)), Some(Value::Bool(two))) => one.cmp(two),
        (Some(Value::String(one)), Some(Value::String(two))) => {
            one.to_lowercase().cmp(&two.to_lowercase())
        }
        _ => is_something(one).cmp(&is_something(two)),
    }
}

fn is_something(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !value.is_null())
}
