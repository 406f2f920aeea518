//! How a directory's people become users, and stay in step.

use std::fmt::Write;
use std::sync::Arc;

use expect_test::{Expect, expect};
use loggia_model::entity::{
    CheckStep, DirectoryListing, DirectoryPerson, Hidden, SyncOutcome, SyncSchedule, UserDirectory,
};
use loggia_model::{Caller, InternalAccount, Moment, UserDirectoryId, UserKey};
use loggia_repository::{
    Conflict, DirectoryConnector, DirectoryError, ManageError, Repository, SyncOptions,
    UserDirectoryEdit, UserEdit,
};
use parking_lot::Mutex;

use crate::fixture::Hub;

type Listing = Arc<Mutex<Result<DirectoryListing, DirectoryError>>>;

/// A directory that says what the test tells it to.
struct Said(Listing);

impl DirectoryConnector for Said {
    fn people(&self, _: &UserDirectory) -> Result<DirectoryListing, DirectoryError> {
        self.0.lock().clone()
    }

    fn check(&self, _: &UserDirectory) -> Vec<CheckStep> {
        Vec::new()
    }
}

struct Corp {
    hub: Hub,
    said: Listing,
    id: UserDirectoryId,
}

impl Corp {
    fn new(edit: UserDirectoryEdit) -> Corp {
        let hub = Hub::new();
        let said = Listing::new(Mutex::new(Ok(DirectoryListing::default())));
        hub.repository.connect_directories(Arc::new(Said(said.clone())));
        let edit = UserDirectoryEdit { only_existing: Some(false), ..corp(edit) };
        let id = hub.repository.create_user_directory(&hub.server(), None, edit).unwrap().id;
        Corp { hub, said, id }
    }

    /// Synchronises with people written `id=external group group`.
    fn sync_with(&self, people: &[&str], options: SyncOptions) -> SyncOutcome {
        let people = people.iter().map(|text| person(text)).collect();
        *self.said.lock() = Ok(DirectoryListing { people, unusable: Vec::new() });
        self.hub.repository.sync_directory(&self.hub.server(), self.id, options).unwrap()
    }

    fn sync(&self, people: &[&str]) -> SyncOutcome {
        self.sync_with(people, SyncOptions::default())
    }

    /// Everybody of the directory, with the beginning of the id that their row had first.
    fn check(&self, expected: Expect) {
        let site = self.hub.repository.site();
        let mut people: Vec<_> =
            site.users().filter(|user| user.key.directory() == "CORP").collect();
        people.sort_by_key(|user| user.key.folded().to_owned());
        let mut text = String::new();
        for user in people {
            let groups: Vec<_> = user.attributes.iter().map(|(_, value)| value.as_str()).collect();
            write!(text, "{} [{}]", user.key, groups.join(" ")).unwrap();
            let external = user.external.as_ref().map_or("-", |external| &external.id);
            write!(text, " {external}").unwrap();
            for (is_so, word) in [
                (user.is_inactive, "inactive"),
                (user.is_removed_externally(), "removed"),
                (user.is_blocked, "blocked"),
            ] {
                if is_so {
                    write!(text, " {word}").unwrap();
                }
            }
            text.push('\n');
        }
        expected.assert_eq(&text);
    }
}

fn corp(edit: UserDirectoryEdit) -> UserDirectoryEdit {
    UserDirectoryEdit {
        name: Some("CORP".to_owned()),
        urls: Some(vec!["ldaps://ldap.corp.example".to_owned()]),
        base_dn: Some("dc=corp,dc=example".to_owned()),
        ..edit
    }
}

fn person(text: &str) -> DirectoryPerson {
    let mut words = text.split(' ');
    let (user_id, external_id) = words.next().unwrap().split_once('=').unwrap();
    DirectoryPerson {
        user_id: user_id.to_owned(),
        name: user_id.to_uppercase(),
        external_id: external_id.to_owned(),
        attributes: words.map(|group| ("group".to_owned(), group.to_owned())).collect(),
    }
}

