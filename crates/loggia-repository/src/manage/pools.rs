//! Licence pools: the operator's own capacity.

use std::sync::Arc;

use loggia_licence::{Counters, UNIT_MINUTES, UNITS_PER_ADDRESS_PER_HOUR, counters, is_named};
use loggia_model::entity::{LicencePool, PoolKind, Stamp};
use loggia_model::{Caller, Moment, PoolId};
use loggia_rules::Action;
use uuid::Uuid;

use super::rules::naming_pool;
use super::{Conflict, ManageError, Problems, Saved, Violation, refuse_stale, set};
use crate::Repository;
use crate::guard::Guard;
use crate::record::{Record, pool_kind};
use crate::site::Site;
use crate::store::Change;

/// What a request says about a pool; absent members stay as they are.
#[derive(Clone, Debug, Default)]
pub struct PoolEdit {
    pub name: Option<String>,
    /// Cannot be changed later: the ledger counts in units of the kind.
    pub kind: Option<PoolKind>,
    /// `Some(None)` makes it unlimited.
    pub capacity: Option<Option<u64>>,
    pub overage: Option<u64>,
    pub is_disabled: Option<bool>,
    /// `Some(None)` is what is usual for the kind.
    pub quarantine_days: Option<Option<u32>>,
    pub reserved_for_users: Option<u64>,
    /// `Some(None)` takes the ceiling away.
    pub units_per_address_per_hour: Option<Option<u64>>,
}

/// A pool and what is out of it.
#[derive(Clone, Debug)]
pub struct PoolUse {
    pub pool: Arc<LicencePool>,
    /// Minutes this month, passes not yet returned, or seats, those in quarantine included.
    pub used: u64,
    /// When something comes back by itself.
    pub renews: Option<Moment>,
    pub counters: Counters,
    /// Names of the licence rules that name this pool.
    pub rules: Vec<Arc<str>>,
}

impl Repository {
    /// The pools the caller may read, by name.
    pub fn pools(&self, caller: &Caller) -> Result<Vec<Arc<LicencePool>>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let pools = site.pools().cloned();
        let mut pools = guard.readable(pools, |pool| Record::Pool(pool).entity());
        pools.sort_by_cached_key(|pool| (pool.name.to_lowercase(), pool.id));
        Ok(pools)
    }

    /// One pool.
    pub fn pool(&self, caller: &Caller, id: PoolId) -> Result<Arc<LicencePool>, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let pool = site.pool(id).ok_or_else(|| guard.unknown("licence pool", Some(id.0)))?;
        guard.visible(Record::Pool(pool))?;
        Ok(pool.clone())
    }

    /// What is out of the pools that the caller may read.
    pub fn pool_uses(&self, caller: &Caller) -> Result<Vec<PoolUse>, ManageError> {
        let pools = self.pools(caller)?;
        let site = self.site();
        let now = self.now();
        let mut uses = Vec::with_capacity(pools.len());
        self.inner.store.read_ledger(&mut |ledger| {
            uses.clear();
            for pool in &pools {
                let drawn = self.drawn(pool, ledger, now)?;
                let rules = naming_pool(&site, pool_kind(pool.kind), pool.id.0);
                let counters = counters(pool, &drawn);
                let used = drawn.used.saturating_add(drawn.quarantined);
                let renews = drawn.renews;
                uses.push(PoolUse { pool: pool.clone(), used, renews, counters, rules });
            }
            Ok(())
        })?;
        Ok(uses)
    }

    /// Makes a pool. It admits nobody until a licence rule names it.
    pub fn create_pool(
        &self,
        caller: &Caller,
        id: Option<PoolId>,
        edit: PoolEdit,
    ) -> Result<Saved<Arc<LicencePool>>, ManageError> {
        let id = id.unwrap_or_else(|| PoolId(Uuid::new_v4()));
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let kind = edit.kind.unwrap_or(PoolKind::AnalyzerCapacity);
            let mut pool = new_pool(id, kind, guard.stamp());
            apply(&mut pool, &edit);
            guard.require_create(Record::Pool(&pool))?;
            if site.pool(id).is_some() {
                return Err(Conflict::Duplicate { what: format!("the id {id}") }.into());
            }
            let mut problems = Problems::default();
            if edit.kind.is_none() {
                problems.add("kind", "is needed: it says what the pool hands out");
            }
            check(&pool, problems)?;
            self.check_tokens(site, &pool)?;
            let warnings = warnings(site, &pool);
            Ok((vec![Change::PutPool(pool.clone())], Saved { value: Arc::new(pool), warnings }))
        })
    }

    /// Refuses whoever sees no pool and may make none: nothing about licences is theirs to ask.
    pub(crate) fn require_licence_duties(
        &self,
        guard: &Guard<'_>,
        caller: &Caller,
    ) -> Result<(), ManageError> {
        if !self.pools(caller)?.is_empty() {
            return Ok(());
        }
        let any = new_pool(PoolId(Uuid::nil()), PoolKind::AnalyzerCapacity, guard.stamp());
        guard.require_create(Record::Pool(&any))
    }

    /// Changes a pool; in force at once.
    pub fn update_pool(
        &self,
        caller: &Caller,
        id: PoolId,
        basis: Option<Moment>,
        edit: PoolEdit,
    ) -> Result<Saved<Arc<LicencePool>>, ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let before = site.pool(id).ok_or_else(|| guard.unknown("licence pool", Some(id.0)))?;
            let mut pool = LicencePool::clone(before);
            apply(&mut pool, &edit);
            guard.require_change(Record::Pool(before), Record::Pool(&pool), Action::Update)?;
            refuse_stale(basis, &before.stamp)?;
            let mut problems = Problems::default();
            if edit.kind.is_some_and(|kind| kind != before.kind) {
                problems.add("kind", "cannot be changed; make another pool and disable this one");
            }
            check(&pool, problems)?;
            self.check_tokens(site, &pool)?;
            pool.stamp = guard.restamp(&before.stamp);
            let warnings = warnings(site, &pool);
            Ok((vec![Change::PutPool(pool.clone())], Saved { value: Arc::new(pool), warnings }))
        })
    }

    /// Deletes a pool that no licence rule names. What it served stays in the ledger, and seats that
    /// were held are taken away, with the quarantine that is usual there.
    pub fn delete_pool(&self, caller: &Caller, id: PoolId) -> Result<(), ManageError> {
        self.change(caller, |site| {
            let guard = self.enter(site, caller)?;
            let pool = site.pool(id).ok_or_else(|| guard.unknown("licence pool", Some(id.0)))?;
            guard.require(Record::Pool(pool), Action::Delete)?;
            let rules = naming_pool(site, pool_kind(pool.kind), id.0);
            if !rules.is_empty() {
                let by = format!("licence rules {}; delete them first", rules.join(", "));
                return Err(Conflict::InUse { by }.into());
            }
            let mut changes = self.take_all_away(&guard, pool, "the pool was deleted")?;
            changes.push(Change::DeletePool(id));
            Ok((changes, ()))
        })
    }
}

