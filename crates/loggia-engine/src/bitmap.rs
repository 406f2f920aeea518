//! Which of a fixed number of rows (or values) are in a set? Plain words: at the densities met here they beat every
//! compressed form, and an intersection of 300,000 rows costs microseconds.

/// A set of numbers below [`Bitmap::len`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    pub fn none(len: usize) -> Bitmap {
        Bitmap { words: vec![0; len.div_ceil(64)], len }
    }

    pub fn all(len: usize) -> Bitmap {
        let mut bitmap = Bitmap { words: vec![u64::MAX; len.div_ceil(64)], len };
        bitmap.trim();
        bitmap
    }

    pub fn from_members(len: usize, members: &[u32]) -> Bitmap {
        let mut bitmap = Bitmap::none(len);
        for &member in members {
            bitmap.insert(member as usize);
        }
        bitmap
    }

    /// A set decided number by number.
    pub fn from_fn(len: usize, mut holds: impl FnMut(usize) -> bool) -> Bitmap {
        let mut words = Vec::with_capacity(len.div_ceil(64));
        let mut start = 0;
        while start < len {
            let end = len.min(start + 64);
            let mut word = 0u64;
            for (bit, number) in (start..end).enumerate() {
                word |= u64::from(holds(number)) << bit;
            }
            words.push(word);
            start = end;
        }
        Bitmap { words, len }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    pub fn is_full(&self) -> bool {
        self.count() == self.len
    }

    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub fn contains(&self, number: usize) -> bool {
        self.words.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Adds a number; one beyond the end is ignored.
    pub fn insert(&mut self, number: usize) {
        if number < self.len {
            self.words[number / 64] |= 1 << (number % 64);
        }
    }

    pub fn intersect(&mut self, other: &Bitmap) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    pub fn unite(&mut self, other: &Bitmap) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    pub fn subtract(&mut self, other: &Bitmap) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }

    pub fn toggle(&mut self, other: &Bitmap) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word ^= other;
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words
            .iter()
            .enumerate()
            .flat_map(|(index, &word)| Bits(word).map(move |bit| index * 64 + bit))
    }

    pub fn members(&self) -> Vec<u32> {
        self.iter().map(|member| member as u32).collect()
    }

    /// The words, for loops that want to skip whole blocks.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Bytes held, for bounded caches.
    pub fn bytes(&self) -> usize {
        self.words.len() * 8
    }

    fn trim(&mut self) {
        let used = self.len % 64;
        if used != 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1 << used) - 1;
        }
    }
}

/// The positions of the ones in a word.
pub(crate) struct Bits(pub(crate) u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_holds_no_strangers() {
        let all = Bitmap::all(70);
        assert_eq!(all.count(), 70);
        assert!(all.is_full());
        let third = Bitmap::from_fn(70, |number| number % 3 == 0);
        assert_eq!(third.iter().last(), Some(69));
        let mut rest = all.clone();
        rest.subtract(&third);
        assert_eq!(rest.count(), 70 - third.count());
        rest.toggle(&all);
        assert_eq!(rest, third);
    }
}
