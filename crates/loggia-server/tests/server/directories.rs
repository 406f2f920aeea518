//! People of a real directory: signing in, coming over, and what happens when it is not there.

use std::collections::BTreeSet;
use std::fmt::Write;

use expect_test::expect;
use loggia_model::entity::{CheckStep, RuleCategory, SyncOutcome, User};
use loggia_model::{UserDirectoryId, UserKey};
use loggia_repository::{
    Repository, RuleEdit, StreamEdit, SyncOptions, UserDirectoryEdit, UserEdit,
};
use serde_json::{Value, json};

use crate::slapd::{CROWD, PASSWORD, Slapd};
use crate::support::{Answer, Hub, Person, server_itself};

const KEY: &str = "0123456789abcdef";

struct Corp {
    hub: Hub,
    slapd: Slapd,
    id: UserDirectoryId,
}

impl Corp {
    async fn start() -> Corp {
        let slapd = tokio::task::spawn_blocking(Slapd::start).await.unwrap();
        let hub = Hub::start().await;
        let made = hub.repository().create_user_directory(&server_itself(), None, slapd.settings());
        let id = made.unwrap().id;
        Corp { hub, slapd, id }
    }

    /// Work that waits for the directory, where waiting is allowed.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Repository, UserDirectoryId) -> T + Send + 'static,
    ) -> T {
        let (repository, id) = (self.hub.repository().clone(), self.id);
        tokio::task::spawn_blocking(move || work(&repository, id)).await.unwrap()
    }

    async fn sync(&self) -> SyncOutcome {
        let options = SyncOptions::default();
        self.work(move |repository, id| repository.sync_directory(&server_itself(), id, options))
            .await
            .unwrap()
    }

    async fn edit(&self, edit: UserDirectoryEdit) {
        let bind_password = self.slapd.settings().bind_password;
        let edit = UserDirectoryEdit { bind_password, ..edit };
        let repository = self.hub.repository();
        repository.update_user_directory(&server_itself(), self.id, None, edit).unwrap();
    }

    async fn log_in(&self, name: &str, password: &str) -> (Person, Answer) {
        let mut person = self.hub.somebody();
        let answer = person.log_in(name, password, "", "/hub").await;
        (person, answer)
    }

    fn user(&self, name: &str) -> std::sync::Arc<User> {
        let key = UserKey::new("CORP", name).unwrap();
        self.hub.repository().site().user_by_key(&key).unwrap_or_else(|| panic!("{key}")).clone()
    }

    async fn check(&self) -> String {
        let steps = self.work(|repository, id| repository.check_directory(&server_itself(), id));
        let mut text = String::new();
        for CheckStep { name, is_ok, finding } in steps.await.unwrap() {
            let place = format!("{} or {}", self.slapd.plain_url(), self.slapd.encrypted_url());
            let mut finding = finding;
            for url in place.split(" or ") {
                finding = finding.replace(url, "URL");
            }
            let mark = if is_ok { "ok" } else { "FAIL" };
            writeln!(text, "{mark} {name}: {finding}").unwrap();
        }
        text
    }
}

