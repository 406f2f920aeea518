//! A request's way through the entrance: edge, entrance, session, caller.

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use loggia_auth::{
    BeginError, Limiter, Merging, NewSession, OidcClients, Outside, Pending, PendingLimits, Proof,
    Scheme, Session, SessionSecret, Sessions, Tickets, Times, Tokens, VisitorCaps, VisitorKey,
    VisitorMark,
};
use loggia_model::entity::{AnonymousMode, VirtualProxy};
use loggia_model::{
    Caller, Environment, Moment, Prefix, Principal, RequestContext, SessionEnd, VisitorId,
};
use loggia_repository::{Code, Refusal, Repository, Site};
use serde::Serialize;
use serde_json::Value;

use crate::admit::{Admission, Ask, Presented, admit};
use crate::agent::Agents;
use crate::cookie;
use crate::credential::{Claimed, OutsideKeys, Presence, TICKET};
use crate::edge::{Network, Screened, screen};
use crate::headers;
use crate::host::Origin;
use crate::method::oidc::AtProvider;
use crate::method::saml::{AtIdentityProvider, Saml, Vouched};
use crate::page::{Product, Templates};
use crate::problem::{Problem, Reader, entrance_refusal, wants_html};
use crate::query::{self, Query};
use crate::route::{Chosen, Need, Route, choose};

/// The entrances of a server; clones share everything.
#[derive(Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
}

/// What the entrances need.
pub struct Ingredients {
    pub repository: Repository,
    pub sessions: Sessions,
    /// Ways to sign in, in the order they are asked.
    pub schemes: Vec<Box<dyn Scheme>>,
    pub templates: Templates,
    /// Forwarders that are believed when they name the client.
    pub trusted: Vec<Network>,
    /// Time for sessions: steady, also when the wall clock is set.
    pub clock: Arc<dyn Fn() -> Moment + Send + Sync>,
    /// The client that asks identity providers.
    pub outside: Outside,
    /// Folder of key sets that entrances name as `file:NAME`.
    pub keys: PathBuf,
    /// The hub's own key for SAML, and the assertions that were used.
    pub saml: Saml,
    /// What the cookies are signed with by which visitors' browsers are known again.
    pub visitor_key: VisitorKey,
    /// Called when a visitor has become a user, before the visitor's session ends.
    pub on_upgrade: Box<OnUpgrade>,
}

pub(crate) struct Shared {
    pub(crate) repository: Repository,
    pub(crate) sessions: Sessions,
    pub(crate) schemes: Vec<Box<dyn Scheme>>,
    pub(crate) templates: Templates,
    trusted: Vec<Network>,
    clock: Arc<dyn Fn() -> Moment + Send + Sync>,
    pub(crate) outside: Outside,
    pub(crate) oidc: OidcClients,
    /// Browsers that are at an OpenID Connect provider.
    pub(crate) at_oidc: Pending<AtProvider>,
    #[cfg_attr(not(feature = "saml"), expect(dead_code, reason = "SAML alone reads it"))]
    pub(crate) saml: Arc<Saml>,
    /// Browsers that are at a SAML provider, and people whose browsers come back from one.
    #[cfg_attr(not(feature = "saml"), expect(dead_code, reason = "SAML alone reads it"))]
    pub(crate) at_saml: Pending<AtIdentityProvider>,
    #[cfg_attr(not(feature = "saml"), expect(dead_code, reason = "SAML alone reads it"))]
    pub(crate) vouched: Pending<Vouched>,
    /// Addresses at which providers end their own sessions, for the page after logging out.
    pub(crate) farewells: Pending<String>,
    pub(crate) tickets: Tickets,
    pub(crate) tokens: Tokens,
    pub(crate) merging: Merging,
    /// Where login modules reach us; known once that listens.
    trusted_port: OnceLock<u16>,
    pub(crate) on_upgrade: Box<OnUpgrade>,
    pub(crate) limiter: Limiter,
    visitor_key: VisitorKey,
    agents: Agents,
}

/// Told who the visitor was and who they have become.
pub type OnUpgrade = dyn Fn(&Principal, &Principal) + Send + Sync;

/// What becomes of a request at the entrance.
pub enum Passage {
    /// It is answered here.
    Answer(Response),
    /// It goes on.
    Go(Box<Entered>),
}

