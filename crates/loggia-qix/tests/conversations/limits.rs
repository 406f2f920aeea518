//! What one client may ask for at a time, and how much of the engine it may hold.

use loggia_model::Caller;
use loggia_qix::CloseReason;
use serde_json::{Value, json};

use crate::site::{APP, Client, SECRET, Site};

const ROWS: usize = 4_000;
const TOO_LARGE: i64 = 7009;
const INVALID_PARAMETERS: i64 = 8;

/// A socket with an app of one table with many rows.
async fn many_rows(site: &Site) -> Client {
    let editor = site.person("editor");
    let script = format!("Long: LOAD RecNo() as Row, RecNo() as Copy AUTOGENERATE {ROWS};");
    site.repository.set_app_script(&editor, SECRET, &script).unwrap();
    let (engine, by) = (site.engine.clone(), editor.clone());
    tokio::task::spawn_blocking(move || engine.reload_app(&by, SECRET).unwrap()).await.unwrap();
    site.connect_at(editor, &SECRET.text(), None).opened_with(SECRET).await
}

fn cube(mode: &str, dimensions: &[&str], fetch: Value) -> Value {
    let dimensions: Vec<Value> =
        dimensions.iter().map(|field| json!({ "qDef": { "qFieldDefs": [field] } })).collect();
    json!({
        "qMode": mode, "qAlwaysFullyExpanded": true,
        "qDimensions": dimensions,
        "qMeasures": [{ "qDef": { "qDef": "Sum(Row)" } }],
        "qInitialDataFetch": fetch,
    })
}

fn page(width: usize, height: usize) -> Value {
    json!({ "qWidth": width, "qHeight": height })
}

fn times(page: &Value, count: usize) -> Value {
    vec![page.clone(); count].into()
}

async fn object(client: &mut Client, name: &str, definition: Value) -> i64 {
    let properties = json!([{ "qInfo": { "qType": "x" }, name: definition }]);
    client.handle(1, "CreateSessionObject", properties).await
}

/// The pages of a call, or the code of its error.
async fn pages(
    client: &mut Client,
    handle: i64,
    method: &str,
    params: Value,
) -> Result<Vec<Value>, i64> {
    let answer = client.call(handle, method, params).await;
    match answer["error"]["code"].as_i64() {
        Some(code) => Err(code),
        None => Ok(answer["result"]["qDataPages"].as_array().unwrap().clone()),
    }
}

#[tokio::test]
async fn the_pages_of_one_call_are_bounded_together() {
    let site = Site::new();
    let mut client = many_rows(&site).await;
    let list =
        json!({ "qDef": { "qFieldDefs": ["Row"] }, "qExpressions": [{ "qExpr": "Sum(Row)" }] });
    for (method, name, definition) in [
        ("GetHyperCubeData", "qHyperCubeDef", cube("S", &["Row"], json!([]))),
        ("GetHyperCubePivotData", "qHyperCubeDef", cube("P", &["Row"], json!([]))),
        ("GetHyperCubeStackData", "qHyperCubeDef", cube("K", &["Row", "Copy"], json!([]))),
        ("GetListObjectData", "qListObjectDef", list),
    ] {
        let handle = object(&mut client, name, definition).await;
        let path = format!("/{name}");
        let ask = |pages: Value| match method {
            "GetHyperCubeStackData" => json!([path, pages, 100_000]),
            _ => json!([path, pages]),
        };
        // The same page may be asked for more than once, and is given as often.
        let same = ask(times(&page(2, 500), 4));
        let given = pages(&mut client, handle, method, same).await.unwrap();
        assert!(given.len() == 4 && given[0] == given[3], "{method}");
        let many = ask(times(&page(2, 3_000), 90));
        assert_eq!(pages(&mut client, handle, method, many).await, Err(TOO_LARGE), "{method}");
        let empty = ask(times(&page(0, 0), 5_000));
        assert_eq!(pages(&mut client, handle, method, empty).await, Err(TOO_LARGE), "{method}");
    }
}

#[tokio::test]
async fn reduced_pages_are_thinned_to_one_answer() {
    let site = Site::new();
    let mut client = many_rows(&site).await;
    let method = "GetHyperCubeReducedData";
    let rows = |pages: &[Value]| -> Vec<usize> {
        pages.iter().map(|page| page["qMatrix"].as_array().unwrap().len()).collect()
    };
    let width = |pages: &[Value]| pages[0]["qMatrix"][0].as_array().unwrap().len();
    for measures in [json!([{ "qDef": { "qDef": "Sum(Row)" } }]), json!([])] {
        let mut definition = cube("S", &["Row", "Copy"], json!([]));
        definition["qMeasures"] = measures;
        let handle = object(&mut client, "qHyperCubeDef", definition).await;
        let ask = |pages: Value| json!(["/qHyperCubeDef", pages, -1, "D1"]);
        // What charts ask for comes as it is.
        let usual = pages(&mut client, handle, method, ask(times(&page(3, 2_000), 1))).await;
        assert_eq!(rows(&usual.unwrap()), [2_000]);
        let many = pages(&mut client, handle, method, ask(times(&page(3, 4_000), 50))).await;
        let many = many.unwrap();
        let cells = rows(&many).iter().sum::<usize>() * width(&many);
        assert!(many.len() == 50 && cells <= 10_000, "{cells}");
        let more = pages(&mut client, handle, method, ask(times(&page(3, 1), 101))).await;
        assert_eq!(more, Err(TOO_LARGE));
    }
}

