//! [`limit_messages`]: a limit on the messages of a stream.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use pin_project_lite::pin_project;
use tonic::Status;

use super::status_of;
use crate::decision::Denied;
use crate::limiter::{Engine, Limiter};

/// Limits the messages of `stream`, as of tonic's `Streaming<T>`: each costs `key` one token of `limiter`.
///
/// The message that is over the limit is replaced by an error, [`status_of`] the refusal, and the stream ends. It is the handler's to
/// return that error to the client (`?` does). With [`wait`](LimitedStream::wait) messages are held back instead until they fit.
///
/// Streams with the same limiter and key share the limit. A `LeakyBucket` lets messages go at its even pace in either case.
///
/// It needs a tokio runtime with time enabled, for the messages that are held.
///
/// ```
/// use std::sync::Arc;
/// use tokio_stream::StreamExt;
/// use tollgate::{Limiter, Quota, grpc};
/// use tonic::{Code, Status};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let limiter = Arc::new(Limiter::new(Quota::per_minute(2)));
/// let messages = tokio_stream::iter([Ok::<_, Status>("one"), Ok("two"), Ok("three"), Ok("four")]);
/// let mut messages = grpc::limit_messages(messages, limiter, "user:42").name("chat");
/// assert_eq!(messages.next().await.unwrap().unwrap(), "one");
/// assert_eq!(messages.next().await.unwrap().unwrap(), "two");
/// assert_eq!(messages.next().await.unwrap().unwrap_err().code(), Code::ResourceExhausted);
/// assert!(messages.next().await.is_none());
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn limit_messages<St, T, A, S, K>(stream: St, limiter: Arc<Limiter<A, S>>, key: K) -> LimitedStream<St, T>
where
    St: Stream<Item = Result<T, Status>>,
    A: Engine + 'static,
    S: BuildHasher + Send + Sync + 'static,
    K: Hash + Send + Sync + 'static,
{
    let key = Arc::new(key);
    LimitedStream::new(stream, move |cost, patience| {
        let turn = turn(Arc::clone(&limiter), Arc::clone(&key), cost, patience);
        Box::pin(async move {
            turn.await.map_err(|denied| -> Refused { Box::new(move |name| status_of(&denied, name)) })
        })
    })
}

/// Ends when a message may go on.
async fn turn<A: Engine, S: BuildHasher, K: Hash>(
    limiter: Arc<Limiter<A, S>>,
    key: Arc<K>,
    cost: u64,
    patience: Option<Duration>,
) -> Result<(), Denied> {
    if let Some(max_delay) = patience {
        return limiter.until_allowed_within(&*key, cost, max_delay).await.map(|_allowed| ());
    }
    let delay = limiter.check_n(&*key, cost)?.delay();
    // Even a sleep of no time lasts until the timer's next tick.
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    Ok(())
}

/// Makes a status of a refusal by a limit of this name.
pub(super) type Refused = Box<dyn FnOnce(&str) -> Status + Send>;

pub(super) type Turn = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send>>;

/// A message that waits for its turn.
struct Held<T> {
    message: T,
    turn: Turn,
}

pin_project! {
    /// A stream whose messages are limited: what [`limit_messages`] returns.
    ///
    /// While a message is held, nothing more is asked of the stream inside, so that gRPC's flow control slows the client down.
    #[must_use = "a stream does nothing unless it is polled"]
    pub struct LimitedStream<St, T> {
        // `None` when it is over.
        #[pin]
        stream: Option<St>,
        held: Option<Held<T>>,
        take_turn: Box<dyn Fn(u64, Option<Duration>) -> Turn + Send>,
        cost: Box<dyn FnMut(&T) -> u64 + Send>,
        patience: Option<Duration>,
        name: Arc<str>,
    }
}

impl<St, T> LimitedStream<St, T> {
    /// Messages of cost 1 whose turns come when `take_turn` ends.
    pub(super) fn new(
        stream: St,
        take_turn: impl Fn(u64, Option<Duration>) -> Turn + Send + 'static,
    ) -> LimitedStream<St, T> {
        LimitedStream {
            stream: Some(stream),
            held: None,
            take_turn: Box::new(take_turn),
            cost: Box::new(|_| 1),
            patience: None,
            name: "messages".into(),
        }
    }

    /// What a message costs, in tokens; default 1.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use tollgate::{Limiter, Quota, grpc};
    /// fn upload<St>(chunks: St, bytes: Arc<Limiter>) -> grpc::LimitedStream<St, Vec<u8>>
    /// where
    ///     St: tokio_stream::Stream<Item = Result<Vec<u8>, tonic::Status>>,
    /// {
    ///     grpc::limit_messages(chunks, bytes, "uploads").cost(|chunk| chunk.len() as u64)
    /// }
    /// ```
    pub fn cost(mut self, cost: impl FnMut(&T) -> u64 + Send + 'static) -> LimitedStream<St, T> {
        self.cost = Box::new(cost);
        self
    }

    /// Holds a message that is over the limit until its turn, if that is within `max_delay`; if not, it is refused at once.
    ///
    /// Turns are those of [`schedule`](Limiter::schedule): first come, first served. Dropped, the stream gives back the turn of a message
    /// that it holds, unless others stand behind it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use tokio_stream::StreamExt;
    /// use tollgate::{Clock, Gcra, Limiter, Quota, grpc};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
    /// let gcra = Gcra::new(Quota::per_second(10).burst(1));
    /// let limiter = Arc::new(Limiter::builder(gcra).clock(Clock::tokio()).build()?);
    /// let messages = tokio_stream::iter((0..5).map(Ok::<_, tonic::Status>));
    /// let mut messages = grpc::limit_messages(messages, limiter, "user:42").wait(Duration::from_secs(1));
    /// while let Some(message) = messages.next().await {
    ///     println!("{}", message?); // the first at once, then one every 100 ms
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(mut self, max_delay: Duration) -> LimitedStream<St, T> {
        self.patience = Some(max_delay);
        self
    }

    /// What the limit is called in the refusal; default `messages`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> LimitedStream<St, T> {
        self.name = name.into();
        self
    }
}

impl<St, T> Stream for LimitedStream<St, T>
where
    St: Stream<Item = Result<T, Status>>,
{
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(stream) = this.stream.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let held = match this.held {
            Some(held) => held,
            None => match ready!(stream.poll_next(context)) {
                Some(Ok(message)) => {
                    let turn = (this.take_turn)((this.cost)(&message), *this.patience);
                    this.held.insert(Held { message, turn })
                }
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => {
                    this.stream.set(None);
                    return Poll::Ready(None);
                }
            },
        };
        let answer = ready!(held.turn.as_mut().poll(context));
        let message = this.held.take().map(|held| held.message);
        match answer {
            Ok(()) => Poll::Ready(message.map(Ok)),
            Err(refused) => {
                this.stream.set(None);
                Poll::Ready(Some(Err(refused(this.name))))
            }
        }
    }
}

impl<St: fmt::Debug, T> fmt::Debug for LimitedStream<St, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitedStream")
            .field("stream", &self.stream)
            .field("name", &self.name)
            .field("max_delay", &self.patience)
            .field("holds_a_message", &self.held.is_some())
            .finish_non_exhaustive()
    }
}
