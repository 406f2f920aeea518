//! The hub and an app's page: who may see them, their data block, and the same as plain links.

use std::sync::Arc;

use axum::response::Response;
use http::HeaderMap;
use loggia_auth::Place;
use loggia_model::entity::App;
use loggia_model::{AppId, Caller, Moment, Principal, UserId};
use loggia_proxy::page::{self, Html, Page, PageKind};
use loggia_proxy::problem::{Problem, iso, page_response, written_page};
use loggia_proxy::route::Opening;
use loggia_proxy::{Entered, json_response, path, written_json};
use loggia_repository::{
    AppDetails, HubApp, HubStream, ManageError, OpenAppError, OpenedApp, Refusal, VisitInfo,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::front::Front;
use crate::hub_bodies::HubBody;
use crate::hub_frames::{HubFrame, Reader};

/// `GET /hub` and `/hub/stream/{id}`.
pub(crate) fn hub(front: &Front, entered: &Entered, headers: &HeaderMap) -> Response {
    match hub_streams(front, entered) {
        Ok(streams) => {
            let body = hub_body(front, entered, &streams);
            let frame = hub_frame(front, entered);
            let html = front.proxy.templates().fill_written(
                PageKind::Hub,
                "Hub",
                &[&body.html, &frame.end],
                &with_hub(&frame, entered, &body.json),
            );
            written_page(PageKind::Hub, html)
        }
        Err(problem) => front.proxy.refuse(entered, &problem, headers),
    }
}

/// `GET /api/v1/hub`: the page's data block again.
pub(crate) fn hub_api(front: &Front, entered: &Entered, headers: &HeaderMap) -> Response {
    match hub_streams(front, entered) {
        Ok(streams) => {
            let body = hub_body(front, entered, &streams);
            let frame = hub_frame(front, entered);
            written_json(with_hub(&frame, entered, &body.json).concat())
        }
        Err(problem) => front.proxy.refuse(entered, &problem, headers),
    }
}

/// `GET /sense/app/{id}[/sheet/{id}]`: all gates are asked before the page is sent, and nothing is
/// charged yet.
pub(crate) async fn viewer(
    front: &Arc<Front>,
    entered: &Entered,
    headers: &HeaderMap,
    app: &str,
    sheet: Option<&str>,
    opening: &Opening,
) -> Response {
    match visit(front, entered, app).await {
        Ok(visit) => {
            let mut data = front.proxy.block(entered);
            put(&mut data, "app", app_value(&visit));
            if let Some(sheet) = sheet {
                put(&mut data, "sheet", json!(sheet));
            }
            if !opening.is_empty() {
                put(&mut data, "opening", opening_value(opening));
            }
            let title = visit.opened.app.name.clone();
            let content = app_html(entered, &visit);
            let page = Page { kind: PageKind::Viewer, title, data, content };
            page_response(front.proxy.templates(), &page)
        }
        Err(problem) => front.proxy.refuse(entered, &problem, headers),
    }
}

/// `GET /api/v1/apps/{id}`.
pub(crate) async fn app_api(
    front: &Arc<Front>,
    entered: &Entered,
    headers: &HeaderMap,
    app: &str,
) -> Response {
    match visit(front, entered, app).await {
        Ok(visit) => {
            let mut app = app_value(&visit);
            let sheets = app.as_object_mut().and_then(|members| members.remove("sheets"));
            json_response(&json!({ "app": app, "sheets": sheets }))
        }
        Err(problem) => front.proxy.refuse(entered, &problem, headers),
    }
}

/// An app that could be opened, with what its page shows first.
struct Visit {
    opened: OpenedApp,
    details: AppDetails,
}

async fn visit(front: &Arc<Front>, entered: &Entered, app: &str) -> Result<Visit, Box<Problem>> {
    let Some(guest) = &entered.guest else {
        return Err(Box::new(Problem::nothing_here(&entered.reader(), front.now())));
    };
    // An address that is no id is answered like the id of no app, so that neither tells anything.
    let app = app.parse().unwrap_or(AppId(Uuid::nil()));
    let (caller, reader) = (guest.caller.clone(), entered.reader());
    // The page takes no place yet: its socket does.
    let place = front.proxy.sessions().look_for_place(&guest.session, front.proxy.now());
    let info = VisitInfo { visitor: guest.browser, ..visit_info(&place) };
    let worker = Arc::clone(front);
    let outcome = tokio::task::spawn_blocking(move || look(&worker, &caller, app, &info)).await;
    match outcome {
        Ok(Ok(visit)) => Ok(visit),
        Ok(Err(Blocked::Refused(refusal))) => {
            let mut problem = Problem::of_refusal(&refusal, &reader);
            if place.others == place.resting {
                // There is no session to end, only to wait.
                problem.form = None;
            }
            Err(Box::new(problem))
        }
        Ok(Err(Blocked::Untold(detail))) => {
            Err(Box::new(Problem::licence_untold(&detail, &entered.reader(), front.now())))
        }
        Ok(Err(Blocked::Broken(detail))) => Err(Box::new(Problem::internal(&detail, front.now()))),
        Err(error) => Err(Box::new(Problem::internal(&error.to_string(), front.now()))),
    }
}

/// A visit for which `place` was found.
pub(crate) fn visit_info(place: &Place) -> VisitInfo {
    VisitInfo { parallel_sessions: place.others, place_wait: place.wait, ..VisitInfo::default() }
}

enum Blocked {
    Refused(Box<Refusal>),
    /// Whether a licence covers the visit could not be read.
    Untold(String),
    Broken(String),
}

fn look(front: &Front, caller: &Caller, app: AppId, info: &VisitInfo) -> Result<Visit, Blocked> {
    let opened =
        front.repository.would_open_app(caller, app, info).map_err(|error| match error {
            OpenAppError::Hidden { refusal, .. }
            | OpenAppError::Unlicensed { refusal, .. }
            | OpenAppError::Unplaced { refusal, .. }
            | OpenAppError::Blocked { refusal, .. } => Blocked::Refused(refusal),
            OpenAppError::Store { source, .. } => Blocked::Untold(source.to_string()),
        })?;
    let details = front.repository.app_details(caller, app).map_err(|error| match error {
        ManageError::Hidden { refusal, .. } | ManageError::Refused(refusal) => {
            Blocked::Refused(refusal)
        }
        error => Blocked::Broken(error.to_string()),
    })?;
    Ok(Visit { opened, details })
}

fn hub_streams(front: &Front, entered: &Entered) -> Result<Arc<[HubStream]>, Box<Problem>> {
    let Some(guest) = &entered.guest else { return Ok(Arc::new([])) };
    front
        .repository
        .hub(&guest.caller)
        .map_err(|refusal| Box::new(Problem::of_refusal(&refusal, &entered.reader())))
}

/// The hub as everybody sees it who sees the same list at this entrance.
fn hub_body(front: &Front, entered: &Entered, streams: &Arc<[HubStream]>) -> Arc<HubBody> {
    let base = entered.base();
    front.hub_bodies.get(streams, entered.entrance.id, &base, || HubBody {
        json: page::written(&hub_value(entered, streams)),
        html: hub_html(entered, streams).as_str().to_owned(),
    })
}

/// What this reader's page says beside the list.
fn hub_frame(front: &Front, entered: &Entered) -> Arc<HubFrame> {
    let write = || {
        let block = page::within_script(front.proxy.written_block(entered));
        let open = block.strip_suffix('}').unwrap_or(&block);
        // The token is the block's last member, so what follows its last place is known.
        let (before, after) = open.rsplit_once(token(entered)).unwrap_or((open, ""));
        let block = [before.to_owned(), after.to_owned()];
        HubFrame { block, end: hub_end(entered).as_str().to_owned() }
    };
    let (Some(guest), true) = (&entered.guest, entered.screened.query.is_empty()) else {
        return Arc::new(write());
    };
    let (user, name) = match &guest.caller.principal {
        Principal::User { id, key } => (Some((*id, key)), front.proxy.display_name(*id, key)),
        _ => (None, String::new()),
    };
    let path = entered.screened.path.as_str();
    front.hub_frames.get(&Reader { entrance: &entered.entrance, user, name: &name, path }, write)
}

/// The token of the session, empty where there is none.
fn token(entered: &Entered) -> &str {
    entered.guest.as_ref().map(|guest| &*guest.session.csrf).unwrap_or_default()
}

/// The data block with the `hub` member at its end.
fn with_hub<'a>(frame: &'a HubFrame, entered: &'a Entered, hub: &'a str) -> [&'a str; 6] {
    let [before, after] = &frame.block;
    [before, token(entered), after, ",\"hub\":", hub, "}"]
}

