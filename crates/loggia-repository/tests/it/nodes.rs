//! Load-balancing rules say which node may open an app. There is one node, so they can only refuse.

use expect_test::expect;
use loggia_model::entity::{PropertyValue, RuleCategory};
use loggia_model::{AppId, Caller};
use loggia_repository::seed::EVERYONE;
use loggia_repository::{AppEdit, Code, ManageError, RuleEdit, VisitInfo};

use crate::fixture::{Hub, rule};

fn sync(name: &str, filter: &str, condition: &str, is_forbidding: bool) -> RuleEdit {
    RuleEdit {
        category: Some(RuleCategory::Sync),
        is_forbidding: Some(is_forbidding),
        ..rule(name, filter, 1, condition)
    }
}

/// The code with which the app does not open; none when it does.
fn refused(hub: &Hub, caller: &Caller, app: AppId) -> Option<Code> {
    let opened = hub.repository.open_app(caller, app, &VisitInfo::default());
    opened.err().map(|error| error.refusal().unwrap().code)
}

#[test]
fn a_new_site_opens_every_app_on_its_node() {
    let (hub, app) = Hub::public();
    let site = hub.repository.site();
    let nodes = hub.repository.nodes_for(&hub.server(), site.app(app).unwrap());
    assert_eq!(nodes.iter().map(|node| &*node.name).collect::<Vec<_>>(), ["Central"]);
    assert_eq!(refused(&hub, &hub.visitor(), app), None);
    // What is essential for that is not switched off.
    let essential = site.rules().find(|rule| rule.name == "ResourcesOnCentralNode").unwrap();
    let edit = RuleEdit { is_disabled: Some(true), ..RuleEdit::default() };
    let denied = hub.repository.update_rule(&hub.server(), essential.id, None, edit);
    assert!(matches!(denied, Err(ManageError::Conflict(_))), "{denied:?}");
}

#[test]
fn an_app_that_no_node_may_open_is_refused_and_explained_and_costs_nothing() {
    let (hub, pinned) = Hub::public();
    let free = hub.published_app("Trains", EVERYONE);
    let pin = PropertyValue { name: "site".to_owned(), value: "north".to_owned() };
    let edit = AppEdit { custom_properties: Some(vec![pin]), ..AppEdit::default() };
    hub.repository.update_app(&hub.server(), pinned, None, edit).unwrap();
    let edit = sync(
        "North only",
        "App_*",
        r#"resource.@site = "north" and node.isCentral = "true" and node.hostName = "localhost""#,
        true,
    );
    let forbid = hub.repository.create_rule(&hub.server(), None, edit).unwrap().value.id;
    let ana = hub.user("ana");
    for caller in [&hub.visitor(), &ana] {
        assert_eq!(refused(&hub, caller, pinned), Some(Code::NodeNone));
    }
    let visitor = hub.visitor();
    assert_eq!(refused(&hub, &visitor, free), None);
    let uses = hub.repository.pool_uses(&hub.server()).unwrap();
    assert_eq!(uses.iter().map(|used| used.used).sum::<u64>(), 6, "only one visit was paid");

    let report = hub.repository.check_anonymous(&"public".parse().unwrap()).unwrap();
    let app = report.apps.iter().find(|app| app.id == pinned).unwrap();
    assert_eq!((app.can_list, app.can_open, app.code), (true, false, Some(Code::NodeNone)));
    expect![[r#"the load-balancing rule "North only" forbids node "Central" to open it"#]]
        .assert_eq(&app.finding);
    assert!(app.mend.as_ref().unwrap().contains(&forbid.text()), "{:?}", app.mend);

    // Who has it open loses it; the rule's end gives it back.
    let kept = hub.repository.keep_alive(&visitor, pinned, &VisitInfo::default());
    assert_eq!(kept.unwrap_err().refusal().unwrap().code, Code::NodeNone);
    let edit = RuleEdit { is_disabled: Some(true), ..RuleEdit::default() };
    hub.repository.update_rule(&hub.server(), forbid, None, edit).unwrap();
    assert_eq!(refused(&hub, &visitor, pinned), None);
}

#[test]
fn who_may_not_know_an_app_does_not_hear_of_nodes() {
    let (hub, _) = Hub::public();
    let team = hub.stream("Team");
    let secret = hub.published_app("Budget", team);
    let edit = sync("None of it", "App_*", "", true);
    hub.repository.create_rule(&hub.server(), None, edit).unwrap();
    assert_eq!(refused(&hub, &hub.visitor(), secret), Some(Code::RuleDenied));
}

#[test]
fn a_load_balancing_rule_is_told_everything_that_is_wrong_with_it() {
    let hub = Hub::new();
    let edit = RuleEdit {
        context: Some(2),
        actions: Some(2),
        ..sync("Wrong", "Stream_*", r#"node.@site = resource.@site"#, false)
    };
    let error = hub.repository.create_rule(&hub.server(), None, edit).unwrap_err();
    expect![[r#"
        resourceFilter: a load-balancing rule names apps, such as App_*
        actions: a load-balancing rule has the one action load balancing, which is 1
        ruleContext: apps are opened in the hub; use 1, or 0 for both"#]]
    .assert_eq(&error.to_string());
}
