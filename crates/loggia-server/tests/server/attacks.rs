//! The attack list of `spec/security.md` §2, over raw sockets: rows 1 to 3, 5 to 9, 15, 34, and
//! bodies that are too large.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{APP, Answer, Hub, PASSWORD};

/// Statuses of all answers on one connection.
fn statuses(text: &str) -> Vec<u16> {
    text.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok()).collect()
}

#[tokio::test]
async fn no_spelling_of_a_path_reaches_what_its_plain_spelling_does_not() {
    let hub = Hub::start().await;
    let key = "0123456789abcdef";
    for path in [
        "/resources/qmc/fonts/../../../qrs/app",
        "/assets/..%2f..%2fqrs/app",
        "/assets/%2e%2e/qrs/app",
        "/assets/%252e%252e/qrs/app",
        "/assets/..;/qrs/app",
        "/assets/..%5cqrs/app",
        "/assets/%c0%ae%c0%ae/qrs/app",
        "/assets/%00/qrs/app",
        "/hub/./../qrs/app",
        "/hub%2f..%2fqrs/app",
        "/hub./",
        "/hub%20",
        "/\\qrs/app",
        "//qrs//app",
        "/QRS/app",
        "/Public/qrs/app",
        "/qrs/app/",
    ] {
        let request = format!(
            "GET {path}?xrfkey={key}&filter=.ttf HTTP/1.1\r\nHost: a\r\nX-Qlik-Xrfkey: {key}\r\n\
             Cookie: X-Qlik-Session=0123456789abcdef0123456789abcdef\r\nConnection: close\r\n\r\n"
        );
        let answer = Answer::parse(&hub.raw(request.as_bytes()).await);
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.head);
        assert_eq!(answer.header("set-cookie"), "", "{path}");
    }
    assert_eq!(hub.sessions(), 0);
}

#[tokio::test]
async fn ambiguous_requests_are_refused_and_the_connection_ends() {
    let hub = Hub::start().await;
    let smuggled = "GET /public/hub HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for request in [
        "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\na=b",
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\na=b",
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\na=b",
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 3,3\r\n\r\na=b",
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\na=b",
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na=b",
        "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /login HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /healthz HTTP/1.1\nHost: a\n\n",
        "GET /healthz HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "GET /healthz\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET http://b/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: \r\n\r\n",
        "TRACE /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: a\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n",
    ] {
        let text = hub.raw(format!("{request}{smuggled}").as_bytes()).await;
        let statuses = statuses(&text);
        // A refusal that a client can read, and never an answer to the second.
        assert_eq!(statuses.len(), 1, "{request:?}: {statuses:?}");
        assert!((400..500).contains(&statuses[0]), "{request:?}: {text}");
        assert!(!text.contains("set-cookie"), "{request:?}");
    }
    assert_eq!(hub.sessions(), 0);
}

#[tokio::test]
async fn a_body_whose_chunks_are_refused_is_answered_at_once() {
    let hub = Hub::start().await;
    for path in ["/login", "/public/qrs/app", "/nowhere"] {
        for body in
            ["0;\n", "0;\nGET /public/hub HTTP/1.1\r\nHost: a\r\n\r\n", "3;a\nabc\r\n0\r\n\r\n"]
        {
            for pause in [false, true] {
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                );
                // The client keeps its side open, and waits for us.
                let mut stream = TcpStream::connect(hub.address()).await.unwrap();
                stream.write_all(head.as_bytes()).await.unwrap();
                if pause {
                    tokio::task::yield_now().await;
                }
                stream.write_all(body.as_bytes()).await.unwrap();
                let mut answer = Vec::new();
                let read = stream.read_to_end(&mut answer);
                let _ = tokio::time::timeout(Duration::from_secs(20), read)
                    .await
                    .unwrap_or_else(|_| panic!("{path} {body:?} stays open"));
                let text = String::from_utf8_lossy(&answer);
                let statuses = statuses(&text);
                assert_eq!(statuses.len(), 1, "{path} {body:?}: {statuses:?}");
                assert!((400..500).contains(&statuses[0]), "{path} {body:?}: {text}");
                if path == "/login" {
                    assert_eq!(statuses, [400], "{body:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn sockets_that_break_the_protocol_are_told_how() {
    let hub = Hub::start().await;
    let path = format!("/public/app/{}", APP.text());
    let visitor = hub.visitor().await;
    for (what, bytes, code) in [
        ("a binary frame", &[0x82, 0x80, 0, 0, 0, 0][..], 1003),
        ("a text that is none", &[0x81, 0x81, 0, 0, 0, 0, 0xff][..], 1007),
        ("a reserved opcode", &[0x83, 0x80, 0, 0, 0, 0][..], 1002),
        ("a frame without a mask", &[0x81, 0x01, b'x'][..], 1002),
        (
            "a message of eight megabytes",
            &[0x81, 0xff, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0][..],
            1009,
        ),
    ] {
        let mut socket = visitor.socket(&path, &[]).await.unwrap();
        socket.next().await.unwrap();
        socket.next().await.unwrap();
        socket.send_raw(bytes).await;
        assert_eq!(socket.closed_with().await, Some(code), "{what}");
    }
}

#[tokio::test]
async fn an_upgrade_that_is_not_made_hides_no_second_request() {
    let hub = Hub::start().await;
    let smuggled = "GET /public/hub HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let upgrade = "Upgrade: websocket\r\nConnection: upgrade\r\n";
    for path in ["/hub", "/nowhere/app/x", "/public/app/x"] {
        // Without key and version it is no handshake.
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{upgrade}\r\n{smuggled}");
        let statuses = statuses(&hub.raw(request.as_bytes()).await);
        assert_eq!(statuses.len(), 1, "{path}: {statuses:?}");
        assert!((400..500).contains(&statuses[0]), "{path}: {statuses:?}");
    }
}

#[tokio::test]
async fn two_good_requests_on_one_connection_are_two() {
    let hub = Hub::start().await;
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&hub.raw(format!("{get}{last}").as_bytes()).await), [200, 200]);
    let chunked = "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n";
    assert_eq!(statuses(&hub.raw(format!("{chunked}{last}").as_bytes()).await), [403, 200]);
}

#[tokio::test]
async fn a_body_of_a_hundred_megabytes_is_refused_in_words() {
    let hub = Hub::start().await;
    let mut root = hub.somebody();
    root.log_in("root", PASSWORD, "", "/hub").await;
    let size = 100 * 1024 * 1024;
    for path in ["/login", "/logout", "/qrs/app?xrfkey=0123456789abcdef"] {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\nCookie: {}\r\n\
             X-Qlik-Xrfkey: 0123456789abcdef\r\nContent-Type: application/json\r\n\r\n",
            root.cookie_header()
        )
        .into_bytes();
        request.resize(request.len() + size, b'x');
        let answer = Answer::parse(&hub.raw(&request).await);
        assert_eq!((answer.status, answer.code().as_str()), (413, "REQ-SIZE"), "{path}");
        assert_eq!(answer.header("connection"), "close");
    }
    // Without an announced length it is found out while reading.
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        chunk.repeat(12)
    );
    assert_eq!(statuses(&hub.raw(request.as_bytes()).await), [413]);
    assert_eq!(hub.somebody().get("/healthz").await.status, 200);
}

