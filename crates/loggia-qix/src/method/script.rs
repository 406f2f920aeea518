//! The load script: reading, writing, checking and running it.

use serde_json::{Value, json};

use super::Call;
use crate::effect::Effects;
use crate::fault::Fault;
use crate::reload::{ReloadError, Watcher, reload};
use crate::session::Session;
use crate::view::{self, manage_fault, refuse_visitors, report};

type Answer = Result<(Value, Effects), Fault>;

pub(super) fn get_script(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    Ok(json!({ "qScript": script(call, session)? }))
}

pub(super) fn get_script_ex(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let text = script(call, session)?;
    let privileges = call.view.privileges();
    let meta = json!({ "privileges": privileges });
    Ok(json!({ "qScript": { "qScript": text, "qMeta": meta, "qIsLocked": false } }))
}

pub(super) fn set_script(call: &Call<'_>, session: &mut Session) -> Answer {
    refuse_visitors(call)?;
    let text = call.params.text(0)?;
    let app = session.document()?.app;
    call.shared.repository.set_app_script(&call.socket.caller, app, &text).map_err(manage_fault)?;
    Ok((json!({}), view::changed(call, app)))
}

pub(super) fn check_script_syntax(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    let text = script(call, session)?;
    let errors: Vec<Value> = loggia_script::check(&text)
        .iter()
        .map(|problem| {
            let length = text.get(problem.span.clone()).map_or(0, |meant| meant.chars().count());
            json!({
                "qErrLen": length,
                "qTabIx": 0,
                "qLineInTab": problem.line,
                "qColInLine": problem.column,
                "qTextPos": problem.position,
                "qSecondaryFailure": false,
                "qMessage": problem.to_string(),
            })
        })
        .collect();
    Ok(json!({ "qErrors": errors }))
}

pub(super) fn do_reload(call: &Call<'_>, session: &mut Session) -> Answer {
    let (is_done, effects) = run(call, session)?;
    Ok((json!({ "qReturn": is_done }), effects))
}

pub(super) fn do_reload_ex(call: &Call<'_>, session: &mut Session) -> Answer {
    let (is_done, effects) = run(call, session)?;
    let rows: usize = session
        .document()
        .map(|document| document.loaded.model.tables().iter().map(|table| table.rows).sum())
        .unwrap_or_default();
    let result = json!({
        "qSuccess": is_done,
        "qScriptLogFile": "",
        "qEndedWithMemoryConstraint": false,
        "qNbrOfLoadedRows": if is_done { rows } else { 0 },
        "qNbrOfStoredRows": 0,
    });
    Ok((json!({ "qResult": result }), effects))
}

/// Everything is stored as soon as it is changed; what is left to say is whether the caller may.
pub(super) fn do_save(call: &Call<'_>, session: &Session) -> Result<Value, Fault> {
    session.document()?;
    refuse_visitors(call)?;
    if call.view.privileges().contains(&"update") {
        Ok(json!({}))
    } else {
        Err(Fault::access_denied())
    }
}

/// A script that fails is no fault of the request: the progress says what was wrong.
fn run(call: &Call<'_>, session: &mut Session) -> Result<(bool, Effects), Fault> {
    let document = session.document_mut()?;
    let watcher =
        Watcher { socket: call.socket.number, request: call.request.as_i64().unwrap_or(0) };
    match reload(call.shared, &call.socket.caller, document.app, Some(watcher)) {
        Ok(_) => {
            let loaded = call.shared.apps.load(&call.shared.repository, document.app)?;
            let effects = document.swap(loaded);
            let app = document.app;
            Ok((true, effects.and(view::changed(call, app))))
        }
        Err(ReloadError::Denied | ReloadError::Unplaced) => Err(Fault::access_denied()),
        Err(ReloadError::Manage(error)) => Err(manage_fault(error)),
        Err(error @ ReloadError::Data(_)) => {
            report(&error);
            Err(Fault::internal())
        }
        Err(ReloadError::Script(_) | ReloadError::Link(_)) => Ok((false, Effects::none())),
    }
}

fn script(call: &Call<'_>, session: &Session) -> Result<String, Fault> {
    let app = session.document()?.app;
    call.shared.repository.app_script(&call.socket.caller, app).map_err(manage_fault)
}
