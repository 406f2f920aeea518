//! Rows 50 to 52: clients that send too slowly, too much, or nothing. Time is the runtime's own and
//! stands still until everybody waits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use loggia_repository::ProxyServiceEdit;
use loggia_server::settings::Tls;
use loggia_server::tls::provider;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{APP, Hub, Person, server_itself};

/// Reads until the other end closes, and says after how many seconds of the runtime's time.
async fn closed_after(stream: &mut (impl AsyncRead + Unpin)) -> u64 {
    tokio::time::pause();
    let started = Instant::now();
    let mut rest = vec![0; 64 * 1024];
    let reading = async { while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {} };
    let waited = tokio::time::timeout(Duration::from_secs(600), reading).await;
    assert!(waited.is_ok(), "it stays open for ever");
    let waited = started.elapsed().as_secs();
    tokio::time::resume();
    waited
}

#[tokio::test]
async fn slow_clients_lose_their_connection() {
    let hub = Hub::start().await;
    for (what, sent, most) in [
        ("nothing", "", 11),
        ("half a head", "GET / HTTP/1.1\r\nHost: a\r\nX: ", 11),
        ("a part of a body", "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nx", 46),
        (
            "a part of a chunk",
            "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nx",
            46,
        ),
        ("no second request", "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 62),
    ] {
        let mut stream = TcpStream::connect(hub.address()).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let waited = closed_after(&mut stream).await;
        assert!(waited <= most, "{what}: {waited} s");
    }
}

/// Somebody's socket, past its handshake, and the bytes of its connection.
async fn socket(hub: &Hub, visitor: &Person) -> TcpStream {
    let mut stream = TcpStream::connect(hub.address()).await.unwrap();
    let request = format!(
        "GET /public/app/{APP} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        hub.address(),
        visitor.cookie_header()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

#[tokio::test]
async fn sockets_whose_client_is_gone_are_reaped_within_a_minute() {
    let hub = Hub::start().await;
    let visitor = hub.visitor().await;
    let unfinished = [0x01, 0x81, 0, 0, 0, 0, b'x'];
    for (what, sent) in [
        ("nothing", &[][..]),
        ("the first part of a message", &unfinished[..]),
        ("half a frame", &[0x81, 0xfe, 0x0f, 0xff, 0, 0, 0, 0, b'x'][..]),
    ] {
        let mut stream = socket(&hub, &visitor).await;
        stream.write_all(sent).await.unwrap();
        // It reads pings and answers none of them.
        let waited = closed_after(&mut stream).await;
        assert!((30..=60).contains(&waited), "{what}: {waited} s");
    }
    let mut open = hub.running.front.sockets.subscribe();
    open.wait_for(|open| *open == 0).await.unwrap();
}

#[tokio::test]
async fn sockets_that_flood_are_closed_and_told_why() {
    let hub = Hub::start().await;
    let visitor = hub.visitor().await;
    let path = format!("/public/app/{APP}");
    let part = |opcode: u8, size: u16| {
        let [high, low] = size.to_be_bytes();
        let mut frame = vec![opcode, 0xfe, high, low, 0, 0, 0, 0];
        frame.resize(8 + usize::from(size), b'x');
        frame
    };
    let mut fragments = part(0x01, 60_000);
    // The last one is too much: of what came after it, a reset would be the answer.
    for _ in 0..4 {
        fragments.extend(part(0x00, 60_000));
    }
    let gigabyte = [0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0];
    for (what, bytes, code) in [
        ("pings", [0x89, 0x80, 0, 0, 0, 0].repeat(500), 1008),
        ("pongs", [0x8a, 0x80, 0, 0, 0, 0].repeat(500), 1008),
        ("a message in parts without end", fragments, 1009),
        ("a frame of a gigabyte", gigabyte.to_vec(), 1009),
        ("a ping of 126 bytes", part(0x89, 126), 1002),
        ("a packed frame that nobody agreed on", vec![0xc1, 0x81, 0, 0, 0, 0, b'x'], 1002),
    ] {
        let mut socket = visitor.socket(&path, &[]).await.unwrap();
        socket.next().await.unwrap();
        socket.next().await.unwrap();
        socket.send_raw(&bytes).await;
        assert_eq!(socket.closed_with().await, Some(code), "{what}");
    }
    assert_eq!(hub.somebody().get("/healthz").await.status, 200);
}

#[tokio::test]
async fn handshakes_and_heads_of_sixty_four_kilobytes_are_refused() {
    let hub = Hub::start().await;
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for extra in [
        format!("X: {}\r\n", "x".repeat(64 * 1024)),
        "X: y\r\n".repeat(1_000),
        format!("Cookie: X-Qlik-Session={}\r\n", "y".repeat(64 * 1024)),
    ] {
        for upgrade in ["", upgrade] {
            let request = format!("GET /public/app/x HTTP/1.1\r\nHost: a\r\n{upgrade}{extra}\r\n");
            let text = hub.raw(request.as_bytes()).await;
            assert!(text.starts_with("HTTP/1.1 431"), "{}", &text[..text.len().min(300)]);
        }
    }
    assert_eq!(hub.sessions(), 0);
}

#[tokio::test]
async fn limits_of_the_proxy_service_hold_at_the_next_connection() {
    let hub = Hub::start().await;
    let get = |lines: usize, size: usize| {
        let lines = "X: y\r\n".repeat(lines);
        let head = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}");
        format!("{head}Y: {}\r\n\r\n", "y".repeat(size))
    };
    let ask = async |lines, size| hub.raw(get(lines, size).as_bytes()).await[9..12].to_owned();
    assert_eq!((ask(50, 0).await, ask(0, 9_000).await), ("200".into(), "200".into()));
    let edit = ProxyServiceEdit {
        max_header_lines: Some(20),
        max_header_bytes: Some(4_096),
        ..ProxyServiceEdit::default()
    };
    let service = hub.repository().site().proxy_service().id;
    hub.repository().update_proxy_service(&server_itself(), service, None, edit).unwrap();
    assert_eq!((ask(50, 0).await, ask(0, 9_000).await), ("431".into(), "431".into()));
    assert_eq!(ask(10, 1_000).await, "200");
}

#[tokio::test]
async fn one_address_takes_its_share_of_connections_and_no_more() {
    let hub = Hub::start_with(|settings| {
        settings.max_connections = 40;
        settings.max_connections_per_address = 10;
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(hub.address()).await.unwrap();
        // Answered, so that it is certainly inside.
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'H');
        held.push(stream);
    }
    let mut eleventh = TcpStream::connect(hub.address()).await.unwrap();
    let _ = eleventh.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(eleventh.read_u8().await.is_err());
    held.clear();
    // A place is free again as soon as the server has seen that its holder left.
    loop {
        let mut stream = TcpStream::connect(hub.address()).await.unwrap();
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
        if stream.read_u8().await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn sockets_count_among_the_connections_of_their_address() {
    let hub = Hub::start_with(|settings| settings.max_connections_per_address = 2).await;
    let visitor = hub.visitor().await;
    let path = format!("/public/app/{APP}");
    let mut socket = visitor.socket(&path, &[]).await.unwrap();
    socket.next().await.unwrap();
    let mut second = TcpStream::connect(hub.address()).await.unwrap();
    second.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(second.read_u8().await.unwrap(), b'H');
    let mut third = TcpStream::connect(hub.address()).await.unwrap();
    let _ = third.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(third.read_u8().await.is_err());
}

/// Trusts whoever answers: these tests are about what comes after the handshake.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

async fn http2(address: SocketAddr) -> TlsStream<TcpStream> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `:method`, `:scheme` and `:path` from the fixed table, and an authority.
fn get_root() -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x84, 0x01, 4];
    block.extend(b"host");
    block
}

/// A header by its name and value, as HPACK writes what no table holds.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0, u8::try_from(name.len()).unwrap()];
    block.extend(name.as_bytes());
    block.push(u8::try_from(value.len()).unwrap());
    block.extend(value.as_bytes());
    block
}

async fn encrypted() -> Hub {
    Hub::start_with(|settings| settings.tls = Tls::SelfSigned).await
}

#[tokio::test]
async fn floods_of_http2_frames_end_the_connection() {
    let hub = encrypted().await;
    let mut resets = Vec::new();
    for stream in (1..4_000).step_by(2) {
        resets.extend(frame(1, 0x05, stream, &get_root()));
        resets.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
    }
    let mut empty = frame(1, 0x04, 1, &get_root());
    for _ in 0..200_000 {
        empty.extend(frame(0, 0, 1, &[]));
    }
    let mut continued = frame(1, 0x01, 1, &get_root());
    for _ in 0..5_000 {
        continued.extend(frame(9, 0, 1, &literal("x", &"y".repeat(100))));
    }
    for (what, bytes) in [
        ("streams opened and reset at once", resets),
        ("empty frames of data", empty),
        ("a head that goes on and on", continued),
    ] {
        let mut stream = http2(hub.address()).await;
        stream.write_all(PREFACE).await.unwrap();
        // The server may close before everything is written.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.flush().await;
        let mut answer = vec![0; 64 * 1024];
        let reading =
            async { while stream.read(&mut answer).await.is_ok_and(|count| count > 0) {} };
        tokio::time::timeout(Duration::from_secs(20), reading)
            .await
            .unwrap_or_else(|_| panic!("{what}: the connection stays open"));
    }
    assert_eq!(hub.sessions(), 0);
}

#[tokio::test]
async fn http2_connections_that_do_nothing_end() {
    let hub = encrypted().await;
    let unfinished = frame(1, 0x01, 1, &get_root());
    let half_a_body = [frame(1, 0x04, 1, &get_root()), frame(0, 0, 1, b"x")].concat();
    for (what, sent, most) in [
        ("no preface", vec![], 22),
        ("no request", PREFACE.to_vec(), 22),
        ("half a head", [PREFACE, &unfinished].concat(), 75),
        ("half a body", [PREFACE, &half_a_body].concat(), 75),
    ] {
        let mut stream = http2(hub.address()).await;
        stream.write_all(&sent).await.unwrap();
        stream.flush().await.unwrap();
        let waited = closed_after(&mut stream).await;
        assert!(waited <= most, "{what}: {waited} s");
    }
}

/// Rows 8, 9 and 15 in the second version's clothes.
#[tokio::test]
async fn odd_http2_requests_are_refused() {
    let hub = encrypted().await;
    let path = |path: &str| {
        let mut block = vec![0x82, 0x87, 0x01, 4];
        block.extend(b"host");
        block.extend(literal(":path", path));
        block
    };
    let with = |name: &str, value: &str| {
        let mut block = get_root();
        block.extend(literal(name, value));
        block
    };
    let mut no_authority = vec![0x82, 0x87, 0x84];
    no_authority.extend(literal("a", "b"));
    for (what, block) in [
        ("transfer-encoding", with("transfer-encoding", "chunked")),
        ("connection", with("connection", "x-forwarded-for")),
        ("upgrade", with("upgrade", "websocket")),
        ("te", with("te", "gzip")),
        ("another host", with("host", "other")),
        ("a line end in a value", with("x", "a\r\nb")),
        ("a zero in a value", with("x", "a\0b")),
        ("an upper-case name", with("X-Upper", "a")),
        ("a space in a path", path("/hub a")),
        ("no slash", path("hub")),
        ("an empty path", path("")),
        ("a climbing path", path("/hub/../qrs/app")),
        ("a whole address as path", path("http://other/hub")),
        ("a pseudo-header after others", with(":path", "/hub")),
        ("an unknown pseudo-header", with(":evil", "a")),
        ("no authority", no_authority),
    ] {
        let mut stream = http2(hub.address()).await;
        stream.write_all(PREFACE).await.unwrap();
        stream.write_all(&frame(1, 0x05, 1, &block)).await.unwrap();
        stream.write_all(&frame(7, 0, 0, &[0; 8])).await.unwrap();
        stream.flush().await.unwrap();
        let outcome = first_outcome(&mut stream).await;
        assert!(matches!(outcome, Outcome::Refused), "{what}: {outcome:?}");
    }
    assert_eq!(hub.sessions(), 0);
}

#[derive(Debug)]
enum Outcome {
    /// The stream or the connection was reset, or the answer's status begins with a 4.
    Refused,
    Answered,
}

/// What becomes of the first stream. Statuses of refusals are literals, good ones are indexed.
async fn first_outcome(stream: &mut TlsStream<TcpStream>) -> Outcome {
    loop {
        let mut head = [0; 9];
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut head));
        if read.await.expect("the server says nothing").is_err() {
            return Outcome::Refused;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        if stream.read_exact(&mut payload).await.is_err() {
            return Outcome::Refused;
        }
        match head[3] {
            3 => return Outcome::Refused,
            // 400, 404 and 500 have places in the fixed table: 12, 13 and 14; others are written
            // as a literal with the name of place 8.
            1 if matches!(payload.first(), Some(0x8c | 0x8d)) => return Outcome::Refused,
            1 if payload.first() == Some(&0x48) => return Outcome::Refused,
            1 => return Outcome::Answered,
            _ => {}
        }
    }
}
