//! Which node may open an app? The enabled load-balancing rules say so (`spec/access.md` §7.3):
//! they only ever add, but for one that forbids, and the entrance that somebody came through may
//! name the nodes it uses. There is one node, so this is a yes or a no.

use std::sync::Arc;

use loggia_model::entity::{App, Node, VirtualProxy};
use loggia_model::{Caller, Principal};
use loggia_rules::{Action, Decision, RequestContext};

use crate::facts::SiteFacts;
use crate::record::Record;
use crate::{Repository, Site};

/// Load-balancing rules read this bit as *load balancing*.
const LOAD_BALANCING: Action = Action::Create;
/// Apps are opened in the hub, wherever the caller is.
const CONTEXT: RequestContext = RequestContext::Hub;

impl Repository {
    /// The nodes that may open and reload the app for the caller.
    #[must_use]
    pub fn nodes_for(&self, caller: &Caller, app: &App) -> Vec<Arc<Node>> {
        nodes_for(&self.site(), caller, app)
    }
}

fn nodes_for(site: &Site, caller: &Caller, app: &App) -> Vec<Arc<Node>> {
    site.nodes().filter(|node| may_open(site, caller, app, node)).cloned().collect()
}

pub(crate) fn some_may_open(site: &Site, caller: &Caller, app: &App) -> bool {
    site.nodes().any(|node| may_open(site, caller, app, node))
}

/// Whether the entrance uses the node. One that names none uses all of them.
pub(crate) fn uses(entrance: &VirtualProxy, node: &Node) -> bool {
    entrance.load_balancing.nodes.as_ref().is_none_or(|nodes| nodes.contains(&node.id))
}

/// Whether the entrance uses a node of the site at all.
pub(crate) fn has_some(site: &Site, entrance: &VirtualProxy) -> bool {
    site.nodes().any(|node| uses(entrance, node))
}

/// The entrance that keeps the caller from the node. The server's own accounts came through none.
fn keeping_off<'s>(site: &'s Site, caller: &Caller, node: &Node) -> Option<&'s VirtualProxy> {
    if matches!(caller.principal, Principal::Internal(_)) {
        return None;
    }
    let entrance = site.entrance_anywhere(&caller.environment.virtual_proxy)?;
    (!uses(entrance, node)).then_some(entrance)
}

fn may_open(site: &Site, caller: &Caller, app: &App, node: &Node) -> bool {
    if keeping_off(site, caller, node).is_some() {
        return false;
    }
    let facts = SiteFacts::new(site, caller).on_node(node);
    let entity = Record::App(app).entity();
    loggia_rules::allows(site.sync(), &facts, CONTEXT, &entity, LOAD_BALANCING)
}

/// Whether this node may open the app, and by which rules.
fn decide(site: &Site, caller: &Caller, app: &App, node: &Node) -> Decision {
    let facts = SiteFacts::new(site, caller).on_node(node);
    let entity = Record::App(app).entity();
    loggia_rules::decide(site.sync(), &facts, CONTEXT, &entity, LOAD_BALANCING)
}

/// Why no node may open an app, for the log and for administrators.
pub(crate) struct Unplaced {
    pub(crate) finding: String,
    /// What to change.
    pub(crate) mend: String,
}

/// Speaks of the central node: where that may open an app, nothing else matters.
pub(crate) fn why_none(site: &Site, caller: &Caller, app: &App) -> Unplaced {
    let Some(node) = site.nodes().next() else {
        return Unplaced {
            finding: "the site has no node".to_owned(),
            mend: "start the server once".to_owned(),
        };
    };
    if let Some(entrance) = keeping_off(site, caller, node) {
        return Unplaced {
            finding: format!(
                "entrance {:?} does not use node {:?}",
                entrance.prefix.as_str(),
                node.name
            ),
            mend: format!(
                "add node {:?} to loadBalancingServerNodes of virtual proxy {}, or set \
                 loadBalancingAllNodes to true",
                node.name, entrance.id
            ),
        };
    }
    let decision = decide(site, caller, app, node);
    let forbidding = decision.forbidden_by.first().and_then(|id| site.rule((*id).into()));
    match forbidding {
        Some(rule) => Unplaced {
            finding: format!(
                "the load-balancing rule {:?} forbids node {:?} to open it",
                rule.name, node.name
            ),
            mend: format!(
                "disable the load-balancing rule {:?} ({}), or narrow it",
                rule.name, rule.id
            ),
        },
        None => Unplaced {
            finding: format!("no load-balancing rule lets node {:?} open it", node.name),
            mend: format!(
                "add a load-balancing rule: resource filter App_{}, action 1, condition \
                 node.isCentral = \"true\"",
                app.id
            ),
        },
    }
}
