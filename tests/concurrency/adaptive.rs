//! What an adaptive limit promises whatever its rule: who is admitted, who gives back, and what is refused at build.

use std::future::pending;
use std::iter::from_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use tollgate::concurrency::{
    AdaptiveBuilder, AdaptiveConcurrency, AdaptiveError, AdaptivePermit, Aimd, Gradient2, LimitRule, Outcome,
    Saturated,
};

const THREADS: usize = 8;

/// A limit that stays what it is.
fn fixed(limit: usize) -> AdaptiveBuilder<Aimd> {
    AdaptiveConcurrency::builder(Aimd::new()).initial(limit).min(limit).max(limit)
}

/// All that are admitted until one is refused.
fn all<'a>(try_acquire: impl Fn() -> Result<AdaptivePermit<'a>, Saturated>) -> Vec<AdaptivePermit<'a>> {
    from_fn(|| try_acquire().ok()).collect()
}

#[test]
fn as_many_are_admitted_as_the_limit_says() {
    let limit = fixed(3).build().unwrap();
    let permits = all(|| limit.try_acquire());
    assert_eq!((permits.len(), limit.in_flight()), (3, 3));

    let refused = limit.try_acquire().unwrap_err();
    assert_eq!((refused.in_flight(), refused.max()), (3, 3));
    assert_eq!(
        refused.to_string(),
        "3 of at most 3 in flight: try again when one has ended, or raise the maximum"
    );
}

#[test]
fn a_limit_that_falls_interrupts_nobody_and_admits_nobody_until_enough_have_returned() {
    let limit = AdaptiveConcurrency::builder(Aimd::new().backoff_ratio(0.5)).min(1).build().unwrap();
    let mut permits = all(|| limit.try_acquire());
    permits.pop().unwrap().finish(Outcome::Overload);
    assert_eq!((limit.limit(), limit.in_flight()), (10, 19));
    permits.truncate(10);
    assert_eq!(limit.try_acquire().unwrap_err(), limit.try_acquire().unwrap_err());
    permits.truncate(9);
    assert!(limit.try_acquire().is_ok());
}

#[test]
fn ignored_and_dropped_requests_teach_nothing() {
    let aimd = AdaptiveConcurrency::builder(Aimd::new()).build().unwrap();
    let rule = Gradient2::new().sample_window(Duration::ZERO).min_samples(1);
    let gradient2 = AdaptiveConcurrency::builder(rule).build().unwrap();
    for limit in [aimd, gradient2] {
        for _ in 0..10 {
            let permits = all(|| limit.try_acquire());
            for (index, permit) in permits.into_iter().enumerate() {
                if index % 2 == 0 {
                    permit.finish(Outcome::Ignore);
                }
            }
            assert_eq!((limit.limit(), limit.in_flight()), (20, 0));
        }
    }
}

#[test]
fn a_panic_gives_the_place_back_once() {
    let limit = fixed(2).build().unwrap();
    let held = limit.try_acquire().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _permit = limit.try_acquire().unwrap();
        panic!("the handler failed");
    }));
    assert!(panicked.is_err());
    assert_eq!(limit.in_flight(), 1);
    drop(held);
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn a_dropped_future_gives_the_place_back_once() {
    let limit = fixed(2).build().unwrap();
    {
        let mut request = pin!(async {
            let permit = limit.try_acquire().unwrap();
            pending::<()>().await;
            permit.finish(Outcome::Success);
        });
        let poll = request.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending());
        assert_eq!(limit.in_flight(), 1);
    }
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn a_rule_that_panics_keeps_no_place_and_no_lock() {
    #[derive(Debug)]
    struct Broken;
    impl LimitRule for Broken {
        fn update(&mut self, _: f64, _: &tollgate::concurrency::Sample) -> f64 {
            panic!("the rule failed")
        }
    }
    let limit = AdaptiveConcurrency::builder(Broken).build().unwrap();
    for _ in 0..2 {
        let permit = limit.try_acquire().unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| permit.finish(Outcome::Success))).is_err());
        assert_eq!((limit.limit(), limit.in_flight()), (20, 0));
    }
}

