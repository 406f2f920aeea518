//! Changing the site: who may, what is refused, and what the answer says.

use expect_test::{Expect, expect};
use loggia_model::entity::{AnonymousMode, RuleCategory, RuleOrigin, SameSite};
use loggia_model::{Moment, Principal};
use loggia_repository::seed::{DEFAULT_ENTRANCE, EVERYONE};
use loggia_repository::{
    AppEdit, Conflict, ManageError, RuleEdit, StreamEdit, UserEdit, Violation, VirtualProxyEdit,
};

use crate::fixture::{Hub, rule};

fn problems(error: ManageError, expected: Expect) {
    let ManageError::Invalid(violations) = error else { panic!("{error:?}") };
    lines(&violations, expected);
}

fn lines(violations: &[Violation], expected: Expect) {
    let text: Vec<_> = violations.iter().map(|violation| format!("{violation}\n")).collect();
    expected.assert_eq(&text.concat());
}

#[test]
fn a_rule_is_told_everything_that_is_wrong_with_it() {
    let hub = Hub::new();
    let edit = RuleEdit {
        context: Some(7),
        ..rule("", "Straem_*, App_*_x", 16_384, "user.IsAnonymus() and (resource.nam = 1")
    };
    let error = hub.repository.create_rule(&hub.server(), None, edit).unwrap_err();
    problems(
        error,
        expect![[r#"
            name: must not be blank
            resourceFilter: Straem is no resource type, so this matches nothing; did you mean Stream? (at character 0); Stream
            resourceFilter: App_*_x mixes _ and *; write App_* or App* (at character 10); App_*
            rule: IsAnonymus is no function of this language; did you mean IsAnonymous? (at character 5); IsAnonymous
            rule: this parenthesis is never closed (at character 22)
            rule: resource has no property nam; did you mean name? (at character 32); name
            actions: 16384 has bits that are no action
            ruleContext: 7 is none of 0, 1 and 2
        "#]],
    );

    let edit = RuleEdit {
        category: Some(RuleCategory::License),
        is_forbidding: Some(true),
        context: Some(2),
        ..rule("x", "Stream_*", 2, "user.IsAnonymous()")
    };
    let error = hub.repository.create_rule(&hub.server(), None, edit).unwrap_err();
    problems(
        error,
        expect![[r#"
        resourceFilter: a licence rule names a pool, such as License.AnalyzerTimeAccessType_<id of the pool>
        isForbidding: a licence rule admits; it cannot forbid
        actions: a licence rule has the one action allow access, which is 1
        ruleContext: licences are drawn in the hub; use 1, or 0 for both
    "#]],
    );

    let edit = rule("Open to all", "Stream_*", 2, "");
    let saved = hub.repository.create_rule(&hub.server(), None, edit).unwrap();
    lines(
        &saved.warnings,
        expect![[r#"
            rule: an empty condition holds for everyone, including anonymous visitors; write !user.IsAnonymous() to keep visitors out, or true to mean it (at character 0); !user.IsAnonymous()
        "#]],
    );
}

#[test]
fn a_forbidding_rule_wins() {
    let (hub, app) = Hub::public();
    let visitor = hub.visitor();
    assert_eq!(hub.repository.hub(&visitor).unwrap()[0].apps.len(), 1);
    let edit = RuleEdit {
        is_forbidding: Some(true),
        ..rule("Not this one", &format!("App_{app}"), 2, "user.IsAnonymous()")
    };
    let id = hub.repository.create_rule(&hub.server(), None, edit).unwrap().value.id;
    assert_eq!(hub.repository.hub(&visitor).unwrap()[0].apps.len(), 0);
    hub.repository.delete_rule(&hub.server(), id).unwrap();
    assert_eq!(hub.repository.hub(&visitor).unwrap()[0].apps.len(), 1);
}

#[test]
fn shipped_rules_become_custom_by_editing_and_essential_ones_stay() {
    let hub = Hub::new();
    let root = hub.root();
    let rules = hub.repository.rules(&root).unwrap();
    let essential = rules.iter().find(|rule| rule.origin == RuleOrigin::ReadOnly).unwrap();
    let disable = RuleEdit { is_disabled: Some(true), ..RuleEdit::default() };
    let refused = hub.repository.update_rule(&root, essential.id, None, disable.clone());
    assert!(matches!(refused, Err(ManageError::Conflict(Conflict::Protected { .. }))));
    let refused = hub.repository.delete_rule(&root, essential.id);
    assert!(matches!(refused, Err(ManageError::Conflict(Conflict::Protected { .. }))));

    let shipped = rules.iter().find(|rule| rule.origin == RuleOrigin::Default).unwrap();
    let saved = hub.repository.update_rule(&root, shipped.id, None, disable).unwrap().value;
    assert_eq!(saved.origin, RuleOrigin::Default, "switching it off is no edit");
    let edit = RuleEdit { comment: Some("ours".to_owned()), ..RuleEdit::default() };
    let saved = hub.repository.update_rule(&root, shipped.id, None, edit).unwrap().value;
    assert_eq!(saved.origin, RuleOrigin::Custom);
}

#[test]
fn an_entrance_is_told_everything_that_is_wrong_with_it() {
    let hub = Hub::new();
    let server = hub.server();
    hub.entrance("public", AnonymousMode::Allowed);
    let edit = VirtualProxyEdit {
        prefix: Some("public".parse().unwrap()),
        session_cookie: Some("X-Qlik-Session-PUBLIC".to_owned()),
        inactivity_minutes: Some(0),
        cool_down_minutes: Some(61),
        same_site_http: Some(SameSite::None),
        host_allow_list: Some(vec![
            "hub.example".to_owned(),
            "*.example.org:8443".to_owned(),
            "[::1]:80".to_owned(),
            "https://evil.example".to_owned(),
            "a b".to_owned(),
            "host:0".to_owned(),
        ]),
        additional_headers: Some(
            "X-Frame-Options: DENY\nSet-Cookie: a=b\nno colon\nBad Name: x\n".to_owned(),
        ),
        anonymous: Some(AnonymousMode::Allowed),
        max_anonymous_sessions: Some(0),
        ..VirtualProxyEdit::default()
    };
    let error = hub.repository.create_virtual_proxy(&server, None, edit).unwrap_err();
    problems(
        error,
        expect![[r#"
            description: must not be blank
            prefix: "public" is the prefix of another entrance
            sessionCookieHeaderName: "X-Qlik-Session-PUBLIC" is the cookie of another entrance; include the prefix in it
            sameSiteAttributeHttp: SameSite=None works only for Secure cookies; browsers drop others. Set the Secure attribute as well, or choose Lax
            websocketCrossOriginWhiteList: "https://evil.example" is no host; write host, host:port or *.parent, without a scheme
            websocketCrossOriginWhiteList: "a b" is no host; write host, host:port or *.parent, without a scheme
            websocketCrossOriginWhiteList: "host:0" is no host; write host, host:port or *.parent, without a scheme
            additionalResponseHeaders: line 2: Set-Cookie is decided by the server
            additionalResponseHeaders: line 3 is no `Name: value`
            additionalResponseHeaders: line 4: "Bad Name" is no header name
            sessionInactivityTimeout: must be 1 to 43,200 minutes
            sessionCoolDownMinutes: must be at most 60 minutes; 0 is no wait
            maxAnonymousSessions: must be at least 1, in total and per address, while visitors are admitted
        "#]],
    );

    let error = hub.repository.delete_virtual_proxy(&server, DEFAULT_ENTRANCE).unwrap_err();
    expect!["the default entrance cannot be deleted"].assert_eq(&error.to_string());
    let edit =
        VirtualProxyEdit { anonymous: Some(AnonymousMode::Allowed), ..VirtualProxyEdit::default() };
    let saved = hub.repository.update_virtual_proxy(&server, DEFAULT_ENTRANCE, None, edit).unwrap();
    lines(
        &saved.warnings,
        expect![[r#"
        anonymousAccessMode: everybody who used to be signed in silently here now enters as a visitor until they press Log in; a separate entrance such as /public keeps their links working
        anonymousAccessMode: no licence pool has a rule that admits an anonymous visitor, so apps will be listed but not open; make an analyzer capacity pool with the rule user.IsAnonymous()
    "#]],
    );
    let edit =
        VirtualProxyEdit { prefix: Some("other".parse().unwrap()), ..VirtualProxyEdit::default() };
    let error =
        hub.repository.update_virtual_proxy(&server, DEFAULT_ENTRANCE, None, edit).unwrap_err();
    problems(
        error,
        expect![[r#"
        prefix: the default entrance has no prefix
    "#]],
    );
}

#[test]
fn a_change_made_from_an_old_state_is_refused() {
    let hub = Hub::new();
    let server = hub.server();
    let stream = hub.stream("Team");
    let read = hub.repository.stream(&server, stream).unwrap().stamp.modified;
    let rename = |name: &str| StreamEdit { name: Some(name.to_owned()), ..StreamEdit::default() };
    hub.repository.update_stream(&server, stream, Some(read), rename("first")).unwrap();
    let late = hub.repository.update_stream(&server, stream, Some(read), rename("second"));
    assert!(matches!(late, Err(ManageError::Conflict(Conflict::Stale { .. }))), "{late:?}");
    // A script that sets the date to now is let through.
    let now = Moment(read.0 + 60_000);
    hub.repository.update_stream(&server, stream, Some(now), rename("third")).unwrap();
}

#[test]
fn nobody_writes_into_a_place_where_they_could_not_have_made_it() {
    let hub = Hub::new();
    let ana = hub.user("ana");
    let ben = hub.user("ben");
    let app = hub.app(&ana, "Draft");
    let id = |caller: &loggia_model::Caller| match &caller.principal {
        Principal::User { id, .. } => *id,
        _ => unreachable!("a person"),
    };
    // Ana may do anything with her draft, except make it somebody else's app to change.
    let give = AppEdit { owner: Some(id(&ben)), ..AppEdit::default() };
    let refused = hub.repository.update_app(&ana, app, None, give);
    assert!(matches!(refused, Err(ManageError::Refused(_))), "{refused:?}");
    // Ben does not even learn that there is something.
    let edit = AppEdit { name: Some("mine".to_owned()), ..AppEdit::default() };
    let refused = hub.repository.update_app(&ben, app, None, edit);
    assert!(matches!(refused, Err(ManageError::Hidden { .. })), "{refused:?}");
    // Roles need a right of their own, which who manages content does not have.
    let editor = hub.admin("editor", "ContentAdmin");
    let promote = UserEdit { roles: Some(vec!["RootAdmin".to_owned()]), ..UserEdit::default() };
    let refused = hub.repository.update_user(&editor, id(&ben), None, promote.clone());
    assert!(matches!(refused, Err(ManageError::Refused(_))), "{refused:?}");
    let root = hub.root();
    hub.repository.update_user(&root, id(&ben), None, promote).unwrap();
    // Nor does it help to set the password of somebody who has the role.
    hub.repository.set_password(&editor, id(&ana), "hash").unwrap();
    let refused = hub.repository.set_password(&editor, id(&root), "hash");
    assert!(matches!(refused, Err(ManageError::Refused(_))), "{refused:?}");
    hub.repository.set_password(&root, id(&root), "hash of root").unwrap();
    let key = loggia_model::UserKey::new("loggia", "ROOT").unwrap();
    let stored = hub.repository.local_credential(&key).unwrap();
    assert_eq!(stored, Some((id(&root), "hash of root".to_owned())));
}

#[test]
fn what_is_in_use_stays_and_the_last_root_too() {
    let hub = Hub::new();
    let server = hub.server();
    let root = hub.root();
    let app = hub.published_app("Flights", EVERYONE);
    let in_use = hub.repository.delete_stream(&server, EVERYONE).unwrap_err();
    expect!["it is still in use: 1 published apps; move or delete them first"]
        .assert_eq(&in_use.to_string());
    let Principal::User { id, .. } = root.principal else { panic!("root is a person") };
    for refused in [
        hub.repository.delete_user(&server, id).unwrap_err(),
        hub.repository
            .update_user(
                &server,
                id,
                None,
                UserEdit { roles: Some(Vec::new()), ..UserEdit::default() },
            )
            .map(|_| ())
            .unwrap_err(),
    ] {
        expect!["this is the last active user with the role RootAdmin"]
            .assert_eq(&refused.to_string());
    }
    let ana = hub.user("ana");
    hub.app(&ana, "Draft");
    let Principal::User { id, .. } = ana.principal else { panic!("ana is a person") };
    let owner = hub.repository.delete_user(&server, id).unwrap_err();
    expect!["it is still in use: the user owns 1 things; give them to somebody else first"]
        .assert_eq(&owner.to_string());
    hub.repository.delete_app(&server, app).unwrap();
    hub.repository.delete_stream(&server, EVERYONE).unwrap();
}

#[test]
fn publishing_makes_base_content_and_happens_once() {
    let hub = Hub::new();
    let ana = hub.user("ana");
    let app = hub.app(&ana, "Flights");
    let sheet = hub.sheet(&ana, app, "Overview");
    let visitor = hub.visitor();
    hub.repository.publish_app(&ana, app, EVERYONE, Some("Flights 2013".to_owned())).unwrap();
    let details = hub.repository.app_details(&visitor, app).unwrap();
    assert_eq!(details.app.name, "Flights 2013");
    assert_eq!(details.sheets.len(), 1);
    assert!(details.sheets[0].is_published && details.sheets[0].is_approved);
    // Base content is nobody's to edit, and the script is nobody's to read.
    let edit = loggia_repository::ObjectEdit {
        name: Some("changed".to_owned()),
        ..loggia_repository::ObjectEdit::default()
    };
    assert!(hub.repository.update_object(&ana, sheet, None, edit).is_err());
    assert!(hub.repository.app_script(&visitor, app).is_err());
    let twice = hub.repository.publish_app(&ana, app, EVERYONE, None);
    assert!(twice.is_err(), "{twice:?}");
    // Ana's own sheet in the published app is hers until she publishes it.
    let own = hub.sheet(&ana, app, "Mine");
    assert_eq!(hub.repository.app_details(&visitor, app).unwrap().sheets.len(), 1);
    assert_eq!(hub.repository.app_details(&ana, app).unwrap().sheets.len(), 2);
    hub.repository.publish_object(&ana, own, true).unwrap();
    assert_eq!(hub.repository.app_details(&visitor, app).unwrap().sheets.len(), 2);
    // The server may take the app back; then it is its owner's work again.
    hub.repository.unpublish_app(&hub.server(), app).unwrap();
    assert!(hub.repository.app_details(&visitor, app).is_err());
    assert_eq!(hub.repository.work(&ana).unwrap().len(), 1);
}

#[test]
fn visitors_own_nothing_even_if_a_rule_lets_them_create() {
    let hub = Hub::new();
    hub.rule("Careless", "Stream_*, App*", 1, "");
    let edit = StreamEdit { name: Some("Graffiti".to_owned()), ..StreamEdit::default() };
    let refused = hub.repository.create_stream(&hub.visitor(), None, edit);
    assert!(matches!(refused, Err(ManageError::Refused(_))), "{refused:?}");
}

#[test]
fn nobody_fills_an_app_with_endless_objects() {
    let hub = Hub::new();
    let ana = hub.user("ana");
    let app = hub.app(&ana, "Flights");
    let edit = |length: usize| loggia_repository::ObjectEdit {
        object_type: Some("sheet".to_owned()),
        properties: Some(serde_json::json!({ "text": "x".repeat(length) })),
        ..loggia_repository::ObjectEdit::default()
    };
    let made = hub.repository.create_object(&ana, app, edit(1_000_000)).unwrap();
    let refused = hub.repository.create_object(&ana, app, edit(1 << 20)).unwrap_err();
    problems(
        refused,
        expect![[r#"
        properties: are longer than 1048576 bytes
    "#]],
    );
    let grown = hub.repository.update_object(&ana, made.record.id, None, edit(1 << 20));
    assert!(matches!(grown, Err(ManageError::Invalid(_))), "{grown:?}");
}
