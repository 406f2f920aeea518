//! What login modules and scripts ask for over the trusted port: tickets, sessions, and the end of
//! them (`spec/access.md` §2.8).
//!
//! Whoever reaches this has shown a certificate of the site's own authority, which is as much as
//! to say that they may act for everybody. They are told what is wrong; browsers never get here.

use std::sync::Arc;

use axum::response::Response;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use loggia_auth::{BeginError, NewSession, Person, Proof, Session, SessionSecret};
use loggia_model::entity::{User, VirtualProxy};
use loggia_model::{Prefix, Principal, SessionEnd, SessionId, UserKey};
use serde_json::{Map, Value, json};
use tracing::info;
use uuid::Uuid;

use crate::ours::has_xrf_key;
use crate::problem::Problem;
use crate::proxy::Proxy;
use crate::query::Query;
use crate::sign_in::json_response;

/// One request over the trusted port, below `/qps`.
#[derive(Debug)]
pub struct QpsCall<'a> {
    pub method: &'a Method,
    /// The path's segments after `qps`.
    pub segments: &'a [&'a str],
    pub query: &'a Query,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    /// The common name of the caller's certificate, for the log.
    pub caller: &'a str,
}

/// Longest body, in bytes.
pub const MAX_BODY: usize = 256 * 1_024;
const MOST_ATTRIBUTES: usize = 500;
const MAX_ATTRIBUTE: usize = 2_048;

/// What a caller says about a person who is to be let in.
struct Told {
    key: UserKey,
    attributes: Vec<(String, String)>,
    /// All that was said.
    body: Map<String, Value>,
}

impl Proxy {
    /// Answers one call.
    #[must_use]
    pub fn qps(&self, call: &QpsCall<'_>) -> Response {
        match self.answer_qps(call) {
            Ok(response) => response,
            Err(problem) => {
                problem.log("trusted port", call.caller, &problem.text);
                problem.json()
            }
        }
    }

    fn answer_qps(&self, call: &QpsCall<'_>) -> Result<Response, Box<Problem>> {
        if !has_xrf_key(call.query, call.headers) {
            let text = "The query parameter Xrfkey and the header X-Qlik-Xrfkey must hold the same \
                        16 letters or digits.";
            return Err(self.wrong(StatusCode::FORBIDDEN, "REQ-XRFKEY", text));
        }
        let (entrance, rest) = self.addressed(call.segments)?;
        match (call.method.as_str(), rest) {
            ("POST", ["ticket"]) => self.issue_ticket(&entrance, call),
            ("POST", ["session"]) => self.add_session(&entrance, call),
            ("GET", ["session"]) => {
                let sessions = self.sessions().list(entrance.id);
                let sessions: Vec<Value> = sessions.iter().map(|s| session_json(s, None)).collect();
                Ok(json_response(&json!(sessions)))
            }
            ("GET", ["session", id]) => {
                let session = self.session_of(&entrance, id)?;
                Ok(json_response(&session_json(&session, Some(id))))
            }
            ("DELETE", ["session", id]) => {
                let session = self.session_of(&entrance, id)?;
                self.sessions().end(&session, SessionEnd::Closed);
                Ok(json_response(&session_json(&session, Some(id))))
            }
            ("GET", ["user", directory, id]) => {
                let sessions = self.known_user(directory, id).map(|user| {
                    self.sessions().of_user(user.id)
                });
                Ok(sessions_json(&sessions.unwrap_or_default()))
            }
            ("DELETE", ["user", directory, id]) => {
                let ended = self.known_user(directory, id).map(|user| {
                    info!(
                        target: "loggia::session",
                        caller = call.caller,
                        "{} is logged out everywhere", user.key
                    );
                    self.sessions().end_user(user.id, SessionEnd::Closed)
                });
                Ok(sessions_json(&ended.unwrap_or_default()))
            }
            (_, ["ticket"]) => Err(self.wrong_qps_method("POST")),
            (_, ["session"]) => Err(self.wrong_qps_method("GET, POST")),
            (_, ["session", _] | ["user", _, _]) => Err(self.wrong_qps_method("GET, DELETE")),
            _ => Err(self.wrong(
                StatusCode::NOT_FOUND,
                "REQ-PATH",
                "There is ticket, session, session/{id} and user/{directory}/{id}, after the prefix \
                 of an entrance unless it is the default one.",
            )),
        }
    }

