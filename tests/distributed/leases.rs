//! Leases: whatever happens between nodes and their store, no key is admitted more than its limit allows.

use std::time::Duration;

use proptest::prelude::*;
use tollgate::Quota;
use tollgate::distributed::machinery::{LeasePlan, LeaseState, LeaseTable, LeaseTerms, Spend, Unspent};
use tollgate::distributed::{LeaseAsk, LeaseGrant, LeaseReport, LeaseSettings, Rule};

const NODES: usize = 3;
const KEYS: u8 = 2;

/// What happens next. Messages are chosen by number, so they overtake each other and wait for any time.
#[derive(Clone, Copy, Debug)]
enum Step {
    Request {
        node: usize,
        key: u8,
        cost: u64,
    },
    /// It would be admitted, but is refused elsewhere.
    Waive {
        node: usize,
        key: u8,
        cost: u64,
    },
    /// Microseconds.
    Pass(u64),
    Deliver(usize),
    /// The store answers a second time what it was asked once; what was reported with it is not repeated.
    Repeat(usize),
    Lose(usize),
    GiveUp(usize),
    /// The node forgets a key, and brings back what it held or does not.
    Evict {
        node: usize,
        key: u8,
        returns: bool,
    },
    Crash {
        node: usize,
    },
    Sweep {
        node: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..NODES;
    let key = 0..KEYS;
    prop_oneof![
        12 => (node.clone(), key.clone(), prop_oneof![9 => 1..4_u64, 1 => 0..200_u64])
            .prop_map(|(node, key, cost)| Step::Request { node, key, cost }),
        2 => (node.clone(), key.clone(), 1..20_u64).prop_map(|(node, key, cost)| Step::Waive { node, key, cost }),
        3 => (0..5_000_u64).prop_map(Step::Pass),
        2 => (0..200_000_u64).prop_map(Step::Pass),
        1 => (0..3_000_000_u64).prop_map(Step::Pass),
        10 => any::<usize>().prop_map(Step::Deliver),
        1 => any::<usize>().prop_map(Step::Repeat),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => any::<usize>().prop_map(Step::GiveUp),
        1 => (node.clone(), key, any::<bool>()).prop_map(|(node, key, returns)| Step::Evict { node, key, returns }),
        1 => node.clone().prop_map(|node| Step::Crash { node }),
        1 => node.prop_map(|node| Step::Sweep { node }),
    ]
}

/// On its way to the store, or back.
#[derive(Clone, Copy, Debug)]
enum Message {
    Ask { node: usize, key: u8, sent: u64, ask: LeaseAsk },
    Grant { node: usize, key: u8, sent: u64, grant: LeaseGrant },
    Return { key: u8, unspent: Unspent },
}

/// Nodes, a store, and messages between them. Times are microseconds.
struct World {
    quota: Quota,
    plan: LeasePlan,
    terms: LeaseTerms,
    now: u64,
    nodes: Vec<LeaseTable<u8>>,
    store: Vec<LeaseState>,
    messages: Vec<Message>,
    /// For each key the nanosecond at which a bucket that admitted what was admitted would be full again.
    full_at: [u64; KEYS as usize],
    admitted: u64,
}

/// 2026-11-21, and in the middle of a generation.
const START: u64 = 1_795_219_200_012_345;

impl World {
    fn new(quota: Quota, settings: LeaseSettings) -> World {
        let life = settings.life_for(quota);
        let terms = LeaseTerms::of(&Rule::Leased { quota, life }).expect("the limit is valid");
        let plan = LeasePlan::new(settings, quota);
        World {
            quota,
            plan,
            terms,
            now: START,
            nodes: (0..NODES).map(|_| World::node(plan)).collect(),
            store: vec![LeaseState::new(&terms, START.cast_signed()); usize::from(KEYS)],
            messages: Vec::new(),
            full_at: [0; KEYS as usize],
            admitted: 0,
        }
    }

    fn node(plan: LeasePlan) -> LeaseTable<u8> {
        LeaseTable::new(plan, 100, ahash::RandomState::with_seed(1))
    }

    /// Nanoseconds by the node's clock: too slow by one in a thousand, right, or too fast by as much.
    fn clock(&self, node: usize) -> u64 {
        let passed = (self.now - START) * 1_000;
        passed + passed / 1_000 * node as u64 - passed.div_ceil(1_000)
    }

