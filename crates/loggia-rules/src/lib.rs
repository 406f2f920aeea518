//! The condition language of security rules: parse, check, decide, explain.
//!
//! A rule reads: *let the requester do [`Actions`] on what [`ResourceFilter`] names, provided that
//! [`Condition`] holds, in [`Context`]*. This crate answers one question from such rules: may this
//! requester do this to that thing, and why. It knows no store, clock or session: everything it
//! reads about the requester and the thing comes through the [`Facts`] trait.
//!
//! Read [`Condition`] first, then [`RuleSet`] and [`decide`].
//!
//! ```
//! use loggia_rules::{Category, Condition};
//!
//! let condition = Condition::compile("!user.IsAnonymous()", Category::Security).unwrap();
//! assert_eq!(condition.text(), "!user.IsAnonymous()");
//!
//! let problems = Condition::compile("user.IsAnonymus()", Category::Security).unwrap_err();
//! assert_eq!(problems[0].suggestion.as_deref(), Some("IsAnonymous"));
//! ```
//!
//! [`lint`] tells what is worth a look about a rule that can be used.
//!
//! # Grammar
//!
//! ```text
//! condition  = [ orExpr ]
//! orExpr     = andExpr  { ("or"  | "||") andExpr }
//! andExpr    = notExpr  { ("and" | "&&") notExpr }
//! notExpr    = ( "!" | "not" ) notExpr | primary
//! primary    = "(" orExpr ")" | call | comparison | "true" | "false"
//! comparison = operand op operand
//! op         = "=" | "==" | "!=" | "!==" | "like" | "matches"
//! operand    = path | string | number | "true" | "false" | list | "(" operand ")"
//! list       = "{" operand { "," operand } "}"
//! path       = root { "." segment } | "@" name          (short for resource.@name)
//! root       = "user" | "resource" | "node"
//! segment    = name | "@" name
//! call       = path "." func "(" [ string ] ")"
//! func       = "HasPrivilege" | "Empty" | "IsAnonymous" | "IsOwned"
//! string     = '"' { char | escape } '"'                escapes: \" \\ \* \?
//! comment    = ( "//" | "#" ) to the end of the line
//! ```
//!
//! Keywords, functions and property names are read without letter case. Single and curly quotes
//! are accepted with a warning.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod audience;
mod check;
mod compiled;
mod condition;
mod decide;
mod digest;
mod explain;
mod index;
pub mod lint;
mod listing;
mod machine;
mod meaning;
mod outline;
mod paths;
mod people;
mod plan;
mod prefix;
mod program;
mod property;
mod questions;
mod requester;
mod residue;
mod rule_set;
mod solver;
mod subject_set;
mod subjects;
mod syntax;
mod text;
mod unknown;
mod web;

mod action;
mod facts;
mod filter;
mod kind;
mod problem;

pub mod oracle;
pub mod shipped;

pub use action::{Action, Actions, UnknownAction};
pub use audience::{Audience, Footprint};
pub use condition::{Category, Checked, Condition, Parsed, parse_condition, straightened};
pub use decide::{Decision, Outcome, Refusal, Request, admits, allows, decide, granted};
pub use explain::{Trace, trace};
pub use facts::{Context, Entity, Fact, Facts, RequestContext, Subject};
pub use filter::ResourceFilter;
pub use kind::{KindSet, ResourceKind, UnknownKind};
pub use lint::{Lint, LintScope, lint};
pub use listing::Listing;
pub use outline::{Outline, OutlineTest, quote};
pub use problem::{Problem, ProblemCode, Severity, Span, closest};
pub use property::{
    Property, ValueType, environment_properties, has_custom_properties, properties,
};
pub use residue::{Residue, Residues, Verdict};
pub use rule_set::{Effect, Rule, RuleSet};
pub use subject_set::SubjectSet;
pub use subjects::Subjects;
pub use text::same_name;
