//! How the repository behaves, in one binary.

mod check;
mod fixture;
mod licence;
mod manage;
mod matrix;
mod snapshot;
mod store_suite;
