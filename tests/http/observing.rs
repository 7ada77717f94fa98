//! What observers are told.

use std::sync::{Arc, Mutex};

use http::Request;
use tollgate::Quota;
use tollgate::http::{ClientAddress, Cost, Key, Limit, Missing, Peer, RateLimitLayer, Route};
use tollgate::observe::{Decided, Observer, TopRefused};

use crate::support::{by_user, get, statuses, still};

#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

impl Notes {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Notes {
    fn decided(&self, decision: &Decided<'_>) {
        let Decided { policy, cost, key_kind, .. } = decision;
        let key = decision.key.map(ToString::to_string).unwrap_or_default();
        let route = decision.route.unwrap_or_default();
        let timed = if decision.took.is_some() { "timed" } else { "untimed" };
        let outcome = decision.outcome.as_str();
        self.0.lock().unwrap().push(format!("{policy} {outcome} {cost} {key_kind} {key} {route} {timed}"));
    }

    fn wants_duration(&self) -> bool {
        true
    }

    fn failed(&self, policy: &str, kind: &'static str) {
        self.0.lock().unwrap().push(format!("{policy} failed {kind}"));
    }
}

#[tokio::test]
async fn observers_are_told_of_each_limit_and_of_those_that_refuse() {
    let notes = Arc::new(Notes::default());
    let layer = RateLimitLayer::builder()
        .limit(Limit::new("everyone", still(Quota::per_hour(9))))
        .limit(Limit::new("per-user", still(Quota::per_hour(3))).by(by_user()).cost(Cost::fixed(2)))
        .observer(Arc::clone(&notes) as Arc<dyn Observer>)
        .build()
        .unwrap();
    let routed = || {
        let mut request = get("/a", "ann");
        request.extensions_mut().insert(Route("/{x}".into()));
        request
    };
    statuses(&layer, 2, routed).await;
    assert_eq!(
        notes.take(),
        [
            "everyone allowed 1 global  /{x} timed",
            "per-user allowed 2 header  /{x} timed",
            "per-user denied 2 header ann /{x} timed",
        ]
    );
}

#[tokio::test]
async fn observers_are_told_of_trial_runs_and_of_keys_that_are_missing_or_odd() {
    let notes = Arc::new(Notes::default());
    let by_client = Key::client(ClientAddress::behind(["10.0.0.0/8"]).unwrap()).or(Missing::Refuse);
    let layer = |shadow| {
        let limit = Limit::new("per-client", still(Quota::per_hour(1))).by(by_client.clone());
        let builder = RateLimitLayer::builder().limit(limit).shadow(shadow);
        builder.observer(Arc::clone(&notes) as Arc<dyn Observer>).build().unwrap()
    };
    let from = |forwarded: &'static str| {
        move || {
            let peer = Peer("10.1.1.1:1".parse().unwrap());
            Request::get("/").extension(peer).header("x-forwarded-for", forwarded).body(()).unwrap()
        }
    };
    statuses(&layer(true), 2, from("192.0.2.1")).await;
    assert_eq!(
        notes.take(),
        [
            "per-client allowed 1 client_address   timed",
            "per-client shadow_denied 1 client_address 192.0.2.1  timed",
        ]
    );
    assert_eq!(statuses(&layer(false), 1, from("nonsense")).await, [200]);
    assert!(notes.take()[0].starts_with("per-client failed "), "and passes as whoever is known for sure");
    assert_eq!(statuses(&layer(false), 1, || Request::get("/").body(()).unwrap()).await, [400]);
    assert_eq!(notes.take(), ["per-client failed no_key", "per-client denied 1 client_address   timed"]);
}

#[tokio::test]
async fn the_most_refused_are_listed() {
    let top = Arc::new(TopRefused::new(100));
    let limit = Limit::new("per-user", still(Quota::per_hour(1))).by(by_user());
    let layer = RateLimitLayer::builder().limit(limit).observer(Arc::clone(&top) as _).build().unwrap();
    statuses(&layer, 5, || get("/", "noisy")).await;
    statuses(&layer, 2, || get("/", "lively")).await;
    statuses(&layer, 1, || get("/", "polite")).await;
    let listed: Vec<_> = top.top(9).into_iter().map(|entry| (entry.key, entry.refused)).collect();
    assert_eq!(listed, [("noisy".to_owned(), 4), ("lively".to_owned(), 1)]);
    statuses(&layer, 4, || Request::get("/").body(()).unwrap()).await;
    assert!(top.top(9).iter().any(|entry| entry.key == "(all)" && entry.refused == 3), "those without a key");
}
