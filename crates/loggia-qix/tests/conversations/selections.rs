//! Selections as the charts and the selections bar make them.

use expect_test::expect;
use serde_json::{Value, json};

use crate::site::{Client, Site};

async fn page(site: &Site) -> (Client, i64, i64, i64) {
    let mut client = site.connect(site.visitor(1)).opened().await;
    let bar = client.handle(1, "GetObject", json!(["bar"])).await;
    let selections = client
        .handle(1, "CreateSessionObject", json!([{ "qInfo": { "qId": "selections", "qType": "current-selections" }, "qSelectionObjectDef": { "qStateName": "$" }, "alternateStates": [] }]))
        .await;
    let list = client
        .handle(1, "CreateSessionObject", json!([{
            "qInfo": { "qId": "box", "qType": "njsListbox" },
            "qListObjectDef": {
                "qDef": { "qFieldDefs": ["Region"], "qSortCriterias": [{ "qSortByState": 1, "qSortByAscii": 1 }] },
                "qShowAlternatives": true,
                "qInitialDataFetch": [{ "qWidth": 1, "qHeight": 10 }],
            },
        }]))
        .await;
    client.said();
    (client, bar, selections, list)
}

#[tokio::test]
async fn a_click_confirmed_is_one_step() {
    let site = Site::new();
    let (mut client, bar, selections, _) = page(&site).await;
    client.call(bar, "BeginSelections", json!([["/qHyperCubeDef"]])).await;
    client.call(bar, "SelectHyperCubeValues", json!(["/qHyperCubeDef", 0, [1], false])).await;
    client.call(bar, "SelectHyperCubeValues", json!(["/qHyperCubeDef", 0, [1, 2], false])).await;
    let modal = client.result(bar, "GetLayout", json!([])).await;
    assert_eq!(
        modal["qLayout"]["qSelectionInfo"],
        json!({ "qInSelections": true, "qMadeSelections": true })
    );
    client.said();
    client.call(bar, "EndSelections", json!([true])).await;
    client.call(bar, "EndSelections", json!([true])).await;
    client.call(selections, "GetLayout", json!([])).await;
    client.call(1, "Back", json!([])).await;
    client.call(1, "Back", json!([])).await;
    client.call(1, "Forward", json!([])).await;
    client.call(1, "ClearAll", json!([])).await;
    expect![[r#"
        -> h2 EndSelections [true]
        <- {"result":{},"change":[2,3]}
        -> h2 EndSelections [true]
        <- {"result":{}}
        -> h3 GetLayout []
        <- {
          "result": {
            "qLayout": {
              "qInfo": {
                "qId": "selections",
                "qType": "current-selections"
              },
              "qMeta": {
                "privileges": [
                  "read",
                  "update",
                  "delete",
                  "exportdata"
                ]
              },
              "qSelectionInfo": {},
              "qSelectionObject": {
                "qBackCount": 1,
                "qForwardCount": 0,
                "qSelections": [
                  {
                    "qField": "Product",
                    "qReadableName": "Product",
                    "qSelected": "Bolt, Cog",
                    "qSelectedCount": 2,
                    "qTotal": 3,
                    "qIsNum": false,
                    "qLocked": false,
                    "qOneAndOnlyOne": false,
                    "qTextSearch": "",
                    "qSortIndex": 0,
                    "qSelectionThreshold": 6,
                    "qIsHidden": false,
                    "qRangeInfo": [],
                    "qStateCounts": {
                      "qLocked": 0,
                      "qSelected": 2,
                      "qOption": 0,
                      "qDeselected": 0,
                      "qAlternative": 1,
                      "qExcluded": 0,
                      "qSelectedExcluded": 0,
                      "qLockedExcluded": 0
                    },
                    "qSelectedFieldSelectionInfo": [
                      {
                        "qName": "Bolt",
                        "qFieldSelectionMode": "NORMAL"
                      },
                      {
                        "qName": "Cog",
                        "qFieldSelectionMode": "NORMAL"
                      }
                    ],
                    "qNotSelectedFieldSelectionInfo": [],
                    "qDimensionReferences": []
                  }
                ],
                "qStateName": "$"
              },
              "alternateStates": []
            }
          }
        }
        -> h1 Back []
        <- {"result":{"qSuccess":true},"change":[1,2,3,4]}
        -> h1 Back []
        <- {"result":{"qSuccess":false}}
        -> h1 Forward []
        <- {"result":{"qSuccess":true},"change":[1,2,3,4]}
        -> h1 ClearAll []
        <- {"result":{},"change":[1,2,3,4]}
    "#]]
    .assert_eq(&client.said());
}

#[tokio::test]
async fn a_click_cancelled_leaves_no_trace() {
    let site = Site::new();
    let (mut client, bar, selections, _) = page(&site).await;
    client.call(bar, "BeginSelections", json!([["/qHyperCubeDef"]])).await;
    client.call(bar, "SelectHyperCubeValues", json!(["/qHyperCubeDef", 0, [1], false])).await;
    client.call(bar, "ResetMadeSelections", json!([])).await;
    client.call(bar, "SelectHyperCubeValues", json!(["/qHyperCubeDef", 0, [0], false])).await;
    client.call(bar, "EndSelections", json!([false])).await;
    expect![[r#"
        -> h2 BeginSelections [["/qHyperCubeDef"]]
        <- {"result":{},"change":[2]}
        -> h2 SelectHyperCubeValues ["/qHyperCubeDef",0,[1],false]
        <- {"result":{"qSuccess":true},"change":[1,2,3,4]}
        -> h2 ResetMadeSelections []
        <- {"result":{},"change":[1,2,3,4]}
        -> h2 SelectHyperCubeValues ["/qHyperCubeDef",0,[0],false]
        <- {"result":{"qSuccess":true},"change":[1,2,3,4]}
        -> h2 EndSelections [false]
        <- {"result":{},"change":[1,2,3,4]}
    "#]]
    .assert_eq(&client.said());
    let bar = client.result(selections, "GetLayout", json!([])).await;
    assert_eq!(bar["qLayout"]["qSelectionObject"]["qSelections"], json!([]));
    assert_eq!(bar["qLayout"]["qSelectionObject"]["qBackCount"], json!(0));
}

#[tokio::test]
async fn only_one_object_selects_at_a_time() {
    let site = Site::new();
    let (mut client, bar, _, list) = page(&site).await;
    client.call(bar, "BeginSelections", json!([["/qHyperCubeDef"]])).await;
    client.call(bar, "SelectHyperCubeValues", json!(["/qHyperCubeDef", 0, [1], false])).await;
    client.call(list, "BeginSelections", json!([["/qListObjectDef"]])).await;
    client.call(list, "SelectListObjectValues", json!(["/qListObjectDef", [0], true])).await;
    client.call(1, "AbortModal", json!([true])).await;
    client.call(list, "BeginSelections", json!([["/qListObjectDef"]])).await;
    expect![[r#"
        -> h2 BeginSelections [["/qHyperCubeDef"]]
        <- {"result":{},"change":[2]}
        -> h2 SelectHyperCubeValues ["/qHyperCubeDef",0,[1],false]
        <- {"result":{"qSuccess":true},"change":[1,2,3,4]}
        -> h4 BeginSelections [["/qListObjectDef"]]
        <- {"error":{"code":6003,"parameter":"","message":"Modal object error"}}
        -> h4 SelectListObjectValues ["/qListObjectDef",[0],true]
        <- {"error":{"code":6003,"parameter":"","message":"Modal object error"}}
        -> h1 AbortModal [true]
        <- {"result":{},"change":[2,3]}
        -> h4 BeginSelections [["/qListObjectDef"]]
        <- {"result":{},"change":[4]}
    "#]]
    .assert_eq(&client.said());
}

#[tokio::test]
async fn a_list_box_is_searched_and_selected_from() {
    let site = Site::new();
    let (mut client, _, selections, list) = page(&site).await;
    client.call(list, "GetLayout", json!([])).await;
    client.call(list, "GetListObjectData", json!(["/qListObjectDef", [{ "qWidth": 1, "qHeight": 2 }, { "qTop": 2, "qWidth": 1, "qHeight": 100 }, { "qTop": 50, "qWidth": 1, "qHeight": 100 }]])).await;
    expect![[r#"
        -> h4 GetLayout []
        <- {
          "result": {
            "qLayout": {
              "qInfo": {
                "qId": "box",
                "qType": "njsListbox"
              },
              "qMeta": {
                "privileges": [
                  "read",
                  "update",
                  "delete",
                  "exportdata"
                ]
              },
              "qSelectionInfo": {},
              "qListObject": {
                "qSize": {
                  "qcx": 1,
                  "qcy": 3
                },
                "qDimensionInfo": {
                  "qFallbackTitle": "Region",
                  "qApprMaxGlyphCount": 5,
                  "qCardinal": 3,
                  "qSortIndicator": "A",
                  "qGroupFallbackTitles": [
                    "Region"
                  ],
                  "qGroupPos": 0,
                  "qStateCounts": {
                    "qLocked": 0,
                    "qSelected": 0,
                    "qOption": 3,
                    "qDeselected": 0,
                    "qAlternative": 0,
                    "qExcluded": 0,
                    "qSelectedExcluded": 0,
                    "qLockedExcluded": 0
                  },
                  "qTags": [
                    "$ascii",
                    "$text",
                    "$key"
                  ],
                  "qDimensionType": "D",
                  "qGrouping": "N",
                  "qNumFormat": {
                    "qType": "U",
                    "qnDec": 0,
                    "qUseThou": 0
                  },
                  "qIsAutoFormat": true,
                  "qGroupFieldDefs": [
                    "Region"
                  ],
                  "qMin": "NaN",
                  "qMax": "NaN",
                  "qAttrExprInfo": [],
                  "qAttrDimInfo": [],
                  "qCalcCondMsg": "",
                  "qCardinalities": {
                    "qCardinal": 3,
                    "qHypercubeCardinal": 3,
                    "qAllValuesCardinal": -1
                  }
                },
                "qExpressions": [],
                "qDataPages": [
                  {
                    "qMatrix": [
                      [
                        {
                          "qText": "East",
                          "qNum": "NaN",
                          "qElemNumber": 2,
                          "qState": "O"
                        }
                      ],
                      [
                        {
                          "qText": "North",
                          "qNum": "NaN",
                          "qElemNumber": 0,
                          "qState": "O"
                        }
                      ],
                      [
                        {
                          "qText": "South",
                          "qNum": "NaN",
                          "qElemNumber": 1,
                          "qState": "O"
                        }
                      ]
                    ],
                    "qTails": [
                      {
                        "qUp": 0,
                        "qDown": 0
                      }
                    ],
                    "qArea": {
                      "qLeft": 0,
                      "qTop": 0,
                      "qWidth": 1,
                      "qHeight": 3
                    },
                    "qIsReduced": false
                  }
                ]
              }
            }
          }
        }
        -> h4 GetListObjectData ["/qListObjectDef",[{"qWidth":1,"qHeight":2},{"qTop":2,"qWidth":1,"qHeight":100},{"qTop":50,"qWidth":1,"qHeight":100}]]
        <- {
          "result": {
            "qDataPages": [
              {
                "qMatrix": [
                  [
                    {
                      "qText": "East",
                      "qNum": "NaN",
                      "qElemNumber": 2,
                      "qState": "O"
                    }
                  ],
                  [
                    {
                      "qText": "North",
                      "qNum": "NaN",
                      "qElemNumber": 0,
                      "qState": "O"
                    }
                  ]
                ],
                "qTails": [
                  {
                    "qUp": 0,
                    "qDown": 0
                  }
                ],
                "qArea": {
                  "qLeft": 0,
                  "qTop": 0,
                  "qWidth": 1,
                  "qHeight": 2
                },
                "qIsReduced": false
              },
              {
                "qMatrix": [
                  [
                    {
                      "qText": "South",
                      "qNum": "NaN",
                      "qElemNumber": 1,
                      "qState": "O"
                    }
                  ]
                ],
                "qTails": [
                  {
                    "qUp": 0,
                    "qDown": 0
                  }
                ],
                "qArea": {
                  "qLeft": 0,
                  "qTop": 2,
                  "qWidth": 1,
                  "qHeight": 1
                },
                "qIsReduced": false
              },
              {
                "qMatrix": [],
                "qTails": [
                  {
                    "qUp": 0,
                    "qDown": 0
                  }
                ],
                "qArea": {
                  "qLeft": 0,
                  "qTop": 3,
                  "qWidth": 0,
                  "qHeight": 0
                },
                "qIsReduced": false
              }
            ]
          }
        }
    "#]].assert_eq(&client.said());
    client.call(list, "BeginSelections", json!([["/qListObjectDef"]])).await;
    client.call(list, "SearchListObjectFor", json!(["/qListObjectDef", "*t*"])).await;
    let found = client.result(list, "GetLayout", json!([])).await;
    let found = texts(&found["qLayout"]["qListObject"]["qDataPages"][0]["qMatrix"]);
    client.said();
    client.call(list, "AcceptListObjectSearch", json!(["/qListObjectDef", true])).await;
    client.call(list, "EndSelections", json!([true])).await;
    client.call(1, "GetField", json!(["Region", "$"])).await;
    let field = 5;
    client.call(field, "Lock", json!([])).await;
    client.call(list, "SelectListObjectValues", json!(["/qListObjectDef", [0], true])).await;
    client.call(field, "Unlock", json!([])).await;
    client.call(list, "SelectListObjectExcluded", json!(["/qListObjectDef", false])).await;
    client.call(field, "Clear", json!([])).await;
    client.call(list, "SelectListObjectValues", json!(["/nowhere", [0], true])).await;
    client.call(list, "SelectListObjectValues", json!(["/qListObjectDef", [999], true])).await;
    expect![[r#"
        -> h4 AcceptListObjectSearch ["/qListObjectDef",true]
        <- {"result":{"qSuccess":true},"change":[1,2,3,4]}
        -> h4 EndSelections [true]
        <- {"result":{},"change":[3,4]}
        -> h1 GetField ["Region","$"]
        <- {"result":{"qReturn":{"qType":"Field","qHandle":5,"qGenericType":"","qGenericId":"Region"}}}
        -> h5 Lock []
        <- {"result":{"qReturn":true},"change":[1,2,3,4]}
        -> h4 SelectListObjectValues ["/qListObjectDef",[0],true]
        <- {"result":{"qSuccess":false}}
        -> h5 Unlock []
        <- {"result":{"qReturn":true},"change":[1,2,3,4]}
        -> h4 SelectListObjectExcluded ["/qListObjectDef",false]
        <- {"result":{"qSuccess":false}}
        -> h5 Clear []
        <- {"result":{"qReturn":true},"change":[1,2,3,4]}
        -> h4 SelectListObjectValues ["/nowhere",[0],true]
        <- {"error":{"code":4,"parameter":"/nowhere","message":"Invalid path"}}
        -> h4 SelectListObjectValues ["/qListObjectDef",[999],true]
        <- {"result":{"qSuccess":false}}
    "#]].assert_eq(&client.said());
    expect![[r#"["East", "North", "South"]"#]].assert_eq(&format!("{found:?}"));
    let bar = client.result(selections, "GetLayout", json!([])).await;
    assert_eq!(bar["qLayout"]["qSelectionObject"]["qSelections"], json!([]));
}

#[tokio::test]
async fn alternate_states_do_not_touch_each_other() {
    let site = Site::new();
    let (mut client, bar, selections, _) = page(&site).await;
    client.result(1, "AddSessionAlternateState", json!(["Other", ""])).await;
    let list = client
        .handle(1, "CreateSessionObject", json!([{
            "qInfo": { "qType": "njsListbox" }, "qStateName": "Other",
            "qListObjectDef": { "qDef": { "qFieldDefs": ["Region"] }, "qInitialDataFetch": [{ "qWidth": 1, "qHeight": 10 }] },
        }]))
        .await;
    client.result(list, "SelectListObjectValues", json!(["/qListObjectDef", [0], true])).await;
    let shown = client.result(selections, "GetLayout", json!([])).await;
    assert_eq!(shown["qLayout"]["qSelectionObject"]["qSelections"], json!([]));
    let layout = client.result(bar, "GetLayout", json!([])).await;
    assert_eq!(layout["qLayout"]["qHyperCube"]["qSize"]["qcy"], json!(3));
    let layout = client.result(1, "GetAppLayout", json!([])).await;
    assert_eq!(layout["qLayout"]["qStateNames"], json!(["$", "Other"]));
}

fn texts(matrix: &Value) -> Vec<String> {
    let rows = matrix.as_array().unwrap();
    rows.iter().map(|row| row[0]["qText"].as_str().unwrap().to_owned()).collect()
}
