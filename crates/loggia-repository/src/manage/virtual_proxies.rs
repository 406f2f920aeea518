//! Virtual proxies: the entrances.

mod edit;

use std::sync::Arc;

use loggia_model::entity::{AnonymousMode, SameSite, VirtualProxy};
use loggia_model::{Caller, Environment, Moment, Prefix, VirtualProxyId, VisitorId};
use loggia_rules::{Action, admits};
use uuid::Uuid;

use super::{Conflict, ManageError, Problems, Saved, Violation, refuse_stale};
use crate::Repository;
use crate::facts::SiteFacts;
use crate::record::Record;
use crate::site::Site;
use crate::store::Change;

use edit::apply;
pub use edit::{
    HeaderEdit, JwtEdit, LoadBalancingEdit, OidcEdit, SamlEdit, TicketEdit, VirtualProxyEdit,
    VisitorRatesEdit,
};

impl Repository {
    /// The virtual proxies the caller may read, by prefix.
    pub fn virtual_proxies(&self, caller: &Caller) -> Result<Vec<Arc<VirtualProxy>>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let entrances = site.virtual_proxies().cloned();
        let mut entrances =
            guard.readable(entrances, |entrance| Record::VirtualProxy(entrance).entity());
        entrances.sort_by(|a, b| a.prefix.cmp(&b.prefix));
        Ok(entrances)
    }

    /// One virtual proxy.
    pub fn virtual_proxy_record(
        &self,
        caller: &Caller,
        id: VirtualProxyId,
    ) -> Result<Arc<VirtualProxy>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let entrance =
            site.virtual_proxy(id).ok_or_else(|| guard.unknown("virtual proxy", Some(id.0)))?;
        guard.visible(Record::VirtualProxy(entrance))?;
        Ok(entrance.clone())
    }

    /// The entrance with this prefix, for the proxy itself.
    #[must_use]
    pub fn virtual_proxy(&self, prefix: &Prefix) -> Option<Arc<VirtualProxy>> {
        self.site().entrance(prefix).cloned()
    }

    /// Makes an entrance; it is open at once.
    pub fn create_virtual_proxy(
        &self,
        caller: &Caller,
        id: Option<VirtualProxyId>,
        edit: VirtualProxyEdit,
    ) -> Result<Saved<Arc<VirtualProxy>>, ManageError> {
        let id = id.unwrap_or_else(|| VirtualProxyId(Uuid::new_v4()));
        self.change(|site| {
            let guard = self.enter(site, caller)?;
            let mut entrance = VirtualProxy { id, ..crate::seed::new_entrance(guard.stamp()) };
            apply(&mut entrance, edit.clone());
            guard.require_create(Record::VirtualProxy(&entrance))?;
            if site.virtual_proxy(id).is_some() {
                return Err(Conflict::Duplicate { what: format!("the id {id}") }.into());
            }
            let mut problems = Problems::default();
            if entrance.prefix.is_default() {
                problems.add("prefix", "must not be empty: only the default entrance has none");
            }
            check(site, &entrance, problems)?;
            let warnings = warnings(site, &entrance);
            let change = Change::PutVirtualProxy(Box::new(entrance.clone()));
            Ok((vec![change], Saved { value: Arc::new(entrance), warnings }))
        })
    }

    /// Changes an entrance; in force at once, without dropping sockets here. Sessions that the new
    /// anonymous mode does not allow are ended by the proxy, which listens to changes.
    pub fn update_virtual_proxy(
        &self,
        caller: &Caller,
        id: VirtualProxyId,
        basis: Option<Moment>,
        edit: VirtualProxyEdit,
    ) -> Result<Saved<Arc<VirtualProxy>>, ManageError> {
        self.change(|site| {
            let guard = self.enter(site, caller)?;
            let before =
                site.virtual_proxy(id).ok_or_else(|| guard.unknown("virtual proxy", Some(id.0)))?;
            let mut entrance = VirtualProxy::clone(before);
            apply(&mut entrance, edit.clone());
            guard.require_change(
                Record::VirtualProxy(before),
                Record::VirtualProxy(&entrance),
                Action::Update,
            )?;
            refuse_stale(basis, &before.stamp)?;
            let mut problems = Problems::default();
            match (before.prefix.is_default(), entrance.prefix.is_default()) {
                (true, false) => problems.add("prefix", "the default entrance has no prefix"),
                (false, true) => {
                    problems.add("prefix", "must not be empty: only the default entrance has none");
                }
                _ => {}
            }
            check(site, &entrance, problems)?;
            entrance.stamp = guard.restamp(&before.stamp);
            let warnings = warnings(site, &entrance);
            let change = Change::PutVirtualProxy(Box::new(entrance.clone()));
            Ok((vec![change], Saved { value: Arc::new(entrance), warnings }))
        })
    }

    /// Closes an entrance; the default one stays.
    pub fn delete_virtual_proxy(
        &self,
        caller: &Caller,
        id: VirtualProxyId,
    ) -> Result<(), ManageError> {
        self.change(|site| {
            let guard = self.enter(site, caller)?;
            let entrance =
                site.virtual_proxy(id).ok_or_else(|| guard.unknown("virtual proxy", Some(id.0)))?;
            guard.require(Record::VirtualProxy(entrance), Action::Delete)?;
            if entrance.prefix.is_default() {
                let why = "the default entrance cannot be deleted".to_owned();
                return Err(Conflict::Protected { why }.into());
            }
            Ok((vec![Change::DeleteVirtualProxy(id)], ()))
        })
    }
}

