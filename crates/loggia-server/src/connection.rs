//! One accepted connection: its bytes pass the framing scanner, and whoever keeps it waiting too
//! long loses it.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use loggia_proxy::framing::{Framing, Stage};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::listen::Place;

/// How long a head may take from its first byte, and a new connection to its first byte.
pub(crate) const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may be idle between requests, or a client not read what it asked for.
pub(crate) const IDLE: Duration = Duration::from_secs(60);
/// How long a body may take that nobody waits for; one that is waited for has a deadline of its
/// own ([`crate::body::Hurried`]).
const BODY: Duration = Duration::from_secs(120);
/// A client that is being waited for must take this much to be waited for anew: reading a byte
/// now and then keeps nothing open.
const PROGRESS: usize = 16 * 1024;
/// How long what a refused client still sends is read and thrown away, so that it gets to see the
/// answer.
const LINGER: Duration = Duration::from_secs(5);

/// What the service tells its connection.
#[derive(Debug, Default)]
pub(crate) struct ConnectionState {
    /// A WebSocket took the connection over: no HTTP follows.
    is_raw: AtomicBool,
    /// Requests that are being answered; their client waits for us, not we for it.
    in_flight: AtomicUsize,
    /// When something last moved on a connection of many streams.
    moved: Mutex<Option<Instant>>,
}

/// Counts a request as being answered while it lives.
pub(crate) struct InFlight(Arc<ConnectionState>);

/// A connection with scanner and deadlines.
pub(crate) struct Guarded<S> {
    stream: S,
    peer: IpAddr,
    idle: Duration,
    state: Arc<ConnectionState>,
    framing: Framing,
    stage: Stage,
    /// When patience ends, and the timer, which may ring earlier: setting it back at each request
    /// would cost more than to let it ring now and then.
    until: Instant,
    /// None on a socket. A timer holds on to whatever task it would wake, and after an upgrade that
    /// task is over.
    timer: Option<Pin<Box<Sleep>>>,
    /// Bytes taken since the client was first waited for; none while it keeps up.
    taken: Option<usize>,
    closing: Closing,
    place: Option<Place>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    Lingering,
    Done,
}

impl ConnectionState {
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(crate) fn becomes_socket(&self) {
        self.is_raw.store(true, Ordering::Release);
    }

    /// Something moved on one of the streams.
    pub(crate) fn moved(&self) {
        *self.moved.lock() = Some(Instant::now());
    }

