//! What can be proved about conditions without anybody asking: that one never holds, always holds,
//! or holds only where another does.
//!
//! Everything here is sound and gives up rather than guess: *not proved* means nothing. It relies
//! on what the language says (a comparison that holds has seen a value), on what the property table
//! says (a person has one name), and on what every site keeps: a visitor is of directory `NONE`, has
//! nothing but a user id and the environment of the session, and is no entity that could own things;
//! nobody else is of that directory.

use std::cell::Cell;
use std::rc::Rc;

use crate::problem::Span;
use crate::program::{Clause, Node, Path, Root, Step, Term, Test};
use crate::property;
use crate::syntax::Comparison;
use crate::text::{Glob, as_decimal, equal, fold};
use crate::{Action, KindSet, RequestContext, ResourceKind};

/// Most alternatives of a condition that are looked at one by one.
const MOST_CUBES: usize = 128;
/// Most tests that one alternative may have.
const LONGEST_CUBE: usize = 64;
/// Most pairs of tests that are compared before giving up.
const MOST_STEPS: usize = 500_000;

/// A condition with negations at its tests, in an order of its own, without repetitions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    Never,
    Always,
    Test(Literal),
    All(Vec<Form>),
    Any(Vec<Form>),
}

/// A test that holds, or one that does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Literal {
    atom: Atom,
    holds: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Atom {
    Anonymous,
    Empty(PathKey),
    HasPrivilege(PathKey, Action),
    /// Two sides of one member each; for `=`, `==`, `!=` and `!==` in an order of their own.
    Compare(Side, Comparison, Side),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Side {
    Path(PathKey),
    /// Compared letter by letter.
    Exact(Box<str>),
    /// Folded.
    Folded(Box<str>),
    /// A plain decimal in its shortest form, for comparisons without letter case.
    Number(Box<str>),
    Glob(Box<str>),
    Pattern(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct PathKey {
    root: Root,
    steps: Box<[Box<str>]>,
}

/// Tests that hold together: one alternative of a condition.
type Cube = Vec<Literal>;

/// A condition, and its alternatives where there are not too many.
pub(super) struct Premise {
    form: Form,
    cubes: Option<Vec<Cube>>,
}

/// Proves things about conditions of rules about `kinds`, asked in `context` if that is known.
pub(super) struct Prover {
    kinds: KindSet,
    context: Option<RequestContext>,
    /// Shared by all that ask about the same rule, so that the whole is bounded.
    steps: Rc<Cell<usize>>,
}

impl Prover {
    pub(super) fn new(kinds: KindSet, context: Option<RequestContext>) -> Prover {
        Prover { kinds, context, steps: Rc::default() }
    }

    /// The same for things of one kind only.
    pub(super) fn only(&self, kind: ResourceKind) -> Prover {
        Prover { kinds: KindSet::only(kind), context: self.context, steps: self.steps.clone() }
    }

    /// The condition, or with `holds` false its negation.
    pub(super) fn form(&self, clause: &Clause, holds: bool) -> Form {
        match &clause.node {
            Node::Constant(value) => constant(*value == holds),
            Node::Not(inner) => self.form(inner, !holds),
            Node::All(parts) if holds => all(parts.iter().map(|part| self.form(part, true))),
            Node::All(parts) => any(parts.iter().map(|part| self.form(part, false))),
            Node::Any(parts) if holds => any(parts.iter().map(|part| self.form(part, true))),
            Node::Any(parts) => all(parts.iter().map(|part| self.form(part, false))),
            Node::Test(test) => self.test(test, holds),
        }
    }

    /// The alternatives that are not proved impossible; none where there are too many of them.
    pub(super) fn cubes(&self, form: &Form) -> Option<Vec<Cube>> {
        let cubes = match form {
            Form::Never => Vec::new(),
            Form::Always => vec![Cube::new()],
            Form::Test(literal) => vec![vec![literal.clone()]],
            Form::Any(parts) => {
                let mut cubes = Vec::new();
                for part in parts {
                    cubes.extend(self.cubes(part)?);
                    if cubes.len() > MOST_CUBES {
                        return None;
                    }
                }
                cubes
            }
            Form::All(parts) => {
                let mut cubes: Vec<Cube> = vec![Cube::new()];
                for part in parts {
                    let choices = self.cubes(part)?;
                    if cubes.len().saturating_mul(choices.len()) > MOST_CUBES {
                        return None;
                    }
                    let mut longer = Vec::with_capacity(cubes.len() * choices.len());
                    for cube in &cubes {
                        for choice in &choices {
                            let joined: Cube = cube.iter().chain(choice).cloned().collect();
                            if joined.len() > LONGEST_CUBE {
                                return None;
                            }
                            longer.push(joined);
                        }
                    }
                    cubes = longer;
                }
                cubes
            }
        };
        let widened = cubes.into_iter().map(|cube| self.widened(cube));
        Some(widened.filter(|cube| self.conflict(cube).is_none()).collect())
    }

    /// With what the tests say of the requester in other words: whether it is a visitor.
    fn widened(&self, mut cube: Cube) -> Cube {
        for holds in [true, false] {
            let visitor = Literal { atom: Atom::Anonymous, holds };
            if !cube.contains(&visitor) && cube.iter().any(|known| self.follows(known, &visitor)) {
                cube.push(visitor);
            }
        }
        cube
    }

    /// Two tests of the alternative that never hold together.
    pub(super) fn conflict<'c>(&self, cube: &'c [Literal]) -> Option<(&'c Literal, &'c Literal)> {
        cube.iter().enumerate().find_map(|(index, one)| {
            let other = cube.iter().skip(index + 1).find(|other| {
                let negated = Literal { atom: other.atom.clone(), holds: !other.holds };
                self.follows(one, &negated)
            })?;
            Some((one, other))
        })
    }

    /// The first two tests that keep some alternative from holding.
    pub(super) fn first_conflict(&self, form: &Form) -> Option<(Literal, Literal)> {
        match form {
            Form::Never | Form::Always | Form::Test(_) => None,
            Form::Any(parts) => parts.iter().find_map(|part| self.first_conflict(part)),
            Form::All(parts) => {
                // Tests by themselves first: the shortest explanation.
                let tests: Cube = parts
                    .iter()
                    .filter_map(|part| match part {
                        Form::Test(literal) => Some(literal.clone()),
                        _ => None,
                    })
                    .collect();
                if let Some((one, other)) = self.conflict(&tests) {
                    return Some((one.clone(), other.clone()));
                }
                parts.iter().find_map(|part| self.first_conflict(part)).or_else(|| {
                    let choices = parts.iter().find_map(|part| match part {
                        Form::Any(choices) => choices.first(),
                        _ => None,
                    })?;
                    let cubes = self.cubes(choices)?;
                    let joined: Cube = tests.iter().chain(cubes.first()?).cloned().collect();
                    let (one, other) = self.conflict(&joined)?;
                    Some((one.clone(), other.clone()))
                })
            }
        }
    }

    /// Where in the condition the test of a literal stands.
    pub(super) fn find(&self, clause: &Clause, literal: &Literal) -> Option<Span> {
        let mut found = None;
        clause.for_each_clause(&mut |part| {
            if let Node::Test(test) = &part.node
                && found.is_none()
                && [true, false].iter().any(|&holds| literal.is_of(&self.test(test, holds)))
            {
                found = Some(part.span);
            }
        });
        found
    }

    /// What is needed to compare the condition with many others.
    pub(super) fn premise(&self, clause: &Clause) -> Premise {
        let form = self.form(clause, true);
        Premise { cubes: self.cubes(&form), form }
    }

    /// Whether wherever the premise holds, `other` does.
    pub(super) fn implies(&self, premise: &Premise, other: &Form) -> bool {
        match &premise.cubes {
            Some(cubes) => cubes.iter().all(|cube| self.entails(cube, other)),
            // Too many alternatives.
            None => self.implies_by_parts(&premise.form, other),
        }
    }

    fn implies_by_parts(&self, one: &Form, other: &Form) -> bool {
        if one == other {
            return true;
        }
        match one {
            Form::Never => true,
            Form::Always => *other == Form::Always,
            Form::Test(literal) => self.entails(std::slice::from_ref(literal), other),
            Form::Any(parts) => parts.iter().all(|part| self.implies_by_parts(part, other)),
            Form::All(parts) => parts.iter().any(|part| self.implies_by_parts(part, other)),
        }
    }

    fn entails(&self, cube: &[Literal], form: &Form) -> bool {
        match form {
            Form::Never => false,
            Form::Always => true,
            Form::Test(literal) => cube.iter().any(|known| self.follows(known, literal)),
            Form::All(parts) => parts.iter().all(|part| self.entails(cube, part)),
            Form::Any(parts) => {
                // Lists can be long, and are in order.
                let is_there = |known: &Literal| {
                    let sought = Form::Test(known.clone());
                    parts.binary_search(&sought).is_ok()
                };
                cube.iter().any(is_there) || parts.iter().any(|part| self.entails(cube, part))
            }
        }
    }

    /// Whether the alternative, one of [`Prover::cubes`], holds for visitors only.
    pub(super) fn is_of_visitors(cube: &[Literal]) -> bool {
        cube.contains(&Literal { atom: Atom::Anonymous, holds: true })
    }

    /// Whether the second literal holds wherever the first does.
    fn follows(&self, one: &Literal, other: &Literal) -> bool {
        if one == other {
            return true;
        }
        let steps = self.steps.get();
        if steps >= MOST_STEPS {
            return false;
        }
        self.steps.set(steps + 1);
        self.leads_to(&one.atom, one.holds, &other.atom, other.holds)
            || self.leads_to(&other.atom, !other.holds, &one.atom, !one.holds)
    }

    fn leads_to(&self, one: &Atom, one_holds: bool, other: &Atom, other_holds: bool) -> bool {
        match (one, one_holds, other, other_holds) {
            // What holds has seen a value at every step of its paths.
            (Atom::Compare(left, _, right), true, Atom::Empty(path), false) => {
                left.goes_through(path) || right.goes_through(path)
            }
            (Atom::HasPrivilege(at, _), true, Atom::Empty(path), false) => at.goes_through(path),
            (Atom::Empty(path), true, Atom::Empty(further), true) => further.goes_through(path),
            (
                Atom::Compare(left, comparison, right),
                true,
                Atom::Compare(other_left, other_comparison, other_right),
                other_holds,
            ) => {
                if left != other_left {
                    return false;
                }
                match (left, right, other_right) {
                    (Side::Path(_), Side::Path(_), _) => {
                        right == other_right
                            && other_holds
                            && comparison.is_within(*other_comparison)
                    }
                    (Side::Path(path), fixed, other_fixed)
                        if !matches!(other_fixed, Side::Path(_)) =>
                    {
                        let found =
                            leads_value((*comparison, fixed), (*other_comparison, other_fixed));
                        match found {
                            Some(true) => other_holds,
                            // Another value might, where there can be several.
                            Some(false) => !other_holds && !self.is_many(path),
                            None => false,
                        }
                    }
                    _ => false,
                }
            }
            // What every site keeps.
            (Atom::Anonymous, true, Atom::Empty(path), true) => path.is_nothing_of_visitors(),
            (Atom::Anonymous, true, Atom::Compare(left, comparison, right), other_holds) => {
                match visitor_compares(left, *comparison, right) {
                    Some(holds) => holds == other_holds,
                    None => {
                        let is_nobody = |side: &Side| match side {
                            Side::Path(path) => {
                                path.is_requester() || path.is_nothing_of_visitors()
                            }
                            _ => false,
                        };
                        !other_holds && (is_nobody(left) || is_nobody(right))
                    }
                }
            }
            (Atom::Compare(left, comparison, right), true, Atom::Anonymous, true) => {
                left.is_user_directory()
                    && matches!(comparison, Comparison::Equal | Comparison::ExactlyEqual)
                    && matches!(right, Side::Folded(text) | Side::Exact(text)
                        if text.eq_ignore_ascii_case("none"))
            }
            _ => false,
        }
    }

    fn is_many(&self, path: &PathKey) -> bool {
        let kinds = match path.root {
            Root::User => KindSet::only(ResourceKind::User),
            Root::Resource => self.kinds,
            Root::Node => KindSet::only(ResourceKind::ServerNodeConfiguration),
        };
        property::can_be_many(kinds, path.steps.iter().map(|step| &**step))
    }

    fn test(&self, test: &Test, holds: bool) -> Form {
        let form = |atom: Atom| Form::Test(Literal { atom, holds });
        match test {
            Test::IsAnonymous => form(Atom::Anonymous),
            Test::Empty { path } => form(Atom::Empty(PathKey::of(path))),
            Test::HasPrivilege { path, action } => {
                form(Atom::HasPrivilege(PathKey::of(path), *action))
            }
            // To be owned is to have an owner.
            Test::IsOwned { path } => {
                let atom = Atom::Empty(PathKey::of(path).then("owner"));
                Form::Test(Literal { atom, holds: !holds })
            }
            // Some pair of members compares; so none does when it must not hold.
            Test::Compare { left, comparison, right } => {
                let pairs =
                    left.iter().flat_map(|left| right.iter().map(move |right| (left, right)));
                let forms = pairs.map(|(left, right)| self.pair(left, *comparison, right, holds));
                if holds { any(forms) } else { all(forms) }
            }
        }
    }

    fn pair(&self, left: &Term, comparison: Comparison, right: &Term, holds: bool) -> Form {
        let outcomes: Option<Vec<bool>> = match (self.texts(left), self.texts(right)) {
            (Some(lefts), _) if !matches!(right, Term::Path(_)) => {
                lefts.iter().map(|left| compares(left, comparison, right)).collect()
            }
            (Some(lefts), Some(rights)) => {
                let pairs = lefts.iter().flat_map(|left| rights.iter().map(move |r| (left, *r)));
                pairs.map(|(left, r)| compares(left, comparison, &Term::Text(r.into()))).collect()
            }
            _ => None,
        };
        match outcomes.as_deref() {
            Some([first, rest @ ..]) if rest.iter().all(|other| other == first) => {
                return constant(*first == holds);
            }
            _ => {}
        }
        let (left, right) = (Side::of(left, comparison), Side::of(right, comparison));
        let is_even = !matches!(comparison, Comparison::Like | Comparison::Matches);
        let (left, right) = if is_even && left > right { (right, left) } else { (left, right) };
        Form::Test(Literal { atom: Atom::Compare(left, comparison, right), holds })
    }

    /// Every text that the term can be, if that is known.
    fn texts<'t>(&self, term: &'t Term) -> Option<Vec<&'t str>> {
        match term {
            Term::Text(text) => Some(vec![text]),
            Term::Path(path) => match (path.root, path.steps.as_slice()) {
                (Root::Resource, [Step::Kind]) => {
                    Some(self.kinds.iter().map(ResourceKind::name).collect())
                }
                (Root::User, [Step::Kind]) => Some(vec![ResourceKind::User.name()]),
                (Root::User, [Step::RequestContext]) => Some(vec![self.context?.name()]),
                _ => None,
            },
            Term::Glob(_) | Term::Pattern(_) => None,
        }
    }
}

