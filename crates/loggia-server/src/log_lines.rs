//! How does an event become a line of the log? As one line, whatever it holds, and of a bounded
//! length: names, addresses and headers are chosen by others.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::Value;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// Longest line that is written, in bytes, give or take the words that say so.
pub const LONGEST: usize = 16 * 1_024;
/// What is kept of each text of a structured line that is too long, in letters.
const LONGEST_TEXT: usize = 512;

/// Lines for people; `has_colours` where they go to a terminal.
pub fn text<S, W>(writer: W, has_colours: bool) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let writer = Bounded { inner: writer, write: write_text };
    fmt::layer().with_ansi(has_colours).with_writer(writer)
}

/// Lines for programs: a JSON object each.
pub fn json<S, W>(writer: W) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    fmt::layer().json().with_writer(Bounded { inner: writer, write: write_json })
}

/// Puts what is written in order on its way to `inner`. The formatter writes each event at once.
struct Bounded<W> {
    inner: W,
    write: fn(&str) -> String,
}

struct Line<W> {
    inner: W,
    write: fn(&str) -> String,
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Bounded<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { inner: self.inner.make_writer(), write: self.write }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        Line { inner: self.inner.make_writer_for(about), write: self.write }
    }
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = (self.write)(text.strip_suffix('\n').unwrap_or(&text));
        self.inner.write_all(format!("{line}\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn write_text(event: &str) -> String {
    let mut line = String::with_capacity(event.len());
    for c in event.chars() {
        match c {
            // Colours; the formatter has taken the escapes out of what is not its own.
            '\u{1b}' => line.push(c),
            // A mark that turns the direction would show a line other than it is.
            c if c.is_control() || is_misleading(c) => {
                let _ = write!(line, "{}", c.escape_default());
            }
            c => line.push(c),
        }
        if line.len() > LONGEST {
            line.push_str("… (cut)");
            break;
        }
    }
    line
}

fn is_misleading(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn write_json(event: &str) -> String {
    if event.len() <= LONGEST {
        return event.to_owned();
    }
    let Ok(mut value) = serde_json::from_str(event) else { return event.to_owned() };
    shorten(&mut value);
    value.to_string()
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > LONGEST_TEXT => {
            let mut kept: String = text.chars().take(LONGEST_TEXT).collect();
            kept.push_str("… (cut)");
            *text = kept;
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(members) => members.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_and_a_bounded_one() {
        assert_eq!(write_text("a\r\nINFO b\tc\u{202e}d"), "a\\r\\nINFO b\\tc\\u{202e}d");
        assert_eq!(write_text("Größe 1 … \u{1b}[2mok"), "Größe 1 … \u{1b}[2mok");
        let cut = write_text(&"ö".repeat(1_000_000));
        assert!(cut.len() < LONGEST + 20 && cut.ends_with("… (cut)"), "{}", cut.len());
        let event =
            serde_json::json!({ "fields": { "message": "ö".repeat(100_000), "code": "X" } });
        let line = write_json(&event.to_string());
        let value: Value = serde_json::from_str(&line).unwrap();
        assert!(line.len() < 2_000, "{}", line.len());
        assert_eq!(value["fields"]["code"], "X");
    }
}
