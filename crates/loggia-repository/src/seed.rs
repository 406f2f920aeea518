//! What does a new site contain, and how do shipped rules reach this release?
//!
//! Each piece of shipped content has a seed name and a version. What was laid down once is
//! remembered, so that a deleted stream does not come back; a rule that somebody has edited is
//! Custom and is never touched again.

use loggia_model::entity::{
    AnonymousMode, AuthenticationMethod, HeaderSettings, JwtSettings, LoadBalancing, OidcSettings,
    ProxyService, RuleCategory, RuleOrigin, SameSite, SamlSettings, Stamp, Stream, SystemRule,
    TicketSettings, User, VirtualProxy, VisitorCookie, VisitorRates,
};
use loggia_model::{
    Moment, Prefix, ProxyServiceId, RuleId, StreamId, UserId, UserKey, VirtualProxyId,
};
use loggia_rules::Category;
use loggia_rules::shipped::{self, ShippedRule};
use uuid::{Uuid, uuid};

use crate::site::CENTRAL_NODE;
use crate::store::{Change, Store, StoreError, StoredRule, StoredSite};
use crate::trail;

/// The stream that everybody knows.
pub const EVERYONE: StreamId = StreamId(shipped::EVERYONE_STREAM);
/// The stream of the operator's own apps.
pub const MONITORING: StreamId = StreamId(shipped::MONITORING_STREAM);
/// The virtual proxy with the empty prefix.
pub const DEFAULT_ENTRANCE: VirtualProxyId =
    VirtualProxyId(uuid!("c1a1a4d5-8b0f-4f6a-9a59-6a3c1a8f2d01"));
/// The proxy service of the node that every site has.
pub const LOCAL_PROXY: ProxyServiceId =
    ProxyServiceId(uuid!("5d0e8f34-2b57-4c1a-9f7e-6f2b0a3c4d01"));
/// The account that owns what the product ships.
pub const REPOSITORY_ACCOUNT: UserId = UserId(uuid!("6c3f1e0a-52a4-4d6e-8f0b-000000000001"));

/// The accounts of `spec/access.md` §1.6.
const ACCOUNTS: [&str; 5] = ["sa_repository", "sa_engine", "sa_scheduler", "sa_proxy", "sa_api"];

