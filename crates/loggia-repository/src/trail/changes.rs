//! What does a commit tell the trail? Rules, entrances, pools and people's roles, before and
//! after, and by whom.

use loggia_audit::{Entry, Event, Kind};
use loggia_model::entity::User;
use loggia_model::{Caller, InternalAccount, Moment};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::site::Site;
use crate::store::{Change, LineKind, StoredSite};

/// Members whose text nobody reads in the trail. Whoever adds a secret to an entity adds it here;
/// the test `secrets_never_reach_the_trail` knows what there is.
const SECRETS: [&str; 5] = ["key", "client_secret", "password", "bind_password", "secret"];

/// The events of a commit on `before` by `caller`.
pub(crate) fn events(
    before: &Site,
    changes: &[Change],
    caller: &Caller,
    now: Moment,
) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    let mut act = None;
    for change in changes {
        let Some(event) = event(before, change, caller, now) else { continue };
        let act: &String = act.get_or_insert_with(|| Uuid::new_v4().simple().to_string());
        events.push(event.correlated(act.clone()));
    }
    events
}

/// What the release itself lays down in a site.
pub(crate) fn of_release(
    stored: StoredSite,
    changes: &[Change],
    now: Moment,
    node: &str,
) -> Vec<Change> {
    let caller = Caller::internal(InternalAccount::Repository);
    // A site that cannot be served is refused later, by whoever opens it.
    let Ok(before) = Site::from_stored(stored) else { return Vec::new() };
    let told = events(&before, changes, &caller, now);
    let entries = told.into_iter().map(|mut event| {
        event.node = node.to_owned();
        Box::new(Entry::new(event, &mut || Uuid::new_v4().into_bytes()))
    });
    entries.map(Change::Record).collect()
}

fn event(before: &Site, change: &Change, caller: &Caller, now: Moment) -> Option<Event> {
    let event = |kind| Event::by(caller, kind, now);
    match change {
        Change::PutRule(stored) => {
            let rule = &stored.rule;
            let old = before.rule(rule.id);
            let kind = match old {
                None => Kind::RuleCreated,
                Some(old) if rule.is_disabled && !old.is_disabled => Kind::RuleDisabled,
                Some(_) => Kind::RuleChanged,
            };
            told(event(kind), "rule", &rule.id.text(), &rule.name, old, Some(rule))
        }
        Change::DeleteRule(id) => {
            let old = before.rule(*id)?;
            told(event(Kind::RuleDeleted), "rule", &id.text(), &old.name, Some(old), None)
        }
        Change::PutVirtualProxy(entrance) => {
            let old = before.virtual_proxy(entrance.id).map(|old| &**old);
            let (id, name) = (entrance.id.text(), entrance.prefix.as_str());
            told(event(Kind::ProxyChanged), "virtualProxy", &id, name, old, Some(&**entrance))
        }
        Change::DeleteVirtualProxy(id) => {
            let old = before.virtual_proxy(*id)?;
            let name = old.prefix.as_str();
            let old = Some(&**old);
            told(event(Kind::ProxyChanged), "virtualProxy", &id.text(), name, old, None)
        }
        Change::PutProxyService(service) => {
            let old = Some(before.proxy_service()).map(|old| &**old);
            let (id, new) = (service.id.text(), Some(&**service));
            told(event(Kind::ServiceChanged), "proxyService", &id, "", old, new)
        }
        Change::PutUserDirectory(directory) => {
            let old = before.user_directory(directory.id).map(|old| &**old);
            let (id, new) = (directory.id.text(), Some(&**directory));
            told(event(Kind::DirectoryChanged), "userDirectory", &id, &directory.name, old, new)
        }
        Change::DeleteUserDirectory(id) => {
            let old = before.user_directory(*id)?;
            let name = old.name.clone();
            let old = Some(&**old);
            told(event(Kind::DirectoryChanged), "userDirectory", &id.text(), &name, old, None)
        }
        Change::PutPool(pool) => {
            let old = before.pool(pool.id).map(|old| &**old);
            let id = pool.id.text();
            told(event(Kind::LicenceChanged), "licencePool", &id, &pool.name, old, Some(pool))
        }
        Change::DeletePool(id) => {
            let old = &**before.pool(*id)?;
            told(event(Kind::LicenceChanged), "licencePool", &id.text(), &old.name, Some(old), None)
        }
        Change::PutUser(user) => user_event(before.user(user.id).map(|old| &**old), user, &event),
        Change::DeleteUser(id) => {
            let old = before.user(*id)?;
            let event = about_user(event(Kind::UserDeleted), old);
            Some(event.with("before", json!({ "roles": old.roles })))
        }
        Change::PutCredential { user, .. } => {
            let event = event(Kind::UserPasswordChanged).with("id", user.text());
            Some(match before.user(*user) {
                Some(user) => event.with("name", user.key.to_string()),
                None => event,
            })
        }
        Change::PutTokens(tokens) => {
            Some(event(Kind::LicenceChanged).with("type", "tokens").with("after", *tokens))
        }
        Change::AppendLine(line) => {
            let kind = match line.kind {
                LineKind::Taken => Kind::LicenceTaken,
                LineKind::Released => Kind::LicenceReleased,
                LineKind::Quarantined => Kind::LicenceQuarantined,
                LineKind::Reinstated => Kind::LicenceReinstated,
                LineKind::Used | LineKind::Alert => return None,
            };
            let event = event(kind)
                .with("kind", format!("{:?}", line.pool_kind))
                .with("pool", line.pool.text())
                .with("holder", line.principal.clone())
                .with("unit", line.key.clone());
            Some(match line.until {
                Some(until) => event.with("until", until.0),
                None => event,
            })
        }
        _ => None,
    }
}

