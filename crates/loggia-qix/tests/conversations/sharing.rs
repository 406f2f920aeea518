//! What somebody who is not on the list of a sheet or an app gets over the engine protocol: nothing
//! of it, by no way, from the moment on when the list is there.

use loggia_model::{Caller, InternalAccount};
use loggia_qix::CloseReason;
use loggia_repository::share::{Choice, MemberText, SharedPlace};
use serde_json::{Value, json};

use crate::site::{APP, Client, Site};

fn narrow(site: &Site, place: SharedPlace, members: &[(&str, &str)]) {
    let members = members
        .iter()
        .map(|(kind, value)| MemberText {
            kind: (*kind).to_owned(),
            value: (*value).to_owned(),
            name: String::new(),
        })
        .collect();
    let admin = Caller::internal(InternalAccount::Repository);
    site.repository.set_audience(&admin, place, &Choice::Own(members)).unwrap();
}

fn sheet(site: &Site) -> SharedPlace {
    SharedPlace::Sheet(site.repository.site().object_in_app(APP, "sheet").unwrap().id)
}

/// The public app in an engine session of its own.
async fn fresh(site: &Site, caller: Caller) -> Client {
    let identity = uuid::Uuid::new_v4().to_string();
    site.connect_as(caller, &APP.text(), Some(&identity), None).opened().await
}

/// Everything that can be got at of the sheet, its chart, and the chart's data.
async fn seen(client: &mut Client) -> Vec<&'static str> {
    let mut seen = Vec::new();
    let list = json!([{
        "qInfo": { "qType": "SheetList" },
        "qAppObjectListDef": { "qType": "", "qData": { "title": "/qMetaDef/title" } },
    }]);
    let list = client.handle(1, "CreateSessionObject", list).await;
    let layout = client.result(list, "GetLayout", json!([])).await;
    let infos = client.result(1, "GetAllInfos", json!([])).await;
    let objects = client.result(1, "GetObjects", json!([{}])).await;
    for (what, found) in [("list", &layout), ("infos", &infos), ("objects", &objects)] {
        if found.to_string().contains("\"sheet\"") || found.to_string().contains("\"bar\"") {
            seen.push(what);
        }
    }
    for (what, id) in [("sheet", "sheet"), ("chart", "bar")] {
        if client.call(1, "GetObject", json!([id])).await.get("error").is_none() {
            seen.push(what);
        }
    }
    // A chart of one's own that is made from the hidden one, and a copy of it.
    let extends = json!([{ "qInfo": { "qType": "barchart" }, "qExtendsId": "bar" }]);
    let own = client.handle(1, "CreateSessionObject", extends).await;
    let layout = client.result(own, "GetLayout", json!([])).await;
    if layout["qLayout"]["qHyperCube"]["qDataPages"][0]["qMatrix"][0].is_array() {
        seen.push("data by a chart made from it");
    }
    if client.call(1, "CloneObject", json!(["bar"])).await.get("error").is_none() {
        seen.push("copy");
    }
    seen
}

#[tokio::test]
async fn a_sheet_for_some_does_not_exist_for_the_others_nor_do_its_charts() {
    let site = Site::new();
    let (ana, ben) = (site.person("ana"), site.person("ben"));
    let whole = ["list", "infos", "objects", "sheet", "chart", "data by a chart made from it"];
    for caller in [site.visitor(1), ana.clone(), ben.clone()] {
        let mut client = fresh(&site, caller).await;
        assert_eq!(seen(&mut client).await.get(..6), Some(&whole[..]));
    }
    narrow(&site, sheet(&site), &[("user", "LOGGIA\\ana")]);
    let mut client = fresh(&site, ana).await;
    assert_eq!(seen(&mut client).await.get(..6), Some(&whole[..]), "a member");
    let mut client = fresh(&site, site.person("editor")).await;
    assert_eq!(seen(&mut client).await.get(..6), Some(&whole[..]), "the owner");
    for caller in [ben, site.visitor(1), site.visitor(2)] {
        let mut client = fresh(&site, caller).await;
        assert_eq!(seen(&mut client).await, [""; 0]);
        // The app itself is open.
        client.result(1, "GetAppLayout", json!([])).await;
    }
}

#[tokio::test]
async fn open_sheets_and_charts_are_taken_away_and_given_back() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let list = json!([{
        "qInfo": { "qType": "SheetList" },
        "qAppObjectListDef": { "qType": "sheet", "qData": {} },
    }]);
    let list = client.handle(1, "CreateSessionObject", list).await;
    let sheet_handle = client.handle(1, "GetObject", json!(["sheet"])).await;
    let bar = client.handle(1, "GetObject", json!(["bar"])).await;
    let page = json!(["/qHyperCubeDef", [{ "qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": 9 }]]);
    client.result(bar, "GetHyperCubeData", page.clone()).await;
    narrow(&site, sheet(&site), &[("signedin", "")]);
    for (handle, method, params) in [
        (sheet_handle, "GetLayout", json!([])),
        (sheet_handle, "GetFullPropertyTree", json!([])),
        (bar, "GetLayout", json!([])),
        (bar, "GetProperties", json!([])),
        (bar, "GetHyperCubeData", page.clone()),
        (bar, "GetParent", json!([])),
    ] {
        let answer = client.call(handle, method, params).await;
        assert!(answer.get("error").is_some(), "{method}: {answer}");
        assert!(!answer.to_string().contains("Anvil"), "{method}: {answer}");
    }
    let items = |layout: &Value| layout["qLayout"]["qAppObjectList"]["qItems"].clone();
    let layout = client.result(list, "GetLayout", json!([])).await;
    assert_eq!(items(&layout), json!([]), "the list knows at once");

    let admin = Caller::internal(InternalAccount::Repository);
    site.repository.set_audience(&admin, sheet(&site), &Choice::SameAsStream).unwrap();
    let layout = client.result(list, "GetLayout", json!([])).await;
    assert_eq!(items(&layout).as_array().map(Vec::len), Some(1));
    let bar = client.handle(1, "GetObject", json!(["bar"])).await;
    client.result(bar, "GetHyperCubeData", page).await;
}

#[tokio::test]
async fn an_app_for_some_is_gone_from_the_hub_and_from_open_sockets() {
    let site = Site::new();
    let (ana, visitor) = (site.person("ana"), site.visitor(1));
    let mut member = site.connect(ana.clone()).opened().await;
    let mut client = site.connect(visitor.clone()).opened().await;
    let apps = |caller: &Caller| site.repository.hub(caller).unwrap()[0].apps.len();
    assert_eq!((apps(&ana), apps(&visitor)), (1, 1));
    narrow(&site, SharedPlace::App(APP), &[("user", "LOGGIA\\ana")]);
    assert_eq!((apps(&ana), apps(&visitor)), (1, 0), "the hub hides it at once");
    let refused = client.call(1, "GetAppLayout", json!([])).await;
    assert!(refused.get("error").is_some(), "{refused}");
    assert_eq!(client.closed().await, CloseReason::AccessLost);
    member.result(1, "GetAppLayout", json!([])).await;

    let mut client = site.connect(visitor);
    client.greeting().await;
    let answer = client.call(-1, "OpenDoc", json!([APP.text()])).await;
    assert_eq!(answer["error"]["code"], json!(1003), "as if it were not there");
    let docs = client.result(-1, "GetDocList", json!([])).await;
    assert_eq!(docs["qDocList"], json!([]));
}
