//! [`RateLimitBody`]: the body of an answer that passed through the layer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::guard::{Guard, grpc_outcome};
use crate::limiter::Outcome;

pin_project! {
    /// The body of an answer: the inner service's, or a refusal's.
    ///
    /// Places in concurrency limits are held, and costs are settled, until it has ended or is dropped.
    ///
    /// For an example see [`RateLimitLayer`](super::RateLimitLayer).
    #[derive(Debug)]
    pub struct RateLimitBody<B> {
        #[pin]
        inner: Inner<B>,
        watch: Option<Box<Watch>>,
    }
}

pin_project! {
    #[project = InnerProjection]
    #[derive(Debug)]
    enum Inner<B> {
        Service { #[pin] body: B },
        Refusal { text: Option<Bytes> },
    }
}

impl<B: Body> RateLimitBody<B> {
    /// A body that nothing waits for.
    pub(super) fn plain(body: B) -> RateLimitBody<B> {
        RateLimitBody { inner: Inner::Service { body }, watch: None }
    }

    /// A body whose end is waited for; one without a byte has ended already. Of one whose length was announced, servers may not ask for more than that.
    pub(super) fn watched(body: B, guard: Guard, outcome: Outcome, length: Option<u64>) -> RateLimitBody<B> {
        let known = length.or_else(|| body.size_hint().exact());
        let guard = Some(guard);
        let mut watch = Some(Box::new(Watch { guard, outcome, ended: false, bytes: 0, length, known }));
        if body.is_end_stream() || length == Some(0) {
            ended(&mut watch);
        }
        RateLimitBody { inner: Inner::Service { body }, watch }
    }

    pub(super) fn refusal(text: Bytes) -> RateLimitBody<B> {
        let text = Some(text).filter(|text| !text.is_empty());
        RateLimitBody { inner: Inner::Refusal { text }, watch: None }
    }
}

/// An empty body.
impl<B> Default for RateLimitBody<B> {
    fn default() -> RateLimitBody<B> {
        RateLimitBody { inner: Inner::Refusal { text: None }, watch: None }
    }
}

impl<B: Body<Data = Bytes>> Body for RateLimitBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let mut body = match this.inner.project() {
            InnerProjection::Service { body } => body,
            InnerProjection::Refusal { text } => {
                return Poll::Ready(text.take().map(|text| Ok(Frame::data(text))));
            }
        };
        let frame = ready!(body.as_mut().poll_frame(context));
        match (&frame, this.watch.as_mut()) {
            (Some(Ok(frame)), Some(watch)) => {
                watch.count(frame);
                // Servers do not ask again when a body says that there is no more.
                if body.is_end_stream() || watch.length.is_some_and(|length| length <= watch.bytes) {
                    ended(this.watch);
                }
            }
            (Some(Err(_)), Some(watch)) => {
                watch.known = None;
                *this.watch = None;
            }
            (None, _) => ended(this.watch),
            (Some(_), None) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Service { body } => body.is_end_stream(),
            Inner::Refusal { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Service { body } => body.size_hint(),
            Inner::Refusal { text } => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}

/// Whoever waits for the end of a body.
#[derive(Debug)]
struct Watch {
    guard: Option<Guard>,
    outcome: Outcome,
    ended: bool,
    bytes: u64,
    /// How many were announced.
    length: Option<u64>,
    /// How many there are, if that is known.
    known: Option<u64>,
}

impl Watch {
    fn count(&mut self, frame: &Frame<Bytes>) {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.bytes = self.bytes.saturating_add(bytes);
        // A gRPC call tells at its end how it went.
        if let Some(outcome) = frame.trailers_ref().and_then(grpc_outcome) {
            self.outcome = outcome;
        }
    }
}

fn ended(watch: &mut Option<Box<Watch>>) {
    if let Some(mut watch) = watch.take() {
        watch.ended = true;
    }
}

impl Drop for Watch {
    /// A body that was cut short, because its client went away or it failed, says nothing about the load. One that gave all its bytes was not,
    /// though it was not asked for its end: servers drop it then, unless trailers may follow.
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            let is_whole = self.ended || self.known.is_some_and(|known| known <= self.bytes);
            let outcome = if is_whole { self.outcome } else { Outcome::Ignore };
            guard.end(outcome, self.bytes);
        }
    }
}
