//! What is shown of a pool: counters, and the tokens that pools occupy.

use loggia_model::Moment;
use loggia_model::entity::{LicencePool, PoolKind};

use crate::{PASSES_PER_TOKEN, is_named};

/// What the ledger says is out of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Drawn {
    /// Minutes of this month, passes not yet returned, or seats that are held.
    pub used: u64,
    pub used_by_visitors: u64,
    /// Seats in quarantine.
    pub quarantined: u64,
    /// When something comes back by itself.
    pub renews: Option<Moment>,
}

/// The counters of one pool, in minutes, passes or seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// None is unlimited.
    pub total: Option<u64>,
    pub used: u64,
    pub available: Option<u64>,
    pub quarantined: u64,
    /// What is out beyond a total that was lowered: it comes back to nobody.
    pub unavailable: u64,
    pub overage_limit: u64,
    pub overage_used: u64,
    pub used_by_visitors: u64,
    pub renews: Option<Moment>,
}

/// The token stock of a site, where it has one (`spec/access.md` §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TokenCounters {
    /// None where the site does not count tokens.
    pub total: Option<u64>,
    pub available: Option<u64>,
    pub user_access: UserTokens,
    pub login_access: LoginTokens,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct UserTokens {
    /// Held and in quarantine.
    pub allocated: u64,
    pub used: u64,
    pub quarantined: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct LoginTokens {
    /// Assigned to groups that exist.
    pub allocated: u64,
    /// Tokens of passes that are out.
    pub used: u64,
    /// Tokens of groups that were deleted or lowered, which are not free yet.
    pub unavailable: u64,
}

/// The counters of a pool.
#[must_use]
pub fn counters(pool: &LicencePool, drawn: &Drawn) -> Counters {
    let out = drawn.used.saturating_add(drawn.quarantined);
    let beyond = pool.capacity.map_or(0, |capacity| out.saturating_sub(capacity));
    let has_overage = pool.kind == PoolKind::AnalyzerCapacity;
    Counters {
        total: pool.capacity,
        used: drawn.used,
        available: pool.capacity.map(|capacity| capacity.saturating_sub(out)),
        quarantined: if is_named(pool.kind) { drawn.quarantined } else { 0 },
        unavailable: if has_overage { 0 } else { beyond },
        overage_limit: if has_overage { pool.overage } else { 0 },
        overage_used: if has_overage { beyond.min(pool.overage) } else { 0 },
        used_by_visitors: drawn.used_by_visitors,
        renews: drawn.renews,
    }
}

/// The tokens that so many passes cost.
#[must_use]
pub fn tokens_of(passes: u64) -> u64 {
    passes.div_ceil(PASSES_PER_TOKEN)
}

/// The tokens that a login access group occupies: those assigned to it and, once it was lowered or
/// deleted, one for every ten passes begun that are still out. So ten unused passes free a token at
/// once, and ten that come back free one then.
#[must_use]
pub fn tokens_occupied(passes: u64, out: u64) -> u64 {
    tokens_of(passes).max(tokens_of(out))
}
