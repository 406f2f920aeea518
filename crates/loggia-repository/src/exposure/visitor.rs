//! What may a visitor do with a thing? Asks the rules with everything known of a visitor but what
//! only a request can tell.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use loggia_licence::{UNIT_MINUTES, is_named};
use loggia_model::entity::{LicencePool, PoolKind, VirtualProxy};
use loggia_model::{Caller, Principal};
use loggia_rules::{
    Action, Actions, Context, Effect, Entity, RequestContext, Residue, Residues, ResourceFilter,
    ResourceKind, Rule, RuleSet, Verdict, same_name,
};

use super::{Cause, Deed, Grant, OBSERVED, address};
use crate::facts::SiteFacts;
use crate::impact::Held;
use crate::manage::virtual_proxies::typical_visitor;
use crate::record::pool_kind;
use crate::resolve::ANONYMOUS_VISITOR;
use crate::site::Site;

/// The visitors of some entrances, on one snapshot.
pub(crate) struct Visitors<'s> {
    site: &'s Site,
    /// Entrances between which the rules make no difference, and somebody who came through one.
    groups: Vec<(Vec<Arc<str>>, Caller)>,
    /// The licence rules of the pools that serve visitors: whoever one admits may open apps.
    licence: RuleSet,
}

/// [`Visitors`] and what they are known to be.
pub(crate) struct Known<'v>(Vec<SiteFacts<'v>>);

/// Questions about visitors, sharing what is found out on the way.
pub(crate) struct Asked<'v> {
    visitors: &'v Visitors<'v>,
    asked: Vec<AskedGroup<'v>>,
    lists: HashSet<Arc<[Grant]>>,
    /// Answers that read alike are one value.
    texts: HashSet<Arc<str>>,
    everywhere: Arc<[Arc<str>]>,
}

struct AskedGroup<'v> {
    facts: &'v SiteFacts<'v>,
    hub: Residues<'v>,
    console: Residues<'v>,
    /// Whether a pool lets these visitors open apps.
    admission: Residue,
}

/// A grant of one group of entrances, before those that agree are put together.
type Part = (RequestContext, Deed, Option<Arc<str>>, Vec<Cause>, Vec<Cause>);

/// Why a pool serves no visitor, whatever its rules say.
pub(crate) fn why_no_visitor(pool: &LicencePool) -> Option<&'static str> {
    let units = pool.capacity.map(|capacity| capacity.saturating_add(pool.overage));
    if is_named(pool.kind) {
        Some("it holds seats of named people")
    } else if pool.is_disabled {
        Some("it is disabled")
    } else if pool.kind == PoolKind::AnalyzerCapacity && units.is_some_and(|n| n < UNIT_MINUTES) {
        Some("it holds less than one unit")
    } else if units == Some(0) {
        Some("it is empty")
    } else {
        None
    }
}

fn is_observed(name: &str) -> bool {
    OBSERVED.contains(&name)
}

impl<'s> Visitors<'s> {
    /// The visitors who come through these entrances.
    pub(crate) fn new(site: &'s Site, entrances: &[Arc<VirtualProxy>]) -> Visitors<'s> {
        let licence = licence_rules(site, |pool| why_no_visitor(pool).is_none());
        let reads_entrance = [site.security(), &licence]
            .iter()
            .any(|rules| reads(rules, "environment.virtualproxy"));
        let mut groups: Vec<(Vec<Arc<str>>, Caller)> = Vec::new();
        for entrance in entrances {
            match groups.first_mut().filter(|_| !reads_entrance) {
                Some((addresses, _)) => addresses.push(address(entrance)),
                None => groups.push((vec![address(entrance)], visitor(entrance))),
            }
        }
        Visitors { site, groups, licence }
    }

    pub(crate) fn known(&self) -> Known<'_> {
        let callers = self.groups.iter().map(|(_, caller)| caller);
        Known(callers.map(|caller| SiteFacts::new(self.site, caller)).collect())
    }
}