fn hub_value(entered: &Entered, streams: &[HubStream]) -> Value {
    let streams: Vec<Value> = streams
        .iter()
        .map(|stream| {
            let apps: Vec<Value> = stream.apps.iter().map(|app| card(entered, app)).collect();
            json!({ "id": stream.stream.id.text(), "name": stream.stream.name, "apps": apps })
        })
        .collect();
    json!({ "streams": streams })
}

fn card(entered: &Entered, shown: &HubApp) -> Value {
    let app = &shown.app;
    json!({
        "id": app.id.text(),
        "name": app.name,
        "description": app.description,
        "lastReload": when(app.last_reload),
        "owner": shown.owner_name,
        "thumbnail": thumbnail(entered, app),
        "may": shown.may.names(),
    })
}

fn app_value(visit: &Visit) -> Value {
    let app = &visit.opened.app;
    let stream = visit.details.stream.as_ref();
    let sheets: Vec<Value> = visit
        .details
        .sheets
        .iter()
        .map(|sheet| {
            json!({
                "id": sheet.id,
                "title": sheet.title,
                "description": sheet.description,
                // A sheet without a rank stands last, and infinity is no JSON.
                "rank": if sheet.rank.is_finite() { sheet.rank } else { f64::from(u32::MAX) },
            })
        })
        .collect();
    json!({
        "id": app.id.text(),
        "name": app.name,
        "description": app.description,
        "stream": stream.map(|stream| json!({ "id": stream.id.text(), "name": stream.name })),
        "lastReload": when(app.last_reload),
        "owner": visit.details.owner_name,
        "sheets": sheets,
        "may": visit.opened.may.names(),
    })
}