#[tokio::test]
async fn a_layout_holds_no_more_than_one_call_may_carry() {
    let site = Site::new();
    let mut client = many_rows(&site).await;
    let large = times(&page(2, 3_000), 40);
    for mode in ["S", "P", "K"] {
        let definition = cube(mode, &["Row"], large.clone());
        let handle = object(&mut client, "qHyperCubeDef", definition).await;
        let layout = client.result(handle, "GetLayout", json!([])).await["qLayout"].clone();
        let cube = &layout["qHyperCube"];
        if mode == "S" {
            assert_eq!(cube["qError"]["qErrorCode"], json!(TOO_LARGE));
            assert_eq!(cube["qSize"], json!({ "qcx": 2, "qcy": ROWS }));
        }
        for pages in ["qDataPages", "qPivotDataPages", "qStackedDataPages"] {
            assert_eq!(cube[pages], json!([]), "{mode}");
        }
    }
    let list = json!({ "qDef": { "qFieldDefs": ["Row"] }, "qInitialDataFetch": large });
    let handle = object(&mut client, "qListObjectDef", list).await;
    let layout = client.result(handle, "GetLayout", json!([])).await["qLayout"].clone();
    assert_eq!(layout["qListObject"]["qError"]["qErrorCode"], json!(TOO_LARGE));
    assert_eq!(layout["qListObject"]["qDataPages"], json!([]));

    // Each of these fits, but not all of them.
    let boxes: Vec<Value> = (0..50)
        .map(|_| json!({ "qHyperCubeDef": cube("S", &["Row"], json!([page(2, 4_000)])) }))
        .collect();
    let handle = object(&mut client, "boxes", boxes.into()).await;
    let layout = client.result(handle, "GetLayout", json!([])).await["qLayout"].clone();
    let filled = layout["boxes"].as_array().unwrap();
    let is_filled = |item: &&Value| item["qHyperCube"]["qDataPages"] != json!([]);
    assert_eq!(filled.iter().filter(is_filled).count(), 12);
    assert_eq!(filled[49]["qHyperCube"]["qError"]["qErrorCode"], json!(TOO_LARGE));
}

#[tokio::test]
async fn an_object_has_a_bounded_number_of_cubes_and_lists() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let of = |count: usize| -> Value {
        let boxes = vec![json!({ "qHyperCubeDef": cube("S", &["Product"], json!([])) }); count];
        json!({ "qInfo": { "qType": "x" }, "boxes": boxes })
    };
    let answer = client.call(1, "CreateSessionObject", json!([of(51)])).await;
    assert_eq!(answer["error"]["code"], json!(INVALID_PARAMETERS));
    let handle = client.handle(1, "CreateSessionObject", json!([of(50)])).await;
    let answer = client.call(handle, "SetProperties", json!([of(51)])).await;
    assert_eq!(answer["error"]["code"], json!(INVALID_PARAMETERS));
    let more = json!([[{
        "qOp": "add", "qPath": "/more", "qValue": "{\"qListObjectDef\":{}}",
    }], true]);
    let answer = client.call(handle, "ApplyPatches", more).await;
    assert_eq!(answer["error"]["code"], json!(INVALID_PARAMETERS));
}

#[tokio::test]
async fn rows_of_a_table_are_counted_with_its_columns() {
    let site = Site::new();
    let mut client = many_rows(&site).await;
    let rows = client.result(1, "GetTableData", json!([0, 9_999, true, "Long"])).await;
    assert_eq!(rows["qData"].as_array().unwrap().len(), ROWS);
    let editor = site.person("editor");
    let script = "Wide: LOAD RecNo() as A, RecNo() as B, RecNo() as C, RecNo() as D \
                  AUTOGENERATE 4000;";
    site.repository.set_app_script(&editor, SECRET, script).unwrap();
    let engine = site.engine.clone();
    tokio::task::spawn_blocking(move || engine.reload_app(&editor, SECRET).unwrap()).await.unwrap();
    let rows = client.result(1, "GetTableData", json!([0, 9_999, true, "Wide"])).await;
    assert_eq!(rows["qData"].as_array().unwrap().len(), 2_500);
}

/// Opens sessions side by side until one is refused, and says how many there were.
async fn sessions_of(site: &Site, caller: &Caller) -> (Vec<Client>, Client) {
    let mut open = Vec::new();
    loop {
        let identity = open.len().to_string();
        let mut client = site.connect_as(caller.clone(), &APP.text(), Some(&identity), None);
        let first = client.next().await;
        if first["method"] != "OnAuthenticationInformation" {
            assert_eq!(first["method"], json!("OnMaxParallelSessionsExceeded"));
            assert_eq!(first["params"]["severity"], json!("fatal"));
            assert_eq!(first["params"]["code"], json!("SES-PARALLEL"));
            return (open, client);
        }
        client.next().await;
        open.push(client);
    }
}

#[tokio::test]
async fn engine_sessions_of_one_caller_are_bounded() {
    let site = Site::new();
    let (mut open, refused) = sessions_of(&site, &site.visitor(1)).await;
    assert_eq!(open.len(), 20);
    assert_eq!(refused.closed().await, CloseReason::TooManySessions);
    // Others are not affected, and who closes one may open another.
    let mut other = site.connect(site.visitor(2));
    assert_eq!(other.greeting().await, "SESSION_CREATED");
    open.pop().unwrap().drop_socket().await;
    let mut next = site.connect_as(site.visitor(1), &APP.text(), Some("next"), None);
    assert_eq!(next.greeting().await, "SESSION_CREATED");
    // A further tab of an app shares its session.
    let mut tab = site.connect_as(site.visitor(1), &APP.text(), Some("0"), None);
    assert_eq!(tab.greeting().await, "SESSION_ATTACHED");

    let (open, _refused) = sessions_of(&site, &site.person("ana")).await;
    assert_eq!(open.len(), 50);
}
