//! Sets of requesters, as bits.

use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;

/// A set of requesters, by their place in the slice that [`crate::Subjects`] was made of.
///
/// Sets of the same slice can be compared and combined; it makes no sense with others.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SubjectSet(Arc<[u64]>);

impl SubjectSet {
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

/// The number of a set in a [`Pool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SetId(u32);

impl SetId {
    pub(crate) const NOBODY: SetId = SetId(0);
    pub(crate) const EVERYBODY: SetId = SetId(1);
}

/// Sets, each kept once, and what was found when they were combined.
///
/// Many things are open to the same people, so most combinations were computed before.
pub(crate) struct Pool {
    sets: Vec<SubjectSet>,
    /// By hash, as few sets share one.
    numbers: HashMap<u64, Vec<SetId>>,
    complements: HashMap<SetId, SetId>,
    unions: HashMap<Box<[SetId]>, SetId>,
    intersections: HashMap<Box<[SetId]>, SetId>,
    /// Bits to work in.
    words: Vec<u64>,
    /// Bits that stand for somebody in the last word.
    last: u64,
}

impl Pool {
    pub(crate) fn new(people: usize) -> Pool {
        let mut pool = Pool {
            sets: Vec::new(),
            numbers: HashMap::new(),
            complements: HashMap::new(),
            unions: HashMap::new(),
            intersections: HashMap::new(),
            words: vec![0; people.div_ceil(64)],
            last: match people % 64 {
                0 => u64::MAX,
                rest => (1 << rest) - 1,
            },
        };
        // INVARIANT: `NOBODY` and `EVERYBODY` are the first two sets, also when they are the same.
        let nobody = SubjectSet(pool.words.as_slice().into());
        pool.words.fill(u64::MAX);
        if let Some(word) = pool.words.last_mut() {
            *word = pool.last;
        }
        let everybody = SubjectSet(pool.words.as_slice().into());
        for (id, set) in [(SetId::NOBODY, nobody), (SetId::EVERYBODY, everybody)] {
            pool.numbers.entry(hash(&set.0)).or_default().push(id);
            pool.sets.push(set);
        }
        pool
    }

    pub(crate) fn set(&self, id: SetId) -> SubjectSet {
        match self.sets.get(id.0 as usize) {
            Some(set) => set.clone(),
            None => SubjectSet(Arc::default()),
        }
    }

    /// The set of some requesters by their places.
    pub(crate) fn of(&mut self, members: impl Iterator<Item = u32>) -> SetId {
        self.words.fill(0);
        for member in members {
            if let Some(word) = self.words.get_mut(member as usize / 64) {
                *word |= 1 << (member % 64);
            }
        }
        self.found()
    }

    pub(crate) fn complement(&mut self, id: SetId) -> SetId {
        if let Some(&known) = self.complements.get(&id) {
            return known;
        }
        self.load(id);
        for word in &mut self.words {
            *word = !*word;
        }
        if let Some(word) = self.words.last_mut() {
            *word &= self.last;
        }
        let complement = self.found();
        self.complements.insert(id, complement);
        self.complements.insert(complement, id);
        complement
    }

    /// The union of sorted sets.
    pub(crate) fn union(&mut self, ids: &[SetId]) -> SetId {
        match ids {
            [] => return SetId::NOBODY,
            [only] => return *only,
            _ => {}
        }
        if let Some(&known) = self.unions.get(ids) {
            return known;
        }
        let union = self.combined(ids, |word, other| *word |= other);
        self.unions.insert(ids.into(), union);
        union
    }

    /// The intersection of sorted sets.
    pub(crate) fn intersection(&mut self, ids: &[SetId]) -> SetId {
        match ids {
            [] => return SetId::EVERYBODY,
            [only] => return *only,
            _ => {}
        }
        if let Some(&known) = self.intersections.get(ids) {
            return known;
        }
        let intersection = self.combined(ids, |word, other| *word &= other);
        self.intersections.insert(ids.into(), intersection);
        intersection
    }

    fn combined(&mut self, ids: &[SetId], combine: impl Fn(&mut u64, u64)) -> SetId {
        let Some((first, rest)) = ids.split_first() else {
            return SetId::NOBODY;
        };
        self.load(*first);
        for id in rest {
            if let Some(set) = self.sets.get(id.0 as usize) {
                self.words.iter_mut().zip(&*set.0).for_each(|(word, &other)| combine(word, other));
            }
        }
        self.found()
    }

    fn load(&mut self, id: SetId) {
        if let Some(set) = self.sets.get(id.0 as usize) {
            self.words.copy_from_slice(&set.0);
        }
    }

    /// The number of the set that stands in `words`.
    fn found(&mut self) -> SetId {
        let same = self.numbers.entry(hash(&self.words)).or_default();
        let (sets, words) = (&self.sets, &self.words);
        let is_same = |id: &&SetId| sets.get(id.0 as usize).is_some_and(|set| *set.0 == **words);
        if let Some(&known) = same.iter().find(is_same) {
            return known;
        }
        let id = SetId(self.sets.len() as u32);
        same.push(id);
        self.sets.push(SubjectSet(self.words.as_slice().into()));
        id
    }
}

fn hash(words: &[u64]) -> u64 {
    words.iter().fold(0, |hash: u64, &word| {
        (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        let mut pool = Pool::new(200);
        let all =
            |holds: &dyn Fn(usize) -> bool| (0..200).filter(|&n| holds(n)).collect::<Vec<_>>();
        let mut set =
            |holds: &dyn Fn(usize) -> bool| pool.of(all(holds).into_iter().map(|n| n as u32));
        let (thirds, evens) = (set(&|n| n % 3 == 0), set(&|n| n % 2 == 0));
        assert_eq!(set(&|_| false), SetId::NOBODY);
        assert_eq!(set(&|_| true), SetId::EVERYBODY);
        let union = pool.union(&[thirds, evens]);
        let intersection = pool.intersection(&[thirds, evens]);
        let others = pool.complement(thirds);
        assert_eq!(pool.union(&[thirds, others]), SetId::EVERYBODY);
        assert_eq!(pool.intersection(&[thirds, others]), SetId::NOBODY);
        assert_eq!(pool.complement(others), thirds);
        let [thirds, evens, union, intersection, others] =
            [thirds, evens, union, intersection, others].map(|id| pool.set(id));
        let of = |set: &SubjectSet| set.iter().collect::<Vec<usize>>();
        assert_eq!(of(&thirds), all(&|n| n % 3 == 0));
        assert_eq!(of(&others), all(&|n| n % 3 != 0));
        assert_eq!(of(&union), all(&|n| n % 3 == 0 || n % 2 == 0));
        assert_eq!(of(&intersection), all(&|n| n % 6 == 0));
        assert_eq!((thirds.union(&evens), thirds.intersection(&evens)), (union, intersection));
        assert_eq!(of(&thirds.difference(&evens)), all(&|n| n % 3 == 0 && n % 2 != 0));
        assert_eq!(thirds.len(), 67);
        assert!(thirds.contains(198) && !thirds.contains(199) && !thirds.contains(1_000));
        assert!(thirds.difference(&thirds).is_empty() && !thirds.is_empty());
    }
}
