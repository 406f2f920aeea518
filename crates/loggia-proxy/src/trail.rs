//! What the audit trail hears of sessions: who came, from where, how they proved who they are, and
//! who they turned out to be.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use loggia_auth::Session;
use loggia_model::{Caller, Moment, Principal, SessionEnd};
use loggia_repository::loggia_audit::{Event, Kind};
use loggia_repository::{Code, Site};

use crate::problem::Problem;
use crate::proxy::{Entered, Proxy};

impl Proxy {
    /// Tells of a session that began. Where an administrator's cannot be recorded it ends at once.
    pub(crate) fn tell_start(
        &self,
        entered: &Entered,
        session: &Arc<Session>,
        request: &HeaderMap,
    ) -> Result<(), Box<Problem>> {
        let screened = &entered.screened;
        let method = session.proof.as_ref().map_or("none", |proof| proof.method.as_str());
        let text = |name| request.get(name).map(|value: &HeaderValue| lossy(value.as_bytes()));
        let mut event = self
            .about(session, Kind::SessionStart)
            .with("method", method)
            .with("os", screened.agent.os)
            .with("device", screened.agent.device)
            .with("browser", screened.agent.browser.clone())
            .with("landing", format!("/{}", screened.path.segments().join("/")));
        event.entrance = entered.entrance.prefix.to_string();
        event.address = Some(screened.address);
        // The same as the name of the browser's first visit: it says no more than that name does.
        let browser = entered.guest.as_ref().filter(|_| session.is_anonymous());
        if let Some(browser) = browser.and_then(|guest| guest.browser) {
            event = event.with("visitor", browser.0.simple().to_string());
        }
        if let Some(host) = text(header::REFERER).and_then(|address| host_of(&address)) {
            event = event.with("referrer", host);
        }
        if let Some(agent) = text(header::USER_AGENT) {
            event = event.personal("userAgent", agent);
        }
        let repository = &self.shared().repository;
        // A class that never fails closed.
        let _ = repository.record(event);
        if !is_administrator(&repository.site(), &session.principal) {
            return Ok(());
        }
        let mut login = self.about(session, Kind::AdminLogin).with("method", method);
        login.entrance = entered.entrance.prefix.to_string();
        login.address = Some(screened.address);
        repository.record(login).map_err(|_| {
            self.sessions().end(session, SessionEnd::Closed);
            let text = "Signing in cannot be recorded at the moment, and so it is not possible.";
            Box::new(unrecorded(text, self.now()))
        })
    }

    /// Somebody is about to end another's session, which they may not where it cannot be recorded.
    pub fn tell_ending(&self, by: &Caller, session: &Session) -> Result<(), Box<Problem>> {
        let repository = &self.shared().repository;
        let event = Event::by(by, Kind::AdminSessionEnded, repository.now())
            .with("of", session.principal.to_string())
            .with("ended", session.id.text());
        repository.record(event).map_err(|_| {
            let text =
                "Ending sessions cannot be recorded at the moment, and so it is not possible.";
            Box::new(unrecorded(text, self.now()))
        })
    }

    /// A session that a trusted program began for somebody.
    pub(crate) fn tell_start_from_outside(&self, session: &Arc<Session>, by: &str) {
        let event =
            self.about(session, Kind::SessionStart).with("method", "session").with("by", by);
        let _ = self.shared().repository.record(event);
    }

    /// A visitor turned out to be somebody.
    pub(crate) fn tell_upgrade(&self, before: &Session, principal: &Principal) {
        let event = self
            .about(before, Kind::SessionUpgrade)
            .with("from", before.principal.to_string())
            .with("to", principal.to_string());
        let _ = self.shared().repository.record(event);
    }

    /// Tells of sessions when they end, from now on.
    pub(crate) fn tell_ends(&self) {
        let repository = self.shared().repository.clone();
        self.sessions().on_end(move |session, end| {
            let seconds = session.last_active().millis_since(session.started).max(0) / 1_000;
            let event = about(&repository.site(), session, Kind::SessionEnd, repository.now())
                .with("reason", format!("{end:?}"))
                .with("seconds", seconds);
            let _ = repository.record(event);
        });
    }

    fn about(&self, session: &Session, kind: Kind) -> Event {
        let repository = &self.shared().repository;
        about(&repository.site(), session, kind, repository.now())
    }
}

fn about(site: &Site, session: &Session, kind: Kind, now: Moment) -> Event {
    let entrance = site.virtual_proxy(session.entrance).map(|entrance| entrance.prefix.to_string());
    Event {
        principal: session.principal.to_string(),
        is_anonymous: session.is_anonymous(),
        session: Some(session.id),
        entrance: entrance.unwrap_or_default(),
        address: session.address,
        ..Event::new(kind, now)
    }
}

fn unrecorded(text: &str, now: Moment) -> Problem {
    let status = http::StatusCode::SERVICE_UNAVAILABLE;
    Problem::new(status, Code::AuditBlocked.as_str(), "Not now", text, now)
}

/// Whoever has a role may do more than look.
fn is_administrator(site: &Site, principal: &Principal) -> bool {
    let Principal::User { id, .. } = principal else { return false };
    site.user(*id).is_some_and(|user| !user.roles.is_empty())
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..bytes.len().min(1_024)).unwrap_or_default()).into_owned()
}

/// The host that a page came from; the rest of its address is nobody's business.
fn host_of(address: &str) -> Option<String> {
    let rest = address.split_once("://")?.1;
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit('@').next()?;
    (!host.is_empty()).then(|| host.to_lowercase())
}
