//! A limiter and a rule side by side: whatever is done to one is done to the other, and whatever they tell must agree.

pub mod member;
mod open;

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use tollgate::{Allowed, Clock, Denied, Engine, Gcra, Limiter, ManualClock, Status};

use super::rules::{Rule, Tokens};
use super::trace::{Change, Op, Span};
use super::{Figures, of_check, of_status};
use member::Taken;
use open::Open;

pub type Answer = Result<Allowed, Denied>;

/// How a limiter is called under a rule, and what only one kind of it can do.
pub struct Calls<A: Engine, R> {
    pub check: fn(&Limiter<A>, &R, u64, u64) -> Answer,
    pub check_many: fn(&Limiter<A>, &R, &[u64]) -> Vec<Answer>,
    pub charge: fn(&Limiter<A>, &R, u64, u64) -> Status,
    pub peek: fn(&Limiter<A>, &R, u64) -> Status,
    pub refund: fn(&Limiter<A>, &R, u64, u64),
    /// Changes both at a time. They must agree on whether that is possible.
    pub change: fn(&Limiter<A>, &mut R, u64, Change),
    /// Whether a change looks at the clock.
    pub change_looks: bool,
    /// The rule of calls that exist in one form only: reservations and slots.
    pub plain_rule: fn(&Limiter<A>, &R) -> R,
}

impl<A: Engine, R: Clone> Calls<A, R> {
    /// The calls that every limiter has.
    pub fn plain(change: fn(&Limiter<A>, &mut R, u64, Change)) -> Calls<A, R> {
        Calls {
            check: |limiter, _, key, cost| limiter.check_n(&key, cost),
            check_many: |limiter, _, keys| {
                let mut answers = Vec::new();
                limiter.check_many(keys, &mut answers);
                answers
            },
            charge: |limiter, _, key, tokens| limiter.charge(&key, tokens),
            peek: |limiter, _, key| limiter.peek(&key),
            refund: |limiter, _, key, tokens| limiter.refund(&key, tokens),
            change,
            change_looks: false,
            plain_rule: |_, rule| rule.clone(),
        }
    }
}

/// The two that must agree. Keys are numbers.
pub struct Pair<A: Engine = Gcra, R: Rule = Tokens> {
    pub limiter: Rc<Limiter<A>>,
    pub hand: ManualClock,
    pub rule: R,
    /// A key that is not here has spent nothing.
    states: HashMap<u64, Known<R::State>>,
    /// How often any key was changed.
    changes: u64,
    /// What was taken together with other limits.
    taken: Vec<Taken<R::State>>,
    calls: Calls<A, R>,
    /// What the clock says.
    clock: u64,
    /// The latest reading that any call has taken: time does not step back.
    time: u64,
    /// The last operation, if it was a check that may come back.
    refused: Option<Refused>,
    has_refunded: bool,
    has_scheduled: bool,
}

/// A key, and which of all changes has left it so; 0 is none.
#[derive(Clone, Debug, Default)]
struct Known<S> {
    state: S,
    change: u64,
}

struct Refused {
    key: u64,
    cost: u64,
    /// Of a slot that was asked for.
    max_delay: Option<u64>,
    wait: Duration,
}

impl<A: Engine, R: Rule> Pair<A, R> {
    /// Both start at `start` nanoseconds on their clock.
    pub fn of(algorithm: A, rule: R, calls: Calls<A, R>, max_keys: usize, start: u64) -> Pair<A, R> {
        let (clock, hand) = Clock::manual();
        hand.set(Duration::from_nanos(start));
        let builder = Limiter::builder(algorithm).max_keys(max_keys).clock(clock);
        Pair {
            limiter: Rc::new(builder.build().expect("a legal size and limit")),
            hand,
            rule,
            states: HashMap::new(),
            changes: 0,
            taken: Vec::new(),
            calls,
            clock: start,
            time: start,
            refused: None,
            has_refunded: false,
            has_scheduled: false,
        }
    }

    pub fn clock(&self) -> u64 {
        self.clock
    }

    pub fn set_clock(&mut self, clock: u64) {
        self.clock = clock;
        self.hand.set(Duration::from_nanos(clock));
    }

