//! `/userdirectory`, and `/userdirectoryconnector/syncuserdirectories`.

use std::sync::Arc;

use http::StatusCode;
use loggia_model::entity::{DirectoryKind, Hidden, SyncOutcome, SyncSchedule, UserDirectory};
use loggia_model::{Moment, UserDirectoryId};
use loggia_repository::{ManageError, Resource, SyncOptions, UserDirectoryEdit, directory_type};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Collection, shown};
use crate::body::{Body, parse_json};
use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::schema::{Schema, USER_DIRECTORY};
use crate::wire::{self, View};

pub(crate) struct UserDirectories;

impl Collection for UserDirectories {
    type Entity = Arc<UserDirectory>;

    const SCHEMA: &'static Schema = &USER_DIRECTORY;

    fn list(call: &Call) -> Result<Vec<Arc<UserDirectory>>, ManageError> {
        call.repository.user_directories(&call.caller)
    }

    fn one(call: &Call, id: Uuid) -> Result<Arc<UserDirectory>, ManageError> {
        call.repository.user_directory(&call.caller, UserDirectoryId(id))
    }

    fn condensed(view: &View<'_>, directory: &Arc<UserDirectory>) -> Value {
        json!({
            "id": directory.id,
            "name": directory.name,
            "type": directory_type(directory.kind),
            "privileges": view.privileges(&Resource::UserDirectory(directory.id)),
        })
    }

    fn full(view: &View<'_>, directory: &Arc<UserDirectory>) -> Value {
        let last = directory.last_sync.as_ref();
        let status = match last {
            _ if view.repository.is_syncing(directory.id) => 1,
            None => 0,
            Some(outcome) if outcome.is_ok => 2,
            Some(_) => 3,
        };
        let started = last.map_or(Moment::NEVER, |outcome| outcome.started);
        let succeeded = last.and_then(|outcome| outcome.last_success).unwrap_or(Moment::NEVER);
        let failure = last.filter(|outcome| !outcome.is_ok);
        let mut own = json!({
            "userDirectoryName": directory.name,
            // What cannot be used is not stored, so there is nothing to complain about.
            "configured": true,
            "operational": failure.is_none(),
            "syncOnlyLoggedInUsers": directory.only_existing,
            "syncStatus": status,
            "syncLastStarted": wire::date(started),
            "syncLastSuccessfulEnded": wire::date(succeeded),
            "configuredError": "",
            "operationalError": failure.map_or("", |outcome| &outcome.message),
            "creationType": 1,
            "settings": [],
            "tags": wire::tags(&directory.tags),
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut own, settings(directory)) {
            all.extend(more);
        }
        let condensed = UserDirectories::condensed(view, directory);
        let (id, stamp) = (directory.id.0, &directory.stamp);
        wire::full(view, id, stamp, USER_DIRECTORY.name, condensed, own)
    }
}

/// How the directory is asked. Its password is never told.
fn settings(directory: &UserDirectory) -> Value {
    let (every_minutes, daily_hour) = match directory.schedule {
        SyncSchedule::Off => (0, None),
        SyncSchedule::EveryMinutes(minutes) => (minutes, None),
        SyncSchedule::DailyAt(hour) => (0, Some(hour)),
    };
    let groups = &directory.groups;
    json!({
        "urls": directory.urls,
        "startTls": directory.start_tls,
        "allowPlain": directory.allow_plain,
        "authority": directory.authority,
        "bindDn": directory.bind_dn,
        "hasBindPassword": !directory.bind_password.is_empty(),
        "baseDn": directory.base_dn,
        "userFilter": directory.user_filter,
        "userIdAttribute": directory.user_id,
        "nameAttribute": directory.user_name,
        "emailAttribute": directory.email,
        "externalIdAttribute": directory.external_id,
        "attributes": directory.attributes,
        "groupBaseDn": groups.base_dn,
        "groupFilter": groups.filter,
        "groupMemberAttribute": groups.member,
        "groupNameAttribute": groups.name,
        "groupDepth": groups.depth,
        "pageSize": directory.page_size,
        "timeout": directory.timeout_seconds,
        "syncEveryMinutes": every_minutes,
        "syncDailyHour": daily_hour,
        "signIn": directory.signs_in,
        "defaultForSignIn": directory.is_default,
        "lastSync": directory.last_sync.as_ref().map(outcome_form),
    })
}

fn outcome_form(outcome: &SyncOutcome) -> Value {
    json!({
        "started": wire::date(outcome.started),
        "ended": wire::date(outcome.ended),
        "ok": outcome.is_ok,
        "added": outcome.added,
        "changed": outcome.changed,
        "deactivated": outcome.deactivated,
        "failed": outcome.failed,
        "message": outcome.message,
    })
}

pub(crate) fn create(call: &Call) -> Result<Answer, Problem> {
    let mut body = call.body()?;
    let id = body.id().map(UserDirectoryId);
    let edit = read(call, body)?;
    let directory = call.repository.create_user_directory(&call.caller, id, edit)?;
    Ok(Answer::Created(shown::<UserDirectories>(call, &directory)?))
}

pub(crate) fn update(call: &Call) -> Result<Answer, Problem> {
    let id = UserDirectoryId(call.id()?);
    let mut body = call.body()?;
    let basis = body.modified();
    let edit = read(call, body)?;
    let directory = call.repository.update_user_directory(&call.caller, id, basis, edit)?;
    Ok(Answer::Ok(shown::<UserDirectories>(call, &directory)?))
}

pub(crate) fn delete(call: &Call) -> Result<Answer, Problem> {
    call.repository.delete_user_directory(&call.caller, UserDirectoryId(call.id()?))?;
    Ok(Answer::NoContent)
}

/// Our own addition: whether the directory can be used, step by step.
pub(crate) fn check(call: &Call) -> Result<Answer, Problem> {
    let steps = call.repository.check_directory(&call.caller, UserDirectoryId(call.id()?))?;
    let is_ok = steps.iter().all(|step| step.is_ok);
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| json!({ "name": step.name, "ok": step.is_ok, "finding": step.finding }))
        .collect();
    Ok(Answer::Ok(json!({ "ok": is_ok, "steps": steps })))
}

