//! Credentials that come with a request: a ticket in the query, a header by a trusted sender, a
//! bearer token. Rows 1 to 3 of the table in `spec/access.md` §2.4.
//!
//! What is wrong with a credential stands in the log. Whoever sent it gets the same answer as
//! somebody who sent none.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::response::Response;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use loggia_auth::{
    Credentials, HeaderForm, KeySource, NewSession, Outside, Person, Proof, Sender, Session,
    person_of_header,
};
use loggia_model::entity::{AuthenticationMethod, VirtualProxy};
use loggia_model::{Moment, Prefix, Principal, SessionEnd, VirtualProxyId};
use loggia_repository::Site;
use tracing::info;

use crate::cookie;
use crate::edge::Network;
use crate::problem::Problem;
use crate::proxy::{Entered, Proxy, redirect};
use crate::route::{Need, Route};

/// The query parameter that carries a ticket.
pub(crate) const TICKET: &str = "qlikTicket";

/// What came of looking at a request's credentials.
pub(crate) enum Presence {
    /// There is nothing to look at, or nothing that changes who it is.
    Unchanged,
    /// The request goes on in this person's session.
    Seated(Arc<Session>),
    Answer(Box<Response>),
    /// A credential that lets nobody in, and the answer to it. It counts as a stranger's request.
    Refused(Box<Response>),
    /// The socket opens, only to say that its opener must sign in.
    TellSocket,
}

/// The values of the headers by which entrances are told who comes, set aside before the edge
/// strips what nobody outside may send.
pub(crate) struct Claimed {
    /// The other end of the connection, which is what trust is about: never the client that it
    /// forwards for.
    peer: IpAddr,
    values: Vec<(VirtualProxyId, Vec<HeaderValue>)>,
}

enum Brought {
    Nothing,
    Person(Person, &'static str),
    /// Something that lets nobody in; the text is for the log.
    Invalid(String),
}

impl Claimed {
    pub(crate) fn of(site: &Site, headers: &HeaderMap, peer: IpAddr) -> Claimed {
        let mut claimed = Vec::new();
        for entrance in site.virtual_proxies().filter(|entrance| is_by_header(entrance)) {
            let name = entrance.header.name.trim();
            // These carry identity between services; no setting makes them mean anything here.
            if name.is_empty() || name.to_ascii_lowercase().starts_with("x-qlik-") {
                continue;
            }
            let values: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
            if !values.is_empty() {
                claimed.push((entrance.id, values));
            }
        }
        Claimed { peer, values: claimed }
    }

    fn at(&self, entrance: VirtualProxyId) -> &[HeaderValue] {
        let found = self.values.iter().find(|(id, _)| *id == entrance);
        found.map(|(_, values)| values.as_slice()).unwrap_or_default()
    }
}

impl Proxy {
    /// Fetches the keys that a bearer token of this request needs, where they are elsewhere. It is
    /// the one thing at the entrance that may wait.
    pub async fn prepare(&self, path: &str, headers: &HeaderMap) {
        let Some(Ok(token)) = bearer(headers) else { return };
        let site = self.shared().repository.site();
        let first = path.split('/').nth(1).unwrap_or_default();
        let named = first.parse::<Prefix>().ok().and_then(|prefix| site.entrance(&prefix));
        let Some(entrance) = named.or_else(|| site.entrance(&Prefix::default_entrance())) else {
            return;
        };
        if entrance.method == AuthenticationMethod::Jwt && entrance.anonymous.takes_users() {
            let (tokens, now) = (&self.shared().tokens, self.now());
            tokens.prepare(entrance.id, &entrance.jwt, token, now).await;
        }
    }

    /// Looks at what the request brings beside its cookie, whose session is `session`.
    pub(crate) fn look_at_credentials(
        &self,
        entered: &mut Entered,
        session: Option<&Arc<Session>>,
        claimed: &Claimed,
        method: &Method,
        headers: &HeaderMap,
    ) -> Presence {
        if !entered.entrance.anonymous.takes_users() || !takes_credentials(&entered.route) {
            return Presence::Unchanged;
        }
        let user = session.filter(|session| !session.is_anonymous());
        let is_page = matches!(*method, Method::GET | Method::HEAD) && is_page(&entered.route);
        let ticket = entered.screened.query.get(TICKET).map(str::to_owned);
        if let Some(ticket) = ticket {
            if user.is_some() {
                // A valid session comes first; the ticket stays good for whom it is meant.
                return if is_page { without_ticket(entered) } else { Presence::Unchanged };
            }
            let address = entered.screened.address;
            let tickets = &self.shared().tickets;
            let brought = match tickets.redeem(&ticket, entered.entrance.id, address, self.now()) {
                Ok(person) => Brought::Person(person, "ticket"),
                Err(error) => Brought::Invalid(error.to_string()),
            };
            return self.let_brought_in(entered, session, brought, headers, is_page);
        }
        let brought = match entered.entrance.method {
            AuthenticationMethod::HeaderStatic | AuthenticationMethod::HeaderDynamic => {
                by_header(&entered.entrance, claimed.at(entered.entrance.id), claimed.peer)
            }
            AuthenticationMethod::Jwt => self.by_token(entered, headers),
            AuthenticationMethod::Ticket
            | AuthenticationMethod::Saml
            | AuthenticationMethod::Oidc => Brought::Nothing,
        };
        let is_same = |person: &Person| {
            user.is_some_and(|session| {
                matches!(&session.principal, Principal::User { key, .. } if *key == person.key)
            })
        };
        match brought {
            Brought::Nothing => Presence::Unchanged,
            Brought::Person(person, _) if is_same(&person) => Presence::Unchanged,
            Brought::Invalid(finding) if user.is_some() => {
                self.log_invalid(entered, &finding);
                Presence::Unchanged
            }
            brought => self.let_brought_in(entered, session, brought, headers, is_page),
        }
    }

