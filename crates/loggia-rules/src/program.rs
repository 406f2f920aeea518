//! A checked condition in the form that is evaluated: names in lower case, patterns compiled,
//! nothing left to look up.

use std::sync::Arc;

use regex::Regex;

use crate::Action;
use crate::problem::Span;
use crate::syntax::Comparison;
pub(crate) use crate::syntax::Root;
use crate::text::Glob;

/// A part of a condition that is true or false.
#[derive(Clone, Debug)]
pub(crate) struct Clause {
    /// Where it stands in the text, for reasons.
    pub(crate) span: Span,
    pub(crate) node: Node,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Constant(bool),
    All(Vec<Clause>),
    Any(Vec<Clause>),
    Not(Box<Clause>),
    Test(Test),
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Compare { left: Vec<Term>, comparison: Comparison, right: Vec<Term> },
    HasPrivilege { path: Path, action: Action },
    Empty { path: Path },
    IsOwned { path: Path },
    IsAnonymous,
}

/// One member of a side of a comparison.
#[derive(Clone, Debug)]
pub(crate) enum Term {
    Path(Path),
    Text(Arc<str>),
    /// Right of `like`: the text with its escapes.
    Glob(Glob),
    /// Right of `matches`; anchored at both ends.
    Pattern(Arc<Regex>),
}

#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) root: Root,
    pub(crate) steps: Vec<Step>,
    /// As written, for reasons.
    pub(crate) text: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Id,
    Kind,
    /// `environment.context`.
    RequestContext,
    /// Any other property, in lower case.
    Read(Box<str>),
}

impl Step {
    pub(crate) fn name(&self) -> &str {
        match self {
            Step::Id => "id",
            Step::Kind => "resourcetype",
            Step::RequestContext => "environment.context",
            Step::Read(name) => name,
        }
    }
}

impl Clause {
    /// Whether evaluating it asks the rules again, through `HasPrivilege`.
    pub(crate) fn asks_rules(&self) -> bool {
        match &self.node {
            Node::Constant(_) => false,
            Node::All(parts) | Node::Any(parts) => parts.iter().any(Clause::asks_rules),
            Node::Not(inner) => inner.asks_rules(),
            Node::Test(test) => matches!(test, Test::HasPrivilege { .. }),
        }
    }

    /// Calls `visit` with this clause and every one in it.
    pub(crate) fn for_each_clause(&self, visit: &mut impl FnMut(&Clause)) {
        visit(self);
        match &self.node {
            Node::Constant(_) | Node::Test(_) => {}
            Node::All(parts) | Node::Any(parts) => {
                for part in parts {
                    part.for_each_clause(visit);
                }
            }
            Node::Not(inner) => inner.for_each_clause(visit),
        }
    }

    /// About how many bytes it takes, without the compiled patterns.
    pub(crate) fn memory(&self) -> usize {
        let path = |path: &Path| path.text.len() + size_of_val(&*path.steps);
        let term = |term: &Term| match term {
            Term::Path(inner) => path(inner),
            Term::Text(text) => text.len(),
            Term::Glob(text) => text.len(),
            Term::Pattern(pattern) => pattern.as_str().len(),
        };
        let inner: usize = match &self.node {
            Node::Constant(_) => 0,
            Node::All(parts) | Node::Any(parts) => parts.iter().map(Clause::memory).sum(),
            Node::Not(inner) => inner.memory(),
            Node::Test(Test::Compare { left, right, .. }) => {
                let terms: usize = left.iter().chain(right).map(term).sum();
                terms + size_of_val(&**left) + size_of_val(&**right)
            }
            Node::Test(
                Test::HasPrivilege { path: inner, .. }
                | Test::Empty { path: inner }
                | Test::IsOwned { path: inner },
            ) => path(inner),
            Node::Test(Test::IsAnonymous) => 0,
        };
        size_of::<Clause>() + inner
    }

    /// Calls `visit` with every test in it.
    pub(crate) fn for_each_test(&self, visit: &mut impl FnMut(&Test)) {
        match &self.node {
            Node::Constant(_) => {}
            Node::All(parts) | Node::Any(parts) => {
                for part in parts {
                    part.for_each_test(visit);
                }
            }
            Node::Not(inner) => inner.for_each_test(visit),
            Node::Test(test) => visit(test),
        }
    }
}
