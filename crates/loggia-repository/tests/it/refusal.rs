//! Every refusal is one log line, which leads from the visitor's reference to the whole reason.

use std::io::Write;
use std::sync::{Arc, Mutex};

use expect_test::expect;
use loggia_repository::{AppEdit, ManageError, VisitInfo};

use crate::fixture::Hub;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_refusal_is_logged_once_and_tells_the_visitor_only_the_reference() {
    let (hub, app) = Hub::public();
    let team = hub.stream("Team");
    let secret = hub.published_app("Budget", team);
    let server = hub.server();
    let rules: Vec<_> = hub.repository.site().rules().cloned().collect();
    let visitor = hub.visitor();

    let lines = Lines::default();
    let written = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || written.clone())
        .with_ansi(false)
        .without_time()
        .finish();
    let references = tracing::subscriber::with_default(subscriber, || {
        let hidden = hub.repository.open_app(&visitor, secret, &VisitInfo::default()).unwrap_err();
        let edit = AppEdit { name: Some("mine".to_owned()), ..AppEdit::default() };
        let denied = hub.repository.update_app(&visitor, app, None, edit).unwrap_err();
        let rule = rules.iter().find(|rule| rule.name == "Visitors admits").unwrap();
        hub.repository.delete_rule(&server, rule.id).unwrap();
        let unlicensed = hub.repository.open_app(&visitor, app, &VisitInfo::default()).unwrap_err();
        let ManageError::Refused(denied) = denied else { panic!("{denied:?}") };
        assert!(!denied.to_string().contains("rule"), "what clients read names no rule: {denied}");
        [hidden.refusal().unwrap(), &denied, unlicensed.refusal().unwrap()]
            .map(|refusal| refusal.reference.clone())
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let mut text: String = text.lines().map(|line| format!("{}\n", line.trim())).collect();
    assert_eq!(text.lines().count(), 3, "{text}");
    for reference in references {
        assert_eq!(text.matches(&reference).count(), 1, "{reference} in {text}");
        text = text.replace(&reference, "<reference>");
    }
    let site = hub.repository.site();
    text = text.replace(&visitor.principal.to_string(), "<visitor>");
    text = text.replace(&visitor.principal.user_id(), "<visitor>");
    text = text.replace(&app.text(), "<app>").replace(&secret.text(), "<secret>");
    text = text.replace(&team.text(), "<team>");
    for version in [site.version(), site.version() - 1] {
        text = text.replace(&format!("version={version}"), "version=<n>");
    }
    expect![[r#"
        INFO loggia::refusal: refused <visitor> at the rules gate: no rule grants it; nearest is "OwnerRead", where resource.owner = user fails code="RULE-DENIED" gate="rules" principal="NONE\\<visitor>" entrance="public" app="<secret>" reference="<reference>" version=<n> explanation="{\"outcome\":\"noGrant\",\"grantedBy\":[],\"forbiddenBy\":[],\"nearest\":[{\"rule\":{\"id\":\"10991a00-0000-4000-8000-000000000004\",\"name\":\"OwnerRead\"},\"clause\":\"resource.owner = user\",\"seen\":[\"resource.owner: User_6c3f1e0a-52a4-4d6e-8f0b-000000000001\",\"user: no value\"],\"distance\":1},{\"rule\":{\"id\":\"10991a00-0000-4000-8000-000000000008\",\"name\":\"Stream\"},\"clause\":\"resource.stream.HasPrivilege(\\\"read\\\")\",\"seen\":[\"resource.stream Stream_<team>: read not granted\"],\"distance\":1},{\"rule\":{\"id\":\"10991a00-0000-4000-8000-000000000003\",\"name\":\"Owner\"},\"clause\":\"resource.owner = user\",\"seen\":[\"resource.owner: User_6c3f1e0a-52a4-4d6e-8f0b-000000000001\",\"user: no value\"],\"distance\":2},{\"rule\":{\"id\":\"10991a00-0000-4000-8000-000000000002\",\"name\":\"ServiceAccount\"},\"clause\":\"user.userDirectory = \\\"INTERNAL\\\"\",\"seen\":[\"user.userDirectory: \\\"NONE\\\"\"],\"distance\":2}],\"notShown\":0}"
        INFO loggia::refusal: refused <visitor> at the rules gate: update on app <app>: no rule grants it; nearest is "Owner", where resource.owner = user fails code="RULE-DENIED" gate="rules" principal="NONE\\<visitor>" entrance="public" reference="<reference>" version=<n> explanation="{\"outcome\":\"noGrant\",\"grantedBy\":[],\"forbiddenBy\":[],\"nearest\":[{\"rule\":{\"id\":\"10991a00-0000-4000-8000-000000000003\",\"name\":\"Owner\"},\"clause\":\"resource.owner = user\",\"seen\":[\"resource.owner: User_6c3f1e0a-52a4-4d6e-8f0b-000000000001\",\"user: no value\"],\"distance\":2},{\"rule\":{\"id\":\"10991a00-0000-4000-8000-000000000002\",\"name\":\"ServiceAccount\"},\"clause\":\"user.userDirectory = \\\"INTERNAL\\\"\",\"seen\":[\"user.userDirectory: \\\"NONE\\\"\"],\"distance\":2}],\"notShown\":0}"
        INFO loggia::refusal: refused <visitor> at the licence gate: no licence pool has a rule that admits the caller code="LIC-NONE" gate="licence" principal="NONE\\<visitor>" entrance="public" app="<app>" reference="<reference>" version=<n>
    "#]].assert_eq(&text);
}

#[test]
fn the_explanation_in_the_log_is_one_line_of_json_and_bounded() {
    let hub = Hub::new();
    let team = hub.stream("Team");
    let long =
        "user.name = \"".to_owned() + &"\u{20ac}\\\\".repeat(300) + "\"\n  and user.group = \"x\"";
    for number in 0..30 {
        hub.rule(&format!("Rule {number} {}", "ö".repeat(300)), "Stream_*", 2, &long);
    }
    let Err(ManageError::Hidden { refusal, .. }) = hub.repository.stream(&hub.visitor(), team)
    else {
        panic!("it is hidden")
    };
    let text = refusal.explanation.unwrap();
    assert!(text.len() <= 4_096 && !text.contains('\n'), "{} bytes: {text}", text.len());
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let shown = value["nearest"].as_array().unwrap();
    assert!(!shown.is_empty());
    assert_eq!(value["outcome"], "noGrant");
    assert_eq!(shown.len() as u64 + value["notShown"].as_u64().unwrap(), 33);
    for near in shown {
        assert!(near["rule"]["id"].is_string() && near["seen"].is_array());
        assert!(near["clause"].as_str().unwrap().chars().count() <= 161);
    }
}
