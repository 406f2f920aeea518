//! What an entrance may be set to, who serves it, and what is said about both.

use expect_test::{Expect, expect};
use loggia_model::VirtualProxyId;
use loggia_model::entity::{
    AnonymousMode, AttributeMapping, AuthenticationMethod, HeaderSettings, JwtSettings,
    LoadBalancing, OidcSettings, SamlSettings, TicketSettings,
};
use loggia_repository::seed::{DEFAULT_ENTRANCE, LOCAL_PROXY};
use loggia_repository::{
    Code, Conflict, LoadBalancingEdit, ManageError, ProxyServiceEdit, SamlEdit, Severity,
    TicketEdit, Violation, VirtualProxyEdit, VisitInfo, VisitorRatesEdit,
};

use crate::fixture::Hub;

fn edit() -> VirtualProxyEdit {
    VirtualProxyEdit::default()
}

/// What is said when the entrance is changed so: `ok`, or each problem in a line.
fn said(hub: &Hub, id: VirtualProxyId, edit: VirtualProxyEdit) -> String {
    match hub.repository.update_virtual_proxy(&hub.server(), id, None, edit) {
        Ok(_) => "ok".to_owned(),
        Err(ManageError::Invalid(found)) => {
            found.iter().map(|one| one.place).collect::<Vec<_>>().join(" ")
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn warned(warnings: &[Violation], expected: Expect) {
    let text: Vec<_> = warnings.iter().map(|warning| format!("{warning}\n")).collect();
    expected.assert_eq(&text.concat());
}

fn header() -> HeaderSettings {
    HeaderSettings {
        name: "X-Remote-User".into(),
        static_directory: "ACME".into(),
        dynamic_directory: r"$ud\\$id".into(),
        trusted_senders: vec!["10.0.0.0/8".into(), "::1".into()],
    }
}

#[test]
fn header_sign_in_needs_a_name_a_directory_and_somebody_to_trust() {
    let hub = Hub::new();
    let id = hub.entrance("public", AnonymousMode::Allowed);
    let change = |method, header: HeaderSettings| {
        said(&hub, id, VirtualProxyEdit { method: Some(method), header: header.into(), ..edit() })
    };
    let (fixed, dynamic) =
        (AuthenticationMethod::HeaderStatic, AuthenticationMethod::HeaderDynamic);
    assert_eq!(change(fixed, header()), "ok");
    assert_eq!(change(dynamic, header()), "ok");
    assert_eq!(
        change(fixed, HeaderSettings::default()),
        "headerAuthenticationHeaderName headerAuthenticationStaticUserDirectory \
         headerAuthenticationTrustedSenders"
    );
    assert_eq!(change(AuthenticationMethod::Ticket, HeaderSettings::default()), "ok");
    for name in [
        "X-Qlik-User",
        "My-x-qlik-Security-2",
        "X-Forwarded-For",
        "Cookie",
        "X_Remote_User",
        "X Remote",
        "Würde",
    ] {
        let said = change(fixed, HeaderSettings { name: name.into(), ..header() });
        assert_eq!(said, "headerAuthenticationHeaderName", "{name}");
    }
    for directory in ["NONE", "internal", "ＮＯＮＥ", "A;B"] {
        let header = HeaderSettings { static_directory: directory.into(), ..header() };
        let said = change(fixed, header);
        assert_eq!(said, "headerAuthenticationStaticUserDirectory", "{directory}");
    }
    for pattern in ["$ud", "$id", "$ud$id", "$ud-$id-$id", "user"] {
        let said =
            change(dynamic, HeaderSettings { dynamic_directory: pattern.into(), ..header() });
        assert_eq!(said, "headerAuthenticationDynamicUserDirectory", "{pattern}");
    }
    for sender in ["0.0.0.0/0", "::/0", "10.0.0.0/33", "proxy.example", ""] {
        let header = HeaderSettings { trusted_senders: vec![sender.into()], ..header() };
        assert_eq!(change(fixed, header), "headerAuthenticationTrustedSenders", "{sender}");
    }
}

#[test]
fn keys_of_tokens_have_one_family_and_secrets_are_long_enough() {
    let hub = Hub::new();
    let id = hub.entrance("public", AnonymousMode::Allowed);
    let change = |key: &str, algorithms: &[&str]| {
        let jwt = JwtSettings {
            key: key.into(),
            algorithms: algorithms.iter().map(|&name| name.to_owned()).collect(),
            ..JwtSettings::default()
        };
        let method = Some(AuthenticationMethod::Jwt);
        said(&hub, id, VirtualProxyEdit { method, jwt: jwt.into(), ..edit() })
    };
    let secret = format!("secret:{}", "QUJD".repeat(11));
    let pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----";
    for (key, algorithms, expected) in [
        (pem, &[][..], "ok"),
        (pem, &["RS256", "PS512"], "ok"),
        (pem, &["RS256", "ES256"], "jwtAlgorithms"),
        (pem, &["HS256"], "jwtAlgorithms"),
        (pem, &["none"], "jwtAlgorithms"),
        (&secret, &["HS256"], "ok"),
        (&secret, &["RS256"], "jwtAlgorithms"),
        ("secret:QUJDREVG", &[], "jwtPublicKeyCertificate"),
        ("secret:not base64!", &[], "jwtPublicKeyCertificate"),
        ("https://login.example/keys", &[], "ok"),
        ("http://127.0.0.1:8080/keys", &[], "ok"),
        ("http://login.example/keys", &[], "jwtPublicKeyCertificate"),
        (r#"{"keys":[{"kty":"RSA"}]}"#, &[], "ok"),
        (r#"{"keys":[]}"#, &[], "jwtPublicKeyCertificate"),
        ("-----BEGIN PRIVATE KEY-----", &[], "jwtPublicKeyCertificate"),
        ("my key", &[], "jwtPublicKeyCertificate"),
        ("", &[], "jwtPublicKeyCertificate"),
    ] {
        assert_eq!(change(key, algorithms), expected, "{key} {algorithms:?}");
    }
}

#[test]
fn providers_are_asked_privately_and_never_name_the_servers_own_directories() {
    let hub = Hub::new();
    let id = hub.entrance("public", AnonymousMode::Allowed);
    let oidc = || OidcSettings {
        configuration_uri: "https://login.example/.well-known/openid-configuration".into(),
        client_id: "loggia".into(),
        client_secret: "s".into(),
        realm: "ACME".into(),
        ..OidcSettings::default()
    };
    let saml = || SamlSettings {
        host_uri: "https://hub.example".into(),
        entity_id: "https://hub.example/public".into(),
        idp_metadata: "<?xml version=\"1.0\"?><EntityDescriptor/>".into(),
        user_id: "uid".into(),
        user_directory: "[ACME]".into(),
        ..SamlSettings::default()
    };
    let mapping = |to: &str| {
        vec![AttributeMapping { from: "groups".into(), to: to.into(), is_mandatory: false }]
    };
    type Spoil<'s, S> = (&'s str, &'s dyn Fn(&mut S));
    let cases: [Spoil<'_, OidcSettings>; 8] = [
        ("ok", &|_| {}),
        ("oidcConfigurationEndpointUri oidcClientId oidcRealm", &|o| *o = OidcSettings::default()),
        ("oidcConfigurationEndpointUri", &|o| o.configuration_uri = "http://login.example/".into()),
        ("ok", &|o| o.configuration_uri = "http://localhost:3000/x".into()),
        ("oidcRealm", &|o| o.realm = "INTERNAL".into()),
        ("oidcAttributeMap", &|o| o.attributes = mapping("ip")),
        ("oidcAttributeMap", &|o| o.attributes = mapping("my group")),
        ("ok", &|o| o.attributes = mapping("group")),
    ];
    for (expected, spoil) in cases {
        let mut settings = oidc();
        spoil(&mut settings);
        let method = Some(AuthenticationMethod::Oidc);
        let edit = VirtualProxyEdit { method, oidc: settings.clone().into(), ..edit() };
        assert_eq!(said(&hub, id, edit), expected, "{settings:?}");
    }
    let cases: [Spoil<'_, SamlSettings>; 7] = [
        ("ok", &|_| {}),
        ("samlAttributeSigningAlgorithm", &|s| s.signing_algorithm = 0),
        ("samlHostUri", &|s| s.host_uri = "https://hub.example/public".into()),
        ("samlMetadataIdP", &|s| s.idp_metadata = "https://idp.example/metadata".into()),
        ("samlAttributeUserDirectory", &|s| s.user_directory = "[none]".into()),
        ("samlAttributeUserDirectory", &|s| s.user_directory = "[ACME".into()),
        ("samlHostUri samlEntityId samlMetadataIdP samlAttributeUserDirectory", &|s| {
            *s = SamlSettings::default()
        }),
    ];
    for (expected, spoil) in cases {
        let mut settings = saml();
        spoil(&mut settings);
        let method = Some(AuthenticationMethod::Saml);
        let edit = VirtualProxyEdit { method, saml: settings.clone().into(), ..edit() };
        assert_eq!(said(&hub, id, edit), expected, "{settings:?}");
    }
    // What is not in force need not be whole, but must not be nonsense.
    let half = SamlEdit { host_uri: Some("hub".into()), ..SamlEdit::default() };
    let method = Some(AuthenticationMethod::Ticket);
    assert_eq!(said(&hub, id, VirtualProxyEdit { method, saml: half, ..edit() }), "samlHostUri");
}

#[test]
fn limits_cookies_hosts_and_nodes_are_checked() {
    let hub = Hub::new();
    let id = hub.entrance("public", AnonymousMode::Allowed);
    for (expected, edit) in [
        ("lifetimeMinutes", VirtualProxyEdit { lifetime_minutes: Some(Some(0)), ..edit() }),
        ("ok", VirtualProxyEdit { lifetime_minutes: Some(Some(480)), ..edit() }),
        ("ok", VirtualProxyEdit { lifetime_minutes: Some(None), ..edit() }),
        (
            "sessionInactivityTimeout",
            VirtualProxyEdit { inactivity_minutes: Some(43_201), ..edit() },
        ),
        (
            "sessionCookieHeaderName",
            VirtualProxyEdit { session_cookie: Some("X-Qlik-Session-Form".into()), ..edit() },
        ),
        (
            "sessionCookieHeaderName",
            VirtualProxyEdit { session_cookie: Some("__Host-mine".into()), ..edit() },
        ),
        (
            "sessionCookieDomain",
            VirtualProxyEdit { cookie_domain: Some("10.0.0.1".into()), ..edit() },
        ),
        ("sessionCookieDomain", VirtualProxyEdit { cookie_domain: Some("com".into()), ..edit() }),
        ("sessionCookieDomain", VirtualProxyEdit { cookie_domain: Some("*.a.b".into()), ..edit() }),
        ("ok", VirtualProxyEdit { cookie_domain: Some("example.com".into()), ..edit() }),
        (
            "sameSiteAttributeHttps",
            VirtualProxyEdit {
                same_site_https: Some(loggia_model::entity::SameSite::None),
                is_secure_https: Some(false),
                ..edit()
            },
        ),
        (
            "authenticationModuleRedirectUri",
            VirtualProxyEdit {
                ticket: TicketEdit::from(TicketSettings {
                    module_uri: "javascript:alert(1)".into(),
                    ..TicketSettings::default()
                }),
                ..edit()
            },
        ),
        (
            "visitorRequestsPerMinute",
            VirtualProxyEdit {
                visitor_rates: VisitorRatesEdit {
                    per_entrance: Some(u32::MAX),
                    ..VisitorRatesEdit::default()
                },
                ..edit()
            },
        ),
        (
            "loadBalancingServerNodes",
            VirtualProxyEdit {
                load_balancing: LoadBalancingEdit {
                    nodes: Some(Some(vec![loggia_model::NodeId(uuid::Uuid::nil())])),
                    ..LoadBalancingEdit::default()
                },
                ..edit()
            },
        ),
    ] {
        assert_eq!(said(&hub, id, edit.clone()), expected, "{edit:?}");
    }
}

#[test]
fn a_doubtful_entrance_is_saved_with_what_is_worth_knowing() {
    let hub = Hub::new();
    let change = VirtualProxyEdit {
        anonymous: Some(AnonymousMode::SilentFirst),
        host_allow_list: Some(vec!["10.1.2.3".into(), "portal.example".into()]),
        load_balancing: LoadBalancing { nodes: Some(vec![]), ..LoadBalancing::default() }.into(),
        is_secure_http: Some(true),
        session_module_uri: Some("https://sessions.example".into()),
        ..edit()
    };
    let server = hub.server();
    let saved = hub.repository.update_virtual_proxy(&server, DEFAULT_ENTRANCE, None, change);
    warned(
        &saved.unwrap().warnings,
        expect![[r#"
        loadBalancingServerNodes: no node opens apps for this entrance, so the hub lists them and none opens; name a node, or set loadBalancingAllNodes to true
        anonymousAccessMode: everybody who used to be signed in silently here now enters as a visitor until they press Log in; a separate entrance such as /public keeps their links working
        anonymousAccessMode: no licence pool has a rule that admits an anonymous visitor, so apps will be listed but not open; make an analyzer capacity pool with the rule user.IsAnonymous()
        anonymousAccessMode: only OIDC and SAML can be asked silently who somebody is; with this authenticationMethod, mode 3 does what mode 1 does
        hasSecureAttributeHttp: browsers send a Secure cookie over HTTPS only: nobody who comes over plain HTTP stays signed in, unless a forwarder ends TLS and is not trusted to say so
        websocketCrossOriginWhiteList: "10.1.2.3" is an address: the list names hosts whose pages may use this entrance; client addresses do not belong here
        sessionModuleBaseUri: is kept and never called: this product has no use for such a module
    "#]],
    );
    let change = VirtualProxyEdit {
        prefix: Some("press".parse().unwrap()),
        description: Some("Press".into()),
        session_cookie: Some("X-Press".into()),
        anonymous: Some(AnonymousMode::Always),
        method: Some(AuthenticationMethod::HeaderStatic),
        header: header().into(),
        is_linked: Some(false),
        ..edit()
    };
    hub.visitors_pool(None);
    let saved = hub.repository.create_virtual_proxy(&server, None, change).unwrap();
    assert!(saved.warnings.iter().all(|warning| warning.severity == Severity::Warning));
    warned(
        &saved.warnings,
        expect![[r#"
        linked: no proxy serves this entrance, so nobody can reach it; set linked to true, or add it to settings.virtualProxies of the proxy service
        anonymousAccessMode: only visitors come in here, so the sign-in method has no effect; choose 1 or 3 to let people sign in
    "#]],
    );
}

#[test]
fn an_entrance_that_no_proxy_serves_is_unreachable() {
    let (hub, _) = Hub::public();
    let server = hub.server();
    let prefix = "public".parse().unwrap();
    let public = hub.repository.site().entrance(&prefix).unwrap().id;
    let link = |entrances: Vec<VirtualProxyId>| {
        let edit = ProxyServiceEdit { virtual_proxies: Some(entrances), ..Default::default() };
        hub.repository.update_proxy_service(&server, LOCAL_PROXY, None, edit)
    };
    link(vec![DEFAULT_ENTRANCE]).unwrap();
    assert!(hub.repository.site().entrance(&prefix).is_none());
    let report = hub.repository.check_anonymous(&prefix).unwrap();
    assert!(!report.is_open());
    assert_eq!(report.gates[0].finding, "no proxy serves /public, so nobody can reach it");
    assert_eq!(report.apps[0].code, Some(Code::EntUnknown));

    let refused = link(vec![public]).unwrap_err();
    assert!(matches!(refused, ManageError::Conflict(Conflict::Protected { .. })), "{refused:?}");
    let unlink = VirtualProxyEdit { is_linked: Some(false), ..edit() };
    let refused = hub.repository.update_virtual_proxy(&server, DEFAULT_ENTRANCE, None, unlink);
    assert!(matches!(refused, Err(ManageError::Conflict(Conflict::Protected { .. }))));

    let relink = VirtualProxyEdit { is_linked: Some(true), ..edit() };
    hub.repository.update_virtual_proxy(&server, public, None, relink).unwrap();
    assert!(hub.repository.site().entrance(&prefix).is_some());
    // What is deleted is linked no more.
    hub.repository.delete_virtual_proxy(&server, public).unwrap();
    assert_eq!(hub.repository.site().proxy_service().virtual_proxies, [DEFAULT_ENTRANCE]);
}

#[test]
fn an_entrance_without_nodes_lists_apps_and_opens_none() {
    let (hub, app) = Hub::public();
    let prefix = "public".parse().unwrap();
    let public = hub.repository.site().entrance(&prefix).unwrap().id;
    let nodes = |nodes| {
        let load_balancing = LoadBalancingEdit { nodes: Some(nodes), ..Default::default() };
        said(&hub, public, VirtualProxyEdit { load_balancing, ..edit() })
    };
    let opened = || {
        let opened = hub.repository.open_app(&hub.visitor(), app, &VisitInfo::default());
        opened.err().map(|error| error.refusal().unwrap().code)
    };
    assert_eq!(nodes(Some(vec![])), "ok");
    assert_eq!(hub.repository.hub(&hub.visitor()).unwrap()[0].apps.len(), 1);
    assert_eq!(opened(), Some(Code::NodeNone));
    let report = hub.repository.check_anonymous(&prefix).unwrap();
    expect![[r#"entrance "public" does not use node "Central""#]]
        .assert_eq(&report.apps[0].finding);
    // The server's own work came through no entrance.
    let site = hub.repository.site();
    assert_eq!(hub.repository.nodes_for(&hub.server(), site.app(app).unwrap()).len(), 1);
    assert_eq!(nodes(Some(vec![loggia_repository::CENTRAL_NODE])), "ok");
    assert_eq!(opened(), None);
}

#[test]
fn what_the_examiner_finds_refuses_the_change() {
    let hub = Hub::new();
    let id = hub.entrance("public", AnonymousMode::Allowed);
    hub.repository.examine_entrances_with(|entrance| {
        if entrance.description == "bad" {
            vec![Violation::new("jwtPublicKeyCertificate", "cannot be used")]
        } else {
            Vec::new()
        }
    });
    let described = |text: &str| VirtualProxyEdit { description: Some(text.into()), ..edit() };
    assert_eq!(said(&hub, id, described("bad")), "jwtPublicKeyCertificate");
    assert_eq!(said(&hub, id, described("good")), "ok");
}

#[test]
fn the_limits_of_a_proxy_are_checked() {
    let hub = Hub::new();
    let edit = ProxyServiceEdit {
        keep_alive_seconds: Some(301),
        max_header_bytes: Some(511),
        max_header_lines: Some(19),
        error_template: Some("<p>".into()),
        virtual_proxies: Some(vec![VirtualProxyId(uuid::Uuid::nil())]),
        ..ProxyServiceEdit::default()
    };
    let error = hub.repository.update_proxy_service(&hub.server(), LOCAL_PROXY, None, edit);
    let Err(ManageError::Invalid(found)) = error else { panic!("{error:?}") };
    warned(
        &found,
        expect![[r#"
        keepAliveTimeoutSeconds: must be 1 to 300
        maxHeaderSizeBytes: must be 512 to 131072
        maxHeaderLines: must be 20 to 1000
        errorPageTemplate: pages of one's own are not part of this release; leave it empty for the built-in page
        virtualProxies: there is no virtual proxy 00000000-0000-0000-0000-000000000000
    "#]],
    );
}
