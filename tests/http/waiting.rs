//! Requests that are held until their turn comes; under tokio's paused time.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use tokio::time::{Instant, sleep, timeout};
use tollgate::concurrency::ConcurrencyLimit;
use tollgate::http::{Builder, Cost, Limit, RateLimitLayer};
use tollgate::{Clock, Engine, Gcra, LeakyBucket, Limiter, Quota};

use crate::support::{Answer, answer, by_user, field, get};

const SECOND: Duration = Duration::from_secs(1);

fn limiter<A: Engine>(algorithm: A) -> Arc<Limiter<A>> {
    Arc::new(Limiter::builder(algorithm).clock(Clock::tokio()).build().unwrap())
}

/// Ten a second by user, one at a time.
fn ten_a_second() -> (Arc<Limiter>, Builder) {
    let limiter = limiter(Gcra::new(Quota::per_second(10).burst(1)));
    let limit = Limit::new("per-user", Arc::clone(&limiter)).by(by_user());
    (limiter, RateLimitLayer::builder().limit(limit))
}

/// Sends so many at once; when each was answered, in milliseconds, and how.
pub(crate) async fn crowd(layer: &RateLimitLayer, n: usize, user: &'static str) -> Vec<(u128, u16)> {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..n)
        .map(|_| {
            let layer = layer.clone();
            tokio::spawn(async move {
                let answer: Answer = answer(&layer, get("/", user)).await;
                (begun.elapsed().as_millis(), answer.status().as_u16())
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

#[tokio::test(start_paused = true)]
async fn requests_are_held_until_their_turn_and_refused_at_once_beyond() {
    let (_, builder) = ten_a_second();
    let layer = builder.wait(Duration::from_millis(300)).build().unwrap();
    let answers = crowd(&layer, 6, "ann").await;
    assert_eq!(answers, [(0, 200), (100, 200), (200, 200), (300, 200), (0, 429), (0, 429)]);
    let refused = crowd(&layer, 5, "ann").await;
    assert_eq!(refused.iter().filter(|(at, status)| (*at, *status) == (0, 429)).count(), 2, "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_held_request_is_told_where_it_stands_when_it_goes_on() {
    let (_, builder) = ten_a_second();
    let layer = builder.wait(SECOND).build().unwrap();
    answer(&layer, get("/", "ann")).await;
    let held = answer(&layer, get("/", "ann")).await;
    assert_eq!(
        (held.status().as_u16(), field(&held, "ratelimit")),
        (200, r#""per-user";r=0;t=1"#.to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_held_request_whose_client_leaves_gives_its_turn_back() {
    let (limiter, builder) = ten_a_second();
    let layer = builder.wait(SECOND).build().unwrap();
    answer(&layer, get("/", "ann")).await;
    let before = limiter.peek("ann");
    let left = timeout(Duration::from_millis(50), answer(&layer, get("/", "ann"))).await;
    assert!(left.is_err());
    sleep(Duration::from_millis(50)).await;
    assert!(before.remaining() == 0 && limiter.peek("ann").remaining() == 1, "as if it had never come");
}

#[tokio::test(start_paused = true)]
async fn a_bounded_number_is_held() {
    let (limiter, builder) = ten_a_second();
    let layer = builder.wait(SECOND * 60).max_held(2).build().unwrap();
    let mut answers = crowd(&layer, 5, "ann").await;
    answers.sort_unstable();
    assert_eq!(answers, [(0, 200), (0, 503), (0, 503), (100, 200), (200, 200)]);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(limiter.peek("ann").remaining(), 1, "those that were not held took no turn");
    assert_eq!(crowd(&layer, 3, "ann").await.len(), 3, "and places among the held come back");
}

#[tokio::test(start_paused = true)]
async fn delays_of_a_leaky_bucket_are_kept() {
    let bucket = limiter(LeakyBucket::new(Quota::per_second(10), 3));
    let layer = RateLimitLayer::new(Limit::new("queue", bucket).by(by_user())).unwrap();
    let answers = crowd(&layer, 6, "ann").await;
    assert_eq!(answers, [(0, 200), (100, 200), (200, 200), (300, 200), (0, 429), (0, 429)]);

    let waiting = RateLimitLayer::builder()
        .limit(Limit::new("queue", limiter(LeakyBucket::new(Quota::per_second(10), 1))))
        .limit(Limit::new("all", limiter(Gcra::new(Quota::per_second(100)))))
        .build()
        .unwrap();
    let answers = crowd(&waiting, 3, "ann").await;
    assert_eq!(answers, [(0, 200), (100, 200), (0, 429)]);
}

#[tokio::test(start_paused = true)]
async fn several_limits_are_waited_for_together_and_a_refusal_takes_no_turn() {
    let slow = limiter(Gcra::new(Quota::per_second(1).burst(1)));
    let fast = limiter(Gcra::new(Quota::per_second(10).burst(1)));
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("fast", Arc::clone(&fast)))
        .limit(Limit::new("slow", Arc::clone(&slow)))
        .wait(SECOND)
        .build()
        .unwrap();
    assert_eq!(crowd(&layer, 4, "ann").await, [(0, 200), (1000, 200), (0, 429), (0, 429)]);
    assert_eq!(fast.peek(&()).remaining(), 1, "spent two a second ago, and none for those refused");
}

#[tokio::test(start_paused = true)]
async fn places_are_queued_for_and_not_held_by_those_who_wait_for_a_rate() {
    let at_once = Arc::new(ConcurrencyLimit::new(1));
    let (_, builder) = ten_a_second();
    let limit = Limit::new("at-once", Arc::clone(&at_once));
    let layer = builder.limit(limit).wait(SECOND).build().unwrap();
    let first = answer(&layer, get("/", "ann")).await;
    let waits = tokio::spawn({
        let layer = layer.clone();
        async move { answer(&layer, get("/", "ann")).await }
    });
    sleep(Duration::from_millis(500)).await;
    assert_eq!((at_once.in_flight(), at_once.waiting()), (1, 1), "its turn came, its place did not");
    drop(first);
    let second = waits.await.unwrap();
    assert_eq!((second.status().as_u16(), at_once.in_flight()), (200, 1));
    let begun = Instant::now();
    let third = answer(&layer, get("/", "ann")).await;
    assert_eq!((third.status().as_u16(), begun.elapsed().as_secs()), (503, 1), "no place within the second");
    drop(second);
    assert_eq!((at_once.in_flight(), at_once.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_estimate_that_was_waited_for_is_settled() {
    let limiter = limiter(Gcra::new(Quota::per_second(10).burst(5)));
    let limit = Limit::new("status", Arc::clone(&limiter)).cost(Cost::by_status(5, |_| 1));
    let layer = RateLimitLayer::builder().limit(limit).wait(SECOND).build().unwrap();
    limiter.charge(&(), 5);
    drop(answer(&layer, get("/", "ann")).await);
    assert_eq!(limiter.peek(&()).remaining(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_pass_is_refused_at_once() {
    let (_, builder) = ten_a_second();
    let huge = Limit::new("huge", limiter(Gcra::new(Quota::per_second(10).burst(1)))).cost(Cost::fixed(2));
    let layer = builder.limit(huge).wait(Duration::MAX).build().unwrap();
    let refused = timeout(SECOND, answer(&layer, Request::get("/").body(()).unwrap())).await.unwrap();
    assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (429, String::new()));
}

#[tokio::test(start_paused = true)]
async fn who_was_not_told_to_wait_waits_for_no_place() {
    let (bucket, at_once) =
        (limiter(LeakyBucket::new(Quota::per_second(10), 3)), Arc::new(ConcurrencyLimit::new(1)));
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("queue", bucket))
        .limit(Limit::new("at-once", Arc::clone(&at_once)))
        .build()
        .unwrap();
    let _held = answer(&layer, get("/", "ann")).await;
    at_once.set_max(2);
    let other = at_once.try_acquire_owned().unwrap();
    at_once.set_max(3);
    let begun = Instant::now();
    let waits = tokio::spawn({
        let layer = layer.clone();
        async move { answer(&layer, get("/", "ann")).await.status().as_u16() }
    });
    sleep(Duration::from_millis(50)).await;
    at_once.set_max(2);
    assert_eq!((waits.await.unwrap(), begun.elapsed().as_millis()), (503, 100));
    assert_eq!(at_once.waiting(), 0);
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn more_than_one_place_is_taken_at_once_or_not_at_all() {
    let at_once = Arc::new(ConcurrencyLimit::new(4));
    let limit = Limit::new("heavy", Arc::clone(&at_once)).cost(Cost::fixed(3));
    let layer = RateLimitLayer::builder().limit(limit).wait(SECOND).build().unwrap();
    let first = answer(&layer, get("/", "ann")).await;
    assert_eq!((at_once.in_flight(), answer(&layer, get("/", "ann")).await.status().as_u16()), (3, 503));
    drop(first);
    assert_eq!(answer(&layer, get("/", "ann")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn limits_that_share_a_leaky_bucket_and_a_key_take_their_turns_once() {
    let bucket = limiter(LeakyBucket::new(Quota::per_second(10), 9));
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("one", Arc::clone(&bucket)))
        .limit(Limit::new("other", Arc::clone(&bucket)))
        .build()
        .unwrap();
    assert_eq!(crowd(&layer, 3, "ann").await, [(0, 200), (200, 200), (400, 200)]);
}

/// Two limits by the same limiter and key, that cost three and two.
fn two_limits_of_one(limiter: &Arc<Limiter>, cost: impl Fn(u64) -> Cost) -> RateLimitLayer {
    let limit = |name, tokens| Limit::new(name, Arc::clone(limiter)).cost(cost(tokens));
    RateLimitLayer::builder().limit(limit("one", 3)).limit(limit("other", 2)).wait(SECOND).build().unwrap()
}

/// Two limits of one limiter and key took two turns: the first could not be given back, since the second stood behind it.
#[tokio::test(start_paused = true)]
async fn limits_that_share_a_limiter_and_a_key_give_all_of_their_turn_back() {
    let limiter = limiter(Gcra::new(Quota::per_second(10).burst(10)));
    let layer = two_limits_of_one(&limiter, Cost::fixed);
    limiter.charge(&(), 10);
    let left = timeout(Duration::from_millis(100), answer(&layer, get("/", "ann"))).await;
    assert!(left.is_err(), "its turn comes after half a second");
    sleep(Duration::from_millis(900)).await;
    assert_eq!(limiter.peek(&()).remaining(), 10, "as if it had never come");
}

/// Each of their turns was settled to what both cost.
#[tokio::test(start_paused = true)]
async fn limits_that_share_a_limiter_and_a_key_are_settled_together_after_a_wait_too() {
    let limiter = limiter(Gcra::new(Quota::per_second(10).burst(10)));
    let layer = two_limits_of_one(&limiter, |cost| Cost::by_status(cost, |_| 1));
    limiter.charge(&(), 10);
    let begun = Instant::now();
    drop(answer(&layer, get("/", "ann")).await);
    assert_eq!(begun.elapsed().as_millis(), 500);
    assert_eq!(limiter.peek(&()).remaining(), 3, "it was charged five, and cost two");
}

/// The turn that a leaky bucket gave to both was settled as if it were the first limit's alone.
#[tokio::test(start_paused = true)]
async fn limits_that_share_a_leaky_bucket_are_settled_together_whichever_comes_first() {
    for order in [[0, 1], [1, 0]] {
        let bucket = limiter(LeakyBucket::new(Quota::per_second(10), 9));
        let limits = [
            Limit::new("requests", Arc::clone(&bucket)),
            Limit::new("units", Arc::clone(&bucket)).cost(Cost::by_status(1, |_| 3)),
        ];
        let builder = RateLimitLayer::builder();
        let layer = order.into_iter().fold(builder, |builder, place| builder.limit(limits[place].clone()));
        let layer = layer.build().unwrap();
        bucket.charge(&(), 1);
        let begun = Instant::now();
        drop(answer(&layer, get("/", "ann")).await);
        assert_eq!(begun.elapsed().as_millis(), 100, "one was there before");
        assert_eq!(
            bucket.peek(&()).remaining(),
            6,
            "of ten, after one and three; the one before has drained"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_that_come_too_late_the_longest_wait_is_told_and_nothing_is_taken() {
    let (short, long) = (
        limiter(Gcra::new(Quota::per_second(1).burst(1))),
        limiter(Gcra::new(Quota::per_minute(1).burst(1))),
    );
    let plenty = limiter(Gcra::new(Quota::per_hour(100)));
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("plenty", Arc::clone(&plenty)))
        .limit(Limit::new("short", short))
        .limit(Limit::new("long", long))
        .wait(Duration::from_millis(500))
        .build()
        .unwrap();
    answer(&layer, get("/", "ann")).await;
    let refused = answer(&layer, get("/", "ann")).await;
    assert_eq!(field(&refused, "retry-after"), "60", "59.5 s more than it would be held");
    assert!(field(&refused, "ratelimit").contains(r#""plenty";r=99"#), "{}", field(&refused, "ratelimit"));
    assert_eq!(plenty.peek(&()).remaining(), 99);
}
