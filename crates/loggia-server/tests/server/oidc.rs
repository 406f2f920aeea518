//! Signing in at an OpenID Connect provider that others wrote: `oidc-provider`.

use loggia_model::entity::{AnonymousMode, AttributeMapping, AuthenticationMethod, OidcSettings};
use loggia_repository::VirtualProxyEdit;
use serde_json::json;

use crate::providers::{Browser, Program, action, hidden};
use crate::support::{Answer, Hub, form};

struct Site {
    hub: Hub,
    provider: Program,
    origin: String,
}

/// A query for the way back, from the code, the state and the issuer of the right one.
type Altered = fn(&str, &str, &str) -> String;

async fn site(client: &str, mode: AnonymousMode) -> Site {
    let hub = Hub::start().await;
    let origin = hub.origin();
    let list = |path: &str| json!([format!("{origin}/public{path}")]).to_string();
    let (redirects, logouts) = (list("/oidcauthn"), list("/loggedout"));
    let environment = [("REDIRECTS", redirects.as_str()), ("LOGOUTS", logouts.as_str())];
    let provider = Program::start("oidc.mjs", &environment);
    let secret = if client == "public" { "" } else { "se:cret/+" };
    let settings = OidcSettings {
        configuration_uri: format!("{}/.well-known/openid-configuration", provider.line),
        client_id: client.into(),
        client_secret: secret.into(),
        realm: "ACME".into(),
        attributes: vec![AttributeMapping {
            from: "realm_access.roles".into(),
            to: "role".into(),
            is_mandatory: true,
        }],
        ..OidcSettings::default()
    };
    set_up(&hub, settings, mode);
    Site { hub, provider, origin }
}

fn set_up(hub: &Hub, settings: OidcSettings, mode: AnonymousMode) {
    hub.edit_entrance(VirtualProxyEdit {
        anonymous: Some(mode),
        method: Some(AuthenticationMethod::Oidc),
        oidc: settings.into(),
        ..VirtualProxyEdit::default()
    });
}

impl Site {
    async fn who(&self, browser: &mut Browser) -> String {
        let me = browser.go(&format!("{}/public/qps/user", self.origin)).await.json();
        let part = |name: &str| me[name].as_str().unwrap_or("-").to_owned();
        format!("{}\\{}", part("userDirectory"), part("userId"))
    }

    /// The whole way from the hub over the provider's form and back.
    async fn sign_in(&self, browser: &mut Browser, name: &str) -> Answer {
        let there = browser.go(&format!("{}/public/login?target=/public/hub", self.origin)).await;
        self.fill_in(browser, &there, name).await
    }

    async fn fill_in(&self, browser: &mut Browser, page: &Answer, name: &str) -> Answer {
        assert!(browser.url.starts_with(&self.provider.line), "{}: {page:?}", browser.url);
        let url = browser.resolve(&action(page));
        let typed = form(&[("prompt", "login"), ("login", name), ("password", "any")]);
        browser.submit(&url, &typed).await
    }

    /// Signs in at the provider and stops with the address that leads back to the hub.
    async fn callback(&self, browser: &mut Browser, name: &str) -> String {
        let there = browser.go(&format!("{}/public/login", self.origin)).await;
        let url = browser.resolve(&action(&there));
        let typed = form(&[("prompt", "login"), ("login", name), ("password", "any")]);
        let answer = browser.step("POST", &url, &typed).await;
        let next = browser.resolve(answer.header("location"));
        browser.go_until(&next, &self.origin).await
    }
}

#[tokio::test]
async fn people_sign_in_at_the_provider_and_bring_their_attributes() {
    for client in ["confidential", "public"] {
        let site = site(client, AnonymousMode::Allowed).await;
        let mut browser = Browser::default();
        assert_eq!(browser.go(&format!("{}/public/hub", site.origin)).await.status, 200);
        let visitor = browser.clone();
        let hub = site.sign_in(&mut browser, "ana").await;
        assert_eq!((hub.status, browser.url.ends_with("/public/hub")), (200, true), "{hub:?}");
        assert_eq!(hub.data()["me"]["name"], "ana at the provider");
        assert_eq!(site.who(&mut browser).await, "ACME\\ana");
        let sessions = site.hub.running.front.proxy.sessions().all();
        let session = sessions.iter().find(|session| !session.is_anonymous()).unwrap();
        let attributes = session.attributes.iter();
        let attributes: Vec<String> =
            attributes.map(|(name, value)| format!("{name}={value}")).collect();
        let expected = ["group=sales", "group=north", "email=ana@idp.example", "role=reader"];
        assert_eq!(attributes, expected);
        // The visitor's cookie died with the sign-in.
        let mut visitor = visitor;
        assert_ne!(site.who(&mut visitor).await, "ACME\\ana");
    }
}

