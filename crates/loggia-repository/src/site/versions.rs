//! Since when has everything that a decision about one kind of thing reads been the same?

use loggia_rules::ResourceKind;

/// For each kind the version of the last change to its things, and to the rules about it.
#[derive(Clone)]
pub(super) struct Versions {
    facts: [u64; KINDS],
    rules: [u64; KINDS],
}

const KINDS: usize = ResourceKind::ALL.len();

impl Versions {
    /// Everything may have changed at this version.
    pub(super) fn all(version: u64) -> Versions {
        Versions { facts: [version; KINDS], rules: [version; KINDS] }
    }

    pub(super) fn facts(&self, kind: ResourceKind) -> u64 {
        self.facts.get(kind as usize).copied().unwrap_or_default()
    }

    pub(super) fn rules(&self, kind: ResourceKind) -> u64 {
        self.rules.get(kind as usize).copied().unwrap_or_default()
    }

    pub(super) fn touch_facts(&mut self, kind: ResourceKind, version: u64) {
        if let Some(entry) = self.facts.get_mut(kind as usize) {
            *entry = version;
        }
    }

    pub(super) fn touch_rules(&mut self, kind: ResourceKind, version: u64) {
        if let Some(entry) = self.rules.get_mut(kind as usize) {
            *entry = version;
        }
    }
}
