//! Use cases on entities, the site snapshot, and the store behind it.

pub mod store;
