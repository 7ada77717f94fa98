//! [`Model`]: what an algorithm is meant to do, told a second time; and a limiter beside it.

use std::time::Duration;

use super::history::{Amount, History, KEYS, Operation, Span, Step, Told};
use super::in_limiter::{line_of, told};
use super::record::{Broken, Record};
use super::twin::{Call, Treatment, Twin};
use super::violation::Law;
use crate::clock::{Clock, ManualClock};
use crate::limiter::Engine;

/// One key, limited by the rule that an algorithm implements: slow, obvious, and written apart from it.
///
/// [`Conformance::against`](super::Conformance::against) holds a limiter against it, with a model for every key; `reset` is a new model.
/// `now` is the time since the limiter's clock was zero, at which it was built; it never goes back. Costs and refunds may be of any size up to
/// [`u64::MAX`]; no charge is above twice the limit and ten, and no time beyond
/// [`until`](super::Conformance::until).
///
/// ```
/// use std::time::Duration;
/// use tollgate::testing::{Conformance, Model, Violation};
/// use tollgate::{Limiter, SlidingLog};
///
/// /// At most 5 in any 60 seconds.
/// #[derive(Default)]
/// struct FiveAMinute(Vec<Duration>);
///
/// impl Model for FiveAMinute {
///     fn spend(&mut self, now: Duration, cost: u64) -> bool {
///         let fits = cost <= self.remaining(now) && self.0.len() <= 5;
///         if fits {
///             self.charge(now, cost);
///         }
///         fits
///     }
///
///     fn charge(&mut self, now: Duration, tokens: u64) {
///         self.0.extend((0..tokens).map(|_| now));
///     }
///
///     fn refund(&mut self, now: Duration, tokens: u64) {
///         let _ = self.remaining(now);
///         let left = (self.0.len() as u64).saturating_sub(tokens);
///         self.0.truncate(left as usize);
///     }
///
///     fn remaining(&mut self, now: Duration) -> u64 {
///         self.0.retain(|time| now - *time < Duration::from_secs(60));
///         5_u64.saturating_sub(self.0.len() as u64)
///     }
/// }
///
/// Conformance::new(|| SlidingLog::new(5, Duration::from_secs(60))).against(FiveAMinute::default)?;
/// # Ok::<(), Violation>(())
/// ```
pub trait Model {
    /// Spends `cost` and is true, or is false and changes nothing.
    fn spend(&mut self, now: Duration, cost: u64) -> bool;

    /// Spends `tokens`, there or not.
    fn charge(&mut self, now: Duration, tokens: u64);

    /// Gives `tokens` back, never above full.
    fn refund(&mut self, now: Duration, tokens: u64);

    /// The greatest cost that would be admitted; 0 where none would.
    fn remaining(&mut self, now: Duration) -> u64;
}

/// The limiter and its models.
struct Pair<A: Engine, M> {
    limiter: Twin<A>,
    models: [M; KEYS],
    hand: ManualClock,
    now: u64,
    until: u64,
}

pub(super) fn run<A: Engine, M: Model>(
    make: &impl Fn() -> A,
    model: &impl Fn() -> M,
    until: u64,
    history: &History,
    record: &mut Record<'_>,
) -> Result<(), Broken> {
    let (clock, hand) = Clock::manual();
    let limiter = Twin::new(Treatment::Together, make, &clock)
        .map_err(|error| Broken { law: Law::Start, finding: error.to_string() })?;
    let models = std::array::from_fn(|_| model());
    let mut pair = Pair { limiter, models, hand, now: 0, until };
    history.steps.iter().try_for_each(|step| pair.step(step, model, record))
}

impl<A: Engine, M: Model> Pair<A, M> {
    fn step(&mut self, step: &Step, new: &impl Fn() -> M, record: &mut Record<'_>) -> Result<(), Broken> {
        let told = told(&self.limiter.call(step.key, Call::Look));
        self.wait(&step.operation, &told);
        let call = call(&step.operation, &told);
        let answer = self.limiter.call(step.key, call);
        record.note(format!("at {} ns, key {}: {call:?}: {}", self.now, step.key, line_of(&answer)));

        let now = Duration::from_nanos(self.now);
        let model = &mut self.models[step.key];
        let mut admitted = true;
        match call {
            Call::Look => {}
            Call::Spend(cost) => admitted = model.spend(now, cost),
            Call::Charge(tokens) => model.charge(now, tokens),
            Call::Refund(tokens) => model.refund(now, tokens),
            Call::Reset => *model = new(),
        }
        record.expect(Law::Model, admitted == answer.admitted, || {
            format!("the model says {}", if admitted { "allowed" } else { "refused" })
        })?;
        let remaining = model.remaining(now);
        record.expect(Law::Model, remaining == answer.remaining, || format!("the model has {remaining} left"))
    }

    fn wait(&mut self, operation: &Operation, told: &Told) {
        let wait = match operation {
            Operation::Wait(span) => span.nanos(told),
            Operation::Retry => Span::Retries(1, 0).nanos(told),
            Operation::AwaitReset => Span::Resets(1, -1).nanos(told),
            _ => 0,
        };
        self.now = self.now.saturating_add(wait).min(self.until);
        self.hand.set(Duration::from_nanos(self.now));
    }
}

/// What is done after waiting. No debt is larger than a model can be expected to count.
fn call(operation: &Operation, told: &Told) -> Call {
    let bounded = |amount: &Amount| amount.tokens(told).min(told.limit.saturating_mul(2).saturating_add(10));
    match operation {
        Operation::Spend(amount) | Operation::SpendLate(amount, _) => Call::Spend(amount.tokens(told)),
        Operation::Charge(amount) => Call::Charge(bounded(amount)),
        Operation::Refund(amount) => Call::Refund(amount.tokens(told)),
        Operation::Reset => Call::Reset,
        Operation::Wait(_) | Operation::AwaitReset => Call::Look,
        Operation::Retry => Call::Spend(1),
    }
}
