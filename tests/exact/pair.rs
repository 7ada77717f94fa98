//! A limiter and a rule side by side: whatever is done to one is done to the other, and whatever they tell must agree.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::*;
use tollgate::{Allowed, Clock, Denied, Engine, Limiter, ManualClock, Status};

use crate::rules::Rule;
use crate::strategies::magnitude;

/// An amount of tokens, or a limit.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    Exactly(u64),
    /// The limit and so many more.
    AroundLimit(i8),
}

/// A time to wait.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    Nanos(u64),
    /// So many 256ths of the natural time: a window, a period.
    Portion(u16),
    /// Until the next multiple of it, and so much more or less.
    ToTheNext(i8),
}

#[derive(Clone, Debug)]
pub enum Op {
    Check {
        key: u64,
        cost: Amount,
    },
    CheckMany {
        keys: Vec<u64>,
    },
    Charge {
        key: u64,
        tokens: Amount,
    },
    Refund {
        key: u64,
        tokens: Amount,
    },
    Peek {
        key: u64,
    },
    Reset {
        key: u64,
    },
    Clear,
    /// A change of the limit, the quota, or the quota of the calls to come.
    Change(Amount, u8),
    Wait(Wait),
    /// The clock says an earlier time; what counts is the latest.
    StepBack(Wait),
    /// Come back exactly when the last refusal said, after a look one nanosecond earlier.
    ComeBack,
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        4 => (0..4_u64).prop_map(Amount::Exactly),
        3 => (-3..4_i8).prop_map(Amount::AroundLimit),
        1 => magnitude().prop_map(Amount::Exactly),
        1 => Just(Amount::Exactly(u64::MAX)),
    ]
}

fn wait() -> impl Strategy<Value = Wait> {
    prop_oneof![
        2 => (0..5_u64).prop_map(Wait::Nanos),
        4 => (0..700_u16).prop_map(Wait::Portion),
        2 => (-2..3_i8).prop_map(Wait::ToTheNext),
        1 => magnitude().prop_map(|nanos| Wait::Nanos(nanos >> 8)),
    ]
}

pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = || 0..4_u64;
    prop::collection::vec(
        prop_oneof![
            12 => (key(), amount()).prop_map(|(key, cost)| Op::Check { key, cost }),
            1 => prop::collection::vec(key(), 0..70).prop_map(|keys| Op::CheckMany { keys }),
            3 => (key(), amount()).prop_map(|(key, tokens)| Op::Charge { key, tokens }),
            3 => (key(), amount()).prop_map(|(key, tokens)| Op::Refund { key, tokens }),
            3 => key().prop_map(|key| Op::Peek { key }),
            1 => key().prop_map(|key| Op::Reset { key }),
            1 => Just(Op::Clear),
            2 => (amount(), any::<u8>()).prop_map(|(amount, choice)| Op::Change(amount, choice)),
            8 => wait().prop_map(Op::Wait),
            1 => wait().prop_map(Op::StepBack),
            5 => Just(Op::ComeBack),
        ],
        1..80,
    )
}

pub type Answer = Result<Allowed, Denied>;

/// How a limiter is called, and what only one kind of it can do.
pub struct Calls<A: Engine, R> {
    pub check: fn(&Limiter<A>, &R, u64, u64) -> Answer,
    pub check_many: fn(&Limiter<A>, &R, &[u64]) -> Vec<Answer>,
    pub charge: fn(&Limiter<A>, &R, u64, u64) -> Status,
    pub refund: fn(&Limiter<A>, &R, u64, u64),
    /// Changes both at a time. They must agree on whether that is possible.
    pub change: fn(&Limiter<A>, &mut R, u64, u64, u8),
    /// Whether a change looks at the clock.
    pub change_looks: bool,
}

impl<A: Engine, R> Calls<A, R> {
    pub fn plain(change: fn(&Limiter<A>, &mut R, u64, u64, u8)) -> Calls<A, R> {
        Calls {
            check: |limiter, _, key, cost| limiter.check_n(&key, cost),
            check_many: |limiter, _, keys| {
                let mut answers = Vec::new();
                limiter.check_many(keys, &mut answers);
                answers
            },
            charge: |limiter, _, key, tokens| {
                // To look is to charge nothing; here both are called in turn.
                if tokens == 0 { limiter.peek(&key) } else { limiter.charge(&key, tokens) }
            },
            refund: |limiter, _, key, tokens| limiter.refund(&key, tokens),
            change,
            change_looks: false,
        }
    }
}

