//! What is public right now, and what has become so since?

use expect_test::{Expect, expect};
use loggia_model::AppId;
use loggia_model::entity::AnonymousMode;
use loggia_repository::{
    Exposure, ExposureDifference, ManageError, PoolEdit, RecordedExposure, RuleEdit,
    VirtualProxyEdit,
};

use crate::fixture::{Hub, rule};

/// The hub's report, without what differs from run to run.
fn table(hub: &Hub) -> String {
    let table = Exposure::of(&hub.repository.site()).to_table();
    let (_, table) = table.split_once('\n').unwrap();
    table.to_owned()
}

fn check(hub: &Hub, expected: Expect) {
    expected.assert_eq(&table(hub));
}

/// Two entrances, a public stream, one for people, one for the press, and people's own work.
fn magazine() -> (Hub, AppId) {
    let (hub, flights) = Hub::public();
    hub.entrance("press", AnonymousMode::Always);
    hub.entrance("staff", AnonymousMode::Never);
    let ana = hub.user("ana");
    hub.sheet(&ana, flights, "Ana's own");
    for name in ["Map", "Delays"] {
        let sheet = hub.sheet(&hub.server(), flights, name);
        hub.repository.publish_object(&hub.server(), sheet, true).unwrap();
    }
    let team = hub.stream("Team");
    hub.rule("Team is for people", &format!("Stream_{team}"), 34, "!user.IsAnonymous()");
    hub.published_app("Budget", team);
    hub.app(&ana, "Ana's draft");
    (hub, flights)
}

