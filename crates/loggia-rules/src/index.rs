//! Which rules can hold for a requester and a resource, without looking at the others.
//!
//! The rules of one kind of resource are filed under what must be among the values of some path for
//! them to hold, their *guard*. A decision reads each of these paths once and looks its values up.
//! Rules about nearly every kind are filed once, in the [`Bucket`] that all kinds share.

mod filing;

use std::sync::Arc;

use hashbrown::HashTable;
use uuid::Uuid;

use crate::compiled::{Code, Compare, Constant, KeyValue, Proof, Read, id_hash};
use crate::paths::{PathId, Paths};
use crate::syntax::Comparison;
use crate::text::{begins_with, equal, fold_hash, fold_hash_beginning};
use crate::{Actions, Effect, KindSet, RequestContext, ResourceKind, Rule};

/// A rule as it is arranged in one set.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) rule: Arc<Rule>,
    /// The paths that the condition reads, in its order.
    pub(crate) paths: Box<[PathId]>,
}

/// A value that is read: of a path, or the ids of the things at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Looked {
    pub(crate) path: PathId,
    pub(crate) is_id: bool,
    /// How many characters of its beginning count; zero for all of it.
    pub(crate) beginning: u32,
}

/// The rules on resources of one kind, or those that all kinds share.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    allow: Half,
    forbid: Half,
}

/// The rules of one effect.
#[derive(Debug, Default)]
pub(crate) struct Half {
    pub(crate) concern: Concern,
    signed_in: Span,
    anonymous: Span,
    without_id: Span,
    /// Rules that ask the rules again and nothing else.
    rest: Span,
    ids: Keys,
    /// By paths that read the same for every resource.
    pub(crate) fixed: Box<[Probe]>,
    pub(crate) scoped: Box<[Probe]>,
    /// What rules need that are filed under nothing else, cheap tests first.
    pub(crate) tests: Box<[SharedTest]>,
    entries: Box<[Entry]>,
}

/// The rules that are filed under the values of one path.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) looked: Looked,
    pub(crate) concern: Concern,
    keys: Keys,
}

/// A test that some rules need, made once for all of them.
#[derive(Debug)]
pub(crate) struct SharedTest {
    pub(crate) concern: Concern,
    pub(crate) test: QuickTest,
    /// One of the rules, whose test it is.
    pub(crate) rule: u32,
    span: Span,
}

/// The most frequent tests, in a form that takes no detours.
#[derive(Debug)]
pub(crate) enum QuickTest {
    Constant {
        path: PathId,
        comparison: Comparison,
        constant: Constant,
    },
    Join {
        left: PathId,
        comparison: Comparison,
        right: PathId,
    },
    /// As the rule has it.
    Other,
}

/// One rule where it is filed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) rule: u32,
    pub(crate) concern: Concern,
    /// What need not be evaluated any more.
    pub(crate) proven: Proof,
    /// Whether it is still open if the filter matches.
    pub(crate) needs_filter: bool,
    pub(crate) asks_rules: bool,
}

/// Actions and contexts, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Concern(u16);

type Keys = HashTable<Filed>;

#[derive(Debug)]
struct Filed {
    hash: u64,
    value: KeyValue,
    span: Span,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

/// Rules on more kinds than this go to the bucket that all kinds share.
const MOST_BUCKETS: usize = 16;

/// The buckets that a rule's filter needs it in; none for the one that all kinds share.
pub(crate) fn buckets(kinds: KindSet) -> Option<KindSet> {
    (kinds.len() <= MOST_BUCKETS).then_some(kinds)
}

impl Concern {
    const HUB: u16 = 1 << 13;
    const CONSOLE: u16 = 1 << 14;

    fn of(rule: &Rule) -> Concern {
        let in_context = |context, bit| if rule.context.covers(context) { bit } else { 0 };
        let contexts = in_context(RequestContext::Hub, Concern::HUB)
            | in_context(RequestContext::Console, Concern::CONSOLE);
        Concern(Concern::bits(rule.actions) | contexts)
    }

    pub(crate) fn of_context(context: RequestContext) -> Concern {
        match context {
            RequestContext::Hub => Concern(Concern::HUB),
            RequestContext::Console => Concern(Concern::CONSOLE),
        }
    }

    /// The actions, if it is about the context.
    pub(crate) fn actions_in(self, context: Concern) -> Actions {
        if self.0 & context.0 == 0 {
            return Actions::NONE;
        }
        Actions::from_bits(u32::from(self.0) & Actions::ALL.bits()).unwrap_or(Actions::NONE)
    }

    pub(crate) fn is_in(self, context: Concern) -> bool {
        self.0 & context.0 != 0
    }

    fn add(&mut self, other: Concern) {
        self.0 |= other.0;
    }

