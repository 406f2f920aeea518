//! For which of many requesters does a test hold?

use std::sync::Arc;

use crate::meaning::{Atom, PathId, Terms, TestId, TestMeaning};
use crate::requester::{Mixed, Values, holds, pair_holds, pairs_hold, path_of, read_requester};
use crate::solver::Algebra;
use crate::subject_set::{Pool, SetId, SubjectSet};
use crate::syntax::Comparison;
use crate::text::fold_into;
use crate::{Entity, Fact, Facts, RequestContext};
use hashbrown::HashMap;

/// Many requesters, and who has which value of the attributes that were asked for so far.
pub(crate) struct People<'a> {
    context: RequestContext,
    subjects: &'a [&'a dyn Facts],
    pool: Pool,
    tests: HashMap<TestId, SetId>,
    paths: HashMap<PathId, Holders>,
    folded: String,
}

/// The values of one path, and who has them.
struct Holders {
    /// Values that are not the same text or thing.
    values: Vec<(Fact, Group)>,
    places: HashMap<Fact, u32>,
    /// Texts that are equal, by their folded form.
    texts: HashMap<Box<str>, Group>,
    /// How many texts that are not equal, and not the same, each requester has.
    counts: Vec<(u32, u32)>,
    /// Whoever has any value.
    present: SetId,
    /// Whoever has a text.
    with_text: SetId,
    /// Whether some thing among the values is known by name.
    has_names: bool,
    /// Who has a value that passes a comparison with a value of the resource.
    compared: HashMap<(Comparison, bool, Fact), SetId>,
}

/// Some requesters, in ascending order.
#[derive(Default)]
struct Group {
    members: Vec<u32>,
    set: Option<SetId>,
}

impl Group {
    fn add(&mut self, member: u32) -> bool {
        let is_new = self.members.last() != Some(&member);
        if is_new {
            self.members.push(member);
        }
        is_new
    }

    fn set(&mut self, pool: &mut Pool) -> SetId {
        *self.set.get_or_insert_with(|| pool.of(self.members.iter().copied()))
    }
}

impl<'a> People<'a> {
    pub(crate) fn new(context: RequestContext, subjects: &'a [&'a dyn Facts]) -> People<'a> {
        People {
            context,
            subjects,
            pool: Pool::new(subjects.len()),
            tests: HashMap::new(),
            paths: HashMap::new(),
            folded: String::new(),
        }
    }

    pub(crate) fn set(&self, id: SetId) -> SubjectSet {
        self.pool.set(id)
    }

    fn everybody(&self) -> impl Iterator<Item = (u32, &'a dyn Facts)> + use<'a> {
        self.subjects.iter().enumerate().map(|(place, &facts)| (place as u32, facts))
    }

    /// Who passes the test, one by one.
    fn where_holds(&mut self, mut holds: impl FnMut(&dyn Facts) -> bool) -> SetId {
        let passing = self.everybody().filter(|(_, facts)| holds(*facts));
        self.pool.of(passing.map(|(place, _)| place))
    }

    /// Who passes a test of the requester alone.
    fn find(&mut self, terms: &Terms, meaning: &TestMeaning) -> SetId {
        let context = self.context;
        let Some(path) = path_of(&meaning.atom) else {
            return match meaning.atom {
                Atom::IsAnonymous => self.where_holds(|facts| facts.requester_is_anonymous()),
                Atom::Paths { left, comparison, right } => self.where_holds(|facts| {
                    let (mut one, mut other) = (Vec::new(), Vec::new());
                    read_requester(terms, left, facts, context, &mut one);
                    read_requester(terms, right, facts, context, &mut other);
                    pairs_hold(&one, comparison, &other)
                }),
                _ => SetId::NOBODY,
            };
        };
        self.prepare(terms, path);
        let People { pool, paths, folded, .. } = self;
        let Some(holders) = paths.get_mut(&path) else {
            return SetId::NOBODY;
        };
        match &meaning.atom {
            Atom::Empty { .. } => pool.complement(holders.present),
            Atom::HasText { .. } => holders.with_text,
            Atom::Equal { symbols, .. } => {
                let groups = symbols.iter().filter_map(|&symbol| {
                    fold_into(terms.written(symbol), folded);
                    holders.texts.get(folded.as_str())
                });
                pool.of(groups.flat_map(|group| group.members.iter().copied()))
            }
            Atom::Differs { symbol, .. } => {
                holders.without_only(pool, terms.written(*symbol), true, folded)
            }
            Atom::DiffersExactly { text, .. } => holders.without_only(pool, text, false, folded),
            _ => {
                let mut one = Values::default();
                let passing = holders.values.iter().filter(|(value, _)| {
                    one.clear();
                    one.facts.push(value.clone());
                    holds(meaning, &one)
                });
                pool.of(passing.flat_map(|(_, group)| group.members.iter().copied()))
            }
        }
    }

    /// Finds out who has which value of a path.
    fn prepare(&mut self, terms: &Terms, path: PathId) {
        if self.paths.contains_key(&path) {
            return;
        }
        let mut holders = Holders::new(self.subjects.len());
        let mut read = Vec::new();
        for (place, facts) in self.everybody() {
            read_requester(terms, path, facts, self.context, &mut read);
            for value in read.drain(..) {
                holders.add(place, value, &mut self.folded);
            }
        }
        let everyone = holders.values.iter();
        holders.present =
            self.pool.of(everyone.flat_map(|(_, group)| group.members.iter().copied()));
        let texts = holders.texts.values();
        holders.with_text = self.pool.of(texts.flat_map(|group| group.members.iter().copied()));
        self.paths.insert(path, holders);
    }
}