#[test]
fn a_new_site_shows_nothing_without_an_entrance() {
    check(
        &Hub::new(),
        expect![[r#"

            Entrances
              none admits visitors, so they reach nothing

            Licence pools
              there are none, so no app opens for a visitor
        "#]],
    );
}

#[test]
fn streams_apps_and_objects_with_rule_and_licence() {
    let (hub, _) = magazine();
    check(
        &hub,
        expect![[r#"

            Entrances
              /press  "The press entrance": visitors only
              /public  "The public entrance": visitors, and people who sign in

            Licence pools
              Visitors (analyzer capacity): serves visitors by Visitors admits

            In the hub
              stream Everyone  read  StreamEveryoneAnonymous
                app Flights    read  Stream
                               open  Visitors admits
                  3 sheets     read  Stream
              HubSection_Home  read  HubSections

            On the console's side: nothing

            Were there any, in the hub and on the console's side
              any Extension      read  Extension
              any FileReference  read  ReadFileReference
        "#]],
    );
}

#[test]
fn an_app_that_no_pool_covers_is_listed_and_not_opened() {
    let (hub, _) = magazine();
    let site = hub.repository.site();
    let pool = site.pools().next().unwrap().id;
    let edit = PoolEdit { is_disabled: Some(true), ..PoolEdit::default() };
    hub.repository.update_pool(&hub.server(), pool, None, edit).unwrap();
    check(
        &hub,
        expect![[r#"

            Entrances
              /press  "The press entrance": visitors only
              /public  "The public entrance": visitors, and people who sign in

            Licence pools
              Visitors (analyzer capacity): serves no visitor: it is disabled

            In the hub
              stream Everyone  read  StreamEveryoneAnonymous
                app Flights    read  Stream
                  listed but not opened: no licence pool serves visitors
                  3 sheets     read  Stream
              HubSection_Home  read  HubSections

            On the console's side: nothing

            Were there any, in the hub and on the console's side
              any Extension      read  Extension
              any FileReference  read  ReadFileReference
        "#]],
    );
}

#[test]
fn whatever_a_visitor_reaches_of_the_console_is_shouted() {
    let (hub, _) = Hub::public();
    hub.rule("Oops", "User_*, QmcSection_*, Stream_*", 3, "");
    check(
        &hub,
        expect![[r#"

        Entrances
          /public  "The public entrance": visitors, and people who sign in

        Licence pools
          Visitors (analyzer capacity): serves visitors by Visitors admits

        In the hub
          stream Everyone                     read          Oops, StreamEveryoneAnonymous
                                              create        Oops
            app Flights                       read          Stream
                                              open          Visitors admits
              sheet Overview                  read          Stream
          stream Monitoring apps              read, create  Oops
          HubSection_Home                     read          HubSections
          QmcSection_AnalyticConnection       read, create  Oops
          QmcSection_App                      read, create  Oops
          QmcSection_App.Object               read, create  Oops
          QmcSection_AppDistributionStatus    read, create  Oops
          QmcSection_Audit                    read, create  Oops
          QmcSection_Certificate              read, create  Oops
          QmcSection_CloudDistribution        read, create  Oops
          QmcSection_CompositeEvent           read, create  Oops
          QmcSection_ContentLibrary           read, create  Oops
          QmcSection_CustomProperty           read, create  Oops
          QmcSection_DataConnection           read, create  Oops
          QmcSection_DeploymentSetup          read, create  Oops
          QmcSection_Engine                   read, create  Oops
          QmcSection_EngineHealth             read, create  Oops
          QmcSection_Event                    read, create  Oops
          QmcSection_Extension                read, create  Oops
          QmcSection_License                  read, create  Oops
          QmcSection_LoadBalancingRule        read, create  Oops
          QmcSection_OnDemandApps             read, create  Oops
          QmcSection_Printing                 read, create  Oops
          QmcSection_Proxy                    read, create  Oops
          QmcSection_ReloadTask               read, create  Oops
          QmcSection_Repository               read, create  Oops
          QmcSection_Scheduler                read, create  Oops
          QmcSection_SchemaEvent              read, create  Oops
          QmcSection_ServerNodeConfiguration  read, create  Oops
          QmcSection_ServiceCluster           read, create  Oops
          QmcSection_Stream                   read, create  Oops
          QmcSection_SystemNotification       read, create  Oops
          QmcSection_SystemRule               read, create  Oops
          QmcSection_Tag                      read, create  Oops
          QmcSection_Task                     read, create  Oops
          QmcSection_User                     read, create  Oops
          QmcSection_UserDirectory            read, create  Oops
          QmcSection_UserSyncTask             read, create  Oops
          QmcSection_VirtualProxy             read, create  Oops
          user sa_api                         read, create  Oops
          user sa_engine                      read, create  Oops
          user sa_proxy                       read, create  Oops
          user sa_repository                  read, create  Oops
          user sa_scheduler                   read, create  Oops
          stream a new Stream                 create        Oops
          user a new User                     create        Oops

        ATTENTION: on the console's side, through REST, visitors reach this as well
          stream Everyone                     read, create  Oops
            app Flights                       read          Stream
              sheet Overview                  read          Stream
          stream Monitoring apps              read, create  Oops
          QmcSection_AnalyticConnection       read, create  Oops
          QmcSection_App                      read, create  Oops
          QmcSection_App.Object               read, create  Oops
          QmcSection_AppDistributionStatus    read, create  Oops
          QmcSection_Audit                    read, create  Oops
          QmcSection_Certificate              read, create  Oops
          QmcSection_CloudDistribution        read, create  Oops
          QmcSection_CompositeEvent           read, create  Oops
          QmcSection_ContentLibrary           read, create  Oops
          QmcSection_CustomProperty           read, create  Oops
          QmcSection_DataConnection           read, create  Oops
          QmcSection_DeploymentSetup          read, create  Oops
          QmcSection_Engine                   read, create  Oops
          QmcSection_EngineHealth             read, create  Oops
          QmcSection_Event                    read, create  Oops
          QmcSection_Extension                read, create  Oops
          QmcSection_License                  read, create  Oops
          QmcSection_LoadBalancingRule        read, create  Oops
          QmcSection_OnDemandApps             read, create  Oops
          QmcSection_Printing                 read, create  Oops
          QmcSection_Proxy                    read, create  Oops
          QmcSection_ReloadTask               read, create  Oops
          QmcSection_Repository               read, create  Oops
          QmcSection_Scheduler                read, create  Oops
          QmcSection_SchemaEvent              read, create  Oops
          QmcSection_ServerNodeConfiguration  read, create  Oops
          QmcSection_ServiceCluster           read, create  Oops
          QmcSection_Stream                   read, create  Oops
          QmcSection_SystemNotification       read, create  Oops
          QmcSection_SystemRule               read, create  Oops
          QmcSection_Tag                      read, create  Oops
          QmcSection_Task                     read, create  Oops
          QmcSection_User                     read, create  Oops
          QmcSection_UserDirectory            read, create  Oops
          QmcSection_UserSyncTask             read, create  Oops
          QmcSection_VirtualProxy             read, create  Oops
          user sa_api                         read, create  Oops
          user sa_engine                      read, create  Oops
          user sa_proxy                       read, create  Oops
          user sa_repository                  read, create  Oops
          user sa_scheduler                   read, create  Oops
          stream a new Stream                 create        Oops
          user a new User                     create        Oops

        Were there any, in the hub and on the console's side
          any Extension      read  Extension
          any FileReference  read  ReadFileReference
    "#]],
    );
}

#[test]
fn the_same_site_gives_the_same_report_and_equals_its_records() {
    let (hub, _) = magazine();
    let before = Exposure::of(&hub.repository.site());
    for text in [before.to_json(), before.to_csv()] {
        let record = RecordedExposure::parse(&text).unwrap();
        assert_eq!(before.difference(&record), ExposureDifference::default());
    }
    let value: serde_json::Value = serde_json::from_str(&before.to_json()).unwrap();
    assert_eq!(value, before.to_value());
    let hub = hub.restarted();
    assert_eq!(Exposure::of(&hub.repository.site()).to_json(), before.to_json());
}

#[test]
fn records_that_cannot_be_read_say_how_to_mend_it() {
    let told = |text: &str| RecordedExposure::parse(text).unwrap_err().to_string();
    let texts = ["{", "{}", r#"{"format":2}"#, "a,b\n1,2\n", r#"{"format":1,"entrances":[{}]}"#];
    expect![[r#"
        it is no JSON report: EOF while parsing an object at line 1 column 1; record it again with: loggia exposure --format json
        it is no exposure report: no member format; record it again with: loggia exposure --format json
        it has the format 2, and this release reads 1; record it again with: loggia exposure --format json
        it is no exposure report of this release; record it again with: loggia exposure --format json
        the text "address" is missing in {}; record it again with: loggia exposure --format json"#]].assert_eq(&texts.map(told).join("\n"));
}

#[test]
fn only_auditors_get_the_report() {
    let (hub, _) = magazine();
    let ask = |caller| match hub.repository.exposure(&caller) {
        Ok(report) => format!("{} things", report.things.len()),
        Err(ManageError::Refused(refusal)) => format!("refused: {}", refusal.code),
        Err(error) => error.to_string(),
    };
    let visitor = ask(hub.visitor().in_console());
    let ana = ask(hub.user("ana").in_console());
    assert_eq!(visitor, ana);
    assert!(ana.starts_with("refused"), "{ana}");
    assert!(ask(hub.admin("auditor", "AuditAdmin")).ends_with("things"));
}
#[test]
fn what_depends_on_the_request_is_a_condition() {
    let (hub, flights) = magazine();
    let press = hub.stream("Press");
    hub.published_app("Accreditations", press);
    hub.rule(
        "Press room",
        &format!("Stream_{press}"),
        2,
        r#"user.IsAnonymous() and user.environment.virtualProxy = "press" and user.environment.ip like "10.1.*""#,
    );
    hub.rule(
        "Export on the ground floor",
        &format!("App_{flights}"),
        256,
        r#"user.environment.ip like "10.0.*" and resource.HasPrivilege("read")"#,
    );
    let forbid = RuleEdit {
        is_forbidding: Some(true),
        ..rule(
            "Not on phones",
            "App.Object_*",
            2,
            r#"user.environment.device like "iP*" and resource.name = "Map""#,
        )
    };
    hub.repository.create_rule(&hub.server(), None, forbid).unwrap();
    check(
        &hub,
        expect![[r#"

        Entrances
          /press  "The press entrance": visitors only
          /public  "The public entrance": visitors, and people who sign in

        Licence pools
          Visitors (analyzer capacity): serves visitors by Visitors admits

        In the hub
          stream Everyone       read         StreamEveryoneAnonymous
            app Flights         read         Stream
                                open         Visitors admits
                                export data  Export on the ground floor  when user.environment.ip like "10.0.*"
              2 sheets          read         Stream
              sheet Map         read         Stream                      when !(user.environment.device like "iP*")
          stream Press          read         Press room                  at /press, when user.environment.ip like "10.1.*"
            app Accreditations  read         Stream                      at /press, when user.environment.ip like "10.1.*"
                                open         Visitors admits             at /press, when user.environment.ip like "10.1.*"
              sheet Overview    read         Stream                      at /press, when user.environment.ip like "10.1.*"
          HubSection_Home       read         HubSections

        ATTENTION: on the console's side, through REST, visitors reach this as well
          stream Press          read  Press room  at /press, when user.environment.ip like "10.1.*"
            app Accreditations  read  Stream      at /press, when user.environment.ip like "10.1.*"
              sheet Overview    read  Stream      at /press, when user.environment.ip like "10.1.*"

        Were there any, in the hub and on the console's side
          any Extension      read  Extension
          any FileReference  read  ReadFileReference
    "#]],
    );
}

#[test]
fn gained_lost_and_changed_since_a_record() {
    let (hub, flights) = magazine();
    let server = hub.server();
    let rule_id = hub.rule("Export", &format!("App_{flights}"), 256, "user.IsAnonymous()");
    let record = Exposure::of(&hub.repository.site()).recorded();
    let condition = r#"user.IsAnonymous() and user.environment.os = "Linux""#.to_owned();
    let edit = RuleEdit { condition: Some(condition), ..RuleEdit::default() };
    hub.repository.update_rule(&server, rule_id, None, edit).unwrap();
    let news = hub.stream("News");
    hub.rule("News for all", &format!("Stream_{news}"), 2, "");
    let site = hub.repository.site();
    let press = site.entrance(&"press".parse().unwrap()).unwrap().id;
    let edit = VirtualProxyEdit { anonymous: Some(AnonymousMode::Never), ..Default::default() };
    hub.repository.update_virtual_proxy(&server, press, None, edit).unwrap();
    hub.repository.unpublish_app(&server, flights).unwrap();
    let difference = Exposure::of(&hub.repository.site()).difference(&record);
    expect![[r#"
        Gained
          hub  stream News: read, at /public (by News for all)
          console  stream News: read, at /public  [the console's side] (by News for all)
        Lost
          hub  any Extension: read, at /press (by Extension)
          hub  any FileReference: read, at /press (by ReadFileReference)
          hub  app Flights: read, at /press /public (by Stream)
          hub  app Flights: export data, at /press (by Export)
          hub  app Flights: open, at /press /public (by Visitors admits)
          hub  entrance /press: enter, at /press
          hub  HubSection_Home: read, at /press (by HubSections)
          hub  sheet Delays in Flights: read, at /press /public (by Stream)
          hub  sheet Map in Flights: read, at /press /public (by Stream)
          hub  sheet Overview in Flights: read, at /press /public (by Stream)
          hub  stream Everyone: read, at /press (by StreamEveryoneAnonymous)
          console  any Extension: read, at /press (by Extension)
          console  any FileReference: read, at /press (by ReadFileReference)
          console  app Flights: export data, at /press (by Export)
        Changed
          hub  app Flights: export data, at /public (was: always, now: when user.environment.os = "Linux"; by Export)
          console  app Flights: export data, at /public (was: always, now: when user.environment.os = "Linux"; by Export)
    "#]].assert_eq(&difference.to_text());
}