/// Whether the clause has a test whose outcome depends on the type of the thing.
pub(super) fn asks_kind(clause: &Clause) -> bool {
    let mut asks = false;
    clause.for_each_test(&mut |test| {
        if let Test::Compare { left, right, .. } = test {
            asks |= left.iter().chain(right).any(|term| match term {
                Term::Path(path) => {
                    path.root == Root::Resource && path.steps.as_slice() == [Step::Kind]
                }
                _ => false,
            });
        }
    });
    asks
}

fn constant(value: bool) -> Form {
    if value { Form::Always } else { Form::Never }
}

fn all(forms: impl Iterator<Item = Form>) -> Form {
    joined(forms, Form::Always, Form::Never, Form::All)
}

fn any(forms: impl Iterator<Item = Form>) -> Form {
    joined(forms, Form::Never, Form::Always, Form::Any)
}

/// Joins forms: `nothing` adds nothing, `everything` decides alone.
fn joined(
    forms: impl Iterator<Item = Form>,
    nothing: Form,
    everything: Form,
    join: fn(Vec<Form>) -> Form,
) -> Form {
    let mut parts = Vec::new();
    let is_all = everything == Form::Never;
    for form in forms {
        match form {
            form if form == everything => return everything,
            form if form == nothing => {}
            Form::All(inner) if is_all => parts.extend(inner),
            Form::Any(inner) if !is_all => parts.extend(inner),
            form => parts.push(form),
        }
    }
    parts.sort();
    parts.dedup();
    match parts.len() {
        0 => nothing,
        1 => parts.pop().unwrap_or(nothing),
        _ => join(parts),
    }
}

