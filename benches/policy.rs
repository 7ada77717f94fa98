//! What a set of policies costs, beside its limits alone: `cargo bench --features policy --bench policy`.
//!
//! Options as `compare`. Every row also counts what was admitted.

// Each bench uses a part of what they have in common.
mod common;

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tollgate::policy::{AlgorithmName, Attributes, Conditions, Limit, Policy, PolicySet, Scope};
use tollgate::{Gcra, Limiter, Quota, check_all};

use common::Outcome;
use common::options::Options;
use common::rounds::{Arm, arm};
use common::setup::{Setup, live};
use common::subject::{Key, Subject};
use common::table::{Report, beside_the_first, machine};
use common::works::Hot;

/// As in `together`.
const REQUESTS: usize = 4_000_000;
const ROUNDS: usize = 9;

/// Room for the keys; three are used.
const KEYS: usize = 1_000;

/// More than a run spends.
const PLENTY: u32 = 200_000_000;

/// Policies in all, of which three concern the request.
const POLICIES: usize = 1_000;

/// Policies that are put in force again and again.
const RELOADED: usize = 10_000;

fn main() -> Outcome<()> {
    let options = Options::from_args()?;
    let rounds = options.rounds(ROUNDS);
    let mut report = Report::default();
    report.line(&format!(
        "policy: {}; {} interleaved rounds; wall time per request, one thread, hot keys",
        machine(),
        rounds.measured
    ));
    let requests = options.size(REQUESTS, 20_000);
    let work = Hot { setup: live(KEYS, PLENTY), threads: 1, requests, late: 0 };
    if options.wants("1 000 policies, 3 match") {
        let arms: Vec<(&str, &str, Arm<'_>)> = vec![
            ("check_all of the three", "", arm::<Hot, Together>(&work)),
            ("the three, one after the other", "", arm::<Hot, OneByOne>(&work)),
            ("PolicySet::check", "2x", arm::<Hot, Set<POLICIES, false>>(&work)),
        ];
        beside_the_first(&mut report, "1 000 policies, 3 match", "vs check_all", arms, rounds)?;
    }
    if options.wants("10 000 policies") {
        let arms: Vec<(&str, &str, Arm<'_>)> = vec![
            ("none is changed", "", arm::<Hot, Set<RELOADED, false>>(&work)),
            ("another thread puts all in force in a loop", "", arm::<Hot, Set<RELOADED, true>>(&work)),
        ];
        beside_the_first(&mut report, "10 000 policies", "vs none is changed", arms, rounds)?;
    }
    report.finish(options.table.as_deref())
}

const USER: &str = "alice";
const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// The limits of the three policies, without the policies.
struct Limits {
    all: Limiter,
    by_user: Limiter,
    by_address: Limiter,
}

fn quota(setup: &Setup) -> Outcome<Quota> {
    Ok(Quota::new(1, Duration::from_nanos(setup.interval))?.burst(u64::from(setup.burst)))
}

impl Limits {
    fn build(setup: &Setup) -> Outcome<Limits> {
        let quota = quota(setup)?;
        let limiter = || Limiter::builder(Gcra::new(quota)).max_keys(setup.max_keys).build();
        Ok(Limits { all: limiter()?, by_user: limiter()?, by_address: limiter()? })
    }
}

/// What is done without `check_all`, and takes from the first what the second refuses.
struct OneByOne(Limits);

impl<K: Key> Subject<K> for OneByOne {
    fn build(setup: &Setup) -> Outcome<Self> {
        Ok(OneByOne(Limits::build(setup)?))
    }

    #[inline]
    fn check(&self, _: &K) -> bool {
        let Limits { all, by_user, by_address } = &self.0;
        let (user, address) = black_box((USER, ADDRESS));
        all.check(&()).is_ok() && by_user.check(user).is_ok() && by_address.check(&address).is_ok()
    }
}

struct Together(Limits);

impl<K: Key> Subject<K> for Together {
    fn build(setup: &Setup) -> Outcome<Self> {
        Ok(Together(Limits::build(setup)?))
    }

    #[inline]
    fn check(&self, _: &K) -> bool {
        let Limits { all, by_user, by_address } = &self.0;
        let (user, address) = black_box((USER, ADDRESS));
        black_box(check_all(&[all.on(&()), by_user.on(user), by_address.on(&address)])).is_ok()
    }
}

/// So many policies, three of which concern the request; `RELOADS` while another thread puts them in force in a loop.
struct Set<const COUNT: usize, const RELOADS: bool> {
    set: Arc<PolicySet>,
    reloading: Option<Reloading>,
}

/// A thread that reloads until it is dropped.
struct Reloading {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Reloading {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic has been printed.
            let _ = thread.join();
        }
    }
}

impl<const COUNT: usize, const RELOADS: bool, K: Key> Subject<K> for Set<COUNT, RELOADS> {
    fn build(setup: &Setup) -> Outcome<Self> {
        let set = Arc::new(PolicySet::new());
        let policies = policies(COUNT, quota(setup)?, setup.max_keys);
        set.apply(policies.clone())?;
        let reloading =
            RELOADS.then(|| {
                let (set, done) = (Arc::clone(&set), Arc::new(AtomicBool::new(false)));
                let until = Arc::clone(&done);
                let thread = thread::spawn(move || {
                    while !until.load(Ordering::Relaxed) && set.apply(policies.clone()).is_ok() {}
                });
                Reloading { done, thread: Some(thread) }
            });
        Ok(Set { set, reloading })
    }

    #[inline]
    fn check(&self, _: &K) -> bool {
        let attributes =
            Attributes::new().user(USER).ip(ADDRESS).route("/cards/issue").method("POST").tier("free");
        let verdict = self.set.check(black_box(&attributes));
        black_box(&self.reloading);
        verdict.is_allowed()
    }
}

fn policies(count: usize, quota: Quota, max_keys: usize) -> Vec<Policy> {
    let policy = |id: String, scope: Scope, conditions: Conditions| {
        let mut policy = Policy::new(id);
        (policy.scope, policy.matches) = (scope, conditions);
        policy.limits = vec![Limit::of(AlgorithmName::Gcra, quota)];
        policy.max_keys = Some(max_keys);
        policy
    };
    let route = |pattern: String| Conditions::new().with("route", [pattern]).with("method", ["POST"]);
    let others = (0..count - 3).map(|number| {
        let (id, route) = (format!("route-{number}"), route(format!("/routes/{number}/*")));
        policy(id, Scope::of(["user"]), route)
    });
    let three = [
        policy("all".to_owned(), Scope::global(), Conditions::new()),
        policy("tier".to_owned(), Scope::of(["user"]), Conditions::new().with("tier", ["free"])),
        policy("cards".to_owned(), Scope::of(["ip"]), route("/cards/issue".to_owned())),
    ];
    others.chain(three).collect()
}