/// The validations of `spec/access.md` §2.2.
fn check(site: &Site, entrance: &VirtualProxy, mut problems: Problems) -> Result<(), ManageError> {
    problems.text("description", &entrance.description, true);
    let others = || site.virtual_proxies().filter(|other| other.id != entrance.id);
    if others().any(|other| other.prefix == entrance.prefix) {
        problems.add(
            "prefix",
            format!("{:?} is the prefix of another entrance", entrance.prefix.as_str()),
        );
    }
    check_cookie(entrance, others(), &mut problems);
    if !(1..=43_200).contains(&entrance.inactivity_minutes) {
        problems.add("sessionInactivityTimeout", "must be 1 to 43,200 minutes");
    }
    for (place, same_site, is_secure) in [
        ("sameSiteAttributeHttps", entrance.same_site_https, entrance.is_secure_https),
        ("sameSiteAttributeHttp", entrance.same_site_http, entrance.is_secure_http),
    ] {
        if same_site == SameSite::None && !is_secure {
            problems.add(
                place,
                "SameSite=None works only for Secure cookies; browsers drop others. Set the \
                 Secure attribute as well, or choose Lax",
            );
        }
    }
    for host in &entrance.host_allow_list {
        if !is_host(host) {
            problems.add(
                "websocketCrossOriginWhiteList",
                format!("{host:?} is no host; write host, host:port or *.parent, without a scheme"),
            );
        }
    }
    check_headers(&entrance.additional_headers, &mut problems);
    if entrance.anonymous != AnonymousMode::Never
        && (entrance.max_anonymous_sessions == 0
            || entrance.max_anonymous_sessions_per_address == 0)
    {
        problems.add(
            "maxAnonymousSessions",
            "must be at least 1, in total and per address, while visitors are admitted",
        );
    }
    problems.finish()
}

fn check_cookie<'a>(
    entrance: &VirtualProxy,
    mut others: impl Iterator<Item = &'a Arc<VirtualProxy>>,
    problems: &mut Problems,
) {
    let name = entrance.session_cookie.as_str();
    if name.is_empty() {
        problems.add("sessionCookieHeaderName", "must not be blank");
    } else if name.len() > 128 || !name.chars().all(is_token) {
        problems.add("sessionCookieHeaderName", format!("{name:?} is no cookie name"));
    } else if others.any(|other| other.session_cookie.eq_ignore_ascii_case(name)) {
        problems.add(
            "sessionCookieHeaderName",
            format!("{name:?} is the cookie of another entrance; include the prefix in it"),
        );
    }
}

/// Headers that the server itself must decide.
const OWN_HEADERS: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "set-cookie",
    "transfer-encoding",
    "upgrade",
];

fn check_headers(text: &str, problems: &mut Problems) {
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let number = number + 1;
        let place = "additionalResponseHeaders";
        let Some((name, value)) = line.split_once(':') else {
            problems.add(place, format!("line {number} is no `Name: value`"));
            continue;
        };
        if name.is_empty() || !name.chars().all(is_token) {
            problems.add(place, format!("line {number}: {name:?} is no header name"));
        } else if OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name))
            || name.to_ascii_lowercase().starts_with("x-qlik-")
        {
            problems.add(place, format!("line {number}: {name} is decided by the server"));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') || !value.is_ascii() {
            problems.add(place, format!("line {number}: the value may hold visible ASCII only"));
        }
    }
    if text.contains('\r') && !text.contains("\r\n") {
        problems.add("additionalResponseHeaders", "a line ends with a bare carriage return");
    }
}

/// A token of RFC 9110.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// `host`, `host:port`, `*.parent`, an address, or `[v6]:port`.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port))
            if !port.contains(']') && (!host.contains(':') || host.ends_with(']')) =>
        {
            (host, Some(port))
        }
        _ => (text, None),
    };
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return false;
    }
    if let Some(v6) = host.strip_prefix('[') {
        return v6.strip_suffix(']').is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let host = host.strip_prefix("*.").unwrap_or(host);
    !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn warnings(site: &Site, entrance: &VirtualProxy) -> Vec<Violation> {
    let mut warnings = Vec::new();
    if entrance.anonymous == AnonymousMode::Never {
        return warnings;
    }
    if entrance.prefix.is_default() {
        warnings.push(Violation::warning(
            "anonymousAccessMode",
            "everybody who used to be signed in silently here now enters as a visitor until they \
             press Log in; a separate entrance such as /public keeps their links working",
        ));
    }
    if !site.admits_visitor(entrance) {
        warnings.push(Violation::warning(
            "anonymousAccessMode",
            "no licence pool has a rule that admits an anonymous visitor, so apps will be listed \
             but not open; make an analyzer capacity pool with the rule user.IsAnonymous()",
        ));
    }
    warnings
}

/// A visitor at an entrance, as a typical first request would make one.
pub(crate) fn typical_visitor(entrance: &VirtualProxy) -> Caller {
    let environment = Environment {
        virtual_proxy: entrance.prefix.clone(),
        os: "Unknown".to_owned(),
        device: "Default".to_owned(),
        browser: "Unknown".to_owned(),
        request_type: "Http".to_owned(),
        is_secure: true,
        ..Environment::default()
    };
    Caller::visitor(VisitorId(Uuid::new_v4()), environment)
}

impl Site {
    /// Whether an enabled pool that may serve visitors has a rule that admits one here.
    pub(crate) fn admits_visitor(&self, entrance: &VirtualProxy) -> bool {
        let visitor = typical_visitor(entrance);
        let facts = SiteFacts::new(self, &visitor);
        self.pools().any(|pool| {
            !pool.is_disabled
                && !loggia_licence::is_named(pool.kind)
                && self.licence_conditions(pool.id).iter().any(|(_, rule)| admits(rule, &facts))
        })
    }
}