#[tokio::test]
async fn single_sign_on_is_tried_without_asking_and_visitors_stay_visitors() {
    let site = site("public", AnonymousMode::SilentFirst).await;
    let hub = format!("{}/public/hub", site.origin);
    let mut browser = Browser::default();
    let page = browser.go(&hub).await;
    assert_eq!((page.status, browser.url.as_str()), (200, hub.as_str()), "{:?}", browser.trail);
    assert!(browser.trail.iter().any(|url| url.contains("prompt=none")), "{:?}", browser.trail);
    assert!(site.who(&mut browser).await.starts_with("NONE\\anonymous"));

    site.sign_in(&mut browser, "ana").await;
    assert_eq!(site.who(&mut browser).await, "ACME\\ana");
    // The hub's cookies are gone, as after closing the browser; the provider still knows them.
    browser.forget(&site.origin);
    let page = browser.go(&hub).await;
    assert_eq!((page.status, browser.url.as_str()), (200, hub.as_str()));
    assert_eq!(site.who(&mut browser).await, "ACME\\ana");
}

#[tokio::test]
async fn logging_out_ends_the_providers_session_too_and_asks_anew() {
    let site = site("confidential", AnonymousMode::Allowed).await;
    let mut browser = Browser::default();
    let hub = site.sign_in(&mut browser, "ana").await;
    let csrf = hub.data()["csrf"].as_str().unwrap().to_owned();
    let logout = format!("{}/public/logout", site.origin);
    let page = browser.submit(&logout, &form(&[("csrf", &csrf)])).await;
    assert_eq!(page.status, 200, "{page:?}");
    let there = page.header("refresh").strip_prefix("0; url=").unwrap().to_owned();
    assert!(there.starts_with(&site.provider.line) && there.contains("id_token_hint="), "{there}");
    // The address has the token, and is given out once.
    let again = browser.url.clone();
    assert_eq!(browser.go(&again).await.header("refresh"), "");

    let question = browser.go(&there).await;
    let answer = form(&[("xsrf", &hidden(&question, "xsrf")), ("logout", "yes")]);
    let page = browser.submit(&browser.resolve(&action(&question)), &answer).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(browser.url, format!("{}/public/loggedout", site.origin));

    let page = browser.go(&format!("{}/public/login", site.origin)).await;
    assert!(browser.trail.iter().any(|url| url.contains("prompt=login")), "{:?}", browser.trail);
    site.fill_in(&mut browser, &page, "ben").await;
    assert_eq!(site.who(&mut browser).await, "ACME\\ben");
}