pub struct Pair<A: Engine, R: Rule> {
    limiter: Limiter<A>,
    hand: ManualClock,
    rule: R,
    states: HashMap<u64, R::State>,
    calls: Calls<A, R>,
    /// The natural length of time.
    period: u64,
    /// Times beyond are not gone to.
    until: u64,
    clock: u64,
    time: u64,
    /// A key, a cost, and when it was said to fit.
    refused: Option<(u64, u64, u64)>,
}

impl<A: Engine, R: Rule + Debug> Pair<A, R> {
    /// Built when the clock stands at `start`.
    pub fn new(start: u64, algorithm: A, rule: R, calls: Calls<A, R>, period: u64, until: u64) -> Pair<A, R> {
        let (clock, hand) = Clock::manual();
        hand.set(Duration::from_nanos(start));
        let limiter = Limiter::builder(algorithm).max_keys(1_000).clock(clock).build().unwrap();
        let states = HashMap::new();
        Pair { limiter, hand, rule, states, calls, period, until, clock: start, time: start, refused: None }
    }

    pub fn run(&mut self, ops: &[Op]) {
        for op in ops {
            self.apply(op);
        }
    }

    fn set_clock(&mut self, clock: u64) {
        self.clock = clock.min(self.until);
        self.hand.set(Duration::from_nanos(self.clock));
    }

