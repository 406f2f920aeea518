//! Are the settings of the sign-in methods in order? What a method needs is asked for while it is
//! in force; what is there must make sense in any case, since a method may come into force later.
//!
//! Keys and metadata are looked at here as far as their form goes. Whether they can be used is
//! asked of [`crate::Repository::examine_entrances_with`], which knows the formats.

use std::net::IpAddr;

use loggia_model::UserKey;
use loggia_model::entity::{
    AttributeMapping, AuthenticationMethod, HeaderSettings, JwtSettings, OidcSettings,
    SamlSettings, VirtualProxy,
};

use super::check::{is_private_address, is_token, is_web_address};
use crate::manage::Problems;

pub(super) fn check(entrance: &VirtualProxy, problems: &mut Problems) {
    let method = entrance.method;
    let module = &entrance.ticket.module_uri;
    if !module.is_empty() && !is_web_address(module) {
        problems.add(
            "authenticationModuleRedirectUri",
            format!("{module:?} is no address; write https://host/path, or nothing for the form"),
        );
    }
    header(&entrance.header, method, problems);
    saml(&entrance.saml, method == AuthenticationMethod::Saml, problems);
    jwt(&entrance.jwt, method == AuthenticationMethod::Jwt, problems);
    oidc(&entrance.oidc, method == AuthenticationMethod::Oidc, problems);
}

/// Headers that say something else, or that the server itself gives to those behind it.
const RESERVED_HEADERS: [&str; 11] = [
    "accept",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "origin",
    "transfer-encoding",
    "upgrade",
];
const RESERVED_PARTS: [&str; 9] = [
    "x-qlik-security",
    "x-qlik-user",
    "x-qlik-proxysession",
    "x-qlik-proxyid",
    "x-qlik-trace",
    "x-qlik-app",
    "x-qlik-capabilities",
    "x-forwarded-",
    "x-real-ip",
];

fn header(settings: &HeaderSettings, method: AuthenticationMethod, problems: &mut Problems) {
    let is_static = method == AuthenticationMethod::HeaderStatic;
    let is_dynamic = method == AuthenticationMethod::HeaderDynamic;
    let place = "headerAuthenticationHeaderName";
    let name = settings.name.to_ascii_lowercase();
    if name.is_empty() {
        if is_static || is_dynamic {
            problems.add(place, "must name the header that the trusted sender sets");
        }
    } else if name.len() > 128 || !name.chars().all(is_token) {
        problems.add(place, format!("{:?} is no header name", settings.name));
    } else if name.contains('_') {
        problems.add(
            place,
            "must not have an underscore: such headers are refused, since servers in between \
             take them for others; write a hyphen",
        );
    } else if RESERVED_HEADERS.contains(&name.as_str())
        || RESERVED_PARTS.iter().any(|part| name.contains(part))
    {
        problems.add(place, format!("{:?} is reserved; choose another", settings.name));
    }
    let directory = settings.static_directory.as_str();
    required(problems, "headerAuthenticationStaticUserDirectory", directory, is_static);
    directory_name(problems, "headerAuthenticationStaticUserDirectory", directory);
    let place = "headerAuthenticationDynamicUserDirectory";
    let pattern = settings.dynamic_directory.as_str();
    required(problems, place, pattern, is_dynamic);
    if !pattern.is_empty() && !is_pattern(pattern) {
        problems.add(
            place,
            format!(
                "{pattern:?} is no pattern: it needs $ud and $id once each, with text between \
                 them, such as $ud\\\\$id"
            ),
        );
    }
    let place = "headerAuthenticationTrustedSenders";
    if (is_static || is_dynamic) && settings.trusted_senders.is_empty() {
        problems.add(
            place,
            "must list the addresses or networks whose header is believed: without a list \
             anybody could say they are anybody",
        );
    }
    for sender in &settings.trusted_senders {
        match network_bits(sender) {
            None => problems
                .add(place, format!("{sender:?} is no network; write an address, or address/bits")),
            Some(0) => problems.add(place, format!("{sender:?} is everybody; name the sender")),
            Some(_) => {}
        }
    }
}

/// `$ud` and `$id` once each, and something between them.
fn is_pattern(pattern: &str) -> bool {
    let (Some(directory), Some(id)) = (pattern.find("$ud"), pattern.find("$id")) else {
        return false;
    };
    directory.abs_diff(id) > 3
        && pattern.matches('$').count() == 2
        && pattern.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}

fn network_bits(text: &str) -> Option<u8> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.trim().parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.trim().parse().ok())?;
    (bits <= most).then_some(bits)
}

/// Longest metadata document.
const LONGEST_METADATA: usize = 1 << 20;

