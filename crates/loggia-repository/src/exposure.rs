//! What is public right now? Everything that a visitor who has not signed in can reach, by which
//! rule, and on what it still depends.
//!
//! The report is made from the snapshot alone: it tells what the configuration opens, not whether
//! this month's capacity is used up or an app was reloaded. Of a visitor everything is known but
//! the [observations](OBSERVED) of a request: what depends on them is shown as the condition that
//! remains of the rules. A report can be [recorded](Exposure::to_json) and a later one
//! [compared](Exposure::difference) with it.

mod difference;
mod recorded;
mod table;
pub(crate) mod visitor;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use loggia_model::entity::{AnonymousMode, AppObject, PoolKind, VirtualProxy};
use loggia_model::{AppId, Caller, StreamId};
use loggia_rules::{Action, Entity, RequestContext, ResourceKind};
use uuid::Uuid;

use crate::Repository;
use crate::guard::Guard;
use crate::manage::ManageError;
use crate::record::Record;
use crate::resolve::{KINDS, SECTIONS};
use crate::site::Site;

pub use difference::{Differing, ExposureDifference};
pub use recorded::{RecordedExposure, UnreadableRecord};
use visitor::{Asked, Visitors};

/// What the proxy observes of each request, and nobody knows before it comes. Everything else
/// about a visitor is known: a visitor's session carries no attributes.
pub(crate) const OBSERVED: [&str; 6] = [
    "environment.ip",
    "environment.os",
    "environment.device",
    "environment.browser",
    "environment.securerequest",
    "environment.requesttype",
];

/// Everything that visitors can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Version of the site that was looked at.
    pub version: u64,
    /// The entrances that admit visitors, by address.
    pub entrances: Vec<OpenEntrance>,
    /// Every licence pool, by name, and whether it serves visitors.
    pub pools: Vec<PoolExposure>,
    /// The rules that have a part in it.
    pub rules: BTreeMap<Uuid, Arc<str>>,
    /// What can be reached: streams, their apps and the objects of these, then everything else.
    pub things: Vec<ExposedThing>,
}

/// An entrance that admits visitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenEntrance {
    /// `/public`, or `/` for the default one.
    pub address: Arc<str>,
    pub description: String,
    pub mode: AnonymousMode,
}

/// What a licence pool does for visitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolExposure {
    pub id: Uuid,
    pub name: String,
    pub kind: PoolKind,
    /// Where and when it serves them; empty when it does not.
    pub grants: Vec<Grant>,
    /// Why it serves no visitor.
    pub closed: Option<&'static str>,
}

/// One thing that a visitor can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposedThing {
    pub entity: Entity,
    pub name: Arc<str>,
    /// Of an object in an app: `sheet`, `barchart` …
    pub object_type: Option<Arc<str>>,
    pub stream: Option<Place<StreamId>>,
    pub app: Option<Place<AppId>>,
    /// What a visitor may do with it. Things with the same rights share one list.
    pub grants: Arc<[Grant]>,
    /// Of an app that can be seen but not opened: why.
    pub closed: Option<Arc<str>>,
    /// Whether the site has it. Of kinds that it has nothing of, one made-up thing stands for all.
    pub is_there: bool,
}

/// Where a thing belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<I> {
    pub id: I,
    pub name: Arc<str>,
}

/// Something that visitors may do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    pub deed: Deed,
    pub context: RequestContext,
    /// Addresses of the entrances where they may.
    pub entrances: Arc<[Arc<str>]>,
    /// What must hold of the request; none when they always may.
    pub when: Option<Arc<str>>,
    /// The rules that let them, each with what must hold for it.
    pub granted_by: Vec<Cause>,
    /// The rules that forbid it, and when.
    pub forbidden_by: Vec<Cause>,
}

/// What a visitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Deed {
    Action(Action),
    /// Opens an app, with all its data: needs *read*, and a licence pool that serves the visitor.
    Open,
    /// Comes in through an entrance.
    Enter,
}

