//! The scripts on a real server against the backend in memory: for the same times the same answers, whatever is asked.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use redis::Value;
use tollgate::distributed::{
    Backend, BackendError, Hello, MemoryBackend, Operation, PlaceRequest, Reply, Rule, Spending, Standing,
    Subject,
};
use tollgate::redis::scripts::{self, Call};
use tollgate::{Clock, ManualClock, Quota};

use crate::servers::Standalone;

/// For each rule. In 20 000 steps each of its parameters sees thousands of refusals and of returns from them.
const STEPS: usize = 24_000;

/// 2026-11-21, in microseconds.
const START: i64 = 1_795_219_200_000_000;

/// 2008 and 2040, between which GCRA's ticks are exact in doubles.
const TIMES: std::ops::Range<i64> = 1_199_145_600_000_000..2_208_988_800_000_000;

const DAY: Duration = Duration::from_secs(86_400);

/// One step of a trace: what is asked, of whom, and how much later.
#[derive(Clone, Debug)]
struct Step {
    verb: Verb,
    first: usize,
    second: usize,
    cost: Cost,
    pause: Pause,
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Check,
    CheckBoth,
    Peek,
    Charge,
    Refund,
    Reset,
    Acquire,
    Renew,
    Release,
    Hello,
}

#[derive(Clone, Copy, Debug)]
enum Cost {
    Tokens(u64),
    /// So many less than the limit, or more.
    NearLimit(i64),
    PartOfLimit(u64),
}

#[derive(Clone, Copy, Debug)]
enum Pause {
    Micros(i64),
    /// So many microseconds after the cost of the last answer is said to fit, or before.
    Retry(i64),
    /// So many microseconds after it is said to be full, or before.
    Reset(i64),
    /// This part of the time until it is full, in thousandths.
    PartOfReset(i64),
    Back(i64),
}

fn step(verbs: &[(u32, Verb)], backwards: bool) -> impl Strategy<Value = Step> + use<> {
    let verb = proptest::strategy::Union::new_weighted(
        verbs.iter().map(|(weight, verb)| (*weight, Just(*verb))).collect(),
    );
    let cost = prop_oneof![
        4 => (0..4_u64).prop_map(Cost::Tokens),
        2 => (-1..=1_i64).prop_map(Cost::NearLimit),
        2 => (1..6_u64).prop_map(Cost::PartOfLimit),
        1 => Just(Cost::Tokens(u64::MAX)),
    ];
    let pause = prop_oneof![
        3 => Just(Pause::Micros(0)),
        3 => (0..200_000_i64).prop_map(Pause::Micros),
        4 => (-1..=1_i64).prop_map(Pause::Retry),
        2 => (-1..=1_i64).prop_map(Pause::Reset),
        3 => (0..1_200_i64).prop_map(Pause::PartOfReset),
        u32::from(backwards) => (0..50_i64).prop_map(|bits| Pause::Back(1 << bits)),
    ];
    (verb, 0..3_usize, 0..3_usize, cost, pause).prop_map(|(verb, first, second, cost, pause)| Step {
        verb,
        first,
        second,
        cost,
        pause,
    })
}

/// Both backends, at the same times.
struct Both {
    runtime: tokio::runtime::Runtime,
    memory: MemoryBackend,
    hand: ManualClock,
    redis: redis::Connection,
    loaded: HashSet<&'static str>,
    now: i64,
}

/// What the server says about a call's keys: what they hold, and until when.
type Keys = Vec<(Value, i64)>;

impl Both {
    fn new(server: &Standalone) -> Both {
        let (clock, hand) = Clock::manual();
        Both {
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            memory: MemoryBackend::with_clock(clock),
            hand,
            redis: redis::Client::open(server.url()).unwrap().get_connection().unwrap(),
            loaded: HashSet::new(),
            now: START,
        }
    }

    fn on_memory(&self, operation: &Operation) -> Result<Reply, BackendError> {
        self.hand.set(Duration::from_micros(self.now.unsigned_abs()));
        let operations = std::slice::from_ref(operation);
        self.runtime.block_on(self.memory.execute(operations, Instant::now() + DAY)).remove(0)
    }

