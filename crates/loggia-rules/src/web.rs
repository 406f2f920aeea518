//! Which questions can lead to which, through `HasPrivilege`, and where they lead back.

use std::collections::{HashMap, HashSet};

use crate::program::{Root, Step, Test};
use crate::property::{self, Property, ValueType};
use crate::{Action, Actions, KindSet, ResourceKind, Rule};

/// How many `HasPrivilege` may be asked within each other.
pub(crate) const DEEPEST: usize = 8;
/// How many chains of different questions one question of a knot may start.
const MOST_CHAINS: usize = 1024;
/// How many things one thing is taken to be related to, where it can be more than one.
const MANY: usize = 30;

/// Every question is about an action on a kind of thing; rules lead from one to others.
#[derive(Debug, Default)]
pub(crate) struct Web {
    /// By kind, the actions that do not lead back or too deep; empty when that is all.
    simple: Vec<Actions>,
    knots: HashMap<Question, Knot>,
}

pub(crate) type Question = (ResourceKind, Action);

type Leads = HashMap<Question, Vec<Lead>>;

/// A question that another leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Lead {
    to: Question,
    /// About how many other things it is asked; none for the thing itself.
    others: Option<usize>,
}

/// A group of questions that lead back to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Knot {
    number: usize,
    /// Within how many others of the knot a question may be asked.
    pub(crate) deepest: usize,
}

impl Web {
    pub(crate) fn of<'r>(rules: impl Iterator<Item = &'r Rule>) -> Web {
        let mut seen = HashSet::new();
        let mut leads: Leads = HashMap::new();
        for rule in rules.filter(|rule| rule.condition.asks_rules()) {
            for asked in asked_by(rule) {
                let Asked { from, actions, path, action } = &asked;
                if seen.contains(&asked) {
                    continue;
                }
                for kind in from.iter() {
                    let (targets, others) = follow(kind, path);
                    let lead = |target| Lead { to: (target, *action), others };
                    for asker in actions.iter() {
                        leads.entry((kind, asker)).or_default().extend(targets.iter().map(lead));
                    }
                }
                seen.insert(asked);
            }
        }
        for targets in leads.values_mut() {
            targets.sort();
            targets.dedup();
        }
        Web::from_leads(&leads)
    }

    fn from_leads(leads: &Leads) -> Web {
        if leads.is_empty() {
            return Web::default();
        }
        let (mut simple, mut knots) = (vec![Actions::ALL; ResourceKind::ALL.len()], HashMap::new());
        // How deep each question leads; none if it leads to a knot.
        let mut heights: HashMap<Question, Option<usize>> = HashMap::new();
        for (number, group) in groups(leads).into_iter().enumerate() {
            let targets = |question| leads.get(&question).map_or(&[][..], Vec::as_slice);
            let leads_to_itself =
                |&question: &Question| targets(question).iter().any(|lead| lead.to == question);
            let is_knot = group.len() > 1 || group.iter().any(leads_to_itself);
            if is_knot {
                let deepest = (1..=DEEPEST)
                    .rev()
                    .find(|&deepest| !has_too_many_chains(&group, leads, deepest))
                    .unwrap_or(1);
                knots.extend(group.iter().map(|&question| (question, Knot { number, deepest })));
            }
            for &question in &group {
                let height = targets(question).iter().try_fold(0, |height, lead| {
                    let further = (*heights.get(&lead.to)?)?;
                    Some(usize::max(height, further + 1))
                });
                let height = height.filter(|_| !is_knot);
                heights.insert(question, height);
                if height.is_none_or(|height| height > DEEPEST)
                    && let Some(simple) = simple.get_mut(question.0 as usize)
                {
                    *simple = *simple - question.1.into();
                }
            }
        }
        Web { simple, knots }
    }

    pub(crate) fn is_simple(&self, kind: ResourceKind, action: Action) -> bool {
        self.simple(kind).contains(action)
    }

    /// The actions that are simple for things of this kind.
    pub(crate) fn simple(&self, kind: ResourceKind) -> Actions {
        self.simple.get(kind as usize).copied().unwrap_or(Actions::ALL)
    }

    pub(crate) fn knot(&self, kind: ResourceKind, action: Action) -> Option<Knot> {
        if self.knots.is_empty() {
            return None;
        }
        self.knots.get(&(kind, action)).copied()
    }

    /// Whether the rule leads from one question to another of the same knot.
    pub(crate) fn ties_a_knot(&self, rule: &Rule) -> bool {
        if self.knots.is_empty() || !rule.condition.asks_rules() {
            return false;
        }
        asked_by(rule).iter().any(|Asked { from, actions, path, action }| {
            from.iter().any(|kind| {
                let (targets, _) = follow(kind, path);
                actions.iter().filter_map(|asker| self.knot(kind, asker)).any(|knot| {
                    targets.iter().any(|target| self.knot(target, *action) == Some(knot))
                })
            })
        })
    }
}

