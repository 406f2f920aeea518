//! What the hub itself says in SAML: requests, answers, and its own metadata. All go by redirect,
//! signed over the query that carries them (SAML bindings §3.4.4.1).

use std::fmt;
use std::io::Read;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loggia_model::Moment;

use crate::proof::SamlSubject;
use crate::saml::metadata::IdentityProvider;
use crate::saml::signature::verify_bytes;
use crate::saml::xml::{LARGEST, children, escape_value, is, only, parse, text};
use crate::saml::{ASSERTION, PROTOCOL, SamlError};
use crate::secret::{base64, random_token};

/// The hub as an entrance shows it to providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceProvider {
    pub entity_id: String,
    /// Where assertions are posted to.
    pub consumer: String,
    /// Where logout messages go.
    pub logout: String,
}

/// The hub's own key, with the certificate that tells others of it.
#[derive(Clone)]
pub struct ServiceKey {
    pkcs8: Vec<u8>,
    certificate: Vec<u8>,
}

/// How to ask for a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    Usual,
    /// Nothing may be shown.
    Passive,
    /// The person shall sign in anew.
    Anew,
}

/// A logout message that came by redirect, its signature verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutMessage {
    /// The provider ended its session of somebody.
    Request { id: String, subject: SamlSubject, relay_state: Option<String> },
    /// The provider did what it was asked.
    Response,
}

const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const LEEWAY: i64 = 60_000;
/// How old a logout request may be where it does not say itself.
const LOGOUT_MILLIS: i64 = 300_000;

impl ServiceKey {
    /// From an RSA key in PKCS#8 and a certificate, both in DER.
    pub fn new(pkcs8: Vec<u8>, certificate: Vec<u8>) -> Result<ServiceKey, SamlError> {
        KeyPair::from_pkcs8(&pkcs8)
            .map_err(|error| SamlError::Internal(format!("the SAML key is unusable: {error}")))?;
        Ok(ServiceKey { pkcs8, certificate })
    }

    fn sign(&self, signed: &[u8]) -> Result<Vec<u8>, SamlError> {
        let broken = |_| SamlError::Internal("signing failed".to_owned());
        let key = KeyPair::from_pkcs8(&self.pkcs8)
            .map_err(|error| SamlError::Internal(format!("the SAML key is unusable: {error}")))?;
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut signature)
            .map_err(broken)?;
        Ok(signature)
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceKey(hidden)")
    }
}

/// A fresh id for a message. Ids must not begin with a digit.
pub fn new_id() -> Result<String, SamlError> {
    let token = random_token().map_err(|error| SamlError::Internal(error.to_string()))?;
    Ok(format!("_{token}"))
}