impl Holders {
    fn new(people: usize) -> Holders {
        Holders {
            values: Vec::new(),
            places: HashMap::new(),
            texts: HashMap::new(),
            counts: vec![(0, 0); people],
            present: SetId::NOBODY,
            with_text: SetId::NOBODY,
            has_names: false,
            compared: HashMap::new(),
        }
    }

    fn add(&mut self, place: u32, value: Fact, folded: &mut String) {
        let (mut is_new_text, mut is_new_fold) = (false, false);
        match &value {
            Fact::Text(text) => {
                fold_into(text, folded);
                if let Some(group) = self.texts.get_mut(folded.as_str()) {
                    is_new_fold = group.add(place);
                } else {
                    let members = vec![place];
                    self.texts.insert(folded.as_str().into(), Group { members, set: None });
                    is_new_fold = true;
                }
            }
            Fact::Entity(entity) => {
                self.has_names |= entity.id.is_none() || entity.name.is_some();
            }
        }
        let is_text = matches!(value, Fact::Text(_));
        let known = self.places.get(&value).and_then(|&at| self.values.get_mut(at as usize));
        match known {
            Some((_, group)) => is_new_text = group.add(place) && is_text,
            None => {
                is_new_text |= is_text;
                self.places.insert(value.clone(), self.values.len() as u32);
                self.values.push((value, Group { members: vec![place], set: None }));
            }
        }
        if let Some((folds, texts)) = self.counts.get_mut(place as usize) {
            *folds += u32::from(is_new_fold);
            *texts += u32::from(is_new_text);
        }
    }

    /// Who has a text other than this one, as `!=` tells them apart, or as `!==` does.
    fn without_only(
        &self,
        pool: &mut Pool,
        text: &Arc<str>,
        is_folded: bool,
        folded: &mut String,
    ) -> SetId {
        fold_into(text, folded);
        let group = if is_folded {
            self.texts.get(folded.as_str())
        } else {
            let place = self.places.get(&Fact::Text(Arc::clone(text)));
            place.and_then(|&at| self.values.get(at as usize)).map(|(_, group)| group)
        };
        let Some(group) = group else {
            return self.with_text;
        };
        let has_no_other = |member: &u32| {
            let counts = self.counts.get(*member as usize);
            counts.is_some_and(|&(folds, texts)| if is_folded { folds == 1 } else { texts == 1 })
        };
        let only = pool.of(group.members.iter().copied().filter(has_no_other));
        let others = pool.complement(only);
        let mut sets = [self.with_text, others];
        sets.sort();
        pool.intersection(&sets)
    }