/// A request that came through the entrance.
#[derive(Clone)]
pub struct Entered {
    pub screened: Screened,
    pub entrance: Arc<VirtualProxy>,
    pub route: Route,
    /// Nobody only where the route needs nobody, or where a socket is to be told to sign in.
    pub guest: Option<Guest>,
    pub must_sign_in: bool,
    /// Why a socket is opened only to be told that there is no place for its visitor.
    pub turned_away: Option<Box<Problem>>,
    set_cookie: Option<HeaderValue>,
    set_visitor_cookie: Option<HeaderValue>,
}

/// Whoever asks, with the session they ask in.
#[derive(Clone)]
pub struct Guest {
    pub session: Arc<Session>,
    pub caller: Caller,
    /// The browser that a visitor is in, as a cookie of ours says; it outlives the session.
    pub browser: Option<VisitorId>,
}

impl Proxy {
    #[must_use]
    pub fn new(from: Ingredients) -> Proxy {
        crate::changes::follow(&from.repository, &from.sessions);
        let proxy = Proxy {
            shared: Arc::new(Shared {
                repository: from.repository,
                sessions: from.sessions,
                schemes: from.schemes,
                templates: from.templates,
                trusted: from.trusted,
                clock: from.clock,
                oidc: OidcClients::new(from.outside.clone()),
                at_oidc: Pending::default(),
                saml: Arc::new(from.saml),
                at_saml: Pending::default(),
                // The browser comes at once, or not at all.
                vouched: Pending::new(PendingLimits {
                    lifetime_millis: 60_000,
                    ..PendingLimits::default()
                }),
                farewells: Pending::default(),
                tokens: Tokens::new(Arc::new(OutsideKeys {
                    outside: from.outside.clone(),
                    folder: from.keys,
                })),
                outside: from.outside,
                tickets: Tickets::default(),
                merging: Merging::default(),
                trusted_port: OnceLock::new(),
                on_upgrade: from.on_upgrade,
                limiter: Limiter::default(),
                visitor_key: from.visitor_key,
                agents: Agents::default(),
            }),
        };
        proxy.tell_ends();
        proxy
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    #[must_use]
    pub fn templates(&self) -> &Templates {
        &self.shared.templates
    }

    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.shared.sessions
    }

    /// The client that asks identity providers.
    #[must_use]
    pub fn outside(&self) -> &Outside {
        &self.shared.outside
    }

    /// The port of the interface for login modules and scripts, where there is one.
    #[must_use]
    pub fn trusted_port(&self) -> Option<u16> {
        self.shared.trusted_port.get().copied()
    }

    /// Makes the port of that interface known to login modules.
    pub fn set_trusted_port(&self, port: u16) {
        // Set twice only if somebody starts two such listeners; the first one is as good.
        let _ = self.shared.trusted_port.set(port);
    }

    /// The present moment, as sessions count it.
    #[must_use]
    pub fn now(&self) -> Moment {
        (self.shared.clock)()
    }

    /// Leads a request through gates 1 and 2. Headers that nobody outside may send are gone
    /// afterwards.
    pub fn enter(&self, parts: &mut Parts, peer: IpAddr, is_encrypted: bool) -> Passage {
        let now = self.now();
        let site = self.shared.repository.site();
        let claimed = Claimed::of(&site, &parts.headers, peer);
        let screened = match screen(parts, peer, is_encrypted, &self.shared.trusted) {
            Ok(screened) => screened,
            Err(fault) => {
                let problem = Problem::of_edge_fault(&fault, &peer.to_string(), now);
                let mut response = self.foreign(&problem, &parts.headers);
                // What cannot be read for certain ends the connection.
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
                return Passage::Answer(response);
            }
        };
        let is_entrance = |prefix: &Prefix| site.entrance(prefix).is_some();
        let (prefix, route) =
            match choose(screened.path.segments(), screened.is_socket, is_entrance) {
                Chosen::Entrance { prefix, route } => (prefix, route),
                Chosen::UnknownEntrance => {
                    return Passage::Answer(self.unknown_entrance(&site, &screened, parts));
                }
                Chosen::Nothing => {
                    let problem = Problem::nothing_here(&Reader::default(), now);
                    return Passage::Answer(self.foreign(&problem, &parts.headers));
                }
            };
        let Some(entrance) = site.entrance(&prefix).cloned() else {
            return Passage::Answer(self.unknown_entrance(&site, &screened, parts));
        };
        self.admit(parts, screened, entrance, route, now, &claimed)
    }

