//! Whatever a condition's bytes are: no panic, problems within the text, suggestions that fit, a
//! printed form that reads the same, and an answer in time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loggia_rules::{
    Action, Actions, Category, Condition, Context, Effect, Entity, Fact, Facts, LintScope,
    RequestContext, ResourceFilter, ResourceKind, Rule, RuleSet, Subject, decide, lint, oracle,
    parse_condition, straightened,
};
use uuid::Uuid;

/// Somebody for whom every property has the same values, among them things.
struct Everything;

impl Facts for Everything {
    fn read(&self, _: Subject<'_>, name: &str, out: &mut Vec<Fact>) {
        out.push(Fact::Text(name.into()));
        out.push(Fact::Text("a".into()));
        out.push(Fact::Entity(Entity::new(ResourceKind::Stream, Uuid::from_u128(1))));
    }

    fn requester_is_anonymous(&self) -> bool {
        false
    }

    fn requester_entity(&self) -> Option<Entity> {
        Some(Entity::new(ResourceKind::User, Uuid::from_u128(2)))
    }
}

fuzz_target!(|text: &str| {
    let (parsed, problems) = parse_condition(text);
    assert_eq!(parsed.is_none(), problems.iter().any(|problem| problem.is_error()));
    if let Some(parsed) = &parsed {
        let printed = parsed.to_string();
        // Written out, a text of the greatest length can be longer than that.
        if printed.len() > 65_536 {
            return;
        }
        let (again, problems) = parse_condition(&printed);
        let again = again.unwrap_or_else(|| panic!("{printed}: {problems:?}"));
        assert_eq!(printed, again.to_string());
    }
    if let Some(straight) = straightened(text) {
        assert_eq!(straightened(&straight), None);
    }
    for category in [Category::Security, Category::License, Category::Sync] {
        let condition = match Condition::compile(text, category) {
            Ok(condition) => condition,
            Err(problems) => {
                for problem in problems {
                    assert!(text.get(problem.span.start..problem.span.end).is_some());
                    if let Some(rewritten) = problem.rewrite(text) {
                        let _ = Condition::compile(&rewritten, category);
                    }
                }
                continue;
            }
        };
        let rule = Rule {
            id: Uuid::from_u128(3),
            name: "rule".into(),
            filter: ResourceFilter::everything(),
            actions: Actions::ALL,
            context: Context::Both,
            effect: Effect::Allow,
            condition,
        };
        let rules = RuleSet::new(vec![rule.clone()]);
        let thing = Entity::new(ResourceKind::App, Uuid::from_u128(4));
        let ask = RequestContext::Hub;
        let decision = decide(&rules, &Everything, ask, &thing, Action::Read);
        assert_eq!(decision, oracle::decide(&rules, &Everything, ask, &thing, Action::Read));
        let _ = lint(&rule, &rules, LintScope { category });
    }
});
