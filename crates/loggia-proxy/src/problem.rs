//! What does somebody read who is turned away? One true sentence, a code, a reference that leads
//! to the log line, and the one thing to do next. Never a rule's text, nor the name of anything
//! they may not know.

use std::net::IpAddr;

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http::{HeaderMap, StatusCode};
use loggia_model::Moment;
use loggia_repository::{Code, Gate, Refusal, UtcOffset};
use serde_json::{Value, json};
use tracing::info;

use crate::edge::EdgeFault;
use crate::headers;
use crate::page::{Html, Page, PageKind, Templates};

/// An answer other than what was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub status: StatusCode,
    pub code: &'static str,
    pub title: String,
    pub text: String,
    pub reference: String,
    pub time: Moment,
    /// When trying again makes sense, if that is known.
    pub renews: Option<Moment>,
    /// `DIRECTORY\\id` of who is turned away; none for visitors.
    pub principal: Option<String>,
    pub action: Option<Link>,
    pub secondary: Option<Link>,
    /// A button that changes something; it comes before the others.
    pub form: Option<Form>,
    /// Seconds after which trying again makes sense.
    pub retry_after: Option<u64>,
}

/// The code of the problem that an answer is about, among the answer's extensions, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemCode(pub &'static str);

/// A button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub label: &'static str,
    pub href: String,
}

/// A button that sends a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    pub label: &'static str,
    pub action: String,
    /// The token of the session, without which the form counts for nothing.
    pub csrf: String,
    /// Where to go afterwards.
    pub target: String,
}

/// Who is turned away, and what they could do instead.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    pub is_visitor: bool,
    /// Address of the entrance: empty or `/public`.
    pub base: String,
    /// Login page that leads back to what was asked for; none where nobody can log in.
    pub login: Option<String>,
    /// The token of the reader's session, and what they asked for.
    pub csrf: String,
    pub target: String,
}

impl Link {
    #[must_use]
    pub fn new(label: &'static str, href: impl Into<String>) -> Link {
        Link { label, href: href.into() }
    }
}

