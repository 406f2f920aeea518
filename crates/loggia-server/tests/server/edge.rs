//! The listeners: encryption, HTTP/2, and the doors beside the public one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request};
use loggia_server::listen::{Crowd, Door, Peer};
use loggia_server::settings::Tls;
use loggia_server::tls::{
    CertificateSource, Certificates, ClientCertificate, mutual_config, provider,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;

use crate::programs::wall;
use crate::support::{APP, Answer, Hub, PASSWORD, TEAM_APP, raw};

/// A hub behind its own self-signed certificate, and what a client must trust to reach it.
async fn encrypted() -> (Hub, RootCertStore) {
    let hub = Hub::start_with(|settings| {
        settings.tls = Tls::SelfSigned;
        settings.redirect_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        settings.operator_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    })
    .await;
    let roots = roots(&hub.data().join("tls/certificate.pem"));
    (hub, roots)
}

fn roots(file: &std::path::Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    roots
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

async fn connect(
    address: SocketAddr,
    roots: RootCertStore,
    protocol: &str,
    identity: Option<Identity>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// One request over HTTP/1.1 on an encrypted connection.
async fn exchange(stream: &mut TlsStream<TcpStream>, request: &str) -> std::io::Result<Answer> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
    read.await.expect("the server neither answered nor closed")?;
    Ok(Answer::parse(&String::from_utf8_lossy(&answer)))
}

#[tokio::test]
async fn both_versions_of_http_are_served_encrypted() {
    let (hub, roots) = encrypted().await;
    let mut stream = connect(hub.address(), roots.clone(), "http/1.1", None).await.unwrap();
    let get = "GET /public/hub HTTP/1.1\r\nHost: hub.example\r\nConnection: close\r\n\r\n";
    let answer = exchange(&mut stream, get).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(answer.header("set-cookie").contains("; Secure"), "{}", answer.head);

    let stream = connect(hub.address(), roots, "h2", None).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for (uri, host, status) in [
        ("https://hub.example/public/hub", None, 200),
        ("https://hub.example/public/hub", Some("hub.example"), 200),
        ("https://hub.example/public/hub", Some("other.example"), 400),
        ("https://hub.example/public/../qrs/app", None, 400),
        ("https://hub.example/public/%2e%2e/qrs/app", None, 400),
        ("https://hub.example/nowhere", None, 404),
    ] {
        let mut request = Request::builder().method(Method::GET).uri(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let (response, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
        assert_eq!(response.await.unwrap().status().as_u16(), status, "{uri} {host:?}");
    }
}

/// A certificate for this machine in two files, which are replaced where they are.
fn write_certificate(folder: &std::path::Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// One question of many on a connection that stays open.
async fn is_alive(stream: &mut TlsStream<TcpStream>) -> bool {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: hub.example\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        let byte = tokio::time::timeout(Duration::from_secs(20), stream.read_u8()).await;
        answer.push(byte.expect("the server neither answered nor closed").unwrap());
    }
    answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_to_whoever_comes_next_and_disturbs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let first = write_certificate(folder.path());
    let hub = Hub::start_with(|settings| {
        settings.tls = Tls::Files { certificate: file("certificate.pem"), key: file("key.pem") };
    })
    .await;
    let trusting = |certificate: &CertificateDer<'static>| {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        roots
    };
    let connect = async |certificate: &CertificateDer<'static>| {
        connect(hub.address(), trusting(certificate), "http/1.1", None).await
    };
    let shown = |stream: &TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let look = || hub.running.front.certificates.as_ref().unwrap().refresh(wall());

    let mut early = connect(&first).await.unwrap();
    assert_eq!(shown(&early), first);
    assert!(is_alive(&mut early).await);
    let path = format!("wss://hub.example/public/app/{APP}");
    let stream = connect(&first).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(path, stream).await.unwrap();

    // Half of a replacement, and one that is none, change nothing.
    std::fs::write(file("key.pem"), "not a key").unwrap();
    look();
    assert_eq!(shown(&connect(&first).await.unwrap()), first);

    let second = write_certificate(folder.path());
    look();
    assert_eq!(shown(&connect(&second).await.unwrap()), second);
    assert!(connect(&first).await.is_err(), "the old certificate is gone");
    assert!(is_alive(&mut early).await, "what was open goes on");
    let ask = r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"EngineVersion","params":[]}"#;
    socket.send(Message::text(ask)).await.unwrap();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(20), socket.next()).await;
        let next = next.expect("no answer for a long time").unwrap().unwrap();
        if next.to_text().is_ok_and(|text| text.contains("qComponentVersion")) {
            break;
        }
    }
}