fn saml(settings: &SamlSettings, is_in_force: bool, problems: &mut Problems) {
    for (place, text) in [
        ("samlHostUri", &settings.host_uri),
        ("samlEntityId", &settings.entity_id),
        ("samlMetadataIdP", &settings.idp_metadata),
        ("samlAttributeUserDirectory", &settings.user_directory),
    ] {
        required(problems, place, text, is_in_force);
    }
    let host = settings.host_uri.as_str();
    let has_path = host
        .split_once("://")
        .is_some_and(|(_, rest)| rest.trim_end_matches('/').contains(['/', '?']));
    if !host.is_empty() && (!is_web_address(host) || has_path) {
        problems.add(
            "samlHostUri",
            format!("{host:?} must be scheme and host only, such as https://hub.example"),
        );
    }
    claim(problems, "samlEntityId", &settings.entity_id);
    let metadata = settings.idp_metadata.as_str();
    if metadata.len() > LONGEST_METADATA {
        problems.add("samlMetadataIdP", "is longer than 1 MB");
    } else if !metadata.is_empty()
        && (!metadata.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with('<')
            || !metadata.contains("EntityDescriptor"))
    {
        problems.add(
            "samlMetadataIdP",
            "is no metadata of an identity provider; paste the whole XML, with its \
             EntityDescriptor",
        );
    }
    claim(problems, "samlAttributeUserId", &settings.user_id);
    directory_source(problems, "samlAttributeUserDirectory", &settings.user_directory);
    match settings.signing_algorithm {
        0 => problems.add(
            "samlAttributeSigningAlgorithm",
            "SHA-1 signatures can be forged and are not made or taken; choose 1, which is SHA-256",
        ),
        1 => {}
        other => problems.add("samlAttributeSigningAlgorithm", format!("{other} is not 1")),
    }
    mappings(problems, "samlAttributeMap", &settings.attributes);
}

/// Algorithms by families: a key of one is never asked about a token of another.
const ALGORITHMS: [(&str, &[&str]); 4] = [
    ("HS", &["HS256", "HS384", "HS512"]),
    ("RS", &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    ("ES", &["ES256", "ES384"]),
    ("EdDSA", &["EdDSA"]),
];
/// Most seconds that two clocks are believed to differ.
const MOST_LEEWAY: u32 = 300;

fn jwt(settings: &JwtSettings, is_in_force: bool, problems: &mut Problems) {
    let place = "jwtPublicKeyCertificate";
    required(problems, place, &settings.key, is_in_force);
    if let Some(problem) = key_problem(settings.key.trim()) {
        problems.add(place, problem);
    }
    let place = "jwtAlgorithms";
    let mut families = Vec::new();
    for name in &settings.algorithms {
        match ALGORITHMS.iter().find(|(_, names)| names.contains(&name.as_str())) {
            Some((family, _)) if families.contains(family) => {}
            Some((family, _)) => families.push(*family),
            None => {
                let known: Vec<_> =
                    ALGORITHMS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
                problems.add(place, format!("{name:?} is none of {}", known.join(", ")));
            }
        }
    }
    if families.len() > 1 {
        problems.add(place, "must be of one family: HS, RS and PS, ES, or EdDSA");
    } else if let (Some(family), false) = (families.first(), settings.key.is_empty())
        && (*family == "HS") != settings.key.trim().starts_with(SHARED_SECRET)
    {
        problems.add(
            place,
            format!("{family} algorithms are of another family than the key; leave the list empty"),
        );
    }
    claim(problems, "jwtAttributeUserId", &settings.user_id);
    directory_source(problems, "jwtAttributeUserDirectory", &settings.user_directory);
    claim(problems, "jwtAudience", &settings.audience);
    claim(problems, "jwtIssuer", &settings.issuer);
    if settings.leeway_seconds > MOST_LEEWAY {
        problems.add("jwtLeewaySeconds", "must be 0 to 300 seconds");
    }
    mappings(problems, "jwtAttributeMap", &settings.attributes);
}

const SHARED_SECRET: &str = "secret:";

/// What is wrong with the text of a key, as far as its form tells. Says nothing of what is in it.
fn key_problem(key: &str) -> Option<&'static str> {
    const FORMS: &str = "is no key; give a PEM certificate or public key, a JWK set as JSON, the \
                         https:// address of one, file: and the name of one in the folder keys, \
                         or secret: and base64 of 32 bytes or more";
    if key.is_empty() {
        return None;
    }
    if key.len() > 256 << 10 {
        return Some("is longer than 256 kB");
    }
    if let Some(secret) = key.strip_prefix(SHARED_SECRET) {
        let digits = secret.trim_end_matches('=');
        let is_base64 = digits.chars().all(|c| c.is_ascii_alphanumeric() || "+/-_".contains(c));
        return (!is_base64 || digits.len() * 6 / 8 < 32)
            .then_some("the shared secret must be base64 of 32 bytes or more");
    }
    if key.starts_with(['{', '[']) {
        let set: Option<serde_json::Value> = serde_json::from_str(key).ok();
        let has_keys = set.is_some_and(|set| {
            let keys = set.get("keys").and_then(serde_json::Value::as_array);
            keys.is_some_and(|keys| !keys.is_empty()) || set.get("kty").is_some()
        });
        return (!has_keys).then_some("is no JWK set: it needs a list keys with a key in it");
    }
    if let Some(name) = key.strip_prefix("file:") {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_name = !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain);
        return (!is_name).then_some(
            "file: takes the plain name of a file in the folder keys of the data folder",
        );
    }
    if key.starts_with("http") {
        return (!is_private_address(key))
            .then_some("keys are fetched over HTTPS only; write https://host/path");
    }
    if key.contains("PRIVATE KEY-----") {
        return Some("is a private key, which stays with whoever signs; give the public one");
    }
    let is_pem = ["-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----"]
        .iter()
        .chain(&["-----BEGIN RSA PUBLIC KEY-----"])
        .any(|begin| key.contains(begin));
    (!is_pem).then_some(FORMS)
}

