//! What travels over a socket: a request in, and answers, pushes and notifications out. Text only;
//! nothing here knows a session.

use loggia_repository::{Refusal, Words};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::timestamp;

/// Longest frame a client may send. Properties of the largest real objects stay below a tenth.
pub(crate) const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;

/// The handle of the object that every socket has from the start.
pub(crate) const GLOBAL_HANDLE: i64 = -1;

/// A call that a client sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// Echoed as it came: a number, or a text from hand-written clients.
    pub(crate) id: Value,
    pub(crate) handle: i64,
    pub(crate) method: String,
    pub(crate) params: RawParams,
}

/// Parameters before the method's names are known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RawParams {
    Positional(Vec<Value>),
    Named(Map<String, Value>),
}

/// A frame that is no request, with what can be said of its id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BadFrame {
    pub(crate) id: Value,
    pub(crate) fault: Fault,
}

impl Request {
    /// Reads a frame. Unknown members are ignored, since old and new clients add their own.
    ///
    /// Nesting is bounded by the JSON reader at 128 levels, so that no later walk over the value
    /// can exhaust the stack.
    pub(crate) fn parse(text: &str) -> Result<Request, Box<BadFrame>> {
        let bad = |id: &Value, fault| Box::new(BadFrame { id: id.clone(), fault });
        if text.len() > MAX_FRAME_BYTES {
            let fault = Fault::invalid_request(format!(
                "frame of {} bytes, at most {MAX_FRAME_BYTES} are read",
                text.len()
            ));
            return Err(bad(&Value::Null, fault));
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|error| bad(&Value::Null, Fault::parse(error.to_string())))?;
        let Value::Object(mut members) = value else {
            return Err(bad(&Value::Null, Fault::invalid_request("a frame is one object")));
        };
        let id = match members.remove("id") {
            Some(id @ (Value::Number(_) | Value::String(_))) => id,
            _ => return Err(bad(&Value::Null, Fault::invalid_request("id"))),
        };
        let Some(Value::String(method)) = members.remove("method") else {
            return Err(bad(&id, Fault::invalid_request("method")));
        };
        let handle = match members.remove("handle") {
            None | Some(Value::Null) => GLOBAL_HANDLE,
            Some(handle) => handle.as_i64().ok_or_else(|| bad(&id, Fault::invalid_handle()))?,
        };
        let params = match members.remove("params") {
            None | Some(Value::Null) => RawParams::Positional(Vec::new()),
            Some(Value::Array(values)) => RawParams::Positional(values),
            Some(Value::Object(named)) => RawParams::Named(named),
            Some(_) => return Err(bad(&id, Fault::invalid_params("params"))),
        };
        Ok(Request { id, handle, method, params })
    }
}

/// The handles of one socket that a request made stale or closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Handles {
    pub(crate) change: Vec<i64>,
    pub(crate) close: Vec<i64>,
}

impl Handles {
    pub(crate) fn is_empty(&self) -> bool {
        self.change.is_empty() && self.close.is_empty()
    }
}

/// The answer to a request.
pub(crate) fn answer(id: &Value, outcome: &Result<Value, Fault>, handles: &Handles) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        jsonrpc: &'static str,
        id: &'a Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<&'a Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Value>,
        #[serde(skip_serializing_if = "<[i64]>::is_empty")]
        change: &'a [i64],
        #[serde(skip_serializing_if = "<[i64]>::is_empty")]
        close: &'a [i64],
    }
    let frame = Answer {
        jsonrpc: "2.0",
        id,
        result: outcome.as_ref().ok(),
        error: outcome.as_ref().err().map(Fault::wire),
        change: &handles.change,
        close: &handles.close,
    };
    // Serialising values and texts cannot fail; an empty frame would only be ignored.
    serde_json::to_string(&frame).unwrap_or_default()
}

/// Changes that belong to no request. It carries no `params`: a client would take it for a
/// notification and drop the lists.
pub(crate) fn push(handles: &Handles) -> String {
    let mut frame = Map::new();
    frame.insert("jsonrpc".to_owned(), json!("2.0"));
    if !handles.change.is_empty() {
        frame.insert("change".to_owned(), json!(handles.change));
    }
    if !handles.close.is_empty() {
        frame.insert("close".to_owned(), json!(handles.close));
    }
    Value::Object(frame).to_string()
}

/// A message of the server's own, such as `OnConnected`.
pub(crate) fn notification(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
}

/// A notification after which the server closes the socket. Clients give up on any notification
/// with a `severity`, so no other one may have that member.
pub(crate) fn fatal(method: &str, message: &str, timestamp: &str) -> String {
    notification(
        method,
        &json!({ "severity": "fatal", "timestamp": timestamp, "message": message }),
    )
}

/// The same for who is refused, in the words of pages: `code` and `reference` lead to the log,
/// `renews` says when trying again makes sense. The sentence ends with code and reference for
/// clients that show nothing else.
pub(crate) fn refused(method: &str, refusal: &Refusal, words: &Words, now: &str) -> String {
    let sentence = words.text.trim_end_matches('.');
    notification(
        method,
        &json!({
            "severity": "fatal",
            "timestamp": now,
            "message": format!("{sentence} ({}, reference {})", refusal.code, refusal.reference),
            "title": words.title,
            "text": words.text,
            "code": refusal.code.as_str(),
            "reference": refusal.reference,
            "renews": refusal.renews.map(timestamp::iso),
        }),
    )
}
