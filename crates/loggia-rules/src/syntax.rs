//! From text to a tree with positions.

mod lexer;
mod parser;
mod tree;

pub(crate) use lexer::straightened;
pub(crate) use parser::parse;
pub(crate) use tree::{
    Comparison, Expr, Function, Literal, Operand, Path, Root, Segment, is_escapable,
};
