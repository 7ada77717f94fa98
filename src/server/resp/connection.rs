//! One client's connection: bytes in, answers out.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::info;
use super::reply::Replies;
use super::session::{Next, Session};
use super::throttle::{Throttle, write_answer};
use crate::server::caller::{Answer, CallerError};
use crate::server::service::Service;

/// What is read at once, in bytes: more than 64 checks in a pipeline, each of about 60 bytes.
const READ_SIZE: usize = 8 * 1024;

/// Answers of so many bytes are sent before more is done. It is what a client that does not read makes us hold.
const MOST_REPLIES: usize = 64 * 1024;

/// Checks of a pipeline that are asked at once: for a backend, one round trip for so many is enough, and more only hold more memory.
const MOST_AT_ONCE: usize = 256;

/// Speaks with a client until it goes, breaks the protocol, or `stop` is cancelled and what has arrived is answered.
pub(crate) async fn serve<S>(stream: S, service: Arc<Service>, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    static CONNECTIONS: AtomicU64 = AtomicU64::new(1);
    let session = Session::new(CONNECTIONS.fetch_add(1, Ordering::Relaxed));
    let (plain, told, replies) = Default::default();
    let connection = Connection { stream, service, session, plain, told, replies };
    // A client that went away needs no answer.
    let _ = connection.run(stop).await;
}

struct Connection<S> {
    stream: S,
    service: Arc<Service>,
    session: Session,
    /// Answers that needed no limit, and the place among them of those that are still missing.
    plain: Replies,
    /// What limits have told.
    told: Vec<Result<Answer, CallerError>>,
    /// All answers, in order.
    replies: Replies,
}

/// Checks of a pipeline, and how much is in `plain` before the answer of each.
type Checks<'a> = Vec<(Throttle<'a>, usize)>;

/// Whether a connection goes on.
#[derive(PartialEq, Eq)]
enum Then {
    Continue,
    Close,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    async fn run(mut self, stop: CancellationToken) -> io::Result<()> {
        let mut stopped = pin!(stop.cancelled());
        let mut input = BytesMut::new();
        loop {
            input.reserve(READ_SIZE);
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut input) => if read? == 0 { return Ok(()) },
                () = &mut stopped => return Ok(()),
            }
            let (used, then) = self.answer(&input).await?;
            if then == Then::Close {
                return self.stream.shutdown().await;
            }
            input.advance(used);
        }
    }

    /// Answers the requests of `input`; how many of its bytes they are.
    async fn answer(&mut self, input: &[u8]) -> io::Result<(usize, Then)> {
        let (mut used, mut then) = (0, Then::Continue);
        let mut checks = Checks::new();
        while let Some((next, length)) = self.session.take(&input[used..], &mut self.plain) {
            used += length;
            match next {
                Next::Answered => {}
                Next::Check(check) => checks.push((check, self.plain.len())),
                Next::Info => info::write(&self.service, &mut self.plain),
                Next::Close => {
                    then = Then::Close;
                    break;
                }
            }
            if checks.len() == MOST_AT_ONCE || self.plain.len() >= MOST_REPLIES {
                self.settle(&mut checks).await?;
            }
        }
        self.settle(&mut checks).await?;
        Ok((used, then))
    }

    /// Asks the limits, all at once where a backend counts, and sends all answers.
    async fn settle(&mut self, checks: &mut Checks<'_>) -> io::Result<()> {
        if !checks.is_empty() {
            let asks: Vec<_> = checks.iter().map(|(check, _)| check.as_ask()).collect();
            if let Err(error) = self.service.check_callers(&asks, &mut self.told).await {
                self.told.resize(asks.len(), Err(error));
            }
        }
        let mut copied = 0;
        for ((_, before), told) in checks.drain(..).zip(self.told.drain(..)) {
            self.replies.append(&self.plain.as_bytes()[copied..before]);
            write_answer(&told, &mut self.replies);
            copied = before;
        }
        self.replies.append(&self.plain.as_bytes()[copied..]);
        self.plain.clear();
        self.send().await
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
