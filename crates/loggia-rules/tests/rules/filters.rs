//! Which resources a filter names.

use std::fmt::Write;

use expect_test::{Expect, expect};
use loggia_rules::{Entity, ResourceFilter};

use crate::site::{entity, id};

const THINGS: [&str; 8] = [
    "App turnover",
    "App other",
    "new App",
    "App.Object sheet",
    "new App.Object",
    "App.Content picture",
    "Stream press",
    "QmcSection_App",
];

fn check(filters: &[String], things: &[&str], expected: Expect) {
    let mut table = String::new();
    for filter in filters {
        let parsed: ResourceFilter = filter.parse().unwrap();
        let names = |thing: &&&str| parsed.matches(&named(thing));
        let matching: Vec<&str> = things.iter().filter(names).copied().collect();
        let matching = if matching.is_empty() { "nothing".to_owned() } else { matching.join(", ") };
        writeln!(table, "{filter:?}\n    {matching}").unwrap();
    }
    expected.assert_eq(&table);
}

fn named(thing: &str) -> Entity {
    entity(thing)
}

#[test]
fn filters_name_all_one_type_a_family_or_one_thing() {
    let turnover = id("turnover");
    let filters = [
        "*".to_owned(),
        "App*".to_owned(),
        "App_*".to_owned(),
        "App.Object_*".to_owned(),
        "App.*".to_owned(),
        format!("App_{turnover}"),
        format!("app_{}", turnover.to_string().to_uppercase()),
        format!("Stream_{turnover}"),
        "App".to_owned(),
        "APP.object*".to_owned(),
        " Stream_* ,App.Content_* ".to_owned(),
    ];
    check(
        &filters,
        &THINGS,
        expect![[r#"
        "*"
            App turnover, App other, new App, App.Object sheet, new App.Object, App.Content picture, Stream press, QmcSection_App
        "App*"
            App turnover, App other, new App, App.Object sheet, new App.Object, App.Content picture
        "App_*"
            App turnover, App other, new App
        "App.Object_*"
            App.Object sheet, new App.Object
        "App.*"
            App.Object sheet, new App.Object, App.Content picture
        "App_041afed9-5565-9b92-2445-39176d1c3528"
            App turnover
        "app_041AFED9-5565-9B92-2445-39176D1C3528"
            App turnover
        "Stream_041afed9-5565-9b92-2445-39176d1c3528"
            nothing
        "App"
            new App
        "APP.object*"
            App.Object sheet, new App.Object
        " Stream_* ,App.Content_* "
            App.Content picture, Stream press
    "#]],
    );
}

#[test]
fn sections_are_named_whole() {
    let filters = [
        "QmcSection_App",
        "qmcsection_*",
        "QmcSection_App*",
        "HubSection_*",
        "Hub_*",
        "Qmc*",
        "TransientObject_*",
        "*",
    ];
    check(
        &filters.map(str::to_owned),
        &["QmcSection_App", "QmcSection_App.Object", "HubSection_Home", "Hub_Home", "App a"],
        expect![[r#"
            "QmcSection_App"
                QmcSection_App
            "qmcsection_*"
                QmcSection_App, QmcSection_App.Object
            "QmcSection_App*"
                QmcSection_App, QmcSection_App.Object
            "HubSection_*"
                HubSection_Home
            "Hub_*"
                Hub_Home
            "Qmc*"
                QmcSection_App, QmcSection_App.Object
            "TransientObject_*"
                QmcSection_App, QmcSection_App.Object, HubSection_Home, Hub_Home
            "*"
                QmcSection_App, QmcSection_App.Object, HubSection_Home, Hub_Home, App a
        "#]],
    );
}

#[test]
fn families_of_types_share_a_beginning() {
    let kinds = |text: &str| format!("{:?}", text.parse::<ResourceFilter>().unwrap().kinds());
    expect!["{License, License.ProfessionalAccessGroup, License.AnalyzerAccessGroup, License.UserAccessGroup, License.LoginAccessType, License.AnalyzerTimeAccessType}"].assert_eq(&kinds("License*"));
    expect!["{UserSyncTask, User, UserDirectory}"].assert_eq(&kinds("User*"));
    expect!["{UserDirectory}"].assert_eq(&kinds("UserDirectoryConnector_*"));
}

#[test]
fn filters_that_are_wrong() {
    let many = vec!["App_*"; 1001].join(",");
    let texts = [
        "",
        " ",
        ",",
        "App_*,",
        "App_**",
        "App*_*",
        "App_x*",
        "App_everyone",
        "_*",
        "9App*",
        "Ap_*",
        "Strem*",
        "Xyzzy",
        "App _*",
        "QmcSection",
        "QmcSection_",
        "App_{6c62272e-07bb-0142-62b8-21756295c58d}",
        "Stream_6c62272e07bb014262b821756295c58d",
        "App_*; Stream_*",
        "Tga_x",
        "App_x; Stream_*",
        ";",
        &many,
    ];
    let mut table = String::new();
    for text in texts {
        let (filter, problems) = ResourceFilter::parse(text);
        let shown = if text.len() > 60 { "(long)" } else { text };
        let word = if filter.is_some() { "usable" } else { "refused" };
        writeln!(table, "{shown:?} {word}").unwrap();
        for problem in problems {
            // A suggestion is a ready rewrite.
            if let Some(rewritten) = problem.rewrite(text) {
                let (_, left) = ResourceFilter::parse(&rewritten);
                assert!(left.is_empty(), "{rewritten} {left:?}");
            }
            let suggestion = problem.suggestion.unwrap_or_default();
            writeln!(table, "    {:?} {}  [{suggestion}]", problem.span, problem.message).unwrap();
        }
    }
    expect![[r#"
        "" refused
            0..0 a rule needs a resource filter, such as Stream_* or App_*  []
        " " refused
            0..1 a rule needs a resource filter, such as Stream_* or App_*  []
        "," refused
            0..0 there is nothing between two commas  []
            1..1 there is nothing between two commas  []
        "App_*," refused
            6..6 there is nothing between two commas  []
        "App_**" refused
            0..6 App_** mixes _ and *; write App_* or App*  [App_*]
        "App*_*" refused
            0..6 "App*" is no resource type  []
        "App_x*" refused
            0..6 App_x* mixes _ and *; write App_* or App*  [App_*]
        "App_everyone" refused
            0..12 "everyone" is no id; write the id of the app, as in App_<id>; App_* is every one  []
        "_*" refused
            0..2 "" is no resource type  []
        "9App*" refused
            0..5 "9App" is no resource type  []
        "Ap_*" usable
            0..2 Ap is no resource type, so this matches nothing; did you mean App?  [App]
        "Strem*" usable
            0..5 Strem is no resource type, so this matches nothing; did you mean Stream?  [Stream]
        "Xyzzy" usable
            0..5 Xyzzy is no resource type, so this matches nothing  []
        "App _*" refused
            0..6 "App " is no resource type  []
        "QmcSection" refused
            0..10 write QmcSection_* for all of them  [QmcSection_*]
        "QmcSection_" refused
            0..11 QmcSection_ names no section; write QmcSection_* for all  [QmcSection_*]
        "App_{6c62272e-07bb-0142-62b8-21756295c58d}" refused
            0..42 an id is written 6c62272e-07bb-0142-62b8-21756295c58d  [App_6c62272e-07bb-0142-62b8-21756295c58d]
        "Stream_6c62272e07bb014262b821756295c58d" refused
            0..39 an id is written 6c62272e-07bb-0142-62b8-21756295c58d  [Stream_6c62272e-07bb-0142-62b8-21756295c58d]
        "App_*; Stream_*" refused
            0..15 items are separated by commas  [App_*, Stream_*]
        "Tga_x" usable
            0..3 Tga is no resource type, so this matches nothing; did you mean Tag?  []
        "App_x; Stream_*" refused
            0..15 items are separated by commas  []
        ";" refused
            0..1 items are separated by commas  []
        "(long)" refused
            6000..6005 a resource filter has at most 1000 items  []
    "#]].assert_eq(&table);
}
