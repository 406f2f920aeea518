//! The rules in force, arranged for decisions.

use std::sync::Arc;

use hashbrown::HashSet;
use uuid::Uuid;

use crate::audience::{LazySets, Sets};
use crate::compiled::LocalPath;
use crate::index::{Bucket, Placed, buckets};
use crate::paths::Paths;
use crate::web::Web;
use crate::{
    Action, Actions, Checked, Condition, Context, Entity, KindSet, RequestContext, ResourceFilter,
    ResourceKind,
};

/// An enabled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub id: Uuid,
    pub name: Arc<str>,
    pub filter: ResourceFilter,
    pub actions: Actions,
    pub context: Context,
    pub effect: Effect,
    pub condition: Condition<Checked>,
}

/// What a rule does when its condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    Allow,
    /// Wins over every allowing rule.
    Forbid,
}

/// The enabled rules of one category, arranged for decisions. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// By id.
    rules: Arc<[Arc<Rule>]>,
    arrangement: Arc<Arrangement>,
    /// What evaluation over sets of requesters and things derives, when it is first asked for.
    sets: Arc<LazySets>,
}

/// Rules as decisions look for them.
#[derive(Debug, Default)]
pub(crate) struct Arrangement {
    /// A rule stays in its place as long as it is in the set and in those made of it.
    places: Vec<Occupied>,
    paths: Paths,
    /// By kind of resource, the rules on that kind; without those that all kinds share.
    buckets: Vec<Arc<Bucket>>,
    shared: Arc<Bucket>,
    /// Which questions lead to which.
    web: Arc<Web>,
}

/// A place for a rule.
#[derive(Clone, Debug)]
struct Occupied {
    placed: Option<Arc<Placed>>,
    id: Uuid,
    /// The buckets that it is in; none for the one that all kinds share.
    buckets: Option<KindSet>,
}

impl RuleSet {
    /// Arranges the rules; their order and repetition never matter.
    #[must_use]
    pub fn new<R: Into<Arc<Rule>>>(rules: Vec<R>) -> RuleSet {
        let mut rules: Vec<Arc<Rule>> = rules.into_iter().map(Into::into).collect();
        sort(&mut rules);
        let arrangement = Arrangement::default().with(&rules, &HashSet::new());
        RuleSet { rules: rules.into(), arrangement: Arc::new(arrangement), sets: Arc::default() }
    }

    /// The set after some rules were put, in place of those with their ids, and some taken out.
    /// What does not change is shared with this set.
    #[must_use]
    pub fn with(&self, put: Vec<Rule>, remove: &[Uuid]) -> RuleSet {
        let gone: HashSet<Uuid> =
            remove.iter().copied().chain(put.iter().map(|rule| rule.id)).collect();
        let put: Vec<Arc<Rule>> = put.into_iter().map(Arc::new).collect();
        let kept = self.rules.iter().filter(|rule| !gone.contains(&rule.id));
        let mut rules: Vec<Arc<Rule>> = kept.chain(&put).cloned().collect();
        if self.arrangement.is_worn(rules.len()) {
            return RuleSet::new(rules);
        }
        sort(&mut rules);
        let arrangement = Arc::new(self.arrangement.with(&put, &gone));
        RuleSet { rules: rules.into(), arrangement, sets: Arc::new(self.sets.next()) }
    }

    /// The rules, by id.
    #[must_use]
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// Rules that can ask `HasPrivilege` within itself, by type of resource and action: whatever
    /// they ask there is answered *no*. For the rule editor.
    #[must_use]
    pub fn cyclic_rules(&self) -> Vec<Uuid> {
        let mut cyclic: Vec<Uuid> = self
            .rules
            .iter()
            .filter(|rule| self.web().ties_a_knot(rule))
            .map(|rule| rule.id)
            .collect();
        cyclic.dedup();
        cyclic
    }

    pub(crate) fn sets(&self) -> &Arc<Sets> {
        self.sets.get(self)
    }

    pub(crate) fn web(&self) -> &Web {
        &self.arrangement.web
    }

    pub(crate) fn arrangement(&self) -> &Arrangement {
        &self.arrangement
    }

    /// The rules that speak of `action` on `entity` in this context.
    pub(crate) fn candidates<'r>(
        &'r self,
        entity: &'r Entity,
        action: Action,
        context: RequestContext,
        effect: Effect,
    ) -> impl Iterator<Item = &'r Arc<Rule>> {
        self.rules
            .iter()
            .filter(move |rule| rule.effect == effect && rule.context.covers(context))
            .filter(move |rule| rule.actions.contains(action) && rule.filter.matches(entity))
    }

    /// About how many bytes the rules and their arrangement take.
    #[must_use]
    pub fn memory(&self) -> usize {
        let of_rule = |rule: &Arc<Rule>| {
            let texts = rule.filter.text().len() + rule.condition.text().len() + rule.name.len();
            size_of::<Rule>() + texts + rule.condition.memory()
        };
        let rules: usize = self.rules.iter().map(of_rule).sum();
        size_of_val(&*self.rules) + rules + self.arrangement.memory()
    }
}

