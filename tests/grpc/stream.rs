//! `limit_messages`, under tokio's paused time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_stream::{Stream, StreamExt};
use tollgate::{
    Clock, Engine, FixedWindow, Gcra, LeakyBucket, Limiter, PerCall, Quota, SlidingLog, SlidingWindow,
    TokenBucket, grpc,
};
use tonic::{Code, Status};

use super::{told_to_wait, violated};

const SECOND: Duration = Duration::from_secs(1);

fn limiter<A: Engine>(algorithm: A) -> Arc<Limiter<A>> {
    Arc::new(Limiter::builder(algorithm).clock(Clock::tokio()).build().unwrap())
}

fn gcra(quota: Quota) -> Arc<Limiter> {
    limiter(Gcra::new(quota))
}

/// Runs with time paused: it goes on by itself to whatever is waited for.
fn paused<F: Future<Output = ()>>(test: F) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test);
}

/// The numbers from zero on, more than any limit here lets through, and how many were taken of them.
fn numbers() -> (Arc<AtomicU64>, impl Stream<Item = Result<u64, Status>> + Unpin) {
    let taken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&taken);
    let numbers = std::iter::repeat_with(move || Ok(counter.fetch_add(1, Ordering::Relaxed)));
    (taken, tokio_stream::iter(numbers.take(100)))
}

#[test]
fn the_message_over_the_limit_is_replaced_by_the_refusal_and_ends_the_stream() {
    paused(async {
        let (taken, numbers) = numbers();
        let mut stream = grpc::limit_messages(numbers, gcra(Quota::per_second(5)), "key").name("chat");
        for number in 0..5 {
            assert_eq!(stream.next().await.unwrap().unwrap(), number);
        }
        let status = stream.next().await.unwrap().unwrap_err();
        assert_eq!(told_to_wait(&status), (Some(SECOND / 5), Some(200)));
        assert_eq!(violated(&status), ("chat".to_owned(), 5));
        // Also when there would be room again.
        tokio::time::sleep(SECOND).await;
        assert!(stream.next().await.is_none() && stream.next().await.is_none());
        assert_eq!(taken.load(Ordering::Relaxed), 6);
    });
}

#[test]
fn messages_cost_what_the_closure_says() {
    paused(async {
        let limiter = gcra(Quota::per_second(10));
        let messages = tokio_stream::iter(["four", "", "sixsix", "x"].map(|text| Ok(text.to_owned())));
        let stream = grpc::limit_messages(messages, Arc::clone(&limiter), "key");
        let answers: Vec<_> = stream.cost(|text: &String| text.len() as u64).collect().await;
        assert_eq!(answers.len(), 4);
        assert!(answers[..3].iter().all(Result::is_ok) && answers[3].is_err());
        assert_eq!(violated(answers[3].as_ref().unwrap_err()), ("messages".to_owned(), 10));
    });
}

#[test]
fn streams_share_a_key_and_leave_the_others_alone() {
    paused(async {
        let limiter = gcra(Quota::per_second(3));
        assert!(limiter.check("shared").is_ok());
        let of = |key: &str| grpc::limit_messages(numbers().1, Arc::clone(&limiter), key.to_owned());
        let (mut one, mut two, other) = (of("shared"), of("shared"), of("other"));
        assert!(one.next().await.unwrap().is_ok() && two.next().await.unwrap().is_ok());
        assert!(one.next().await.unwrap().is_err() && two.next().await.unwrap().is_err());
        assert_eq!(other.filter(Result::is_ok).collect::<Vec<_>>().await.len(), 3);
    });
}

#[test]
fn a_held_message_goes_at_its_slot_and_nothing_more_is_asked_for_meanwhile() {
    paused(async {
        let (taken, numbers) = numbers();
        let mut stream =
            grpc::limit_messages(numbers, gcra(Quota::per_second(10).burst(2)), "key").wait(SECOND);
        let start = Instant::now();
        for number in 0..2 {
            assert_eq!(stream.next().await.unwrap().unwrap(), number);
        }
        for number in 2..20_u32 {
            let due = SECOND / 10 * (number - 1);
            let early = due.saturating_sub(Duration::from_millis(1));
            // Polled often and in vain.
            for _ in 0..3 {
                let rest = early.saturating_sub(start.elapsed()) / 3;
                assert!(timeout(rest, stream.next()).await.is_err());
                assert_eq!(taken.load(Ordering::Relaxed), u64::from(number) + 1);
            }
            assert_eq!(stream.next().await.unwrap().unwrap(), u64::from(number));
            assert!(start.elapsed() >= due && start.elapsed() <= due + Duration::from_millis(1), "{number}");
        }
    });
}

