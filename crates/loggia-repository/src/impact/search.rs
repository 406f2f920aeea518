//! Where do two sites differ? Looks only where a change can matter: at the things it changes and
//! what belongs to them, at the things on which a changed rule holds for somebody, and from each
//! thing where something differs on to what belongs to it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use loggia_model::{AppId, RuleId, StreamId, UserId};
use loggia_rules::{
    Action, Entity, Facts, KindSet, RequestContext, ResourceKind, Rule, SubjectSet, Subjects,
};
use uuid::Uuid;

use super::crowd::{Crowd, Crowds};
use super::observer::Observer;
use super::people::dependants;
use crate::exposure::{self, Deed};
use crate::record::{Record, pool_kind};
use crate::site::Site;
use crate::store::Change;

/// An entity that can be put in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Thing {
    pub(super) rank: u8,
    pub(super) kind: ResourceKind,
    id: Option<Uuid>,
    name: Option<Arc<str>>,
}

/// One right that differs on one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) is_console: bool,
    pub(super) deed: Deed,
    pub(super) gained: Crowd,
    pub(super) lost: Crowd,
}

/// The same people on both sites, or on one of them.
pub(super) struct Pair<'a> {
    size: usize,
    members: &'a [usize],
    before: Option<[Subjects<'a>; 2]>,
    after: Option<[Subjects<'a>; 2]>,
    crowds: Crowds<SubjectSet>,
}

const CONTEXTS: [RequestContext; 2] = [RequestContext::Hub, RequestContext::Console];

impl<'a> Pair<'a> {
    pub(super) fn new(
        size: usize,
        members: &'a [usize],
        (before, after): (&'a Site, &'a Site),
        old: Option<&'a Vec<&'a dyn Facts>>,
        new: Option<&'a Vec<&'a dyn Facts>>,
    ) -> Pair<'a> {
        let subjects = |site: &'a Site, facts: &'a Vec<&'a dyn Facts>| {
            CONTEXTS.map(|context| Subjects::new(site.security(), context, facts))
        };
        Pair {
            size,
            members,
            before: old.map(|facts| subjects(before, facts)),
            after: new.map(|facts| subjects(after, facts)),
            crowds: Crowds::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What differs on one thing.
    fn compare(&mut self, entity: &Entity, is_before: bool, is_after: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (context, is_console) in [false, true].into_iter().enumerate() {
            let granted = |subjects: &mut Option<[Subjects<'a>; 2]>, is_there: bool| {
                let subjects = subjects.as_mut().filter(|_| is_there)?.get_mut(context)?;
                Some(subjects.granted(entity))
            };
            let before = granted(&mut self.before, is_before);
            let after = granted(&mut self.after, is_after);
            if before == after {
                continue;
            }
            let is_new = entity.id.is_none() && entity.name.is_none();
            for action in Action::ALL {
                if is_new && action != Action::Create {
                    continue;
                }
                let find = |sets: &Option<Vec<(Action, SubjectSet)>>| {
                    let sets = sets.as_deref().unwrap_or_default();
                    sets.iter().find(|(known, _)| *known == action).map(|(_, set)| set.clone())
                };
                let (gained, lost) = match (find(&before), find(&after)) {
                    (Some(before), Some(after)) if before == after => continue,
                    (Some(before), Some(after)) => {
                        (Some(after.difference(&before)), Some(before.difference(&after)))
                    }
                    (before, after) => (after, before),
                };
                let gained = self.crowd(gained);
                let lost = self.crowd(lost);
                if !gained.is_empty() || !lost.is_empty() {
                    findings.push(Finding { is_console, deed: Deed::Action(action), gained, lost });
                }
            }
        }
        findings
    }

    /// Whether a rule that was or comes into force makes no difference on a thing.
    fn is_indifferent(&mut self, old: Option<&Rule>, new: Option<&Rule>, entity: &Entity) -> bool {
        let is_same_grant = match (old, new) {
            (Some(old), Some(new)) => old.actions == new.actions && old.effect == new.effect,
            _ => false,
        };
        (0..CONTEXTS.len()).all(|index| {
            let holds = |subjects: &mut Option<[Subjects<'a>; 2]>, rule: Option<&Rule>| {
                let context = CONTEXTS.get(index)?;
                let rule = rule.filter(|rule| rule.context.covers(*context))?;
                let rule = Some(rule).filter(|rule| rule.filter.matches(entity))?;
                let set = subjects.as_mut()?.get_mut(index)?.holds(rule, entity);
                Some(set).filter(|set| !set.is_empty())
            };
            let (old, new) = (holds(&mut self.before, old), holds(&mut self.after, new));
            (old.is_none() && new.is_none()) || (is_same_grant && old == new)
        })
    }

    fn crowd(&mut self, set: Option<SubjectSet>) -> Crowd {
        let (size, members) = (self.size, self.members);
        match set {
            None => Crowd::of(size, std::iter::empty()),
            Some(set) => self.crowds.get(&set, |set| {
                Crowd::of(size, set.iter().filter_map(|place| members.get(place).copied()))
            }),
        }
    }
}

/// Looks for differences, and remembers where it looked for everybody.
pub(super) struct Search<'s> {
    before: &'s Site,
    after: &'s Site,
    pub(super) asked: HashSet<Entity>,
    todo: Vec<Entity>,
    pub(super) found: BTreeMap<Option<Thing>, Vec<Finding>>,
}

