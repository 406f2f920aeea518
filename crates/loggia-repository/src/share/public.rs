//! Is a stream public? A pair of rules says so (`spec/access.md` §5.12): visitors may read it in
//! the hub; people who have signed in may read it and publish to it. The stream *Everyone* has its
//! pair by birth.

use super::*;

use crate::Repository;
use crate::exposure::visitor::{Asked, Visitors};
use crate::exposure::{Deed, open_entrances};
use crate::manage::{Conflict, Plan, apps};
use crate::seed::EVERYONE;

/// A stream and who it is open to.
#[derive(Clone, Debug)]
pub struct PublicStream {
    pub stream: Arc<Stream>,
    pub public: Publicity,
    /// The pair, visitors' rule first.
    pub rules: [PairRule; 2],
    /// Rules beside the pair that let somebody read the stream or forbid it.
    pub others: Vec<Influence>,
    /// How many more of them there are, which the caller may not read.
    pub hidden_rules: usize,
    pub readers: Readers,
    /// Rules that let visitors read it, or forbid it to them, under a condition that only their
    /// request can tell, such as their address.
    pub conditional: Vec<ConditionalRule>,
    /// How many more of them there are, which the caller may not read.
    pub hidden_conditional: usize,
    /// The apps in the stream, by name.
    pub apps: Vec<ShownApp>,
    /// How many more apps there are, which the caller may not read.
    pub hidden_apps: usize,
    /// What is worth knowing, in sentences.
    pub notes: Vec<String>,
    pub version: u64,
}

/// Whether visitors and people read a stream by its pair of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publicity {
    Yes,
    No,
    /// One rule of the pair is missing, or other rules open the stream, be it under a condition,
    /// or forbid it to visitors.
    Partly,
}

/// One rule of the pair.
#[derive(Clone, Debug)]
pub struct PairRule {
    pub part: PairPart,
    pub state: PairState,
    /// The rule as it is; as it would be made when it is missing. Blank when it is not shown.
    pub rule: SystemRule,
    /// Whether the caller may read the rule.
    pub is_shown: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairPart {
    Visitors,
    People,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairState {
    InForce,
    SwitchedOff,
    Missing,
    /// Somebody has changed what it says.
    Edited,
}

/// A rule that lets visitors read a stream at times, or forbids it at times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionalRule {
    pub rule: RuleId,
    pub name: String,
    pub is_forbidding: bool,
    /// What must hold of the request.
    pub condition: String,
}

/// An app of the stream.
#[derive(Clone, Debug)]
pub struct ShownApp {
    pub app: Arc<App>,
    /// Whether visitors may read it.
    pub visitors: bool,
    /// Whether it has an audience of its own.
    pub is_narrowed: bool,
}

impl Repository {
    /// Who a stream is open to. Needs *update* on the stream.
    pub fn stream_public(
        &self,
        caller: &Caller,
        id: StreamId,
    ) -> Result<PublicStream, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let stream = site.stream(id).ok_or_else(|| guard.unknown("stream", Some(id.0)))?;
        guard.require(Record::Stream(stream), Action::Update)?;
        let crowd = Crowd::of(&site);
        let may_read = crowd.may_read(&site, &Record::Stream(stream).entity());
        Ok(state(&Sight { now: &guard, next: &guard }, stream, &crowd, &may_read))
    }

    /// Opens a stream to visitors and to everybody who has signed in, or takes that back: both
    /// rules or none. Needs *update* on the stream and the rights on the rules themselves. A rule
    /// of the pair that was edited by hand is not overwritten: the change is refused and says so.
    pub fn set_stream_public(
        &self,
        caller: &Caller,
        id: StreamId,
        is_public: bool,
    ) -> Result<Shared<PublicStream>, ManageError> {
        self.change(caller, |site| self.plan_public(site, caller, id, is_public))
    }

    /// What [`Repository::set_stream_public`] would answer; stores nothing.
    pub fn preview_stream_public(
        &self,
        caller: &Caller,
        id: StreamId,
        is_public: bool,
    ) -> Result<Shared<PublicStream>, ManageError> {
        self.plan_public(&self.site(), caller, id, is_public).map(|(_, answer)| answer)
    }

