//! What happens to sessions when an entrance changes: exactly those end that it no longer takes,
//! and all of them when it is deleted or no proxy serves it any more. Everybody else stays, sockets
//! included.
//!
//! A new cookie name or prefix ends nothing: open sockets go on, and browsers, whose cookie is not
//! asked for any more, begin anew.

use std::collections::HashMap;
use std::sync::Arc;

use loggia_auth::Sessions;
use loggia_model::entity::{AnonymousMode, VirtualProxy};
use loggia_model::{Principal, SessionEnd, VirtualProxyId};
use loggia_repository::{Repository, Site};
use parking_lot::Mutex;
use tracing::info;

use crate::proxy::times;

/// Follows the site's snapshots from now on.
pub(crate) fn follow(repository: &Repository, sessions: &Sessions) {
    let sessions = sessions.clone();
    let site = repository.site();
    // Sessions of the last run meet the entrances as they are today.
    for entrance in site.virtual_proxies() {
        dismiss(&sessions, entrance);
        sessions.set_cool_down(entrance.id, entrance.cool_down_minutes);
    }
    sessions.end_where(SessionEnd::Closed, |session| {
        !site.is_linked(session.entrance) || is_orphan(&site, &session.principal)
    });
    let before = Mutex::new(entrances(&site));
    repository.subscribe(move |site| {
        let mut before = before.lock();
        let after = entrances(site);
        for (id, entrance) in &after {
            match before.get(id) {
                Some(old) if Arc::ptr_eq(old, entrance) => {}
                Some(old) => react(&sessions, old, entrance),
                None => sessions.set_cool_down(*id, entrance.cool_down_minutes),
            }
        }
        for (id, entrance) in before.iter().filter(|(id, _)| !after.contains_key(id)) {
            let ended = sessions.end_where(SessionEnd::Closed, |session| session.entrance == *id);
            let what = if site.virtual_proxy(*id).is_some() { "unlinked" } else { "deleted" };
            sessions.set_cool_down(*id, 0);
            info!(ended, "entrance {:?} was {what}", entrance.prefix.as_str());
        }
        *before = after;
    });
}

/// The entrances that people can reach.
fn entrances(site: &Site) -> HashMap<VirtualProxyId, Arc<VirtualProxy>> {
    site.virtual_proxies()
        .filter(|entrance| site.is_linked(entrance.id))
        .map(|entrance| (entrance.id, Arc::clone(entrance)))
        .collect()
}

fn react(sessions: &Sessions, old: &VirtualProxy, new: &VirtualProxy) {
    if old.anonymous != new.anonymous {
        let ended = dismiss(sessions, new);
        info!(ended, "entrance {:?} changed its anonymous mode", new.prefix.as_str());
    }
    sessions.set_cool_down(new.id, new.cool_down_minutes);
    let are_times_new = old.inactivity_minutes != new.inactivity_minutes
        || old.lifetime_minutes != new.lifetime_minutes;
    if are_times_new {
        sessions.set_times(new.id, times(new));
    }
}

fn dismiss(sessions: &Sessions, entrance: &VirtualProxy) -> usize {
    match entrance.anonymous {
        AnonymousMode::Never => sessions.end_where(SessionEnd::Closed, |session| {
            session.entrance == entrance.id && session.is_anonymous()
        }),
        AnonymousMode::Always => sessions.end_where(SessionEnd::Closed, |session| {
            session.entrance == entrance.id && !session.is_anonymous()
        }),
        AnonymousMode::Allowed | AnonymousMode::SilentFirst => 0,
    }
}

fn is_orphan(site: &Site, principal: &Principal) -> bool {
    matches!(principal, Principal::User { id, .. } if site.user(*id).is_none())
}
