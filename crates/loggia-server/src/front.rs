//! What is a request for? Through the entrance, then to the page, interface or socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{LengthLimitError, Limited};
use hyper::body::Body as _;
use loggia_model::{AppId, Moment};
use loggia_proxy::problem::Problem;
use loggia_proxy::route::{Route, SocketName};
use loggia_proxy::{Entered, Passage, Proxy, path, redirect};
use loggia_qix::Engine;
use loggia_repository::{Repository, Resource};
use loggia_rules::Action;
use tokio::sync::{Semaphore, watch};
use tracing::debug;

use crate::hub_bodies::HubBodies;
use crate::hub_frames::HubFrames;
use crate::listen::Peer;
use crate::operator::Counts;
use crate::tls::Certificates;
use crate::trail::Retiring;
use crate::{live, pages, socket, visits, web};

/// Everything that requests are answered from.
pub struct Front {
    pub proxy: Proxy,
    pub repository: Repository,
    pub engine: Engine,
    pub(crate) hub_bodies: HubBodies,
    pub(crate) hub_frames: HubFrames,
    /// Folder of the apps' pictures.
    pub content: PathBuf,
    pub is_ready: AtomicBool,
    /// How many engine sockets are open, so that stopping can wait for their last words.
    pub sockets: watch::Sender<usize>,
    /// What is shown to browsers, where the listener is encrypted.
    pub certificates: Option<Arc<Certificates>>,
    pub counts: Counts,
    pub(crate) retiring: Retiring,
    /// Visitors' requests that are worked on at a time. The others wait, and nobody who signed in
    /// waits for them.
    pub visitors: Semaphore,
}

/// Longest body that any address takes, in bytes.
pub const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// Longest body of a visitor, who has nothing of their own to send. It is kept while they wait
/// for their turn.
const VISITOR_BODY_LIMIT: usize = 64 * 1024;

impl Front {
    /// Answers one request.
    pub async fn answer(self: &Arc<Self>, peer: Peer, request: Request<Body>) -> Response {
        let (mut parts, body) = request.into_parts();
        let asked_to_upgrade = parts.headers.contains_key(header::UPGRADE);
        let method = parts.method.clone();
        self.proxy.prepare(parts.uri.path(), &parts.headers).await;
        let mut response = match self.proxy.enter(&mut parts, peer.address.ip(), peer.is_encrypted)
        {
            Passage::Answer(response) => response,
            Passage::Go(entered) => {
                let limit = body_limit(&entered);
                let mut response = if is_too_large(&parts.headers, limit) {
                    self.too_large(&entered, &parts.headers, limit)
                } else {
                    let body = match body.is_end_stream() {
                        true => body,
                        false => Body::new(Limited::new(body, limit)),
                    };
                    self.take_turns(&entered, parts, body).await
                };
                self.proxy.finish(&entered, &mut response);
                debug!(
                    target: "loggia::http",
                    "{method} {} {}", entered.screened.path, response.status().as_u16()
                );
                response
            }
        };
        if asked_to_upgrade && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // Whatever the client sent after its upgrade must not be read as a request.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        self.counts.count(&response);
        response
    }

    /// Visitors take turns, and what their requests cost is counted.
    async fn take_turns(self: &Arc<Self>, entered: &Entered, parts: Parts, body: Body) -> Response {
        if !takes_turns(entered) {
            return self.dispatch(entered, parts, body).await;
        }
        // Whoever sends a body may take their time over it: they must not keep the others waiting.
        let body = match body.is_end_stream() || matches!(entered.route, Route::Socket(_)) {
            true => body,
            false => match read(body).await {
                Ok(body) => body,
                Err(BodyError::TooLarge) => {
                    return self.too_large(entered, &parts.headers, VISITOR_BODY_LIMIT);
                }
                Err(BodyError::Broken) => {
                    let problem = Problem::broken_body(self.now());
                    return self.proxy.refuse(entered, &problem, &parts.headers);
                }
            },
        };
        let _turn = self.visitors.acquire().await;
        let started = Instant::now();
        let response = self.dispatch(entered, parts, body).await;
        self.proxy.charge(entered, started.elapsed());
        response
    }

