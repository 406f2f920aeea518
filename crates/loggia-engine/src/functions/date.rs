use crate::expression::Environment;
use crate::value::Value;
pub(super) fn date(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn date_parse(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn time(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn time_parse(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn timestamp(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn timestamp_parse(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn interval(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn interval_parse(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn make_date(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn make_time(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn make_week_date(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn year(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn month(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn day(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn week(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn week_year(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn week_day(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn hour(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn minute(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn second(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn month_name(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn quarter_name(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn year_name(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn month_start(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn month_end(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn quarter_start(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn quarter_end(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn year_start(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn year_end(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn week_start(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn week_end(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn week_name(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn day_start(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn day_end(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn day_number_of_year(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn add_months(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn add_years(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn age(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn in_year(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn in_month(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn today(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
pub(super) fn now(_a: &[Value], _e: &Environment<'_>) -> Value {
    Value::Null
}