impl Literal {
    /// Whether the test in the text can be this literal.
    pub(super) fn is_of(&self, form: &Form) -> bool {
        match form {
            Form::Test(literal) => literal == self,
            Form::All(parts) | Form::Any(parts) => parts.iter().any(|part| self.is_of(part)),
            Form::Never | Form::Always => false,
        }
    }
}

impl Side {
    fn of(term: &Term, comparison: Comparison) -> Side {
        match term {
            Term::Path(path) => Side::Path(PathKey::of(path)),
            Term::Text(text) => match comparison {
                Comparison::Equal | Comparison::NotEqual => Side::loosely(text),
                _ => Side::Exact((&**text).into()),
            },
            Term::Glob(glob) => Side::Glob(folded(glob)),
            Term::Pattern(pattern) => Side::Pattern(pattern.as_str().into()),
        }
    }

    /// The same for all texts that `=` finds equal.
    fn loosely(text: &str) -> Side {
        match as_decimal(text) {
            Some(number) => Side::Number(number.to_string().into()),
            None => Side::Folded(folded(text)),
        }
    }

    fn goes_through(&self, path: &PathKey) -> bool {
        matches!(self, Side::Path(own) if own.goes_through(path))
    }

    fn is_user_directory(&self) -> bool {
        matches!(self, Side::Path(path) if path.is_of_requester(&["userdirectory"]))
    }
}

