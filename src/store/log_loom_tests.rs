//! The log table where it differs from the word table: under a lock, but with keys that go when they are idle.
//!
//! Run as `loom_tests.rs`.

use super::log_shard::{Bounds, Change};
use super::log_table::LogTable;
use crate::algorithm::Log;
use crate::sync::{Arc, model, thread};

const ANN: u64 = 1;
const BEN: u64 = 2;

const WINDOW: u64 = 10;

/// Every key may have one token in [`WINDOW`].
const LIMIT: u64 = 1;

fn table(max_keys: usize) -> Arc<LogTable> {
    let bounds = Bounds { window: WINDOW, max_keys, max_times: 10, forget_at_capacity: true };
    Arc::new(LogTable::new(1, bounds))
}

/// Spends one token; whether it was there.
fn spend(table: &LogTable, tag: u64, now: u64) -> bool {
    let mut fits = false;
    let decide = |log: &Log| {
        fits = log.tokens() < LIMIT;
        if fits { Change::Add(1) } else { Change::Keep }
    };
    table.apply(tag, now, decide, |_| ()).is_ok() && fits
}

fn tokens(table: &LogTable, tag: u64, now: u64) -> u64 {
    table.apply(tag, now, |_| Change::Keep, Log::tokens).unwrap_or(0)
}

/// Fails without: the lock around look and change.
#[test]
fn loom_two_spend_one_token_once() {
    model(|| {
        let table = table(10);
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || spend(&table, ANN, 0))
        };
        let mine = spend(&table, ANN, 0);
        assert!(mine ^ other.join().unwrap());
        assert_eq!(tokens(&table, ANN, 0), 1);
    });
}

/// Ann has spent at 0. A newcomer at 10, when she is idle, may take her place; a caller of hers who took its time at 9 is then decided
/// at 10, and the next one at 10 is refused. Fails without: the latest time of the shard.
#[test]
fn loom_a_late_caller_of_an_idle_key_that_was_removed_does_not_spend_twice() {
    model(|| {
        let table = table(10);
        assert!(spend(&table, ANN, 0));
        let late = {
            let table = Arc::clone(&table);
            thread::spawn(move || spend(&table, ANN, 9))
        };
        assert!(spend(&table, BEN, 10));
        let late = late.join().unwrap();
        assert!(late ^ spend(&table, ANN, 10), "one of the two");
        assert_eq!(tokens(&table, ANN, 19), 1, "which counts from 10");
    });
}

/// Whatever is taken back was there: a key is never more than full, and never forgotten while something counts.
#[test]
fn loom_a_token_is_taken_back_while_another_is_spent() {
    model(|| {
        let table = table(10);
        assert!(spend(&table, ANN, 0));
        let back = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.apply(ANN, 0, |_| Change::TakeBack(1), Log::tokens).unwrap_or(9))
        };
        let spent = spend(&table, ANN, 0);
        assert_eq!(back.join().unwrap(), 0);
        // Spent before it was given back it was refused, after that admitted.
        assert_eq!(tokens(&table, ANN, 0), u64::from(spent));
    });
}

/// There is room for one key, and each of two newcomers forgets whoever is there.
#[test]
fn loom_two_newcomers_at_the_bound_leave_one_key() {
    model(|| {
        let table = table(1);
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || spend(&table, ANN, 0))
        };
        assert!(spend(&table, BEN, 0));
        assert!(other.join().unwrap());
        let stats = table.stats(0);
        assert_eq!((stats.live, stats.forced), (1, 1));
    });
}
