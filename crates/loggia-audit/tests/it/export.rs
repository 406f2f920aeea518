//! What leaves the house is read as what it is, whatever visitors wrote into it.

use expect_test::expect;
use loggia_audit::{Entry, Event, Head, Kind, Row, export};
use loggia_model::Moment;
use proptest::prelude::*;

fn row(principal: &str, detail: &str) -> Row {
    let mut event =
        Event::new(Kind::SessionDenied, Moment(1_795_507_200_000)).with("finding", detail);
    event.principal = principal.to_owned();
    event.address = Some("203.0.113.77".parse().unwrap());
    event.node = "hub.example".to_owned();
    Entry::new(event, &mut || [1; 16]).chained(&mut Head::default())
}

#[test]
fn a_row_in_each_shape() {
    let row = row("LOGGIA\\ana", "no rule \"grants\" it");
    let text = format!(
        "{}{}{}",
        export::json_line(&row),
        export::csv_line(&row),
        export::syslog(&row, "hub.example")
    );
    let text = text.replace(&export::hex(&row.hash), "<hash>").replace(&"00".repeat(32), "<none>");
    // Lines of CSV end as RFC 4180 has it, which a text of this file cannot hold.
    assert_eq!(text.matches("\r\n").count(), 1);
    let text = text.replace("\r\n", "\n");
    expect![[r#"
        {"number":1,"time":"2026-11-24T08:00:00.000Z","event":"session.denied","class":"refusal","correlation":"","node":"hub.example","principal":"LOGGIA\\ana","anonymous":false,"session":null,"entrance":"","app":null,"address":"203.0.113.77","details":{"finding":"no rule \"grants\" it"},"personal":{},"previous":"<none>","hash":"<hash>"}
        1,2026-11-24T08:00:00.000Z,session.denied,refusal,,hub.example,LOGGIA\ana,false,,,,203.0.113.77,"{""finding"":""no rule \""grants\"" it""}",<none>,<hash>
        <108>1 2026-11-24T08:00:00.000Z hub.example loggia - session.denied [event@32473 number="1" principal="LOGGIA\\ana" address="203.0.113.77" hash="<hash>"] ﻿{"finding":"no rule \"grants\" it"}"#]].assert_eq(&text);
}

proptest! {
    #[test]
    fn no_cell_begins_a_formula_and_no_line_breaks_out(
        principal in "[=+@\\t\\r\\n\"\\]\\\\, a-c\\u{1b}\\u{85}-]{0,12}",
        detail in "\\PC{0,20}",
    ) {
        let row = row(&principal, &detail);
        prop_assert_eq!(export::json_line(&row).matches('\n').count(), 1);
        let syslog = export::syslog(&row, "h");
        prop_assert!(!syslog.chars().any(char::is_control), "{:?}", syslog);

        let line = export::csv_line(&row);
        let cells = cells(&line);
        prop_assert_eq!(cells.len(), export::CSV_HEADER.split(',').count());
        for cell in &cells {
            let first = cell.trim_start().chars().next();
            prop_assert!(!matches!(first, Some('=' | '+' | '-' | '@')), "{cell:?}");
        }
        let read = cells[6].strip_prefix('\'').unwrap_or(&cells[6]);
        prop_assert_eq!(read, principal.strip_prefix('\'').unwrap_or(&principal));
    }
}

/// A slow and plain reader of one line of CSV.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.strip_suffix("\r\n").unwrap().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cells.last_mut().unwrap().push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(String::new()),
            other => cells.last_mut().unwrap().push(other),
        }
    }
    cells
}
