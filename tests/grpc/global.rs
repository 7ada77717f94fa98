//! Limits that many nodes share: what gRPC clients are told, and the messages of streams.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_stream::StreamExt;
use tollgate::distributed::{
    FailurePolicy, Fault, FaultBackend, Faults, GlobalLimiter, MemoryBackend, Rule, SharedStore,
};
use tollgate::http::{Key, Limit, Missing, RateLimitLayer};
use tollgate::{Clock, Quota, grpc};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::greeter::GreeterClient;
use super::layer::serve;
use super::{told_to_wait, violated};

const SECOND: Duration = Duration::from_secs(1);

fn limiter(quota: Quota, clock: &Clock) -> (GlobalLimiter, Faults) {
    let backend = FaultBackend::new(MemoryBackend::with_clock(clock.clone()), 7);
    let faults = backend.faults();
    let builder = GlobalLimiter::builder("test", Rule::Gcra(quota), &SharedStore::new(backend));
    let builder = builder.on_failure(FailurePolicy::Closed).budget(SECOND).clock(clock.clone());
    (builder.build().unwrap(), faults)
}

#[tokio::test]
async fn calls_are_limited_on_all_nodes_and_refused_in_the_words_of_grpc() {
    let (limiter, faults) = limiter(Quota::per_day(2), &Clock::monotonic());
    let node = || {
        let limit = Limit::new("calls", Arc::new(limiter.clone())).by(Key::path().or(Missing::Refuse));
        serve(RateLimitLayer::new(limit).unwrap())
    };
    let mut one = GreeterClient::connect(node().await).await.unwrap();
    let mut other = GreeterClient::connect(node().await).await.unwrap();
    assert_eq!(one.say_hello("ann").await.unwrap().message, "ann");
    assert_eq!(other.say_hello("ann").await.unwrap().message, "ann");
    let refused = one.say_hello("ann").await.unwrap_err();
    assert!(told_to_wait(&refused).0.unwrap() > 43_000 * SECOND);
    assert_eq!(violated(&refused), ("calls".to_owned(), 2));

    faults.always(Some(Fault::Refuse));
    let refused = other.chat(tokio_stream::empty()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(refused.message(), "limit cannot be checked (calls): retry in 1s");
    assert_eq!(refused.get_details_retry_info().unwrap().retry_delay, Some(SECOND));
    assert!(refused.get_details_quota_failure().is_none(), "no quota was reached");
    assert!(refused.metadata().get("grpc-retry-pushback-ms").is_none(), "the client's own backoff grows");
}

fn numbers() -> impl tokio_stream::Stream<Item = Result<u32, Status>> + Unpin {
    tokio_stream::iter((0..100).map(Ok))
}

#[tokio::test(start_paused = true)]
async fn two_streams_of_one_key_share_a_limit_of_all_nodes() {
    let (limiter, faults) = limiter(Quota::per_second(4), &Clock::tokio());
    let stream = || grpc::limit_messages_globally(numbers(), limiter.clone(), "ann").name("chat");
    let (mut one, mut other) = (stream(), stream());
    for number in 0..2 {
        assert_eq!(one.next().await.unwrap().unwrap(), number);
        assert_eq!(other.next().await.unwrap().unwrap(), number);
    }
    let refused = one.next().await.unwrap().unwrap_err();
    assert_eq!(told_to_wait(&refused), (Some(SECOND / 4), Some(250)));
    assert_eq!(violated(&refused), ("chat".to_owned(), 4));
    assert!(one.next().await.is_none());

    faults.always(Some(Fault::Refuse));
    tokio::time::sleep(SECOND).await;
    assert_eq!(other.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn messages_over_a_limit_of_all_nodes_are_held_until_they_fit() {
    let (limiter, _) = limiter(Quota::per_second(10).burst(1), &Clock::tokio());
    let begun = Instant::now();
    let stream =
        grpc::limit_messages_globally(numbers(), limiter, "ann").cost(|number| 1 + u64::from(*number >= 3));
    let held: Vec<_> = stream
        .wait(SECOND)
        .map(|message| (message.map_err(|status| status.code()), begun.elapsed().as_millis()))
        .collect()
        .await;
    let times = |(place, (message, millis)): (usize, &(Result<u32, Code>, u128))| {
        let due = 100 * place as u128;
        message.is_ok() && (due..due + 10).contains(millis)
    };
    assert!(held[..3].iter().enumerate().all(times), "{held:?}");
    assert_eq!((held.len(), held[3].0), (4, Err(Code::ResourceExhausted)), "two tokens never fit into one");
}