    fn bits(actions: Actions) -> u16 {
        u16::try_from(actions.bits()).unwrap_or(0)
    }
}

// INVARIANT: the bits of actions and contexts do not meet.
const _: () = assert!(Actions::ALL.bits() < Concern::HUB as u32);

impl Bucket {
    /// Files the rules on resources of this kind; of the kinds that share a bucket if there is
    /// none.
    pub(crate) fn new(
        kind: Option<ResourceKind>,
        paths: &Paths,
        rules: &[(u32, &Placed)],
    ) -> Bucket {
        let half = |effect| {
            let rules = rules.iter().copied().filter(|(_, placed)| placed.rule.effect == effect);
            filing::file(kind, paths, rules.collect())
        };
        Bucket { allow: half(Effect::Allow), forbid: half(Effect::Forbid) }
    }

    pub(crate) fn half(&self, effect: Effect) -> &Half {
        match effect {
            Effect::Allow => &self.allow,
            Effect::Forbid => &self.forbid,
        }
    }

    /// About how many bytes it takes.
    pub(crate) fn memory(&self) -> usize {
        size_of::<Bucket>() + self.allow.memory() + self.forbid.memory()
    }
}

impl Half {
    /// Rules for requesters that are anonymous, or that have signed in.
    pub(crate) fn by_anonymity(&self, is_anonymous: bool) -> &[Entry] {
        self.entries(if is_anonymous { self.anonymous } else { self.signed_in })
    }

    /// Rules on the resource with this id, or on resources without one.
    pub(crate) fn by_id(&self, id: Option<Uuid>) -> &[Entry] {
        let Some(id) = id else {
            return self.entries(self.without_id);
        };
        if self.ids.is_empty() {
            return &[];
        }
        let is_it = |filed: &Filed| matches!(filed.value, KeyValue::Id(known) if known == id);
        self.ids.find(id_hash(id), is_it).map_or(&[], |filed| self.entries(filed.span))
    }

    /// Rules that are filed under a text, or its beginning.
    pub(crate) fn by_text(&self, probe: &Probe, text: &str) -> &[Entry] {
        let is_it = |filed: &Filed| match &filed.value {
            KeyValue::Text(known) => equal(known, text),
            KeyValue::Beginning(beginning) => begins_with(text, beginning),
            _ => false,
        };
        let hash = match probe.looked.beginning {
            0 => Some(fold_hash(text)),
            length => fold_hash_beginning(text, length as usize),
        };
        let filed = hash.and_then(|hash| probe.keys.find(hash, is_it));
        filed.map_or(&[], |filed| self.entries(filed.span))
    }

    /// Rules that are filed under the id of a thing.
    pub(crate) fn by_thing(&self, probe: &Probe, id: Uuid) -> &[Entry] {
        let is_it = |filed: &Filed| matches!(filed.value, KeyValue::Id(known) if known == id);
        probe.keys.find(id_hash(id), is_it).map_or(&[], |filed| self.entries(filed.span))
    }

    /// The rules that need a test.
    pub(crate) fn needing(&self, test: &SharedTest) -> &[Entry] {
        self.entries(test.span)
    }

    /// Rules that are filed under nothing at all, cheap ones first.
    pub(crate) fn rest(&self) -> &[Entry] {
        self.entries(self.rest)
    }

    fn entries(&self, span: Span) -> &[Entry] {
        self.entries.get(span.start as usize..span.end as usize).unwrap_or(&[])
    }

    fn memory(&self) -> usize {
        let keys = |keys: &Keys| keys.capacity() * (size_of::<Filed>() + 1);
        let probes: usize = self
            .fixed
            .iter()
            .chain(&self.scoped)
            .map(|probe| size_of::<Probe>() + keys(&probe.keys))
            .sum();
        let lists = size_of_val(&*self.entries) + size_of_val(&*self.tests);
        lists + keys(&self.ids) + probes
    }
}

impl QuickTest {
    fn new(placed: &Placed, code: &Code) -> QuickTest {
        let Code::Compare(compare) = code else {
            return QuickTest::Other;
        };
        let Compare { left, comparison, right } = &**compare;
        let path = |read: &Read| match read.is_id {
            true => None,
            false => placed.paths.get(read.path).copied(),
        };
        let sides = (&*left.reads, &*left.constants, &*right.reads, &*right.constants);
        let quick = match sides {
            ([left], [], [right], []) => path(left)
                .zip(path(right))
                .map(|(left, right)| QuickTest::Join { left, comparison: *comparison, right }),
            ([left], [], [], [constant]) => path(left).map(|path| {
                let constant = constant.clone();
                QuickTest::Constant { path, comparison: *comparison, constant }
            }),
            _ => None,
        };
        quick.unwrap_or(QuickTest::Other)
    }
}