    /// Every call looks at the clock.
    fn look(&mut self) {
        self.time = self.time.max(self.clock);
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Check { key, cost } => self.check(*key, self.amount(*cost)),
            Op::CheckMany { keys } => self.check_many(keys),
            Op::Charge { key, tokens } => self.charge(*key, self.amount(*tokens)),
            Op::Refund { key, tokens } => self.refund(*key, self.amount(*tokens)),
            Op::Peek { key } => self.charge(*key, 0),
            Op::Reset { key } => {
                self.look();
                self.limiter.reset(key);
                self.states.remove(key);
            }
            Op::Clear => {
                self.limiter.clear();
                self.states.clear();
            }
            Op::Change(amount, choice) => {
                if self.calls.change_looks {
                    self.look();
                }
                let amount = self.amount(*amount);
                (self.calls.change)(&self.limiter, &mut self.rule, self.time, amount, *choice);
            }
            Op::Wait(wait) => self.set_clock(self.later(*wait)),
            Op::StepBack(wait) => {
                let back = self.later(*wait) - self.clock;
                self.set_clock(self.clock.saturating_sub(back));
            }
            Op::ComeBack => self.come_back(),
        }
    }

    fn amount(&self, amount: Amount) -> u64 {
        match amount {
            Amount::Exactly(tokens) => tokens,
            Amount::AroundLimit(more) => self.rule.limit().saturating_add_signed(i64::from(more)),
        }
    }

    fn later(&self, wait: Wait) -> u64 {
        match wait {
            Wait::Nanos(nanos) => self.clock.saturating_add(nanos),
            Wait::Portion(part) => {
                let nanos = u128::from(self.period) * u128::from(part) / 256;
                self.clock.saturating_add(u64::try_from(nanos).unwrap())
            }
            Wait::ToTheNext(more) => {
                let next = (self.clock / self.period).saturating_add(1).saturating_mul(self.period);
                next.saturating_add_signed(i64::from(more)).max(self.clock)
            }
        }
    }

    fn state(&self, key: u64) -> R::State {
        self.states.get(&key).cloned().unwrap_or_default()
    }

    fn check(&mut self, key: u64, cost: u64) {
        self.look();
        let answer = (self.calls.check)(&self.limiter, &self.rule, key, cost);
        self.compare_answer(key, cost, answer);
    }

    fn check_many(&mut self, keys: &[u64]) {
        if !keys.is_empty() {
            self.look();
        }
        let answers = (self.calls.check_many)(&self.limiter, &self.rule, keys);
        assert_eq!(answers.len(), keys.len());
        for (key, answer) in keys.iter().zip(answers) {
            self.compare_answer(*key, 1, answer);
        }
    }

    fn compare_answer(&mut self, key: u64, cost: u64, answer: Answer) {
        let (mut state, now) = (self.state(key), self.time);
        let fits = self.rule.fits(&state, now, cost);
        assert_eq!(answer.is_ok(), fits, "{cost} of key {key}, {:?}", self.rule);
        let goes_at = self.rule.goes_at(&state, now, cost);
        if fits && cost > 0 {
            self.rule.charge(&mut state, now, cost);
            self.states.insert(key, state.clone());
        }
        match answer {
            Ok(allowed) => {
                assert_eq!(allowed.delay(), self.wait_until(goes_at), "delay of {cost}");
                self.compare(&state, (allowed.limit(), allowed.remaining(), allowed.reset_after()));
            }
            Err(denied) => {
                assert!(!denied.at_capacity());
                self.compare(&state, (denied.limit(), denied.remaining(), denied.reset_after()));
                let retry_at = self.first_time(|time| self.rule.fits(&state, time, cost));
                assert_eq!(
                    denied.retry_after(),
                    retry_at.map(|time| self.wait_until(time)),
                    "{cost} of key {key}, {:?}",
                    self.rule
                );
                self.refused = retry_at.map(|time| (key, cost, time));
            }
        }
    }

    fn charge(&mut self, key: u64, tokens: u64) {
        self.look();
        let status = (self.calls.charge)(&self.limiter, &self.rule, key, tokens);
        let mut state = self.state(key);
        if tokens > 0 {
            self.rule.charge(&mut state, self.time, tokens);
            self.states.insert(key, state.clone());
        }
        self.compare(&state, (status.limit(), status.remaining(), status.reset_after()));
        let retry_at = self.first_time(|time| self.rule.fits(&state, time, 1));
        assert_eq!(status.retry_after(), retry_at.map(|time| self.wait_until(time)), "{:?}", self.rule);
    }

    fn refund(&mut self, key: u64, tokens: u64) {
        self.look();
        (self.calls.refund)(&self.limiter, &self.rule, key, tokens);
        let mut state = self.state(key);
        self.rule.refund(&mut state, self.time, tokens);
        self.states.insert(key, state);
    }

    fn come_back(&mut self) {
        let Some((key, cost, time)) = self.refused.take() else { return };
        if time > self.time.max(self.clock) && time <= self.until {
            self.set_clock(time - 1);
            self.check(key, cost);
            self.set_clock(time);
            self.check(key, cost);
        }
    }

    fn compare(&self, state: &R::State, (limit, remaining, reset_after): (u64, u64, Duration)) {
        assert_eq!(limit, self.rule.limit());
        assert_eq!(remaining, self.remaining(state), "{:?}", self.rule);
        let full_at = self.first_time(|time| self.rule.is_full(state, time));
        assert_eq!(
            reset_after,
            full_at.map_or(Duration::MAX, |time| self.wait_until(time)),
            "{:?}",
            self.rule
        );
    }

    /// The greatest cost that fits now.
    fn remaining(&self, state: &R::State) -> u64 {
        let (mut low, mut high) = (0, self.rule.limit());
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.rule.fits(state, self.time, middle) { low = middle } else { high = middle - 1 }
        }
        low
    }

    /// The first time, not before now, at which something holds that goes on to.
    fn first_time(&self, holds: impl Fn(u64) -> bool) -> Option<u64> {
        if !holds(u64::MAX) {
            return None;
        }
        let (mut low, mut high) = (self.time, u64::MAX);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(middle) { high = middle } else { low = middle + 1 }
        }
        Some(high)
    }

    /// Waits are counted from what the clock says, also when that has stepped back.
    fn wait_until(&self, time: u64) -> Duration {
        if time <= self.time { Duration::ZERO } else { Duration::from_nanos(time - self.clock) }
    }

    /// Keys of which something counts.
    pub fn compare_len(&mut self) {
        self.look();
        let busy = |state: &R::State| !self.rule.is_full(state, self.time);
        assert_eq!(self.limiter.len(), self.states.values().filter(|state| busy(state)).count());
    }
}
