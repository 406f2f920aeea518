//! In what shapes do rows leave the house? JSON lines, CSV and syslog.

use std::fmt::Write;

use loggia_model::Moment;
use serde_json::{Map, Value, json};

use crate::chain::Row;
use crate::event::Class;

/// The first line of the CSV.
pub const CSV_HEADER: &str = "number,time,event,class,correlation,node,principal,anonymous,session,\
                              entrance,app,address,details,previous,hash\r\n";

/// One row as an object; also what the REST interface answers.
#[must_use]
pub fn object(row: &Row) -> Value {
    let entry = &row.entry;
    let mut personal = entry.personal_values();
    personal.remove("address");
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("number", json!(row.number));
    put("time", json!(iso(entry.time)));
    put("event", json!(entry.kind));
    put("class", json!(entry.class().map_or("", Class::as_str)));
    put("correlation", json!(entry.correlation));
    put("node", json!(entry.node));
    put("principal", json!(entry.principal));
    put("anonymous", json!(entry.is_anonymous));
    put("session", json!(entry.session));
    put("entrance", json!(entry.entrance));
    put("app", json!(entry.app));
    put("address", json!(entry.address()));
    put("details", Value::Object(entry.detail_values()));
    put("personal", Value::Object(personal));
    put("previous", json!(hex(&row.previous)));
    put("hash", json!(hex(&row.hash)));
    Value::Object(object)
}

/// One row as a line of JSON.
#[must_use]
pub fn json_line(row: &Row) -> String {
    let mut line = object(row).to_string();
    line.push('\n');
    line
}

/// One row as a line of CSV. Nothing in it begins a formula for the spreadsheet that opens it.
#[must_use]
pub fn csv_line(row: &Row) -> String {
    let entry = &row.entry;
    let cells = [
        row.number.to_string(),
        iso(entry.time),
        entry.kind.clone(),
        entry.class().map_or("", Class::as_str).to_owned(),
        entry.correlation.clone(),
        entry.node.clone(),
        entry.principal.clone(),
        entry.is_anonymous.to_string(),
        entry.session.clone().unwrap_or_default(),
        entry.entrance.clone(),
        entry.app.clone().unwrap_or_default(),
        entry.address().unwrap_or_default(),
        entry.details.clone(),
        hex(&row.previous),
        hex(&row.hash),
    ];
    let mut line = cells.map(|cell| csv_cell(&cell)).join(",");
    line.push_str("\r\n");
    line
}

/// One row as a syslog message (RFC 5424), facility *log audit*. Control characters cannot break
/// out of it: they are escaped in JSON, and replaced in parameters.
#[must_use]
pub fn syslog(row: &Row, host: &str) -> String {
    let entry = &row.entry;
    // Facility 13; warning for refusals, notice for management, else informational.
    let severity = match entry.class() {
        Some(Class::Refusal) => 4,
        Some(Class::Management) => 5,
        _ => 6,
    };
    let mut message = format!(
        "<{}>1 {} {} loggia - {} [event@32473",
        13 * 8 + severity,
        iso(entry.time),
        word(host, 255),
        word(&entry.kind, 32)
    );
    let address = entry.address().unwrap_or_default();
    let parameters = [
        ("number", row.number.to_string()),
        ("principal", entry.principal.clone()),
        ("entrance", entry.entrance.clone()),
        ("address", address),
        ("session", entry.session.clone().unwrap_or_default()),
        ("app", entry.app.clone().unwrap_or_default()),
        ("correlation", entry.correlation.clone()),
        ("hash", hex(&row.hash)),
    ];
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        // Writing into a text cannot fail.
        let _ = write!(message, " {name}=\"");
        for character in value.chars() {
            match character {
                '"' | '\\' | ']' => {
                    message.push('\\');
                    message.push(character);
                }
                character if character.is_control() => message.push('?'),
                character => message.push(character),
            }
        }
        message.push('"');
    }
    // The mark says that the text is UTF-8.
    message.push_str("] \u{feff}");
    // JSON has escapes for control characters below the space; these are the others.
    message.extend(entry.details.chars().map(|c| if c.is_control() { '?' } else { c }));
    message
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn iso(moment: Moment) -> String {
    jiff::Timestamp::from_millisecond(moment.0)
        .map(|timestamp| format!("{timestamp:.3}"))
        .unwrap_or_default()
}

/// A cell that a spreadsheet takes for text, whatever it begins with.
fn csv_cell(text: &str) -> String {
    let begins_formula =
        text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r', '\n']);
    let guard = if begins_formula { "'" } else { "" };
    if begins_formula || text.contains(['"', ',', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Printable ASCII without spaces, as RFC 5424 wants names; a dash for nothing.
fn word(text: &str, most: usize) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}
