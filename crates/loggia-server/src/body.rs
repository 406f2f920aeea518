//! Bodies that are watched on their way: whoever sends too slowly loses the request, and a
//! connection knows when something last moved on it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::connection::ConnectionState;

/// How long a body may take in any case, and how many bytes buy another second.
const GRACE: Duration = Duration::from_secs(30);
const BYTES_A_SECOND: u64 = 4 * 1024;

/// A request's body that fails when it comes more slowly than anybody's line is.
pub(crate) struct Hurried<B> {
    body: B,
    started: Instant,
    received: u64,
    /// Made when there is something to wait for.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<B> Hurried<B> {
    pub(crate) fn new(body: B) -> Hurried<B> {
        Hurried { body, started: Instant::now(), received: 0, deadline: None }
    }
}

impl<B> Body for Hurried<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.received = this.received.saturating_add(length as u64);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let bought = Duration::from_secs(this.received / BYTES_A_SECOND);
                let end = this.started + GRACE + bought;
                let deadline =
                    this.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
                if deadline.deadline() != end {
                    deadline.as_mut().reset(end);
                }
                match deadline.as_mut().poll(context) {
                    Poll::Ready(()) => {
                        Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut).into())))
                    }
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body of one of many streams on a connection; each frame is a sign of life.
pub(crate) struct Watched<B> {
    body: B,
    state: Arc<ConnectionState>,
}

impl<B> Watched<B> {
    pub(crate) fn new(body: B, state: Arc<ConnectionState>) -> Watched<B> {
        Watched { body, state }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.state.moved();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// Seconds until a body that comes in pieces of a size, one a second, is given up.
    async fn given_up_after(piece: usize) -> Option<u64> {
        let pieces = futures_util::stream::unfold(0_u32, move |count| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let frame = Frame::data(Bytes::from(vec![b'x'; piece]));
            (count < 1_000).then(|| (Ok::<_, io::Error>(frame), count + 1))
        });
        let started = Instant::now();
        let mut body = Hurried::new(StreamBody::new(Box::pin(pieces)));
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return Some(started.elapsed().as_secs());
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_be_slow_but_not_for_ever() {
        assert!(matches!(given_up_after(1).await, Some(30..=31)));
        assert!(matches!(given_up_after(2_048).await, Some(58..=62)));
        assert_eq!(given_up_after(8_192).await, None);
    }
}
