//! One history, given to limiters in different circumstances: their answers must be the same, and come true.

use std::time::Duration;

use super::history::{History, KEYS, Operation, Step, Told};
use super::record::{Broken, Record};
use super::twin::{Answer, Call, Treatment, Twin};
use super::violation::Law;
use crate::clock::{Clock, ManualClock};
use crate::limiter::Engine;

/// The limiters, and the clock that is common to them.
struct Twins<A: Engine> {
    alone: Twin<A>,
    others: Vec<Twin<A>>,
    hand: ManualClock,
    now: u64,
    /// What was asked of each key last, for those who come back; by key.
    asked: [u64; KEYS],
}

pub(super) fn run<A: Engine>(
    make: &impl Fn() -> A,
    history: &History,
    record: &mut Record<'_>,
) -> Result<(), Broken> {
    let mut treatments = vec![Treatment::Together, Treatment::Pestered, Treatment::Crowded];
    if !record.leaves_out(Law::Splitting) {
        treatments.push(Treatment::InSingles);
    }
    record.note(format!("build at {} ns", history.start));
    let mut twins = Twins::new(make, &treatments, history.start)?;
    history.steps.iter().try_for_each(|step| twins.step(step, record))
}

impl<A: Engine> Twins<A> {
    fn new(make: &impl Fn() -> A, treatments: &[Treatment], start: u64) -> Result<Twins<A>, Broken> {
        let (clock, hand) = Clock::manual();
        hand.set(Duration::from_nanos(start));
        let build = |treatment| {
            Twin::new(treatment, make, &clock)
                .map_err(|error| Broken { law: Law::Start, finding: error.to_string() })
        };
        let others = treatments.iter().map(|treatment| build(*treatment)).collect::<Result<_, _>>()?;
        Ok(Twins { alone: build(Treatment::Alone)?, others, hand, now: start, asked: [1; KEYS] })
    }

    fn step(&mut self, step: &Step, record: &mut Record<'_>) -> Result<(), Broken> {
        let key = step.key;
        let seen = self.alone.call(key, Call::Look);
        let told = told(&seen);
        match step.operation {
            Operation::Spend(amount) | Operation::SpendLate(amount, _) => {
                let cost = amount.tokens(&told);
                self.asked[key] = cost;
                self.spend(key, cost, record).map(|_| ())
            }
            Operation::Charge(amount) => {
                self.call(key, Call::Charge(amount.tokens(&told)), record).map(|_| ())
            }
            Operation::Refund(amount) => {
                self.call(key, Call::Refund(amount.tokens(&told)), record).map(|_| ())
            }
            Operation::Reset => self.call(key, Call::Reset, record).map(|_| ()),
            Operation::Wait(span) => {
                self.set(self.now.saturating_add(span.nanos(&told)));
                self.call(key, Call::Look, record).map(|_| ())
            }
            Operation::Retry => self.come_back(key, record),
            Operation::AwaitReset => self.await_reset(key, &seen, record),
        }
    }

    fn set(&mut self, now: u64) {
        self.now = now;
        self.hand.set(Duration::from_nanos(now));
    }

    /// All of them must tell the same.
    fn call(&mut self, key: usize, call: Call, record: &mut Record<'_>) -> Result<Answer, Broken> {
        let answer = self.alone.call(key, call);
        let line = format!("at {} ns, key {key}: {call:?}: {}", self.now, line_of(&answer));
        record.note(line);
        for twin in &mut self.others {
            let other = twin.call(key, call);
            record.expect(twin.law(), other == answer, || {
                format!("{:?} the key is told: {}", twin.treatment, line_of(&other))
            })?;
        }
        Ok(answer)
    }

    fn spend(&mut self, key: usize, cost: u64, record: &mut Record<'_>) -> Result<Answer, Broken> {
        let left = self.alone.call(key, Call::Look).remaining;
        let answer = self.call(key, Call::Spend(cost), record)?;
        record.expect(Law::Remaining, cost == 0 || answer.admitted == (cost <= left), || {
            format!("{left} were left before")
        })?;
        let promised = !answer.admitted || cost == 0 || answer.remaining == left - cost;
        // What is left of an algorithm that rounds may be less.
        record.expect(Law::Splitting, promised, || format!("{left} were left before"))?;
        Ok(answer)
    }

    /// As the last caller of the key does who is refused.
    fn come_back(&mut self, key: usize, record: &mut Record<'_>) -> Result<(), Broken> {
        let cost = self.asked[key];
        let answer = self.spend(key, cost, record)?;
        let Some(wait) = answer.retry_after else { return Ok(()) };
        let Some(due) = self.due(wait).filter(|due| *due > self.now) else {
            return record.expect(Law::Retry, false, || format!("refused, to come back after {wait:?}"));
        };
        self.set(due - 1);
        let early = self.spend(key, cost, record)?.admitted;
        record.expect(Law::Retry, !early, || "admitted 1 ns before it was to come back".into())?;
        self.set(due);
        let then = self.spend(key, cost, record)?.admitted;
        record.expect(Law::Retry, then, || "refused when it was to come back".into())
    }

    fn await_reset(&mut self, key: usize, seen: &Answer, record: &mut Record<'_>) -> Result<(), Broken> {
        let Some(due) = self.due(seen.reset_after).filter(|due| *due > self.now) else {
            let never = seen.reset_after == Duration::MAX;
            return record.expect(Law::Reset, never || seen.remaining == seen.limit, || {
                format!("said to be full, but {} of {} are left", seen.remaining, seen.limit)
            });
        };
        self.set(due - 1);
        let early = self.call(key, Call::Look, record)?;
        // Of a limit of 0 nothing is left at any time.
        record.expect(Law::Reset, early.limit == 0 || early.remaining < early.limit, || {
            "full 1 ns before it was to be".into()
        })?;
        self.set(due);
        let then = self.call(key, Call::Look, record)?;
        record.expect(Law::Reset, then.remaining == then.limit, || "not full when it was to be".into())
    }

    fn due(&self, wait: Duration) -> Option<u64> {
        u64::try_from(wait.as_nanos()).ok()?.checked_add(self.now)
    }
}

pub(super) fn told(answer: &Answer) -> Told {
    let nanos = |wait: Duration| u64::try_from(wait.as_nanos()).unwrap_or(0);
    Told {
        limit: answer.limit,
        remaining: answer.remaining,
        retry_in: answer.retry_after.map_or(0, nanos),
        reset_in: nanos(answer.reset_after),
    }
}

pub(super) fn line_of(answer: &Answer) -> String {
    let Answer { admitted, limit, remaining, reset_after, retry_after } = answer;
    let verdict = if *admitted { "allowed" } else { "refused" };
    let reset = if *reset_after == Duration::MAX { "never".into() } else { format!("in {reset_after:?}") };
    let retry = retry_after.map_or_else(String::new, |wait| format!(", retry in {wait:?}"));
    format!("{verdict}, {remaining} of {limit} left, full {reset}{retry}")
}