    fn happens(&mut self, step: Step) {
        match step {
            Step::Request { node, key, cost } => self.request(node, key, cost, None),
            Step::Pass(time) => self.now += time,
            Step::Deliver(number) => {
                if let Some(message) = self.take(number) {
                    self.deliver(message);
                }
            }
            Step::Repeat(number) => {
                let count = self.messages.len().max(1);
                if let Some(Message::Ask { node, key, sent, mut ask }) =
                    self.messages.get(number % count).copied()
                {
                    ask.reports = [LeaseReport::default(); 2];
                    self.deliver(Message::Ask { node, key, sent, ask });
                }
            }
            Step::Lose(number) => drop(self.take(number)),
            Step::GiveUp(number) => match self.take(number) {
                // It never arrives, so what it reports is reported again.
                Some(Message::Ask { node, key, sent, ask }) => self.nodes[node].unsent(sent, &key, &ask),
                Some(Message::Grant { node, key, sent, .. }) => self.nodes[node].lost(sent, &key),
                _ => {}
            },
            Step::Waive { node, key, cost } => {
                let clock = self.clock(node);
                let spend = self.nodes[node].spend(clock, &key, cost, None);
                if let Spend::Admit { .. } = spend {
                    // The rest is lost here.
                    let _ = self.nodes[node].put_back(clock, &key, cost);
                }
                if let Spend::Ask(ask) | Spend::Admit { ahead: Some(ask), .. } = spend {
                    self.messages.push(Message::Ask { node, key, sent: clock, ask });
                }
            }
            Step::Evict { node, key, returns } => {
                let unspent = self.nodes[node].forget(self.clock(node), &key);
                if returns {
                    self.messages.extend(
                        unspent.into_iter().flatten().map(|unspent| Message::Return { key, unspent }),
                    );
                }
            }
            Step::Crash { node } => self.nodes[node] = World::node(self.plan),
            Step::Sweep { node } => {
                let clock = self.clock(node);
                let idle = (0..self.nodes[node].shards())
                    .flat_map(|shard| self.nodes[node].sweep(clock, shard, false));
                self.messages.extend(idle.map(|(key, unspent)| Message::Return { key, unspent }));
            }
        }
    }

    fn request(&mut self, node: usize, key: u8, cost: u64, waited: Option<u64>) {
        let clock = self.clock(node);
        let ask = match self.nodes[node].spend(clock, &key, cost, waited) {
            Spend::Admit { ahead, .. } => {
                self.admit(key, cost);
                ahead
            }
            Spend::Ask(ask) => Some(ask),
            Spend::Deny { .. } | Spend::Join { .. } | Spend::Lost => None,
        };
        self.messages.extend(ask.map(|ask| Message::Ask { node, key, sent: clock, ask }));
    }

    fn take(&mut self, number: usize) -> Option<Message> {
        let count = self.messages.len();
        (count > 0).then(|| self.messages.swap_remove(number % count))
    }

    fn deliver(&mut self, message: Message) {
        let now = self.now.cast_signed();
        match message {
            Message::Ask { node, key, sent, ask } => {
                let question = self.terms.question(&ask);
                let state = &mut self.store[usize::from(key)];
                state.advance(&self.terms, now);
                let grant = state.lease(&self.terms, &question).0.to(&question);
                self.messages.push(Message::Grant { node, key, sent, grant });
            }
            Message::Grant { node, key, sent, grant } => {
                self.nodes[node].granted(self.clock(node), sent, &key, grant);
            }
            Message::Return { key, unspent: Unspent { report, tokens } } => {
                let [generation, tokens, spent] =
                    [report.generation, tokens, report.spent].map(u64::cast_signed);
                let state = &mut self.store[usize::from(key)];
                state.advance(&self.terms, now);
                state.give_back(&self.terms, generation, tokens, spent);
            }
        }
        for state in &self.store {
            assert!(state.counted(&self.terms) <= self.terms.full(), "{state:?}");
        }
    }

    fn admit(&mut self, key: u8, cost: u64) {
        let interval = self.interval();
        let full_at = &mut self.full_at[usize::from(key)];
        *full_at = (*full_at).max(self.now * 1_000) + cost * interval;
        self.admitted += cost;
        let debt = (*full_at - self.now * 1_000).saturating_sub(self.quota.capacity() * interval);
        assert_eq!(debt, 0, "{} tokens too many of key {key}", debt.div_ceil(interval));
    }

