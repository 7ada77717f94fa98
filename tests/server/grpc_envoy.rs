//! Envoy's rate limit service, asked by a client that is generated from Envoy's own definitions.

use envoy_types::pb::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use envoy_types::pb::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::{
    Entry, RateLimitOverride,
};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::rate_limit::Unit;
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_response::{Code, DescriptorStatus};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_client::RateLimitServiceClient;
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::google::protobuf::UInt64Value;
use tonic::Status;
use tonic::transport::Channel;

use crate::grpc_clients::{connect, wrong_field};
use crate::node::Node;
use crate::servers::free_port;

/// As envoyproxy/ratelimit reads it.
const CONFIGURATION: &str = "
domain: shop
descriptors:
  - key: user
    rate_limit: { unit: month, requests_per_unit: 3, name: per-user }
  - key: user
    value: vip
    rate_limit: { unlimited: true }
  - key: user
    value: thief
    rate_limit: { unit: month, requests_per_unit: 0 }
  - key: path
    value: /cards
    rate_limit: { unit: hour, requests_per_unit: 10 }
    descriptors:
      - key: user
        rate_limit: { unit: week, requests_per_unit: 5 }
  - key: watched
    shadow_mode: true
    rate_limit: { unit: month, requests_per_unit: 1 }
  - key: sale
    rate_limit: { unit: month, requests_per_unit: 100, name: sale, replaces: [{ name: per-user }] }
";

/// In Tollgate's own format.
const POLICIES: &str = r#"
[[policy]]
id = "closed"
match = { "envoy.1.closed" = "*" }
limit = "100/day"
backend = "redis"
on_failure = "closed"

[[policy]]
id = "once"
match = { "envoy.1.once" = "*" }
limit = "1/day"
"#;

/// Nobody tests when one ends.
const MONTH: i32 = 5;

struct Envoy {
    client: RateLimitServiceClient<Channel>,
    /// Ends when this is dropped.
    _node: Node,
}

impl Envoy {
    async fn start(settings: &str) -> Envoy {
        Envoy::with(CONFIGURATION, "ratelimit.yaml", settings).await
    }

    async fn with(policies: &str, file: &str, settings: &str) -> Envoy {
        let builder = Node::builder();
        builder.file(file, policies);
        let settings = format!("listen = \"127.0.0.1:0\"\npolicies = \"{file}\"\n{settings}");
        let settings = builder.file("tollgate.toml", &settings);
        let node = builder.flags(&["--config", settings.to_str().unwrap()]).start();
        Envoy { client: RateLimitServiceClient::new(connect(&node).await), _node: node }
    }

    async fn try_ask(&mut self, request: RateLimitRequest) -> Result<RateLimitResponse, Status> {
        let descriptors = request.descriptors.len();
        let response = self.client.should_rate_limit(request).await?.into_inner();
        assert_eq!(response.statuses.len(), descriptors, "a status for each descriptor");
        Ok(response)
    }

    async fn ask(&mut self, descriptors: Vec<RateLimitDescriptor>) -> RateLimitResponse {
        self.try_ask(about(descriptors)).await.unwrap()
    }

