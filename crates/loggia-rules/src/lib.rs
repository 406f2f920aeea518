//! The condition language of security rules: parse, check, decide, explain.