/// A rule's part in a grant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cause {
    pub rule: Uuid,
    pub when: Option<Arc<str>>,
}

impl Repository {
    /// Everything visitors can reach, for somebody who may read the console's audit section.
    pub fn exposure(&self, caller: &Caller) -> Result<Exposure, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        guard.require_audit()?;
        Ok(Exposure::of(&site))
    }
}

impl Guard<'_> {
    /// Whether the caller may learn of rights and names across the whole site.
    pub(crate) fn may_audit(&self) -> bool {
        let section = Arc::from(AUDIT_SECTION);
        self.decide(Record::Transient(&section), Action::Read).is_allowed()
    }

    pub(crate) fn require_audit(&self) -> Result<(), ManageError> {
        if self.may_audit() {
            return Ok(());
        }
        let section = Arc::from(AUDIT_SECTION);
        let record = Record::Transient(&section);
        Err(self.denied(record, Action::Read, &self.decide(record, Action::Read)))
    }
}

/// Who may read it may see what everybody may do.
const AUDIT_SECTION: &str = "QmcSection_Audit";

impl Exposure {
    /// Everything visitors can reach on this site.
    #[must_use]
    pub fn of(site: &Site) -> Exposure {
        let entrances = open_entrances(site);
        let visitors = Visitors::new(site, &entrances);
        let known = visitors.known();
        let mut asked = Asked::new(&visitors, &known);
        let mut things = Vec::new();
        if !entrances.is_empty() {
            for thing in everything(site) {
                let grants = asked.grants(&thing.entity);
                if !grants.is_empty() {
                    let closed = asked.closed(&thing.entity, &grants);
                    things.push(ExposedThing { grants, closed, ..thing });
                }
            }
        }
        let pools = pools(site, &mut asked);
        things.sort_by_cached_key(order);
        let rules = names_of_rules(site, &things, &pools);
        let entrances = entrances.iter().map(|entrance| open_entrance(entrance)).collect();
        Exposure { version: site.version(), entrances, pools, rules, things }
    }

    /// Whether a visitor reaches something of the console's side.
    #[must_use]
    pub fn reaches_console(&self) -> bool {
        self.things
            .iter()
            .filter(|thing| thing.is_there)
            .any(|thing| thing.grants.iter().any(|grant| grant.context == RequestContext::Console))
    }
}

impl ExposedThing {
    /// The id that stays when names change: `App_<guid>`, `HubSection_Home`; `Extension` for one
    /// that is still to be made, `Extension_*` for any.
    #[must_use]
    pub fn key(&self) -> String {
        key(&self.entity)
    }
}

/// See [`ExposedThing::key`].
pub(crate) fn key(entity: &Entity) -> String {
    match (entity.id, &entity.name) {
        (Some(id), _) if id.is_nil() => format!("{}_*", entity.kind),
        (None, None) => entity.kind.to_string(),
        _ => entity.to_string(),
    }
}

impl Deed {
    /// The word of records: an action's name, `open` or `enter`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Deed::Action(action) => action.name(),
            Deed::Open => "open",
            Deed::Enter => "enter",
        }
    }

    /// In words, for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Deed::Action(action) => action_words(action),
            Deed::Open => "open",
            Deed::Enter => "enter",
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The action in words, for people.
#[must_use]
pub fn action_words(action: Action) -> &'static str {
    match action {
        Action::ChangeOwner => "change owner",
        Action::ChangeRole => "change role",
        Action::ExportData => "export data",
        Action::AccessOffline => "take offline",
        _ => action.name(),
    }
}

/// `/public`, or `/` for the default entrance.
pub(crate) fn address(entrance: &VirtualProxy) -> Arc<str> {
    if entrance.prefix.is_default() { "/".into() } else { entrance.prefix.base().into() }
}

pub(crate) fn open_entrances(site: &Site) -> Vec<Arc<VirtualProxy>> {
    let mut open: Vec<_> = site
        .virtual_proxies()
        .filter(|entrance| entrance.anonymous != AnonymousMode::Never)
        .cloned()
        .collect();
    open.sort_by(|a, b| a.prefix.cmp(&b.prefix));
    open
}

