//! One snapshot after the other: versions, listeners, readers beside writers, crashes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use loggia_model::entity::PropertyValue;
use loggia_model::{AppId, Moment};
use loggia_repository::seed::EVERYONE;
use loggia_repository::store::sqlite::SqliteStore;
use loggia_repository::{AppEdit, Repository, Settings, StreamEdit};

use crate::fixture::{Hub, START};

#[test]
fn every_change_is_the_next_version_and_listeners_hear_each_in_order() {
    let hub = Hub::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = heard.clone();
    hub.repository.subscribe(move |site| listener.lock().unwrap().push(site.version()));
    let first = hub.repository.site();
    let stream = hub.stream("Team");
    let second = hub.repository.site();
    assert_eq!(second.version(), first.version() + 1);
    assert!(first.stream(stream).is_none(), "a snapshot that somebody holds never changes");
    assert!(second.stream(stream).is_some());
    hub.repository.delete_stream(&hub.server(), stream).unwrap();
    assert_eq!(*heard.lock().unwrap(), [second.version(), second.version() + 1]);
    // A refused change is no version.
    assert!(hub.repository.delete_stream(&hub.server(), stream).is_err());
    assert_eq!(heard.lock().unwrap().len(), 2);
}

#[test]
fn readers_never_see_half_a_change() {
    let hub = Hub::new();
    let server = hub.server();
    let stream = hub.stream("one");
    let done = AtomicBool::new(false);
    let seen = AtomicU64::new(0);
    let edit = |text: &str| StreamEdit {
        name: Some(text.to_owned()),
        tags: Some(vec![text.to_owned()]),
        custom_properties: Some(vec![PropertyValue { name: "x".into(), value: text.to_owned() }]),
        ..StreamEdit::default()
    };
    hub.repository.update_stream(&server, stream, None, edit("one")).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    let site = hub.repository.site();
                    assert!(site.version() >= last, "versions never go back");
                    last = site.version();
                    let stream = site.stream(stream).unwrap();
                    assert_eq!(stream.tags, std::slice::from_ref(&stream.name));
                    assert_eq!(stream.custom_properties[0].value, stream.name);
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let (hub, server) = (&hub, &server);
                scope.spawn(move || {
                    for turn in 0..100 {
                        let text = format!("{writer}-{turn}");
                        hub.repository.update_stream(server, stream, None, edit(&text)).unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
    });
    assert!(seen.into_inner() > 0);
    let version = hub.repository.site().version();
    let hub = hub.restarted();
    assert_eq!(hub.repository.site().version(), version, "acknowledged changes are kept");
}

#[test]
fn two_servers_on_one_store_build_on_each_other() {
    let hub = Hub::new();
    let store = SqliteStore::open(&hub.store_path()).unwrap();
    let settings = Settings::new(hub.folder.path().join("data"));
    let other = Repository::open(Arc::new(store), Arc::new(|| START), settings).unwrap();
    let mine = hub.stream("Mine");
    // The other one has not heard of it: its change is planned again on the newer site.
    let edit = StreamEdit { name: Some("Theirs".to_owned()), ..StreamEdit::default() };
    let theirs = other.create_stream(&hub.server(), None, edit).unwrap().id;
    assert!(other.site().stream(mine).is_some());
    assert!(hub.repository.site().stream(theirs).is_none());
    hub.repository.refresh().unwrap();
    assert!(hub.repository.site().stream(theirs).is_some());
}

#[test]
fn what_another_process_opened_is_taken_back_by_one_that_has_not_heard_of_it() {
    let hub = Hub::new();
    let stream = hub.stream("Atrium");
    let store = SqliteStore::open(&hub.store_path()).unwrap();
    let settings = Settings::new(hub.folder.path().join("data"));
    let other = Repository::open(Arc::new(store), Arc::new(|| START), settings).unwrap();
    other.set_stream_public(&hub.server(), stream, true).unwrap();
    hub.repository.set_stream_public(&hub.server(), stream, false).unwrap();
    other.refresh().unwrap();
    let visitor = other.streams(&hub.visitor()).unwrap();
    assert!(visitor.iter().all(|seen| seen.id != stream), "still public");
}

#[test]
fn shipped_content_is_laid_down_once_and_custom_rules_are_left_alone() {
    let hub = Hub::new();
    let version = hub.repository.site().version();
    let count = hub.repository.site().rules().count();
    assert!(count > 10);
    let everyone = hub.repository.site().stream(EVERYONE).unwrap().name.clone();
    assert_eq!(everyone, "Everyone");
    hub.repository.delete_stream(&hub.server(), EVERYONE).unwrap();
    let edited = hub.repository.site().rules().find(|r| r.name == "CreateApp").unwrap().id;
    let edit = loggia_repository::RuleEdit {
        condition: Some("user.roles = \"Maker\"".to_owned()),
        ..loggia_repository::RuleEdit::default()
    };
    hub.repository.update_rule(&hub.server(), edited, None, edit).unwrap();
    let hub = hub.restarted();
    let site = hub.repository.site();
    assert_eq!(site.version(), version + 2, "nothing was laid down again");
    assert!(site.stream(EVERYONE).is_none(), "what was deleted does not come back");
    assert_eq!(site.rule(edited).unwrap().condition, "user.roles = \"Maker\"");
    assert!(site.rule_problems().is_empty(), "{:?}", site.rule_problems());
}

#[test]
fn data_is_the_old_or_the_new_and_never_a_mix() {
    let hub = Hub::new();
    let server = hub.server();
    let app = hub.app(&server, "Flights");
    let repository = &hub.repository;
    assert_eq!(repository.data_file(app), None);
    repository.store_data(&server, app, |out| out.write_all(b"first")).unwrap();
    let first = repository.data_file(app).unwrap();
    // A reload that fails half way leaves the old data current and no half file.
    let failed = repository.store_data(&server, app, |out| {
        out.write_all(b"half")?;
        Err(std::io::Error::other("the source went away"))
    });
    assert!(failed.is_err());
    assert_eq!(files(&hub, app), ["1.loggia"]);
    assert_eq!(std::fs::read(&first).unwrap(), b"first");

    repository.store_data(&server, app, |out| out.write_all(b"second")).unwrap();
    assert_eq!(files(&hub, app), ["2.loggia"]);
    let record = repository.app(&server, app).unwrap();
    assert_eq!((record.file_size, record.last_reload), (6, Some(Moment(START.0))));

    // What a crash leaves behind is swept by the next server; what is not ours stays.
    let folder = first.parent().unwrap().to_owned();
    for name in ["3.loggia", "x.new", "notes.txt"] {
        std::fs::write(folder.join(name), b"left over").unwrap();
    }
    let hub = hub.restarted();
    hub.repository.sweep_data().unwrap();
    assert_eq!(files(&hub, app), ["2.loggia", "notes.txt"]);
    let current = hub.repository.data_file(app).unwrap();
    assert_eq!(std::fs::read(current).unwrap(), b"second");
    hub.repository.delete_app(&hub.server(), app).unwrap();
    assert!(!folder.exists());
}

#[test]
fn reloads_at_the_same_time_leave_one_whole_file() {
    let hub = Hub::new();
    let server = hub.server();
    let app = hub.app(&server, "Flights");
    std::thread::scope(|scope| {
        for number in 0..6_u8 {
            let (hub, server) = (&hub, &server);
            scope.spawn(move || {
                let whole = vec![number; 100_000];
                hub.repository.store_data(server, app, |out| out.write_all(&whole)).unwrap();
            });
        }
    });
    let data = std::fs::read(hub.repository.data_file(app).unwrap()).unwrap();
    assert!(data.len() == 100_000 && data.iter().all(|byte| *byte == data[0]));
    assert_eq!(files(&hub, app), ["6.loggia"]);
    let ana = hub.user("ana");
    assert!(hub.repository.store_data(&ana, app, |out| out.write_all(b"x")).is_err());
    let edit = AppEdit { name: Some("y".to_owned()), ..AppEdit::default() };
    assert!(hub.repository.update_app(&ana, app, None, edit).is_err());
}

fn files(hub: &Hub, app: AppId) -> Vec<String> {
    let folder = hub.folder.path().join("data").join("apps").join(app.text());
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
