//! Each rule against a model: the rule once more, as plainly as can be, from all that was ever spent. What is told about the time to come is held
//! against what the model does at that time, and one microsecond before it.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::operations::answer;
use super::table::Table;
use crate::distributed::operation::{Operation, Spending};
use crate::distributed::parameters::Parameters;
use crate::distributed::reply::{Reply, Standing};
use crate::distributed::rule::Rule;
use crate::distributed::subject::Subject;
use crate::quota::Quota;

/// 2026-11-21, in microseconds.
const START: i128 = 1_795_219_200_000_000;

/// A key of a rule: tokens are spent into debt or given back, and the time does not step back.
trait Model: Clone {
    fn spend(&mut self, now: i128, tokens: i128);
    /// What is left, in whole tokens; below zero is debt.
    fn left(&self, now: i128) -> i128;
    /// Whether nothing more comes back.
    fn full(&self, now: i128) -> bool;
}

/// A bucket of parts of a token, filled at every step of time.
#[derive(Clone)]
struct Bucket {
    token: i128,
    /// Parts a microsecond, seen in steps of so many microseconds.
    refill: i128,
    step: i128,
    full: i128,
    level: i128,
    then: i128,
}

impl Bucket {
    fn level(&self, now: i128) -> i128 {
        let steps = now.div_euclid(self.step) - self.then.div_euclid(self.step);
        self.full.min(self.level + steps * self.step * self.refill)
    }
}

impl Model for Bucket {
    fn spend(&mut self, now: i128, tokens: i128) {
        self.level = (self.level(now) - tokens * self.token).clamp(-self.full, self.full);
        self.then = now;
    }

    fn left(&self, now: i128) -> i128 {
        self.level(now).div_euclid(self.token)
    }

    fn full(&self, now: i128) -> bool {
        self.level(now) == self.full
    }
}

/// All tokens that were spent, by time, and what they weigh later.
#[derive(Clone)]
struct Spent {
    limit: i128,
    window: i128,
    rule: Rule,
    /// In how many steps the weight of a sliding window falls.
    steps: i128,
    tokens: Vec<i128>,
}

impl Spent {
    /// What the token of a time weighs now, in `steps`-ths.
    fn weight(&self, then: i128, now: i128) -> i128 {
        let windows = now.div_euclid(self.window) - then.div_euclid(self.window);
        match self.rule {
            Rule::SlidingLog { .. } => self.steps * i128::from(then + self.window > now),
            _ if windows == 0 => self.steps,
            Rule::SlidingWindow { .. } if windows == 1 => {
                self.steps - now.rem_euclid(self.window) * self.steps / self.window
            }
            _ => 0,
        }
    }
}

impl Model for Spent {
    fn spend(&mut self, now: i128, tokens: i128) {
        let before = self.clone();
        self.tokens.retain(|then| before.weight(*then, now) > 0);
        let this = |then: &&i128| match self.rule {
            Rule::SlidingLog { .. } => true,
            _ => now.div_euclid(self.window) == then.div_euclid(self.window),
        };
        let count = i128::try_from(self.tokens.iter().filter(this).count()).unwrap();
        for _ in 0..tokens.min(2 * self.limit - count).max(0) {
            self.tokens.push(now);
        }
        for _ in 0..-tokens {
            self.tokens.pop();
        }
    }

    fn left(&self, now: i128) -> i128 {
        let weight: i128 = self.tokens.iter().map(|then| self.weight(*then, now)).sum();
        (self.limit * self.steps - weight).div_euclid(self.steps)
    }

