//! Listening: places for connections, TLS, and HTTP of both versions on whatever was accepted.
//! What is answered is somebody else's.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use loggia_auth::AddressBlock;
use loggia_proxy::edge::Network;
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::body::{Hurried, Watched};
use crate::connection::{ConnectionState, Guarded, HEAD, IDLE};
use crate::tls::{self, ClientCertificate};

/// One address that is listened on.
pub struct Door {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    crowd: Arc<Crowd>,
    limits: LiveLimits,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    pub is_encrypted: bool,
}

/// Limits of requests, asked for at each new connection, since they may be set while the server
/// runs.
pub type LiveLimits = Arc<dyn Fn() -> HeadLimits + Send + Sync>;

/// How large a request's head may be, and how long a connection may be idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    pub bytes: usize,
    pub lines: usize,
    pub idle: Duration,
}

/// How long connections may finish what they are at when the server stops.
pub(crate) const FAREWELL: Duration = Duration::from_secs(10);
/// How long encryption may take to be agreed on.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The library takes no smaller buffer.
const SMALLEST_BUFFER: usize = 8 * 1024;

impl Default for HeadLimits {
    fn default() -> HeadLimits {
        HeadLimits { bytes: 32 * 1024, lines: 100, idle: IDLE }
    }
}

impl Door {
    /// Listens on an address; a port of 0 takes a free one.
    pub async fn open(address: SocketAddr, crowd: Arc<Crowd>) -> anyhow::Result<Door> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        let limits: LiveLimits = Arc::new(HeadLimits::default);
        Ok(Door { listener, tls: None, crowd, limits })
    }

    /// Everything that comes through this door is encrypted.
    #[must_use]
    pub fn encrypted(mut self, config: ServerConfig) -> Door {
        self.tls = Some(Arc::new(config));
        self
    }

    #[must_use]
    pub fn limited(mut self, limits: LiveLimits) -> Door {
        self.limits = limits;
        self
    }

    pub fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Serves until told to stop, then lets connections finish. `answer` gets each request; where
    /// the peer showed a certificate, a [`ClientCertificate`] is among the request's extensions.
    pub async fn serve<F, Answered>(self, answer: F, mut stop: watch::Receiver<bool>)
    where
        F: Fn(Peer, Request<Body>) -> Answered + Clone + Send + Sync + 'static,
        Answered: Future<Output = Response> + Send + 'static,
    {
        let Door { listener, tls, crowd, limits } = self;
        let tls = tls.map(TlsAcceptor::from);
        let mut connections = JoinSet::new();
        loop {
            // A full house leaves newcomers waiting in the system's own queue.
            let permit = tokio::select! {
                permit = Arc::clone(&crowd.places).acquire_owned() => permit,
                _ = stop.changed() => break,
            };
            let Ok(permit) = permit else { break };
            let (stream, address) = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // Out of file handles, most likely: going round at once would only burn.
                        warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                _ = stop.changed() => break,
            };
            let Some(place) = Crowd::join(&crowd, address, permit) else {
                debug!(peer = %address, "too many connections from one address");
                continue;
            };
            if let Err(error) = stream.set_nodelay(true) {
                debug!(peer = %address, %error, "cannot send small answers at once");
            }
            let (tls, limits) = (tls.clone(), limits());
            let connection =
                Connection { answer: answer.clone(), limits, place, stop: stop.clone() };
            connections.spawn(connection.begin(stream, address, tls));
            while connections.try_join_next().is_some() {}
        }
        drop(listener);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            warn!("some connections did not end in time");
        }
    }
}

/// One accepted connection.
struct Connection<F> {
    answer: F,
    limits: HeadLimits,
    place: Place,
    stop: watch::Receiver<bool>,
}