fn folded(text: &str) -> Box<str> {
    text.chars().map(fold).collect::<String>().into()
}

impl PathKey {
    fn of(path: &Path) -> PathKey {
        PathKey {
            root: path.root,
            steps: path.steps.iter().map(|step| step.name().into()).collect(),
        }
    }

    fn then(mut self, step: &str) -> PathKey {
        let mut steps = self.steps.into_vec();
        steps.push(step.into());
        self.steps = steps.into();
        self
    }

    /// Whether reading this path reads `other` on the way, or is it.
    fn goes_through(&self, other: &PathKey) -> bool {
        self.root == other.root && self.steps.starts_with(&other.steps)
    }

    fn is_requester(&self) -> bool {
        self.root == Root::User && self.steps.is_empty()
    }

    fn is_of_requester(&self, names: &[&str]) -> bool {
        self.root == Root::User
            && matches!(&*self.steps, [only] if names.iter().any(|name| **only == **name))
    }

    /// Whether a visitor never has a value there.
    fn is_nothing_of_visitors(&self) -> bool {
        let of_visitors = ["id", "name", "userid", "userdirectory", "resourcetype"];
        self.root == Root::User
            && self.steps.first().is_some_and(|first| !first.starts_with("environment."))
            && !self.is_of_requester(&of_visitors)
    }
}

