//! A second opinion: conditions evaluated from their trees, by `spec/access.md` §5.5 and §5.6 and
//! without a line of the product. It never sees a text, so it also finds what goes wrong between
//! writing a condition and reading it.

use loggia_rules::{
    Action, Actions, Context, Effect, Entity, Fact, Facts, RequestContext, ResourceFilter, Subject,
};

use super::case::{Case, Question, RuleText};
use super::language::{Expr, Operand, Operator, Path, Root, id_text};
use super::world::View;

/// How many questions may be asked within each other.
const DEEPEST: usize = 8;

/// What the rules say, found out rule by rule.
pub(crate) struct Interpreter<'c> {
    rules: Vec<(&'c RuleText, ResourceFilter)>,
    view: View<'c>,
    context: RequestContext,
    asking: Vec<(Entity, Action)>,
}

impl<'c> Interpreter<'c> {
    /// For the requester of a question.
    pub(crate) fn new(case: &'c Case, question: &Question) -> Interpreter<'c> {
        let parsed = |rule: &'c RuleText| (rule, rule.filter_text().parse().unwrap());
        let (view, context) = (case.facts(question), question.context);
        let rules = case.rules.iter().map(parsed).collect();
        Interpreter { rules, view, context, asking: Vec::new() }
    }

    /// The numbers of the rules with this effect that hold.
    pub(crate) fn holding(
        &mut self,
        entity: &Entity,
        action: Action,
        effect: Effect,
    ) -> Vec<usize> {
        self.asking.push((entity.clone(), action));
        let mut holding = Vec::new();
        for at in 0..self.rules.len() {
            if self.speaks(at, entity, action, effect) {
                holding.push(self.rules[at].0.number);
            }
        }
        self.asking.pop();
        holding.sort();
        holding.dedup();
        holding
    }

    fn speaks(&mut self, at: usize, entity: &Entity, action: Action, effect: Effect) -> bool {
        let (rule, filter) = &self.rules[at];
        let is_in_force = match rule.context {
            Context::Both => true,
            Context::Hub => self.context == RequestContext::Hub,
            Context::Console => self.context == RequestContext::Console,
        };
        let names_action = rule.actions.bits() & Actions::from(action).bits() != 0;
        let rule = *rule;
        rule.effect == effect
            && is_in_force
            && names_action
            && filter.matches(entity)
            && self.holds(&rule.condition, entity)
    }

    fn allows(&mut self, entity: &Entity, action: Action) -> bool {
        let some = |this: &mut Self, effect| {
            (0..this.rules.len()).any(|at| this.speaks(at, entity, action, effect))
        };
        some(self, Effect::Allow) && !some(self, Effect::Forbid)
    }

    /// Whether the condition holds for the resource.
    pub(crate) fn holds(&mut self, condition: &Expr, resource: &Entity) -> bool {
        match condition {
            Expr::Constant(value) => *value,
            Expr::All(parts) => parts.iter().all(|part| self.holds(part, resource)),
            Expr::Any(parts) => parts.iter().any(|part| self.holds(part, resource)),
            Expr::Not(inner) => !self.holds(inner, resource),
            Expr::Compare(left, operator, right) => {
                let (left, right) = (self.values(left, resource), self.values(right, resource));
                left.iter().any(|l| right.iter().any(|r| compare(l, *operator, r)))
            }
            Expr::Empty(path) => self.read(path, resource).is_empty(),
            Expr::IsAnonymous => self.view.requester.is_anonymous,
            Expr::IsOwned(path) => {
                let things = self.read(path, resource);
                things.iter().any(|thing| !self.step(thing, "owner").is_empty())
            }
            Expr::HasPrivilege(path, action) => {
                let things = self.read(path, resource);
                things.iter().any(|thing| match thing {
                    Fact::Entity(entity) => self.ask(entity, *action),
                    Fact::Text(_) => false,
                })
            }
        }
    }

    fn ask(&mut self, entity: &Entity, action: Action) -> bool {
        let question = (entity.clone(), action);
        if self.asking.contains(&question) || self.asking.len() > DEEPEST {
            return false;
        }
        self.asking.push(question);
        let answer = self.allows(entity, action);
        self.asking.pop();
        answer
    }

    fn values(&self, operands: &[Operand], resource: &Entity) -> Vec<Comparand> {
        let mut values = Vec::new();
        for operand in operands {
            match operand {
                Operand::Path(path) => {
                    values.extend(self.read(path, resource).into_iter().map(Comparand::Fact));
                }
                Operand::Text(text) => {
                    values.push(Comparand::Fact(Fact::Text(text.as_str().into())));
                }
                Operand::Pattern(text) => values.push(Comparand::Pattern(text.clone())),
            }
        }
        values
    }

    fn read(&self, path: &Path, resource: &Entity) -> Vec<Fact> {
        let mut steps = path.lower_steps();
        let mut here: Vec<Fact> = match path.root {
            Root::Resource => vec![Fact::Entity(resource.clone())],
            Root::Node => {
                let mut out = Vec::new();
                let name = steps.next().unwrap();
                self.view.read(Subject::Node, &name, &mut out);
                out
            }
            Root::User => match steps.next() {
                None => self.view.requester_entity().map(Fact::Entity).into_iter().collect(),
                Some(name) if name == "environment" => {
                    let name = steps.next().unwrap();
                    if name == "context" {
                        let hub = self.context == RequestContext::Hub;
                        let text = if hub { "AppAccess" } else { "ManagementAccess" };
                        vec![Fact::Text(text.into())]
                    } else {
                        self.of_requester(&format!("environment.{name}"))
                    }
                }
                Some(name) => self.of_requester(&name),
            },
        };
        for step in steps {
            here = here.iter().flat_map(|fact| self.step(fact, &step)).collect();
        }
        here
    }

    fn of_requester(&self, name: &str) -> Vec<Fact> {
        let mut out = Vec::new();
        self.view.read(Subject::Requester, name, &mut out);
        out
    }

    fn step(&self, fact: &Fact, name: &str) -> Vec<Fact> {
        let Fact::Entity(entity) = fact else {
            return Vec::new();
        };
        let text = |text: &str| vec![Fact::Text(text.into())];
        match (name, &entity.name) {
            ("id", _) => entity.id.map(|id| text(&id_text(id))).unwrap_or_default(),
            ("resourcetype", _) => text(entity.kind.name()),
            ("name", Some(name)) => text(name),
            _ => {
                let mut out = Vec::new();
                self.view.read(Subject::Resource(entity), name, &mut out);
                out
            }
        }
    }
}

enum Comparand {
    Fact(Fact),
    Pattern(String),
}

fn compare(left: &Comparand, operator: Operator, right: &Comparand) -> bool {
    match (left, operator, right) {
        (Comparand::Fact(Fact::Text(left)), Operator::Matches, Comparand::Pattern(pattern)) => {
            regex::Regex::new(&format!("\\A(?:{pattern})\\z")).unwrap().is_match(left)
        }
        (Comparand::Fact(Fact::Text(left)), Operator::Like, Comparand::Pattern(pattern)) => {
            like(&letters(left), &pieces(pattern))
        }
        (Comparand::Fact(Fact::Text(left)), Operator::Like, Comparand::Fact(Fact::Text(right))) => {
            like(&letters(left), &pieces(right))
        }
        (Comparand::Fact(Fact::Text(left)), _, Comparand::Fact(Fact::Text(right))) => {
            match operator {
                Operator::Equal => equal(left, right),
                Operator::NotEqual => !equal(left, right),
                Operator::ExactlyEqual => left == right,
                Operator::ExactlyNotEqual => left != right,
                Operator::Like | Operator::Matches => false,
            }
        }
        (Comparand::Fact(Fact::Entity(left)), _, Comparand::Fact(Fact::Entity(right))) => {
            let same = match (left.id, right.id, &left.name, &right.name) {
                (Some(one), Some(other), ..) => left.kind == right.kind && one == other,
                (_, _, Some(one), Some(other)) => {
                    left.kind == right.kind && one.eq_ignore_ascii_case(other)
                }
                // Nobody knows whether two things about to be made are the same.
                _ => return false,
            };
            match operator {
                Operator::Equal | Operator::ExactlyEqual => same,
                Operator::NotEqual | Operator::ExactlyNotEqual => !same,
                Operator::Like | Operator::Matches => false,
            }
        }
        _ => false,
    }
}

/// A character without its case.
type Letter = Vec<char>;

fn letters(text: &str) -> Vec<Letter> {
    text.chars().map(|c| c.to_lowercase().collect()).collect()
}

fn equal(one: &str, other: &str) -> bool {
    if letters(one) == letters(other) {
        return true;
    }
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// Its sign, and the digits on both sides of the point without those that do not matter.
fn number(text: &str) -> Option<(bool, Vec<char>, Vec<char>)> {
    let mut chars: Vec<char> = text.chars().collect();
    let is_negative = chars.first() == Some(&'-');
    if is_negative {
        chars.remove(0);
    }
    let point = chars.iter().position(|&c| c == '.').unwrap_or(chars.len());
    let mut fraction = chars.split_off(point);
    let mut whole = chars;
    let is_written =
        |digits: &[char]| !digits.is_empty() && digits.iter().all(char::is_ascii_digit);
    if !is_written(&whole) || !fraction.is_empty() && !is_written(&fraction[1..]) {
        return None;
    }
    while whole.first() == Some(&'0') {
        whole.remove(0);
    }
    while matches!(fraction.last(), Some('0' | '.')) {
        fraction.pop();
    }
    let is_zero = whole.is_empty() && fraction.is_empty();
    Some((is_negative && !is_zero, whole, fraction))
}

#[derive(Debug)]
enum Piece {
    Run,
    One,
    Letter(Letter),
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut chars = pattern.chars().peekable();
    let mut pieces = Vec::new();
    while let Some(c) = chars.next() {
        let escaped = chars.peek().copied().filter(|next| "\"\\*?'“”„‘’".contains(*next));
        pieces.push(match (c, escaped) {
            ('\\', Some(next)) => {
                chars.next();
                Piece::Letter(next.to_lowercase().collect())
            }
            ('*', _) => Piece::Run,
            ('?', _) => Piece::One,
            (c, _) => Piece::Letter(c.to_lowercase().collect()),
        });
    }
    pieces
}

/// Every way of taking the runs.
fn like(text: &[Letter], pattern: &[Piece]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((Piece::Run, after)), _) => (0..=text.len()).any(|taken| like(&text[taken..], after)),
        (Some((Piece::One, after)), Some((_, rest))) => like(rest, after),
        (Some((Piece::Letter(letter), after)), Some((first, rest))) => {
            letter == first && like(rest, after)
        }
        (Some(_), None) => false,
    }
}
