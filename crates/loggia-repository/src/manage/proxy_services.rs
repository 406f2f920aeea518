//! Proxy services: what a node listens with, and which entrances it serves.

use std::sync::Arc;

use loggia_model::entity::{PropertyValue, ProxyService};
use loggia_model::{Caller, Moment, ProxyServiceId, VirtualProxyId};
use loggia_rules::Action;

use super::{Conflict, ManageError, Problems, Saved, Violation, refuse_stale, set};
use crate::Repository;
use crate::record::Record;
use crate::seed::DEFAULT_ENTRANCE;
use crate::site::Site;
use crate::store::Change;

/// What a request says about a proxy service; absent members stay as they are.
#[derive(Clone, Debug, Default)]
pub struct ProxyServiceEdit {
    /// The entrances it serves from now on; the default one is always among them.
    pub virtual_proxies: Option<Vec<VirtualProxyId>>,
    pub keep_alive_seconds: Option<u32>,
    pub max_header_bytes: Option<u32>,
    pub max_header_lines: Option<u32>,
    pub login_template: Option<String>,
    pub logged_out_template: Option<String>,
    pub error_template: Option<String>,
    pub custom_properties: Option<Vec<PropertyValue>>,
    pub tags: Option<Vec<String>>,
}

impl Repository {
    /// The proxy services the caller may read. There is one.
    pub fn proxy_services(&self, caller: &Caller) -> Result<Vec<Arc<ProxyService>>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let proxies = std::iter::once(site.proxy_service().clone());
        Ok(guard.readable(proxies, |proxy| Record::Proxy(proxy).entity()))
    }

    /// One proxy service.
    pub fn proxy_service_record(
        &self,
        caller: &Caller,
        id: ProxyServiceId,
    ) -> Result<Arc<ProxyService>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let proxy = site.proxy(id).ok_or_else(|| guard.unknown("proxy service", Some(id.0)))?;
        guard.visible(Record::Proxy(proxy))?;
        Ok(proxy.clone())
    }

    /// Changes a proxy service. An entrance that is unlinked is unreachable at once: its sessions
    /// are ended by the proxy, which listens to changes.
    pub fn update_proxy_service(
        &self,
        caller: &Caller,
        id: ProxyServiceId,
        basis: Option<Moment>,
        edit: ProxyServiceEdit,
    ) -> Result<Saved<Arc<ProxyService>>, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before =
                site.proxy(id).ok_or_else(|| guard.unknown("proxy service", Some(id.0)))?;
            let mut proxy = ProxyService::clone(before);
            apply(&mut proxy, edit.clone());
            let action = Action::Update;
            guard.require_change(Record::Proxy(before), Record::Proxy(&proxy), action)?;
            refuse_stale(basis, &before.stamp)?;
            check(site, &proxy)?;
            proxy.stamp = guard.restamp(&before.stamp);
            let warnings = warnings(site, &proxy);
            let change = Change::PutProxyService(Box::new(proxy.clone()));
            Ok((vec![change], Saved { value: Arc::new(proxy), warnings }))
        })
    }
}

fn apply(proxy: &mut ProxyService, edit: ProxyServiceEdit) {
    if let Some(linked) = edit.virtual_proxies {
        proxy.virtual_proxies.clear();
        for id in linked {
            if !proxy.virtual_proxies.contains(&id) {
                proxy.virtual_proxies.push(id);
            }
        }
    }
    set(&mut proxy.keep_alive_seconds, edit.keep_alive_seconds);
    set(&mut proxy.max_header_bytes, edit.max_header_bytes);
    set(&mut proxy.max_header_lines, edit.max_header_lines);
    set(&mut proxy.login_template, edit.login_template);
    set(&mut proxy.logged_out_template, edit.logged_out_template);
    set(&mut proxy.error_template, edit.error_template);
    set(&mut proxy.custom_properties, edit.custom_properties);
    set(&mut proxy.tags, edit.tags);
}

/// The limits of `spec/access.md` §2.1.
fn check(site: &Site, proxy: &ProxyService) -> Result<(), ManageError> {
    let mut problems = Problems::default();
    for (place, value, limits) in [
        ("keepAliveTimeoutSeconds", proxy.keep_alive_seconds, 1..=300),
        ("maxHeaderSizeBytes", proxy.max_header_bytes, 512..=131_072),
        ("maxHeaderLines", proxy.max_header_lines, 20..=1_000),
    ] {
        if !limits.contains(&value) {
            problems.add(place, format!("must be {} to {}", limits.start(), limits.end()));
        }
    }
    for (place, template) in [
        ("formAuthenticationPageTemplate", &proxy.login_template),
        ("loggedOutPageTemplate", &proxy.logged_out_template),
        ("errorPageTemplate", &proxy.error_template),
    ] {
        if !template.is_empty() {
            problems.add(
                place,
                "pages of one's own are not part of this release; leave it empty for the built-in \
                 page",
            );
        }
    }
    for id in &proxy.virtual_proxies {
        if site.virtual_proxy(*id).is_none() {
            problems.add("virtualProxies", format!("there is no virtual proxy {id}"));
        }
    }
    problems.properties(&proxy.custom_properties);
    problems.finish()?;
    let loses_default = site.virtual_proxy(DEFAULT_ENTRANCE).is_some()
        && !proxy.virtual_proxies.contains(&DEFAULT_ENTRANCE);
    if loses_default {
        let why = "the default entrance cannot be unlinked".to_owned();
        return Err(Conflict::Protected { why }.into());
    }
    Ok(())
}

fn warnings(site: &Site, proxy: &ProxyService) -> Vec<Violation> {
    let unlinked = site.virtual_proxies().filter(|one| !proxy.virtual_proxies.contains(&one.id));
    let mut prefixes: Vec<_> = unlinked.map(|one| format!("/{}", one.prefix)).collect();
    if prefixes.is_empty() {
        return Vec::new();
    }
    prefixes.sort();
    let message = format!("nobody can reach {}: no proxy serves it", prefixes.join(", "));
    vec![Violation::warning("virtualProxies", message)]
}