    /// Until when a connection of many streams may stay as it is: `first` for its first request,
    /// `idle` after each sign of life, and as long as an answer is being made.
    pub(crate) fn quiet_until(&self, first: Duration, idle: Duration) -> Instant {
        let now = Instant::now();
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            return now + idle;
        }
        match *self.moved.lock() {
            Some(moved) => moved + idle,
            None => now.checked_sub(first).unwrap_or(now),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S> Guarded<S> {
    pub(crate) fn new(
        stream: S,
        peer: IpAddr,
        idle: Duration,
        state: Arc<ConnectionState>,
    ) -> Guarded<S> {
        Guarded {
            stream,
            peer,
            idle,
            state,
            framing: Framing::default(),
            stage: Stage::Idle,
            until: Instant::now() + HEAD,
            timer: Some(Box::pin(tokio::time::sleep(HEAD))),
            taken: None,
            closing: Closing::No,
            place: None,
        }
    }

    /// Keeps a place among connections as long as this one is open.
    pub(crate) fn holding(mut self, place: Place) -> Guarded<S> {
        self.place = Some(place);
        self
    }

    fn is_raw(&self) -> bool {
        self.state.is_raw.load(Ordering::Acquire)
    }

    fn allow(&mut self, time: Duration) {
        self.until = Instant::now() + time;
        if let Some(timer) = &mut self.timer
            && self.until < timer.deadline()
        {
            timer.as_mut().reset(self.until);
        }
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let until = self.until;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        while timer.as_mut().poll(context).is_ready() {
            if until <= timer.deadline() {
                return true;
            }
            timer.as_mut().reset(until);
        }
        false
    }

    /// Bytes came: the deadline of a stage runs from its beginning, not from the last byte.
    fn read_some(&mut self, bytes: &mut [u8]) {
        self.framing.scan(bytes);
        let stage = self.framing.stage();
        // A request that came as a whole leaves the stage as it was, but it was a sign of life.
        if stage != self.stage || stage == Stage::Idle {
            if matches!(stage, Stage::Refused | Stage::Broken) {
                self.log_refusal();
            }
            self.stage = stage;
            self.allow(match stage {
                Stage::Idle => self.idle,
                Stage::Head | Stage::Refused | Stage::Broken => HEAD,
                Stage::Body => BODY,
            });
        }
    }

    /// The library answers 400 by itself; what for is only known here.
    fn log_refusal(&self) {
        let peer = self.peer;
        tracing::info!(
            target: "loggia::refusal",
            code = "REQ-FRAMING",
            gate = "edge",
            principal = %peer,
            "refused {peer} at the edge gate: the framing of the request is ambiguous"
        );
    }

    fn check_deadline(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.is_over(context) {
            if self.state.in_flight.load(Ordering::Relaxed) == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.allow(IDLE);
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.is_raw() {
            this.timer = None;
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        // Nothing tells where a broken body ends: whoever reads it has to learn that it has none.
        if this.stage == Stage::Broken {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                if let Some(bytes) = buffer.filled_mut().get_mut(before..) {
                    this.read_some(bytes);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => match this.check_deadline(context) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Ends our side, then reads what still comes: a connection that is closed with unread bytes
    /// is reset, and the client may never see why.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing == Closing::No {
            match Pin::new(&mut this.stream).poll_shutdown(context) {
                Poll::Ready(Ok(())) => {
                    this.closing = Closing::Lingering;
                    this.allow(LINGER);
                }
                other => return other,
            }
        }
        let mut rest = [0_u8; 16 * 1024];
        while this.closing == Closing::Lingering {
            if this.is_over(context) {
                this.closing = Closing::Done;
                break;
            }
            let mut rest = ReadBuf::new(&mut rest);
            match Pin::new(&mut this.stream).poll_read(context, &mut rest) {
                Poll::Ready(Ok(())) if !rest.filled().is_empty() => {}
                Poll::Ready(_) => this.closing = Closing::Done,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl<S> Guarded<S> {
    /// A client that reads may take its time; one that hardly does is in the way.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.is_raw() {
            return outcome;
        }
        match outcome {
            Poll::Ready(Ok(count)) => {
                let taken = self.taken.map_or(PROGRESS, |taken| taken.saturating_add(count));
                if taken < PROGRESS {
                    self.taken = Some(taken);
                } else {
                    self.taken = None;
                    if self.stage == Stage::Idle {
                        self.allow(self.idle);
                    }
                }
                Poll::Ready(Ok(count))
            }
            Poll::Pending => {
                self.taken.get_or_insert(0);
                if self.is_over(context) {
                    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                } else {
                    Poll::Pending
                }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn guard<S>(stream: S, state: &Arc<ConnectionState>) -> Guarded<S> {
        Guarded::new(stream, IpAddr::V4(Ipv4Addr::LOCALHOST), IDLE, Arc::clone(state))
    }

    /// What the server reads, in order, until it gives up. Time runs only while nothing else does.
    async fn given_up_after(sent: &[&str], is_answering: bool) -> (String, Duration) {
        let (mut client, stream) = tokio::io::duplex(1024);
        let state = Arc::new(ConnectionState::default());
        let mut guarded = guard(stream, &state);
        let started = Instant::now();
        let mut read = String::new();
        let mut buffer = [0; 1024];
        for piece in sent {
            client.write_all(piece.as_bytes()).await.unwrap();
            let count = guarded.read(&mut buffer).await.unwrap();
            read.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        let answering = is_answering.then(|| state.begin());
        let waiting = tokio::time::timeout(Duration::from_secs(600), guarded.read(&mut buffer));
        match waiting.await {
            Ok(outcome) => assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::TimedOut),
            Err(_) => assert!(is_answering, "it waits for ever"),
        }
        drop(answering);
        (read, started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_slowness_end_a_connection() {
        assert_eq!(given_up_after(&[], false).await.1.as_secs(), 10);
        assert_eq!(given_up_after(&["GET / HT"], false).await.1.as_secs(), 10);
        let idle = given_up_after(&["GET / HTTP/1.1\r\nHost: a\r\n\r\n"], false).await;
        assert_eq!(idle.1.as_secs(), 60);
        let body = ["POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n", "x"];
        assert_eq!(given_up_after(&body, false).await.1.as_secs(), 120);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_waits_for_our_answer_is_not_hurried() {
        let (_, waited) = given_up_after(&["GET / HTTP/1.1\r\nHost: a\r\n\r\n"], true).await;
        assert_eq!(waited.as_secs(), 600);
    }
}