    /// Puts what every answer carries onto this one.
    pub fn finish(&self, entered: &Entered, response: &mut Response) {
        if let Some(cookie) = &entered.set_cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie.clone());
        }
        if let Some(cookie) = &entered.set_visitor_cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie.clone());
        }
        headers::protect(response.headers_mut());
        headers::of_entrance(response, &entered.entrance, entered.screened.is_secure);
        headers::additional(response, &entered.entrance);
    }

    /// A refusal as whoever asked can read it.
    #[must_use]
    pub fn refuse(&self, entered: &Entered, problem: &Problem, headers: &HeaderMap) -> Response {
        let is_page_route = entered.route.need() == Need::Page;
        let is_json = headers
            .get(header::ACCEPT)
            .is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
        if wants_html(headers) || (is_page_route && !is_json) {
            problem.page(&self.shared.templates, self.block(entered))
        } else {
            problem.json()
        }
    }

    /// The data block of every page of this request, without what the page is about.
    #[must_use]
    pub fn block(&self, entered: &Entered) -> Value {
        // Nothing in it can fail to be written: texts, and names that are texts.
        self.with_block(entered, |block| serde_json::to_value(block)).unwrap_or_default()
    }

    /// The same as text, written at once.
    #[must_use]
    pub fn written_block(&self, entered: &Entered) -> String {
        self.with_block(entered, |block| serde_json::to_string(block)).unwrap_or_default()
    }

    fn with_block<T>(&self, entered: &Entered, write: impl FnOnce(&Block<'_>) -> T) -> T {
        let base = entered.base();
        let csrf = entered.guest.as_ref().map(|guest| &*guest.session.csrf);
        let is_user = entered.guest.as_ref().is_some_and(|guest| !guest.session.is_anonymous());
        write(&Block {
            base: &base,
            entrance: EntranceBlock::of(&entered.entrance),
            product: if is_user { Product::FOR_USERS } else { Product::FOR_STRANGERS },
            me: self.me(entered, &base),
            csrf: csrf.unwrap_or_default(),
        })
    }

    fn me<'a>(&self, entered: &'a Entered, base: &str) -> Me<'a> {
        let can_log_in = entered.entrance.anonymous != AnonymousMode::Always;
        match entered.guest.as_ref().map(|guest| &guest.caller.principal) {
            Some(Principal::User { id, key }) => Me {
                is_anonymous: false,
                name: Cow::Owned(self.display_name(*id, key)),
                directory: Some(key.directory()),
                user_id: Some(key.id()),
                logout_url: Some(format!("{base}/logout")),
                login_url: None,
            },
            _ => Me { login_url: can_log_in.then(|| format!("{base}/login")), ..Me::VISITOR },
        }
    }

    /// What pages call the person.
    #[must_use]
    pub fn display_name(&self, id: loggia_model::UserId, key: &loggia_model::UserKey) -> String {
        let site = self.shared.repository.site();
        site.user(id).map_or_else(|| key.id().to_owned(), |user| user.name.clone())
    }

    /// Gate 2.
    fn admit(
        &self,
        parts: &Parts,
        screened: Screened,
        entrance: Arc<VirtualProxy>,
        route: Route,
        now: Moment,
        claimed: &Claimed,
    ) -> Passage {
        let cookies = cookie::sessions(&parts.headers, &entrance);
        let session =
            cookies.iter().find_map(|value| self.shared.sessions.find(value, entrance.id, now));
        let ask = Ask {
            need: route.need(),
            is_get: matches!(parts.method, Method::GET | Method::HEAD),
            forces_sign_in: screened
                .query
                .get("forceAuthentication")
                .is_some_and(|value| value.eq_ignore_ascii_case("yes")),
            can_try_silently: false,
        };
        let mut entered = Entered {
            screened,
            entrance,
            route,
            guest: None,
            must_sign_in: false,
            turned_away: None,
            set_cookie: None,
            set_visitor_cookie: None,
        };
        // Before a session is begun or used: a foreign page must not even learn whether there is
        // one.
        if entered.screened.is_socket && !self.origin_is_allowed(&entered, &parts.headers) {
            return Passage::Answer(self.foreign_origin(&entered, &parts.headers));
        }
        let session = match self.look_at_credentials(
            &mut entered,
            session.as_ref(),
            claimed,
            &parts.method,
            &parts.headers,
        ) {
            Presence::Unchanged => session,
            Presence::Seated(session) => Some(session),
            Presence::Answer(mut response) => {
                self.finish(&entered, &mut response);
                return Passage::Answer(*response);
            }
            Presence::Refused(mut response) => {
                let refused = Admission::Unauthenticated;
                if let Some(slowed) = self.slow_down(&entered, parts, refused, now) {
                    return Passage::Answer(slowed);
                }
                self.finish(&entered, &mut response);
                return Passage::Answer(*response);
            }
            Presence::TellSocket => {
                if let Some(slowed) = self.slow_down(&entered, parts, Admission::TellSocket, now) {
                    return Passage::Answer(slowed);
                }
                entered.must_sign_in = true;
                return Passage::Go(Box::new(entered));
            }
        };
        let presented = presented_by(session.as_deref());
        let ask = Ask {
            can_try_silently: Proxy::can_try_silently(&entered)
                && !cookie::was_tried(&entered.entrance, &parts.headers),
            ..ask
        };
        let admission = admit(entered.entrance.anonymous, presented, ask);
        let is_user = presented == Presented::User && admission == Admission::Use;
        if !is_user && let Some(response) = self.slow_down(&entered, parts, admission, now) {
            return Passage::Answer(response);
        }
        match admission {
            Admission::Use => {
                if let Some(session) = session {
                    self.shared.sessions.touch(&session, now);
                    self.seat(&mut entered, session);
                    self.recognise(&mut entered, &parts.headers, now);
                }
            }
            Admission::Nobody => {}
            Admission::TellSocket => entered.must_sign_in = true,
            Admission::BeginVisitor => {
                return self.begin_visitor(entered, &cookies, &parts.headers, now);
            }
            Admission::ReplaceByVisitor => {
                if let Some(session) = session {
                    self.shared.sessions.end(&session, SessionEnd::Closed);
                }
                return self.begin_visitor(entered, &[], &parts.headers, now);
            }
            Admission::SignIn if Proxy::is_told_by_credential(&entered) => {
                let mut response = self.credential_is_missing(&entered, &parts.headers);
                self.finish(&entered, &mut response);
                return Passage::Answer(response);
            }
            Admission::SignIn => {
                let location = entered.login_with_target();
                let mut response = redirect(StatusCode::FOUND, &location);
                self.finish(&entered, &mut response);
                return Passage::Answer(response);
            }
            Admission::TrySilently => {
                let location = format!("{}&silent=yes", entered.login_with_target());
                let mut response = redirect(StatusCode::FOUND, &location);
                self.finish(&entered, &mut response);
                return Passage::Answer(response);
            }
            Admission::Unauthenticated => {
                let refusal = self.asks_to_sign_in(&entered);
                let problem = Problem::of_refusal(&refusal, &entered.reader());
                let mut response = self.refuse(&entered, &problem, &parts.headers);
                self.finish(&entered, &mut response);
                return Passage::Answer(response);
            }
        }
        if let Some(response) = self.check_socket_token(&entered, &parts.headers) {
            return Passage::Answer(response);
        }
        Passage::Go(Box::new(entered))
    }

    /// The refusal of whoever has no session where visitors are not admitted, logged.
    pub(crate) fn asks_to_sign_in(&self, entered: &Entered) -> Refusal {
        let refusal = entrance_refusal(
            Code::EntLogin,
            entered.screened.address,
            &entered.entrance.prefix,
            "no session, and visitors are not admitted",
            self.now(),
            self.shared.repository.site().version(),
        );
        self.shared.repository.refused(refusal)
    }

    fn begin_visitor(
        &self,
        mut entered: Entered,
        cookies: &[&str],
        request: &HeaderMap,
        now: Moment,
    ) -> Passage {
        let entrance = Arc::clone(&entered.entrance);
        let caps = VisitorCaps {
            in_total: entrance.max_anonymous_sessions,
            per_address: entrance.max_anonymous_sessions_per_address,
        };
        let address = Some(entered.screened.address);
        let times = times(&entrance);
        let sessions = &self.shared.sessions;
        let begun = match cookies.iter().find_map(|value| SessionSecret::parse(value)) {
            Some(dead) => sessions.begin_visitor_for(&dead, entrance.id, times, address, caps, now),
            None => sessions
                .begin_visitor(entrance.id, times, address, caps, now)
                .map(|begun| (Some(begun.secret), begun.session)),
        };
        match begun {
            Ok((secret, session)) => {
                let is_new = secret.is_some();
                entered.set_cookie = secret.and_then(|secret| {
                    cookie::session(&entrance, &secret.reveal(), entered.screened.is_secure)
                });
                self.seat(&mut entered, Arc::clone(&session));
                self.recognise(&mut entered, request, now);
                if is_new && let Err(problem) = self.tell_start(&entered, &session, request) {
                    return Passage::Answer(self.refuse(&entered, &problem, request));
                }
                Passage::Go(Box::new(entered))
            }
            Err(error @ (BeginError::NoRandomness(_) | BeginError::Taken)) => {
                let problem = Problem::internal(&error.to_string(), now);
                Passage::Answer(self.refuse(&entered, &problem, request))
            }
            Err(BeginError::Full(_)) => self.nobody_fits(
                entered,
                request,
                "As many visitors as this entrance takes at a time are here.",
                "the entrance has as many visitors as it takes",
            ),
            Err(BeginError::FullForAddress(_)) => self.nobody_fits(
                entered,
                request,
                "As many visitors as one network may have at a time are here from yours.",
                "one address has as many visitors as it may have",
            ),
        }
    }

    /// Begins a user's session, and says which cookie carries it.
    pub(crate) fn begin_user(
        &self,
        entered: &Entered,
        principal: Principal,
        attributes: Vec<(String, String)>,
        proof: Proof,
        now: Moment,
    ) -> Result<(Arc<Session>, Option<HeaderValue>), BeginError> {
        let new = NewSession { attributes, ..self.new_session(entered, principal, proof) };
        let begun = self.shared.sessions.begin(new, now)?;
        let is_secure = entered.screened.is_secure;
        let cookie = cookie::session(&entered.entrance, &begun.secret.reveal(), is_secure);
        Ok((begun.session, cookie))
    }

    /// What a user's session at this entrance begins with.
    pub(crate) fn new_session(
        &self,
        entered: &Entered,
        principal: Principal,
        proof: Proof,
    ) -> NewSession {
        let entrance = &entered.entrance;
        NewSession {
            address: Some(entered.screened.address),
            proof: Some(Box::new(proof)),
            lifetime_minutes: entrance.lifetime_minutes,
            ..NewSession::new(entrance.id, principal, entrance.inactivity_minutes)
        }
    }

    fn seat(&self, entered: &mut Entered, session: Arc<Session>) {
        let screened = &entered.screened;
        session.note_agent(|| self.shared.agents.text(&screened.agent));
        let request_type = match entered.route {
            Route::Socket(_) => "WebSocket",
            Route::Hub { .. } | Route::App { .. } => "Http",
            _ => "Api",
        };
        let context = match entered.route.is_console() {
            true => RequestContext::Console,
            false => RequestContext::Hub,
        };
        let environment = Environment {
            ip: Some(screened.address),
            os: screened.agent.os.to_owned(),
            device: screened.agent.device.to_owned(),
            browser: screened.agent.browser.clone(),
            is_secure: screened.is_secure,
            virtual_proxy: entered.entrance.prefix.clone(),
            request_type: request_type.to_owned(),
            attributes: session.attributes.to_vec(),
        };
        let caller = Caller {
            principal: session.principal.clone(),
            context,
            environment,
            session: Some(session.id),
        };
        entered.guest = Some(Guest { session, caller, browser: None });
    }

    /// Finds out which browser a visitor is in, and sees to it that the browser is known again.
    ///
    /// A browser that shows nothing goes by the id of its first session: what it draws before its
    /// cookie comes back and afterwards is drawn by one and the same.
    fn recognise(&self, entered: &mut Entered, request: &HeaderMap, now: Moment) {
        let Some(lifetime) = entered.entrance.visitor_cookie.lifetime_seconds() else { return };
        let Some(guest) = &mut entered.guest else { return };
        let Principal::Anonymous(own) = guest.session.principal else { return };
        let is_new = guest.session.started == now;
        // Only what may draw on a licence asks for the browser, and a signature is dear beside all
        // else that the hub's page takes.
        let draws =
            matches!(entered.route, Route::App { .. } | Route::AppApi { .. } | Route::Socket(_));
        if !is_new && !draws {
            return;
        }
        let key = &self.shared.visitor_key;
        let entrance = entered.entrance.id;
        let mark = cookie::visitors(request, &entered.entrance)
            .find_map(|value| key.read(value, entrance, lifetime, now));
        let visitor = mark.map_or(own, |mark| mark.visitor);
        guest.browser = Some(visitor);
        if is_new && mark.is_none() || is_worth_signing(mark, &entered.route, now) {
            let value = key.sign(visitor, entrance, now);
            entered.set_visitor_cookie =
                cookie::visitor(&entered.entrance, &value, lifetime, entered.screened.is_secure);
        }
    }

    /// A browser always says where a socket was asked for from. What says nothing is no browser,
    /// and holds no cookie that it did not get on purpose.
    fn origin_is_allowed(&self, entered: &Entered, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return true };
        if origins.next().is_some() {
            return false;
        }
        let origin = origin.to_str().ok().and_then(Origin::parse);
        origin.is_some_and(|origin| {
            origin.is_of(&entered.screened.host)
                || origin.is_listed(&entered.entrance.host_allow_list)
        })
    }

    fn foreign_origin(&self, entered: &Entered, request: &HeaderMap) -> Response {
        let origin = request.get(header::ORIGIN).and_then(|value| value.to_str().ok());
        let text = "Sockets may be opened only from this hub's own pages.";
        let problem =
            Problem::new(StatusCode::FORBIDDEN, "REQ-ORIGIN", "Not from there", text, self.now());
        let finding = format!(
            "socket from origin {:?}, which entrance {:?} does not list",
            short(origin.unwrap_or_default()),
            entered.entrance.prefix.as_str()
        );
        problem.log("entrance", &entered.screened.address.to_string(), &finding);
        let mut response = problem.json();
        self.finish(entered, &mut response);
        response
    }

    /// A socket that brings a token must bring its session's.
    fn check_socket_token(&self, entered: &Entered, request: &HeaderMap) -> Option<Response> {
        if !entered.screened.is_socket {
            return None;
        }
        let token =
            entered.screened.query.get("qlik-csrf-token").filter(|text| !text.is_empty())?;
        let guest = entered.guest.as_ref()?;
        if same(token, &guest.session.csrf) {
            return None;
        }
        Some(self.forged(entered, &guest.caller.principal.to_string(), request))
    }

    /// The answer to a request without the token of its session.
    pub(crate) fn forged(
        &self,
        entered: &Entered,
        principal: &str,
        request: &HeaderMap,
    ) -> Response {
        let text = "The request did not come from a page of this hub, or the page is too old.";
        let now = self.now();
        let problem = Problem::new(StatusCode::FORBIDDEN, "REQ-CSRF", "Not accepted", text, now);
        problem.log("entrance", principal, "missing or wrong csrf token, or a foreign page");
        let mut response = self.refuse(entered, &problem, request);
        self.finish(entered, &mut response);
        response
    }

    fn unknown_entrance(&self, site: &Site, screened: &Screened, parts: &Parts) -> Response {
        let name = screened.path.segments().first().map(|name| short(name)).unwrap_or_default();
        let refusal = entrance_refusal(
            Code::EntUnknown,
            screened.address,
            &Prefix::default_entrance(),
            &format!("there is no entrance {name:?}"),
            self.now(),
            site.version(),
        );
        let refusal = self.shared.repository.refused(refusal);
        let problem = Problem::of_refusal(&refusal, &Reader::default());
        self.foreign(&problem, &parts.headers)
    }

    /// An answer to somebody who came through no entrance.
    #[must_use]
    pub fn foreign(&self, problem: &Problem, request: &HeaderMap) -> Response {
        let mut response = if wants_html(request) {
            let block = Block {
                base: "",
                entrance: EntranceBlock { prefix: "", anonymous: "never" },
                product: Product::FOR_STRANGERS,
                me: Me::VISITOR,
                csrf: "",
            };
            let block = serde_json::to_value(block).unwrap_or_default();
            problem.page(&self.shared.templates, block)
        } else {
            problem.json()
        };
        headers::protect(response.headers_mut());
        response
    }
}

