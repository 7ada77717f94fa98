//! Real threads on real keys. What they are admitted in all is measured by the limiter's own clock.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tollgate::{AtCapacity, Clock, Gcra, Limiter, Quota};

const THREADS: usize = 8;

/// For how long a key is asked for.
const DEMAND: Duration = Duration::from_millis(300);

/// Runs `work` in eight threads that start together, and adds up what they return.
fn in_threads(work: impl Fn(usize) -> u64 + Sync) -> u64 {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        let run = |n| {
            let (start, work) = (&start, &work);
            scope.spawn(move || {
                start.wait();
                work(n)
            })
        };
        let threads: Vec<_> = (0..THREADS).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn refill(quota: Quota, elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos() * u128::from(quota.count()) / quota.period().as_nanos()).unwrap()
}

/// Eight threads ask for one key as fast as they can. The reading before the first call and the one after the last
/// enclose every time at which the limiter can have decided. The bursts last half a second or more, so that nothing is lost
/// while a busy machine lets none of the threads run.
#[test]
fn a_hot_key_is_admitted_its_burst_and_rate_no_more_and_no_less() {
    for quota in [
        Quota::per_second(100_000).burst(50_000),
        Quota::per_second(1_000_000).burst(500_000),
        Quota::per_second(50),
    ] {
        let clock = Clock::monotonic();
        let limiter = Limiter::builder(Gcra::new(quota)).clock(clock.clone()).build().unwrap();
        let before = clock.now();
        let deadline = before + DEMAND;
        let admitted = in_threads(|_| {
            let mut admitted = 0;
            // Who was held up beyond the deadline still takes what is there.
            let (mut is_allowed, mut is_early) = (true, true);
            while is_allowed || is_early {
                is_early = clock.now() < deadline;
                is_allowed = limiter.check("hot").is_ok();
                admitted += u64::from(is_allowed);
            }
            admitted
        });
        let elapsed = clock.now().saturating_sub(before);
        // The unit of the axis by which the bound is exceeded at most is far below a token.
        let most = quota.capacity() + refill(quota, elapsed) + 1;
        assert!(admitted <= most, "{admitted} of {most} in {elapsed:?}");
        let supply = quota.capacity() + refill(quota, DEMAND);
        assert!(admitted * 100 >= supply * 95, "{admitted} of {supply} until the deadline");
    }
}

/// All eight find the key absent at once; only one of them may insert it.
#[test]
fn a_new_key_is_admitted_exactly_its_capacity_by_eight_threads_at_once() {
    let quota = Quota::per_day(10);
    let (clock, _hand) = Clock::manual();
    let limiter = Limiter::builder(Gcra::new(quota)).clock(clock).build().unwrap();
    let turn = Barrier::new(THREADS);
    let keys = 3_000_u64;
    let admitted: Vec<AtomicU64> = (0..keys).map(|_| AtomicU64::new(0)).collect();
    in_threads(|_| {
        for (key, admitted) in admitted.iter().enumerate() {
            turn.wait();
            let mine: u64 = (0..4).map(|_| u64::from(limiter.check(&key).is_ok())).sum();
            admitted.fetch_add(mine, Ordering::Relaxed);
        }
        0
    });
    assert!(admitted.iter().all(|admitted| admitted.load(Ordering::Relaxed) == 10));
    assert_eq!(limiter.stats().forgotten, 0);
}

/// Eight threads take the same keys in different orders while the table grows from one page to thousands.
#[test]
fn every_key_is_admitted_exactly_its_burst_while_pages_split() {
    const KEYS: u64 = 200_000;
    let (clock, _hand) = Clock::manual();
    let builder = Limiter::builder(Gcra::new(Quota::per_day(5))).clock(clock).max_keys(200_000);
    let limiter = builder.at_capacity(AtCapacity::DenyNew).build().unwrap();
    let admitted: Vec<AtomicU64> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
    in_threads(|thread| {
        // Strides without a common factor with the number of keys reach all of them.
        let stride = [1, 3, 7, 11, 13, 17, 19, 23][thread];
        for n in 0..KEYS {
            let key = (n * stride) % KEYS;
            if limiter.check(&key).is_ok() {
                admitted[usize::try_from(key).unwrap()].fetch_add(1, Ordering::Relaxed);
            }
        }
        0
    });
    let wrong = admitted.iter().filter(|admitted| admitted.load(Ordering::Relaxed) != 5).count();
    assert_eq!(wrong, 0, "of {KEYS} keys");
    assert!(limiter.stats().splits > 500);
}

