//! [`NodeLease`]: what a node holds of one key. It has no clock and does nothing by itself: it is told what happens, and when.

use std::mem;
use std::time::Duration;

use super::demand::Demand;
use super::request::{LeaseAsk, LeaseGrant, LeaseReport};
use super::settings::LeasePlan;
use crate::clock::saturating_nanos;

/// A node asks for more when this part of what it asked for is left.
const REFILL_AT: u64 = 4;
/// A refusal is believed no longer, in nanoseconds: somebody may reset the key, and this node does not hear of it.
const BELIEVED: u64 = 2_000_000_000;
/// A node that takes fewer tokens than this in advance saves nothing.
const WORTH_LEASING: u64 = 2;
/// Shares are counted in this part of the whole.
const MILLION: u64 = 1_000_000;

/// Some tokens, until when, and how many of their generation were spent and not reported.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tokens: u64,
    deadline: u64,
    report: LeaseReport,
}

/// What a node holds of one key; times in nanoseconds of its own clock, which never steps back.
#[derive(Clone, Copy, Debug)]
pub(super) struct NodeLease {
    slots: [Slot; 2],
    demand: Demand,
    /// When the node last asked, and whether it waits for the answer.
    asked: Option<u64>,
    waiting: bool,
    /// When it asked what was never answered, if it has not asked again.
    lost: Option<u64>,
    /// What those want who wait for the answer, and those who waited for the last one and have not come back yet.
    joined: u64,
    crowd: u64,
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
    /// The last answer, for what it says beside the tokens, and when it was asked for.
    last: Option<LeaseGrant>,
    answered: u64,
    /// Tokens that were leased and can be neither spent nor returned any more.
    burned: u64,
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
        let is_news = tokens > 0 || report.spent > 0;
        (is_news && now < deadline).then_some(Unspent { report, tokens })
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spend {
    /// It was paid from the lease.
    Admit {
        /// Tokens that this node still holds, and those that the store had left when it last answered.
        remaining: u64,
        /// To be sent without anybody waiting for it.
        ahead: Option<LeaseAsk>,
    },
    /// The store said not long ago that there is nothing.
    Deny {
        /// How long that holds.
        retry_after: Duration,
        /// Tokens that this node holds, fewer than are asked for.
        remaining: u64,
    },
    /// The store is to be asked; then this is asked again.
    Ask(LeaseAsk),
    /// Somebody has asked already, at this time; when the answer is there, this is asked again.
    Join {
        /// When.
        asked: u64,
    },
    /// What this request waited for was never answered.
    Lost,
}

impl NodeLease {
    /// A key that nobody has asked for yet.
    pub(super) fn new(now: u64) -> NodeLease {
        NodeLease {
            slots: [Slot::default(); 2],
            demand: Demand::starting(now),
            asked: None,
            waiting: false,
            lost: None,
            joined: 0,
            crowd: 0,
            retry_at: 0,
            refused_until: 0,
            refused: 0,
            asking: 0,
            used: now,
            chunk: 0,
            last: None,
            answered: now,
            burned: 0,
        }
    }

    /// A request of so many tokens. One that has waited says for what: when that was asked, which was this request's own
    /// question or one that it joined. So it is not taken for two, nor waits for ever for a store that does not answer.
    pub(super) fn spend(&mut self, plan: &LeasePlan, now: u64, cost: u64, waited: Option<u64>) -> Spend {
        if waited.is_none() {
            self.demand.offer(cost);
        } else {
            self.crowd = self.crowd.saturating_sub(cost);
        }
        self.used = now;
        let held = self.held(now);
        if held >= cost {
            self.take(cost);
            let remaining = held - cost;
            let ahead = self.ask_ahead(plan, now, remaining);
            let elsewhere = self.last.map_or(0, |grant| grant.remaining);
            return Spend::Admit { remaining: remaining.saturating_add(elsewhere), ahead };
        }
        if let Some(retry_after) = self.refusal(now, cost) {
            return Spend::Deny { retry_after, remaining: held };
        }
        if waited.is_some() && waited == self.lost {
            return Spend::Lost;
        }
        if let Some(asked) = self.waits_for(plan, now) {
            if waited.is_some() {
                self.joined = self.joined.saturating_add(cost);
            }
            return Spend::Join { asked };
        }
        let need = cost - held;
        let want = self.next_chunk(plan, now).max(need).max(cost.saturating_add(self.crowd) - held);
        self.asking = cost;
        Spend::Ask(self.ask(plan, now, need, want))
    }

