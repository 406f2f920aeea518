//! Who may open apps at all? The licence's part in what a change does.

use std::collections::BTreeSet;

use loggia_licence::is_named;
use loggia_model::Caller;
use loggia_model::entity::LicencePool;
use loggia_rules::{Action, Entity, RequestContext, ResourceKind, RuleSet, Subjects};

use super::crowd::Crowd;
use super::people::{Side, Somebody, Who};
use crate::exposure::visitor::{licence_rules, why_no_visitor};
use crate::site::Site;

/// Licence rules of a site: whoever one admits may open apps.
pub(super) struct Openers {
    anybody: RuleSet,
    /// Of pools of named seats.
    people: RuleSet,
}

impl Openers {
    pub(super) fn of(site: &Site) -> Openers {
        let holds_seats = |pool: &LicencePool| {
            is_named(pool.kind) && !pool.is_disabled && pool.capacity != Some(0)
        };
        Openers {
            anybody: licence_rules(site, |pool| why_no_visitor(pool).is_none()),
            people: licence_rules(site, holds_seats),
        }
    }

    pub(super) fn is_same_as(&self, other: &Openers) -> bool {
        let texts = |rules: &RuleSet| -> BTreeSet<String> {
            rules.rules().iter().map(|rule| rule.condition.text().to_owned()).collect()
        };
        texts(&self.anybody) == texts(&other.anybody) && texts(&self.people) == texts(&other.people)
    }

    pub(super) fn among<'a>(
        &self,
        site: &'a Site,
        everybody: &'a [Somebody],
        caller: impl Fn(&'a Somebody) -> Option<&'a Caller>,
    ) -> Crowd {
        let members: Vec<usize> = everybody
            .iter()
            .enumerate()
            .filter(|(_, somebody)| caller(somebody).is_some())
            .map(|(index, _)| index)
            .collect();
        let facts = Side::new(site, everybody, &members, caller);
        let refs = facts.refs();
        let admitted = |rules: &RuleSet| {
            let mut subjects = Subjects::new(rules, RequestContext::Hub, &refs);
            let set = subjects.may(&Entity::to_create(ResourceKind::License), Action::Create);
            let members = set.iter().filter_map(|place| members.get(place).copied());
            members.collect::<Vec<_>>()
        };
        let is_person = |index: &usize| {
            everybody.get(*index).is_some_and(|somebody| matches!(somebody.who, Who::Person(_)))
        };
        let anybody = admitted(&self.anybody);
        let people = admitted(&self.people).into_iter().filter(is_person);
        Crowd::of(everybody.len(), anybody.into_iter().chain(people))
    }
}