impl<'s> Search<'s> {
    pub(super) fn new(before: &'s Site, after: &'s Site) -> Search<'s> {
        Search { before, after, asked: HashSet::new(), todo: Vec::new(), found: BTreeMap::new() }
    }

    fn ask(&mut self, entity: Entity) {
        if self.asked.insert(entity.clone()) {
            self.todo.push(entity);
        }
    }

    /// The things that are changed, and what rules read them for.
    pub(super) fn touched_things(&mut self, changes: &[Change]) {
        for change in changes {
            let Some(entity) = touched(self.before, change) else { continue };
            for entity in self.belonging(&entity) {
                self.ask(entity);
            }
            self.ask(entity);
        }
    }

    /// The things on which a rule that changes holds for somebody.
    pub(super) fn changed_rules(
        &mut self,
        changes: &[Change],
        all: &mut Pair<'_>,
        observer: &mut Option<Observer<'_>>,
    ) {
        let ids: BTreeSet<RuleId> = changes
            .iter()
            .filter_map(|change| match change {
                Change::PutRule(stored) => Some(stored.rule.id),
                Change::DeleteRule(id) => Some(*id),
                _ => None,
            })
            .collect();
        let mut rules = Vec::new();
        for id in ids {
            let (old, new) = (in_force(self.before, id), in_force(self.after, id));
            if old.zip(new).is_some_and(|(old, new)| decides_the_same(old, new)) {
                continue;
            }
            rules.push((old, new));
        }
        let mut kinds = KindSet::NONE;
        for rule in rules.iter().flat_map(|(old, new)| [old, new]).flatten() {
            kinds = kinds.union(rule.filter.kinds());
        }
        let has_knots = [self.before, self.after]
            .into_iter()
            .any(|site| !site.security().cyclic_rules().is_empty());
        if has_knots && !kinds.is_empty() {
            // What a rule within a knot answers may depend on what it is asked for.
            for entity in self.entities(dependants(self.before, self.after, kinds)) {
                self.ask(entity);
            }
            return;
        }
        for entity in self.entities(kinds) {
            if self.asked.contains(&entity) {
                continue;
            }
            let matters = |(old, new): &(Option<&Rule>, Option<&Rule>)| {
                let matches = |rule: &&Rule| rule.filter.matches(&entity);
                (old.iter().any(|rule| matches(&&**rule))
                    || new.iter().any(|rule| matches(&&**rule)))
                    && !(all.is_indifferent(*old, *new, &entity)
                        && observer.as_mut().is_none_or(|seen| seen.is_indifferent(&entity)))
            };
            if rules.iter().any(matters) {
                self.ask(entity);
            }
        }
    }

    /// Compares what is to be asked, and goes on to what belongs to a thing with differences.
    pub(super) fn follow(&mut self, all: &mut Pair<'_>, observer: &mut Option<Observer<'_>>) {
        let mut next = std::mem::take(&mut self.todo);
        while !next.is_empty() {
            for entity in next {
                let (is_before, is_after) =
                    (exists(self.before, &entity), exists(self.after, &entity));
                let findings = all.compare(&entity, is_before, is_after);
                let is_seen = observer.as_mut().is_some_and(|seen| !seen.is_indifferent(&entity));
                if findings.is_empty() && !is_seen {
                    continue;
                }
                for belonging in self.belonging(&entity) {
                    self.ask(belonging);
                }
                self.add(&entity, findings);
            }
            next = std::mem::take(&mut self.todo);
        }
    }

    /// Everything of these kinds that was not looked at for everybody.
    pub(super) fn only_for(&mut self, some: &mut Pair<'_>, kinds: KindSet) {
        if some.is_empty() {
            return;
        }
        for entity in self.entities(kinds) {
            if !self.asked.contains(&entity) {
                self.compare_for(some, &entity);
            }
        }
    }

    /// Everything, for those who come or go.
    pub(super) fn whole_site(&mut self, some: &mut Pair<'_>) {
        if some.is_empty() {
            return;
        }
        for entity in self.entities(KindSet::ALL) {
            self.compare_for(some, &entity);
        }
    }

    fn compare_for(&mut self, some: &mut Pair<'_>, entity: &Entity) {
        let (is_before, is_after) = (exists(self.before, entity), exists(self.after, entity));
        let findings = some.compare(entity, is_before, is_after);
        self.asked.insert(entity.clone());
        self.add(entity, findings);
    }

    fn add(&mut self, entity: &Entity, findings: Vec<Finding>) {
        if findings.is_empty() {
            return;
        }
        let known = self.found.entry(Some(Thing::of(entity))).or_default();
        for finding in findings {
            let same = known
                .iter_mut()
                .find(|known| known.is_console == finding.is_console && known.deed == finding.deed);
            match same {
                Some(same) => {
                    same.gained = same.gained.union(&finding.gained);
                    same.lost = same.lost.union(&finding.lost);
                }
                None => known.push(finding),
            }
        }
    }

    /// Everything of these kinds on either site.
    fn entities(&self, kinds: KindSet) -> Vec<Entity> {
        let mut entities = entities(self.before, kinds);
        let gone_or_new = entities_only(self.after, self.before, kinds);
        entities.extend(gone_or_new);
        entities
    }

    /// What belongs to a thing on either site, and is read together with it: the apps of a
    /// stream, the objects of an app, what a person owns.
    fn belonging(&self, entity: &Entity) -> Vec<Entity> {
        let Some(id) = entity.id else { return Vec::new() };
        let mut found = Vec::new();
        for site in [self.before, self.after] {
            match entity.kind {
                ResourceKind::Stream => add_stream(site, StreamId(id), &mut found),
                ResourceKind::App => add_app(site, AppId(id), &mut found),
                ResourceKind::User => add_owned(site, UserId(id), &mut found),
                _ => {}
            }
        }
        found
    }
}

