//! [`RateLimit`], the service, and its future.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Extensions, Method, Request, Response, response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::RateLimitBody;
use super::decision::Decision;
use super::guard::outcome_of;
use super::hold::{Due, Turns, Waiting};
#[cfg(feature = "policy")]
use super::policies::{AskingBackends, Fate};
use super::rules::{Decided, Passed, Refused, Rules, note};
use super::{Head, observed};

/// A service whose requests are checked first: what [`RateLimitLayer`](super::RateLimitLayer) makes of a service.
///
/// Its errors are the inner service's; a refusal is an answer. Being ready is the inner service's matter, and spends nothing. Clones share
/// their limits.
#[derive(Clone, Debug)]
pub struct RateLimit<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> RateLimit<S> {
    pub(super) fn new(inner: S, rules: Arc<Rules>) -> RateLimit<S> {
        RateLimit { inner, rules }
    }

    /// Holds a request. The service that is ready goes with it.
    fn waiter<Q>(&mut self, request: Request<Q>, begun: Option<Instant>) -> Waiter<S, Q>
    where
        S: Clone,
    {
        let clone = self.inner.clone();
        let service = std::mem::replace(&mut self.inner, clone);
        Waiter { service, request, rules: Arc::clone(&self.rules), begun }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, Q, R> Service<Request<Q>> for RateLimit<S>
where
    S: Service<Request<Q>, Response = Response<R>> + Clone,
    R: Body<Data = Bytes>,
{
    type Response = Response<RateLimitBody<R>>;
    type Error = S::Error;
    type Future = RateLimitFuture<S, Q>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Q>) -> RateLimitFuture<S, Q> {
        let rules = &self.rules;
        let head = Head::of(&request);
        if rules.skips(&head) {
            return RateLimitFuture::passing(self.inner.call(request), None);
        }
        match observed::decide(rules, &head) {
            Decided::Pass(passed) => {
                let ending = Ending::begin(rules, passed, &mut request);
                RateLimitFuture::passing(self.inner.call(request), ending)
            }
            Decided::Refuse(refused) => {
                let response = rules.refuse(&head, &refused);
                RateLimitFuture::answered(rules, response, &refused)
            }
            Decided::Wait(asked, turns) => match Waiting::begin(rules, asked, turns) {
                Err(refused) => {
                    observed::refusal(rules, &head, &refused, None);
                    let response = rules.refuse(&head, &refused);
                    RateLimitFuture::answered(rules, response, &refused)
                }
                Ok(waiting) => RateLimitFuture::held(self.waiter(request, None), waiting.turns()),
            },
            #[cfg(feature = "distributed")]
            Decided::Ask(asking) => {
                let begun = asking.begun;
                RateLimitFuture::held(self.waiter(request, begun), asking.decide())
            }
            #[cfg(feature = "policy")]
            Decided::AskBackends(AskingBackends { verdict, begun }) => {
                RateLimitFuture { state: self.waiter(request, begun).until(verdict) }
            }
            #[cfg(feature = "policy")]
            Decided::Delay(delayed) => RateLimitFuture::held(self.waiter(request, None), delayed.turn()),
        }
    }
}

/// What is to be done with the answer to a request that went on.
struct Ending {
    rules: Arc<Rules>,
    passed: Passed,
    decision: Option<Decision>,
    /// Whether nobody will ask for the answer's body.
    bodiless: bool,
}

impl Ending {
    /// The request is about to go on. Nothing is to be done later if nobody is told and nothing held.
    fn begin<Q>(rules: &Arc<Rules>, mut passed: Passed, request: &mut Request<Q>) -> Option<Ending> {
        note(std::mem::take(&mut passed.paid), request.extensions_mut());
        let decision = rules.leaves_decision.then(|| Decision {
            allowed: !passed.refused,
            shadow: rules.shadow,
            limits: passed.reports.as_slice().into(),
        });
        leave(decision.as_ref(), request.extensions_mut());
        let nothing = passed.guard.is_none() && passed.reports.is_empty() && decision.is_none();
        let bodiless = request.method() == Method::HEAD;
        (!nothing).then(|| Ending { rules: Arc::clone(rules), passed, decision, bodiless })
    }

