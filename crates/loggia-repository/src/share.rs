//! Who is this for? Public streams, and apps and sheets for some of the people who read the stream.
//!
//! Nothing is kept here beside the rules: a switch or a list is written as rules that anybody can
//! read, and is read back from them. Rules made here are known by ids that follow from the thing
//! they are about. One that somebody has edited by hand since is left alone, and the answer says so.
//!
//! Before a change is stored it is tried: the site as it would be is asked for every person and for
//! visitors, and what they would gain and lose is part of the answer.

mod audience;
mod list;
mod public;

use std::collections::HashSet;
use std::sync::Arc;

use uuid::{Uuid, uuid};

use loggia_model::entity::{
    AnonymousMode, App, AppObject, RuleCategory, RuleOrigin, Stamp, Stream, SystemRule, User,
};
use loggia_model::{
    AppId, Caller, Environment, Moment, ObjectId, RuleId, StreamId, UserId, UserKey, VisitorId,
};
use loggia_rules::{Action, Effect, Entity, Facts, RequestContext, Subjects, parse_condition};

use crate::Site;
use crate::guard::Guard;
use crate::manage::ManageError;
use crate::record::Record;
use crate::site::is_sheet;
use crate::store::{Change, StoredRule};

pub use audience::{AudienceKind, AudienceState, ListedMember, SharedPlace};
pub use list::{Choice, Member, MemberText};
pub use public::{
    ConditionalRule, PairPart, PairRule, PairState, PublicStream, Publicity, ShownApp,
};

/// A change that was made, or would be made, and what it does to people.
#[derive(Clone, Debug)]
pub struct Shared<T> {
    /// The state after it.
    pub state: T,
    pub gained: Shift,
    pub lost: Shift,
}

/// Who gains or loses the right to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    pub visitors: bool,
    /// Every person concerned whom the caller may read, by user key.
    pub people: Vec<Person>,
    /// How many more there are.
    pub hidden: usize,
}

/// A person by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: UserId,
    pub key: UserKey,
    pub name: String,
}

/// Who can read something now, in the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readers {
    pub visitors: bool,
    /// Prefixes of the entrances where visitors can read it.
    pub entrances: Vec<String>,
    pub people: usize,
    /// How many people there are, blocked and inactive ones left out.
    pub of: usize,
}

/// A rule that lets people read something, or forbids it to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Influence {
    pub rule: RuleId,
    pub name: String,
    pub is_forbidding: bool,
    pub visitors: bool,
    pub people: usize,
}

/// Something that has an audience.
#[derive(Clone, Copy)]
enum Thing<'s> {
    App(&'s App),
    Object(&'s AppObject),
}

/// Everybody who could come: visitors at each entrance that admits them, then people.
struct Crowd {
    callers: Vec<Caller>,
    /// For each place among `callers` whose it is.
    kinds: Vec<Guest>,
}

#[derive(Clone)]
enum Guest {
    Visitor { entrance: Option<String> },
    Person(Arc<User>),
}

/// The namespace of the ids of rules made here; each purpose adds a word of its own.
const NAMESPACE: Uuid = uuid!("0f3c7a52-5b1e-4c8e-9d57-2f6e1f0b6a41");

/// The id of the rule for a purpose on a thing: the same on every site.
fn rule_id(purpose: &str, id: Uuid) -> RuleId {
    RuleId(Uuid::new_v5(&NAMESPACE, format!("{purpose}:{}", id.hyphenated()).as_bytes()))
}

/// Removes the rules that were made for a thing together with it. Edited ones stay: they may be
/// about more by now.
pub(crate) fn rules_of_stream(site: &Site, stream: &Stream) -> Vec<Change> {
    public::own_rules(site, stream).map(Change::DeleteRule).collect()
}

/// As [`rules_of_stream`], of an app with its sheets.
pub(crate) fn rules_of_app(site: &Site, app: &App) -> Vec<Change> {
    let sheets = site.objects_of(app.id).map(|object| Thing::Object(object));
    removals(site, std::iter::once(Thing::App(app)).chain(sheets))
}

/// As [`rules_of_stream`], of objects.
pub(crate) fn rules_of_objects<'s>(
    site: &Site,
    objects: impl Iterator<Item = &'s AppObject>,
) -> Vec<Change> {
    removals(site, objects.map(Thing::Object))
}