/// Directories bring people by the thousand: only what they may do is told.
fn user_event(old: Option<&User>, user: &User, event: &impl Fn(Kind) -> Event) -> Option<Event> {
    let roles: &[String] = old.map_or(&[], |old| &old.roles);
    let was_shut = old.is_some_and(|old| old.is_blocked || old.is_inactive);
    let state = |user: &User| json!({ "roles": user.roles, "blocked": user.is_blocked, "inactive": user.is_inactive });
    let kind = if roles != user.roles {
        Kind::UserRoleChanged
    } else if was_shut != (user.is_blocked || user.is_inactive) {
        Kind::UserBlocked
    } else {
        return None;
    };
    let event = about_user(event(kind), user);
    Some(event.with("before", old.map_or(Value::Null, state)).with("after", state(user)))
}

fn about_user(event: Event, user: &User) -> Event {
    event.with("id", user.id.text()).with("name", user.key.to_string())
}

/// The members that differ, before and after; all of them for what came or went. None when nothing
/// differs but the stamp.
fn told<T: Serialize>(
    event: Event,
    what: &str,
    id: &str,
    name: &str,
    old: Option<&T>,
    new: Option<&T>,
) -> Option<Event> {
    let (mut old, mut new) = (members(old), members(new));
    if let (Some(old), Some(new)) = (&mut old, &mut new) {
        let same: Vec<String> = old
            .iter()
            .filter(|(name, value)| new.get(*name) == Some(value))
            .map(|(name, _)| name.clone())
            .collect();
        for name in same {
            old.remove(&name);
            new.remove(&name);
        }
        if old.is_empty() && new.is_empty() {
            return None;
        }
        hide_changed(old, new);
    }
    let value = |members: Option<Map<String, Value>>| {
        members.map_or(Value::Null, |members| hidden(Value::Object(members)))
    };
    Some(
        event
            .with("type", what)
            .with("id", id)
            .with("name", name)
            .with("before", value(old))
            .with("after", value(new)),
    )
}

fn members<T: Serialize>(entity: Option<&T>) -> Option<Map<String, Value>> {
    // Nothing in an entity can fail to be written.
    let value = serde_json::to_value(entity?).unwrap_or_default();
    let Value::Object(mut members) = value else { return Some(Map::new()) };
    members.remove("stamp");
    // Each synchronisation says how it went.
    members.remove("last_sync");
    Some(members)
}

/// Secrets that differ say so, and nothing else.
fn hide_changed(old: &mut Map<String, Value>, new: &mut Map<String, Value>) {
    for (name, value) in new.iter_mut() {
        let Some(before) = old.get_mut(name) else { continue };
        if SECRETS.contains(&name.as_str()) && before != value {
            *before = json!("(secret)");
            *value = json!("(another secret)");
        } else if let (Value::Object(before), Value::Object(value)) = (before, value) {
            hide_changed(before, value);
        }
    }
}

fn hidden(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| {
                    let is_secret = SECRETS.contains(&name.as_str());
                    let is_told = value.as_str().is_some_and(|text| {
                        text.is_empty() || text == "(secret)" || text == "(another secret)"
                    });
                    match value {
                        Value::Null => (name, Value::Null),
                        _ if is_secret && !is_told => (name, json!("(secret)")),
                        value => (name, hidden(value)),
                    }
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(hidden).collect()),
        other => other,
    }
}
