//! Several limits of any algorithms as one: `check_all` against the exact models.

use std::rc::Rc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use tollgate::{AllowedAll, DeniedBy, LimitStatus, On, Quota, check_all};

use crate::model::Figures;
use crate::model::pair::Pair;
use crate::model::pair::member::{Limit, Member};
use crate::model::pairs;
use crate::model::trace::{Amount, Op, Span};
use crate::strategies::{amount, cases, limit, op, quota, span, window};

/// Few keys of each limit, so that they meet again and again.
const KEYS: u64 = 3;

const LABELS: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

/// One of several limits in a call.
#[derive(Clone, Copy, Debug)]
struct Ask {
    limit: usize,
    key: u64,
    cost: Amount,
    is_estimate: bool,
}

#[derive(Clone, Debug)]
enum Step {
    All(Vec<Ask>),
    /// One of those that were admitted.
    Settle {
        which: usize,
        actual: Amount,
    },
    Cancel(usize),
    Drop(usize),
    /// Something else is done to one of the limits.
    Alone {
        limit: usize,
        op: Op,
    },
    /// As long as is interesting for one of the limits.
    Advance {
        limit: usize,
        span: Span,
    },
    /// After a refusal: waits as long as it was told to.
    ComeBack,
}

/// Any limit: what does not matter to its algorithm is there all the same.
#[derive(Clone, Copy, Debug)]
struct AnyLimit {
    algorithm: u8,
    quota: Quota,
    limit: u64,
    window: u64,
}

impl AnyLimit {
    fn build(self) -> Box<dyn Member> {
        let AnyLimit { algorithm, quota, limit, window } = self;
        match algorithm {
            0 => Box::new(Pair::new(quota, 100, 0)),
            1 => Box::new(pairs::token_bucket(quota, 0)),
            2 => Box::new(pairs::staircase(quota, 0)),
            3 => Box::new(pairs::leaky_bucket(quota, 0)),
            4 => Box::new(pairs::fixed_window(limit, window, 0)),
            5 => Box::new(pairs::sliding_window(limit, window, 0)),
            6 => Box::new(pairs::sliding_log(limit, window, 0)),
            _ => Box::new(pairs::per_call(quota, 0)),
        }
    }
}

