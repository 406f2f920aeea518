//! Sharing: public streams, and apps and sheets with an audience of their own.

use loggia_model::entity::AppObject;
use loggia_model::{AppId, Caller, ObjectId};
use loggia_repository::{Action, ObjectEdit, Resource, RuleEdit};

use crate::fixture::{Hub, rule};

/// An object inside another one.
fn inner(hub: &Hub, app: AppId, holder: ObjectId, name: &str) -> ObjectId {
    let holder = hub.repository.site().object(holder).unwrap().engine_id.clone();
    let edit = ObjectEdit {
        engine_id: Some(name.to_owned()),
        object_type: Some("barchart".to_owned()),
        name: Some(name.to_owned()),
        parent: Some(Some(holder)),
        ..ObjectEdit::default()
    };
    let id = hub.repository.create_object(&hub.server(), app, edit).unwrap().record.id;
    hub.repository.publish_object(&hub.server(), id, true).unwrap();
    id
}

fn may_read(hub: &Hub, caller: &Caller, object: ObjectId) -> bool {
    hub.repository.decide(caller, &Resource::AppObject(object), Action::Read).is_allowed()
}

#[test]
fn rules_know_on_which_sheet_an_object_is() {
    let (hub, app) = Hub::public();
    let sheet = |object: &&std::sync::Arc<AppObject>| object.object_type == "sheet";
    let sheet = hub.repository.site().objects_of(app).find(sheet).unwrap().id;
    let chart = inner(&hub, app, sheet, "chart");
    let within = inner(&hub, app, chart, "within");
    let edit = RuleEdit {
        is_forbidding: Some(true),
        context: Some(1),
        ..rule("Not this sheet", "App.Object_*", 2, &format!("resource.sheet.id = \"{sheet}\""))
    };
    let visitor = hub.visitor();
    let id = hub.repository.create_rule(&hub.server(), None, edit).unwrap().value.id;
    let read = |hub: &Hub| [sheet, chart, within].map(|object| may_read(hub, &visitor, object));
    assert_eq!(read(&hub), [false; 3]);
    // Moved off the sheet, the chart and what is in it are on none.
    let edit = ObjectEdit { parent: Some(None), ..ObjectEdit::default() };
    hub.repository.update_object(&hub.server(), chart, None, edit).unwrap();
    assert_eq!(read(&hub), [false, true, true]);
    let hub = hub.restarted();
    assert_eq!(read(&hub), [false, true, true], "the store says the same");
    hub.repository.delete_object(&hub.server(), chart).unwrap();
    assert!(hub.repository.site().object(within).is_none(), "goes with what it was in");
    hub.repository.delete_rule(&hub.server(), id).unwrap();
}