fn add_stream(site: &Site, stream: StreamId, found: &mut Vec<Entity>) {
    for app in site.apps().filter(|app| app.stream == Some(stream)) {
        found.push(Entity::new(ResourceKind::App, app.id.0));
        add_app(site, app.id, found);
    }
}

fn add_app(site: &Site, app: AppId, found: &mut Vec<Entity>) {
    found.extend(site.objects_of(app).map(|o| Entity::new(ResourceKind::AppObject, o.id.0)));
}

fn add_owned(site: &Site, owner: UserId, found: &mut Vec<Entity>) {
    for stream in site.streams().filter(|stream| stream.owner == owner) {
        found.push(Entity::new(ResourceKind::Stream, stream.id.0));
        add_stream(site, stream.id, found);
    }
    for app in site.apps().filter(|app| app.owner == owner) {
        found.push(Entity::new(ResourceKind::App, app.id.0));
        add_app(site, app.id, found);
    }
    let objects = site.objects().filter(|object| object.owner == owner);
    found.extend(objects.map(|object| Entity::new(ResourceKind::AppObject, object.id.0)));
}

/// The thing that a change puts or deletes.
fn touched(before: &Site, change: &Change) -> Option<Entity> {
    let (kind, id) = match change {
        Change::PutUser(user) => (ResourceKind::User, user.id.0),
        Change::DeleteUser(id) => (ResourceKind::User, id.0),
        Change::PutStream(stream) => (ResourceKind::Stream, stream.id.0),
        Change::DeleteStream(id) => (ResourceKind::Stream, id.0),
        Change::PutApp(app) => (ResourceKind::App, app.id.0),
        Change::DeleteApp(id) => (ResourceKind::App, id.0),
        Change::PutObject(object) => (ResourceKind::AppObject, object.id.0),
        Change::DeleteObject(id) => (ResourceKind::AppObject, id.0),
        Change::PutRule(stored) => (ResourceKind::SystemRule, stored.rule.id.0),
        Change::DeleteRule(id) => (ResourceKind::SystemRule, id.0),
        Change::PutVirtualProxy(entrance) => (ResourceKind::VirtualProxyConfig, entrance.id.0),
        Change::DeleteVirtualProxy(id) => (ResourceKind::VirtualProxyConfig, id.0),
        Change::PutUserDirectory(directory) => (ResourceKind::UserDirectory, directory.id.0),
        Change::DeleteUserDirectory(id) => (ResourceKind::UserDirectory, id.0),
        Change::PutProxyService(proxy) => (ResourceKind::ProxyService, proxy.id.0),
        Change::PutPool(pool) => (pool_kind(pool.kind), pool.id.0),
        Change::DeletePool(id) => (pool_kind(before.pool(*id)?.kind), id.0),
        Change::PutCredential { .. }
        | Change::PutProperties(_)
        | Change::PutScript { .. }
        | Change::PutData { .. }
        | Change::PutSeed { .. }
        | Change::PutTokens(_)
        | Change::ExpectSeatLine { .. }
        | Change::AppendLine(_)
        | Change::Record(_) => return None,
    };
    Some(Entity::new(kind, id))
}