fn open_entrance(entrance: &VirtualProxy) -> OpenEntrance {
    OpenEntrance {
        address: address(entrance),
        description: entrance.description.clone(),
        mode: entrance.anonymous,
    }
}

/// Names of sections: those the product knows, and those that rules speak of.
pub(crate) fn sections(site: &Site) -> Vec<Arc<str>> {
    let named = site.rules().flat_map(|rule| rule.resource_filter.split(',')).map(str::trim);
    let named = named.filter(|item| {
        let family = item.split_once('_').map_or("", |(family, _)| family);
        let families = ["QmcSection", "HubSection", "Hub"];
        families.iter().any(|known| known.eq_ignore_ascii_case(family)) && !item.contains('*')
    });
    let mut seen = HashSet::new();
    SECTIONS
        .iter()
        .copied()
        .chain(named)
        .filter(|name| seen.insert(name.to_lowercase()))
        .map(Arc::from)
        .collect()
}

/// Kinds of which this release keeps rows or names, or which are reached through another.
pub(crate) fn is_kept(kind: ResourceKind) -> bool {
    use ResourceKind as K;
    // An app's data and content are reached by opening it; no rule is asked about them.
    let of_app = [K::AppDataSegment, K::AppContent, K::AppInternal];
    KINDS.contains(&kind) || kind == K::TransientObject || of_app.contains(&kind)
}

/// Everything of the site that rules decide about, without rights yet.
pub(crate) fn everything(site: &Site) -> impl Iterator<Item = ExposedThing> + '_ {
    let streams = site.streams().map(|stream| thing(site, Record::Stream(stream)));
    let apps = site.apps().map(|app| thing(site, Record::App(app)));
    let objects = site.objects().map(|object| thing(site, Record::AppObject(object)));
    let users = site.users().map(|user| thing(site, Record::User(user)));
    let rules = site.rules().map(|rule| thing(site, Record::Rule(rule)));
    let entrances =
        site.virtual_proxies().map(|entrance| thing(site, Record::VirtualProxy(entrance)));
    let directories =
        site.user_directories().map(|directory| thing(site, Record::UserDirectory(directory)));
    let proxies = std::iter::once(thing(site, Record::Proxy(site.proxy_service())));
    let pools = site.pools().map(|pool| thing(site, Record::Pool(pool)));
    let nodes = site.nodes().map(|node| thing(site, Record::Node(node)));
    let sections =
        sections(site).into_iter().map(|name| blank(Entity::transient(name.clone()), name));
    let others = ResourceKind::ALL.iter().copied().filter(|&kind| !is_kept(kind)).map(|kind| {
        let entity = Entity::new(kind, Uuid::nil());
        ExposedThing { is_there: false, ..blank(entity, format!("any {kind}").into()) }
    });
    let to_make = ResourceKind::ALL.iter().copied().map(|kind| {
        let is_there = is_kept(kind);
        ExposedThing { is_there, ..blank(Entity::to_create(kind), format!("a new {kind}").into()) }
    });
    streams
        .chain(apps)
        .chain(objects)
        .chain(users)
        .chain(rules)
        .chain(entrances)
        .chain(directories)
        .chain(proxies)
        .chain(pools)
        .chain(nodes)
        .chain(sections)
        .chain(others)
        .chain(to_make)
}

fn blank(entity: Entity, name: Arc<str>) -> ExposedThing {
    ExposedThing {
        entity,
        name,
        object_type: None,
        stream: None,
        app: None,
        grants: Arc::from([]),
        closed: None,
        is_there: true,
    }
}

