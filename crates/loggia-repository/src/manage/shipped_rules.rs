//! Shipped rules that somebody has edited, put back to the text of this release.

use loggia_model::entity::RuleOrigin;
use loggia_model::{Caller, RuleId};
use loggia_rules::Action;
use loggia_rules::shipped::security_rules;
use uuid::Uuid;

use super::{ManageError, rules};
use crate::Repository;
use crate::record::Record;
use crate::seed;
use crate::store::Change;

/// What putting shipped rules back did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShippedReset {
    /// Rules that have their shipped text again, by name.
    pub put_back: Vec<(RuleId, String)>,
    /// Names of shipped rules that were deleted and stay so.
    pub deleted: Vec<String>,
}

impl Repository {
    /// Puts the edited shipped security rules back to the text of this release. Whether a rule is
    /// enabled, and its tags, stay as they are; rules of the site's own are not touched, and
    /// nothing that was deleted comes back, because that could open what somebody has shut.
    pub fn reset_shipped_rules(&self, caller: &Caller) -> Result<ShippedReset, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            // Whoever may change no rule learns nothing about which ones were edited.
            let any = rules::blank(RuleId(Uuid::nil()), guard.stamp());
            guard.require_on_draft(Record::Rule(&any), Action::Update)?;
            let mut changes = Vec::new();
            let mut done = ShippedReset::default();
            for shipped in security_rules() {
                let is_it = |rule: &&loggia_model::entity::SystemRule| {
                    rule.seed.as_deref() == Some(shipped.seed)
                };
                let stored = site.rules().find(is_it).and_then(|rule| site.stored_rule(rule.id));
                let Some(stored) = stored else {
                    done.deleted.push(shipped.name.to_owned());
                    continue;
                };
                let before = &stored.rule;
                if before.origin != RuleOrigin::Custom {
                    continue;
                }
                let mut raised = seed::raised(stored, shipped, &guard.restamp(&before.stamp));
                raised.rule.stamp = guard.restamp(&before.stamp);
                let (old, new) = (Record::Rule(before), Record::Rule(&raised.rule));
                guard.require_change(old, new, Action::Update)?;
                done.put_back.push((raised.rule.id, raised.rule.name.clone()));
                changes.push(Change::PutRule(raised));
            }
            Ok((changes, done))
        })
    }
}