fn counts(outcome: &SyncOutcome) -> (bool, u64, u64, u64, u64) {
    let SyncOutcome { is_ok, added, changed, deactivated, failed, .. } = outcome;
    (*is_ok, *added, *changed, *deactivated, *failed)
}

#[test]
fn people_come_change_vanish_and_return_in_one_row() {
    let corp = Corp::new(UserDirectoryEdit::default());
    let outcome = corp.sync(&["ana=1 sales", "ben=2", "cem=3 it"]);
    assert_eq!(counts(&outcome), (true, 3, 0, 0, 0));
    let rows = |corp: &Corp| {
        let site = corp.hub.repository.site();
        let mut ids: Vec<_> = site.users().map(|user| user.id).collect();
        ids.sort();
        ids
    };
    let at_first = rows(&corp);

    // Renamed, changed, gone; and names passed on in a chain.
    let outcome = corp.sync(&["dora=1 sales", "ana=2 boss"]);
    assert_eq!(counts(&outcome), (true, 0, 2, 1, 0), "{}", outcome.message);
    corp.check(expect![[r#"
        CORP\ana [boss] 2
        CORP\cem [it] 3 inactive removed
        CORP\dora [sales] 1
    "#]]);

    let outcome = corp.sync(&["dora=1 sales", "ana=2 boss", "cem=3 it"]);
    assert_eq!(counts(&outcome), (true, 0, 1, 0, 0));
    assert_eq!(rows(&corp), at_first);
}

#[test]
fn what_is_the_same_is_not_written() {
    let corp = Corp::new(UserDirectoryEdit::default());
    corp.sync(&["ana=1 sales", "ben=2"]);
    let stamps = |corp: &Corp| {
        let site = corp.hub.repository.site();
        site.users().map(|user| (user.id, user.stamp.clone())).collect::<Vec<_>>()
    };
    let before = stamps(&corp);
    corp.hub.pass(1);
    let outcome = corp.sync(&["ana=1 sales", "ben=2"]);
    assert_eq!(counts(&outcome), (true, 0, 0, 0, 0));
    let mut after = stamps(&corp);
    after.sort_by_key(|(id, _)| *id);
    let mut before = before;
    before.sort_by_key(|(id, _)| *id);
    assert_eq!(before, after);
}

#[test]
fn an_empty_or_broken_directory_deactivates_nobody_unless_it_is_believed() {
    let corp = Corp::new(UserDirectoryEdit::default());
    corp.sync(&["ana=1", "ben=2"]);
    let outcome = corp.sync(&[]);
    assert_eq!(counts(&outcome), (false, 0, 0, 0, 0));
    assert!(outcome.message.contains("confirmEmpty"), "{}", outcome.message);
    *corp.said.lock() = Err(DirectoryError("no route to host".to_owned()));
    let server = corp.hub.server();
    let outcome =
        corp.hub.repository.sync_directory(&server, corp.id, SyncOptions::default()).unwrap();
    assert_eq!((outcome.is_ok, outcome.message.as_str()), (false, "no route to host"));
    assert!(outcome.last_success.is_some(), "the last good time is kept");
    corp.check(expect![[r#"
        CORP\ana [] 1
        CORP\ben [] 2
    "#]]);
    let believed = SyncOptions { believe_empty: true, ..SyncOptions::default() };
    assert_eq!(counts(&corp.sync_with(&[], believed)), (true, 0, 0, 2, 0));
}

#[test]
fn nobody_takes_the_place_of_somebody_else() {
    let corp = Corp::new(UserDirectoryEdit::default());
    let repository = &corp.hub.repository;
    let server = corp.hub.server();
    // A local user with a password, and one that was only prepared.
    for name in ["local", "prepared"] {
        let key = UserKey::new("CORP", name).unwrap();
        let user = repository.ensure_user(&key, name, &[]).unwrap();
        if name == "local" {
            repository.set_password(&server, user.id, "hash").unwrap();
        }
    }
    corp.sync(&["old=1"]);
    let outcome = corp.sync(&[
        "local=7",
        "prepared=8",
        // Another person with the name of one who left.
        "old=9",
        "none\\x=10",
        "twin=11",
        "TWIN=12",
    ]);
    assert_eq!(counts(&outcome), (true, 1, 1, 1, 4));
    expect![[
        r#""TWIN" is there more than once; CORP\local is a local user with a password here, whom the directory does not take over; delete or rename that user; "none\\x": a backslash may stand only between the user directory and the user id; CORP\old was another person, whose place nobody takes silently; delete or rename that user, or synchronise once with matchByName if the directory was built anew"#
    ]]
    .assert_eq(&outcome.message);
    corp.check(expect![[r#"
        CORP\local [] -
        CORP\old [] 1 inactive removed
        CORP\prepared [] 8
        CORP\twin [] 11
    "#]]);
    let anew = SyncOptions { match_by_name: true, ..SyncOptions::default() };
    assert_eq!(
        counts(&corp.sync_with(&["old=9", "prepared=8", "twin=11"], anew)),
        (true, 0, 1, 0, 0)
    );

    // Whoever proves who they are meets the same rules.
    let admit = |text: &str| repository.admit_from_directory(corp.id, &person(text));
    assert!(matches!(admit("local=7"), Err(ManageError::Conflict(Conflict::Protected { .. }))));
    assert!(matches!(admit("twin=99"), Err(ManageError::Conflict(_))));
    let renamed = admit("tween=11 night").unwrap();
    assert_eq!(renamed.key.to_string(), "CORP\\tween");
    assert_eq!(renamed.attributes, [("group".to_owned(), "night".to_owned())]);
}

#[test]
fn blocked_people_stay_blocked_and_the_last_administrator_stays() {
    let corp = Corp::new(UserDirectoryEdit::default());
    corp.sync(&["ana=1", "boss=2"]);
    let repository = &corp.hub.repository;
    let edit = |name: &str, edit: UserEdit| {
        let id = repository.site().user_by_key(&UserKey::new("CORP", name).unwrap()).unwrap().id;
        repository.update_user(&corp.hub.server(), id, None, edit).unwrap();
    };
    edit("ana", UserEdit { is_blocked: Some(true), ..UserEdit::default() });
    let roles = Some(vec!["RootAdmin".to_owned()]);
    edit("boss", UserEdit { roles, ..UserEdit::default() });
    corp.sync(&["cem=3"]);
    let outcome = corp.sync(&["ana=1", "cem=3"]);
    assert!(outcome.message.contains("last active administrator"), "{}", outcome.message);
    corp.check(expect![[r#"
        CORP\ana [] 1 blocked
        CORP\boss [] 2
        CORP\cem [] 3
    "#]]);
}

#[test]
fn only_people_who_have_been_here_are_kept_in_step_when_asked_for() {
    let corp = Corp::new(UserDirectoryEdit::default());
    let only = UserDirectoryEdit { only_existing: Some(true), ..UserDirectoryEdit::default() };
    let server = corp.hub.server();
    corp.hub.repository.update_user_directory(&server, corp.id, None, only).unwrap();
    corp.hub.repository.admit_from_directory(corp.id, &person("ana=1")).unwrap();
    assert_eq!(counts(&corp.sync(&["ana=1 sales", "ben=2"])), (true, 0, 1, 0, 0));
    corp.check(expect![[r#"
        CORP\ana [sales] 1
    "#]]);
}

/// A directory that asks for its own synchronisation while it is being synchronised.
struct Impatient(Repository, UserDirectoryId);

impl DirectoryConnector for Impatient {
    fn people(&self, _: &UserDirectory) -> Result<DirectoryListing, DirectoryError> {
        let server = Caller::internal(InternalAccount::Repository);
        let again = self.0.sync_directory(&server, self.1, SyncOptions::default());
        Err(DirectoryError(again.unwrap_err().to_string()))
    }

    fn check(&self, _: &UserDirectory) -> Vec<CheckStep> {
        Vec::new()
    }
}

#[test]
fn a_directory_is_synchronised_once_at_a_time() {
    let hub = Hub::new();
    let edit = corp(UserDirectoryEdit::default());
    let id = hub.repository.create_user_directory(&hub.server(), None, edit).unwrap().id;
    hub.repository.connect_directories(Arc::new(Impatient(hub.repository.clone(), id)));
    for _ in 0..2 {
        let sync = hub.repository.sync_directory(&hub.server(), id, SyncOptions::default());
        assert_eq!(sync.unwrap().message, "CORP is being synchronised already");
    }
}

#[test]
fn a_schedule_runs_when_it_is_due() {
    let every = UserDirectoryEdit {
        schedule: Some(SyncSchedule::EveryMinutes(30)),
        ..UserDirectoryEdit::default()
    };
    let corp = Corp::new(every);
    let repository = &corp.hub.repository;
    *corp.said.lock() =
        Ok(DirectoryListing { people: vec![person("ana=1")], unusable: Vec::new() });
    let last = || repository.site().user_directory(corp.id).unwrap().last_sync.clone();
    repository.sync_due_directories();
    let first = last().unwrap();
    assert_eq!(counts(&first), (true, 1, 0, 0, 0));
    corp.hub.pass(29);
    repository.sync_due_directories();
    assert_eq!(last(), Some(first.clone()));
    corp.hub.pass(1);
    repository.sync_due_directories();
    assert_eq!(last().unwrap().started, Moment(first.started.0 + 30 * 60_000));
}

#[test]
fn settings_that_would_do_harm_are_refused_by_name() {
    let corp = Corp::new(UserDirectoryEdit::default());
    let server = corp.hub.server();
    let one = |url: &str| Some(vec![url.to_owned()]);
    let edit = UserDirectoryEdit {
        name: Some("none".to_owned()),
        urls: one("ldap://ldap.corp.example"),
        bind_dn: Some("cn=reader".to_owned()),
        user_filter: Some("(uid=*".to_owned()),
        email: Some("ma*l".to_owned()),
        attributes: Some(vec!["userPassword".to_owned()]),
        timeout_seconds: Some(60),
        schedule: Some(SyncSchedule::EveryMinutes(1)),
        authority: Some("/etc/passwd".to_owned()),
        ..UserDirectoryEdit::default()
    };
    let repository = &corp.hub.repository;
    let error = repository.create_user_directory(&server, None, edit).unwrap_err();
    expect![[r#"
        name: the user directory NONE is reserved
        urls: "ldap://ldap.corp.example" would send passwords unencrypted; use ldaps://, or startTls, or say allowPlain where the network itself is trusted
        authority: is no PEM certificate; paste the text of the CA's .pem file
        baseDn: must not be blank
        userFilter: is no filter; it looks like (objectClass=person)
        emailAttribute: "ma*l" is no name of an attribute
        attributes: userPassword is a password, which nobody should read
        bindPassword: is missing: a bind DN without a password would be answered as if nobody had asked
        timeout: must be 1 to 10 seconds; people wait for it when they sign in
        syncEveryMinutes: must be 5 to 10,080 minutes, or 0 for never"#]]
    .assert_eq(&error.to_string());

    let same = self::corp(UserDirectoryEdit::default());
    let same = UserDirectoryEdit { name: Some("corp".to_owned()), ..same };
    let error = repository.create_user_directory(&server, None, same).unwrap_err();
    assert_eq!(error.to_string(), "name: corp is another directory already");

    // A password is not sent to an address that somebody put in place of the right one.
    let reader = UserDirectoryEdit {
        bind_dn: Some("cn=reader".to_owned()),
        bind_password: Some(Hidden::new("secret")),
        ..UserDirectoryEdit::default()
    };
    repository.update_user_directory(&server, corp.id, None, reader).unwrap();
    let elsewhere =
        UserDirectoryEdit { urls: one("ldaps://evil.example"), ..UserDirectoryEdit::default() };
    let error = repository.update_user_directory(&server, corp.id, None, elsewhere).unwrap_err();
    assert!(error.to_string().starts_with("bindPassword: must be given again"), "{error}");

    corp.sync(&["ana=1"]);
    let renamed =
        UserDirectoryEdit { name: Some("NEW".to_owned()), ..UserDirectoryEdit::default() };
    let error = repository.update_user_directory(&server, corp.id, None, renamed).unwrap_err();
    assert!(error.to_string().contains("stays while there are any"), "{error}");
}
