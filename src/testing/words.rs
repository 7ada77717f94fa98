//! Histories of a value: every law is looked at after every operation.

use super::history::{Amount, History, Operation, Span, Step};
use super::laws;
use super::moment::Moment;
use super::record::{Broken, Record};
use super::violation::Law;
use crate::algorithm::{Algorithm, MAX_VALUE, Start};
use crate::random::Random;

/// Where a key stands, and what it was before. All steps of a history go to one key: values of others would not matter.
struct Key<A> {
    algorithm: A,
    now: u64,
    value: u64,
    /// The latest time at which the value was changed.
    since: u64,
}

pub(super) fn run<A: Algorithm>(
    mut algorithm: A,
    history: &History,
    record: &mut Record<'_>,
) -> Result<(), Broken> {
    let &History { start, unix, .. } = history;
    record.note(format!("start at {start} ns, in Unix time {unix} ns"));
    algorithm
        .start(Start::new(start, unix))
        .map_err(|error| Broken { law: Law::Start, finding: error.to_string() })?;
    let mut key = Key { algorithm, now: start, value: 0, since: start };
    for step in &history.steps {
        key.apply(step, record);
        key.check(&mut Random::new(step.probe), record)?;
    }
    Ok(())
}

impl<A: Algorithm> Key<A> {
    fn moment<'a>(&'a self, record: &'a Record<'a>) -> Moment<'a, A> {
        Moment::new(&self.algorithm, record, self.now, self.value)
    }

    fn apply(&mut self, step: &Step, record: &mut Record<'_>) {
        let moment = self.moment(record);
        let told = moment.told();
        let (time, value, what) = match step.operation {
            Operation::Spend(amount) => {
                let cost = amount.tokens(&told);
                (self.now, moment.spend(cost).unwrap_or(self.value), format!("spend {cost}"))
            }
            Operation::SpendLate(amount, span) => {
                let (cost, time) = (amount.tokens(&told), self.now.saturating_sub(span.nanos(&told)));
                let value = moment.at(time).spend(cost).unwrap_or(self.value);
                (time, value, format!("spend {cost} with a reading of {time} ns"))
            }
            Operation::Charge(amount) => {
                let tokens = amount.tokens(&told);
                (self.now, moment.charge(tokens), format!("charge {tokens}"))
            }
            Operation::Refund(amount) => {
                let tokens = amount.tokens(&told);
                (self.now, moment.refund(tokens), format!("refund {tokens}"))
            }
            Operation::Reset => (self.now, 0, "reset".into()),
            Operation::Wait(_) | Operation::Retry | Operation::AwaitReset => {
                let wait = match step.operation {
                    Operation::Wait(span) => span.nanos(&told),
                    Operation::Retry => told.retry_in,
                    _ => told.reset_in,
                };
                let then = self.now.saturating_add(wait);
                (then, self.value, format!("wait {wait} ns, until {then} ns"))
            }
        };
        if value != self.value {
            // What is idle is as good as 0, which comes from no time.
            let anew = self.value <= moment.at(time).position();
            (self.value, self.since) = (value, if anew { time } else { self.since.max(time) });
        }
        self.now = self.now.max(time);
        record.note(format!("{what}: value {value:#x}"));
    }

    fn check(&self, random: &mut Random, record: &Record<'_>) -> Result<(), Broken> {
        let moment = self.moment(record);
        moment.expect_in_range(self.value)?;
        let told = moment.told();
        let costs: [u64; 3] = std::array::from_fn(|_| Amount::any(random).tokens(&told));
        let then = moment.at(self.now.saturating_add(Span::any(random).nanos(&told)));
        let before = moment.at(self.now.saturating_sub(Span::any(random).nanos(&told)));
        let end = moment.at(u64::MAX);

        for pair in [moment.at(0), before, moment, then, end].windows(2) {
            laws::time(&pair[0], &pair[1])?;
        }
        for moment in [moment, before, then] {
            check_decisions(&moment, &[moment.at(then.time.max(moment.time)), end], costs)?;
        }
        for moment in [moment, then, end] {
            check_figures(&moment, costs)?;
        }
        self.check_late(&before, costs)?;
        call_all(&moment.with(random.next() & MAX_VALUE), costs);
        Ok(())
    }

    /// Whoever comes before the value's own time.
    fn check_late(&self, before: &Moment<'_, A>, costs: [u64; 3]) -> Result<(), Broken> {
        if before.time >= self.since || self.value <= before.position() {
            return Ok(());
        }
        let own = before.at(self.since);
        costs.iter().chain(&[before.remaining(), 1, 0]).try_for_each(|cost| laws::late(before, &own, *cost))
    }
}

fn check_decisions<A: Algorithm>(
    moment: &Moment<'_, A>,
    later: &[Moment<'_, A>],
    costs: [u64; 3],
) -> Result<(), Broken> {
    laws::idle(moment, later, &[0, 1, moment.limit(), costs[0]])?;
    for cost in costs.into_iter().chain([0, 1]) {
        laws::spending(moment, cost)?;
        laws::giving_back(moment, cost)?;
        laws::refused_for_all(moment, cost)?;
        laws::settling(moment, cost, costs[1])?;
    }
    laws::splitting(moment, costs[0], costs[1])?;
    laws::catch_up(moment, &[0, 1, moment.limit(), costs[2]])
}

fn check_figures<A: Algorithm>(moment: &Moment<'_, A>, costs: [u64; 3]) -> Result<(), Broken> {
    laws::remaining(moment)?;
    for cost in costs.into_iter().chain([1]) {
        laws::retry(moment, cost)?;
        laws::slots(moment, cost)?;
    }
    laws::reset(moment, &[0, 1, moment.limit(), costs[0]])
}

/// For a value that it may never have produced: nothing is known of the answers but that there are some.
fn call_all<A: Algorithm>(moment: &Moment<'_, A>, costs: [u64; 3]) {
    let caught_up = moment.algorithm.catch_up(&moment.reading, moment.value);
    for moment in [*moment, Moment { reading: caught_up, ..*moment }] {
        for cost in costs {
            let figures = moment.figures(cost);
            let _ = (moment.spend(cost), moment.charge(cost), moment.refund(cost));
            let _ = (moment.schedule(cost), moment.settle(moment.value, cost, costs[0]));
            let _ = (figures.limit(), figures.remaining(), figures.reset_at(), figures.retry_at());
        }
        let _ = moment.algorithm.debt(&moment.reading, moment.value);
    }
}
