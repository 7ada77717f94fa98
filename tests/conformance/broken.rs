//! Algorithms that are broken on purpose, one law at a time: the suite must find out which.

use std::sync::atomic::{AtomicU64, Ordering};

use tollgate::testing::{Conformance, Law, Violation};
use tollgate::{Algorithm, BuildError, Figures, MAX_VALUE, Quota, Slot, Start};

use crate::models::Tokens;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The position starts again every 1000 seconds.
    ClockWraps,
    /// What is spent is not forgiven when it is over.
    GrudgeAfterIdle,
    /// The debt of an idle key is not that of a new one.
    IdleDebt,
    /// A cost is counted from the value, however old.
    SpendsFromThePast,
    /// A cost of 0 spends 1.
    ZeroCosts,
    /// Every call costs 1 more.
    Surcharge,
    /// A refund is a charge, and the other way round.
    WrongWay,
    /// A refund of 0 gives 1 back.
    ZeroRefunds,
    /// Whoever owes already may go on.
    CreditForDebtors,
    /// A late caller goes on at the next whole second.
    CatchesUpTooFar,
    /// A late caller is left in the past.
    CatchesUpTooLittle,
    /// For the first ten seconds there is twice as much, also for whoever is late for the time after.
    GenerousAtFirst,
    /// A charge is not bounded.
    Unbounded,
    /// A sum overflows.
    Overflows,
    /// One more is told than there is.
    PromisesOneMore,
    /// One less is told than there is.
    HidesOne,
    RetryTooEarly,
    RetryTooLate,
    NeverRetry,
    ResetTooEarly,
    ResetTooLate,
    NeverReset,
    DoesNotStart,
    /// All keys of a limiter share what they spend.
    SharedState,
    /// The position is a second ahead of what is over.
    IdleTooEarly,
    /// Who has to wait is told to come half a second too early.
    SlotTooEarly,
    /// A slot that is taken is not charged.
    SlotIsFree,
    /// Who has to wait goes at once.
    SlotAtOnce,
    /// What is settled for less is charged once more.
    SettlesTheWrongWay,
    /// An estimate that was right costs a token.
    SettlesAtAPrice,
}

/// `LIMIT` at once, one back every second: the value is the time at which a key is full again, in nanoseconds and 1 more. So that
/// single costs add up exactly, it is the simplest algorithm that there can be.
#[derive(Debug)]
struct Broken {
    fault: Fault,
    shared: AtomicU64,
}

const LIMIT: u64 = 5;
const SECOND: u64 = 1_000_000_000;
/// The last position; a debt fits above it.
const END: u64 = MAX_VALUE / 2;

impl Broken {
    fn new(fault: Fault) -> Broken {
        Broken { fault, shared: AtomicU64::new(0) }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn limit(&self, reading: u64) -> u64 {
        if self.is(Fault::GenerousAtFirst) && reading <= 10 * SECOND { 2 * LIMIT } else { LIMIT }
    }

    fn begin(&self, reading: u64, value: u64) -> u64 {
        if self.is(Fault::SpendsFromThePast) && value > 0 { value } else { value.max(reading) }
    }

    fn nanos(&self, cost: u64) -> u64 {
        let surcharge = u64::from(self.is(Fault::Surcharge) || self.is(Fault::ZeroCosts) && cost == 0);
        if self.is(Fault::Overflows) {
            return cost * SECOND;
        }
        cost.saturating_add(surcharge).saturating_mul(SECOND)
    }

    fn add(&self, reading: u64, value: u64, tokens: u64) -> u64 {
        let sum = self.begin(reading, value).saturating_add(self.nanos(tokens));
        if self.is(Fault::Unbounded) { sum } else { sum.min(MAX_VALUE) }
    }

    fn take(&self, reading: u64, value: u64, tokens: u64) -> u64 {
        value.min(value.saturating_sub(self.nanos(tokens)).max(reading))
    }
}

impl Algorithm for Broken {
    type Reading = u64;

    fn name(&self) -> &'static str {
        "broken"
    }

    fn start(&mut self, _start: Start) -> Result<(), BuildError> {
        if self.is(Fault::DoesNotStart) {
            return Err(BuildError::Algorithm { reason: "limit must be even: use 4".into() });
        }
        Ok(())
    }

    fn read(&self, now: u64) -> u64 {
        let now = if self.is(Fault::ClockWraps) { now % (1_000 * SECOND) } else { now };
        now.saturating_add(1).min(END)
    }

    fn position(&self, reading: &u64) -> u64 {
        if self.is(Fault::IdleTooEarly) { reading + SECOND } else { *reading }
    }

    fn catch_up(&self, reading: &u64, value: u64) -> u64 {
        match self.fault {
            Fault::CatchesUpTooFar => value.max(*reading).next_multiple_of(SECOND),
            Fault::CatchesUpTooLittle => *reading,
            _ => value.max(*reading),
        }
    }

