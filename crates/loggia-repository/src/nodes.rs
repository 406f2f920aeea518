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

fn may_open(site: &Site, caller: &Caller, app: &App, node: &Node) -> bool {
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
    let mut decisions = site.nodes().map(|node| (node, decide(site, caller, app, node)));
    let Some((node, decision)) = decisions.next() else {
        return Unplaced {
            finding: "the site has no node".to_owned(),
            mend: "start the server once".to_owned(),
        };
    };
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
