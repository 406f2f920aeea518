//! Patterns filed under what they begin with.

use hashbrown::HashMap;

use crate::meaning::TestMeaning;
use crate::text::fold;

/// Finds those of many patterns that a text can match, by one look-up for each length that their
/// beginnings have.
#[derive(Clone, Debug)]
pub(crate) struct Prefixes<T> {
    by_prefix: HashMap<Box<str>, Vec<T>>,
    /// How many letters the beginnings have, the fewest first.
    lengths: Vec<usize>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Prefixes<T> {
        Prefixes { by_prefix: HashMap::new(), lengths: Vec::new() }
    }
}

impl<T: Copy + PartialEq> Prefixes<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_prefix.is_empty()
    }

    /// Files something under a beginning, in folded letters.
    pub(crate) fn add(&mut self, prefix: &str, thing: T) {
        let length = prefix.chars().count();
        if let Err(place) = self.lengths.binary_search(&length) {
            self.lengths.insert(place, length);
        }
        let things = self.by_prefix.entry(prefix.into()).or_default();
        if things.last() != Some(&thing) {
            things.push(thing);
        }
    }

    /// Calls `visit` with everything that is filed under a beginning of the text. `folded` is room
    /// to work in.
    pub(crate) fn find(&self, text: &str, folded: &mut String, mut visit: impl FnMut(T)) {
        if self.is_empty() {
            return;
        }
        folded.clear();
        let (mut letters, mut length) = (text.chars().map(fold), 0);
        for &prefix in &self.lengths {
            let before = folded.len();
            folded.extend(letters.by_ref().take(prefix - length));
            length = prefix;
            if folded.len() == before && length > 0 {
                return;
            }
            self.by_prefix.get(folded.as_str()).into_iter().flatten().copied().for_each(&mut visit);
        }
    }
}

/// What a text that passes a `like` begins with: one beginning for each of its patterns; none if
/// some pattern has none.
pub(crate) fn prefixes(test: &TestMeaning) -> Option<Vec<String>> {
    let prefixes: Vec<String> = test.globs.iter().map(|glob| glob.prefix().collect()).collect();
    let is_filed = !prefixes.is_empty() && prefixes.iter().all(|prefix| !prefix.is_empty());
    is_filed.then_some(prefixes)
}