    fn spend(&self, reading: &u64, value: u64, cost: u64) -> Option<u64> {
        let value = value.max(self.shared.load(Ordering::Relaxed));
        let spent = self.begin(*reading, value).saturating_add(self.nanos(cost));
        let grudge = self.is(Fault::GrudgeAfterIdle) && 0 < value && value <= *reading && cost == LIMIT;
        let debtor = self.is(Fault::CreditForDebtors) && value > *reading;
        let credit = debtor && (LIMIT + 1..=2 * LIMIT).contains(&cost);
        if grudge || spent > reading + self.limit(*reading) * SECOND && !credit {
            return None;
        }
        if cost == 0 && !self.is(Fault::ZeroCosts) {
            return Some(value);
        }
        if self.is(Fault::SharedState) {
            self.shared.fetch_max(spent, Ordering::Relaxed);
        }
        Some(spent)
    }

    fn figures(&self, reading: &u64, value: u64, cost: u64) -> Figures {
        let value = value.max(self.shared.load(Ordering::Relaxed));
        let (limit, ahead) = (self.limit(*reading), value.saturating_sub(*reading));
        let left = (limit * SECOND).saturating_sub(ahead) / SECOND;
        let remaining = match self.fault {
            Fault::PromisesOneMore => (left + 1).min(limit),
            Fault::HidesOne if ahead > 0 => left.saturating_sub(1),
            _ => left,
        };
        let told = |due: u64, early: Fault, late: Fault, never: Fault| {
            // The position is one ahead of the clock.
            let time = due - 1;
            match self.fault {
                fault if fault == early => Some(time - 1),
                fault if fault == late => Some(time + 1),
                fault if fault == never => None,
                _ => Some(time).filter(|_| due <= END),
            }
        };
        let reset_at = match ahead {
            0 => Some(0),
            _ => told(value, Fault::ResetTooEarly, Fault::ResetTooLate, Fault::NeverReset),
        };
        let due = value.max(*reading).saturating_add(self.nanos(cost)).saturating_sub(limit * SECOND);
        let retry_at = match cost {
            _ if cost > limit => None,
            _ if due <= *reading => Some(0),
            _ => told(due, Fault::RetryTooEarly, Fault::RetryTooLate, Fault::NeverRetry),
        };
        Figures::new(limit, remaining, reset_at, retry_at)
    }

    fn charge(&self, reading: &u64, value: u64, tokens: u64) -> u64 {
        match tokens {
            0 => value,
            _ if self.is(Fault::WrongWay) => self.take(*reading, value, tokens),
            _ => self.add(*reading, value, tokens),
        }
    }

    fn refund(&self, reading: &u64, value: u64, tokens: u64) -> u64 {
        match tokens {
            0 if self.is(Fault::ZeroRefunds) => self.take(*reading, value, 1),
            0 => value,
            _ if self.is(Fault::WrongWay) => self.add(*reading, value, tokens),
            _ => self.take(*reading, value, tokens),
        }
    }

    fn schedule(&self, reading: &u64, value: u64, cost: u64) -> Option<Slot> {
        let spent = value.max(*reading).saturating_add(self.nanos(cost));
        if let Some(spent) = self.spend(reading, value, cost) {
            return Some(Slot::at_once(if self.is(Fault::SlotIsFree) { value } else { spent }));
        }
        // The position is one ahead of the clock.
        let due = spent.saturating_sub(LIMIT * SECOND);
        if cost > LIMIT || due > END {
            return None;
        }
        match self.fault {
            Fault::SlotTooEarly => Some(Slot::at((due - 1).saturating_sub(SECOND / 2), spent)),
            Fault::SlotAtOnce => Some(Slot::at_once(spent)),
            _ => Some(Slot::at(due - 1, if cost == 0 { value } else { spent })),
        }
    }

    fn settle(&self, reading: &u64, value: u64, _charged: u64, estimate: u64, actual: u64) -> u64 {
        match actual.checked_sub(estimate) {
            Some(0) if self.is(Fault::SettlesAtAPrice) => self.add(*reading, value, 1),
            Some(more) => self.charge(reading, value, more),
            None if self.is(Fault::SettlesTheWrongWay) => self.add(*reading, value, estimate - actual),
            None => self.refund(reading, value, estimate - actual),
        }
    }

    fn debt(&self, reading: &u64, value: u64) -> u64 {
        if self.is(Fault::IdleDebt) { value } else { value.saturating_sub(*reading) }
    }
}

/// That the suite finds the fault, as a breach of this law.
#[track_caller]
fn assert_found<F: Fn() -> Broken>(
    suite: Conformance<F>,
    run: impl Fn(&Conformance<F>) -> Result<(), Violation>,
    law: Law,
) {
    let violation = run(&suite).unwrap_err();
    assert_eq!(violation.law(), law, "{violation}");
    // Nothing that does not matter is left in the history, and its seed repeats it.
    assert!(violation.history().len() <= 6 || law == Law::Panic, "{violation}");
    let again = suite.seed(violation.seed()).histories(1);
    assert_eq!(run(&again), Err(violation));
}

