//! A leased limit as the store counts it: `lease.lua` in Rust, number for number.
//!
//! # Why nodes together never exceed the limit
//!
//! Let `level` be what is left in the store, `leased` what it counts as leased and not reported, `held` what nodes hold
//! and may still spend, and `Φ = level + held`.
//!
//! 1. *`held ≤ leased`.* A lease of generation `g` is counted until the boundary at which generation `g + 2` begins, a
//!    whole life after the end of `g`. Its node stops sooner: a life, less what clocks may drift apart in one, after it
//!    *sent* the question, which was before the store answered. A token leaves `leased` before that only by a report or a
//!    return, which the node sends after the token has left `held`, and at most once.
//! 2. *`level + leased ≤ capacity`.* Refilling stops there; a lease moves tokens from one to the other; a report or a
//!    boundary only takes away; a return moves back no more than is there.
//! 3. So `Φ ≤ capacity` at all times. `Φ` grows by refilling alone, no faster than the rate, because `level` is brought up
//!    to every moment *before* `leased` changes at that moment: time that has passed under a full bucket is never made
//!    good later. `Φ` falls by one with each token that is spent.
//!
//! Hence in any interval at most `Φ(start) − Φ(end) + rate · length ≤ capacity + rate · length` tokens are spent. No node's
//! clock is compared with another's, and the store knows nothing of single nodes. An answer that is lost, or a question
//! that comes twice, leases tokens that nobody spends; a report that came twice would hide tokens that are held, which is
//! why none is ever sent again.

use crate::distributed::lease::{FULL_DEMAND, LeaseAnswer, LeaseQuestion, LeaseTerms, SHARE};

/// What the store keeps for a key. Of each pair the first is of the current generation, the second of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeaseState {
    /// Units left; below zero after a charge for more than there was.
    level: i64,
    /// Up to when `level` is brought, in microseconds. It also says which generation is the current one.
    at: u64,
    /// Tokens leased and not reported.
    leased: [u64; 2],
    /// What nodes that asked have said they are asked for, in parts of the rate.
    demand: [u64; 2],
    /// How many nodes have asked.
    nodes: [u64; 2],
}

/// Sums of demand stop here, far above what 2²⁴ nodes can say, so that they stay exact.
const MOST_DEMAND_TOGETHER: u64 = 1 << 52;

impl LeaseState {
    /// A key that nothing is known of: it is full.
    pub(crate) fn new(terms: &LeaseTerms, now: u64) -> LeaseState {
        LeaseState { level: signed(terms.full()), at: now, leased: [0; 2], demand: [0; 2], nodes: [0; 2] }
    }

    /// Brings everything up to this moment, generation by generation.
    pub(crate) fn advance(&mut self, terms: &LeaseTerms, now: u64) {
        if self.at > now.saturating_add(terms.life) {
            self.step_back(now);
        }
        let now = now.max(self.at);
        let (from, to) = (self.at / terms.life, now / terms.life);
        // After two boundaries nothing is left that a third could take away.
        for generation in (from..to).take(2) {
            self.refill(terms, (generation + 1) * terms.life);
            for pair in [&mut self.leased, &mut self.demand, &mut self.nodes] {
                *pair = [0, pair[0]];
            }
        }
        self.refill(terms, now);
    }

    /// The clock was set back by more than a life: what is leased now counts from now on as if leased in this generation.
    fn step_back(&mut self, now: u64) {
        self.at = now;
        self.leased = [self.leased[0] + self.leased[1], 0];
    }

    fn refill(&mut self, terms: &LeaseTerms, now: u64) {
        let most = self.room(terms);
        let missing = most.saturating_sub(self.level).max(0).unsigned_abs();
        let passed = now - self.at;
        self.level = if passed >= missing.div_ceil(terms.gain) {
            most
        } else {
            self.level + signed(passed * terms.gain)
        };
        self.at = now;
    }

    /// The highest level beside what is leased.
    fn room(&self, terms: &LeaseTerms) -> i64 {
        let leased = self.leased[0] + self.leased[1];
        signed(terms.capacity.saturating_sub(leased) * terms.unit)
    }