#[tokio::test]
async fn plain_requests_are_led_to_the_encrypted_address() {
    let (hub, _) = encrypted().await;
    let address = hub.running.redirect_address.unwrap();
    let get = "GET /public/hub?a=b HTTP/1.1\r\nHost: hub.example:80\r\nConnection: close\r\n\r\n";
    let answer = Answer::parse(&raw(address, get.as_bytes()).await);
    assert_eq!(answer.status, 308);
    let port = hub.address().port();
    assert_eq!(answer.header("location"), format!("https://hub.example:{port}/public/hub?a=b"));
    assert_eq!(answer.header("set-cookie"), "");
    assert_eq!(hub.sessions(), 0);
}

#[tokio::test]
async fn operators_see_counts_where_visitors_see_nothing() {
    let (hub, roots) = encrypted().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    for path in ["/public/hub", "/nowhere/hub", "/public/..;/hub"] {
        let mut stream = connect(hub.address(), roots.clone(), "http/1.1", None).await.unwrap();
        exchange(&mut stream, &get(path)).await.unwrap();
    }
    let mut stream = connect(hub.address(), roots, "http/1.1", None).await.unwrap();
    assert_eq!(exchange(&mut stream, &get("/metrics")).await.unwrap().status, 404);

    let address = hub.running.operator_address.unwrap();
    let ask = async |path: &str| Answer::parse(&raw(address, get(path).as_bytes()).await);
    assert_eq!(ask("/readyz").await.status, 200);
    assert_eq!(ask("/hub").await.status, 404);
    let metrics = ask("/metrics").await.body;
    for line in [
        "loggia_sessions{kind=\"visitor\"} 1",
        "loggia_sockets 0",
        "loggia_answers_total{status=\"2xx\"} 1",
        "loggia_answers_total{status=\"4xx\"} 3",
        "loggia_refusals_total{code=\"REQ-PATH\"} 1",
        "loggia_refusals_total{code=\"ENT-UNKNOWN\"} 1",
        "loggia_certificate_days_left 39",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

/// A certificate signed by an authority, with its key.
fn issue(common_name: &str, issuer: &rcgen::Issuer<'_, rcgen::KeyPair>, until: i32) -> Identity {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, common_name);
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
    let certificate = parameters.signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    (vec![certificate.der().clone()], key)
}

fn authority() -> (CertificateDer<'static>, rcgen::Issuer<'static, rcgen::KeyPair>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = parameters.self_signed(&key).unwrap();
    (certificate.der().clone(), rcgen::Issuer::new(parameters, key))
}

/// Row 64: the trusted door opens only to certificates of the site's own authority.
#[tokio::test]
async fn the_trusted_door_opens_to_certificates_of_its_authority_only() {
    let folder = tempfile::tempdir().unwrap();
    let source = CertificateSource::SelfSigned { folder: folder.path().to_owned() };
    let now = loggia_model::Moment(jiff::Timestamp::now().as_millisecond());
    let certificates = Certificates::open(source, now).unwrap();
    let (own, own_issuer) = authority();
    let (_, other_issuer) = authority();
    let mut authorities = RootCertStore::empty();
    authorities.add(own).unwrap();
    let door = Door::open(SocketAddr::from(([127, 0, 0, 1], 0)), Crowd::new(10, 10, Vec::new()))
        .await
        .unwrap()
        .encrypted(mutual_config(certificates, authorities).unwrap());
    let address = door.address().unwrap();
    let (_stop, stopped) = watch::channel(false);
    let answer = |peer: Peer, request: Request<Body>| async move {
        assert!(peer.is_encrypted);
        let caller = request.extensions().get::<ClientCertificate>().unwrap();
        assert_eq!(caller.fingerprint.len(), 64);
        Response::new(Body::from(caller.common_name.clone()))
    };
    tokio::spawn(door.serve(answer, stopped));
    let roots = roots(&folder.path().join("certificate.pem"));
    let get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for (identity, expected) in [
        (Some(issue("portal", &own_issuer, 2100)), Some("portal")),
        (Some(issue("portal", &own_issuer, 2021)), None),
        (Some(issue("portal", &other_issuer, 2100)), None),
        (None, None),
    ] {
        // With TLS 1.3 a client learns with its first read that it is refused.
        let answered = match connect(address, roots.clone(), "http/1.1", identity).await {
            Ok(mut stream) => exchange(&mut stream, get).await.map(|answer| answer.body),
            Err(error) => Err(error),
        };
        assert_eq!(answered.ok().filter(|body| !body.is_empty()).as_deref(), expected);
    }
}

/// Rows 9 and 10 where `attacks.rs` has none, and 12, 13, 16, 17, 32 and 59.
#[tokio::test]
async fn odd_targets_and_forged_headers_change_nothing() {
    let hub = Hub::start().await;
    for target in
        ["/public/hub#qrs", "#/public/hub", "/public/hub?a#b", "*", "hub", "/public/hub b"]
    {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = Answer::parse(&hub.raw(request.as_bytes()).await);
        assert!((400..500).contains(&answer.status), "{target}: {}", answer.head);
        assert_eq!(answer.header("set-cookie"), "", "{target}");
    }
    assert_eq!(hub.sessions(), 0);
    let mut visitor = hub.visitor().await;
    let before = visitor.who("/public").await;
    for (name, value) in [
        ("X-Qlik-User", "UserDirectory=LOGGIA; UserId=root"),
        ("x_qlik_user", "UserDirectory=LOGGIA; UserId=root"),
        ("X-Forwarded-User", "root"),
        ("Connection", "close, X-Qlik-User, Cookie"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Forwarded", "for=10.0.0.1;proto=https;host=evil.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Original-URL", "/qrs/about"),
        ("X-HTTP-Method-Override", "DELETE"),
    ] {
        let me = visitor.send("GET", "/public/qps/user", &[(name, value)], "").await;
        assert_eq!(me.json()["userDirectory"], "NONE", "{name}: {}", me.body);
        assert!(!format!("{}{}", me.head, me.body).contains("evil"), "{name}");
        let page = visitor.send("GET", "/hub", &[(name, value), ("Accept", "text/html")], "").await;
        assert_eq!(page.status, 302, "{name}");
        assert_eq!(page.header("location"), "/login?target=%2Fhub", "{name}");
    }
    assert_eq!(visitor.who("/public").await, before);
}

#[tokio::test]
async fn a_forwarder_says_how_the_client_came_and_contradicts_itself_never() {
    let trusting = |settings: &mut loggia_server::settings::Settings| {
        settings.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    };
    for (is_trusted, hub) in [(false, Hub::start().await), (true, Hub::start_with(trusting).await)]
    {
        let standard = ("Forwarded", "for=198.51.100.1;proto=https");
        let ask = async |lines: &[(&str, &str)]| {
            let answer = hub.somebody().send("GET", "/public/hub", lines, "").await;
            let is_secure = answer.header("set-cookie").contains("; Secure");
            (answer.status, is_secure, answer)
        };
        let (status, is_secure, _) = ask(&[standard]).await;
        assert_eq!((status, is_secure), (200, is_trusted));
        let (status, is_secure, _) = ask(&[standard, ("X-Forwarded-For", "198.51.100.1")]).await;
        assert_eq!((status, is_secure), (200, is_trusted));
        for lines in [
            &[standard, ("X-Forwarded-For", "10.0.0.1")][..],
            &[("Forwarded", "for=\"")],
            &[("X-Forwarded-For", "198.51.100.1,")],
        ] {
            let (status, _, answer) = ask(lines).await;
            if is_trusted {
                assert_eq!((status, answer.code().as_str()), (400, "REQ-FORWARDED"), "{lines:?}");
                assert_eq!(answer.header("set-cookie"), "", "{lines:?}");
            } else {
                assert_eq!(status, 200, "what a stranger says of others is not read: {lines:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_comes_from_outside_splits_no_answer_and_leads_nowhere_else() {
    let hub = Hub::start().await;
    let mut somebody = hub.somebody();
    for target in [
        "/hub%0d%0aSet-Cookie:%20a=b",
        "//evil.example/hub",
        "/%5cevil.example",
        "https:evil.example",
        "https://evil.example/",
        "%2f%2fevil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
    ] {
        let path = format!("/hub?x={target}&forceAuthentication=yes");
        let answer = somebody.page(&path.replace('\t', "%09")).await;
        assert_eq!(answer.header("set-cookie"), "", "{target}");
        let location = answer.header("location");
        assert!(location.is_empty() || location.starts_with("/login?target=%2Fhub"), "{location}");
        for path in ["/login?target=", "/loggedout?target=", "/public/login?reloadUri="] {
            let answer = somebody.page(&format!("{path}{}", target.replace('\t', "%09"))).await;
            assert!(!answer.header("location").contains("evil"), "{path}{target}: {}", answer.head);
            assert!(!answer.head.to_ascii_lowercase().contains("\na=b"), "{path}{target}");
        }
        let mut ana = hub.somebody();
        let answer = ana.log_in("ana", PASSWORD, "", target).await;
        let location = answer.header("location");
        assert!(location.starts_with("/hub") || location.is_empty(), "{target} → {location}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_no_request() {
    let hub = Hub::start().await;
    let hidden = "GET /public/hub HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for path in ["/hub", "/nowhere", "/qrs/app", "/assets/none.js"] {
        for framing in [
            format!("Content-Length: {}\r\n\r\n{hidden}", hidden.len()),
            format!(
                "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{hidden}\r\n0\r\n\r\n",
                hidden.len()
            ),
        ] {
            let request = format!("POST {path} HTTP/1.1\r\nHost: a\r\n{framing}");
            let get = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            let text = hub.raw(format!("{request}{get}").as_bytes()).await;
            let statuses: Vec<&str> =
                text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
            // The refusal, then perhaps the honest second request, never the hidden one.
            assert!(matches!(statuses.as_slice(), [_] | [_, "200"]), "{path}: {statuses:?}");
            assert!(statuses[0].starts_with('4'), "{path}: {statuses:?}");
            assert_eq!(hub.sessions(), 0, "{path}");
        }
    }
}

#[tokio::test]
async fn pictures_are_sent_in_parts_and_not_twice() {
    let hub = Hub::start().await;
    let folder = hub.data().join("content/apps").join(APP.text());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.png"), "0123456789").unwrap();
    std::fs::write(hub.data().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(hub.data().join("secret"), folder.join("link.png")).unwrap();
    let mut visitor = hub.visitor().await;
    let path = format!("/public/content/apps/{APP}/a.png");
    let whole = visitor.get(&path).await;
    assert_eq!((whole.status, whole.body.as_str()), (200, "0123456789"));
    let tag = whole.header("etag").to_owned();
    let head = visitor.send("HEAD", &path, &[], "").await;
    assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, "10", ""));
    let part = visitor.send("GET", &path, &[("Range", "bytes=2-4"), ("If-Range", &tag)], "").await;
    assert_eq!((part.status, part.body.as_str()), (206, "234"));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    assert_eq!(visitor.send("GET", &path, &[("Range", "bytes=10-")], "").await.status, 416);
    assert_eq!(visitor.send("GET", &path, &[("If-None-Match", &tag)], "").await.status, 304);
    // Row 4.
    for name in ["link.png", "CON", "com1.txt", "a.png::$DATA", "", ".", ".hidden", "a%00.png"] {
        let answer = visitor.get(&format!("/public/content/apps/{APP}/{name}")).await;
        assert!(matches!(answer.status, 400 | 404), "{name}: {}", answer.head);
    }
    // Who may not see the app learns nothing of its pictures.
    let other = format!("/public/content/apps/{TEAM_APP}/a.png");
    let nothing = visitor.get(&format!("/public/content/apps/{}/a.png", uuid::Uuid::nil())).await;
    let hidden = visitor.get(&other).await;
    assert_eq!((hidden.status, nothing.status), (404, 404));
}