    async fn dispatch(
        self: &Arc<Self>,
        entered: &Entered,
        mut parts: Parts,
        body: Body,
    ) -> Response {
        let method = parts.method.clone();
        if is_read_only(&entered.route) && !matches!(method, Method::GET | Method::HEAD) {
            return self.proxy.wrong_method(entered, &parts.headers, "GET, HEAD");
        }
        let base = entered.base();
        let headers = &parts.headers;
        match &entered.route {
            Route::Root => redirect(StatusCode::FOUND, &format!("{base}/hub")),
            Route::Hub { .. } => pages::hub(self, entered, headers),
            Route::App { app, sheet, opening } => {
                pages::viewer(self, entered, headers, app, sheet.as_deref(), opening).await
            }
            Route::HubApi => pages::hub_api(self, entered, headers),
            Route::AppApi { app } => pages::app_api(self, entered, headers, app).await,
            Route::LiveSessions => live::list(self, entered, headers),
            Route::LiveSession { id } => live::one(self, entered, &method, headers, id),
            Route::VisitorDays => visits::days(self, entered, headers).await,
            Route::Login => self.proxy.login(entered, &method, headers, body).await,
            Route::Logout => self.proxy.logout(entered, &method, headers, body).await,
            Route::LoggedOut => self.proxy.logged_out(entered),
            Route::Personal => self.proxy.personal(entered, &method, headers),
            Route::OtherSessions => self.proxy.end_others(entered, &method, headers, body).await,
            Route::OidcReturn => self.proxy.oidc_return(entered, headers).await,
            Route::SamlAssertion => self.proxy.saml_return(entered, &method, headers, body).await,
            Route::SamlLogout => {
                let query = parts.uri.query().unwrap_or_default();
                self.proxy.saml_logout(entered, headers, query).await
            }
            Route::SamlMetadata => self.proxy.saml_metadata(entered, headers).await,
            Route::Restarted => plain(StatusCode::OK, ""),
            Route::CsrfToken => self.proxy.csrf_token(entered),
            Route::Socket(name) => {
                let name = name.clone();
                socket::open(self, entered, &name, &mut parts).await
            }
            Route::SocketPage(name) => socket_page(&base, name),
            Route::Qrs(path) => {
                let path = path.clone();
                self.qrs(entered, &path, parts, body).await
            }
            Route::Asset(name) => {
                web::asset(name, headers).unwrap_or_else(|| self.nothing_here(entered, headers))
            }
            Route::Content(segments) => self.content(entered, headers, segments).await,
            Route::Healthy => plain(StatusCode::OK, "ok"),
            Route::Ready if self.is_ready.load(Ordering::Relaxed) => plain(StatusCode::OK, "ready"),
            Route::Ready => plain(StatusCode::SERVICE_UNAVAILABLE, "not yet"),
            Route::Nothing => self.nothing_here(entered, headers),
        }
    }

    /// Hands the request to the REST interface, which sees neither entrance nor cookie.
    async fn qrs(&self, entered: &Entered, path: &str, parts: Parts, body: Body) -> Response {
        if let Some(refused) = self.proxy.refuse_foreign(entered, &parts.method, &parts.headers) {
            return refused;
        }
        let target = match parts.uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let Ok(uri) = target.parse::<Uri>() else {
            return self.nothing_here(entered, &parts.headers);
        };
        let mut request = Request::from_parts(parts, body);
        *request.uri_mut() = uri;
        request.headers_mut().remove(header::COOKIE);
        if let Some(guest) = &entered.guest {
            request.extensions_mut().insert(guest.caller.clone());
        }
        loggia_qrs::answer(&self.repository, loggia_qrs::Settings::default(), request).await
    }

