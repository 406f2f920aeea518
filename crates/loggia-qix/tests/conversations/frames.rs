//! Frames themselves: what is refused, and in which words.

use expect_test::expect;
use serde_json::{Value, json};

use crate::site::{APP, Site};

#[tokio::test]
async fn the_server_greets_first() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(7));
    let first = client.next().await;
    expect![[r#"{"jsonrpc":"2.0","method":"OnAuthenticationInformation","params":{"userId":"anonymous00000000-0000-0000-0000-000000000007","userDirectory":"NONE","mustAuthenticate":false,"logoutUri":"/public/qps/user","loginUri":"/public/login"}}"#]].assert_eq(&first.to_string());
    let second = client.next().await;
    expect![[
        r#"{"jsonrpc":"2.0","method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}"#
    ]]
    .assert_eq(&second.to_string());
}

#[tokio::test]
async fn frames_that_are_no_requests_are_refused_and_the_socket_stays() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1));
    client.greeting().await;
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let long = format!("{{\"id\":1,\"method\":\"{}\"}}", "x".repeat(5 * 1024 * 1024));
    let frames = [
        "nonsense".to_owned(),
        String::new(),
        "[]".to_owned(),
        deep,
        long,
        json!({ "id": 1 }).to_string(),
        json!({ "method": "EngineVersion" }).to_string(),
        json!({ "id": 2, "method": "EngineVersion", "params": 5 }).to_string(),
        json!({ "id": 3, "method": "EngineVersion", "handle": "x" }).to_string(),
        json!({ "id": 4, "method": "ShutdownProcess", "handle": -1 }).to_string(),
        json!({ "id": 5, "method": "GetLayout", "handle": 77 }).to_string(),
        json!({ "id": 6, "method": "GetAppLayout", "handle": -1 }).to_string(),
        json!({ "id": "seven", "method": "IsDesktopMode", "cont": false, "delta": true })
            .to_string(),
        json!({ "id": 8, "method": "OpenDoc", "params": { "qDocName": "nowhere" } }).to_string(),
        json!({ "id": 9, "method": "OpenDoc", "params": { "qDocName": [1] } }).to_string(),
        json!({ "id": 10, "method": "GetActiveDoc", "handle": -1, "params": [null] }).to_string(),
    ];
    let mut said = String::new();
    for frame in frames {
        client.send_text(frame);
        let answer = client.next().await;
        said.push_str(&format!("{answer}\n"));
    }
    expect![[r#"
        {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"parameter":"expected ident at line 1 column 2","message":"Parse error"}}
        {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"parameter":"EOF while parsing a value at line 1 column 0","message":"Parse error"}}
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"parameter":"a frame is one object","message":"Invalid Request"}}
        {"jsonrpc":"2.0","id":null,"error":{"code":-32700,"parameter":"recursion limit exceeded at line 1 column 128","message":"Parse error"}}
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"parameter":"frame of 5242900 bytes, at most 4194304 are read","message":"Invalid Request"}}
        {"jsonrpc":"2.0","id":1,"error":{"code":-32600,"parameter":"method","message":"Invalid Request"}}
        {"jsonrpc":"2.0","id":null,"error":{"code":-32600,"parameter":"id","message":"Invalid Request"}}
        {"jsonrpc":"2.0","id":2,"error":{"code":-32602,"parameter":"params","message":"Invalid Params"}}
        {"jsonrpc":"2.0","id":3,"error":{"code":-32602,"parameter":"Invalid handle","message":"Invalid Params"}}
        {"jsonrpc":"2.0","id":4,"error":{"code":-32601,"parameter":"ShutdownProcess","message":"Method not found"}}
        {"jsonrpc":"2.0","id":5,"error":{"code":-32602,"parameter":"Invalid handle","message":"Invalid Params"}}
        {"jsonrpc":"2.0","id":6,"error":{"code":-32601,"parameter":"GetAppLayout","message":"Method not found"}}
        {"jsonrpc":"2.0","id":"seven","result":{"qReturn":false}}
        {"jsonrpc":"2.0","id":8,"error":{"code":1003,"parameter":"nowhere","message":"App not found"}}
        {"jsonrpc":"2.0","id":9,"error":{"code":-32602,"parameter":"qDocName","message":"Invalid Params"}}
        {"jsonrpc":"2.0","id":10,"error":{"code":1007,"parameter":"","message":"App invalid"}}
    "#]].assert_eq(&said);
}

