//! What callers may ask for, and what they get.

use std::collections::HashMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::distributed::{Fault, FaultBackend, Faults, MemoryBackend};

const ALGORITHMS: [AlgorithmName; 6] = [
    AlgorithmName::Gcra,
    AlgorithmName::TokenBucket,
    AlgorithmName::LeakyBucket,
    AlgorithmName::FixedWindow,
    AlgorithmName::SlidingWindow,
    AlgorithmName::SlidingLog,
];

fn limit(algorithm: AlgorithmName, quota: &str) -> CallerLimit {
    CallerLimit { algorithm, quota: quota.parse().unwrap() }
}

fn small() -> Bounds {
    Bounds { max_limits: 4, max_keys: 1_000, ..Bounds::default() }
}

fn in_memory(bounds: Bounds) -> (CallerLimits, ManualClock) {
    let (clock, hand) = Clock::manual();
    (CallerLimits::in_memory(bounds, clock).unwrap(), hand)
}

/// In the runtime's time.
fn at_backend(bounds: Bounds) -> (CallerLimits, Faults) {
    let store = FaultBackend::new(MemoryBackend::with_clock(Clock::tokio()), 7);
    let faults = store.faults();
    let backend = Backend::new(&crate::distributed::SharedStore::new(store));
    (CallerLimits::at_backend(bounds, backend, Clock::tokio()), faults)
}

fn admitted(callers: &CallerLimits, key: &str, limit: CallerLimit, asks: usize) -> usize {
    let allowed = |_: &usize| callers.check_now(key.as_bytes(), limit, 1).unwrap().allowed;
    (0..asks).filter(allowed).count()
}

fn field(error: &CallerError) -> &'static str {
    match error {
        CallerError::Field { field, .. } => field,
        other => panic!("{other}"),
    }
}

#[test]
fn every_algorithm_admits_its_limit_and_says_where_the_key_stands() {
    for algorithm in ALGORITHMS {
        let (callers, hand) = in_memory(small());
        let limit = limit(algorithm, "5/min");
        let first = callers.check_now(b"ann", limit, 2).unwrap();
        assert_eq!((first.allowed, first.limit, first.remaining), (true, 5, 3), "{algorithm}");
        assert_eq!(first.retry_after, Some(Duration::ZERO));
        assert_eq!(admitted(&callers, "ann", limit, 9), 3, "{algorithm}");
        let refused = callers.check_now(b"ann", limit, 1).unwrap();
        assert!(!refused.allowed && refused.retry_after > Some(Duration::ZERO), "{algorithm}");
        hand.advance(refused.retry_after.unwrap());
        assert!(callers.check_now(b"ann", limit, 1).unwrap().allowed, "{algorithm}");
        let never = callers.check_now(b"bob", limit, 6).unwrap();
        assert_eq!((never.allowed, never.retry_after), (false, None), "{algorithm}");
    }
}

#[test]
fn a_leaky_bucket_tells_how_long_to_wait() {
    let (callers, _hand) = in_memory(small());
    let limit = limit(AlgorithmName::LeakyBucket, "1/s burst 3");
    let delays: Vec<_> = (0..3).map(|_| callers.check_now(b"ann", limit, 1).unwrap().delay).collect();
    assert_eq!(delays, [0, 1, 2].map(Duration::from_secs));
}

#[test]
fn what_is_out_of_bounds_is_refused_by_the_name_of_the_field() {
    let bounds = Bounds {
        max_rate: 1_000,
        max_window: Duration::from_secs(86_400),
        max_burst: 10_000,
        longest_key: 8,
        ..small()
    };
    let (callers, _hand) = in_memory(bounds);
    let gcra = |quota| limit(AlgorithmName::Gcra, quota);
    let window = |quota| limit(AlgorithmName::FixedWindow, quota);
    for (limit, expected) in [
        (gcra("1001/s"), "rate"),
        (gcra("1/2d"), "window"),
        (gcra("1000/s burst 10001"), "burst"),
        (gcra("1/h burst 25"), "burst"),
        (window("10001/h"), "limit"),
        (window("1001/s"), "rate"),
    ] {
        let error = callers.check_now(b"ann", limit, 1).unwrap_err();
        assert_eq!(field(&error), expected, "{error}");
        assert_eq!(callers.validate(limit), Err(error));
    }
    for limit in [gcra("1000/s burst 10000"), gcra("1/h burst 24"), window("10000/h"), gcra("0/s")] {
        assert_eq!(callers.validate(limit), Ok(()));
    }
    assert_eq!(field(&callers.check_now(b"longer than", gcra("1/s"), 1).unwrap_err()), "key");

    let (callers, _) = in_memory(Bounds::default());
    let log = |quota| limit(AlgorithmName::SlidingLog, quota);
    assert_eq!(callers.validate(log("10000/d")), Ok(()));
    assert_eq!(
        field(&callers.validate(log("10001/d")).unwrap_err()),
        "limit",
        "it would be remembered one by one"
    );
}

