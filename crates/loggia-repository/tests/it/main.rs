//! How the repository behaves, in one binary.

mod audit;
mod check;
mod directories;
mod entrances;
mod explain;
mod exposure;
mod fixture;
mod impact;
mod impact_proof;
mod ledger;
mod licence;
mod lists;
mod manage;
mod matrix;
mod nodes;
mod refusal;
mod rule_lints;
mod share;
mod snapshot;
mod store_suite;
mod trail;