impl ServiceProvider {
    /// Where the browser goes to sign in.
    pub fn sign_on_address(
        &self,
        provider: &IdentityProvider,
        key: &ServiceKey,
        id: &str,
        relay_state: &str,
        asking: Asking,
        now: Moment,
    ) -> Result<String, SamlError> {
        let how = match asking {
            Asking::Usual => "",
            Asking::Passive => " IsPassive=\"true\"",
            Asking::Anew => " ForceAuthn=\"true\"",
        };
        let message = format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" \
             ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\"{how} \
             AssertionConsumerServiceURL=\"{}\" \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\">\
             <saml:Issuer>{}</saml:Issuer><samlp:NameIDPolicy AllowCreate=\"true\"/>\
             </samlp:AuthnRequest>",
            instant(now),
            escaped(&provider.sign_on),
            escaped(&self.consumer),
            escaped(&self.entity_id),
        );
        by_redirect(&provider.sign_on, "SAMLRequest", &message, Some(relay_state), key)
    }

    /// Where the browser goes to end the provider's session; none when it has no such place.
    pub fn logout_address(
        &self,
        provider: &IdentityProvider,
        key: &ServiceKey,
        subject: &SamlSubject,
        now: Moment,
    ) -> Result<Option<String>, SamlError> {
        let Some(there) = &provider.logout else { return Ok(None) };
        let format = match subject.format.as_str() {
            "" => String::new(),
            format => format!(" Format=\"{}\"", escaped(format)),
        };
        let index = match subject.session_index.as_str() {
            "" => String::new(),
            index => format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", escaped(index)),
        };
        let message = format!(
            "<samlp:LogoutRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" \
             ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\">\
             <saml:Issuer>{}</saml:Issuer><saml:NameID{format}>{}</saml:NameID>{index}\
             </samlp:LogoutRequest>",
            new_id()?,
            instant(now),
            escaped(there),
            escaped(&self.entity_id),
            escaped(&subject.name_id),
        );
        by_redirect(there, "SAMLRequest", &message, None, key).map(Some)
    }

    /// Where the browser goes with the answer to a provider's logout request.
    pub fn logout_answer_address(
        &self,
        provider: &IdentityProvider,
        key: &ServiceKey,
        request: &str,
        relay_state: Option<&str>,
        now: Moment,
    ) -> Result<Option<String>, SamlError> {
        let Some(there) = &provider.logout_response else { return Ok(None) };
        let message = format!(
            "<samlp:LogoutResponse xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" \
             ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\" InResponseTo=\"{}\">\
             <saml:Issuer>{}</saml:Issuer><samlp:Status><samlp:StatusCode \
             Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>\
             </samlp:LogoutResponse>",
            new_id()?,
            instant(now),
            escaped(there),
            escaped(request),
            escaped(&self.entity_id),
        );
        by_redirect(there, "SAMLResponse", &message, relay_state, key).map(Some)
    }

    /// The metadata that a provider is given.
    #[must_use]
    pub fn metadata(&self, key: &ServiceKey) -> String {
        let (entity, consumer, logout) =
            (escaped(&self.entity_id), escaped(&self.consumer), escaped(&self.logout));
        let certificate = base64(&key.certificate);
        format!(
            "<md:EntityDescriptor xmlns:md=\"{}\" entityID=\"{entity}\">\
             <md:SPSSODescriptor AuthnRequestsSigned=\"true\" WantAssertionsSigned=\"true\" \
             protocolSupportEnumeration=\"{PROTOCOL}\">\
             <md:KeyDescriptor use=\"signing\"><ds:KeyInfo \
             xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>\
             {certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>\
             <md:SingleLogoutService \
             Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"{logout}\"/>\
             <md:AssertionConsumerService index=\"0\" isDefault=\"true\" \
             Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"{consumer}\"/>\
             </md:SPSSODescriptor></md:EntityDescriptor>",
            crate::saml::MD,
        )
    }
}