    /// Pictures of apps: `/content/apps/<id>/<file>`, for those who may see the app.
    async fn content(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        segments: &[String],
    ) -> Response {
        let nothing = || self.nothing_here(entered, headers);
        let [folder, app, file] = segments else { return nothing() };
        let (Ok(app), true) = (app.parse::<AppId>(), is_plain_file_name(file)) else {
            return nothing();
        };
        let Some(guest) = &entered.guest else { return nothing() };
        let decision = self.repository.decide(&guest.caller, &Resource::App(app), Action::Read);
        if folder != "apps" || !decision.is_allowed() {
            return nothing();
        }
        let path = self.content.join("apps").join(app.text()).join(file);
        let read = tokio::task::spawn_blocking(move || {
            // A link could lead out of the folder.
            let found = std::fs::symlink_metadata(&path).ok().filter(|found| found.is_file())?;
            let changed = found.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            let tag = format!("\"{:x}-{:x}\"", changed.as_nanos(), found.len());
            Some((tag, std::fs::read(&path).ok()?))
        });
        match read.await {
            Ok(Some((tag, data))) => web::content(file, &tag, data, headers),
            _ => nothing(),
        }
    }

    pub(crate) fn nothing_here(&self, entered: &Entered, headers: &HeaderMap) -> Response {
        let problem = Problem::nothing_here(&entered.reader(), self.now());
        self.proxy.refuse(entered, &problem, headers)
    }

    pub(crate) fn now(&self) -> Moment {
        self.repository.now()
    }

    fn too_large(&self, entered: &Entered, headers: &HeaderMap, limit: usize) -> Response {
        let problem = Problem::too_large(limit, self.now());
        problem.log("edge", &entered.screened.address.to_string(), "the body is too large");
        let mut response = self.proxy.refuse(entered, &problem, headers);
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// Whether it is a visitor's request that is not about signing in or out: on the way to that
/// nobody waits for the crowd, and what waits for an identity provider computes nothing.
fn takes_turns(entered: &Entered) -> bool {
    let is_visitor = entered.guest.as_ref().is_some_and(|guest| guest.session.is_anonymous());
    is_visitor && !entered.route.is_approach()
}

fn body_limit(entered: &Entered) -> usize {
    if takes_turns(entered) { VISITOR_BODY_LIMIT } else { BODY_LIMIT }
}

/// Why a body was not read.
enum BodyError {
    TooLarge,
    Broken,
}

/// The same body, here as a whole.
async fn read(body: Body) -> Result<Body, BodyError> {
    let read = axum::body::to_bytes(body, VISITOR_BODY_LIMIT).await;
    read.map(Body::from).map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(at) = cause {
            if at.is::<LengthLimitError>() {
                return BodyError::TooLarge;
            }
            cause = at.source();
        }
        BodyError::Broken
    })
}

fn is_too_large(headers: &HeaderMap, limit: usize) -> bool {
    headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok())
        .is_some_and(|length| length > limit as u64)
}

fn is_read_only(route: &Route) -> bool {
    !matches!(
        route,
        Route::Login
            | Route::Logout
            | Route::OtherSessions
            | Route::Personal
            | Route::SamlAssertion
            | Route::LiveSession { .. }
            | Route::Qrs(_)
            | Route::Nothing
    )
}

/// The page of the app whose socket somebody opened in the address bar.
fn socket_page(base: &str, name: &SocketName) -> Response {
    let location = match name.app.as_deref().map(str::parse::<AppId>) {
        Some(Ok(app)) => {
            format!("{base}{}", path::write(&["sense".into(), "app".into(), app.text()]))
        }
        _ => format!("{base}/hub"),
    };
    redirect(StatusCode::FOUND, &location)
}

/// A name that means a file in its folder on every system: no device, no stream, no dot first.
fn is_plain_file_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let is_device = matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (stem.len() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")));
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name.chars().all(is_plain)
        && !is_device
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
