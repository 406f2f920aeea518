//! The anonymous check names the missing piece.

use std::fmt::Write;
use std::sync::Arc;

use expect_test::{Expect, expect};
use loggia_model::entity::{AnonymousMode, PoolKind};
use loggia_repository::seed::EVERYONE;
use loggia_repository::share::{Choice, MemberText, SharedPlace};
use loggia_repository::store::sqlite::SqliteStore;
use loggia_repository::{GateOutcome, Repository, RuleEdit, Settings};

use crate::fixture::{Hub, START, rule};

/// Runs the check as the command line does, beside the running server.
fn check(hub: &Hub, prefix: &str, expected: Expect) {
    let store = SqliteStore::inspect(&hub.store_path()).unwrap();
    let settings = Settings::new(hub.folder.path().join("data"));
    let beside = Repository::inspect(Arc::new(store), Arc::new(|| START), settings).unwrap();
    let report = beside.check_anonymous(&prefix.parse().unwrap()).unwrap();
    let mut text = String::new();
    for gate in &report.gates {
        let outcome = match gate.outcome {
            GateOutcome::Pass => "pass",
            GateOutcome::Fail => "FAIL",
            GateOutcome::Skipped => "-",
        };
        writeln!(text, "{} {} {outcome}: {}", gate.number, gate.name, gate.finding).unwrap();
        if let Some(mend) = &gate.mend {
            writeln!(text, "    {mend}").unwrap();
        }
    }
    for app in &report.apps {
        let code = app.code.map(|code| code.as_str()).unwrap_or("-");
        let (list, open) = (app.can_list, app.can_open);
        writeln!(text, "{}: list {list}, open {open}, {code}: {}", app.name, app.finding).unwrap();
        if let Some(mend) = &app.mend {
            writeln!(text, "    {mend}").unwrap();
        }
    }
    // Ids differ from run to run.
    let site = beside.site();
    for id in site
        .apps()
        .map(|app| app.id.text())
        .chain(site.pools().map(|pool| pool.id.text()))
        .chain(site.streams().map(|stream| stream.id.text()))
        .chain(site.virtual_proxies().map(|entrance| entrance.id.text()))
        .chain(site.rules().map(|rule| rule.id.text()))
    {
        text = text.replace(&id, "<id>");
    }
    expected.assert_eq(&text);
}

