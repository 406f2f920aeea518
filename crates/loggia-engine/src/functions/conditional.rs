use crate::expression::Environment;
use crate::value::Value;
pub(super) fn empty_is_null(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn match_exact(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn match_folded(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn match_wild(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn class(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn is_null(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn is_num(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn is_text(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn null(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn true_value(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn false_value(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn os_user(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn apply_eagerly(_f: super::Function, _a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
