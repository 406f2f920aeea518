//! What the command line does beside serving. Each works on a data folder, whether a server runs
//! on it or not; a running server takes changes over within a second.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, bail};
use loggia_auth::Passwords;
use loggia_model::entity::{AnonymousMode, AuthenticationMethod};
use loggia_model::{AppId, Caller, InternalAccount, Prefix, UserKey};
use loggia_repository::{
    AnonymousReport, Exposure, GateOutcome, RecordedExposure, TicketEdit, UserEdit,
    VirtualProxyEdit,
};
use serde_json::json;

use crate::cli::{ExposureFormat, ReportFormat, say};
use crate::serve::{engine, inspect_repository, open_repository};
use crate::settings::Settings;

/// Prints whether a visitor could come in, and says whether every gate is open.
pub(crate) fn check_anonymous(
    data: &Path,
    prefix: &Prefix,
    format: ReportFormat,
) -> anyhow::Result<bool> {
    let repository = inspect_repository(data)?;
    let report = repository.check_anonymous(prefix).context("cannot check the gates")?;
    let text = match format {
        ReportFormat::Text => as_text(&report),
        ReportFormat::Json => as_json(&report),
    };
    say(&text)?;
    Ok(report.is_open())
}

/// Prints everything visitors can reach, or what differs from a recorded report, and says whether
/// nothing does.
pub(crate) fn exposure(
    data: &Path,
    format: ExposureFormat,
    against: Option<&Path>,
) -> anyhow::Result<bool> {
    // Read before anything slow: a wrong name is told at once.
    let record = against.map(read_record).transpose()?;
    let repository = inspect_repository(data)?;
    let report = Exposure::of(&repository.site());
    let Some(record) = record else {
        say(&match format {
            ExposureFormat::Table => report.to_table(),
            ExposureFormat::Json => report.to_json(),
            ExposureFormat::Csv => report.to_csv(),
        })?;
        return Ok(true);
    };
    let difference = report.difference(&record);
    say(&match format {
        ExposureFormat::Table => difference.to_text(),
        ExposureFormat::Json => format!("{:#}\n", difference.to_json()),
        ExposureFormat::Csv => difference.to_csv(),
    })?;
    Ok(difference.is_empty())
}

fn read_record(file: &Path) -> anyhow::Result<RecordedExposure> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the recorded report {}", file.display()))?;
    RecordedExposure::parse(&text)
        .with_context(|| format!("cannot compare with {}", file.display()))
}

/// Makes a local user.
pub(crate) fn add_user(
    settings: &Settings,
    user: &str,
    name: Option<String>,
    roles: Vec<String>,
    password: &str,
) -> anyhow::Result<()> {
    let key = key(settings, user)?;
    let repository = open_repository(&settings.data)?;
    let caller = Caller::internal(InternalAccount::Repository);
    let hash = Passwords::hash_now(password)?;
    let edit = UserEdit { key: Some(key.clone()), name, roles: Some(roles), ..UserEdit::default() };
    let made = repository.create_user(&caller, None, edit)?;
    repository.set_password(&caller, made.id, &hash)?;
    say(&format!("{key} can log in now.\n"))
}

/// Sets a local user's password.
pub(crate) fn set_password(settings: &Settings, user: &str, password: &str) -> anyhow::Result<()> {
    let key = key(settings, user)?;
    let repository = open_repository(&settings.data)?;
    let Some(found) = repository.site().user_by_key(&key).cloned() else {
        bail!("there is no user {key}");
    };
    let hash = Passwords::hash_now(password)?;
    let caller = Caller::internal(InternalAccount::Repository);
    repository.set_password(&caller, found.id, &hash)?;
    say(&format!("The password of {key} is set.\n"))
}

