//! `loggia explain`: why somebody may do something, or may not, for people to read.

use std::fmt::Write;
use std::path::Path;

use anyhow::bail;
use loggia_model::{Caller, InternalAccount, RequestContext};
use loggia_repository::{Explanation, ManageError, Question, Reason, RuleName, Verdict};
use loggia_rules::ResourceKind;

use crate::cli::{ReportFormat, say};
use crate::serve::inspect_repository;

/// Rules that a text shows before it says how many more there are.
const MOST_RULES: usize = 10;

/// Prints the explanation, and says whether it is allowed.
pub(crate) fn explain(
    data: &Path,
    question: &Question,
    format: ReportFormat,
) -> anyhow::Result<bool> {
    let repository = inspect_repository(data)?;
    let caller = Caller::internal(InternalAccount::Repository);
    let found = match repository.explain(&caller, question) {
        Ok(found) => found,
        Err(ManageError::Invalid(problems)) => {
            let lines: Vec<_> =
                problems.iter().map(|p| format!("{}: {}", p.place, p.message)).collect();
            bail!("{}", lines.join("\n"));
        }
        Err(error) => return Err(error.into()),
    };
    say(&match format {
        ReportFormat::Text => as_text(&found),
        ReportFormat::Json => format!("{:#}\n", loggia_qrs::explanation(&found)),
    })?;
    Ok(found.verdict.is_allowed())
}

fn as_text(found: &Explanation) -> String {
    let mut text = String::new();
    let may = if found.verdict.is_allowed() { "may" } else { "may NOT" };
    let context = match found.context {
        RequestContext::Hub => "in the hub",
        RequestContext::Console => "in the console",
    };
    let entrance = if found.entrance.is_default() { "/".to_owned() } else { found.entrance.base() };
    let name = match found.resource.name.as_str() {
        "" => String::new(),
        name if *name == found.resource.text => String::new(),
        name => format!(" {name:?}"),
    };
    let what = match found.resource.id {
        None if found.resource.name.is_empty() => format!("a new {}", found.resource.text),
        _ => format!("{}{name}", found.resource.text),
    };
    let _ = writeln!(
        text,
        "{} {may} {} {what}\n  {context}, through entrance {entrance}, site version {}",
        found.subject.key, found.action, found.version
    );
    for note in &found.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    let is_place = matches!(found.resource.kind, ResourceKind::App | ResourceKind::Stream);
    if found.subject.is_anonymous && is_place && found.resource.id.is_some() {
        let _ = writeln!(
            text,
            "  note: licence and data count as well: loggia check anonymous --prefix {}",
            match found.entrance.as_str() {
                "" => "''",
                prefix => prefix,
            }
        );
    }
    if let Some(account) = &found.account {
        let _ = writeln!(text, "Refused at the account gate (ACC-INACTIVE): {account}");
    }
    if found.verdict == Verdict::OwnsNothing {
        let _ =
            writeln!(text, "Refused (RULE-DENIED): visitors own nothing, and this has an owner");
    }
    reasons(&mut text, "Granted by", &found.granted_by);
    reasons(&mut text, "Forbidden by, which wins (RULE-DENIED)", &found.forbidden_by);
    if found.granted_by.is_empty() {
        if found.nearest.is_empty() {
            let _ = writeln!(text, "No rule grants it (RULE-DENIED): none speaks of it here");
        } else {
            let _ = writeln!(
                text,
                "No rule grants it (RULE-DENIED); what is in the way, nearest first"
            );
        }
        for reason in found.nearest.iter().take(MOST_RULES) {
            refusal(&mut text, found, reason);
        }
        let more = found.nearest.len().saturating_sub(MOST_RULES);
        if more > 0 {
            let _ = writeln!(text, "  and {more} more rules; --format json lists all");
        }
    }
    let named = |rule: &RuleName| format!("{} ({})", rule.name, rule.id);
    for rule in &found.disabled {
        let _ = writeln!(text, "Disabled, but would grant it: {}", named(rule));
    }
    for unreadable in &found.unreadable {
        let (rule, message) = (named(&unreadable.rule), &unreadable.message);
        let _ = writeln!(text, "Cannot be read, so it grants nothing: {rule}: {message}");
    }
    if found.elsewhere && !found.verdict.is_allowed() {
        let other = match found.context {
            RequestContext::Hub => "console",
            RequestContext::Console => "hub",
        };
        let _ = writeln!(text, "In the {other} the rules would allow it (--context {other})");
    }
    text
}

fn reasons(text: &mut String, title: &str, reasons: &[Reason]) {
    if reasons.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}");
    for reason in reasons {
        let _ = writeln!(text, "  {} ({})", reason.rule.name, reason.rule.id);
        clause(text, reason, "the empty condition, which always holds");
    }
}

fn refusal(text: &mut String, found: &Explanation, reason: &Reason) {
    let away = match reason.distance {
        1 => "1 clause away".to_owned(),
        many if many >= 1_000_000 => "can never hold".to_owned(),
        many => format!("{many} clauses away"),
    };
    let _ = writeln!(text, "  {} ({}), {away}", reason.rule.name, reason.rule.id);
    clause(text, reason, "");
    for further in reason.asked.iter().filter(|further| !further.is_granted) {
        let _ = writeln!(
            text,
            "      ask why: loggia explain --user '{}' --action {} --resource {}",
            found.subject.key, further.action, further.resource.text
        );
    }
}

fn clause(text: &mut String, reason: &Reason, empty: &str) {
    let words: Vec<_> = reason.clause.split_whitespace().collect();
    if words.is_empty() {
        let _ = writeln!(text, "      {empty}");
    } else {
        let (line, column) = (reason.line, reason.column);
        let _ = writeln!(text, "      line {line}, column {column}: {}", words.join(" "));
    }
    for seen in &reason.seen {
        let _ = writeln!(text, "      saw {seen}");
    }
}
