//! Who may do what on two sites, and where do they differ?

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use loggia_model::VirtualProxyId;
use loggia_rules::{Entity, ResourceKind};

use super::crowd::Crowd;
use super::observer::{Observed, Observer, is_licence_observing, observed};
use super::openers::Openers;
use super::people::{Side, Somebody, Who, changed_people, changed_user, everybody};
use super::search::{Finding, Pair, Search, Thing, exists};
use super::{Held, Named};
use crate::exposure::visitor::Visitors;
use crate::exposure::{self, Deed, open_entrances};
use crate::record::Record;
use crate::site::Site;
use crate::store::Change;

/// Two sites and what differs between them.
pub(super) struct Comparison<'s> {
    pub(super) before: &'s Site,
    pub(super) after: &'s Site,
    pub(super) everybody: Vec<Somebody>,
    /// By thing; none for opening apps at all, which is the licence's matter.
    found: BTreeMap<Option<Thing>, Vec<Finding>>,
    depending: BTreeMap<Option<Thing>, Vec<Depending>>,
    /// Observations of requests that rules read.
    observed: BTreeSet<String>,
    is_licence_touched: bool,
}

/// One right on one thing that depends on a visitor's request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Depending {
    is_console: bool,
    deed: Deed,
    address: Arc<str>,
    before: Held,
    after: Held,
}

/// Where rights differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Contexts {
    Both,
    Hub,
    Console,
}

/// Things of one kind on which the same differs.
pub(super) struct Group {
    pub(super) kind: Option<ResourceKind>,
    pub(super) entities: Vec<Entity>,
    pub(super) pieces: Vec<Piece>,
}

/// Rights that the same people gain and lose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Piece {
    pub(super) contexts: Contexts,
    pub(super) deeds: Vec<Deed>,
    pub(super) gained: Crowd,
    pub(super) lost: Crowd,
}

/// Things of one kind on which the same depends on visitors' requests.
pub(super) struct ConditionalGroup {
    pub(super) kind: Option<ResourceKind>,
    pub(super) entities: Vec<Entity>,
    pub(super) piece: ConditionalPiece,
}

/// Rights of visitors that depend on the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConditionalPiece {
    pub(super) contexts: Contexts,
    pub(super) deeds: Vec<Deed>,
    pub(super) entrances: Vec<Arc<str>>,
    pub(super) before: Held,
    pub(super) after: Held,
}

impl Contexts {
    #[must_use]
    pub fn has_hub(self) -> bool {
        self != Contexts::Console
    }

    #[must_use]
    pub fn has_console(self) -> bool {
        self != Contexts::Hub
    }

    fn of(is_console: bool) -> Contexts {
        if is_console { Contexts::Console } else { Contexts::Hub }
    }
}

