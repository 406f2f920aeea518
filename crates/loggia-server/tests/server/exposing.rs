//! `loggia exposure` beside a running server: reports, comparisons, and codes.

use std::path::Path;
use std::process::Command;

use crate::support::{APP, Hub};

/// What the command prints, on either output, and its code.
async fn exposure(data: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loggia"));
    command.arg("exposure").args(arguments).arg("--data").arg(data);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_recorded_report_is_the_same_until_something_becomes_public() {
    let hub = Hub::start().await;
    let (code, table, _) = exposure(hub.data(), &[]).await;
    assert_eq!(code, 0, "{table}");
    assert!(table.contains("app Sales"), "{table}");

    let mut records = Vec::new();
    for format in ["json", "csv"] {
        let (code, report, _) = exposure(hub.data(), &["--format", format]).await;
        assert!(code == 0 && report.contains(&APP.text()), "{report}");
        let file = hub.data().join(format!("exposure.{format}"));
        std::fs::write(&file, report).unwrap();
        records.push(file.display().to_string());
    }
    for record in &records {
        let (code, text, _) = exposure(hub.data(), &["--against", record]).await;
        assert_eq!(code, 0, "{text}");
    }

    let edit = loggia_repository::RuleEdit {
        name: Some("Export for all".to_owned()),
        resource_filter: Some(format!("App_{APP}")),
        actions: Some(256),
        context: Some(1),
        condition: Some("true".to_owned()),
        ..Default::default()
    };
    let server = loggia_model::Caller::internal(loggia_model::InternalAccount::Repository);
    hub.repository().create_rule(&server, None, edit).unwrap();
    for record in &records {
        let (code, text, _) = exposure(hub.data(), &["--against", record]).await;
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("app Sales: export data, at /public (by Export for all)"), "{text}");
    }

    let missing = hub.data().join("nothing.json");
    let (code, text, error) =
        exposure(hub.data(), &["--against", &missing.display().to_string()]).await;
    assert_eq!((code, text.as_str()), (2, ""));
    assert!(error.contains("nothing.json"), "{error}");
    std::fs::write(&missing, "{}").unwrap();
    let (code, _, error) =
        exposure(hub.data(), &["--against", &missing.display().to_string()]).await;
    assert_eq!(code, 2);
    assert!(error.contains("record it again"), "{error}");
}
