//! The same limit for each key.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use proptest::prelude::*;
use tollgate::BuildError;
use tollgate::concurrency::{Cause, KeyedConcurrencyLimit, KeyedPermit};

use super::{Gauge, in_threads, panic_with};

#[test]
fn each_key_has_the_limit_to_itself() {
    let limit = KeyedConcurrencyLimit::new(2);
    let _held = [limit.try_acquire("a").unwrap(), limit.try_acquire("a").unwrap()];
    let refused = limit.try_acquire("a").unwrap_err();
    assert_eq!((refused.in_flight(), refused.max(), refused.cause()), (2, 2, Cause::Busy));
    assert!(limit.try_acquire("b").is_ok());
}

#[test]
fn a_key_that_is_absent_has_none_in_flight_and_one_with_none_is_absent() {
    let limit = KeyedConcurrencyLimit::new(2);
    assert_eq!((limit.in_flight("a"), limit.len(), limit.is_empty()), (0, 0, true));
    let permit = limit.try_acquire("a").unwrap();
    assert_eq!((limit.in_flight("a"), limit.len(), limit.is_empty()), (1, 1, false));
    drop(permit);
    assert_eq!((limit.in_flight("a"), limit.len(), limit.is_empty()), (0, 0, true));
}

#[test]
fn sixty_four_threads_on_a_cap_of_ten_are_never_eleven_in_flight_of_a_key() {
    let limit = KeyedConcurrencyLimit::new(10);
    let gauges: [Gauge; 3] = Default::default();
    in_threads(64, |n| {
        for round in 0..1_000 {
            let key = (n + round) % gauges.len();
            if let Ok(_permit) = limit.try_acquire(&key) {
                gauges[key].enter();
                std::thread::yield_now();
                gauges[key].leave();
            }
        }
    });
    for gauge in &gauges {
        assert!((1..=10).contains(&gauge.most()), "{} in flight", gauge.most());
    }
    assert!(limit.is_empty());
}

/// Fresh keys come and stay until the table is full.
#[test]
fn a_flood_of_keys_never_forgets_a_busy_one() {
    let limit = KeyedConcurrencyLimit::builder(1).max_keys(500).build().unwrap();
    let busy: Vec<KeyedPermit<'_>> = (0..100_u64).map(|key| limit.try_acquire(&key).unwrap()).collect();
    let mut flood = Vec::new();
    let refused = (100..100_000_u64)
        .find_map(|key| match limit.try_acquire(&key) {
            Ok(permit) => {
                flood.push(permit);
                None
            }
            Err(refused) => Some(refused),
        })
        .unwrap();
    assert!(flood.len() + busy.len() >= 500, "no more than {} fit", flood.len() + busy.len());
    assert!(refused.at_capacity());
    assert_eq!(refused.cause(), Cause::NoRoom);
    assert!(refused.to_string().contains("max_keys"), "{refused}");
    for key in 0..100_u64 {
        assert_eq!(limit.try_acquire(&key).unwrap_err().in_flight(), 1);
    }
    assert_eq!(limit.stats().forgotten, 0);
    assert_eq!(limit.len(), flood.len() + busy.len());
    drop(flood);
    assert!(limit.try_acquire(&100_000_u64).is_ok(), "there is room again");
    drop(busy);
    assert!(limit.is_empty());
}

/// The table grows from one page to thousands and every count moves several times, while others take and give back.
#[test]
fn counts_that_move_while_the_table_grows_are_not_lost() {
    let limit = KeyedConcurrencyLimit::new(2);
    in_threads(8, |n| {
        let mut held = Vec::new();
        for key in 0..20_000_u64 {
            let own = (n, key);
            held.push(limit.try_acquire(&own).unwrap());
            drop(limit.try_acquire(&own).unwrap());
            assert_eq!(limit.in_flight(&own), 1);
            if key % 3 == 0 {
                drop(held.swap_remove(held.len() / 2));
            }
        }
    });
    assert!(limit.is_empty());
}

#[test]
fn a_panic_gives_the_permit_back() {
    let limit = Arc::new(KeyedConcurrencyLimit::new(1));
    panic_with(|| limit.try_acquire("a").unwrap());
    assert!(limit.is_empty());
    panic_with(|| limit.try_acquire_owned("a").unwrap());
    assert!(limit.is_empty());
}

