//! Many things, many requesters, unknown requesters: the same answers as one by one.

use std::collections::BTreeSet;

use loggia_rules::{
    Action, Actions, Audience, Category, Condition, Context, Effect, Entity, Facts, Listing,
    RequestContext, Residues, ResourceFilter, ResourceKind, Rule, RuleSet, Subjects, Verdict,
    oracle,
};
use uuid::Uuid;

use super::case::{Case, Question, RuleText};
use super::prove;
use super::random::Random;
use super::world::{self, ENVIRONMENT, Requester, View, World};

macro_rules! ensure {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}

/// How many answers of one case count at most: many sets of rules say more than many answers.
fn enough(case: &Case) -> usize {
    2 * case.questions.len()
}

#[test]
fn a_list_holds_what_is_allowed_one_by_one() {
    prove("a_list_holds_what_is_allowed_one_by_one", Case::random, |case| {
        let rules = case.compiled();
        let mut compared = 0;
        for question in &case.questions {
            let Question { entity, action, context, .. } = question;
            let facts = case.facts(question);
            let mut list = Listing::new(&rules, &facts, *context, entity.kind, *action);
            let (is_all, is_none) = (list.is_all(), list.is_none());
            for thing in case.world.entities().filter(|thing| thing.kind == entity.kind) {
                let expected = oracle::allows(&rules, &facts, *context, &thing, *action);
                let found = list.contains(&thing);
                ensure!(found == expected, "{question}\n{thing}: list {found}, oracle {expected}");
                ensure!(!is_all || expected, "{question}\nall, but not {thing}");
                ensure!(!is_none || !expected, "{question}\nnone, but {thing}");
                compared += 1;
            }
        }
        Ok(compared.min(enough(case)))
    });
}

#[test]
fn an_audience_gets_the_same_answers() {
    prove("an_audience_gets_the_same_answers", Case::random, |case| {
        let mut random = Random::new(case.seed ^ 4);
        let rules = case.compiled();
        let mut world = case.world.clone();
        let footprint: BTreeSet<String> =
            rules.footprint().attributes().map(str::to_owned).collect();
        let originals = world.requesters.len();
        for original in 0..originals {
            // Not to be told apart: all that differs is what no rule reads.
            let outside = |name: &str| !footprint.contains(name);
            let twin = changed(&mut random, &world, original, &outside, 100);
            world.requesters.push(twin);
        }
        for original in 0..originals {
            // Perhaps to be told apart.
            let somewhat = changed(&mut random, &world, original, &|_| true, 15);
            world.requesters.push(somewhat);
        }
        let context = if random.chance(50) { RequestContext::Hub } else { RequestContext::Console };
        let views: Vec<View<'_>> = (0..world.requesters.len()).map(|r| world.facts(r)).collect();
        let audiences: Vec<_> = views.iter().map(|view| rules.audience(view, context)).collect();
        for original in 0..originals {
            let twin = originals + original;
            ensure!(
                audiences[original] == audiences[twin],
                "requesters apart for what no rule reads (footprint {footprint:?})\n{}\n{}",
                world.requesters[original],
                world.requesters[twin]
            );
        }
        let mut compared = 0;
        for (one, audience) in audiences.iter().enumerate() {
            let Some(other) = audiences[..one].iter().position(|other| other == audience) else {
                continue;
            };
            ensure!(
                audience.fingerprint() == audiences[other].fingerprint(),
                "equal audiences with different fingerprints"
            );
            for question in &case.questions {
                let Question { entity, action, .. } = question;
                if entity.id.is_none() && entity.name.is_none() {
                    continue;
                }
                compared += 1;
                let ask =
                    |who: usize| oracle::allows(&rules, &views[who], context, entity, *action);
                ensure!(
                    ask(one) == ask(other),
                    "{action} on {entity} in the {context:?}: one audience, two answers\n{}: {}\n{}: {}",
                    world.requesters[one],
                    ask(one),
                    world.requesters[other],
                    ask(other)
                );
            }
        }
        Ok(compared.min(enough(case)))
    });
}