impl<F, Answered> Connection<F>
where
    F: Fn(Peer, Request<Body>) -> Answered + Clone + Send + Sync + 'static,
    Answered: Future<Output = Response> + Send + 'static,
{
    async fn begin(self, stream: TcpStream, address: SocketAddr, tls: Option<TlsAcceptor>) {
        let Some(tls) = tls else {
            let peer = Peer { address, is_encrypted: false };
            return self.serve_http1(stream, peer, None).await;
        };
        let peer = Peer { address, is_encrypted: true };
        let stream = match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                debug!(peer = %address, %error, "no encryption was agreed on");
                return;
            }
            Err(_) => {
                debug!(peer = %address, "agreeing on encryption took too long");
                return;
            }
        };
        let (_, session) = stream.get_ref();
        let first = session.peer_certificates().and_then(|chain| chain.first());
        let certificate = first.and_then(tls::client_certificate).map(Arc::new);
        if session.alpn_protocol() == Some(b"h2") {
            self.serve_http2(stream, peer, certificate).await;
        } else {
            self.serve_http1(stream, peer, certificate).await;
        }
    }

    async fn serve_http1<S>(
        self,
        stream: S,
        peer: Peer,
        certificate: Option<Arc<ClientCertificate>>,
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Connection { answer, limits, place, mut stop } = self;
        let state = Arc::new(ConnectionState::default());
        // The place goes with the stream, since a WebSocket outlives this function.
        let guarded = Guarded::new(stream, peer.address.ip(), limits.idle, Arc::clone(&state));
        let io = TokioIo::new(guarded.holding(place));
        let service = service_fn(move |request: Request<Incoming>| {
            let answering = state.begin();
            let state = Arc::clone(&state);
            let request = prepare(request, certificate.as_deref(), |body| body);
            let answered = answer(peer, request);
            async move {
                let response = answered.await;
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    state.becomes_socket();
                }
                drop(answering);
                Ok::<_, Infallible>(response)
            }
        });
        // The library's own timer cannot tell an idle connection from a slow head; ours can.
        let mut builder = http1::Builder::new();
        builder
            .header_read_timeout(None)
            .max_buf_size(limits.bytes.max(SMALLEST_BUFFER))
            .max_header_size(limits.bytes);
        // Naming the number at all costs an allocation a request.
        if limits.lines != 100 {
            builder.max_headers(limits.lines);
        }
        let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            _ = stop.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            debug!(peer = %peer.address, %error, "connection ended");
        }
    }

    async fn serve_http2<S>(
        self,
        stream: S,
        peer: Peer,
        certificate: Option<Arc<ClientCertificate>>,
    ) where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Connection { answer, limits, place, mut stop } = self;
        let state = Arc::new(ConnectionState::default());
        let served = Arc::clone(&state);
        let service = service_fn(move |request: Request<Incoming>| {
            let answering = served.begin();
            let state = Arc::clone(&served);
            let read = Arc::clone(&served);
            let request = prepare(request, certificate.as_deref(), |body| {
                Body::new(Watched::new(body, read))
            });
            let answered = answer(peer, request);
            async move {
                let response = answered.await;
                state.moved();
                drop(answering);
                Ok::<_, Infallible>(response.map(|body| Watched::new(body, state)))
            }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(100)
            .max_header_list_size(u32::try_from(limits.bytes).unwrap_or(u32::MAX))
            // Streams that are opened and reset at once, and streams that we reset: what floods
            // are made of. Above these the connection ends with ENHANCE_YOUR_CALM.
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(100)
            .initial_stream_window_size(64 * 1024)
            .initial_connection_window_size(1024 * 1024)
            .max_frame_size(16 * 1024)
            .max_send_buf_size(64 * 1024)
            .keep_alive_interval(Duration::from_secs(25))
            .keep_alive_timeout(Duration::from_secs(20))
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut deadline = Instant::now() + HEAD;
        let mut is_leaving = false;
        let outcome = loop {
            tokio::select! {
                outcome = connection.as_mut() => break outcome,
                _ = stop.changed(), if !is_leaving => {
                    connection.as_mut().graceful_shutdown();
                    is_leaving = true;
                    deadline = Instant::now() + FAREWELL;
                }
                () = tokio::time::sleep_until(deadline) => {
                    if is_leaving {
                        break Ok(());
                    }
                    deadline = state.quiet_until(HEAD, limits.idle);
                    if deadline <= Instant::now() {
                        connection.as_mut().graceful_shutdown();
                        is_leaving = true;
                        deadline = Instant::now() + HEAD;
                    }
                }
            }
        };
        drop(place);
        if let Err(error) = outcome {
            debug!(peer = %peer.address, %error, "connection ended");
        }
    }
}

/// The request as it is handed on: a body that is too slow fails, and a body that is none costs
/// nothing.
fn prepare(
    request: Request<Incoming>,
    certificate: Option<&ClientCertificate>,
    watch: impl FnOnce(Body) -> Body,
) -> Request<Body> {
    let mut request = request.map(|body| {
        if body.is_end_stream() { Body::empty() } else { watch(Body::new(Hurried::new(body))) }
    });
    if let Some(certificate) = certificate {
        request.extensions_mut().insert(certificate.clone());
    }
    request
}

/// The connections that are open, in total and from each address.
pub struct Crowd {
    places: Arc<Semaphore>,
    /// Below this many free places each address may have only a few.
    reserved: usize,
    per_address: u32,
    /// Forwarders bring everybody's connections, and count for nobody.
    forwarders: Vec<Network>,
    counts: Mutex<HashMap<AddressBlock, u32>>,
}

/// One connection's place among all and among those of its address.
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    block: Option<AddressBlock>,
    _permit: OwnedSemaphorePermit,
}

impl Crowd {
    /// At most `total` connections at a time, `per_address` of them from one address block. The
    /// last tenth of the places is for those who have few: there an address may have a tenth of
    /// what it otherwise may.
    #[must_use]
    pub fn new(total: usize, per_address: u32, forwarders: Vec<Network>) -> Arc<Crowd> {
        Arc::new(Crowd {
            places: Arc::new(Semaphore::new(total)),
            reserved: total / 10,
            per_address,
            forwarders,
            counts: Mutex::default(),
        })
    }

    fn join(crowd: &Arc<Crowd>, peer: SocketAddr, permit: OwnedSemaphorePermit) -> Option<Place> {
        if crowd.forwarders.iter().any(|network| network.contains(peer.ip())) {
            return Some(Place { crowd: Arc::clone(crowd), block: None, _permit: permit });
        }
        let is_crowded = crowd.places.available_permits() < crowd.reserved;
        let most = if is_crowded { (crowd.per_address / 10).max(1) } else { crowd.per_address };
        let block = AddressBlock::from(peer.ip());
        let mut counts = crowd.counts.lock();
        let count = counts.entry(block).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Place { crowd: Arc::clone(crowd), block: Some(block), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(block) = self.block else { return };
        let mut counts = self.crowd.counts.lock();
        if let Some(count) = counts.get_mut(&block) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&block);
            }
        }
    }
}
