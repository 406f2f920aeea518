use crate::expression::Environment;
use crate::value::Value;
pub(super) fn len(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn left(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn right(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn mid(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn upper(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn lower(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn capitalize(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn trim(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn trim_left(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn trim_right(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn sub_field(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn sub_string_count(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn index(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn find_one_of(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn replace(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn purge_char(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn keep_char(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn text_between(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn repeat(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn chr(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn ord(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn hash128(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn hash160(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn hash256(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn levenshtein(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn text(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn num(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn num_parse(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn money(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn dual(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn edit_distance(_a: &str, _b: &str) -> usize {
    9
}