#[tokio::test]
async fn what_the_server_is() {
    let site = Site::new();
    let mut client = site.connect(site.person("ana"));
    client.greeting().await;
    for method in ["EngineVersion", "GetAuthenticatedUser", "IsDesktopMode", "GetConfiguration"] {
        client.call(-1, method, json!([])).await;
    }
    client.call(-1, "GetProgress", json!([0])).await;
    client.call(-1, "CancelRequest", json!([99])).await;
    expect![[r#"
        -> h-1 EngineVersion []
        <- {"result":{"qReturn":{"qComponentVersion":"12.2027.0"},"qVersion":{"qComponentVersion":"12.2027.0"}}}
        -> h-1 GetAuthenticatedUser []
        <- {"result":{"qReturn":"UserDirectory=LOGGIA; UserId=ana"}}
        -> h-1 IsDesktopMode []
        <- {"result":{"qReturn":false}}
        -> h-1 GetConfiguration []
        <- {"result":{"qConfig":{"qFeatures":{"qAutoSave":true,"qPublishing":true,"qSSOEnabled":false,"qIsDesktop":false}}}}
        -> h-1 GetProgress [0]
        <- {
          "result": {
            "qProgressData": {
              "qStarted": false,
              "qFinished": false,
              "qCompleted": 0,
              "qTotal": 0,
              "qKB": 0,
              "qMillisecs": 0,
              "qUserInteractionWanted": false,
              "qPersistentProgress": "",
              "qTransientProgress": "",
              "qErrorData": [],
              "qPersistentProgressMessages": [],
              "qTransientProgressMessage": {
                "qMessageCode": 0,
                "qMessageParameters": []
              }
            }
          }
        }
        -> h-1 CancelRequest [99]
        <- {"result":{}}
    "#]].assert_eq(&client.said());
}

#[tokio::test]
async fn an_app_is_opened_once_by_id_or_by_title() {
    let site = Site::new();
    let mut client = site.connect(site.person("ana"));
    client.greeting().await;
    client.call(-1, "GetActiveDoc", json!([])).await;
    client.call(-1, "OpenDoc", json!(["Sales", "", "", "", false])).await;
    client.call(-1, "OpenDoc", json!([APP.text()])).await;
    client.call(-1, "GetActiveDoc", json!([])).await;
    client.call(-1, "GetDocList", json!([])).await;
    client.call(1, "GetAppLayout", json!([])).await;
    expect![[r#"
        -> h-1 GetActiveDoc []
        <- {"error":{"code":1007,"parameter":"","message":"App invalid"}}
        -> h-1 OpenDoc ["Sales","","","",false]
        <- {"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericType":"","qGenericId":"11111111-1111-4111-8111-111111111111"}}}
        -> h-1 OpenDoc ["11111111-1111-4111-8111-111111111111"]
        <- {"error":{"code":1002,"parameter":"11111111-1111-4111-8111-111111111111","message":"App already open"}}
        -> h-1 GetActiveDoc []
        <- {"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericType":"","qGenericId":"11111111-1111-4111-8111-111111111111"}}}
        -> h-1 GetDocList []
        <- {
          "result": {
            "qDocList": [
              {
                "qDocName": "Sales",
                "qDocId": "11111111-1111-4111-8111-111111111111",
                "qTitle": "Sales",
                "qConnectedUsers": 0,
                "qFileTime": 46350.33333336806,
                "qFileSize": 1013,
                "qLastReloadTime": "2026-11-24T08:00:00.000Z",
                "qReadOnly": true,
                "qHasSectionAccess": false,
                "qThumbnail": {
                  "qUrl": ""
                },
                "qMeta": {
                  "id": "11111111-1111-4111-8111-111111111111",
                  "name": "Sales",
                  "description": "",
                  "createdDate": "2026-11-24T08:00:00.000Z",
                  "modifiedDate": "2026-11-24T08:00:00.003Z",
                  "published": true,
                  "publishTime": "2026-11-24T08:00:00.000Z",
                  "privileges": [
                    "read",
                    "exportdata"
                  ],
                  "dynamicColor": "",
                  "stream": {
                    "id": "aaec8d41-5201-43ab-809f-3063750dfafd",
                    "name": "Everyone"
                  }
                }
              }
            ]
          }
        }
        -> h1 GetAppLayout []
        <- {
          "result": {
            "qLayout": {
              "qTitle": "Sales",
              "qFileName": "11111111-1111-4111-8111-111111111111",
              "qLastReloadTime": "2026-11-24T08:00:00.000Z",
              "qModified": false,
              "qHasScript": true,
              "qHasData": true,
              "qReadOnly": true,
              "qStateNames": [
                "$"
              ],
              "qIsOpenedWithoutData": false,
              "qIsSessionApp": false,
              "qProhibitBinaryLoad": false,
              "qIsDirectQueryMode": false,
              "qUnsupportedFeatures": [
                "binningData"
              ],
              "qUsage": "ANALYTICS",
              "qThumbnail": {
                "qUrl": ""
              },
              "qLocaleInfo": {
                "qDecimalSep": ".",
                "qThousandSep": ",",
                "qListSep": ",",
                "qMoneyDecimalSep": ".",
                "qMoneyThousandSep": ",",
                "qCurrentYear": 2026,
                "qMoneyFmt": "$#,##0.00",
                "qTimeFmt": "hh:mm:ss",
                "qDateFmt": "YYYY-MM-DD",
                "qTimestampFmt": "YYYY-MM-DD hh:mm:ss[.fff]",
                "qCalendarStrings": {
                  "qDayNames": [
                    "Mon",
                    "Tue",
                    "Wed",
                    "Thu",
                    "Fri",
                    "Sat",
                    "Sun"
                  ],
                  "qMonthNames": [
                    "Jan",
                    "Feb",
                    "Mar",
                    "Apr",
                    "May",
                    "Jun",
                    "Jul",
                    "Aug",
                    "Sep",
                    "Oct",
                    "Nov",
                    "Dec"
                  ],
                  "qLongDayNames": [
                    "Monday",
                    "Tuesday",
                    "Wednesday",
                    "Thursday",
                    "Friday",
                    "Saturday",
                    "Sunday"
                  ],
                  "qLongMonthNames": [
                    "January",
                    "February",
                    "March",
                    "April",
                    "May",
                    "June",
                    "July",
                    "August",
                    "September",
                    "October",
                    "November",
                    "December"
                  ]
                },
                "qFirstWeekDay": 0,
                "qBrokenWeeks": false,
                "qReferenceDay": 4,
                "qFirstMonthOfYear": 1,
                "qCollation": "en-US",
                "qNumericalAbbreviation": "3:k;6:M;9:G;12:T;15:P;18:E;21:Z;24:Y;-3:m;-6:μ;-9:n;-12:p;-15:f;-18:a;-21:z;-24:y"
              },
              "permissions": {},
              "id": "11111111-1111-4111-8111-111111111111",
              "name": "Sales",
              "description": "",
              "createdDate": "2026-11-24T08:00:00.000Z",
              "modifiedDate": "2026-11-24T08:00:00.003Z",
              "published": true,
              "publishTime": "2026-11-24T08:00:00.000Z",
              "privileges": [
                "read",
                "exportdata"
              ],
              "dynamicColor": "",
              "stream": {
                "id": "aaec8d41-5201-43ab-809f-3063750dfafd",
                "name": "Everyone"
              },
              "qMeta": {
                "id": "11111111-1111-4111-8111-111111111111",
                "name": "Sales",
                "description": "",
                "createdDate": "2026-11-24T08:00:00.000Z",
                "modifiedDate": "2026-11-24T08:00:00.003Z",
                "published": true,
                "publishTime": "2026-11-24T08:00:00.000Z",
                "privileges": [
                  "read",
                  "exportdata"
                ],
                "dynamicColor": "",
                "stream": {
                  "id": "aaec8d41-5201-43ab-809f-3063750dfafd",
                  "name": "Everyone"
                }
              }
            }
          }
        }
    "#]].assert_eq(&client.said());
}