#[test]
fn a_message_that_would_be_held_too_long_or_for_ever_is_refused_at_once() {
    paused(async {
        let limiter = gcra(Quota::per_second(1).burst(5));
        let start = Instant::now();
        let of = || grpc::limit_messages(numbers().1, Arc::clone(&limiter), "key").wait(SECOND / 4);
        let status = of().cost(|_| 6).next().await.unwrap().unwrap_err();
        assert_eq!(told_to_wait(&status), (None, Some(-1)));
        let answers: Vec<_> = of().collect().await;
        assert_eq!(answers.len(), 6);
        let status = answers[5].as_ref().unwrap_err();
        assert_eq!(told_to_wait(status), (Some(SECOND * 3 / 4), Some(750)));
        assert_eq!(start.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_dropped_stream_gives_the_slot_back_that_it_waits_for() {
    paused(async {
        let limiter = gcra(Quota::per_second(1).burst(1));
        assert!(limiter.check("key").is_ok());
        let mut stream = grpc::limit_messages(numbers().1, Arc::clone(&limiter), "key").wait(SECOND * 9);
        assert!(timeout(SECOND / 2, stream.next()).await.is_err());
        assert_eq!(limiter.peek("key").retry_after(), Some(SECOND * 3 / 2));
        drop(stream);
        assert_eq!(limiter.peek("key").retry_after(), Some(SECOND / 2));
    });
}

#[test]
fn the_end_and_the_errors_of_the_stream_inside_come_through_free_of_charge() {
    paused(async {
        let limiter = gcra(Quota::per_hour(2));
        let messages = tokio_stream::iter([Ok(1), Err(Status::aborted("half-way")), Ok(2)]);
        let mut stream = grpc::limit_messages(messages, Arc::clone(&limiter), "key");
        assert!(stream.next().await.unwrap().is_ok());
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::Aborted);
        assert!(stream.next().await.unwrap().is_ok());
        assert!(stream.next().await.is_none() && stream.next().await.is_none());
        assert_eq!(limiter.peek("key").remaining(), 0);
    });
}

#[test]
fn every_algorithm_limits_messages_and_can_hold_them() {
    async fn refuses_and_holds<A: Engine + fmt::Debug + 'static>(algorithm: A) {
        let limiter = limiter(algorithm);
        let of = |key: &'static str| grpc::limit_messages(numbers().1, Arc::clone(&limiter), key);
        let answers: Vec<_> = of("refused").collect().await;
        assert!(answers.len() == 6 && answers[5].is_err(), "{limiter:?}");
        let held: Vec<_> = of("held").wait(SECOND * 60).take(20).collect().await;
        assert!(held.iter().all(Result::is_ok), "{limiter:?}");
    }
    paused(async {
        let quota = Quota::per_second(5);
        refuses_and_holds(Gcra::new(quota)).await;
        refuses_and_holds(TokenBucket::new(5).refill(5, SECOND).refill_at_once()).await;
        refuses_and_holds(FixedWindow::new(5, SECOND)).await;
        refuses_and_holds(SlidingWindow::new(5, SECOND)).await;
        refuses_and_holds(SlidingLog::new(5, SECOND)).await;
        refuses_and_holds(PerCall::new().otherwise(quota)).await;
    });
}

#[test]
fn a_leaky_bucket_lets_messages_go_at_its_pace_with_and_without_wait() {
    paused(async {
        let even = async |stream: grpc::LimitedStream<_, u64>| {
            let start = Instant::now();
            let mut stream = stream.take(8);
            let mut went = Vec::new();
            while let Some(message) = stream.next().await {
                went.push((message.unwrap(), start.elapsed().as_millis() / 10));
            }
            assert_eq!(went, (0..8).map(|nth| (nth, u128::from(nth) * 10)).collect::<Vec<_>>());
        };
        let limiter = limiter(LeakyBucket::new(Quota::per_second(10), 10));
        even(grpc::limit_messages(Box::new(numbers().1), Arc::clone(&limiter), "one")).await;
        even(grpc::limit_messages(Box::new(numbers().1), limiter, "two").wait(SECOND)).await;
    });
}