    fn full(&self, now: i128) -> bool {
        self.tokens.iter().all(|then| self.weight(*then, now) == 0)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Check(u64),
    Charge(u64),
    Refund(u64),
    Peek,
    Pause(u64),
    /// By the last wait or time until full, and a microsecond more or less.
    UntilRetry(i128),
    UntilReset(i128),
}

fn steps(most: u64) -> impl Strategy<Value = Vec<Step>> {
    vec(
        prop_oneof![
            8 => (0..=most + 1).prop_map(Step::Check),
            4 => (0..3_u64).prop_map(Step::Check),
            1 => (0..=3 * most).prop_map(Step::Charge),
            1 => (0..=3 * most).prop_map(Step::Refund),
            1 => Just(Step::Peek),
            4 => (0..40_u32).prop_flat_map(|bits| 0..1_u64 << bits).prop_map(Step::Pause),
            4 => (-1..=1_i128).prop_map(Step::UntilRetry),
            2 => (-1..=1_i128).prop_map(Step::UntilReset),
        ],
        1..60,
    )
}

fn micros(time: Duration) -> i128 {
    i128::try_from(time.as_micros()).unwrap()
}

/// What is told is true: now, at the times that are told, and not a microsecond before.
fn comes_true<M: Model>(
    model: &M,
    rule: Rule,
    now: i128,
    cost: u64,
    told: Standing,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(i128::from(told.remaining), model.left(now).max(0));
    let fits = |now| model.left(now) >= i128::from(cost);
    match told.retry_after.map(micros) {
        None => prop_assert!(cost > rule.limit()),
        Some(wait) => {
            prop_assert!(fits(now + wait), "after the wait");
            prop_assert!(wait == 0 || !fits(now + wait - 1), "a microsecond before it");
        }
    }
    let reset = micros(told.reset_after);
    prop_assert!(model.full(now + reset), "full");
    prop_assert!(reset == 0 || !model.full(now + reset - 1), "a microsecond before it is full");
    Ok(())
}

fn hold<M: Model>(rule: Rule, mut model: M, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let subject = Subject::new("limit", rule, *b"key");
    let (mut table, mut now, mut last) = (Table::default(), START, Standing::new(0, None, Duration::ZERO));
    for step in steps {
        let spending = |tokens| Spending::new(subject.clone(), tokens);
        let (operation, cost) = match step {
            Step::Check(cost) => (Operation::Check(vec![spending(cost)]), cost),
            Step::Charge(tokens) => (Operation::Charge(spending(tokens)), 1),
            Step::Refund(tokens) => (Operation::Refund(spending(tokens)), 1),
            Step::Peek => (Operation::Peek(subject.clone()), 1),
            Step::Pause(pause) => {
                now += i128::from(pause);
                continue;
            }
            Step::UntilRetry(nearby) => {
                now += (last.retry_after.map_or(0, micros) + nearby).max(0);
                continue;
            }
            Step::UntilReset(nearby) => {
                now += (micros(last.reset_after) + nearby).max(0);
                continue;
            }
        };
        let fits = model.left(now) >= i128::from(cost) && cost <= rule.limit();
        match answer(&operation, &mut table, i64::try_from(now).unwrap()).unwrap() {
            Reply::Checked { admitted, standings } => {
                prop_assert_eq!(admitted, fits, "{:?}", operation);
                if admitted {
                    model.spend(now, cost.into());
                }
                last = standings[0];
            }
            Reply::Standing(standing) => {
                if let Step::Charge(tokens) = step {
                    model.spend(now, tokens.into());
                }
                last = standing;
            }
            _ => {
                if let Step::Refund(tokens) = step {
                    model.spend(now, -i128::from(tokens));
                }
                continue;
            }
        }
        comes_true(&model, rule, now, cost, last)?;
    }
    Ok(())
}

fn quota() -> impl Strategy<Value = Quota> {
    let periods =
        prop_oneof![Just(1_000_000_000_u64), Just(86_400_000_000_000), 1_000..10_000_000_000_000_u64];
    (1..200_u64, periods, 0..12_u64).prop_map(|(count, period, burst)| {
        Quota::new(count, Duration::from_nanos(period)).unwrap_or(Quota::per_second(3)).burst(burst)
    })
}

fn window() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(1), Just(7), Just(60_000_000), Just(86_400_000_000), 1..10_000_000_000_u64]
        .prop_map(Duration::from_micros)
}