#[test]
fn a_rate_with_many_decimals_is_within_bounds() {
    let (callers, hand) = in_memory(small());
    // 16.66666667 a second.
    let quota = Quota::new(1_666_666_667, Duration::from_secs(100_000_000)).unwrap().burst(10);
    let limit = CallerLimit { algorithm: AlgorithmName::TokenBucket, quota };
    assert_eq!(admitted(&callers, "ann", limit, 20), 10);
    hand.advance(Duration::from_millis(59));
    assert_eq!(admitted(&callers, "ann", limit, 9), 0);
    hand.advance(Duration::from_millis(1));
    assert_eq!(admitted(&callers, "ann", limit, 9), 1);
}

#[test]
fn a_limit_that_is_in_use_gives_way_to_no_other_and_one_that_is_idle_does() {
    let (callers, hand) = in_memory(small());
    let log = |count: u64| limit(AlgorithmName::SlidingLog, &format!("{count}/min"));
    for count in 1..=4 {
        assert_eq!(admitted(&callers, "ann", log(count), 9), usize::try_from(count).unwrap());
    }
    for _ in 0..10 {
        let full = callers.check_now(b"ann", log(5), 1).unwrap_err();
        assert_eq!(full, CallerError::TooManyLimits { most: 4 });
        hand.advance(Duration::from_secs(5));
        assert!((1..=4).all(|count| admitted(&callers, "ann", log(count), 9) == 0), "nobody was forgotten");
    }
    hand.advance(Duration::from_secs(10));
    assert_eq!(admitted(&callers, "ann", log(5), 9), 5, "all is back under the four");
    assert!(callers.check_now(b"ann", limit(AlgorithmName::Gcra, "7/s"), 1).unwrap().allowed);
}

#[test]
fn where_there_is_no_room_for_a_key_nobody_is_forgotten() {
    for algorithm in [AlgorithmName::Gcra, AlgorithmName::FixedWindow, AlgorithmName::SlidingLog] {
        let (callers, _hand) = in_memory(Bounds { max_limits: 1, ..small() });
        let limit = limit(algorithm, "2/h");
        let keys: Vec<String> = (0..20_000).map(|key| format!("key-{key}")).collect();
        let ask = |key: &String| callers.check_now(key.as_bytes(), limit, 2);
        let known: Vec<&String> = keys.iter().filter(|key| ask(key).is_ok()).collect();
        assert!((700..4_000).contains(&known.len()), "{algorithm}: {}", known.len());
        assert!(known.iter().all(|key| !ask(key).unwrap().allowed), "{algorithm}");
        assert!(keys.iter().any(|key| ask(key) == Err(CallerError::TooManyKeys { most: 1_000 })));
    }
}

#[test]
fn all_limits_together_have_room_for_their_keys_and_a_few_pages_each() {
    let (callers, _hand) = in_memory(Bounds { max_limits: 20, max_keys: 4_000, ..Bounds::default() });
    let mut known = 0;
    for count in 1..=20 {
        let limit = limit(AlgorithmName::FixedWindow, &format!("{count}/h"));
        let ask = |key: &u32| callers.check_now(&key.to_le_bytes(), limit, 1).is_ok();
        let room = (0..5_000_u32).filter(ask).count();
        assert!(room >= 100, "each has some: {room}");
        known += room;
    }
    // A table has pages of 256 keys: one for each hundred that it surely holds, and some more.
    assert!(known <= 256 * (4_000 / 100 + 20 * 5), "{known}");
}