    /// Who has a value that passes the comparison with a value of the resource.
    fn against(
        &mut self,
        pool: &mut Pool,
        comparison: Comparison,
        is_swapped: bool,
        value: &Fact,
        folded: &mut String,
    ) -> SetId {
        match (comparison, value) {
            (Comparison::Equal, Fact::Text(text)) => {
                fold_into(text, folded);
                return match self.texts.get_mut(folded.as_str()) {
                    Some(group) => group.set(pool),
                    None => SetId::NOBODY,
                };
            }
            (Comparison::ExactlyEqual, Fact::Text(_)) => return self.same(pool, value),
            (
                Comparison::Equal | Comparison::ExactlyEqual,
                Fact::Entity(Entity { id: Some(_), name: None, .. }),
            ) if !self.has_names => return self.same(pool, value),
            _ => {}
        }
        let key = (comparison, is_swapped, value.clone());
        if let Some(&known) = self.compared.get(&key) {
            return known;
        }
        let found = match (comparison, value) {
            (Comparison::NotEqual, Fact::Text(text)) => self.without_only(pool, text, true, folded),
            (Comparison::ExactlyNotEqual, Fact::Text(text)) => {
                self.without_only(pool, text, false, folded)
            }
            _ => {
                let passing = self.values.iter().filter(|(own, _)| match is_swapped {
                    true => pair_holds(value, comparison, own),
                    false => pair_holds(own, comparison, value),
                });
                pool.of(passing.flat_map(|(_, group)| group.members.iter().copied()))
            }
        };
        self.compared.insert(key, found);
        found
    }

    fn same(&mut self, pool: &mut Pool, value: &Fact) -> SetId {
        match self.places.get(value).and_then(|&place| self.values.get_mut(place as usize)) {
            Some((_, group)) => group.set(pool),
            None => SetId::NOBODY,
        }
    }
}

impl Algebra for People<'_> {
    type Value = SetId;
    const FALSE: SetId = SetId::NOBODY;
    const TRUE: SetId = SetId::EVERYBODY;

    fn all(&mut self, values: &mut Vec<SetId>) -> SetId {
        self.pool.intersection(values)
    }

    fn any(&mut self, values: &mut Vec<SetId>) -> SetId {
        self.pool.union(values)
    }

    fn not(&mut self, value: SetId) -> SetId {
        self.pool.complement(value)
    }

    fn requester(&mut self, terms: &Terms, test: TestId) -> SetId {
        if let Some(&known) = self.tests.get(&test) {
            return known;
        }
        let found = match terms.test(test) {
            Some(meaning) => self.find(terms, meaning),
            None => SetId::NOBODY,
        };
        self.tests.insert(test, found);
        found
    }

    fn mixed(&mut self, terms: &Terms, mixed: Mixed, resource: &[Fact]) -> SetId {
        self.prepare(terms, mixed.requester);
        let People { pool, paths, folded, .. } = self;
        let Some(holders) = paths.get_mut(&mixed.requester) else {
            return SetId::NOBODY;
        };
        let mut found = Vec::new();
        for value in resource {
            let set = holders.against(pool, mixed.comparison, mixed.is_swapped, value, folded);
            if set == SetId::EVERYBODY {
                return set;
            }
            if set != SetId::NOBODY {
                found.push(set);
            }
        }
        found.sort();
        found.dedup();
        pool.union(&found)
    }

    fn mixed_fails(&mut self, terms: &Terms, mixed: Mixed) -> bool {
        self.prepare(terms, mixed.requester);
        self.paths.get(&mixed.requester).is_none_or(|holders| holders.present == SetId::NOBODY)
    }
}
