//! The load script: parse, plan and run it into engine tables.
//!
//! A script is text in the dialect that the field knows: statements that end with `;`, most of them `LOAD`.
//!
//! ```text
//! script    = { statement }
//! statement = [label ":"] { prefix } "LOAD" ["DISTINCT"] fields [source] { clause } ";" | SET … | LET … | IF … END IF | …
//! prefix    = "MAPPING" | "NOCONCATENATE" | "CONCATENATE" [(table)] | ["LEFT" | "RIGHT" | "INNER" | "OUTER"] ("JOIN" | "KEEP") [(table)]
//! fields    = ("*" | expression ["AS" name]) { "," … }
//! source    = "FROM" file [(format)] | "INLINE" [data] | "RESIDENT" table | "AUTOGENERATE" count | nothing before another LOAD
//! clause    = "WHERE" condition | "WHILE" condition | "GROUP BY" fields | "ORDER BY" fields
//! ```
//! Expressions are those of [`loggia_engine::expression`].
//!
//! [`check`] finds what is wrong without running; [`run`] reads files through a [`Connector`] and yields an [`Outcome`].
//! Left out on purpose: writing files, running programs, SQL (a connector per database is another crate's work).
//!
//! ```
//! use loggia_script::{NoFiles, Settings, run};
//!
//! let outcome = run("Cities: LOAD * INLINE [\nCity, People\nOslo, 700\n];", &NoFiles, &Settings::default(), &mut |_| {});
//! assert_eq!(outcome.unwrap().tables[0].rows(), 1);
//! ```

mod command;
mod connector;
mod outline;
mod parse;
mod problem;
mod run;

use outline::StatementKind;

pub use connector::{ConnectError, Connector, NoFiles, folder::FolderConnector};
pub use problem::Problem;
pub use run::{LogLine, Outcome, Settings, TableRows, run};

/// What is wrong with a script, as far as can be said without running it: statements with `$(…)` are only read when they run.
pub fn check(text: &str) -> Vec<Problem> {
    let outline = outline::outline(text);
    let mut problems = outline.problems;
    let mut read = |(start, end): (usize, usize), parse: &dyn Fn(&str) -> Vec<problem::Found>| {
        let part = &text[start..end];
        if !loggia_engine::expression::has_expansion(part) {
            problems.extend(parse(part).into_iter().map(|found| found.moved(start)));
        }
    };
    for statement in outline::all_statements(&outline.block) {
        match &statement.kind {
            StatementKind::Simple => {
                read((statement.start, statement.end), &|part| parse::parse_command(part).problems)
            }
            StatementKind::If { branches, .. } => {
                for (condition, _) in branches {
                    read(*condition, &|part| {
                        parse::parse_condition(part).err().unwrap_or_default()
                    });
                }
            }
            StatementKind::For { head, .. } => {
                read(*head, &|part| parse::parse_for(part).err().unwrap_or_default())
            }
            StatementKind::Sub { head, .. } => {
                read(*head, &|part| parse::parse_sub(part).err().unwrap_or_default())
            }
            StatementKind::Do { .. } => {}
        }
    }
    problems.sort_by_key(|found| found.start);
    problems.into_iter().map(|found| Problem::locate(found, text)).collect()
}

/// The sections of a script: the name on each `///$tab` line, and the text up to the next.
pub fn sections(text: &str) -> Vec<(&str, &str)> {
    let mut sections = Vec::new();
    let mut name = "Main";
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(next) = line.strip_prefix("///$tab") {
            if at > start || !sections.is_empty() {
                sections.push((name, &text[start..at]));
            }
            name = next.trim();
            start = at + line.len();
        }
        at += line.len();
    }
    sections.push((name, &text[start..]));
    sections
}
