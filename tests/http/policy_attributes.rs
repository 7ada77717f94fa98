//! How the attributes of a request are found that policies ask for.

use std::net::IpAddr;
use std::sync::Arc;

use http::Request;
use tollgate::http::{ClientAddress, Key, KeyValue, Peer, RateLimitLayer, RequestAttributes, Route};
use tollgate::observe::TopRefused;
use tollgate::policy::{Customer, PolicySet};

use crate::observing::Notes;
use crate::policies::{policies, still};
use crate::support::{answer, statuses, text};

fn layer(file: &str, attributes: RequestAttributes) -> RateLimitLayer {
    RateLimitLayer::builder().policies(still(file).0, attributes).build().unwrap()
}

/// The statuses of single requests, one after the other, that may have a field and an extension.
async fn each<const N: usize>(layer: &RateLimitLayer, requests: [http::request::Builder; N]) -> [u16; N] {
    let mut statuses = [0; N];
    for (status, request) in statuses.iter_mut().zip(requests) {
        *status = answer(layer, request.body(()).unwrap()).await.status().as_u16();
    }
    statuses
}

fn from(peer: &str) -> http::request::Builder {
    let address: IpAddr = peer.parse().unwrap();
    Request::get("/").extension(Peer((address, 1).into()))
}

#[tokio::test]
async fn any_header_field_can_be_asked_for_by_its_name_in_any_case() {
    let file = r#"
        [[policy]]
        id = "eu"
        match = { "header:X-Region" = "eu-*" }
        scope = "header:x-tenant"
        limit = "1/day"
    "#;
    let layer = layer(file, RequestAttributes::new());
    let request = |region, tenant| Request::get("/").header("x-region", region).header("X-Tenant", tenant);
    let requests = [request("eu-1", "a"), request("eu-2", "a"), request("eu-1", "b"), request("us-1", "a")];
    assert_eq!(each(&layer, requests).await, [200, 429, 200, 200]);
}

/// It was not found where no policy mentioned it, and then nobody was looked up.
#[tokio::test]
async fn the_attribute_by_which_customers_are_looked_up_is_found_though_no_policy_mentions_it() {
    let set = PolicySet::builder()
        .lookup("account", |key: &str| Ok((key == "acme").then(|| Customer::new().tier("gold"))))
        .build();
    let file = r#"
        [[policy]]
        id = "api"
        limit = "1/day"
        overrides = [{ match = { tier = "gold" }, limit = "2/day" }]
    "#;
    set.apply(policies(file)).unwrap();
    set.look_up("acme").unwrap();
    let attributes = RequestAttributes::new().attribute("account", Key::header("x-account"));
    let layer = RateLimitLayer::builder().policies(Arc::new(set), attributes).build().unwrap();
    let of_acme = || Request::get("/").header("x-account", "acme");
    assert_eq!(
        each(&layer, [of_acme(), of_acme(), of_acme(), Request::get("/")]).await,
        [200, 200, 429, 200]
    );
}

#[tokio::test]
async fn no_address_is_known_unless_it_is_said_how() {
    let file = "[[policy]]\nid = \"ip\"\nscope = \"ip\"\nmissing = \"pass\"\nlimit = \"1/day\"";
    let forwarded = |client| from("192.0.2.1").header("x-forwarded-for", client);
    let requests = || [forwarded("198.51.100.1"), forwarded("198.51.100.1"), forwarded("198.51.100.2")];
    let blind = layer(file, RequestAttributes::new());
    assert_eq!(each(&blind, requests()).await, [200; 3]);
    let by_peer = layer(file, RequestAttributes::new().client(ClientAddress::peer()));
    assert_eq!(each(&by_peer, requests()).await, [200, 429, 429], "no header is read");
    let behind = ClientAddress::behind(["192.0.2.0/24"]).unwrap();
    let by_client = layer(file, RequestAttributes::new().client(behind));
    assert_eq!(each(&by_client, requests()).await, [200, 429, 200]);
}

#[tokio::test]
async fn observers_are_told_of_an_address_that_cannot_be_found_by_the_policies_that_count_by_it() {
    let notes = Arc::new(Notes::default());
    let file = r#"
        [[policy]]
        id = "ip"
        scope = "ip"
        limit = "1/day"
        [[policy]]
        id = "all"
        limit = "1/day"
    "#;
    let behind = ClientAddress::behind(["192.0.2.0/24"]).unwrap();
    let layer = RateLimitLayer::builder()
        .policies(still(file).0, RequestAttributes::new().client(behind))
        .observer(Arc::clone(&notes) as _)
        .build()
        .unwrap();
    assert_eq!(each(&layer, [from("192.0.2.1").header("x-forwarded-for", "nonsense")]).await, [200]);
    let told = notes.take();
    assert!(told[0].starts_with("ip failed "), "{told:?}");
    assert_eq!(told[1..], ["ip allowed 1 ip   timed", "all allowed 1 global   timed"]);
}