    fn plan_public(
        &self,
        site: &Site,
        caller: &Caller,
        id: StreamId,
        is_public: bool,
    ) -> Plan<Shared<PublicStream>> {
        let guard = self.enter(site, caller)?;
        let stream = site.stream(id).ok_or_else(|| guard.unknown("stream", Some(id.0)))?;
        guard.require(Record::Stream(stream), Action::Update)?;
        let pair = pair(site, stream, &guard.stamp());
        refuse_edited(&guard, &pair, is_public)?;
        let mut changes = Vec::new();
        for part in pair {
            changes.extend(switch(&guard, part, is_public)?);
        }
        let crowd = Crowd::of(site);
        let entity = Record::Stream(stream).entity();
        let before = crowd.may_read(site, &entity);
        let next = match changes.is_empty() {
            true => site.clone(),
            false => site.after(site.version() + 1, &changes)?,
        };
        let after = crowd.may_read(&next, &entity);
        let (gained, mut lost) = crowd.shifts(&before, &after);
        // Not while some of them still can.
        lost.visitors &= conditional(&next, stream).iter().all(|rule| rule.is_forbidding);
        let next_guard = Guard::new(&next, caller, guard.now());
        let sight = Sight { now: &guard, next: &next_guard };
        let state = state(&sight, stream, &crowd, &after);
        let (gained, lost) = (sight.shift(gained), sight.shift(lost));
        Ok((changes, Shared { state, gained, lost }))
    }
}

/// The rules of the pair that go when the stream goes.
pub(super) fn own_rules(site: &Site, stream: &Stream) -> impl Iterator<Item = RuleId> {
    pair(site, stream, &stream.stamp)
        .into_iter()
        .filter(|part| matches!(part.state, PairState::InForce | PairState::SwitchedOff))
        .map(|part| part.rule.id)
}

/// Edited rules stand in the way of opening a stream, and of shutting it while they are in force.
fn refuse_edited(
    guard: &Guard<'_>,
    pair: &[PairRule; 2],
    is_public: bool,
) -> Result<(), ManageError> {
    let edited: Vec<String> = pair
        .iter()
        .filter(|part| part.state == PairState::Edited && (is_public || !part.rule.is_disabled))
        .map(|part| {
            format!(
                "the {} was edited by hand since it was made; change it there, or delete it and \
                 repeat this",
                called_rule(guard, &part.rule)
            )
        })
        .collect();
    if edited.is_empty() {
        return Ok(());
    }
    Err(Conflict::Protected { why: edited.join("\n") }.into())
}

fn switch(
    guard: &Guard<'_>,
    part: PairRule,
    is_public: bool,
) -> Result<Option<Change>, ManageError> {
    let is_shipped = part.rule.seed.is_some();
    let change = match (is_public, part.state) {
        (true, PairState::InForce) | (false, PairState::Missing) | (_, PairState::Edited) => None,
        (true, PairState::Missing) => Some(put_rule(guard, part.rule)?),
        (true, PairState::SwitchedOff) => {
            Some(put_rule(guard, SystemRule { is_disabled: false, ..part.rule })?)
        }
        // A shipped rule that is deleted would not come back by itself.
        (false, PairState::SwitchedOff) if is_shipped => None,
        (false, PairState::InForce) if is_shipped => {
            Some(put_rule(guard, SystemRule { is_disabled: true, ..part.rule })?)
        }
        (false, PairState::InForce | PairState::SwitchedOff) => {
            Some(delete_rule(guard, &part.rule)?)
        }
    };
    Ok(change)
}

