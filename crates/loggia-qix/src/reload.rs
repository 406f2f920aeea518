//! A reload: run the script, link the tables, store the data, and give them to everybody who has
//! the app open. Whatever fails, the old data stay.

use std::collections::BTreeMap;
use std::sync::Arc;

use loggia_engine::model::{DataModel, LinkError};
use loggia_model::{AppId, Caller};
use loggia_repository::{Action, DataError, ManageError, Resource};
use loggia_script::{LogLine, Problem};
use thiserror::Error;

use crate::app::{self, LoadedApp};
use crate::connections::Connections;
use crate::progress::ScriptError;
use crate::queue::Job;
use crate::{Shared, timestamp};

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadReport {
    /// Tables of the model with their rows.
    pub tables: Vec<(String, usize)>,
    /// What linking had to repair, for the author of the script.
    pub warnings: Vec<String>,
    pub millis: i64,
}

/// Why a reload did not happen.
#[derive(Debug, Error)]
pub enum ReloadError {
    #[error("the caller may not reload this app")]
    Denied,
    /// The load-balancing rules let no node do it.
    #[error("no node may reload this app")]
    Unplaced,
    #[error("cannot read the script")]
    Manage(#[from] ManageError),
    #[error("the script failed: {0}")]
    Script(Box<Problem>),
    #[error("the tables cannot be linked")]
    Link(#[from] LinkError),
    #[error("cannot store the data")]
    Data(#[from] DataError),
}

/// Who follows a reload: a socket and the id of its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watcher {
    pub(crate) socket: u64,
    pub(crate) request: i64,
}

/// Reloads an app. Blocks until it is done.
pub(crate) fn reload(
    shared: &Shared,
    caller: &Caller,
    app: AppId,
    watcher: Option<Watcher>,
) -> Result<ReloadReport, ReloadError> {
    let started = shared.now();
    let may = shared.repository.decide(caller, &Resource::App(app), Action::Update);
    if caller.is_anonymous() || !may.is_allowed() {
        return Err(ReloadError::Denied);
    }
    let script = shared.repository.app_script(caller, app)?;
    let record = shared.repository.app(caller, app)?;
    if shared.repository.nodes_for(caller, &record).is_empty() {
        return Err(ReloadError::Unplaced);
    }
    if let Some(Watcher { socket, request }) = watcher {
        shared.progress.start(socket, request, started);
    }
    let outcome = run(shared, caller, app, &script, watcher);
    match &outcome {
        Ok(_) => finish(shared, watcher, Vec::new()),
        Err(error) => {
            tracing::warn!(app.id = %app, %error, "the reload of app {app} failed");
            finish(shared, watcher, script_errors(error, &script));
        }
    }
    outcome.map(|(tables, warnings)| {
        for cell in shared.cells() {
            cell.post(Job::Swap(app));
        }
        let millis = shared.now().millis_since(started);
        tracing::info!(app.id = %app, millis, "app {app} was reloaded");
        ReloadReport { tables, warnings, millis }
    })
}

type Done = (Vec<(String, usize)>, Vec<String>);

fn run(
    shared: &Shared,
    caller: &Caller,
    app: AppId,
    script: &str,
    watcher: Option<Watcher>,
) -> Result<Done, ReloadError> {
    let connector = Connections::of(&shared.settings, caller);
    let settings = loggia_script::Settings {
        now: timestamp::serial(shared.now()),
        user: caller.principal.to_string(),
        ..Default::default()
    };
    let mut log = |line: LogLine| {
        if let Some(Watcher { socket, request }) = watcher {
            shared.progress.say(socket, request, &line.text);
        }
    };
    let outcome = loggia_script::run(script, &connector, &settings, &mut log)
        .map_err(|problem| ReloadError::Script(Box::new(problem)))?;
    let linked = DataModel::link(outcome.tables)?;
    let variables: BTreeMap<Arc<str>, Arc<str>> =
        outcome.variables.into_iter().map(|(name, value)| (name, value.shared_text())).collect();
    let model = linked.model;
    let file =
        shared.repository.store_data(caller, app, |out| app::write(out, &model, &variables))?;
    let tables = model.tables().iter().map(|table| (table.name.to_string(), table.rows)).collect();
    let warnings = linked.warnings.iter().map(ToString::to_string).collect();
    shared.apps.put(app, Arc::new(LoadedApp::new(model, variables, Some(file))));
    Ok((tables, warnings))
}

fn finish(shared: &Shared, watcher: Option<Watcher>, errors: Vec<ScriptError>) {
    if let Some(Watcher { socket, request }) = watcher {
        for error in &errors {
            shared.progress.say(socket, request, &error.message);
        }
        shared.progress.finish(socket, request, shared.now(), errors);
    }
}

fn script_errors(error: &ReloadError, script: &str) -> Vec<ScriptError> {
    match error {
        ReloadError::Script(problem) => vec![ScriptError {
            message: problem.to_string(),
            line: script.lines().nth(problem.line.saturating_sub(1)).unwrap_or_default().to_owned(),
            line_number: problem.line,
        }],
        error => {
            vec![ScriptError { message: error.to_string(), line: String::new(), line_number: 0 }]
        }
    }
}
