//! `/about`: what administrators' tools ask before they do anything.

use serde_json::{Map, Value, json};

use crate::call::{Answer, Call};
use crate::problem::Problem;
use crate::schema;

/// The answers that clients compare with what they support; constants of compatibility, not
/// claims about this product.
pub(crate) fn about(call: &Call) -> Result<Answer, Problem> {
    refuse_visitor(call)?;
    Ok(Answer::Ok(json!({
        "buildVersion": "31.51.0.0",
        "buildDate": "11/20/2026 10:00:00 AM",
        "databaseProvider": "Devart.Data.PostgreSql",
        "nodeType": 1,
        "sharedPersistence": true,
        "requiresBootstrap": false,
        "singleNodeOnly": false,
        "schemaPath": "About",
    })))
}

/// Numbers and names of enum members, by type.
pub(crate) fn enums(call: &Call) -> Result<Answer, Problem> {
    refuse_visitor(call)?;
    let mut enums = Map::new();
    for schema in schema::ALL {
        for (member, names) in schema.enums() {
            let values: Vec<_> =
                names.iter().map(|(number, name)| format!("{number}: {name}")).collect();
            let usage = format!("{}.{member}", schema.name);
            enums.insert(
                format!("{}{member}Enum", schema.name),
                json!({ "values": values, "usages": [usage] }),
            );
        }
    }
    Ok(Answer::Ok(Value::Object(enums)))
}

/// Which members are references, so that clients can print what they point at.
pub(crate) fn relations(call: &Call) -> Result<Answer, Problem> {
    refuse_visitor(call)?;
    Ok(Answer::Ok(json!([
        "App.stream > Stream",
        "App.owner > User",
        "App.Object.app > App",
        "App.Object.owner > User",
        "Stream.owner > User",
    ])))
}

/// Visitors have no use for it, and need not know what answers them.
fn refuse_visitor(call: &Call) -> Result<(), Problem> {
    if call.caller.is_anonymous() {
        return Err(Problem::new(
            http::StatusCode::FORBIDDEN,
            "RULE-DENIED",
            "visitors may not see this; sign in first",
        ));
    }
    Ok(())
}
