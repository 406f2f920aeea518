//! Signing in at a SAML provider made of a library that others wrote: `samlify`.

use loggia_model::entity::{AnonymousMode, AttributeMapping, AuthenticationMethod, SamlSettings};
use loggia_repository::VirtualProxyEdit;

use crate::providers::{Browser, Program, action, hidden};
use crate::support::{Answer, Hub, PUBLIC, form, server_itself};

struct Site {
    hub: Hub,
    provider: Program,
    origin: String,
}

async fn site(mode: AnonymousMode) -> Site {
    let hub = Hub::start().await;
    let origin = hub.origin();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    let entrance = format!("{origin}/public");
    let (key, certificate) = (key.serialize_pem(), certificate.pem());
    let environment = [("HUB", entrance.as_str()), ("KEY", &key), ("CERTIFICATE", &certificate)];
    let provider = Program::start("saml.mjs", &environment);
    let metadata = Browser::default().go(&format!("{}/metadata", provider.line)).await.body;
    let site = Site { hub, provider, origin };
    // Providers of others put comments into their files.
    let metadata = format!("<!-- made by\n <acme> -->{metadata}");
    site.set_up(mode, &metadata, &site.origin.clone());
    site
}

impl Site {
    fn set_up(&self, mode: AnonymousMode, metadata: &str, host: &str) {
        let settings = SamlSettings {
            single_logout: true,
            idp_initiated: false,
            host_uri: host.to_owned(),
            entity_id: "urn:loggia:test".into(),
            idp_metadata: metadata.to_owned(),
            user_id: String::new(),
            user_directory: "[ACME]".into(),
            signing_algorithm: 1,
            attributes: vec![AttributeMapping {
                from: "groups".into(),
                to: "group".into(),
                is_mandatory: true,
            }],
        };
        self.hub.edit_entrance(VirtualProxyEdit {
            anonymous: Some(mode),
            method: Some(AuthenticationMethod::Saml),
            saml: settings.into(),
            ..VirtualProxyEdit::default()
        });
    }

    fn allow_unasked(&self) {
        let mut edit = VirtualProxyEdit::default();
        edit.saml.idp_initiated = Some(true);
        self.hub.edit_entrance(edit);
    }

    async fn who(&self, browser: &mut Browser) -> String {
        let me = browser.go(&format!("{}/public/qps/user", self.origin)).await.json();
        let part = |name: &str| me[name].as_str().unwrap_or("-").to_owned();
        format!("{}\\{}", part("userDirectory"), part("userId"))
    }

    /// Goes to the provider and comes to the form that its page would post by itself.
    async fn to_form(&self, browser: &mut Browser, name: &str) -> Answer {
        let url = format!("{}/public/login?target=/public/hub", self.origin);
        let page = browser.go(&url).await;
        assert!(browser.url.starts_with(&self.provider.line), "{}: {page:?}", browser.url);
        if page.body.contains("SAMLResponse") {
            return page;
        }
        let next = browser.resolve(&format!("{}{name}", action(&page)));
        browser.go(&next).await
    }

    async fn sign_in(&self, browser: &mut Browser, name: &str) -> Answer {
        let page = self.to_form(browser, name).await;
        post(browser, &page).await
    }
}

/// Posts what a provider's page posts. A browser sends no cookies of the hub with it.
async fn post(browser: &mut Browser, page: &Answer) -> Answer {
    let (message, relay) = (hidden(page, "SAMLResponse"), hidden(page, "RelayState"));
    post_message(browser, &action(page), &message, &relay).await
}

async fn post_message(browser: &mut Browser, to: &str, message: &str, relay: &str) -> Answer {
    let fields = form(&[("SAMLResponse", message), ("RelayState", relay)]);
    let answer = Browser::default().step("POST", to, &fields).await;
    assert!(answer.all("set-cookie").is_empty(), "{answer:?}");
    if answer.status != 303 {
        return answer;
    }
    let origin: Vec<&str> = to.split('/').take(3).collect();
    browser.go(&format!("{}{}", origin.join("/"), answer.header("location"))).await
}