impl Entered {
    /// Address of the entrance: empty or `/public`.
    #[must_use]
    pub fn base(&self) -> String {
        self.entrance.prefix.base()
    }

    /// Gives the answer this cookie line.
    pub(crate) fn set_cookie(&mut self, line: Option<HeaderValue>) {
        self.set_cookie = line;
    }

    /// `https://hub.example`, as the client addressed us.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.screened.is_secure { "https" } else { "http" };
        format!("{scheme}://{}", self.screened.host)
    }

    /// Whether somebody who is no visitor yet could sign in here.
    #[must_use]
    pub fn can_log_in(&self) -> bool {
        self.entrance.anonymous != AnonymousMode::Always
    }

    /// The path and query that were asked for, for coming back to.
    #[must_use]
    pub fn asked_for(&self) -> String {
        let path = self.screened.path.as_str();
        let query = Query::parse(&self.screened.query.without("forceAuthentication"));
        match query.without(TICKET).as_str() {
            "" => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }

    /// The login page that leads back to what was asked for.
    #[must_use]
    pub fn login_with_target(&self) -> String {
        format!("{}/login?target={}", self.base(), query::encode(&self.asked_for()))
    }

    /// This request's sender as the reader of a refusal.
    #[must_use]
    pub fn reader(&self) -> Reader {
        let is_visitor = self.guest.as_ref().is_none_or(|guest| guest.session.is_anonymous());
        let login = (is_visitor && self.can_log_in()).then(|| self.login_with_target());
        let csrf = self.guest.as_ref().map(|guest| guest.session.csrf.to_string());
        Reader {
            is_visitor,
            base: self.base(),
            login,
            csrf: csrf.unwrap_or_default(),
            target: self.asked_for(),
        }
    }
}

