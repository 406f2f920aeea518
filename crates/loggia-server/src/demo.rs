//! The demo site: people, streams, an entrance for visitors, licence pools, and apps made by real
//! load scripts. Laid out once; what somebody changes or deletes afterwards stays so.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use loggia_auth::Passwords;
use loggia_model::entity::{AnonymousMode, App, PoolKind, RuleCategory};
use loggia_model::{
    AppId, Caller, InternalAccount, PoolId, RuleId, StreamId, UserId, UserKey, VirtualProxyId,
};
use loggia_qix::Engine;
use loggia_repository::{
    AppEdit, ObjectEdit, PoolEdit, Repository, RuleEdit, StreamEdit, UserEdit, VirtualProxyEdit,
    pool_kind,
};
use loggia_rules::Actions;
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tracing::{info, warn};
use uuid::uuid;

use crate::private_file;
use crate::shipped::VISITORS_APP;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../demo"]
#[allow_missing = true]
struct Content;

/// What is remembered of the demo beside the site itself: passwords cannot be had back from their
/// hashes, and whoever tries the demo shall read them at every start.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes {
    passwords: BTreeMap<String, String>,
    is_laid_out: bool,
}

struct PersonToMake {
    id: UserId,
    user: &'static str,
    name: &'static str,
    role: Option<&'static str>,
}

