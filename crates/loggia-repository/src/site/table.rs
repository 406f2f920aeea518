//! How is one row of a big table changed while others read it? The table is cut into shards that
//! versions share: a change copies the list of shards and the one shard that the row is in, which
//! at 100,000 rows is some hundred pointers instead of all of them.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Rows by id. A clone is one pointer; the two part where one of them is changed.
#[derive(Clone)]
pub(super) struct Table<I, T> {
    /// A power of two of them.
    shards: Arc<Vec<Arc<Shard<I, T>>>>,
    hasher: DefaultHashBuilder,
    len: usize,
}

type Shard<I, T> = HashTable<(I, T)>;

/// Rows per shard when a table is made; the number of shards is then about that of the rows in
/// each at 100,000 rows, which is where copying both is cheapest.
const ROOMY: usize = 256;
/// Rows per shard, on average, at which a table gets four times as many shards.
const CROWDED: usize = 1024;

impl<I, T> Default for Table<I, T> {
    fn default() -> Table<I, T> {
        Table::with_shards(1)
    }
}

impl<I, T> Table<I, T> {
    fn with_shards(count: usize) -> Table<I, T> {
        // One empty shard, shared until it is written to.
        let empty = Arc::new(HashTable::new());
        Table {
            shards: Arc::new(vec![empty; count]),
            hasher: DefaultHashBuilder::default(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All rows, in no particular order.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, row)| row)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(I, T)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }
}

impl<I: Eq + Hash, T> Table<I, T> {
    pub(super) fn get<Q>(&self, id: &Q) -> Option<&T>
    where
        I: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let hash = self.hasher.hash_one(id);
        let shard = self.shards.get(place(hash, self.shards.len()))?;
        shard.find(hash, |(other, _)| other.borrow() == id).map(|(_, row)| row)
    }

    pub(super) fn contains<Q>(&self, id: &Q) -> bool
    where
        I: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.get(id).is_some()
    }
}

impl<I: Eq + Hash + Clone, T: Clone> Table<I, T> {
    /// Puts a row in and answers with the one that had its id.
    pub(super) fn put(&mut self, id: I, row: T) -> Option<T> {
        if self.len >= self.shards.len().saturating_mul(CROWDED) {
            self.spread();
        }
        let hash = self.hasher.hash_one(&id);
        let shard = self.shard_mut(hash)?;
        match shard.find_mut(hash, |(other, _)| *other == id) {
            Some((_, present)) => Some(std::mem::replace(present, row)),
            None => {
                let hasher = self.hasher.clone();
                let shard = self.shard_mut(hash)?;
                shard.insert_unique(hash, (id, row), |(id, _)| hasher.hash_one(id));
                self.len += 1;
                None
            }
        }
    }

    /// A row to change in this version.
    pub(super) fn get_mut(&mut self, id: &I) -> Option<&mut T> {
        let hash = self.hasher.hash_one(id);
        let shard = self.shard_mut(hash)?;
        shard.find_mut(hash, |(other, _)| other == id).map(|(_, row)| row)
    }

    /// Takes a row out; copies nothing when it is not there.
    pub(super) fn remove<Q>(&mut self, id: &Q) -> Option<T>
    where
        I: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.get(id)?;
        let hash = self.hasher.hash_one(id);
        let shard = self.shard_mut(hash)?;
        let ((_, row), _) =
            shard.find_entry(hash, |(other, _)| other.borrow() == id).ok()?.remove();
        self.len -= 1;
        Some(row)
    }

    fn shard_mut(&mut self, hash: u64) -> Option<&mut Shard<I, T>> {
        let place = place(hash, self.shards.len());
        Arc::make_mut(&mut self.shards).get_mut(place).map(Arc::make_mut)
    }

    fn spread(&mut self) {
        let mut wider = Table::with_shards(self.shards.len().saturating_mul(4));
        wider.hasher = self.hasher.clone();
        for (id, row) in self.iter() {
            wider.put(id.clone(), row.clone());
        }
        *self = wider;
    }
}

impl<I: Eq + Hash + Clone, T: Clone> FromIterator<(I, T)> for Table<I, T> {
    fn from_iter<R: IntoIterator<Item = (I, T)>>(rows: R) -> Table<I, T> {
        let rows: Vec<_> = rows.into_iter().collect();
        let mut table = Table::with_shards((rows.len() / ROOMY).max(1).next_power_of_two());
        for (id, row) in rows {
            table.put(id, row);
        }
        table
    }
}

/// The shard of a hash: by bits that the shard itself uses neither for its buckets nor for its
/// tags, which are the lowest and the highest.
fn place(hash: u64, shards: usize) -> usize {
    usize::try_from(hash >> 32).unwrap_or_default() & (shards - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// A table is a map, and what a version holds never changes under it.
        #[test]
        fn every_version_keeps_its_rows(
            initial in 0_u32..2000,
            steps in proptest::collection::vec((0_u32..3000, any::<bool>()), 0..40),
        ) {
            let mut model: HashMap<u32, u64> = (0..initial).map(|id| (id, 0)).collect();
            let mut table: Table<u32, u64> = (0..initial).map(|id| (id, 0)).collect();
            let mut versions = vec![(table.clone(), model.clone())];
            for (step, (id, is_put)) in steps.into_iter().enumerate() {
                let row = step as u64 + 1;
                if is_put {
                    prop_assert_eq!(table.put(id, row), model.insert(id, row));
                } else {
                    prop_assert_eq!(table.remove(&id), model.remove(&id));
                }
                versions.push((table.clone(), model.clone()));
            }
            for (table, model) in versions {
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.iter().copied().collect::<HashMap<_, _>>(), model);
            }
        }
    }

    #[test]
    fn a_crowded_table_gets_more_shards() {
        let mut table: Table<u32, u32> = Table::default();
        for id in 0..5000 {
            table.put(id, id * 2);
        }
        assert!(table.shards.len() > 1);
        assert_eq!(table.len(), 5000);
        assert!((0..5000).all(|id| table.get(&id) == Some(&(id * 2))));
        assert_eq!(table.get(&5000), None);
    }
}
