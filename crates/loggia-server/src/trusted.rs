//! The port for programs: login modules and repository scripts, who show a certificate of the
//! site's own authority. What such a certificate opens is everything: its holder names the user
//! that a request acts as.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode, Uri};
use loggia_model::{Caller, Environment, InternalAccount, UserKey};
use loggia_proxy::edge::{Screened, screen};
use loggia_proxy::problem::Problem;
use loggia_proxy::qps::{MAX_BODY, QpsCall};
use loggia_proxy::{headers, path};
use tracing::debug;

use crate::front::Front;
use crate::listen::Peer;
use crate::tls::ClientCertificate;

/// Answers one request.
pub(crate) async fn answer(front: Arc<Front>, peer: Peer, request: Request<Body>) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut response = match respond(&front, peer, &mut parts, body).await {
        Ok(response) => response,
        Err(problem) => problem.json(),
    };
    headers::protect(response.headers_mut());
    debug!(
        target: "loggia::http",
        "trusted: {} {} {}", parts.method, parts.uri.path(), response.status().as_u16()
    );
    response
}

async fn respond(
    front: &Arc<Front>,
    peer: Peer,
    parts: &mut Parts,
    body: Body,
) -> Result<Response, Box<Problem>> {
    let now = front.now();
    // The listener lets nobody in without one. Should it ever, this is still shut.
    let Some(certificate) = parts.extensions.get::<ClientCertificate>().cloned() else {
        let text = "This port takes callers with a certificate of this site only.";
        return Err(wrong(front, StatusCode::FORBIDDEN, "REQ-CERTIFICATE", text));
    };
    let caller = certificate.common_name.as_str();
    // Here, and nowhere else, the header that names a user means something.
    let acting: Vec<HeaderValue> = parts.headers.get_all("x-qlik-user").iter().cloned().collect();
    let screened = screen(parts, peer.address.ip(), true, &[])
        .map_err(|fault| Box::new(Problem::of_edge_fault(&fault, caller, now)))?;
    let segments: Vec<&str> = screened.path.segments().iter().map(String::as_str).collect();
    match segments.split_first() {
        Some((first, rest)) if first.eq_ignore_ascii_case("qps") => {
            let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
                return Err(Box::new(Problem::too_large(MAX_BODY, now)));
            };
            let (front, parts) = (Arc::clone(front), parts.clone());
            let (rest, caller) = (owned(rest), caller.to_owned());
            // New users are written to the store.
            let work = tokio::task::spawn_blocking(move || {
                let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
                front.proxy.qps(&QpsCall {
                    method: &parts.method,
                    segments: &rest,
                    query: &screened.query,
                    headers: &parts.headers,
                    body: &body,
                    caller: &caller,
                })
            });
            work.await.map_err(|error| Box::new(Problem::internal(&error.to_string(), now)))
        }
        Some((first, rest)) if first.eq_ignore_ascii_case("qrs") => {
            let acting = acting_caller(front, &screened, &acting).inspect_err(|problem| {
                problem.log("trusted port", caller, &problem.text);
            })?;
            let mut whole = vec!["qrs".to_owned()];
            whole.extend(owned(rest));
            Ok(qrs(front, parts, body, acting, &path::write(&whole)).await)
        }
        _ => {
            let text = "There is /qps and /qrs at this port.";
            Err(wrong(front, StatusCode::NOT_FOUND, "REQ-PATH", text))
        }
    }
}

async fn qrs(
    front: &Arc<Front>,
    parts: &Parts,
    body: Body,
    acting: Caller,
    path: &str,
) -> Response {
    let target = match parts.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let Ok(uri) = target.parse::<Uri>() else {
        let text = "The address cannot be read.";
        return wrong(front, StatusCode::BAD_REQUEST, "REQ-PATH", text).json();
    };
    let mut request = Request::from_parts(parts.clone(), body);
    *request.uri_mut() = uri;
    request.headers_mut().remove(header::COOKIE);
    request.extensions_mut().insert(acting);
    loggia_qrs::answer(&front.repository, loggia_qrs::Settings::default(), request).await
}

/// As whom a repository request is answered: `X-Qlik-User: UserDirectory=…; UserId=…`.
///
/// The server's own accounts may be named here: whoever holds such a certificate could as well
/// make themselves an administrator. A visitor may not, since visitors are made by entrances only.
fn acting_caller(
    front: &Arc<Front>,
    screened: &Screened,
    values: &[HeaderValue],
) -> Result<Caller, Box<Problem>> {
    let forbidden = |text: &str| wrong(front, StatusCode::FORBIDDEN, "REQ-USER", text);
    let [value] = values else {
        return Err(forbidden(
            "The header X-Qlik-User must say, once, as whom to act: UserDirectory=…; UserId=….",
        ));
    };
    let named = value.to_str().ok().and_then(read_user);
    let Some((directory, id)) = named else {
        return Err(forbidden("X-Qlik-User must be UserDirectory=…; UserId=…."));
    };
    if directory.eq_ignore_ascii_case(UserKey::INTERNAL_DIRECTORY) {
        return match id.to_ascii_lowercase().as_str() {
            "sa_api" | "sa_repository" => Ok(Caller::internal(InternalAccount::Repository)),
            _ => Err(forbidden("Of the server's own accounts, sa_api and sa_repository can act.")),
        };
    }
    let key = UserKey::from_outside(directory, id)
        .map_err(|error| forbidden(&format!("X-Qlik-User: {error}.")))?;
    let user = front.repository.site().user_by_key(&key).cloned();
    let Some(user) = user.filter(|user| !user.is_blocked && !user.is_inactive) else {
        return Err(forbidden("X-Qlik-User names nobody who may act."));
    };
    let environment = Environment {
        ip: Some(screened.address),
        is_secure: true,
        request_type: "Api".to_owned(),
        ..Environment::default()
    };
    Ok(Caller::user(user.id, user.key.clone(), environment).in_console())
}

fn read_user(text: &str) -> Option<(&str, &str)> {
    let (mut directory, mut id) = (None, None);
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        let place = if name.trim().eq_ignore_ascii_case("UserDirectory") {
            &mut directory
        } else if name.trim().eq_ignore_ascii_case("UserId") {
            &mut id
        } else {
            return None;
        };
        if place.replace(value.trim()).is_some() {
            return None;
        }
    }
    Some((directory?, id?))
}

fn owned(segments: &[&str]) -> Vec<String> {
    segments.iter().map(|&segment| segment.to_owned()).collect()
}

fn wrong(front: &Arc<Front>, status: StatusCode, code: &'static str, text: &str) -> Box<Problem> {
    Box::new(Problem::new(status, code, "Not done", text, front.now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_names_one_user_and_nothing_else() {
        assert_eq!(read_user("UserDirectory=ACME; UserId=ana"), Some(("ACME", "ana")));
        assert_eq!(read_user("userid=ana;USERDIRECTORY=ACME;"), Some(("ACME", "ana")));
        for bad in [
            "",
            "UserDirectory=ACME",
            "ACME\\ana",
            "UserDirectory=ACME; UserId=ana; UserId=root",
            "UserDirectory=ACME; UserId=ana; Admin=yes",
        ] {
            assert_eq!(read_user(bad), None, "{bad}");
        }
    }
}
