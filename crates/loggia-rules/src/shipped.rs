//! The security rules that every new site has (`spec/access.md` §5.9).

use uuid::Uuid;

use crate::{Actions, Category, Condition, Context, Effect, Problem, ResourceFilter, Rule};

/// A rule of the product itself.
#[derive(Clone, Copy, Debug)]
pub struct ShippedRule {
    /// The rule's id on every site.
    pub id: Uuid,
    /// Identity across upgrades.
    pub seed: &'static str,
    /// Raised when the text changes, so that an upgrade replaces an untouched older one.
    pub version: u32,
    pub name: &'static str,
    pub comment: &'static str,
    pub filter: &'static str,
    pub actions: Actions,
    /// 0 both, 1 hub, 2 console.
    pub context: u8,
    pub condition: &'static str,
    /// Essential: neither edited, disabled nor deleted.
    pub read_only: bool,
}

/// Every shipped security rule.
#[must_use]
pub fn security_rules() -> &'static [ShippedRule] {
    &[]
}

impl ShippedRule {
    /// The rule, ready for a [`crate::RuleSet`].
    pub fn compile(&self) -> Result<Rule, Vec<Problem>> {
        let filter: ResourceFilter = self.filter.parse()?;
        let condition = Condition::compile_for(self.condition, Category::Security, &filter)?;
        Ok(Rule {
            id: self.id,
            name: self.name.into(),
            filter,
            actions: self.actions,
            context: Context::from_number(self.context).unwrap_or(Context::Both),
            effect: Effect::Allow,
            condition,
        })
    }
}