impl Problem {
    /// A problem without buttons.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: &str,
        text: &str,
        now: Moment,
    ) -> Problem {
        Problem {
            status,
            code,
            title: title.to_owned(),
            text: text.to_owned(),
            reference: loggia_auth::random_reference().unwrap_or_default(),
            time: now,
            renews: None,
            principal: None,
            action: None,
            secondary: None,
            form: None,
            retry_after: None,
        }
    }

    /// A refusal that was logged already, in words for its reader.
    #[must_use]
    pub fn of_refusal(refusal: &Refusal, reader: &Reader) -> Problem {
        let hub = Link::new("Back to the hub", format!("{}/hub", reader.base));
        let login = reader.login.clone().map(|href| Link::new("Log in", href));
        let words = refusal.words(reader.is_visitor);
        let (action, secondary) = match refusal.code {
            Code::EntLogin => (login, None),
            Code::EntUnknown => (None, None),
            Code::SesTimeout | Code::SesOut => (login.or(Some(hub)), None),
            Code::EntFull => (login, None),
            // Nothing in this entrance is for somebody whose account is refused, but another
            // person may use the same browser.
            Code::AccInactive => {
                let again = || Link::new("Try again", format!("{}/login", reader.base));
                (reader.login.is_some().then(again), None)
            }
            // Nobody's log-in gives this entrance a node.
            Code::NodeNone => (Some(hub), None),
            _ if reader.is_visitor => match login {
                Some(login) => (Some(login), Some(hub)),
                None => (Some(hub), None),
            },
            _ => (Some(hub), None),
        };
        let form = |label, path| Form {
            label,
            action: format!("{}{path}", reader.base),
            csrf: reader.csrf.clone(),
            target: reader.target.clone(),
        };
        let form = match refusal.code {
            Code::LicSessions => Some(form("End my other sessions", "/logout/others")),
            Code::AccInactive if !reader.is_visitor => Some(form("Log out", "/logout")),
            _ => None,
        };
        let wait = refusal.renews.map(|renews| renews.millis_since(refusal.time));
        Problem {
            status: status(refusal.code),
            code: refusal.code.as_str(),
            title: words.title.to_owned(),
            text: words.text,
            reference: refusal.reference.clone(),
            time: refusal.time,
            renews: refusal.renews,
            // Whoever asks for help with it may be somebody else than they think they are here.
            principal: (!reader.is_visitor).then(|| refusal.principal.clone()),
            action,
            secondary,
            form,
            retry_after: wait.filter(|wait| *wait > 0).map(|wait| wait.unsigned_abs() / 1_000 + 1),
        }
    }

    /// What the edge turned away; logged here.
    #[must_use]
    pub fn of_edge_fault(fault: &EdgeFault, address: &str, now: Moment) -> Problem {
        let text = format!("The request was not understood: {fault}.");
        let problem = Problem::new(fault.status(), fault.code(), "Bad request", &text, now);
        problem.log("edge", address, &fault.to_string());
        problem
    }

    /// There is nothing at the address, for anybody.
    #[must_use]
    pub fn nothing_here(reader: &Reader, now: Moment) -> Problem {
        let text = "There is nothing at this address.";
        let mut problem = Problem::new(StatusCode::NOT_FOUND, "NOT-FOUND", "Not found", text, now);
        problem.action = Some(Link::new("Go to the hub", format!("{}/hub", reader.base)));
        problem
    }

    /// The server could not do its work; `detail` is for the log only.
    #[must_use]
    pub fn internal(detail: &str, now: Moment) -> Problem {
        let text = "Something went wrong inside the hub. Trying again may help.";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let problem = Problem::new(status, "INTERNAL", "Something went wrong", text, now);
        tracing::error!(reference = problem.reference, "{detail}");
        problem
    }

    /// Whether a licence covers the visit cannot be told; `detail` is for the log only.
    #[must_use]
    pub fn licence_untold(detail: &str, reader: &Reader, now: Moment) -> Problem {
        let text = "Whether a licence covers your visit cannot be told at the moment. Try again \
                    in a minute.";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut problem = Problem::new(status, "LIC-INVALID", "Licences cannot be read", text, now);
        tracing::error!(reference = problem.reference, "the ledger of licences failed: {detail}");
        problem.action = Some(Link::new("Try again", reader.target.clone()));
        problem.retry_after = Some(60);
        problem
    }

    /// The body is larger than what this address takes.
    #[must_use]
    pub fn too_large(limit: usize, now: Moment) -> Problem {
        let text = format!("The request's body is larger than the {limit} bytes taken here.");
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Problem::new(status, "REQ-SIZE", "Too large", &text, now)
    }

    /// A body that ended before it was whole, or whose framing was refused.
    #[must_use]
    pub fn broken_body(now: Moment) -> Problem {
        let text = "The request's body did not arrive as a whole.";
        Problem::new(StatusCode::BAD_REQUEST, "REQ-BODY", "Bad request", text, now)
    }

    /// Writes the log line of a refusal that the repository did not make.
    pub fn log(&self, gate: &'static str, principal: &str, finding: &str) {
        info!(
            target: "loggia::refusal",
            code = self.code,
            gate,
            principal,
            reference = self.reference,
            "refused {principal} at the {gate} gate: {finding}"
        );
    }

    /// The answer for programs.
    #[must_use]
    pub fn json(&self) -> Response {
        let body = json!({
            "code": self.code,
            "title": self.title,
            "detail": self.text,
            "reference": self.reference,
            "time": iso(self.time),
            "renews": self.renews.map(iso),
            "principal": self.principal,
        });
        let mut response = Response::new(Body::from(body.to_string()));
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.finish(response)
    }

    /// The answer for people: `block` is the data block without the message.
    #[must_use]
    pub fn page(&self, templates: &Templates, block: Value) -> Response {
        let page = Page {
            kind: PageKind::Message,
            title: self.title.clone(),
            data: self.in_block(block),
            content: self.content(),
        };
        self.finish(page_response(templates, &page))
    }

    /// The same on another page, such as the login form.
    #[must_use]
    pub fn in_block(&self, mut block: Value) -> Value {
        if let Some(members) = block.as_object_mut() {
            members.insert("message".to_owned(), self.message());
        }
        block
    }

    /// The message as HTML for those without scripts.
    #[must_use]
    pub fn content(&self) -> Html {
        let mut html = Html::default()
            .markup("<main class=\"card-page\"><section class=\"card\"><h1>")
            .plain(&self.title)
            .markup("</h1><p>")
            .plain(&self.text)
            .markup("</p>");
        if let Some(form) = &self.form {
            html = html.html(&form.html());
        }
        for link in self.action.iter().chain(&self.secondary) {
            html = html.markup("<p>").link(&link.href, link.label).markup("</p>");
        }
        if !self.reference.is_empty() {
            html = html
                .markup("<p><small>")
                .plain(self.code)
                .markup(" · ")
                .plain(&self.reference)
                .markup(" · ")
                .plain(&iso(self.time));
            if let Some(principal) = &self.principal {
                html = html.markup(" · ").plain(principal);
            }
            html = html.markup("</small></p>");
        }
        html.markup("</section></main>")
    }

    /// Status and headers that both kinds of answer have.
    #[must_use]
    pub fn finish(&self, mut response: Response) -> Response {
        *response.status_mut() = self.status;
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(ProblemCode(self.code));
        response
    }

    fn message(&self) -> Value {
        let link = |link: &Option<Link>| match link {
            Some(link) => json!({ "label": link.label, "href": link.href }),
            None => Value::Null,
        };
        json!({
            "code": self.code,
            "status": self.status.as_u16(),
            "title": self.title,
            "text": self.text,
            "reference": self.reference,
            "time": iso(self.time),
            "renews": self.renews.map(iso),
            "principal": self.principal,
            "action": link(&self.action),
            "secondary": link(&self.secondary),
            "form": self.form.as_ref().map(|form| json!({
                "label": form.label,
                "action": form.action,
                "csrf": form.csrf,
                "target": form.target,
            })),
        })
    }
}