#[test]
fn owned_permits_keep_their_limit_alive() {
    let limit = Arc::new(fixed(1).partition("all", 1.0).build().unwrap());
    let partition = limit.partition_owned("all").unwrap();
    let permit = limit.try_acquire_owned().unwrap();
    let guaranteed = partition.try_acquire().unwrap();
    drop(limit);
    thread::spawn(move || drop(permit)).join().unwrap();
    assert_eq!((partition.in_flight(), partition.clone().guaranteed()), (1, 1));
    drop(guaranteed);
    assert_eq!(partition.in_flight(), 0);
}

#[test]
fn a_partition_gets_its_share_even_when_another_has_borrowed_everything() {
    let limit = fixed(10).partition("live", 0.7).partition("batch", 0.3).build().unwrap();
    let (live, batch) = (limit.partition("live").unwrap(), limit.partition("batch").unwrap());
    let mut borrowed = all(|| batch.try_acquire());
    assert_eq!((borrowed.len(), batch.in_flight(), live.in_flight()), (10, 10, 0));

    let guaranteed = all(|| live.try_acquire());
    assert_eq!((guaranteed.len(), live.in_flight(), limit.in_flight()), (7, 7, 17));

    // What was borrowed cannot be borrowed again before the whole is below the limit.
    borrowed.truncate(3);
    assert_eq!(limit.in_flight(), 10);
    assert!(batch.try_acquire().is_err());
    borrowed.truncate(2);
    assert_eq!(all(|| batch.try_acquire()).len(), 1);
}

#[test]
fn a_partition_borrows_what_others_leave_idle_and_no_more() {
    let limit = fixed(10).partition("live", 0.7).partition("batch", 0.3).build().unwrap();
    let (live, batch) = (limit.partition("live").unwrap(), limit.partition("batch").unwrap());
    let busy: Vec<_> = (0..4).map(|_| live.try_acquire().unwrap()).collect();
    let borrowed = all(|| batch.try_acquire());
    assert_eq!((busy.len(), borrowed.len(), limit.in_flight()), (4, 6, 10));
}

#[test]
fn requests_of_no_partition_go_on_only_below_the_limit() {
    let limit = fixed(4).partition("live", 0.5).build().unwrap();
    let others = all(|| limit.try_acquire());
    assert_eq!(others.len(), 4);
    assert_eq!(all(|| limit.partition("live").unwrap().try_acquire()).len(), 2);
    drop(others);
    assert_eq!(limit.in_flight(), 0);
}

#[test]
#[expect(clippy::float_cmp, reason = "a share is given back as it was given")]
fn shares_are_rounded_up_and_at_least_one_and_follow_the_limit() {
    let builder = AdaptiveConcurrency::builder(Aimd::new().backoff_ratio(0.5)).min(1);
    let limit = builder.partition("most", 0.92).partition("hardly", 0.001).build().unwrap();
    let (most, hardly) = (limit.partition("most").unwrap(), limit.partition("hardly").unwrap());
    assert_eq!((most.guaranteed(), hardly.guaranteed()), (19, 1)); // of 20: 18.4 and 0.02
    limit.try_acquire().unwrap().finish(Outcome::Overload);
    assert_eq!((most.guaranteed(), hardly.guaranteed()), (10, 1)); // of 10: 9.2 and 0.01
    assert_eq!((most.name(), hardly.name()), ("most", "hardly"));
    assert_eq!([most.share(), hardly.share()], [0.92, 0.001]);
}

#[test]
fn there_is_no_partition_that_was_not_built() {
    let limit = Arc::new(fixed(1).partition("live", 1.0).build().unwrap());
    assert!(limit.partition("lively").is_none());
    assert!(limit.partition_owned("").is_none());
}