    /// What one descriptor is told.
    async fn one(&mut self, descriptor: RateLimitDescriptor) -> DescriptorStatus {
        let response = self.ask(vec![descriptor]).await;
        assert_eq!(response.overall_code, response.statuses[0].code);
        response.statuses.into_iter().next().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_makes_envoy_send_a_long_value_is_counted_all_the_same() {
    let mut envoy = Envoy::start("").await;
    let long = "x".repeat(100_000);
    for left in [2, 1, 0] {
        assert_eq!(envoy.one(entries(&[("user", &long)])).await.limit_remaining, left);
    }
    assert_eq!(envoy.one(entries(&[("user", &long)])).await.code(), Code::OverLimit);
    assert_eq!(envoy.one(entries(&[("user", &format!("{long}y"))])).await.code(), Code::Ok);
    let once = |value: &str| {
        let limit = RateLimitOverride { requests_per_unit: 1, unit: MONTH };
        RateLimitDescriptor { limit: Some(limit), ..entries(&[("any", value)]) }
    };
    assert_eq!(envoy.one(once(&long)).await.code(), Code::Ok);
    assert_eq!(envoy.one(once(&long)).await.code(), Code::OverLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_descriptor_has_a_status_in_its_place_and_one_over_its_limit_decides() {
    let mut envoy = Envoy::start("").await;
    let both = || vec![entries(&[("path", "/cards"), ("user", "ann")]), entries(&[("user", "ann")])];
    for left in [2, 1, 0] {
        let response = envoy.ask(both()).await;
        assert_eq!(response.overall_code(), Code::Ok);
        assert_eq!(standing(&response.statuses[0]), (Code::Ok, 5, Unit::Week, left + 2));
        assert_eq!(standing(&response.statuses[1]), (Code::Ok, 3, Unit::Month, left));
    }
    let refused = envoy.ask(both()).await;
    assert_eq!(refused.overall_code(), Code::OverLimit);
    assert_eq!(standing(&refused.statuses[0]), (Code::Ok, 5, Unit::Week, 2), "it is not charged");
    assert_eq!(standing(&refused.statuses[1]), (Code::OverLimit, 3, Unit::Month, 0));
    assert_eq!(refused.statuses[1].current_limit.as_ref().unwrap().name, "per-user");
    let wait = refused.statuses[1].duration_until_reset.unwrap();
    assert!((1..=2_592_000).contains(&wait.seconds) && wait.nanos == 0, "{wait:?}");
    assert_eq!(envoy.one(entries(&[("path", "/cards"), ("user", "ann")])).await.limit_remaining, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_are_those_of_the_descriptor_or_of_the_request_and_none_only_look() {
    let mut envoy = Envoy::start("").await;
    let ann = || entries(&[("user", "ann")]);
    assert_eq!(envoy.one(hits(ann(), 0)).await.limit_remaining, 3);
    let request =
        RateLimitRequest { hits_addend: 2, ..about(vec![ann(), hits(entries(&[("user", "bob")]), 3)]) };
    let response = envoy.try_ask(request).await.unwrap();
    let left: Vec<_> = response.statuses.iter().map(|status| status.limit_remaining).collect();
    assert_eq!(left, [1, 0]);
    assert_eq!(
        envoy.one(hits(entries(&[("user", "bob")]), 0)).await.code(),
        Code::OverLimit,
        "nothing is left"
    );
    assert_eq!(envoy.one(hits(ann(), 0)).await.limit_remaining, 1);

    let back = RateLimitDescriptor { is_negative_hits: true, ..hits(ann(), 1) };
    assert_eq!(standing(&envoy.one(back).await), (Code::Ok, 3, Unit::Month, 2));
    let too_much = RateLimitDescriptor { is_negative_hits: true, ..hits(ann(), u64::MAX) };
    assert_eq!(envoy.one(too_much).await.limit_remaining, 3, "never above full");
}

#[tokio::test(flavor = "multi_thread")]
async fn hits_beyond_what_is_left_take_what_is_left() {
    let mut envoy = Envoy::start("").await;
    let ann = || entries(&[("user", "ann")]);
    assert_eq!(envoy.one(hits(ann(), 5)).await.code(), Code::OverLimit);
    assert_eq!(envoy.one(ann()).await.code(), Code::OverLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_limit_passes_and_a_limit_of_nothing_refuses() {
    let mut envoy = Envoy::start("").await;
    let vip = envoy.one(entries(&[("user", "vip")])).await;
    assert_eq!((vip.code(), vip.current_limit, vip.limit_remaining), (Code::Ok, None, u32::MAX));
    let other = envoy.one(entries(&[("nobody", "knows")])).await;
    assert_eq!((other.code(), other.current_limit), (Code::Ok, None));
    let deeper = envoy.one(entries(&[("user", "ann"), ("more", "x")])).await;
    assert_eq!((deeper.code(), deeper.current_limit), (Code::Ok, None));
    let thief = envoy.one(entries(&[("user", "thief")])).await;
    assert_eq!((thief.code(), thief.limit_remaining), (Code::OverLimit, 0));
    let elsewhere =
        RateLimitRequest { domain: "other".to_owned(), ..about(vec![entries(&[("user", "thief")])]) };
    assert_eq!(envoy.try_ask(elsewhere).await.unwrap().overall_code(), Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_in_shadow_mode_is_told_of_and_refuses_nothing() {
    let mut envoy = Envoy::start("").await;
    for _ in 0..3 {
        let watched = envoy.one(entries(&[("watched", "x")])).await;
        assert_eq!(standing(&watched), (Code::Ok, 1, Unit::Month, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_replaces_others_of_the_same_request() {
    let mut envoy = Envoy::start("").await;
    let both = || vec![entries(&[("user", "ann")]), entries(&[("sale", "today")])];
    for left in (90..100).rev() {
        let response = envoy.ask(both()).await;
        assert_eq!(response.overall_code(), Code::Ok);
        assert_eq!(response.statuses[0].current_limit, None, "the sale's limit is in its place");
        assert_eq!(response.statuses[1].limit_remaining, left);
    }
    assert_eq!(envoy.one(entries(&[("user", "ann")])).await.limit_remaining, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_comes_with_a_descriptor_goes_before_policies() {
    let mut envoy = Envoy::start("").await;
    let limited = |user: &str, requests_per_unit, unit| {
        let limit = Some(RateLimitOverride { requests_per_unit, unit });
        RateLimitDescriptor { limit, ..entries(&[("user", user)]) }
    };
    let thief = envoy.one(limited("thief", 2, MONTH)).await;
    assert_eq!(standing(&thief), (Code::Ok, 2, Unit::Month, 1));
    assert_eq!(envoy.one(limited("ann", 2, MONTH)).await.limit_remaining, 1, "descriptors are told apart");
    assert_eq!(envoy.one(hits(limited("thief", 2, MONTH), 0)).await.limit_remaining, 1);
    assert_eq!(envoy.one(limited("thief", 2, MONTH)).await.limit_remaining, 0);
    assert_eq!(standing(&envoy.one(limited("thief", 2, MONTH)).await), (Code::OverLimit, 2, Unit::Month, 0));
    let back = RateLimitDescriptor { is_negative_hits: true, ..hits(limited("thief", 2, MONTH), 2) };
    assert_eq!(envoy.one(back).await.limit_remaining, 2);
    assert_eq!(envoy.one(limited("thief", 0, MONTH)).await.code(), Code::OverLimit);

    let refused = envoy.ask(vec![limited("thief", 2, MONTH), limited("ann", 0, MONTH)]).await;
    assert_eq!(refused.overall_code(), Code::OverLimit);
    assert_eq!(refused.statuses[0].limit_remaining, 2);
    assert_eq!(envoy.one(hits(limited("thief", 2, MONTH), 0)).await.limit_remaining, 2, "it is not charged");

    for unit in [0, 99] {
        let status = envoy.try_ask(about(vec![limited("ann", 1, unit)])).await.unwrap_err();
        assert_eq!(wrong_field(&status), "descriptors[0].limit.unit");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn header_fields_are_those_that_the_settings_say() {
    let mut envoy = Envoy::start("").await;
    let fields_of = |response: &RateLimitResponse| {
        let fields = response.response_headers_to_add.iter();
        let mut told: Vec<_> = fields.map(|field| (field.key.clone(), field.value.clone())).collect();
        told.sort();
        told
    };
    let ann = || vec![hits(entries(&[("user", "ann")]), 3)];
    let passed = fields_of(&envoy.ask(ann()).await);
    assert_eq!(passed[1], ("ratelimit-policy".to_owned(), "\"shop/user\";q=3;w=2592000".to_owned()));
    assert!(passed[0].1.starts_with("\"shop/user\";r=0;t="), "{passed:?}");
    let refused = fields_of(&envoy.ask(ann()).await);
    let names: Vec<_> = refused.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["ratelimit", "ratelimit-policy", "retry-after"]);

    let mut envoy = Envoy::start("[grpc]\nenvoy_headers = [\"x-delta\"]").await;
    let names: Vec<_> = fields_of(&envoy.ask(ann()).await).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]);

    let mut envoy = Envoy::start("[grpc]\nenvoy_headers = []").await;
    envoy.ask(ann()).await;
    assert_eq!(fields_of(&envoy.ask(ann()).await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_makes_no_sense_names_the_field_and_charges_nothing() {
    let mut envoy = Envoy::start("").await;
    let ann = || entries(&[("user", "ann")]);
    let wrong = [
        (RateLimitRequest { domain: String::new(), ..about(vec![ann()]) }, "domain"),
        (about(Vec::new()), "descriptors"),
        (about(vec![ann(); 65]), "descriptors"),
        (about(vec![ann(), entries(&[])]), "descriptors[1].entries"),
        (about(vec![ann(), entries(&[("k", "v"); 33])]), "descriptors[1].entries"),
        (about(vec![ann(), entries(&[("k", "v"), ("", "v")])]), "descriptors[1].entries[1].key"),
    ];
    for (request, field) in wrong {
        assert_eq!(wrong_field(&envoy.try_ask(request).await.unwrap_err()), field);
    }
    assert_eq!(envoy.one(ann()).await.limit_remaining, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_policy_whose_backend_is_away_leaves_it_to_envoy_unless_another_is_over() {
    let nobody = free_port();
    let settings =
        format!("[backends.redis]\nurl = \"redis://127.0.0.1:{nobody}\"\n[grpc]\nenvoy_headers = []\n");
    let mut envoy = Envoy::with(POLICIES, "policies.toml", &settings).await;
    let closed = || entries(&[("closed", "x")]);
    let status = envoy.try_ask(about(vec![closed(), entries(&[("once", "x")])])).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
    let once = envoy.one(entries(&[("once", "x")])).await;
    assert_eq!((once.code(), once.limit_remaining), (Code::Ok, 0), "it was not charged before");
    let over = envoy.ask(vec![closed(), entries(&[("once", "x")])]).await;
    assert_eq!(over.overall_code(), Code::OverLimit);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_come_with_a_descriptor_can_be_switched_off() {
    let mut envoy = Envoy::start("[callers]\nenabled = false").await;
    let limit = Some(RateLimitOverride { requests_per_unit: 1, unit: MONTH });
    let limited = RateLimitDescriptor { limit, ..entries(&[("user", "ann")]) };
    let status = envoy.try_ask(about(vec![entries(&[("user", "ann")]), limited])).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition, "{status:?}");
    assert_eq!(envoy.one(entries(&[("user", "ann")])).await.limit_remaining, 2, "nothing was charged");
}

fn about(descriptors: Vec<RateLimitDescriptor>) -> RateLimitRequest {
    RateLimitRequest { domain: "shop".to_owned(), descriptors, hits_addend: 0 }
}

fn entries(entries: &[(&str, &str)]) -> RateLimitDescriptor {
    let entry = |(key, value): &(&str, &str)| Entry { key: (*key).to_owned(), value: (*value).to_owned() };
    RateLimitDescriptor { entries: entries.iter().map(entry).collect(), ..RateLimitDescriptor::default() }
}

fn hits(descriptor: RateLimitDescriptor, value: u64) -> RateLimitDescriptor {
    RateLimitDescriptor { hits_addend: Some(UInt64Value { value }), ..descriptor }
}

fn standing(status: &DescriptorStatus) -> (Code, u32, Unit, u32) {
    let limit = status.current_limit.as_ref().expect("a limit");
    (status.code(), limit.requests_per_unit, limit.unit(), status.limit_remaining)
}
