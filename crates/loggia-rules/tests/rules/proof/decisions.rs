//! Decisions: the same however they are found out, and however the rules are written and ordered.

use std::sync::Arc;

use loggia_rules::{
    Action, Actions, Category, Context, Decision, Effect, Outcome, Request, RequestContext,
    ResourceKind, Rule, RuleSet, admits, allows, decide, granted,
};
use uuid::Uuid;

use super::case::{Case, Question, RuleText, Style};
use super::interpreter::Interpreter;
use super::language::Expr;
use super::random::Random;
use super::{Finding, prove};

macro_rules! ensure {
    ($holds:expr, $($why:tt)*) => {
        if !$holds {
            return Err(format!($($why)*));
        }
    };
}

/// Compiled rules against the plain evaluator, in every field of the answer.
#[test]
fn compiled_rules_decide_as_the_oracle_does() {
    prove("compiled_rules_decide_as_the_oracle_does", Case::random, |case| {
        use loggia_rules::oracle;
        let rules = case.compiled();
        // One request for all of a requester's questions, as lists use it, and fresh ones.
        let mut shared: Vec<((usize, RequestContext), Request<'_>)> = Vec::new();
        let views: Vec<_> = (0..case.world.requesters.len()).map(|r| case.world.facts(r)).collect();
        for question in &case.questions {
            let Question { requester, entity, action, context } = question;
            let (facts, context, action) = (&views[*requester], *context, *action);
            let expected = oracle::decide(&rules, facts, context, entity, action);
            let found = decide(&rules, facts, context, entity, action);
            ensure!(found == expected, "{question}\n{}", difference(&expected, &found));
            let is_allowed = expected.is_allowed();
            let plain = oracle::allows(&rules, facts, context, entity, action);
            ensure!(plain == is_allowed, "{question}\noracle: decide and allows differ");
            let found = allows(&rules, facts, context, entity, action);
            ensure!(found == is_allowed, "{question}\nallows {found}, oracle {is_allowed}");
            let key = (*requester, context);
            if !shared.iter().any(|(other, _)| *other == key) {
                shared.push((key, Request::new(&rules, facts, context)));
            }
            let request = shared.iter_mut().find(|(other, _)| *other == key);
            let (_, request) = request.expect("put there above");
            let found = request.allows(entity, action);
            ensure!(found == is_allowed, "{question}\nshared allows {found}, oracle {is_allowed}");
            // All thirteen actions are dear to ask one by one.
            if question.action == Action::Create || case.questions.len() == 1 {
                let expected = oracle::granted(&rules, facts, context, entity);
                let found = granted(&rules, facts, context, entity);
                ensure!(found == expected, "{question}\ngranted {found:?}, oracle {expected:?}");
                let found = request.granted(entity);
                ensure!(found == expected, "{question}\nshared {found:?}, oracle {expected:?}");
            }
        }
        Ok(case.questions.len())
    });
}

fn difference(expected: &Decision, found: &Decision) -> String {
    format!("oracle {expected:#?}\nfound {found:#?}")
}

/// What is written is what is decided, by an evaluator that shares nothing with the product.
#[test]
fn decisions_are_what_the_language_says() {
    prove("decisions_are_what_the_language_says", Case::random, |case| {
        let rules = case.compiled();
        if !rules.cyclic_rules().is_empty() {
            // What is answered within a circle is the oracle's to say.
            return Ok(0);
        }
        for question in &case.questions {
            let Question { entity, action, context, .. } = question;
            let facts = case.facts(question);
            let found = decide(&rules, &facts, *context, entity, *action);
            let mut second = Interpreter::new(case, question);
            let mut expected = |effect| -> Vec<Uuid> {
                let numbers = second.holding(entity, *action, effect);
                numbers.iter().map(|number| case.rule(*number).id()).collect()
            };
            let expected = (expected(Effect::Allow), expected(Effect::Forbid));
            let outcome = match (expected.0.is_empty(), expected.1.is_empty()) {
                (_, false) => Outcome::Forbidden,
                (false, true) => Outcome::Allowed,
                (true, true) => Outcome::NoGrant,
            };
            ensure!(
                (&found.granted_by, &found.forbidden_by) == (&expected.0, &expected.1),
                "{question}\nexpected {expected:?}\nfound {found:#?}"
            );
            ensure!(found.outcome == outcome, "{question}\nexpected {outcome:?}, found {found:#?}");
            ensure!(
                found.nearest.is_empty() != found.granted_by.is_empty()
                    || case.rules.is_empty()
                    || found.granted_by.is_empty(),
                "{question}\nreasons beside a grant: {found:#?}"
            );
            for refusal in &found.nearest {
                ensure!(refusal.distance > 0, "{question}\na refusal for nothing: {refusal:#?}");
            }
        }
        Ok(case.questions.len())
    });
}

/// A licence rule's condition, which sees the requester only.
#[test]
fn licence_conditions_hold_as_the_language_says() {
    prove("licence_conditions_hold_as_the_language_says", Case::of_licence, |case| {
        for question in &case.questions {
            let mut second = Interpreter::new(case, question);
            for rule in &case.rules {
                let compiled = rule.compile();
                let found = admits(&compiled.condition, &case.facts(question));
                let expected = second.holds(&rule.condition, &question.entity);
                ensure!(found == expected, "{question}\nrule {}: expected {expected}", rule.number);
            }
        }
        Ok(case.questions.len())
    });
}

/// The same rules in another order, some of them twice.
#[test]
fn order_and_duplicates_never_matter() {
    prove("order_and_duplicates_never_matter", Case::random, |case| {
        let mut random = Random::new(case.seed ^ 1);
        let mut rules: Vec<Rule> = case.rules.iter().map(RuleText::compile).collect();
        let one = RuleSet::new(rules.clone());
        for _ in 0..random.below(4).min(rules.len()) {
            let again = random.pick(&rules).clone();
            rules.push(again);
        }
        random.shuffle(&mut rules);
        same_decisions(case, &one, &RuleSet::new(rules))
    });
}

/// The same conditions in another hand: other case, other quotes, more parentheses, comments.
#[test]
fn how_a_condition_is_written_never_matters() {
    prove("how_a_condition_is_written_never_matters", Case::random, |case| {
        let mut random = Random::new(case.seed ^ 2);
        let mut other = case.clone();
        for rule in &mut other.rules {
            rule.hand = if random.chance(50) { None } else { Some(random.next()) };
        }
        let (one, other) = (case.compiled(), other.compiled());
        for question in &case.questions {
            let Question { entity, action, context, .. } = question;
            let facts = case.facts(question);
            let decide = |rules| {
                let decision = decide(rules, &facts, *context, entity, *action);
                (decision.outcome, decision.granted_by, decision.forbidden_by)
            };
            let (one, other) = (decide(&one), decide(&other));
            ensure!(one == other, "{question}\n{one:?}\n{other:?}");
        }
        Ok(case.questions.len())
    });
}

/// `A or B` is two rules, and a rule on two things or of two actions is two rules as well.
#[test]
fn a_rule_is_the_sum_of_its_parts() {
    prove("a_rule_is_the_sum_of_its_parts", Case::random, |case| {
        let mut parts = Vec::new();
        for rule in &case.rules {
            let conditions = match &rule.condition {
                Expr::Any(parts) => parts.clone(),
                whole => vec![whole.clone()],
            };
            for condition in conditions {
                // Compiled for everything that the whole rule is about: a part may be about
                // things that lack some property.
                let whole = RuleText { condition, ..rule.clone() }.compile();
                for item in &rule.filter {
                    for action in rule.actions.iter() {
                        let id = Uuid::from_u128(parts.len() as u128);
                        let (filter, actions) = (item.parse().unwrap(), Actions::from(action));
                        parts.push(Rule { id, filter, actions, ..whole.clone() });
                    }
                }
            }
        }
        let (whole, parts) = (case.compiled(), RuleSet::new(parts));
        if !whole.cyclic_rules().is_empty() {
            // How far circles are followed depends on how many rules make them up.
            return Ok(0);
        }
        for question in &case.questions {
            let Question { entity, action, context, .. } = question;
            let facts = case.facts(question);
            let whole = allows(&whole, &facts, *context, entity, *action);
            let parts = allows(&parts, &facts, *context, entity, *action);
            ensure!(whole == parts, "{question}\nwhole {whole}, parts {parts}");
        }
        Ok(case.questions.len())
    });
}

/// A forbidding rule that holds wins, whatever else there is; one that does not hold changes
/// nothing.
#[test]
fn forbid_wins() {
    prove("forbid_wins", Case::random, |case| {
        let rules: Vec<Arc<Rule>> = case.rules.iter().map(|rule| rule.compile().into()).collect();
        let forbid = |condition| RuleText {
            number: 1_000,
            effect: Effect::Forbid,
            actions: Actions::ALL,
            filter: vec!["*".to_owned()],
            context: Context::Both,
            condition,
            category: Category::Security,
            hand: None,
        };
        let with = |more: RuleText| {
            RuleSet::new(rules.iter().cloned().chain([more.compile().into()]).collect())
        };
        let plain = RuleSet::new(rules.clone());
        let forbidden = with(forbid(Expr::Constant(true)));
        let harmless = with(forbid(Expr::Constant(false)));
        for question in &case.questions {
            let Question { entity, action, context, .. } = question;
            let facts = case.facts(question);
            let decision = decide(&plain, &facts, *context, entity, *action);
            let expected = !decision.granted_by.is_empty() && decision.forbidden_by.is_empty();
            ensure!(decision.is_allowed() == expected, "{question}\n{decision:#?}");
            let found = decide(&forbidden, &facts, *context, entity, *action);
            ensure!(found.outcome == Outcome::Forbidden, "{question}\n{found:#?}");
            let found = decide(&harmless, &facts, *context, entity, *action);
            ensure!(found == decision, "{question}\n{decision:#?}\n{found:#?}");
        }
        Ok(case.questions.len())
    });
}

/// More allowing rules never take anything away, fewer forbidding ones neither: as long as
/// allowing rules ask `HasPrivilege` outside of negations only, forbidding ones under negations
/// only, and no right follows from itself.
#[test]
fn a_further_grant_takes_nothing_away() {
    let monotone = |seed| Case::of_style(seed, Style::Monotone);
    prove("a_further_grant_takes_nothing_away", monotone, |case| {
        if case.rules.is_empty() || !case.compiled().cyclic_rules().is_empty() {
            return Ok(0);
        }
        let all: Vec<Rule> = case.rules.iter().map(RuleText::compile).collect();
        let whole = RuleSet::new(all.clone());
        for left_out in &case.rules {
            let fewer = all.iter().filter(|rule| rule.id != left_out.id()).cloned().collect();
            let fewer = RuleSet::new(fewer);
            for question in &case.questions {
                let Question { entity, action, context, .. } = question;
                let facts = case.facts(question);
                let with = allows(&whole, &facts, *context, entity, *action);
                let without = allows(&fewer, &facts, *context, entity, *action);
                match left_out.effect {
                    Effect::Allow => ensure!(
                        with || !without,
                        "{question}\nallowed, but not with rule {}",
                        left_out.number
                    ),
                    Effect::Forbid => ensure!(
                        without || !with,
                        "{question}\nallowed, but not without forbidding rule {}",
                        left_out.number
                    ),
                }
            }
        }
        Ok(case.rules.len() * case.questions.len())
    });
}

/// A set that grew and shrank is the set that it has become.
#[test]
fn a_changed_set_is_the_set_made_anew() {
    prove("a_changed_set_is_the_set_made_anew", Case::random, |case| {
        let mut random = Random::new(case.seed ^ 3);
        // Earlier versions of the same rules: as other rules of the case, under their ids.
        let mut versions: Vec<Vec<Rule>> = Vec::new();
        for rule in &case.rules {
            let other = RuleText { number: rule.number, ..random.pick(&case.rules).clone() };
            versions.push(vec![other.compile(), rule.compile()]);
        }
        let mut present: Vec<Option<Rule>> = versions.iter().map(|_| None).collect();
        let mut changed = RuleSet::new(Vec::<Rule>::new());
        for _ in 0..random.between(1, 8) {
            let (mut put, mut remove) = (Vec::new(), Vec::new());
            for (at, versions) in versions.iter().enumerate() {
                match random.below(10) {
                    0..3 => {
                        let rule = random.pick(versions).clone();
                        present[at] = Some(rule.clone());
                        put.push(rule);
                    }
                    3 | 4 => {
                        remove.push(case.rules[at].id());
                        present[at] = None;
                    }
                    _ => {}
                }
            }
            random.shuffle(&mut put);
            changed = changed.with(put, &remove);
        }
        let anew = RuleSet::new(present.into_iter().flatten().collect());
        ensure!(
            changed.cyclic_rules() == anew.cyclic_rules(),
            "circles: changed {:?}, anew {:?}",
            changed.cyclic_rules(),
            anew.cyclic_rules()
        );
        for kind in [ResourceKind::App, ResourceKind::AppObject, ResourceKind::Stream] {
            let (found, expected) = (changed.reach(kind), anew.reach(kind));
            ensure!(found == expected, "reach of {kind}: changed {found:?}, anew {expected:?}");
        }
        let footprint = |rules: &RuleSet| -> Vec<String> {
            rules.footprint().attributes().map(str::to_owned).collect()
        };
        let (found, expected) = (footprint(&changed), footprint(&anew));
        ensure!(found == expected, "footprint: changed {found:?}, anew {expected:?}");
        let ids = |rules: &RuleSet| {
            let mut ids: Vec<_> = rules.rules().iter().map(|rule| rule.id).collect();
            ids.sort();
            ids
        };
        ensure!(ids(&changed) == ids(&anew), "rules {:?}, anew {:?}", ids(&changed), ids(&anew));
        same_decisions(case, &anew, &changed)
    });
}

fn same_decisions(case: &Case, one: &RuleSet, other: &RuleSet) -> Finding {
    for question in &case.questions {
        let Question { entity, action, context, .. } = question;
        let facts = case.facts(question);
        let expected = decide(one, &facts, *context, entity, *action);
        let found = decide(other, &facts, *context, entity, *action);
        ensure!(found == expected, "{question}\n{expected:#?}\n{found:#?}");
    }
    Ok(case.questions.len())
}

/// The generator must find both answers of everything, or it proves nothing.
#[test]
fn random_cases_are_not_all_alike() {
    let mut outcomes = [0_usize; 3];
    let (mut asking, mut cyclic, mut total) = (0, 0, 0);
    for seed in 0..600 {
        let case = Case::random(seed);
        let rules = case.compiled();
        cyclic += usize::from(!rules.cyclic_rules().is_empty());
        asking += usize::from(rules.rules().iter().any(|rule| rule.condition.asks_rules()));
        for question in &case.questions {
            let Question { entity, action, context, .. } = question;
            let facts = case.facts(question);
            let decision = decide(&rules, &facts, *context, entity, *action);
            outcomes[decision.outcome as usize] += 1;
            total += 1;
        }
    }
    let share = |part: usize, of: usize| part * 100 / of;
    let shares = outcomes.map(|part| share(part, total));
    assert!(shares.iter().all(|&share| share >= 6), "allowed, forbidden, no grant: {shares:?} %");
    let (asking, cyclic) = (share(asking, 600), share(cyclic, 600));
    assert!((20..=80).contains(&asking), "{asking} % ask for rights");
    assert!((5..=60).contains(&cyclic), "{cyclic} % have circles");
}