/// Names of the streams that somebody's hub shows.
async fn streams(person: &mut Person) -> BTreeSet<String> {
    let path = format!("/qrs/stream?xrfkey={KEY}");
    let answer = person.send("GET", &path, &[("X-Qlik-Xrfkey", KEY)], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let name = |stream: &Value| stream["name"].as_str().unwrap().to_owned();
    answer.json().as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn people_sign_in_with_their_password_there_and_their_groups_count_at_once() {
    let corp = Corp::start().await;
    for (name, condition) in [
        ("by directory attribute", "user.group = \"world\" and user.email = \"ana@corp.example\""),
        ("by session attribute", "user.environment.group = \"sales\""),
        ("of others", "user.group = \"odd\""),
    ] {
        let stream = StreamEdit { name: Some(name.to_owned()), ..StreamEdit::default() };
        let repository = corp.hub.repository();
        let id = repository.create_stream(&server_itself(), None, stream).unwrap().id;
        let rule = RuleEdit {
            category: Some(RuleCategory::Security),
            name: Some(name.to_owned()),
            condition: Some(condition.to_owned()),
            resource_filter: Some(format!("Stream_{id}")),
            actions: Some(2),
            context: Some(0),
            ..RuleEdit::default()
        };
        repository.create_rule(&server_itself(), None, rule).unwrap();
    }

    let (mut ana, answer) = corp.log_in("corp\\ANA", PASSWORD).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/hub"), "{answer:?}");
    assert_eq!(ana.who("").await, "CORP\\ana");
    let seen = streams(&mut ana).await;
    assert!(seen.contains("by directory attribute"), "{seen:?}");
    assert!(seen.contains("by session attribute"), "{seen:?}");
    assert!(!seen.contains("of others"), "{seen:?}");
    let user = corp.user("ana");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        user.attributes,
        [
            pair("email", "ana@corp.example"),
            pair("group", "europe"),
            pair("group", "sales"),
            pair("group", "world"),
            pair("title", "Chief"),
        ]
    );
    assert_eq!(user.name, "Ana Müller");

    // A name full of signs that mean something elsewhere is a name like others.
    let (mut jorg, answer) = corp.log_in("CORP\\j*r(g)", PASSWORD).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(streams(&mut jorg).await.contains("of others"));

    // Without a directory it is the local one's, unless another is the default.
    assert_eq!(corp.log_in("bea", PASSWORD).await.1.code(), "ACC-PASSWORD");
    let default = UserDirectoryEdit { is_default: Some(true), ..UserDirectoryEdit::default() };
    corp.edit(default).await;
    assert_eq!(corp.log_in("bea", PASSWORD).await.1.status, 303);
    // A local person of that name is still the one with a password here.
    let (mut local, _) = corp.log_in("ana", crate::support::PASSWORD).await;
    assert_eq!(local.who("").await, "LOGGIA\\ana");

    // Blocked is blocked, whatever the directory says.
    let blocked = UserEdit { is_blocked: Some(true), ..UserEdit::default() };
    let repository = corp.hub.repository();
    repository.update_user(&server_itself(), user.id, None, blocked).unwrap();
    assert_eq!(corp.log_in("CORP\\ana", PASSWORD).await.1.code(), "ACC-INACTIVE");
}

#[tokio::test]
async fn every_wrong_way_in_looks_the_same() {
    let corp = Corp::start().await;
    let (_, usual) = corp.log_in("CORP\\ana", "not hers").await;
    assert_eq!((usual.status, usual.code().as_str()), (401, "ACC-PASSWORD"));
    let long = "x".repeat(10_000);
    for (name, password) in [
        // Servers answer a bind without password as if it had been right.
        ("CORP\\bea", ""),
        ("CORP\\bea", "\0"),
        ("CORP\\bea", long.as_str()),
        ("CORP\\nobody", PASSWORD),
        ("CORP\\*", PASSWORD),
        ("CORP\\be*", PASSWORD),
        ("CORP\\bea)(uid=*", PASSWORD),
        ("CORP\\*)(|(uid=*", PASSWORD),
        ("CORP\\uid=bea,ou=people,dc=corp,dc=example", PASSWORD),
        // The directory itself takes these for the same.
        ("CORP\\ｂｅａ", PASSWORD),
        ("CORP\\bea\\", PASSWORD),
        ("CORP\\bea\u{0}", PASSWORD),
        ("CORP\\", PASSWORD),
        ("CORP\\admin", "writes everything"),
        ("NONE\\bea", PASSWORD),
    ] {
        let (mut person, answer) = corp.log_in(name, password).await;
        assert_eq!((answer.status, answer.code()), (401, usual.code()), "{name}");
        assert_eq!(answer.data()["message"]["text"], usual.data()["message"]["text"], "{name}");
        assert_eq!(person.who("").await, "nobody");
    }
    assert_eq!(corp.hub.sessions(), 0);
    // Guesses count together with those at local people.
    let mut last = 401;
    for _ in 0..5 {
        last = corp.log_in("CORP\\ana", "guess").await.1.status;
    }
    assert_eq!(last, 429, "guessing is slowed down");
}

#[tokio::test]
async fn everybody_comes_over_and_stays_in_step() {
    let corp = Corp::start().await;
    let mut root = corp.hub.user("root", "").await;
    let path = |path: &str| format!("/qrs/{path}?xrfkey={KEY}");
    let csrf = root.page("/hub").await.data()["csrf"].as_str().unwrap().to_owned();
    let origin = corp.hub.origin();
    let headers = [
        ("X-Qlik-Xrfkey", KEY),
        ("Content-Type", "application/json"),
        ("Qlik-Csrf-Token", csrf.as_str()),
        ("Origin", origin.as_str()),
    ];
    let ids = json!([corp.id]).to_string();
    let sync = path("userdirectoryconnector/syncuserdirectories");
    let answer = root.send("POST", &sync, &headers, &ids).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let shown = root.send("GET", &path(&format!("userdirectory/{}", corp.id)), &headers, "").await;
    let shown = shown.json();
    assert_eq!(shown["lastSync"]["added"], json!(CROWD + 3), "{shown}");
    assert_eq!((&shown["syncStatus"], &shown["hasBindPassword"]), (&json!(2), &json!(true)));
    assert!(!shown.to_string().contains("reads everything"), "the password is never told");
    let user =
        root.send("GET", &path(&format!("user/{}", corp.user("ana").id)), &headers, "").await;
    assert_eq!(user.json()["userDirectoryConnectorName"], "CORP");

    let again = corp.sync().await;
    assert_eq!((again.added, again.changed, again.deactivated), (0, 0, 0), "{}", again.message);

    let (ana, bea) = (corp.user("ana").id, corp.user("bea").id);
    corp.slapd.modify(
        "dn: uid=ana,ou=people,dc=corp,dc=example\nchangetype: modrdn\nnewrdn: uid=anna\n\
         deleteoldrdn: 1\n\n\
         dn: cn=europe,ou=groups,dc=corp,dc=example\nchangetype: modify\nadd: member\n\
         member: uid=bea,ou=people,dc=corp,dc=example\n\n\
         dn: uid=u0007,ou=people,dc=corp,dc=example\nchangetype: delete\n\n\
         dn: uid=new,ou=people,dc=corp,dc=example\nchangetype: add\nobjectClass: inetOrgPerson\n\
         uid: new\ncn: New\nsn: New\n",
    );
    let outcome = corp.sync().await;
    let SyncOutcome { is_ok, added, changed, deactivated, failed, .. } = outcome;
    assert_eq!((is_ok, added, changed, deactivated, failed), (true, 1, 2, 1, 0));
    assert_eq!((corp.user("anna").id, corp.user("bea").id), (ana, bea));
    assert!(corp.user("bea").attributes.contains(&("group".to_owned(), "world".to_owned())));
    let gone = corp.user("u0007");
    assert!(gone.is_inactive && gone.is_removed_externally());

    // Whoever comes back with another unchanging id is not taken for the one who left.
    corp.slapd.modify(
        "dn: uid=u0007,ou=people,dc=corp,dc=example\nchangetype: add\n\
         objectClass: inetOrgPerson\nuid: u0007\ncn: Another\nsn: Another\n",
    );
    let outcome = corp.sync().await;
    assert!(outcome.message.contains("was another person"), "{}", outcome.message);
    assert!(corp.user("u0007").is_inactive);
    // Out of sight of the filter, and back.
    let filter = |filter: &str| UserDirectoryEdit {
        user_filter: Some(filter.to_owned()),
        ..UserDirectoryEdit::default()
    };
    corp.edit(filter("(&(objectClass=inetOrgPerson)(!(uid=bea)))")).await;
    assert_eq!(corp.sync().await.deactivated, 1);
    assert!(corp.user("bea").is_inactive);
    corp.edit(filter("(objectClass=inetOrgPerson)")).await;
    corp.sync().await;
    assert!(!corp.user("bea").is_inactive);
    assert_eq!(corp.user("bea").id, bea);
    // Nobody at all is not believed.
    corp.edit(filter("(uid=nobody at all)")).await;
    assert!(!corp.sync().await.is_ok);
    assert!(!corp.user("bea").is_inactive);
}

#[tokio::test]
async fn a_directory_that_is_not_there_keeps_only_its_own_people_out() {
    let mut corp = Corp::start().await;
    corp.sync().await;
    let (mut bea, answer) = corp.log_in("CORP\\bea", PASSWORD).await;
    assert_eq!(answer.status, 303);
    corp.slapd.stop();
    for _ in 0..8 {
        let (_, answer) = corp.log_in("CORP\\ana", PASSWORD).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "ACC-DIRECTORY"));
        assert!(answer.body.contains("The sign-in service cannot be reached."));
    }
    assert_eq!(bea.who("").await, "CORP\\bea", "whoever is in stays in");
    corp.hub.user("root", "").await;
    corp.hub.visitor().await;
    let outcome = corp.sync().await;
    assert!(!outcome.is_ok && outcome.message.contains("no address answers"), "{outcome:?}");
    assert!(!corp.user("ana").is_inactive);
}

