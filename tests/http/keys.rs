//! By what requests are told apart.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::{HeaderValue, Request};
use tollgate::http::{ClientAddress, Key, KeyValue, Limit, Missing, Peer, RateLimitLayer, Route};
use tollgate::{Limiter, Quota};

use crate::support::{answer, field, statuses, still, text};

/// What was left of 9 under `key`, after one request.
async fn left<K: std::hash::Hash + ?Sized>(by: Key, request: Request<()>, key: &K) -> u64 {
    let limiter = still(Quota::per_hour(9));
    let layer = RateLimitLayer::new(Limit::new("test", Arc::clone(&limiter)).by(by)).unwrap();
    assert_eq!(answer(&layer, request).await.status(), 200);
    limiter.peek(key).remaining()
}

fn request() -> http::request::Builder {
    Request::get("/a/b?c=d")
}

#[tokio::test]
async fn a_key_is_what_a_program_would_check_by_itself() {
    let plain = || request().body(()).unwrap();
    assert_eq!(left(Key::global(), plain(), &()).await, 8);
    assert_eq!(left(Key::path(), plain(), "/a/b").await, 8);
    assert_eq!(left(Key::method(), plain(), "GET").await, 8);
    let named = || request().header("x-user", "ann").header("x-user", "eve").body(()).unwrap();
    assert_eq!(
        left(Key::header("X-User").or(Missing::Pass), named(), "ann").await,
        8,
        "the first of several"
    );
    assert_eq!(left(Key::secret_header("x-user").or(Missing::Pass), named(), "ann").await, 8);
    let mut bytes = plain();
    bytes.headers_mut().insert("x-user", HeaderValue::from_bytes(b"\xff\xfe").unwrap());
    assert_eq!(left(Key::header("x-user").or(Missing::Pass), bytes, &b"\xff\xfe"[..]).await, 8);
    let token = |value: &str| request().header("authorization", value).body(()).unwrap();
    let bearer = || Key::bearer().or(Missing::Shared);
    assert_eq!(left(bearer(), token("Bearer s3cret"), "s3cret").await, 8);
    assert_eq!(left(bearer(), token("bearer s3cret "), "s3cret").await, 8);
    assert_eq!(left(bearer(), token("Basic s3cret"), "s3cret").await, 9);
    assert_eq!(left(bearer(), token("Bearer  "), &()).await, 8, "no token is none");
    let by_length = Key::by(|head| Some((head.path().len() as u64).into())).or(Missing::Pass);
    assert_eq!(left(by_length, plain(), &4_u64).await, 8);
}

#[tokio::test]
async fn extensions_and_routes_are_keys() {
    #[derive(Clone)]
    struct User(String);

    let mut logged_in = request().extension(User("ann".to_owned())).body(()).unwrap();
    let by_user = || Key::extension(|user: &User| user.0.as_str().into()).or(Missing::Pass);
    assert_eq!(left(by_user(), logged_in.clone(), "ann").await, 8);
    assert_eq!(left(by_user(), request().body(()).unwrap(), "ann").await, 9);
    logged_in.extensions_mut().insert(Route("/a/{id}".into()));
    assert_eq!(left(Key::route().or(Missing::Pass), logged_in, "/a/{id}").await, 8);
}

