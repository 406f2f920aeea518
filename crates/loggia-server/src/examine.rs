//! Can what an entrance is given be used? Asked before it is saved, by those who will use it.

use loggia_auth::JwtKeys;
use loggia_model::entity::VirtualProxy;
use loggia_repository::Violation;

/// What is wrong with the keys and the metadata of an entrance. Keys that have to be fetched are not looked at: what
/// is there now may be gone tomorrow, and the entrance says in the log when it cannot get them.
pub(crate) fn entrance(entrance: &VirtualProxy) -> Vec<Violation> {
    let mut found = Vec::new();
    let key = entrance.jwt.key.trim();
    if !key.is_empty()
        && !key.starts_with("http")
        && !key.starts_with("file:")
        && let Err(problem) = JwtKeys::parse(key, &entrance.jwt.algorithms)
    {
        found.push(Violation::new("jwtPublicKeyCertificate", problem.to_string()));
    }
    #[cfg(feature = "saml")]
    if !entrance.saml.idp_metadata.is_empty()
        && let Err(problem) = loggia_auth::saml::check_metadata(&entrance.saml.idp_metadata)
    {
        found.push(Violation::new("samlMetadataIdP", problem));
    }
    found
}
