//! What an identity provider says about itself in its metadata.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;

use crate::saml::signature::{DS, ProviderKey, key_of_certificate};
use crate::saml::xml::{children, is, parse, text};
use crate::saml::{MD, PROTOCOL, SamlError};

/// An identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityProvider {
    pub entity_id: String,
    /// Where the browser asks for a sign-in by redirect.
    pub sign_on: String,
    /// Where the browser ends the provider's session by redirect, and where it takes answers.
    pub logout: Option<String>,
    pub logout_response: Option<String>,
    pub wants_signed_requests: bool,
    pub keys: Vec<ProviderKey>,
}

/// What an administrator is told of metadata that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub entity_id: String,
    pub sign_on: String,
    pub keys: usize,
    pub has_logout: bool,
}

impl IdentityProvider {
    /// Reads metadata; what is missing is said by name.
    pub fn read(metadata: &str) -> Result<IdentityProvider, SamlError> {
        let metadata = without_comments(metadata);
        let document = parse_metadata(&metadata)?;
        let root = document.root_element();
        let mut entities = root.descendants().filter(|node| {
            is(*node, MD, "EntityDescriptor")
                && children(*node, MD, "IDPSSODescriptor").next().is_some()
        });
        let (Some(entity), None) = (entities.next(), entities.next()) else {
            return Err(SamlError::Metadata("it must describe exactly one identity provider"));
        };
        let entity_id = entity.attribute("entityID").unwrap_or_default().to_owned();
        if entity_id.is_empty() {
            return Err(SamlError::Metadata("its entityID is missing"));
        }
        let role = children(entity, MD, "IDPSSODescriptor").find(|role| {
            let protocols = role.attribute("protocolSupportEnumeration").unwrap_or_default();
            protocols.split_whitespace().any(|protocol| protocol == PROTOCOL)
        });
        let role = role.ok_or(SamlError::Metadata("its provider does not speak SAML 2.0"))?;
        let sign_on = endpoint(role, "SingleSignOnService", "Location").ok_or(
            SamlError::Metadata("it has no SingleSignOnService with the HTTP-Redirect binding"),
        )?;
        let keys = keys(role)?;
        if keys.is_empty() {
            return Err(SamlError::Metadata("it has no certificate for signing"));
        }
        let logout = endpoint(role, "SingleLogoutService", "Location");
        Ok(IdentityProvider {
            entity_id,
            sign_on,
            logout_response: endpoint(role, "SingleLogoutService", "ResponseLocation")
                .or_else(|| logout.clone()),
            logout,
            wants_signed_requests: matches!(
                role.attribute("WantAuthnRequestsSigned"),
                Some("true" | "1")
            ),
            keys,
        })
    }
}

/// Whether metadata can be used, and what it says; the error is for whoever saves it.
pub fn check_metadata(metadata: &str) -> Result<Summary, String> {
    let provider = IdentityProvider::read(metadata).map_err(|error| error.to_string())?;
    Ok(Summary {
        entity_id: provider.entity_id,
        sign_on: provider.sign_on,
        keys: provider.keys.len(),
        has_logout: provider.logout.is_some(),
    })
}

/// Metadata comes from an administrator and not from strangers, and often has a comment on top.
/// None can stand inside a tag, so taking them out as text takes out nothing else.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        plain.push_str(before);
        match after.split_once("-->") {
            Some((_, after)) => rest = after,
            // Not ended: what is refused is the text as it is.
            None => return text.to_owned(),
        }
    }
    plain.push_str(rest);
    plain
}

fn parse_metadata(text: &str) -> Result<roxmltree::Document<'_>, SamlError> {
    match parse(text) {
        Ok(document) => Ok(document),
        Err(SamlError::Xml(detail)) => Err(SamlError::Metadata(detail)),
        Err(error) => Err(error),
    }
}

fn endpoint(role: Node<'_, '_>, name: &'static str, attribute: &str) -> Option<String> {
    const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
    let service =
        children(role, MD, name).find(|service| service.attribute("Binding") == Some(REDIRECT))?;
    let location = service.attribute(attribute)?;
    // It goes into a redirect; anything but an address of a page would be a trick.
    let is_address = location.starts_with("https://") || location.starts_with("http://");
    let is_plain = location.bytes().all(|byte| byte.is_ascii_graphic());
    (is_address && is_plain).then(|| location.to_owned())
}

fn keys(role: Node<'_, '_>) -> Result<Vec<ProviderKey>, SamlError> {
    let for_signing = children(role, MD, "KeyDescriptor")
        .filter(|key| matches!(key.attribute("use"), None | Some("signing")));
    let mut keys = Vec::new();
    for key in for_signing {
        for certificate in key.descendants().filter(|node| is(*node, DS, "X509Certificate")) {
            let base64: String =
                text(certificate)?.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            let key = STANDARD.decode(base64).ok().and_then(|der| key_of_certificate(&der));
            keys.push(key.ok_or(SamlError::Metadata("a certificate in it cannot be read"))?);
        }
    }
    Ok(keys)
}