fn oidc(settings: &OidcSettings, is_in_force: bool, problems: &mut Problems) {
    let place = "oidcConfigurationEndpointUri";
    let uri = settings.configuration_uri.as_str();
    required(problems, place, uri, is_in_force);
    if !uri.is_empty() && !is_private_address(uri) {
        problems.add(
            place,
            format!(
                "{uri:?} must be the https:// address of the provider's configuration, such as \
                 https://login.example/.well-known/openid-configuration"
            ),
        );
    }
    required(problems, "oidcClientId", &settings.client_id, is_in_force);
    required(problems, "oidcRealm", &settings.realm, is_in_force);
    directory_name(problems, "oidcRealm", &settings.realm);
    for (place, text) in [
        ("oidcClientId", &settings.client_id),
        ("oidcAttributeSub", &settings.subject),
        ("oidcAttributeName", &settings.name),
        ("oidcAttributeGroups", &settings.groups),
        ("oidcAttributeEmail", &settings.email),
        ("oidcAttributeClientId", &settings.client_id_claim),
        ("oidcAttributePicture", &settings.picture),
    ] {
        claim(problems, place, text);
    }
    if settings.client_secret.len() > 4_096 || settings.client_secret.chars().any(char::is_control)
    {
        problems.add("oidcClientSecret", "is too long, or has a line break in it");
    }
    let is_scope = |c: char| c == ' ' || (c.is_ascii_graphic() && c != '"' && c != '\\');
    if settings.scope.len() > 1_024 || !settings.scope.chars().all(is_scope) {
        problems.add("oidcScope", "must be words with spaces between, such as profile email");
    }
    mappings(problems, "oidcAttributeMap", &settings.attributes);
}

fn required(problems: &mut Problems, place: &'static str, text: &str, is_in_force: bool) {
    if is_in_force && text.trim().is_empty() {
        problems.add(place, "must not be blank while authenticationMethod needs it");
    }
}

/// The name of a claim or attribute, or another short text that is compared with one.
fn claim(problems: &mut Problems, place: &'static str, text: &str) {
    if text.chars().count() > 1_024 {
        problems.add(place, "is longer than 1,024 characters");
    }
    if text.chars().any(char::is_control) {
        problems.add(place, "contains a control character");
    }
}

/// A user directory that people from outside may be in.
fn directory_name(problems: &mut Problems, place: &'static str, directory: &str) {
    if directory.is_empty() {
        return;
    }
    if let Err(error) = UserKey::from_outside(directory, "somebody") {
        problems.add(place, format!("{directory:?} cannot be a user directory: {error}"));
    }
}

/// The attribute that names the directory, or a constant in brackets.
fn directory_source(problems: &mut Problems, place: &'static str, text: &str) {
    claim(problems, place, text);
    let constant = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match constant {
        Some("") => problems.add(place, "the brackets are empty; write [DIRECTORY]"),
        Some(directory) => directory_name(problems, place, directory),
        None if text.contains(['[', ']']) => {
            problems.add(place, format!("{text:?}: a constant is written [DIRECTORY]"));
        }
        None => {}
    }
}

/// What the server itself observes; a sign-in never replaces it.
const OBSERVED: [&str; 8] =
    ["ip", "os", "device", "browser", "securerequest", "requesttype", "virtualproxy", "context"];
const MOST_MAPPINGS: usize = 100;

fn mappings(problems: &mut Problems, place: &'static str, mappings: &[AttributeMapping]) {
    if mappings.len() > MOST_MAPPINGS {
        problems.add(place, "has more than 100 mappings");
    }
    for mapping in mappings {
        let AttributeMapping { from, to, .. } = mapping;
        if from.trim().is_empty() || from.len() > 1_024 || from.chars().any(char::is_control) {
            problems.add(place, format!("{from:?} is no name of an attribute"));
        }
        let is_name = to.starts_with(|c: char| c.is_ascii_alphabetic())
            && to.len() <= 128
            && to.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            problems.add(
                place,
                format!(
                    "{to:?} is no name that rules can read as user.environment.{to}; use letters, \
                     digits and underscores, beginning with a letter"
                ),
            );
        } else if OBSERVED.iter().any(|observed| observed.eq_ignore_ascii_case(to)) {
            problems.add(
                place,
                format!("{to:?} is what the server itself observes; choose another name"),
            );
        }
    }
}