impl<'v> Asked<'v> {
    pub(crate) fn new(visitors: &'v Visitors<'v>, known: &'v Known<'v>) -> Asked<'v> {
        let rules = visitors.site.security();
        let ask = |rules, facts, context| Residues::new(rules, facts, context, &is_observed);
        let asked = known
            .0
            .iter()
            .map(|facts| AskedGroup {
                facts,
                hub: ask(rules, facts, RequestContext::Hub),
                console: ask(rules, facts, RequestContext::Console),
                admission: ask(&visitors.licence, facts, RequestContext::Hub)
                    .residue(&Entity::to_create(ResourceKind::License), Action::Create),
            })
            .collect();
        let everywhere = visitors.groups.iter().flat_map(|(addresses, _)| addresses).cloned();
        let everywhere: BTreeSet<_> = everywhere.collect();
        Asked {
            visitors,
            asked,
            lists: HashSet::new(),
            texts: HashSet::new(),
            everywhere: everywhere.into_iter().collect(),
        }
    }

    /// Everything visitors may do with a thing, in a fixed order.
    pub(crate) fn grants(&mut self, entity: &Entity) -> Arc<[Grant]> {
        let is_new = entity.id.is_none() && entity.name.is_none();
        let mut parts: Vec<(Part, usize)> = Vec::new();
        for group in 0..self.asked.len() {
            for context in [RequestContext::Hub, RequestContext::Console] {
                let possible =
                    self.asked.get_mut(group).map(|asked| asked.possible(entity, context));
                let possible = possible.unwrap_or_default();
                for action in possible.iter().filter(|&action| !is_new || action == Action::Create)
                {
                    let Some(asked) = self.asked.get_mut(group) else { continue };
                    let residue = asked.residues(context).residue(entity, action);
                    if residue.verdict == Verdict::Never {
                        continue;
                    }
                    let opens = entity.kind == ResourceKind::App
                        && action == Action::Read
                        && context == RequestContext::Hub
                        && !is_new;
                    let opening = opens.then(|| asked.admission.clone());
                    let read = self.part(context, Deed::Action(action), &residue, None);
                    let read_when = read.2.clone();
                    parts.push((read, group));
                    if let Some(admission) = opening.filter(|a| a.verdict != Verdict::Never) {
                        let part = self.part(context, Deed::Open, &admission, read_when.as_deref());
                        parts.push((part, group));
                    }
                }
            }
        }
        if parts.is_empty() {
            return Arc::from([]);
        }
        let mut grants = self.put_together(parts);
        grants.sort_by(|a, b| rank(a).cmp(&rank(b)));
        let grants: Arc<[Grant]> = grants.into();
        match self.lists.get(&grants) {
            Some(known) => known.clone(),
            None => {
                self.lists.insert(grants.clone());
                grants
            }
        }
    }

    /// Of an app that visitors may see at some entrance and never open there: where, and why.
    pub(crate) fn closed(&self, entity: &Entity, grants: &[Grant]) -> Option<Arc<str>> {
        if entity.kind != ResourceKind::App {
            return None;
        }
        let at = |deed| -> BTreeSet<&Arc<str>> {
            let hub = grants.iter().filter(|grant| grant.context == RequestContext::Hub);
            hub.filter(|grant| grant.deed == deed).flat_map(|grant| &*grant.entrances).collect()
        };
        let (seen, opened) = (at(Deed::Action(Action::Read)), at(Deed::Open));
        let closed: Vec<_> = seen.difference(&opened).map(|address| &***address).collect();
        if closed.is_empty() {
            return None;
        }
        let places = if closed.len() == self.everywhere.len() {
            String::new()
        } else {
            format!(" at {}", closed.join(", "))
        };
        Some(format!("listed but not opened{places}: no licence pool serves visitors").into())
    }

    /// Where and when a pool serves visitors.
    pub(crate) fn admission(&mut self, pool: &LicencePool) -> Vec<Grant> {
        let rules = rules_of(self.visitors.site, pool);
        let entity = Entity::new(pool_kind(pool.kind), pool.id.0);
        let mut parts = Vec::new();
        for group in 0..self.asked.len() {
            let Some(asked) = self.asked.get(group) else { continue };
            let facts = asked.facts;
            let mut residues = Residues::new(&rules, facts, RequestContext::Hub, &is_observed);
            let residue = residues.residue(&entity, Action::Create);
            if residue.verdict != Verdict::Never {
                parts.push((self.part(RequestContext::Hub, Deed::Open, &residue, None), group));
            }
        }
        self.put_together(parts)
    }

    /// Whether a pool lets visitors open apps, by entrance.
    pub(crate) fn admissions(&self) -> Vec<(Arc<str>, Verdict)> {
        let groups = self.visitors.groups.iter().zip(&self.asked);
        let each = groups.flat_map(|((addresses, _), asked)| {
            addresses.iter().map(|address| (address.clone(), asked.admission.verdict.clone()))
        });
        each.collect()
    }

    /// What visitors hold on a thing: in the console or the hub, by action and entrance.
    pub(crate) fn held(&mut self, entity: &Entity) -> Vec<(bool, Action, Arc<str>, Held)> {
        let mut held = Vec::new();
        for grant in self.grants(entity).iter() {
            let Deed::Action(action) = grant.deed else { continue };
            let state = grant.when.clone().map_or(Held::Always, Held::When);
            let is_console = grant.context == RequestContext::Console;
            held.extend(
                grant
                    .entrances
                    .iter()
                    .map(|address| (is_console, action, address.clone(), state.clone())),
            );
        }
        held
    }

    fn part(
        &mut self,
        context: RequestContext,
        deed: Deed,
        residue: &Residue,
        also: Option<&str>,
    ) -> Part {
        let when = match (&residue.verdict, also) {
            (Verdict::When(when), Some(also)) if when != also => {
                Some(self.text(&format!("({also}) and ({when})")))
            }
            (Verdict::When(when), _) => Some(self.text(when)),
            (_, also) => also.map(|also| self.text(also)),
        };
        let mut causes = |causes: &[(uuid::Uuid, Verdict)]| -> Vec<Cause> {
            let mut causes: Vec<_> = causes
                .iter()
                .filter(|(_, verdict)| *verdict != Verdict::Never)
                .map(|(rule, verdict)| {
                    let when = match verdict {
                        Verdict::When(when) => Some(self.text(when)),
                        Verdict::Always | Verdict::Never => None,
                    };
                    Cause { rule: *rule, when }
                })
                .collect();
            causes.sort();
            causes
        };
        let granted_by = causes(&residue.granted_by);
        let forbidden_by = causes(&residue.forbidden_by);
        (context, deed, when, granted_by, forbidden_by)
    }

    /// One grant for what is the same at several entrances.
    fn put_together(&self, parts: Vec<(Part, usize)>) -> Vec<Grant> {
        let mut grants: Vec<(Part, Vec<usize>)> = Vec::new();
        for (part, group) in parts {
            match grants.iter_mut().find(|(known, _)| *known == part) {
                Some((_, groups)) => groups.push(group),
                None => grants.push((part, vec![group])),
            }
        }
        grants
            .into_iter()
            .map(|((context, deed, when, granted_by, forbidden_by), groups)| {
                let entrances = self.addresses(&groups);
                Grant { deed, context, entrances, when, granted_by, forbidden_by }
            })
            .collect()
    }

    fn addresses(&self, groups: &[usize]) -> Arc<[Arc<str>]> {
        if groups.len() == self.asked.len() {
            return self.everywhere.clone();
        }
        let known = groups.iter().filter_map(|&group| self.visitors.groups.get(group));
        let addresses: BTreeSet<_> = known.flat_map(|(addresses, _)| addresses).cloned().collect();
        addresses.into_iter().collect()
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.texts.insert(text.clone());
        text
    }
}