    /// The entrance whose prefix stands first, or the default one.
    fn addressed<'s>(
        &self,
        segments: &'s [&'s str],
    ) -> Result<(Arc<VirtualProxy>, &'s [&'s str]), Box<Problem>> {
        let is_call =
            matches!(segments, ["ticket"] | ["session"] | ["session", _] | ["user", _, _]);
        let site = self.shared().repository.site();
        let (prefix, rest) = match segments.split_first() {
            Some((first, rest)) if !is_call => (first.parse::<Prefix>().ok(), rest),
            _ => (Some(Prefix::default_entrance()), segments),
        };
        let entrance = prefix.and_then(|prefix| site.entrance(&prefix).cloned());
        entrance.map(|entrance| (entrance, rest)).ok_or_else(|| {
            let text = "There is no entrance of that prefix.";
            self.wrong(StatusCode::NOT_FOUND, "ENT-UNKNOWN", text)
        })
    }

    fn issue_ticket(
        &self,
        entrance: &Arc<VirtualProxy>,
        call: &QpsCall<'_>,
    ) -> Result<Response, Box<Problem>> {
        let told = self.told(entrance, call)?;
        let now = self.now();
        let tickets = &self.shared().tickets;
        let target = match member(&told.body, "TargetId") {
            Some(Value::String(id)) if !id.is_empty() => tickets.target(id, entrance.id, now),
            _ => None,
        };
        let answer = describe(&told.key, &told.attributes);
        let person = Person {
            id: None,
            key: told.key.clone(),
            name: String::new(),
            attributes: told.attributes,
        };
        let ticket = tickets
            .issue(entrance.id, person, now)
            .map_err(|error| Box::new(Problem::internal(&error.to_string(), now)))?;
        info!(
            target: "loggia::session",
            caller = call.caller,
            entrance = entrance.prefix.as_str(),
            "ticket for {}", told.key
        );
        Ok(created(answer, [("Ticket", json!(ticket)), ("TargetUri", json!(target))]))
    }

    fn add_session(
        &self,
        entrance: &Arc<VirtualProxy>,
        call: &QpsCall<'_>,
    ) -> Result<Response, Box<Problem>> {
        let told = self.told(entrance, call)?;
        let now = self.now();
        let internal =
            |error: &dyn std::error::Error| Box::new(Problem::internal(&error.to_string(), now));
        let secret = match member(&told.body, "SessionId") {
            None | Some(Value::Null) => {
                SessionSecret::random().map_err(|error| internal(&error))?
            }
            Some(Value::String(text)) => chosen(text).ok_or_else(|| {
                let text = "SessionId must be a random GUID, or 32 hexadecimal digits: whoever \
                            knows it is the user.";
                self.wrong(StatusCode::BAD_REQUEST, "REQ-BODY", text)
            })?,
            Some(_) => {
                let text = "SessionId must be text.";
                return Err(self.wrong(StatusCode::BAD_REQUEST, "REQ-BODY", text));
            }
        };
        let user = self
            .shared()
            .repository
            .ensure_user(&told.key, "", &[])
            .map_err(|error| internal(&error))?;
        if user.is_blocked || user.is_inactive {
            let text = "The account is blocked or inactive.";
            return Err(self.wrong(StatusCode::FORBIDDEN, "ACC-INACTIVE", text));
        }
        let is_here = |session: &Arc<Session>| session.entrance == entrance.id;
        let is_new = !self.sessions().of_user(user.id).iter().any(is_here);
        let principal = Principal::User { id: user.id, key: user.key.clone() };
        let new = NewSession {
            attributes: told.attributes.clone(),
            proof: Some(Box::new(Proof::by("session"))),
            lifetime_minutes: entrance.lifetime_minutes,
            ..NewSession::new(entrance.id, principal, entrance.inactivity_minutes)
        };
        let id = match member(&told.body, "SessionId") {
            Some(Value::String(text)) => text.clone(),
            _ => secret.reveal(),
        };
        match self.sessions().begin_with_secret(new, secret, now) {
            Ok(begun) => self.tell_start_from_outside(&begun.session, call.caller),
            Err(BeginError::Taken) => {
                let text = "There is a session of that id already.";
                return Err(self.wrong(StatusCode::CONFLICT, "REQ-BODY", text));
            }
            Err(error) => return Err(internal(&error)),
        }
        info!(
            target: "loggia::session",
            caller = call.caller,
            entrance = entrance.prefix.as_str(),
            "session for {} from outside", told.key
        );
        let answer = describe(&told.key, &told.attributes);
        Ok(created(answer, [("SessionId", json!(id)), ("NewUser", json!(is_new))]))
    }

    /// A session by the id that its maker chose, or by the one that lists show. Only the maker
    /// knows the former.
    fn session_of(&self, entrance: &VirtualProxy, id: &str) -> Result<Arc<Session>, Box<Problem>> {
        let by_secret = chosen(id)
            .and_then(|secret| self.sessions().find(&secret.reveal(), entrance.id, self.now()));
        let by_id = || {
            let id = SessionId(Uuid::parse_str(id).ok()?);
            self.sessions().by_id(id).filter(|session| session.entrance == entrance.id)
        };
        by_secret.or_else(by_id).ok_or_else(|| {
            let text = "There is no session of that id at this entrance.";
            self.wrong(StatusCode::NOT_FOUND, "SES-NONE", text)
        })
    }

    fn known_user(&self, directory: &str, id: &str) -> Option<Arc<User>> {
        let key = UserKey::from_outside(directory, id).ok()?;
        self.shared().repository.site().user_by_key(&key).cloned()
    }

    /// Whom the caller wants let in at the entrance, where anybody but visitors is.
    fn told(&self, entrance: &VirtualProxy, call: &QpsCall<'_>) -> Result<Told, Box<Problem>> {
        if !entrance.anonymous.takes_users() {
            let text = "Nobody signs in at this entrance: it is for visitors only.";
            return Err(self.wrong(StatusCode::FORBIDDEN, "ENT-VISITORS", text));
        }
        let bad = |text: &str| self.wrong(StatusCode::BAD_REQUEST, "REQ-BODY", text);
        let Ok(Value::Object(body)) = serde_json::from_slice(call.body) else {
            return Err(bad("The body must be a JSON object."));
        };
        let text = |name: &str| member(&body, name).and_then(Value::as_str).unwrap_or_default();
        let key = UserKey::from_outside(text("UserDirectory"), text("UserId"))
            .map_err(|error| bad(&format!("UserDirectory and UserId: {error}.")))?;
        let attributes = attributes(member(&body, "Attributes")).ok_or_else(|| {
            bad("Attributes must be a list of objects with one member each, such as \
                 [{\"group\": \"sales\"}].")
        })?;
        Ok(Told { key, attributes, body })
    }

    fn wrong(&self, status: StatusCode, code: &'static str, text: &str) -> Box<Problem> {
        Box::new(Problem::new(status, code, "Not done", text, self.now()))
    }

    fn wrong_qps_method(&self, allowed: &str) -> Box<Problem> {
        let text = format!("This address takes {allowed}.");
        self.wrong(StatusCode::METHOD_NOT_ALLOWED, "REQ-METHOD", &text)
    }
}

