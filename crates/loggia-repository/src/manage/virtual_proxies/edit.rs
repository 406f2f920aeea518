//! What does a request say about an entrance? Every setting once, absent ones stay as they are.

use loggia_model::entity::{
    AnonymousMode, AttributeMapping, AuthenticationMethod, HeaderSettings, JwtSettings,
    LoadBalancing, OidcSettings, PropertyValue, SameSite, SamlSettings, TicketSettings,
    VirtualProxy, VisitorCookie, VisitorRates,
};
use loggia_model::{NodeId, Prefix};

use crate::manage::set;

/// What a request says about a virtual proxy; absent members stay as they are.
///
/// The settings of a sign-in method are edits of their own, and whole settings are an edit that
/// mentions everything: `jwt: JwtSettings { key, ..JwtSettings::default() }.into()`.
#[derive(Clone, Debug, Default)]
pub struct VirtualProxyEdit {
    pub prefix: Option<Prefix>,
    pub description: Option<String>,
    pub anonymous: Option<AnonymousMode>,
    pub session_cookie: Option<String>,
    pub inactivity_minutes: Option<u32>,
    /// `Some(None)` is no limit.
    pub lifetime_minutes: Option<Option<u32>>,
    pub cool_down_minutes: Option<u32>,
    pub host_allow_list: Option<Vec<String>>,
    pub cookie_domain: Option<String>,
    pub same_site_https: Option<SameSite>,
    pub same_site_http: Option<SameSite>,
    pub is_secure_https: Option<bool>,
    pub is_secure_http: Option<bool>,
    pub additional_headers: Option<String>,
    pub extended_security: Option<bool>,
    pub max_anonymous_sessions: Option<u32>,
    pub max_anonymous_sessions_per_address: Option<u32>,
    pub visitor_cookie: Option<VisitorCookie>,
    pub visitor_rates: VisitorRatesEdit,
    pub method: Option<AuthenticationMethod>,
    pub ticket: TicketEdit,
    pub header: HeaderEdit,
    pub saml: SamlEdit,
    pub jwt: JwtEdit,
    pub oidc: OidcEdit,
    pub load_balancing: LoadBalancingEdit,
    pub session_module_uri: Option<String>,
    pub load_balancing_module_uri: Option<String>,
    pub magic_link_host: Option<String>,
    pub magic_link_name: Option<String>,
    pub custom_properties: Option<Vec<PropertyValue>>,
    pub tags: Option<Vec<String>>,
    /// Whether this site's proxy serves it, without which nobody can reach it. A new entrance is
    /// served unless this says otherwise.
    pub is_linked: Option<bool>,
}

/// A struct of optional members over settings of the model. What is shown for debugging are the
/// names of the members that are mentioned: values may be secrets.
macro_rules! edits {
    ($($(#[$doc:meta])* $edit:ident of $settings:ident { $($member:ident: $kind:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Default)]
        pub struct $edit {
            $(pub $member: Option<$kind>,)+
        }

        impl $edit {
            pub(super) fn apply(self, settings: &mut $settings) {
                $(set(&mut settings.$member, self.$member);)+
            }
        }

        impl From<$settings> for $edit {
            fn from(settings: $settings) -> $edit {
                $edit { $($member: Some(settings.$member),)+ }
            }
        }

        impl std::fmt::Debug for $edit {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut members = f.debug_set();
                $(if self.$member.is_some() { members.entry(&stringify!($member)); })+
                members.finish()
            }
        }
    )+};
}

edits! {
    VisitorRatesEdit of VisitorRates {
        per_entrance: u32,
        per_address: u32,
        compute_per_address: u32,
    }
    TicketEdit of TicketSettings {
        module_uri: String,
        windows_pattern: String,
    }
    HeaderEdit of HeaderSettings {
        name: String,
        static_directory: String,
        dynamic_directory: String,
        trusted_senders: Vec<String>,
    }
    SamlEdit of SamlSettings {
        single_logout: bool,
        idp_initiated: bool,
        host_uri: String,
        entity_id: String,
        idp_metadata: String,
        user_id: String,
        user_directory: String,
        signing_algorithm: u8,
        attributes: Vec<AttributeMapping>,
    }
    JwtEdit of JwtSettings {
        key: String,
        algorithms: Vec<String>,
        user_id: String,
        user_directory: String,
        audience: String,
        issuer: String,
        leeway_seconds: u32,
        attributes: Vec<AttributeMapping>,
    }
    OidcEdit of OidcSettings {
        configuration_uri: String,
        client_id: String,
        client_secret: String,
        realm: String,
        subject: String,
        name: String,
        groups: String,
        email: String,
        client_id_claim: String,
        picture: String,
        scope: String,
        attributes: Vec<AttributeMapping>,
    }
    LoadBalancingEdit of LoadBalancing {
        nodes: Option<Vec<NodeId>>,
        is_sticky: bool,
        algorithm: u8,
        checks_saturation: bool,
        checks_health: bool,
    }
}

pub(super) fn apply(entrance: &mut VirtualProxy, edit: VirtualProxyEdit) {
    set(&mut entrance.prefix, edit.prefix);
    set(&mut entrance.description, edit.description);
    set(&mut entrance.anonymous, edit.anonymous);
    set(&mut entrance.session_cookie, edit.session_cookie);
    set(&mut entrance.inactivity_minutes, edit.inactivity_minutes);
    set(&mut entrance.lifetime_minutes, edit.lifetime_minutes);
    set(&mut entrance.cool_down_minutes, edit.cool_down_minutes);
    set(&mut entrance.host_allow_list, edit.host_allow_list);
    set(&mut entrance.cookie_domain, edit.cookie_domain);
    set(&mut entrance.same_site_https, edit.same_site_https);
    set(&mut entrance.same_site_http, edit.same_site_http);
    set(&mut entrance.is_secure_https, edit.is_secure_https);
    set(&mut entrance.is_secure_http, edit.is_secure_http);
    set(&mut entrance.additional_headers, edit.additional_headers);
    set(&mut entrance.extended_security, edit.extended_security);
    set(&mut entrance.max_anonymous_sessions, edit.max_anonymous_sessions);
    set(&mut entrance.max_anonymous_sessions_per_address, edit.max_anonymous_sessions_per_address);
    set(&mut entrance.visitor_cookie, edit.visitor_cookie);
    edit.visitor_rates.apply(&mut entrance.visitor_rates);
    set(&mut entrance.method, edit.method);
    edit.ticket.apply(&mut entrance.ticket);
    edit.header.apply(&mut entrance.header);
    edit.saml.apply(&mut entrance.saml);
    edit.jwt.apply(&mut entrance.jwt);
    edit.oidc.apply(&mut entrance.oidc);
    edit.load_balancing.apply(&mut entrance.load_balancing);
    set(&mut entrance.session_module_uri, edit.session_module_uri);
    set(&mut entrance.load_balancing_module_uri, edit.load_balancing_module_uri);
    set(&mut entrance.magic_link_host, edit.magic_link_host);
    set(&mut entrance.magic_link_name, edit.magic_link_name);
    set(&mut entrance.custom_properties, edit.custom_properties);
    set(&mut entrance.tags, edit.tags);
}
