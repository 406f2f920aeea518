//! `/virtualproxyconfig`

use std::sync::Arc;

use loggia_model::entity::{
    AnonymousMode, AttributeMapping, AuthenticationMethod, JwtSettings, OidcSettings, SameSite,
    SamlSettings, VirtualProxy, VisitorCookie,
};
use loggia_model::{NodeId, Prefix, VirtualProxyId};
use loggia_repository::{
    GateOutcome, HeaderEdit, JwtEdit, LoadBalancingEdit, ManageError, OidcEdit, Repository,
    Resource, SamlEdit, Saved, TicketEdit, VirtualProxyEdit, VisitorRatesEdit,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Collection, shown};
use crate::body::Body;
use crate::call::{Answer, Call};
use crate::problem::{Problem, violations};
use crate::schema::{
    ANONYMOUS_MODES, AUTHENTICATION_METHODS, HEADER_MODES, LOAD_BALANCING_ALGORITHMS, SAME_SITES,
    SIGNING_ALGORITHMS, Schema, VIRTUAL_PROXY, VISITOR_COOKIES,
};
use crate::wire::{self, View};

pub(crate) struct VirtualProxies;

/// Stands for a secret in answers: secrets can be written and never read. Sent back, it keeps
/// the secret.
const MASK: &str = "********";
/// What the text of a shared JWT secret begins with.
const SHARED_SECRET: &str = "secret:";

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
        let mut members = Map::new();
        for part in [
            json!({
                "id": entrance.id,
                "prefix": entrance.prefix,
                "description": entrance.description,
                "anonymousAccessMode": mode_number(entrance.anonymous),
                "sessionInactivityTimeout": entrance.inactivity_minutes,
                "lifetimeMinutes": entrance.lifetime_minutes.unwrap_or(0),
                "sessionCoolDownMinutes": entrance.cool_down_minutes,
                "extendedSecurityEnvironment": entrance.extended_security,
                "websocketCrossOriginWhiteList": entrance.host_allow_list,
                "additionalResponseHeaders": entrance.additional_headers,
                "defaultVirtualProxy": entrance.prefix.is_default(),
                "linked": view.site.is_linked(entrance.id),
                "sessionModuleBaseUri": entrance.session_module_uri,
                "magicLinkHostUri": entrance.magic_link_host,
                "magicLinkFriendlyName": entrance.magic_link_name,
                "maxAnonymousSessions": entrance.max_anonymous_sessions,
                "maxAnonymousSessionsPerIp": entrance.max_anonymous_sessions_per_address,
                "visitorCookie": cookie_name(entrance.visitor_cookie),
                "visitorRequestsPerMinute": entrance.visitor_rates.per_entrance,
                "visitorRequestsPerMinutePerIp": entrance.visitor_rates.per_address,
                "visitorComputeMsPerMinutePerIp": entrance.visitor_rates.compute_per_address,
                "tags": wire::tags(&entrance.tags),
                "privileges": view.privileges(&Resource::VirtualProxy(entrance.id)),
            }),
            cookie(entrance),
            load_balancing(view, entrance),
            simple_methods(entrance),
            saml(&entrance.saml),
            jwt(&entrance.jwt),
            oidc(&entrance.oidc),
        ] {
            if let Value::Object(part) = part {
                members.extend(part);
            }
        }
        Value::Object(members)
    }

    fn full(view: &View<'_>, entrance: &Arc<VirtualProxy>) -> Value {
        let condensed = VirtualProxies::condensed(view, entrance);
        let own = json!({
            "customProperties": wire::properties(&entrance.custom_properties, &entrance.stamp),
        });
        wire::full(view, entrance.id.0, &entrance.stamp, VIRTUAL_PROXY.name, condensed, own)
    }
}

pub(crate) fn create(call: &Call) -> Result<Answer, Problem> {
    let mut body = call.body()?;
    let id = body.id().map(VirtualProxyId);
    refuse_mask(&mut body);
    refuse_default(&mut body, None);
    let edit = read(&call.repository, body)?;
    let saved = call.repository.create_virtual_proxy(&call.caller, id, edit)?;
    Ok(Answer::Created(with_warnings(call, saved)?))
}