    /// Every call looks at the clock.
    fn look(&mut self) {
        self.time = self.time.max(self.clock);
    }

    /// What is reserved or scheduled stays open until one of the operations ends it, or all are over.
    pub fn run(&mut self, ops: &[Op]) {
        let limiter = Rc::clone(&self.limiter);
        let mut open = Open::default();
        for op in ops {
            self.step(&limiter, &mut open, op);
        }
    }

    pub fn apply(&mut self, op: &Op) {
        self.run(std::slice::from_ref(op));
    }

    fn step<'l>(&mut self, limiter: &'l Limiter<A>, open: &mut Open<'l, A, R::State>, op: &Op) {
        let limit = self.rule.limit();
        let refused = self.refused.take();
        match op {
            Op::Reserve { key, estimate } => self.reserve(limiter, open, *key, *estimate),
            Op::Settle { key, which, actual } => self.settle(open, *key, *which, *actual),
            Op::Cancel { key, which } => self.cancel(open, *key, *which),
            Op::Schedule { key, cost, max_delay } => {
                let nanos = self.nanos(*max_delay);
                self.schedule(limiter, open, *key, *cost, nanos);
            }
            Op::CancelSlot { key, which } => self.cancel_slot(open, *key, *which),
            Op::Check { key, cost } => self.check(*key, cost.tokens(limit)),
            Op::CheckMany { keys } => self.check_many(keys),
            Op::Charge { key, tokens } => self.charge(*key, tokens.tokens(limit)),
            Op::Refund { key, tokens } => self.refund(*key, tokens.tokens(limit)),
            Op::Peek { key } => self.peek(*key),
            Op::Reset { key } => self.reset(*key),
            Op::Clear => self.clear(),
            Op::Change(change) => self.change(*change),
            Op::Advance(span) => self.set_clock(self.clock.saturating_add(self.nanos(*span))),
            Op::StepBack(span) => self.set_clock(self.clock.saturating_sub(self.nanos(*span))),
            Op::SetClock(clock) => self.set_clock(*clock),
            Op::NearTheEnd(span) => {
                let near = self.rule.end().saturating_sub(self.nanos(*span));
                self.set_clock(self.clock.max(near));
            }
            Op::ComeBack => self.come_back(limiter, refused.as_ref()),
        }
    }

    fn nanos(&self, span: Span) -> u64 {
        span.nanos(self.clock, self.rule.pace(), self.rule.limit())
    }

    pub fn check(&mut self, key: u64, cost: u64) {
        self.look();
        let told = of_check((self.calls.check)(&self.limiter, &self.rule, key, cost));
        if let Err(Figures { retry_after: Some(wait), .. }) = &told {
            self.refused = Some(Refused { key, cost, max_delay: None, wait: *wait });
        }
        self.compare(key, cost, &told);
    }

    /// What a check must say; when the cost fits, it is spent.
    fn compare(&mut self, key: u64, cost: u64, told: &Result<Figures, Figures>) {
        let (state, now) = (self.state(key), self.time);
        let expected = if self.rule.fits(&state, now, cost) {
            if cost > 0 {
                self.alter(key, |rule, state, now| rule.charge(state, now, cost));
            }
            let mut expected = Figures { retry_after: None, ..self.figures(key, cost) };
            let goes_at = self.rule.goes_at(&state, now, cost);
            expected.delay = goes_at.map_or(Duration::MAX, |time| self.wait_until(time));
            Ok(expected)
        } else {
            Err(self.figures(key, cost))
        };
        assert_eq!(*told, expected, "key {key}, cost {cost}, {}", self.story(key));
    }

    fn check_many(&mut self, keys: &[u64]) {
        if !keys.is_empty() {
            self.look();
        }
        let answers = (self.calls.check_many)(&self.limiter, &self.rule, keys);
        assert_eq!(answers.len(), keys.len());
        for (key, answer) in keys.iter().zip(answers) {
            self.compare(*key, 1, &of_check(answer));
        }
    }

    pub fn peek(&mut self, key: u64) {
        self.look();
        let told = of_status((self.calls.peek)(&self.limiter, &self.rule, key));
        assert_eq!(told, self.figures(key, 1), "{}", self.story(key));
    }

    pub fn charge(&mut self, key: u64, tokens: u64) {
        self.look();
        let told = of_status((self.calls.charge)(&self.limiter, &self.rule, key, tokens));
        if tokens > 0 {
            self.alter(key, |rule, state, now| rule.charge(state, now, tokens));
        }
        assert_eq!(told, self.figures(key, 1), "key {key}, {tokens} tokens, {}", self.story(key));
    }

    pub fn refund(&mut self, key: u64, tokens: u64) {
        self.look();
        (self.calls.refund)(&self.limiter, &self.rule, key, tokens);
        if self.states.contains_key(&key) {
            self.alter(key, |rule, state, now| rule.refund(state, now, tokens));
        }
        self.has_refunded = true;
    }

    fn reset(&mut self, key: u64) {
        self.look();
        self.limiter.reset(&key);
        self.states.remove(&key);
    }

    fn clear(&mut self) {
        self.limiter.clear();
        self.states.clear();
    }

    pub fn change(&mut self, change: Change) {
        if self.calls.change_looks {
            self.look();
        }
        (self.calls.change)(&self.limiter, &mut self.rule, self.time, change);
    }

    /// "After that long the same check is allowed, and one nanosecond earlier it is not."
    fn come_back(&mut self, limiter: &Limiter<A>, refused: Option<&Refused>) {
        let Some(&Refused { key, cost, max_delay, wait }) = refused else { return };
        let ask = |pair: &mut Pair<A, R>| match max_delay {
            None => pair.check(key, cost),
            Some(max_delay) => drop(pair.plainly(|pair| pair.ask_for_slot(limiter, key, cost, max_delay))),
        };
        let wait = u64::try_from(wait.as_nanos()).expect("the clock reaches it");
        self.set_clock(self.clock + wait - 1);
        ask(self);
        let again = self.refused.take().expect("it is too early by a nanosecond");
        assert_eq!(again.wait, Duration::from_nanos(1), "{}", self.story(key));
        self.set_clock(self.clock + 1);
        ask(self);
        assert!(self.refused.is_none(), "refused after waiting, {}", self.story(key));
    }

    /// Keys of which something counts.
    pub fn compare_len(&mut self) {
        self.look();
        let busy = |known: &&Known<R::State>| !self.rule.is_full(&known.state, self.time);
        let busy = self.states.values().filter(busy).count();
        // A window that was opened ahead is remembered as well.
        if self.has_refunded && (self.rule.remembers_refunded_keys() || self.has_scheduled) {
            assert!(self.limiter.len() >= busy);
        } else {
            assert_eq!(self.limiter.len(), busy);
        }
    }

    fn known(&self, key: u64) -> Known<R::State> {
        self.states.get(&key).cloned().unwrap_or_default()
    }

    fn state(&self, key: u64) -> R::State {
        self.known(key).state
    }

    /// Changes a key, and notes whether that has made a difference.
    fn alter(&mut self, key: u64, act: impl FnOnce(&R, &mut R::State, u64)) {
        let known = self.states.entry(key).or_default();
        let before = self.rule.seen_at(&known.state, self.time);
        act(&self.rule, &mut known.state, self.time);
        if self.rule.seen_at(&known.state, self.time) != before {
            self.changes += 1;
            known.change = self.changes;
        }
    }

    fn figures(&self, key: u64, cost: u64) -> Figures {
        let state = self.state(key);
        let full_at = self.first_time(|time| self.rule.is_full(&state, time));
        let fits_at = self.first_time(|time| self.rule.fits(&state, time, cost));
        Figures {
            limit: self.rule.limit(),
            remaining: self.remaining(&state),
            reset_after: full_at.map_or(Duration::MAX, |time| self.wait_until(time)),
            retry_after: fits_at.map(|time| self.wait_until(time)),
            delay: Duration::ZERO,
        }
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

    /// The first time, not before now, at which something holds that goes on to; `None` when it does not before the clock's end.
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

    /// For whoever has to find out why they disagree.
    fn story(&self, key: u64) -> String {
        format!("{:?} with {:?} at {} ns, clock {}", self.state(key), self.rule, self.time, self.clock)
    }
}