fn pair(site: &Site, stream: &Stream, stamp: &Stamp) -> [PairRule; 2] {
    [PairPart::Visitors, PairPart::People].map(|part| {
        let made = made(stream, part, stamp.clone());
        let shipped = (stream.id == EVERYONE).then(|| {
            let seed = match part {
                PairPart::Visitors => "stream-everyone-anonymous",
                PairPart::People => "stream-everyone",
            };
            site.rules().find(|rule| rule.seed.as_deref() == Some(seed))
        });
        let (state, rule) = match shipped.flatten().or_else(|| site.rule(made.id)) {
            None => (PairState::Missing, made),
            Some(rule) if !says_the_same(rule, &made) => (PairState::Edited, rule.clone()),
            Some(rule) if rule.is_disabled => (PairState::SwitchedOff, rule.clone()),
            Some(rule) => (PairState::InForce, rule.clone()),
        };
        PairRule { part, state, rule, is_shown: true }
    })
}

fn made(stream: &Stream, part: PairPart, stamp: Stamp) -> SystemRule {
    let (purpose, actions, context, condition, who) = match part {
        PairPart::Visitors => {
            let who = "Visitors may read this stream in the hub.";
            ("public-visitors", Action::Read.bit(), 1, "user.IsAnonymous()", who)
        }
        PairPart::People => {
            let who = "Everybody who has signed in may read this stream and publish to it.";
            let actions = Action::Read.bit() | Action::Publish.bit();
            ("public-people", actions, 0, "!user.IsAnonymous()", who)
        }
    };
    let access = loggia_rules::Actions::from_bits(actions).unwrap_or_default().names().join("+");
    SystemRule {
        name: generated_name("Stream", &access, &stream.name),
        comment: format!("{who} Made by the switch \"Public stream\"."),
        condition: condition.to_owned(),
        resource_filter: format!("Stream_{}", stream.id),
        actions,
        context,
        ..new_rule(rule_id(purpose, stream.id.0), stamp)
    }
}

fn state(
    sight: &Sight<'_>,
    stream: &Arc<Stream>,
    crowd: &Crowd,
    may_read: &[bool],
) -> PublicStream {
    let site = sight.next.site();
    let mut rules = pair(site, stream, &sight.now.stamp());
    for part in rules.iter_mut().filter(|part| part.state != PairState::Missing) {
        part.is_shown = sight.shows(Record::Rule(&part.rule));
    }
    let readers = crowd.readers(may_read);
    let in_force = rules.iter().filter(|part| part.state == PairState::InForce).count();
    let mut conditional = conditional(site, stream);
    let public = match (in_force, readers.visitors) {
        (2, true) if conditional.iter().all(|rule| !rule.is_forbidding) => Publicity::Yes,
        (0, false) if conditional.is_empty() => Publicity::No,
        _ => Publicity::Partly,
    };
    let mut others = crowd.influences(site, &Record::Stream(stream).entity());
    others.retain(|other| {
        let of_pair = rules.iter().find(|part| part.rule.id == other.rule);
        of_pair.is_none_or(|part| part.state == PairState::Edited)
    });
    let mut shown: Vec<_> =
        site.apps().filter(|app| app.stream == Some(stream.id)).cloned().collect();
    apps::sort(&mut shown);
    let all = shown.len();
    let shown = sight.now.readable(shown.into_iter(), |app| Record::App(app).entity());
    let hidden_apps = all - shown.len();
    let entities: Vec<Entity> = shown.iter().map(|app| Record::App(app).entity()).collect();
    let each = crowd.visitors().may_read_each(site, &entities);
    let apps = shown
        .into_iter()
        .zip(each)
        .map(|(app, visitors)| ShownApp {
            visitors: visitors.into_iter().any(|may_read| may_read),
            is_narrowed: list::is_in_force(site, Thing::App(&app)),
            app,
        })
        .collect();
    let (others, hidden) = sight.split(others);
    let mut notes = notes(&rules, &others, &hidden, &readers, crowd);
    let [visitors, _] = &rules;
    let is_open = visitors.state == PairState::InForce;
    for rule in conditional.iter().filter(|rule| rule.is_forbidding || !is_open) {
        let verb = if rule.is_forbidding { "do not read" } else { "read" };
        let (condition, name) = (&rule.condition, &rule.name);
        notes.push(match sight.shows_rule(rule.rule) {
            true => format!("visitors {verb} it when {condition} (rule {name:?})"),
            false => format!("visitors {verb} it under a condition"),
        });
    }
    let all = conditional.len();
    conditional.retain(|rule| sight.shows_rule(rule.rule));
    let hidden_conditional = all - conditional.len();
    for part in rules.iter_mut().filter(|part| !part.is_shown) {
        let stamp = Stamp { modified_by: String::new(), ..part.rule.stamp.clone() };
        part.rule = new_rule(RuleId(Uuid::nil()), stamp);
    }
    PublicStream {
        stream: stream.clone(),
        public,
        rules,
        others,
        hidden_rules: hidden.len(),
        readers,
        conditional,
        hidden_conditional,
        apps,
        hidden_apps,
        notes,
        version: site.version(),
    }
}

