//! Who may do what, many at once: the matrix, the rules behind a cell, rules that are not in
//! force, and rules that are not saved.

use std::fmt::Write;

use expect_test::{Expect, expect};
use loggia_model::entity::{AnonymousMode, PoolKind, RuleCategory};
use loggia_model::{Caller, RuleId, UserKey};
use loggia_repository::store::sqlite::SqliteStore;
use loggia_repository::store::{Change, Store, StoredRule};
use loggia_repository::{
    ANONYMOUS_VISITOR, Actions, AuditRequest, Contexts, ManageError, ObjectEdit, ResourceKind,
    RuleEdit, RuleState, UserEdit,
};

use crate::fixture::{Hub, rule};

const HUB: Contexts = Contexts { hub: true, console: false };
const CONSOLE: Contexts = Contexts { hub: false, console: true };

/// Ana of the groups sales and hr, Ben of sales, and a blocked person.
fn site() -> Hub {
    let hub = Hub::new();
    hub.entrance("public", AnonymousMode::Allowed);
    for (name, groups) in [("ana", vec!["sales", "hr"]), ("ben", vec!["sales"]), ("cut", vec![])] {
        let key = UserKey::new("LOGGIA", name).unwrap();
        let user = hub.repository.ensure_user(&key, name, &[]).unwrap();
        let attributes = groups.into_iter().map(|g| ("group".to_owned(), g.to_owned())).collect();
        let edit = UserEdit {
            attributes: Some(attributes),
            is_blocked: Some(name == "cut"),
            ..UserEdit::default()
        };
        hub.repository.update_user(&hub.server(), user.id, None, edit).unwrap();
    }
    hub
}

/// Everybody but the server's own accounts, and everything of a kind.
fn request(hub: &Hub, kind: ResourceKind, contexts: Contexts) -> AuditRequest {
    let auditor = hub.repository.auditor(&hub.server()).unwrap();
    let subjects = auditor.subjects().into_iter();
    AuditRequest {
        category: RuleCategory::Security,
        subjects: subjects
            .filter(|subject| !subject.requester.key.starts_with("INTERNAL"))
            .map(|subject| subject.requester.id)
            .collect(),
        resources: auditor.resources(kind).iter().map(|thing| thing.entity()).collect(),
        environment: Vec::new(),
        contexts,
        actions: Actions::ALL,
        with_non_granting: false,
    }
}

/// `name  thing  rights`, one line per cell with any.
fn matrix(hub: &Hub, request: &AuditRequest, unsaved: Option<RuleEdit>) -> String {
    let auditor = hub.repository.auditor(&hub.server()).unwrap();
    let has_preview = unsaved.is_some();
    let found = auditor.matrix(request, unsaved.map(|edit| (None, edit)), None).unwrap();
    assert_eq!(found.total, found.cells.len());
    let mut table = String::new();
    for cell in &found.cells {
        let subject = &found.subjects[cell.subject].requester.name;
        let thing = &found.resources[cell.resource].name;
        let access = cell.access().names().join(" ");
        write!(table, "{subject} {thing}: {access}").unwrap();
        if has_preview {
            write!(table, " (before: {})", cell.before().names().join(" ")).unwrap();
        }
        table.push('\n');
    }
    table
}

/// One line per row: who, what, rule, whether it lets them in, and what it is worth.
fn rows(hub: &Hub, request: &AuditRequest, expected: Expect) {
    let auditor = hub.repository.auditor(&hub.server()).unwrap();
    let found = auditor.audit(request).unwrap();
    let mut table = String::new();
    for row in &found.applications {
        let subject = &found.subjects[row.subject].requester.name;
        let thing = &found.resources[row.resource].name;
        let rule = &found.rules[row.rule];
        if ["Owner", "OwnerRead", "ServiceAccount"].contains(&rule.rule.name.as_str()) {
            continue;
        }
        let word = if row.is_allowed { "allows" } else { "does not allow" };
        let state = match rule.state {
            RuleState::Valid => "",
            RuleState::Disabled => ", disabled",
            RuleState::Invalid => ", invalid",
        };
        write!(table, "{} {word} {subject} {thing}{state}", rule.rule.name).unwrap();
        if let Some(overruled) = row.overruled {
            write!(table, ", overruled: {overruled:?}").unwrap();
        }
        if let Some(reason) = &row.reason {
            let clause = reason.clause.split_whitespace().collect::<Vec<_>>().join(" ");
            write!(table, ": {clause} [{}]", reason.seen.join("; ")).unwrap();
        }
        table.push('\n');
    }
    expected.assert_eq(&table);
}