impl Arrangement {
    pub(crate) fn placed(&self, index: u32) -> Option<&Placed> {
        self.places.get(index as usize)?.placed.as_deref()
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    pub(crate) fn web(&self) -> &Web {
        &self.web
    }

    /// Where the rules on resources of this kind are.
    pub(crate) fn buckets(&self, kind: ResourceKind) -> [&Bucket; 2] {
        let own = self.buckets.get(kind as usize).unwrap_or(&self.shared);
        [own, &self.shared]
    }

    /// Whether changes have left so many unused paths that it is time to begin anew.
    fn is_worn(&self, rules: usize) -> bool {
        let is_used = |place: &&Occupied| place.placed.is_some();
        let used = self.places.iter().filter(is_used).filter_map(|place| place.placed.as_ref());
        let used: usize = used.map(|placed| placed.paths.len()).sum();
        self.paths.len() > 1024 + 8 * used || self.places.len() > 1024 + 2 * rules
    }

    fn with(&self, put: &[Arc<Rule>], gone: &HashSet<Uuid>) -> Arrangement {
        let (mut places, mut paths) = (self.places.clone(), self.paths.clone());
        // Which buckets are to be filled anew, and whether questions lead elsewhere now.
        let (mut touched, mut is_shared_touched, mut asks_rules) = (KindSet::NONE, false, false);
        let mut touch = |buckets: Option<KindSet>, rule: &Rule| {
            match buckets {
                Some(kinds) => touched = touched.union(kinds),
                None => is_shared_touched = true,
            }
            asks_rules |= rule.condition.asks_rules();
        };
        let mut free = Vec::new();
        for (index, place) in places.iter_mut().enumerate() {
            if gone.contains(&place.id)
                && let Some(placed) = place.placed.take()
            {
                touch(place.buckets, &placed.rule);
            }
            if place.placed.is_none() {
                free.push(index);
            }
        }
        for rule in put {
            let add = |path: &LocalPath| match path.is_asked {
                true => paths.add_asked(&path.steps),
                false => paths.add(path.root, &path.steps),
            };
            let ids = rule.condition.compiled().paths.iter().map(add).collect();
            let placed = Some(Arc::new(Placed { rule: rule.clone(), paths: ids }));
            let occupied = Occupied { placed, id: rule.id, buckets: buckets(rule.filter.kinds()) };
            touch(occupied.buckets, rule);
            match free.pop().and_then(|index| places.get_mut(index)) {
                Some(place) => *place = occupied,
                None => places.push(occupied),
            }
        }
        let shared = match is_shared_touched {
            true => Arc::new(Bucket::new(None, &paths, &in_bucket(&places, None))),
            false => self.shared.clone(),
        };
        let empty = Arc::new(Bucket::default());
        let by_kind = ResourceKind::ALL.iter().map(|&kind| {
            if touched.contains(kind) {
                return Arc::new(Bucket::new(Some(kind), &paths, &in_bucket(&places, Some(kind))));
            }
            self.buckets.get(kind as usize).unwrap_or(&empty).clone()
        });
        let by_kind = by_kind.collect();
        let web = match asks_rules {
            true => {
                let placed = places.iter().filter_map(|place| place.placed.as_ref());
                Arc::new(Web::of(placed.map(|placed| &*placed.rule)))
            }
            false => self.web.clone(),
        };
        Arrangement { places, paths, buckets: by_kind, shared, web }
    }

    fn memory(&self) -> usize {
        let placed = |place: &Occupied| {
            let placed = place.placed.as_ref();
            placed.map_or(0, |placed| size_of::<Placed>() + size_of_val(&*placed.paths))
        };
        let places: usize = self.places.iter().map(placed).sum();
        let buckets: usize = self.buckets.iter().map(|bucket| bucket.memory()).sum();
        let places = places + self.places.capacity() * size_of::<Occupied>();
        places + buckets + self.shared.memory() + self.paths.memory()
    }
}

/// The rules of one bucket, with their places.
fn in_bucket(places: &[Occupied], kind: Option<ResourceKind>) -> Vec<(u32, &Placed)> {
    let is_in = |place: &Occupied| match (place.buckets, kind) {
        (Some(kinds), Some(kind)) => kinds.contains(kind),
        (buckets, kind) => buckets.is_none() && kind.is_none(),
    };
    (0..)
        .zip(places)
        .filter(|(_, place)| is_in(place))
        .filter_map(|(index, place)| Some((index, place.placed.as_deref()?)))
        .collect()
}

/// Sorts in an order that depends on nothing but what the rules say.
fn sort(rules: &mut [Arc<Rule>]) {
    rules.sort_by_cached_key(|rule| rule.id);
    let of_one_id = rules.chunk_by_mut(|one, other| one.id == other.id);
    for rules in of_one_id.filter(|rules| rules.len() > 1) {
        rules.sort_by(|one, other| {
            let key = |rule: &Rule| (rule.effect, rule.context.number(), rule.actions.bits());
            key(one)
                .cmp(&key(other))
                .then_with(|| one.filter.text().cmp(other.filter.text()))
                .then_with(|| one.condition.text().cmp(other.condition.text()))
        });
    }
}
