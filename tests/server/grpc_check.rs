//! `tollgate.v1`: `Check`, `CheckMany` and `CheckStream`.

use tokio_stream::StreamExt;
use tonic::Code;

use crate::grpc_clients::v1::check_request::Subject;
use crate::grpc_clients::v1::check_result::Result as Answered;
use crate::grpc_clients::v1::{
    CheckManyRequest, CheckRequest, CheckResult, CheckStreamRequest, Limit, Reason, Source,
};
use crate::grpc_clients::{about, client, per_day, seconds, wrong_field};
use crate::node::Node;

const POLICIES: &str = r#"
[[policy]]
id = "cards"
scope = "user"
match = { route = "/cards" }
limits = [{ algorithm = "sliding_log", limit = "2/day" }, { limit = "100/day" }]

[[policy]]
id = "watched"
scope = "user"
limit = "1/day"
shadow = true

[[policy]]
id = "closed"
match = { route = "/closed" }
limit = "block"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_where_a_request_stands_at_each_limit_and_a_refusal_is_an_answer() {
    let node = Node::with_policies(POLICIES);
    let mut client = client(&node).await;
    let alice = about(&[("user", "alice"), ("route", "/cards")]);

    let first = client.check(alice.clone()).await.unwrap().into_inner();
    assert!(first.allowed);
    assert_eq!(
        (first.reason(), first.policy.as_str(), first.retry_after),
        (Reason::Unspecified, "cards", None)
    );
    let names: Vec<_> =
        first.limits.iter().map(|limit| (&*limit.name, limit.limit, limit.remaining, limit.shadow)).collect();
    assert_eq!(names, [("cards/1", 2, 1, false), ("cards/2", 100, 99, false), ("watched", 1, 0, true)]);
    assert_eq!(first.limits[0].window, seconds(86_400));
    assert!(first.limits[0].reset_after.is_some());
    assert_eq!(first.limits[0].source(), Source::Memory);

    assert!(client.check(alice.clone()).await.unwrap().into_inner().allowed);
    let refused = client.check(alice).await.unwrap().into_inner();
    assert!(!refused.allowed);
    assert_eq!((refused.reason(), refused.policy.as_str()), (Reason::LimitReached, "cards"));
    assert!(refused.retry_after.is_some() && refused.limits[0].refuses);

    let bob = client.check(about(&[("user", "bob"), ("route", "/cards")])).await.unwrap().into_inner();
    assert_eq!(bob.limits[0].remaining, 1, "users are told apart");

    let blocked = client.check(about(&[("route", "/closed")])).await.unwrap().into_inner();
    assert_eq!(
        (blocked.reason(), blocked.policy.as_str(), blocked.retry_after),
        (Reason::Blocked, "closed", None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_can_be_of_one_policy_at_a_cost_or_only_look() {
    let node = Node::with_policies(POLICIES);
    let mut client = client(&node).await;
    let mut asked = about(&[("user", "alice"), ("route", "/cards")]);
    let Some(Subject::Request(request)) = &mut asked.subject else { unreachable!() };
    request.policy = "cards".to_owned();

    asked.cost = Some(0);
    let looked = client.check(asked.clone()).await.unwrap().into_inner();
    assert_eq!((looked.allowed, looked.limits[0].remaining, looked.limits.len()), (true, 2, 2));
    asked.cost = Some(3);
    assert!(!client.check(asked.clone()).await.unwrap().into_inner().allowed, "3 never fit into 2");
    asked.cost = Some(2);
    let charged = client.check(asked.clone()).await.unwrap().into_inner();
    assert_eq!((charged.allowed, charged.limits[0].remaining), (true, 0));

    let Some(Subject::Request(request)) = &mut asked.subject else { unreachable!() };
    request.policy = "no-such".to_owned();
    assert_eq!(client.check(asked).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_checked_by_the_limit_that_comes_with_it() {
    let node = Node::start(&[]);
    let mut client = client(&node).await;
    let first = client.check(per_day("k", 2)).await.unwrap().into_inner();
    assert!(first.allowed);
    assert_eq!((first.limits[0].limit, first.limits[0].remaining), (2, 1));
    assert_eq!(first.limits[0].window, seconds(86_400));
    assert!(client.check(per_day("k", 2)).await.unwrap().into_inner().allowed);
    let refused = client.check(per_day("k", 2)).await.unwrap().into_inner();
    assert!(!refused.allowed && refused.retry_after.is_some());
    assert_eq!(refused.reason(), Reason::LimitReached);
    assert!(client.check(per_day("l", 2)).await.unwrap().into_inner().allowed, "keys are told apart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_makes_no_sense_names_the_field() {
    let node = Node::start(&[]);
    let mut client = client(&node).await;
    let limited = |change: fn(&mut Limit)| {
        let mut asked = per_day("k", 2);
        let Some(Subject::Key(key)) = &mut asked.subject else { unreachable!() };
        change(key.limit.as_mut().unwrap());
        asked
    };
    let keyed = |key: &str| per_day(key, 2);
    let mut unlimited = keyed("k");
    let Some(Subject::Key(key)) = &mut unlimited.subject else { unreachable!() };
    key.limit = None;
    let many: Vec<_> = (0..65).map(|number| format!("a{number}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "v")).collect();
    let wrong = [
        (CheckRequest::default(), "subject"),
        (keyed(""), "key.key"),
        (keyed(&"k".repeat(1 << 20)), "key.key"),
        (unlimited, "key.limit"),
        (limited(|limit| limit.algorithm = 99), "key.limit.algorithm"),
        (limited(|limit| limit.count = 0), "key.limit.count"),
        (limited(|limit| limit.count = u64::MAX), "key.limit.count"),
        (limited(|limit| limit.period = None), "key.limit.period"),
        (limited(|limit| limit.period = seconds(0)), "key.limit.period"),
        (limited(|limit| limit.period.as_mut().unwrap().seconds = -1), "key.limit.period"),
        (limited(|limit| limit.period.as_mut().unwrap().seconds = i64::MAX), "key.limit.period"),
        (limited(|limit| limit.burst = Some(u64::MAX)), "key.limit.burst"),
        (limited(|limit| (limit.algorithm, limit.burst) = (4, Some(1))), "key.limit.burst"),
        (about(&many), "request.attributes"),
        (about(&[("user", &"x".repeat(5_000))]), "request.attributes"),
    ];
    for (asked, field) in wrong {
        let status = client.check(asked.clone()).await.expect_err(field);
        assert_eq!(wrong_field(&status), field, "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_checks_are_answered_in_their_order_and_each_for_itself() {
    let node = Node::start(&[]);
    let mut client = client(&node).await;
    let checks = vec![per_day("k", 1), per_day("k", 1), CheckRequest::default(), per_day("l", 1)];
    let results = client.check_many(CheckManyRequest { checks }).await.unwrap().into_inner().results;
    assert_eq!(results.iter().map(told).collect::<Vec<_>>(), [Ok(true), Ok(false), Err("subject"), Ok(true)]);

    let checks = vec![CheckRequest::default(); 10_001];
    let status = client.check_many(CheckManyRequest { checks }).await.unwrap_err();
    assert_eq!(wrong_field(&status), "checks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_answered_in_its_order_and_goes_on_after_what_makes_no_sense() {
    const EACH: usize = 1_000;
    let node = Node::start(&[]);
    let mut client = client(&node).await;
    let keys = (0..3 * EACH).map(|place| match place % 3 {
        0 => Some(per_day("k", EACH as u64 / 2)),
        1 => Some(per_day(&format!("k{place}"), 1)),
        _ => None,
    });
    let asked = tokio_stream::iter(keys.map(|check| CheckStreamRequest { check }).collect::<Vec<_>>());
    let answers = client.check_stream(asked).await.unwrap().into_inner();
    let results: Vec<_> = answers.map(|answer| answer.unwrap().result.unwrap()).collect().await;
    assert_eq!(results.len(), 3 * EACH);
    for (place, result) in results.iter().enumerate() {
        let expected = match place % 3 {
            0 => Ok(place / 3 < EACH / 2),
            1 => Ok(true),
            _ => Err("subject"),
        };
        assert_eq!(told(result), expected, "{place}");
    }
}

/// Whether one of many is allowed, or the field that is wrong.
fn told(result: &CheckResult) -> Result<bool, &str> {
    match result.result.as_ref().unwrap() {
        Answered::Response(response) => Ok(response.allowed),
        Answered::Error(error) => {
            assert_eq!(error.code, i32::from(Code::InvalidArgument));
            Err(&error.field)
        }
    }
}