    /// The answer, and the keys before and after it.
    fn on_redis(&mut self, operation: &Operation) -> (Result<Reply, BackendError>, Keys, Keys) {
        let Call { script, keys, arguments } = match scripts::call(operation, "test", Some(self.now)) {
            Ok(call) => call,
            Err(error) => return (Err(error), Vec::new(), Vec::new()),
        };
        // Both forms must do the same; which one is used says no more than how many are loaded.
        let source = if self.now % 2 == 0 { &script.flagged } else { &script.plain };
        if self.loaded.insert(&source.sha1) {
            let sha1: String =
                redis::cmd("SCRIPT").arg("LOAD").arg(&source.body).query(&mut self.redis).unwrap();
            assert_eq!(sha1, source.sha1);
        }
        let mut pipe = redis::pipe();
        let look = |pipe: &mut redis::Pipeline| {
            for key in &keys {
                pipe.cmd("DUMP").arg(key).cmd("PEXPIRETIME").arg(key);
            }
        };
        look(&mut pipe);
        pipe.cmd("EVALSHA").arg(&source.sha1).arg(keys.len()).arg(&keys).arg(&arguments);
        look(&mut pipe);
        let mut values: Vec<Value> = pipe.query(&mut self.redis).unwrap();
        let after = values.split_off(2 * keys.len() + 1);
        let answer = values.remove(2 * keys.len());
        let pairs = |values: Vec<Value>| {
            values
                .chunks(2)
                .map(|pair| (pair[0].clone(), redis::from_redis_value(pair[1].clone()).unwrap()))
                .collect()
        };
        (scripts::reply(operation, answer), pairs(values), pairs(after))
    }

    fn pause(&mut self, pause: Pause, last: Option<Standing>) {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap();
        let retry = last.and_then(|standing| standing.retry_after).map_or(0, micros);
        let reset = last.map_or(0, |standing| micros(standing.reset_after));
        self.now += match pause {
            Pause::Micros(pause) => pause,
            Pause::Retry(nearby) => (retry + nearby).max(0),
            Pause::Reset(nearby) => (reset + nearby).max(0),
            Pause::PartOfReset(thousandths) => reset / 1_000 * thousandths,
            Pause::Back(back) => -back,
        };
    }
}

fn operation(step: &Step, rules: &[Rule]) -> Operation {
    let subject = |number: usize| {
        let key = ["a", "b", "c"][number];
        Subject::new("limit", rules[number % rules.len()], key.as_bytes()).with_tag(*b"same")
    };
    let tokens = |number: usize| {
        let limit = rules[number % rules.len()].limit();
        match step.cost {
            Cost::Tokens(tokens) => tokens,
            Cost::NearLimit(more) => limit.saturating_add_signed(more),
            Cost::PartOfLimit(part) => limit / part,
        }
    };
    let spending = |number: usize| Spending::new(subject(number), tokens(number));
    let place = || PlaceRequest::new(subject(step.first), tokens(step.first).into());
    match step.verb {
        Verb::CheckBoth if step.first != step.second => {
            Operation::Check(vec![spending(step.first), spending(step.second)])
        }
        Verb::Check | Verb::CheckBoth => Operation::Check(vec![spending(step.first)]),
        Verb::Peek => Operation::Peek(subject(step.first)),
        Verb::Charge => Operation::Charge(spending(step.first)),
        Verb::Refund => Operation::Refund(spending(step.first)),
        Verb::Reset => Operation::Reset(subject(step.first)),
        Verb::Acquire => Operation::Acquire(place()),
        Verb::Renew => Operation::Renew(place()),
        Verb::Release => Operation::Release(place()),
        Verb::Hello => {
            let Rule::Concurrency { hold, .. } = rules[0] else { panic!("nodes go with places") };
            Operation::Hello(Hello::new(tokens(step.first), hold, 0))
        }
    }
}

const COUNTING: [(u32, Verb); 6] = [
    (24, Verb::Check),
    (6, Verb::CheckBoth),
    (4, Verb::Peek),
    (3, Verb::Charge),
    (3, Verb::Refund),
    (1, Verb::Reset),
];

const HOLDING: [(u32, Verb); 6] = [
    (30, Verb::Acquire),
    (4, Verb::Renew),
    (3, Verb::Release),
    (2, Verb::Peek),
    (1, Verb::Reset),
    (4, Verb::Hello),
];

/// What was answered in a trace, so that none passes that saw nothing.
#[derive(Debug, Default)]
struct Seen {
    admitted: usize,
    refused: usize,
    never: usize,
}

fn the_same(rules: &[Rule], verbs: &[(u32, Verb)], steps: usize, backwards: bool) -> Seen {
    let server = Standalone::start();
    let mut both = Both::new(&server);
    let mut runner = TestRunner::deterministic();
    let strategy = step(verbs, backwards);
    let (mut last, mut seen) = (None, Seen::default());
    for number in 0..steps {
        let step = strategy.new_tree(&mut runner).unwrap().current();
        both.pause(step.pause, last);
        if !TIMES.contains(&both.now) {
            both = Both::new(&server);
            server.say::<()>("FLUSHALL");
        }
        let operation = operation(&step, rules);
        let context = || format!("step {number} at {}: {operation:?}", both.now);
        let expected = both.on_memory(&operation);
        let context = context();
        let (answer, before, after) = both.on_redis(&operation);
        assert_eq!(answer, expected, "{context}");
        for (_, expires) in &after {
            // No key at all, or one that will not stay.
            assert!(*expires == -2 || *expires > 0, "{context}: a key without a time to live");
        }
        match answer.unwrap() {
            Reply::Checked { admitted, standings } => {
                if !admitted && !backwards {
                    assert_eq!(before, after, "{context}: a refusal was written");
                }
                let never = standings.iter().any(|standing| standing.retry_after.is_none());
                seen.never += usize::from(!admitted && never);
                seen.refused += usize::from(!admitted);
                seen.admitted += usize::from(admitted);
                last = standings.into_iter().max_by_key(|standing| standing.retry_after);
            }
            Reply::Standing(standing) => last = Some(standing),
            _ => {}
        }
    }
    seen
}

