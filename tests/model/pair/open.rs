//! What was charged and may still be settled or cancelled: reservations and slots.
//!
//! Where the documentation leaves it open, a cancelled charge is one that others have "spent from since" when the key was changed in
//! between, whatever by. If it was changed and changed back, limiters cannot tell and need not: such a guard is dropped instead.

use std::time::Duration;

use tollgate::{Engine, Limiter, Reservation, Scheduled};

use super::{Known, Pair, Refused};
use crate::model::rules::{Rule, Settled};
use crate::model::trace::Amount;
use crate::model::{Figures, of_check};

/// All that is open, the newest last.
pub(super) struct Open<'l, A: Engine, S> {
    reservations: Vec<Held<Reservation<'l, A>, S>>,
    slots: Vec<Held<Scheduled<'l, A>, S>>,
}

impl<A: Engine, S> Default for Open<'_, A, S> {
    fn default() -> Self {
        Open { reservations: Vec::new(), slots: Vec::new() }
    }
}

/// A guard, and the key before and after the charge.
pub(super) struct Held<G, S> {
    guard: G,
    key: u64,
    tokens: u64,
    before: Known<S>,
    after: Known<S>,
}

impl<G, S> Held<G, S> {
    /// One of several of a key, by any number.
    fn take(all: &mut Vec<Held<G, S>>, key: u64, which: usize) -> Option<Held<G, S>> {
        let mut places = (0..all.len()).filter(|place| all[*place].key == key);
        let place = if which == usize::MAX {
            places.next_back()?
        } else {
            let count = places.clone().count();
            places.nth(which.checked_rem(count)?)?
        };
        Some(all.remove(place))
    }
}