/// The rule of an app's list, while it is one: what is in it, in the words of the command line.
pub(crate) fn list_of_app(site: &Site, app: &App, rule: RuleId) -> Option<Vec<String>> {
    let thing = Thing::App(app);
    let found = site.rule(rule).filter(|_| rule == list::rule_id(thing))?;
    let members = list::members(thing, found)?;
    Some(members.iter().filter_map(|member| member.word(site)).collect())
}

fn removals<'s>(site: &Site, things: impl Iterator<Item = Thing<'s>>) -> Vec<Change> {
    things
        .filter(|thing| !matches!(thing, Thing::Object(object) if !is_sheet(object)))
        .filter_map(|thing| {
            let rule = site.rule(list::rule_id(thing))?;
            list::members(thing, rule).map(|_| Change::DeleteRule(rule.id))
        })
        .collect()
}

/// Whether the two rules say the same, whatever they are called and whether they are in force.
fn says_the_same(one: &SystemRule, other: &SystemRule) -> bool {
    let shape = |rule: &SystemRule| {
        (rule.category, rule.actions, rule.context, rule.is_forbidding, same_filter(rule))
    };
    shape(one) == shape(other) && same_condition(one) == same_condition(other)
}

fn same_filter(rule: &SystemRule) -> String {
    rule.resource_filter.split_whitespace().collect::<String>().to_lowercase()
}

fn same_condition(rule: &SystemRule) -> Option<String> {
    parse_condition(&rule.condition).0.map(|condition| condition.to_string().to_lowercase())
}

/// A security rule as it is made here.
fn new_rule(id: RuleId, stamp: Stamp) -> SystemRule {
    SystemRule {
        id,
        category: RuleCategory::Security,
        origin: RuleOrigin::Custom,
        name: String::new(),
        comment: String::new(),
        condition: String::new(),
        resource_filter: String::new(),
        actions: Action::Read.bit(),
        context: 0,
        is_forbidding: false,
        is_disabled: false,
        seed: None,
        tags: Vec::new(),
        stamp,
    }
}

/// Makes the rule, or changes the one that is there, if the caller may.
fn put_rule(guard: &Guard<'_>, mut rule: SystemRule) -> Result<Change, ManageError> {
    let before = guard.site().stored_rule(rule.id);
    if let Some(before) = before {
        refuse_unseen(guard, &before.rule, Action::Update)?;
    }
    let seed_version = match before {
        Some(before) => {
            let (old, new) = (Record::Rule(&before.rule), Record::Rule(&rule));
            guard.require_change(old, new, Action::Update)?;
            rule.stamp = guard.restamp(&before.rule.stamp);
            before.seed_version
        }
        None => {
            guard.require_create(Record::Rule(&rule))?;
            0
        }
    };
    Ok(Change::PutRule(StoredRule { rule, seed_version }))
}

/// Removes the rule, if the caller may.
fn delete_rule(guard: &Guard<'_>, rule: &SystemRule) -> Result<Change, ManageError> {
    refuse_unseen(guard, rule, Action::Delete)?;
    guard.require(Record::Rule(rule), Action::Delete)?;
    Ok(Change::DeleteRule(rule.id))
}

/// What stands in the way of a change is no secret here, so that it is refused and not unknown.
fn refuse_unseen(guard: &Guard<'_>, rule: &SystemRule, action: Action) -> Result<(), ManageError> {
    let record = Record::Rule(rule);
    if guard.decide(record, Action::Read).is_allowed() {
        return Ok(());
    }
    Err(guard.denied(record, action, &guard.decide(record, action)))
}

/// Beginnings of names are enough to recognise a rule by, and names have a longest length.
fn generated_name(kind: &str, access: &str, name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    format!("{kind}_{access}_{name}")
}

impl<'s> Thing<'s> {
    fn record(self) -> Record<'s> {
        match self {
            Thing::App(app) => Record::App(app),
            Thing::Object(object) => Record::AppObject(object),
        }
    }
}

/// A rule in a sentence for the caller.
fn called_rule(guard: &Guard<'_>, rule: &SystemRule) -> String {
    match guard.decide(Record::Rule(rule), Action::Read).is_allowed() {
        true => format!("rule {:?} ({})", rule.name, rule.id),
        false => "rule made for this".to_owned(),
    }
}

/// What the caller may be told the names of: what they may read as things are. What a change
/// makes is judged as it will be.
struct Sight<'g> {
    now: &'g Guard<'g>,
    next: &'g Guard<'g>,
}

