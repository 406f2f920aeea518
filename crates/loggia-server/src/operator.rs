//! What the operator's own listener says: whether the server lives, whether it serves, and how
//! much it has to do, as text that Prometheus reads. Nothing here names anybody.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode};
use loggia_proxy::headers;
use loggia_proxy::problem::ProblemCode;
use parking_lot::Mutex;

use crate::clock;
use crate::front::Front;

/// How many answers of which kind were given since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// By the first digit of the status.
    classes: [AtomicU64; 5],
    refusals: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counts {
    pub(crate) fn count(&self, response: &Response) {
        let class = usize::from(response.status().as_u16() / 100).wrapping_sub(1);
        if let Some(class) = self.classes.get(class) {
            class.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(ProblemCode(code)) = response.extensions().get() {
            *self.refusals.lock().entry(code).or_default() += 1;
        }
    }
}

/// Answers one request on the operator's listener.
pub(crate) async fn answer(front: Arc<Front>, request: Request<Body>) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_ready = front.is_ready.load(Ordering::Relaxed);
    let (status, text) = match request.uri().path() {
        _ if !is_read => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        "/healthz" => (StatusCode::OK, "ok".to_owned()),
        "/readyz" if is_ready => (StatusCode::OK, "ready".to_owned()),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, "not yet".to_owned()),
        "/metrics" => match tokio::task::spawn_blocking(move || metrics(&front)).await {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        },
        _ => (StatusCode::NOT_FOUND, "see /healthz, /readyz and /metrics".to_owned()),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers::protect(response.headers_mut());
    response
}

/// The text of `/metrics`.
fn metrics(front: &Front) -> String {
    let mut text = String::new();
    let sessions = front.proxy.sessions().all();
    let visitors = sessions.iter().filter(|session| session.is_anonymous()).count();
    let of_users = sessions.len().saturating_sub(visitors);
    drop(sessions);
    family(&mut text, "loggia_sessions", "gauge", "Sessions of visitors and of people.");
    let _ = writeln!(text, "loggia_sessions{{kind=\"visitor\"}} {visitors}");
    let _ = writeln!(text, "loggia_sessions{{kind=\"user\"}} {of_users}");
    family(&mut text, "loggia_sockets", "gauge", "Engine sockets that are open.");
    let _ = writeln!(text, "loggia_sockets {}", *front.sockets.borrow());
    family(&mut text, "loggia_answers_total", "counter", "Answers by the class of their status.");
    for (class, count) in front.counts.classes.iter().enumerate() {
        let count = count.load(Ordering::Relaxed);
        let _ = writeln!(text, "loggia_answers_total{{status=\"{}xx\"}} {count}", class + 1);
    }
    family(&mut text, "loggia_refusals_total", "counter", "Refusals by their code.");
    for (code, count) in front.counts.refusals.lock().iter() {
        let _ = writeln!(text, "loggia_refusals_total{{code=\"{code}\"}} {count}");
    }
    trail_metrics(&mut text, front);
    if let Some(certificates) = &front.certificates {
        let name = "loggia_certificate_days_left";
        family(&mut text, name, "gauge", "Whole days until the certificate ends.");
        let _ = writeln!(text, "{name} {}", certificates.days_left(clock::wall()));
    }
    text
}

/// What the audit trail has written, and what it could not.
fn trail_metrics(text: &mut String, front: &Front) {
    let state = front.repository.trail_state();
    let name = "loggia_audit_events_total";
    family(text, name, "counter", "Events that this server wrote into the audit trail, by kind.");
    for (kind, count) in &state.written {
        let _ = writeln!(text, "{name}{{event=\"{kind}\"}} {count}");
    }
    let name = "loggia_audit_waiting";
    family(text, name, "gauge", "Events that wait for being written.");
    let _ = writeln!(text, "{name} {}", state.waiting);
    let name = "loggia_audit_lost_total";
    family(
        text,
        name,
        "counter",
        "Visits that found no room while the trail could not be written.",
    );
    let _ = writeln!(text, "{name} {}", state.lost);
    let name = "loggia_audit_refused_total";
    family(text, name, "counter", "Acts refused since they could not be recorded.");
    let _ = writeln!(text, "{name} {}", state.refused);
    let name = "loggia_audit_blocked";
    family(text, name, "gauge", "Whether the audit trail cannot be written now.");
    let _ = writeln!(text, "{name} {}", u8::from(state.is_blocked));
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