impl<'s> Comparison<'s> {
    pub(super) fn of(before: &'s Site, after: &'s Site, changes: &[Change]) -> Comparison<'s> {
        let everybody = everybody(before, after);
        let observed: BTreeSet<String> = [before, after].into_iter().flat_map(observed).collect();
        let entrances: Vec<VirtualProxyId> = everybody
            .iter()
            .filter_map(|somebody| match &somebody.who {
                Who::Visitors { entrance, .. } => Some(*entrance),
                Who::Person(_) => None,
            })
            .collect();
        let (open_before, open_after) = (open_entrances(before), open_entrances(after));
        let visitors = (Visitors::new(before, &open_before), Visitors::new(after, &open_after));
        let known = (visitors.0.known(), visitors.1.known());
        let is_observing =
            !observed.is_empty() || [before, after].into_iter().any(is_licence_observing);
        let mut observer = (is_observing && !entrances.is_empty()).then(|| {
            let visitors = (&visitors.0, &visitors.1);
            Observer::new((before, after), visitors, (&known.0, &known.1), &entrances)
        });
        let search = search(before, after, &everybody, changes, &mut observer);
        let mut comparison = Comparison {
            before,
            after,
            everybody,
            found: search.found,
            depending: BTreeMap::new(),
            observed,
            is_licence_touched: false,
        };
        let has_changed_people = changes.iter().any(|change| changed_user(change).is_some());
        comparison.compare_licences(has_changed_people);
        if let Some(observer) = &mut observer {
            comparison.find_depending(observer, &search.asked);
        }
        comparison.found.retain(|_, findings| {
            findings.retain(|finding| !finding.gained.is_empty() || !finding.lost.is_empty());
            !findings.is_empty()
        });
        comparison
    }

    /// What differs, things of one kind with the same differences together.
    pub(super) fn groups(&self) -> Vec<Group> {
        type Key = (Option<(u8, ResourceKind)>, Vec<Piece>);
        let mut groups: BTreeMap<Key, Vec<Entity>> = BTreeMap::new();
        for (thing, findings) in &self.found {
            let kind = thing.as_ref().map(|thing| (thing.rank, thing.kind));
            let entities = groups.entry((kind, pieces(findings))).or_default();
            entities.extend(thing.as_ref().map(Thing::entity));
        }
        groups
            .into_iter()
            .map(|((kind, pieces), entities)| Group {
                kind: kind.map(|(_, kind)| kind),
                entities,
                pieces,
            })
            .collect()
    }

    /// What depends on visitors' requests and does so otherwise than before.
    pub(super) fn conditional(&self) -> Vec<ConditionalGroup> {
        type Key = (Option<(u8, ResourceKind)>, Vec<ConditionalPiece>);
        let mut groups: BTreeMap<Key, Vec<Entity>> = BTreeMap::new();
        for (thing, depending) in &self.depending {
            let kind = thing.as_ref().map(|thing| (thing.rank, thing.kind));
            let entities = groups.entry((kind, conditional_pieces(depending))).or_default();
            entities.extend(thing.as_ref().map(Thing::entity));
        }
        let mut conditional = Vec::new();
        for ((kind, pieces), entities) in groups {
            let kind = kind.map(|(_, kind)| kind);
            conditional.extend(pieces.into_iter().map(|piece| ConditionalGroup {
                kind,
                entities: entities.clone(),
                piece,
            }));
        }
        conditional
    }

    pub(super) fn assumptions(&self, is_auditor: bool) -> Vec<String> {
        let mut assumptions = Vec::new();
        if !self.observed.is_empty() {
            let read: Vec<_> =
                self.observed.iter().filter_map(|name| name.strip_prefix("environment.")).collect();
            let read = if is_auditor { read.join(", ") } else { "something".to_owned() };
            assumptions.push(format!(
                "rules read {read} of the request: for visitors what depends on it is told as a \
                 condition; people are taken to come through the default entrance, from no known \
                 address or device"
            ));
        }
        if self.is_licence_touched {
            assumptions.push("a seat that a person holds already stays with the person".to_owned());
        }
        assumptions
    }

    /// What people call a thing.
    pub(super) fn named(&self, entity: &Entity) -> Named {
        let key = exposure::key(entity);
        let site = if exists(self.after, entity) { self.after } else { self.before };
        let name = match Record::find(site, entity) {
            Some(record) => {
                let thing = exposure::thing(site, record);
                let place = thing.app.map(|app| format!(" in {}", app.name)).unwrap_or_default();
                format!("{}{place}", thing.name)
            }
            None => match (&entity.name, entity.id) {
                (Some(name), _) => name.to_string(),
                (None, Some(_)) => format!("any {}", entity.kind),
                (None, None) => format!("a new {}", entity.kind),
            },
        };
        Named { name, key }
    }

    /// Who may open apps at all.
    fn compare_licences(&mut self, has_changed_people: bool) {
        let (old, new) = (Openers::of(self.before), Openers::of(self.after));
        let stay_the_same = !has_changed_people && self.everybody.iter().all(Somebody::stays);
        if stay_the_same && old.is_same_as(&new) {
            return;
        }
        let before = old.among(self.before, &self.everybody, |who| who.before.as_ref());
        let after = new.among(self.after, &self.everybody, |who| who.after.as_ref());
        if before != after {
            self.is_licence_touched = true;
            let (gained, lost) = (after.difference(&before), before.difference(&after));
            let finding = Finding { is_console: false, deed: Deed::Open, gained, lost };
            self.found.entry(None).or_default().push(finding);
        }
    }

    /// Takes out of the findings what depends on visitors' requests, and tells it as a condition.
    fn find_depending(&mut self, observer: &mut Observer<'_>, asked: &HashSet<Entity>) {
        for (index, (before, after)) in observer.admissions().into_iter().enumerate() {
            self.depend(None, index, (false, Deed::Open), before, after);
        }
        for entity in asked {
            for right in observer.rights(entity).iter() {
                let Observed { entrance, is_console, action, before, after } = right.clone();
                let deed = Deed::Action(action);
                let thing = Some(Thing::of(entity));
                self.depend(thing, entrance, (is_console, deed), before, after);
            }
        }
    }

    fn depend(
        &mut self,
        thing: Option<Thing>,
        visitors: usize,
        (is_console, deed): (bool, Deed),
        before: Held,
        after: Held,
    ) {
        if !matches!(before, Held::When(_)) && !matches!(after, Held::When(_)) {
            return;
        }
        for finding in self.found.get_mut(&thing).into_iter().flatten() {
            if finding.is_console == is_console && finding.deed == deed {
                finding.gained = finding.gained.without(visitors);
                finding.lost = finding.lost.without(visitors);
            }
        }
        let who = self.everybody.get(visitors).map(|somebody| &somebody.who);
        if let Some(Who::Visitors { address, .. }) = who.filter(|_| before != after) {
            let address = address.clone();
            let depending = Depending { is_console, deed, address, before, after };
            self.depending.entry(thing).or_default().push(depending);
        }
    }
}