/// For things of one kind it is enough to be told apart by the rules within their reach; and what
/// becomes of the other rules changes neither reach nor answers.
#[test]
fn an_audience_of_a_kind_is_told_by_the_rules_within_reach() {
    let name = "an_audience_of_a_kind_is_told_by_the_rules_within_reach";
    prove(name, Case::random, |case| {
        let mut random = Random::new(case.seed ^ 6);
        let rules = case.compiled();
        let mut world = case.world.clone();
        for original in 0..world.requesters.len() {
            let somewhat = changed(&mut random, &world, original, &|_| true, 20);
            world.requesters.push(somewhat);
        }
        let views: Vec<View<'_>> = (0..world.requesters.len()).map(|r| world.facts(r)).collect();
        let mut compared = 0;
        for question in &case.questions {
            let Question { entity, action, context, .. } = question;
            if entity.id.is_none() && entity.name.is_none() {
                continue;
            }
            let reach = rules.reach(entity.kind);
            let audiences: Vec<Audience> =
                views.iter().map(|view| rules.audience_of(view, *context, reach)).collect();
            let ask = |rules: &RuleSet, who: usize| {
                oracle::allows(rules, &views[who], *context, entity, *action)
            };
            for (one, audience) in audiences.iter().enumerate() {
                let Some(other) = audiences[..one].iter().position(|other| other == audience)
                else {
                    continue;
                };
                compared += 1;
                ensure!(
                    ask(&rules, one) == ask(&rules, other),
                    "{action} on {entity} in the {context:?}: one audience, two answers\n{}: {}\n{}: {}",
                    world.requesters[one],
                    ask(&rules, one),
                    world.requesters[other],
                    ask(&rules, other)
                );
            }
            let is_out_of_reach =
                |rule: &&RuleText| rule.compile().filter.kinds().intersection(reach).is_empty();
            let Some(out) = case.rules.iter().find(is_out_of_reach) else {
                continue;
            };
            let without = rules.with(Vec::<Rule>::new(), &[out.id()]);
            ensure!(
                without.reach(entity.kind) == reach,
                "{question}\nwithout rule {} the reach is {:?}, not {reach:?}",
                out.number,
                without.reach(entity.kind)
            );
            for (who, view) in views.iter().enumerate() {
                ensure!(
                    ask(&rules, who) == ask(&without, who),
                    "{question}\nwithout rule {} another answer for {}",
                    out.number,
                    view.requester
                );
            }
        }
        Ok(compared.min(enough(case)))
    });
}

/// A requester who differs from another one in some of the attributes that may differ.
fn changed(
    random: &mut Random,
    world: &World,
    original: usize,
    may_differ: &dyn Fn(&str) -> bool,
    percent: usize,
) -> Requester {
    let mut requester = world.requesters[original].clone();
    let mut names: BTreeSet<String> = world::properties(ResourceKind::User)
        .iter()
        .map(|property| property.name.to_lowercase())
        .filter(|name| name != "id" && name != "resourcetype")
        .collect();
    names.extend(ENVIRONMENT.map(|name| format!("environment.{}", name.to_lowercase())));
    for name in names {
        if !may_differ(&name) || !random.chance(percent) {
            continue;
        }
        let donor = random.pick(&world.requesters);
        match donor.values.get(&name) {
            Some(values) => requester.values.insert(name, values.clone()),
            None => requester.values.remove(&name),
        };
    }
    // Somebody else, who owns nothing.
    if may_differ("identity") && requester.entity.is_some() && random.chance(percent) {
        let id = world::id(ResourceKind::User, 50 + original);
        requester.entity = Some(Entity::new(ResourceKind::User, id));
    }
    requester
}

