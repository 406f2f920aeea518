//! What somebody finds who tries the demo.

use loggia_model::UserKey;
use loggia_repository::AppEdit;

use crate::support::{Hub, server_itself};

/// The password that the greeting names for a person.
fn password(greeting: &str, person: &str) -> String {
    let line = greeting.lines().find(|line| line.contains(&format!("LOGGIA\\{person} ")));
    line.and_then(|line| line.split_whitespace().last()).unwrap().to_owned()
}

#[tokio::test]
async fn the_demo_is_laid_out_once_and_stays_as_people_leave_it() {
    let hub = Hub::demo().await;
    let greeting = hub.running.greeting.clone();
    let data = hub.somebody().page("/public/hub").await.data();
    let streams = data["hub"]["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 1, "visitors see Everyone alone");
    let apps = streams[0]["apps"].as_array().unwrap();
    assert!(apps.len() >= 3, "{apps:?}");
    let mut visitor = hub.visitor().await;
    for app in apps {
        let picture = visitor.get(app["thumbnail"].as_str().unwrap()).await;
        assert_eq!((picture.status, picture.header("content-type")), (200, "image/svg+xml"));
        let address = format!("/public/sense/app/{}", app["id"].as_str().unwrap());
        let page = visitor.page(&address).await;
        assert!(!page.data()["app"]["sheets"].as_array().unwrap().is_empty());
    }
    let mut ana = hub.somebody();
    let answer = ana.log_in("ana", &password(&greeting, "ana"), "", "/hub").await;
    assert_eq!(answer.status, 303);
    assert_eq!(ana.page("/hub").await.data()["hub"]["streams"].as_array().unwrap().len(), 2);

    let app = apps[0]["id"].as_str().unwrap().parse().unwrap();
    let edit = AppEdit { name: Some("Renamed".into()), ..AppEdit::default() };
    hub.repository().update_app(&server_itself(), app, None, edit).unwrap();
    let ben =
        hub.repository().site().user_by_key(&UserKey::new("LOGGIA", "ben").unwrap()).unwrap().id;
    hub.repository().delete_user(&server_itself(), ben).unwrap();

    let hub = hub.restart_demo().await;
    assert_eq!(password(&hub.running.greeting, "ana"), password(&greeting, "ana"));
    assert_eq!(hub.repository().site().app(app).unwrap().name, "Renamed");
    assert!(hub.repository().site().user(ben).is_none());
}

#[tokio::test]
async fn a_site_that_is_in_use_gets_no_demo_content() {
    let hub = Hub::start().await.restart_demo().await;
    assert_eq!(hub.running.greeting, "");
    assert_eq!(hub.repository().site().apps().count(), 2);
}
