//! How rules behave, in the reader's terms. The module [`site`] is the small world they run in.

mod conditions;
mod corpus;
mod decisions;
mod filters;
mod invariants;
mod lints;
mod problems;
mod proof;
mod rewrites;
mod sets;
mod shipped;
mod site;
mod traces;