#[test]
fn a_new_site_needs_everything() {
    let hub = Hub::new();
    check(
        &hub,
        "public",
        expect![[r#"
        1 entrance FAIL: there is no entrance /public
            make a virtual proxy with the prefix "public" and anonymous mode 1; there are: /
        2 anonymous mode -: 
        3 account pass: a visitor has no account that could be blocked
        4 licence FAIL: no licence pool has a rule that admits a visitor
            make a pool of analyzer capacity and a licence rule for it: resource filter License.AnalyzerTimeAccessType_<id of the pool>, condition user.IsAnonymous()
        5 rules FAIL: a visitor may read "Everyone" and 0 apps
            publish an app to one of these streams
        6 data -: 
    "#]],
    );
    check(
        &hub,
        "",
        expect![[r#"
        1 entrance pass: / is "Default entrance"
        2 anonymous mode FAIL: anonymous access mode is 0: everybody must sign in
            use a separate entrance, such as /public, with anonymous access mode 1; the same on the default entrance would make visitors of everybody who signs in silently
        3 account pass: a visitor has no account that could be blocked
        4 licence FAIL: no licence pool has a rule that admits a visitor
            make a pool of analyzer capacity and a licence rule for it: resource filter License.AnalyzerTimeAccessType_<id of the pool>, condition user.IsAnonymous()
        5 rules FAIL: a visitor may read "Everyone" and 0 apps
            publish an app to one of these streams
        6 data -: 
    "#]],
    );
}

#[test]
fn a_public_site_is_open_except_for_what_is_not_meant_to_be() {
    let (hub, _) = Hub::public();
    let team = hub.stream("Team");
    hub.published_app("Budget", team);
    hub.app(&hub.server(), "Draft");
    let empty = hub.app(&hub.server(), "Never reloaded");
    hub.repository.publish_app(&hub.server(), empty, EVERYONE, None).unwrap();
    check(
        &hub,
        "public",
        expect![[r#"
            1 entrance pass: /public is "The public entrance"
            2 anonymous mode pass: anonymous access mode is 1: visitors, and people who sign in
            3 account pass: a visitor has no account that could be blocked
            4 licence pass: pool "Visitors" admits a visitor, without limit
            5 rules pass: a visitor may read "Everyone" and 2 apps
            6 data pass: 1 of 2 listed apps have data
            Flights: list true, open true, -: opens with 1 sheet
            Never reloaded: list true, open false, -: the app has no data: it was never reloaded, or its file is gone
                reload the app: loggia reload <id>
            Budget: list false, open false, RULE-DENIED: stream "Team" is not readable: no rule grants it
                if it is meant to be public, open it to everybody: loggia stream public Team
            Draft: list false, open false, RULE-DENIED: the app is not published
                publish it to a stream that visitors may read
        "#]],
    );
}

#[test]
fn each_missing_piece_is_named() {
    let (hub, _) = Hub::public();
    hub.entrance("closed", AnonymousMode::Never);
    // Counted by the rules alone, also where the entrance is shut: not this one.
    hub.published_app("Budget", hub.stream("Team"));
    check(
        &hub,
        "closed",
        expect![[r#"
            1 entrance pass: /closed is "The closed entrance"
            2 anonymous mode FAIL: anonymous access mode is 0: everybody must sign in
                set anonymousAccessMode of virtual proxy <id> to 1 (visitors and people who sign in) or 2 (visitors only)
            3 account pass: a visitor has no account that could be blocked
            4 licence pass: pool "Visitors" admits a visitor, without limit
            5 rules pass: a visitor may read "Everyone" and 1 app
            6 data -: 
            Flights: list false, open false, ENT-LOGIN: anonymous access mode is 0: everybody must sign in
                mend the entrance first (above)
            Budget: list false, open false, ENT-LOGIN: anonymous access mode is 0: everybody must sign in
                mend the entrance first (above)
        "#]],
    );
    let rules: Vec<_> = hub.repository.site().rules().cloned().collect();
    let rule = rules.iter().find(|rule| rule.name == "Visitors admits").unwrap();
    let disable = RuleEdit { is_disabled: Some(true), ..RuleEdit::default() };
    hub.repository.update_rule(&hub.server(), rule.id, None, disable.clone()).unwrap();
    hub.pool(PoolKind::Professional, "People", None, "user.IsAnonymous()");
    check(
        &hub,
        "public",
        expect![[r#"
            1 entrance pass: /public is "The public entrance"
            2 anonymous mode pass: anonymous access mode is 1: visitors, and people who sign in
            3 account pass: a visitor has no account that could be blocked
            4 licence FAIL: only pool "People" has a rule for visitors, and it holds seats of named people, which never serve a visitor
                enable the licence rule "Visitors admits" (<id>)
            5 rules pass: a visitor may read "Everyone" and 1 app
            6 data -: 
            Flights: list true, open false, LIC-ANON-KIND: the rules show it, but no licence pool serves a visitor
                mend the licence gate (above)
            Budget: list false, open false, RULE-DENIED: stream "Team" is not readable: no rule grants it
                if it is meant to be public, open it to everybody: loggia stream public Team
        "#]],
    );
    let rule = rules.iter().find(|rule| rule.name == "StreamEveryoneAnonymous").unwrap();
    hub.repository.update_rule(&hub.server(), rule.id, None, disable).unwrap();
    check(
        &hub,
        "public",
        expect![[r#"
            1 entrance pass: /public is "The public entrance"
            2 anonymous mode pass: anonymous access mode is 1: visitors, and people who sign in
            3 account pass: a visitor has no account that could be blocked
            4 licence FAIL: only pool "People" has a rule for visitors, and it holds seats of named people, which never serve a visitor
                enable the licence rule "Visitors admits" (<id>)
            5 rules FAIL: a visitor may read no stream
                open one to everybody: loggia stream public <name>
            6 data -: 
            Flights: list false, open false, RULE-DENIED: stream "Everyone" is not readable: no rule grants it; nearest is "StreamEveryone", where !user.IsAnonymous() fails
                enable the rule "StreamEveryoneAnonymous" (<id>)
            Budget: list false, open false, RULE-DENIED: stream "Team" is not readable: no rule grants it
                if it is meant to be public, open it to everybody: loggia stream public Team
        "#]],
    );
}

#[test]
fn a_rule_that_forbids_it_is_what_is_to_be_changed() {
    let (hub, flights) = Hub::public();
    let list = Choice::Own(vec![MemberText {
        kind: "role".to_owned(),
        value: "Press office".to_owned(),
        name: String::new(),
    }]);
    hub.repository.set_audience(&hub.server(), SharedPlace::App(flights), &list).unwrap();
    let press = hub.stream("Press");
    hub.published_app("Turnover", press);
    hub.repository.set_stream_public(&hub.server(), press, true).unwrap();
    let forbid = RuleEdit {
        is_forbidding: Some(true),
        ..rule("Not Press", "Stream_*", 2, "resource.name = \"Press\" and user.IsAnonymous()")
    };
    hub.repository.create_rule(&hub.server(), None, forbid).unwrap();
    // Neither is about the stream alone, in the hub alone.
    let team = hub.stream("Our Team");
    hub.published_app("Budget", team);
    for (name, filter, context) in
        [("All", "Stream_*".to_owned(), 1), ("Both", format!("Stream_{team}"), 0)]
    {
        let off = RuleEdit {
            is_disabled: Some(true),
            context: Some(context),
            ..rule(name, &filter, 2, "user.IsAnonymous()")
        };
        hub.repository.create_rule(&hub.server(), None, off).unwrap();
    }
    hub.rule("Team by day", &format!("Stream_{team}"), 2, "user.environment.ip like \"10.*\"");
    check(
        &hub,
        "public",
        expect![[r#"
            1 entrance pass: /public is "The public entrance"
            2 anonymous mode pass: anonymous access mode is 1: visitors, and people who sign in
            3 account pass: a visitor has no account that could be blocked
            4 licence pass: pool "Visitors" admits a visitor, without limit
            5 rules FAIL: a visitor may read "Everyone" and 0 apps
                let visitors see one of the apps of these streams (below)
            6 data -: 
            Flights: list false, open false, RULE-DENIED: stream "Everyone" is readable, the app is not: forbidden by "App_audience_Flights" (<id>)
                if visitors are meant to see it, put visitors on the list: loggia app audience <id> --own visitors --own 'role:Press office'; or take the list away: loggia app audience <id> --same-as-stream
            Budget: list false, open false, RULE-DENIED: stream "Our Team" is not readable: no rule grants it; nearest is "Team by day", where user.environment.ip like "10.*" fails
                if it is meant to be public, open it to everybody: loggia stream public 'Our Team'
            Turnover: list false, open false, RULE-DENIED: stream "Press" is not readable: forbidden by "Not Press" (<id>)
                if visitors are meant to see it, change the condition of the forbidding rule "Not Press" (<id>) so that it leaves visitors out, or disable it
        "#]],
    );
}