#[tokio::test]
async fn people_sign_in_at_the_provider_and_bring_their_attributes() {
    let site = site(AnonymousMode::Allowed).await;
    let mut browser = Browser::default();
    assert_eq!(browser.go(&format!("{}/public/hub", site.origin)).await.status, 200);
    let hub = site.sign_in(&mut browser, "ana").await;
    assert_eq!((hub.status, browser.url.ends_with("/public/hub")), (200, true), "{hub:?}");
    assert_eq!(hub.data()["me"]["name"], "ana at the provider");
    assert_eq!(site.who(&mut browser).await, "ACME\\ana");
    let sessions = site.hub.running.front.proxy.sessions().all();
    let session = sessions.iter().find(|session| !session.is_anonymous()).unwrap();
    let attributes: Vec<&str> =
        session.attributes.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(attributes, ["sales", "north"]);
}

#[tokio::test]
async fn single_sign_on_is_tried_without_asking_and_visitors_stay_visitors() {
    let site = site(AnonymousMode::SilentFirst).await;
    let hub = format!("{}/public/hub", site.origin);
    let mut browser = Browser::default();
    let refusal = browser.go(&hub).await;
    let page = post(&mut browser, &refusal).await;
    assert_eq!((page.status, browser.url.as_str()), (200, hub.as_str()), "{page:?}");
    assert!(site.who(&mut browser).await.starts_with("NONE\\anonymous"));

    site.sign_in(&mut browser, "ana").await;
    browser.forget(&site.origin);
    let page = browser.go(&hub).await;
    let page = post(&mut browser, &page).await;
    assert_eq!((page.status, browser.url.as_str()), (200, hub.as_str()));
    assert_eq!(site.who(&mut browser).await, "ACME\\ana");
}

#[tokio::test]
async fn logging_out_on_either_side_logs_out_on_both() {
    let site = site(AnonymousMode::Allowed).await;
    let mut browser = Browser::default();
    let hub = site.sign_in(&mut browser, "ana").await;
    let csrf = hub.data()["csrf"].as_str().unwrap().to_owned();
    let logout = format!("{}/public/logout", site.origin);
    let page = browser.submit(&logout, &form(&[("csrf", &csrf)])).await;
    let there = page.header("refresh").strip_prefix("0; url=").unwrap_or_default().to_owned();
    assert!(there.starts_with(&site.provider.line), "{page:?}");
    let page = browser.go(&there).await;
    assert_eq!((page.status, browser.url.ends_with("/public/loggedout")), (200, true), "{page:?}");
    let page = browser.go(&format!("{}/public/login", site.origin)).await;
    assert!(page.body.contains("anew"), "the provider lets them choose again: {page:?}");

    // The provider ends the sessions of the one it names, and of nobody else.
    let (mut ana, mut ben) = (Browser::default(), Browser::default());
    site.sign_in(&mut ana, "ana").await;
    site.sign_in(&mut ben, "ben").await;
    let page = ana.go(&format!("{}/end?who=ana", site.provider.line)).await;
    assert_eq!(page.body, "all logged out", "{:?}", ana.trail);
    assert_ne!(site.who(&mut ana).await, "ACME\\ana");
    assert_eq!(site.who(&mut ben).await, "ACME\\ben");
    // A request that was altered, or is not signed, ends nobody's.
    let slo = format!("{}/public/samlauthn/slo", site.origin);
    let good = ben.go_until(&format!("{}/end?who=ben", site.provider.line), &slo).await;
    for bad in [
        good.replace("RelayState=back", "RelayState=other"),
        good.split("&Signature=").next().unwrap().to_owned(),
        good.replace("SAMLRequest=", "SAMLRequest=AA"),
        slo.clone(),
    ] {
        let page = ben.go(&bad).await;
        assert_eq!(page.code(), "AUTH-PROOF", "{bad}");
        assert_eq!(site.who(&mut ben).await, "ACME\\ben");
    }
}