#[test]
fn shares_may_come_to_one_in_any_decimals() {
    let tenths = (0..10).fold(fixed(10), |builder, n| builder.partition(n.to_string(), 0.1));
    assert!(tenths.build().is_ok());
    assert!(fixed(10).partition("a", 0.7).partition("b", 0.2).partition("c", 0.1).build().is_ok());
}

/// Eight threads ask, hold and give back; counts them as they hold, and gives the most that ever did.
fn most_at_once(rounds: usize, enter: impl Fn(usize, &dyn Fn()) + Sync) -> usize {
    let (holding, most, start) = (AtomicUsize::new(0), AtomicUsize::new(0), Barrier::new(THREADS));
    let hold = || {
        most.fetch_max(holding.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::yield_now();
        holding.fetch_sub(1, Ordering::SeqCst);
    };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (enter, start, hold) = (&enter, &start, &hold);
            scope.spawn(move || {
                start.wait();
                (0..rounds).for_each(|_| enter(thread, hold));
            });
        }
    });
    most.into_inner()
}

#[test]
fn threads_never_hold_more_than_the_limit() {
    let limit = fixed(3).build().unwrap();
    let most = most_at_once(20_000, |_, hold| {
        if let Ok(permit) = limit.try_acquire() {
            hold();
            permit.finish(Outcome::Success);
        }
    });
    assert!((1..=3).contains(&most), "{most}");
    assert_eq!((limit.in_flight(), limit.limit()), (0, 3));
}

#[test]
fn threads_of_one_partition_that_is_the_whole_never_hold_more_than_the_limit() {
    let limit = fixed(3).partition("whole", 1.0).build().unwrap();
    let whole = limit.partition("whole").unwrap();
    let most = most_at_once(20_000, |_, hold| {
        if let Ok(permit) = whole.try_acquire() {
            hold();
            permit.finish(Outcome::Success);
        }
    });
    assert!((1..=3).contains(&most), "{most}");
    assert_eq!((limit.in_flight(), whole.in_flight()), (0, 0));
}

#[test]
fn threads_never_take_a_partitions_share_from_another() {
    let limit = fixed(4).partition("greedy", 0.25).partition("steady", 0.75).build().unwrap();
    let (greedy, steady) = (limit.partition("greedy").unwrap(), limit.partition("steady").unwrap());
    // Three of the eight threads are within the guarantee of three: they are never refused.
    most_at_once(20_000, |thread, hold| {
        if thread < 3 {
            let permit = steady.try_acquire().unwrap();
            hold();
            permit.finish(Outcome::Success);
        } else if let Ok(permit) = greedy.try_acquire() {
            hold();
            permit.finish(Outcome::Success);
        }
    });
    assert_eq!((limit.in_flight(), greedy.in_flight(), steady.in_flight()), (0, 0, 0));
}