#[tokio::test]
async fn only_a_believed_authority_protects_a_connection() {
    let corp = Corp::start().await;
    let urls =
        |url: String| UserDirectoryEdit { urls: Some(vec![url]), ..UserDirectoryEdit::default() };
    let authority = Some(corp.slapd.authority.clone());
    let encrypted = corp.slapd.encrypted_url();
    corp.edit(UserDirectoryEdit { authority: authority.clone(), ..urls(encrypted.clone()) }).await;
    expect![[r#"
        ok connect: URL answers
        ok protection: encrypted, and the certificate is that of a believed authority
        ok bind: bound as cn=reader,dc=corp,dc=example
        ok people: 2503 people, such as ana, j*r(g), bea
        ok groups: 5 groups below ou=groups,dc=corp,dc=example; 2 people are in one
    "#]]
    .assert_eq(&corp.check().await);
    assert_eq!(corp.log_in("CORP\\bea", PASSWORD).await.1.status, 303);

    let start_tls = UserDirectoryEdit { start_tls: Some(true), ..urls(corp.slapd.plain_url()) };
    corp.edit(start_tls).await;
    assert!(corp.check().await.contains("ok protection: encrypted"));
    assert_eq!(corp.log_in("CORP\\bea", PASSWORD).await.1.status, 303);

    // Another authority, and the system's: both times nothing is said to the server.
    let other = tokio::task::spawn_blocking(Slapd::start).await.unwrap().authority.clone();
    for authority in [other, String::new()] {
        for (url, start_tls) in [(encrypted.clone(), false), (corp.slapd.plain_url(), true)] {
            let edit = UserDirectoryEdit {
                authority: Some(authority.clone()),
                start_tls: Some(start_tls),
                ..urls(url)
            };
            corp.edit(edit).await;
            let found = corp.check().await;
            assert!(found.contains("FAIL protection: "), "{found}");
            assert!(!found.contains("bind"), "{found}");
            assert_eq!(corp.log_in("CORP\\bea", PASSWORD).await.1.code(), "ACC-DIRECTORY");
        }
    }
    // A name that is not in the certificate.
    let elsewhere = encrypted.replace("127.0.0.1", "127.0.0.2");
    corp.edit(UserDirectoryEdit { authority, ..urls(elsewhere) }).await;
    assert!(corp.check().await.contains("FAIL "));

    let wrong = UserDirectoryEdit { base_dn: Some("dc=nowhere".to_owned()), ..urls(encrypted) };
    corp.edit(wrong).await;
    let found = corp.check().await;
    assert!(found.contains("FAIL people: search: "), "{found}");
}
