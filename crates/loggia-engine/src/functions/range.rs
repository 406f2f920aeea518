use crate::expression::Environment;
use crate::value::Value;
pub(super) fn sum(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn min(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn max(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn avg(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn count(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn numeric_count(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn text_count(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn null_count(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn only(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn stdev(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn min_string(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn max_string(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