    /// Nanoseconds in which a token comes back.
    fn interval(&self) -> u64 {
        u64::try_from(self.quota.period().as_nanos()).expect("short") / self.quota.count()
    }
}

/// Quotas whose tokens take whole nanoseconds, so that the virtual bucket is exact.
fn limit() -> impl Strategy<Value = (Quota, LeaseSettings)> {
    let quota = prop_oneof![
        Just(Quota::per_second(1_000)),
        Just(Quota::per_second(1_000).burst(100)),
        Just(Quota::per_second(10).burst(5)),
        Just(Quota::per_second(100_000).burst(50_000)),
    ];
    let settings = prop_oneof![
        Just(LeaseSettings::default()),
        Just(LeaseSettings::default().life(Duration::from_millis(1))),
        Just(LeaseSettings::default().life(Duration::from_millis(20))),
        Just(LeaseSettings::default().life(Duration::from_secs(2))),
    ];
    (quota, settings)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn nodes_together_never_exceed_the_limit((quota, settings) in limit(), steps in proptest::collection::vec(step(), 1..600)) {
        let mut world = World::new(quota, settings);
        for step in steps {
            world.happens(step);
        }
    }

    #[test]
    fn when_all_is_quiet_the_whole_burst_is_there_again((quota, settings) in limit(), steps in proptest::collection::vec(step(), 1..300)) {
        let mut world = World::new(quota, settings);
        for step in steps {
            world.happens(step);
        }
        world.messages.clear();
        let life = settings.life_for(quota);
        let quiet = 2 * life + quota.period() * u32::try_from(quota.capacity().div_ceil(quota.count())).expect("small");
        world.now += u64::try_from(quiet.as_micros()).expect("short") + 1;
        let now = world.now.cast_signed();
        for state in &mut world.store {
            state.advance(&world.terms, now);
            prop_assert_eq!(state.remaining(&world.terms), quota.capacity().cast_signed());
        }
    }
}

/// A node that asks as a client would, over a network without delay.
fn admitted_by_one_node(quota: Quota, requests_per_second: u64, seconds: u64) -> (u64, u64) {
    let mut world = World::new(quota, LeaseSettings::default());
    let mut calls = 0;
    for _ in 0..requests_per_second * seconds {
        world.now += 1_000_000 / requests_per_second;
        let before = world.admitted;
        for waited in [None, Some(0)] {
            if world.admitted > before {
                break;
            }
            let clock = world.clock(1);
            match world.nodes[1].spend(clock, &0, 1, waited) {
                Spend::Admit { ahead, .. } => {
                    world.admit(0, 1);
                    world.messages.extend(ahead.map(|ask| Message::Ask {
                        node: 1,
                        key: 0,
                        sent: clock,
                        ask,
                    }));
                }
                Spend::Ask(ask) => world.messages.push(Message::Ask { node: 1, key: 0, sent: clock, ask }),
                Spend::Deny { .. } | Spend::Join { .. } | Spend::Lost => {}
            }
            while let Some(message) = world.take(0) {
                calls += usize::from(matches!(message, Message::Ask { .. }));
                world.deliver(message);
            }
        }
    }
    (world.admitted, calls as u64)
}

#[test]
fn a_hot_key_is_admitted_in_full_with_few_calls() {
    let (admitted, calls) = admitted_by_one_node(Quota::per_second(10_000), 5_000, 10);
    assert_eq!(admitted, 50_000);
    assert!(calls * 50 < 50_000, "{calls} calls");
}

#[test]
fn a_key_that_is_asked_for_too_often_gets_its_rate_with_few_calls() {
    let (admitted, calls) = admitted_by_one_node(Quota::per_second(1_000), 5_000, 10);
    // A burst and ten seconds of the rate, but for what three half lives of 200 ms bring.
    assert!((10_700..=11_000).contains(&admitted), "{admitted}");
    assert!(calls * 50 < 50_000, "{calls} calls");
}

#[test]
fn a_cold_key_asks_for_exactly_what_it_needs() {
    let quota = Quota::per_second(100);
    let mut world = World::new(quota, LeaseSettings::default());
    for _ in 0..100 {
        world.now += 1_000_000;
        world.request(0, 0, 3, None);
        let Some(Message::Ask { ask, .. }) = world.messages.first().copied() else {
            unreachable!("nothing is held")
        };
        assert_eq!((ask.need, ask.want), (3, 3));
        while let Some(message) = world.take(0) {
            world.deliver(message);
        }
        world.request(0, 0, 3, Some(0));
        assert!(world.messages.is_empty(), "nothing is asked in advance");
    }
    assert_eq!(world.admitted, 300);
}
