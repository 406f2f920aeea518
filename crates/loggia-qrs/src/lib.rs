//! The repository REST interface: wire types and handlers.
//!
//! The server mounts [`router`] below an entrance, and puts the [`Caller`] into the request's
//! extensions; a request without one is refused with 401. A handler reads the request, calls a use
//! case of `loggia-repository`, and gives the answer its form. No right, licence or SQL is thought
//! about here.
//!
//! Beside what clients of the original know, there are:
//!
//! | address | what |
//! |---|---|
//! | `/licensepool` | every licence pool: `name`, `kind` (`ProfessionalAccess`, `AnalyzerAccess`, `UserAccess`, `LoginAccess`, `AnalyzerTimeAccess`), `capacity` (`null` is unlimited), `overage`, `disabled`; the `resourceFilter` it shows is the one that a licence rule for it needs |
//! | `/userdirectory/{id}/check` | whether a user directory can be used, step by step |
//! | `/licensepool/usage` | what is out of each pool, and when something comes back |
//! | `/virtualproxyconfig/{id}/anonymouscheck` | could a visitor come in, gate by gate, and what to change |
//! | `/systemrule/security/impact` | what changes that are not saved yet would open and shut, and to whom |
//! | `/systemrule/security/exposure` | everything visitors can reach, by which rule and when; as `loggia exposure --format json` prints it |
//! | `/stream/{id}/public` | who a stream is open to, and the switch that opens it to everybody by a pair of rules |
//! | `/app/{id}/audience`, `/app/object/{id}/audience` | who of the stream's readers an app or a sheet is for |
//! | `/systemrule/check` | what is wrong with a rule that is still being written |
//! | `/systemrule/security/explain` | why somebody may do something, or may not |
//! | `/systemrule/{security,license,sync}/audit`, `…/audit/matrix` | who may do what, by rule or by cell; `security` also has `…/audit/preview` for an unsaved rule and `…/audit/export` for a table |
//! | `/auditlog`, `…/export`, `…/verification` | what happened, newest first: filters, pages, tables, and whether the trail is as it was written |
//! | `/systemrule/security/resetdefault` | puts edited shipped rules back |
//! | `/systemrule/parsetree` | the shape of a condition |
//!
//! A rule has the further member `effect`, `allow` or `forbid`; what was saved may carry
//! `warnings`. Whatever was not done is answered by
//! `{"code", "title", "detail", "reference"?, "problems"?}`, where each of the `problems` names the
//! member, the place in its text, and a suggestion where there is one.
//!
//! Not here: sign-in and sessions (`loggia-proxy`), the engine protocol (`loggia-qix`).

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a test that cannot go on should stop"
    )
)]

mod about;
mod body;
mod call;
mod collection;
mod explanation;
pub mod filter;
mod problem;
mod query;
mod route;
pub mod schema;
mod wire;

use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use loggia_model::Caller;
use loggia_repository::Repository;
use serde_json::Value;

pub use crate::explanation::explanation;

use crate::call::{Answer, Call};
use crate::problem::{More, Problem};
use crate::query::Query;
use crate::route::{Found, find};

/// What the interface needs to be told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Longest request body in bytes.
    pub body_limit: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { body_limit: 1024 * 1024 }
    }
}

/// Everything below `/qrs`. Mount it with `nest`, or hand whole paths to [`answer`].
pub fn router(repository: Repository, settings: Settings) -> Router {
    Router::new()
        .fallback(|State((repository, settings)): State<(Repository, Settings)>, request: Request| {
            async move { answer(&repository, settings, request).await }
        })
        .with_state((repository, settings))
}

/// Method and pattern of every address, places in braces. The stranger sweep calls each.
pub fn routes() -> impl Iterator<Item = (&'static Method, &'static str)> {
    route::ROUTES.iter().map(|route| (&route.method, route.pattern))
}