#[test]
fn after_a_restart_every_key_has_room_in_whatever_order_limits_come() {
    let limits: Vec<CallerLimit> =
        (1..=4).map(|count| limit(AlgorithmName::SlidingLog, &format!("{count}/h"))).collect();
    let (callers, _hand) = in_memory(small());
    let mut known = Vec::new();
    for (limit, most) in limits.iter().zip([600, 200, 1, 1]) {
        for key in 0..most {
            let key = format!("key-{key}");
            let spent = callers.check_now(key.as_bytes(), *limit, limit.quota.count());
            known.extend(spent.ok().map(|_| (key, *limit)));
        }
    }
    let gcra = limit(AlgorithmName::Gcra, "1/h");
    for key in 0..600 {
        let key = format!("key-{key}");
        assert!(callers.check_now(key.as_bytes(), gcra, 1).unwrap().allowed);
        known.push((key, gcra));
    }
    // With less room than before, too.
    for max_keys in [1_000, 100] {
        let bounds = Bounds { max_keys, ..small() };
        let (callers, lost) =
            CallerLimits::restored(bounds, Clock::manual().0, callers.snapshot().unwrap()).unwrap();
        assert_eq!(lost, 0);
        for (key, limit) in &known {
            assert!(!callers.check_now(key.as_bytes(), *limit, 1).unwrap().allowed, "{key} {limit:?}");
        }
    }
}

