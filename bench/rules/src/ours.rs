//! The same policies as security rules, decided by `loggia-rules`.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use loggia_rules::{
    Actions, Category, Condition, Context, Effect, Entity, Fact, Facts, ResourceFilter,
    ResourceKind, Rule, RuleSet, Subject,
};
use uuid::Uuid;

use crate::world::{Policy, VISITORS, World};

/// Facts of the world, kept as a site keeps them: shared texts, ready to hand out.
pub(crate) struct Site {
    people: Vec<PersonFacts>,
    departments: Vec<Arc<str>>,
    apps: std::collections::HashMap<Uuid, usize>,
}

struct PersonFacts {
    entity: Option<Entity>,
    groups: Vec<Arc<str>>,
}

/// One requester of the site.
pub(crate) struct Requester<'a> {
    site: &'a Site,
    person: &'a PersonFacts,
}

impl Site {
    pub(crate) fn new(world: &World) -> Site {
        let people = world.people.iter().map(|person| PersonFacts {
            entity: (!person.is_visitor).then(|| Entity::new(ResourceKind::User, person.id)),
            groups: match person.is_visitor {
                true => Vec::new(),
                false => person.groups.iter().map(|group| group.as_str().into()).collect(),
            },
        });
        Site {
            people: people.collect(),
            departments: world.apps.iter().map(|app| app.department.as_str().into()).collect(),
            apps: world.apps.iter().enumerate().map(|(index, app)| (app.id, index)).collect(),
        }
    }

    pub(crate) fn requester(&self, person: usize) -> Requester<'_> {
        Requester { site: self, person: &self.people[person] }
    }
}

impl Facts for Requester<'_> {
    fn read(&self, subject: Subject<'_>, name: &str, out: &mut Vec<Fact>) {
        match (subject, name) {
            (Subject::Requester, "group") => {
                out.extend(self.person.groups.iter().cloned().map(Fact::Text));
            }
            (Subject::Resource(entity), "@department") => {
                let index = entity.id.and_then(|id| self.site.apps.get(&id));
                let department = index.and_then(|&index| self.site.departments.get(index));
                out.extend(department.cloned().map(Fact::Text));
            }
            _ => {}
        }
    }

    fn requester_is_anonymous(&self) -> bool {
        self.person.entity.is_none()
    }

    fn requester_entity(&self) -> Option<Entity> {
        self.person.entity.clone()
    }
}

/// The rule of one policy.
pub(crate) fn rule(number: usize, policy: &Policy) -> Result<Rule> {
    let mut condition = match policy.group.as_str() {
        VISITORS => "user.IsAnonymous()".to_owned(),
        group => format!("user.group = \"{group}\""),
    };
    if let Some(department) = &policy.department {
        condition.push_str(&format!(" and resource.@department = \"{department}\""));
    }
    let filter = match policy.app {
        Some(app) => format!("App_{app}"),
        None => "App_*".to_owned(),
    };
    let problems = |found| anyhow!("{condition}: {found:?}");
    let filter: ResourceFilter = filter.parse().map_err(problems)?;
    Ok(Rule {
        id: Uuid::from_u128((9 << 100) | number as u128),
        name: format!("Policy {number}").into(),
        condition: Condition::compile_for(&condition, Category::Security, &filter)
            .map_err(problems)?,
        filter,
        actions: Actions::READ,
        context: Context::Both,
        effect: if policy.is_forbidding { Effect::Forbid } else { Effect::Allow },
    })
}

pub(crate) fn rules(world: &World) -> Result<RuleSet> {
    let rules = world.policies.iter().enumerate().map(|(number, policy)| rule(number, policy));
    Ok(RuleSet::new(rules.collect::<Result<Vec<_>>>()?))
}

/// The rules that ship, and rules of a site's own whose conditions no index can serve.
pub(crate) fn shipped_and(own: usize, condition: impl Fn(usize) -> String) -> Result<RuleSet> {
    let mut rules: Vec<Rule> = loggia_rules::shipped::security_rules()
        .iter()
        .map(|shipped| shipped.compile().map_err(|found| anyhow!("{}: {found:?}", shipped.name)))
        .collect::<Result<_>>()?;
    for number in 0..own {
        let policy = Policy {
            is_forbidding: false,
            group: VISITORS.to_owned(),
            department: None,
            app: None,
        };
        let text = condition(number);
        let condition = Condition::compile_for(
            &text,
            Category::Security,
            &"App_*".parse().map_err(|found| anyhow!("{found:?}"))?,
        )
        .map_err(|found| anyhow!("{text}: {found:?}"))?;
        rules.push(Rule { condition, ..rule(100_000 + number, &policy)? });
    }
    Ok(RuleSet::new(rules))
}
