//! The world: requests come, messages travel, things go wrong.

use std::time::Duration;

use tollgate::Quota;
use tollgate::distributed::machinery::{
    KeyHash, KeyHasher, LeasePlan, LeaseTerms, Outcome as CallOutcome, Spend,
};
use tollgate::distributed::{BreakerState, LeaseAsk, LeaseSettings, Rule, Standing};

use super::demand::Demand;
use super::events::{Agenda, Answer, Event, Message, Question};
use super::fault::Fault;
use super::node::Node;
use super::oracle::{Limit, Oracle};
use super::outcome::{HOT, Outcome};
use super::random::Random;
use super::store::Store;
use super::{MILLISECOND, Mode, SECOND, Size};

/// One way through a data centre's network: at least so long, and so much longer in the mean.
const ONE_WAY: u64 = 150_000;
const ONE_WAY_MORE: f64 = 100_000.0;
/// The library's default: a request waits no longer, and neither does a question.
const BUDGET: u64 = 25 * MILLISECOND;
/// As much as the library gives a probe.
const PROBE_BUDGET: u64 = 250 * MILLISECOND;
/// Crystals of ordinary machines are within 200 ppm.
const DRIFT: i64 = 200_000;
/// As much as leases allow for.
const MOST_DRIFT: i64 = 1_000_000;
/// What the store's clock shows at the beginning: 2026-11-21, in microseconds.
const STORE_BEGINS: i64 = 1_795_219_200_000_000;

/// Runs a world to its end.
pub(crate) fn simulate(mode: Mode, fault: Fault, size: Size, seed: u64) -> Outcome {
    let mut world = World::new(mode, fault, size, seed);
    world.run();
    world.outcome.excess = world.oracle.excess();
    world.outcome
}

struct World {
    now: u64,
    random: Random,
    demand: Demand,
    agenda: Agenda,
    nodes: Vec<Node>,
    plan: LeasePlan,
    life: u64,
    store: Store,
    oracle: Oracle,
    outcome: Outcome,
    hasher: KeyHasher,
    /// Questions so far.
    questions: u64,
    /// Those that are answered while somebody may wait for them.
    open: std::collections::HashSet<u64, ahash::RandomState>,
}

impl World {
    fn new(mode: Mode, fault: Fault, size: Size, seed: u64) -> World {
        let quota = Quota::per_second(size.rate);
        let life = LeaseSettings::default().life_for(quota);
        let plan = LeasePlan::new(LeaseSettings::default(), quota);
        let terms = LeaseTerms::of(&Rule::Leased { quota, life }).expect("the limit is valid");
        let mut random = Random::new(seed);
        let limit = Limit { interval: SECOND / u64::from(size.rate), burst: u64::from(size.rate) };
        let drift = if fault == Fault::ClocksDrift { MOST_DRIFT } else { DRIFT };
        let nodes = (0..size.nodes)
            .map(|node| {
                let drift = random.below(2 * drift as usize + 1).cast_signed() as i64 - drift;
                Node::new(plan, size.keys_of_a_node, node, drift)
            })
            .collect();
        let mut world = World {
            now: 0,
            random,
            demand: Demand::new(size, fault),
            agenda: Agenda::default(),
            nodes,
            plan,
            life: life.as_nanos() as u64,
            store: Store::new(terms),
            oracle: Oracle::new(limit, size.keys),
            outcome: Outcome::new(mode, fault, size),
            hasher: KeyHasher::default(),
            questions: 0,
            open: std::collections::HashSet::default(),
        };
        world.plan_faults();
        world
    }

    fn plan_faults(&mut self) {
        let Outcome { fault, size, mode, .. } = self.outcome;
        let begins = Fault::begins(size.run());
        match fault {
            Fault::StoreStartsEmpty => self.agenda.add(begins, Event::StoreForgets),
            Fault::StoreFailsOver => {
                self.agenda.add(begins - 100 * MILLISECOND, Event::StoreFallsBehind);
                self.agenda.add(begins, Event::StoreFailsOver);
            }
            Fault::NodesCrash => {
                for node in 0..size.nodes / 2 {
                    self.agenda.add(begins + node as u64 * MILLISECOND, Event::Crash { node: 2 * node });
                }
            }
            Fault::AllNodesRestart => {
                for node in 0..size.nodes {
                    self.agenda.add(begins, Event::Crash { node });
                }
            }
            _ => {}
        }
        if mode == Mode::Leased {
            for node in 0..size.nodes {
                self.agenda.add(self.life * node as u64 / size.nodes as u64, Event::Sweep { node });
            }
        }
    }

