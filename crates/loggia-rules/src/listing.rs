//! Which of many things may one requester act on?

use crate::{Action, Entity, Facts, Request, RequestContext, ResourceKind, RuleSet};

/// The rules on one kind and action with the requester fixed: what is left of them reads the
/// thing only. It answers as [`crate::allows`] does.
pub struct Listing<'a> {
    request: Request<'a>,
    action: Action,
}

impl<'a> Listing<'a> {
    #[must_use]
    pub fn new(
        rules: &'a RuleSet,
        facts: &'a dyn Facts,
        context: RequestContext,
        _kind: ResourceKind,
        action: Action,
    ) -> Listing<'a> {
        Listing { request: Request::new(rules, facts, context), action }
    }

    /// Whether every thing of the kind is in the list, whatever its properties.
    #[must_use]
    pub fn is_all(&self) -> bool {
        false
    }

    /// Whether nothing can be in the list.
    #[must_use]
    pub fn is_none(&self) -> bool {
        false
    }

    /// Whether the thing is in the list.
    pub fn contains(&mut self, entity: &Entity) -> bool {
        self.request.allows(entity, self.action)
    }
}
