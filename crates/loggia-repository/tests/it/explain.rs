//! Why somebody may do something, or may not: the rule, the clause and what it saw.

use std::fmt::Write;

use expect_test::{Expect, expect};
use loggia_model::entity::AnonymousMode;
use loggia_model::{Caller, RequestContext, UserKey};
use loggia_repository::seed::EVERYONE;
use loggia_repository::{
    Action, Explanation, ManageError, Question, Reason, RuleEdit, UserEdit, VisitInfo,
};

use crate::fixture::{Hub, rule};

/// A public hub with a stream for people who work in a group, and those people.
fn site() -> Hub {
    let (hub, _) = Hub::public();
    let team = hub.stream("Team");
    hub.published_app("Budget", team);
    hub.rule(
        "TeamRead",
        &format!("Stream_{team}"),
        2,
        "user.group = \"staff\" or\n  user.group = \"audit\"",
    );
    hub.user("ana");
    group(&hub, "ana", "staff");
    hub.user("ben");
    group(&hub, "ben", "sales");
    hub.root();
    hub
}

fn group(hub: &Hub, name: &str, group: &str) {
    let key = UserKey::new("LOGGIA", name).unwrap();
    let id = hub.repository.site().user_by_key(&key).unwrap().id;
    let attributes = Some(vec![("group".to_owned(), group.to_owned())]);
    let edit = UserEdit { attributes, ..UserEdit::default() };
    hub.repository.update_user(&hub.server(), id, None, edit).unwrap();
}

/// `ana read Stream_Team [in hub|console] [with name=value;…] [within App_…]`
fn question(text: &str) -> Question {
    let (text, within) = match text.split_once(" within ") {
        Some((text, within)) => (text, Some(within.to_owned())),
        None => (text, None),
    };
    let (text, environment) = match text.split_once(" with ") {
        Some((text, pairs)) => (text, loggia_repository::environment_pairs(pairs).unwrap()),
        None => (text, Vec::new()),
    };
    let (text, context) = match text.split_once(" in ") {
        Some((text, "console")) => (text, Some(RequestContext::Console)),
        Some((text, _)) => (text, Some(RequestContext::Hub)),
        None => (text, None),
    };
    let words: Vec<&str> = text.splitn(3, ' ').collect();
    Question {
        subject: words[0].to_owned(),
        action: words[1].parse().unwrap(),
        resource: words[2].to_owned(),
        within,
        context,
        environment,
    }
}

fn explain(hub: &Hub, text: &str) -> Result<Explanation, ManageError> {
    hub.repository.explain(&hub.server(), &question(text))
}

/// The parts of an explanation that people look at; ids differ from run to run.
fn shown(hub: &Hub, text: &str) -> String {
    let mut table = String::new();
    match explain(hub, text) {
        Err(ManageError::Invalid(violations)) => {
            for violation in violations {
                let place = violation.place;
                writeln!(table, "{text}: no question: {place}: {}", violation.message).unwrap();
            }
        }
        Err(error) => writeln!(table, "{text}: {error}").unwrap(),
        Ok(found) => {
            let context = match found.context {
                RequestContext::Hub => "hub",
                RequestContext::Console => "console",
            };
            let (who, what) = (&found.subject.key, &found.resource.name);
            let verdict = found.verdict.as_str();
            writeln!(table, "{text}: {verdict} ({who}, {what:?}, {context})").unwrap();
            if let Some(account) = &found.account {
                writeln!(table, "    {account}").unwrap();
            }
            for (word, reasons) in [
                ("granted by", &found.granted_by),
                ("forbidden by", &found.forbidden_by),
                ("not by", &found.nearest),
            ] {
                reasons.iter().for_each(|reason| line(&mut table, word, reason));
            }
            for rule in &found.disabled {
                writeln!(table, "    disabled: {}", rule.name).unwrap();
            }
            if found.elsewhere != found.verdict.is_allowed() {
                writeln!(table, "    in the other context: {}", found.elsewhere).unwrap();
            }
            for note in &found.notes {
                writeln!(table, "    note: {note}").unwrap();
            }
        }
    }
    let site = hub.repository.site();
    let streams = site.streams().map(|row| (row.id.text(), row.name.clone()));
    let apps = site.apps().map(|row| (row.id.text(), row.name.clone()));
    let users = site.users().map(|row| (row.id.text(), row.name.clone()));
    for (id, name) in streams.chain(apps).chain(users) {
        table = table.replace(&id, &format!("<{name}>"));
    }
    table
}