/// Looks for everybody where a change can matter, and everywhere for those who change, come or go.
fn search<'s>(
    before: &'s Site,
    after: &'s Site,
    everybody: &[Somebody],
    changes: &[Change],
    observer: &mut Option<Observer<'_>>,
) -> Search<'s> {
    let members = |is_member: &dyn Fn(&Somebody) -> bool| -> Vec<usize> {
        let all = everybody.iter().enumerate();
        all.filter(|(_, somebody)| is_member(somebody)).map(|(index, _)| index).collect()
    };
    let staying = members(&Somebody::stays);
    let coming = members(&|somebody| somebody.before.is_none());
    let going = members(&|somebody| somebody.after.is_none());
    let changed = changed_people(before, after, everybody, &staying, changes);
    let side = |site, members: &[usize], is_after: bool| {
        Side::new(site, everybody, members, move |somebody| {
            if is_after { somebody.after.as_ref() } else { somebody.before.as_ref() }
        })
    };
    let sites = (before, after);
    let size = everybody.len();
    let mut search = Search::new(before, after);

    let (old, new) = (side(before, &staying, false), side(after, &staying, true));
    let (old, new) = (old.refs(), new.refs());
    let mut all = Pair::new(size, &staying, sites, Some(&old), Some(&new));
    search.touched_things(changes);
    search.changed_rules(changes, &mut all, observer);
    search.follow(&mut all, observer);

    let some = changed.members.as_slice();
    let (old, new) = (side(before, some, false), side(after, some, true));
    let (old, new) = (old.refs(), new.refs());
    let mut some = Pair::new(size, some, sites, Some(&old), Some(&new));
    search.only_for(&mut some, changed.kinds);

    let new = side(after, &coming, true);
    let new = new.refs();
    search.whole_site(&mut Pair::new(size, &coming, sites, None, Some(&new)));
    let old = side(before, &going, false);
    let old = old.refs();
    search.whole_site(&mut Pair::new(size, &going, sites, Some(&old), None));
    search
}

/// Findings of one thing, told as briefly as may be.
fn pieces(findings: &[Finding]) -> Vec<Piece> {
    let mut by_deed: BTreeMap<Deed, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_deed.entry(finding.deed).or_default().push(finding);
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for (deed, findings) in by_deed {
        let mut of_deed: Vec<Piece> = Vec::new();
        for finding in findings {
            let contexts = Contexts::of(finding.is_console);
            let same = of_deed.iter_mut().find(|piece| {
                piece.contexts != contexts
                    && piece.gained == finding.gained
                    && piece.lost == finding.lost
            });
            match same {
                Some(same) => same.contexts = Contexts::Both,
                None => of_deed.push(Piece {
                    contexts,
                    deeds: vec![deed],
                    gained: finding.gained.clone(),
                    lost: finding.lost.clone(),
                }),
            }
        }
        for piece in of_deed {
            let same = pieces.iter_mut().find(|known| {
                known.contexts == piece.contexts
                    && known.gained == piece.gained
                    && known.lost == piece.lost
            });
            match same {
                Some(same) => same.deeds.extend(piece.deeds),
                None => pieces.push(piece),
            }
        }
    }
    pieces.sort();
    pieces
}

/// What depends on requests on one thing, told as briefly as may be.
fn conditional_pieces(depending: &[Depending]) -> Vec<ConditionalPiece> {
    let mut entrances: BTreeMap<(Deed, bool, &Held, &Held), Vec<Arc<str>>> = BTreeMap::new();
    for Depending { is_console, deed, address, before, after } in depending {
        let right = (*deed, *is_console, before, after);
        entrances.entry(right).or_default().push(address.clone());
    }
    let mut by_context: Vec<ConditionalPiece> = Vec::new();
    for ((deed, is_console, before, after), entrances) in entrances {
        let contexts = Contexts::of(is_console);
        let piece = ConditionalPiece {
            contexts,
            deeds: vec![deed],
            entrances,
            before: before.clone(),
            after: after.clone(),
        };
        let same = by_context.iter_mut().find(|known| {
            known.contexts != contexts
                && **known == ConditionalPiece { contexts: known.contexts, ..piece.clone() }
        });
        match same {
            Some(same) => same.contexts = Contexts::Both,
            None => by_context.push(piece),
        }
    }
    let mut pieces: Vec<ConditionalPiece> = Vec::new();
    for piece in by_context {
        let same = pieces.iter_mut().find(|known| {
            **known == ConditionalPiece { deeds: known.deeds.clone(), ..piece.clone() }
        });
        match same {
            Some(same) => same.deeds.extend(piece.deeds),
            None => pieces.push(piece),
        }
    }
    pieces.sort();
    pieces
}