impl Form {
    fn html(&self) -> Html {
        Html::default()
            .markup("<form method=\"post\" action=\"")
            .plain(&self.action)
            .markup("\"><input type=\"hidden\" name=\"csrf\" value=\"")
            .plain(&self.csrf)
            .markup("\"><input type=\"hidden\" name=\"target\" value=\"")
            .plain(&self.target)
            .markup("\"><button type=\"submit\" class=\"button primary\">")
            .plain(self.label)
            .markup("</button></form>")
    }
}

/// A page as a response.
#[must_use]
pub fn page_response(templates: &Templates, page: &Page) -> Response {
    let mut response = Response::new(Body::from(templates.fill(page)));
    headers::page(&mut response, page.kind);
    response
}

/// A page that is written already as a response.
#[must_use]
pub fn written_page(kind: PageKind, html: String) -> Response {
    let mut response = Response::new(Body::from(html));
    headers::page(&mut response, kind);
    response
}

/// Whether the sender shows what it gets to a person.
#[must_use]
pub fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"))
}

/// `2026-11-24T08:15:30.123Z`.
#[must_use]
pub fn iso(moment: Moment) -> String {
    jiff::Timestamp::from_millisecond(moment.0)
        .map(|timestamp| format!("{timestamp:.3}"))
        .unwrap_or_default()
}

fn status(code: Code) -> StatusCode {
    match code {
        Code::LicNone
        | Code::LicAnonKind
        | Code::LicEmpty
        | Code::LicSessions
        | Code::AccInactive => StatusCode::FORBIDDEN,
        // Both look the same: who may not know that something is there learns nothing.
        Code::RuleDenied | Code::EntUnknown => StatusCode::NOT_FOUND,
        Code::NodeNone | Code::AuditBlocked => StatusCode::SERVICE_UNAVAILABLE,
        Code::SesTimeout | Code::SesOut | Code::EntLogin => StatusCode::UNAUTHORIZED,
        Code::EntFull | Code::LicAddress => StatusCode::TOO_MANY_REQUESTS,
        #[allow(unreachable_patterns, reason = "codes may be added before their status is")]
        _ => StatusCode::FORBIDDEN,
    }
}

/// A refusal at the entrance, where there may be no caller yet, not told to anybody so far.
#[must_use]
pub fn entrance_refusal(
    code: Code,
    address: IpAddr,
    entrance: &loggia_model::Prefix,
    finding: &str,
    now: Moment,
    version: u64,
) -> Refusal {
    Refusal {
        code,
        gate: Gate::Entrance,
        time: now,
        reference: loggia_auth::random_reference().unwrap_or_default(),
        principal: address.to_string(),
        is_anonymous: true,
        session: None,
        address: Some(address),
        entrance: entrance.clone(),
        app: None,
        finding: finding.to_owned(),
        renews: None,
        pools: Vec::new(),
        offset: UtcOffset::UTC,
        explanation: None,
        version,
    }
}