/// What a decision cannot reach may change without changing it.
#[test]
fn what_is_out_of_reach_does_not_matter() {
    prove("what_is_out_of_reach_does_not_matter", Case::random, |case| {
        let rules = case.compiled();
        for question in &case.questions {
            let Question { requester, entity, action, context } = question;
            let reach = rules.reach(entity.kind);
            let mut other = case.world.clone();
            for (thing, values) in &mut other.things {
                if !reach.contains(thing.entity().kind) {
                    values.clear();
                }
            }
            let before = case.facts(question);
            let after = other.facts(*requester);
            let expected = oracle::allows(&rules, &before, *context, entity, *action);
            let found = oracle::allows(&rules, &after, *context, entity, *action);
            ensure!(found == expected, "{question}\nreach {reach:?}: {expected}, then {found}");
        }
        Ok(case.questions.len())
    });
}

#[test]
fn many_requesters_at_once_get_what_each_gets_alone() {
    prove("many_requesters_at_once_get_what_each_gets_alone", Case::random, |case| {
        let rules = case.compiled();
        let mut compared = 0;
        let has_circles = !rules.cyclic_rules().is_empty();
        let views: Vec<View<'_>> =
            (0..case.world.requesters.len()).map(|r| case.world.facts(r)).collect();
        let subjects: Vec<&dyn Facts> = views.iter().map(|view| view as &dyn Facts).collect();
        for context in [RequestContext::Hub, RequestContext::Console] {
            let mut many = Subjects::new(&rules, context, &subjects);
            for question in case.questions.iter().filter(|question| question.context == context) {
                let Question { entity, action, .. } = question;
                let may = many.may(entity, *action);
                compared += views.len();
                for (who, view) in views.iter().enumerate() {
                    let expected = oracle::allows(&rules, view, context, entity, *action);
                    let found = may.contains(who);
                    ensure!(
                        found == expected,
                        "{question}\nrequester {}: at once {found}, alone {expected}",
                        who + 1
                    );
                }
                if question.action == Action::Create || case.questions.len() == 1 {
                    for (action, may) in many.granted(entity) {
                        for (who, view) in views.iter().enumerate() {
                            let expected = oracle::allows(&rules, view, context, entity, action);
                            ensure!(
                                may.contains(who) == expected,
                                "{question}\nrequester {}, {action}: alone {expected}",
                                who + 1
                            );
                        }
                    }
                }
                // What is asked within a circle depends on where it began.
                if has_circles {
                    continue;
                }
                for rule in case.rules.iter().map(RuleText::compile) {
                    let is_candidate = rule.filter.matches(entity)
                        && rule.context.covers(context)
                        && rule.actions.contains(*action);
                    if !is_candidate {
                        continue;
                    }
                    let holds = many.holds(&rule, entity);
                    for (who, view) in views.iter().enumerate() {
                        let decision = oracle::decide(&rules, view, context, entity, *action);
                        let (granted, forbidden) = (decision.granted_by, decision.forbidden_by);
                        let expected = granted.contains(&rule.id) || forbidden.contains(&rule.id);
                        ensure!(
                            holds.contains(who) == expected,
                            "{question}\nrequester {}, {}: alone {expected}",
                            who + 1,
                            rule.name
                        );
                    }
                }
            }
        }
        Ok(compared.min(enough(case)))
    });
}