/// Whether the comparison holds between two texts.
fn compares(left: &str, comparison: Comparison, right: &Term) -> Option<bool> {
    match (comparison, right) {
        (Comparison::Equal, Term::Text(right)) => Some(equal(left, right)),
        (Comparison::NotEqual, Term::Text(right)) => Some(!equal(left, right)),
        (Comparison::ExactlyEqual, Term::Text(right)) => Some(left == &**right),
        (Comparison::ExactlyNotEqual, Term::Text(right)) => Some(left != &**right),
        (Comparison::Like, Term::Glob(glob)) => Some(glob.matches(left)),
        (Comparison::Matches, Term::Pattern(pattern)) => Some(pattern.is_match(left)),
        _ => None,
    }
}

/// What a visitor's own values make of a comparison, where that is known.
fn visitor_compares(left: &Side, comparison: Comparison, right: &Side) -> Option<bool> {
    use Comparison as C;
    let Side::Path(path) = left else {
        return None;
    };
    if left.is_user_directory() {
        return match (comparison, right) {
            (C::Equal, right) if !matches!(right, Side::Path(_)) => {
                Some(*right == Side::loosely("NONE"))
            }
            (C::NotEqual, right) if !matches!(right, Side::Path(_)) => {
                Some(*right != Side::loosely("NONE"))
            }
            (C::ExactlyEqual, Side::Exact(text)) => Some(&**text == "NONE"),
            (C::ExactlyNotEqual, Side::Exact(text)) => Some(&**text != "NONE"),
            (C::Like, Side::Glob(glob)) => Some(Glob::new(glob).matches("NONE")),
            _ => None,
        };
    }
    // A visitor's user id begins with this word.
    let is_id = path.is_of_requester(&["userid", "name"]);
    match (comparison, right) {
        (C::Equal | C::ExactlyEqual, Side::Folded(text) | Side::Exact(text))
            if is_id && !folded(text).starts_with("anonymous") =>
        {
            Some(false)
        }
        _ => None,
    }
}

