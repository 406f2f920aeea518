//! Responses as an attacker would send them, with keys made for each run.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use loggia_model::entity::{AttributeMapping, SamlSettings};
use loggia_model::{Moment, UserKey};
use parking_lot::Mutex;

use super::response::person;
use super::signature::{DS, ProviderKey};
use super::*;
use crate::secret::base64;

const NOW: &str = "2026-11-24T12:00:00Z";
const ACS: &str = "https://hub.example/samlauthn";
const ECDSA: &str = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
const SHA256_URI: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

struct Signer(EcdsaKeyPair);

fn signer() -> Signer {
    Signer(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
}

impl Signer {
    fn public(&self) -> ProviderKey {
        ProviderKey(self.0.public_key().as_ref().to_vec())
    }

    /// Signs the element of that ID; the signature takes the place of `@id@` inside it.
    fn sign(&self, message: &str, id: &str) -> String {
        self.sign_with(message, id, ECDSA, SHA256_URI)
    }

    fn sign_with(&self, message: &str, id: &str, method: &str, hash: &str) -> String {
        let mark = format!("@{id}@");
        // What is inside cannot be signed any more once the whole is.
        let message = if id == "_r" { message.replace("@_a@", "") } else { message.to_owned() };
        let bare = message.replace(&mark, "");
        let content = with_id(&bare, id, |element| xml::canonical(element, None, &[]).unwrap());
        let algorithm = if hash == SHA256_URI { &SHA256 } else { &SHA1_FOR_LEGACY_USE_ONLY };
        let hashed = base64(digest(algorithm, content.as_bytes()).as_ref());
        let signature = format!(
            "<ds:Signature xmlns:ds=\"{DS}\"><ds:SignedInfo>\
             <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
             <ds:SignatureMethod Algorithm=\"{method}\"/><ds:Reference URI=\"#{id}\">\
             <ds:Transforms><ds:Transform Algorithm=\"{DS}enveloped-signature\"/>\
             <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"{hash}\"/><ds:DigestValue>{hashed}</ds:DigestValue>\
             </ds:Reference></ds:SignedInfo><ds:SignatureValue>@@</ds:SignatureValue>\
             </ds:Signature>"
        );
        let placed = message.replace(&mark, &signature);
        let signed = with_id(&placed, id, |element| {
            let signature = xml::only(element, DS, "Signature").unwrap();
            xml::canonical(xml::only(signature, DS, "SignedInfo").unwrap(), None, &[]).unwrap()
        });
        let value = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        placed.replace("@@", &base64(value.as_ref()))
    }
}

fn with_id<T>(message: &str, id: &str, then: impl Fn(roxmltree::Node<'_, '_>) -> T) -> T {
    let document = xml::parse(message).unwrap();
    let element = document.descendants().find(|node| node.attribute("ID") == Some(id));
    then(element.unwrap())
}

fn now() -> Moment {
    Moment(NOW.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

/// A response to request `_q` with marks where signatures go.
fn unsigned() -> String {
    format!(
        "<samlp:Response xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"_r\" \
         Version=\"2.0\" IssueInstant=\"{NOW}\" Destination=\"{ACS}\" InResponseTo=\"_q\">\
         <saml:Issuer>https://idp.example</saml:Issuer>@_r@<samlp:Status><samlp:StatusCode \
         Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>\
         <saml:Assertion ID=\"_a\" Version=\"2.0\" IssueInstant=\"{NOW}\">\
         <saml:Issuer>https://idp.example</saml:Issuer>@_a@<saml:Subject>\
         <saml:NameID>ana</saml:NameID><saml:SubjectConfirmation \
         Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData \
         Recipient=\"{ACS}\" InResponseTo=\"_q\" NotOnOrAfter=\"2026-11-24T12:05:00Z\"/>\
         </saml:SubjectConfirmation></saml:Subject><saml:Conditions \
         NotBefore=\"2026-11-24T11:59:00Z\" NotOnOrAfter=\"2026-11-24T12:06:00Z\">\
         <saml:AudienceRestriction><saml:Audience>https://hub.example</saml:Audience>\
         </saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement \
         AuthnInstant=\"{NOW}\" SessionIndex=\"_s\"/><saml:AttributeStatement>\
         <saml:Attribute Name=\"groups\"><saml:AttributeValue>sales</saml:AttributeValue>\
         <saml:AttributeValue>north</saml:AttributeValue></saml:Attribute>\
         </saml:AttributeStatement></saml:Assertion></samlp:Response>"
    )
}

/// Without the marks of signatures that nobody made.
fn unmarked(message: &str) -> String {
    message.replace("@_r@", "").replace("@_a@", "")
}

fn provider(keys: Vec<ProviderKey>) -> IdentityProvider {
    IdentityProvider {
        entity_id: "https://idp.example".into(),
        sign_on: "https://idp.example/sso".into(),
        logout: None,
        logout_response: None,
        wants_signed_requests: false,
        keys,
    }
}

fn judge_for(
    message: &str,
    key: &Signer,
    request: Option<&str>,
    now: Moment,
) -> Result<Accepted, SamlError> {
    let expected = Expected {
        provider: &provider(vec![key.public()]),
        audience: "https://hub.example",
        recipient: ACS,
        in_response_to: request,
        now,
    };
    accept(&unmarked(message), &expected)
}

fn judge(message: &str, key: &Signer) -> Result<String, SamlError> {
    judge_for(message, key, Some("_q"), now()).map(|accepted| accepted.subject.name_id)
}

#[test]
fn a_signed_assertion_says_who_it_is() {
    let key = signer();
    let (assertion, response) = (key.sign(&unsigned(), "_a"), key.sign(&unsigned(), "_r"));
    let both = key.sign(&key.sign(&unsigned(), "_a"), "_r");
    for message in [&assertion, &response, &both] {
        assert_eq!(judge(message, &key), Ok("ana".to_owned()));
    }
    let accepted = judge_for(&assertion, &key, Some("_q"), now()).unwrap();
    let settings = SamlSettings {
        user_directory: "[ACME]".into(),
        attributes: vec![AttributeMapping {
            from: "groups".into(),
            to: "group".into(),
            is_mandatory: true,
        }],
        ..SamlSettings::default()
    };
    let found = person(&settings, &accepted).unwrap();
    assert_eq!(found.key, UserKey::new("ACME", "ana").unwrap());
    let group = |value: &str| ("group".to_owned(), value.to_owned());
    assert_eq!(found.attributes, [group("sales"), group("north")]);
    for directory in ["", "[NONE]", "[internal]", "groups", "absent"] {
        let settings = SamlSettings { user_directory: directory.into(), ..settings.clone() };
        assert!(person(&settings, &accepted).is_err(), "{directory}");
    }

    // What the provider began by itself answers no request, and says so.
    let unasked = unsigned().replace(" InResponseTo=\"_q\"", "");
    let unasked = key.sign(&unasked, "_a");
    assert!(judge_for(&unasked, &key, None, now()).is_ok());
    assert_eq!(judge(&unasked, &key), Err(SamlError::Wrong("InResponseTo")));
    let asked = judge_for(&assertion, &key, None, now());
    assert_eq!(asked, Err(SamlError::Wrong("InResponseTo")));
}

#[test]
fn what_is_signed_for_somebody_or_some_time_else_is_refused() {
    let key = signer();
    for (what, from, to) in [
        (
            "Destination",
            "Destination=\"https://hub.example/",
            "Destination=\"https://evil.example/",
        ),
        ("Destination", "Destination=\"https://hub.example/samlauthn\"", ""),
        ("Recipient", "Recipient=\"https://hub.example/", "Recipient=\"https://evil.example/"),
        ("Recipient", "Recipient=\"https://hub.example/samlauthn\"", ""),
        ("InResponseTo", "InResponseTo=\"_q\"", "InResponseTo=\"_other\""),
        ("InResponseTo", "InResponseTo=\"_q\" NotOnOrAfter", "InResponseTo=\"_x\" NotOnOrAfter"),
        ("InResponseTo", "InResponseTo=\"_q\" NotOnOrAfter", "NotOnOrAfter"),
        ("Audience", "Audience>https://hub.example<", "Audience>https://other.example<"),
        ("Audience", "Audience>https://hub.example<", "Audience>https://hub.example/<"),
        (
            "AudienceRestriction",
            "<saml:AudienceRestriction><saml:Audience>https://hub.example</saml:Audience></saml:AudienceRestriction>",
            "",
        ),
        ("Issuer", "Issuer>https://idp.example<", "Issuer>https://evil.example<"),
        ("bearer", "cm:bearer", "cm:holder-of-key"),
        ("no end", " NotOnOrAfter=\"2026-11-24T12:05:00Z\"", ""),
        ("over", "NotOnOrAfter=\"2026-11-24T12:05:00Z\"", "NotOnOrAfter=\"2026-11-24T11:59:00Z\""),
        ("over", "NotOnOrAfter=\"2026-11-24T12:06:00Z\"", "NotOnOrAfter=\"2026-11-24T11:59:00Z\""),
        ("not yet", "NotBefore=\"2026-11-24T11:59:00Z\"", "NotBefore=\"2026-11-24T12:01:01Z\""),
        ("no time", "NotBefore=\"2026-11-24T11:59:00Z\"", "NotBefore=\"yesterday\""),
        (
            "session over",
            "SessionIndex",
            "SessionNotOnOrAfter=\"2026-11-24T11:00:00Z\" SessionIndex",
        ),
        ("no statement", "AuthnStatement", "OtherStatement"),
        ("version", "ID=\"_a\" Version=\"2.0\"", "ID=\"_a\" Version=\"1.1\""),
        ("status", "status:Success", "status:Responder"),
        (
            "two names",
            "<saml:NameID>ana</saml:NameID>",
            "<saml:NameID>ana</saml:NameID><saml:NameID>eve</saml:NameID>",
        ),
        ("name in parts", "ana<", "ana<x/>eve<"),
        ("encrypted", "<saml:Assertion ", "<saml:EncryptedAssertion/><saml:Assertion "),
    ] {
        let altered = unsigned().replace(from, to);
        assert_ne!(altered, unsigned(), "{what}: {from}");
        for id in ["_a", "_r"] {
            let found = judge(&key.sign(&altered, id), &key);
            assert!(found.is_err(), "{what} {id}: {found:?}");
        }
    }
    let passive = unsigned().replace(
        "status:Success\"/>",
        "status:Responder\"><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:NoPassive\"/></samlp:StatusCode>",
    );
    assert_eq!(judge(&passive, &key), Err(SamlError::WouldAsk));
    // Clocks may differ by a minute.
    let late = |seconds: i64| {
        let end = Moment(now().0 + seconds * 1_000);
        judge_for(&key.sign(&unsigned(), "_a"), &key, Some("_q"), end)
    };
    assert!(late(359).is_ok());
    assert!(matches!(late(360), Err(SamlError::Time(_))));
}

/// The parts of a signed message that attackers shuffle.
struct Parts {
    whole: String,
    assertion: String,
    signature: String,
    evil: String,
}

fn parts(key: &Signer, id: &str) -> Parts {
    let whole = unmarked(&key.sign(&unsigned(), id));
    let between = |text: &str, start: &str, end: &str| {
        let at = text.find(start).unwrap();
        let to = text.find(end).unwrap() + end.len();
        text[at..to].to_owned()
    };
    let assertion = between(&whole, "<saml:Assertion ", "</saml:Assertion>");
    let signature = between(&whole, "<ds:Signature ", "</ds:Signature>");
    let evil = assertion.replace(&signature, "").replace("_a\"", "_evil\"").replace("ana", "eve");
    Parts { whole, assertion, signature, evil }
}

#[test]
fn wrapping_moves_nobody_into_what_was_signed() {
    let key = signer();
    let Parts { whole, assertion, signature, evil } = parts(&key, "_a");
    let bare = assertion.replace(&signature, "");
    let with_object = |inner: &str| {
        signature
            .replace("</ds:Signature>", &format!("<ds:Object>{inner}</ds:Object></ds:Signature>"))
    };
    let evil_with = |inner: &str| evil.replace("<saml:Subject>", &format!("{inner}<saml:Subject>"));
    let extensions = |inner: &str| format!("<samlp:Extensions>{inner}</samlp:Extensions>");
    let signed_response = parts(&key, "_r");
    let evil_response = signed_response
        .whole
        .replace(&signed_response.signature, "")
        .replace("ID=\"_r\"", "ID=\"_evil\"")
        .replace("ana", "eve");
    let original_response = signed_response.whole.replace(&signed_response.signature, "");
    let into_response = |inner: &str| {
        evil_response.replacen("<samlp:Status>", &format!("{inner}<samlp:Status>"), 1)
    };
    let response_object = signed_response.signature.replace(
        "</ds:Signature>",
        &format!("<ds:Object>{original_response}</ds:Object></ds:Signature>"),
    );
    for (what, message) in [
        ("XSW1", into_response(&response_object)),
        ("XSW2", into_response(&format!("{}{original_response}", signed_response.signature))),
        ("XSW3", whole.replace(&assertion, &format!("{evil}{assertion}"))),
        ("XSW3, behind", whole.replace(&assertion, &format!("{assertion}{evil}"))),
        ("XSW4", whole.replace(&assertion, &evil_with(&assertion))),
        ("XSW5", whole.replace(&assertion, &format!("{}{bare}", evil_with(&signature)))),
        ("XSW6", whole.replace(&assertion, &evil_with(&with_object(&bare)))),
        ("XSW7", whole.replace(&assertion, &format!("{}{assertion}", extensions(&evil)))),
        (
            "XSW7, the other",
            whole.replace(&assertion, &format!("{}{evil}", extensions(&assertion))),
        ),
        (
            "XSW8",
            whole.replace(&assertion, &evil_with(&with_object(&bare))).replace("_evil\"", "_a\""),
        ),
        (
            "same ID twice",
            whole.replace(&assertion, &format!("{assertion}{}", evil.replace("_evil", "_a"))),
        ),
        ("ID in other letters", whole.replace("<samlp:Status>", "<samlp:Status Id=\"_a\">")),
        (
            "assertion of another namespace",
            whole.replace(
                &assertion,
                &format!(
                    "{assertion}{}",
                    evil.replace("saml:", "x:")
                        .replace("<x:Assertion", "<x:Assertion xmlns:x=\"urn:x\"")
                ),
            ),
        ),
        ("signature beside", whole.replace(&assertion, &format!("{signature}{bare}"))),
        (
            "signature of the response on another assertion",
            evil_response
                .replace("<samlp:Status>", &format!("{}<samlp:Status>", signed_response.signature)),
        ),
        (
            "a response's signature and a foreign assertion",
            signed_response.whole.replace(&signed_response.assertion, &evil),
        ),
        ("nothing signed", unsigned()),
        ("two signatures", whole.replace(&signature, &signature.repeat(2))),
        ("name altered", whole.replace("ana", "eve")),
        ("name with a comment", whole.replace("ana", "ana<!-- -->.eve")),
        (
            "name with an entity",
            format!("<!DOCTYPE r [<!ENTITY e 'eve'>]>{}", whole.replace("ana", "&e;")),
        ),
        ("empty reference", whole.replace("URI=\"#_a\"", "URI=\"\"")),
        ("reference to a file", whole.replace("URI=\"#_a\"", "URI=\"file:///etc/passwd\"")),
        ("reference by pointer", whole.replace("URI=\"#_a\"", "URI=\"#xpointer(/)\"")),
        (
            "no transforms",
            whole.replace(&format!("<ds:Transform Algorithm=\"{DS}enveloped-signature\"/>"), ""),
        ),
        (
            "no value",
            whole
                .replace("<ds:SignatureValue>", "<ds:SignatureValue></ds:SignatureValue><ds:X>")
                .replace("</ds:SignatureValue></ds:Signature>", "</ds:X></ds:Signature>"),
        ),
    ] {
        assert_ne!(message, whole, "{what}");
        let found = judge(&message, &key);
        assert!(found.is_err(), "{what}: {found:?}");
    }
}

#[test]
fn only_keys_of_the_metadata_and_strong_hashes_count() {
    let (ours, theirs) = (signer(), signer());
    let forged = theirs.sign(&unsigned(), "_a");
    assert!(judge(&forged, &ours).is_err());
    // The key that it brings along proves nothing.
    let brought = base64(&theirs.public().0);
    let forged = forged.replace(
        "</ds:Signature>",
        &format!("<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{brought}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"),
    );
    assert!(judge(&forged, &ours).is_err());
    assert_eq!(judge(&forged, &theirs), Ok("ana".to_owned()), "nor does it harm");

    const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
    for (method, hash) in [
        (ECDSA, SHA1),
        ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1", SHA256_URI),
        ("http://www.w3.org/2000/09/xmldsig#rsa-sha1", SHA256_URI),
        ("http://www.w3.org/2000/09/xmldsig#hmac-sha1", SHA256_URI),
        ("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", SHA256_URI),
        ("", SHA256_URI),
        (ECDSA, ""),
    ] {
        let weak = ours.sign_with(&unsigned(), "_a", method, hash);
        assert!(judge(&weak, &ours).is_err(), "{method} {hash}");
    }
}

/// A store that outlives its caches, as a file does.
#[derive(Clone, Default)]
struct Kept(std::sync::Arc<Mutex<Vec<(String, Moment)>>>);

impl ReplayStore for Kept {
    fn load(&self) -> Result<Vec<(String, Moment)>, String> {
        Ok(self.0.lock().clone())
    }

    fn remember(&self, fingerprint: &str, until: Moment) -> Result<(), String> {
        self.0.lock().push((fingerprint.to_owned(), until));
        Ok(())
    }

    fn keep_only(&self, remembered: &[(String, Moment)]) -> Result<(), String> {
        *self.0.lock() = remembered.to_vec();
        Ok(())
    }
}

#[test]
fn an_assertion_is_good_once_also_after_a_restart() {
    let store = Kept::default();
    let open = || ReplayCache::open(Box::new(store.clone())).unwrap();
    let cache = open();
    let until = Moment(300_000);
    let used = |cache: &ReplayCache, id: &str| cache.take("idp", id, until, Moment(0));
    assert_eq!(used(&cache, "_a"), Ok(()));
    assert_eq!(used(&cache, "_a"), Err(SamlError::Replayed));
    assert_eq!(used(&cache, "_b"), Ok(()));
    assert_eq!(cache.take("other", "_a", until, Moment(0)), Ok(()), "of another provider");
    let cache = open();
    assert_eq!(used(&cache, "_a"), Err(SamlError::Replayed));
    // Those that are refused for their age anyway are forgotten.
    for n in 0..1_100 {
        let id = format!("_{n}");
        assert_eq!(cache.take("idp", &id, Moment(2_000_000), Moment(400_000)), Ok(()));
    }
    assert!(store.0.lock().len() >= 1_100);
}