/// A redirect to an address of our own making.
#[must_use]
pub fn redirect(status: StatusCode, location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// How long the sessions of an entrance last.
pub(crate) fn times(entrance: &VirtualProxy) -> Times {
    Times {
        inactivity_minutes: entrance.inactivity_minutes,
        lifetime_minutes: entrance.lifetime_minutes,
    }
}

/// Compares secrets without telling by the time taken how much of them agrees.
pub(crate) fn same(a: &str, b: &str) -> bool {
    loggia_auth::secret::same_text(a, b)
}

/// Whether a browser that opens a page gets a new visitor cookie: one that has none, and one that
/// got its last one a minute ago or more. Anything else that a page loads need not carry it.
fn is_worth_signing(mark: Option<VisitorMark>, route: &Route, now: Moment) -> bool {
    let is_page = matches!(route.need(), Need::Page | Need::Socket);
    is_page && mark.is_none_or(|mark| now.millis_since(mark.signed) >= 60_000)
}

fn presented_by(session: Option<&Session>) -> Presented {
    match session {
        None => Presented::Nothing,
        Some(session) if session.is_anonymous() => Presented::Visitor,
        Some(_) => Presented::User,
    }
}

/// What every page is told. See `web/src/data.ts`.
#[derive(Serialize)]
struct Block<'a> {
    base: &'a str,
    entrance: EntranceBlock<'a>,
    product: Product,
    me: Me<'a>,
    csrf: &'a str,
}

#[derive(Serialize)]
struct EntranceBlock<'a> {
    prefix: &'a str,
    anonymous: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Me<'a> {
    is_anonymous: bool,
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logout_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_url: Option<String>,
}

impl EntranceBlock<'_> {
    fn of(entrance: &VirtualProxy) -> EntranceBlock<'_> {
        let anonymous = match entrance.anonymous {
            AnonymousMode::Never => "never",
            AnonymousMode::Allowed => "allowed",
            AnonymousMode::SilentFirst => "silentFirst",
            AnonymousMode::Always => "always",
        };
        EntranceBlock { prefix: entrance.prefix.as_str(), anonymous }
    }
}

impl Me<'_> {
    const VISITOR: Me<'static> = Me {
        is_anonymous: true,
        name: Cow::Borrowed("Visitor"),
        directory: None,
        user_id: None,
        logout_url: None,
        login_url: None,
    };
}

/// Text from outside, short enough for a log line.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
