//! The `loggia` binary.
fn main() {}
