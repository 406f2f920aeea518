//! What does a client read when something was not done? The one place where our errors become
//! status codes.

use http::StatusCode;
use loggia_repository::{
    Code, Conflict, Gate, GivenSeat, ManageError, Refusal, Severity, StoreError, Violation,
};
use serde_json::{Value, json};

/// An answer other than success.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    pub(crate) reference: Option<String>,
    /// Every problem of the request.
    pub(crate) violations: Vec<Violation>,
    pub(crate) more: More,
}

/// What only some problems have.
#[derive(Debug)]
pub(crate) enum More {
    Nothing,
    /// For 405: the methods there are.
    Allow(Box<str>),
    /// For a rule that gave seats: whose they are.
    Seats(Box<[GivenSeat]>),
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Problem {
        Problem {
            status,
            code,
            detail: detail.into(),
            reference: None,
            violations: Vec::new(),
            more: More::Nothing,
        }
    }

    /// The request makes no sense.
    pub(crate) fn bad(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "REQ-INVALID", detail)
    }

    /// The request has these problems.
    pub(crate) fn invalid(violations: Vec<Violation>) -> Problem {
        let detail = violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        Problem { violations, ..Problem::bad(detail) }
    }

    /// There is no such address.
    pub(crate) fn no_such_path() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "REQ-PATH", "there is no such address")
    }

    /// What must not go unrecorded could not be recorded.
    pub(crate) fn unrecorded() -> Problem {
        let detail = "the audit trail cannot be written, and so nothing was done";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, Code::AuditBlocked.as_str(), detail)
    }

    /// What a refusal tells to whom it refuses. The finding stays in the log.
    fn refused(status: StatusCode, refusal: &Refusal) -> Problem {
        if refusal.code == Code::AuditBlocked {
            return Problem::unrecorded();
        }
        let detail = match (refusal.code, refusal.gate) {
            (Code::AccInactive, _) => {
                "your account is inactive; contact your administrator to activate it"
            }
            (_, Gate::Licence) => "the kind of access you have does not include this",
            _ => "no rule lets you do this",
        };
        let mut problem = Problem::new(status, refusal.code.as_str(), detail);
        problem.reference = Some(refusal.reference.clone());
        problem
    }

    pub(crate) fn body(&self) -> Value {
        let mut body =
            json!({ "code": self.code, "title": title(self.status), "detail": self.detail });
        if let Some(members) = body.as_object_mut() {
            if let Some(reference) = &self.reference {
                members.insert("reference".to_owned(), json!(reference));
            }
            if let More::Seats(given) = &self.more {
                members.insert("allocations".to_owned(), seats(given));
                members.insert("choices".to_owned(), json!(["keep", "release"]));
            }
            if !self.violations.is_empty() {
                members.insert("problems".to_owned(), violations(&self.violations));
            }
        }
        body
    }
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "Bad request",
        StatusCode::UNAUTHORIZED => "Not signed in",
        StatusCode::FORBIDDEN => "Access denied",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::METHOD_NOT_ALLOWED => "Wrong method",
        StatusCode::CONFLICT => "Conflict",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "Wrong content type",
        StatusCode::PAYLOAD_TOO_LARGE => "Too large",
        StatusCode::SERVICE_UNAVAILABLE => "Not now",
        _ => "Server error",
    }
}

fn seats(seats: &[GivenSeat]) -> Value {
    seats
        .iter()
        .map(|seat| {
            json!({
                "pool": { "id": seat.pool, "name": seat.pool_name },
                "user": seat.user,
                "principal": seat.principal,
            })
        })
        .collect()
}

/// Problems or warnings as answers list them.
pub(crate) fn violations(violations: &[Violation]) -> Value {
    violations
        .iter()
        .map(|violation| {
            json!({
                "place": violation.place,
                "message": violation.message,
                "start": violation.span.as_ref().map(|span| span.start),
                "end": violation.span.as_ref().map(|span| span.end),
                "suggestion": violation.suggestion,
                "code": violation.code,
                "severity": match violation.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                },
                "other": violation.other,
            })
        })
        .collect()
}

impl From<ManageError> for Problem {
    fn from(error: ManageError) -> Problem {
        match error {
            ManageError::Hidden { refusal, .. } if refusal.code == Code::AuditBlocked => {
                Problem::unrecorded()
            }
            ManageError::Hidden { kind, refusal } => {
                let detail = format!("there is no such {kind}");
                let mut problem = Problem::new(StatusCode::NOT_FOUND, "REQ-UNKNOWN", detail);
                problem.reference = Some(refusal.reference);
                problem
            }
            ManageError::Refused(refusal) => Problem::refused(StatusCode::FORBIDDEN, &refusal),
            ManageError::Invalid(violations) => Problem::invalid(violations),
            ManageError::Conflict(conflict) => {
                let code = match conflict {
                    Conflict::Stale { .. } => "REQ-STALE",
                    Conflict::Duplicate { .. } => "REQ-DUPLICATE",
                    Conflict::InUse { .. } => "REQ-IN-USE",
                    Conflict::Protected { .. } => "REQ-PROTECTED",
                    Conflict::Allocated { .. } => "REQ-ALLOCATIONS",
                };
                let mut problem = Problem::new(StatusCode::CONFLICT, code, conflict.to_string());
                if let Conflict::Allocated { seats } = conflict {
                    problem.detail.push_str("; repeat with allocations=keep or release");
                    problem.more = More::Seats(seats.into());
                }
                problem
            }
            ManageError::Store(error) => Problem::from(error),
            ManageError::Site(error) => Problem::bad(error.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    /// The cause goes to the log, not to the client.
    fn from(error: StoreError) -> Problem {
        tracing::error!(error = %error, "the store failed a request: {error}");
        match error {
            StoreError::AuditBlocked(_) => Problem::unrecorded(),
            StoreError::Full | StoreError::Broken | StoreError::ReadOnly => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "SRV-STORE",
                "changes cannot be stored at the moment; nothing was changed",
            ),
            _ => Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "SRV-STORE",
                "the server could not do this; its log tells why",
            ),
        }
    }
}

impl From<Box<Refusal>> for Problem {
    fn from(refusal: Box<Refusal>) -> Problem {
        Problem::refused(StatusCode::FORBIDDEN, &refusal)
    }
}
