//! Which of many requesters may act on one thing?

use std::fmt;
use std::sync::Arc;

use crate::oracle::Evaluator;
use crate::{Action, Entity, Facts, Request, RequestContext, Rule, RuleSet};

/// Evaluates for many requesters at once.
///
/// What the facts say on things must be the same for all of them: it is read through the first.
pub struct Subjects<'a> {
    rules: &'a RuleSet,
    context: RequestContext,
    subjects: &'a [&'a dyn Facts],
}

impl<'a> Subjects<'a> {
    #[must_use]
    pub fn new(
        rules: &'a RuleSet,
        context: RequestContext,
        subjects: &'a [&'a dyn Facts],
    ) -> Subjects<'a> {
        Subjects { rules, context, subjects }
    }

    /// Who may do `action` to `entity`; members are the places in the slice of subjects.
    pub fn may(&mut self, entity: &Entity, action: Action) -> SubjectSet {
        let allows = |facts: &&dyn Facts| {
            Request::new(self.rules, *facts, self.context).allows(entity, action)
        };
        SubjectSet::from_truths(self.subjects.iter().map(allows))
    }

    /// Who may do what to `entity`, every action once.
    pub fn granted(&mut self, entity: &Entity) -> Vec<(Action, SubjectSet)> {
        Action::ALL.into_iter().map(|action| (action, self.may(entity, action))).collect()
    }

    /// For whom the rule's condition holds on `entity`, which the rule's filter is taken to match.
    /// The rule need not be among the enabled ones.
    pub fn holds(&mut self, rule: &Rule, entity: &Entity) -> SubjectSet {
        let holds = |facts: &&dyn Facts| {
            Evaluator::new(self.rules, *facts, self.context)
                .holds(rule.condition.clause(), Some(entity))
        };
        SubjectSet::from_truths(self.subjects.iter().map(holds))
    }
}

/// A set of requesters, by their place in the slice that [`Subjects`] was made of.
///
/// Sets of one [`Subjects`] can be compared and combined; it makes no sense with others.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SubjectSet(Arc<[u64]>);

impl SubjectSet {
    fn from_truths(truths: impl ExactSizeIterator<Item = bool>) -> SubjectSet {
        let mut words = vec![0_u64; truths.len().div_ceil(64)];
        for (index, _) in truths.enumerate().filter(|&(_, is_true)| is_true) {
            if let Some(word) = words.get_mut(index / 64) {
                *word |= 1 << (index % 64);
            }
        }
        SubjectSet(words.into())
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    #[must_use]
    pub fn contains(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// The members, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                (rest != 0).then(|| {
                    rest &= rest - 1;
                    index * 64 + bit
                })
            })
        })
    }

    #[must_use]
    pub fn union(&self, other: &SubjectSet) -> SubjectSet {
        self.with(other, |one, other| one | other)
    }

    #[must_use]
    pub fn intersection(&self, other: &SubjectSet) -> SubjectSet {
        self.with(other, |one, other| one & other)
    }

    /// The members that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &SubjectSet) -> SubjectSet {
        self.with(other, |one, other| one & !other)
    }

    fn with(&self, other: &SubjectSet, combine: impl Fn(u64, u64) -> u64) -> SubjectSet {
        let length = self.0.len().max(other.0.len());
        let word = |set: &SubjectSet, index| set.0.get(index).copied().unwrap_or(0);
        SubjectSet(
            (0..length).map(|index| combine(word(self, index), word(other, index))).collect(),
        )
    }
}

impl fmt::Debug for SubjectSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        let thirds = SubjectSet::from_truths((0..200).map(|n| n % 3 == 0));
        let evens = SubjectSet::from_truths((0..200).map(|n| n % 2 == 0));
        let of = |set: &SubjectSet| set.iter().collect::<Vec<usize>>();
        let all =
            |holds: &dyn Fn(usize) -> bool| (0..200).filter(|&n| holds(n)).collect::<Vec<_>>();
        assert_eq!(of(&thirds), all(&|n| n % 3 == 0));
        assert_eq!(of(&thirds.union(&evens)), all(&|n| n % 3 == 0 || n % 2 == 0));
        assert_eq!(of(&thirds.intersection(&evens)), all(&|n| n % 6 == 0));
        assert_eq!(of(&thirds.difference(&evens)), all(&|n| n % 3 == 0 && n % 2 != 0));
        assert_eq!(thirds.len(), 67);
        assert!(thirds.contains(198) && !thirds.contains(199) && !thirds.contains(1_000));
        assert!(thirds.difference(&thirds).is_empty() && !thirds.is_empty());
    }
}