fn any_limit() -> impl Strategy<Value = AnyLimit> {
    (0..8_u8, quota(), limit(), window()).prop_map(|(algorithm, quota, limit, window)| AnyLimit {
        algorithm,
        quota,
        limit,
        window,
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let cost = prop_oneof![3 => (0..3_u64).prop_map(Amount::Exactly), 1 => amount()];
    (any::<usize>(), 0..KEYS, cost, any::<bool>()).prop_map(|(limit, key, cost, is_estimate)| Ask {
        limit,
        key,
        cost,
        is_estimate,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<usize>;
    prop_oneof![
        8 => vec(ask(), 0..7).prop_map(Step::All),
        2 => (which(), amount()).prop_map(|(which, actual)| Step::Settle { which, actual }),
        2 => which().prop_map(Step::Cancel),
        1 => which().prop_map(Step::Drop),
        4 => (which(), op(KEYS)).prop_map(|(limit, op)| Step::Alone { limit, op }),
        4 => (which(), span()).prop_map(|(limit, span)| Step::Advance { limit, span }),
        2 => Just(Step::ComeBack),
    ]
}

/// A limit and key once, with all that is asked of it.
#[derive(Clone, Debug)]
struct Merged {
    first: usize,
    limit: usize,
    key: u64,
    cost: u64,
    estimated: u64,
    estimates: u64,
    /// The number of what was taken.
    taken: usize,
}

/// What was admitted together.
struct Held<'a> {
    guard: AllowedAll<'a>,
    merged: Vec<Merged>,
}

struct Refused {
    asks: Vec<(Ask, u64)>,
    wait: Option<Duration>,
}

/// The limits, and the models beside them.
struct Together<'a> {
    limiters: &'a [Rc<dyn Limit>],
    members: Vec<Box<dyn Member>>,
    held: Vec<Held<'a>>,
    clock: u64,
    refused: Option<Refused>,
}

impl<'a> Together<'a> {
    fn apply(&mut self, step: Step) {
        let refused = self.refused.take();
        let some = |which: usize| which.checked_rem(self.held.len());
        match step {
            Step::All(asks) => {
                let asks = asks.into_iter().map(|ask| self.with_cost(ask)).collect();
                self.ask(asks);
            }
            Step::Settle { which, actual } => {
                if let Some(place) = some(which) {
                    self.settle(place, actual);
                }
            }
            Step::Cancel(which) => {
                if let Some(place) = some(which) {
                    self.cancel(place);
                }
            }
            Step::Drop(which) => drop(some(which).map(|place| self.held.remove(place))),
            Step::Alone { limit, op } => self.do_alone(limit, &op),
            Step::Advance { limit, span } => {
                let nanos = self.members[limit % self.members.len()].nanos(span);
                self.advance(nanos);
            }
            Step::ComeBack => self.come_back(refused),
        }
        self.compare_all_keys();
    }

    fn with_cost(&mut self, ask: Ask) -> (Ask, u64) {
        let limit = ask.limit % self.members.len();
        (Ask { limit, ..ask }, ask.cost.tokens(self.members[limit].limit()))
    }

    /// All clocks are one.
    fn advance(&mut self, nanos: u64) {
        self.clock = self.clock.saturating_add(nanos);
        for member in &mut self.members {
            member.set_clock(self.clock);
        }
    }

    /// Whatever does not move the clock.
    fn do_alone(&mut self, limit: usize, op: &Op) {
        use Op::{Advance, ComeBack, NearTheEnd, SetClock, StepBack};
        if !matches!(op, Advance(_) | ComeBack | NearTheEnd(_) | SetClock(_) | StepBack(_)) {
            let place = limit % self.members.len();
            self.members[place].apply(op);
        }
    }

    /// What was refused has changed nothing; what was taken was taken once.
    fn compare_all_keys(&mut self) {
        for member in &mut self.members {
            (0..KEYS).for_each(|key| member.peek(key));
        }
    }

    fn ask(&mut self, asks: Vec<(Ask, u64)>) {
        let limiters = self.limiters;
        let ons = asks.iter().map(|(ask, cost)| {
            let on: On<'a> = limiters[ask.limit].on(ask.key).label(LABELS[ask.limit]);
            if ask.is_estimate { on.reserve(*cost) } else { on.cost(*cost) }
        });
        let told = check_all(&ons.collect::<Vec<_>>());
        let merged = merge(&asks);
        if merged.iter().all(|one| self.members[one.limit].fits(one.key, one.cost)) {
            self.compare_allowed(told.expect("all of it fits"), merged);
        } else {
            let wait = self.compare_denied(&told.expect_err("not all of it fits"), &merged);
            self.refused = Some(Refused { asks, wait });
        }
    }

    /// Every limit was charged, and tells where it stands.
    fn compare_allowed(&mut self, guard: AllowedAll<'a>, mut merged: Vec<Merged>) {
        let mut delay = Duration::ZERO;
        for one in &mut merged {
            let (taken, wait) = self.members[one.limit].take(one.key, one.cost);
            one.taken = taken;
            delay = delay.max(wait);
        }
        let expected = self.all_figures(&merged);
        assert_eq!(guard.delay(), delay);
        assert_eq!(
            guard.remaining(),
            expected.iter().map(|figures| figures.remaining).min().unwrap_or(u64::MAX)
        );
        compare_statuses(guard.limits(), &merged, &expected);
        assert!(guard.limits().all(|status| !status.refuses()));
        self.held.push(Held { guard, merged });
    }

    /// Of those that refuse, the one with the longest wait binds.
    fn compare_denied(&mut self, denied: &DeniedBy<'_>, merged: &[Merged]) -> Option<Duration> {
        let expected = self.all_figures(merged);
        compare_statuses(denied.limits(), merged, &expected);
        let mut binding: Option<(&Merged, Duration)> = None;
        for ((one, figures), status) in merged.iter().zip(&expected).zip(denied.limits()) {
            let refuses = !self.members[one.limit].fits(one.key, one.cost);
            assert_eq!(status.refuses(), refuses);
            // Never is the longest.
            let wait = figures.retry_after.unwrap_or(Duration::MAX);
            if refuses && binding.is_none_or(|(_, longest)| wait > longest) {
                binding = Some((one, wait));
            }
        }
        let (one, longest) = binding.unwrap();
        let wait = Some(longest).filter(|wait| *wait < Duration::MAX);
        assert_eq!((denied.index(), denied.label()), (one.first, Some(LABELS[one.limit])));
        assert_eq!(denied.retry_after(), wait);
        assert_eq!(Some(denied.remaining()), expected.iter().map(|figures| figures.remaining).min());
        wait
    }

    fn all_figures(&mut self, merged: &[Merged]) -> Vec<Figures> {
        merged.iter().map(|one| self.members[one.limit].figures(one.key, one.cost)).collect()
    }

    /// After that long the same call succeeds, and one nanosecond earlier it does not.
    fn come_back(&mut self, refused: Option<Refused>) {
        let Some(Refused { asks, wait: Some(wait) }) = refused else { return };
        self.advance(u64::try_from(wait.as_nanos()).unwrap() - 1);
        self.ask(asks.clone());
        let again = self.refused.take().expect("it is too early by a nanosecond");
        assert_eq!(again.wait, Some(Duration::from_nanos(1)));
        self.advance(1);
        self.ask(asks);
        assert!(self.refused.is_none(), "refused after waiting");
    }

    fn settle(&mut self, place: usize, actual: Amount) {
        let Held { guard, merged } = self.held.remove(place);
        let actual = actual.tokens(merged.first().map_or(0, |one| one.estimated));
        guard.settle(actual);
        for one in merged.iter().filter(|one| one.estimates > 0) {
            let total = (one.cost - one.estimated).saturating_add(actual.saturating_mul(one.estimates));
            self.members[one.limit].settle(one.taken, total);
        }
    }

    fn cancel(&mut self, place: usize) {
        let Held { guard, merged } = self.held.remove(place);
        if merged.iter().any(|one| self.members[one.limit].may_be_mistaken(one.taken)) {
            return;
        }
        guard.cancel();
        for one in &merged {
            self.members[one.limit].cancel(one.taken);
        }
    }
}

/// "The same limit and key given twice costs both."
fn merge(asks: &[(Ask, u64)]) -> Vec<Merged> {
    let mut merged: Vec<Merged> = Vec::new();
    for (place, (Ask { limit, key, is_estimate, .. }, cost)) in asks.iter().enumerate() {
        let (estimated, parts) = if *is_estimate { (*cost, 1) } else { (0, 0) };
        match merged.iter_mut().find(|one| one.limit == *limit && one.key == *key) {
            Some(one) => {
                one.cost = one.cost.saturating_add(*cost);
                one.estimated = one.estimated.saturating_add(estimated);
                one.estimates += parts;
            }
            None => merged.push(Merged {
                first: place,
                limit: *limit,
                key: *key,
                cost: *cost,
                estimated,
                estimates: parts,
                taken: 0,
            }),
        }
    }
    merged
}

fn compare_statuses(told: impl Iterator<Item = LimitStatus>, merged: &[Merged], expected: &[Figures]) {
    let told: Vec<LimitStatus> = told.collect();
    assert_eq!(told.len(), merged.len());
    for ((status, one), expected) in told.iter().zip(merged).zip(expected) {
        assert_eq!((status.index(), status.label()), (one.first, Some(LABELS[one.limit])));
        let figures = Figures {
            limit: status.limit(),
            remaining: status.remaining(),
            reset_after: status.reset_after(),
            retry_after: status.retry_after(),
            delay: Duration::ZERO,
        };
        assert_eq!(figures, *expected, "{one:?}");
    }
}

proptest! {
    #![proptest_config(cases(1))]

    #[test]
    fn several_limits_admit_together_or_not_at_all(
        members in vec(any_limit(), 2..6), steps in vec(step(), 1..60),
    ) {
        let members: Vec<_> = members.into_iter().map(AnyLimit::build).collect();
        let limiters: Vec<_> = members.iter().map(|member| member.limiter()).collect();
        let mut together =
            Together { limiters: &limiters, members, held: Vec::new(), clock: 0, refused: None };
        for step in steps {
            together.apply(step);
        }
    }
}
