use crate::expression::Environment;
use crate::value::Value;
pub(super) fn rgb(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn argb(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn hsl(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn color(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn mix1(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn mix2(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn black(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn blue(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn brown(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn cyan(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn dark_gray(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn green(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn light_blue(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn light_cyan(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn light_gray(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn light_green(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn light_magenta(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn light_red(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn magenta(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn red(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn white(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn yellow(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