    fn let_brought_in(
        &self,
        entered: &mut Entered,
        session: Option<&Arc<Session>>,
        brought: Brought,
        headers: &HeaderMap,
        is_page: bool,
    ) -> Presence {
        let (person, method) = match brought {
            Brought::Nothing => return Presence::Unchanged,
            Brought::Person(person, method) => (person, method),
            Brought::Invalid(finding) => {
                let problem = self.log_invalid(entered, &finding);
                return self.turn_away(entered, &problem, headers, is_page);
            }
        };
        match self.begin_brought(entered, session, person, method, headers) {
            Ok((session, cookie)) => {
                entered.set_cookie(cookie);
                if method == "ticket" && is_page {
                    return without_ticket(entered);
                }
                Presence::Seated(session)
            }
            Err(problem) => Presence::Answer(Box::new(self.refuse(entered, &problem, headers))),
        }
    }

    /// The answer to a credential that lets nobody in: as if there had been none.
    fn turn_away(
        &self,
        entered: &mut Entered,
        problem: &Problem,
        headers: &HeaderMap,
        is_page: bool,
    ) -> Presence {
        if is_page {
            // Leads to the login page, or in as a visitor. A bad ticket would only fail again.
            return match entered.screened.query.get(TICKET) {
                Some(_) => without_ticket(entered),
                None => Presence::Unchanged,
            };
        }
        if entered.screened.is_socket {
            return Presence::TellSocket;
        }
        let mut response = self.refuse(entered, problem, headers);
        if entered.entrance.method == AuthenticationMethod::Jwt {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        Presence::Refused(Box::new(response))
    }

    fn log_invalid(&self, entered: &Entered, finding: &str) -> Problem {
        let problem = self.unauthenticated();
        problem.log("entrance", &entered.screened.address.to_string(), finding);
        problem
    }

    /// What everybody reads whose credential does not let them in.
    pub(crate) fn unauthenticated(&self) -> Problem {
        let text = "This entrance asks everyone to log in.";
        Problem::new(StatusCode::UNAUTHORIZED, "ENT-LOGIN", "Log in first", text, self.now())
    }

    /// A session for the person; for those who bring their credential each time, the one they have.
    fn begin_brought(
        &self,
        entered: &Entered,
        before: Option<&Arc<Session>>,
        person: Person,
        method: &'static str,
        headers: &HeaderMap,
    ) -> Result<(Arc<Session>, Option<HeaderValue>), Box<Problem>> {
        let now = self.now();
        let principal = self.known_person(entered, &person)?;
        let Principal::User { id, .. } = principal else {
            return Err(Box::new(self.unauthenticated()));
        };
        let entrance = &entered.entrance;
        let address = entered.screened.address;
        let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
        let sender = Sender::new(entrance.id, id, address, &person.attributes, agent);
        let new = NewSession {
            attributes: person.attributes,
            ..self.new_session(entered, principal.clone(), Proof::by(method))
        };
        let mut is_new = false;
        let begin = || {
            is_new = true;
            self.sessions().begin(new, now)
        };
        let begun =
            if method == "ticket" { begin() } else { self.shared().merging.session(sender, begin) };
        let begun = begun.map_err(|error| Box::new(Problem::internal(&error.to_string(), now)))?;
        // Requests that come at once share one session.
        if is_new {
            self.tell_start(entered, &begun.session, headers)?;
        }
        if let Some(before) = before.filter(|before| before.id != begun.session.id) {
            self.replace(before, &principal);
        }
        let is_secure = entered.screened.is_secure;
        let cookie = cookie::session(entrance, &begun.secret.reveal(), is_secure);
        Ok((begun.session, cookie))
    }

    /// Ends a session whose browser goes on as `principal`.
    pub(crate) fn replace(&self, before: &Arc<Session>, principal: &Principal) {
        if before.is_anonymous() {
            let from = &before.principal;
            info!(
                target: "loggia::session",
                event = "session.upgrade",
                from = %from,
                to = %principal,
                "visitor {from} signed in as {principal}"
            );
            (self.shared().on_upgrade)(from, principal);
            self.tell_upgrade(before, principal);
            self.sessions().end(before, SessionEnd::Upgraded);
        } else {
            self.sessions().end(before, SessionEnd::Closed);
        }
    }

    fn by_token(&self, entered: &Entered, headers: &HeaderMap) -> Brought {
        match bearer(headers) {
            None => Brought::Nothing,
            Some(Err(finding)) => Brought::Invalid(finding.to_owned()),
            Some(Ok(token)) => {
                let (id, settings) = (entered.entrance.id, &entered.entrance.jwt);
                let wall: Moment = self.shared().repository.now();
                match self.shared().tokens.verify(id, settings, token, wall) {
                    Ok(person) => Brought::Person(person, "jwt"),
                    Err(error) => Brought::Invalid(format!("bearer token: {error}")),
                }
            }
        }
    }
}

fn by_header(entrance: &VirtualProxy, values: &[HeaderValue], peer: IpAddr) -> Brought {
    if values.is_empty() {
        return Brought::Nothing;
    }
    let settings = &entrance.header;
    let is_trusted = settings
        .trusted_senders
        .iter()
        .filter_map(|text| text.parse::<Network>().ok())
        .any(|network| network.contains(peer));
    if !is_trusted {
        let name = &settings.name;
        return Brought::Invalid(format!(
            "header {name} from {peer}, which is not among the entrance's trusted senders"
        ));
    }
    let form = match entrance.method {
        AuthenticationMethod::HeaderDynamic => {
            HeaderForm::Dynamic { pattern: &settings.dynamic_directory }
        }
        _ => HeaderForm::Static { directory: &settings.static_directory },
    };
    match person_of_header(form, values.iter().map(HeaderValue::as_bytes)) {
        Ok(Some(person)) => Brought::Person(person, "header"),
        Ok(None) => Brought::Nothing,
        Err(error) => Brought::Invalid(format!("header {}: {error}", settings.name)),
    }
}

fn is_by_header(entrance: &VirtualProxy) -> bool {
    matches!(
        entrance.method,
        AuthenticationMethod::HeaderStatic | AuthenticationMethod::HeaderDynamic
    )
}

/// The bearer token of a request that brings one.
fn bearer(headers: &HeaderMap) -> Option<Result<&str, &'static str>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?;
    let value = value.to_str().ok()?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    if values.next().is_some() {
        return Some(Err("more than one Authorization header"));
    }
    Some(Ok(token.trim()))
}

/// Routes at which somebody can become somebody. What is the same for everybody makes no session,
/// and what ends a session begins none.
fn takes_credentials(route: &Route) -> bool {
    match route {
        Route::Root | Route::Login | Route::Personal | Route::SocketPage(_) => true,
        route => route.need() != Need::Nobody,
    }
}

/// Where a browser goes on after its ticket was taken.
fn is_page(route: &Route) -> bool {
    matches!(route, Route::Root | Route::Login | Route::SocketPage(_)) || route.need() == Need::Page
}

/// The same address without the ticket, so that it stays in no history and no referrer.
fn without_ticket(entered: &Entered) -> Presence {
    let path = entered.screened.path.as_str();
    let location = match entered.screened.query.without(TICKET).as_str() {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    };
    Presence::Answer(Box::new(redirect(StatusCode::FOUND, &location)))
}

/// Key sets of addresses by the client that asks identity providers, and of `file:NAME` from the
/// one folder for them.
pub(crate) struct OutsideKeys {
    pub(crate) outside: Outside,
    pub(crate) folder: PathBuf,
}

impl OutsideKeys {
    async fn read(&self, name: &str) -> Result<String, String> {
        const LARGEST: u64 = 1024 * 1024;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
            return Err(format!("{name:?} is no name of a file in the folder for keys"));
        }
        let file = self.folder.join(name);
        let read = tokio::task::spawn_blocking(move || {
            let found = std::fs::symlink_metadata(&file)?;
            if !found.is_file() || found.len() > LARGEST {
                return Err(std::io::Error::other("it is no file of at most a megabyte"));
            }
            std::fs::read_to_string(&file)
        });
        match read.await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(format!("the key set {name} cannot be read: {error}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl KeySource for OutsideKeys {
    fn fetch<'a>(
        &'a self,
        address: &'a str,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        Box::pin(async move {
            if let Some(name) = address.strip_prefix("file:") {
                return self.read(name).await;
            }
            let fetched = self
                .outside
                .get(address, Credentials::None)
                .await
                .map_err(|error| error.to_string())?;
            if fetched.status != 200 {
                return Err(format!("the answer has status {}", fetched.status));
            }
            String::from_utf8(fetched.body).map_err(|error| error.to_string())
        })
    }
}