#[test]
fn limits_that_are_idle_keep_no_room_from_others() {
    let (callers, hand) = in_memory(Bounds { max_limits: 1_000, max_keys: 100_000, ..Bounds::default() });
    let log = |count: u64| limit(AlgorithmName::SlidingLog, &format!("{count}/min"));
    for count in 1..=30 {
        assert!(callers.check_now(b"ann", log(count), 1).unwrap().allowed);
    }
    hand.advance(Duration::from_secs(61));
    let known = (0..10_000_u32).filter(|key| callers.check_now(&key.to_le_bytes(), log(31), 1).is_ok());
    assert_eq!(known.count(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn at_a_backend_a_limit_that_nobody_uses_gives_way_however_long_it_is() {
    let (callers, _faults) = at_backend(small());
    let log = |count: u64| limit(AlgorithmName::SlidingLog, &format!("{count}/30d"));
    for count in 1..=4 {
        assert!(callers.check(b"ann", log(count), 1).await.unwrap().allowed);
    }
    let full = callers.check(b"ann", log(5), 1).await.unwrap_err();
    assert_eq!(full, CallerError::TooManyLimits { most: 4 });
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(callers.check(b"ann", log(5), 1).await.unwrap().allowed);
    assert!(!callers.check(b"ann", log(1), 1).await.unwrap().allowed, "the store has not forgotten it");
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order() {
    let (callers, _hand) = in_memory(small());
    let (gcra, log) = (limit(AlgorithmName::Gcra, "2/h"), limit(AlgorithmName::SlidingLog, "1/h"));
    let ask = |key: &'static str, limit, cost| Ask { key: key.as_bytes(), limit, cost };
    let wrong = limit(AlgorithmName::Gcra, "1/367d");
    let asks = [
        ask("ann", gcra, 1),
        ask("ann", log, 1),
        ask("ann", gcra, 1),
        ask("bob", gcra, 2),
        ask("ann", wrong, 1),
        ask("ann", gcra, 1),
        ask("ann", log, 1),
    ];
    let mut answers = Vec::new();
    callers.check_many(&asks, &mut answers).await;
    let said: Vec<_> =
        answers.iter().map(|answer| answer.as_ref().ok().map(|answer| answer.allowed)).collect();
    assert_eq!(said, [Some(true), Some(true), Some(true), Some(true), None, Some(false), Some(false)]);
}

/// What a bucket counts its time in begins when it is made, so its waits may differ by less than a microsecond.
fn alike(one: Answer, other: Answer) -> bool {
    let near = |one: Duration, other: Duration| one.abs_diff(other) < Duration::from_micros(1);
    let waits = match (one.retry_after, other.retry_after) {
        (Some(one), Some(other)) => near(one, other),
        (one, other) => one == other,
    };
    let counts = |answer: Answer| (answer.allowed, answer.limit, answer.remaining);
    waits
        && counts(one) == counts(other)
        && near(one.reset_after, other.reset_after)
        && near(one.delay, other.delay)
}

#[derive(Clone, Debug)]
enum Op {
    Ask(u8, usize, u64),
    Wait(u64),
    Restart,
}

fn limits() -> Vec<CallerLimit> {
    ["3/s", "7/min burst 2", "5/10s"]
        .iter()
        .flat_map(|quota| ALGORITHMS.map(|algorithm| (algorithm, quota)))
        .map(|(algorithm, quota)| {
            let quota: Quota = quota.parse().unwrap();
            let count = Quota::new(quota.count(), quota.period()).unwrap();
            CallerLimit { algorithm, quota: if algorithm.has_burst() { quota } else { count } }
        })
        .collect()
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        20 => (0..3_u8, 0..18_usize, 0..4_u64).prop_map(|(key, limit, cost)| Op::Ask(key, limit, cost)),
        4 => (0..40_000_000_000_u64).prop_map(Op::Wait),
        1 => Just(Op::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// With room for a few limits only, and restarts: whoever gets an answer gets the one that a service with room for all, and that is never restarted,
    /// would give.
    #[test]
    fn neither_churn_nor_restarts_change_an_answer(ops in vec(op(), 1..200)) {
        let (clock, hand) = Clock::manual();
        let mut callers = CallerLimits::in_memory(small(), clock.clone()).unwrap();
        let all = CallerLimits::in_memory(Bounds { max_limits: 100, ..small() }, clock.clone()).unwrap();
        let limits = limits();
        for op in ops {
            match op {
                Op::Wait(nanos) => hand.advance(Duration::from_nanos(nanos)),
                Op::Restart => {
                    let saved = serde_json::to_vec(&callers.snapshot().unwrap()).unwrap();
                    let saved = serde_json::from_slice(&saved).unwrap();
                    let lost;
                    (callers, lost) = CallerLimits::restored(small(), clock.clone(), saved).unwrap();
                    prop_assert_eq!(lost, 0);
                }
                Op::Ask(key, place, cost) => match callers.check_now(&[key], limits[place], cost) {
                    Ok(answer) => {
                        let same = all.check_now(&[key], limits[place], cost).unwrap();
                        prop_assert!(alike(answer, same), "{answer:?} {same:?} {:?}", limits[place]);
                    }
                    Err(error) => prop_assert_eq!(error, CallerError::TooManyLimits { most: 4 }),
                },
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_spends_nothing_and_what_is_given_back_or_forgotten_is_there_again() {
    // One limit for each algorithm.
    let bounds = Bounds { max_limits: ALGORITHMS.len(), ..small() };
    let (memory, _hand) = in_memory(bounds);
    let (backend, _faults) = at_backend(bounds);
    for callers in [memory, backend] {
        for algorithm in ALGORITHMS {
            let limit = limit(algorithm, "5/min");
            if callers.validate(limit).is_err() {
                continue;
            }
            let key = algorithm.as_str().as_bytes();
            for _ in 0..2 {
                let peeked = callers.peek(key, limit, 5).await.unwrap();
                assert_eq!((peeked.allowed, peeked.remaining), (true, 5), "{algorithm}");
            }
            assert!(callers.check(key, limit, 4).await.unwrap().allowed);
            let peeked = callers.peek(key, limit, 2).await.unwrap();
            assert_eq!((peeked.allowed, peeked.remaining), (false, 1), "{algorithm}");
            assert!(peeked.retry_after > Some(Duration::ZERO), "{algorithm}");
            callers.refund(key, limit, 1).await.unwrap();
            assert_eq!(callers.peek(key, limit, 1).await.unwrap().remaining, 2, "{algorithm}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_backend_counts_for_all_and_refuses_what_it_cannot_count() {
    let (callers, _faults) = at_backend(small());
    assert!(callers.snapshot().is_none());
    let leaky = limit(AlgorithmName::LeakyBucket, "5/min");
    assert_eq!(field(&callers.check(b"ann", leaky, 1).await.unwrap_err()), "algorithm");
    assert_eq!(field(&callers.validate(leaky).unwrap_err()), "algorithm");
    let gcra = limit(AlgorithmName::Gcra, "5/min");
    let asks = [Ask { key: b"ann", limit: gcra, cost: 1 }; 8];
    let mut answers = Vec::new();
    callers.check_many(&asks, &mut answers).await;
    let allowed = answers.iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.allowed)).count();
    assert_eq!(allowed, 5);
    assert_eq!(answers[0].as_ref().unwrap().source, Some(Source::Remote));
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_churn_of_limits_grants_nothing_and_loses_no_debt() {
    let (callers, faults) = at_backend(small());
    let window = |count: u64| limit(AlgorithmName::FixedWindow, &format!("{count}/min"));
    faults.always(Some(Fault::Refuse));
    let mut admitted: HashMap<u64, u64> = HashMap::new();
    let mut full = 0;
    for second in 0..600_u64 {
        for count in [10 + second % 7, 10] {
            match callers.check(b"ann", window(count), 1).await {
                Ok(answer) => *admitted.entry(count).or_default() += u64::from(answer.allowed),
                Err(CallerError::TooManyLimits { .. }) => full += 1,
                Err(other) => panic!("{other}"),
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(full > 0, "more limits than there is room for");
    // Ten minutes of a share that begins empty.
    assert!(admitted.iter().all(|(count, admitted)| *admitted <= count * 10), "{admitted:?}");
    assert!(admitted[&10] >= 90, "{admitted:?}");
}
