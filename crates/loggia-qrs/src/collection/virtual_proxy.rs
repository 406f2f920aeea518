//! `/virtualproxyconfig`

use std::sync::Arc;

use loggia_model::entity::{AnonymousMode, SameSite, VirtualProxy};
use loggia_model::{Prefix, VirtualProxyId};
use loggia_repository::{GateOutcome, ManageError, Repository, Resource, Saved, VirtualProxyEdit};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Collection, shown};
use crate::body::Body;
use crate::call::{Answer, Call};
use crate::problem::{Problem, violations};
use crate::schema::{ANONYMOUS_MODES, AUTHENTICATION_METHODS, SAME_SITES, Schema, VIRTUAL_PROXY};
use crate::wire::{self, View};

pub(crate) struct VirtualProxies;

impl Collection for VirtualProxies {
    type Entity = Arc<VirtualProxy>;

    const SCHEMA: &'static Schema = &VIRTUAL_PROXY;

    fn list(call: &Call) -> Result<Vec<Arc<VirtualProxy>>, ManageError> {
        call.repository.virtual_proxies(&call.caller)
    }

    fn one(call: &Call, id: Uuid) -> Result<Arc<VirtualProxy>, ManageError> {
        call.repository.virtual_proxy_record(&call.caller, VirtualProxyId(id))
    }

    fn condensed(view: &View<'_>, entrance: &Arc<VirtualProxy>) -> Value {
        json!({
            "id": entrance.id,
            "prefix": entrance.prefix,
            "description": entrance.description,
            "authenticationModuleRedirectUri": "",
            "sessionModuleBaseUri": "",
            "loadBalancingModuleBaseUri": "",
            "useStickyLoadBalancing": false,
            "loadBalancingServerNodes": [],
            "authenticationMethod": 0,
            "headerAuthenticationMode": 0,
            "headerAuthenticationHeaderName": "",
            "headerAuthenticationStaticUserDirectory": "",
            "headerAuthenticationDynamicUserDirectory": "",
            "anonymousAccessMode": mode_number(entrance.anonymous),
            "windowsAuthenticationEnabledDevicePattern": "Windows",
            "sessionCookieHeaderName": entrance.session_cookie,
            "sessionCookieDomain": "",
            // A session cookie is Secure exactly where it can be: over HTTPS.
            "hasSecureAttributeHttps": true,
            "sameSiteAttributeHttps": same_site_number(entrance.same_site_https),
            "hasSecureAttributeHttp": false,
            "sameSiteAttributeHttp": same_site_number(entrance.same_site_http),
            "additionalResponseHeaders": entrance.additional_headers,
            "sessionInactivityTimeout": entrance.inactivity_minutes,
            "extendedSecurityEnvironment": entrance.extended_security,
            "websocketCrossOriginWhiteList": entrance.host_allow_list,
            "defaultVirtualProxy": entrance.prefix.is_default(),
            "maxAnonymousSessions": entrance.max_anonymous_sessions,
            "maxAnonymousSessionsPerIp": entrance.max_anonymous_sessions_per_address,
            "tags": wire::tags(&entrance.tags),
            "privileges": view.privileges(&Resource::VirtualProxy(entrance.id)),
        })
    }

    fn full(view: &View<'_>, entrance: &Arc<VirtualProxy>) -> Value {
        let condensed = VirtualProxies::condensed(view, entrance);
        wire::full(view, entrance.id.0, &entrance.stamp, VIRTUAL_PROXY.name, condensed, Value::Null)
    }
}

pub(crate) fn create(call: &Call) -> Result<Answer, Problem> {
    let mut body = call.body()?;
    let id = body.id().map(VirtualProxyId);
    let edit = read(&call.repository, body)?;
    let saved = call.repository.create_virtual_proxy(&call.caller, id, edit)?;
    Ok(Answer::Created(with_warnings(call, saved)?))
}

pub(crate) fn update(call: &Call) -> Result<Answer, Problem> {
    let id = VirtualProxyId(call.id()?);
    let mut body = call.body()?;
    let basis = body.modified();
    let edit = read(&call.repository, body)?;
    let saved = call.repository.update_virtual_proxy(&call.caller, id, basis, edit)?;
    Ok(Answer::Ok(with_warnings(call, saved)?))
}

pub(crate) fn delete(call: &Call) -> Result<Answer, Problem> {
    call.repository.delete_virtual_proxy(&call.caller, VirtualProxyId(call.id()?))?;
    Ok(Answer::NoContent)
}

