//! A rule's condition, from text to something that can be evaluated.

use std::sync::Arc;

use crate::ResourceFilter;
use crate::problem::Problem;

/// A condition at a stage: [`Parsed`] from text, then [`Checked`] against what rules may read.
/// Only a checked one can be evaluated.
#[derive(Clone, Debug)]
pub struct Condition<Stage> {
    text: Arc<str>,
    notices: Vec<Problem>,
    #[allow(dead_code, reason = "the evaluator comes next")]
    stage: Stage,
}

/// The text follows the grammar.
#[derive(Clone, Debug)]
pub struct Parsed {}

/// Every path, function and comparison in it can mean something.
#[derive(Clone, Debug)]
pub struct Checked {}

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
    (Some(Condition { text: text.into(), notices: Vec::new(), stage: Parsed {} }), Vec::new())
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
        &self.notices
    }
}

impl Condition<Parsed> {
    /// Checks the condition for rules of `category` on any resource.
    pub fn check(self, category: Category) -> Result<Condition<Checked>, Vec<Problem>> {
        self.check_for(category, &ResourceFilter::everything())
    }

    /// Checks the condition for a rule with this filter: a property must exist on at least one of
    /// the types that the filter names.
    pub fn check_for(
        self,
        _category: Category,
        _filter: &ResourceFilter,
    ) -> Result<Condition<Checked>, Vec<Problem>> {
        Ok(Condition { text: self.text, notices: self.notices, stage: Checked {} })
    }
}

impl Condition<Checked> {
    /// Parses and checks in one step, for any resource.
    pub fn compile(text: &str, category: Category) -> Result<Condition<Checked>, Vec<Problem>> {
        Condition::compile_for(text, category, &ResourceFilter::everything())
    }

    /// Parses and checks in one step, for a rule with this filter.
    pub fn compile_for(
        text: &str,
        category: Category,
        filter: &ResourceFilter,
    ) -> Result<Condition<Checked>, Vec<Problem>> {
        let (condition, problems) = parse_condition(text);
        condition.ok_or(problems)?.check_for(category, filter)
    }
}