impl<A: Engine, R: Rule> Pair<A, R> {
    /// Does something by the rule of calls that exist in one form only.
    pub(super) fn plainly<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let plain = (self.calls.plain_rule)(&self.limiter, &self.rule);
        let usual = std::mem::replace(&mut self.rule, plain);
        let done = act(self);
        self.rule = usual;
        done
    }

    pub(super) fn reserve<'l>(
        &mut self,
        limiter: &'l Limiter<A>,
        open: &mut Open<'l, A, R::State>,
        key: u64,
        estimate: Amount,
    ) {
        self.look();
        let held = self.plainly(|pair| {
            let (before, estimate) = (pair.known(key), estimate.tokens(pair.rule.limit()));
            let reservation = limiter.reserve(&key, estimate);
            let told = reservation.as_ref().map(Reservation::allowed).map_err(|denied| *denied);
            pair.compare(key, estimate, &of_check(told));
            let guard = reservation.ok()?;
            assert_eq!(guard.estimate(), estimate);
            Some(Held { guard, key, tokens: estimate, before, after: pair.known(key) })
        });
        open.reservations.extend(held);
    }

    pub(super) fn settle(
        &mut self,
        open: &mut Open<'_, A, R::State>,
        key: u64,
        which: usize,
        actual: Amount,
    ) {
        let Some(held) = Held::take(&mut open.reservations, key, which) else { return self.look_only(key) };
        let actual = actual.tokens(held.tokens);
        self.look();
        held.guard.settle(actual);
        self.plainly(|pair| pair.settle_by(held.key, &held.after.state, held.tokens, actual));
        self.plainly(|pair| pair.peek_plainly(held.key));
    }

    /// Nothing was charged anywhere yet if nothing was estimated.
    pub(super) fn settle_by(&mut self, key: u64, charged: &R::State, estimate: u64, actual: u64) {
        self.has_refunded = true;
        let settled = Settled::new(estimate, actual);
        self.alter(key, |rule, state, now| {
            if estimate > 0 {
                rule.settle(state, now, charged, settled);
            } else if actual > 0 {
                rule.charge(state, now, actual);
            }
        });
    }

    pub(super) fn cancel(&mut self, open: &mut Open<'_, A, R::State>, key: u64, which: usize) {
        let Some(held) = Held::take(&mut open.reservations, key, which) else { return self.look_only(key) };
        let Held { guard, tokens, before, after, .. } = held;
        if self.may_be_mistaken(key, &after) {
            return self.look_only(key);
        }
        self.look();
        guard.cancel();
        self.plainly(|pair| pair.undo(key, tokens, before, &after));
        self.plainly(|pair| pair.peek_plainly(key));
    }

    /// What was estimated was nothing; and if nobody has changed the key since, it is as it was.
    pub(super) fn undo(&mut self, key: u64, estimate: u64, before: Known<R::State>, after: &Known<R::State>) {
        if self.known(key).change == after.change {
            self.restore(key, before);
        } else {
            self.settle_by(key, &after.state, estimate, 0);
        }
    }

    /// The key was changed and changed back.
    pub(super) fn may_be_mistaken(&self, key: u64, after: &Known<R::State>) -> bool {
        let (known, time) = (self.known(key), self.time.max(self.clock));
        let same = |one, other| self.rule.seen_at(one, time) == self.rule.seen_at(other, time);
        known.change != after.change && same(&known.state, &after.state)
    }

    fn restore(&mut self, key: u64, before: Known<R::State>) {
        self.has_refunded = true;
        self.states.insert(key, before);
    }

    pub(super) fn schedule<'l>(
        &mut self,
        limiter: &'l Limiter<A>,
        open: &mut Open<'l, A, R::State>,
        key: u64,
        cost: Amount,
        max_delay: u64,
    ) {
        let held = self.plainly(|pair| {
            let (before, cost) = (pair.known(key), cost.tokens(pair.rule.limit()));
            let guard = pair.ask_for_slot(limiter, key, cost, max_delay)?;
            Some(Held { guard, key, tokens: cost, before, after: pair.known(key) })
        });
        open.slots.extend(held);
    }

    /// What the call must say; a slot that comes within the delay is taken.
    pub(super) fn ask_for_slot<'l>(
        &mut self,
        limiter: &'l Limiter<A>,
        key: u64,
        cost: u64,
        max_delay: u64,
    ) -> Option<Scheduled<'l, A>> {
        self.look();
        self.has_scheduled = true;
        let (state, now) = (self.state(key), self.time);
        let told = limiter.schedule(&key, cost, Duration::from_nanos(max_delay));
        let slot_at = self.first_time(|time| self.rule.may_go(&state, now, time, cost));
        let delay = slot_at.map(|time| self.wait_until(time));
        let longest = Duration::from_nanos(max_delay);
        let story = format!("key {key}, cost {cost} within {max_delay} ns, {}", self.story(key));
        if let (Some(time), Some(delay)) = (slot_at, delay.filter(|delay| *delay <= longest)) {
            let guard = told.unwrap_or_else(|denied| panic!("{denied}, but it goes in {delay:?}: {story}"));
            assert_eq!(guard.delay(), delay, "{story}");
            if cost > 0 {
                self.alter(key, |rule, state, now| rule.charge_slot(state, now, time, cost));
            }
            self.peek_plainly(key);
            return Some(guard);
        }
        let wait = delay.map(|delay| delay.saturating_sub(longest));
        let expected = Figures { retry_after: wait, ..self.figures(key, cost) };
        let told = told.expect_err("it comes later than that");
        assert_eq!(of_check(Err(told)), Err(expected), "{story}");
        self.refused = wait.map(|wait| Refused { key, cost, max_delay: Some(max_delay), wait });
        None
    }

    /// Nobody may stand behind it.
    pub(super) fn cancel_slot(&mut self, open: &mut Open<'_, A, R::State>, key: u64, which: usize) {
        let Some(held) = Held::take(&mut open.slots, key, which) else { return self.look_only(key) };
        let Held { guard, before, after, .. } = held;
        let (known, time) = (self.known(key), self.time.max(self.clock));
        if known.change != after.change && self.rule.resembles(&known.state, &after.state, time) {
            return self.look_only(key);
        }
        self.look();
        guard.cancel();
        if self.known(key).change == after.change {
            self.restore(key, before);
        }
        self.plainly(|pair| pair.peek_plainly(key));
    }

    /// Nothing to settle or cancel, or not for certain. That the time is noted is all that is common to operations.
    fn look_only(&mut self, key: u64) {
        self.look();
        self.plainly(|pair| pair.peek_plainly(key));
    }

    /// Where the key stands by the rule of calls that exist in one form only.
    pub(super) fn peek_plainly(&mut self, key: u64) {
        let told = crate::model::of_status(self.limiter.peek(&key));
        assert_eq!(told, self.figures(key, 1), "{}", self.story(key));
    }
}
