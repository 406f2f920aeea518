//! `loggia explain` beside a running server: the answer for people, for scripts, and as a code.

use std::process::Command;

use serde_json::Value;

use crate::support::{APP, Hub, TEAM_APP};

/// What the command prints, on either output, and its code.
async fn explain(hub: &Hub, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loggia"));
    command.arg("explain").args(arguments).arg("--data").arg(hub.data());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn the_command_line_says_why_and_ends_with_a_code() {
    let hub = Hub::start().await;
    let visitor = ["--user", r"NONE\anonymous", "--action", "read"];
    let ask = async |rest: &[&str]| explain(&hub, &[&visitor, rest].concat()).await;

    let app = format!("App_{APP}");
    let (code, text, _) = ask(&["--resource", &app]).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with(&format!("NONE\\anonymous may read App_{APP} \"Sales\"\n")), "{text}");
    assert!(text.contains("in the hub, through entrance /public"), "{text}");
    assert!(text.contains("Granted by\n  Stream ("), "{text}");

    let app = format!("App_{TEAM_APP}");
    let (code, text, _) = ask(&["--resource", &app]).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("may NOT read"), "{text}");
    assert!(text.contains("line 1, column 36: resource.stream.HasPrivilege(\"read\")"), "{text}");
    assert!(text.contains("ask why: loggia explain --user 'NONE\\anonymous'"), "{text}");

    let (code, text, _) = ask(&["--resource", &app, "--format", "json"]).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, answer["outcome"].as_str()), (1, Some("noGrant")));
    let nearest = answer["nearest"].as_array().unwrap();
    assert!(nearest.iter().any(|near| near["rule"]["name"] == "Stream" && near["column"] == 36));

    let asked = ["--user", "visitors", "--action", "read", "--resource", &app];
    let (code, text, _) = explain(&hub, &asked).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.starts_with("NONE\\anonymous may NOT read"), "{text}");
    assert!(text.contains("loggia check anonymous --prefix public\n"), "{text}");
    let asked = ["--user", "visitor", "--action", "open", "--resource", &app];
    let (code, _, error) = explain(&hub, &asked).await;
    assert_eq!(code, 2);
    assert!(error.contains("opening an app is read on it and a licence"), "{error}");

    let (code, text, error) = ask(&["--resource", "App_Payrol"]).await;
    assert_eq!((code, text.as_str()), (2, ""));
    assert!(error.contains("did you mean App_Payroll?"), "{error}");
    let (code, _, error) = ask(&["--resource", &app, "--env", "ip"]).await;
    assert_eq!(code, 2);
    assert!(error.contains("write name=value"), "{error}");
}
