//! What charts get to paint: straight, stacked and pivot cubes.

use expect_test::expect;
use serde_json::{Value, json};

use crate::site::{Client, Site};

async fn chart(client: &mut Client, cube: Value) -> i64 {
    let properties =
        json!([{ "qInfo": { "qType": "chart" }, "visualization": "chart", "qHyperCubeDef": cube }]);
    client.handle(1, "CreateSessionObject", properties).await
}

async fn cube(client: &mut Client, cube: Value) -> Value {
    let handle = chart(client, cube).await;
    client.result(handle, "GetLayout", json!([])).await["qLayout"]["qHyperCube"].clone()
}

fn dimension(field: &str) -> Value {
    json!({ "qDef": { "qFieldDefs": [field], "qSortCriterias": [{ "qSortByAscii": 1 }] } })
}

#[tokio::test]
async fn a_bar_chart_paints_from_its_layout() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let bar = client.handle(1, "GetObject", json!(["bar"])).await;
    client.said();
    client.call(bar, "GetLayout", json!([])).await;
    client
        .call(
            bar,
            "GetHyperCubeReducedData",
            json!(["/qHyperCubeDef", [{ "qWidth": 2, "qHeight": 2000 }], -1, "D1"]),
        )
        .await;
    client.call(bar, "GetHyperCubeData", json!(["/qHyperCubeDef", [{ "qTop": 1, "qWidth": 1, "qHeight": 1 }, { "qTop": 9, "qWidth": 2, "qHeight": 5 }]])).await;
    client.call(bar, "GetHyperCubeData", json!(["/nowhere", []])).await;
    expect![[r#"
        -> h2 GetLayout []
        <- {
          "result": {
            "qLayout": {
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
              "qSelectionInfo": {},
              "visualization": "barchart",
              "title": "Sales of 3 products",
              "color": {
                "auto": true
              },
              "qHyperCube": {
                "qSize": {
                  "qcx": 2,
                  "qcy": 3
                },
                "qDimensionInfo": [
                  {
                    "qFallbackTitle": "Product",
                    "qApprMaxGlyphCount": 5,
                    "qCardinal": 3,
                    "qSortIndicator": "A",
                    "qGroupFallbackTitles": [
                      "Product"
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
                      "$text"
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
                      "Product"
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
                    },
                    "cId": "d0"
                  }
                ],
                "qMeasureInfo": [
                  {
                    "qFallbackTitle": "Sum(Amount)",
                    "qApprMaxGlyphCount": 2,
                    "qCardinal": 0,
                    "qSortIndicator": "D",
                    "qNumFormat": {
                      "qType": "U",
                      "qnDec": 0,
                      "qUseThou": 0
                    },
                    "qIsAutoFormat": true,
                    "qMin": 12,
                    "qMax": 43,
                    "qAttrExprInfo": [],
                    "qAttrDimInfo": [],
                    "qCalcCondMsg": "",
                    "qTrendLines": [],
                    "cId": "m0"
                  }
                ],
                "qEffectiveInterColumnSortOrder": [
                  0,
                  1
                ],
                "qGrandTotalRow": [
                  {
                    "qText": "85",
                    "qNum": 85,
                    "qElemNumber": -1,
                    "qState": "X",
                    "qIsTotalCell": true
                  }
                ],
                "qDataPages": [
                  {
                    "qMatrix": [
                      [
                        {
                          "qText": "Anvil",
                          "qNum": "NaN",
                          "qElemNumber": 0,
                          "qState": "O"
                        },
                        {
                          "qText": "30",
                          "qNum": 30,
                          "qElemNumber": 0,
                          "qState": "L"
                        }
                      ],
                      [
                        {
                          "qText": "Bolt",
                          "qNum": "NaN",
                          "qElemNumber": 1,
                          "qState": "O"
                        },
                        {
                          "qText": "12",
                          "qNum": 12,
                          "qElemNumber": 0,
                          "qState": "L"
                        }
                      ],
                      [
                        {
                          "qText": "Cog",
                          "qNum": "NaN",
                          "qElemNumber": 2,
                          "qState": "O"
                        },
                        {
                          "qText": "43",
                          "qNum": 43,
                          "qElemNumber": 0,
                          "qState": "L"
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
                      "qWidth": 2,
                      "qHeight": 3
                    },
                    "qIsReduced": false
                  }
                ],
                "qPivotDataPages": [],
                "qStackedDataPages": [],
                "qMode": "S",
                "qNoOfLeftDims": -1,
                "qTreeNodesOnDim": [],
                "qColumnOrder": []
              }
            }
          }
        }
        -> h2 GetHyperCubeReducedData ["/qHyperCubeDef",[{"qWidth":2,"qHeight":2000}],-1,"D1"]
        <- {
          "result": {
            "qDataPages": [
              {
                "qMatrix": [
                  [
                    {
                      "qText": "Anvil",
                      "qNum": "NaN",
                      "qElemNumber": 0,
                      "qState": "O"
                    },
                    {
                      "qText": "30",
                      "qNum": 30,
                      "qElemNumber": 0,
                      "qState": "L"
                    }
                  ],
                  [
                    {
                      "qText": "Bolt",
                      "qNum": "NaN",
                      "qElemNumber": 1,
                      "qState": "O"
                    },
                    {
                      "qText": "12",
                      "qNum": 12,
                      "qElemNumber": 0,
                      "qState": "L"
                    }
                  ],
                  [
                    {
                      "qText": "Cog",
                      "qNum": "NaN",
                      "qElemNumber": 2,
                      "qState": "O"
                    },
                    {
                      "qText": "43",
                      "qNum": 43,
                      "qElemNumber": 0,
                      "qState": "L"
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
                  "qWidth": 2,
                  "qHeight": 3
                },
                "qIsReduced": false
              }
            ]
          }
        }
        -> h2 GetHyperCubeData ["/qHyperCubeDef",[{"qTop":1,"qWidth":1,"qHeight":1},{"qTop":9,"qWidth":2,"qHeight":5}]]
        <- {
          "result": {
            "qDataPages": [
              {
                "qMatrix": [
                  [
                    {
                      "qText": "Bolt",
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
                  "qTop": 1,
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
        -> h2 GetHyperCubeData ["/nowhere",[]]
        <- {"error":{"code":4,"parameter":"/nowhere","message":"Invalid path"}}
    "#]].assert_eq(&client.said());
}

#[tokio::test]
async fn a_kpi_has_one_row_and_a_grand_total() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let cube = cube(&mut client, json!({
        "qMeasures": [{ "qDef": { "qDef": "=Sum(Amount)", "qLabel": "Turnover", "qNumFormat": { "qType": "F", "qnDec": 1, "qUseThou": 0 } } }],
        "qInitialDataFetch": [{ "qWidth": 500, "qHeight": 10 }],
    })).await;
    expect![[r#"
        {"qcx":1,"qcy":1}
        [{"qText":"85.0","qNum":85,"qElemNumber":-1,"qState":"X","qIsTotalCell":true}]
        {"qMatrix":[[{"qText":"85.0","qNum":85,"qElemNumber":0,"qState":"L"}]],"qTails":[{"qUp":0,"qDown":0}],"qArea":{"qLeft":0,"qTop":0,"qWidth":1,"qHeight":1},"qIsReduced":false}
    "#]]
    .assert_eq(&format!(
        "{}\n{}\n{}\n",
        cube["qSize"], cube["qGrandTotalRow"], cube["qDataPages"][0]
    ));
    expect![[r#"
        [
          {
            "qFallbackTitle": "Turnover",
            "qApprMaxGlyphCount": 4,
            "qCardinal": 0,
            "qSortIndicator": "D",
            "qNumFormat": {
              "qType": "F",
              "qnDec": 1,
              "qUseThou": 0
            },
            "qIsAutoFormat": false,
            "qMin": 85,
            "qMax": 85,
            "qAttrExprInfo": [],
            "qAttrDimInfo": [],
            "qCalcCondMsg": "",
            "qTrendLines": []
          }
        ]"#]]
    .assert_eq(&serde_json::to_string_pretty(&cube["qMeasureInfo"]).unwrap());
}

#[tokio::test]
async fn a_stacked_bar_chart_gets_a_tree() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let cube = cube(
        &mut client,
        json!({
            "qMode": "DATA_MODE_PIVOT_STACK", "qAlwaysFullyExpanded": true,
            "qDimensions": [dimension("Product"), dimension("Region")],
            "qMeasures": [{ "qDef": { "qDef": "Sum(Amount)" } }],
            "qInitialDataFetch": [{ "qWidth": 10, "qHeight": 2 }],
        }),
    )
    .await;
    expect![[r#"
        "K" {"qcx":3,"qcy":3} 1 [0,1]
        [
          {
            "qData": [
              {
                "qText": "",
                "qElemNo": 0,
                "qValue": "NaN",
                "qType": "R",
                "qRow": 0,
                "qUp": 0,
                "qDown": 1,
                "qMaxPos": 30,
                "qMinNeg": 0,
                "qSubNodes": [
                  {
                    "qText": "Anvil",
                    "qElemNo": 0,
                    "qValue": "NaN",
                    "qType": "N",
                    "qRow": 0,
                    "qUp": 0,
                    "qDown": 0,
                    "qMaxPos": 30,
                    "qMinNeg": 0,
                    "qSubNodes": [
                      {
                        "qText": "North",
                        "qElemNo": 0,
                        "qValue": "NaN",
                        "qType": "N",
                        "qRow": 0,
                        "qUp": 0,
                        "qDown": 0,
                        "qMaxPos": 10,
                        "qMinNeg": 0,
                        "qSubNodes": [
                          {
                            "qText": "10",
                            "qElemNo": 0,
                            "qValue": 10,
                            "qType": "V",
                            "qRow": 0,
                            "qUp": 0,
                            "qDown": 0,
                            "qMaxPos": 10,
                            "qMinNeg": 0,
                            "qSubNodes": []
                          }
                        ],
                        "qState": "O"
                      },
                      {
                        "qText": "South",
                        "qElemNo": 1,
                        "qValue": "NaN",
                        "qType": "N",
                        "qRow": 1,
                        "qUp": 0,
                        "qDown": 0,
                        "qMaxPos": 20,
                        "qMinNeg": 0,
                        "qSubNodes": [
                          {
                            "qText": "20",
                            "qElemNo": 0,
                            "qValue": 20,
                            "qType": "V",
                            "qRow": 0,
                            "qUp": 0,
                            "qDown": 0,
                            "qMaxPos": 20,
                            "qMinNeg": 0,
                            "qSubNodes": []
                          }
                        ],
                        "qState": "O"
                      }
                    ],
                    "qState": "O"
                  },
                  {
                    "qText": "Bolt",
                    "qElemNo": 1,
                    "qValue": "NaN",
                    "qType": "N",
                    "qRow": 1,
                    "qUp": 0,
                    "qDown": 0,
                    "qMaxPos": 12,
                    "qMinNeg": 0,
                    "qSubNodes": [
                      {
                        "qText": "East",
                        "qElemNo": 2,
                        "qValue": "NaN",
                        "qType": "N",
                        "qRow": 0,
                        "qUp": 0,
                        "qDown": 0,
                        "qMaxPos": 7,
                        "qMinNeg": 0,
                        "qSubNodes": [
                          {
                            "qText": "7",
                            "qElemNo": 0,
                            "qValue": 7,
                            "qType": "V",
                            "qRow": 0,
                            "qUp": 0,
                            "qDown": 0,
                            "qMaxPos": 7,
                            "qMinNeg": 0,
                            "qSubNodes": []
                          }
                        ],
                        "qState": "O"
                      },
                      {
                        "qText": "North",
                        "qElemNo": 0,
                        "qValue": "NaN",
                        "qType": "N",
                        "qRow": 1,
                        "qUp": 0,
                        "qDown": 0,
                        "qMaxPos": 5,
                        "qMinNeg": 0,
                        "qSubNodes": [
                          {
                            "qText": "5",
                            "qElemNo": 0,
                            "qValue": 5,
                            "qType": "V",
                            "qRow": 0,
                            "qUp": 0,
                            "qDown": 0,
                            "qMaxPos": 5,
                            "qMinNeg": 0,
                            "qSubNodes": []
                          }
                        ],
                        "qState": "O"
                      }
                    ],
                    "qState": "O"
                  }
                ]
              }
            ],
            "qArea": {
              "qLeft": 0,
              "qTop": 0,
              "qWidth": 3,
              "qHeight": 2
            }
          }
        ]
    "#]]
    .assert_eq(&format!(
        "{} {} {} {}\n{}\n",
        cube["qMode"],
        cube["qSize"],
        cube["qNoOfLeftDims"],
        cube["qEffectiveInterColumnSortOrder"],
        serde_json::to_string_pretty(&cube["qStackedDataPages"]).unwrap(),
    ));
}

#[tokio::test]
async fn a_pivot_table_opens_and_closes() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let pivot = chart(
        &mut client,
        json!({
            "qMode": "P", "qNoOfLeftDims": 2,
            "qDimensions": [dimension("Country"), dimension("Product")],
            "qMeasures": [{ "qDef": { "qDef": "Sum(Amount)" } }],
            "qInterColumnSortOrder": [0, 1, 2],
            "qInitialDataFetch": [{ "qWidth": 50, "qHeight": 50 }],
        }),
    )
    .await;
    let closed = client.result(pivot, "GetLayout", json!([])).await;
    client.said();
    client.call(pivot, "ExpandLeft", json!(["/qHyperCubeDef", 0, 0, false])).await;
    let answer = client.result(pivot, "GetLayout", json!([])).await;
    let outline = |layout: &Value| outline(&layout["qLayout"]["qHyperCube"]);
    expect![[r#"
        size {"qcx":1,"qcy":3} sort [0,1,-1]
        N Estonia 2 +
        N Norway 0 +
        N Spain 1 +
        top 1
        data ["10"]
        data ["15"]
        data ["60"]

        size {"qcx":1,"qcy":4} sort [0,1,-1]
        N Estonia 2 -
          N Bolt 1
          N Cog 2
        N Norway 0 +
        N Spain 1 +
        top 1
        data ["7"]
        data ["3"]
        data ["15"]
        data ["60"]
    "#]]
    .assert_eq(&format!("{}\n{}", outline(&closed), outline(&answer)));
    client.said();
    client
        .call(
            pivot,
            "SelectPivotCells",
            json!(["/qHyperCubeDef", [{ "qType": "L", "qRow": 0, "qCol": 0 }]]),
        )
        .await;
    client.call(pivot, "CollapseLeft", json!(["/qHyperCubeDef", 0, 0, false])).await;
    expect![[r#"
        -> h2 SelectPivotCells ["/qHyperCubeDef",[{"qType":"L","qRow":0,"qCol":0}]]
        <- {"result":{"qSuccess":true},"change":[1,2]}
        -> h2 CollapseLeft ["/qHyperCubeDef",0,0,false]
        <- {"result":{},"change":[2]}
    "#]]
    .assert_eq(&client.said());
}

#[tokio::test]
async fn conditions_and_faults_are_told_in_the_layout() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let hidden = cube(&mut client, json!({
        "qDimensions": [dimension("Product")],
        "qCalcCondition": { "qCond": { "qv": "=Count(distinct Product) < 2" }, "qMsg": { "qv": "='Choose one of ' & Count(distinct Product)" } },
    })).await;
    assert_eq!(hidden["qError"], json!({ "qErrorCode": 7005 }));
    assert_eq!(hidden["qCalcCondMsg"], json!("Choose one of 3"));
    let empty = cube(&mut client, json!({})).await;
    assert_eq!(empty["qError"], Value::Null);
    assert_eq!(empty["qSize"]["qcx"], json!(0));
    let faulty = cube(
        &mut client,
        json!({
            "qDimensions": [dimension("Product")],
            "qMeasures": [{ "qDef": { "qDef": "Sum(" } }],
            "qInitialDataFetch": [{ "qWidth": 2, "qHeight": 1 }],
        }),
    )
    .await;
    assert_eq!(faulty["qDataPages"][0]["qMatrix"][0][1]["qText"], json!("-"));
}

#[tokio::test]
async fn a_library_dimension_lends_its_fields_and_its_title() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let cube = cube(&mut client, json!({
        "qDimensions": [{ "qLibraryId": "dim-region", "qDef": { "cId": "x", "qSortCriterias": [{ "qSortByAscii": 1 }] }, "qAttributeExpressions": [{ "qExpression": "Sum(Amount)", "id": "colour" }] }],
        "qMeasures": [{ "qDef": { "qDef": "Count(Amount)" } }],
        "qInitialDataFetch": [{ "qWidth": 2, "qHeight": 1 }],
    })).await;
    let info = &cube["qDimensionInfo"][0];
    expect![[r#"
        "Sales region" ["Region"] "dim-region" "x"
        [{"qMin":10,"qMax":60,"qContinuous":false,"qFallbackTitle":"Sum(Amount)","qMinText":"10","qMaxText":"60","qNumFormat":{"qType":"U","qnDec":0,"qUseThou":0},"qIsAutoFormat":true,"id":"colour"}]
        [[{"qText":"East","qNum":"NaN","qElemNumber":2,"qState":"O","qAttrExps":{"qValues":[{"qText":"10","qNum":10}]}},{"qText":"2","qNum":2,"qElemNumber":0,"qState":"L"}]]
    "#]]
    .assert_eq(&format!(
        "{} {} {} {}\n{}\n{}\n",
        info["qFallbackTitle"],
        info["qGroupFieldDefs"],
        info["qLibraryId"],
        info["cId"],
        info["qAttrExprInfo"],
        cube["qDataPages"][0]["qMatrix"],
    ));
}

/// A pivot's rows as text: indented labels, then values.
fn outline(cube: &Value) -> String {
    let page = &cube["qPivotDataPages"][0];
    let mut lines =
        format!("size {} sort {}\n", cube["qSize"], cube["qEffectiveInterColumnSortOrder"]);
    for node in page["qLeft"].as_array().into_iter().flatten() {
        outline_node(node, 0, &mut lines);
    }
    lines.push_str(&format!("top {}\n", page["qTop"].as_array().map_or(0, Vec::len)));
    for row in page["qData"].as_array().into_iter().flatten() {
        let cells: Vec<&str> =
            row.as_array().unwrap().iter().filter_map(|cell| cell["qText"].as_str()).collect();
        lines.push_str(&format!("data {cells:?}\n"));
    }
    lines
}

fn outline_node(node: &Value, depth: usize, lines: &mut String) {
    lines.push_str(&format!(
        "{}{} {} {}{}{}\n",
        "  ".repeat(depth),
        node["qType"].as_str().unwrap_or_default(),
        node["qText"].as_str().unwrap_or_default(),
        node["qElemNo"],
        if node["qCanExpand"] == json!(true) { " +" } else { "" },
        if node["qCanCollapse"] == json!(true) { " -" } else { "" },
    ));
    for below in node["qSubNodes"].as_array().into_iter().flatten() {
        outline_node(below, depth + 1, lines);
    }
}