    fn run(&mut self) {
        let end = self.outcome.size.run();
        let mut next_request = self.demand.gap(&mut self.random);
        while next_request < end {
            if self.agenda.next_time().is_some_and(|time| time <= next_request) {
                let Some((time, event)) = self.agenda.take_next() else { return };
                self.now = time;
                self.happens(event);
            } else {
                self.now = next_request;
                self.request();
                next_request += self.demand.gap(&mut self.random);
            }
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::AtStore(message) => self.at_store(message),
            Event::Reply(message, answer) => self.reply(message, answer),
            Event::Timeout(message) => self.timeout(message),
            Event::Sweep { node } => self.sweep(node),
            Event::Crash { node } => {
                let seed = self.questions as usize;
                let keys = self.outcome.size.keys_of_a_node;
                self.nodes[node].crash(self.plan, keys, seed, self.questions);
            }
            Event::Probe { node } => self.probe(node),
            Event::StoreFallsBehind => self.store.falls_behind(),
            Event::StoreForgets => self.store.forgets_all(),
            Event::StoreFailsOver => self.store.fails_over(),
        }
    }

    fn request(&mut self) {
        let key = self.demand.key(self.now, &mut self.random);
        let node = self.demand.node(self.now, key, &mut self.random);
        self.count(key, |outcome| &mut outcome.requests);
        if key == 0 {
            self.outcome.by_node[node].0 += 1;
        }
        if self.oracle.admits(self.now, key as usize) {
            self.count(key, |outcome| &mut outcome.ideal);
        }
        match self.outcome.mode {
            Mode::Direct => self.check(node, key),
            Mode::Leased => self.spend(node, key, self.now, None),
        }
    }

    /// A request asks the store, unless its node knows what it would say.
    fn check(&mut self, node: usize, key: u32) {
        let clock = self.nodes[node].clock(self.now);
        if self.nodes[node].denied.find(self.hash(key), 1, clock).is_none() {
            self.ask(node, key, Some(self.now), Question::Check);
        }
    }

    fn hash(&self, key: u32) -> KeyHash {
        self.hasher.hash(&key.to_le_bytes())
    }

    /// A request that came at `came` tries its node's lease.
    fn spend(&mut self, node: usize, key: u32, came: u64, waited: Option<u64>) {
        let clock = self.nodes[node].clock(self.now);
        match self.nodes[node].leases.spend(clock, &key, 1, waited) {
            Spend::Admit { ahead, .. } => {
                self.admitted(node, key);
                if let Some(ask) = ahead {
                    self.ask(node, key, None, Question::Lease(ask));
                }
            }
            Spend::Deny { .. } | Spend::Lost => {}
            Spend::Ask(ask) => self.ask(node, key, Some(came), Question::Lease(ask)),
            Spend::Join { .. } => self.nodes[node].waiting.entry(key).or_default().push(came),
        }
    }

    fn admitted(&mut self, node: usize, key: u32) {
        self.oracle.admitted(self.now, key as usize);
        self.count(key, |outcome| &mut outcome.admitted);
        if key == 0 {
            self.outcome.by_node[node].1 += 1;
        }
    }

    fn count(&mut self, key: u32, which: impl Fn(&mut Outcome) -> &mut [u64; 2]) {
        let counts = which(&mut self.outcome);
        counts[0] += 1;
        counts[1] += u64::from((key as usize) < HOT);
    }
}

/// Messages.
impl World {
    fn ask(&mut self, node: usize, key: u32, asker: Option<u64>, question: Question) {
        let sent = self.nodes[node].clock(self.now);
        let is_probe = matches!(question, Question::Probe);
        if self.nodes[node].breaker.state() == BreakerState::Open && !is_probe {
            // The failure policy decides: here it refuses.
            if let Question::Lease(_) = question {
                self.nodes[node].leases.lost(sent, &key);
            }
            return;
        }
        self.questions += 1;
        if !is_probe {
            self.count(key, |outcome| &mut outcome.calls);
        }
        let message = Message { node, key, number: self.questions, sent, asker, question };
        self.open.insert(message.number);
        if is_probe {
            self.agenda.add(self.now + PROBE_BUDGET, Event::Timeout(message));
        } else {
            self.agenda.add_timeout(self.now + BUDGET, message);
        }
        self.travel(node, Event::AtStore(message));
        if self.outcome.fault == Fault::MessagesTwice && self.random.chance(0.05) {
            self.outcome.reported_twice += reported(&question);
            self.travel(node, Event::AtStore(message));
        }
    }

    /// Sends something on its way, between this node and the store.
    fn travel(&mut self, node: usize, event: Event) {
        let fault = self.outcome.fault;
        let since = self.now.checked_sub(Fault::begins(self.outcome.size.run()));
        let cut =
            fault == Fault::Partition && node.is_multiple_of(4) && since.is_some_and(|since| since < SECOND);
        if cut || (fault == Fault::MessagesLost && self.random.chance(0.05)) {
            return;
        }
        let mut way = ONE_WAY + self.random.exponential(ONE_WAY_MORE);
        if fault == Fault::LongTail && self.random.chance(0.01) {
            way *= 100;
        }
        self.agenda.add(self.now + way, event);
    }