/// The rules that speak of visitors under a condition, at some entrance or other.
fn conditional(site: &Site, stream: &Stream) -> Vec<ConditionalRule> {
    let mut entrances = open_entrances(site);
    // As the crowd, before an entrance admits visitors.
    if entrances.is_empty() {
        entrances = site.virtual_proxies().cloned().collect();
    }
    let visitors = Visitors::new(site, &entrances);
    let known = visitors.known();
    let mut asked = Asked::new(&visitors, &known);
    let mut found: Vec<ConditionalRule> = Vec::new();
    for grant in asked.grants(&Record::Stream(stream).entity()).iter() {
        if (grant.context, grant.deed) != (RequestContext::Hub, Deed::Action(Action::Read)) {
            continue;
        }
        for (is_forbidding, causes) in [(true, &grant.forbidden_by), (false, &grant.granted_by)] {
            for cause in causes {
                let Some(condition) = cause.when.as_deref() else { continue };
                let rule = RuleId(cause.rule);
                let name = site.rule(rule).map(|rule| rule.name.clone()).unwrap_or_default();
                let condition = condition.to_owned();
                let rule = ConditionalRule { rule, name, is_forbidding, condition };
                if !found.contains(&rule) {
                    found.push(rule);
                }
            }
        }
    }
    found.sort_by_cached_key(|one| (!one.is_forbidding, one.name.to_lowercase(), one.rule));
    found
}

fn notes(
    rules: &[PairRule; 2],
    others: &[Influence],
    hidden: &[Influence],
    readers: &Readers,
    crowd: &Crowd,
) -> Vec<String> {
    let mut notes = Vec::new();
    for part in rules.iter().filter(|part| part.state == PairState::Edited) {
        let rule = match part.is_shown {
            true => format!("rule {:?}", part.rule.name),
            false => "rule made for it".to_owned(),
        };
        notes.push(format!("the {rule} was edited by hand, so the switch leaves it alone"));
    }
    let [visitors, people_rule] = rules;
    let speaking = |is_forbidding: bool, is_visitors: bool| {
        let is_meant = move |other: &&Influence| {
            let speaks = if is_visitors { other.visitors } else { other.people > 0 };
            other.is_forbidding == is_forbidding && speaks
        };
        named(others.iter().filter(is_meant), hidden.iter().filter(is_meant))
    };
    let granting = |is_visitors: bool| speaking(false, is_visitors);
    let forbidding = |is_visitors: bool| speaking(true, is_visitors);
    if visitors.state != PairState::InForce && readers.visitors {
        notes.push(format!("visitors read it by other rules: {}", granting(true)));
    }
    if visitors.state == PairState::InForce && !readers.visitors {
        notes.push(format!("other rules forbid it to visitors: {}", forbidding(true)));
    }
    if people_rule.state != PairState::InForce && readers.people > 0 {
        notes.push(format!(
            "{} read it by other rules: {}",
            people(readers.people),
            granting(false)
        ));
    }
    let missing = readers.of - readers.people;
    if people_rule.state == PairState::InForce && missing > 0 {
        notes.push(format!("other rules forbid it to {}: {}", people(missing), forbidding(false)));
    }
    if visitors.state == PairState::InForce && !crowd.admits_visitors() {
        notes.push("no entrance admits visitors, so none can come yet".to_owned());
    }
    notes
}
