//! Signing in by SAML 2.0: web browser single sign-on, and single logout.
//!
//! A message is read twice. First as it came, only to find the signature and the element that it
//! stands in; then the canonical bytes that were verified, and these alone, are read for who it
//! is. What an attacker wraps around them is never looked at.
//!
//! What is left out: encrypted assertions, artifacts, and attribute queries.

pub mod metadata;
pub mod replay;
pub mod request;
pub mod response;
pub mod signature;
pub mod xml;

use std::fmt;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

pub use metadata::{IdentityProvider, Summary, check_metadata};
pub use replay::{ReplayCache, ReplayStore};
pub use request::{ServiceKey, ServiceProvider};
pub use response::{Accepted, Expected, accept};

pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(crate) const MD: &str = "urn:oasis:names:tc:SAML:2.0:metadata";

/// What SAML keeps: the hub's own key, and which assertions were used.
pub struct Saml {
    make: Box<MakeKey>,
    key: OnceLock<ServiceKey>,
    used: ReplayCache,
}

/// Makes or loads the key; the error is for the log.
pub type MakeKey = dyn Fn() -> Result<ServiceKey, String> + Send + Sync;

impl Saml {
    /// `make` is called when the key is first needed. It may take a while.
    #[must_use]
    pub fn new(make: Box<MakeKey>, used: ReplayCache) -> Saml {
        Saml { make, key: OnceLock::new(), used }
    }

    /// The hub's own key.
    pub fn key(&self) -> Result<&ServiceKey, SamlError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let key = (self.make)().map_err(SamlError::Internal)?;
        Ok(self.key.get_or_init(|| key))
    }

    #[must_use]
    pub fn used(&self) -> &ReplayCache {
        &self.used
    }
}

impl fmt::Debug for Saml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saml").field("used", &self.used).finish_non_exhaustive()
    }
}

/// The message of a posted form.
pub fn decode(form_value: &str) -> Result<String, SamlError> {
    let base64: String = form_value.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = STANDARD.decode(base64).map_err(|_| SamlError::Xml("it is no base64"))?;
    String::from_utf8(bytes).map_err(|_| SamlError::Xml("it is no UTF-8"))
}

/// Why a message is not accepted. The messages are for the log, or for whoever saves metadata.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SamlError {
    #[error("the message is not taken: {0}")]
    Xml(&'static str),
    #[error("the metadata cannot be used: {0}")]
    Metadata(&'static str),
    #[error("the signature is not accepted: {0}")]
    Signature(&'static str),
    #[error("there is no {0}")]
    Missing(&'static str),
    #[error("there is more than one {0}")]
    Several(&'static str),
    #[error("its {0} is not the one expected")]
    Wrong(&'static str),
    #[error("it is not valid at this time: {0}")]
    Time(&'static str),
    #[error("encrypted assertions are not read here")]
    Encrypted,
    #[error("the provider began by itself, which this entrance does not take")]
    Unasked,
    #[error("it was used before")]
    Replayed,
    /// Nobody is signed in there, or they would have to be asked something.
    #[error("the provider would have to ask the person")]
    WouldAsk,
    #[error("the provider refused: {0}")]
    Refused(String),
    #[error("the attributes do not make a person: {0}")]
    Attributes(String),
    #[error("the entrance's settings do not do: {0}")]
    Settings(String),
    #[error("the server failed: {0}")]
    Internal(String),
}

#[cfg(test)]
mod tests;