    fn at_store(&mut self, message: Message) {
        let fault = self.outcome.fault;
        let begins = Fault::begins(self.outcome.size.run());
        if self.now >= begins && self.now < begins + fault.store_is_away() {
            if fault == Fault::StorePauses {
                self.agenda.add(begins + fault.store_is_away(), Event::AtStore(message));
            }
            return;
        }
        let clock = STORE_BEGINS + (self.now / 1_000).cast_signed();
        let Message { node, key, question, .. } = message;
        let answer = match question {
            Question::Check => {
                let answer = self.store.check(clock, key);
                // A direct request is admitted when the store says so; if nobody hears of it, nobody is.
                if answer.is_ok() && self.open.contains(&message.number) {
                    self.oracle.admitted(self.now, key as usize);
                }
                Answer::Checked(answer)
            }
            Question::Lease(ask) => Answer::Leased(self.store.lease(clock, key, &ask)),
            Question::Probe => Answer::Done,
            Question::Return(unspent) => {
                self.store.give_back(clock, key, &unspent);
                Answer::Done
            }
        };
        self.travel(node, Event::Reply(message, answer));
    }

    fn reply(&mut self, message: Message, answer: Answer) {
        let Message { node, key, number, sent, asker, question } = message;
        if !self.open.remove(&number) || number <= self.nodes[node].started {
            return;
        }
        let clock = self.nodes[node].clock(self.now);
        let (time, took) = (Duration::from_nanos(clock), Duration::from_nanos(clock - sent));
        match question {
            Question::Probe => {
                self.nodes[node].breaker.probed(time, Some(took));
                self.plan_probe(node);
            }
            _ => self.nodes[node].breaker.record(time, CallOutcome::Answered),
        }
        match answer {
            Answer::Done => {}
            Answer::Checked(Err(wait)) => {
                let standing = Standing::new(0, Some(wait), wait);
                self.nodes[node].denied.learn(self.hash(key), 1, sent, &standing);
            }
            Answer::Checked(Ok(())) => {
                self.count(key, |outcome| &mut outcome.admitted);
                if key == 0 {
                    self.outcome.by_node[node].1 += 1;
                }
            }
            Answer::Leased(grant) => {
                self.nodes[node].leases.granted(clock, sent, &key, grant);
                self.wake(node, key, asker, sent);
            }
        }
    }

    fn timeout(&mut self, message: Message) {
        let Message { node, key, number, sent, question, .. } = message;
        if !self.open.remove(&number) || number <= self.nodes[node].started {
            return;
        }
        let time = Duration::from_nanos(self.nodes[node].clock(self.now));
        let breaker = &mut self.nodes[node].breaker;
        if let Question::Probe = question {
            breaker.probed(time, None);
            return;
        }
        let was = breaker.state();
        breaker.record(time, CallOutcome::TimedOut(Duration::from_nanos(BUDGET)));
        if was == BreakerState::Closed {
            self.plan_probe(node);
        }
        if let Question::Lease(_) = question {
            self.nodes[node].leases.lost(sent, &key);
            self.wake(node, key, None, sent);
        }
    }

    /// When the breaker of a node wants to know whether the store is there again.
    fn plan_probe(&mut self, node: usize) {
        let clock = self.nodes[node].clock(self.now);
        if let Some(time) = self.nodes[node].breaker.probe_at() {
            let wait = (time.as_nanos() as u64).saturating_sub(clock);
            // By a clock that is slow.
            self.agenda.add(self.now + wait + wait / 500 + 1, Event::Probe { node });
        }
    }

    fn probe(&mut self, node: usize) {
        let clock = self.nodes[node].clock(self.now);
        let breaker = &mut self.nodes[node].breaker;
        // Otherwise it is closed, or a good probe has brought the next one forward, which then is on the agenda.
        if breaker.probe_at().is_some_and(|time| time.as_nanos() as u64 <= clock) {
            breaker.probing(Duration::from_nanos(clock));
            self.ask(node, 0, None, Question::Probe);
            self.plan_probe(node);
        }
    }

    /// Who waited tries again, unless it has waited too long: then it is refused.
    fn wake(&mut self, node: usize, key: u32, asker: Option<u64>, sent: u64) {
        let waiting = self.nodes[node].waiting.remove(&key).unwrap_or_default();
        for came in asker.into_iter().chain(waiting) {
            if self.now - came < BUDGET {
                self.spend(node, key, came, Some(sent));
            }
        }
    }

    fn sweep(&mut self, node: usize) {
        let clock = self.nodes[node].clock(self.now);
        for shard in 0..self.nodes[node].leases.shards() {
            for (key, unspent) in self.nodes[node].leases.sweep(clock, shard, false) {
                self.ask(node, key, None, Question::Return(unspent));
            }
        }
        self.agenda.add(self.now + self.life, Event::Sweep { node });
    }
}

fn reported(question: &Question) -> u64 {
    match question {
        Question::Check | Question::Probe => 0,
        Question::Lease(LeaseAsk { reports, .. }) => reports.iter().map(|report| report.spent).sum(),
        Question::Return(unspent) => unspent.tokens + unspent.report.spent,
    }
}