/// The rules that a test makes, without the shipped ones.
fn only(hub: &Hub, request: &AuditRequest, names: &[&str], expected: Expect) {
    let auditor = hub.repository.auditor(&hub.server()).unwrap();
    let found = auditor.audit(request).unwrap();
    let mut table = String::new();
    for row in found.applications {
        let rule = &found.rules[row.rule];
        if names.contains(&rule.rule.name.as_str()) {
            let (subject, thing) = (&found.subjects[row.subject], &found.resources[row.resource]);
            let word = match (row.is_allowed, rule.state) {
                (true, _) => "green",
                (false, RuleState::Disabled) => "yellow",
                (false, RuleState::Invalid) => "red",
                (false, RuleState::Valid) => "none",
            };
            let name = &rule.rule.name;
            writeln!(table, "{name}: {} {}: {word}", subject.requester.name, thing.name).unwrap();
        }
    }
    expected.assert_eq(&table);
}

#[test]
fn rules_add_up_and_a_disabled_one_is_shown_as_such() {
    let hub = site();
    let stream = hub.stream("Press");
    let filter = format!("Stream_{stream}");
    hub.rule("Readers", &filter, 2, "user.group = \"sales\"");
    let updaters = hub.rule("Updaters", &filter, 4, "user.group = \"sales\"");
    let mut asked = request(&hub, ResourceKind::Stream, HUB);
    asked.resources.retain(|thing| thing.id == Some(stream.0));
    let before = matrix(&hub, &asked, None);
    let off = RuleEdit { is_disabled: Some(true), ..RuleEdit::default() };
    hub.repository.update_rule(&hub.server(), updaters, None, off).unwrap();
    let after = matrix(&hub, &asked, None);
    expect![[r#"
        ana Press: read update
        ben Press: read update
        --
        ana Press: read
        ben Press: read
    "#]]
    .assert_eq(&format!("{before}--\n{after}"));
    asked.with_non_granting = true;
    only(
        &hub,
        &asked,
        &["Readers", "Updaters"],
        expect![[r#"
        Readers: Anonymous visitor Press: none
        Readers: ana Press: green
        Readers: ben Press: green
        Readers: cut Press: none
        Updaters: ana Press: yellow
        Updaters: ben Press: yellow
    "#]],
    );
}

#[test]
fn and_binds_tighter_than_or_and_unequal_holds_when_one_of_several_differs() {
    let hub = site();
    let stream = hub.stream("Press");
    let mut asked = request(&hub, ResourceKind::Stream, HUB);
    asked.resources.retain(|thing| thing.id == Some(stream.0));
    asked.actions = Actions::PUBLISH;
    let mut table = String::new();
    for condition in [
        "user.name = \"ben\" or user.group = \"hr\" and user.name = \"nobody\"",
        "(user.name = \"ben\" or user.group = \"hr\") and user.name = \"nobody\"",
        "user.group != \"sales\"",
        "!(user.group = \"sales\")",
    ] {
        let edit = rule("Tried", &format!("Stream_{stream}"), 32, condition);
        let warnings = hub.repository.check_rule(&hub.server(), None, edit.clone()).unwrap();
        writeln!(table, "{condition}").unwrap();
        table.push_str(&matrix(&hub, &asked, Some(edit)));
        for warning in warnings {
            writeln!(table, "    warned: {}", warning.message).unwrap();
        }
    }
    expect![[r#"
        user.name = "ben" or user.group = "hr" and user.name = "nobody"
        ben Press: publish (before: )
        (user.name = "ben" or user.group = "hr") and user.name = "nobody"
        user.group != "sales"
        ana Press: publish (before: )
            warned: != is true as soon as one of several values differs
        !(user.group = "sales")
        Anonymous visitor Press: publish (before: )
    "#]]
    .assert_eq(&table);
}

#[test]
fn filters_name_types_and_things() {
    let hub = site();
    let ana = hub.user("ana");
    let app = hub.app(&hub.server(), "Turnover");
    hub.sheet(&hub.server(), app, "Overview");
    let mut table = String::new();
    for filter in ["App*", "App_*", "App.Object_*", &format!("App_{app}"), "*", "App"] {
        let edit = rule("Tried", filter, 3, "user.name = \"ana\"");
        let mut seen = Vec::new();
        for kind in [ResourceKind::App, ResourceKind::AppObject, ResourceKind::Stream] {
            let mut asked = request(&hub, kind, HUB);
            asked.actions = Actions::READ;
            let auditor = hub.repository.auditor(&hub.server()).unwrap();
            let unsaved = Some((None, edit.clone()));
            let found = auditor.matrix(&asked, unsaved, None).unwrap();
            let gained = found.cells.iter().any(|cell| cell.access() != cell.before());
            seen.push(if gained { kind.name() } else { "-" });
        }
        let id = hub.repository.create_rule(&hub.server(), None, edit).unwrap().value.id;
        let create = |resource: &str, within: Option<&str>| {
            let question = loggia_repository::Question {
                subject: ana.principal.to_string(),
                action: loggia_repository::Action::Create,
                resource: resource.to_owned(),
                within: within.map(str::to_owned),
                context: Some(loggia_model::RequestContext::Console),
                environment: Vec::new(),
            };
            let found = hub.repository.explain(&hub.server(), &question).unwrap();
            found.granted_by.iter().any(|reason| reason.rule.id == id)
        };
        let (an_app, an_object) = (create("App", None), create("App.Object", Some("App_Turnover")));
        writeln!(
            table,
            "{}: reads {}, creates app {an_app}, object {an_object}",
            filter.replace(&app.text(), "<app>"),
            seen.join(" ")
        )
        .unwrap();
        hub.repository.delete_rule(&hub.server(), id).unwrap();
    }
    expect![[r#"
        App*: reads App App.Object -, creates app true, object true
        App_*: reads App - -, creates app true, object false
        App.Object_*: reads - App.Object -, creates app false, object true
        App_<app>: reads App - -, creates app false, object false
        *: reads App App.Object Stream, creates app true, object true
        App: reads - - -, creates app true, object false
    "#]]
    .assert_eq(&table);
}

#[test]
fn a_rule_of_one_context_has_no_effect_in_the_other() {
    let hub = site();
    let stream = hub.stream("Press");
    for (name, context, actions) in [("InHub", 1, 4), ("InConsole", 2, 8)] {
        let edit = RuleEdit {
            context: Some(context),
            ..rule(name, &format!("Stream_{stream}"), actions, "user.name = \"ben\"")
        };
        hub.repository.create_rule(&hub.server(), None, edit).unwrap();
    }
    let mut table = String::new();
    for (name, contexts) in [("hub", HUB), ("console", CONSOLE), ("both", Contexts::BOTH)] {
        let mut asked = request(&hub, ResourceKind::Stream, contexts);
        asked.resources.retain(|thing| thing.id == Some(stream.0));
        writeln!(table, "{name}\n{}", matrix(&hub, &asked, None)).unwrap();
    }
    expect![[r#"
        hub
        ben Press: update

        console
        ben Press: delete

        both
        ben Press: update delete

    "#]]
    .assert_eq(&table);
}

#[test]
fn the_rule_stream_opens_what_is_published_and_no_script() {
    let hub = site();
    let server = hub.server();
    let app = hub.app(&server, "Turnover");
    let make = |name: &str, kind: &str| {
        let edit = ObjectEdit {
            object_type: Some(kind.to_owned()),
            name: Some(name.to_owned()),
            properties: Some(serde_json::json!({})),
            ..ObjectEdit::default()
        };
        hub.repository.create_object(&server, app, edit).unwrap().record.id
    };
    // What is there when the app is published is its base.
    make("Base", "sheet");
    make("Script", "app_appscript");
    hub.repository.publish_app(&server, app, loggia_repository::seed::EVERYONE, None).unwrap();
    make("Private", "sheet");
    let community = make("Community", "sheet");
    hub.repository.publish_object(&server, community, true).unwrap();
    let mut asked = request(&hub, ResourceKind::AppObject, HUB);
    asked.actions = Actions::READ;
    asked.subjects.truncate(2);
    expect![[r#"
        Anonymous visitor Base: read
        ana Base: read
        Anonymous visitor Community: read
        ana Community: read
    "#]]
    .assert_eq(&matrix(&hub, &asked, None));
}

#[test]
fn visitors_see_no_section_of_the_console() {
    let hub = site();
    let root = hub.root();
    let mut asked = request(&hub, ResourceKind::TransientObject, Contexts::BOTH);
    asked.subjects.retain(|id| *id == ANONYMOUS_VISITOR.0);
    expect![[r#"
        Anonymous visitor HubSection_Home: read
    "#]]
    .assert_eq(&matrix(&hub, &asked, None));
    let root_id = hub.repository.site().users().find(|user| user.name == "root").unwrap().id;
    asked.subjects = vec![root_id.0];
    let of_root = matrix(&hub, &asked, None);
    assert!(of_root.contains("root QmcSection_Audit: create read"), "{of_root}");
    drop(root);
}

#[test]
fn what_does_not_grant_says_why() {
    let hub = site();
    let stream = hub.stream("Press");
    let filter = format!("Stream_{stream}");
    hub.rule("Hr", &filter, 2, "user.group = \"hr\" and\n user.environment.ip = \"10.0.0.1\"");
    let forbid =
        RuleEdit { is_forbidding: Some(true), ..rule("Shut", &filter, 2, "user.name = \"ana\"") };
    let forbid = hub.repository.create_rule(&hub.server(), None, forbid).unwrap().value.id;
    let mut asked = request(&hub, ResourceKind::Stream, HUB);
    asked.resources.retain(|thing| thing.id == Some(stream.0));
    asked.subjects.retain(|id| *id != ANONYMOUS_VISITOR.0);
    asked.with_non_granting = true;
    asked.environment = vec![("IP".to_owned(), "10.0.0.1".to_owned())];
    asked.actions = Actions::READ;
    rows(
        &hub,
        &asked,
        expect![[r#"
        Hr does not allow ana Press, overruled: Forbidden
        Hr does not allow ben Press: user.group = "hr" [user.group: "sales"]
        Hr does not allow cut Press: user.group = "hr" [user.group: no value]
        Shut does not allow ana Press
        Shut does not allow ben Press: user.name = "ana" [user.name: "ben"]
        Shut does not allow cut Press: user.name = "ana" [user.name: "cut"]
    "#]],
    );
    hub.repository.delete_rule(&hub.server(), forbid).unwrap();
    asked.with_non_granting = false;
    rows(
        &hub,
        &asked,
        expect![[r#"
        Hr allows ana Press
    "#]],
    );
}

#[test]
fn an_unsaved_rule_shows_what_it_would_add() {
    let hub = site();
    let stream = hub.stream("Press");
    let filter = format!("Stream_{stream}");
    let saved = hub.rule("Readers", &filter, 2, "user.group = \"hr\"");
    let mut asked = request(&hub, ResourceKind::Stream, HUB);
    asked.resources.retain(|thing| thing.id == Some(stream.0));
    let preview = |id: Option<RuleId>, edit: RuleEdit| {
        let auditor = hub.repository.auditor(&hub.server()).unwrap();
        let found = auditor.preview(&asked, id, edit)?;
        Ok::<String, ManageError>(
            found
                .applications
                .iter()
                .map(|row| {
                    let subject = &found.subjects[row.subject].requester.name;
                    let gains = row.gains.unwrap().names().join(" ");
                    format!("{subject} {} gains [{gains}]\n", row.is_allowed)
                })
                .collect(),
        )
    };
    let wide = rule("", &filter, 34, "user.group = \"sales\" or user.IsAnonymous()");
    let version = hub.repository.site().version();
    let text = preview(None, wide.clone()).unwrap();
    let instead = preview(Some(saved), RuleEdit { name: None, ..wide.clone() }).unwrap();
    assert_eq!(text, instead, "what it replaces does not matter to what it adds");
    expect![[r#"
        Anonymous visitor true gains [read publish]
        ana true gains [publish]
        ben true gains [read publish]
    "#]]
    .assert_eq(&text);
    expect![[r#"
        Anonymous visitor Press: read publish (before: )
        ana Press: read publish (before: read)
        ben Press: read publish (before: )
    "#]]
    .assert_eq(&matrix(&hub, &asked, Some(wide)));
    let broken = preview(None, rule("x", "Straem_*, App_*_", 2, "user.nmae = 1 or (")).unwrap_err();
    let ManageError::Invalid(problems) = broken else { panic!("{broken:?}") };
    assert!(problems.iter().any(|problem| problem.place == "rule"));
    assert_eq!(hub.repository.site().version(), version, "nothing was stored");
}

#[test]
fn licences_and_nodes_are_audited_by_their_own_rules() {
    let hub = site();
    hub.visitors_pool(None);
    hub.pool(PoolKind::Professional, "Seats", Some(5), "user.IsAnonymous() or user.name = \"ana\"");
    for kind in
        [ResourceKind::LicenseAnalyzerTimeAccessType, ResourceKind::LicenseProfessionalAccessGroup]
    {
        let asked =
            AuditRequest { category: RuleCategory::License, ..request(&hub, kind, Contexts::BOTH) };
        let found = hub.repository.auditor(&hub.server()).unwrap().audit(&asked).unwrap();
        assert!(found.applications.iter().all(|row| row.contexts == HUB), "in the hub only");
        let table = match kind {
            ResourceKind::LicenseAnalyzerTimeAccessType => expect![[r#"
                Visitors admits allows Anonymous visitor Visitors
            "#]],
            _ => expect![[r#"
                Seats admits does not allow Anonymous visitor Seats, overruled: Pool
                Seats admits allows ana Seats
            "#]],
        };
        rows(&hub, &asked, table);
    }
    hub.published_app("Flights", loggia_repository::seed::EVERYONE);
    let nodes = hub.repository.auditor(&hub.server()).unwrap().nodes();
    let asked = AuditRequest {
        category: RuleCategory::Sync,
        subjects: nodes.iter().map(|node| node.requester.id).collect(),
        ..request(&hub, ResourceKind::App, HUB)
    };
    rows(
        &hub,
        &asked,
        expect![[r#"
        ResourcesOnCentralNode allows Central Flights
    "#]],
    );
}

#[test]
fn what_is_too_much_is_refused_and_nothing_is_cut_silently() {
    let hub = site();
    let mut asked = request(&hub, ResourceKind::Stream, HUB);
    let auditor = hub.repository.auditor(&hub.server()).unwrap();
    let all = auditor.matrix(&asked, None, None).unwrap();
    let some = auditor.matrix(&asked, None, Some(1)).unwrap();
    assert_eq!((some.cells.len(), some.total), (1, all.cells.len()));
    assert!(some.total > 1);
    asked.subjects = vec![ANONYMOUS_VISITOR.0; 20_000];
    asked.resources = vec![asked.resources[0].clone(); 20_000];
    let Err(ManageError::Invalid(problems)) = auditor.matrix(&asked, None, None) else {
        panic!("a cell limit holds")
    };
    expect!["20000 users × 20000 resources are 400000000 cells; at most 100000000 at a time: narrow it with userFilter or resourceFilter, or page with userTake and resourceTake"].assert_eq(&problems[0].message);
}

#[test]
fn shipped_rules_are_put_back_and_others_left_alone() {
    let hub = site();
    let server = hub.server();
    let find = |name: &str| {
        let site = hub.repository.site();
        site.rules().find(|rule| rule.name == name).cloned()
    };
    let shipped = find("StreamEveryoneAnonymous").unwrap();
    let edit = RuleEdit {
        condition: Some("true".to_owned()),
        is_disabled: Some(true),
        ..RuleEdit::default()
    };
    hub.repository.update_rule(&server, shipped.id, None, edit).unwrap();
    hub.repository.delete_rule(&server, find("CreateApp").unwrap().id).unwrap();
    let own = hub.rule("Own", "Stream_*", 2, "user.name = \"ana\"");

    let nobody = |caller: &Caller| hub.repository.reset_shipped_rules(caller).is_err();
    assert!(nobody(&hub.visitor().in_console()) && nobody(&hub.user("ben").in_console()));
    let done = hub.repository.reset_shipped_rules(&hub.root()).unwrap();
    assert_eq!(done.put_back, [(shipped.id, "StreamEveryoneAnonymous".to_owned())]);
    assert_eq!(done.deleted, ["CreateApp"]);
    let after = find("StreamEveryoneAnonymous").unwrap();
    assert_eq!((after.condition, after.origin), (shipped.condition, shipped.origin));
    assert!(after.is_disabled, "it is not switched on by this");
    assert!(find("CreateApp").is_none());
    assert!(hub.repository.site().rule(own).is_some());
    assert!(hub.repository.reset_shipped_rules(&hub.root()).unwrap().put_back.is_empty());
}

#[test]
fn the_matrix_is_what_everybody_may_do_one_by_one() {
    let hub = site();
    hub.root();
    let team = hub.stream("Team");
    hub.rule("TeamRead", &format!("Stream_{team}"), 34, "user.group = \"hr\"");
    hub.published_app("Budget", team);
    hub.published_app("Flights", loggia_repository::seed::EVERYONE);
    let forbid = RuleEdit {
        is_forbidding: Some(true),
        ..rule("Shut", "App_*", 2, "resource.name = \"Budget\" and user.name = \"ana\"")
    };
    hub.repository.create_rule(&hub.server(), None, forbid).unwrap();
    let site = hub.repository.site();
    let auditor = hub.repository.auditor(&hub.server()).unwrap();
    for kind in auditor.kinds() {
        for contexts in [HUB, CONSOLE] {
            let mut asked = request(&hub, kind, contexts);
            asked.environment = vec![("virtualProxy".to_owned(), String::new())];
            let found = auditor.matrix(&asked, None, None).unwrap();
            for (place, subject) in found.subjects.iter().enumerate() {
                let mut caller = match &subject.user {
                    Some(user) => Caller::user(user.id, user.key.clone(), Default::default()),
                    None => Caller::visitor(ANONYMOUS_VISITOR, Default::default()),
                };
                if contexts.console {
                    caller = caller.in_console();
                }
                for (thing, asked) in found.resources.iter().enumerate() {
                    let cell =
                        found.cells.iter().find(|c| (c.subject, c.resource) == (place, thing));
                    let access = cell.map_or(Actions::NONE, |cell| cell.access());
                    let alone = hub.repository.privileges(&caller, &asked.resource().unwrap());
                    assert_eq!(access, alone, "{} {}", subject.requester.key, asked.text);
                }
            }
        }
    }
    assert_eq!(site.version(), hub.repository.site().version());
}

#[test]
fn a_rule_that_cannot_be_read_is_shown_with_the_place_of_its_fault() {
    let hub = site();
    let stream = hub.stream("Press");
    let id = hub.rule("Old", &format!("Stream_{stream}"), 2, "user.name = \"ben\"");
    let stored = hub.repository.site().stored_rule(id).unwrap().clone();
    let mut broken = StoredRule::clone(&stored);
    broken.rule.condition = "user.name = \"ben\" and user.Unknown()".to_owned();
    let store = SqliteStore::open(&hub.store_path()).unwrap();
    store.commit(hub.repository.site().version(), &[Change::PutRule(broken)]).unwrap();
    hub.repository.refresh().unwrap();
    let mut asked = request(&hub, ResourceKind::Stream, HUB);
    asked.resources.retain(|thing| thing.id == Some(stream.0));
    asked.subjects.truncate(2);
    asked.with_non_granting = true;
    only(
        &hub,
        &asked,
        &["Old"],
        expect![[r#"
        Old: Anonymous visitor Press: red
        Old: ana Press: red
    "#]],
    );
    let auditor = hub.repository.auditor(&hub.server()).unwrap();
    let found = auditor.audit(&asked).unwrap();
    let fault = found.rules.iter().find(|rule| rule.rule.id == id).unwrap().error.clone();
    expect![[r#"
        Some(
            (
                "Unknown is no function of this language",
                Some(
                    27,
                ),
            ),
        )
    "#]]
    .assert_debug_eq(&fault);
    let question = loggia_repository::Question {
        subject: "ben".to_owned(),
        action: loggia_repository::Action::Read,
        resource: format!("Stream_{stream}"),
        within: None,
        context: None,
        environment: Vec::new(),
    };
    let found = auditor.explain(&question).unwrap();
    assert_eq!(found.unreadable.iter().map(|u| u.rule.id).collect::<Vec<_>>(), [id]);
    assert!(!found.verdict.is_allowed());
}