    fn end<R: Body>(self, response: Response<R>) -> Response<RateLimitBody<R>> {
        let Ending { rules, mut passed, decision, bodiless } = self;
        let (mut parts, body) = response.into_parts();
        if let Some(guard) = &mut passed.guard {
            guard.answered(&parts);
        }
        // A redirection is not what was asked for: draft-11 would rather not have fields there.
        if !parts.status.is_redirection() {
            rules.write_fields(&passed.reports, false, &mut parts.headers);
        }
        leave(decision.as_ref(), &mut parts.extensions);
        let body = match passed.guard {
            None => RateLimitBody::plain(body),
            Some(guard) => {
                let length = if bodiless { Some(0) } else { announced_length(&parts) };
                RateLimitBody::watched(body, guard, outcome_of(&parts), length)
            }
        };
        Response::from_parts(parts, body)
    }
}

/// How many bytes the body has, if that is announced; trailers do not follow then.
fn announced_length(parts: &response::Parts) -> Option<u64> {
    parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn leave(decision: Option<&Decision>, extensions: &mut Extensions) {
    if let Some(decision) = decision {
        extensions.insert(decision.clone());
    }
}

/// A request that waits, and the service it waits for.
struct Waiter<S, Q> {
    service: S,
    request: Request<Q>,
    rules: Arc<Rules>,
    /// Since when it is being decided, if anybody wants to know how long that takes.
    begun: Option<Instant>,
}

pin_project! {
    /// The answer of a [`RateLimit`] service. It is boxed only while a request is held, or a limit is asked that many nodes share.
    ///
    /// For an example see [`RateLimitLayer`](super::RateLimitLayer).
    pub struct RateLimitFuture<S, Q>
    where
        S: Service<Request<Q>>,
    {
        #[pin]
        state: State<S::Future, S, Q>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, S, Q> {
        Passing { #[pin] answer: F, ending: Option<Ending> },
        Answered { response: Option<Response<Bytes>> },
        Held { waiter: Option<Waiter<S, Q>>, turns: Turns },
    }
}

impl<S: Service<Request<Q>>, Q> RateLimitFuture<S, Q> {
    fn passing(answer: S::Future, ending: Option<Ending>) -> Self {
        RateLimitFuture { state: State::Passing { answer, ending } }
    }

    fn answered(rules: &Rules, mut response: Response<Bytes>, refused: &Refused) -> Self {
        if rules.leaves_decision {
            let limits = refused.reports.as_slice().into();
            response.extensions_mut().insert(Decision { allowed: false, shadow: false, limits });
        }
        RateLimitFuture { state: State::Answered { response: Some(response) } }
    }

    fn held(
        waiter: Waiter<S, Q>,
        turns: impl Future<Output = Result<Passed, Refused>> + Send + 'static,
    ) -> Self {
        RateLimitFuture { state: waiter.until(Due::decided(turns)) }
    }
}

impl<S, Q, R> Future for RateLimitFuture<S, Q>
where
    S: Service<Request<Q>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<RateLimitBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Passing { answer, ending } => {
                    let answer = ready!(answer.poll(context));
                    // What is held is given back now, whatever becomes of this future.
                    return Poll::Ready(match (answer, ending.take()) {
                        (Ok(response), Some(ending)) => Ok(ending.end(response)),
                        (Ok(response), None) => Ok(response.map(RateLimitBody::plain)),
                        (Err(error), _) => Err(error),
                    });
                }
                StateProjection::Answered { response } => {
                    let response = response.take().unwrap_or_default();
                    return Poll::Ready(Ok(response.map(RateLimitBody::refusal)));
                }
                StateProjection::Held { waiter, turns } => {
                    let due = ready!(turns.as_mut().poll(context));
                    // There as long as it is held: the next state follows at once.
                    let Some(waiter) = waiter.take() else { return Poll::Pending };
                    waiter.go_on(due)
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<Request<Q>>, Q> Waiter<S, Q> {
    fn until(self, turns: Turns) -> State<S::Future, S, Q> {
        State::Held { waiter: Some(self), turns }
    }

    fn go_on(self, due: Due) -> State<S::Future, S, Q> {
        let (rules, head) = (&self.rules, Head::of(&self.request));
        let took = self.begun.map(|begun| begun.elapsed());
        match due {
            Due::Decided(decided) => {
                let settled = observed::settled(rules, &head, *decided, took);
                self.settle(settled)
            }
            #[cfg(feature = "policy")]
            Due::Checked(checked) => match rules.conclude(&head, *checked, took) {
                Fate::Now(settled) => self.settle(settled),
                Fate::Later(delayed) => self.until(Due::decided(delayed.turn())),
            },
        }
    }

    fn settle(self, settled: Result<Passed, Refused>) -> State<S::Future, S, Q> {
        let Waiter { mut service, mut request, rules, .. } = self;
        match settled {
            Ok(passed) => {
                let ending = Ending::begin(&rules, passed, &mut request);
                State::Passing { answer: service.call(request), ending }
            }
            Err(refused) => {
                let response = rules.refuse(&Head::of(&request), &refused);
                RateLimitFuture::<S, Q>::answered(&rules, response, &refused).state
            }
        }
    }
}

impl<S: Service<Request<Q>>, Q> fmt::Debug for RateLimitFuture<S, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitFuture").finish_non_exhaustive()
    }
}
