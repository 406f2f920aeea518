//! The other engines, with the same policies in their own languages.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result};
use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi};
use cedar_policy as cedar;
use serde::Serialize;

use crate::world::{App, Person, World};

/// Answers whether a person may read an app.
pub(crate) trait Peer {
    fn name(&self) -> &'static str;
    fn allows(&self, person: usize, app: usize) -> Result<bool>;
}

/// cedar-policy: policies as text, people and apps as entities, requests made before the clock
/// starts.
pub(crate) struct Cedar {
    policies: cedar::PolicySet,
    entities: cedar::Entities,
    people: Vec<cedar::EntityUid>,
    apps: Vec<cedar::EntityUid>,
    authorizer: cedar::Authorizer,
}

impl Cedar {
    pub(crate) fn new(world: &World) -> Result<Cedar> {
        let text: String = world
            .policies
            .iter()
            .map(|policy| {
                let effect = if policy.is_forbidding { "forbid" } else { "permit" };
                let resource = match policy.app {
                    Some(app) => format!("resource == App::\"{app}\""),
                    None => "resource".to_owned(),
                };
                let department = match &policy.department {
                    Some(department) => format!(" && resource.department == \"{department}\""),
                    None => String::new(),
                };
                format!(
                    "{effect}(principal, action == Action::\"read\", {resource}) when {{ \
                     principal.groups.contains(\"{}\"){department} }};\n",
                    policy.group
                )
            })
            .collect();
        let people = world.people.iter().map(|person| uid("User", person.id));
        let people = people.collect::<Result<Vec<_>>>()?;
        let apps = world.apps.iter().map(|app| uid("App", app.id));
        let apps = apps.collect::<Result<Vec<_>>>()?;
        let text_of = |text: &String| cedar::RestrictedExpression::new_string(text.clone());
        let mut entities = Vec::new();
        for (person, uid) in world.people.iter().zip(&people) {
            let groups = person.groups.iter().map(text_of);
            let groups = cedar::RestrictedExpression::new_set(groups);
            let attributes = HashMap::from([("groups".to_owned(), groups)]);
            entities.push(cedar::Entity::new(uid.clone(), attributes, HashSet::new())?);
        }
        for (app, uid) in world.apps.iter().zip(&apps) {
            let attributes = HashMap::from([("department".to_owned(), text_of(&app.department))]);
            entities.push(cedar::Entity::new(uid.clone(), attributes, HashSet::new())?);
        }
        Ok(Cedar {
            policies: text.parse()?,
            entities: cedar::Entities::from_entities(entities, None)?,
            people,
            apps,
            authorizer: cedar::Authorizer::new(),
        })
    }
}

impl Peer for Cedar {
    fn name(&self) -> &'static str {
        "cedar-policy 4.14"
    }

    fn allows(&self, person: usize, app: usize) -> Result<bool> {
        let request = cedar::Request::new(
            self.people[person].clone(),
            uid("Action", "read")?,
            self.apps[app].clone(),
            cedar::Context::empty(),
            None,
        )?;
        let answer = self.authorizer.is_authorized(&request, &self.policies, &self.entities);
        Ok(answer.decision() == cedar::Decision::Allow)
    }
}

fn uid(kind: &str, id: impl std::fmt::Display) -> Result<cedar::EntityUid> {
    format!("{kind}::\"{id}\"").parse().context("an id that cedar does not take")
}

/// casbin: one matcher over a table of policies, attributes in the request.
pub(crate) struct Casbin {
    enforcer: Enforcer,
    people: Vec<Subject>,
    apps: Vec<Object>,
}

#[derive(Clone, Hash, Serialize)]
struct Subject {
    groups: Vec<String>,
}

#[derive(Clone, Hash, Serialize)]
struct Object {
    id: String,
    department: String,
}

const MODEL: &str = r#"
[request_definition]
r = sub, obj, act
[policy_definition]
p = group, department, app, act, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = p.act == r.act && p.group in r.sub.groups && (p.department == "*" || p.department == r.obj.department) && (p.app == "*" || p.app == r.obj.id)
"#;

impl Casbin {
    pub(crate) fn new(world: &World) -> Result<Casbin> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let enforcer = runtime.block_on(async {
            let model = DefaultModel::from_str(MODEL).await?;
            let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await?;
            let any = || "*".to_owned();
            let rows = world.policies.iter().map(|policy| {
                vec![
                    policy.group.clone(),
                    policy.department.clone().unwrap_or_else(any),
                    policy.app.map_or_else(any, |app| app.to_string()),
                    "read".to_owned(),
                    if policy.is_forbidding { "deny" } else { "allow" }.to_owned(),
                ]
            });
            enforcer.add_policies(rows.collect()).await?;
            casbin::Result::Ok(enforcer)
        })?;
        let subject = |person: &Person| Subject { groups: person.groups.clone() };
        let object =
            |app: &App| Object { id: app.id.to_string(), department: app.department.clone() };
        Ok(Casbin {
            enforcer,
            people: world.people.iter().map(subject).collect(),
            apps: world.apps.iter().map(object).collect(),
        })
    }
}

impl Peer for Casbin {
    fn name(&self) -> &'static str {
        "casbin 2.20"
    }

    fn allows(&self, person: usize, app: usize) -> Result<bool> {
        Ok(self.enforcer.enforce((&self.people[person], &self.apps[app], "read"))?)
    }
}