/// A pool as it is made where nothing else is said.
pub(super) fn new_pool(id: PoolId, kind: PoolKind, stamp: Stamp) -> LicencePool {
    let mut pool = LicencePool::unlimited(id, "", kind, stamp);
    if !is_named(kind) {
        pool.units_per_address_per_hour = Some(UNITS_PER_ADDRESS_PER_HOUR);
    }
    pool
}

pub(super) fn apply(pool: &mut LicencePool, edit: &PoolEdit) {
    set(&mut pool.name, edit.name.clone());
    set(&mut pool.capacity, edit.capacity);
    set(&mut pool.overage, edit.overage);
    set(&mut pool.is_disabled, edit.is_disabled);
    set(&mut pool.quarantine_days, edit.quarantine_days);
    set(&mut pool.reserved_for_users, edit.reserved_for_users);
    set(&mut pool.units_per_address_per_hour, edit.units_per_address_per_hour);
}

pub(super) fn check(pool: &LicencePool, mut problems: Problems) -> Result<(), ManageError> {
    problems.text("name", &pool.name, true);
    if pool.overage > 0 && pool.kind != PoolKind::AnalyzerCapacity {
        problems.add("overage", "only analyzer capacity has overage");
    }
    if is_named(pool.kind) && pool.reserved_for_users > 0 {
        problems.add("reservedForUsers", "visitors draw nothing from seats of named people anyway");
    }
    if is_named(pool.kind) && pool.units_per_address_per_hour.is_some() {
        problems.add("unitsPerAddressPerHour", "only what visitors draw has a ceiling");
    }
    if !is_named(pool.kind) && pool.quarantine_days.is_some() {
        problems.add("quarantineDays", "only seats of named people are quarantined");
    }
    if pool.quarantine_days.is_some_and(|days| days > 366) {
        problems.add("quarantineDays", "is longer than a year");
    }
    if pool.capacity.is_some_and(|capacity| pool.reserved_for_users > capacity) {
        problems.add("reservedForUsers", "is more than the capacity; reserve at most all of it");
    }
    // The ledger adds up in 64 signed bits, with room to spare.
    if pool.capacity.is_some_and(|capacity| capacity > 1 << 40) || pool.overage > 1 << 40 {
        problems.add("capacity", "is larger than this product counts; leave it unlimited");
    }
    problems.finish()
}

fn warnings(site: &Site, pool: &LicencePool) -> Vec<Violation> {
    let mut warnings = Vec::new();
    let kind = pool_kind(pool.kind);
    if naming_pool(site, kind, pool.id.0).is_empty() {
        let message = format!(
            "no licence rule names this pool, so it admits nobody; make a rule with the resource \
             filter {kind}_{}",
            pool.id
        );
        warnings.push(Violation::warning("id", message));
    }
    let is_capacity = pool.kind == PoolKind::AnalyzerCapacity;
    if is_capacity && pool.capacity.is_some_and(|minutes| minutes + pool.overage < UNIT_MINUTES) {
        let message =
            format!("is less than one unit of {UNIT_MINUTES} minutes, so it serves nobody");
        warnings.push(Violation::warning("capacity", message));
    }
    warnings
}