/// A session's secret as a caller chose it: 128 bits, written as a GUID or without its hyphens. One
/// that is plainly not random is refused.
fn chosen(text: &str) -> Option<SessionSecret> {
    let mut digits: Vec<char> = text.chars().filter(|c| *c != '-').collect();
    digits.sort_unstable();
    digits.dedup();
    if digits.len() < 6 { None } else { SessionSecret::parse(text) }
}

fn member<'b>(body: &'b Map<String, Value>, name: &str) -> Option<&'b Value> {
    body.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn attributes(value: Option<&Value>) -> Option<Vec<(String, String)>> {
    let list = match value {
        None | Some(Value::Null) => return Some(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return None,
    };
    if list.len() > MOST_ATTRIBUTES {
        return None;
    }
    let one = |entry: &Value| {
        let entry = entry.as_object()?;
        let (name, value) = entry.iter().next().filter(|_| entry.len() == 1)?;
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            _ => return None,
        };
        let is_good = !name.trim().is_empty()
            && name.len() <= 256
            && value.len() <= MAX_ATTRIBUTE
            && !name.chars().chain(value.chars()).any(char::is_control);
        is_good.then(|| (name.trim().to_owned(), value))
    };
    list.iter().map(one).collect()
}

fn describe(key: &UserKey, attributes: &[(String, String)]) -> Map<String, Value> {
    let list: Vec<Value> = attributes
        .iter()
        .map(|(name, value)| Value::Object(Map::from_iter([(name.clone(), json!(value))])))
        .collect();
    let mut members = Map::new();
    members.insert("UserDirectory".to_owned(), json!(key.directory()));
    members.insert("UserId".to_owned(), json!(key.id()));
    members.insert("Attributes".to_owned(), json!(list));
    members
}

fn session_json(session: &Session, id: Option<&str>) -> Value {
    let mut members = match &session.principal {
        Principal::User { key, .. } => describe(key, &session.attributes),
        other => {
            let mut members = Map::new();
            members.insert("UserDirectory".to_owned(), json!(other.directory()));
            members.insert("UserId".to_owned(), json!(other.user_id()));
            members.insert("Attributes".to_owned(), json!([]));
            members
        }
    };
    let id = id.map_or_else(|| session.id.to_string(), str::to_owned);
    members.insert("SessionId".to_owned(), json!(id));
    Value::Object(members)
}

fn sessions_json(sessions: &[Arc<Session>]) -> Response {
    let sessions: Vec<Value> = sessions.iter().map(|session| session_json(session, None)).collect();
    json_response(&json!(sessions))
}

fn created<const N: usize>(mut members: Map<String, Value>, more: [(&str, Value); N]) -> Response {
    members.extend(more.map(|(name, value)| (name.to_owned(), value)));
    let mut response = json_response(&Value::Object(members));
    *response.status_mut() = StatusCode::CREATED;
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}