impl<'v> AskedGroup<'v> {
    fn residues(&mut self, context: RequestContext) -> &mut Residues<'v> {
        match context {
            RequestContext::Hub => &mut self.hub,
            RequestContext::Console => &mut self.console,
        }
    }

    fn possible(&mut self, entity: &Entity, context: RequestContext) -> Actions {
        self.residues(context).possible(entity)
    }
}

/// Hub before console; read, open, then the other actions in their order; then by entrance.
fn rank(grant: &Grant) -> (bool, u32, &[Arc<str>], Option<&Arc<str>>) {
    let deed = match grant.deed {
        Deed::Enter => 0,
        Deed::Action(Action::Read) => 1,
        Deed::Open => 2,
        Deed::Action(action) => action.bit() + 2,
    };
    (grant.context == RequestContext::Console, deed, &grant.entrances, grant.when.as_ref())
}

fn reads(rules: &RuleSet, attribute: &str) -> bool {
    rules.footprint().attributes().any(|read| same_name(read, attribute))
}

/// Somebody who came through the entrance; always the same one, so that reports are.
pub(crate) fn visitor(entrance: &VirtualProxy) -> Caller {
    let mut visitor = typical_visitor(entrance);
    visitor.principal = Principal::Anonymous(ANONYMOUS_VISITOR);
    visitor
}

/// The licence rules of some pools.
pub(crate) fn licence_rules(site: &Site, is_meant: impl Fn(&LicencePool) -> bool) -> RuleSet {
    let serving = site.pools().filter(|pool| is_meant(pool));
    let mut rules: HashMap<_, Rule> = HashMap::new();
    for pool in serving {
        for rule in licence_rules_of(site, pool) {
            rules.entry(rule.id).or_insert(rule);
        }
    }
    RuleSet::new(rules.into_values().collect())
}

fn rules_of(site: &Site, pool: &LicencePool) -> RuleSet {
    RuleSet::new(licence_rules_of(site, pool).collect())
}

/// Licence rules as rules about anything: that they are about this pool is known already.
fn licence_rules_of<'s>(
    site: &'s Site,
    pool: &LicencePool,
) -> impl Iterator<Item = Rule> + use<'s> {
    site.licence_conditions(pool.id).iter().map(|(id, condition)| Rule {
        id: id.0,
        name: site.rule(*id).map_or_else(|| "".into(), |rule| rule.name.as_str().into()),
        filter: ResourceFilter::everything(),
        actions: Actions::CREATE,
        context: Context::Both,
        effect: Effect::Allow,
        condition: condition.clone(),
    })
}