#[test]
fn a_limit_that_moves_under_threads_stays_within_its_bounds_and_loses_no_place() {
    let rule = Gradient2::new().sample_window(Duration::ZERO).min_samples(1);
    let limit = AdaptiveConcurrency::builder(rule).initial(4).min(2).max(6).build().unwrap();
    let most = most_at_once(20_000, |thread, hold| {
        if let Ok(permit) = limit.try_acquire() {
            hold();
            permit.finish(if thread == 0 { Outcome::Overload } else { Outcome::Success });
        }
        assert!((2..=6).contains(&limit.limit()));
    });
    assert!(most <= 6, "{most}");
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn every_option_out_of_range_is_named_with_its_value() {
    let error = |builder: AdaptiveBuilder<Aimd>| builder.build().unwrap_err().to_string();
    let aimd = || AdaptiveConcurrency::builder(Aimd::new());
    let expected = [
        (error(aimd().min(0)), "min 0 would admit nothing: use 1 or more"),
        (error(aimd().min(30).max(29)), "max 29 is out of range: use 30 (the min) to 1073741824"),
        (error(aimd().max(1 << 31)), "max 2147483648 is out of range: use 20 (the min) to 1073741824"),
        (
            error(aimd().initial(19)),
            "initial 19 is out of range: use 20 (the min) to 200 (the max), or move these",
        ),
        (
            error(aimd().initial(201)),
            "initial 201 is out of range: use 20 (the min) to 200 (the max), or move these",
        ),
        (
            error(aimd().partition("a", 0.5).partition("b", f64::NAN)),
            r#"share NaN of partition "b" is out of range: use above 0, up to 1"#,
        ),
        (
            error(aimd().partition("a", 0.0)),
            r#"share 0 of partition "a" is out of range: use above 0, up to 1"#,
        ),
        (
            error(aimd().partition("a", 1.5)),
            r#"share 1.5 of partition "a" is out of range: use above 0, up to 1"#,
        ),
        (
            error(aimd().partition("a", 0.75).partition("b", 0.5)),
            "the partitions' shares come to 1.25: lower them to 1 or less in all",
        ),
        (
            error(aimd().partition("a", 0.1).partition("a", 0.1)),
            r#"partition "a" is given twice: give each name once"#,
        ),
    ];
    for (message, expected) in expected {
        assert_eq!(message, expected);
    }
}

#[test]
fn every_parameter_of_a_rule_out_of_range_is_named_with_its_value() {
    fn refused<R: LimitRule + 'static>(rule: R) -> (&'static str, String) {
        match AdaptiveConcurrency::builder(rule).build().unwrap_err() {
            AdaptiveError::Parameter { field, value, .. } => (field, value),
            other => panic!("{other}"),
        }
    }
    for ratio in [0.49, 1.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(refused(Aimd::new().backoff_ratio(ratio)), ("backoff_ratio", ratio.to_string()));
    }
    assert_eq!(refused(Aimd::new().timeout(Duration::ZERO)), ("timeout", "0ns".into()));
    for smoothing in [0.0, -0.1, 1.01, f64::NAN] {
        assert_eq!(refused(Gradient2::new().smoothing(smoothing)), ("smoothing", smoothing.to_string()));
    }
    for tolerance in [0.99, f64::NAN, f64::INFINITY] {
        assert_eq!(
            refused(Gradient2::new().rtt_tolerance(tolerance)),
            ("rtt_tolerance", tolerance.to_string())
        );
    }
    assert_eq!(refused(Gradient2::new().queue_size(0)), ("queue_size", "0".into()));
    assert_eq!(refused(Gradient2::new().long_window(0)), ("long_window", "0".into()));
    assert_eq!(refused(Gradient2::new().min_samples(0)), ("min_samples", "0".into()));

    let error = AdaptiveConcurrency::builder(Aimd::new().backoff_ratio(1.0)).build().unwrap_err();
    assert_eq!(error.to_string(), "backoff_ratio 1 is out of range: use 0.5 to below 1");
}

#[test]
fn the_ends_of_every_range_are_legal() {
    let most = 1 << 30;
    let aimd = Aimd::new().backoff_ratio(0.5).timeout(Duration::from_nanos(1));
    assert!(AdaptiveConcurrency::builder(aimd).initial(most).min(1).max(most).build().is_ok());
    let gradient2 = Gradient2::new()
        .smoothing(1.0)
        .rtt_tolerance(1.0)
        .queue_size(u32::MAX)
        .long_window(u32::MAX)
        .min_samples(1)
        .sample_window(Duration::MAX);
    let limit = AdaptiveConcurrency::builder(gradient2).initial(1).min(1).max(most).build().unwrap();
    limit.try_acquire().unwrap().finish(Outcome::Success);
    limit.try_acquire().unwrap().finish(Outcome::Success);
    assert_eq!(limit.limit(), most);
}
