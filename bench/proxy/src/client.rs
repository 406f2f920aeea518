//! Requests over kept connections, one after the other on each, and sockets that only wait.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::server::Process;

/// What is asked for, over and over.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) server: &'a Process,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a str,
    /// Each request comes from an address of its own, without cookie.
    pub(crate) is_first_visit: bool,
    pub(crate) connections: u32,
    pub(crate) time: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    /// The server's processor time, its kernel's included.
    pub(crate) processor_micros: f64,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Runs the load, after a fifth of the time for warming up.
pub(crate) fn load(load: &Load<'_>) -> Result<Measured> {
    let before = load.server.processor_seconds()?;
    let outcomes: Vec<Result<Timed>> = std::thread::scope(|scope| {
        let running: Vec<_> =
            (0..load.connections).map(|_| scope.spawn(move || one_connection(load))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a client failed"))))
            .collect()
    });
    let spent = load.server.processor_seconds()? - before;
    let (mut nanos, mut all) = (Vec::new(), 0_u32);
    for outcome in outcomes {
        let timed = outcome?;
        all += timed.all;
        nanos.extend(timed.nanos);
    }
    nanos.sort_unstable();
    let at = |hundredths: usize| -> Result<f64> {
        let nanos = nanos.get(nanos.len() * hundredths / 100).context("nothing was answered")?;
        Ok(f64::from(*nanos) / 1e3)
    };
    Ok(Measured {
        per_second: nanos.len() as f64 / load.time.as_secs_f64(),
        p50_micros: at(50)?,
        p99_micros: at(99)?,
        processor_micros: spent * 1e6 / f64::from(all),
    })
}

/// The times of one connection's requests, and how many there were with those of the warming up.
struct Timed {
    nanos: Vec<u32>,
    all: u32,
}

fn one_connection(load: &Load<'_>) -> Result<Timed> {
    let mut stream = connect(load.server.address)?;
    let mut buffer = Buffer::default();
    let mut timed = Timed { nanos: Vec::new(), all: 0 };
    let warm = load.time / 5;
    let mut requests = Requests::new(load.path, load.headers, load.is_first_visit);
    let begin = Instant::now();
    loop {
        let asked = Instant::now();
        stream.write_all(requests.next())?;
        let status = buffer.read_answer(&mut stream)?.0;
        if status != 200 {
            bail!("{} answers {status}", load.path);
        }
        timed.all += 1;
        let since = begin.elapsed();
        if since > warm + load.time {
            return Ok(timed);
        }
        if since > warm {
            timed.nanos.push(u32::try_from(asked.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
    }
}

/// Visitors without cookie, each from a network of its own, until told to stop; how many came, and
/// how many of them were turned away.
pub(crate) fn flood(address: SocketAddr, path: &str, stop: &AtomicBool) -> Result<(u32, u32)> {
    // Who floods has machines of their own: what theirs cost must not be taken from the server.
    rustix::process::nice(19)?;
    let mut stream = connect(address)?;
    let mut buffer = Buffer::default();
    let mut requests = Requests::new(path, "", true);
    let (mut came, mut refused) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(requests.next())?;
        came += 1;
        if buffer.read_answer(&mut stream)?.0 != 200 {
            refused += 1;
        }
    }
    Ok((came, refused))
}

/// The bytes to send.
struct Requests {
    path: String,
    is_first_visit: bool,
    visit: u64,
    text: String,
}

impl Requests {
    fn new(path: &str, headers: &str, is_first_visit: bool) -> Requests {
        // No network comes twice: a connection has a million of its own.
        static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
        let visit = CONNECTIONS.fetch_add(1, Ordering::Relaxed) << 20;
        let text = request(path, headers);
        Requests { path: path.to_owned(), is_first_visit, visit, text }
    }

    fn next(&mut self) -> &[u8] {
        if self.is_first_visit {
            self.visit += 1;
            let [.., a, b, c, d, e, f] = self.visit.to_be_bytes();
            let from =
                format!("X-Forwarded-For: 2001:{a:x}{b:02x}:{c:x}{d:02x}:{e:x}{f:02x}::1\r\n");
            self.text = request(&self.path, &from);
        }
        self.text.as_bytes()
    }
}

fn request(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n{headers}\r\n")
}

/// One request on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str, headers: &str) -> Result<Answer> {
    ask(address, &request(path, headers))
}

pub(crate) fn ask(address: SocketAddr, request: &str) -> Result<Answer> {
    let mut stream = connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut buffer = Buffer::default();
    let (status, body) = buffer.read_answer(&mut stream)?;
    let text =
        |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let head = text(buffer.bytes.get(..body));
    let body = text(buffer.bytes.get(body..buffer.filled));
    Ok(Answer { status, head, body })
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).with_context(|| format!("cannot reach {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(stream)
}

/// The answer that is being read, in a buffer that is cleared once and not for each of them.
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer { bytes: vec![0; 64 * 1_024], filled: 0 }
    }
}

impl Buffer {
    /// Reads one answer; its status, and where its body begins.
    fn read_answer(&mut self, stream: &mut TcpStream) -> Result<(u16, usize)> {
        self.filled = 0;
        let mut end = None;
        loop {
            if self.filled == self.bytes.len() {
                self.bytes.resize(2 * self.filled, 0);
            }
            let count = stream.read(self.bytes.get_mut(self.filled..).unwrap_or_default())?;
            if count == 0 {
                bail!("the server closed the connection");
            }
            self.filled += count;
            if end.is_none() {
                end = head_end(self.bytes.get(..self.filled).unwrap_or_default());
            }
            let Some((body, length, status)) = end else { continue };
            if self.filled >= body + length {
                return Ok((status, body));
            }
        }
    }
}

/// Where the body begins, how long it is, and the status.
fn head_end(bytes: &[u8]) -> Option<(usize, usize, u16)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some((end, length.unwrap_or(0), status))
}

/// A socket that only waits; it says that it is there when asked to.
pub(crate) struct Socket(TcpStream);

pub(crate) fn socket(address: SocketAddr, path: &str, cookie: &str) -> Result<Socket> {
    let mut stream = connect(address)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    // A buffer of its own for each would be what takes the time.
    let mut head = Vec::with_capacity(2_048);
    let mut piece = [0; 2_048];
    while head_end(&head).is_none() {
        match stream.read(&mut piece)? {
            0 => bail!("the server closed the connection"),
            count => head.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
    if let Some((_, _, status)) = head_end(&head)
        && status != 101
    {
        bail!("a socket is refused: {}", String::from_utf8_lossy(&head));
    }
    stream.set_nonblocking(true)?;
    Ok(Socket(stream))
}

impl Socket {
    /// Takes what came and says that somebody is there; whether the server has left.
    pub(crate) fn keep_up(&mut self) -> Result<bool> {
        let mut piece = [0; 4_096];
        loop {
            match self.0.read(&mut piece) {
                Ok(0) => return Ok(true),
                // A close frame is what a server sends before it leaves.
                Ok(_) if piece.first() == Some(&0x88) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Ok(true),
            }
        }
        // An unasked pong is a sign of life (RFC 6455 §5.5.3).
        match self.0.write(&[0x8a, 0x80, 0, 0, 0, 0]) {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(_) => Ok(true),
        }
    }
}
