//! Makes a failing case smaller while it still fails, so that a person can read it.

use loggia_rules::{Actions, Context, Effect};

use super::case::Case;
use super::language::Expr;

/// Most smaller cases that are tried.
const PATIENCE: usize = 20_000;

/// The smallest case found for which `fails` still tells why, and what it tells.
pub(crate) fn shrink(
    mut case: Case,
    mut why: String,
    fails: &dyn Fn(&Case) -> Option<String>,
) -> (Case, String) {
    let mut tried = 0;
    loop {
        let mut left = smaller(&case).take_while(|_| {
            tried += 1;
            tried < PATIENCE
        });
        let found = left.find_map(|candidate| fails(&candidate).map(|why| (candidate, why)));
        drop(left);
        match found {
            Some(found) => (case, why) = found,
            None => return (case, why),
        }
    }
}

/// Cases that lack some part of this one, bigger parts first.
fn smaller(case: &Case) -> impl Iterator<Item = Case> + '_ {
    questions(case).chain(rules(case)).chain(conditions(case)).chain(world(case))
}

fn questions(case: &Case) -> impl Iterator<Item = Case> + '_ {
    let only =
        move |index: usize| Case { questions: vec![case.questions[index].clone()], ..case.clone() };
    let single = (case.questions.len() > 1).then_some(0..case.questions.len());
    let fewer = if case.questions.len() > 1 { case.questions.len() } else { 0 };
    single.into_iter().flatten().map(only).chain(without(case, fewer, |case, at| {
        case.questions.remove(at);
    }))
}

fn rules(case: &Case) -> impl Iterator<Item = Case> + '_ {
    let half = (case.rules.len() > 3).then_some(case.rules.len() / 2);
    let halves = half.into_iter().flat_map(move |half| {
        [case.rules[..half].to_vec(), case.rules[half..].to_vec()]
            .map(|rules| Case { rules, ..case.clone() })
    });
    halves.chain(without(case, case.rules.len(), |case, at| {
        case.rules.remove(at);
    }))
}

fn conditions(case: &Case) -> impl Iterator<Item = Case> + '_ {
    (0..case.rules.len()).flat_map(move |at| {
        let rule = &case.rules[at];
        let mut changed = Vec::new();
        for condition in simpler(&rule.condition) {
            let mut rule = rule.clone();
            rule.condition = condition;
            changed.push(rule);
        }
        if rule.hand.is_some() {
            let mut plain = rule.clone();
            plain.hand = None;
            changed.push(plain);
        }
        if rule.filter.len() > 1 {
            for item in 0..rule.filter.len() {
                let mut fewer = rule.clone();
                fewer.filter.remove(item);
                changed.push(fewer);
            }
        }
        if rule.actions.iter().count() > 1 {
            for action in rule.actions.iter() {
                let mut fewer = rule.clone();
                fewer.actions = fewer.actions - Actions::from(action);
                changed.push(fewer);
            }
        }
        if rule.context != Context::Both {
            let mut both = rule.clone();
            both.context = Context::Both;
            changed.push(both);
        }
        if rule.effect != Effect::Allow {
            let mut allow = rule.clone();
            allow.effect = Effect::Allow;
            changed.push(allow);
        }
        changed.into_iter().map(move |rule| {
            let mut smaller = case.clone();
            smaller.rules[at] = rule;
            smaller
        })
    })
}

/// Conditions that say less than this one.
fn simpler(condition: &Expr) -> Vec<Expr> {
    let mut all = Vec::new();
    if !matches!(condition, Expr::Constant(_)) {
        all.extend([Expr::Constant(true), Expr::Constant(false)]);
    }
    match condition {
        Expr::All(parts) | Expr::Any(parts) => {
            let again = |parts| match condition {
                Expr::All(_) => Expr::All(parts),
                _ => Expr::Any(parts),
            };
            all.extend(parts.iter().cloned());
            if parts.len() > 2 {
                for at in 0..parts.len() {
                    let mut fewer = parts.clone();
                    fewer.remove(at);
                    all.push(again(fewer));
                }
            }
            for (at, part) in parts.iter().enumerate() {
                for simpler in simpler(part) {
                    let mut changed = parts.clone();
                    changed[at] = simpler;
                    all.push(again(changed));
                }
            }
        }
        Expr::Not(inner) => {
            all.push((**inner).clone());
            all.extend(simpler(inner).into_iter().map(|inner| Expr::Not(Box::new(inner))));
        }
        Expr::Compare(left, operator, right) => {
            for at in (0..left.len()).filter(|_| left.len() > 1) {
                let mut fewer = left.clone();
                fewer.remove(at);
                all.push(Expr::Compare(fewer, *operator, right.clone()));
            }
            for at in (0..right.len()).filter(|_| right.len() > 1) {
                let mut fewer = right.clone();
                fewer.remove(at);
                all.push(Expr::Compare(left.clone(), *operator, fewer));
            }
        }
        Expr::Constant(_)
        | Expr::HasPrivilege(..)
        | Expr::Empty(_)
        | Expr::IsOwned(_)
        | Expr::IsAnonymous => {}
    }
    all
}

/// Without the values of a thing or of a requester, all or some.
fn world(case: &Case) -> impl Iterator<Item = Case> + '_ {
    let mut changed = Vec::new();
    for (thing, values) in &case.world.things {
        if !values.is_empty() {
            let mut world = case.world.clone();
            world.things.insert(thing.clone(), Default::default());
            changed.push(world);
        }
    }
    for name in case.world.node.keys() {
        let mut world = case.world.clone();
        world.node.remove(name);
        changed.push(world);
    }
    for at in 0..case.world.requesters.len() {
        if !case.world.requesters[at].values.is_empty() {
            let mut world = case.world.clone();
            world.requesters[at].values.clear();
            changed.push(world);
        }
    }
    for (thing, values) in &case.world.things {
        for (name, list) in values {
            let mut without = case.world.clone();
            let values = without.things.get_mut(thing).expect("it is there");
            values.remove(name);
            changed.push(without);
            for at in (0..list.len()).filter(|_| list.len() > 1) {
                let mut fewer = case.world.clone();
                let values = fewer.things.get_mut(thing).expect("it is there");
                values.get_mut(name).expect("it is there").remove(at);
                changed.push(fewer);
            }
        }
    }
    for (number, requester) in case.world.requesters.iter().enumerate() {
        for name in requester.values.keys() {
            let mut without = case.world.clone();
            without.requesters[number].values.remove(name);
            changed.push(without);
        }
    }
    changed.into_iter().map(|world| Case { world, ..case.clone() })
}

fn without<'c>(
    case: &'c Case,
    count: usize,
    remove: impl Fn(&mut Case, usize) + 'c,
) -> impl Iterator<Item = Case> + 'c {
    (0..count).map(move |at| {
        let mut smaller = case.clone();
        remove(&mut smaller, at);
        smaller
    })
}