pub(crate) fn update(call: &Call) -> Result<Answer, Problem> {
    let id = VirtualProxyId(call.id()?);
    let mut body = call.body()?;
    let basis = body.modified();
    let before = match body.value("prefix") {
        None if body.mentions("defaultVirtualProxy") => Some(VirtualProxies::one(call, id.0)?),
        _ => None,
    };
    refuse_default(&mut body, before.as_ref().map(|before| &before.prefix));
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

fn cookie(entrance: &VirtualProxy) -> Value {
    json!({
        "sessionCookieHeaderName": entrance.session_cookie,
        "sessionCookieDomain": entrance.cookie_domain,
        "hasSecureAttributeHttps": entrance.is_secure_https,
        "sameSiteAttributeHttps": same_site_number(entrance.same_site_https),
        "hasSecureAttributeHttp": entrance.is_secure_http,
        "sameSiteAttributeHttp": same_site_number(entrance.same_site_http),
    })
}

/// A site that knows no list uses every node: clients of the original see them listed, and
/// `loadBalancingAllNodes` beside them.
fn load_balancing(view: &View<'_>, entrance: &VirtualProxy) -> Value {
    let settings = &entrance.load_balancing;
    let nodes: Vec<Value> = view
        .site
        .nodes()
        .filter(|node| settings.nodes.as_ref().is_none_or(|chosen| chosen.contains(&node.id)))
        .map(|node| wire::node(node))
        .collect();
    json!({
        "loadBalancingModuleBaseUri": entrance.load_balancing_module_uri,
        "useStickyLoadBalancing": settings.is_sticky,
        "loadBalancingServerNodes": nodes,
        "loadBalancingAllNodes": settings.nodes.is_none(),
        "loadBalancingAlgorithm": settings.algorithm,
        "enableEngineSaturationCheck": settings.checks_saturation,
        "enableEngineHealthCheckData": settings.checks_health,
    })
}

/// Ticket, form and headers.
fn simple_methods(entrance: &VirtualProxy) -> Value {
    let header = &entrance.header;
    json!({
        "authenticationMethod": method_number(entrance.method),
        "authenticationModuleRedirectUri": entrance.ticket.module_uri,
        "windowsAuthenticationEnabledDevicePattern": entrance.ticket.windows_pattern,
        "headerAuthenticationMode": match entrance.method {
            AuthenticationMethod::HeaderStatic => 1,
            AuthenticationMethod::HeaderDynamic => 2,
            _ => 0,
        },
        "headerAuthenticationHeaderName": header.name,
        "headerAuthenticationStaticUserDirectory": header.static_directory,
        "headerAuthenticationDynamicUserDirectory": header.dynamic_directory,
        "headerAuthenticationTrustedSenders": header.trusted_senders,
    })
}

fn saml(settings: &SamlSettings) -> Value {
    json!({
        "samlSlo": settings.single_logout,
        "samlIdpInitiated": settings.idp_initiated,
        "samlHostUri": settings.host_uri,
        "samlEntityId": settings.entity_id,
        "samlMetadataIdP": settings.idp_metadata,
        "samlAttributeUserId": settings.user_id,
        "samlAttributeUserDirectory": settings.user_directory,
        "samlAttributeSigningAlgorithm": settings.signing_algorithm,
        "samlAttributeMap": mappings(&settings.attributes, "samlAttribute"),
    })
}

fn jwt(settings: &JwtSettings) -> Value {
    let key = if settings.key.starts_with(SHARED_SECRET) {
        format!("{SHARED_SECRET}{MASK}")
    } else {
        settings.key.clone()
    };
    json!({
        "jwtPublicKeyCertificate": key,
        "jwtAlgorithms": settings.algorithms,
        "jwtAttributeUserId": settings.user_id,
        "jwtAttributeUserDirectory": settings.user_directory,
        "jwtAudience": settings.audience,
        "jwtIssuer": settings.issuer,
        "jwtLeewaySeconds": settings.leeway_seconds,
        "jwtAttributeMap": mappings(&settings.attributes, "jwtAttribute"),
    })
}

fn oidc(settings: &OidcSettings) -> Value {
    json!({
        "oidcConfigurationEndpointUri": settings.configuration_uri,
        "oidcClientId": settings.client_id,
        "oidcClientSecret": if settings.client_secret.is_empty() { "" } else { MASK },
        "oidcRealm": settings.realm,
        "oidcAttributeSub": settings.subject,
        "oidcAttributeName": settings.name,
        "oidcAttributeGroups": settings.groups,
        "oidcAttributeEmail": settings.email,
        "oidcAttributeClientId": settings.client_id_claim,
        "oidcAttributePicture": settings.picture,
        "oidcScope": settings.scope,
        "oidcAttributeMap": mappings(&settings.attributes, "oidcAttribute"),
    })
}

fn mappings(mappings: &[AttributeMapping], from: &str) -> Value {
    mappings
        .iter()
        .map(|mapping| {
            json!({
                from: mapping.from,
                "senseAttribute": mapping.to,
                "isMandatory": mapping.is_mandatory,
            })
        })
        .collect()
}

pub(crate) fn read(repository: &Repository, mut body: Body) -> Result<VirtualProxyEdit, Problem> {
    let edit = VirtualProxyEdit {
        prefix: prefix(&mut body),
        description: body.text("description"),
        anonymous: body.choice("anonymousAccessMode", ANONYMOUS_MODES).map(mode),
        session_cookie: body.text("sessionCookieHeaderName"),
        inactivity_minutes: body.number("sessionInactivityTimeout"),
        lifetime_minutes: body
            .number("lifetimeMinutes")
            .map(|minutes: u32| (minutes != 0).then_some(minutes)),
        cool_down_minutes: body.number("sessionCoolDownMinutes"),
        host_allow_list: body.texts("websocketCrossOriginWhiteList"),
        cookie_domain: body.text("sessionCookieDomain"),
        same_site_https: body.choice("sameSiteAttributeHttps", SAME_SITES).map(same_site),
        same_site_http: body.choice("sameSiteAttributeHttp", SAME_SITES).map(same_site),
        is_secure_https: body.flag("hasSecureAttributeHttps"),
        is_secure_http: body.flag("hasSecureAttributeHttp"),
        additional_headers: body.text("additionalResponseHeaders"),
        extended_security: body.flag("extendedSecurityEnvironment"),
        max_anonymous_sessions: body.number("maxAnonymousSessions"),
        max_anonymous_sessions_per_address: body.number("maxAnonymousSessionsPerIp"),
        visitor_cookie: body.choice("visitorCookie", VISITOR_COOKIES).map(visitor_cookie),
        visitor_rates: VisitorRatesEdit {
            per_entrance: body.number("visitorRequestsPerMinute"),
            per_address: body.number("visitorRequestsPerMinutePerIp"),
            compute_per_address: body.number("visitorComputeMsPerMinutePerIp"),
        },
        method: read_method(&mut body),
        ticket: TicketEdit {
            module_uri: body.text("authenticationModuleRedirectUri"),
            windows_pattern: body.text("windowsAuthenticationEnabledDevicePattern"),
        },
        header: HeaderEdit {
            name: body.text("headerAuthenticationHeaderName"),
            static_directory: body.text("headerAuthenticationStaticUserDirectory"),
            dynamic_directory: body.text("headerAuthenticationDynamicUserDirectory"),
            trusted_senders: body.texts("headerAuthenticationTrustedSenders"),
        },
        saml: read_saml(&mut body),
        jwt: read_jwt(&mut body),
        oidc: read_oidc(&mut body),
        load_balancing: read_load_balancing(repository, &mut body),
        session_module_uri: body.text("sessionModuleBaseUri"),
        load_balancing_module_uri: body.text("loadBalancingModuleBaseUri"),
        magic_link_host: body.text("magicLinkHostUri"),
        magic_link_name: body.text("magicLinkFriendlyName"),
        custom_properties: body.properties(repository),
        tags: body.tags(repository),
        is_linked: body.flag("linked"),
    };
    body.finish()?;
    Ok(edit)
}

fn prefix(body: &mut Body) -> Option<Prefix> {
    match body.text("prefix")?.parse::<Prefix>() {
        Ok(prefix) => Some(prefix),
        Err(error) => {
            body.problem("prefix", error.to_string());
            None
        }
    }
}

/// The deprecated twin counts only where the method itself is not said.
fn read_method(body: &mut Body) -> Option<AuthenticationMethod> {
    let twin = body.choice("headerAuthenticationMode", HEADER_MODES);
    if let Some(number) = body.choice("authenticationMethod", AUTHENTICATION_METHODS) {
        return Some(method(number));
    }
    twin.filter(|number| matches!(number, 1 | 2)).map(method)
}

fn read_saml(body: &mut Body) -> SamlEdit {
    SamlEdit {
        single_logout: body.flag("samlSlo"),
        idp_initiated: body.flag("samlIdpInitiated"),
        host_uri: body.text("samlHostUri"),
        entity_id: body.text("samlEntityId"),
        idp_metadata: body.text("samlMetadataIdP"),
        user_id: body.text("samlAttributeUserId"),
        user_directory: body.text("samlAttributeUserDirectory"),
        signing_algorithm: body
            .choice("samlAttributeSigningAlgorithm", SIGNING_ALGORITHMS)
            .and_then(|number| u8::try_from(number).ok()),
        attributes: body.attributes("samlAttributeMap", "samlAttribute"),
    }
}

fn read_jwt(body: &mut Body) -> JwtEdit {
    let mask = format!("{SHARED_SECRET}{MASK}");
    JwtEdit {
        // The mask comes back from clients that send everything they fetched.
        key: body.text("jwtPublicKeyCertificate").filter(|key| *key != mask),
        algorithms: body.texts("jwtAlgorithms"),
        user_id: body.text("jwtAttributeUserId"),
        user_directory: body.text("jwtAttributeUserDirectory"),
        audience: body.text("jwtAudience"),
        issuer: body.text("jwtIssuer"),
        leeway_seconds: body.number("jwtLeewaySeconds"),
        attributes: body.attributes("jwtAttributeMap", "jwtAttribute"),
    }
}

fn read_oidc(body: &mut Body) -> OidcEdit {
    OidcEdit {
        configuration_uri: body.text("oidcConfigurationEndpointUri"),
        client_id: body.text("oidcClientId"),
        client_secret: body.text("oidcClientSecret").filter(|secret| secret != MASK),
        realm: body.text("oidcRealm"),
        subject: body.text("oidcAttributeSub"),
        name: body.text("oidcAttributeName"),
        groups: body.text("oidcAttributeGroups"),
        email: body.text("oidcAttributeEmail"),
        client_id_claim: body.text("oidcAttributeClientId"),
        picture: body.text("oidcAttributePicture"),
        scope: body.text("oidcScope"),
        attributes: body.attributes("oidcAttributeMap", "oidcAttribute"),
    }
}

fn read_load_balancing(repository: &Repository, body: &mut Body) -> LoadBalancingEdit {
    let chosen = body
        .references("loadBalancingServerNodes")
        .map(|ids| ids.into_iter().map(NodeId).collect::<Vec<_>>());
    let is_all = body.flag("loadBalancingAllNodes");
    let nodes = match (chosen, is_all) {
        // A client that knows only the list sends the flag back as it was: the list decides,
        // unless it still names every node.
        (Some(chosen), Some(true)) => {
            let names_all = repository.site().nodes().all(|node| chosen.contains(&node.id));
            Some(if names_all { None } else { Some(chosen) })
        }
        (Some(chosen), _) => Some(Some(chosen)),
        (None, Some(true)) => Some(None),
        (None, _) => None,
    };
    LoadBalancingEdit {
        nodes,
        is_sticky: body.flag("useStickyLoadBalancing"),
        algorithm: body
            .choice("loadBalancingAlgorithm", LOAD_BALANCING_ALGORITHMS)
            .and_then(|number| u8::try_from(number).ok()),
        checks_saturation: body.flag("enableEngineSaturationCheck"),
        checks_health: body.flag("enableEngineHealthCheckData"),
    }
}

/// A new entrance has no secret yet that a mask could stand for.
fn refuse_mask(body: &mut Body) {
    if body.text("oidcClientSecret").is_some_and(|secret| secret == MASK) {
        body.problem("oidcClientSecret", "is the mask of another entrance's; give the secret");
    }
    let key = body.text("jwtPublicKeyCertificate");
    if key.is_some_and(|key| key.strip_prefix(SHARED_SECRET) == Some(MASK)) {
        body.problem("jwtPublicKeyCertificate", "is the mask of another entrance's; give the key");
    }
}

/// Which entrance is the default one follows from its prefix, and cannot be said beside it.
fn refuse_default(body: &mut Body, before: Option<&Prefix>) {
    let named = body.value("prefix");
    let has_prefix = match named.as_ref().and_then(Value::as_str) {
        Some(text) => text.parse::<Prefix>().is_ok_and(|prefix| !prefix.is_default()),
        None => before.is_some_and(|prefix| !prefix.is_default()),
    };
    if has_prefix && body.flag("defaultVirtualProxy") == Some(true) {
        let message = "the default entrance is the one with the empty prefix: give this one the \
                       empty prefix, or say false or nothing here";
        body.problem("defaultVirtualProxy", message);
    }
}

fn method_number(method: AuthenticationMethod) -> u8 {
    match method {
        AuthenticationMethod::Ticket => 0,
        AuthenticationMethod::HeaderStatic => 1,
        AuthenticationMethod::HeaderDynamic => 2,
        AuthenticationMethod::Saml => 3,
        AuthenticationMethod::Jwt => 4,
        AuthenticationMethod::Oidc => 5,
    }
}

fn method(number: i64) -> AuthenticationMethod {
    match number {
        1 => AuthenticationMethod::HeaderStatic,
        2 => AuthenticationMethod::HeaderDynamic,
        3 => AuthenticationMethod::Saml,
        4 => AuthenticationMethod::Jwt,
        5 => AuthenticationMethod::Oidc,
        _ => AuthenticationMethod::Ticket,
    }
}

fn mode(number: i64) -> AnonymousMode {
    match number {
        0 => AnonymousMode::Never,
        1 => AnonymousMode::Allowed,
        3 => AnonymousMode::SilentFirst,
        _ => AnonymousMode::Always,
    }
}

fn visitor_cookie(number: i64) -> VisitorCookie {
    match number {
        0 => VisitorCookie::Off,
        1 => VisitorCookie::Hour,
        _ => VisitorCookie::Year,
    }
}

fn cookie_name(cookie: VisitorCookie) -> &'static str {
    match cookie {
        VisitorCookie::Off => "off",
        VisitorCookie::Hour => "hour",
        VisitorCookie::Year => "year",
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