/// A row of the site as reports name it.
pub(crate) fn thing(site: &Site, record: Record<'_>) -> ExposedThing {
    let mut thing = blank(record.entity(), record.name().into());
    let app = match record {
        Record::App(app) => {
            thing.stream = stream_of(site, app.stream);
            None
        }
        Record::AppObject(object) => {
            thing.object_type = Some(object.object_type.as_str().into());
            if object.name.is_empty() {
                thing.name = untitled(object);
            }
            site.app(object.app)
        }
        Record::VirtualProxy(entrance) => {
            thing.name = address(entrance);
            None
        }
        _ => None,
    };
    if let Some(app) = app {
        thing.app = Some(Place { id: app.id, name: app.name.as_str().into() });
        thing.stream = stream_of(site, app.stream);
    }
    thing
}

fn untitled(object: &AppObject) -> Arc<str> {
    object.engine_id.as_str().into()
}

fn stream_of(site: &Site, id: Option<StreamId>) -> Option<Place<StreamId>> {
    let stream = site.stream(id?)?;
    Some(Place { id: stream.id, name: stream.name.as_str().into() })
}

/// Whether and when each pool serves visitors, whatever is left in it at the moment.
fn pools(site: &Site, asked: &mut Asked<'_>) -> Vec<PoolExposure> {
    let mut pools: Vec<_> = site.pools().cloned().collect();
    pools.sort_by_cached_key(|pool| (pool.name.to_lowercase(), pool.id));
    pools
        .into_iter()
        .map(|pool| {
            let closed = visitor::why_no_visitor(&pool);
            let grants = if closed.is_some() { Vec::new() } else { asked.admission(&pool) };
            let closed = closed
                .or_else(|| grants.is_empty().then_some("no licence rule for it admits a visitor"));
            PoolExposure { id: pool.id.0, name: pool.name.clone(), kind: pool.kind, grants, closed }
        })
        .collect()
}

/// Streams with their apps and the objects of these, apps in no stream, then everything else; by
/// name, and by id where names are the same.
fn order(thing: &ExposedThing) -> impl Ord + use<> {
    let place = |place: Option<(&Arc<str>, Uuid)>| {
        place.map(|(name, id)| (name.to_lowercase(), id)).unwrap_or_default()
    };
    let own = (thing.name.to_lowercase(), thing.entity.id.unwrap_or_default());
    let stream = place(thing.stream.as_ref().map(|stream| (&stream.name, stream.id.0)));
    let app = place(thing.app.as_ref().map(|app| (&app.name, app.id.0)));
    let nowhere = (String::new(), Uuid::nil());
    let is_work = thing.stream.is_none();
    let kind = thing.object_type.as_deref().map(|kind| (kind != "sheet", kind.to_lowercase()));
    match thing.entity.kind {
        _ if thing.entity.id.is_none_or(|id| id.is_nil()) && thing.entity.name.is_none() => {
            let rank = if thing.entity.id.is_some() { 4 } else { 3 };
            (rank, false, own, nowhere.clone(), 0, None, nowhere)
        }
        ResourceKind::Stream => (0, false, own, nowhere.clone(), 0, None, nowhere),
        ResourceKind::App => (0, is_work, stream, own, 1, None, nowhere),
        ResourceKind::AppObject => (0, is_work, stream, app, 2, kind, own),
        ResourceKind::TransientObject => (1, false, own, nowhere.clone(), 0, None, nowhere),
        other => (2, false, (other.name().to_owned(), Uuid::nil()), own, 0, None, nowhere),
    }
}

fn names_of_rules(
    site: &Site,
    things: &[ExposedThing],
    pools: &[PoolExposure],
) -> BTreeMap<Uuid, Arc<str>> {
    let mut lists = HashSet::new();
    let mut rules = BTreeMap::new();
    let grants = things
        .iter()
        .filter(|thing| lists.insert(Arc::as_ptr(&thing.grants)))
        .flat_map(|thing| thing.grants.iter())
        .chain(pools.iter().flat_map(|pool| &pool.grants));
    for cause in grants.flat_map(|grant| grant.granted_by.iter().chain(&grant.forbidden_by)) {
        rules.entry(cause.rule).or_insert_with(|| {
            let rule = site.rule(loggia_model::RuleId(cause.rule));
            rule.map_or_else(|| Arc::from("unnamed"), |rule| rule.name.as_str().into())
        });
    }
    rules
}
