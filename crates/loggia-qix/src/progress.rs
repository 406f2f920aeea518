//! How far is a reload? Answered at once, while the reload holds everything else up.

use std::collections::HashMap;

use loggia_model::Moment;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// Reloads that are remembered after their end, so that a late question still finds them.
const MAX_REMEMBERED: usize = 256;

/// The reloads of all sockets, by socket and request.
#[derive(Debug, Default)]
pub(crate) struct Reloads(Mutex<HashMap<(u64, i64), Progress>>);

/// One reload.
#[derive(Clone, Debug)]
struct Progress {
    started: Moment,
    finished: Option<Moment>,
    /// Lines not yet given to the client.
    fresh: String,
    /// The statement that runs now.
    current: String,
    errors: Vec<ScriptError>,
}

/// What was wrong with a script, where it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScriptError {
    pub(crate) message: String,
    /// The text of the line.
    pub(crate) line: String,
    /// Counted from 1; 0 when unknown.
    pub(crate) line_number: usize,
}

impl Reloads {
    pub(crate) fn start(&self, socket: u64, request: i64, now: Moment) {
        let mut reloads = self.0.lock();
        if reloads.len() >= MAX_REMEMBERED {
            let oldest = reloads
                .iter()
                .filter(|(_, progress)| progress.finished.is_some())
                .min_by_key(|(_, progress)| progress.started)
                .map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                reloads.remove(&oldest);
            }
        }
        reloads.insert(
            (socket, request),
            Progress {
                started: now,
                finished: None,
                fresh: String::new(),
                current: String::new(),
                errors: Vec::new(),
            },
        );
    }

    /// A line that stays.
    pub(crate) fn say(&self, socket: u64, request: i64, line: &str) {
        if let Some(progress) = self.0.lock().get_mut(&(socket, request)) {
            progress.fresh.push_str(line);
            progress.fresh.push('\n');
            line.clone_into(&mut progress.current);
        }
    }

    pub(crate) fn finish(&self, socket: u64, request: i64, now: Moment, errors: Vec<ScriptError>) {
        if let Some(progress) = self.0.lock().get_mut(&(socket, request)) {
            progress.finished = Some(now);
            progress.current.clear();
            progress.errors = errors;
        }
    }

    /// The state of a reload for the wire; request 0 is the socket's last one. Lines are given once.
    pub(crate) fn poll(&self, socket: u64, request: i64, keeps_errors: bool, now: Moment) -> Value {
        let mut reloads = self.0.lock();
        let key = match request {
            0 => reloads
                .iter()
                .filter(|((owner, _), _)| *owner == socket)
                .max_by_key(|((_, request), progress)| (progress.started, *request))
                .map(|(key, _)| *key),
            request => Some((socket, request)),
        };
        let Some(progress) = key.and_then(|key| reloads.get_mut(&key)) else {
            return wire(false, false, 0, String::new(), String::new(), &[]);
        };
        let until = progress.finished.unwrap_or(now);
        let errors: &[ScriptError] = if keeps_errors { &progress.errors } else { &[] };
        wire(
            true,
            progress.finished.is_some(),
            until.millis_since(progress.started),
            std::mem::take(&mut progress.fresh),
            progress.current.clone(),
            errors,
        )
    }

    /// Forgets what a socket asked for.
    pub(crate) fn forget(&self, socket: u64) {
        self.0
            .lock()
            .retain(|(owner, _), progress| *owner != socket || progress.finished.is_none());
    }
}

fn wire(
    is_started: bool,
    is_finished: bool,
    millis: i64,
    persistent: String,
    transient: String,
    errors: &[ScriptError],
) -> Value {
    let errors: Vec<Value> = errors
        .iter()
        .map(|error| {
            json!({
                "qErrorString": error.message,
                "qLine": error.line,
                "qLineEnd": "",
                "qErrorDataCode": "EDC_ERROR",
                "qMessage": { "qMessageCode": 0, "qMessageParameters": [] },
                "qLineNumber": error.line_number,
            })
        })
        .collect();
    json!({
        "qStarted": is_started,
        "qFinished": is_finished,
        "qCompleted": 0,
        "qTotal": 0,
        "qKB": 0,
        "qMillisecs": millis,
        "qUserInteractionWanted": false,
        "qPersistentProgress": persistent,
        "qTransientProgress": transient,
        "qErrorData": errors,
        "qPersistentProgressMessages": [],
        "qTransientProgressMessage": { "qMessageCode": 0, "qMessageParameters": [] },
    })
}
