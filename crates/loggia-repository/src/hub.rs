//! What does the hub show? Streams and apps by the rules alone: looking costs no licence.

use std::collections::HashMap;
use std::sync::Arc;

use loggia_model::entity::{App, Stream};
use loggia_model::{AppId, Caller, Principal, StreamId, UserId};
use loggia_rules::{Action, Actions, Entity, Listing, ResourceKind};

use crate::Repository;
use crate::facts::SiteFacts;
use crate::guard::Guard;
use crate::manage::{ManageError, apps};
use crate::record::Record;
use crate::refusal::Refusal;

/// A stream and the apps in it that the caller may read.
#[derive(Clone, Debug)]
pub struct HubStream {
    pub stream: Arc<Stream>,
    pub apps: Vec<HubApp>,
}

/// An app as a tile shows it.
#[derive(Clone, Debug)]
pub struct HubApp {
    pub app: Arc<App>,
    pub owner_name: Arc<str>,
    pub may: Actions,
}

/// An app as its overview shows it.
#[derive(Clone, Debug)]
pub struct AppDetails {
    pub app: Arc<App>,
    pub stream: Option<Arc<Stream>>,
    pub owner_name: String,
    /// The sheets the caller may read, in the order of their rank.
    pub sheets: Vec<Sheet>,
    pub may: Actions,
}

/// A sheet as a list shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// The id that addresses and the engine protocol use.
    pub id: String,
    pub title: String,
    pub description: String,
    pub rank: f64,
    pub is_published: bool,
    pub is_approved: bool,
}

impl Repository {
    /// The streams the caller may read with their readable apps, *Everyone* first. Complete.
    pub fn hub(&self, caller: &Caller) -> Result<Arc<[HubStream]>, Box<Refusal>> {
        let site = self.site();
        let guard = Guard::new(&site, caller, self.now());
        guard.account().map_err(|refusal| Box::new(site.refused(*refusal)))?;
        let find = || self.kept_hub(&guard, || self.make_hub(&guard));
        Ok(self.inner.recent_hubs.get(&guard, find))
    }

    fn make_hub(&self, guard: &Guard<'_>) -> Arc<[HubStream]> {
        let streams = self.rows::<Arc<Stream>>(guard, Action::Read);
        let mut apps_of: HashMap<StreamId, Vec<HubApp>> =
            streams.iter().map(|stream| (stream.id, Vec::new())).collect();
        let facts = guard.facts(None);
        let mut rights = Rights::new(guard, &facts, ResourceKind::App);
        let mut names: HashMap<UserId, Arc<str>> = HashMap::new();
        for app in self.rows::<Arc<App>>(guard, Action::Read).iter() {
            let Some(shown) = app.stream.and_then(|stream| apps_of.get_mut(&stream)) else {
                continue;
            };
            let owner_name = names.entry(app.owner).or_insert_with(|| owner_name(guard, app));
            shown.push(HubApp {
                owner_name: owner_name.clone(),
                may: rights.granted(&Record::App(app).entity()),
                app: app.clone(),
            });
        }
        let with_apps = streams.iter().map(|stream| HubStream {
            stream: stream.clone(),
            apps: apps_of.remove(&stream.id).unwrap_or_default(),
        });
        with_apps.collect()
    }

    /// The caller's own unpublished apps, by name; none for a visitor, who owns nothing.
    pub fn work(&self, caller: &Caller) -> Result<Vec<HubApp>, Box<Refusal>> {
        let site = self.site();
        let guard = Guard::new(&site, caller, self.now());
        guard.account().map_err(|refusal| Box::new(site.refused(*refusal)))?;
        let Principal::User { id, .. } = &caller.principal else { return Ok(Vec::new()) };
        let own = site.apps().filter(|app| app.owner == *id && !app.is_published()).cloned();
        let mut own = guard.readable(own, |app| Record::App(app).entity());
        apps::sort(&mut own);
        Ok(own
            .into_iter()
            .map(|app| HubApp {
                owner_name: owner_name(&guard, &app),
                may: guard.granted(Record::App(&app)),
                app,
            })
            .collect())
    }

    /// One app for its overview page; nothing is charged and nothing opened.
    pub fn app_details(&self, caller: &Caller, id: AppId) -> Result<AppDetails, ManageError> {
        let site = self.site();
        let guard = self.enter(&site, caller)?;
        let app = site.app(id).ok_or_else(|| guard.unknown("app", Some(id.0)))?;
        guard.visible(Record::App(app))?;
        let sheets = site.objects_of(id).filter(|object| object.object_type == "sheet");
        let readable = guard.readable(sheets, |sheet| Record::AppObject(sheet).entity());
        let properties: HashMap<_, _> = self
            .inner
            .store
            .app_properties(id)?
            .into_iter()
            .map(|entry| (entry.object, entry.properties))
            .collect();
        let mut sheets: Vec<_> = readable
            .into_iter()
            .map(|sheet| Sheet {
                id: sheet.engine_id.clone(),
                title: sheet.name.clone(),
                description: sheet.description.clone(),
                rank: properties
                    .get(&sheet.id)
                    .and_then(|properties| properties.get("rank"))
                    .and_then(serde_json::Value::as_f64)
                    .unwrap_or(f64::MAX),
                is_published: sheet.is_published,
                is_approved: sheet.is_approved,
            })
            .collect();
        sheets.sort_by(|a, b| {
            a.rank.total_cmp(&b.rank).then_with(|| (&a.title, &a.id).cmp(&(&b.title, &b.id)))
        });
        Ok(AppDetails {
            app: app.clone(),
            stream: app.stream.and_then(|stream| site.stream(stream)).cloned(),
            owner_name: owner_name(&guard, app).to_string(),
            sheets,
            may: guard.granted(Record::App(app)),
        })
    }
}

fn owner_name(guard: &Guard<'_>, app: &App) -> Arc<str> {
    guard.site().user(app.owner).map(|owner| owner.name.as_str()).unwrap_or_default().into()
}

/// What one caller may do with many things of a kind.
struct Rights<'a> {
    /// On all of them.
    always: Actions,
    sometimes: Vec<(Action, Listing<'a>)>,
}

impl<'a> Rights<'a> {
    fn new(guard: &Guard<'a>, facts: &'a SiteFacts<'a>, kind: ResourceKind) -> Rights<'a> {
        let mut rights = Rights { always: Actions::NONE, sometimes: Vec::new() };
        for action in Action::ALL {
            let rules = guard.site().security();
            let listing = Listing::new(rules, facts, guard.context(), kind, action);
            if listing.is_all() {
                rights.always |= action.into();
            } else if !listing.is_none() {
                rights.sometimes.push((action, listing));
            }
        }
        rights
    }

    fn granted(&mut self, entity: &Entity) -> Actions {
        let mut granted = self.always;
        for (action, listing) in &mut self.sometimes {
            if listing.contains(entity) {
                granted |= (*action).into();
            }
        }
        granted
    }
}
