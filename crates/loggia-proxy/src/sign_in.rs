//! The login page, logging in, logging out, and the page after it.

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::LengthLimitError;
use loggia_auth::secret::form_token;
use loggia_auth::{Person, Proof, SessionSecret, SignIn, SignInFailure, sign_in};
use loggia_model::entity::AnonymousMode;
use loggia_model::{Moment, Prefix, Principal, SessionEnd};
use loggia_repository::{Code, Gate, Refusal, UtcOffset};
use serde_json::json;
use tracing::info;

use crate::cookie;
use crate::headers::form_leads_to;
use crate::host::Origin;
use crate::method::Manner;
use crate::ours::{Demand, has_xrf_key, header_token, is_ours, is_token_of};
use crate::page::{Html, Page, PageKind};
use crate::path::CanonicalPath;
use crate::problem::{Link, Problem, page_response};
use crate::proxy::{Entered, Proxy, redirect, same};
use crate::query::Query;
use crate::route::{Chosen, Need, Route, choose};
use crate::target::Target;

/// Longest login or logout form, in bytes.
const MAX_FORM: usize = 16 * 1_024;

impl Proxy {
    /// `GET` and `POST /login`.
    pub async fn login(
        &self,
        entered: &Entered,
        method: &Method,
        headers: &HeaderMap,
        body: Body,
    ) -> Response {
        if !entered.can_log_in() {
            let problem = self.nobody_logs_in(entered);
            return self.refuse(entered, &problem, headers);
        }
        match *method {
            Method::GET | Method::HEAD => self.show_login(entered, headers).await,
            Method::POST => self.do_login(entered, headers, body).await,
            _ => self.wrong_method(entered, headers, "GET, POST"),
        }
    }

    /// `POST /logout`.
    pub async fn logout(
        &self,
        entered: &Entered,
        method: &Method,
        headers: &HeaderMap,
        body: Body,
    ) -> Response {
        if *method != Method::POST {
            return self.wrong_method(entered, headers, "POST");
        }
        let logged_out = format!("{}/loggedout", entered.base());
        let done = redirect(StatusCode::SEE_OTHER, &logged_out);
        let Some(guest) = &entered.guest else { return done };
        let token = match header_token(headers) {
            Some(token) => Some(token.to_owned()),
            None => {
                let form = read_form(body).await.ok();
                form.and_then(|form| form.get("csrf").map(str::to_owned))
            }
        };
        let has_token = is_token_of(guest, token.as_deref());
        let demand = Demand::SenderOrProof;
        if let Some(refused) = self.refuse_forged(entered, headers, guest, demand, has_token) {
            return refused;
        }
        self.shared().sessions.end(&guest.session, SessionEnd::LoggedOut);
        // Not from here: a browser follows the answer to a form to its own site only, because the
        // page said so.
        let farewell = self.farewell(entered, &guest.session).await;
        let kept = farewell.and_then(|there| {
            let address = Some(entered.screened.address);
            self.shared().farewells.put(there, None, address, self.now()).ok()
        });
        let done = match kept {
            Some(token) => {
                redirect(StatusCode::SEE_OTHER, &format!("{logged_out}?farewell={token}"))
            }
            None => done,
        };
        self.without_cookie(entered, done)
    }

    /// `POST /logout/others`: ends the caller's other sessions, at every entrance, and goes on with
    /// this one.
    pub async fn end_others(
        &self,
        entered: &Entered,
        method: &Method,
        headers: &HeaderMap,
        body: Body,
    ) -> Response {
        if *method != Method::POST {
            return self.wrong_method(entered, headers, "POST");
        }
        let form = read_form(body).await.unwrap_or_else(|_| Query::parse(""));
        let back = redirect(StatusCode::SEE_OTHER, &self.target(entered, &form));
        let Some(guest) = &entered.guest else { return back };
        let has_token = is_token_of(guest, header_token(headers).or(form.get("csrf")));
        // Unlike logging out, this reaches beyond the browser at hand: the token is always asked for.
        let demand = Demand::Proof;
        if let Some(refused) = self.refuse_forged(entered, headers, guest, demand, has_token) {
            return refused;
        }
        let ended = self.shared().sessions.end_others(&guest.session, SessionEnd::LoggedOut);
        let principal = &guest.caller.principal;
        info!(target: "loggia::session", ended, "{principal} ended {ended} other sessions");
        back
    }