/// Lets people sign in at an entrance by the built-in form. The settings of the other methods stay
/// as they are.
pub(crate) fn sign_in_by_form(data: &Path, prefix: &Prefix) -> anyhow::Result<()> {
    let repository = open_repository(data)?;
    let site = repository.site();
    let Some(entrance) = site.entrance_anywhere(prefix) else {
        let mut known: Vec<_> =
            site.virtual_proxies().map(|known| format!("{:?}", known.prefix.as_str())).collect();
        known.sort();
        bail!("there is no entrance {:?}; there are: {}", prefix.as_str(), known.join(", "));
    };
    let edit = VirtualProxyEdit {
        method: Some(AuthenticationMethod::Ticket),
        ticket: TicketEdit { module_uri: Some(String::new()), ..TicketEdit::default() },
        // Where only visitors come in, a form would be of no use.
        anonymous: (entrance.anonymous == AnonymousMode::Always).then_some(AnonymousMode::Allowed),
        ..VirtualProxyEdit::default()
    };
    let caller = Caller::internal(InternalAccount::Repository);
    repository.update_virtual_proxy(&caller, entrance.id, None, edit)?;
    say(&format!("People sign in by the form at {}/login now.\n", prefix.base()))
}

/// Runs an app's load script.
pub(crate) fn reload(data: &Path, demo_files: Option<&Path>, app: AppId) -> anyhow::Result<()> {
    let repository = open_repository(data)?;
    let caller = Caller::internal(InternalAccount::Scheduler);
    let report = engine(&repository, demo_files).reload_app(&caller, app)?;
    let mut text = format!("Reloaded {app} in {} ms.\n", report.millis);
    for (table, rows) in &report.tables {
        let _ = writeln!(text, "  {table}: {rows} rows");
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "  note: {warning}");
    }
    say(&text)
}

fn key(settings: &Settings, user: &str) -> anyhow::Result<UserKey> {
    let (directory, id) = user.split_once('\\').unwrap_or((&settings.default_directory, user));
    Ok(UserKey::from_outside(directory, id)?)
}

fn as_text(report: &AnonymousReport) -> String {
    let mut text = String::new();
    let entrance = if report.prefix.is_default() { "/" } else { report.prefix.as_str() };
    let _ = writeln!(text, "Visitors at entrance {entrance}, site version {}", report.version);
    for gate in &report.gates {
        let mark = match gate.outcome {
            GateOutcome::Pass => "pass",
            GateOutcome::Fail => "FAIL",
            GateOutcome::Skipped => "skip",
        };
        let _ = writeln!(text, "  {mark}  {} {}: {}", gate.number, gate.name, gate.finding);
        if let Some(mend) = &gate.mend {
            let _ = writeln!(text, "          to change it: {mend}");
        }
    }
    let _ = writeln!(text, "Apps");
    for app in &report.apps {
        let listed = if app.can_list { "listed" } else { "hidden" };
        let opens = if app.can_open { "opens" } else { "does not open" };
        let stream = app.stream.as_deref().unwrap_or("not published");
        let code = app.code.map(|code| format!(" ({code})")).unwrap_or_default();
        let _ =
            writeln!(text, "  {} [{stream}]: {listed}, {opens}{code}: {}", app.name, app.finding);
        if let Some(mend) = &app.mend {
            let _ = writeln!(text, "          to change it: {mend}");
        }
    }
    text
}

fn as_json(report: &AnonymousReport) -> String {
    let gates: Vec<_> = report
        .gates
        .iter()
        .map(|gate| {
            let outcome = match gate.outcome {
                GateOutcome::Pass => "pass",
                GateOutcome::Fail => "fail",
                GateOutcome::Skipped => "skipped",
            };
            json!({
                "number": gate.number,
                "name": gate.name,
                "outcome": outcome,
                "finding": gate.finding,
                "mend": gate.mend,
            })
        })
        .collect();
    let apps: Vec<_> = report
        .apps
        .iter()
        .map(|app| {
            json!({
                "id": app.id.text(),
                "name": app.name,
                "stream": app.stream,
                "canList": app.can_list,
                "canOpen": app.can_open,
                "code": app.code.map(|code| code.as_str()),
                "finding": app.finding,
                "mend": app.mend,
            })
        })
        .collect();
    let value = json!({
        "prefix": report.prefix.as_str(),
        "version": report.version,
        "open": report.is_open(),
        "gates": gates,
        "apps": apps,
    });
    format!("{value:#}\n")
}
