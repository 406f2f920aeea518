//! Whether a condition holds: the slow, obvious way.

use uuid::Uuid;

use crate::program::{Clause, Node, Path, Root, Step, Term, Test};
use crate::questions::{Asking, Questions};
use crate::syntax::Comparison;
use crate::text::{Glob, equal, like};
use crate::{Action, Effect, Entity, Fact, Facts, RequestContext, ResourceKind, RuleSet, Subject};

/// Evaluates for one requester in one context.
pub(crate) struct Evaluator<'a> {
    rules: &'a RuleSet,
    pub(crate) facts: &'a dyn Facts,
    context: RequestContext,
    questions: Questions,
    /// Value lists to use again.
    spare: Vec<Vec<Fact>>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(
        rules: &'a RuleSet,
        facts: &'a dyn Facts,
        context: RequestContext,
    ) -> Evaluator<'a> {
        Evaluator { rules, facts, context, questions: Questions::default(), spare: Vec::new() }
    }

    /// Whether the rules allow `action` on `entity`: some allowing rule holds and no forbidding
    /// one does.
    pub(crate) fn allows(&mut self, entity: &Entity, action: Action) -> bool {
        self.as_question(entity, action, |evaluator| evaluator.answer(entity, action))
    }

    /// Evaluates as part of the outermost question whether `action` is allowed on `entity`.
    pub(crate) fn as_question<T>(
        &mut self,
        entity: &Entity,
        action: Action,
        evaluate: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.questions.begin(entity, action);
        let result = evaluate(self);
        self.questions.end();
        result
    }

    fn answer(&mut self, entity: &Entity, action: Action) -> bool {
        self.some_holds(entity, action, Effect::Allow)
            && !self.some_holds(entity, action, Effect::Forbid)
    }

    fn some_holds(&mut self, entity: &Entity, action: Action, effect: Effect) -> bool {
        let rules = self.rules;
        rules
            .candidates(entity, action, self.context, effect)
            .any(|rule| self.holds(rule.condition.clause(), Some(entity)))
    }

    /// Whether the clause holds for `scope`, the resource; licence rules have none.
    pub(crate) fn holds(&mut self, clause: &Clause, scope: Option<&Entity>) -> bool {
        match &clause.node {
            Node::Constant(value) => *value,
            Node::All(parts) => parts.iter().all(|part| self.holds(part, scope)),
            Node::Any(parts) => parts.iter().any(|part| self.holds(part, scope)),
            Node::Not(inner) => !self.holds(inner, scope),
            Node::Test(test) => self.test(test, scope),
        }
    }

    pub(crate) fn test(&mut self, test: &Test, scope: Option<&Entity>) -> bool {
        match test {
            Test::Compare { left, comparison, right } => {
                self.compare(left, *comparison, right, scope)
            }
            Test::IsAnonymous => self.facts.requester_is_anonymous(),
            Test::Empty { path } => self.with_values(path, scope, |_, values| values.is_empty()),
            Test::IsOwned { path } => self.with_values(path, scope, |evaluator, things| {
                let mut owners = evaluator.spare.pop().unwrap_or_default();
                for thing in things {
                    evaluator.read_step(thing, "owner", &mut owners);
                }
                let is_owned = !owners.is_empty();
                evaluator.put_back(owners);
                is_owned
            }),
            Test::HasPrivilege { path, action } => {
                self.with_values(path, scope, |evaluator, things| {
                    things.iter().any(|thing| match thing {
                        Fact::Entity(entity) => evaluator.has_privilege(entity, *action),
                        Fact::Text(_) => false,
                    })
                })
            }
        }
    }

    /// Asks the rules again, about a thing that a condition came upon.
    pub(crate) fn has_privilege(&mut self, entity: &Entity, action: Action) -> bool {
        match self.questions.ask(self.rules.web(), entity, action) {
            Asking::Answered(holds) => holds,
            Asking::Open(open) => {
                let holds = self.answer(entity, action);
                self.questions.answer(open, holds)
            }
        }
    }

    fn compare(
        &mut self,
        left: &[Term],
        comparison: Comparison,
        right: &[Term],
        scope: Option<&Entity>,
    ) -> bool {
        let left_facts = self.facts_of(left, scope);
        let right_facts = self.facts_of(right, scope);
        let holds = values(left, &left_facts).any(|left| {
            values(right, &right_facts).any(|right| pair_holds(left, comparison, right))
        });
        self.put_back(left_facts);
        self.put_back(right_facts);
        holds
    }

    /// The values of all paths among the terms.
    fn facts_of(&mut self, terms: &[Term], scope: Option<&Entity>) -> Vec<Fact> {
        let mut facts = self.spare.pop().unwrap_or_default();
        for term in terms {
            if let Term::Path(path) = term {
                self.read(path, scope, &mut facts);
            }
        }
        facts
    }

    /// Runs `look` on the values of a path.
    pub(crate) fn with_values<T>(
        &mut self,
        path: &Path,
        scope: Option<&Entity>,
        look: impl FnOnce(&mut Self, &[Fact]) -> T,
    ) -> T {
        let mut values = self.spare.pop().unwrap_or_default();
        self.read(path, scope, &mut values);
        let result = look(self, &values);
        self.put_back(values);
        result
    }

    fn put_back(&mut self, mut values: Vec<Fact>) {
        values.clear();
        self.spare.push(values);
    }

    /// Appends every value at the end of a path.
    fn read(&mut self, path: &Path, scope: Option<&Entity>, out: &mut Vec<Fact>) {
        let Some((first, rest)) = path.steps.split_first() else {
            let root = match path.root {
                Root::User => self.facts.requester_entity(),
                Root::Resource => scope.cloned(),
                Root::Node => None,
            };
            out.extend(root.map(Fact::Entity));
            return;
        };
        let Some((last, between)) = rest.split_last() else {
            self.read_first(path.root, first, scope, out);
            return;
        };
        let mut here = self.spare.pop().unwrap_or_default();
        self.read_first(path.root, first, scope, &mut here);
        for step in between {
            let mut next = self.spare.pop().unwrap_or_default();
            for fact in &here {
                self.follow(fact, step, &mut next);
            }
            self.put_back(std::mem::replace(&mut here, next));
        }
        for fact in &here {
            self.follow(fact, last, out);
        }
        self.put_back(here);
    }

    fn read_first(&self, root: Root, step: &Step, scope: Option<&Entity>, out: &mut Vec<Fact>) {
        match (root, step) {
            (Root::Resource, step) => {
                if let Some(entity) = scope {
                    self.read_entity(entity, step, out);
                }
            }
            (Root::User, Step::RequestContext) => out.push(Fact::Text(self.context.name().into())),
            (Root::User, Step::Kind) => {
                out.push(Fact::Text(ResourceKind::User.shared_name()));
            }
            (Root::User, Step::Id) => {
                let id = self.facts.requester_entity().and_then(|user| user.id);
                out.extend(id.map(text_of_id));
            }
            (Root::User, Step::Read(name)) => self.facts.read(Subject::Requester, name, out),
            (Root::Node, step) => self.facts.read(Subject::Node, step.name(), out),
        }
    }

    fn follow(&self, fact: &Fact, step: &Step, out: &mut Vec<Fact>) {
        if let Fact::Entity(entity) = fact {
            self.read_entity(entity, step, out);
        }
    }

    fn read_step(&self, fact: &Fact, name: &str, out: &mut Vec<Fact>) {
        if let Fact::Entity(entity) = fact {
            self.facts.read(Subject::Resource(entity), name, out);
        }
    }

    fn read_entity(&self, entity: &Entity, step: &Step, out: &mut Vec<Fact>) {
        match (step, &entity.name) {
            (Step::Kind, _) => out.push(Fact::Text(entity.kind.shared_name())),
            (Step::Id, _) => out.extend(entity.id.map(text_of_id)),
            (Step::Read(property), Some(name)) if **property == *"name" => {
                out.push(Fact::Text(name.clone()));
            }
            (step, _) => self.facts.read(Subject::Resource(entity), step.name(), out),
        }
    }
}