/// Brings the store's shipped content to this release; does nothing when it is there already.
pub(crate) fn lay_down(store: &dyn Store, now: Moment, node: &str) -> Result<(), StoreError> {
    loop {
        let stored = store.load()?;
        let mut changes = missing(&stored, shipped::rules(), now);
        if changes.is_empty() {
            return Ok(());
        }
        let version = stored.version;
        // Rules that nobody but this release made or raised are told like any others.
        changes.extend(trail::changes::of_release(stored, &changes, now, node));
        match store.commit(version, &changes) {
            Ok(_) => return Ok(()),
            Err(StoreError::Stale { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

fn missing<'s>(
    stored: &StoredSite,
    shipped: impl Iterator<Item = &'s ShippedRule>,
    now: Moment,
) -> Vec<Change> {
    let stamp =
        Stamp { created: now, modified: now, modified_by: "INTERNAL\\sa_repository".into() };
    let mut changes = Vec::new();
    if laid_down(stored, "site") == 0 {
        changes.extend(accounts(&stamp));
        changes.push(Change::PutStream(stream(EVERYONE, "Everyone", &stamp)));
        changes.push(Change::PutStream(stream(MONITORING, "Monitoring apps", &stamp)));
        changes.push(Change::PutVirtualProxy(Box::new(default_entrance(&stamp))));
        changes.push(Change::PutSeed { seed: "site".to_owned(), version: 1 });
    }
    if stored.proxy_services.is_empty() {
        // Entrances of a time before this one were all served.
        let mut linked: Vec<_> = stored.virtual_proxies.iter().map(|one| one.id).collect();
        if !linked.contains(&DEFAULT_ENTRANCE) {
            linked.push(DEFAULT_ENTRANCE);
        }
        let proxy = proxy_service(linked, stamp.clone());
        changes.push(Change::PutProxyService(Box::new(proxy)));
    }
    for shipped in shipped {
        let seed = format!("rule:{}", shipped.seed);
        let known = laid_down(stored, &seed);
        if known >= shipped.version {
            continue;
        }
        let mut is_present = false;
        for present in &stored.rules {
            if present.rule.seed.as_deref() != Some(shipped.seed) {
                continue;
            }
            is_present = true;
            // A Custom one is the operator's own by now.
            if present.rule.origin != RuleOrigin::Custom {
                changes.push(Change::PutRule(raised(present, shipped, &stamp)));
            }
        }
        // One that was laid down before and is gone has been deleted, and stays so.
        if !is_present && known == 0 {
            changes.push(Change::PutRule(rule(shipped, &stamp)));
        }
        changes.push(Change::PutSeed { seed, version: shipped.version });
    }
    changes
}

fn laid_down(stored: &StoredSite, seed: &str) -> u32 {
    stored.seeds.iter().find(|(name, _)| name == seed).map_or(0, |&(_, version)| version)
}

fn accounts(stamp: &Stamp) -> impl Iterator<Item = Change> {
    let first = REPOSITORY_ACCOUNT.0.as_u128();
    ACCOUNTS.iter().zip(first..).filter_map(move |(name, id)| {
        let key = UserKey::new(UserKey::INTERNAL_DIRECTORY, name).ok()?;
        Some(Change::PutUser(User {
            id: UserId(Uuid::from_u128(id)),
            key,
            name: (*name).to_owned(),
            roles: Vec::new(),
            attributes: Vec::new(),
            custom_properties: Vec::new(),
            tags: Vec::new(),
            is_inactive: false,
            is_blocked: false,
            external: None,
            stamp: stamp.clone(),
        }))
    })
}

fn stream(id: StreamId, name: &str, stamp: &Stamp) -> Stream {
    Stream {
        id,
        name: name.to_owned(),
        owner: REPOSITORY_ACCOUNT,
        custom_properties: Vec::new(),
        tags: Vec::new(),
        stamp: stamp.clone(),
    }
}

fn default_entrance(stamp: &Stamp) -> VirtualProxy {
    VirtualProxy {
        id: DEFAULT_ENTRANCE,
        prefix: Prefix::default_entrance(),
        description: "Default entrance".to_owned(),
        session_cookie: "X-Qlik-Session".to_owned(),
        ..new_entrance(stamp.clone())
    }
}

/// The proxy service of this node with the defaults of `spec/access.md` §2.1.
pub(crate) fn proxy_service(linked: Vec<VirtualProxyId>, stamp: Stamp) -> ProxyService {
    ProxyService {
        id: LOCAL_PROXY,
        node: CENTRAL_NODE,
        virtual_proxies: linked,
        // The original's present default is not documented; a minute is what idle connections get
        // (`spec/security.md` §2, row 50).
        keep_alive_seconds: 60,
        max_header_bytes: 16_384,
        max_header_lines: 100,
        login_template: String::new(),
        logged_out_template: String::new(),
        error_template: String::new(),
        custom_properties: Vec::new(),
        tags: Vec::new(),
        stamp,
    }
}

/// A virtual proxy with the defaults of `spec/access.md` §2.2.
pub(crate) fn new_entrance(stamp: Stamp) -> VirtualProxy {
    VirtualProxy {
        id: VirtualProxyId(Uuid::nil()),
        prefix: Prefix::default_entrance(),
        description: String::new(),
        anonymous: AnonymousMode::Never,
        session_cookie: String::new(),
        inactivity_minutes: 30,
        host_allow_list: Vec::new(),
        same_site_https: SameSite::Lax,
        same_site_http: SameSite::Lax,
        additional_headers: String::new(),
        extended_security: false,
        max_anonymous_sessions: 500,
        max_anonymous_sessions_per_address: 20,
        lifetime_minutes: None,
        cool_down_minutes: 0,
        cookie_domain: String::new(),
        is_secure_https: true,
        is_secure_http: false,
        visitor_cookie: VisitorCookie::default(),
        visitor_rates: VisitorRates::default(),
        method: AuthenticationMethod::Ticket,
        ticket: TicketSettings::default(),
        header: HeaderSettings::default(),
        saml: SamlSettings::default(),
        jwt: JwtSettings::default(),
        oidc: OidcSettings::default(),
        load_balancing: LoadBalancing::default(),
        session_module_uri: String::new(),
        load_balancing_module_uri: String::new(),
        magic_link_host: String::new(),
        magic_link_name: String::new(),
        custom_properties: Vec::new(),
        tags: Vec::new(),
        stamp,
    }
}

fn rule(shipped: &ShippedRule, stamp: &Stamp) -> StoredRule {
    StoredRule {
        rule: SystemRule {
            id: RuleId(shipped.id),
            category: match shipped.category {
                Category::Security => RuleCategory::Security,
                Category::License => RuleCategory::License,
                Category::Sync => RuleCategory::Sync,
            },
            origin: if shipped.read_only { RuleOrigin::ReadOnly } else { RuleOrigin::Default },
            name: shipped.name.to_owned(),
            comment: shipped.comment.to_owned(),
            condition: shipped.condition.to_owned(),
            resource_filter: shipped.filter.to_owned(),
            actions: shipped.actions.bits(),
            context: shipped.context,
            is_forbidding: false,
            is_disabled: false,
            seed: Some(shipped.seed.to_owned()),
            tags: Vec::new(),
            stamp: stamp.clone(),
        },
        seed_version: shipped.version,
    }
}

/// The shipped text of this release; whether it is in force and its tags stay the operator's.
pub(crate) fn raised(present: &StoredRule, shipped: &ShippedRule, stamp: &Stamp) -> StoredRule {
    let mut raised = rule(shipped, stamp);
    raised.rule.id = present.rule.id;
    raised.rule.is_disabled = present.rule.is_disabled && !shipped.read_only;
    raised.rule.tags = present.rule.tags.clone();
    raised.rule.stamp.created = present.rule.stamp.created;
    raised
}

#[cfg(test)]
mod tests;
