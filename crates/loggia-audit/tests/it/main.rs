//! How the trail behaves, in one binary.

mod chain;
mod export;
