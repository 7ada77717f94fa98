//! Waiting for a place. Time is tokio's, paused: it moves on when every task waits for it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::{Instant, advance};
use tollgate::concurrency::{Cause, ConcurrencyLimit, Order, Permit, Saturated};

const SECOND: Duration = Duration::from_secs(1);
const NEARLY: Duration = Duration::from_millis(999);

/// A caller that is waiting, polled by hand.
type Caller<'a> = Pin<Box<dyn Future<Output = Result<Permit<'a>, Saturated>> + 'a>>;

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll<'a>(caller: &mut Caller<'a>) -> Poll<Result<Permit<'a>, Saturated>> {
    caller.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// A caller that has begun to wait.
fn waiting(limit: &ConcurrencyLimit) -> Caller<'_> {
    let mut caller: Caller<'_> = Box::pin(limit.acquire_within(SECOND));
    assert!(poll(&mut caller).is_pending());
    caller
}

/// The permit of a caller who has one by now.
fn permit<'a>(caller: &mut Caller<'a>) -> Permit<'a> {
    match poll(caller) {
        Poll::Ready(Ok(permit)) => permit,
        other => panic!("no permit, but {other:?}"),
    }
}

/// Why a caller was refused.
fn refusal(caller: &mut Caller<'_>) -> Saturated {
    match poll(caller) {
        Poll::Ready(Err(refused)) => refused,
        other => panic!("no refusal, but {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_free_place_is_taken_without_waiting() {
    let limit = ConcurrencyLimit::new(1);
    let before = Instant::now();
    let _permit = limit.acquire_within(SECOND).await.unwrap();
    assert_eq!(Instant::now(), before);
    assert_eq!((limit.in_flight(), limit.waiting()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_refused_when_the_time_is_over_and_not_before() {
    let limit = ConcurrencyLimit::new(1);
    let _held = limit.try_acquire().unwrap();
    let mut caller = waiting(&limit);
    advance(NEARLY).await;
    assert!(poll(&mut caller).is_pending());
    advance(Duration::from_millis(2)).await;
    let refused = refusal(&mut caller);
    assert_eq!((refused.cause(), refused.in_flight(), refused.max()), (Cause::TimedOut, 1, 1));
    assert_eq!(limit.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_zero_does_not_wait_and_one_without_end_ends_with_a_permit() {
    let limit = ConcurrencyLimit::new(1);
    let held = limit.try_acquire().unwrap();
    let refused = limit.acquire_within(Duration::ZERO).await.unwrap_err();
    assert_eq!(refused.cause(), Cause::Busy);
    let mut patient: Caller<'_> = Box::pin(limit.acquire_within(Duration::MAX));
    assert!(poll(&mut patient).is_pending());
    drop(held);
    drop(permit(&mut patient));
    assert!(limit.acquire_within(Duration::ZERO).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_goes_first() {
    let limit = ConcurrencyLimit::new(1);
    let held = limit.try_acquire().unwrap();
    let mut callers = [waiting(&limit), waiting(&limit), waiting(&limit)];
    let mut last = held;
    for caller in &mut callers {
        drop(last);
        last = permit(caller);
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_goes_first_where_that_is_the_order() {
    let limit = ConcurrencyLimit::builder(1).order(Order::NewestFirst).build();
    let held = limit.try_acquire().unwrap();
    let mut callers = [waiting(&limit), waiting(&limit), waiting(&limit)];
    let mut last = held;
    for caller in callers.iter_mut().rev() {
        drop(last);
        last = permit(caller);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_the_newcomer() {
    let limit = ConcurrencyLimit::builder(1).queue(2).build();
    let held = limit.try_acquire().unwrap();
    let mut callers = [waiting(&limit), waiting(&limit)];
    let refused = limit.acquire_within(SECOND).await.unwrap_err();
    assert_eq!((refused.cause(), limit.waiting()), (Cause::QueueFull, 2));
    assert!(refused.to_string().starts_with("1 of at most 1 in flight, and the queue is full"), "{refused}");
    drop(held);
    drop(permit(&mut callers[0]));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_the_oldest_where_the_newest_goes_first() {
    let limit = ConcurrencyLimit::builder(1).queue(2).order(Order::NewestFirst).build();
    let held = limit.try_acquire().unwrap();
    let [mut oldest, mut middle] = [waiting(&limit), waiting(&limit)];
    let mut newest = waiting(&limit);
    assert_eq!((refusal(&mut oldest).cause(), limit.waiting()), (Cause::Displaced, 2));
    drop(held);
    let held = permit(&mut newest);
    drop(held);
    drop(permit(&mut middle));
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_no_length_lets_nobody_wait() {
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let limit = ConcurrencyLimit::builder(1).queue(0).order(order).build();
        let _held = limit.try_acquire().unwrap();
        assert_eq!(limit.acquire_within(SECOND).await.unwrap_err().cause(), Cause::QueueFull);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_overtakes_those_who_wait() {
    let limit = ConcurrencyLimit::new(1);
    let held = limit.try_acquire().unwrap();
    let mut caller = waiting(&limit);
    drop(held);
    // The place is the caller's, although it has not been polled since.
    assert_eq!(limit.in_flight(), 1);
    assert!(limit.try_acquire().is_err());
    drop(permit(&mut caller));
    assert!(limit.try_acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_free_place_wakes_one_waiter() {
    let limit = ConcurrencyLimit::new(1);
    let held = limit.try_acquire().unwrap();
    let bells: [Arc<Bell>; 3] = Default::default();
    let mut callers: [_; 3] = std::array::from_fn(|_| Box::pin(limit.acquire_within(SECOND)));
    for (caller, bell) in callers.iter_mut().zip(&bells) {
        let waker = Waker::from(Arc::clone(bell));
        assert!(caller.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    drop(held);
    assert_eq!(bells.each_ref().map(|bell| bell.0.load(Ordering::SeqCst)), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_future_leaves_the_queue_at_once() {
    let limit = ConcurrencyLimit::builder(1).queue(1).build();
    let held = limit.try_acquire().unwrap();
    drop(waiting(&limit));
    assert_eq!(limit.waiting(), 0);
    let mut next = waiting(&limit);
    drop(held);
    drop(permit(&mut next));
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_place_on_its_way_to_a_dropped_future_goes_to_the_next() {
    let limit = ConcurrencyLimit::new(1);
    let held = limit.try_acquire().unwrap();
    let [first, mut second] = [waiting(&limit), waiting(&limit)];
    drop(held);
    drop(first);
    drop(permit(&mut second));
    assert_eq!((limit.in_flight(), limit.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_place_that_comes_with_the_end_of_the_wait_is_taken() {
    let limit = ConcurrencyLimit::new(1);
    let held = limit.try_acquire().unwrap();
    let mut caller = waiting(&limit);
    advance(2 * SECOND).await;
    drop(held);
    drop(permit(&mut caller));
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_raised_maximum_lets_as_many_waiters_go_on() {
    let limit = ConcurrencyLimit::new(0);
    let mut callers = [waiting(&limit), waiting(&limit), waiting(&limit)];
    limit.set_max(2);
    assert_eq!((limit.in_flight(), limit.waiting()), (2, 1));
    let _permits = [permit(&mut callers[0]), permit(&mut callers[1])];
    assert!(poll(&mut callers[2]).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_lowered_maximum_keeps_waiters_waiting_until_enough_have_ended() {
    let limit = ConcurrencyLimit::new(3);
    let mut held: Vec<Permit<'_>> = (0..3).map(|_| limit.try_acquire().unwrap()).collect();
    let mut caller = waiting(&limit);
    limit.set_max(1);
    held.truncate(1);
    assert!(poll(&mut caller).is_pending());
    assert!(limit.try_acquire().is_err());
    held.clear();
    drop(permit(&mut caller));
}

#[tokio::test(start_paused = true)]
async fn an_owned_permit_can_be_awaited_in_a_spawned_task() {
    let limit = Arc::new(ConcurrencyLimit::new(1));
    let held = limit.try_acquire_owned().unwrap();
    let task = tokio::spawn({
        let limit = Arc::clone(&limit);
        async move { limit.acquire_owned_within(SECOND).await }
    });
    tokio::task::yield_now().await;
    drop(held);
    let permit = task.await.unwrap().unwrap();
    assert_eq!(limit.in_flight(), 1);
    drop(permit);
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn waiting_outside_a_runtime_leaves_nobody_in_the_queue() {
    let limit = ConcurrencyLimit::new(1);
    let _held = limit.try_acquire().unwrap();
    super::panic_with(|| {
        let mut caller = pin!(limit.acquire_within(SECOND));
        let _ = caller.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    });
    assert_eq!(limit.waiting(), 0);
}