/// Whatever the unknown attributes turn out to be.
#[test]
fn a_residue_foretells_the_decision() {
    prove("a_residue_foretells_the_decision", Case::random, |case| {
        let mut random = Random::new(case.seed ^ 5);
        let rules = case.compiled();
        let unknown = match random.below(4) {
            0 => |name: &str| name == "environment.ip",
            1 => |name: &str| name == "roles" || name == "@area",
            _ => |name: &str| name.starts_with("environment."),
        };
        for question in &case.questions {
            let Question { requester, entity, action, context } = question;
            let facts = case.facts(question);
            let mut residues = Residues::new(&rules, &facts, *context, &unknown);
            let residue = residues.residue(entity, *action);
            for _ in 0..3 {
                let mut world = case.world.clone();
                let turned_out =
                    changed(&mut random, &world, *requester, &|name| unknown(name), 60);
                world.requesters[*requester] = turned_out;
                let view = world.facts(*requester);
                let decision = oracle::decide(&rules, &view, *context, entity, *action);
                let found = holds(&residue.verdict, &view, *context, &unknown)?;
                ensure!(
                    found == decision.is_allowed(),
                    "{question}\n{}\n{residue:#?}\nforetold {found}, oracle {decision:#?}",
                    view.requester
                );
                for (effect, foretold, holding) in [
                    ("grants", &residue.granted_by, &decision.granted_by),
                    ("forbids", &residue.forbidden_by, &decision.forbidden_by),
                ] {
                    for rule in &case.rules {
                        let verdict = foretold.iter().find(|(id, _)| *id == rule.id());
                        let found = match verdict {
                            Some((_, verdict)) => holds(verdict, &view, *context, &unknown)?,
                            None => false,
                        };
                        let expected = holding.contains(&rule.id());
                        ensure!(
                            found == expected,
                            "{question}\n{}\n{residue:#?}\nrule {} {effect}: foretold {found}, oracle {expected}",
                            view.requester,
                            rule.number
                        );
                    }
                }
            }
        }
        Ok(3 * case.questions.len())
    });
}

/// Whether a verdict comes true for a requester, of whom it may see nothing but what was unknown.
fn holds(
    verdict: &Verdict,
    view: &View<'_>,
    context: RequestContext,
    unknown: &dyn Fn(&str) -> bool,
) -> Result<bool, String> {
    let text = match verdict {
        Verdict::Always => return Ok(true),
        Verdict::Never => return Ok(false),
        Verdict::When(text) => text,
    };
    let condition = Condition::compile(text, Category::Security)
        .map_err(|problems| format!("a verdict that is no condition: {text}\n{problems:#?}"))?;
    let rule = Rule {
        id: Uuid::nil(),
        name: "verdict".into(),
        filter: ResourceFilter::everything(),
        actions: Actions::ALL,
        context: Context::Both,
        effect: Effect::Allow,
        condition,
    };
    let mut values = view.requester.values.clone();
    values.retain(|name, _| unknown(name));
    let requester = Requester { entity: None, is_anonymous: !view.requester.is_anonymous, values };
    let nothing =
        World { things: Default::default(), requesters: vec![requester], node: Default::default() };
    let entity = Entity::new(ResourceKind::Tag, Uuid::nil());
    let rules = RuleSet::new(vec![rule]);
    Ok(oracle::allows(&rules, &nothing.facts(0), context, &entity, Action::Read))
}

/// Without equal audiences and open residues the properties here would prove nothing.
#[test]
fn random_requesters_share_audiences_and_leave_things_open() {
    let (mut equal, mut pairs, mut open, mut total) = (0, 0, 0, 0);
    for seed in 0..300 {
        let case = Case::random(seed);
        let rules = case.compiled();
        let audiences: Vec<_> = (0..case.world.requesters.len())
            .map(|who| rules.audience(&case.world.facts(who), RequestContext::Hub))
            .collect();
        for one in 0..audiences.len() {
            for other in 0..one {
                equal += usize::from(audiences[one] == audiences[other]);
                pairs += 1;
            }
        }
        for question in &case.questions {
            let Question { entity, action, context, .. } = question;
            let facts = case.facts(question);
            let unknown = |name: &str| name.starts_with("environment.");
            let mut residues = Residues::new(&rules, &facts, *context, &unknown);
            let verdict = residues.residue(entity, *action).verdict;
            open += usize::from(matches!(verdict, Verdict::When(_)));
            total += 1;
        }
    }
    let (equal, open) = (equal * 100 / pairs, open * 100 / total);
    assert!((3..=80).contains(&equal), "{equal} % of pairs are one audience");
    assert!((3..=60).contains(&open), "{open} % are left open");
}