#[derive(Debug, Deserialize)]
struct AppFile {
    id: AppId,
    name: String,
    description: String,
    stream: String,
    thumbnail: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ObjectFile {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    parent: Option<String>,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// What the charts of a type take for granted.
#[derive(Debug, Default, Deserialize)]
struct Defaults {
    #[serde(default)]
    properties: Map<String, Value>,
    #[serde(default)]
    dimension: Map<String, Value>,
    #[serde(default)]
    measure: Map<String, Value>,
}

const DIRECTORY: &str = "LOGGIA";
const EDITOR: UserId = UserId(uuid!("de300000-0000-4000-8000-000000000002"));
const TEAM: StreamId = StreamId(uuid!("de300000-0000-4000-8000-000000000101"));
const TEAM_RULE: RuleId = RuleId(uuid!("de300000-0000-4000-8000-000000000102"));
const PUBLIC: VirtualProxyId = VirtualProxyId(uuid!("de300000-0000-4000-8000-000000000201"));
const VISITORS: PoolId = PoolId(uuid!("de300000-0000-4000-8000-000000000301"));
const VISITORS_RULE: RuleId = RuleId(uuid!("de300000-0000-4000-8000-000000000302"));
const PEOPLE: PoolId = PoolId(uuid!("de300000-0000-4000-8000-000000000303"));
const PEOPLE_RULE: RuleId = RuleId(uuid!("de300000-0000-4000-8000-000000000304"));

const DEMO_PEOPLE: [PersonToMake; 4] = [
    PersonToMake {
        id: UserId(uuid!("de300000-0000-4000-8000-000000000001")),
        user: "root",
        name: "Root",
        role: Some("RootAdmin"),
    },
    PersonToMake { id: EDITOR, user: "editor", name: "Editor", role: Some("ContentAdmin") },
    PersonToMake {
        id: UserId(uuid!("de300000-0000-4000-8000-000000000003")),
        user: "ana",
        name: "Ana",
        role: None,
    },
    PersonToMake {
        id: UserId(uuid!("de300000-0000-4000-8000-000000000004")),
        user: "ben",
        name: "Ben",
        role: None,
    },
];

/// Lays the demo out where that was not done before, and says who its people are.
pub(crate) fn lay_out(
    repository: &Repository,
    engine: &Engine,
    data: &Path,
) -> anyhow::Result<String> {
    let notes_file = data.join("demo.json");
    let mut notes = read_notes(&notes_file)?;
    if notes.passwords.is_empty() && !is_new(repository) {
        warn!("the site has content of its own already; no demo content is added to it");
        return Ok(String::new());
    }
    if !notes.is_laid_out {
        for person in &DEMO_PEOPLE {
            if !notes.passwords.contains_key(person.user) {
                notes.passwords.insert(person.user.to_owned(), random_password()?);
            }
        }
        // Before anybody can log in, so that a crash in between costs no password.
        write_notes(&notes_file, &notes)?;
        let caller = Caller::internal(InternalAccount::Repository);
        make_people(repository, &caller, &notes)?;
        make_team(repository, &caller)?;
        make_entrance(repository, &caller)?;
        make_pools(repository, &caller)?;
        for app in app_folders() {
            make_app(repository, engine, data, &app, EDITOR)
                .with_context(|| format!("in the demo app {app}"))?;
        }
        notes.is_laid_out = true;
        write_notes(&notes_file, &notes)?;
    }
    Ok(introduce(&notes))
}

/// Whether nobody has used the site yet.
fn is_new(repository: &Repository) -> bool {
    let site = repository.site();
    let is_person = |key: &UserKey| key.directory() != UserKey::INTERNAL_DIRECTORY;
    let is_shipped = |app: &Arc<App>| app.id == VISITORS_APP;
    site.apps().all(is_shipped) && !site.users().any(|user| is_person(&user.key))
}

fn introduce(notes: &Notes) -> String {
    let mut text = String::from("The demo's people, who log in with these passwords:\n");
    for person in &DEMO_PEOPLE {
        if let Some(password) = notes.passwords.get(person.user) {
            let _ = writeln!(text, "  {DIRECTORY}\\{:<8} {password}", person.user);
        }
    }
    text
}

fn make_people(repository: &Repository, caller: &Caller, notes: &Notes) -> anyhow::Result<()> {
    for person in &DEMO_PEOPLE {
        if repository.site().user(person.id).is_some() {
            continue;
        }
        let edit = UserEdit {
            key: Some(UserKey::new(DIRECTORY, person.user)?),
            name: Some(person.name.to_owned()),
            roles: Some(person.role.into_iter().map(str::to_owned).collect()),
            ..UserEdit::default()
        };
        repository.create_user(caller, Some(person.id), edit)?;
        let password = notes.passwords.get(person.user).context("a password was not made")?;
        repository.set_password(caller, person.id, &Passwords::hash_now(password)?)?;
    }
    Ok(())
}

/// A stream that visitors do not see.
fn make_team(repository: &Repository, caller: &Caller) -> anyhow::Result<()> {
    if repository.site().stream(TEAM).is_none() {
        let edit = StreamEdit {
            name: Some("Team".to_owned()),
            owner: Some(EDITOR),
            ..StreamEdit::default()
        };
        repository.create_stream(caller, Some(TEAM), edit)?;
    }
    if repository.site().rule(TEAM_RULE).is_none() {
        let edit = RuleEdit {
            category: Some(RuleCategory::Security),
            name: Some("StreamTeam".to_owned()),
            comment: Some("Everybody who has signed in may read and publish.".to_owned()),
            condition: Some("!user.IsAnonymous()".to_owned()),
            resource_filter: Some(format!("Stream_{TEAM}")),
            actions: Some(Actions::READ.and(Actions::PUBLISH).bits()),
            context: Some(0),
            ..RuleEdit::default()
        };
        repository.create_rule(caller, Some(TEAM_RULE), edit)?;
    }
    Ok(())
}

fn make_entrance(repository: &Repository, caller: &Caller) -> anyhow::Result<()> {
    if repository.site().virtual_proxy(PUBLIC).is_some() {
        return Ok(());
    }
    let edit = VirtualProxyEdit {
        prefix: Some("public".parse()?),
        description: Some("Visitors are welcome".to_owned()),
        anonymous: Some(AnonymousMode::Allowed),
        session_cookie: Some("X-Qlik-Session-public".to_owned()),
        // Everybody who tries the demo comes from one address.
        max_anonymous_sessions: Some(10_000),
        max_anonymous_sessions_per_address: Some(5_000),
        ..VirtualProxyEdit::default()
    };
    repository.create_virtual_proxy(caller, Some(PUBLIC), edit)?;
    Ok(())
}

fn make_pools(repository: &Repository, caller: &Caller) -> anyhow::Result<()> {
    let pools = [
        (VISITORS, VISITORS_RULE, "Visitors", PoolKind::AnalyzerCapacity, "user.IsAnonymous()"),
        (PEOPLE, PEOPLE_RULE, "People", PoolKind::Professional, "!user.IsAnonymous()"),
    ];
    for (pool, rule, name, kind, condition) in pools {
        if repository.site().pool(pool).is_none() {
            let edit = PoolEdit {
                name: Some(name.to_owned()),
                kind: Some(kind),
                capacity: Some(None),
                ..PoolEdit::default()
            };
            repository.create_pool(caller, Some(pool), edit)?;
        }
        if repository.site().rule(rule).is_none() {
            let edit = RuleEdit {
                category: Some(RuleCategory::License),
                name: Some(format!("{name}Licence")),
                comment: Some(format!("Who draws from the pool {name}.")),
                condition: Some(condition.to_owned()),
                resource_filter: Some(format!("{}_{pool}", pool_kind(kind))),
                actions: Some(Actions::CREATE.bits()),
                context: Some(0),
                ..RuleEdit::default()
            };
            repository.create_rule(caller, Some(rule), edit)?;
        }
    }
    Ok(())
}

/// The folders under `apps`.
fn app_folders() -> Vec<String> {
    Content::iter()
        .filter_map(|path| {
            let folder = path.strip_suffix("/app.json")?;
            let is_app = folder.strip_prefix("apps/").is_some_and(|name| !name.contains('/'));
            is_app.then(|| folder.to_owned())
        })
        .collect()
}

/// Makes an app of a folder of the embedded content, unless it is there already.
pub(crate) fn make_app(
    repository: &Repository,
    engine: &Engine,
    data: &Path,
    folder: &str,
    owner: UserId,
) -> anyhow::Result<()> {
    let file: AppFile = serde_json::from_slice(&embedded(&format!("{folder}/app.json"))?)?;
    let caller = Caller::internal(InternalAccount::Repository);
    if let Some(app) = repository.site().app(file.id) {
        if app.is_published() {
            return Ok(());
        }
        // A start that was cut off left a part of it.
        repository.delete_app(&caller, file.id)?;
    }
    let thumbnail = match &file.thumbnail {
        Some(name) => Some(put_picture(data, folder, file.id, name)?),
        None => None,
    };
    let edit = AppEdit {
        name: Some(file.name.clone()),
        description: Some(file.description.clone()),
        owner: Some(owner),
        thumbnail,
        ..AppEdit::default()
    };
    repository.create_app(&caller, Some(file.id), edit)?;
    let script = String::from_utf8(embedded(&format!("{folder}/script.qvs"))?)?;
    repository.set_app_script(&caller, file.id, &script)?;
    match engine.reload_app(&caller, file.id) {
        Ok(report) => info!("loaded {:?} in {} ms", file.name, report.millis),
        Err(error) => {
            let error = anyhow::Error::from(error);
            warn!("{:?} is shown without data: {error:#}", file.name);
        }
    }
    for object in objects(folder, owner)? {
        repository.create_object(&caller, file.id, object)?;
    }
    let site = repository.site();
    let stream = site
        .streams()
        .find(|stream| stream.name == file.stream)
        .ok_or_else(|| anyhow!("there is no stream {:?}", file.stream))?;
    // Publishing makes everything that is in the app its base content.
    repository.publish_app(&caller, file.id, stream.id, None)?;
    Ok(())
}

fn put_picture(data: &Path, folder: &str, app: AppId, name: &str) -> anyhow::Result<String> {
    let picture = embedded(&format!("{folder}/{name}"))?;
    let target = data.join("content").join("apps").join(app.text());
    private_file::make_folder(&target)?;
    private_file::write(&target.join(name), &picture)?;
    Ok(format!("/content/apps/{app}/{name}"))
}

fn objects(folder: &str, owner: UserId) -> anyhow::Result<Vec<ObjectEdit>> {
    let start = format!("{folder}/objects/");
    let mut files: Vec<_> = Content::iter().filter(|path| path.starts_with(&start)).collect();
    files.sort();
    let mut made = Vec::new();
    for path in files.iter().filter(|path| path.ends_with(".json")) {
        let list: Vec<ObjectFile> =
            serde_json::from_slice(&embedded(path)?).with_context(|| format!("in {path}"))?;
        for object in list {
            made.push(edit(object, owner)?);
        }
    }
    Ok(made)
}

fn edit(object: ObjectFile, owner: UserId) -> anyhow::Result<ObjectEdit> {
    let defaults: Defaults = match Content::get(&format!("defaults/{}.json", object.kind)) {
        Some(file) => serde_json::from_slice(&file.data)
            .with_context(|| format!("in defaults/{}.json", object.kind))?,
        None => Defaults::default(),
    };
    let meta = |name: &str| {
        let own = object.properties.get("qMetaDef").and_then(|meta| meta.get(name));
        let text = own.or_else(|| object.properties.get(name)).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let (name, description) = (meta("title"), meta("description"));
    let properties = full_properties(&object.id, &object.kind, object.properties, &defaults);
    Ok(ObjectEdit {
        engine_id: Some(object.id),
        object_type: Some(object.kind),
        name: Some(name),
        description: Some(description),
        owner: Some(owner),
        properties: Some(Value::Object(properties)),
        parent: Some(object.parent),
    })
}

/// The steps of `demo/README.md`.
fn full_properties(
    id: &str,
    kind: &str,
    own: Map<String, Value>,
    defaults: &Defaults,
) -> Map<String, Value> {
    let mut properties = defaults.properties.clone();
    merge(&mut properties, own);
    if let Some(Value::Object(cube)) = properties.get_mut("qHyperCubeDef") {
        complete(cube, "qDimensions", &defaults.dimension, &format!("{id}-d"));
        complete(cube, "qMeasures", &defaults.measure, &format!("{id}-m"));
    }
    properties.insert("qInfo".to_owned(), json!({ "qId": id, "qType": kind }));
    if kind != "sheet" && !properties.contains_key("visualization") {
        properties.insert("visualization".to_owned(), json!(kind));
    }
    properties
}

/// Puts the default under each member of a list, and gives it the id that charts know it by.
fn complete(
    cube: &mut Map<String, Value>,
    list: &str,
    default: &Map<String, Value>,
    id_start: &str,
) {
    let Some(Value::Array(members)) = cube.get_mut(list) else { return };
    for (number, member) in members.iter_mut().enumerate() {
        let Value::Object(own) = member.take() else { continue };
        let has_id = own.get("qDef").is_some_and(|definition| definition.get("cId").is_some());
        let mut whole = default.clone();
        merge(&mut whole, own);
        if !has_id
            && let Value::Object(definition) = whole.entry("qDef").or_insert_with(|| json!({}))
        {
            definition.insert("cId".to_owned(), json!(format!("{id_start}{number}")));
        }
        *member = Value::Object(whole);
    }
}

/// Lays `over` on `under`: objects member by member at every depth, everything else replaced.
fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (name, value) in over {
        match (under.get_mut(&name), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            (_, value) => {
                under.insert(name, value);
            }
        }
    }
}

fn embedded(path: &str) -> anyhow::Result<Vec<u8>> {
    let file = Content::get(path).ok_or_else(|| anyhow!("{path} is not part of this build"))?;
    Ok(file.data.into_owned())
}

fn random_password() -> anyhow::Result<String> {
    // Two references and a hyphen: sixty bits that can be read aloud.
    let part = || loggia_auth::random_reference().map(|text| text.to_lowercase());
    Ok(format!("{}-{}", part()?, part()?))
}

fn read_notes(file: &Path) -> anyhow::Result<Notes> {
    match std::fs::read(file) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes).with_context(|| format!("in {}", file.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Notes::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

fn write_notes(file: &Path, notes: &Notes) -> anyhow::Result<()> {
    use std::io::Write;
    let aside = file.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut out = options.open(&aside)?;
    out.write_all(&serde_json::to_vec_pretty(notes)?)?;
    out.sync_all()?;
    std::fs::rename(&aside, file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_laid_over_its_types_defaults() {
        let map = |value: Value| match value {
            Value::Object(map) => map,
            other => panic!("{other} is no object"),
        };
        let defaults = Defaults {
            properties: map(json!({
                "color": { "auto": true, "mode": "primary" },
                "qHyperCubeDef": { "qDimensions": [], "qMeasures": [], "qMode": "S" }
            })),
            dimension: map(json!({ "qNullSuppression": false, "qDef": { "autoSort": true } })),
            measure: map(json!({ "qSortBy": {} })),
        };
        let own = map(json!({
            "color": { "auto": false },
            "qHyperCubeDef": {
                "qDimensions": [
                    { "qDef": { "qFieldDefs": ["Airline"] } },
                    { "qDef": { "qFieldDefs": ["Month"], "cId": "mine" } }
                ],
                "qMeasures": [{ "qDef": { "qDef": "Count(X)" } }]
            }
        }));
        let full = full_properties("chart", "barchart", own, &defaults);
        assert_eq!(
            Value::Object(full),
            json!({
                "color": { "auto": false, "mode": "primary" },
                "qHyperCubeDef": {
                    "qDimensions": [
                        { "qNullSuppression": false,
                          "qDef": { "autoSort": true, "qFieldDefs": ["Airline"], "cId": "chart-d0" } },
                        { "qNullSuppression": false,
                          "qDef": { "autoSort": true, "qFieldDefs": ["Month"], "cId": "mine" } }
                    ],
                    "qMeasures": [
                        { "qSortBy": {}, "qDef": { "qDef": "Count(X)", "cId": "chart-m0" } }
                    ],
                    "qMode": "S"
                },
                "qInfo": { "qId": "chart", "qType": "barchart" },
                "visualization": "barchart"
            })
        );
    }
}
