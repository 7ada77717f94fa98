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

use super::count::ceil;
use crate::distributed::lease::{LeaseAnswer, LeaseQuestion, LeaseTerms, WHOLE_DEMAND};

/// A share of the rate is rounded down to this part: an error of a thousandth for the smallest of a thousand shares.
const SHARE: i64 = 1 << 20;
/// Sums of demand stop here, far above what nodes can say, so that they stay exact.
const MOST_DEMAND_TOGETHER: i64 = 1 << 52;

/// What the store keeps for a key. Of each pair the first is of the current generation, the second of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseState {
    /// Parts left; below zero after a charge for more than there was.
    level: i64,
    /// Up to when `level` is brought, in microseconds. It also says which generation is the current one.
    at: i64,
    /// Tokens leased and not reported.
    leased: [i64; 2],
    /// What nodes that asked have said they are asked for, in parts of the rate.
    demand: [i64; 2],
    /// How many nodes have asked.
    nodes: [i64; 2],
}

impl LeaseState {
    /// A key that nothing is known of: it is full.
    #[must_use]
    pub fn new(terms: &LeaseTerms, now: i64) -> LeaseState {
        LeaseState { level: terms.full(), at: now, leased: [0; 2], demand: [0; 2], nodes: [0; 2] }
    }

    /// Brings everything up to this moment, generation by generation; also says whether time went backwards.
    pub fn advance(&mut self, terms: &LeaseTerms, now: i64) -> bool {
        let stepped_back = self.at > now + terms.life;
        if stepped_back {
            // What is leased counts as if leased now.
            self.at = now;
            self.leased = [self.leased[0] + self.leased[1], 0];
        }
        let now = now.max(self.at);
        let (first, last) = (self.at / terms.life, now / terms.life);
        // After two boundaries nothing is left that a third could take away.
        for generation in first..last.min(first + 2) {
            self.refill(terms, (generation + 1) * terms.life);
            for pair in [&mut self.leased, &mut self.demand, &mut self.nodes] {
                *pair = [0, pair[0]];
            }
        }
        self.refill(terms, now);
        stepped_back
    }

    fn refill(&mut self, terms: &LeaseTerms, now: i64) {
        let room = (terms.limit - self.leased[0] - self.leased[1]).max(0) * terms.token;
        let missing = (room - self.level).max(0);
        let units = now / terms.unit - self.at / terms.unit;
        self.level =
            if units >= ceil(missing, terms.refill) { room } else { self.level + units * terms.refill };
        self.at = now;
    }

    /// So many tokens of a generation are no longer held, if so many are counted.
    fn settle(&mut self, terms: &LeaseTerms, generation: i64, tokens: i64) -> i64 {
        let age = self.at / terms.life - generation;
        let Some(leased) = usize::try_from(age).ok().and_then(|age| self.leased.get_mut(age)) else {
            return 0;
        };
        let settled = tokens.min(*leased);
        *leased -= settled;
        settled
    }

    /// Leases tokens, once it is [advanced](LeaseState::advance); also says whether anything is to be kept of it.
    pub fn lease(&mut self, terms: &LeaseTerms, question: &LeaseQuestion) -> (LeaseAnswer, bool) {
        let mut settled = 0;
        for (generation, spent) in question.reports {
            settled += self.settle(terms, generation, spent);
        }
        let generation = self.at / terms.life;
        let is_new = question.generation != generation;
        if is_new {
            self.demand[0] = (self.demand[0] + question.demand).min(MOST_DEMAND_TOGETHER);
            self.nodes[0] += 1;
        }
        let demand = self.demand[0].max(self.demand[1]).max(question.demand);
        let tokens = self.granted(terms, question, demand);
        self.level -= tokens * terms.token;
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

    fn granted(&self, terms: &LeaseTerms, question: &LeaseQuestion, demand: i64) -> i64 {
        let LeaseQuestion { need, want, rounding, .. } = *question;
        let most = want.min(self.remaining(terms));
        if most < need || demand <= WHOLE_DEMAND {
            return if most < need { 0 } else { most };
        }
        let level = self.level.max(0);
        let own = share(terms.refilled_in(question.since_last), question.demand, demand);
        let due = ((level - terms.pool()).max(0) + own).min(level);
        // Rounded up as often as the fraction says: rounded down, a node whose share is less than a token had nothing.
        let tokens = most.min(due / terms.token + i64::from(rounding < due % terms.token));
        if tokens >= need {
            tokens
        } else if rounding * need < due {
            need
        } else {
            0
        }
    }

    /// For how many microseconds it is of no use to ask again.
    fn retry_after(&self, terms: &LeaseTerms, question: &LeaseQuestion, demand: i64, tokens: i64) -> i64 {
        if tokens >= question.want {
            return 0;
        }
        let needed = if tokens == 0 { question.need.clamp(1, terms.limit.max(1)) } else { 1 };
        let next = self.until(terms, needed);
        if demand <= WHOLE_DEMAND { next } else { next.max(question.pause) }
    }

    /// Microseconds until so many tokens are left, if nothing that is leased is in the way.
    #[must_use]
    pub fn until(&self, terms: &LeaseTerms, tokens: i64) -> i64 {
        let missing = tokens * terms.token - self.level;
        if missing <= 0 {
            return 0;
        }
        (self.at / terms.unit + ceil(missing, terms.refill)) * terms.unit - self.at
    }

    /// Whole tokens left in the store.
    #[must_use]
    pub fn remaining(&self, terms: &LeaseTerms) -> i64 {
        self.level.max(0) / terms.token
    }

    /// What is left, and what is leased, in parts: never more than the full level.
    #[must_use]
    pub fn counted(&self, terms: &LeaseTerms) -> i64 {
        self.level + (self.leased[0] + self.leased[1]) * terms.token
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_full(&self, terms: &LeaseTerms) -> bool {
        self.level == terms.full()
    }

    /// The moment up to which it is brought: now, or later if the clock was set back.
    #[must_use]
    pub fn at(&self) -> i64 {
        self.at
    }

    /// Microseconds until it is as if nothing had been, if nothing more is asked.
    #[must_use]
    pub fn until_full(&self, terms: &LeaseTerms) -> i64 {
        let until_settled = (self.at / terms.life + 2) * terms.life - self.at;
        let leased = self.leased[0] + self.leased[1];
        self.until(terms, terms.limit - leased).max(until_settled)
            + ceil(leased * terms.token, terms.refill) * terms.unit
    }

    /// Spends without a lease, down to a debt of a full level; or gives back, up to what is not leased.
    pub fn spend(&mut self, terms: &LeaseTerms, tokens: i64) {
        let tokens = tokens.clamp(-2 * terms.limit, 2 * terms.limit);
        let room = (terms.limit - self.leased[0] - self.leased[1]).max(0) * terms.token;
        self.level = (self.level - tokens * terms.token).clamp(-terms.full(), room);
    }

    /// Takes back what a node will not spend, and notes what was spent.
    pub fn give_back(&mut self, terms: &LeaseTerms, generation: i64, unspent: i64, spent: i64) {
        self.level += self.settle(terms, generation, unspent) * terms.token;
        self.settle(terms, generation, spent);
    }
}

/// This part of an amount, rounded down: `amount · part / whole`, with no number above 2⁵³ on the way.
fn share(amount: i64, part: i64, whole: i64) -> i64 {
    let shares = part * SHARE / whole;
    amount / SHARE * shares + amount % SHARE * shares / SHARE
}
