//! What must hold of any limiter whatever its history, stated without a model: histories are compared with each other.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::pair::Pair;
use crate::model::trace::Op;
use crate::model::{Figures, of_status};
use crate::strategies::{amount, cases, magnitude, op, quota, span};

/// Limiters with the same history: as many as `N`.
fn with_history<const N: usize>(quota: tollgate::Quota, history: &[Op]) -> [Pair; N] {
    std::array::from_fn(|_| {
        let mut pair = Pair::new(quota, 100, 0);
        pair.run(history);
        pair
    })
}

fn figures(pair: &Pair, key: u64) -> Figures {
    of_status(pair.limiter.peek(&key))
}

/// The operation without other keys: what is done to them becomes a look at `key`, since every call notes the time.
fn only_about(key: u64, op: &Op) -> Op {
    match op {
        Op::Check { key: k, .. }
        | Op::Charge { key: k, .. }
        | Op::Refund { key: k, .. }
        | Op::Reset { key: k }
        | Op::Reserve { key: k, .. }
        | Op::Settle { key: k, .. }
        | Op::Cancel { key: k, .. }
        | Op::Schedule { key: k, .. }
        | Op::CancelSlot { key: k, .. }
            if *k != key =>
        {
            Op::Peek { key }
        }
        Op::CheckMany { keys } if keys.is_empty() => op.clone(),
        Op::CheckMany { keys } if !keys.contains(&key) => Op::Peek { key },
        Op::CheckMany { keys } => {
            Op::CheckMany { keys: keys.iter().copied().filter(|k| *k == key).collect() }
        }
        _ => op.clone(),
    }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn a_cost_of_n_fits_exactly_when_n_single_checks_do(
        quota in quota(),
        history in vec(op(3), 0..40),
        n in 0..300_u64,
    ) {
        let [whole, singles] = with_history(quota, &history);
        let fits = whole.limiter.check_n(&0, n).is_ok();
        if n > 0 {
            prop_assert_eq!(fits, (0..n).all(|_| singles.limiter.check(&0).is_ok()));
        }
        if fits {
            prop_assert_eq!(figures(&whole, 0), figures(&singles, 0));
        }
    }

    #[test]
    fn a_refusal_changes_nothing(
        quota in quota(),
        history in vec(op(3), 0..40),
        costs in vec(prop_oneof![0..50_u64, magnitude()], 1..10),
        later in span(),
    ) {
        let [mut asked, mut silent] = with_history(quota, &history);
        let refused = costs.iter().filter(|cost| figures(&asked, 0).remaining < **cost);
        for cost in refused {
            prop_assert!(asked.limiter.check_n(&0, *cost).is_err());
        }
        prop_assert_eq!(figures(&asked, 0), figures(&silent, 0));
        prop_assert_eq!(asked.limiter.len(), silent.limiter.len());
        for pair in [&mut asked, &mut silent] {
            pair.apply(&Op::Advance(later));
        }
        prop_assert_eq!(figures(&asked, 0), figures(&silent, 0));
    }

    #[test]
    fn a_refund_never_lifts_a_key_above_full_and_undoes_a_check_exactly(
        quota in quota(),
        history in vec(op(3), 0..40),
        cost in amount(),
        refund in magnitude(),
    ) {
        let [mut refunded, before] = with_history(quota, &history);
        let spends = refunded.limiter.check_n(&0, 1).is_ok();
        if spends {
            refunded.limiter.refund(&0, 1);
            prop_assert_eq!(figures(&refunded, 0).remaining, figures(&before, 0).remaining);
            prop_assert_eq!(figures(&refunded, 0).reset_after, figures(&before, 0).reset_after);
        }
        before.limiter.refund(&0, refund);
        let full = before.limiter.algorithm().quota().capacity();
        prop_assert!(figures(&before, 0).remaining <= full);
        prop_assert!(before.limiter.check_n(&0, full.saturating_add(1)).is_err());
        refunded.apply(&Op::Refund { key: 0, tokens: cost });
        prop_assert!(figures(&refunded, 0).remaining <= full);
    }

    #[test]
    fn other_keys_do_not_matter(quota in quota(), history in vec(op(4), 0..80)) {
        // Coming back moves the clock by what some key was told.
        let history: Vec<Op> = history.into_iter().filter(|op| !matches!(op, Op::ComeBack)).collect();
        let alone: Vec<Op> = history.iter().map(|op| only_about(0, op)).collect();
        let [crowded] = with_history(quota, &history);
        let [lonely] = with_history(quota, &alone);
        prop_assert_eq!(figures(&crowded, 0), figures(&lonely, 0));
    }

    #[test]
    fn looking_changes_nothing(quota in quota(), history in vec(op(3), 0..40)) {
        let [looked_at, other] = with_history(quota, &history);
        for key in 0..4 {
            let _ = (figures(&looked_at, key), looked_at.limiter.check_n(&key, 0));
        }
        let _ = (looked_at.limiter.stats(), looked_at.limiter.is_empty());
        prop_assert_eq!(looked_at.limiter.len(), other.limiter.len());
        for key in 0..4 {
            prop_assert_eq!(figures(&looked_at, key), figures(&other, key));
        }
    }
}

/// After a burst the stated rate, to the token, however often and at whatever intervals somebody asks.
#[test]
fn a_greedy_poller_gets_exactly_the_burst_and_the_rate() {
    let quotas = [
        tollgate::Quota::per_second(10),
        tollgate::Quota::per_second(333).burst(7),
        tollgate::Quota::new(7, Duration::from_nanos(999_999_937)).unwrap().burst(3),
        tollgate::Quota::per_minute(61).burst(2),
    ];
    for (quota, step) in
        quotas.iter().flat_map(|quota| [99_999, 1_234_567, 2_999_999].map(|step| (*quota, step)))
    {
        let mut pair = Pair::new(quota, 10, 0);
        let (mut admitted, mut nanos) = (0_u128, 0_u64);
        for _ in 0..200_000 {
            while pair.limiter.check(&0).is_ok() {
                admitted += 1;
            }
            nanos += step;
            pair.set_clock(nanos);
        }
        let refilled = u128::from(nanos - step) * u128::from(quota.count()) / quota.period().as_nanos();
        assert_eq!(admitted, u128::from(quota.capacity()) + refilled, "{quota} every {step} ns");
    }
}
