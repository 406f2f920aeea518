//! Whom does a set of people and visitors consist of, in words?

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use loggia_model::entity::User;
use loggia_rules::{Entity, ResourceKind};

use super::compare::Comparison;
use super::crowd::Crowd;
use super::people::Who;
use super::{Audience, Named, Show, grouped};

/// How many people are told by name in a sentence.
const FEW: usize = 5;

/// Describes crowds, each once.
pub(super) struct Describer<'a> {
    show: &'a Show<'a>,
    comparison: &'a Comparison<'a>,
    people: Crowd,
    visitors: Crowd,
    known: HashMap<Crowd, Audience>,
    /// Who has what in common, found out when it is first asked.
    sharing: OnceCell<HashMap<Trait<'a>, Vec<usize>>>,
}

impl<'a> Describer<'a> {
    pub(super) fn new(show: &'a Show<'a>, comparison: &'a Comparison<'a>) -> Describer<'a> {
        let everybody = &comparison.everybody;
        let of = |is_person: bool| {
            let members = everybody
                .iter()
                .enumerate()
                .filter(move |(_, somebody)| matches!(somebody.who, Who::Person(_)) == is_person);
            Crowd::of(everybody.len(), members.map(|(index, _)| index))
        };
        Describer {
            show,
            comparison,
            people: of(true),
            visitors: of(false),
            known: HashMap::new(),
            sharing: OnceCell::new(),
        }
    }

    pub(super) fn describe(&mut self, crowd: &Crowd) -> Audience {
        if let Some(known) = self.known.get(crowd) {
            return known.clone();
        }
        let audience = self.look(crowd);
        self.known.insert(crowd.clone(), audience.clone());
        audience
    }

    fn look(&self, crowd: &Crowd) -> Audience {
        let entrances = crowd.intersection(&self.visitors);
        let visitors: Vec<Arc<str>> = entrances
            .iter()
            .filter_map(|index| match &self.comparison.everybody.get(index)?.who {
                Who::Visitors { address, .. } => Some(address.clone()),
                Who::Person(_) => None,
            })
            .collect();
        let people = crowd.intersection(&self.people);
        let mut parts = Vec::new();
        if !visitors.is_empty() {
            parts.push(format!("anonymous visitors at {}", visitors.join(", ")));
        }
        if !people.is_empty() {
            parts.push(self.people_in_words(&people));
        }
        let excerpt = self.show.excerpt;
        let names = self
            .users(&people)
            .filter(|user| self.may_name(user))
            .skip(excerpt.skip)
            .take(excerpt.take)
            .map(named)
            .collect();
        Audience { text: parts.join(" and "), visitors, people: people.len(), names }
    }

    fn people_in_words(&self, people: &Crowd) -> String {
        let count = people.len();
        let all = self.people.len();
        if count == all {
            return "everyone signed in".to_owned();
        }
        if count > 1
            && let Some(what) = self.what_they_share(people)
        {
            return format!("{what} ({})", persons(count));
        }
        let others = self.people.difference(people);
        if all - count <= FEW && count > FEW {
            let names = self.names(&others);
            let names = names.unwrap_or_else(|| persons(all - count));
            return format!("everyone signed in except {names}");
        }
        match self.names(people).filter(|_| count <= FEW) {
            Some(names) if count == 1 => names,
            Some(names) => format!("{}: {names}", persons(count)),
            None => persons(count),
        }
    }

    /// A role, attribute or property that these people have and nobody else.
    fn what_they_share(&self, people: &Crowd) -> Option<String> {
        // Who may not read all of them does not learn what they have in common.
        if !self.show.is_auditor && !self.users(people).all(|user| self.may_name(user)) {
            return None;
        }
        let sharing = self.sharing.get_or_init(|| self.who_shares_what());
        let first = self.users(people).next()?;
        let is_shared_by_all = |known: &Trait<'_>| {
            sharing.get(known).is_some_and(|members| {
                members.len() == people.len() && members.iter().all(|&index| people.contains(index))
            })
        };
        Some(traits(first).into_iter().find(is_shared_by_all)?.in_words())
    }

    fn who_shares_what(&self) -> HashMap<Trait<'a>, Vec<usize>> {
        let mut sharing: HashMap<Trait<'a>, Vec<usize>> = HashMap::new();
        for index in self.people.iter() {
            for known in self.person(index).map(traits).unwrap_or_default() {
                sharing.entry(known).or_default().push(index);
            }
        }
        sharing
    }

    fn names(&self, people: &Crowd) -> Option<String> {
        let mut names = Vec::new();
        for user in self.users(people) {
            if !self.may_name(user) || names.len() >= FEW {
                return None;
            }
            names.push(user.name.clone());
        }
        Some(names.join(", "))
    }

    fn users<'c>(&'c self, people: &'c Crowd) -> impl Iterator<Item = &'a User> + 'c {
        people.iter().filter_map(|index| self.person(index))
    }

    /// The person as after the change, or before it when it takes the person away.
    fn person(&self, index: usize) -> Option<&'a User> {
        let Comparison { before, after, everybody, .. } = self.comparison;
        match everybody.get(index)?.who {
            Who::Person(id) => after.user(id).or_else(|| before.user(id)).map(|user| &**user),
            Who::Visitors { .. } => None,
        }
    }

    fn may_name(&self, user: &User) -> bool {
        self.show.may_name(&Entity::new(ResourceKind::User, user.id.0))
    }
}

fn named(user: &User) -> Named {
    let key = crate::exposure::key(&Entity::new(ResourceKind::User, user.id.0));
    Named { name: format!("{} ({})", user.name, user.key), key }
}

fn persons(count: usize) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{} people", grouped(count)) }
}

/// Something that people can have in common; the plainest first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Trait<'a> {
    Role(&'a str),
    Attribute(&'a str, &'a str),
    Property(&'a str, &'a str),
    Directory(&'a str),
}

fn traits(user: &User) -> BTreeSet<Trait<'_>> {
    let roles = user.roles.iter().map(|role| Trait::Role(role));
    let attributes = user.attributes.iter().map(|(kind, value)| Trait::Attribute(kind, value));
    let properties =
        user.custom_properties.iter().map(|own| Trait::Property(&own.name, &own.value));
    let directory = std::iter::once(Trait::Directory(user.key.directory()));
    roles.chain(attributes).chain(properties).chain(directory).collect()
}

impl Trait<'_> {
    fn in_words(&self) -> String {
        match self {
            Trait::Role(role) => format!("all with the role {role}"),
            Trait::Attribute(kind, value) => format!("all with {kind} = {value}"),
            Trait::Property(name, value) => format!("all with @{name} = {value}"),
            Trait::Directory(directory) => format!("all of the directory {directory}"),
        }
    }
}