    /// `GET /loggedout`.
    #[must_use]
    pub fn logged_out(&self, entered: &Entered) -> Response {
        let base = entered.base();
        let text = "Your session on this computer has ended.";
        let mut problem = Problem::new(StatusCode::OK, "", "You are logged out", text, self.now());
        problem.reference = String::new();
        let login = Link::new("Log in again", format!("{base}/login"));
        let hub = format!("{base}/hub");
        (problem.action, problem.secondary) = match entered.entrance.anonymous {
            AnonymousMode::Never => (Some(login), None),
            AnonymousMode::Allowed | AnonymousMode::SilentFirst => {
                (Some(login), Some(Link::new("Go on as a visitor", hub)))
            }
            AnonymousMode::Always => (Some(Link::new("Go to the hub", hub)), None),
        };
        let token = entered.screened.query.get("farewell").unwrap_or_default();
        let there = self.shared().farewells.take(token, None, self.now());
        let onward = there
            .as_deref()
            .and_then(|there| HeaderValue::from_str(&format!("0; url={there}")).ok());
        if let Some(there) = there.filter(|_| onward.is_some()) {
            problem.text =
                "Your session here has ended. The identity provider is told, too.".to_owned();
            problem.secondary = problem.action.take();
            problem.action = Some(Link::new("Log out at the identity provider", there));
        }
        let mut response = problem.page(&self.shared().templates, self.block(entered));
        if let Some(onward) = onward {
            response.headers_mut().insert(header::REFRESH, onward);
        }
        response
    }

    /// `GET` and `DELETE /qps/user`.
    #[must_use]
    pub fn personal(&self, entered: &Entered, method: &Method, headers: &HeaderMap) -> Response {
        match *method {
            Method::GET | Method::HEAD => self.who_am_i(entered),
            Method::DELETE => {
                let Some(guest) = &entered.guest else {
                    let inactive = json_response(&json!({ "session": "inactive" }));
                    return self.without_cookie(entered, inactive);
                };
                let has_proof = has_xrf_key(&entered.screened.query, headers)
                    || is_token_of(guest, header_token(headers));
                let demand = Demand::SenderOrProof;
                if let Some(refused) =
                    self.refuse_forged(entered, headers, guest, demand, has_proof)
                {
                    return refused;
                }
                self.shared().sessions.end(&guest.session, SessionEnd::LoggedOut);
                self.without_cookie(entered, json_response(&json!({ "session": "inactive" })))
            }
            _ => self.wrong_method(entered, headers, "GET, DELETE"),
        }
    }

    /// `GET /qps/csrftoken`.
    #[must_use]
    pub fn csrf_token(&self, entered: &Entered) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if let Some(guest) = &entered.guest
            && let Ok(token) = HeaderValue::from_str(&guest.session.csrf)
        {
            response.headers_mut().insert("qlik-csrf-token", token);
        }
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn who_am_i(&self, entered: &Entered) -> Response {
        let principal = entered.guest.as_ref().map(|guest| &guest.caller.principal);
        let mut answer = match principal {
            Some(Principal::User { id, key }) => json!({
                "userId": key.id(),
                "userDirectory": key.directory(),
                "userName": self.display_name(*id, key),
                "logoutUri": format!("{}{}/qps/user", entered.origin(), entered.base()),
                "session": "active",
            }),
            Some(principal) => json!({
                "userId": principal.user_id(),
                "userDirectory": principal.directory(),
                "session": "inactive",
            }),
            None => json!({ "session": "inactive" }),
        };
        let is_user = matches!(principal, Some(Principal::User { .. }));
        if !is_user
            && entered.can_log_in()
            && let Some(uri) = entered.screened.query.get("targetUri")
            && let Some(uri) = self.login_uri(entered, uri)
            && let Some(members) = answer.as_object_mut()
        {
            members.insert("loginUri".to_owned(), json!(uri));
        }
        json_response(&answer)
    }

