//! A rule's condition, from text to something that can be evaluated.

use std::fmt;
use std::sync::Arc;

use crate::check;
use crate::compiled::Compiled;
use crate::problem::{Problem, Span, arranged};
use crate::program::{Clause, Node};
use crate::syntax::{self, Expr};
use crate::{KindSet, Outline, ResourceFilter};

/// A condition at a stage: [`Parsed`] from text, then [`Checked`] against what rules may read.
/// Only a checked one can be evaluated.
#[derive(Clone)]
pub struct Condition<Stage> {
    text: Arc<str>,
    warnings: Vec<Problem>,
    stage: Stage,
}

/// The text follows the grammar.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// None for the empty condition, which always holds.
    tree: Option<Expr>,
}

/// Every path, function and comparison in it can mean something.
#[derive(Clone, Debug)]
pub struct Checked {
    clause: Clause,
    compiled: Arc<Compiled>,
}

/// The family of rules that a condition belongs to: it decides what it may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    Security,
    /// Reads the requester only.
    License,
    /// Load balancing: reads the node and the resource.
    Sync,
}

/// Reads a condition. The problems are all that the text has; with an error among them there is
/// no condition, with warnings only there is.
#[must_use]
pub fn parse_condition(text: &str) -> (Option<Condition<Parsed>>, Vec<Problem>) {
    let (tree, problems) = syntax::parse(text);
    if problems.iter().any(Problem::is_error) {
        return (None, problems);
    }
    let condition =
        Condition { text: text.into(), warnings: problems.clone(), stage: Parsed { tree } };
    (Some(condition), problems)
}

/// The condition's text with straight double quotes in place of the curly and single ones that come
/// with texts pasted from documents; none if there are no others.
///
/// ```
/// let text = loggia_rules::straightened("user.name = “Ana” // it's me");
/// assert_eq!(text.as_deref(), Some("user.name = \"Ana\" // it's me"));
/// ```
#[must_use]
pub fn straightened(text: &str) -> Option<String> {
    syntax::straightened(text)
}

impl<Stage> Condition<Stage> {
    /// The text as given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Warnings about the text: usable, but worth a look.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

impl Condition<Parsed> {
    /// Whether the text says nothing, so that the condition always holds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stage.tree.is_none()
    }

    /// The condition's shape, for editors that show it as rows; none when it says nothing.
    #[must_use]
    pub fn outline(&self) -> Option<Outline> {
        self.stage.tree.as_ref().map(Outline::of)
    }

    /// Checks the condition for rules of `category` on any resource.
    pub fn check(self, category: Category) -> Result<Condition<Checked>, Vec<Problem>> {
        self.check_kinds(category, KindSet::ALL)
    }

    /// Checks the condition for a rule with this filter: a property must exist on at least one of
    /// the types that the filter names.
    pub fn check_for(
        self,
        category: Category,
        filter: &ResourceFilter,
    ) -> Result<Condition<Checked>, Vec<Problem>> {
        self.check_kinds(category, filter.kinds())
    }

    fn check_kinds(
        self,
        category: Category,
        kinds: KindSet,
    ) -> Result<Condition<Checked>, Vec<Problem>> {
        let Parsed { tree } = self.stage;
        compile(&self.text, tree, self.warnings, category, kinds)
    }
}

/// Checks what was parsed and tells all problems together, those of the parser too.
fn compile(
    text: &Arc<str>,
    tree: Option<Expr>,
    mut problems: Vec<Problem>,
    category: Category,
    kinds: KindSet,
) -> Result<Condition<Checked>, Vec<Problem>> {
    // A filter of unknown types only was warned about; its rule applies to nothing.
    let kinds = if kinds.is_empty() { KindSet::ALL } else { kinds };
    let clause = match &tree {
        Some(tree) => {
            let (clause, found) = check::check(text, tree, category, kinds);
            problems.extend(found);
            clause
        }
        None => Clause { span: Span::new(0, text.len()), node: Node::Constant(true) },
    };
    let mut problems = arranged(problems);
    if category == Category::License {
        // The parser does not know that there is no resource here.
        let no_use = |text: &String| text.starts_with("resource.");
        for problem in &mut problems {
            problem.suggestion = problem.suggestion.take().filter(|text| !no_use(text));
        }
    }
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    let compiled = Arc::new(Compiled::new(&clause));
    let stage = Checked { clause, compiled };
    Ok(Condition { text: text.clone(), warnings: problems, stage })
}

impl Condition<Checked> {
    /// Parses and checks in one step, for any resource.
    pub fn compile(text: &str, category: Category) -> Result<Condition<Checked>, Vec<Problem>> {
        let (tree, problems) = syntax::parse(text);
        compile(&text.into(), tree, problems, category, KindSet::ALL)
    }

    /// Parses and checks in one step, for a rule with this filter. Whatever is wrong with the text
    /// is told at once: a mistake of grammar hides no unknown property elsewhere.
    pub fn compile_for(
        text: &str,
        category: Category,
        filter: &ResourceFilter,
    ) -> Result<Condition<Checked>, Vec<Problem>> {
        let (tree, problems) = syntax::parse(text);
        compile(&text.into(), tree, problems, category, filter.kinds())
    }

    pub(crate) fn clause(&self) -> &Clause {
        &self.stage.clause
    }

    /// About how many bytes it takes in evaluable form.
    pub(crate) fn memory(&self) -> usize {
        self.stage.clause.memory() + self.stage.compiled.memory()
    }

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.stage.compiled
    }

    /// Whether evaluating it asks the rules again, through `HasPrivilege`.
    #[must_use]
    pub fn asks_rules(&self) -> bool {
        self.stage.compiled.asks_rules
    }
}

/// The condition in one line, with every parenthesis that its precedence implies. Read again, it is
/// the same condition.
impl fmt::Display for Condition<Parsed> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stage.tree {
            Some(tree) => tree.fmt(f),
            None => f.write_str("true"),
        }
    }
}

impl<Stage> fmt::Debug for Condition<Stage> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({:?})", self.text)
    }
}