fn in_force(site: &Site, id: RuleId) -> Option<&Rule> {
    let rules = site.security().rules();
    let place = rules.binary_search_by_key(&id.0, |rule| rule.id).ok()?;
    rules.get(place).map(|rule| &**rule)
}

fn decides_the_same(old: &Rule, new: &Rule) -> bool {
    old.filter.text() == new.filter.text()
        && old.condition.text() == new.condition.text()
        && (old.actions, old.context, old.effect) == (new.actions, new.context, new.effect)
}

/// Everything of these kinds that rules decide about, rows or not.
fn entities(site: &Site, kinds: KindSet) -> Vec<Entity> {
    use ResourceKind as K;
    let mut found = Vec::new();
    let mut add = |kind: K, ids: &mut dyn Iterator<Item = Uuid>| {
        if kinds.contains(kind) {
            found.extend(ids.map(|id| Entity::new(kind, id)));
        }
    };
    add(K::Stream, &mut site.streams().map(|stream| stream.id.0));
    add(K::App, &mut site.apps().map(|app| app.id.0));
    add(K::AppObject, &mut site.objects().map(|object| object.id.0));
    add(K::User, &mut site.users().map(|user| user.id.0));
    add(K::SystemRule, &mut site.rules().map(|rule| rule.id.0));
    add(K::VirtualProxyConfig, &mut site.virtual_proxies().map(|entrance| entrance.id.0));
    add(K::UserDirectory, &mut site.user_directories().map(|directory| directory.id.0));
    add(K::ProxyService, &mut std::iter::once(site.proxy_service().id.0));
    add(K::ServerNodeConfiguration, &mut site.nodes().map(|node| node.id.0));
    for pool in site.pools() {
        add(pool_kind(pool.kind), &mut std::iter::once(pool.id.0));
    }
    if kinds.contains(K::TransientObject) {
        found.extend(exposure::sections(site).into_iter().map(Entity::transient));
    }
    for kind in kinds.iter() {
        if !exposure::is_kept(kind) {
            found.push(Entity::new(kind, Uuid::nil()));
        }
        found.push(Entity::to_create(kind));
    }
    found
}

/// What only the first site has.
fn entities_only(site: &Site, other: &Site, kinds: KindSet) -> Vec<Entity> {
    let mut entities = entities(site, kinds);
    let named: HashSet<String> =
        exposure::sections(other).iter().map(|name| name.to_lowercase()).collect();
    entities.retain(|entity| match &entity.name {
        Some(name) => !named.contains(&name.to_lowercase()),
        None => !exists(other, entity),
    });
    entities
}

pub(super) fn exists(site: &Site, entity: &Entity) -> bool {
    match entity.id {
        Some(id) if !id.is_nil() => Record::find(site, entity).is_some(),
        _ => true,
    }
}

impl Thing {
    pub(super) fn of(entity: &Entity) -> Thing {
        let rank = match entity.kind {
            ResourceKind::Stream => 0,
            ResourceKind::App => 1,
            ResourceKind::AppObject => 2,
            _ if entity.id.is_none_or(|id| id.is_nil()) && entity.name.is_none() => 4,
            _ => 3,
        };
        Thing { rank, kind: entity.kind, id: entity.id, name: entity.name.clone() }
    }

    pub(super) fn entity(&self) -> Entity {
        Entity { kind: self.kind, id: self.id, name: self.name.clone() }
    }
}