    /// The whole address of the login page that leads back to `target_uri`; none when that is on
    /// a host which the entrance does not list.
    #[must_use]
    pub fn login_uri(&self, entered: &Entered, target_uri: &str) -> Option<String> {
        let is_allowed = Target::is_allowed_uri(
            target_uri,
            &entered.screened.host,
            &entered.entrance.host_allow_list,
        );
        is_allowed.then(|| {
            let target = crate::query::encode(target_uri);
            format!("{}{}/login?targetUri={target}", entered.origin(), entered.base())
        })
    }

    async fn show_login(&self, entered: &Entered, headers: &HeaderMap) -> Response {
        let target = self.target(entered, &entered.screened.query);
        let is_user = entered.guest.as_ref().is_some_and(|guest| !guest.session.is_anonymous());
        if is_user {
            return redirect(StatusCode::SEE_OTHER, &target);
        }
        let manner = self.manner(entered, headers);
        if let Some(mut away) = self.lead_to_provider(entered, headers, &target, manner).await {
            if manner == Manner::Silent
                && let Some(tried) = cookie::tried(&entered.entrance, entered.screened.is_secure)
            {
                away.headers_mut().append(header::SET_COOKIE, tried);
            }
            return away;
        }
        self.login_page(entered, headers, &target, "", None)
    }

    fn manner(&self, entered: &Entered, headers: &HeaderMap) -> Manner {
        let asks_silently = entered.screened.query.get("silent") == Some("yes")
            && entered.entrance.anonymous == AnonymousMode::SilentFirst;
        if asks_silently && Proxy::can_try_silently(entered) {
            Manner::Silent
        } else if cookie::has_left(&entered.entrance, headers) {
            Manner::AskAnew
        } else {
            Manner::Ask
        }
    }

