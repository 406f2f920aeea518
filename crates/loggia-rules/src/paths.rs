//! The paths that the rules of one set read, each once, so that a decision reads each once.

use std::sync::Arc;

use hashbrown::HashTable;

use crate::program::{Root, Step};
use crate::text::fold_hash;
use crate::{KindSet, ResourceKind, property};

/// A path within one [`Paths`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PathId(u32);

/// Every path together with the paths that it begins with.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    nodes: Vec<PathNode>,
    /// Finds a node by the path before its last step and that step.
    by_step: HashTable<PathId>,
}

#[derive(Clone, Debug)]
pub(crate) struct PathNode {
    pub(crate) root: Root,
    /// The path before the last step, and the last step; none for the root itself.
    pub(crate) last: Option<(PathId, Step)>,
    pub(crate) length: u32,
    /// By kind of resource, what a path of relations leads to; for paths that rules ask about.
    leads: Option<Arc<[KindSet]>>,
}

impl PathId {
    pub(crate) const USER: PathId = PathId(0);
    pub(crate) const RESOURCE: PathId = PathId(1);
    pub(crate) const NODE: PathId = PathId(2);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl PathNode {
    /// Whether it reads the same for every resource.
    pub(crate) fn is_fixed(&self) -> bool {
        self.root != Root::Resource
    }

    /// The kinds at its end for a resource of this kind.
    pub(crate) fn leads(&self, kind: ResourceKind) -> KindSet {
        let leads = self.leads.as_ref().and_then(|leads| leads.get(kind as usize));
        leads.copied().unwrap_or(KindSet::NONE)
    }
}

impl Default for Paths {
    fn default() -> Paths {
        let root = |root| PathNode { root, last: None, length: 0, leads: None };
        // INVARIANT: in the order of the constants of `PathId`.
        let nodes = vec![root(Root::User), root(Root::Resource), root(Root::Node)];
        Paths { nodes, by_step: HashTable::new() }
    }
}

impl Paths {
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn node(&self, path: PathId) -> Option<&PathNode> {
        self.nodes.get(path.index())
    }

    pub(crate) fn is_fixed(&self, path: PathId) -> bool {
        self.node(path).is_some_and(PathNode::is_fixed)
    }

    /// Adds a path, or finds it.
    pub(crate) fn add(&mut self, root: Root, steps: &[Step]) -> PathId {
        let first = match root {
            Root::User => PathId::USER,
            Root::Resource => PathId::RESOURCE,
            Root::Node => PathId::NODE,
        };
        steps.iter().fold(first, |path, step| self.add_step(path, step))
    }

    /// Adds a path whose things rules ask `HasPrivilege` about.
    pub(crate) fn add_asked(&mut self, steps: &[Step]) -> PathId {
        let path = self.add(Root::Resource, steps);
        if let Some(node) = self.nodes.get_mut(path.index()).filter(|node| node.leads.is_none()) {
            let follow = |&kind| property::follow(kind, steps.iter().map(Step::name));
            node.leads = Some(ResourceKind::ALL.iter().map(follow).collect());
        }
        path
    }

    fn add_step(&mut self, before: PathId, step: &Step) -> PathId {
        let hash = hash(before, step);
        let is_it = |path: &PathId| {
            let last = self.nodes.get(path.index()).and_then(|node| node.last.as_ref());
            last.is_some_and(|(known, last)| *known == before && last == step)
        };
        if let Some(path) = self.by_step.find(hash, is_it) {
            return *path;
        }
        let path = PathId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let (root, length) = match self.nodes.get(before.index()) {
            Some(node) => (node.root, node.length + 1),
            None => (Root::Resource, 1),
        };
        self.nodes.push(PathNode { root, last: Some((before, step.clone())), length, leads: None });
        let nodes = &self.nodes;
        self.by_step.insert_unique(hash, path, |path| {
            let last = nodes.get(path.index()).and_then(|node| node.last.as_ref());
            last.map_or(0, |(before, step)| self::hash(*before, step))
        });
        path
    }

    /// About how many bytes it takes.
    pub(crate) fn memory(&self) -> usize {
        let leads = |node: &PathNode| node.leads.as_ref().map_or(0, |leads| size_of_val(&**leads));
        let nodes: usize = self.nodes.iter().map(|node| size_of::<PathNode>() + leads(node)).sum();
        nodes + self.by_step.capacity() * size_of::<PathId>()
    }
}

fn hash(before: PathId, step: &Step) -> u64 {
    fold_hash(step.name()) ^ u64::from(before.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