/// Each rule by itself, two keys of it together, and time that also steps back.
fn every_trace(rules: &[Rule], verbs: &[(u32, Verb)]) {
    for rule in rules {
        rule.validate().unwrap();
        for backwards in [false, true] {
            let seen = the_same(&[*rule], verbs, STEPS / rules.len() / 2 + 1, backwards);
            assert!(
                seen.admitted > 100 && (seen.refused > 30 || rule.limit() > 1 << 30),
                "{rule:?}: {seen:?}"
            );
        }
    }
}

#[test]
fn gcra_is_the_same_in_redis_and_in_memory() {
    let quota = |text: &str| Rule::Gcra(text.parse::<Quota>().unwrap());
    every_trace(
        &["7/s burst 3", "100000/s", "1000/d burst 1", "10/min burst 400", "3/365d", "1/s burst 20000000"]
            .map(quota),
        &COUNTING,
    );
}

#[test]
fn a_token_bucket_is_the_same_in_redis_and_in_memory() {
    let quota = |text: &str| Rule::TokenBucket(text.parse::<Quota>().unwrap());
    every_trace(
        &[
            "7/s burst 3",
            "4294967295/s",
            "100003/d",
            "10/min burst 400",
            "3/365d",
            "1000003/30d burst 4000000",
        ]
        .map(quota),
        &COUNTING,
    );
}

#[test]
fn a_fixed_window_is_the_same_in_redis_and_in_memory() {
    let rule = |(limit, micros)| Rule::FixedWindow { limit, window: Duration::from_micros(micros) };
    every_trace(&[(5, 1_000_000), (1 << 32, 60_000_000), (1, 7), (90, 86_400_000_000)].map(rule), &COUNTING);
}

#[test]
fn a_sliding_window_is_the_same_in_redis_and_in_memory() {
    let rule = |(limit, micros)| Rule::SlidingWindow { limit, window: Duration::from_micros(micros) };
    let rules =
        [(5, 1_000_000), (1_000_000, 86_400_000_000), (1, 7), (90, 60_000_001), (1 << 28, 60_000_000)];
    every_trace(&rules.map(rule), &COUNTING);
}

#[test]
fn a_sliding_log_is_the_same_in_redis_and_in_memory() {
    let rule = |(limit, micros)| Rule::SlidingLog { limit, window: Duration::from_micros(micros) };
    every_trace(&[(5, 1_000_000), (1, 7), (40, 86_400_000_000), (2_500, 60_000_000)].map(rule), &COUNTING);
}

#[test]
fn places_are_the_same_in_redis_and_in_memory() {
    let rule = |(places, micros)| Rule::Concurrency { places, hold: Duration::from_micros(micros) };
    every_trace(&[(2, 1_000_000), (1, 7), (3, 86_400_000_000)].map(rule), &HOLDING);
}

#[test]
fn a_check_of_several_rules_is_the_same_in_redis_and_in_memory() {
    let window = Duration::from_secs(10);
    let quota = Quota::per_second(3).burst(20);
    let (fixed, sliding) =
        (Rule::FixedWindow { limit: 25, window }, Rule::SlidingWindow { limit: 22, window });
    let log = Rule::SlidingLog { limit: 24, window };
    let several = [[Rule::Gcra(quota), fixed, log], [Rule::TokenBucket(quota), sliding, Rule::Gcra(quota)]];
    for rules in several {
        for backwards in [false, true] {
            let verbs = [(8, Verb::CheckBoth), (1, Verb::Charge), (1, Verb::Refund)];
            let seen = the_same(&rules, &verbs, STEPS / 4, backwards);
            assert!(seen.admitted > 100 && seen.refused > 100, "{seen:?}");
        }
    }
}

#[test]
fn a_limit_of_zero_is_the_same_in_redis_and_in_memory() {
    let window = Duration::from_secs(10);
    let rules = [
        Rule::Gcra(Quota::per_second(0)),
        Rule::TokenBucket(Quota::per_second(5).burst(0)),
        Rule::FixedWindow { limit: 0, window },
        Rule::SlidingWindow { limit: 0, window },
        Rule::SlidingLog { limit: 0, window },
    ];
    for rule in rules {
        let seen = the_same(&[rule], &COUNTING, 300, false);
        assert!(seen.never > 10, "{rule:?}: {seen:?}");
    }
    the_same(&[Rule::Concurrency { places: 0, hold: window }], &HOLDING, 300, false);
}