fn line(table: &mut String, word: &str, reason: &Reason) {
    let Reason { rule, clause, line, column, seen, distance, .. } = reason;
    let clause = clause.split_whitespace().collect::<Vec<_>>().join(" ");
    writeln!(table, "    {word} {} {distance} at {line}:{column} {clause}", rule.name).unwrap();
    for seen in seen {
        writeln!(table, "        {seen}").unwrap();
    }
    for further in &reason.asked {
        let word = if further.is_granted { "granted" } else { "not granted" };
        writeln!(table, "        asked {} of {:?}: {word}", further.action, further.resource.name)
            .unwrap();
    }
}

fn check(hub: &Hub, questions: &[&str], expected: Expect) {
    expected.assert_eq(&questions.iter().map(|text| shown(hub, text)).collect::<String>());
}

#[test]
fn a_refusal_names_the_nearest_clause_of_each_rule_and_what_it_saw() {
    let hub = site();
    check(
        &hub,
        &[r"NONE\anonymous read App_Budget", r"LOGGIA\ben read Stream_Team", "ana read App_Budget"],
        expect![[r#"
            NONE\anonymous read App_Budget: noGrant (NONE\anonymous, "Budget", hub)
                not by Stream 1 at 1:36 resource.stream.HasPrivilege("read")
                    resource.stream Stream_<Team>: read not granted
                    asked read of "Team": not granted
                not by OwnerRead 1 at 1:24 resource.owner = user
                    resource.owner: User_<sa_repository>
                    user: no value
                not by Owner 2 at 1:24 resource.owner = user
                    resource.owner: User_<sa_repository>
                    user: no value
                not by ServiceAccount 2 at 1:1 user.userDirectory = "INTERNAL"
                    user.userDirectory: "NONE"
            LOGGIA\ben read Stream_Team: noGrant (LOGGIA\ben, "Team", hub)
                not by TeamRead 1 at 1:1 user.group = "staff"
                    user.group: "sales"
                not by Owner 1 at 1:24 resource.owner = user
                    resource.owner: User_<sa_repository>
                    user: User_<ben>
                not by OwnerRead 1 at 1:24 resource.owner = user
                    resource.owner: User_<sa_repository>
                    user: User_<ben>
                not by ServiceAccount 2 at 1:1 user.userDirectory = "INTERNAL"
                    user.userDirectory: "LOGGIA"
            ana read App_Budget: allowed (LOGGIA\ana, "Budget", hub)
                granted by Stream 0 at 1:2 resource.resourcetype = "App" and resource.stream.HasPrivilege("read")
                    resource.resourcetype: "App"
                    resource.stream Stream_<Team>: read granted
                    asked read of "Team": granted
        "#]],
    );
}

#[test]
fn what_comes_before_and_after_the_rules_is_told_too() {
    let hub = site();
    hub.rule("Opened", "App_*", 2, "user.IsAnonymous() and user.environment.ip like \"10.*\"");
    let edit = RuleEdit { is_forbidding: Some(true), ..rule("Shut", "App_*", 4, "") };
    hub.repository.create_rule(&hub.server(), None, edit).unwrap();
    let off =
        RuleEdit { is_disabled: Some(true), ..rule("Off", "Stream_*", 2, "user.name = \"ben\"") };
    hub.repository.create_rule(&hub.server(), None, off).unwrap();
    let key = UserKey::new("LOGGIA", "ana").unwrap();
    let ana = hub.repository.site().user_by_key(&key).unwrap().id;
    let block = UserEdit { is_blocked: Some(true), ..UserEdit::default() };
    hub.repository.update_user(&hub.server(), ana, None, block).unwrap();
    check(
        &hub,
        &[
            "ana read Stream_Team",
            "root update App_Budget in console",
            "anonymous read App_Budget with ip=10.1.2.3",
            "root read QmcSection_App",
            "root read App_Budget",
            "ben read Stream_Team",
            "ben create App",
            "anonymous create App",
            "ben create App.Object within App_Flights",
        ],
        expect![[r#"
            ana read Stream_Team: accountRefused (LOGGIA\ana, "Team", hub)
                the account is blocked
                granted by TeamRead 0 at 1:1 user.group = "staff"
                    user.group: "staff"
            root update App_Budget in console: forbidden (LOGGIA\root, "Budget", console)
                granted by RootAdmin 0 at 1:1 user.roles = "RootAdmin"
                    user.roles: "RootAdmin"
                forbidden by Shut 0 at 1:1 
            anonymous read App_Budget with ip=10.1.2.3: allowed (NONE\anonymous, "Budget", hub)
                granted by Opened 0 at 1:1 user.IsAnonymous() and user.environment.ip like "10.*"
                    the requester is anonymous
                    user.environment.ip: "10.1.2.3"
            root read QmcSection_App: allowed (LOGGIA\root, "QmcSection_App", console)
                granted by RootAdmin 0 at 1:1 user.roles = "RootAdmin"
                    user.roles: "RootAdmin"
                in the other context: false
            root read App_Budget: noGrant (LOGGIA\root, "Budget", hub)
                not by Stream 1 at 1:36 resource.stream.HasPrivilege("read")
                    resource.stream Stream_<Team>: read not granted
                    asked read of "Team": not granted
                not by OwnerRead 1 at 1:24 resource.owner = user
                    resource.owner: User_<sa_repository>
                    user: User_<root>
                not by Opened 2 at 1:1 user.IsAnonymous()
                    the requester has signed in
                not by Owner 2 at 1:24 resource.owner = user
                    resource.owner: User_<sa_repository>
                    user: User_<root>
                not by ServiceAccount 2 at 1:1 user.userDirectory = "INTERNAL"
                    user.userDirectory: "LOGGIA"
                in the other context: true
            ben read Stream_Team: noGrant (LOGGIA\ben, "Team", hub)
                not by TeamRead 1 at 1:1 user.group = "staff"
                    user.group: "sales"
                not by Owner 1 at 1:24 resource.owner = user
                    resource.owner: User_<sa_repository>
                    user: User_<ben>
                not by OwnerRead 1 at 1:24 resource.owner = user
                    resource.owner: User_<sa_repository>
                    user: User_<ben>
                not by ServiceAccount 2 at 1:1 user.userDirectory = "INTERNAL"
                    user.userDirectory: "LOGGIA"
                disabled: Off
            ben create App: allowed (LOGGIA\ben, "", hub)
                granted by CreateApp 0 at 1:1 !user.IsAnonymous()
                    the requester has signed in
                in the other context: false
            anonymous create App: ownsNothing (NONE\anonymous, "", hub)
                not by CreateApp 1 at 1:1 !user.IsAnonymous()
                    the requester is anonymous
                not by ServiceAccount 2 at 1:1 user.userDirectory = "INTERNAL"
                    user.userDirectory: "NONE"
            ben create App.Object within App_Flights: allowed (LOGGIA\ben, "", hub)
                granted by CreateAppObjectsPublishedApp 0 at 1:1 !user.IsAnonymous() and !resource.app.stream.Empty() and resource.objectType = {"userstate", "sheet", "story", "bookmark", "snapshot", "embeddedsnapshot", "hiddenbookmark"} and resource.app.HasPrivilege("read")
                    the requester has signed in
                    resource.app.stream: Stream_<Everyone>
                    resource.objectType: "sheet"
                    resource.app App_<Flights>: read granted
                    asked read of "Flights": granted
                in the other context: false
        "#]],
    );
}

#[test]
fn names_are_found_without_letter_case_and_slips_are_named() {
    let hub = site();
    hub.repository.ensure_user(&UserKey::new("ACME", "ben").unwrap(), "ben", &[]).unwrap();
    check(
        &hub,
        &[
            r"none\ANONYMOUS read stream_everyone",
            "ben read Stream_Everyone",
            r"LOGIA\ana read Stream_Everyone",
            "anna read Stream_Everyone",
            r"NONE\anonymus read Stream_Everyone",
            "ana read Straem_Everyone",
            "ana read Stream_Everyon",
            "ana read Stream",
            "ana read Extension_Map",
            "ana read QmcSection_Apps",
            "ana create App.Object",
            "ana read Stream_00000000-0000-4000-8000-00000000dead",
            "ana read App_aaec8d41-5201-43ab-809f-3063750dfafd",
            "ana read Everyone",
            "ana read Stream_Everyone with ip=here;secureRequest=perhaps",
            "ana read Stream_Everyone with browsr=Firefox",
        ],
        expect![[r#"
            none\ANONYMOUS read stream_everyone: allowed (NONE\anonymous, "Everyone", hub)
                granted by StreamEveryoneAnonymous 0 at 1:1 user.IsAnonymous()
                    the requester is anonymous
                in the other context: false
            ben read Stream_Everyone: no question: user: several users have the id ben: write ACME\ben or LOGGIA\ben
            LOGIA\ana read Stream_Everyone: no question: user: there is no user LOGIA\ana; did you mean LOGGIA\ana?
            anna read Stream_Everyone: no question: user: there is no user anna; did you mean LOGGIA\ana?
            NONE\anonymus read Stream_Everyone: no question: user: a visitor is written NONE\anonymous
            ana read Straem_Everyone: no question: resource: "Straem" is no resource type; did you mean "Stream"?
            ana read Stream_Everyon: no question: resource: there is no Stream called "Everyon"; did you mean Stream_Everyone?
            ana read Stream: no question: resource: name one: Stream_<id> or Stream_<name>; Stream alone is something to be created, for the action create
            ana read Extension_Map: no question: resource: this release keeps nothing of the type Extension
            ana read QmcSection_Apps: noGrant (LOGGIA\ana, "QmcSection_Apps", console)
                not by RootAdmin 1 at 1:1 user.roles = "RootAdmin"
                    user.roles: no value
                not by AuditAdmin 2 at 1:1 user.roles = "AuditAdmin"
                    user.roles: no value
                not by Owner 2 at 1:1 resource.IsOwned()
                    resource has no owner
                not by OwnerRead 2 at 1:1 resource.IsOwned()
                    resource has no owner
                not by ServiceAccount 2 at 1:1 user.userDirectory = "INTERNAL"
                    user.userDirectory: "LOGGIA"
                note: QmcSection_Apps is no section of this product; did you mean QmcSection_App?
            ana create App.Object: no question: within: name the app that the object would be made in, such as App_<id>
            ana read Stream_00000000-0000-4000-8000-00000000dead: no question: resource: there is no Stream with the id 00000000-0000-4000-8000-00000000dead
            ana read App_<Everyone>: no question: resource: <Everyone> is no App; did you mean Stream_<Everyone>?
            ana read Everyone: no question: resource: "Everyone" is no resource type or section; write Type_id, such as App_<id>, or a section, such as QmcSection_App
            ana read Stream_Everyone with ip=here;secureRequest=perhaps: no question: environment: "here" is no IP address, such as 10.0.0.1
            ana read Stream_Everyone with ip=here;secureRequest=perhaps: no question: environment: secureRequest is "perhaps", expected true or false
            ana read Stream_Everyone with browsr=Firefox: allowed (LOGGIA\ana, "Everyone", hub)
                granted by StreamEveryone 0 at 1:1 !user.IsAnonymous()
                    the requester has signed in
                note: browsr is taken for an attribute of the sign-in; did you mean browser?
        "#]],
    );
}

#[test]
fn only_who_may_read_the_audit_section_gets_explanations() {
    let hub = site();
    let question = question(r"NONE\anonymous read Stream_Everyone");
    let ask = |caller: &Caller| match hub.repository.explain(caller, &question) {
        Ok(found) => found.verdict.as_str(),
        Err(ManageError::Refused(_)) => "refused",
        Err(error) => panic!("{error:?}"),
    };
    assert_eq!(ask(&hub.root()), "allowed");
    assert_eq!(ask(&hub.admin("auditor", "AuditAdmin")), "allowed");
    assert_eq!(ask(&hub.visitor().in_console()), "refused");
    assert_eq!(ask(&hub.user("ben").in_console()), "refused");
    assert_eq!(ask(&Caller { context: RequestContext::Hub, ..hub.root() }), "refused");
}

#[test]
fn an_explanation_agrees_with_what_happens() {
    let hub = site();
    hub.entrance("second", AnonymousMode::Allowed);
    let site = hub.repository.site();
    for app in site.apps() {
        for caller in [hub.visitor(), hub.user("ana"), hub.user("ben")] {
            let opened = hub.repository.would_open_app(&caller, app.id, &VisitInfo::default());
            let hidden = matches!(opened, Err(loggia_repository::OpenAppError::Hidden { .. }));
            let question = Question {
                subject: caller.principal.to_string(),
                resource: app.id.text(),
                environment: vec![("virtualProxy".to_owned(), "public".to_owned())],
                ..question("x read y")
            };
            let found = hub.repository.explain(&hub.server(), &question).unwrap();
            assert_eq!(found.verdict.is_allowed(), !hidden, "{} {}", app.name, found.subject.key);
            assert_eq!(found.granted_by.is_empty(), hidden);
        }
    }
    let found = explain(&hub, "root update Stream_Everyone in console").unwrap();
    assert_eq!(found.resource.id, Some(EVERYONE.0));
    assert_eq!(found.action, Action::Update);
    assert_eq!(found.version, hub.repository.site().version());
}
