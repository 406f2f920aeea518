//! Which requesters can the rules not tell apart?

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crate::oracle::Evaluator;
use crate::program::{Path, Root, Step, Term, Test};
use crate::{Entity, Fact, Facts, KindSet, RequestContext, ResourceKind, RuleSet, property};

/// Which attributes of a requester the rules read.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    attributes: Vec<Box<str>>,
}

impl Footprint {
    /// The attributes as [`Facts::read`] calls them, such as `roles`, `@dept` or `environment.ip`;
    /// `isanonymous`; `identity` when rules ask who the requester is, mostly as an owner.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|name| &**name)
    }
}

/// Requesters that the rules cannot tell apart: they get the same answer for every thing and
/// action. Reasons may differ in the values that they show.
///
/// Things that do not exist yet are no part of this: whoever creates a thing owns it, and so may
/// differ from the others.
#[derive(Clone)]
pub struct Audience(Arc<Known>);

#[derive(PartialEq, Eq, Hash)]
struct Known {
    context: RequestContext,
    truths: Vec<(String, bool)>,
    values: Vec<(String, Vec<String>)>,
    identity: Option<Entity>,
}

impl Audience {
    /// Bytes that it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Known>() + self.0.truths.len() * 32
    }

    /// A number that differs between audiences, but for rare chance.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

impl PartialEq for Audience {
    fn eq(&self, other: &Audience) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for Audience {}

impl Hash for Audience {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audience({:016x})", self.fingerprint())
    }
}

/// What this module and its neighbours derive from a set of rules.
#[derive(Debug)]
pub(crate) struct Sets {
    footprint: Footprint,
}

impl Sets {
    pub(crate) fn new(rules: &RuleSet) -> Sets {
        let mut attributes = BTreeSet::new();
        for rule in rules.rules() {
            rule.condition.clause().for_each_test(&mut |test| {
                if matches!(test, Test::IsAnonymous) {
                    attributes.insert(Box::from("isanonymous"));
                }
                for path in paths(test).filter(|path| path.root == Root::User) {
                    attributes.extend(attribute(path).map(Box::from));
                }
            });
        }
        Sets { footprint: Footprint { attributes: attributes.into_iter().collect() } }
    }
}

fn attribute(path: &Path) -> Option<&str> {
    match path.steps.first() {
        None | Some(Step::Id) => Some("identity"),
        Some(Step::Kind | Step::RequestContext) => None,
        Some(Step::Read(name)) => Some(name),
    }
}

fn paths(test: &Test) -> impl Iterator<Item = &Path> {
    let (sides, path): ([&[Term]; 2], Option<&Path>) = match test {
        Test::Compare { left, right, .. } => ([left, right], None),
        Test::HasPrivilege { path, .. } | Test::Empty { path } | Test::IsOwned { path } => {
            ([&[], &[]], Some(path))
        }
        Test::IsAnonymous => ([&[], &[]], None),
    };
    let compared = sides.into_iter().flatten().filter_map(|term| match term {
        Term::Path(path) => Some(path),
        _ => None,
    });
    compared.chain(path)
}

impl RuleSet {
    /// Which attributes of a requester these rules read.
    #[must_use]
    pub fn footprint(&self) -> &Footprint {
        &self.sets().footprint
    }

    /// The audience that the requester belongs to.
    #[must_use]
    pub fn audience(&self, facts: &dyn Facts, context: RequestContext) -> Audience {
        let mut evaluator = Evaluator::new(self, facts, context);
        let (mut truths, mut values, mut identity) = (Vec::new(), Vec::new(), None);
        for rule in self.rules().iter().filter(|rule| rule.context.covers(context)) {
            rule.condition.clause().for_each_test(&mut |test| {
                let (own, others): (Vec<&Path>, Vec<&Path>) =
                    paths(test).partition(|path| path.root != Root::Resource);
                if others.is_empty() {
                    truths.push((format!("{test:?}"), evaluator.test(test, None)));
                    return;
                }
                for path in own {
                    if path.steps.is_empty() {
                        identity = facts.requester_entity();
                        continue;
                    }
                    let mut read: Vec<String> = evaluator.with_values(path, None, |_, facts| {
                        facts.iter().map(|fact: &Fact| format!("{fact:?}")).collect()
                    });
                    read.sort();
                    values.push((format!("{:?}{:?}", path.root, path.steps), read));
                }
            });
        }
        truths.sort();
        truths.dedup();
        values.sort();
        values.dedup();
        Audience(Arc::new(Known { context, truths, values, identity }))
    }

    /// The kinds whose properties a decision about `kind` can read: itself, what paths lead to,
    /// and what `HasPrivilege` asks about.
    #[must_use]
    pub fn reach(&self, kind: ResourceKind) -> KindSet {
        let mut reached = KindSet::only(kind);
        loop {
            let mut more = reached;
            for rule in self.rules() {
                for kind in rule.filter.kinds().intersection(reached).iter() {
                    rule.condition.clause().for_each_test(&mut |test| {
                        for path in paths(test).filter(|path| path.root == Root::Resource) {
                            for length in 1..=path.steps.len() {
                                let steps = path.steps.iter().take(length).map(Step::name);
                                more = more.union(property::follow(kind, steps));
                            }
                        }
                    });
                }
            }
            if more == reached {
                return reached;
            }
            reached = more;
        }
    }
}
