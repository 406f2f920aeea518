//! Virtual proxies: the entrances.

mod check;
mod edit;
mod sign_in;
mod warn;

use std::sync::Arc;

use loggia_model::entity::{ProxyService, VirtualProxy};
use loggia_model::{Caller, Environment, Moment, Prefix, VirtualProxyId, VisitorId};
use loggia_rules::{Action, Severity, admits};
use uuid::Uuid;

use super::{Conflict, ManageError, Problems, Saved, Violation, refuse_stale};
use crate::Repository;
use crate::facts::SiteFacts;
use crate::guard::Guard;
use crate::record::Record;
use crate::seed::DEFAULT_ENTRANCE;
use crate::site::Site;
use crate::store::Change;

use check::check;
use edit::apply;
pub use edit::{
    HeaderEdit, JwtEdit, LoadBalancingEdit, OidcEdit, SamlEdit, TicketEdit, VirtualProxyEdit,
    VisitorRatesEdit,
};
use warn::warnings;

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

    /// Makes an entrance; it is open at once, unless the edit says that no proxy serves it yet.
    pub fn create_virtual_proxy(
        &self,
        caller: &Caller,
        id: Option<VirtualProxyId>,
        edit: VirtualProxyEdit,
    ) -> Result<Saved<Arc<VirtualProxy>>, ManageError> {
        let id = id.unwrap_or_else(|| VirtualProxyId(Uuid::new_v4()));
        self.change(caller, |site| {
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
            let noted = self.examine(site, &entrance, problems)?;
            let mut changes = vec![Change::PutVirtualProxy(Box::new(entrance.clone()))];
            let is_linked = match edit.is_linked {
                Some(is_linked) => is_linked,
                // Who may make entrances and not change proxies leaves that to who may.
                None => guard.may_update(Record::Proxy(site.proxy_service())),
            };
            changes.extend(link(&guard, id, is_linked)?);
            let mut warnings = warnings(site, &entrance, is_linked);
            warnings.extend(noted);
            Ok((changes, Saved { value: Arc::new(entrance), warnings }))
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
        self.change(caller, |site| {
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
            let noted = self.examine(site, &entrance, problems)?;
            entrance.stamp = guard.restamp(&before.stamp);
            let mut changes = vec![Change::PutVirtualProxy(Box::new(entrance.clone()))];
            let is_linked = edit.is_linked.unwrap_or_else(|| site.is_linked(id));
            changes.extend(link(&guard, id, is_linked)?);
            let mut warnings = warnings(site, &entrance, is_linked);
            warnings.extend(noted);
            Ok((changes, Saved { value: Arc::new(entrance), warnings }))
        })
    }

    /// All problems at once, those of the examiner included; answers with its warnings.
    fn examine(
        &self,
        site: &Site,
        entrance: &VirtualProxy,
        mut problems: Problems,
    ) -> Result<Vec<Violation>, ManageError> {
        check(site, entrance, &mut problems);
        let found = self.inner.examiner.get().map(|examine| examine(entrance)).unwrap_or_default();
        let (errors, warnings): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|found| found.severity == Severity::Error);
        for error in errors {
            // What the form of a text tells already is not told twice.
            if !problems.has(error.place) {
                problems.push(error);
            }
        }
        problems.finish()?;
        Ok(warnings)
    }

    /// Closes an entrance; the default one stays.
    pub fn delete_virtual_proxy(
        &self,
        caller: &Caller,
        id: VirtualProxyId,
    ) -> Result<(), ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let entrance =
                site.virtual_proxy(id).ok_or_else(|| guard.unknown("virtual proxy", Some(id.0)))?;
            guard.require(Record::VirtualProxy(entrance), Action::Delete)?;
            if entrance.prefix.is_default() {
                let why = "the default entrance cannot be deleted".to_owned();
                return Err(Conflict::Protected { why }.into());
            }
            let mut changes = vec![Change::DeleteVirtualProxy(id)];
            // A consequence of the deletion, which needs no right of its own.
            changes.extend(relink(&guard, id, false));
            Ok((changes, ()))
        })
    }
}

/// The change that links or unlinks an entrance, if it is not so already and the caller may.
fn link(
    guard: &Guard<'_>,
    id: VirtualProxyId,
    is_linked: bool,
) -> Result<Option<Change>, ManageError> {
    let site = guard.site();
    if site.is_linked(id) == is_linked {
        return Ok(None);
    }
    guard.require(Record::Proxy(site.proxy_service()), Action::Update)?;
    if !is_linked && id == DEFAULT_ENTRANCE {
        let why = "the default entrance cannot be unlinked".to_owned();
        return Err(Conflict::Protected { why }.into());
    }
    Ok(relink(guard, id, is_linked))
}

fn relink(guard: &Guard<'_>, id: VirtualProxyId, is_linked: bool) -> Option<Change> {
    let before = guard.site().proxy_service();
    let mut proxy = ProxyService::clone(before);
    proxy.virtual_proxies.retain(|linked| *linked != id);
    if is_linked {
        proxy.virtual_proxies.push(id);
    }
    if proxy.virtual_proxies == before.virtual_proxies {
        return None;
    }
    proxy.stamp = guard.restamp(&before.stamp);
    Some(Change::PutProxyService(Box::new(proxy)))
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
