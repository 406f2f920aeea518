//! Which node may open an app? The enabled load-balancing rules say so (`spec/access.md` §7.3):
//! they only ever add, but for one that forbids. There is one node, so this is a yes or a no.

use std::sync::Arc;

use loggia_model::Caller;
use loggia_model::entity::{App, Node};
use loggia_rules::{Action, Decision, RequestContext};

use crate::facts::SiteFacts;
use crate::record::Record;
use crate::{Repository, Site};

/// Load-balancing rules read this bit as *load balancing*.
pub(crate) const LOAD_BALANCING: Action = Action::Create;

impl Repository {
    /// The nodes that may open and reload the app for the caller.
    #[must_use]
    pub fn nodes_for(&self, caller: &Caller, app: &App) -> Vec<Arc<Node>> {
        nodes_for(&self.site(), caller, app)
    }
}

pub(crate) fn nodes_for(site: &Site, caller: &Caller, app: &App) -> Vec<Arc<Node>> {
    site.nodes().filter(|node| decide(site, caller, app, node).is_allowed()).cloned().collect()
}

/// Whether this node may open the app, and by which rules. Apps are opened in the hub, whatever
/// the caller came from.
pub(crate) fn decide(site: &Site, caller: &Caller, app: &App, node: &Node) -> Decision {
    let facts = SiteFacts::new(site, caller).on_node(node);
    let entity = Record::App(app).entity();
    loggia_rules::decide(site.sync(), &facts, RequestContext::Hub, &entity, LOAD_BALANCING)
}
