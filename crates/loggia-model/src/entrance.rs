//! An entrance (virtual proxy) and all its settings (`spec/access.md` §2.2).

use serde::{Deserialize, Serialize};

use crate::entity::{PropertyValue, Stamp};
use crate::{NodeId, Prefix, ProxyServiceId, VirtualProxyId};

/// An entrance.
///
/// The settings of every sign-in method are kept, whichever is in force, so that trying another
/// one loses nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualProxy {
    pub id: VirtualProxyId,
    pub prefix: Prefix,
    pub description: String,
    pub anonymous: AnonymousMode,
    /// Unique per virtual proxy.
    pub session_cookie: String,
    /// Minutes, 1 to 43,200.
    pub inactivity_minutes: u32,
    /// Minutes after which a session ends however busy it is; none is never. Ours: the original
    /// has no such limit.
    #[serde(default)]
    pub lifetime_minutes: Option<u32>,
    /// Minutes, 0 to 60, for which a place stays taken that somebody with as many sessions as
    /// they may have gave up here. The original always waits five.
    #[serde(default)]
    pub cool_down_minutes: u32,
    /// Host names that may open sockets from other origins, show the pages in frames, and be
    /// returned to after login.
    pub host_allow_list: Vec<String>,
    #[serde(default)]
    pub cookie_domain: String,
    pub same_site_https: SameSite,
    pub same_site_http: SameSite,
    #[serde(default = "yes")]
    pub is_secure_https: bool,
    #[serde(default)]
    pub is_secure_http: bool,
    /// `Name: value` lines added to every response.
    pub additional_headers: String,
    pub extended_security: bool,
    /// Most anonymous sessions at a time, over all and per address.
    pub max_anonymous_sessions: u32,
    pub max_anonymous_sessions_per_address: u32,
    /// How long a visitor's browser is known again after its session.
    #[serde(default)]
    pub visitor_cookie: VisitorCookie,
    /// Requests that visitors may make, over all and per address block.
    #[serde(default)]
    pub visitor_rates: VisitorRates,
    #[serde(default)]
    pub method: AuthenticationMethod,
    #[serde(default)]
    pub ticket: TicketSettings,
    #[serde(default)]
    pub header: HeaderSettings,
    #[serde(default)]
    pub saml: SamlSettings,
    #[serde(default)]
    pub jwt: JwtSettings,
    #[serde(default)]
    pub oidc: OidcSettings,
    #[serde(default)]
    pub load_balancing: LoadBalancing,
    /// Outside services of the original that this product does not call; kept for its clients.
    #[serde(default)]
    pub session_module_uri: String,
    #[serde(default)]
    pub load_balancing_module_uri: String,
    /// Parts of a sign-in link for desktop and mobile clients.
    #[serde(default)]
    pub magic_link_host: String,
    #[serde(default)]
    pub magic_link_name: String,
    #[serde(default)]
    pub custom_properties: Vec<PropertyValue>,
    pub tags: Vec<String>,
    pub stamp: Stamp,
}

/// Who may come in without signing in (`spec/access.md` §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AnonymousMode {
    /// 0: nobody.
    Never,
    /// 1: visitors, and people who sign in.
    Allowed,
    /// 2: visitors only.
    Always,
    /// 3, ours: single sign-on is tried without asking anything; whom it does not recognise is a
    /// visitor. From then on like `Allowed`.
    SilentFirst,
}

/// Whether a visitor's browser is known again when its session is over: one browser then pays for
/// one pass, and counts as one visitor. Ours: the original forgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VisitorCookie {
    /// Never: each session is somebody new.
    Off,
    /// For an hour after its last page.
    #[default]
    Hour,
    /// For a year: for statistics of who comes back.
    Year,
}

impl VisitorCookie {
    /// How long the cookie lasts without being renewed; none where there is no cookie.
    #[must_use]
    pub fn lifetime_seconds(self) -> Option<u32> {
        match self {
            VisitorCookie::Off => None,
            VisitorCookie::Hour => Some(3_600),
            VisitorCookie::Year => Some(31_536_000),
        }
    }
}

/// How people sign in at an entrance. The numbers are the original's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AuthenticationMethod {
    /// 0: tickets, and the built-in login form.
    #[default]
    Ticket,
    /// 1: a trusted sender names the user in a header.
    HeaderStatic,
    /// 2: the header names directory and user.
    HeaderDynamic,
    Saml,
    Jwt,
    Oidc,
}

/// A cookie's `SameSite` attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SameSite {
    Unset,
    None,
    Lax,
    Strict,
}

