use loggia_model::entity::{GroupSettings, Hidden, Stamp, SyncSchedule};
use loggia_model::{Moment, UserDirectoryId};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::*;

fn directory(url: &str) -> UserDirectory {
    UserDirectory {
        id: UserDirectoryId(Uuid::nil()),
        name: "CORP".to_owned(),
        kind: DirectoryKind::Generic,
        urls: vec![url.to_owned()],
        start_tls: false,
        allow_plain: false,
        authority: String::new(),
        bind_dn: String::new(),
        bind_password: Hidden::default(),
        base_dn: "dc=x".to_owned(),
        user_filter: "(uid=*)".to_owned(),
        user_id: "uid".to_owned(),
        user_name: "cn".to_owned(),
        email: "mail".to_owned(),
        external_id: "objectGUID".to_owned(),
        attributes: vec!["title".to_owned()],
        groups: GroupSettings {
            base_dn: "dc=x".to_owned(),
            filter: "(cn=*)".to_owned(),
            member: "member".to_owned(),
            name: "cn".to_owned(),
            depth: 10,
        },
        page_size: 100,
        timeout_seconds: 2,
        schedule: SyncSchedule::Off,
        only_existing: false,
        signs_in: true,
        is_default: false,
        last_sync: None,
        tags: Vec::new(),
        stamp: Stamp { created: Moment(0), modified: Moment(0), modified_by: String::new() },
    }
}

async fn prove_at(url: &str, password: &str) -> Result<Option<DirectoryPerson>, LdapError> {
    prove(Arc::new(directory(url)), "ana".to_owned(), password.to_owned()).await
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_says_nothing_is_waited_for_only_so_long() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ldap://{}", silent.local_addr().unwrap());
    let connection = directory(&url);
    assert_eq!(connection.timeout_seconds, 2);
    let asked = prove_at(&url, "secret").await;
    assert!(matches!(asked, Err(LdapError::Slow(2) | LdapError::Refused { .. })), "{asked:?}");
}

#[tokio::test]
async fn a_directory_that_talks_nonsense_or_is_not_there_is_an_error() {
    for nonsense in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[0x30, 3, 2, 1, 1], &[0xff; 64]] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ldap://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(nonsense).await.unwrap();
        });
        assert!(prove_at(&url, "secret").await.is_err());
        server.await.unwrap();
        // Now nobody listens there.
        assert!(matches!(prove_at(&url, "secret").await, Err(LdapError::Unreachable(_))));
    }
}

#[tokio::test]
async fn an_empty_password_is_not_even_asked_about() {
    for password in ["", "\0", "secret\0more"] {
        assert_eq!(prove_at("ldap://127.0.0.1:1", password).await, Ok(None), "{password:?}");
    }
}

#[test]
fn what_is_typed_into_a_question_stays_one_value() {
    let mut corp = directory("ldaps://x");
    let hostile = ["cn=*)(uid=*,dc=x".to_owned(), "cn=a\\, b,dc=x".to_owned()];
    assert_eq!(
        groups::filter_of(&corp, &hostile),
        "(&(cn=*)(|(member=cn=\\2a\\29\\28uid=\\2a,dc=x)(member=cn=a\\5c, b,dc=x)))"
    );
    corp.kind = DirectoryKind::ActiveDirectory;
    assert_eq!(
        groups::filter_of(&corp, &["cn=ana".to_owned()]),
        "(&(cn=*)(|(member:1.2.840.113556.1.4.1941:=cn=ana)))"
    );
}

#[test]
fn an_entry_becomes_a_person_in_one_order_and_keeps_its_windows_id() {
    let guid = vec![0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 1, 2, 3, 4, 5, 6, 7, 8];
    let texts = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    let entry = Entry::new(SearchEntry {
        dn: "cn=Ana,dc=x".to_owned(),
        attrs: [
            ("UID".to_owned(), texts(&["ana2", "ana"])),
            ("mail".to_owned(), texts(&["b@x", "a@x"])),
            ("title".to_owned(), texts(&["Chief\u{7}", " ", "Chief"])),
        ]
        .into(),
        bin_attrs: [("objectguid".to_owned(), vec![guid])].into(),
    });
    let person = entry.person(&directory("ldaps://x"), vec!["z".to_owned(), "y".to_owned()]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        person,
        Ok(DirectoryPerson {
            user_id: "ana".to_owned(),
            name: String::new(),
            external_id: "00112233-4455-6677-0102-030405060708".to_owned(),
            attributes: vec![
                pair("email", "a@x"),
                pair("email", "b@x"),
                pair("group", "y"),
                pair("group", "z"),
                pair("title", "Chief"),
            ],
        })
    );
}
