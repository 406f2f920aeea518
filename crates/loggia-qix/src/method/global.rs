//! Methods of the object every socket starts with: opening apps, and what server this is.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use uuid::Uuid;

use super::Call;
use crate::document::Document;
use crate::effect::Effects;
use crate::fault::Fault;
use crate::handle::Target;
use crate::session::Session;
use crate::{timestamp, view};

/// The release of the protocol that we speak: clients compare it with the ones they know.
const PROTOCOL_VERSION: &str = "12.2027.0";

pub(super) fn open_doc(call: &Call<'_>, session: &mut Session) -> Result<(Value, Effects), Fault> {
    let name = call.params.required_text(0)?;
    let app = view::find_app(call.shared, &call.socket.caller, &name)
        .ok_or_else(|| Fault::app_not_found(name.clone()))?;
    let opened = view::open(call.shared, call.socket, app)?;
    if session.document.is_some() {
        return Err(Fault::app_already_open(name));
    }
    let is_without_data = call.params.flag(4)?;
    let loaded = if is_without_data {
        call.shared.apps.without_data(app)
    } else {
        call.shared.apps.load(&call.shared.repository, app)?
    };
    let mut document = Document::new(app, loaded);
    if let Some(carried) = call.shared.take_carried(&call.socket.caller.principal, app) {
        carried.restore(&mut document);
    }
    session.document = Some(Box::new(document));
    *call.socket.view.write() = opened;
    let id = app.text();
    Ok((json!({ "qReturn": call.socket.interface(&Target::Doc, "", &id)? }), Effects::none()))
}

/// The app that the session has open; the caller passes the same gates as with `OpenDoc`.
pub(super) fn get_active_doc(
    call: &Call<'_>,
    session: &mut Session,
) -> Result<(Value, Effects), Fault> {
    let app = session.document()?.app;
    if !call.view.is_of(app) {
        let opened = view::join(call.shared, call.socket, app)?;
        *call.socket.view.write() = opened;
    }
    let id = app.text();
    Ok((json!({ "qReturn": call.socket.interface(&Target::Doc, "", &id)? }), Effects::none()))
}

pub(super) fn get_doc_list(call: &Call<'_>, _: &Session) -> Result<Value, Fault> {
    let apps: Vec<Value> = view::listed_apps(call.shared, &call.socket.caller)
        .into_iter()
        .map(|listed| {
            let reload = listed.app.last_reload.map(timestamp::iso).unwrap_or_default();
            json!({
                "qDocName": listed.app.name,
                "qDocId": listed.app.id.text(),
                "qTitle": listed.app.name,
                "qConnectedUsers": 0,
                "qFileTime": timestamp::serial(listed.app.stamp.modified),
                "qFileSize": listed.app.file_size,
                "qLastReloadTime": reload,
                "qReadOnly": !listed.privileges.contains(&"update"),
                "qHasSectionAccess": false,
                "qThumbnail": { "qUrl": listed.app.thumbnail },
                "qMeta": view::app_meta(&listed.app, listed.stream.as_deref(), &listed.privileges),
            })
        })
        .collect();
    Ok(json!({ "qDocList": apps }))
}

/// Newer clients read `qVersion`, older ones `qReturn`.
pub(super) fn engine_version(_: &Call<'_>) -> Result<Value, Fault> {
    let version = json!({ "qComponentVersion": PROTOCOL_VERSION });
    Ok(json!({ "qReturn": version, "qVersion": version }))
}

pub(super) fn product_version(_: &Call<'_>) -> Result<Value, Fault> {
    Ok(json!({ "qReturn": env!("CARGO_PKG_VERSION") }))
}

pub(super) fn product(_: &Call<'_>) -> Result<Value, Fault> {
    Ok(json!({ "qReturn": "Loggia" }))
}

pub(super) fn os_name(_: &Call<'_>) -> Result<Value, Fault> {
    Ok(json!({ "qReturn": std::env::consts::OS }))
}

pub(super) fn get_authenticated_user(call: &Call<'_>) -> Result<Value, Fault> {
    let principal = &call.socket.caller.principal;
    let text = format!("UserDirectory={}; UserId={}", principal.directory(), principal.user_id());
    Ok(json!({ "qReturn": text }))
}

pub(super) fn get_unique_id(_: &Call<'_>) -> Result<Value, Fault> {
    Ok(json!({ "qUniqueID": Uuid::new_v4().to_string() }))
}

pub(super) fn no(_: &Call<'_>) -> Result<Value, Fault> {
    Ok(json!({ "qReturn": false }))
}

pub(super) fn nothing(_: &Call<'_>) -> Result<Value, Fault> {
    Ok(json!({}))
}

pub(super) fn get_configuration(_: &Call<'_>) -> Result<Value, Fault> {
    Ok(json!({ "qConfig": { "qFeatures": {
        "qAutoSave": true,
        "qPublishing": true,
        "qSSOEnabled": false,
        "qIsDesktop": false,
    } } }))
}

/// Any constant text will do: clients only compare it with what they have cached.
pub(super) fn get_base_bnf_hash(call: &Call<'_>) -> Result<Value, Fault> {
    let kind = call.params.text(0)?;
    Ok(json!({ "qBnfHash": format!("loggia-{}-{kind}", env!("CARGO_PKG_VERSION")) }))
}

pub(super) fn configure_reload(call: &Call<'_>) -> Result<Value, Fault> {
    let keeps_errors = call.params.flag(1)?;
    call.socket.keeps_errors.store(keeps_errors, Ordering::Relaxed);
    Ok(json!({}))
}

pub(super) fn get_progress(call: &Call<'_>) -> Result<Value, Fault> {
    let request = call.params.integer(0, 0)?;
    let progress = call.shared.progress.poll(
        call.socket.number,
        request,
        call.socket.keeps_errors.load(Ordering::Relaxed),
        call.shared.now(),
    );
    Ok(json!({ "qProgressData": progress }))
}

/// The request itself answers that it was aborted; a request that is done is left alone.
pub(super) fn cancel_request(call: &Call<'_>) -> Result<Value, Fault> {
    let id = call.params.value(0).to_string();
    if let Some(is_cancelled) = call.socket.pending.lock().get(&id) {
        is_cancelled.store(true, Ordering::Relaxed);
    }
    Ok(json!({}))
}

pub(super) fn abort_all(call: &Call<'_>) -> Result<Value, Fault> {
    for is_cancelled in call.socket.pending.lock().values() {
        is_cancelled.store(true, Ordering::Relaxed);
    }
    Ok(json!({}))
}