/// How many requests visitors may make in a minute; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VisitorRates {
    /// Requests of all visitors of the entrance together.
    pub per_entrance: u32,
    /// Requests of visitors from one address block.
    pub per_address: u32,
    /// Milliseconds of computing that the visitors of one address block may use in a minute.
    pub compute_per_address: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TicketSettings {
    /// Address of an outside login module; empty for the built-in form.
    pub module_uri: String,
    /// Kept for the original's clients: there is no Windows sign-on here.
    pub windows_pattern: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeaderSettings {
    pub name: String,
    pub static_directory: String,
    /// Pattern with `$ud` and `$id`, such as `$ud\\$id`.
    pub dynamic_directory: String,
    /// Networks whose connections are believed, `address` or `address/bits`. Ours: without one
    /// the header is never read.
    pub trusted_senders: Vec<String>,
}

/// One claim or attribute of a sign-in that becomes a session attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeMapping {
    /// Its name in the token or assertion.
    pub from: String,
    /// Its name in rules: `user.environment.<to>`.
    pub to: String,
    /// Whether sign-in fails without it.
    pub is_mandatory: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamlSettings {
    pub single_logout: bool,
    /// Ours: whether sign-ins may begin at the provider. Whoever has an account there could then
    /// sign a stranger's browser in as themselves.
    pub idp_initiated: bool,
    /// `https://hub.example`: how browsers reach this entrance, without its prefix.
    pub host_uri: String,
    pub entity_id: String,
    /// The identity provider's metadata, as XML.
    pub idp_metadata: String,
    /// Attribute name; empty for the assertion's NameID.
    pub user_id: String,
    /// Attribute name, or a constant in brackets: `[ACME]`.
    pub user_directory: String,
    /// 0 is SHA-1 in the original, which is refused here; 1 is SHA-256.
    pub signing_algorithm: u8,
    pub attributes: Vec<AttributeMapping>,
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JwtSettings {
    /// PEM certificate or public key, a JWK set as JSON, `https://…` of one, or a shared secret of
    /// at least 32 bytes written `secret:<base64>`.
    pub key: String,
    /// Algorithms that are taken, all of one family; empty for the family's usual ones.
    pub algorithms: Vec<String>,
    pub user_id: String,
    /// Claim name, or a constant in brackets: `[ACME]`.
    pub user_directory: String,
    pub audience: String,
    pub issuer: String,
    pub leeway_seconds: u32,
    pub attributes: Vec<AttributeMapping>,
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OidcSettings {
    pub configuration_uri: String,
    pub client_id: String,
    pub client_secret: String,
    /// Becomes the user directory.
    pub realm: String,
    pub subject: String,
    pub name: String,
    pub groups: String,
    pub email: String,
    pub client_id_claim: String,
    pub picture: String,
    pub scope: String,
    pub attributes: Vec<AttributeMapping>,
}

/// Which engines an entrance may use, and how one is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadBalancing {
    /// None: every node, as sites of a time before this setting have it. An empty list: no app
    /// can be opened.
    pub nodes: Option<Vec<NodeId>>,
    pub is_sticky: bool,
    /// 0 round robin, 1 free memory.
    pub algorithm: u8,
    pub checks_saturation: bool,
    pub checks_health: bool,
}

/// What a node listens with, and which entrances it serves (`spec/access.md` §2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyService {
    pub id: ProxyServiceId,
    pub node: NodeId,
    /// The entrances that this proxy serves; all others are unreachable.
    pub virtual_proxies: Vec<VirtualProxyId>,
    /// Idle seconds, 1 to 300.
    pub keep_alive_seconds: u32,
    /// Bytes of a request's head, 512 to 131,072.
    pub max_header_bytes: u32,
    /// Lines of a request's head, 20 to 1,000.
    pub max_header_lines: u32,
    /// HTML that takes the place of a built-in page; empty for that page.
    pub login_template: String,
    pub logged_out_template: String,
    pub error_template: String,
    pub custom_properties: Vec<PropertyValue>,
    pub tags: Vec<String>,
    pub stamp: Stamp,
}

impl AnonymousMode {
    /// Whether visitors come in at all.
    #[must_use]
    pub fn takes_visitors(self) -> bool {
        self != AnonymousMode::Never
    }

    /// Whether people can sign in.
    #[must_use]
    pub fn takes_users(self) -> bool {
        self != AnonymousMode::Always
    }
}

impl Default for VisitorRates {
    fn default() -> VisitorRates {
        VisitorRates { per_entrance: 60_000, per_address: 1_200, compute_per_address: 30_000 }
    }
}

impl Default for TicketSettings {
    fn default() -> TicketSettings {
        TicketSettings { module_uri: String::new(), windows_pattern: "Windows".to_owned() }
    }
}

impl Default for SamlSettings {
    fn default() -> SamlSettings {
        SamlSettings {
            single_logout: false,
            idp_initiated: false,
            host_uri: String::new(),
            entity_id: String::new(),
            idp_metadata: String::new(),
            user_id: String::new(),
            user_directory: String::new(),
            signing_algorithm: 1,
            attributes: Vec::new(),
        }
    }
}

/// Says whether there is a key, and not which: it may be a shared secret.
impl std::fmt::Debug for JwtSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtSettings")
            .field("has_key", &!self.key.is_empty())
            .field("algorithms", &self.algorithms)
            .field("user_id", &self.user_id)
            .field("user_directory", &self.user_directory)
            .field("audience", &self.audience)
            .field("issuer", &self.issuer)
            .field("leeway_seconds", &self.leeway_seconds)
            .field("attributes", &self.attributes)
            .finish()
    }
}

/// Leaves out the client secret.
impl std::fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcSettings")
            .field("configuration_uri", &self.configuration_uri)
            .field("client_id", &self.client_id)
            .field("has_client_secret", &!self.client_secret.is_empty())
            .field("realm", &self.realm)
            .field("scope", &self.scope)
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

fn yes() -> bool {
    true
}
