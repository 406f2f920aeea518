use crate::expression::Environment;
use crate::value::Value;
pub(super) fn floor(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn ceil(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn round(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn frac(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn modulo(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn fmod(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn div(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn abs(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn sign(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn sqrt(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn sqr(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn exp(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn log(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn log10(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn pow(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn sin(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn cos(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn tan(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn asin(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn acos(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn atan(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn atan2(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn sinh(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn cosh(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn tanh(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn pi(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn e(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn even(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn odd(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn fact(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn combin(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn bit_count(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
