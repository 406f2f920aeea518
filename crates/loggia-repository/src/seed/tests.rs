//! What an upgrade does to the rules of a site that people have worked on.

use std::fmt::Write;

use expect_test::{Expect, expect};
use loggia_rules::Actions;
use tempfile::TempDir;

use super::*;
use crate::store::sqlite::SqliteStore;

const FIRST: Moment = Moment(1_000);
const LATER: Moment = Moment(2_000);

/// A shipped rule in some version of its text.
fn shipped(seed: &'static str, version: u32, condition: &'static str) -> ShippedRule {
    ShippedRule {
        id: Uuid::from_u128(seed.bytes().fold(7, |hash, byte| hash * 31 + u128::from(byte))),
        seed,
        version,
        category: Category::Security,
        name: seed,
        comment: "shipped",
        filter: "App_*",
        actions: Actions::READ,
        context: 0,
        condition,
        read_only: false,
    }
}

fn essential(seed: &'static str, version: u32, condition: &'static str) -> ShippedRule {
    ShippedRule { read_only: true, ..shipped(seed, version, condition) }
}

/// A site on which some release laid its rules down.
struct Place {
    store: SqliteStore,
    _folder: TempDir,
}

impl Place {
    fn new(release: &[ShippedRule]) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("loggia.db")).unwrap();
        let place = Place { store, _folder: folder };
        place.upgrade(release, FIRST);
        place
    }

    /// Starts a release on it; tells how many changes that made.
    fn upgrade(&self, release: &[ShippedRule], now: Moment) -> usize {
        let stored = self.store.load().unwrap();
        let changes = missing(&stored, release.iter(), now);
        if !changes.is_empty() {
            self.store.commit(stored.version, &changes).unwrap();
        }
        changes.len()
    }

    fn stored(&self, seed: &str) -> StoredRule {
        let rules = self.store.load().unwrap().rules;
        rules.into_iter().find(|rule| rule.rule.seed.as_deref() == Some(seed)).unwrap()
    }

    fn change(&self, seed: &str, change: impl FnOnce(&mut SystemRule)) {
        let mut stored = self.stored(seed);
        change(&mut stored.rule);
        self.commit(Change::PutRule(stored));
    }

    fn delete(&self, seed: &str) {
        self.commit(Change::DeleteRule(self.stored(seed).rule.id));
    }

    fn commit(&self, change: Change) {
        let version = self.store.load().unwrap().version;
        self.store.commit(version, &[change]).unwrap();
    }

    /// A rule a line, by name.
    fn check(&self, expected: &Expect) {
        let mut rules = self.store.load().unwrap().rules;
        rules.sort_by(|one, other| one.rule.name.cmp(&other.rule.name));
        let mut lines = String::new();
        for StoredRule { rule, seed_version } in rules {
            let off = if rule.is_disabled { ", off" } else { "" };
            let tags = if rule.tags.is_empty() {
                String::new()
            } else {
                format!(", tags {}", rule.tags.join("+"))
            };
            let (created, modified) = (rule.stamp.created.0, rule.stamp.modified.0);
            writeln!(
                lines,
                "{} v{seed_version} {:?}: {} [made {created}, changed {modified}{off}{tags}]",
                rule.name, rule.origin, rule.condition,
            )
            .unwrap();
        }
        expected.assert_eq(&lines);
    }
}

