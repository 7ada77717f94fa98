//! What holds of the types themselves. Of most tests, that they compile is the test.

use std::error::Error;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};
use std::time::Duration;

use tollgate::concurrency::{
    AdaptiveConcurrency, AdaptiveError, AdaptivePermit, Aimd, ConcurrencyLimit, Gradient2,
    KeyedConcurrencyLimit, KeyedPermit, Permit, Saturated,
};
use tollgate::observe::TopRefused;
use tollgate::{
    Allowed, AllowedAll, AtCapacity, BuildError, Builder, Clock, Denied, DeniedBy, FixedWindow, Gcra,
    LeakyBucket, LimitStatus, Limiter, ManualClock, On, PerCall, Quota, QuotaError, RandomState, Reservation,
    Scheduled, SlidingLog, SlidingWindow, Stats, Status, TokenBucket,
};

/// In an `Arc`, a `static`, a task that any thread runs, a struct that derives `Debug`.
fn goes_anywhere<T: Send + Sync + Debug>() {}

/// Used by a closure that is given to `catch_unwind`.
fn outlives_a_panic<T: Send + Sync + Debug + UnwindSafe + RefUnwindSafe>() {}

fn is_an_answer<T: Copy + Send + Sync + UnwindSafe + RefUnwindSafe + Debug>() {}

/// `?` turns it into a `Box<dyn Error + Send + Sync>`, and an `anyhow::Error`; an error that holds it can be compared.
fn is_an_error<T: Error + Clone + PartialEq + Send + Sync + UnwindSafe + RefUnwindSafe + 'static>() {}

#[test]
fn limiters_go_anywhere_and_outlive_a_panic() {
    outlives_a_panic::<Limiter>();
    outlives_a_panic::<Limiter<TokenBucket>>();
    outlives_a_panic::<Limiter<LeakyBucket>>();
    outlives_a_panic::<Limiter<FixedWindow>>();
    outlives_a_panic::<Limiter<SlidingWindow>>();
    outlives_a_panic::<Limiter<SlidingLog>>();
    outlives_a_panic::<Limiter<PerCall>>();
    outlives_a_panic::<Reservation<'_, Gcra>>();
    outlives_a_panic::<Scheduled<'_, Gcra>>();
    outlives_a_panic::<Clock>();
    outlives_a_panic::<ManualClock>();
    outlives_a_panic::<RandomState>();
}

/// A key that cannot be hashed.
struct Broken;

impl Hash for Broken {
    fn hash<H: Hasher>(&self, _state: &mut H) {
        panic!("this key cannot be hashed");
    }
}

#[test]
fn a_key_that_panics_when_it_is_hashed_changes_nothing() {
    let limiter = Limiter::new(Quota::per_day(2));
    assert!(limiter.check("ann").is_ok());
    assert!(catch_unwind(|| limiter.check(&Broken)).is_err());
    assert_eq!((limiter.len(), limiter.peek("ann").remaining()), (1, 1));
    assert!(limiter.check("ann").is_ok());
    assert!(limiter.check("ann").is_err());
}

#[test]
fn what_is_held_while_work_is_done_goes_anywhere() {
    goes_anywhere::<Builder<Gcra>>();
    goes_anywhere::<On<'_>>();
    goes_anywhere::<AllowedAll<'_>>();
    goes_anywhere::<DeniedBy<'_>>();
    goes_anywhere::<ConcurrencyLimit>();
    goes_anywhere::<Permit<'_>>();
    goes_anywhere::<KeyedConcurrencyLimit>();
    goes_anywhere::<KeyedPermit<'_>>();
    goes_anywhere::<AdaptiveConcurrency>();
    goes_anywhere::<AdaptivePermit<'_>>();
    goes_anywhere::<Aimd>();
    goes_anywhere::<Gradient2>();
    goes_anywhere::<TopRefused>();
}

#[test]
fn answers_are_plain_values() {
    is_an_answer::<Allowed>();
    is_an_answer::<Denied>();
    is_an_answer::<Status>();
    is_an_answer::<LimitStatus>();
    is_an_answer::<Stats>();
    is_an_answer::<Quota>();
    is_an_answer::<AtCapacity>();
}

/// When they were given, and what worked them out, is not told.
#[test]
fn answers_are_equal_when_they_tell_the_same() {
    let (clock, hand) = Clock::manual();
    let gcra = Limiter::builder(Gcra::new(Quota::per_second(10))).clock(clock.clone()).build().unwrap();
    let second = Duration::from_secs(1);
    let bucket = TokenBucket::new(10).refill(10, second);
    let bucket = Limiter::builder(bucket).clock(clock.clone()).build().unwrap();
    let window = Limiter::builder(FixedWindow::new(10, second)).clock(clock).build().unwrap();

    let allowed = gcra.check("ann").unwrap();
    hand.advance(second);
    assert_eq!(bucket.check("ann").unwrap(), allowed);
    assert_ne!(gcra.check_n("ann", 2).unwrap(), allowed, "another number is left");
    assert_ne!(window.check("ann").unwrap(), allowed, "it is full again at another time");

    assert_eq!(gcra.peek("ben"), window.peek("ben"));
    assert_ne!(gcra.peek("ann"), gcra.peek("ben"));

    assert_eq!(gcra.check_n("ben", 11), window.check_n("ben", 11));
    assert!(gcra.check_n("ben", 10).is_ok() && bucket.check_n("ben", 10).is_ok());
    assert_eq!(gcra.check("ben"), bucket.check("ben"));
    assert_ne!(gcra.check("ben"), gcra.check_n("ben", 2), "a larger cost waits for longer");
}

#[test]
fn errors_go_wherever_errors_go() {
    is_an_error::<Denied>();
    is_an_error::<BuildError>();
    is_an_error::<QuotaError>();
    is_an_error::<Saturated>();
    is_an_error::<AdaptiveError>();
}