#[tokio::test]
async fn an_address_is_matched_whole_and_counted_as_its_network() {
    let file = r#"
        [[policy]]
        id = "ip"
        scope = "ip"
        deny = [{ ip = "2001:db8::bad" }]
        limit = "1/day"
    "#;
    let layer = layer(file, RequestAttributes::new().client(ClientAddress::peer()));
    let requests = ["2001:db8::bad", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(from);
    assert_eq!(each(&layer, requests).await, [429, 200, 429, 200]);
}

#[tokio::test]
async fn the_route_is_a_routers_pattern_or_else_the_path() {
    let layer =
        layer("[[policy]]\nid = \"route\"\nscope = \"route\"\nlimit = \"1/day\"", RequestAttributes::new());
    let routed = |path| Request::get(path).extension(Route("/users/{id}".into()));
    let requests = [
        routed("/users/1"),
        routed("/users/2"),
        Request::get("/a"),
        Request::get("/b?c"),
        Request::get("/b"),
    ];
    assert_eq!(each(&layer, requests).await, [200, 429, 200, 200, 429]);
}

#[tokio::test]
async fn a_key_goes_before_what_is_found_without_one() {
    let attributes = RequestAttributes::new()
        .attribute("method", Key::header("x-http-method-override"))
        .attribute("weight", Key::by(|head| head.uri().query()?.parse::<u64>().ok().map(KeyValue::from)));
    let file = r#"
        [[policy]]
        id = "deletions"
        match = { method = "DELETE" }
        cost = { attribute = "weight" }
        limit = "5/day"
    "#;
    let layer = layer(file, attributes);
    let delete = |path| Request::get(path).header("x-http-method-override", "DELETE");
    let requests = [delete("/?4"), delete("/?2"), delete("/?1"), Request::delete("/?5")];
    assert_eq!(each(&layer, requests).await, [200, 429, 200, 200]);
}

#[tokio::test]
async fn what_is_no_text_and_what_is_several_values_tells_requests_apart() {
    let both = Key::all([Key::header("a"), Key::header("b")]);
    let file = "[[policy]]\nid = \"user\"\nscope = \"user\"\nlimit = \"1/day\"";
    let layer = layer(file, RequestAttributes::new().attribute("user", both));
    let request = |a: &'static [u8], b: &'static [u8]| Request::get("/").header("a", a).header("b", b);
    let requests = [
        request(b"x y", b"z"),
        request(b"x", b"y z"),
        request(b"\xff", b"z"),
        request(b"\xfe", b"z"),
        request(b"\xff", b"z"),
        request(b"x y", b"z"),
    ];
    assert_eq!(each(&layer, requests).await, [200, 200, 200, 200, 429, 429]);
}

#[tokio::test]
async fn secrets_are_counted_and_shown_nowhere() {
    let top = Arc::new(TopRefused::new(100));
    let file = r#"
        [[policy]]
        id = "user"
        scope = "user"
        limit = "1/day"
        [[policy]]
        id = "raw"
        scope = ["header:Authorization", "header:x-team"]
        limit = "1/day"
    "#;
    let (set, _hand): (Arc<PolicySet>, _) = still(file);
    let layer = RateLimitLayer::builder()
        .policies(set, RequestAttributes::new().attribute("user", Key::bearer()))
        .observer(Arc::clone(&top) as _)
        .respond_with(|refusal| http::Response::new(format!("{refusal:?}").into()))
        .build()
        .unwrap();
    let request = |token: &str| {
        Request::get("/")
            .header("authorization", format!("Bearer {token}"))
            .header("x-team", "blue")
            .body(())
            .unwrap()
    };
    assert_eq!(statuses(&layer, 1, || request("hunter2")).await, [200]);
    let refused = text(answer(&layer, request("hunter2")).await).await;
    assert!(refused.contains("refuses: true"), "{refused}");
    statuses(&layer, 1, || request("other")).await;
    let mut listed: Vec<_> =
        top.top(9).into_iter().map(|entry| (entry.policy, entry.key, entry.refused)).collect();
    listed.sort();
    let secret = |policy: &str, key: &str| (policy.to_owned(), key.to_owned(), 1);
    assert_eq!(
        listed,
        [secret("raw", "(secret) blue"), secret("user", "(secret)")],
        "another token is another key"
    );
    assert!(!format!("{refused} {layer:?} {listed:?}").contains("hunter2"));
}
