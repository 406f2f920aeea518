//! Small things of the wire that many structures share: numbers, enumerations with several
//! spellings, pages, number formats.

use loggia_engine::format::{NumberFormat, NumberKind};
use serde_json::{Value, json};

/// A number; what JSON cannot write is a text.
pub(crate) fn number(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.is_nan() {
        json!("NaN")
    } else if number.is_infinite() {
        json!(if number > 0.0 { "Infinity" } else { "-Infinity" })
    } else if number.fract() == 0.0 && number.abs() < EXACT {
        json!(number as i64)
    } else {
        json!(number)
    }
}

/// A number or the lack of one.
pub(crate) fn number_or_nan(value: Option<f64>) -> Value {
    number(value.unwrap_or(f64::NAN))
}

/// Reads a number that may come as `"NaN"` or `"Infinity"`.
pub(crate) fn read_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.trim().parse().ok(),
        },
        _ => None,
    }
}

/// A whole number at `name`, or `default`.
pub(crate) fn integer_at(value: &Value, name: &str, default: i64) -> i64 {
    value
        .get(name)
        .and_then(|value| value.as_i64().or_else(|| read_number(value).map(|n| n as i64)))
        .unwrap_or(default)
}

/// A flag at `name`; absent is false.
pub(crate) fn flag_at(value: &Value, name: &str) -> bool {
    match value.get(name) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        _ => false,
    }
}

/// A text at `name`; absent is empty.
pub(crate) fn text_at<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The expression at `name`: `{"qv": "…"}`, `{"qExpr": "…"}` or the text itself.
pub(crate) fn expression_at<'a>(value: &'a Value, name: &str) -> &'a str {
    let Some(value) = value.get(name) else { return "" };
    value
        .as_str()
        .or_else(|| value.get("qv").and_then(Value::as_str))
        .or_else(|| value.get("qExpr").and_then(Value::as_str))
        .unwrap_or_default()
}

/// The items at `name`; absent is none.
pub(crate) fn items_at<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The position in `spellings` of an enumeration's value, which clients write short, long, as a
/// number, or with a historic prefix.
pub(crate) fn choice(value: Option<&Value>, spellings: &[&[&str]]) -> Option<usize> {
    match value? {
        Value::Number(number) => {
            number.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n < spellings.len())
        }
        Value::String(text) => {
            let text = text.strip_prefix("EQ_").unwrap_or(text);
            spellings
                .iter()
                .position(|names| names.iter().any(|name| name.eq_ignore_ascii_case(text)))
        }
        _ => None,
    }
}

/// A rectangle of cells: `{qLeft, qTop, qWidth, qHeight}`, absent members being 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// More cells than this in one page or call are refused.
pub(crate) const MAX_CELLS: usize = 10_000;

impl Page {
    pub(crate) fn read(value: &Value) -> Page {
        let at = |name| usize::try_from(integer_at(value, name, 0)).unwrap_or(0);
        Page { left: at("qLeft"), top: at("qTop"), width: at("qWidth"), height: at("qHeight") }
    }

    /// The part of the page that lies within `columns` × `rows`.
    pub(crate) fn clipped(self, columns: usize, rows: usize) -> Page {
        let width = self.width.min(columns.saturating_sub(self.left));
        let height = self.height.min(rows.saturating_sub(self.top));
        if width == 0 || height == 0 {
            Page { left: self.left, top: self.top, width: 0, height: 0 }
        } else {
            Page { width, height, ..self }
        }
    }

    pub(crate) fn cells(self) -> usize {
        self.width.saturating_mul(self.height)
    }

    pub(crate) fn wire(self) -> Value {
        json!({
            "qLeft": self.left,
            "qTop": self.top,
            "qWidth": self.width,
            "qHeight": self.height,
        })
    }
}

const NUMBER_KINDS: [(NumberKind, &[&str]); 10] = [
    (NumberKind::Unknown, &["U", "UNKNOWN"]),
    (NumberKind::Text, &["A", "ASCII"]),
    (NumberKind::Integer, &["I", "INTEGER"]),
    (NumberKind::Real, &["R", "REAL"]),
    (NumberKind::Fixed, &["F", "FIX"]),
    (NumberKind::Money, &["M", "MONEY"]),
    (NumberKind::Date, &["D", "DATE"]),
    (NumberKind::Time, &["T", "TIME"]),
    (NumberKind::Timestamp, &["TS", "TIMESTAMP"]),
    (NumberKind::Interval, &["IV", "INTERVAL"]),
];

/// Reads `qNumFormat`; absent is the format of unknown kind.
pub(crate) fn number_format(value: Option<&Value>) -> NumberFormat {
    let Some(value) = value.filter(|value| value.is_object()) else {
        return NumberFormat::default();
    };
    let spellings: Vec<&[&str]> = NUMBER_KINDS.iter().map(|(_, names)| *names).collect();
    let kind = choice(value.get("qType"), &spellings)
        .and_then(|at| NUMBER_KINDS.get(at))
        .map_or(NumberKind::Unknown, |(kind, _)| *kind);
    NumberFormat {
        kind,
        decimals: u16::try_from(integer_at(value, "qnDec", 10).clamp(0, 30)).unwrap_or(10),
        use_thousands: flag_at(value, "qUseThou"),
        pattern: text_at(value, "qFmt").into(),
        decimal: text_at(value, "qDec").into(),
        thousand: text_at(value, "qThou").into(),
    }
}

/// Writes `qNumFormat`.
pub(crate) fn number_format_wire(format: &NumberFormat) -> Value {
    let kind = NUMBER_KINDS
        .iter()
        .find(|(kind, _)| *kind == format.kind)
        .and_then(|(_, names)| names.first())
        .unwrap_or(&"U");
    let mut wire = json!({
        "qType": kind,
        "qnDec": format.decimals,
        "qUseThou": i32::from(format.use_thousands),
    });
    for (name, text) in
        [("qFmt", &format.pattern), ("qDec", &format.decimal), ("qThou", &format.thousand)]
    {
        if !text.is_empty() {
            wire[name] = json!(&**text);
        }
    }
    wire
}

/// Copies the client's own members, those that do not start with `q`, into a result.
pub(crate) fn copy_client_members(from: &Value, to: &mut Value) {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return };
    for (name, value) in from {
        if !name.starts_with('q') {
            to.insert(name.clone(), value.clone());
        }
    }
}