/// Our own addition: could a visitor use this entrance, gate by gate. Apps that the caller may
/// not read are counted, not named.
pub(crate) fn anonymous_check(call: &Call) -> Result<Answer, Problem> {
    let entrance = VirtualProxies::one(call, call.id()?)?;
    let report = call.repository.check_anonymous(&entrance.prefix)?;
    let gates: Vec<_> = report
        .gates
        .iter()
        .map(|gate| {
            json!({
                "number": gate.number,
                "name": gate.name,
                "outcome": match gate.outcome {
                    GateOutcome::Pass => "pass",
                    GateOutcome::Fail => "fail",
                    GateOutcome::Skipped => "skipped",
                },
                "finding": gate.finding,
                "mend": gate.mend,
            })
        })
        .collect();
    let read = loggia_repository::Action::Read;
    let is_readable =
        |id| call.repository.decide(&call.caller, &Resource::App(id), read).is_allowed();
    let apps: Vec<_> = report
        .apps
        .iter()
        .filter(|app| is_readable(app.id))
        .map(|app| {
            json!({
                "id": app.id,
                "name": app.name,
                "stream": app.stream,
                "canList": app.can_list,
                "canOpen": app.can_open,
                "code": app.code.map(|code| code.as_str()),
                "finding": app.finding,
                "mend": app.mend,
            })
        })
        .collect();
    Ok(Answer::Ok(json!({
        "prefix": report.prefix,
        "open": report.is_open(),
        "gates": gates,
        "apps": apps,
        "appsNotShown": report.apps.len() - apps.len(),
    })))
}

fn with_warnings(call: &Call, saved: Saved<Arc<VirtualProxy>>) -> Result<Value, Problem> {
    let mut shown = shown::<VirtualProxies>(call, &saved.value)?;
    if let Some(members) = shown.as_object_mut() {
        members.insert("warnings".to_owned(), violations(&saved.warnings));
    }
    Ok(shown)
}

pub(crate) fn read(repository: &Repository, mut body: Body) -> Result<VirtualProxyEdit, Problem> {
    refuse_unsupported(&mut body);
    let prefix = body.text("prefix").and_then(|text| match text.parse::<Prefix>() {
        Ok(prefix) => Some(prefix),
        Err(error) => {
            body.problem("prefix", error.to_string());
            None
        }
    });
    let anonymous =
        body.choice("anonymousAccessMode", ANONYMOUS_MODES).map(|number| match number {
            0 => AnonymousMode::Never,
            1 => AnonymousMode::Allowed,
            3 => AnonymousMode::SilentFirst,
            _ => AnonymousMode::Always,
        });
    let same_site_https = body.choice("sameSiteAttributeHttps", SAME_SITES).map(same_site);
    let same_site_http = body.choice("sameSiteAttributeHttp", SAME_SITES).map(same_site);
    let edit = VirtualProxyEdit {
        prefix,
        description: body.text("description"),
        anonymous,
        session_cookie: body.text("sessionCookieHeaderName"),
        inactivity_minutes: body.number("sessionInactivityTimeout"),
        host_allow_list: body.texts("websocketCrossOriginWhiteList"),
        same_site_https,
        same_site_http,
        additional_headers: body.text("additionalResponseHeaders"),
        extended_security: body.flag("extendedSecurityEnvironment"),
        max_anonymous_sessions: body.number("maxAnonymousSessions"),
        max_anonymous_sessions_per_address: body.number("maxAnonymousSessionsPerIp"),
        tags: body.tags(repository),
    };
    body.finish()?;
    Ok(edit)
}

/// A setting that would silently have no effect, or weaken the cookie, is refused by name.
fn refuse_unsupported(body: &mut Body) {
    if body.choice("authenticationMethod", AUTHENTICATION_METHODS).is_some_and(|n| n != 0) {
        body.problem(
            "authenticationMethod",
            "this release signs people in by form only, which is 0",
        );
    }
    if body.flag("hasSecureAttributeHttps") == Some(false) {
        body.problem(
            "hasSecureAttributeHttps",
            "the session cookie is always Secure over HTTPS; SameSite=None would not work without",
        );
    }
    if body.flag("hasSecureAttributeHttp") == Some(true) {
        body.problem(
            "hasSecureAttributeHttp",
            "browsers never send a Secure cookie over plain HTTP: nobody could stay signed in",
        );
    }
    if body.text("sessionCookieDomain").is_some_and(|domain| !domain.is_empty()) {
        body.problem(
            "sessionCookieDomain",
            "session cookies are bound to the host; leave it empty",
        );
    }
    for name in
        ["authenticationModuleRedirectUri", "sessionModuleBaseUri", "loadBalancingModuleBaseUri"]
    {
        if body.text(name).is_some_and(|uri| !uri.is_empty()) {
            body.problem(name, "external modules are not part of this release; leave it empty");
        }
    }
}

fn mode_number(mode: AnonymousMode) -> u8 {
    match mode {
        AnonymousMode::Never => 0,
        AnonymousMode::Allowed => 1,
        AnonymousMode::Always => 2,
        AnonymousMode::SilentFirst => 3,
    }
}

fn same_site_number(same_site: SameSite) -> u8 {
    match same_site {
        SameSite::Unset => 0,
        SameSite::None => 1,
        SameSite::Lax => 2,
        SameSite::Strict => 3,
    }
}

fn same_site(number: i64) -> SameSite {
    match number {
        0 => SameSite::Unset,
        1 => SameSite::None,
        2 => SameSite::Lax,
        _ => SameSite::Strict,
    }
}
