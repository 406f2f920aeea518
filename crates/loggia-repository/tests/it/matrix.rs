//! Who may do what on a new site: the shipped rules, printed.

use std::fmt::Write;

use expect_test::expect;
use loggia_model::Caller;
use loggia_model::entity::AnonymousMode;
use loggia_repository::Resource;
use loggia_repository::seed::{EVERYONE, MONITORING};

use crate::fixture::Hub;

#[test]
fn rights_of_visitors_and_people_on_a_new_site() {
    let hub = Hub::new();
    let entrance = hub.entrance("public", AnonymousMode::Allowed);
    let (pool, rule) = hub.visitors_pool(None);
    let ana = hub.user("ana");
    let public = hub.published_app("Flights", EVERYONE);
    let team = hub.stream("Team");
    hub.rule("Team is for people", &format!("Stream_{team}"), 34, "!user.IsAnonymous()");
    let internal = hub.published_app("Budget", team);
    let work = hub.app(&ana, "Ana's draft");
    let base = hub.repository.site().objects_of(public).next().unwrap().id;
    let private = hub.sheet(&ana, public, "Ana's own sheet");

    let resources = [
        ("stream Everyone", Resource::Stream(EVERYONE)),
        ("stream Monitoring apps", Resource::Stream(MONITORING)),
        ("stream Team", Resource::Stream(team)),
        ("app in Everyone", Resource::App(public)),
        ("app in Team", Resource::App(internal)),
        ("Ana's unpublished app", Resource::App(work)),
        ("base sheet in Everyone", Resource::AppObject(base)),
        ("Ana's private sheet there", Resource::AppObject(private)),
        (
            "Ana's user row",
            Resource::User(match &ana.principal {
                loggia_model::Principal::User { id, .. } => *id,
                _ => unreachable!("Ana has a row"),
            }),
        ),
        ("rule of the pool", Resource::Rule(rule)),
        ("public entrance", Resource::VirtualProxy(entrance)),
        ("visitors' pool", Resource::Pool(pool)),
        ("console section App", Resource::Transient("QmcSection_App".into())),
    ];
    let callers: [(&str, Caller); 8] = [
        ("visitor in hub", hub.visitor()),
        ("visitor in console", hub.visitor().in_console()),
        ("ana in hub", ana.clone()),
        ("ana in console", ana.in_console()),
        ("ben in hub", hub.user("ben")),
        ("content admin in console", hub.admin("editor", "ContentAdmin")),
        ("audit admin in console", hub.admin("auditor", "AuditAdmin")),
        ("root in console", hub.root()),
    ];
    let mut table = String::new();
    for (who, caller) in &callers {
        writeln!(table, "{who}").unwrap();
        for (what, resource) in &resources {
            let may = hub.repository.privileges(caller, resource);
            if !may.is_empty() {
                writeln!(table, "  {what}: {may:?}").unwrap();
            }
        }
    }
    expect![[r#"
        visitor in hub
          stream Everyone: read
          app in Everyone: read
          base sheet in Everyone: read
        visitor in console
        ana in hub
          stream Everyone: read+publish
          stream Team: read+publish
          app in Everyone: create+read+exportdata+offlineaccess
          app in Team: create+read+exportdata+offlineaccess
          Ana's unpublished app: create+read+update+delete+export+publish+changeowner+exportdata+offlineaccess+distribute+duplicate+approve
          base sheet in Everyone: create+read
          Ana's private sheet there: create+read+update+delete+export+publish+changeowner+exportdata+offlineaccess+distribute+duplicate+approve
        ana in console
          stream Everyone: read+publish
          stream Team: read+publish
          app in Everyone: read+exportdata+offlineaccess
          app in Team: read+exportdata+offlineaccess
          Ana's unpublished app: read+update+delete+export+publish+changeowner+exportdata+offlineaccess+distribute+duplicate+approve
          base sheet in Everyone: read
          Ana's private sheet there: read+update+delete+export+publish+changeowner+exportdata+offlineaccess+distribute+duplicate+approve
        ben in hub
          stream Everyone: read+publish
          stream Team: read+publish
          app in Everyone: create+read+exportdata+offlineaccess
          app in Team: create+read+exportdata+offlineaccess
          Ana's unpublished app: create
          base sheet in Everyone: create+read
          Ana's private sheet there: create
        content admin in console
          stream Everyone: create+read+update+delete+export+publish+changeowner+exportdata+offlineaccess+duplicate+approve
          stream Monitoring apps: create+read+update+delete+export+publish+changeowner+exportdata+offlineaccess+duplicate+approve
          stream Team: create+read+update+delete+export+publish+changeowner+exportdata+offlineaccess+duplicate+approve
          app in Everyone: create+read+update+delete+export+publish+changeowner+exportdata+offlineaccess+duplicate+approve
          app in Team: create+read+update+delete+export+publish+changeowner+exportdata+offlineaccess+duplicate+approve
          Ana's unpublished app: create+read+update+delete+export+publish+changeowner+exportdata+offlineaccess+duplicate+approve
          base sheet in Everyone: create+read+update+delete+export+publish+changeowner+exportdata+offlineaccess+duplicate+approve
          Ana's private sheet there: create+read+update+delete+export+publish+changeowner+exportdata+offlineaccess+duplicate+approve
          Ana's user row: create+read+update+delete+export+publish+changeowner+exportdata+offlineaccess+duplicate+approve
          visitors' pool: read
          console section App: read
        audit admin in console
          stream Everyone: read+publish
          stream Monitoring apps: read
          stream Team: read+publish
          app in Everyone: read+exportdata+offlineaccess
          app in Team: read+exportdata+offlineaccess
          Ana's unpublished app: read+exportdata+offlineaccess
          base sheet in Everyone: read
          Ana's private sheet there: read
          Ana's user row: read
          rule of the pool: read
          public entrance: read
          visitors' pool: read
        root in console
          stream Everyone: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          stream Monitoring apps: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          stream Team: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          app in Everyone: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          app in Team: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          Ana's unpublished app: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          base sheet in Everyone: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          Ana's private sheet there: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          Ana's user row: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          rule of the pool: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          public entrance: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          visitors' pool: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
          console section App: create+read+update+delete+export+publish+changeowner+changerole+exportdata+offlineaccess+distribute+duplicate+approve
    "#]]
    .assert_eq(&table);
}