    /// The form, with what was typed before and why that did not do.
    fn login_page(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        target: &str,
        username: &str,
        problem: Option<&Problem>,
    ) -> Response {
        let (csrf, set_cookie) = match &entered.guest {
            Some(guest) => (guest.session.csrf.to_string(), None),
            None => {
                // Several tabs share the cookie, so that each tab's form stays good.
                let known = form_secret(entered, headers);
                let is_new = known.is_none();
                match known.map_or_else(SessionSecret::random, Ok) {
                    Ok(secret) => {
                        let is_secure = entered.screened.is_secure;
                        let line = cookie::form(&entered.entrance, &secret.reveal(), is_secure);
                        (form_token(&secret), line.filter(|_| is_new))
                    }
                    Err(error) => {
                        let problem = Problem::internal(&error.to_string(), self.now());
                        return self.refuse(entered, &problem, headers);
                    }
                }
            }
        };
        let mut data = self.block(entered);
        if let Some(members) = data.as_object_mut() {
            members.insert("csrf".to_owned(), json!(csrf));
            members.insert("target".to_owned(), json!(target));
            if !username.is_empty() {
                members.insert("username".to_owned(), json!(username));
            }
        }
        // Where nobody comes in without signing in, this page is the refusal: it has the code and
        // the reference that the log has.
        if problem.is_none() && entered.entrance.anonymous == AnonymousMode::Never {
            let refusal = self.asks_to_sign_in(entered);
            if let Some(members) = data.as_object_mut() {
                let code = refusal.code.as_str();
                let reference = refusal.reference;
                members.insert("asked".to_owned(), json!({ "code": code, "reference": reference }));
            }
        }
        let content = form_html(entered, target, username, &csrf, problem);
        let data = problem.map_or(data.clone(), |problem| problem.in_block(data));
        let page = Page { kind: PageKind::Login, title: "Log in".to_owned(), data, content };
        let mut response = page_response(&self.shared().templates, &page);
        if let Some(problem) = problem {
            response = problem.finish(response);
        }
        if let Some(line) = set_cookie {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
        // A path of ours has no origin, and the form leads nowhere else then.
        if let Some(origin) = Origin::of_address(target) {
            form_leads_to(response.headers_mut(), &origin);
        }
        response
    }

    async fn do_login(&self, entered: &Entered, headers: &HeaderMap, body: Body) -> Response {
        let now = self.now();
        let address = entered.screened.address.to_string();
        let form = match read_form(body).await {
            Ok(form) => form,
            Err(error) => {
                let problem = match error {
                    FormError::TooLarge => Problem::too_large(MAX_FORM, now),
                    FormError::Broken => Problem::broken_body(now),
                };
                return self.refuse(entered, &problem, headers);
            }
        };
        let target = self.target(entered, &form);
        let username = form.get("username").unwrap_or_default();
        let username: String = username.chars().take(256).collect();
        let show = |problem: &Problem| {
            if problem_as_json(headers) {
                problem.json()
            } else {
                self.login_page(entered, headers, &target, &username, Some(problem))
            }
        };
        let has_token = has_form_token(entered, headers, form.get("csrf"));
        if !is_ours(entered, headers, Demand::Proof, has_token) {
            let text = "This page was open for too long. Please try again.";
            let status = StatusCode::FORBIDDEN;
            let problem = Problem::new(status, "REQ-CSRF", "Not logged in", text, now);
            problem.log("entrance", &address, "login form without its token");
            return show(&problem);
        }
        let password = form.get("password").unwrap_or_default().to_owned();
        let presented = SignIn {
            name: username.clone(),
            password,
            address: Some(entered.screened.address),
            now,
        };
        match sign_in(&self.shared().schemes, &presented).await {
            Ok(person) => match self.let_in(entered, headers, person, Proof::by("form"), &target) {
                Ok(response) => response,
                Err(problem) => self.refuse(entered, &problem, headers),
            },
            Err(failure) => {
                let problem = failed(failure, now);
                problem.log("entrance", &address, &failure.to_string());
                show(&problem)
            }
        }
    }

    /// A session for somebody who proved who they are. The visitor's session, if there was one,
    /// is dead afterwards.
    pub(crate) fn let_in(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        person: Person,
        proof: Proof,
        target: &str,
    ) -> Result<Response, Box<Problem>> {
        let now = self.now();
        let principal = self.known_person(entered, &person)?;
        let (session, cookie) = self
            .begin_user(entered, principal.clone(), person.attributes, proof, now)
            .map_err(|error| Box::new(Problem::internal(&error.to_string(), now)))?;
        self.tell_start(entered, &session, headers)?;
        if let Some(guest) = &entered.guest {
            self.replace(&guest.session, &principal);
        }
        let mut response = redirect(StatusCode::SEE_OTHER, target);
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        if form_secret(entered, headers).is_some()
            && let Some(gone) = cookie::no_form(&entered.entrance, entered.screened.is_secure)
        {
            response.headers_mut().append(header::SET_COOKIE, gone);
        }
        Ok(response)
    }

    /// The user of whom a sign-in told, made when they come for the first time.
    pub(crate) fn known_person(
        &self,
        entered: &Entered,
        person: &Person,
    ) -> Result<Principal, Box<Problem>> {
        let now = self.now();
        let user = self
            .shared()
            .repository
            .ensure_user(&person.key, &person.name, &[])
            .map_err(|error| Box::new(Problem::internal(&error.to_string(), now)))?;
        let principal = Principal::User { id: user.id, key: user.key.clone() };
        if user.is_blocked || user.is_inactive {
            let refusal = self.inactive(entered, &principal, now);
            return Err(Box::new(Problem::of_refusal(&refusal, &entered.reader())));
        }
        Ok(principal)
    }

    fn inactive(&self, entered: &Entered, principal: &Principal, now: Moment) -> Refusal {
        let refusal = Refusal {
            code: Code::AccInactive,
            gate: Gate::Account,
            time: now,
            reference: loggia_auth::random_reference().unwrap_or_default(),
            principal: principal.to_string(),
            is_anonymous: false,
            session: None,
            address: Some(entered.screened.address),
            entrance: entered.entrance.prefix.clone(),
            app: None,
            finding: "signed in, but the account is blocked or inactive".to_owned(),
            renews: None,
            pools: Vec::new(),
            offset: UtcOffset::UTC,
            explanation: None,
            version: self.shared().repository.site().version(),
        };
        self.shared().repository.refused(refusal)
    }

    /// Where to go after login: what was asked for if that is ours, else the hub.
    pub(crate) fn target(&self, entered: &Entered, query: &Query) -> String {
        let uri = query.get("targetUri").or_else(|| query.get("target"));
        if let Some(uri) = uri
            && Target::from_uri(uri, &entered.screened.host).is_none()
            && Target::is_allowed_uri(
                uri,
                &entered.screened.host,
                &entered.entrance.host_allow_list,
            )
            && uri.bytes().all(|byte| byte.is_ascii_graphic())
        {
            // A page elsewhere that the entrance lists, such as a portal that embeds the hub.
            return uri.to_owned();
        }
        let asked = match (query.get("target"), query.get("targetUri")) {
            (Some(path), _) => {
                Target::from_path(path).or_else(|| Target::from_uri(path, &entered.screened.host))
            }
            (None, Some(uri)) => Target::from_uri(uri, &entered.screened.host),
            (None, None) => None,
        };
        asked
            .filter(|target| target.path().is_some_and(|path| self.is_a_place(&path)))
            .map_or_else(|| format!("{}/hub", entered.base()), |target| target.as_str().to_owned())
    }

    /// Whether a person can be sent to the path: a page of an entrance that exists.
    fn is_a_place(&self, path: &CanonicalPath) -> bool {
        let site = self.shared().repository.site();
        let is_entrance = |prefix: &Prefix| site.entrance(prefix).is_some();
        match choose(path.segments(), false, is_entrance) {
            Chosen::Entrance { route, .. } => {
                route.need() == Need::Page || matches!(route, Route::Root | Route::SocketPage(_))
            }
            Chosen::UnknownEntrance | Chosen::Nothing => false,
        }
    }

    fn without_cookie(&self, entered: &Entered, mut response: Response) -> Response {
        let gone = cookie::no_session(&entered.entrance, entered.screened.is_secure);
        let left = cookie::left(&entered.entrance, entered.screened.is_secure);
        for line in gone.into_iter().chain(left) {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
        response
    }

    pub(crate) fn nobody_logs_in(&self, entered: &Entered) -> Problem {
        let mut problem = Problem::nothing_here(&entered.reader(), self.now());
        problem.text = "Nobody logs in at this entrance: it is for visitors.".to_owned();
        problem
    }

    /// The answer to a method that the address does not have.
    #[must_use]
    pub fn wrong_method(
        &self,
        entered: &Entered,
        headers: &HeaderMap,
        allowed: &'static str,
    ) -> Response {
        let text = "This address does not take that kind of request.";
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let problem = Problem::new(status, "REQ-METHOD", "Not possible", text, self.now());
        let mut response = self.refuse(entered, &problem, headers);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        response
    }
}

/// Whether the form was made for this browser.
fn has_form_token(entered: &Entered, headers: &HeaderMap, token: Option<&str>) -> bool {
    match (&entered.guest, token) {
        (Some(guest), token) => is_token_of(guest, token),
        (None, Some(token)) => {
            form_secret(entered, headers).is_some_and(|secret| same(token, &form_token(&secret)))
        }
        (None, None) => false,
    }
}

fn form_secret(entered: &Entered, headers: &HeaderMap) -> Option<SessionSecret> {
    let name = cookie::form_name(&entered.entrance);
    cookie::values(headers, &name).find_map(SessionSecret::parse)
}

fn problem_as_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"))
}

/// Why there is no form to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum FormError {
    #[error("the form is too large")]
    TooLarge,
    #[error("the form did not arrive as a whole")]
    Broken,
}