#[tokio::test]
async fn sockets_open_only_from_our_own_pages() {
    let hub = Hub::start().await;
    let mut ana = hub.somebody();
    ana.log_in("ana", PASSWORD, "", "/hub").await;
    let path = format!("/app/{APP}");
    let host = hub.address().to_string();
    for origin in [
        "https://evil.example".to_owned(),
        "null".to_owned(),
        format!("http://sibling.{host}"),
        format!("http://{host}.evil.example"),
        "http://127.0.0.1:1".to_owned(),
        "file://".to_owned(),
        String::new(),
    ] {
        let refused = ana.socket(&path, &[("origin", &origin)]).await.err();
        assert_eq!(refused, Some(403), "{origin}");
    }
    let own = hub.origin();
    assert!(ana.socket(&path, &[("origin", &own)]).await.is_ok());
    // Programs send no origin; a browser cannot leave it out.
    assert!(ana.socket(&path, &[]).await.is_ok());
    let forged = format!("{path}?qlik-csrf-token=0000");
    assert_eq!(ana.socket(&forged, &[("origin", &own)]).await.err(), Some(403));
    let token = ana.get("/qps/csrftoken").await.header("qlik-csrf-token").to_owned();
    let good = format!("{path}?qlik-csrf-token={token}&reloadUri=x");
    assert!(ana.socket(&good, &[("origin", &own)]).await.is_ok());
    // A cookie of one entrance opens nothing at another.
    let mut socket = {
        let mut other = hub.somebody();
        other.cookies.insert("X-Qlik-Session-public".into(), ana.cookies["X-Qlik-Session"].clone());
        other.socket(&format!("/public{path}"), &[]).await.unwrap()
    };
    let told = socket.next().await.unwrap();
    assert_eq!(told["params"]["userDirectory"], "NONE", "{told}");
    assert_eq!(hub.somebody().socket("/nowhere/app/x", &[]).await.err(), Some(404));
}

#[tokio::test]
async fn every_answer_is_protected() {
    let hub = Hub::start().await;
    let mut visitor = hub.visitor().await;
    let app = format!("/public/sense/app/{APP}");
    for (path, is_page) in [
        ("/public/hub", true),
        (app.as_str(), true),
        ("/public/login", true),
        ("/nowhere/hub", true),
        ("/public/nothing", true),
        ("/public/api/v1/hub", false),
        ("/public/qps/user", false),
        ("/public/qrs/about", false),
        ("/healthz", false),
        ("/public/..%2f", true),
    ] {
        let answer = visitor.page(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'self'"), "{path}: {policy}");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        if is_page {
            assert!(policy.contains("script-src 'self';"), "{path}: {policy}");
            let is_relaxed = policy.contains("'unsafe-inline'");
            assert_eq!(is_relaxed, path == app, "{path}: {policy}");
            assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        }
    }
    let stays = visitor.get("/public/hub").map(|answer| answer.status).await;
    assert_eq!(stays, 200);
}
