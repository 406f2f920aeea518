//! Objects: layouts, patches, children, library items, variables.

use expect_test::expect;
use serde_json::{Value, json};

use crate::site::{SECRET, Site};

#[tokio::test]
async fn lists_that_are_not_there_are_made_by_the_client() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    client.said();
    client.call(1, "GetObject", json!(["FieldList"])).await;
    client.call(1, "CreateSessionObject", json!([{ "qInfo": { "qId": "FieldList", "qType": "FieldList" }, "qFieldListDef": { "qShowSystem": false, "qShowSrcTables": true } }])).await;
    client
        .call(
            1,
            "CreateSessionObject",
            json!([{ "qInfo": { "qId": "FieldList", "qType": "FieldList" } }]),
        )
        .await;
    client.call(1, "CreateSessionObject", json!([{
        "qInfo": { "qId": "DimensionList", "qType": "DimensionList" },
        "qDimensionListDef": { "qType": "dimension", "qData": {
            "title": "/title", "tags": "/tags", "grouping": "/qDim/qGrouping", "info": "/qDimInfos", "labelExpression": "/qDim/qLabelExpression",
        } },
    }])).await;
    client.call(2, "GetLayout", json!([])).await;
    client.call(3, "GetLayout", json!([])).await;
    expect![[r#"
        -> h1 GetObject ["FieldList"]
        <- {"error":{"code":2,"parameter":"FieldList","message":"Object not found"}}
        -> h1 CreateSessionObject [{"qInfo":{"qId":"FieldList","qType":"FieldList"},"qFieldListDef":{"qShowSystem":false,"qShowSrcTables":true}}]
        <- {"result":{"qReturn":{"qType":"GenericObject","qHandle":2,"qGenericType":"FieldList","qGenericId":"FieldList"},"qInfo":{"qId":"FieldList","qType":"FieldList"}}}
        -> h1 CreateSessionObject [{"qInfo":{"qId":"FieldList","qType":"FieldList"}}]
        <- {"error":{"code":3,"parameter":"FieldList","message":"Already exists"}}
        -> h1 CreateSessionObject [{"qInfo":{"qId":"DimensionList","qType":"DimensionList"},"qDimensionListDef":{"qType":"dimension","qData":{"title":"/title","tags":"/tags","grouping":"/qDim/qGrouping","info":"/qDimInfos","labelExpression":"/qDim/qLabelExpression"}}}]
        <- {
          "result": {
            "qReturn": {
              "qType": "GenericObject",
              "qHandle": 3,
              "qGenericType": "DimensionList",
              "qGenericId": "DimensionList"
            },
            "qInfo": {
              "qId": "DimensionList",
              "qType": "DimensionList"
            }
          }
        }
        -> h2 GetLayout []
        <- {
          "result": {
            "qLayout": {
              "qInfo": {
                "qId": "FieldList",
                "qType": "FieldList"
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
              "qFieldList": {
                "qItems": [
                  {
                    "qName": "Product",
                    "qCardinal": 3,
                    "qTags": [
                      "$ascii",
                      "$text"
                    ],
                    "qSrcTables": [
                      "Sales"
                    ],
                    "qIsNumeric": false
                  },
                  {
                    "qName": "Region",
                    "qCardinal": 3,
                    "qTags": [
                      "$ascii",
                      "$text",
                      "$key"
                    ],
                    "qSrcTables": [
                      "Sales",
                      "Regions"
                    ],
                    "qIsNumeric": false
                  },
                  {
                    "qName": "Amount",
                    "qCardinal": 6,
                    "qTags": [
                      "$numeric",
                      "$integer"
                    ],
                    "qSrcTables": [
                      "Sales"
                    ],
                    "qIsNumeric": true
                  },
                  {
                    "qName": "Country",
                    "qCardinal": 3,
                    "qTags": [
                      "$ascii",
                      "$text"
                    ],
                    "qSrcTables": [
                      "Regions"
                    ],
                    "qIsNumeric": false
                  }
                ]
              }
            }
          }
        }
        -> h3 GetLayout []
        <- {
          "result": {
            "qLayout": {
              "qInfo": {
                "qId": "DimensionList",
                "qType": "DimensionList"
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
              "qDimensionList": {
                "qItems": [
                  {
                    "qInfo": {
                      "qId": "dim-region",
                      "qType": "dimension"
                    },
                    "qMeta": {
                      "title": "Sales region",
                      "tags": [
                        "geo"
                      ],
                      "privileges": [
                        "read"
                      ],
                      "published": true,
                      "approved": true,
                      "createdDate": "2026-11-24T08:00:00.000Z",
                      "modifiedDate": "2026-11-24T08:00:00.001Z",
                      "id": "…",
                      "_resourcetype": "app.object",
                      "_objecttype": "dimension",
                      "sourceObject": "",
                      "draftObject": "",
                      "description": ""
                    },
                    "qData": {
                      "title": "Sales region",
                      "tags": [
                        "geo"
                      ],
                      "grouping": "N",
                      "info": [
                        {
                          "qName": "Region",
                          "qApprMaxGlyphCount": 0,
                          "qCardinal": 3,
                          "qTags": [
                            "$ascii",
                            "$text",
                            "$key"
                          ],
                          "qIsSemantic": false,
                          "qAndMode": false
                        }
                      ],
                      "labelExpression": ""
                    }
                  }
                ]
              }
            }
          }
        }
    "#]].assert_eq(&client.said());
}

#[tokio::test]
async fn sheets_are_listed_with_what_a_client_asks_for() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let list = client.handle(1, "CreateSessionObject", json!([{
        "qInfo": { "qType": "SheetList" },
        "qAppObjectListDef": { "qType": "sheet", "qData": { "title": "/qMetaDef/title", "rank": "/rank", "cells": "/cells", "showCondition": "/showCondition" } },
    }])).await;
    client.said();
    let layout = client.result(list, "GetLayout", json!([])).await;
    let items = &layout["qLayout"]["qAppObjectList"]["qItems"];
    expect![[r#"
        {
          "title": "Overview",
          "rank": 0,
          "cells": [
            {
              "name": "bar",
              "type": "barchart",
              "col": 0,
              "row": 0,
              "colspan": 12,
              "rowspan": 6
            }
          ],
          "showCondition": ""
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&items[0]["qData"]).unwrap());
    let sheet = client.handle(1, "GetObject", json!(["sheet"])).await;
    client.said();
    client.call(sheet, "GetLayout", json!([])).await;
    client.call(sheet, "GetChildInfos", json!([])).await;
    client.call(1, "GetAllInfos", json!([])).await;
    expect![[r#"
        -> h3 GetLayout []
        <- {
          "result": {
            "qLayout": {
              "qInfo": {
                "qId": "sheet",
                "qType": "sheet"
              },
              "qMeta": {
                "title": "Overview",
                "description": "",
                "privileges": [
                  "read"
                ],
                "published": true,
                "approved": true,
                "createdDate": "2026-11-24T08:00:00.000Z",
                "modifiedDate": "2026-11-24T08:00:00.001Z",
                "id": "…",
                "_resourcetype": "app.object",
                "_objecttype": "sheet",
                "sourceObject": "",
                "draftObject": ""
              },
              "qSelectionInfo": {},
              "rank": 0,
              "columns": 24,
              "rows": 12,
              "cells": [
                {
                  "name": "bar",
                  "type": "barchart",
                  "col": 0,
                  "row": 0,
                  "colspan": 12,
                  "rowspan": 6
                }
              ],
              "qChildList": {
                "qItems": [
                  {
                    "qInfo": {
                      "qId": "bar",
                      "qType": "barchart"
                    },
                    "qMeta": {
                      "privileges": [
                        "read"
                      ],
                      "published": true,
                      "approved": true,
                      "createdDate": "2026-11-24T08:00:00.000Z",
                      "modifiedDate": "2026-11-24T08:00:00.001Z",
                      "id": "…",
                      "_resourcetype": "app.object",
                      "_objecttype": "barchart",
                      "sourceObject": "",
                      "draftObject": "",
                      "title": "",
                      "description": ""
                    },
                    "qData": {
                      "title": "Sales of 3 products"
                    }
                  }
                ]
              }
            }
          }
        }
        -> h3 GetChildInfos []
        <- {"result":{"qInfos":[{"qId":"bar","qType":"barchart"}]}}
        -> h1 GetAllInfos []
        <- {"result":{"qInfos":[{"qId":"bar","qType":"barchart"},{"qId":"dim-region","qType":"dimension"},{"qId":"sheet","qType":"sheet"}]}}
    "#]].assert_eq(&client.said());
}

#[tokio::test]
async fn soft_patches_change_the_layout_of_one_session_only() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let mut other = site.connect(site.visitor(2)).opened().await;
    let bar = client.handle(1, "GetObject", json!(["bar"])).await;
    client.said();
    let patches = json!([[
        { "qOp": "add", "qPath": "/qHyperCubeDef/qMode", "qValue": "\"S\"" },
        { "qOp": "add", "qPath": "/hash", "qValue": "0.33478" },
        { "qPath": "/qHyperCubeDef/qInterColumnSortOrder", "qOp": "Replace", "qValue": "[1,0]" },
    ], true]);
    client.call(bar, "ApplyPatches", patches).await;
    client
        .call(bar, "ApplyPatches", json!([[{ "qOp": "remove", "qPath": "/nothing" }], true]))
        .await;
    expect![[r#"
        -> h2 ApplyPatches [[{"qOp":"add","qPath":"/qHyperCubeDef/qMode","qValue":"\"S\""},{"qOp":"add","qPath":"/hash","qValue":"0.33478"},{"qPath":"/qHyperCubeDef/qInterColumnSortOrder","qOp":"Replace","qValue":"[1,0]"}],true]
        <- {"result":{},"change":[2]}
        -> h2 ApplyPatches [[{"qOp":"remove","qPath":"/nothing"}],true]
        <- {"error":{"code":4,"parameter":"/nothing","message":"Invalid path"}}
    "#]].assert_eq(&client.said());
    let effective = client.result(bar, "GetEffectiveProperties", json!([])).await;
    assert_eq!(effective["qProp"]["hash"], json!(0.33478));
    assert_eq!(effective["qProp"]["qHyperCubeDef"]["qInterColumnSortOrder"], json!([1, 0]));
    let stored = client.result(bar, "GetProperties", json!([])).await;
    assert_eq!(stored["qProp"]["hash"], Value::Null);
    let layout = client.result(bar, "GetLayout", json!([])).await;
    assert_eq!(layout["qLayout"]["qHasSoftPatches"], json!(true));
    let theirs = other.handle(1, "GetObject", json!(["bar"])).await;
    let theirs = other.result(theirs, "GetEffectiveProperties", json!([])).await;
    assert_eq!(theirs["qProp"]["hash"], Value::Null);
    client.result(bar, "ClearSoftPatches", json!([])).await;
    let effective = client.result(bar, "GetEffectiveProperties", json!([])).await;
    assert_eq!(effective["qProp"]["hash"], Value::Null);
}

#[tokio::test]
async fn a_filter_pane_is_made_as_a_tree_and_its_children_are_found_in_the_app() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let pane = client.handle(1, "CreateSessionObject", json!([{
        "qInfo": { "qId": "pane", "qType": "filterpane" }, "visualization": "filterpane", "qChildListDef": { "qData": { "title": "/title" } },
    }])).await;
    client.said();
    let tree = json!([{
        "qProperty": { "qInfo": { "qId": "pane", "qType": "filterpane" }, "visualization": "filterpane", "qChildListDef": { "qData": { "title": "/title" } } },
        "qChildren": [{ "qProperty": { "qInfo": { "qId": "box", "qType": "listbox" }, "title": "Region", "qListObjectDef": { "qDef": { "qFieldDefs": ["Region"] } } } }],
    }]);
    client.call(pane, "SetFullPropertyTree", tree.clone()).await;
    client.call(pane, "SetFullPropertyTree", tree).await;
    client.call(pane, "GetLayout", json!([])).await;
    client.call(1, "GetObject", json!(["box"])).await;
    client.call(pane, "GetFullPropertyTree", json!([])).await;
    client
        .call(pane, "CreateChild", json!([{ "qInfo": { "qId": "second", "qType": "listbox" } }]))
        .await;
    client.call(pane, "DestroyChild", json!(["box"])).await;
    client.call(1, "DestroySessionObject", json!(["pane"])).await;
    client.call(pane, "GetLayout", json!([])).await;
    expect![[r#"
        -> h2 SetFullPropertyTree [{"qProperty":{"qInfo":{"qId":"pane","qType":"filterpane"},"visualization":"filterpane","qChildListDef":{"qData":{"title":"/title"}}},"qChildren":[{"qProperty":{"qInfo":{"qId":"box","qType":"listbox"},"title":"Region","qListObjectDef":{"qDef":{"qFieldDefs":["Region"]}}}}]}]
        <- {"result":{},"change":[2]}
        -> h2 SetFullPropertyTree [{"qProperty":{"qInfo":{"qId":"pane","qType":"filterpane"},"visualization":"filterpane","qChildListDef":{"qData":{"title":"/title"}}},"qChildren":[{"qProperty":{"qInfo":{"qId":"box","qType":"listbox"},"title":"Region","qListObjectDef":{"qDef":{"qFieldDefs":["Region"]}}}}]}]
        <- {"result":{},"change":[2]}
        -> h2 GetLayout []
        <- {
          "result": {
            "qLayout": {
              "qInfo": {
                "qId": "pane",
                "qType": "filterpane"
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
              "visualization": "filterpane",
              "qChildList": {
                "qItems": [
                  {
                    "qInfo": {
                      "qId": "box",
                      "qType": "listbox"
                    },
                    "qMeta": {
                      "privileges": [
                        "read",
                        "update",
                        "delete",
                        "exportdata"
                      ]
                    },
                    "qData": {
                      "title": "Region"
                    }
                  }
                ]
              }
            }
          }
        }
        -> h1 GetObject ["box"]
        <- {"result":{"qReturn":{"qType":"GenericObject","qHandle":3,"qGenericType":"listbox","qGenericId":"box"}}}
        -> h2 GetFullPropertyTree []
        <- {
          "result": {
            "qPropEntry": {
              "qProperty": {
                "qInfo": {
                  "qId": "pane",
                  "qType": "filterpane"
                },
                "visualization": "filterpane",
                "qChildListDef": {
                  "qData": {
                    "title": "/title"
                  }
                }
              },
              "qChildren": [
                {
                  "qProperty": {
                    "qInfo": {
                      "qId": "box",
                      "qType": "listbox"
                    },
                    "title": "Region",
                    "qListObjectDef": {
                      "qDef": {
                        "qFieldDefs": [
                          "Region"
                        ]
                      }
                    }
                  },
                  "qChildren": [],
                  "qEmbeddedSnapshotRef": null
                }
              ],
              "qEmbeddedSnapshotRef": null
            }
          }
        }
        -> h2 CreateChild [{"qInfo":{"qId":"second","qType":"listbox"}}]
        <- {
          "result": {
            "qReturn": {
              "qType": "GenericObject",
              "qHandle": 4,
              "qGenericType": "listbox",
              "qGenericId": "second"
            },
            "qInfo": {
              "qId": "second",
              "qType": "listbox"
            }
          },
          "change": [
            2
          ]
        }
        -> h2 DestroyChild ["box"]
        <- {"result":{"qSuccess":true},"change":[2],"close":[3]}
        -> h1 DestroySessionObject ["pane"]
        <- {"result":{"qSuccess":true},"close":[2,4]}
        -> h2 GetLayout []
        <- {"error":{"code":-32602,"parameter":"Invalid handle","message":"Invalid Params"}}
    "#]].assert_eq(&client.said());
}

#[tokio::test]
async fn objects_that_a_page_left_behind_make_room_for_new_ones() {
    let site = Site::new();
    let mut first = site.connect(site.visitor(1)).opened().await;
    let kept = json!([{ "qInfo": { "qId": "kept", "qType": "box" } }]);
    for _ in 0..1000 {
        first.result(1, "CreateSessionObject", json!([{ "qInfo": { "qType": "box" } }])).await;
    }
    let full = first.call(1, "CreateSessionObject", kept.clone()).await;
    assert_eq!(full["error"]["code"], json!(19), "a page cannot fill the memory");
    let mut second = site.connect(site.visitor(1));
    second.greeting().await;
    second.result(-1, "GetActiveDoc", json!([])).await;
    first.drop_socket().await;
    second.result(1, "CreateSessionObject", kept).await;
    second.result(1, "GetObject", json!(["kept"])).await;
}

#[tokio::test]
async fn what_an_author_changes_reaches_the_other_sessions_at_once() {
    let site = Site::new();
    let author = site.person("editor");
    let mut here = site.connect_at(author.clone(), "here", None).opened_with(SECRET).await;
    let mut there = site.connect_at(author, "there", None).opened_with(SECRET).await;
    let sheet = here.handle(1, "GetObject", json!(["sheet"])).await;
    let same = there.handle(1, "GetObject", json!(["sheet"])).await;
    let mut properties = here.result(sheet, "GetProperties", json!([])).await["qProp"].clone();
    properties["rank"] = json!(5);
    let answer = here.call(sheet, "SetProperties", json!([properties])).await;
    assert_eq!(answer["change"], json!([sheet]), "{answer}");
    assert_eq!(there.next().await, json!({ "jsonrpc": "2.0", "change": [same] }));
    let layout = there.result(same, "GetLayout", json!([])).await;
    assert_eq!(layout["qLayout"]["rank"], json!(5));

    let note = json!([{ "qInfo": { "qId": "note", "qType": "text-image" } }]);
    let made = here.call(1, "CreateObject", note.clone()).await;
    assert_eq!(made["result"]["qInfo"]["qId"], json!("note"));
    let again = here.call(1, "CreateObject", note).await;
    assert_eq!(again["error"]["code"], json!(3));
    let note = there.handle(1, "GetObject", json!(["note"])).await;
    let gone = here.call(1, "DestroyObject", json!(["note"])).await;
    assert_eq!(gone["close"], json!([made["result"]["qReturn"]["qHandle"]]));
    assert_eq!(there.next().await, json!({ "jsonrpc": "2.0", "close": [note] }));
}

#[tokio::test]
async fn master_items_and_variables_answer() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    client.said();
    client.call(1, "GetDimension", json!(["dim-region"])).await;
    client.call(2, "GetLayout", json!([])).await;
    client.call(1, "GetMeasure", json!(["none"])).await;
    client.call(1, "GetVariableByName", json!(["vRate"])).await;
    client.call(3, "GetLayout", json!([])).await;
    client.call(1, "EvaluateEx", json!(["Sum(Amount) * $(vRate)"])).await;
    client.call(3, "SetStringValue", json!(["3"])).await;
    client.call(1, "EvaluateEx", json!(["Sum(Amount) * $(vRate)"])).await;
    client.call(1, "Evaluate", json!(["=Count(distinct Region) & ' regions'"])).await;
    client.call(1, "EvaluateEx", json!(["Sum("])).await;
    client.call(1, "CheckExpression", json!(["Sum(Amount) + Sum(Nothing)"])).await;
    expect![[r#"
        -> h1 GetDimension ["dim-region"]
        <- {"result":{"qReturn":{"qType":"GenericDimension","qHandle":2,"qGenericType":"dimension","qGenericId":"dim-region"}}}
        -> h2 GetLayout []
        <- {
          "result": {
            "qLayout": {
              "qInfo": {
                "qId": "dim-region",
                "qType": "dimension"
              },
              "qMeta": {
                "title": "Sales region",
                "tags": [
                  "geo"
                ],
                "privileges": [
                  "read"
                ],
                "published": true,
                "approved": true,
                "createdDate": "2026-11-24T08:00:00.000Z",
                "modifiedDate": "2026-11-24T08:00:00.001Z",
                "id": "…",
                "_resourcetype": "app.object",
                "_objecttype": "dimension",
                "sourceObject": "",
                "draftObject": "",
                "description": ""
              },
              "qDim": {
                "qGrouping": "N",
                "qFieldDefs": [
                  "Region"
                ],
                "qFieldLabels": [
                  "Sales region"
                ],
                "title": "Sales region"
              },
              "qDimInfos": [
                {
                  "qName": "Region",
                  "qApprMaxGlyphCount": 0,
                  "qCardinal": 3,
                  "qTags": [
                    "$ascii",
                    "$text",
                    "$key"
                  ],
                  "qIsSemantic": false,
                  "qAndMode": false
                }
              ]
            }
          }
        }
        -> h1 GetMeasure ["none"]
        <- {"error":{"code":2,"parameter":"none","message":"Object not found"}}
        -> h1 GetVariableByName ["vRate"]
        <- {"result":{"qReturn":{"qType":"GenericVariable","qHandle":3,"qGenericType":"variable","qGenericId":"variable:vRate"}}}
        -> h3 GetLayout []
        <- {"result":{"qLayout":{"qInfo":{"qId":"variable:vRate","qType":"variable"},"qMeta":{"privileges":["read"]},"qText":"2","qNum":2,"qIsScriptCreated":true}}}
        -> h1 EvaluateEx ["Sum(Amount) * $(vRate)"]
        <- {"result":{"qValue":{"qText":"170","qIsNumeric":true,"qNumber":170}}}
        -> h3 SetStringValue ["3"]
        <- {"result":{},"change":[2,3]}
        -> h1 EvaluateEx ["Sum(Amount) * $(vRate)"]
        <- {"result":{"qValue":{"qText":"255","qIsNumeric":true,"qNumber":255}}}
        -> h1 Evaluate ["=Count(distinct Region) & ' regions'"]
        <- {"result":{"qReturn":"3 regions"}}
        -> h1 EvaluateEx ["Sum("]
        <- {"result":{"qValue":{"qText":"Error: expected a value, a field or a function, found the end","qIsNumeric":false,"qNumber":0}}}
        -> h1 CheckExpression ["Sum(Amount) + Sum(Nothing)"]
        <- {"result":{"qErrorMsg":"","qBadFieldNames":[{"qFrom":18,"qCount":7}],"qDangerousFieldNames":[]}}
    "#]].assert_eq(&client.said());
}

#[tokio::test]
async fn a_reload_gives_new_data_to_everybody_and_keeps_the_old_when_it_fails() {
    let site = Site::new();
    let author = site.person("editor");
    let mut here = site.connect_at(author.clone(), "here", None).opened_with(SECRET).await;
    let mut there = site.connect_at(author, "there", None).opened_with(SECRET).await;
    let bar = there.handle(1, "GetObject", json!(["bar"])).await;
    there.result(bar, "SelectHyperCubeValues", json!(["/qHyperCubeDef", 0, [2], false])).await;
    here.result(-1, "ConfigureReload", json!([true, true, false])).await;
    here.result(1, "SetScript", json!(["Sales:\nLOAD Nothing FROM [lib://Nowhere/x.csv];"])).await;
    here.said();
    here.call(1, "DoReload", json!([])).await;
    let progress = here.result(-1, "GetProgress", json!([0])).await;
    expect![[r#"
        [
          {
            "qErrorString": "line 2, column 19: there is no connection `Nowhere`",
            "qLine": "LOAD Nothing FROM [lib://Nowhere/x.csv];",
            "qLineEnd": "",
            "qErrorDataCode": "EDC_ERROR",
            "qMessage": {
              "qMessageCode": 0,
              "qMessageParameters": []
            },
            "qLineNumber": 2
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&progress["qProgressData"]["qErrorData"]).unwrap());
    assert_eq!(progress["qProgressData"]["qFinished"], json!(true));
    let kept = here.result(1, "EvaluateEx", json!(["Sum(Amount)"])).await;
    assert_eq!(kept["qValue"]["qNumber"], json!(85));

    let script = "Sales: LOAD * INLINE [\nProduct, Amount\nCog, 1\nDial, 2\n];";
    here.result(1, "SetScript", json!([script])).await;
    let answer = here.call(1, "DoReload", json!([])).await;
    assert_eq!(answer["result"], json!({ "qReturn": true }));
    assert_eq!(answer["change"], json!([1]));
    // Cog is still selected, though its number is another now.
    loop {
        let push = there.next().await;
        if push["change"].as_array().is_some_and(|handles| handles.contains(&json!(bar))) {
            break;
        }
    }
    let layout = there.result(bar, "GetLayout", json!([])).await;
    let matrix = &layout["qLayout"]["qHyperCube"]["qDataPages"][0]["qMatrix"];
    expect![[r#"[[{"qText":"Cog","qNum":"NaN","qElemNumber":0,"qState":"S"},{"qText":"1","qNum":1,"qElemNumber":0,"qState":"L"}]]"#]].assert_eq(&matrix.to_string());
}