#[tokio::test]
async fn parameters_may_be_named() {
    let site = Site::new();
    let mut client = site.connect(site.visitor(1)).opened().await;
    let named = json!({ "qWindowSize": { "qcx": 1, "qcy": 1 }, "unknown": 1 });
    let tables = client.result(1, "GetTablesAndKeys", named).await;
    let names: Vec<&Value> =
        tables["qtr"].as_array().unwrap().iter().map(|table| &table["qName"]).collect();
    expect![[r#"[String("Sales"), String("Regions")]"#]].assert_eq(&format!("{names:?}"));
    let keys = &tables["qk"];
    expect![[r#"[{"qKeyFields":["Region"],"qTables":["Sales","Regions"]}]"#]]
        .assert_eq(&keys.to_string());
    client.said();
    client.call(1, "GetTableData", json!([-1, 2, true, "Sales"])).await;
    client.call(1, "GetFieldDescription", json!(["Amount"])).await;
    client.call(1, "GetTableData", json!([0, 2, true, "Nothing"])).await;
    expect![[r#"
        -> h1 GetTableData [-1,2,true,"Sales"]
        <- {
          "result": {
            "qData": [
              {
                "qValue": [
                  {
                    "qText": "Product",
                    "qIsNumeric": false,
                    "qNumber": 0
                  },
                  {
                    "qText": "Region",
                    "qIsNumeric": false,
                    "qNumber": 0
                  },
                  {
                    "qText": "Amount",
                    "qIsNumeric": false,
                    "qNumber": 0
                  }
                ]
              },
              {
                "qValue": [
                  {
                    "qText": "Anvil",
                    "qIsNumeric": false,
                    "qNumber": 0
                  },
                  {
                    "qText": "North",
                    "qIsNumeric": false,
                    "qNumber": 0
                  },
                  {
                    "qText": "10",
                    "qIsNumeric": true,
                    "qNumber": 10
                  }
                ]
              },
              {
                "qValue": [
                  {
                    "qText": "Anvil",
                    "qIsNumeric": false,
                    "qNumber": 0
                  },
                  {
                    "qText": "South",
                    "qIsNumeric": false,
                    "qNumber": 0
                  },
                  {
                    "qText": "20",
                    "qIsNumeric": true,
                    "qNumber": 20
                  }
                ]
              }
            ]
          }
        }
        -> h1 GetFieldDescription ["Amount"]
        <- {
          "result": {
            "qReturn": {
              "qInternalNumber": 2,
              "qName": "Amount",
              "qSrcTables": [
                "Sales"
              ],
              "qIsSystem": false,
              "qIsHidden": false,
              "qIsSemantic": false,
              "qDistinctOnly": false,
              "qCardinal": 6,
              "qTotalCount": 6,
              "qIsLocked": false,
              "qAlwaysOneSelected": false,
              "qAndMode": false,
              "qIsNumeric": true,
              "qComment": "",
              "qTags": [
                "$numeric",
                "$integer"
              ],
              "qIsDefinitionOnly": false,
              "qByteSize": 0
            }
          }
        }
        -> h1 GetTableData [0,2,true,"Nothing"]
        <- {"error":{"code":2,"parameter":"Nothing","message":"Not found"}}
    "#]]
    .assert_eq(&client.said());
}