/// Answers one request. Its path begins at `/qrs` or below it.
pub async fn answer(repository: &Repository, settings: Settings, request: Request) -> Response {
    match respond(repository, settings, request).await {
        Ok(Answer::Ok(value)) => json_response(StatusCode::OK, &value),
        Ok(Answer::Created(value)) => json_response(StatusCode::CREATED, &value),
        Ok(Answer::Json(bytes)) => bytes_response(StatusCode::OK, JSON, bytes),
        Ok(Answer::File { content_type, name, bytes }) => {
            let mut response = bytes_response(StatusCode::OK, content_type, bytes);
            let disposition = format!("attachment; filename=\"{name}\"");
            if let Ok(value) = HeaderValue::from_str(&disposition) {
                response.headers_mut().insert(CONTENT_DISPOSITION, value);
            }
            response
        }
        Ok(Answer::NoContent) => {
            let mut response = Response::new(HttpBody::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Err(problem) => {
            let mut response = json_response(problem.status, &problem.body());
            if let More::Allow(methods) = &problem.more
                && let Ok(allow) = HeaderValue::from_str(methods)
            {
                response.headers_mut().insert(ALLOW, allow);
            }
            response
        }
    }
}

async fn respond(
    repository: &Repository,
    settings: Settings,
    request: Request,
) -> Result<Answer, Problem> {
    let (parts, body) = request.into_parts();
    let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "SES-NONE",
            "this needs a session; sign in first",
        ));
    };
    let query = Query::parse(&parts.uri)?;
    check_key(&query, &parts.headers)?;
    check_sender(&parts.method, &parts.headers)?;
    let path = parts.uri.path();
    let path = match path.get(..4) {
        Some(start) if start.eq_ignore_ascii_case("/qrs") => path.get(4..).unwrap_or_default(),
        _ => path,
    };
    let (route, places) = match find(&parts.method, path) {
        Found::Route { route, places } => (route, places),
        Found::OtherMethods(methods) => {
            let detail = format!("this address takes {methods}");
            let mut problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "REQ-METHOD", detail);
            problem.more = More::Allow(methods.into());
            return Err(problem);
        }
        Found::Nothing => return Err(Problem::no_such_path()),
    };
    let bytes = match parts.method {
        Method::POST | Method::PUT => read_body(&parts.headers, body, settings.body_limit).await?,
        _ => Vec::new(),
    };
    let call =
        Call { repository: repository.clone(), caller: caller.in_console(), places, query, bytes };
    // Store and rules take their time: not on the threads that serve sockets.
    match tokio::task::spawn_blocking(move || (route.handler)(&call)).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "a request handler failed: {error}");
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "SRV-FAULT",
                "the server could not do this; its log tells why",
            ))
        }
    }
}

/// The guard against requests from other sites (`spec/qrs.md` §1.4): the same 16 letters and
/// digits in the query and in a header, which a foreign page cannot set.
fn check_key(query: &Query, headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |detail: &str| {
        let detail = format!("XSRF prevention check failed: {detail}");
        Err(Problem::new(StatusCode::BAD_REQUEST, "REQ-XRFKEY", detail))
    };
    let Some(key) = query.get("xrfkey") else {
        return refuse("the query parameter xrfkey is missing");
    };
    if key.len() != 16 || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return refuse("xrfkey must be 16 letters or digits");
    }
    let mut values = headers.get_all("x-qlik-xrfkey").iter();
    match (values.next(), values.next()) {
        (Some(value), None) if value.as_bytes() == key.as_bytes() => Ok(()),
        (None, _) => refuse("the header X-Qlik-Xrfkey is missing"),
        (Some(_), None) => refuse("the header X-Qlik-Xrfkey differs from the query parameter"),
        (Some(_), Some(_)) => refuse("the header X-Qlik-Xrfkey is there twice"),
    }
}

/// The second guard, should the first ever be got round: browsers say when a page of another site
/// sends, and a form's content types need no leave to be sent from there.
fn check_sender(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if matches!(text("sec-fetch-site"), "cross-site" | "same-site") {
        let detail = "changes may be asked for only by pages of this hub";
        return Err(Problem::new(StatusCode::FORBIDDEN, "REQ-ORIGIN", detail));
    }
    let content = text("content-type").split(';').next().unwrap_or_default().trim();
    let is_form = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]
        .iter()
        .any(|form| content.eq_ignore_ascii_case(form));
    if is_form {
        let detail = format!("the body is {content}, expected application/json");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "REQ-CONTENT-TYPE", detail));
    }
    Ok(())
}

async fn read_body(headers: &HeaderMap, body: HttpBody, limit: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        let detail = format!("the body is larger than {limit} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "REQ-TOO-LARGE", detail)
    };
    let announced = headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    match axum::body::to_bytes(body, limit).await {
        Ok(bytes) => Ok(bytes.into()),
        // Chunked, it is only found out on the way; a client that went away reads no answer.
        Err(_) => Err(too_large()),
    }
}

fn json_response(status: StatusCode, value: &Value) -> Response {
    bytes_response(status, JSON, value.to_string().into_bytes())
}

/// With the blank and the parameter: one client tests for `application/json;`.
const JSON: &str = "application/json; charset=utf-8";

fn bytes_response(status: StatusCode, content_type: &'static str, bytes: Vec<u8>) -> Response {
    let mut response = Response::new(HttpBody::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
