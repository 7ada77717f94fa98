//! [`NodeLease`]: what a node holds of one key. It has no clock and does nothing by itself: it is told what happens, and when.

use std::time::Duration;

use super::demand::Demand;
use super::request::{LeaseAsk, LeaseGrant, LeaseReport};
use super::settings::LeasePlan;

/// A node asks for more when this part of what it asked for is left.
const REFILL_AT: u64 = 4;
/// A refusal is believed no longer, in nanoseconds: somebody may reset the key, and this node does not hear of it.
const BELIEVED: u64 = 2_000_000_000;
/// A node that takes fewer tokens than this in advance saves nothing.
const WORTH_LEASING: u64 = 2;

/// Some tokens, until when, and how many of their generation were spent and not reported.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tokens: u64,
    deadline: u64,
    report: LeaseReport,
}

/// What a node holds of one key; times in nanoseconds of its own clock, which never steps back.
#[derive(Clone, Copy, Debug)]
pub struct NodeLease {
    slots: [Slot; 2],
    demand: Demand,
    /// When the node last asked, and whether it waits for the answer.
    asked: Option<u64>,
    waiting: bool,
    /// When the store has what it refused, as it said; until `refused_until` a cost of `refused` and more is refused, and
    /// nothing is asked in advance.
    retry_at: u64,
    refused_until: u64,
    refused: u64,
    /// The cost for which it last asked.
    asking: u64,
    /// When there was last a request.
    used: u64,
    /// How much it last asked for in advance.
    chunk: u64,
    /// The last answer, for what it says beside the tokens.
    last: Option<LeaseGrant>,
}

/// Tokens of a generation that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unspent {
    /// What of their generation was spent and not reported.
    pub report: LeaseReport,
    /// How many come back.
    pub tokens: u64,
}