/// The same in batches, whose lines are looked up before the pages they are in may be split by others.
#[test]
fn every_key_is_admitted_exactly_its_burst_in_batches_while_pages_split() {
    const KEYS: usize = 100_000;
    let (clock, _hand) = Clock::manual();
    let limiter = Limiter::builder(Gcra::new(Quota::per_day(5))).clock(clock).build().unwrap();
    let keys: Vec<usize> = (0..KEYS).collect();
    let admitted = in_threads(|thread| {
        let mut answers = Vec::new();
        // Each begins elsewhere.
        let (late, early) = keys.split_at(KEYS / THREADS * thread);
        [early, late]
            .iter()
            .flat_map(|keys| keys.chunks(1_000))
            .map(|keys| {
                limiter.check_many(keys, &mut answers);
                answers.iter().filter(|answer| answer.is_ok()).count() as u64
            })
            .sum()
    });
    assert_eq!(limiter.stats().forgotten, 0);
    assert_eq!(admitted, 5 * KEYS as u64);
    assert!(keys.iter().all(|key| limiter.peek(key).remaining() == 0));
}

/// `clear` used to stop at the last page there was when it began: keys that a split carried to a later page stayed.
#[test]
fn clearing_forgets_every_untouched_key_while_pages_split() {
    const KEYS: u64 = 20_000;
    for _ in 0..20 {
        let (clock, _hand) = Clock::manual();
        let limiter = Limiter::builder(Gcra::new(Quota::per_day(5))).clock(clock).build().unwrap();
        for key in 0..KEYS {
            assert!(limiter.check(&key).is_ok());
        }
        thread::scope(|scope| {
            scope.spawn(|| (KEYS..5 * KEYS).for_each(|key| assert!(limiter.check(&key).is_ok())));
            limiter.clear();
        });
        assert!((0..KEYS).all(|key| limiter.peek(&key).remaining() == 5));
    }
}

/// One thread flips between two quotas with different everything while the others spend. A reader that took the rate of
/// one and the capacity of the other, or half an anchor, would be off by orders of magnitude.
#[test]
fn while_quotas_flap_nothing_is_admitted_that_neither_of_them_allows() {
    let narrow = Quota::per_second(1_000).burst(10);
    let wide = Quota::new(70_001, Duration::from_nanos(999_999_937)).unwrap().burst(5_000);
    let clock = Clock::monotonic();
    let limiter = Limiter::builder(Gcra::new(wide)).clock(clock.clone()).build().unwrap();
    let before = clock.now();
    let deadline = before + DEMAND;
    let (mut flaps, mut admitted) = (0, 0);
    thread::scope(|scope| {
        let flapping = scope.spawn(|| {
            let mut flaps = 0_u64;
            while clock.now() < deadline {
                assert_eq!(limiter.set_quota(narrow), Ok(()));
                assert_eq!(limiter.set_quota(wide), Ok(()));
                flaps += 1;
            }
            flaps
        });
        admitted = in_threads(|_| {
            let mut admitted = 0;
            while clock.now() < deadline {
                match limiter.check("hot") {
                    Ok(allowed) => {
                        admitted += 1;
                        assert!([10, 5_000].contains(&allowed.limit()));
                        assert!(allowed.remaining() < allowed.limit());
                    }
                    Err(denied) => {
                        assert!([10, 5_000].contains(&denied.limit()));
                        // However long: the key may have spent under a quota that came after this reading.
                        assert!(denied.retry_after().is_some());
                    }
                }
            }
            admitted
        });
        flaps = flapping.join().unwrap();
    });
    let elapsed = clock.now().saturating_sub(before);
    // Each flap, down and up again, grants up to the difference of the capacities; for the rest the faster rate is the most.
    let most = wide.capacity() + refill(wide, elapsed) + 1 + flaps * (wide.capacity() - narrow.capacity());
    assert!(admitted <= most, "{admitted} of {most} with {flaps} flaps in {elapsed:?}");
    assert!(flaps > 0);
}
