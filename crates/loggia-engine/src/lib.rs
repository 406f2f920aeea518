//! The associative engine: columns, associations, selections, expressions, hypercubes.
//!
//! Everything here is pure: no clock, file, socket or randomness. A [`DataModel`](model::DataModel) is built from
//! loaded [`Table`](table::Table)s and never changes. [`Selections`](selection::Selections) are small values. A
//! [`Calculator`](calculator::Calculator) answers, for a model and selections, which values are possible
//! ([`View`](view::View)), what a chart shows ([`Cube`](cube::Cube)) and what a list shows ([`List`](list::List)), and
//! keeps its answers for the next person who asks the same.
//!
//! Deliberately absent: the wire's JSON, titles and labels (the wire layer's), files other than the model's own bytes.

pub mod value;

pub mod table;

pub mod model;

pub mod bitmap;
pub mod selection;
pub mod view;

pub mod expression;
pub mod format;
pub mod functions;

pub mod calculator;
pub mod cube;
pub mod list;

pub use value::Value;