    /// How long such a cost is refused, as the store said.
    fn refusal(&self, now: u64, cost: u64) -> Option<Duration> {
        let refused = now < self.refused_until && cost >= self.refused;
        refused.then(|| Duration::from_nanos(self.retry_at.saturating_sub(now)))
    }

    /// Takes back what a request spent that is refused elsewhere. Tokens of a generation are as good as each other: any that
    /// were not reported yet can be spent once more. Says how many could not be.
    pub(super) fn put_back(&mut self, now: u64, mut tokens: u64) -> u64 {
        self.held(now);
        for slot in self.slots.iter_mut().filter(|slot| now < slot.deadline) {
            let part = tokens.min(slot.report.spent);
            slot.tokens += part;
            slot.report.spent -= part;
            tokens -= part;
        }
        tokens
    }

    /// The store has refused this cost when it was asked at `sent`, though not for a lease.
    pub(super) fn refused(&mut self, sent: u64, cost: u64, retry_after: Duration) {
        self.believe(sent, cost, retry_after);
    }

    /// Somebody gave back, or reset it: what was refused may fit.
    pub(super) fn relieved(&mut self) {
        self.refused_until = 0;
    }

    /// Which part of the limit is this node's while the store is away, as one of so many nodes, in millionths: by what it was
    /// asked for, as the store said. When that is long ago nobody knows where the demand is now: then no more than one of as
    /// many nodes as there were.
    pub(super) fn nodes(&self, plan: &LeasePlan, now: u64) -> Option<u64> {
        let grant = self.last?;
        let by_demand = (MILLION * MILLION).div_ceil(u64::from(grant.share.max(1)));
        let by_number = u64::from(grant.nodes.max(1)) * MILLION;
        let is_recent = now.saturating_sub(self.answered) <= 2 * plan.life;
        Some(if is_recent { by_demand } else { by_demand.max(by_number) })
    }

    /// The answer to what was asked at `sent`.
    pub(super) fn granted(&mut self, plan: &LeasePlan, now: u64, sent: u64, grant: LeaseGrant) {
        // Of a question that was given up nobody knows any more for which cost it was.
        if self.is_over(sent) {
            // Of some tokens, too, it holds that there are no more until then.
            let refused = if grant.tokens == 0 { self.asking } else { 1 };
            self.believe(sent, refused, grant.retry_after);
        }
        (self.last, self.answered) = (Some(grant), sent);
        let deadline = sent.saturating_add(plan.trusted);
        self.held(now);
        if grant.tokens == 0 || now >= deadline {
            self.burned = self.burned.saturating_add(grant.tokens);
            return;
        }
        let slot = self.slot_of(grant.generation);
        // All tokens of a generation are counted until the same boundary, so all may be spent until the latest of their
        // deadlines.
        slot.tokens = slot.tokens.saturating_add(grant.tokens);
        slot.deadline = slot.deadline.max(deadline);
    }

    /// Until `retry_after` this cost and more is refused. Measured from the question: the store cannot have said so earlier.
    fn believe(&mut self, sent: u64, cost: u64, retry_after: Duration) {
        self.retry_at = sent.saturating_add(saturating_nanos(retry_after));
        self.refused_until = self.retry_at.min(sent.saturating_add(BELIEVED));
        self.refused = cost;
    }

