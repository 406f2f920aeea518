//! What one request may cost: it ends when its time is over or its client takes it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use loggia_qix::{Connection, Host, Settings};
use loggia_repository::VisitInfo;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::site::{SECRET, Site};

fn cube(dimensions: &[&str], measures: &[String]) -> Value {
    let dimension = |field: &&str| json!({ "qDef": { "qFieldDefs": [field] } });
    let measure = |text: &String| json!({ "qDef": { "qDef": text } });
    json!({
        "qDimensions": dimensions.iter().map(dimension).collect::<Vec<_>>(),
        "qMeasures": measures.iter().map(measure).collect::<Vec<_>>(),
        "qInitialDataFetch": [{ "qWidth": 1, "qHeight": 1 }],
    })
}

#[tokio::test]
async fn what_is_not_computed_in_time_is_an_error_in_its_place() {
    let settings = Settings { visitor_time: Duration::ZERO, ..Settings::default() };
    let site = Site::with_settings(settings);
    let properties = json!([{
        "qInfo": { "qType": "chart" },
        "title": "still here",
        "qHyperCubeDef": cube(&["Product"], &["Sum(Amount)".to_owned()]),
        "qListObjectDef": { "qDef": { "qFieldDefs": ["Region"] } },
    }]);
    let mut visitor = site.connect(site.visitor(1)).opened().await;
    let chart = visitor.handle(1, "CreateSessionObject", properties.clone()).await;
    let layout = visitor.result(chart, "GetLayout", json!([])).await["qLayout"].clone();
    assert_eq!(layout["title"], "still here");
    assert_eq!(layout["qHyperCube"]["qError"], json!({ "qErrorCode": 7004 }));
    assert_eq!(layout["qListObject"]["qError"], json!({ "qErrorCode": 7004 }));
    let pages = json!(["/qHyperCubeDef", [{ "qWidth": 1, "qHeight": 1 }]]);
    let refused = visitor.call(chart, "GetHyperCubeData", pages).await;
    assert_eq!(refused["error"]["code"], 7004);

    // The same chart of somebody with more time is not spoilt by it.
    let mut person = site.connect(site.person("ana")).opened().await;
    let chart = person.handle(1, "CreateSessionObject", properties).await;
    let layout = person.result(chart, "GetLayout", json!([])).await["qLayout"].clone();
    assert_eq!(layout["qHyperCube"]["qError"], Value::Null);
    assert_eq!(layout["qHyperCube"]["qSize"]["qcy"], 3);
}

#[tokio::test]
async fn a_chart_too_large_for_memory_is_an_error_in_its_place() {
    let site = Site::new();
    let mut visitor = site.connect(site.visitor(1)).opened().await;
    let measures: Vec<String> =
        (0..30).map(|at| format!("Repeat(Only(Product) & '{at:02}', 150000)")).collect();
    let properties = json!([{
        "qInfo": { "qType": "chart" },
        "qHyperCubeDef": cube(&["Product", "Region"], &measures),
        "small": { "qHyperCubeDef": cube(&["Product"], &["Sum(Amount)".to_owned()]) },
    }]);
    let chart = visitor.handle(1, "CreateSessionObject", properties).await;
    let layout = visitor.result(chart, "GetLayout", json!([])).await["qLayout"].clone();
    assert_eq!(layout["qHyperCube"]["qError"], json!({ "qErrorCode": 7003 }));
    assert_eq!(layout["small"]["qHyperCube"]["qSize"]["qcy"], 3);
}

#[tokio::test]
async fn a_request_taken_back_ends_at_once() {
    let site = Site::new();
    let editor = site.person("editor");
    let script = "A: LOAD RowNo() AS a AUTOGENERATE 1900; B: LOAD RowNo() AS b AUTOGENERATE 1900;";
    site.repository.set_app_script(&editor, SECRET, script).unwrap();
    let engine = site.engine.clone();
    let owner = editor.clone();
    tokio::task::spawn_blocking(move || engine.reload_app(&owner, SECRET)).await.unwrap().unwrap();
    let mut client = site.connect_at(editor, &SECRET.text(), None).opened_with(SECRET).await;
    let properties = json!([{
        "qInfo": { "qType": "chart" },
        "qHyperCubeDef": cube(&["a", "b"], &["Len(Repeat(a & '/' & b, 10000))".to_owned()]),
    }]);
    let chart = client.handle(1, "CreateSessionObject", properties).await;
    let slow = client.send(chart, "GetLayout", &json!([]));
    client.result(-1, "CancelRequest", json!([slow])).await;
    assert_eq!(client.answer(slow).await["error"]["code"], 15);
    // The session is free for the next request.
    let layout = client.result(1, "GetAppLayout", json!([])).await;
    assert!(layout["qLayout"].is_object());
}

#[tokio::test]
async fn an_id_in_use_is_refused() {
    let site = Site::with_settings(Settings { parallel: 1, ..Settings::default() });
    let mut client = site.connect(site.visitor(1)).opened().await;
    let request =
        json!({ "jsonrpc": "2.0", "id": 77, "handle": 1, "method": "GetAppLayout", "params": [] });
    for _ in 0..50 {
        client.send_text(request.to_string());
    }
    let mut refused = 0;
    for _ in 0..50 {
        let answer = client.next().await;
        assert_eq!(answer["id"], 77);
        refused += usize::from(answer["error"]["code"] == -32600);
    }
    assert!(refused < 50);
}

/// Somebody whose requests are held back until they are let go.
#[derive(Default)]
struct Held {
    is_free: AtomicBool,
}

impl Host for Held {
    fn is_active(&self) {}

    fn take_place(&self) -> VisitInfo {
        VisitInfo::default()
    }

    fn visit_info(&self) -> VisitInfo {
        VisitInfo::default()
    }

    fn give_place_back(&self) {}

    fn wait(&self) -> Option<Duration> {
        (!self.is_free.load(Ordering::Relaxed)).then_some(Duration::from_millis(1))
    }

    fn has_computed(&self, _: Duration) {}
}

#[tokio::test]
async fn no_more_is_read_of_a_visitor_than_half_a_megabyte_that_waits() {
    let site = Site::new();
    let host = Arc::new(Held::default());
    let (_ended, is_ended) = watch::channel(None);
    let connection = Connection {
        caller: site.visitor(1),
        app: None,
        identity: None,
        ttl: None,
        ended: is_ended,
        login_uri: None,
        logout_uri: None,
        host: host.clone(),
    };
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = taken.clone();
    let long = "x".repeat(200_000);
    let frames = (1..=10).map(move |id| {
        counted.fetch_add(1, Ordering::Relaxed);
        let ask =
            json!({ "id": id, "handle": -1, "method": "GetDocList", "params": [], "x": long });
        ask.to_string()
    });
    let frames = stream::iter(frames).chain(stream::pending());
    let (outgoing, mut answers) = mpsc::channel(64);
    let engine = site.engine.clone();
    let served = tokio::spawn(async move { engine.serve(connection, frames, outgoing).await });
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(taken.load(Ordering::Relaxed), 3, "frames of a fifth of a megabyte");

    host.is_free.store(true, Ordering::Relaxed);
    let mut answered = 0;
    while answered < 10 {
        let frame: Value = serde_json::from_str(&answers.recv().await.unwrap()).unwrap();
        answered += usize::from(frame["result"]["qDocList"].is_array());
        assert!(frame["error"].is_null(), "{frame}");
    }
    drop(answers);
    served.await.unwrap();
}
