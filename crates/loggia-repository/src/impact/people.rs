//! Everybody whose rights are compared: who they are on the one site and on the other, and of whom
//! the rules read something new.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use loggia_model::entity::AnonymousMode;
use loggia_model::{Caller, Environment, UserId, VirtualProxyId};
use loggia_rules::{Fact, Facts, KindSet, ResourceKind, RuleSet, Subject};

use super::is_internal;
use crate::exposure::visitor::visitor;
use crate::exposure::{address, open_entrances};
use crate::facts::SiteFacts;
use crate::site::Site;
use crate::store::Change;

/// Somebody whose rights are compared.
pub(super) struct Somebody {
    pub(super) who: Who,
    pub(super) before: Option<Caller>,
    pub(super) after: Option<Caller>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Visitors { entrance: VirtualProxyId, address: Arc<str> },
    Person(UserId),
}

/// Visitors of every entrance that admits some before or after, by prefix, then people by key.
pub(super) fn everybody(before: &Site, after: &Site) -> Vec<Somebody> {
    let mut entrances: BTreeMap<_, VirtualProxyId> = BTreeMap::new();
    for entrance in open_entrances(before).iter().chain(&open_entrances(after)) {
        if !entrances.values().any(|id| *id == entrance.id) {
            entrances.insert((entrance.prefix.clone(), entrance.id), entrance.id);
        }
    }
    let come_in = |site: &Site, id: VirtualProxyId| {
        let entrance = site.virtual_proxy(id)?;
        (entrance.anonymous != AnonymousMode::Never).then(|| visitor(entrance))
    };
    let visitors = entrances.into_values().filter_map(|entrance| {
        let shown = [after, before]
            .into_iter()
            .filter_map(|site| site.virtual_proxy(entrance))
            .find(|entrance| entrance.anonymous != AnonymousMode::Never)?;
        Some(Somebody {
            who: Who::Visitors { entrance, address: address(shown) },
            before: come_in(before, entrance),
            after: come_in(after, entrance),
        })
    });
    let mut people: BTreeMap<(&str, UserId), ()> = BTreeMap::new();
    for user in before.users().chain(after.users()).filter(|user| !is_internal(&user.key)) {
        people.insert((user.key.folded(), user.id), ());
    }
    let person = |site: &Site, id: UserId| {
        let user = site.user(id).filter(|user| !user.is_blocked && !user.is_inactive)?;
        let environment = Environment {
            os: "Unknown".to_owned(),
            device: "Default".to_owned(),
            browser: "Unknown".to_owned(),
            request_type: "Http".to_owned(),
            is_secure: true,
            ..Environment::default()
        };
        Some(Caller::user(id, user.key.clone(), environment))
    };
    let people = people.into_keys().map(|(_, id)| Somebody {
        who: Who::Person(id),
        before: person(before, id),
        after: person(after, id),
    });
    let is_anywhere = |somebody: &Somebody| somebody.before.is_some() || somebody.after.is_some();
    visitors.chain(people).filter(is_anywhere).collect()
}

impl Somebody {
    pub(super) fn stays(&self) -> bool {
        self.before.is_some() && self.after.is_some()
    }
}

/// People and visitors who stay and of whom the rules read something new.
pub(super) struct ChangedPeople {
    pub(super) members: Vec<usize>,
    /// The kinds on which that can matter.
    pub(super) kinds: KindSet,
}

pub(super) fn changed_people(
    before: &Site,
    after: &Site,
    everybody: &[Somebody],
    staying: &[usize],
    changes: &[Change],
) -> ChangedPeople {
    let users: HashSet<UserId> = changes.iter().filter_map(changed_user).collect();
    let read: BTreeSet<&str> = [before, after]
        .into_iter()
        .flat_map(|site| site.security().footprint().attributes())
        .collect();
    let mut members = Vec::new();
    let mut attributes: BTreeSet<&str> = BTreeSet::new();
    for &index in staying {
        let Some(somebody) = everybody.get(index) else { continue };
        let (Some(old), Some(new)) = (&somebody.before, &somebody.after) else { continue };
        let may_differ = match &somebody.who {
            Who::Person(id) => users.contains(id),
            Who::Visitors { .. } => old.environment != new.environment,
        };
        if !may_differ {
            continue;
        }
        let values = |site, caller, name: &str| {
            let mut values: Vec<Fact> = Vec::new();
            SiteFacts::new(site, caller).read(Subject::Requester, name, &mut values);
            values
        };
        let differing: Vec<&str> = read
            .iter()
            .copied()
            .filter(|name| values(before, old, name) != values(after, new, name))
            .collect();
        if !differing.is_empty() {
            members.push(index);
            attributes.extend(differing);
        }
    }
    let mut rules = KindSet::NONE;
    if !members.is_empty() {
        for rule in before.security().rules().iter().chain(after.security().rules()) {
            let alone = RuleSet::new(vec![rule.clone()]);
            if alone.footprint().attributes().any(|name| attributes.contains(name)) {
                rules = rules.union(rule.filter.kinds());
            }
        }
    }
    ChangedPeople { members, kinds: dependants(before, after, rules) }
}

pub(super) fn changed_user(change: &Change) -> Option<UserId> {
    match change {
        Change::PutUser(user) => Some(user.id),
        _ => None,
    }
}

/// The kinds whose decisions can depend on decisions about these, on either site.
pub(super) fn dependants(before: &Site, after: &Site, kinds: KindSet) -> KindSet {
    if kinds.is_empty() {
        return KindSet::NONE;
    }
    let reaches = |kind: &ResourceKind| {
        [before, after]
            .into_iter()
            .any(|site| !site.security().reach(*kind).intersection(kinds).is_empty())
    };
    ResourceKind::ALL.iter().copied().filter(reaches).collect()
}

/// What is known of some of everybody on one site.
pub(super) struct Side<'a>(Vec<SiteFacts<'a>>);

impl<'a> Side<'a> {
    pub(super) fn new(
        site: &'a Site,
        everybody: &'a [Somebody],
        members: &[usize],
        caller: impl Fn(&'a Somebody) -> Option<&'a Caller>,
    ) -> Side<'a> {
        let callers = members.iter().filter_map(|&index| caller(everybody.get(index)?));
        Side(callers.map(|caller| SiteFacts::new(site, caller)).collect())
    }

    pub(super) fn refs(&self) -> Vec<&dyn Facts> {
        self.0.iter().map(|facts| facts as &dyn Facts).collect()
    }
}
