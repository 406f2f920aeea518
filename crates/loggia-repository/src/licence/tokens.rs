//! Tokens: one stock that user access and login access share, where the site counts them.

use loggia_licence::{LoginTokens, TokenCounters, UserTokens, tokens_occupied, tokens_of};
use loggia_model::entity::{LicencePool, PoolKind};
use loggia_model::{Caller, Moment, PoolId};
use loggia_rules::Action;
use uuid::Uuid;

use super::first_out;
use crate::Repository;
use crate::guard::Guard;
use crate::manage::{ManageError, Violation};
use crate::record::Record;
use crate::site::Site;
use crate::store::{Change, Ledger, StoreError};

impl Repository {
    /// How many tokens there are and what occupies them.
    pub fn tokens(&self, caller: &Caller) -> Result<TokenCounters, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        require_on_tokens(&guard, Action::Read)?;
        let mut counters = TokenCounters::default();
        self.inner.store.read_ledger(&mut |ledger| {
            counters = token_counters(&site, ledger, self.now())?;
            Ok(())
        })?;
        Ok(counters)
    }

    /// Sets how many tokens there are; none stops counting them. Fewer than are occupied are
    /// refused.
    pub fn set_tokens(
        &self,
        caller: &Caller,
        tokens: Option<u64>,
    ) -> Result<TokenCounters, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            require_on_tokens(&guard, Action::Update)?;
            let change = Change::PutTokens(tokens);
            let after = site.after(site.version() + 1, std::slice::from_ref(&change))?;
            let mut counters = TokenCounters::default();
            self.inner.store.read_ledger(&mut |ledger| {
                counters = token_counters(&after, ledger, self.now())?;
                Ok(())
            })?;
            if let Some(problem) = beyond_stock(&after, &counters, "tokens") {
                return Err(ManageError::Invalid(vec![problem]));
            }
            Ok((vec![change], counters))
        })
    }

    /// Refuses a site whose pools would occupy more tokens than there are, unless that is so
    /// already and `before` had no fewer.
    pub(crate) fn check_stock(&self, before: &Site, after: &Site) -> Result<(), ManageError> {
        let (mut then, mut counters) = (TokenCounters::default(), TokenCounters::default());
        self.inner.store.read_ledger(&mut |ledger| {
            then = token_counters(before, ledger, self.now())?;
            counters = token_counters(after, ledger, self.now())?;
            Ok(())
        })?;
        let is_worse = before.tokens() != after.tokens() || occupied(&counters) > occupied(&then);
        match beyond_stock(after, &counters, "tokens") {
            Some(problem) if is_worse => Err(ManageError::Invalid(vec![problem])),
            _ => Ok(()),
        }
    }

    /// Refuses a pool that would occupy more tokens than there are (`spec/access.md` §3.3.7).
    pub(crate) fn check_tokens(&self, site: &Site, pool: &LicencePool) -> Result<(), ManageError> {
        if site.tokens().is_none() || pool.kind != PoolKind::LoginAccess {
            return Ok(());
        }
        let change = Change::PutPool(pool.clone());
        let after = site.after(site.version() + 1, std::slice::from_ref(&change))?;
        let (mut before, mut counters) = (TokenCounters::default(), TokenCounters::default());
        self.inner.store.read_ledger(&mut |ledger| {
            before = token_counters(site, ledger, self.now())?;
            counters = token_counters(&after, ledger, self.now())?;
            Ok(())
        })?;
        // Whoever lowers a group is never refused.
        if occupied(&counters) <= occupied(&before) {
            return Ok(());
        }
        match beyond_stock(&after, &counters, "capacity") {
            Some(problem) => Err(ManageError::Invalid(vec![problem])),
            None => Ok(()),
        }
    }
}

/// The tokens of a site and what occupies them at `now`.
pub(super) fn token_counters(
    site: &Site,
    ledger: &dyn Ledger,
    now: Moment,
) -> Result<TokenCounters, StoreError> {
    let seats = ledger.seats_out_of_kind(PoolKind::UserAccess, now)?;
    let user_access = UserTokens {
        allocated: seats.held.saturating_add(seats.quarantined),
        used: seats.held,
        quarantined: seats.quarantined,
    };
    let groups = site.pools().filter(|pool| pool.kind == PoolKind::LoginAccess);
    // A group without a limit is assigned whatever it uses.
    let mut assigned: Vec<(PoolId, u64)> =
        groups.map(|pool| (pool.id, pool.capacity.unwrap_or(0))).collect();
    for pool in ledger.drawn_pools(PoolKind::LoginAccess, first_out(now))? {
        if !assigned.iter().any(|(id, _)| *id == pool) {
            assigned.push((pool, 0));
        }
    }
    let mut login_access = LoginTokens::default();
    for (pool, passes) in assigned {
        let out = ledger.drawn_between(pool, first_out(now), Moment(i64::MAX))?.units;
        let tokens = tokens_of(passes);
        login_access.allocated = login_access.allocated.saturating_add(tokens);
        login_access.used = login_access.used.saturating_add(tokens_of(out));
        let beyond = tokens_occupied(passes, out).saturating_sub(tokens);
        login_access.unavailable = login_access.unavailable.saturating_add(beyond);
    }
    let mut counters =
        TokenCounters { total: site.tokens(), available: None, user_access, login_access };
    counters.available = counters.total.map(|total| total.saturating_sub(occupied(&counters)));
    Ok(counters)
}

fn occupied(counters: &TokenCounters) -> u64 {
    let login = counters.login_access;
    counters.user_access.allocated.saturating_add(login.allocated).saturating_add(login.unavailable)
}

fn beyond_stock(site: &Site, counters: &TokenCounters, place: &'static str) -> Option<Violation> {
    let total = site.tokens()?;
    let occupied = occupied(counters);
    (occupied > total).then(|| {
        let message = format!("would occupy {occupied} tokens, and there are {total}; lower it");
        Violation::new(place, message)
    })
}

/// The caller must hold the right on licences in general: tokens are nobody's pool.
pub(crate) fn require_on_tokens(guard: &Guard<'_>, action: Action) -> Result<(), ManageError> {
    guard.require_on_draft(Record::Pool(&any_pool(guard)), action)
}

/// Whether the caller may know of tokens at all.
pub(crate) fn may_read_tokens(guard: &Guard<'_>) -> bool {
    guard.decide_draft(Record::Pool(&any_pool(guard)), Action::Read).is_allowed()
}

/// Stands for all pools where a right on licences in general is asked.
fn any_pool(guard: &Guard<'_>) -> LicencePool {
    LicencePool::unlimited(PoolId(Uuid::nil()), "", PoolKind::UserAccess, guard.stamp())
}