impl Sight<'_> {
    fn shows(&self, record: Record<'_>) -> bool {
        let entity = record.entity();
        match Record::find(self.now.site(), &entity) {
            Some(record) => self.now.decide(record, Action::Read).is_allowed(),
            None => self.next.decide(record, Action::Read).is_allowed(),
        }
    }

    fn shows_rule(&self, id: RuleId) -> bool {
        self.next.site().rule(id).is_some_and(|rule| self.shows(Record::Rule(rule)))
    }

    /// Those of the users whom the caller may read.
    fn users(&self, ids: impl Iterator<Item = UserId>) -> HashSet<UserId> {
        readable_users(self.now, ids)
    }

    fn shift(&self, mut shift: Shift) -> Shift {
        let shown = self.users(shift.people.iter().map(|person| person.id));
        let all = shift.people.len();
        shift.people.retain(|person| shown.contains(&person.id));
        shift.hidden = all - shift.people.len();
        shift
    }

    /// What is shown, and what is not.
    fn split(&self, influences: Vec<Influence>) -> (Vec<Influence>, Vec<Influence>) {
        influences.into_iter().partition(|influence| self.shows_rule(influence.rule))
    }
}

fn readable_users(guard: &Guard<'_>, ids: impl Iterator<Item = UserId>) -> HashSet<UserId> {
    let users = ids.filter_map(|id| guard.site().user(id));
    let readable = guard.readable(users, |user| Record::User(user).entity());
    readable.into_iter().map(|user| user.id).collect()
}

impl Crowd {
    fn of(site: &Site) -> Crowd {
        let mut prefixes: Vec<_> = site
            .virtual_proxies()
            .filter(|entrance| entrance.anonymous != AnonymousMode::Never)
            .map(|entrance| entrance.prefix.clone())
            .collect();
        prefixes.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        let mut crowd = Crowd { callers: Vec::new(), kinds: Vec::new() };
        for prefix in &prefixes {
            let environment =
                Environment { virtual_proxy: prefix.clone(), ..Environment::default() };
            let entrance = Some(prefix.as_str().to_owned());
            crowd.add(visitor(environment), Guest::Visitor { entrance });
        }
        // What the rules say of visitors is worth knowing before an entrance admits them.
        if prefixes.is_empty() {
            crowd.add(visitor(Environment::default()), Guest::Visitor { entrance: None });
        }
        let mut people: Vec<_> = site.users().filter(|user| is_person(user)).cloned().collect();
        people.sort_by(|one, other| one.key.folded().cmp(other.key.folded()));
        for user in people {
            let caller = Caller::user(user.id, user.key.clone(), Environment::default());
            crowd.add(caller, Guest::Person(user));
        }
        crowd
    }

    /// The visitors alone.
    fn visitors(&self) -> Crowd {
        self.only(|at| matches!(self.kinds.get(at), Some(Guest::Visitor { .. })))
    }

    /// Those whose places are wanted.
    fn only(&self, is_wanted: impl Fn(usize) -> bool) -> Crowd {
        let mut crowd = Crowd { callers: Vec::new(), kinds: Vec::new() };
        for (at, (caller, kind)) in self.callers.iter().zip(&self.kinds).enumerate() {
            if is_wanted(at) {
                crowd.add(caller.clone(), kind.clone());
            }
        }
        crowd
    }

    /// Whether some entrance does.
    fn admits_visitors(&self) -> bool {
        self.kinds.iter().any(|kind| matches!(kind, Guest::Visitor { entrance: Some(_) }))
    }

    fn add(&mut self, caller: Caller, kind: Guest) {
        self.callers.push(caller);
        self.kinds.push(kind);
    }

