//! What would a week have cost under other pools? The declaration is brought into a copy of the
//! site, and the ledger's activity is played against the pools that it names.

use loggia_licence::{Outcome, activities, simulate};
use loggia_model::entity::LicencePool;
use loggia_model::{Caller, Moment};

use super::{Declaration, ManageError};
use crate::Repository;
use crate::licence::admitted;
use crate::store::Change;

/// What a simulation came to, pool by pool.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// In the order of the outcome's rows.
    pub pools: Vec<LicencePool>,
    pub outcome: Outcome,
}

impl Repository {
    /// What the activity between two moments would have cost under the pools of a declaration, or
    /// under those of the site. A new pool for which no rule is declared admits everybody it can.
    pub fn simulate_declared(
        &self,
        caller: &Caller,
        (from, to): (Moment, Moment),
        minutes_per_visit: u64,
        declaration: Option<&Declaration>,
    ) -> Result<Simulation, ManageError> {
        let now_pools = self.pools(caller)?;
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        self.require_licence_duties(&guard, caller)?;
        let (mut next, mut pools, mut made) = (None, Vec::new(), Vec::new());
        match declaration {
            None => pools.extend(now_pools.iter().map(|pool| LicencePool::clone(pool))),
            Some(declaration) => {
                let (changes, imported) = self.plan(&site, &guard, declaration)?;
                for change in &changes {
                    if let Change::PutPool(pool) = change
                        && site.pool(pool.id).is_none()
                    {
                        made.push(pool.id);
                    }
                }
                let after = site.after(site.version() + 1, &changes)?;
                pools.extend(
                    imported
                        .pools
                        .iter()
                        .filter_map(|id| after.pool(*id))
                        .map(|pool| LicencePool::clone(pool)),
                );
                next = Some(after);
            }
        }
        if pools.is_empty() {
            // Nor is the ledger read for somebody who may read no pool.
            return Ok(Simulation { pools, outcome: Outcome::default() });
        }
        let under = next.as_ref().unwrap_or(&site);
        let lines = self.lines_between(caller, from, to)?;
        let activities = activities(&lines, minutes_per_visit);
        let is_open = |pool: &LicencePool| {
            made.contains(&pool.id) && under.licence_conditions(pool.id).is_empty()
        };
        let outcome = simulate(
            &activities,
            &pools,
            |activity, pool| is_open(pool) || admitted(under, activity, pool),
            self.inner.settings.offset,
        );
        Ok(Simulation { pools, outcome })
    }
}