#[test]
fn an_upgrade_replaces_what_nobody_touched() {
    let place = Place::new(&[shipped("plain", 1, "false"), essential("owner", 1, "false")]);
    place.upgrade(&[shipped("plain", 2, "true"), essential("owner", 3, "true")], LATER);
    place.check(&expect![[r#"
        owner v3 ReadOnly: true [made 1000, changed 2000]
        plain v2 Default: true [made 1000, changed 2000]
    "#]]);
}

#[test]
fn an_upgrade_adds_what_is_new() {
    let place = Place::new(&[shipped("plain", 1, "true")]);
    place.upgrade(&[shipped("plain", 1, "true"), shipped("new", 4, "true")], LATER);
    place.check(&expect![[r#"
        new v4 Default: true [made 2000, changed 2000]
        plain v1 Default: true [made 1000, changed 1000]
    "#]]);
}

/// `spec/access.md` §10 row 29.
#[test]
fn an_upgrade_never_touches_what_somebody_edited() {
    let place = Place::new(&[shipped("edited", 1, "true")]);
    place.change("edited", |rule| {
        rule.origin = RuleOrigin::Custom;
        rule.condition = "user.roles = \"Maker\"".to_owned();
    });
    place.upgrade(&[shipped("edited", 2, "false")], LATER);
    place.upgrade(&[shipped("edited", 3, "false")], LATER);
    place.check(&expect![[r#"
        edited v1 Custom: user.roles = "Maker" [made 1000, changed 1000]
    "#]]);
}

/// The advised way to adapt a shipped rule: copy it, switch the original off, edit the copy.
#[test]
fn an_upgrade_leaves_an_edited_copy_alone_and_the_original_off() {
    let place = Place::new(&[shipped("plain", 1, "true")]);
    let mut copy = place.stored("plain");
    copy.rule.id = RuleId(Uuid::from_u128(1));
    copy.rule.name = "plain, ours".to_owned();
    copy.rule.origin = RuleOrigin::Custom;
    copy.rule.condition = "user.group = \"us\"".to_owned();
    place.commit(Change::PutRule(copy));
    let rules = place.store.load().unwrap().rules;
    let mut original = rules.into_iter().find(|rule| rule.rule.name == "plain").unwrap();
    original.rule.is_disabled = true;
    place.commit(Change::PutRule(original));
    place.upgrade(&[shipped("plain", 2, "!user.IsAnonymous()")], LATER);
    place.check(&expect![[r#"
        plain v2 Default: !user.IsAnonymous() [made 1000, changed 2000, off]
        plain, ours v1 Custom: user.group = "us" [made 1000, changed 1000]
    "#]]);
}

#[test]
fn an_upgrade_never_brings_back_what_was_deleted() {
    let place = Place::new(&[shipped("plain", 1, "true"), shipped("unwanted", 1, "true")]);
    place.delete("unwanted");
    for version in 1..4 {
        place.upgrade(&[shipped("plain", 1, "true"), shipped("unwanted", version, "true")], LATER);
    }
    place.check(&expect![[r#"
        plain v1 Default: true [made 1000, changed 1000]
    "#]]);
}

#[test]
fn an_upgrade_keeps_what_is_switched_off_and_tagged() {
    let place = Place::new(&[shipped("plain", 1, "false"), essential("owner", 1, "false")]);
    for seed in ["plain", "owner"] {
        place.change(seed, |rule| {
            rule.is_disabled = true;
            rule.tags = vec!["reviewed".to_owned()];
        });
    }
    place.upgrade(&[shipped("plain", 2, "true"), essential("owner", 2, "true")], LATER);
    // What is essential is in force, whoever managed to switch it off.
    place.check(&expect![[r#"
        owner v2 ReadOnly: true [made 1000, changed 2000, tags reviewed]
        plain v2 Default: true [made 1000, changed 2000, off, tags reviewed]
    "#]]);
}

#[test]
fn the_same_or_an_older_release_changes_nothing() {
    let place = Place::new(&[shipped("plain", 3, "true")]);
    assert_eq!(place.upgrade(&[shipped("plain", 3, "true")], LATER), 0);
    assert_eq!(place.upgrade(&[shipped("plain", 2, "false")], LATER), 0);
    place.check(&expect![[r#"
        plain v3 Default: true [made 1000, changed 1000]
    "#]]);
}

#[test]
fn a_new_site_has_every_shipped_rule_in_its_category_and_the_streams_that_they_name() {
    let place = Place::new(&[]);
    let all: Vec<ShippedRule> = shipped::rules().copied().collect();
    place.upgrade(&all, FIRST);
    let stored = place.store.load().unwrap();
    let of = |category| stored.rules.iter().filter(|r| r.rule.category == category).count();
    assert_eq!(of(RuleCategory::Security), shipped::security_rules().len());
    assert_eq!(of(RuleCategory::Sync), shipped::sync_rules().len());
    for shipped in &all {
        let named =
            shipped.filter.split(',').filter_map(|item| item.trim().strip_prefix("Stream_"));
        for id in named.filter_map(|id| id.parse::<Uuid>().ok()) {
            let is_there = stored.streams.iter().any(|stream| stream.id.0 == id);
            assert!(is_there, "{} names a stream that is not there", shipped.name);
        }
    }
}
