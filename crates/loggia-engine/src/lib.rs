//! The associative engine: columns, associations, selections, expressions, hypercubes.
//!
//! Everything here is pure: no clock, file, socket or randomness. A [`DataModel`](model::DataModel) is built from
//! loaded [`Table`](table::Table)s and never changes. [`Selections`](selection::Selections) are small values. A
//! [`Calculator`](calculator::Calculator) answers, for a model and selections, which values are possible
//! ([`View`](view::View)), what a chart shows ([`Cube`](cube::Cube)) and what a list shows ([`List`](list::List)), and
//! keeps its answers for the next person who asks the same.
//!
//! ```
//! use std::sync::Arc;
//!
//! use loggia_engine::Value;
//! use loggia_engine::calculator::{Calculator, Context, NoSets, never};
//! use loggia_engine::expression::NoVariables;
//! use loggia_engine::format::Locale;
//! use loggia_engine::model::DataModel;
//! use loggia_engine::selection::{Locks, Pick, Selections};
//! use loggia_engine::table::{ColumnBuilder, Table};
//!
//! let mut region = ColumnBuilder::new("Region");
//! let mut amount = ColumnBuilder::new("Amount");
//! for (name, number) in [("North", 10.0), ("South", 20.0), ("North", 30.0)] {
//!     region.push(Value::from(name));
//!     amount.push(Value::Number(number));
//! }
//! let sales = Table::new("Sales", vec![region.finish(), amount.finish()])?;
//! let model = Arc::new(DataModel::link(vec![sales])?.model);
//! let calculator = Calculator::new(model.clone());
//!
//! let region = model.field("Region").ok_or("no such field")?;
//! let north = model.element(region, &Value::from("North")).ok_or("no such value")?;
//! let selections =
//!     calculator.select(&Selections::new(), "", region, &[north], Pick::Replace, Locks::Respect)?;
//! let context = Context {
//!     selections: &selections,
//!     state: "",
//!     variables: &NoVariables,
//!     sets: &NoSets,
//!     now: 46_000.0,
//!     locale: &Locale::default(),
//!     user: "ana",
//!     stop: &never,
//! };
//! assert_eq!(calculator.evaluate(&context, "Sum(Amount)")?, Value::Number(40.0));
//! assert!(calculator.evaluate(&context, "Sum(Amuont)").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
