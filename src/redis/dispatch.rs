//! [`dispatch`]: requests to their servers, again where that is safe, until each has an answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use redis::{RedisResult, Value};
use tokio::time::{sleep, timeout, timeout_at};

use crate::distributed::{Applied, BackendError, BackendErrorKind};

use super::failure::{Refusal, refusal};
use super::live::Live;
use super::node::Node;
use super::request::{NamedBy, Request, RequestState, Route, pipeline};
use super::stats::Counters;
use super::topology::Topology;

/// A slot on its way needs so many: after NOSCRIPT, MOVED, ASK, NOSCRIPT again and TRYAGAIN comes the answer. Who is sent on
/// more often goes round in a circle: while the news of a move spread, two servers may each name the other.
const DIRECT_ROUNDS: usize = 6;
/// After TRYAGAIN: a key or two are moved in less. And between the rounds of a circle, twice as long each time...
const TRY_AGAIN: Duration = Duration::from_millis(2);
/// ...up to this: not many rounds in a budget, and none that is missed for long.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What came of one request in one round.
type Answer = Result<Value, Refusal>;

/// Sends the requests, and sends again those that surely were not carried out, until each has an answer or nobody
/// listens any more. One that goes round in a circle has half of the time: the others of its batch wait for it.
pub(super) async fn dispatch(
    topology: &Topology,
    requests: &mut [Request<'_>],
    deadline: Instant,
    counters: &Counters,
) {
    let mut circle = Circle::until(deadline);
    for round in 0_usize.. {
        let groups = by_node(requests);
        if groups.is_empty()
            || (round >= DIRECT_ROUNDS && !circle.pause().await)
            || Instant::now() >= deadline
        {
            return;
        }
        let in_flight = groups.iter().map(|(node, members)| send(node, members, requests, deadline));
        let answers = join_all(in_flight).await;
        let mut try_again = false;
        for (index, answer) in
            groups.iter().flat_map(|(_, members)| members).zip(answers.into_iter().flatten())
        {
            try_again |= matches!(answer, Err(Refusal::TryAgain));
            settle(&mut requests[*index], answer, topology, counters);
        }
        if try_again {
            sleep(TRY_AGAIN).await;
        }
    }
}

/// The pauses of those that go round in a circle.
struct Circle {
    end: Instant,
    pause: Duration,
}

impl Circle {
    /// Half of the time from now to the deadline.
    fn until(deadline: Instant) -> Circle {
        let now = Instant::now();
        Circle { end: now + deadline.saturating_duration_since(now) / 2, pause: TRY_AGAIN }
    }

    /// Waits, if there is time for it.
    async fn pause(&mut self) -> bool {
        let is_time = Instant::now() + self.pause < self.end;
        if is_time {
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        is_time
    }
}

/// Which requests go to which server.
fn by_node(requests: &[Request<'_>]) -> Vec<(Arc<Node>, Vec<usize>)> {
    let mut groups: Vec<(Arc<Node>, Vec<usize>)> = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let Some((_, route)) = request.pending() else { continue };
        match groups.iter_mut().find(|(node, _)| Arc::ptr_eq(node, &route.node)) {
            Some((_, members)) => members.push(index),
            None => groups.push((Arc::clone(&route.node), vec![index])),
        }
    }
    groups
}

/// One round trip to one server, with an answer for each member.
async fn send(node: &Node, members: &[usize], requests: &[Request<'_>], deadline: Instant) -> Vec<Answer> {
    let pending = || members.iter().filter_map(|index| requests[*index].pending());
    if pending().any(|(_, route)| route.named_by != NamedBy::Topology) {
        // Without one by then, it fails below. The other half is for the call, and lets the caller have what others
        // answered.
        let half = deadline.saturating_duration_since(Instant::now()) / 2;
        let _ = timeout(half, node.first_attempt()).await;
    }
    let live = match node.live() {
        Ok(live) => live,
        Err(error) => return failed(members, &error),
    };
    let commands = pipeline(pending(), live.knows_shebang());
    let mut connection = live.connection();
    let call = live.call(deadline);
    let answer =
        timeout_at(deadline.into(), commands.query_async::<Vec<RedisResult<Value>>>(&mut connection)).await;
    match answer {
        Ok(Ok(answers)) if answers.len() == members.len() => {
            call.answered();
            let limits = members.iter().map(|index| requests[*index].limit);
            answers.into_iter().zip(limits).map(|(answer, limit)| read(answer, &live, limit)).collect()
        }
        Ok(Ok(_)) => {
            call.failed();
            let message = format!("{} gave another number of answers than was asked for", live.address());
            failed(members, &BackendError::new(BackendErrorKind::Protocol, Applied::Maybe, message))
        }
        Ok(Err(error)) => {
            call.failed();
            failed(members, &lost(&error, &live))
        }
        // Dropped without an answer, the call counts as timed out.
        Err(_) => {
            let message = format!("no answer from {} by the deadline", live.address());
            failed(members, &BackendError::new(BackendErrorKind::Timeout, Applied::Maybe, message))
        }
    }
}

fn failed(members: &[usize], error: &BackendError) -> Vec<Answer> {
    members.iter().map(|_| Err(Refusal::Failed(error.clone()))).collect()
}

/// The connection ended under a call. How much of it had been written nobody knows.
fn lost(error: &redis::RedisError, live: &Live) -> BackendError {
    let kind = match error.kind() {
        redis::ErrorKind::Parse | redis::ErrorKind::UnexpectedReturnType => BackendErrorKind::Protocol,
        _ => BackendErrorKind::Unavailable,
    };
    BackendError::new(kind, Applied::Maybe, format!("the connection to {} was lost: {error}", live.address()))
}

fn read(answer: RedisResult<Value>, live: &Live, limit: &str) -> Answer {
    answer.map_err(|error| {
        let refusal = refusal(&error, live.address(), limit);
        if matches!(refusal, Refusal::WrongConnection(_)) {
            live.give_up();
        }
        refusal
    })
}

/// Takes note of the answer, or of where to send the request next.
fn settle(request: &mut Request<'_>, answer: Answer, topology: &Topology, counters: &Counters) {
    let RequestState::Pending(_, route) = &mut request.state else { return };
    let answer = match answer {
        Ok(value) => Ok(value),
        Err(refusal) => match reroute(route, refusal, topology, counters) {
            Ok(()) => return,
            Err(error) => Err(error),
        },
    };
    request.state = RequestState::Answered(answer);
}

/// Where to send next what was refused, unless the refusal is final.
fn reroute(
    route: &mut Route,
    refusal: Refusal,
    topology: &Topology,
    counters: &Counters,
) -> Result<(), BackendError> {
    match refusal {
        Refusal::NoScript => {
            counters.script_loaded();
            route.with_body = true;
        }
        Refusal::Moved(address) => {
            counters.redirected();
            route.redirect(topology.moved(&address)?, NamedBy::Moved);
        }
        Refusal::Ask(address) => {
            counters.redirected();
            route.redirect(topology.asked(&address)?, NamedBy::Ask);
        }
        Refusal::TryAgain if !route.tried_again => route.tried_again = true,
        Refusal::TryAgain => {
            let message = "the slot is on its way to another server, half here and half there";
            return Err(BackendError::new(BackendErrorKind::Overloaded, Applied::No, message));
        }
        Refusal::Failed(error) | Refusal::WrongConnection(error) => {
            if matches!(error.kind(), BackendErrorKind::Unavailable | BackendErrorKind::NotPrimary) {
                topology.doubt();
            }
            return Err(error);
        }
    }
    Ok(())
}
