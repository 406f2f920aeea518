//! Who is here? The sessions of this moment with the apps they have open, and the end of one, for
//! whoever looks after an entrance. A visitor never sees another one.

use std::collections::HashMap;

use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use loggia_auth::Session;
use loggia_model::{SessionEnd, SessionId, VirtualProxyId};
use loggia_proxy::problem::{Problem, iso};
use loggia_proxy::{Entered, Guest, json_response};
use loggia_qix::OpenVisit;
use loggia_repository::{Access, Resource, Site, pool_kind};
use loggia_rules::Action;
use serde_json::{Value, json};
use tracing::info;
use uuid::Uuid;

use crate::front::Front;

/// Most sessions of one answer, and how many there are unless the request says otherwise.
const MOST: usize = 10_000;
const USUAL: usize = 1_000;

/// `GET /api/v1/sessions`: the sessions at the entrances that the caller may read, latest active
/// first. `entrance`, `user` (`DIRECTORY\id`), `skip` and `take` narrow the list; `total` counts
/// all that fit.
pub(crate) fn list(front: &Front, entered: &Entered, headers: &HeaderMap) -> Response {
    let Some(look) = Look::of(front, entered) else { return front.nothing_here(entered, headers) };
    let query = &entered.screened.query;
    let number = |name, usual| match query.get(name) {
        None => Ok(usual),
        Some(text) => text.parse::<usize>().map_err(|_| name),
    };
    let (skip, take) = match (number("skip", 0), number("take", USUAL)) {
        (Ok(skip), Ok(take)) => (skip, take.min(MOST)),
        (Err(name), _) | (_, Err(name)) => {
            let text = format!("{name} must be a whole number.");
            let problem = Problem::new(
                StatusCode::BAD_REQUEST,
                "REQ-QUERY",
                "Bad request",
                &text,
                front.now(),
            );
            return front.proxy.refuse(entered, &problem, headers);
        }
    };
    let mut sessions = front.proxy.sessions().all();
    sessions.retain(|session| {
        look.may(session.entrance, Action::Read)
            && query.get("entrance").is_none_or(|prefix| look.prefix(session) == prefix)
            && query
                .get("user")
                .is_none_or(|user| session.principal.to_string().eq_ignore_ascii_case(user))
    });
    sessions.sort_by_key(|session| (std::cmp::Reverse(session.last_active()), session.id));
    let total = sessions.len();
    let shown: Vec<Value> =
        sessions.iter().skip(skip).take(take).map(|session| look.show(session)).collect();
    json_response(&json!({ "total": total, "skip": skip, "sessions": shown }))
}

/// `GET /api/v1/sessions/{id}`, and `DELETE`, which ends it: its sockets are told and closed at
/// once, and its cookie is worth nothing afterwards.
pub(crate) fn one(
    front: &Front,
    entered: &Entered,
    method: &Method,
    headers: &HeaderMap,
    id: &str,
) -> Response {
    let nothing = || front.nothing_here(entered, headers);
    let Some(look) = Look::of(front, entered) else { return nothing() };
    let id = Uuid::try_parse(id).ok().map(SessionId);
    let session = id.and_then(|id| front.proxy.sessions().by_id(id));
    let Some(session) = session.filter(|session| look.may(session.entrance, Action::Read)) else {
        return nothing();
    };
    match *method {
        Method::GET | Method::HEAD => json_response(&look.show(&session)),
        Method::DELETE => {
            if let Some(refused) = front.proxy.refuse_unproven(entered, headers) {
                return refused;
            }
            if !look.may(session.entrance, Action::Update) {
                let text = "You may see this session, but not end it.";
                let problem = Problem::new(
                    StatusCode::FORBIDDEN,
                    "RULE-DENIED",
                    "Not allowed",
                    text,
                    front.now(),
                );
                let finding = "no rule lets the caller change the session's entrance";
                problem.log("rules", &look.guest.caller.principal.to_string(), finding);
                return front.proxy.refuse(entered, &problem, headers);
            }
            if let Err(problem) = front.proxy.tell_ending(&look.guest.caller, &session) {
                return front.proxy.refuse(entered, &problem, headers);
            }
            let shown = look.show(&session);
            front.proxy.sessions().end(&session, SessionEnd::Closed);
            info!(
                target: "loggia::session",
                session = %session.id,
                "{} ended the session of {}", look.guest.caller.principal, session.principal
            );
            json_response(&shown)
        }
        _ => front.proxy.wrong_method(entered, headers, "GET, HEAD, DELETE"),
    }
}

