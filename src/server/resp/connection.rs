//! One client's connection: bytes in, answers out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, BytesMut};
use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::info;
use super::reply::Replies;
use super::session::{Next, Session};
use super::throttle::{Throttle, write_answer};
use crate::server::caller::CallerLimits;
use crate::server::service::Service;

/// What is read at once, in bytes: more than 64 checks in a pipeline, each of about 60 bytes.
const READ_SIZE: usize = 8 * 1024;

/// Answers of so many bytes are sent before more is done. It is what a client that does not read makes us hold.
const MOST_REPLIES: usize = 64 * 1024;

/// Checks of a pipeline that a backend is asked at once. One round trip for so many is enough: more of them only hold more memory.
const MOST_AT_ONCE: usize = 256;

/// Speaks with a client until it goes, breaks the protocol, or `stop` is cancelled and what has arrived is answered.
pub(crate) async fn serve<S>(stream: S, service: Arc<Service>, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
    let session = Session::new(CONNECTIONS.fetch_add(1, Ordering::Relaxed));
    let connection = Connection { stream, service, session, replies: Replies::default() };
    // A client that went away needs no answer.
    let _ = connection.run(stop).await;
}

struct Connection<S> {
    stream: S,
    service: Arc<Service>,
    session: Session,
    replies: Replies,
}

/// Whether a connection goes on.
#[derive(PartialEq, Eq)]
enum Then {
    Continue,
    Close,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    async fn run(mut self, stop: CancellationToken) -> io::Result<()> {
        let mut stopped = std::pin::pin!(stop.cancelled());
        let mut input = BytesMut::new();
        loop {
            input.reserve(READ_SIZE);
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut input) => if read? == 0 { return Ok(()) },
                () = &mut stopped => return Ok(()),
            }
            let (used, then) = self.answer(&input).await?;
            self.send().await?;
            if then == Then::Close {
                return self.stream.shutdown().await;
            }
            input.advance(used);
        }
    }

    /// Answers the requests of `input`; how many of its bytes they are.
    async fn answer(&mut self, input: &[u8]) -> io::Result<(usize, Then)> {
        let at_once = self.service.callers.as_ref().is_none_or(CallerLimits::is_in_memory);
        let mut waiting = Waiting::default();
        let mut used = 0;
        let mut then = Then::Continue;
        while let Some((next, length)) = self.session.take(&input[used..], &mut self.replies) {
            used += length;
            match next {
                Next::Answered => {}
                Next::Check(check) if at_once => {
                    let told = self.service.check_caller_now(&check.key, check.limit, check.quantity);
                    write_answer(&told, &mut self.replies);
                }
                Next::Check(check) => waiting.push(check, self.replies.len()),
                Next::Info => info::write(&self.service, &mut self.replies),
                Next::Close => {
                    then = Then::Close;
                    break;
                }
            }
            if waiting.checks.len() == MOST_AT_ONCE || self.replies.len() >= MOST_REPLIES {
                waiting.settle(&self.service, &mut self.replies).await;
                self.send().await?;
            }
        }
        waiting.settle(&self.service, &mut self.replies).await;
        Ok((used, then))
    }

    /// Sends what is answered. A client that does not read is waited for, and nothing more is read from it; whoever made the
    /// stream decides for how long.
    async fn send(&mut self) -> io::Result<()> {
        if self.replies.len() > 0 {
            self.stream.write_all(self.replies.as_bytes()).await?;
            self.stream.flush().await?;
            self.replies.clear();
        }
        Ok(())
    }
}

/// Checks of a pipeline that a backend decides, all at once, while the answers keep their order.
#[derive(Default)]
struct Waiting<'a> {
    /// Each with the length of the answers that go before its own, those of other checks left out.
    checks: Vec<(Throttle<'a>, usize)>,
}

impl<'a> Waiting<'a> {
    fn push(&mut self, check: Throttle<'a>, before: usize) {
        self.checks.push((check, before));
    }

    async fn settle(&mut self, service: &Service, replies: &mut Replies) {
        if self.checks.is_empty() {
            return;
        }
        let told = join_all(
            self.checks
                .iter()
                .map(|(check, _)| service.check_caller(&check.key, check.limit, check.quantity)),
        )
        .await;
        let mut ordered = Replies::default();
        let mut copied = 0;
        for ((_, before), told) in self.checks.drain(..).zip(&told) {
            ordered.append(&replies.as_bytes()[copied..before]);
            write_answer(told, &mut ordered);
            copied = before;
        }
        ordered.append(&replies.as_bytes()[copied..]);
        *replies = ordered;
    }
}