fn text_of_id(id: Uuid) -> Fact {
    Fact::Text(id.hyphenated().to_string().into())
}

/// One value of a side of a comparison.
#[derive(Clone, Copy)]
pub(crate) enum Value<'v> {
    Text(&'v str),
    Entity(&'v Entity),
    Glob(&'v Glob),
    Pattern(&'v regex::Regex),
}

impl<'v> From<&'v Fact> for Value<'v> {
    fn from(fact: &'v Fact) -> Value<'v> {
        match fact {
            Fact::Text(text) => Value::Text(text),
            Fact::Entity(entity) => Value::Entity(entity),
        }
    }
}

fn values<'v>(terms: &'v [Term], facts: &'v [Fact]) -> impl Iterator<Item = Value<'v>> {
    let read = facts.iter().map(Value::from);
    let written = terms.iter().filter_map(|term| match term {
        Term::Path(_) => None,
        Term::Text(text) => Some(Value::Text(text)),
        Term::Glob(glob) => Some(Value::Glob(glob)),
        Term::Pattern(pattern) => Some(Value::Pattern(pattern)),
    });
    read.chain(written)
}

/// Whether the comparison holds between two values. Values that cannot be compared prove nothing:
/// neither `=` nor `!=` holds between them.
pub(crate) fn pair_holds(left: Value<'_>, comparison: Comparison, right: Value<'_>) -> bool {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => match comparison {
            Comparison::Equal => equal(left, right),
            Comparison::NotEqual => !equal(left, right),
            Comparison::ExactlyEqual => left == right,
            Comparison::ExactlyNotEqual => left != right,
            Comparison::Like => like(left, right),
            Comparison::Matches => false,
        },
        (Value::Text(left), Value::Glob(glob)) => {
            comparison == Comparison::Like && glob.matches(left)
        }
        (Value::Text(left), Value::Pattern(pattern)) => {
            comparison == Comparison::Matches && pattern.is_match(left)
        }
        (Value::Entity(left), Value::Entity(right)) => match comparison {
            Comparison::Equal | Comparison::ExactlyEqual => left.is_same(right) == Some(true),
            Comparison::NotEqual | Comparison::ExactlyNotEqual => {
                left.is_same(right) == Some(false)
            }
            Comparison::Like | Comparison::Matches => false,
        },
        _ => false,
    }
}