/// One look at the sessions by somebody who may.
struct Look<'a> {
    front: &'a Front,
    guest: &'a Guest,
    site: std::sync::Arc<Site>,
    open: HashMap<SessionId, Vec<OpenVisit>>,
    may: HashMap<VirtualProxyId, (bool, bool)>,
}

impl<'a> Look<'a> {
    /// None for visitors, whatever the rules say, and for whoever looks after no entrance.
    fn of(front: &'a Front, entered: &'a Entered) -> Option<Look<'a>> {
        let guest = entered.guest.as_ref().filter(|guest| !guest.session.is_anonymous())?;
        let site = front.repository.site();
        let decide = |id, action| {
            let resource = Resource::VirtualProxy(id);
            front.repository.decide(&guest.caller, &resource, action).is_allowed()
        };
        let may: HashMap<_, _> = site
            .virtual_proxies()
            .map(|one| (one.id, (decide(one.id, Action::Read), decide(one.id, Action::Update))))
            .collect();
        if !may.values().any(|(reads, _)| *reads) {
            return None;
        }
        let mut open: HashMap<SessionId, Vec<OpenVisit>> = HashMap::new();
        for visit in front.engine.visits() {
            if let Some(session) = visit.session {
                open.entry(session).or_default().push(visit);
            }
        }
        Some(Look { front, guest, site, open, may })
    }

    fn may(&self, entrance: VirtualProxyId, action: Action) -> bool {
        self.may.get(&entrance).is_some_and(|&(reads, updates)| match action {
            Action::Read => reads,
            _ => reads && updates,
        })
    }

    fn prefix(&self, session: &Session) -> String {
        let entrance = self.site.virtual_proxy(session.entrance);
        entrance.map(|entrance| entrance.prefix.to_string()).unwrap_or_default()
    }

    fn show(&self, session: &Session) -> Value {
        let now = self.front.proxy.now();
        let visits = self.open.get(&session.id).map(Vec::as_slice).unwrap_or_default();
        json!({
            "id": session.id,
            "userDirectory": session.principal.directory(),
            "userId": session.principal.user_id(),
            "isAnonymous": session.is_anonymous(),
            "method": session.method(),
            "address": session.address,
            "agent": session.agent(),
            "entrance": { "id": session.entrance, "prefix": self.prefix(session) },
            "started": iso(session.started),
            "lastActive": iso(session.last_active()),
            "idleSeconds": now.millis_since(session.last_active()).max(0) / 1_000,
            "expires": iso(session.expires()),
            "apps": visits.iter().map(|visit| self.show_visit(visit)).collect::<Vec<_>>(),
            "isOwn": session.id == self.guest.session.id,
            "mayEnd": self.may(session.entrance, Action::Update),
        })
    }

    /// An app that the caller may not know is there without its name.
    fn show_visit(&self, visit: &OpenVisit) -> Value {
        let decision = self.front.repository.decide(
            &self.guest.caller,
            &Resource::App(visit.app),
            Action::Read,
        );
        let app = self.site.app(visit.app).filter(|_| decision.is_allowed());
        json!({
            "id": app.map(|app| app.id),
            "name": app.map(|app| &app.name),
            "since": iso(visit.since),
            "licence": self.show_licence(visit.access),
        })
    }

    fn show_licence(&self, access: Access) -> Value {
        let Access::Held { pool, kind, until, .. } = access else { return Value::Null };
        json!({
            "kind": pool_kind(kind).to_string(),
            "pool": { "id": pool, "name": self.site.pool(pool).map(|pool| &pool.name) },
            "until": until.map(iso),
        })
    }
}