/// What one `HasPrivilege` of a rule leads from and to.
#[derive(PartialEq, Eq, Hash)]
struct Asked {
    from: KindSet,
    actions: Actions,
    path: Vec<Step>,
    action: Action,
}

fn asked_by(rule: &Rule) -> Vec<Asked> {
    let mut asked = Vec::new();
    rule.condition.clause().for_each_test(&mut |test| {
        if let Test::HasPrivilege { path, action } = test {
            debug_assert_eq!(path.root, Root::Resource, "checked: only resources have rights");
            let (from, path) = (rule.filter.kinds(), path.steps.clone());
            asked.push(Asked { from, actions: rule.actions, path, action: *action });
        }
    });
    asked
}

/// The kinds at the end of a path of relations, and about how many things are there; none if that
/// is where the path begins.
fn follow(kind: ResourceKind, path: &[Step]) -> (KindSet, Option<usize>) {
    let (mut kinds, mut others) = (KindSet::only(kind), None);
    for step in path {
        let Some(Property { value: ValueType::Entity(targets), is_many, .. }) =
            property::known(kinds, step.name())
        else {
            return (KindSet::NONE, others);
        };
        kinds = targets;
        let each = if is_many { MANY } else { 1 };
        others = Some(each * others.unwrap_or(1)).map(|others| others.min(MOST_CHAINS + 1));
    }
    (kinds, others)
}

/// Whether some question of the group starts too many chains of different questions within it,
/// each at most `deepest` steps long.
fn has_too_many_chains(group: &[Question], leads: &Leads, deepest: usize) -> bool {
    let members: HashSet<Question> = group.iter().copied().collect();
    group.iter().any(|&first| {
        let mut room = MOST_CHAINS;
        !Chains { members: &members, leads, room: &mut room }.count(&mut vec![first], 1, deepest)
    })
}

struct Chains<'a> {
    members: &'a HashSet<Question>,
    leads: &'a Leads,
    room: &'a mut usize,
}

impl Chains<'_> {
    /// Takes the chains that continue these out of the room; false when there is too little.
    /// `about` are the questions that were asked about the thing that the last one is about, and
    /// `times` says about how many things that is.
    fn count(&mut self, about: &mut Vec<Question>, times: usize, deepest: usize) -> bool {
        let Some(deepest) = deepest.checked_sub(1) else {
            return true;
        };
        let leads = about.last().and_then(|last| self.leads.get(last));
        for &Lead { to, others } in leads.into_iter().flatten() {
            if !self.members.contains(&to) || others.is_none() && about.contains(&to) {
                continue;
            }
            let times = times.saturating_mul(others.unwrap_or(1));
            let Some(room) = self.room.checked_sub(times) else {
                return false;
            };
            *self.room = room;
            let has_room = match others {
                Some(_) => self.count(&mut vec![to], times, deepest),
                None => {
                    about.push(to);
                    let has_room = self.count(about, times, deepest);
                    about.pop();
                    has_room
                }
            };
            if !has_room {
                return false;
            }
        }
        true
    }
}

