//! What the author of a rule is told about it besides its mistakes, and what only others may know.

use std::fmt::Write;

use expect_test::{Expect, expect};
use loggia_model::Caller;
use loggia_model::entity::{PoolKind, RuleCategory};
use loggia_repository::{ManageError, RuleEdit, Violation};

use crate::fixture::{Hub, rule};

fn check(violations: &[Violation], expected: Expect) {
    let mut text = String::new();
    for violation in violations {
        let code = violation.code.unwrap_or("no code");
        let other = if violation.other.is_some() { " (another rule)" } else { "" };
        writeln!(text, "{:?} {}: {code}{other}", violation.severity, violation.place).unwrap();
    }
    expected.assert_eq(&text);
}

fn told(hub: &Hub, caller: &Caller, edit: RuleEdit) -> Vec<Violation> {
    hub.repository.check_rule(caller, None, edit).unwrap()
}

#[test]
fn a_rule_that_another_makes_useless_is_told_to_who_may_read_the_other() {
    let hub = Hub::new();
    let hidden = hub.rule("Internal project", "*", 2, r#"user.group = {"a", "b"}"#);
    let stream = hub.stream("Press");
    let edit = || rule("Mine", &format!("Stream_{stream}"), 2, r#"user.group = "A""#);

    let root = told(&hub, &hub.root(), edit());
    assert_eq!(root[0].other, Some(hidden));
    assert!(root[0].message.contains("Internal project"));
    check(
        &root,
        expect![[r#"
        Warning rule: rule-useless (another rule)
    "#]],
    );
    // Content administrators make rules of streams, and see none of others.
    check(&told(&hub, &hub.admin("cora", "ContentAdmin"), edit()), expect![[""]]);
    // Who makes no rules at all is not answered: compiling takes a while.
    let refused = hub.repository.check_rule(&hub.user("ana"), None, edit());
    assert!(matches!(refused, Err(ManageError::Refused(_))), "{refused:?}");
    let broken = rule("Mine", "Stream_*", 2, "user.");
    let refused = hub.repository.check_rule(&hub.user("ana"), Some(hidden), broken);
    assert!(matches!(refused, Err(ManageError::Refused(_))), "{refused:?}");

    // A rule is not compared with itself as it was.
    let again = rule("Internal project", "*", 2, r#"user.group = "b""#);
    let found = hub.repository.check_rule(&hub.root(), Some(hidden), again.clone()).unwrap();
    check(&found, expect![[""]]);
    let saved = hub.repository.update_rule(&hub.root(), hidden, None, again).unwrap();
    check(&saved.warnings, expect![[""]]);
}

#[test]
fn errors_and_warnings_are_told_together() {
    let hub = Hub::new();
    let edit = rule("x", "Stream_*, Straem_*", 0, "user.group != 'a' and user.nmae <> user.name");
    check(
        &told(&hub, &hub.root(), edit),
        expect![[r#"
            Warning resourceFilter: rule-filter-unknown-type
            Warning rule: rule-many-not-equal
            Warning rule: rule-other-quotes
            Warning rule: rule-many-not-equal
            Warning rule: rule-looks-misspelt
            Error rule: rule-unknown-operator
            Error actions: rule-no-action
        "#]],
    );
    let edit = rule("x", "App_*", 2, r#"user.roles = "x" and resource.HasPrivilege("read")"#);
    check(
        &told(&hub, &hub.root(), edit),
        expect![[r#"
        Warning rule: rule-asks-itself
    "#]],
    );
    // Whether a question comes back is a matter of other rules too.
    let edit = rule("x", "Stream_*", 2, r#"resource.HasPrivilege("update")"#);
    hub.rule("y", "Stream_*", 4, r#"resource.HasPrivilege("read")"#);
    check(
        &told(&hub, &hub.root(), edit.clone()),
        expect![[r#"
        Warning rule: rule-asks-itself
    "#]],
    );
    check(&told(&hub, &hub.admin("cora", "ContentAdmin"), edit), expect![[""]]);
}

#[test]
fn a_name_is_not_needed_to_be_told_of_everything() {
    let hub = Hub::new();
    let mut edit = rule("x", "Stream_*", 2, "");
    edit.name = None;
    check(
        &told(&hub, &hub.root(), edit.clone()),
        expect![[r#"
        Warning rule: rule-empty-condition
    "#]],
    );
    edit.name = Some(" ".to_owned());
    edit.actions = Some(0);
    check(
        &told(&hub, &hub.root(), edit.clone()),
        expect![[r#"
        Error name: text-blank
        Error actions: rule-no-action
        Warning rule: rule-empty-condition
    "#]],
    );
    edit.condition = Some("user.group != \"a\"".to_owned());
    check(
        &told(&hub, &hub.root(), edit.clone()),
        expect![[r#"
        Error name: text-blank
        Warning rule: rule-many-not-equal
        Error actions: rule-no-action
    "#]],
    );
    edit.category = Some(RuleCategory::License);
    edit.actions = Some(1);
    check(
        &told(&hub, &hub.root(), edit),
        expect![[r#"
        Error name: text-blank
        Error resourceFilter: rule-licence-no-pool
        Warning rule: rule-many-not-equal
    "#]],
    );
}

#[test]
fn licence_rules_are_looked_at_among_licence_rules() {
    let hub = Hub::new();
    let (pool, _) = hub.pool(PoolKind::Professional, "Seats", None, "!user.IsAnonymous()");
    let edit = |condition: &str| RuleEdit {
        category: Some(RuleCategory::License),
        context: Some(1),
        ..rule("x", &format!("License.ProfessionalAccessGroup_{pool}"), 1, condition)
    };
    for (condition, expected) in [
        (
            "user.IsAnonymous()",
            expect![[r#"
            Warning rule: rule-seat-for-visitors
        "#]],
        ),
        (
            r#"user.group = "x" and !user.IsAnonymous()"#,
            expect![[r#"
            Warning rule: rule-useless (another rule)
        "#]],
        ),
        (
            r#"user.IsAnonymous() and user.roles = "x""#,
            expect![[r#"
            Warning rule: rule-licence-admits-nobody
        "#]],
        ),
    ] {
        check(&told(&hub, &hub.root(), edit(condition)), expected);
    }
}

#[test]
fn quotes_from_documents_are_stored_straight() {
    let hub = Hub::new();
    let edit = rule("Pasted", "Stream_*", 2, "user.name = “Ana” // it's hers");
    // Who only asks is shown where.
    let asked = told(&hub, &hub.root(), edit.clone());
    assert_eq!(asked[0].suggestion.as_deref(), Some("\"Ana\""));

    let saved = hub.repository.create_rule(&hub.root(), None, edit).unwrap();
    assert_eq!(saved.value.condition, "user.name = \"Ana\" // it's hers");
    check(
        &saved.warnings,
        expect![[r#"
        Warning rule: rule-other-quotes
    "#]],
    );
    let again =
        RuleEdit { condition: Some("user.name = ‘Ben’".to_owned()), ..RuleEdit::default() };
    let id = saved.value.id;
    let saved = hub.repository.update_rule(&hub.root(), id, None, again).unwrap();
    assert_eq!(saved.value.condition, "user.name = \"Ben\"");
}