#[test]
fn without_a_fault_it_keeps_the_laws() {
    assert_eq!(
        Conformance::new(|| Broken::new(Fault::None)).run().map_err(|found| found.to_string()),
        Ok(())
    );
}

macro_rules! faults_are_found {
    ($($name:ident: $fault:ident breaks $law:ident;)+) => {$(
        #[test]
        fn $name() {
            assert_found(Conformance::new(|| Broken::new(Fault::$fault)), Conformance::run, Law::$law);
        }
    )+};
}

faults_are_found! {
    a_clock_that_wraps_is_found: ClockWraps breaks Time;
    a_grudge_against_idle_keys_is_found: GrudgeAfterIdle breaks Idle;
    a_debt_of_idle_keys_is_found: IdleDebt breaks Idle;
    costs_counted_from_an_old_value_are_found: SpendsFromThePast breaks Idle;
    a_price_for_nothing_is_found: ZeroCosts breaks Spending;
    a_refund_that_charges_is_found: WrongWay breaks GivingBack;
    a_refund_of_nothing_that_gives_is_found: ZeroRefunds breaks GivingBack;
    credit_for_debtors_is_found: CreditForDebtors breaks RefusedForAll;
    catching_up_too_far_is_found: CatchesUpTooFar breaks CatchUp;
    catching_up_too_little_is_found: CatchesUpTooLittle breaks CatchUp;
    a_value_out_of_range_is_found: Unbounded breaks Range;
    an_overflow_is_found: Overflows breaks Panic;
    a_promise_of_one_more_is_found: PromisesOneMore breaks Remaining;
    a_hidden_token_is_found: HidesOne breaks Remaining;
    a_retry_that_is_told_too_early_is_found: RetryTooEarly breaks Retry;
    a_retry_that_is_told_too_late_is_found: RetryTooLate breaks Retry;
    a_retry_that_is_denied_is_found: NeverRetry breaks Retry;
    a_reset_that_is_told_too_early_is_found: ResetTooEarly breaks Reset;
    a_reset_that_is_told_too_late_is_found: ResetTooLate breaks Reset;
    a_reset_that_is_denied_is_found: NeverReset breaks Reset;
    an_algorithm_that_does_not_start_is_found: DoesNotStart breaks Start;
    a_slot_that_comes_too_early_is_found: SlotTooEarly breaks Slots;
    a_slot_that_costs_nothing_is_found: SlotIsFree breaks Slots;
    a_slot_for_everybody_at_once_is_found: SlotAtOnce breaks Slots;
    a_settlement_the_wrong_way_is_found: SettlesTheWrongWay breaks Settling;
    a_settlement_at_a_price_is_found: SettlesAtAPrice breaks Settling;
}

#[test]
fn a_surcharge_for_every_call_is_found() {
    let suite = Conformance::new(|| Broken::new(Fault::Surcharge))
        .without(Law::Remaining, "what is left depends on how it is spent")
        .without(Law::Retry, "and so does when it fits")
        .without(Law::Slots, "the same");
    assert_found(suite, Conformance::laws, Law::Splitting);
}

#[test]
fn a_late_caller_who_gets_what_there_was_at_its_time_is_found() {
    let suite = Conformance::new(|| Broken::new(Fault::GenerousAtFirst))
        .without(Law::Retry, "ten seconds after the start less fits than before")
        .without(Law::CatchUp, "the same");
    assert_found(suite, Conformance::laws, Law::Late);
}

#[test]
fn a_price_for_nothing_shows_in_a_limiter() {
    let suite = Conformance::new(|| Broken::new(Fault::ZeroCosts));
    assert_found(suite, Conformance::limiter, Law::Refusal);
}

#[test]
fn keys_that_share_what_they_spend_are_found() {
    let suite = Conformance::new(|| Broken::new(Fault::SharedState))
        .without(Law::Forgetting, "a crowd is other keys, too");
    assert_found(suite, Conformance::limiter, Law::OtherKeys);
}

#[test]
fn keys_that_are_forgotten_too_early_are_found() {
    let suite = Conformance::new(|| Broken::new(Fault::IdleTooEarly));
    assert_found(suite, Conformance::limiter, Law::Forgetting);
}

#[test]
fn a_wrong_limit_is_found_by_a_model() {
    let suite = Conformance::new(|| Broken::new(Fault::None));
    let quota = Quota::per_second(1).burst(LIMIT + 1);
    assert_found(suite, |suite| suite.against(|| Tokens::new(quota)), Law::Model);
}

#[test]
fn a_violation_tells_law_history_seed_and_where_to_look() {
    let text = Conformance::new(|| Broken::new(Fault::RetryTooLate)).seed(100).run().unwrap_err().to_string();
    for part in ["the law Retry is broken", "seen: at ", "start at ", ".seed(1", "look at: "] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
