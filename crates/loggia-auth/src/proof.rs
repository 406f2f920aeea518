//! How somebody proved who they are, as far as their session must remember it.

use serde::{Deserialize, Serialize};

/// What a session keeps of its sign-in: for the audit, and for ending the identity provider's own
/// session when it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// `form`, `ldap`, `ticket`, `header`, `jwt`, `oidc`, `saml` or `session` (made over the
    /// trusted port).
    pub method: String,
    /// The ID token of OpenID Connect, which its logout wants back.
    #[serde(default)]
    pub id_token: Option<String>,
    /// The subject of a SAML assertion, which its logout must name.
    #[serde(default)]
    pub saml: Option<SamlSubject>,
}

/// Whom a SAML assertion was about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SamlSubject {
    pub name_id: String,
    pub format: String,
    pub session_index: String,
}

impl Proof {
    /// A proof by this method, with nothing to remember.
    #[must_use]
    pub fn by(method: &str) -> Proof {
        Proof { method: method.to_owned(), ..Proof::default() }
    }
}
