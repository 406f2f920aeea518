//! Sets of everybody who may gain or lose, kept once each.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// A set of subjects by their place among all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Crowd(Arc<[u64]>);

impl Crowd {
    pub(crate) fn of(size: usize, members: impl Iterator<Item = usize>) -> Crowd {
        let mut words = vec![0_u64; size.div_ceil(64)];
        for member in members {
            if let Some(word) = words.get_mut(member / 64) {
                *word |= 1 << (member % 64);
            }
        }
        Crowd(words.into())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn contains(&self, member: usize) -> bool {
        self.0.get(member / 64).is_some_and(|word| word & (1 << (member % 64)) != 0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(index, &word)| {
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| index * 64 + bit)
        })
    }

    pub(crate) fn union(&self, other: &Crowd) -> Crowd {
        self.with(other, |one, other| one | other)
    }

    pub(crate) fn intersection(&self, other: &Crowd) -> Crowd {
        self.with(other, |one, other| one & other)
    }

    pub(crate) fn difference(&self, other: &Crowd) -> Crowd {
        self.with(other, |one, other| one & !other)
    }

    pub(crate) fn without(&self, member: usize) -> Crowd {
        let mut words = self.0.to_vec();
        if let Some(word) = words.get_mut(member / 64) {
            *word &= !(1 << (member % 64));
        }
        Crowd(words.into())
    }

    fn with(&self, other: &Crowd, combine: impl Fn(u64, u64) -> u64) -> Crowd {
        if self == other && combine(1, 1) == 1 {
            return self.clone();
        }
        Crowd(self.0.iter().zip(other.0.iter()).map(|(&a, &b)| combine(a, b)).collect())
    }
}

/// Crowds that were made from something else, remembered.
pub(super) struct Crowds<K> {
    known: HashMap<K, Crowd>,
}

impl<K: Hash + Eq + Clone> Crowds<K> {
    pub(super) fn new() -> Crowds<K> {
        Crowds { known: HashMap::new() }
    }

    pub(super) fn get(&mut self, key: &K, make: impl FnOnce(&K) -> Crowd) -> Crowd {
        if let Some(known) = self.known.get(key) {
            return known.clone();
        }
        let made = make(key);
        self.known.insert(key.clone(), made.clone());
        made
    }
}
