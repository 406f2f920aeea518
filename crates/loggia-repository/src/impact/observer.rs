//! What visitors hold depends on their requests: on both sites, as conditions.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use loggia_model::VirtualProxyId;
use loggia_model::entity::AnonymousMode;
use loggia_rules::{Action, Entity, Verdict};

use super::Held;
use super::search::exists;
use crate::exposure::visitor::{Asked, Known, Visitors, licence_rules, why_no_visitor};
use crate::exposure::{OBSERVED, address};
use crate::site::Site;

/// Asks what visitors of some entrances hold on both sites.
pub(super) struct Observer<'v> {
    before: (&'v Site, Asked<'v>),
    after: (&'v Site, Asked<'v>),
    entrances: &'v [VirtualProxyId],
    known: HashMap<Entity, Arc<[Observed]>>,
}

/// One right of one entrance's visitors that is, or becomes, a matter of their requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    /// The place of the entrance among all.
    pub(super) entrance: usize,
    pub(super) is_console: bool,
    pub(super) action: Action,
    pub(super) before: Held,
    pub(super) after: Held,
}

/// Observations of requests that security rules of a site read.
pub(super) fn observed(site: &Site) -> BTreeSet<String> {
    let read = site.security().footprint().attributes();
    read.filter(|name| OBSERVED.contains(name)).map(str::to_owned).collect()
}

/// Whether licence rules that serve visitors read one.
pub(super) fn is_licence_observing(site: &Site) -> bool {
    let rules = licence_rules(site, |pool| why_no_visitor(pool).is_none());
    rules.footprint().attributes().any(|name| OBSERVED.contains(&name))
}

impl<'v> Observer<'v> {
    pub(super) fn new(
        (before, after): (&'v Site, &'v Site),
        (old, new): (&'v Visitors<'v>, &'v Visitors<'v>),
        (old_known, new_known): (&'v Known<'v>, &'v Known<'v>),
        entrances: &'v [VirtualProxyId],
    ) -> Observer<'v> {
        Observer {
            before: (before, Asked::new(old, old_known)),
            after: (after, Asked::new(new, new_known)),
            entrances,
            known: HashMap::new(),
        }
    }

    /// What the licence lets the visitors of each entrance do, before and after.
    pub(super) fn admissions(&self) -> Vec<(Held, Held)> {
        let (old, new) = (self.before.1.admissions(), self.after.1.admissions());
        let held = |admissions: &[(Arc<str>, Verdict)], site, id| {
            let address = open_address(site, id);
            let found = admissions.iter().find(|(known, _)| Some(known) == address.as_ref());
            found.map_or(Held::Never, |(_, verdict)| match verdict {
                Verdict::Always => Held::Always,
                Verdict::Never => Held::Never,
                Verdict::When(when) => Held::When(when.as_str().into()),
            })
        };
        let each = self.entrances.iter();
        each.map(|&id| (held(&old, self.before.0, id), held(&new, self.after.0, id))).collect()
    }

    /// Whether nothing that depends on requests becomes otherwise.
    pub(super) fn is_indifferent(&mut self, entity: &Entity) -> bool {
        self.rights(entity).iter().all(|right| right.before == right.after)
    }

    /// The rights on a thing that depend on requests before or after.
    pub(super) fn rights(&mut self, entity: &Entity) -> Arc<[Observed]> {
        if let Some(known) = self.known.get(entity) {
            return known.clone();
        }
        let rights: Arc<[Observed]> = self.look(entity).into();
        self.known.insert(entity.clone(), rights.clone());
        rights
    }

    fn look(&mut self, entity: &Entity) -> Vec<Observed> {
        let held = |(site, asked): &mut (&'v Site, Asked<'v>)| {
            if exists(site, entity) { asked.held(entity) } else { Vec::new() }
        };
        let (old, new) = (held(&mut self.before), held(&mut self.after));
        let both = || old.iter().chain(&new);
        if !both().any(|right| matches!(right.3, Held::When(_))) {
            return Vec::new();
        }
        let rights: BTreeSet<(bool, Action)> = both().map(|right| (right.0, right.1)).collect();
        let mut found = Vec::new();
        for (entrance, &id) in self.entrances.iter().enumerate() {
            let addresses = (open_address(self.before.0, id), open_address(self.after.0, id));
            for &(is_console, action) in &rights {
                let state = |rights: &[(bool, Action, Arc<str>, Held)], at: &Option<Arc<str>>| {
                    let right = rights.iter().find(|right| {
                        (right.0, right.1) == (is_console, action) && Some(&right.2) == at.as_ref()
                    });
                    right.map_or(Held::Never, |right| right.3.clone())
                };
                let (before, after) = (state(&old, &addresses.0), state(&new, &addresses.1));
                if matches!(before, Held::When(_)) || matches!(after, Held::When(_)) {
                    found.push(Observed { entrance, is_console, action, before, after });
                }
            }
        }
        found
    }
}

/// Where visitors come in, if they do.
fn open_address(site: &Site, id: VirtualProxyId) -> Option<Arc<str>> {
    let entrance = site.virtual_proxy(id)?;
    (entrance.anonymous != AnonymousMode::Never).then(|| address(entrance))
}
