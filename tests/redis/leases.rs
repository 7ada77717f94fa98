//! Leases on a real server against leases in memory: for the same times the same answers, whatever is asked.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tollgate::distributed::{
    Backend, LeaseAsk, LeaseReport, LeaseRequest, LeaseReturn, MemoryBackend, Operation, Reply, Rule,
    Spending, Subject,
};
use tollgate::redis::scripts;
use tollgate::{Clock, Quota};

use crate::servers::Standalone;

/// 2026-11-21, in microseconds.
const START: u64 = 1_795_219_200_000_000;

/// One step of a trace.
#[derive(Clone, Debug)]
struct Step {
    key: u8,
    verb: Verb,
    /// Microseconds that pass before, or that the clock is set back by.
    passes: i64,
}

#[derive(Clone, Debug)]
enum Verb {
    /// Its generation and those of its reports are so many before the current one.
    Lease(LeaseAsk, [u64; 3]),
    Return {
        age: u64,
        unspent: u64,
        spent: u64,
    },
    Check(u64),
    Peek,
    Charge(u64),
    Refund(u64),
    Reset,
}

fn tokens() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..5_u64, 3 => 0..300_u64, 1 => any::<u64>()]
}

fn ask() -> impl Strategy<Value = LeaseAsk> {
    let demand = prop_oneof![(0..100_u64), (0..1_000_000_u64), any::<u64>()];
    let spent = [tokens(), tokens()];
    (tokens(), tokens(), demand, 0..2_000_000_u64, spent, any::<u32>()).prop_map(
        |(need, want, demand, since_last, spent, random)| {
            let mut ask = LeaseAsk::exactly(need);
            ask.want = want;
            ask.demand = demand;
            ask.since_last = Duration::from_micros(since_last);
            ask.reports = spent.map(|spent| LeaseReport::new(0, spent));
            ask.random = random;
            ask
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let verb = prop_oneof![
        8 => (ask(), [0..3_u64, 0..3, 0..3]).prop_map(|(ask, ages)| Verb::Lease(ask, ages)),
        2 => (0..3_u64, tokens(), tokens()).prop_map(|(age, unspent, spent)| Verb::Return { age, unspent, spent }),
        1 => tokens().prop_map(Verb::Check),
        1 => Just(Verb::Peek),
        1 => tokens().prop_map(Verb::Charge),
        1 => tokens().prop_map(Verb::Refund),
        1 => Just(Verb::Reset),
    ];
    let passes = prop_oneof![
        8 => 0..50_000_i64,
        4 => 0..1_000_000_i64,
        1 => 0..100_000_000_i64,
        1 => -3_000_000..0_i64,
    ];
    (0..2_u8, verb, passes).prop_map(|(key, verb, passes)| Step { key, verb, passes })
}

/// From one token a day to more than a microsecond can tell apart.
fn rule() -> impl Strategy<Value = Rule> {
    let quotas = prop_oneof![
        Just(Quota::per_second(100).burst(20)),
        Just(Quota::per_second(7)),
        Just(Quota::per_minute(1_000_003).burst(999_983)),
        Just(Quota::per_day(1).burst(3)),
        Just(Quota::per_second(u32::MAX).burst(1 << 32)),
        Just(Quota::per_day(999_983).burst(1 << 24)),
        Just(Quota::per_second(0)),
    ];
    let life = prop_oneof![Just(1_000), Just(50_000), Just(333_333), Just(60_000_000_u64)];
    (quotas, life).prop_map(|(quota, life)| Rule::Leased { quota, life: Duration::from_micros(life) })
}

fn operation(step: &Step, rule: Rule, now: u64) -> Operation {
    let subject = Subject::new("leased", rule, [step.key]);
    let Rule::Leased { life, .. } = rule else { unreachable!("all of them are leased") };
    let generation = now / u64::try_from(life.as_micros()).unwrap();
    match step.verb.clone() {
        Verb::Lease(mut ask, [last, one, other]) => {
            ask.generation = Some(generation - last);
            ask.reports[0].generation = generation - one;
            ask.reports[1].generation = generation - other;
            Operation::Lease(LeaseRequest::new(subject, ask))
        }
        Verb::Return { age, unspent, spent } => {
            Operation::Return(LeaseReturn::new(subject, LeaseReport::new(generation - age, spent), unspent))
        }
        Verb::Check(tokens) => Operation::Check(vec![Spending::new(subject, tokens)]),
        Verb::Peek => Operation::Peek(subject),
        Verb::Charge(tokens) => Operation::Charge(Spending::new(subject, tokens)),
        Verb::Refund(tokens) => Operation::Refund(Spending::new(subject, tokens)),
        Verb::Reset => Operation::Reset(subject),
    }
}

#[test]
fn the_script_and_memory_lease_the_same_tokens() {
    let server = Standalone::start();
    let connection = RefCell::new(redis::Client::open(server.url()).unwrap().get_connection().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cases = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) };
    proptest!(cases, |(rule in rule(), steps in proptest::collection::vec(step(), 1..400))| {
        prop_assert_eq!(rule.validate(), Ok(()));
        let mut connection = connection.borrow_mut();
        redis::cmd("FLUSHALL").exec(&mut *connection).unwrap();
        let (clock, hand) = Clock::manual();
        let memory = MemoryBackend::with_clock(clock);
        let mut now = START;
        for step in &steps {
            now = now.saturating_add_signed(step.passes);
            hand.set(Duration::from_micros(now));
            let operation = operation(step, rule, now);
            let in_memory = runtime.block_on(memory.execute(std::slice::from_ref(&operation), Instant::now())).remove(0);
            let call = scripts::call(&operation, "test", i64::try_from(now).ok()).unwrap();
            let mut eval = redis::cmd("EVAL");
            eval.arg(&call.script.plain.body).arg(call.keys.len()).arg(&call.keys).arg(&call.arguments);
            let value: redis::Value = eval.query(&mut *connection).unwrap();
            let on_server = scripts::reply(&operation, value);
            prop_assert_eq!(&on_server, &in_memory, "{:?} at {}", operation, now);
            if let Ok(Reply::Leased(grant)) = on_server {
                let lifetime: i64 = redis::cmd("PTTL").arg(&call.keys).query(&mut *connection).unwrap();
                prop_assert!(lifetime > 0 || grant.tokens == 0, "a lease is kept, but not for ever: {}", lifetime);
            }
        }
    });
}