/// The questions in groups that lead back to each other, every group after those that it leads to:
/// Tarjan's algorithm, with a stack of its own.
fn groups(leads: &Leads) -> Vec<Vec<Question>> {
    #[derive(Clone, Copy)]
    struct Visit {
        order: usize,
        /// The earliest open question that it leads to.
        earliest: usize,
        is_open: bool,
    }
    let mut visits: HashMap<Question, Visit> = HashMap::new();
    let (mut open, mut groups) = (Vec::new(), Vec::new());
    let mut starts: Vec<Question> = leads.keys().copied().collect();
    starts.sort();
    for start in starts {
        if visits.contains_key(&start) {
            continue;
        }
        // Each with how many of its targets were looked at.
        let mut path: Vec<(Question, usize)> = Vec::new();
        let mut entered = Some(start);
        loop {
            if let Some(question) = entered.take() {
                let order = visits.len();
                visits.insert(question, Visit { order, earliest: order, is_open: true });
                open.push(question);
                path.push((question, 0));
            }
            let Some((question, next)) = path.last_mut() else {
                break;
            };
            let question = *question;
            if let Some(&Lead { to: target, .. }) =
                leads.get(&question).and_then(|targets| targets.get(*next))
            {
                *next += 1;
                match visits.get(&target) {
                    None => entered = Some(target),
                    Some(visit) if visit.is_open => {
                        let order = visit.order;
                        if let Some(visit) = visits.get_mut(&question) {
                            visit.earliest = visit.earliest.min(order);
                        }
                    }
                    Some(_) => {}
                }
                continue;
            }
            path.pop();
            let Some(&Visit { order, earliest, .. }) = visits.get(&question) else {
                continue;
            };
            if let Some((before, _)) = path.last()
                && let Some(visit) = visits.get_mut(before)
            {
                visit.earliest = visit.earliest.min(earliest);
            }
            if earliest == order {
                let at = open.iter().position(|&member| member == question).unwrap_or(0);
                let group = open.split_off(at);
                for member in &group {
                    if let Some(visit) = visits.get_mut(member) {
                        visit.is_open = false;
                    }
                }
                groups.push(group);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{Category, Condition, Context, Effect};

    /// Rules such as `App_* read asks resource.stream read`.
    fn web(rules: &[&str]) -> Web {
        let rule = |text: &&str| {
            let [filter, asked, _, path, action] = text.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{text}");
            };
            let condition = format!("{path}.HasPrivilege(\"{action}\")");
            Rule {
                id: Uuid::nil(),
                name: "".into(),
                filter: filter.parse().unwrap(),
                actions: asked.parse::<Action>().unwrap().into(),
                context: Context::Both,
                effect: Effect::Allow,
                condition: Condition::compile(&condition, Category::Security).unwrap(),
            }
        };
        Web::of(rules.iter().map(rule).collect::<Vec<_>>().iter())
    }

    #[test]
    fn questions_are_simple_unless_they_lead_back() {
        use ResourceKind as K;
        let web = web(&[
            "App.Object_* read asks resource.app read",
            "App_* read asks resource.stream read",
            "Stream_* update asks resource publish",
            "Stream_* publish asks resource update",
            "App_* update asks resource.stream update",
        ]);
        let is_simple = |kind, action| web.is_simple(kind, action);
        assert!(is_simple(K::AppObject, Action::Read) && is_simple(K::App, Action::Read));
        assert!(is_simple(K::Stream, Action::Read) && is_simple(K::AppObject, Action::Update));
        assert!(!is_simple(K::Stream, Action::Update) && !is_simple(K::Stream, Action::Publish));
        assert!(!is_simple(K::App, Action::Update), "it leads to where there is a way back");
        let knot = web.knot(K::Stream, Action::Update).unwrap();
        assert_eq!(Some(knot), web.knot(K::Stream, Action::Publish));
        assert_eq!((knot.deepest, web.knot(K::App, Action::Update)), (8, None));
    }

    #[test]
    fn questions_are_simple_unless_they_lead_too_deep() {
        let chain = |length: usize| {
            let pair = |pair: &[Action]| {
                format!("Stream_* {} asks resource {}", pair[0].name(), pair[1].name())
            };
            let texts: Vec<String> = Action::ALL[..=length].windows(2).map(pair).collect();
            web(&texts.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert!(chain(8).is_simple(ResourceKind::Stream, Action::ALL[0]));
        assert!(!chain(9).is_simple(ResourceKind::Stream, Action::ALL[0]));
        assert!(chain(9).is_simple(ResourceKind::Stream, Action::ALL[1]));
    }

    #[test]
    fn knots_are_as_deep_as_their_chains_are_few() {
        let ring = |size: usize, reach: usize| {
            let mut texts = Vec::new();
            for from in 0..size {
                for step in 1..=reach {
                    let to = Action::ALL[(from + step) % size].name();
                    texts.push(format!("Stream_* {} asks resource {to}", Action::ALL[from].name()));
                }
            }
            let web = web(&texts.iter().map(String::as_str).collect::<Vec<_>>());
            web.knot(ResourceKind::Stream, Action::ALL[0]).unwrap().deepest
        };
        assert_eq!([ring(1, 1), ring(13, 1), ring(13, 2)], [8, 8, 8]);
        // Of the many sheets that an object can be on each can be on many.
        let sheets = web(&["App.Object_* read asks resource.sheet read"]);
        assert_eq!(sheets.knot(ResourceKind::AppObject, Action::Read).unwrap().deepest, 2);
        assert_eq!([ring(4, 3), ring(6, 5), ring(8, 7), ring(13, 12)], [8, 8, 3, 2]);
    }
}
