//! One limit for everybody.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use proptest::prelude::*;
use tollgate::concurrency::{Cause, ConcurrencyLimit, Permit};

use super::{Gauge, in_threads, panic_with};

#[test]
fn sixty_four_threads_on_a_cap_of_ten_are_never_eleven_in_flight() {
    let (limit, gauge) = (ConcurrencyLimit::new(10), Gauge::default());
    in_threads(64, |_| {
        for _ in 0..2_000 {
            if let Ok(_permit) = limit.try_acquire() {
                gauge.enter();
                std::thread::yield_now();
                gauge.leave();
            }
        }
    });
    assert!((1..=10).contains(&gauge.most()), "{} in flight", gauge.most());
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn exactly_as_many_as_may_be_are_admitted() {
    let limit = ConcurrencyLimit::new(3);
    let mut held: Vec<Permit<'_>> = (0..3).map(|_| limit.try_acquire().unwrap()).collect();
    let refused = limit.try_acquire().unwrap_err();
    assert_eq!((refused.in_flight(), refused.max(), refused.cause()), (3, 3, Cause::Busy));
    assert!(!refused.at_capacity());
    assert_eq!(limit.in_flight(), 3);
    held.pop();
    assert_eq!(limit.in_flight(), 2);
    assert!(limit.try_acquire().is_ok());
}

#[test]
fn a_limit_of_zero_admits_nobody_until_it_is_raised() {
    let limit = ConcurrencyLimit::new(0);
    assert!(limit.try_acquire().is_err());
    limit.set_max(1);
    assert!(limit.try_acquire().is_ok());
}

#[test]
fn a_maximum_that_cannot_be_counted_is_the_largest_that_can() {
    let limit = ConcurrencyLimit::new(usize::MAX);
    assert_eq!(limit.max(), (1 << 31) - 1);
    let _permit = limit.try_acquire().unwrap();
    limit.set_max((1 << 31) - 2);
    assert_eq!((limit.in_flight(), limit.max()), (1, (1 << 31) - 2));
}

#[test]
fn lowered_below_those_in_flight_it_admits_none_until_enough_have_ended() {
    let limit = ConcurrencyLimit::new(4);
    let mut held: Vec<Permit<'_>> = (0..4).map(|_| limit.try_acquire().unwrap()).collect();
    limit.set_max(2);
    for in_flight in [4, 3, 2] {
        let refused = limit.try_acquire().unwrap_err();
        assert_eq!((refused.in_flight(), refused.max()), (in_flight, 2));
        held.pop();
    }
    assert_eq!(limit.in_flight(), 1);
    assert!(limit.try_acquire().is_ok());
}

#[test]
fn a_panic_gives_the_permit_back() {
    let limit = Arc::new(ConcurrencyLimit::new(1));
    panic_with(|| limit.try_acquire().unwrap());
    assert_eq!(limit.in_flight(), 0);
    panic_with(|| limit.try_acquire_owned().unwrap());
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn a_dropped_future_gives_the_permit_back() {
    let limit = ConcurrencyLimit::new(1);
    {
        let mut work = pin!(async {
            let _permit = limit.try_acquire().unwrap();
            pending::<()>().await;
        });
        assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(limit.in_flight(), 1);
    }
    assert_eq!(limit.in_flight(), 0);
}

#[test]
fn an_owned_permit_outlives_the_callers_handle_on_the_limit() {
    let limit = Arc::new(ConcurrencyLimit::new(1));
    let permit = limit.try_acquire_owned().unwrap();
    let weak = Arc::downgrade(&limit);
    drop(limit);
    assert_eq!(weak.upgrade().unwrap().in_flight(), 1);
    drop(permit);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_refusal_names_the_figures_and_what_to_change() {
    let limit = ConcurrencyLimit::new(2);
    let _held = [limit.try_acquire().unwrap(), limit.try_acquire().unwrap()];
    let text = limit.try_acquire().unwrap_err().to_string();
    assert_eq!(text, "2 of at most 2 in flight: try again when one has ended, or raise the maximum");
}

/// What can be done to a limit.
#[derive(Clone, Debug)]
enum Deed {
    Acquire,
    /// Drops one of the permits that are held, whichever this points at.
    Drop(prop::sample::Index),
    SetMax(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => Just(Deed::Acquire),
        3 => any::<prop::sample::Index>().prop_map(Deed::Drop),
        1 => (0..8_usize).prop_map(Deed::SetMax),
    ];
    prop::collection::vec(deed, 0..200)
}

proptest! {
    #[test]
    fn it_admits_and_counts_as_a_number_does(first in 0..8_usize, deeds in deeds()) {
        let limit = Arc::new(ConcurrencyLimit::new(first));
        let (mut max, mut held) = (first, Vec::new());
        for deed in deeds {
            match deed {
                Deed::Acquire => {
                    let permit = if held.len() % 2 == 0 { limit.try_acquire() } else { limit.try_acquire_owned() };
                    prop_assert_eq!(permit.is_ok(), held.len() < max);
                    held.extend(permit);
                }
                Deed::Drop(which) if !held.is_empty() => drop(held.swap_remove(which.index(held.len()))),
                Deed::Drop(_) => {}
                Deed::SetMax(new) => {
                    limit.set_max(new);
                    max = new;
                }
            }
            prop_assert_eq!((limit.in_flight(), limit.max()), (held.len(), max));
        }
    }
}
