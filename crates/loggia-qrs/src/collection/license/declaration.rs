//! `/licensepool/declaration`: licences as a file, out and in.

use loggia_repository::{Declaration, ImportStep, Imported, StepOutcome};
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::collection::system_rule::refuse_visitor;
use crate::problem::{Problem, violations};

/// As JSON, or with `format=toml` as a file that people write.
pub(crate) fn export(call: &Call) -> Result<Answer, Problem> {
    let declaration = call.repository.licence_declaration(&call.caller)?;
    match call.query.get("format") {
        None | Some("json") => {
            Ok(Answer::Ok(serde_json::to_value(&declaration).map_err(|error| {
                tracing::error!(%error, "a declaration cannot be written: {error}");
                Problem::bad("the licences cannot be written as JSON; the log tells why")
            })?))
        }
        Some("toml") => Ok(Answer::File {
            content_type: "application/toml; charset=utf-8",
            name: "licences.toml",
            bytes: declaration.to_toml().into_bytes(),
        }),
        Some(other) => Err(Problem::bad(format!("format is {other:?}, expected json or toml"))),
    }
}

/// TOML or JSON; with `dryrun=true` nothing is stored.
pub(crate) fn import(call: &Call) -> Result<Answer, Problem> {
    let text = std::str::from_utf8(&call.bytes)
        .map_err(|_| Problem::bad("the declaration is no UTF-8 text"))?;
    let is_dry_run = call.query.flag("dryrun")?;
    refuse_visitor(call)?;
    let declaration =
        Declaration::parse(text).map_err(|error| Problem::bad(format!("declaration: {error}")))?;
    let imported = if is_dry_run {
        call.repository.preview_licences(&call.caller, &declaration)?
    } else {
        call.repository.import_licences(&call.caller, &declaration)?
    };
    Ok(Answer::Ok(told(&imported)))
}

fn told(imported: &Imported) -> Value {
    json!({
        "dryRun": imported.is_dry_run,
        "steps": imported.steps.iter().map(step).collect::<Vec<_>>(),
        "warnings": violations(&imported.warnings),
    })
}

fn step(step: &ImportStep) -> Value {
    let (outcome, members) = match &step.outcome {
        StepOutcome::Made => ("made", json!([])),
        StepOutcome::Changed(members) => ("changed", json!(members)),
        StepOutcome::Same => ("same", json!([])),
        StepOutcome::NotMentioned => ("notMentioned", json!([])),
    };
    json!({
        "what": step.what,
        "name": step.name,
        "pool": step.pool,
        "outcome": outcome,
        "members": members,
    })
}