    /// No answer came to what was asked at `sent`. What the store may have leased is lost, and falls to it in time.
    pub(super) fn lost(&mut self, sent: u64) {
        if self.is_over(sent) {
            self.lost = Some(sent);
        }
    }

    /// What was asked at `sent` was surely not heard: what it reported is reported with the next question.
    pub(super) fn unsent(&mut self, sent: u64, ask: &LeaseAsk) {
        self.lost(sent);
        for LeaseReport { generation, spent } in ask.reports {
            // One slot alone: two that were never used are of the same generation, 0.
            if let Some(slot) = self.slots.iter_mut().find(|slot| slot.report.generation == generation) {
                slot.report.spent += spent;
            }
        }
    }

    /// Whether it is this that was waited for.
    fn is_over(&mut self, sent: u64) -> bool {
        let is_over = self.waiting && self.asked == Some(sent);
        if is_over {
            self.waiting = false;
            (self.crowd, self.joined) = (self.joined, 0);
        }
        is_over
    }

    /// What is held though nobody has asked for it for as long as tokens are taken ahead, of each generation. It is not
    /// held any more.
    pub(super) fn idle(&mut self, plan: &LeasePlan, now: u64) -> [Option<Unspent>; 2] {
        let idle = now.saturating_sub(self.used) >= plan.ahead && self.waits_for(plan, now).is_none();
        self.slots.each_mut().map(|slot| if idle { slot.give_back(now) } else { None })
    }

    /// All that is held, of each generation. It is not held any more.
    pub(super) fn give_back(&mut self, now: u64) -> [Option<Unspent>; 2] {
        self.slots.each_mut().map(|slot| slot.give_back(now))
    }

    /// Tokens that were lost since this was last asked: their time was over, or there was no room for them.
    pub(super) fn burned(&mut self) -> u64 {
        mem::take(&mut self.burned)
    }

    /// Tokens that may still be spent.
    pub(super) fn held(&mut self, now: u64) -> u64 {
        for slot in &mut self.slots {
            if now >= slot.deadline {
                self.burned = self.burned.saturating_add(mem::take(&mut slot.tokens));
            }
        }
        self.slots[0].tokens.saturating_add(self.slots[1].tokens)
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

    /// The slot of a generation; if it has none, of the older one, whose lease is over: it was asked for more than a life ago.
    fn slot_of(&mut self, generation: u64) -> &mut Slot {
        let [first, second] = &mut self.slots;
        let rank = |slot: &Slot| (slot.report.generation != generation, slot.tokens > 0, slot.deadline);
        let slot = if rank(first) <= rank(second) { first } else { second };
        if slot.report.generation != generation {
            self.burned = self.burned.saturating_add(slot.tokens);
            *slot = Slot { report: LeaseReport::new(generation, 0), ..Slot::default() };
        }
        slot
    }

    /// When what was asked whose answer may still come and is worth waiting for. One that is overdue by a life was lost, and
    /// nobody said so.
    fn waits_for(&self, plan: &LeasePlan, now: u64) -> Option<u64> {
        self.asked.filter(|asked| self.waiting && now < asked.saturating_add(plan.life))
    }

    fn ask_ahead(&mut self, plan: &LeasePlan, now: u64, held: u64) -> Option<LeaseAsk> {
        let low = held <= self.chunk / REFILL_AT && self.chunk >= WORTH_LEASING;
        if !low || now < self.refused_until || self.waits_for(plan, now).is_some() {
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
        // Somebody who read the clock later may have come first.
        let since_last = now.saturating_sub(self.asked.unwrap_or(now.saturating_sub(plan.ahead)));
        let reports = self.slots.map(|slot| slot.report);
        for slot in &mut self.slots {
            slot.report.spent = 0;
        }
        (self.asked, self.waiting, self.lost, self.crowd) = (Some(now), true, None, 0);
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
