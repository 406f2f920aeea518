//! What an error looks like to a client: one function per inner error family, one place that knows
//! the protocol's codes and texts.

use loggia_engine::list::ListError;
use serde_json::{Value, json};
use thiserror::Error;

/// A refusal as the wire carries it: always a code, a parameter and a message (`spec/qix.md` §2.4).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message} ({code}) {parameter}")]
pub(crate) struct Fault {
    pub(crate) code: i32,
    pub(crate) parameter: String,
    pub(crate) message: String,
}

impl Fault {
    fn new(code: i32, parameter: impl Into<String>, message: &str) -> Fault {
        Fault { code, parameter: parameter.into(), message: message.to_owned() }
    }

    /// The frame is no JSON.
    pub(crate) fn parse(parameter: impl Into<String>) -> Fault {
        Fault::new(-32700, parameter, "Parse error")
    }

    /// The frame is JSON, but no request.
    pub(crate) fn invalid_request(parameter: impl Into<String>) -> Fault {
        Fault::new(-32600, parameter, "Invalid Request")
    }

    pub(crate) fn method_not_found(method: &str) -> Fault {
        Fault::new(-32601, method, "Method not found")
    }

    pub(crate) fn invalid_params(parameter: impl Into<String>) -> Fault {
        Fault::new(-32602, parameter, "Invalid Params")
    }

    pub(crate) fn invalid_handle() -> Fault {
        Fault::invalid_params("Invalid handle")
    }

    /// Something of ours went wrong; the log has the details, the client only the fact.
    pub(crate) fn internal() -> Fault {
        Fault::new(-32603, "", "Internal error")
    }

    /// Clients compare this text letter by letter, so it is part of the interface.
    pub(crate) fn object_not_found(id: impl Into<String>) -> Fault {
        Fault::new(2, id, "Object not found")
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Fault {
        Fault::new(2, what, "Not found")
    }

    pub(crate) fn already_exists(id: impl Into<String>) -> Fault {
        Fault::new(3, id, "Already exists")
    }

    pub(crate) fn invalid_path(path: impl Into<String>) -> Fault {
        Fault::new(4, path, "Invalid path")
    }

    pub(crate) fn access_denied() -> Fault {
        Fault::new(5, "", "Access denied")
    }

    pub(crate) fn invalid_parameters(parameter: impl Into<String>) -> Fault {
        Fault::new(8, parameter, "Invalid parameters")
    }

    pub(crate) fn aborted() -> Fault {
        Fault::new(15, "", "Request aborted")
    }

    /// A bound on what one session may hold was reached.
    pub(crate) fn limit(what: impl Into<String>) -> Fault {
        Fault::new(19, what, "Memory limit reached")
    }

    pub(crate) fn is_limit(&self) -> bool {
        self.code == 19
    }

    pub(crate) fn app_already_open(app: impl Into<String>) -> Fault {
        Fault::new(1002, app, "App already open")
    }

    pub(crate) fn app_not_found(app: impl Into<String>) -> Fault {
        Fault::new(1003, app, "App not found")
    }

    pub(crate) fn no_active_app() -> Fault {
        Fault::new(1007, "", "App invalid")
    }

    pub(crate) fn licence(parameter: impl Into<String>) -> Fault {
        Fault::new(4000, parameter, "User access denied")
    }

    pub(crate) fn invalid_state() -> Fault {
        Fault::new(6002, "", "Invalid object state")
    }

    /// Another object holds the modal mode.
    pub(crate) fn modal() -> Fault {
        Fault::new(6003, "", "Modal object error")
    }

    pub(crate) fn pages_too_large() -> Fault {
        Fault::new(7009, "", "Calculation pages too large")
    }

    /// A calculation took longer than its caller may ask for.
    pub(crate) fn timed_out() -> Fault {
        Fault::new(7004, "", "Calculation timed out")
    }

    /// A calculation would have made more text than there is memory for.
    pub(crate) fn result_too_large() -> Fault {
        Fault::new(7003, "", "Calculation result too large")
    }

    /// Why there is no list.
    pub(crate) fn of_list(error: &ListError) -> Fault {
        match error {
            ListError::Invalid { .. } | ListError::Condition { .. } => Fault::invalid_state(),
            ListError::Stopped => Fault::timed_out(),
            ListError::TooLarge => Fault::result_too_large(),
        }
    }

    /// The answer's `error` member.
    pub(crate) fn wire(&self) -> Value {
        json!({ "code": self.code, "parameter": self.parameter, "message": self.message })
    }
}
