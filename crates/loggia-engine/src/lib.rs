//! The associative engine: columns, associations, selections, expressions, hypercubes.

pub mod expression;
pub mod format;
pub mod functions;
pub mod value;

pub use value::Value;
