//! What the audit trail hears of apps: who opened them, which sheets they looked at, for how long.

use loggia_model::AppId;
use loggia_repository::loggia_audit::{Event, Kind};
use loggia_repository::{Access, OpenedApp};

use crate::Shared;
use crate::document::{Object, generic_type};
use crate::method::Call;
use crate::session::Socket;

/// Somebody opened an app, or came back to it when the connection broke.
pub(crate) fn opened(shared: &Shared, socket: &Socket, opened: &OpenedApp, is_new: bool) {
    let (app, now) = (opened.app.id, shared.now());
    *socket.opened.lock() = Some((app, now));
    if !is_new {
        return;
    }
    let mut event = Event::by(&socket.caller, Kind::AppOpen, now)
        .about(app)
        .with("name", opened.app.name.clone());
    if let Some(stream) = &opened.stream {
        event = event.with("stream", stream.name.clone());
    }
    if let Access::Held { kind, .. } = opened.access {
        event = event.with("access", format!("{kind:?}"));
    }
    record(shared, event);
}

/// The socket of an app closed.
pub(crate) fn closed(shared: &Shared, socket: &Socket) {
    let Some((app, since)) = socket.opened.lock().take() else { return };
    let now = shared.now();
    let seconds = now.millis_since(since).max(0) / 1_000;
    let event = Event::by(&socket.caller, Kind::AppClose, now).about(app).with("seconds", seconds);
    record(shared, event);
}

/// Somebody turned to a sheet.
pub(crate) fn viewed(call: &Call<'_>, app: AppId, object: &Object) {
    if generic_type(&object.properties) != "sheet" {
        return;
    }
    {
        let mut last = call.socket.sheet.lock();
        if **last == *object.id {
            return;
        }
        *last = (&*object.id).into();
    }
    let now = call.shared.now();
    let event = Event::by(&call.socket.caller, Kind::ObjectView, now)
        .about(app)
        .with("type", "sheet")
        .with("object", &*object.id);
    record(call.shared, event);
}

/// Visits go on when they cannot be told; how many could not is told later.
fn record(shared: &Shared, event: Event) {
    let _ = shared.repository.record(event);
}