    /// Which of each pair belongs to a generation, if one still does.
    fn place(&self, terms: &LeaseTerms, generation: u64) -> Option<usize> {
        let age = (self.at / terms.life).checked_sub(generation)?;
        usize::try_from(age).ok().filter(|age| *age < 2)
    }

    /// So many leased tokens of a generation are no longer held; of so many it is true.
    fn settle(&mut self, terms: &LeaseTerms, generation: u64, tokens: u64) -> u64 {
        let Some(place) = self.place(terms, generation) else { return 0 };
        let settled = tokens.min(self.leased[place]);
        self.leased[place] -= settled;
        settled
    }

    /// Leases tokens; also says whether anything is to be kept of it.
    pub(crate) fn lease(
        &mut self,
        terms: &LeaseTerms,
        now: u64,
        question: &LeaseQuestion,
    ) -> (LeaseAnswer, bool) {
        self.advance(terms, now);
        let mut settled = 0;
        for (generation, spent) in question.reports {
            settled += self.settle(terms, generation, spent);
        }
        let generation = self.at / terms.life;
        let is_new = question.generation != Some(generation);
        if is_new {
            self.demand[0] = (self.demand[0] + question.demand).min(MOST_DEMAND_TOGETHER);
            self.nodes[0] += 1;
        }
        let demand = self.demand[0].max(self.demand[1]).max(question.demand);
        let tokens = self.granted(terms, question, demand);
        self.level -= signed(tokens * terms.unit);
        self.leased[0] += tokens;
        let answer = LeaseAnswer {
            tokens,
            generation,
            retry_after: self.retry_after(terms, question, demand, tokens),
            demand,
            nodes: self.nodes[0].max(self.nodes[1]),
            remaining: self.remaining(terms),
        };
        (answer, is_new || settled > 0 || tokens > 0)
    }

    fn granted(&self, terms: &LeaseTerms, question: &LeaseQuestion, demand: u64) -> u64 {
        let whole = self.remaining(terms);
        let LeaseQuestion { need, want, rounding, .. } = *question;
        if whole < need {
            return 0;
        }
        if demand <= FULL_DEMAND {
            return want.min(whole);
        }
        let level = self.level.max(0).unsigned_abs();
        let own = share(question.since_last * terms.gain, question.demand, demand);
        let due = (level.saturating_sub(terms.pool) + own).min(level);
        // Rounded up as often as the fraction says: rounded down, a node whose share is less than a token had nothing.
        let tokens = (due / terms.unit + u64::from(rounding < due % terms.unit)).min(want).min(whole);
        if tokens >= need {
            tokens
        } else if rounding * need < due {
            need
        } else {
            0
        }
    }

    /// How long it is of no use to ask again.
    fn retry_after(&self, terms: &LeaseTerms, question: &LeaseQuestion, demand: u64, tokens: u64) -> u64 {
        if tokens >= question.want {
            return 0;
        }
        let needed = if tokens == 0 { question.need.max(1) } else { 1 };
        let missing = signed(needed.min(terms.capacity) * terms.unit) - self.level;
        let next = missing.max(0).unsigned_abs().div_ceil(terms.gain);
        if demand <= FULL_DEMAND { next } else { next.max(question.pause) }
    }

    /// Whole tokens left in the store.
    pub(crate) fn remaining(&self, terms: &LeaseTerms) -> u64 {
        self.level.max(0).unsigned_abs() / terms.unit
    }

    /// Takes back what a node will not spend.
    pub(crate) fn give_back(
        &mut self,
        terms: &LeaseTerms,
        now: u64,
        generation: u64,
        unspent: u64,
        spent: u64,
    ) {
        self.advance(terms, now);
        let returned = self.settle(terms, generation, unspent);
        self.level += signed(returned * terms.unit);
        self.settle(terms, generation, spent);
    }
}

/// This part of an amount, rounded down: `amount · part / whole`, with no number above 2⁵³ on the way.
fn share(amount: u64, part: u64, whole: u64) -> u64 {
    let parts = part * SHARE / whole;
    amount / SHARE * parts + amount % SHARE * parts / SHARE
}

/// All numbers here are below 2⁵³.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