/// Reads a logout message out of the query that it came in, undecoded: the signature is over the
/// text as it was sent.
pub fn read_logout(
    query: &str,
    provider: &IdentityProvider,
    destination: &str,
    now: Moment,
) -> Result<LogoutMessage, SamlError> {
    let raw = |name: &'static str| -> Result<Option<&str>, SamlError> {
        let mut found = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut of_name = found.by_ref().filter(|(found, _)| *found == name);
        match (of_name.next(), of_name.next()) {
            (Some((_, value)), None) => Ok(Some(value)),
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(SamlError::Several(name)),
        }
    };
    let (kind, message) = match (raw("SAMLRequest")?, raw("SAMLResponse")?) {
        (Some(message), None) => ("SAMLRequest", message),
        (None, Some(message)) => ("SAMLResponse", message),
        _ => return Err(SamlError::Missing("SAMLRequest or SAMLResponse")),
    };
    let relay_state = raw("RelayState")?;
    let method = raw("SigAlg")?.ok_or(SamlError::Signature("the message is not signed"))?;
    let value = raw("Signature")?.ok_or(SamlError::Signature("the message is not signed"))?;
    let mut signed = format!("{kind}={message}");
    if let Some(relay_state) = relay_state {
        signed.push_str(&format!("&RelayState={relay_state}"));
    }
    signed.push_str(&format!("&SigAlg={method}"));
    let value = STANDARD
        .decode(decoded(value))
        .map_err(|_| SamlError::Signature("its value is no base64"))?;
    verify_bytes(&decoded(method), signed.as_bytes(), &value, &provider.keys)?;

    let message = inflated(&decoded(message))?;
    let document = parse(&message)?;
    let root = document.root_element();
    if text(only(root, ASSERTION, "Issuer")?)? != provider.entity_id {
        return Err(SamlError::Wrong("Issuer"));
    }
    if root.attribute("Destination").is_some_and(|found| found != destination) {
        return Err(SamlError::Wrong("Destination"));
    }
    if is(root, PROTOCOL, "LogoutResponse") {
        return Ok(LogoutMessage::Response);
    }
    if !is(root, PROTOCOL, "LogoutRequest") {
        return Err(SamlError::Missing("LogoutRequest"));
    }
    check_age(root.attribute("IssueInstant"), root.attribute("NotOnOrAfter"), now)?;
    let name_id = only(root, ASSERTION, "NameID")?;
    let index = children(root, PROTOCOL, "SessionIndex").next();
    let subject = SamlSubject {
        name_id: text(name_id)?.to_owned(),
        format: name_id.attribute("Format").unwrap_or_default().to_owned(),
        session_index: index.map_or(Ok(""), text)?.to_owned(),
    };
    let id = root.attribute("ID").unwrap_or_default().to_owned();
    Ok(LogoutMessage::Request { id, subject, relay_state: relay_state.map(decoded) })
}

fn check_age(issued: Option<&str>, end: Option<&str>, now: Moment) -> Result<(), SamlError> {
    let parse = |text: &str| text.parse::<jiff::Timestamp>().map(|time| time.as_millisecond());
    let unreadable = |_| SamlError::Time("a time in it cannot be read");
    let issued = parse(issued.unwrap_or_default()).map_err(unreadable)?;
    let end = match end {
        Some(end) => parse(end).map_err(unreadable)?,
        None => issued.saturating_add(LOGOUT_MILLIS),
    };
    if issued.saturating_sub(LEEWAY) > now.0 || end.saturating_add(LEEWAY) <= now.0 {
        return Err(SamlError::Time("the logout request is old, or of another time"));
    }
    Ok(())
}

fn by_redirect(
    there: &str,
    kind: &str,
    message: &str,
    relay_state: Option<&str>,
    key: &ServiceKey,
) -> Result<String, SamlError> {
    let mut query = format!("{kind}={}", encoded(&base64(&stored(message.as_bytes()))));
    if let Some(relay_state) = relay_state {
        query.push_str(&format!("&RelayState={}", encoded(relay_state)));
    }
    query.push_str(&format!("&SigAlg={}", encoded(RSA_SHA256)));
    let signature = base64(&key.sign(query.as_bytes())?);
    let joint = if there.contains('?') { '&' } else { '?' };
    Ok(format!("{there}{joint}{query}&Signature={}", encoded(&signature)))
}

/// The bytes in the DEFLATE format, uncompressed: our messages are short.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut chunks = bytes.chunks(0xffff).peekable();
    while let Some(chunk) = chunks.next() {
        out.push(u8::from(chunks.peek().is_none()));
        let length = u16::try_from(chunk.len()).unwrap_or(u16::MAX);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(chunk);
    }
    out
}

fn inflated(message: &str) -> Result<String, SamlError> {
    let compressed = STANDARD.decode(message).map_err(|_| SamlError::Xml("it is no base64"))?;
    let mut text = String::new();
    let limit = u64::try_from(LARGEST).unwrap_or(u64::MAX);
    flate2::read::DeflateDecoder::new(compressed.as_slice())
        .take(limit + 1)
        .read_to_string(&mut text)
        .map_err(|_| SamlError::Xml("it is not compressed as it should be"))?;
    Ok(text)
}

fn instant(now: Moment) -> String {
    let timestamp = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    format!("{timestamp:.3}")
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    escape_value(text, &mut out);
    out
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}