async fn read_form(body: Body) -> Result<Query, FormError> {
    let bytes = axum::body::to_bytes(body, MAX_FORM).await.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(at) = cause {
            if at.is::<LengthLimitError>() {
                return FormError::TooLarge;
            }
            cause = at.source();
        }
        FormError::Broken
    })?;
    Ok(Query::parse(&String::from_utf8_lossy(&bytes)))
}

fn failed(failure: SignInFailure, now: Moment) -> Problem {
    let (status, code, text) = match failure {
        SignInFailure::Unrecognised | SignInFailure::WrongCredentials => (
            StatusCode::UNAUTHORIZED,
            "ACC-PASSWORD",
            "The name or the password is not right.".to_owned(),
        ),
        SignInFailure::TooManyAttempts { wait_seconds } => (
            StatusCode::TOO_MANY_REQUESTS,
            "ACC-ATTEMPTS",
            format!("There were many attempts. Please try again in {}.", duration(wait_seconds)),
        ),
        SignInFailure::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "ACC-BUSY",
            "Many people are logging in right now. Please try again in a moment.".to_owned(),
        ),
        SignInFailure::Unreachable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "ACC-DIRECTORY",
            "The sign-in service cannot be reached. Please try again later.".to_owned(),
        ),
        SignInFailure::Broken => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "Logging in failed inside the hub. Please try again.".to_owned(),
        ),
    };
    let mut problem = Problem::new(status, code, "Not logged in", &text, now);
    if let SignInFailure::TooManyAttempts { wait_seconds } = failure {
        problem.retry_after = Some(wait_seconds);
    }
    problem
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..=1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// The form for browsers without scripts.
fn form_html(
    entered: &Entered,
    target: &str,
    username: &str,
    csrf: &str,
    problem: Option<&Problem>,
) -> Html {
    let mut html = Html::default().markup("<main class=\"card-page\">");
    html = html.markup("<form class=\"card login\" method=\"post\" action=\"");
    html = html.plain(&format!("{}/login", entered.base())).markup("\"><h1>Log in</h1>");
    if let Some(problem) = problem {
        html = html.markup("<p role=\"alert\">").plain(&problem.text).markup("</p>");
    }
    html = html
        .markup("<label class=\"field\"><span>User name</span><input name=\"username\" required ")
        .markup("autocomplete=\"username\" value=\"")
        .plain(username)
        .markup("\"></label><label class=\"field\"><span>Password</span><input name=\"password\" ")
        .markup("type=\"password\" required autocomplete=\"current-password\"></label>")
        .markup("<input type=\"hidden\" name=\"target\" value=\"")
        .plain(target)
        .markup("\"><input type=\"hidden\" name=\"csrf\" value=\"")
        .plain(csrf)
        .markup(
            "\"><button type=\"submit\" class=\"button primary\">Log in</button></form></main>",
        );
    html
}

/// JSON that no cache keeps.
#[must_use]
pub fn json_response(value: &serde_json::Value) -> Response {
    written_json(value.to_string())
}

/// Written JSON that no cache keeps.
#[must_use]
pub fn written_json(json: String) -> Response {
    let mut response = Response::new(Body::from(json));
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