#[test]
fn an_owned_permit_goes_into_another_thread() {
    let limit = Arc::new(KeyedConcurrencyLimit::new(1));
    let permit = limit.try_acquire_owned("a").unwrap();
    assert!(limit.try_acquire("a").is_err());
    std::thread::spawn(move || drop(permit)).join().unwrap();
    assert!(limit.try_acquire("a").is_ok());
}

#[test]
fn a_limit_of_zero_admits_no_key() {
    let limit = KeyedConcurrencyLimit::new(0);
    assert_eq!(limit.try_acquire("a").unwrap_err().cause(), Cause::Busy);
    assert_eq!(limit.max(), 0);
}

#[test]
fn a_maximum_of_any_size_is_legal() {
    let limit = KeyedConcurrencyLimit::new(usize::MAX);
    assert!(limit.try_acquire("a").is_ok());
    limit.set_max(1);
    assert_eq!(limit.max(), 1);
}

#[test]
fn max_keys_out_of_range_is_refused_by_name() {
    let error = KeyedConcurrencyLimit::builder(1).max_keys(0).build().unwrap_err();
    assert_eq!(error, BuildError::MaxKeys { max_keys: 0 });
}

/// A hasher with which all keys are one.
#[derive(Clone)]
struct AllTheSame;

impl BuildHasher for AllTheSame {
    type Hasher = AllTheSame;

    fn build_hasher(&self) -> AllTheSame {
        AllTheSame
    }
}

impl Hasher for AllTheSame {
    fn write(&mut self, _bytes: &[u8]) {}

    fn finish(&self) -> u64 {
        7
    }
}

#[test]
fn keys_whose_64_bits_agree_share_their_limit_and_nothing_breaks() {
    let limit = KeyedConcurrencyLimit::builder(1).hasher(AllTheSame).build().unwrap();
    let permit = limit.try_acquire("a").unwrap();
    assert!(limit.try_acquire("b").is_err());
    drop(permit);
    assert!(limit.try_acquire("b").is_ok());
}

/// What can be done to a limit.
#[derive(Clone, Debug)]
enum Deed {
    Acquire(u8),
    /// Drops one of the permits that are held, whichever this points at.
    Drop(prop::sample::Index),
    SetMax(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        6 => any::<u8>().prop_map(Deed::Acquire),
        2 => (0..4_u8).prop_map(Deed::Acquire),
        5 => any::<prop::sample::Index>().prop_map(Deed::Drop),
        1 => (0..4_usize).prop_map(Deed::SetMax),
    ];
    prop::collection::vec(deed, 0..600)
}

proptest! {
    #[test]
    fn it_admits_and_counts_as_a_map_of_numbers_does(first in 0..4_usize, deeds in deeds()) {
        let limit = Arc::new(KeyedConcurrencyLimit::new(first));
        let (mut max, mut held) = (first, Vec::new());
        let mut counts: HashMap<u8, usize> = HashMap::new();
        for deed in deeds {
            match deed {
                Deed::Acquire(key) => {
                    let count = counts.entry(key).or_default();
                    let permit = if key % 2 == 0 { limit.try_acquire(&key) } else { limit.try_acquire_owned(&key) };
                    prop_assert_eq!(permit.is_ok(), *count < max);
                    *count += usize::from(permit.is_ok());
                    held.extend(permit.map(|permit| (key, permit)));
                }
                Deed::Drop(which) if !held.is_empty() => {
                    let (key, _permit) = held.swap_remove(which.index(held.len()));
                    *counts.entry(key).or_default() -= 1;
                }
                Deed::Drop(_) => {}
                Deed::SetMax(new) => {
                    limit.set_max(new);
                    max = new;
                }
            }
            let busy = counts.values().filter(|count| **count > 0).count();
            prop_assert_eq!((limit.len(), limit.is_empty(), limit.max()), (busy, busy == 0, max));
        }
        for (key, count) in counts {
            prop_assert_eq!(limit.in_flight(&key), count);
        }
    }
}