fn spent(rule: Rule, window: Duration, unit: i64) -> Spent {
    let window = micros(window);
    Spent { limit: rule.limit().into(), window, rule, steps: window / i128::from(unit), tokens: Vec::new() }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn gcra_is_a_bucket_whose_tokens_take_whole_ticks(quota in quota(), steps in steps(12)) {
        let rule = Rule::Gcra(quota);
        prop_assume!(rule.validate().is_ok());
        let (count, period) = (i128::from(quota.count()), i128::try_from(quota.period().as_nanos()).unwrap());
        // The first whole number of ticks that is not too short.
        let mut token = 16 * period / (1_000 * count);
        while token * 1_000 * count < 16 * period {
            token += 1;
        }
        let full = token * i128::from(quota.capacity());
        hold(rule, Bucket { token, refill: 16, step: 1, full, level: full, then: START }, steps)?;
    }

    #[test]
    fn a_token_bucket_is_exact(quota in quota(), steps in steps(12)) {
        let rule = Rule::TokenBucket(quota);
        let Ok(Parameters::TokenBucket { unit, .. }) = Parameters::of(&rule) else {
            return Err(TestCaseError::reject("out of range"));
        };
        // A part is what comes back in a nanosecond of a token a nanosecond, divided by the period.
        let (token, refill) = (i128::try_from(quota.period().as_nanos()).unwrap(), 1_000 * i128::from(quota.count()));
        let full = token * i128::from(quota.capacity());
        hold(rule, Bucket { token, refill, step: unit.into(), full, level: full, then: START }, steps)?;
    }

    #[test]
    fn a_fixed_window_counts_what_was_spent_in_it(limit in 0..12_u64, window in window(), steps in steps(12)) {
        let rule = Rule::FixedWindow { limit, window };
        hold(rule, spent(rule, window, 1), steps)?;
    }

    #[test]
    fn a_sliding_window_weighs_what_was_spent_in_the_one_before(
        limit in 0..12_u64, window in window(), steps in steps(12)
    ) {
        let rule = Rule::SlidingWindow { limit, window };
        let Ok(Parameters::SlidingWindow { unit, .. }) = Parameters::of(&rule) else {
            return Err(TestCaseError::reject("out of range"));
        };
        hold(rule, spent(rule, window, unit), steps)?;
    }

    #[test]
    fn a_sliding_log_counts_what_was_spent_less_than_a_window_ago(
        limit in 0..12_u64, window in window(), steps in steps(12)
    ) {
        let rule = Rule::SlidingLog { limit, window };
        hold(rule, spent(rule, window, 1), steps)?;
    }

    /// The largest of all: nothing overflows, and what is refused for being too large says so.
    #[test]
    fn whatever_is_valid_is_computed_without_overflow(
        limit in any::<u64>(), bits in 0..64_u32, micros in any::<u64>(), more in 0..64_u32,
        count in any::<u64>(), now in 0..18_000_000_000_000_000_i64, tokens in any::<u64>(), later in any::<i64>(),
    ) {
        let window = Duration::from_micros(micros >> more);
        let limit = limit >> bits;
        let quota = Quota::new(count >> bits, window).map_or(Quota::per_second(1), |quota| quota.burst(limit));
        let rules = [
            Rule::Gcra(quota),
            Rule::TokenBucket(quota),
            Rule::FixedWindow { limit, window },
            Rule::SlidingWindow { limit, window },
            Rule::SlidingLog { limit, window },
        ];
        for rule in rules.into_iter().filter(|rule| rule.validate().is_ok()) {
            let subject = Subject::new("limit", rule, *b"key");
            let mut table = Table::default();
            let spending = Spending::new(subject, tokens);
            let operations = [Operation::Check(vec![spending.clone()]), Operation::Charge(spending.clone())];
            for operation in &operations {
                answer(operation, &mut table, now).unwrap();
                answer(operation, &mut table, now.saturating_add(later >> more).clamp(0, 18_000_000_000_000_000))
                    .unwrap();
            }
        }
    }
}