#[tokio::test]
async fn answers_that_were_not_waited_for_sign_nobody_in() {
    let mut site = site(AnonymousMode::Allowed).await;
    let (mut victim, mut attacker) = (Browser::default(), Browser::default());
    let theirs = site.to_form(&mut attacker, "eve").await;
    let (message, relay) = (hidden(&theirs, "SAMLResponse"), hidden(&theirs, "RelayState"));
    let to = action(&theirs);

    // Their answer in somebody else's browser: verified, and given to nobody.
    let page = post(&mut victim, &theirs).await;
    assert_eq!(page.code(), "AUTH-STATE", "{page:?}");
    assert_eq!(site.who(&mut victim).await, "-\\-");
    // It is used up now, for its own browser and with any other sign-in.
    let page = post_message(&mut attacker, &to, &message, &relay).await;
    assert_eq!(page.code(), "AUTH-PROOF");
    let other = site.to_form(&mut attacker, "eve").await;
    let page = post_message(&mut attacker, &to, &message, &hidden(&other, "RelayState")).await;
    assert_eq!(page.code(), "AUTH-PROOF", "it answers another request");
    for message in ["", "AAAA", "!", "PHIvPg=="] {
        let other = site.to_form(&mut attacker, "eve").await;
        let page = post_message(&mut attacker, &to, message, &hidden(&other, "RelayState")).await;
        assert_eq!(page.code(), "AUTH-PROOF", "{message}");
    }
    assert_eq!(site.who(&mut attacker).await, "-\\-");

    // Begun at the provider: only where that is allowed, and then each assertion once, also
    // after a restart; and the address to go to is one of ours.
    let start = |relay: &str| format!("{}/start?who=ana&relay={relay}", site.provider.line);
    let unasked = victim.go(&start("/public/hub")).await;
    assert_eq!(post(&mut victim, &unasked).await.code(), "AUTH-STATE");
    site.allow_unasked();
    let away = victim.go(&start("https://evil.example/")).await;
    assert_eq!(post(&mut victim, &away).await.status, 200);
    assert_eq!(victim.url, format!("{}/public/hub", site.origin));
    assert_eq!(site.who(&mut victim).await, "ACME\\ana");
    let again = post(&mut Browser::default(), &away).await;
    assert_eq!(again.code(), "AUTH-PROOF");
    let message = hidden(&away, "SAMLResponse");
    let unused = hidden(&victim.go(&start("/public/hub")).await, "SAMLResponse");
    site.hub = site.hub.restart().await;
    let old = site.origin.replace("http://", "");
    // The hub is at another port now, and goes by its old name.
    for (message, status) in [(message, 403), (unused, 303)] {
        let fields = form(&[("SAMLResponse", &message), ("RelayState", "")]);
        let request = format!(
            "POST /public/samlauthn HTTP/1.1\r\nHost: {old}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{fields}",
            fields.len()
        );
        let answer = Answer::parse(&site.hub.raw(request.as_bytes()).await);
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn metadata_of_no_provider_is_refused_when_it_is_saved() {
    let site = site(AnonymousMode::Allowed).await;
    for metadata in [
        "<EntityDescriptor xmlns='urn:oasis:names:tc:SAML:2.0:metadata'/>",
        "<EntityDescriptor xmlns='urn:oasis:names:tc:SAML:2.0:metadata'>",
        "<html/>",
        "<!-- <EntityDescriptor/>",
    ] {
        let mut edit = VirtualProxyEdit::default();
        edit.saml.idp_metadata = Some(metadata.to_owned());
        let repository = site.hub.repository();
        let error = repository.update_virtual_proxy(&server_itself(), PUBLIC, None, edit);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("samlMetadataIdP"), "{metadata}: {error}");
    }
}