impl Slot {
    fn give_back(&mut self, now: u64) -> Option<Unspent> {
        let Slot { tokens, deadline, report } = *self;
        *self = Slot::default();
        (tokens > 0 && now < deadline).then_some(Unspent { report, tokens })
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spend {
    /// It was paid from the lease.
    Admit {
        /// Tokens that this node still holds.
        remaining: u64,
        /// To be sent without anybody waiting for it.
        ahead: Option<LeaseAsk>,
    },
    /// The store said not long ago that there is nothing.
    Deny {
        /// How long that holds.
        retry_after: Duration,
    },
    /// The store is to be asked; then this is asked again.
    Ask(LeaseAsk),
    /// Somebody has asked already; when the answer is there, this is asked again.
    Join,
}

impl NodeLease {
    /// A key that nobody has asked for yet.
    #[must_use]
    pub fn new(now: u64) -> NodeLease {
        NodeLease {
            slots: [Slot::default(); 2],
            demand: Demand::starting(now),
            asked: None,
            waiting: false,
            retry_at: 0,
            refused_until: 0,
            refused: 0,
            asking: 0,
            used: now,
            chunk: 0,
            last: None,
        }
    }

    /// A request of so many tokens. `again` says that it has asked before, so that it is not taken for two.
    pub fn spend(&mut self, plan: &LeasePlan, now: u64, cost: u64, again: bool) -> Spend {
        if !again {
            self.demand.offer(cost);
        }
        self.used = now;
        let held = self.held(now);
        if held >= cost {
            self.take(cost);
            return Spend::Admit { remaining: held - cost, ahead: self.ask_ahead(plan, now, held - cost) };
        }
        if now < self.refused_until && cost >= self.refused {
            return Spend::Deny { retry_after: Duration::from_nanos(self.retry_at - now) };
        }
        if self.is_waiting(plan, now) {
            return Spend::Join;
        }
        let need = cost - held;
        let chunk = self.next_chunk(plan, now);
        self.asking = cost;
        Spend::Ask(self.ask(plan, now, need, chunk.max(need)))
    }

    /// The answer to what was asked at `sent`.
    pub fn granted(&mut self, plan: &LeasePlan, now: u64, sent: u64, grant: LeaseGrant) {
        self.answered(sent);
        self.last = Some(grant);
        // Measured from the question: the store cannot have said so earlier.
        let wait = u64::try_from(grant.retry_after.as_nanos()).unwrap_or(u64::MAX);
        self.retry_at = sent.saturating_add(wait);
        self.refused_until = self.retry_at.min(sent.saturating_add(BELIEVED));
        // Of some tokens, too, it holds that there are no more until then.
        self.refused = if grant.tokens == 0 { self.asking } else { 1 };
        let deadline = sent.saturating_add(plan.trusted);
        if grant.tokens == 0 || now >= deadline {
            return;
        }
        self.held(now);
        let slot = self.free_slot(grant.generation);
        if slot.report.generation != grant.generation {
            slot.report = LeaseReport::new(grant.generation, 0);
        }
        *slot = Slot { tokens: grant.tokens, deadline, report: slot.report };
    }

    /// No answer came to what was asked at `sent`. What the store may have leased is lost, and falls to it in time.
    pub fn lost(&mut self, sent: u64) {
        self.answered(sent);
    }

    fn answered(&mut self, sent: u64) {
        if self.asked == Some(sent) {
            self.waiting = false;
        }
    }

    /// What is held though nobody has asked for it for as long as tokens are taken ahead, of each generation. It is not
    /// held any more.
    pub fn idle(&mut self, plan: &LeasePlan, now: u64) -> [Option<Unspent>; 2] {
        let idle = now.saturating_sub(self.used) >= plan.ahead && !self.is_waiting(plan, now);
        self.slots.each_mut().map(|slot| if idle { slot.give_back(now) } else { None })
    }

    /// All that is held, of each generation. It is not held any more.
    pub fn give_back(&mut self, now: u64) -> [Option<Unspent>; 2] {
        self.slots.each_mut().map(|slot| slot.give_back(now))
    }

    /// What the store last answered.
    #[must_use]
    pub fn last(&self) -> Option<LeaseGrant> {
        self.last
    }

    /// Tokens that may still be spent.
    pub fn held(&mut self, now: u64) -> u64 {
        for slot in &mut self.slots {
            if now >= slot.deadline {
                slot.tokens = 0;
            }
        }
        self.slots[0].tokens + self.slots[1].tokens
    }

    /// The soonest to expire first; there is enough.
    fn take(&mut self, mut cost: u64) {
        if self.slots[0].deadline > self.slots[1].deadline {
            self.slots.swap(0, 1);
        }
        for slot in &mut self.slots {
            let part = cost.min(slot.tokens);
            slot.tokens -= part;
            slot.report.spent += part;
            cost -= part;
        }
    }

    /// A slot without tokens, rather one of this generation, whose report goes on; or the one that expires first.
    fn free_slot(&mut self, generation: u64) -> &mut Slot {
        let [first, second] = &mut self.slots;
        let rank = |slot: &Slot| (slot.tokens > 0, slot.report.generation != generation, slot.deadline);
        if rank(first) <= rank(second) { first } else { second }
    }

    /// Whether an answer may still come that is worth waiting for. One that is overdue by a life was lost, and nobody
    /// said so.
    fn is_waiting(&self, plan: &LeasePlan, now: u64) -> bool {
        self.waiting && self.asked.is_some_and(|asked| now < asked.saturating_add(plan.life))
    }

    fn ask_ahead(&mut self, plan: &LeasePlan, now: u64, held: u64) -> Option<LeaseAsk> {
        let low = held <= self.chunk / REFILL_AT && self.chunk >= WORTH_LEASING;
        if !low
            || now < self.refused_until
            || self.is_waiting(plan, now)
            || self.slots.iter().all(|s| s.tokens > 0)
        {
            return None;
        }
        let chunk = self.next_chunk(plan, now);
        if chunk < WORTH_LEASING {
            return None;
        }
        self.asking = 1;
        Some(self.ask(plan, now, 0, chunk))
    }

    /// What is asked for in the time that a lease is taken ahead for, at most twice as much as the last time: a key that
    /// is seldom asked for leases nothing.
    fn next_chunk(&mut self, plan: &LeasePlan, now: u64) -> u64 {
        let demand = self.demand.thousandths(now, plan.life);
        if !plan.leases_among(self.last.map_or(1, |grant| grant.nodes)) {
            return 0;
        }
        let expected = u128::from(demand) * u128::from(plan.ahead) / 1_000_000_000_000;
        u64::try_from(expected).unwrap_or(u64::MAX).min(2 * self.chunk.max(1))
    }

    fn ask(&mut self, plan: &LeasePlan, now: u64, need: u64, want: u64) -> LeaseAsk {
        let since_last = now - self.asked.unwrap_or(now.saturating_sub(plan.ahead));
        let reports = self.slots.map(|slot| slot.report);
        for slot in &mut self.slots {
            slot.report.spent = 0;
        }
        self.asked = Some(now);
        self.waiting = true;
        self.chunk = want;
        LeaseAsk {
            need,
            want,
            demand: self.demand.thousandths(now, plan.life),
            since_last: Duration::from_nanos(since_last),
            generation: self.last.map(|grant| grant.generation),
            reports,
            random: 0,
        }
    }
}