    /// Runs `ask` on everybody at once.
    fn ask<T>(
        &self,
        site: &Site,
        context: RequestContext,
        ask: impl FnOnce(&mut Subjects<'_>) -> T,
    ) -> T {
        // The moment matters to refusals only, which are not made here.
        let guards: Vec<Guard<'_>> =
            self.callers.iter().map(|caller| Guard::new(site, caller, Moment(0))).collect();
        let facts: Vec<_> = guards.iter().map(|guard| guard.facts(None)).collect();
        let facts: Vec<&dyn Facts> = facts.iter().map(|facts| facts as &dyn Facts).collect();
        ask(&mut Subjects::new(site.security(), context, &facts))
    }

    /// For each of the crowd whether the hub lets them read it.
    fn may_read(&self, site: &Site, entity: &Entity) -> Vec<bool> {
        self.may(site, RequestContext::Hub, entity, Action::Read)
    }

    /// As [`Crowd::may_read`], of many things, sharing what is found out on the way.
    fn may_read_each(&self, site: &Site, entities: &[Entity]) -> Vec<Vec<bool>> {
        self.ask(site, RequestContext::Hub, |subjects| {
            let mut all = Vec::with_capacity(entities.len());
            for entity in entities {
                let set = subjects.may(entity, Action::Read);
                all.push((0..self.callers.len()).map(|place| set.contains(place)).collect());
            }
            all
        })
    }

    fn may(
        &self,
        site: &Site,
        context: RequestContext,
        entity: &Entity,
        action: Action,
    ) -> Vec<bool> {
        let set = self.ask(site, context, |subjects| subjects.may(entity, action));
        (0..self.callers.len()).map(|place| set.contains(place)).collect()
    }

    /// The rules that let somebody in the hub read it or forbid it to them, forbidding ones first.
    fn influences(&self, site: &Site, entity: &Entity) -> Vec<Influence> {
        let mut found = self.ask(site, RequestContext::Hub, |subjects| {
            let mut found = Vec::new();
            for rule in site.security().rules() {
                let speaks = rule.actions.contains(Action::Read)
                    && rule.context.covers(RequestContext::Hub)
                    && rule.filter.matches(entity);
                if !speaks {
                    continue;
                }
                let holds = subjects.holds(rule, entity);
                let holds: Vec<bool> =
                    (0..self.callers.len()).map(|place| holds.contains(place)).collect();
                let readers = self.readers(&holds);
                if readers.visitors || readers.people > 0 {
                    found.push(Influence {
                        rule: RuleId(rule.id),
                        name: rule.name.to_string(),
                        is_forbidding: rule.effect == Effect::Forbid,
                        visitors: readers.visitors,
                        people: readers.people,
                    });
                }
            }
            found
        });
        found.sort_by(|one, other| {
            let key = |influence: &Influence| (!influence.is_forbidding, influence.rule);
            key(one).cmp(&key(other))
        });
        found
    }

    fn readers(&self, may_read: &[bool]) -> Readers {
        let mut readers = Readers::default();
        for (kind, &may_read) in self.kinds.iter().zip(may_read) {
            match kind {
                Guest::Visitor { entrance } if may_read => {
                    readers.visitors = true;
                    readers.entrances.extend(entrance.clone());
                }
                Guest::Visitor { .. } => {}
                Guest::Person(_) => {
                    readers.of += 1;
                    readers.people += usize::from(may_read);
                }
            }
        }
        readers
    }

    /// Who may read after and not before.
    fn gained(&self, before: &[bool], after: &[bool]) -> Shift {
        let mut shift = Shift::default();
        for ((kind, before), after) in self.kinds.iter().zip(before).zip(after) {
            match kind {
                // Visitors gain with the first entrance and lose with the last.
                Guest::Visitor { .. } => {}
                Guest::Person(user) if *after && !*before => shift.people.push(Person::of(user)),
                Guest::Person(_) => {}
            }
        }
        shift.visitors = self.readers(after).visitors && !self.readers(before).visitors;
        shift
    }

    /// The two shifts from one state to another.
    fn shifts(&self, before: &[bool], after: &[bool]) -> (Shift, Shift) {
        (self.gained(before, after), self.gained(after, before))
    }
}

impl Person {
    fn of(user: &User) -> Person {
        Person { id: user.id, key: user.key.clone(), name: user.name.clone() }
    }
}

fn visitor(environment: Environment) -> Caller {
    Caller::visitor(VisitorId(Uuid::nil()), environment)
}

/// Somebody who can come in: the server's accounts, the blocked and the inactive cannot.
fn is_person(user: &User) -> bool {
    let is_internal = user.key.directory().eq_ignore_ascii_case(UserKey::INTERNAL_DIRECTORY);
    !is_internal && !user.is_blocked && !user.is_inactive
}

/// "1 person", "3 people".
fn people(count: usize) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

/// Rules for a sentence: the first few names of those that the caller may read, and how many more.
fn named<'i>(
    shown: impl Iterator<Item = &'i Influence>,
    hidden: impl Iterator<Item = &'i Influence>,
) -> String {
    let names: Vec<String> = shown.map(|rule| format!("{:?}", rule.name)).collect();
    let hidden = hidden.count();
    let first = names.get(..5).unwrap_or(&names);
    let more = names.len() - first.len() + hidden;
    match (first, more) {
        ([], 0) => String::new(),
        ([], 1) => "1 rule".to_owned(),
        ([], more) => format!("{more} rules"),
        (first, 0) => first.join(", "),
        (first, more) => format!("{} and {more} more", first.join(", ")),
    }
}
