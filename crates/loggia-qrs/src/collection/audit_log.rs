//! `/auditlog`: what happened, for those whose rules open the console's section *Audit* to them.

use loggia_model::Moment;
use loggia_repository::loggia_audit::{Class, Kind, export as shape};
use loggia_repository::{TrailFilter, TrailOrder, TrailPage};
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::filter;
use crate::problem::Problem;

/// Rows of a page that nobody asked for by number.
const ROWS: usize = 100;

/// One page, newest first. The next one begins with `before` (or `after`) the `next` of this one.
pub(crate) fn list(call: &Call) -> Result<Answer, Problem> {
    let page = page(call)?;
    let next = page.rows.last().filter(|_| page.has_more).map(|row| row.number);
    Ok(Answer::Ok(json!({
        "events": page.rows.iter().map(shape::object).collect::<Vec<Value>>(),
        "next": next,
        "first": page.head.pruned.saturating_add(1),
        "last": page.head.number,
        "hash": shape::hex(&page.head.hash),
    })))
}

/// One page as a file: `format` is `csv` or `jsonl`.
pub(crate) fn export(call: &Call) -> Result<Answer, Problem> {
    let page = page(call)?;
    let (content_type, name, text) = match call.query.get("format").unwrap_or("csv") {
        "csv" => {
            let lines: String = page.rows.iter().map(shape::csv_line).collect();
            ("text/csv; charset=utf-8", "auditlog.csv", format!("{}{lines}", shape::CSV_HEADER))
        }
        "jsonl" => {
            let lines = page.rows.iter().map(shape::json_line).collect();
            ("application/x-ndjson", "auditlog.jsonl", lines)
        }
        _ => return Err(Problem::bad("format: csv or jsonl")),
    };
    Ok(Answer::File { content_type, name, bytes: text.into_bytes() })
}

/// Whether the trail is as it was written. The seal is looked at where the key is: by
/// `loggia audit verify`.
pub(crate) fn verify(call: &Call) -> Result<Answer, Problem> {
    // Who may read it may ask whether it is whole.
    call.repository.trail(&call.caller, &TrailFilter::default(), 1)?;
    let report = call.repository.verify_trail(None)?;
    let faults: Vec<Value> = report
        .verdict
        .faults
        .iter()
        .map(|fault| json!({ "number": fault.place, "detail": fault.to_string() }))
        .collect();
    Ok(Answer::Ok(json!({
        "isWhole": report.verdict.is_whole(),
        "rows": report.verdict.rows,
        "count": report.verdict.count,
        "faults": faults,
        "first": report.head.pruned.saturating_add(1),
        "last": report.head.number,
        "hash": shape::hex(&report.head.hash),
    })))
}

fn page(call: &Call) -> Result<TrailPage, Problem> {
    let filter = asked(call)?;
    let most = call.query.number("limit")?.unwrap_or(ROWS);
    Ok(call.repository.trail(&call.caller, &filter, most)?)
}

fn asked(call: &Call) -> Result<TrailFilter, Problem> {
    let query = &call.query;
    let text = |name| query.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let moment = |name: &str| match query.get(name) {
        None => Ok(None),
        Some(text) => filter::moment(text)
            .map(|millis| Some(Moment(millis)))
            .ok_or_else(|| Problem::bad(format!("{name}: {text:?} is no time"))),
    };
    let number = |name| Ok::<_, Problem>(query.number(name)?.map(|number| number as u64));
    let mut kinds = Vec::new();
    for name in query.get("event").unwrap_or_default().split(',').filter(|name| !name.is_empty()) {
        kinds.push(name.parse().map_err(|()| Problem::bad(format!("event: no such {name:?}")))?);
    }
    if let Some(name) = query.get("class") {
        let class: Class =
            name.parse().map_err(|()| Problem::bad(format!("class: no such {name:?}")))?;
        let of_class = |kind: &Kind| kind.class() == class;
        if kinds.is_empty() {
            kinds.extend(Kind::ALL.iter().copied().filter(of_class));
        } else {
            kinds.retain(of_class);
            if kinds.is_empty() {
                return Err(Problem::bad("class: none of these events is of this class"));
            }
        }
    }
    Ok(TrailFilter {
        from: moment("from")?,
        to: moment("to")?,
        kinds,
        principal: text("principal"),
        is_anonymous: match query.get("anonymous") {
            None => None,
            Some(_) => Some(query.flag("anonymous")?),
        },
        session: text("session"),
        entrance: text("entrance"),
        app: text("app"),
        correlation: text("correlation"),
        after: number("after")?,
        before: number("before")?,
        order: match query.get("order") {
            None | Some("desc") => TrailOrder::NewestFirst,
            Some("asc") => TrailOrder::OldestFirst,
            Some(_) => return Err(Problem::bad("order: asc or desc")),
        },
    })
}
