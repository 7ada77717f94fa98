//! `until_allowed`: first come first served, cancelled when dropped, and one wake for each; under tokio's paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tollgate::{Clock, FixedWindow, Gcra, Limiter, Quota, SlidingLog, SlidingWindow, TokenBucket};

const SECOND: Duration = Duration::from_secs(1);

fn gcra(quota: Quota) -> Limiter {
    Limiter::builder(Gcra::new(quota)).clock(Clock::tokio()).build().unwrap()
}

/// Runs with time paused: it goes on by itself to whatever is waited for.
fn paused<F: Future<Output = ()>>(test: F) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test);
}

#[test]
fn tokens_are_waited_for_and_come_at_the_rate() {
    paused(async {
        let limiter = gcra(Quota::per_second(10).burst(3));
        let start = Instant::now();
        for nth in 0..20_u32 {
            let allowed = limiter.until_allowed("key").await.unwrap();
            let due = SECOND / 10 * nth.saturating_sub(2);
            assert!(start.elapsed() >= due && start.elapsed() <= due + Duration::from_millis(1), "{nth}");
            assert_eq!(allowed.remaining(), u64::from(2_u32.saturating_sub(nth)));
        }
    });
}

#[test]
fn callers_go_in_the_order_in_which_they_came_and_a_large_cost_is_not_overtaken() {
    paused(async {
        let limiter = Arc::new(gcra(Quota::per_second(10).burst(10)));
        limiter.charge("key", 10);
        let order = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now();
        let tasks: Vec<_> = [1, 8, 1, 1, 5]
            .into_iter()
            .enumerate()
            .map(|(nth, cost)| {
                let (limiter, order) = (Arc::clone(&limiter), Arc::clone(&order));
                tokio::spawn(async move {
                    let _allowed = limiter.until_allowed_within("key", cost, SECOND * 60).await.unwrap();
                    order.lock().unwrap().push((nth, start.elapsed().as_millis() / 10));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        // Each goes when what it and all before it cost has come back.
        assert_eq!(*order.lock().unwrap(), [(0, 10), (1, 90), (2, 100), (3, 110), (4, 160)]);
    });
}

#[test]
fn what_can_never_be_had_or_not_in_time_is_refused_at_once_and_spends_nothing() {
    paused(async {
        let limiter = gcra(Quota::per_second(10).burst(2));
        let start = Instant::now();
        let too_much = limiter.until_allowed_within("key", 3, Duration::MAX).await.unwrap_err();
        assert_eq!(too_much.retry_after(), None);
        assert!(gcra(Quota::per_second(0)).until_allowed("key").await.is_err());
        assert!(limiter.check_n("key", 2).is_ok());
        let too_late = limiter.until_allowed_within("key", 1, SECOND / 20).await.unwrap_err();
        assert_eq!(too_late.retry_after(), Some(SECOND / 20));
        assert_eq!(limiter.peek("key").retry_after(), Some(SECOND / 10), "nothing was spent");
        assert_eq!(start.elapsed(), Duration::ZERO);
        sleep(SECOND / 20).await;
        assert!(limiter.until_allowed_within("key", 1, SECOND / 20).await.is_ok());
    });
}

#[test]
fn a_dropped_future_gives_its_slot_back_unless_others_stand_behind() {
    paused(async {
        let limiter = gcra(Quota::per_second(1).burst(1));
        assert!(limiter.check("key").is_ok());
        // Nobody behind it: as if it had never been.
        assert!(timeout(SECOND / 2, limiter.until_allowed("key")).await.is_err());
        assert_eq!(limiter.peek("key").retry_after(), Some(SECOND / 2));

        let start = Instant::now();
        let (first, second) =
            (timeout(SECOND / 10, limiter.until_allowed("key")), limiter.until_allowed("key"));
        let (gave_up, went) = tokio::join!(first, second);
        assert!(gave_up.is_err() && went.is_ok());
        // The second keeps its time: the first's slot was not given out twice.
        assert_eq!(start.elapsed().as_millis() / 10, 150);
        assert_eq!(limiter.peek("key").remaining(), 0);
    });
}

#[test]
fn a_future_that_is_never_polled_takes_nothing() {
    paused(async {
        let limiter = gcra(Quota::per_second(1));
        drop(limiter.until_allowed("key"));
        assert_eq!(limiter.peek("key").remaining(), 1);
    });
}

#[test]
fn keys_do_not_wait_for_each_other() {
    paused(async {
        let limiter = gcra(Quota::per_hour(1));
        assert!(limiter.check("slow").is_ok());
        let start = Instant::now();
        assert!(limiter.until_allowed("other").await.is_ok());
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(timeout(SECOND, limiter.until_allowed("slow")).await.is_err());
    });
}

/// Demand without end gets what the algorithm admits, neither more nor later.
#[test]
fn every_algorithm_can_be_waited_for() {
    macro_rules! went_within {
        ($algorithm:expr, $time:expr) => {{
            let limiter = Limiter::builder($algorithm).clock(Clock::tokio()).build().unwrap();
            let start = Instant::now();
            let mut went = Vec::new();
            while start.elapsed() <= $time {
                let _allowed = limiter.until_allowed("key").await.unwrap();
                went.push(start.elapsed());
            }
            went.retain(|time| *time <= $time);
            went
        }};
    }
    paused(async {
        let minute = Duration::from_secs(60);
        let most_in = |went: &[Duration], length: Duration| {
            (0..went.len())
                .map(|i| went[i..].iter().take_while(|t| t.saturating_sub(went[i]) < length).count())
                .max()
                .unwrap()
        };
        let went = went_within!(TokenBucket::new(5).refill(5, SECOND).refill_at_once(), minute);
        assert!((5 * 60..=5 * 62).contains(&went.len()), "{}", went.len());
        let went = went_within!(FixedWindow::new(5, SECOND), minute);
        assert!((5 * 60..=5 * 62).contains(&went.len()) && most_in(&went, SECOND) <= 10);
        let went = went_within!(SlidingWindow::new(5, SECOND), minute);
        // What is admitted early in a window weighs in the next: between half and all of the limit comes through.
        assert!((150..=5 * 62).contains(&went.len()) && most_in(&went, SECOND) <= 9, "{}", went.len());
        let went = went_within!(SlidingLog::new(5, SECOND), minute);
        assert!((5 * 60 - 5..=5 * 61).contains(&went.len()) && most_in(&went, SECOND) <= 5, "{}", went.len());
    });
}

/// With many at once, nobody is woken but when it is their turn.
#[test]
fn a_crowd_goes_one_by_one() {
    paused(async {
        let limiter = Arc::new(gcra(Quota::per_second(100).burst(1)));
        let start = Instant::now();
        let tasks: Vec<_> = (0..500)
            .map(|_| {
                let limiter = Arc::clone(&limiter);
                tokio::spawn(async move {
                    let _allowed = limiter.until_allowed("key").await.unwrap();
                    start.elapsed()
                })
            })
            .collect();
        for (nth, task) in (0..).zip(tasks) {
            let due = Duration::from_millis(10) * nth;
            let went = task.await.unwrap();
            assert!(went >= due && went <= due + Duration::from_millis(1), "{nth}: {went:?}");
        }
    });
}
