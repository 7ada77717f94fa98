//! `tollgate.v1`: `Reserve`, `Settle` and `Cancel`.

use std::collections::HashSet;
use std::time::Duration;

use tonic::Code;

use crate::grpc_clients::v1::{CancelRequest, ReserveRequest, ReserveResponse, SettleRequest};
use crate::grpc_clients::{Client, about, client, request, seconds, wrong_field};
use crate::node::Node;

const POLICIES: &str = r#"
[[policy]]
id = "tokens"
scope = "user"
match = { route = "/complete" }
limit = "100/day"
cost = { attribute = "tokens" }

[[policy]]
id = "seats"
scope = "user"
match = { route = "/seat" }
concurrency = 1
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_estimated_is_settled_to_what_it_has_cost() {
    let node = Node::with_policies(POLICIES);
    let mut client = client(&node).await;
    let reserved = reserve(&mut client, "/complete", Some(60)).await;
    assert_eq!(reserved.lifetime, seconds(60));
    assert_eq!(left(&mut client).await, 40);
    settle(&mut client, &reserved, Some(10)).await.unwrap();
    assert_eq!(left(&mut client).await, 90);

    let reserved = reserve(&mut client, "/complete", Some(60)).await;
    settle(&mut client, &reserved, Some(80)).await.unwrap();
    assert_eq!(left(&mut client).await, 10, "it may cost more than was estimated");

    let refused = reserve(&mut client, "/complete", Some(60)).await;
    assert_eq!((refused.reservation_id.as_str(), refused.lifetime), ("", None));
    assert!(!refused.check.unwrap().allowed);
    assert_eq!(left(&mut client).await, 10);

    let reserved = reserve(&mut client, "/complete", Some(5)).await;
    settle(&mut client, &reserved, None).await.unwrap();
    assert_eq!(left(&mut client).await, 5, "the estimate was right");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_is_settled_or_cancelled_once_by_who_knows_its_id() {
    let node = Node::with_policies(POLICIES);
    let mut client = client(&node).await;
    let reserved = reserve(&mut client, "/complete", Some(60)).await;
    cancel(&mut client, &reserved).await.unwrap();
    assert_eq!(left(&mut client).await, 100);
    for result in [cancel(&mut client, &reserved).await, settle(&mut client, &reserved, Some(1)).await] {
        assert_eq!(result.unwrap_err(), Code::NotFound);
    }
    let mut ids = HashSet::new();
    for _ in 0..100 {
        ids.insert(reserve(&mut client, "/complete", Some(0)).await.reservation_id);
    }
    assert!(ids.len() == 100 && ids.iter().all(|id| id.len() == 32), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_held_until_the_reservation_ends_in_whatever_way() {
    let node = Node::with_policies(POLICIES);
    let mut client = client(&node).await;
    for end in ["settle", "cancel", "lifetime"] {
        let lifetime = (end == "lifetime").then(|| Duration::from_millis(50).try_into().unwrap());
        let asked = ReserveRequest { request: Some(seat()), estimate: None, lifetime };
        let mut reserved = ReserveResponse::default();
        // The lifetime of the one before may not be over yet.
        while reserved.reservation_id.is_empty() {
            reserved = client.reserve(asked.clone()).await.unwrap().into_inner();
        }
        match end {
            "settle" => {
                assert!(!has_a_seat(&mut client).await);
                settle(&mut client, &reserved, None).await.unwrap();
                assert!(has_a_seat(&mut client).await);
            }
            "cancel" => {
                assert!(!has_a_seat(&mut client).await);
                cancel(&mut client, &reserved).await.unwrap();
                assert!(has_a_seat(&mut client).await);
            }
            _ => {
                while !has_a_seat(&mut client).await {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                assert_eq!(settle(&mut client, &reserved, None).await.unwrap_err(), Code::NotFound);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reservations_are_bounded_in_number_and_in_time() {
    let builder = Node::builder();
    let policies = builder.file("policies.toml", POLICIES);
    let settings = "listen = \"127.0.0.1:0\"\npolicies = \"policies.toml\"\n[grpc]\nreservations = 1\nreservation_lifetime = \"10s\"";
    let settings = builder.file("tollgate.toml", settings);
    assert!(policies.exists());
    let node = builder.flags(&["--config", settings.to_str().unwrap()]).start();
    let mut client = client(&node).await;
    let first = reserve(&mut client, "/complete", Some(1)).await;
    assert_eq!(first.lifetime, seconds(10));
    let asked = ReserveRequest { request: Some(completion()), ..ReserveRequest::default() };
    let full = client.reserve(asked.clone()).await.unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted);
    assert_eq!(left(&mut client).await, 99, "nothing is charged for which there is no room");
    settle(&mut client, &first, None).await.unwrap();
    assert!(client.reserve(asked.clone()).await.is_ok());

    for lifetime in [seconds(11), seconds(0)] {
        let status = client.reserve(ReserveRequest { lifetime, ..asked.clone() }).await.unwrap_err();
        assert_eq!(wrong_field(&status), "lifetime");
    }
    let status = client.reserve(ReserveRequest::default()).await.unwrap_err();
    assert_eq!(wrong_field(&status), "request");
}

fn completion() -> crate::grpc_clients::v1::RequestSubject {
    request(&[("user", "alice"), ("route", "/complete")])
}

fn seat() -> crate::grpc_clients::v1::RequestSubject {
    request(&[("user", "alice"), ("route", "/seat")])
}

async fn reserve(client: &mut Client, route: &str, estimate: Option<u64>) -> ReserveResponse {
    let request = Some(request(&[("user", "alice"), ("route", route)]));
    client.reserve(ReserveRequest { request, estimate, lifetime: None }).await.unwrap().into_inner()
}

async fn settle(client: &mut Client, reserved: &ReserveResponse, actual: Option<u64>) -> Result<(), Code> {
    let reservation_id = reserved.reservation_id.clone();
    let settled = client.settle(SettleRequest { reservation_id, actual }).await;
    settled.map(drop).map_err(|status| status.code())
}

async fn cancel(client: &mut Client, reserved: &ReserveResponse) -> Result<(), Code> {
    let reservation_id = reserved.reservation_id.clone();
    client.cancel(CancelRequest { reservation_id }).await.map(drop).map_err(|status| status.code())
}

/// What alice has left of her tokens.
async fn left(client: &mut Client) -> u64 {
    let mut looked = about(&[("user", "alice"), ("route", "/complete")]);
    looked.cost = Some(0);
    client.check(looked).await.unwrap().into_inner().limits[0].remaining
}

/// A check takes a place and gives it back at once.
async fn has_a_seat(client: &mut Client) -> bool {
    client.check(about(&[("user", "alice"), ("route", "/seat")])).await.unwrap().into_inner().allowed
}