#[tokio::test]
async fn answers_that_were_not_waited_for_sign_nobody_in() {
    let site = site("public", AnonymousMode::Allowed).await;
    let back = |query: &str| format!("{}/public/oidcauthn?{query}", site.origin);
    let state_of =
        |url: &str| url.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let code_of =
        |url: &str| url.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let issuer = format!("iss={}", loggia_proxy::query::encode(&site.provider.line));

    // Each case has a sign-in of its own: what failed cannot be tried again.
    let cases: [(&str, &str, Altered); 10] = [
        ("no state", "AUTH-STATE", |code, _, iss| format!("code={code}&{iss}")),
        ("unknown state", "AUTH-STATE", |code, _, iss| {
            format!("code={code}&state=0123456789abcdef0123456789abcdef&{iss}")
        }),
        ("foreign issuer", "AUTH-PROOF", |code, state, _| {
            format!("code={code}&state={state}&iss=https%3A%2F%2Fevil.example")
        }),
        ("issuer left out", "AUTH-PROOF", |code, state, _| format!("code={code}&state={state}")),
        ("no code", "AUTH-PROVIDER", |_, state, iss| format!("state={state}&{iss}")),
        ("empty code", "AUTH-PROVIDER", |_, state, iss| format!("code=&state={state}&{iss}")),
        ("unknown code", "AUTH-REFUSED", |_, state, iss| format!("code=abc&state={state}&{iss}")),
        ("refused", "AUTH-REFUSED", |_, state, iss| {
            format!("error=access_denied&state={state}&{iss}")
        }),
        ("refused, with a code", "AUTH-REFUSED", |code, state, iss| {
            format!("error=access_denied&code={code}&state={state}&{iss}")
        }),
        ("would ask", "AUTH-REFUSED", |_, state, iss| {
            format!("error=login_required&state={state}&{iss}")
        }),
    ];
    for (what, code, query) in cases {
        let mut browser = Browser::default();
        let good = site.callback(&mut browser, "ana").await;
        let bad = back(&query(&code_of(&good), &state_of(&good), &issuer));
        let page = browser.go(&bad).await;
        assert_eq!(page.code(), code, "{what}: {}", page.body);
        assert_eq!(site.who(&mut browser).await, "-\\-", "{what}");
    }

    // An attacker's answer in a victim's browser, and a victim's code in an attacker's sign-in.
    let (mut victim, mut attacker) = (Browser::default(), Browser::default());
    let theirs = site.callback(&mut attacker, "eve").await;
    let own = site.callback(&mut victim, "ana").await;
    assert_eq!(victim.go(&theirs).await.code(), "AUTH-STATE");
    let mixed = back(&format!("code={}&state={}&{issuer}", code_of(&own), state_of(&theirs)));
    assert_eq!(attacker.go(&mixed).await.code(), "AUTH-REFUSED", "PKCE keeps the code to its own");
    assert_eq!(site.who(&mut attacker).await, "-\\-");

    // Their own answer is good once.
    let own = site.callback(&mut Browser::default(), "ana").await;
    let mut browser = Browser::default();
    assert_eq!(browser.go(&own).await.code(), "AUTH-STATE", "of another browser");
    let own = site.callback(&mut browser, "ana").await;
    assert_eq!(browser.go(&own).await.status, 200);
    assert_eq!(site.who(&mut browser).await, "ACME\\ana");
    assert_eq!(browser.go(&own).await.code(), "AUTH-STATE", "a second time");
}

#[tokio::test]
async fn a_provider_that_is_down_or_confused_keeps_no_visitor_out() {
    let hub = Hub::start().await;
    let origin = hub.origin();
    for (base, code) in [
        // Nobody listens there.
        ("http://127.0.0.1:1".to_owned(), "AUTH-DOWN"),
        // Not a provider.
        (format!("{origin}/public"), "AUTH-PROVIDER"),
        // Somebody inside, whom nobody listed.
        ("https://169.254.169.254".to_owned(), "AUTH-DOWN"),
    ] {
        let uri =
            if base.is_empty() { base } else { format!("{base}/.well-known/openid-configuration") };
        for mode in [AnonymousMode::Allowed, AnonymousMode::SilentFirst] {
            let settings = OidcSettings {
                configuration_uri: uri.clone(),
                client_id: "loggia".into(),
                realm: "ACME".into(),
                ..OidcSettings::default()
            };
            set_up(&hub, settings, mode);
            let mut browser = Browser::default();
            let page = browser.go(&format!("{origin}/public/hub")).await;
            assert_eq!(page.status, 200, "{uri} {mode:?}: {:?}", browser.trail);
            let page = browser.go(&format!("{origin}/public/login?target=/public/hub?x=1")).await;
            assert_eq!(page.code(), code, "{uri} {mode:?}");
            let message = page.data()["message"].clone();
            assert_eq!(message["action"]["label"], "Try again");
            assert_eq!(message["secondary"]["label"], "Go on as a visitor");
            assert_eq!(message["secondary"]["href"], "/public/hub?x=1", "where they were");
            assert!(!page.body.contains("169.254"), "where providers are is nobody's business");
        }
    }
}