fn opening_value(opening: &Opening) -> Value {
    let select: Vec<Value> = opening
        .select
        .iter()
        .map(|(field, values)| json!({ "field": field, "values": values }))
        .collect();
    json!({ "clears": opening.clears, "bookmark": opening.bookmark, "select": select })
}

/// The picture's address under the caller's entrance, whose cookie it needs.
fn thumbnail(entered: &Entered, app: &App) -> Option<String> {
    match app.thumbnail.as_str() {
        "" => None,
        address if address.starts_with("/content/") => Some(format!("{}{address}", entered.base())),
        address => Some(address.to_owned()),
    }
}

fn when(moment: Option<Moment>) -> Option<String> {
    moment.map(iso)
}

fn hub_html(entered: &Entered, streams: &[HubStream]) -> Html {
    let base = entered.base();
    let mut html = Html::default().markup("<main>");
    for stream in streams {
        html = html.markup("<h2>").plain(&stream.stream.name).markup("</h2><ul>");
        for shown in &stream.apps {
            let href = app_path(&base, &shown.app.id.text());
            html = html.markup("<li>").link(&href, &shown.app.name);
            if !shown.app.description.is_empty() {
                html = html.markup(" — ").plain(&shown.app.description);
            }
            html = html.markup("</li>");
        }
        html = html.markup("</ul>");
    }
    if streams.is_empty() {
        html = html.markup("<p>Nothing here is shared with you.</p>");
    }
    html
}

/// What comes after the list, which is not the same for everybody.
fn hub_end(entered: &Entered) -> Html {
    let mut html = Html::default();
    if user_of(entered).is_none() && entered.can_log_in() {
        html = html.markup("<p>").link(&entered.login_with_target(), "Log in").markup("</p>");
    }
    html.markup("</main>")
}

fn app_html(entered: &Entered, visit: &Visit) -> Html {
    let base = entered.base();
    let app = &visit.opened.app;
    let mut html = Html::default()
        .markup("<main><p>")
        .link(&format!("{base}/hub"), "Hub")
        .markup("</p><h1>")
        .plain(&app.name)
        .markup("</h1><p>")
        .plain(&app.description)
        .markup("</p><ul>");
    for sheet in &visit.details.sheets {
        let segments = ["sheet".to_owned(), sheet.id.clone()];
        let href = format!("{}{}", app_path(&base, &app.id.text()), path::write(&segments));
        html = html.markup("<li>").link(&href, &sheet.title).markup("</li>");
    }
    html.markup("</ul><noscript><p>The sheets of an app need JavaScript.</p></noscript></main>")
}

fn app_path(base: &str, app: &str) -> String {
    format!("{base}{}", path::write(&["sense".to_owned(), "app".to_owned(), app.to_owned()]))
}

fn user_of(entered: &Entered) -> Option<UserId> {
    match &entered.guest.as_ref()?.caller.principal {
        Principal::User { id, .. } => Some(*id),
        _ => None,
    }
}

fn put(data: &mut Value, name: &str, value: Value) {
    if let Some(members) = data.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