#[tokio::test]
async fn the_peer_is_known_from_whoever_tells_it() {
    let address: SocketAddr = "192.0.2.7:1234".parse().unwrap();
    let by_client = || Key::client(ClientAddress::peer()).or(Missing::Refuse);
    let ours = request().extension(Peer(address)).body(()).unwrap();
    assert_eq!(left(by_client(), ours, &address.ip()).await, 8);
    let axums = request().extension(axum::extract::ConnectInfo(address)).body(()).unwrap();
    assert_eq!(left(by_client(), axums, &address.ip()).await, 8);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_told_apart_and_cannot_choose_who_they_are() {
    let limiter = still(Quota::per_hour(2));
    let client = ClientAddress::behind(["10.0.0.0/8"]).unwrap();
    let limit = Limit::new("per-client", Arc::clone(&limiter)).by(Key::client(client).or(Missing::Refuse));
    let layer = RateLimitLayer::new(limit).unwrap();
    let from = |peer: &str, forwarded: &str| {
        let peer = Peer(SocketAddr::new(peer.parse().unwrap(), 1));
        request().extension(peer).header("x-forwarded-for", forwarded).body(()).unwrap()
    };
    for (nth, status) in [200, 200, 429, 429].into_iter().enumerate() {
        let forged = format!("198.51.100.{nth}, 203.0.113.5");
        assert_eq!(answer(&layer, from("10.1.1.1", &forged)).await.status(), status);
    }
    assert_eq!(limiter.peek(&"203.0.113.5".parse::<IpAddr>().unwrap()).remaining(), 0);
    assert_eq!(answer(&layer, from("10.1.1.1", "203.0.113.6")).await.status(), 200);
    assert_eq!(answer(&layer, from("192.0.2.1", "203.0.113.5")).await.status(), 200, "not from a proxy");
}

#[tokio::test]
async fn a_missing_key_follows_the_choice_and_is_never_a_server_error() {
    let with = |missing| {
        let limit = Limit::new("per-user", still(Quota::per_hour(2))).by(Key::header("x-user").or(missing));
        RateLimitLayer::new(limit).unwrap()
    };
    let nameless = || request().body(()).unwrap();
    assert_eq!(statuses(&with(Missing::Shared), 4, nameless).await, [200, 200, 429, 429]);
    assert_eq!(statuses(&with(Missing::Pass), 4, nameless).await, [200; 4]);
    assert_eq!(statuses(&with(Missing::Refuse), 2, nameless).await, [400; 2]);
    let refused = answer(&with(Missing::Refuse), nameless()).await;
    assert_eq!(
        (field(&refused, "retry-after"), field(&refused, "ratelimit")),
        (String::new(), String::new())
    );
    let refused = text(refused).await;
    assert!(refused.contains("limit \\\"per-user\\\" needs the header field x-user"), "{refused}");
}

#[tokio::test]
async fn a_combination_counts_each_pair() {
    let limit =
        Limit::new("pair", still(Quota::per_hour(1)))
            .by(Key::all([Key::header("x-user"), Key::method()]).or(Missing::Refuse));
    let layer = RateLimitLayer::new(limit).unwrap();
    let ask = |method: &str, user: &str| {
        Request::builder().method(method).uri("/").header("x-user", user).body(()).unwrap()
    };
    for (method, user, status) in [
        ("GET", "ann", 200),
        ("GET", "ann", 429),
        ("PUT", "ann", 200),
        ("GET", "bob", 200),
        ("PUT", "ann", 429),
    ] {
        assert_eq!(answer(&layer, ask(method, user)).await.status(), status, "{method} {user}");
    }
    assert_eq!(answer(&layer, request().body(()).unwrap()).await.status(), 400);
}

#[test]
fn secrets_are_never_shown() {
    let secret = KeyValue::Secret(b"s3cret");
    let several = KeyValue::Several(vec!["GET".into(), KeyValue::Secret(b"s3cret")]);
    assert_eq!((secret.to_string(), several.to_string()), ("(secret)".into(), "GET (secret)".into()));
    assert!(!format!("{secret:?} {several:?}").contains("s3cret"));
    assert!(!format!("{secret:?}").contains("115"), "not as bytes either");
}

#[tokio::test]
async fn a_partition_of_an_adaptive_limit_is_chosen_by_its_name() {
    use tollgate::concurrency::{AdaptiveConcurrency, Aimd};

    let builder = AdaptiveConcurrency::builder(Aimd::new()).partition("live", 0.5);
    let backend = Arc::new(builder.build().unwrap());
    let by_class = Key::header("x-class").or(Missing::Shared);
    let layer = RateLimitLayer::new(Limit::new("backend", Arc::clone(&backend)).by(by_class)).unwrap();
    let live = answer(&layer, request().header("x-class", "live").body(()).unwrap()).await;
    let other = answer(&layer, request().header("x-class", "dead").body(()).unwrap()).await;
    assert_eq!((backend.in_flight(), backend.partition("live").unwrap().in_flight()), (2, 1));
    drop((live, other));
    assert_eq!(backend.in_flight(), 0);
}

#[test]
fn any_limiter_goes_behind_a_limit() {
    fn accepts(limiter: Arc<impl tollgate::http::Limited>) -> Limit {
        Limit::new("any", limiter)
    }

    let window = std::time::Duration::from_secs(1);
    let _log = accepts(Arc::new(Limiter::with(tollgate::SlidingLog::new(5, window)).unwrap()));
    let _keyed = accepts(Arc::new(tollgate::concurrency::KeyedConcurrencyLimit::new(5)));
}