/// Whether every value that compares with the first also compares with the second (yes), or none
/// does (no).
fn leads_value(one: (Comparison, &Side), other: (Comparison, &Side)) -> Option<bool> {
    use Comparison as C;
    use Side as S;
    let loosely = |text: &str| S::loosely(text);
    let when = |condition: bool, answer: bool| condition.then_some(answer);
    match (one.0, one.1, other.0, other.1) {
        (C::Equal, one, C::Equal, other) => Some(one == other),
        (C::Equal, one, C::NotEqual, other) => Some(one != other),
        (C::Equal, one, C::ExactlyEqual, S::Exact(other)) => when(*one != loosely(other), false),
        (C::Equal, one, C::ExactlyNotEqual, S::Exact(other)) => when(*one != loosely(other), true),
        // A number may be written in other ways, which the pattern may not match.
        (C::Equal, S::Folded(one), C::Like, S::Glob(glob)) => Some(Glob::new(glob).matches(one)),
        (C::ExactlyEqual, S::Exact(one), C::Equal, other) => Some(loosely(one) == *other),
        (C::ExactlyEqual, S::Exact(one), C::NotEqual, other) => Some(loosely(one) != *other),
        (C::ExactlyEqual, S::Exact(one), C::ExactlyEqual, S::Exact(other)) => Some(one == other),
        (C::ExactlyEqual, S::Exact(one), C::ExactlyNotEqual, S::Exact(other)) => Some(one != other),
        (C::ExactlyEqual, S::Exact(one), C::Like, S::Glob(glob)) => {
            Some(Glob::new(glob).matches(one))
        }
        (C::NotEqual, one, C::Equal, other) => when(one == other, false),
        (C::NotEqual, one, C::ExactlyEqual, S::Exact(other)) => when(*one == loosely(other), false),
        (C::NotEqual, one, C::ExactlyNotEqual, S::Exact(other)) => {
            when(*one == loosely(other), true)
        }
        (C::ExactlyNotEqual, S::Exact(one), C::ExactlyEqual, S::Exact(other)) => {
            when(one == other, false)
        }
        _ => None,
    }
}
