//! `/systemrule/security/exposure`: everything visitors can reach.

use crate::call::{Answer, Call};
use crate::problem::Problem;

pub(crate) fn report(call: &Call) -> Result<Answer, Problem> {
    Ok(Answer::Ok(call.repository.exposure(&call.caller)?.to_value()))
}