/// Synchronises the directories of these ids, one after the other, and answers when it is done.
pub(crate) fn sync(call: &Call) -> Result<Answer, Problem> {
    let ids = ids(&parse_json(&call.bytes)?)?;
    let options = SyncOptions {
        believe_empty: call.query.flag("confirmEmpty")?,
        match_by_name: call.query.flag("matchByName")?,
    };
    let mut failures = Vec::new();
    for id in ids {
        let outcome = call.repository.sync_directory(&call.caller, id, options)?;
        if !outcome.is_ok {
            failures.push(outcome.message);
        }
    }
    if failures.is_empty() {
        return Ok(Answer::NoContent);
    }
    Err(Problem::new(StatusCode::CONFLICT, "DIR-SYNC", failures.join("\n")))
}

fn ids(body: &Value) -> Result<Vec<UserDirectoryId>, Problem> {
    let id = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
    let ids = body.as_array().and_then(|ids| ids.iter().map(id).collect::<Option<Vec<_>>>());
    ids.ok_or_else(|| Problem::bad("expected a list of user directories' ids"))
}

fn read(call: &Call, mut body: Body) -> Result<UserDirectoryEdit, Problem> {
    let edit = UserDirectoryEdit {
        name: name(&mut body),
        kind: kind(&mut body),
        urls: body.texts("urls"),
        start_tls: body.flag("startTls"),
        allow_plain: body.flag("allowPlain"),
        authority: body.text("authority"),
        bind_dn: body.text("bindDn"),
        bind_password: body.text("bindPassword").map(Hidden::new),
        base_dn: body.text("baseDn"),
        user_filter: body.text("userFilter"),
        user_id: body.text("userIdAttribute"),
        user_name: body.text("nameAttribute"),
        email: body.text("emailAttribute"),
        external_id: body.text("externalIdAttribute"),
        attributes: body.texts("attributes"),
        group_base_dn: body.text("groupBaseDn"),
        group_filter: body.text("groupFilter"),
        group_member: body.text("groupMemberAttribute"),
        group_name: body.text("groupNameAttribute"),
        group_depth: body.number("groupDepth"),
        page_size: body.number("pageSize"),
        timeout_seconds: body.number("timeout"),
        schedule: schedule(&mut body),
        only_existing: body.flag("syncOnlyLoggedInUsers"),
        signs_in: body.flag("signIn"),
        is_default: body.flag("defaultForSignIn"),
        tags: body.tags(&call.repository),
    };
    let settings = body.value("settings");
    if settings.is_some_and(|list| list.as_array().is_none_or(|list| !list.is_empty())) {
        body.problem(
            "settings",
            "settings of the original's connectors are not read; use urls, baseDn, userFilter and \
             the other members",
        );
    }
    body.finish()?;
    Ok(edit)
}

/// The original has a name of the connector beside that of its people; here they are one.
fn name(body: &mut Body) -> Option<String> {
    match (body.text("name"), body.text("userDirectoryName")) {
        (Some(name), Some(other)) if name != other => {
            body.problem("userDirectoryName", "differs from name, and both are the same thing");
            None
        }
        (name, other) => name.or(other),
    }
}

fn kind(body: &mut Body) -> Option<DirectoryKind> {
    let text = body.text("type")?;
    // Clients of the original write the whole class name.
    match text.rsplit('.').next().unwrap_or_default().to_lowercase().as_str() {
        "genericldap" | "ldap" => Some(DirectoryKind::Generic),
        "activedirectory" => Some(DirectoryKind::ActiveDirectory),
        _ => {
            body.problem("type", format!("{text:?} is none of GenericLDAP, ActiveDirectory"));
            None
        }
    }
}

fn schedule(body: &mut Body) -> Option<SyncSchedule> {
    let minutes: Option<u32> = body.number("syncEveryMinutes");
    let hour: Option<u8> = body.number("syncDailyHour");
    match (minutes, hour) {
        (Some(minutes), Some(_)) if minutes > 0 => {
            body.problem("syncDailyHour", "give a number of minutes or an hour, not both");
            None
        }
        (_, Some(hour)) => Some(SyncSchedule::DailyAt(hour)),
        (Some(0), None) => Some(SyncSchedule::Off),
        (Some(minutes), None) => Some(SyncSchedule::EveryMinutes(minutes)),
        (None, None) => None,
    }
}
