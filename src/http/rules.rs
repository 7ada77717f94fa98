//! [`Rules`]: what a layer checks, and how a request is decided.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Extensions;

use super::fields::HeaderDialect;
#[cfg(feature = "distributed")]
use super::global::{Asking, Global};
use super::guard::Guard;
use super::key::{Found, Key};
use super::limit::{Asked, Checked};
#[cfg(feature = "policy")]
use super::policies::{AskingBackends, Delayed, PolicyRules};
use super::refusal::{Respond, Why};
use super::report::LimitReport;
use super::{Head, KeyValue, Missing};
use crate::clock::{Instant, saturating_nanos};
use crate::limiter::{AllowedAll, LimitStatus, Turn, check_all};
use crate::observe::Observer;

type Skip = dyn for<'a> Fn(&Head<'a>) -> bool + Send + Sync;

/// All that a layer was told.
pub(super) struct Rules {
    pub(super) limits: Box<[Checked]>,
    /// Those that many nodes share.
    #[cfg(feature = "distributed")]
    pub(super) global: Box<[Checked<Global>]>,
    pub(super) skip: Vec<Arc<Skip>>,
    pub(super) dialects: Vec<HeaderDialect>,
    pub(super) shadow: bool,
    pub(super) leaves_decision: bool,
    /// The longest that a request may be held; `None` if it is not.
    pub(super) max_delay: Option<Duration>,
    pub(super) max_held: usize,
    /// How many are held. Relaxed throughout: nothing is read that was written before it.
    pub(super) held: AtomicUsize,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) respond: Option<Arc<Respond>>,
    /// In place of limits.
    #[cfg(feature = "policy")]
    pub(super) policies: Option<PolicyRules>,
}

/// What was decided, for now.
pub(super) enum Decided {
    Pass(Passed),
    /// It may pass later; with the turns that it has already.
    Wait(Vec<Asked>, Vec<(Asked, Turn)>),
    /// The limits of this process let it pass; those that many nodes share are to be asked.
    #[cfg(feature = "distributed")]
    Ask(Asking),
    /// The policies let it pass as far as they are decided in memory; backends are to be asked.
    #[cfg(feature = "policy")]
    AskBackends(AskingBackends),
    /// It passes, a little later.
    #[cfg(feature = "policy")]
    Delay(Delayed),
    Refuse(Refused),
}

/// A request that goes on.
#[derive(Default)]
pub(super) struct Passed {
    pub(super) reports: Vec<LimitReport>,
    pub(super) guard: Option<Guard>,
    /// Those limits that it has paid and may meet again.
    pub(super) paid: Vec<usize>,
    /// It passes although it was refused: the layer only watches.
    pub(super) refused: bool,
}

/// A request that does not.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) why: Why,
    pub(super) reports: Vec<LimitReport>,
}

/// The limits that a request has paid and may meet again, left in its extensions. There is hardly ever more than one.
#[derive(Clone, Debug)]
struct Paid {
    first: usize,
    more: Vec<usize>,
}

impl Paid {
    fn contains(&self, limit: usize) -> bool {
        self.first == limit || self.more.contains(&limit)
    }
}

impl Rules {
    /// Whether no rule concerns the request.
    pub(super) fn skips(&self, head: &Head<'_>) -> bool {
        self.skip.iter().any(|skip| skip(head))
    }

    /// Whether anybody is told where the limits stand, if the request passes.
    pub(super) fn tells(&self) -> bool {
        self.leaves_decision || self.observer.is_some() || (!self.dialects.is_empty() && !self.shadow)
    }

    /// By what the limit of this name tells requests apart.
    pub(super) fn key_of(&self, name: &Arc<str>) -> Option<&Key> {
        let limits = self.limits.iter().map(|limit| (&limit.name, &limit.key));
        #[cfg(feature = "distributed")]
        let limits = limits.chain(self.global.iter().map(|limit| (&limit.name, &limit.key)));
        let mut limits = limits.filter(|(other, _)| Arc::ptr_eq(other, name));
        limits.next().map(|(_, key)| key)
    }

    /// Asks all limits about a request; those that many nodes share, later.
    pub(super) fn decide(self: &Arc<Self>, head: &Head<'_>) -> Decided {
        #[cfg(feature = "distributed")]
        if !self.global.is_empty() {
            return Asking::begin(self, head).unwrap_or_else(Decided::Refuse);
        }
        self.decide_here(head)
    }

    /// Asks the limits of this process.
    pub(super) fn decide_here(self: &Arc<Self>, head: &Head<'_>) -> Decided {
        if let [only] = &*self.limits
            && !only.outlasts_the_check()
        {
            return match self.ask(0, head) {
                Ok(Some(asked)) => self.decide_one(only, asked),
                Ok(None) => Decided::Pass(Passed::default()),
                Err(refused) => Decided::Refuse(refused),
            };
        }
        match self.ask_each(head) {
            Ok(asked) => self.decide_several(asked),
            Err(refused) => Decided::Refuse(refused),
        }
    }

    /// What the request asks of the limits of this process that concern it.
    pub(super) fn ask_each(&self, head: &Head<'_>) -> Result<Vec<Asked>, Refused> {
        let asked = (0..self.limits.len()).filter_map(|limit| self.ask(limit, head).transpose());
        asked.collect()
    }

    /// What the request asks of a limit; nothing if it does not concern it.
    fn ask(&self, limit: usize, head: &Head<'_>) -> Result<Option<Asked>, Refused> {
        let rule = &self.limits[limit];
        let key = self.find_key(rule, head)?;
        Ok(key.map(|key| Asked { limit, tag: rule.source.gate.tag(&key), cost: rule.charged(head) }))
    }

    /// Under which key a limit counts the request; none if it does not concern it.
    pub(super) fn find_key<'a, S>(
        &self,
        rule: &Checked<S>,
        head: &Head<'a>,
    ) -> Result<Option<KeyValue<'a>>, Refused> {
        if rule.is_used_elsewhere() && has_paid(head.extensions(), rule.identity()) {
            return Ok(None);
        }
        match (rule.key.find(head), rule.missing) {
            (Found::Key(key), _) => Ok(Some(key)),
            (Found::Troubled(key, trouble), _) => {
                if let Some(observer) = &self.observer {
                    observer.failed(&rule.name, trouble.as_str());
                }
                Ok(Some(key))
            }
            (Found::Nothing, Missing::Shared) => Ok(Some(KeyValue::Shared)),
            (Found::Nothing, Missing::Pass) => Ok(None),
            (Found::Nothing, Missing::Refuse) => {
                let why = Why::NoKey { limit: Arc::clone(&rule.name) };
                Err(Refused { why, reports: Vec::new() })
            }
        }
    }

    /// The usual case, without an allocation.
    fn decide_one(self: &Arc<Self>, rule: &Checked, asked: Asked) -> Decided {
        let gate = &rule.source.gate;
        match gate.take(&mut Instant::default(), asked.tag, asked.cost) {
            Ok((now, receipt)) => {
                let figures = gate.after(now, asked.tag, asked.cost, receipt);
                if !figures.delay().is_zero() && !self.shadow {
                    let time = now.clock.saturating_add(saturating_nanos(figures.delay()));
                    return Decided::Wait(vec![asked], vec![(asked, Turn { time, receipt })]);
                }
                let reports = if self.tells() {
                    vec![rule.report(&figures, asked.cost, figures.retry_after(), false)]
                } else {
                    Vec::new()
                };
                Decided::Pass(Passed { reports, paid: self.paid(&[asked]), ..Passed::default() })
            }
            Err(denied) => {
                let report = rule.report(denied.figures(), asked.cost, denied.retry_after(), true);
                self.refused_at_first(vec![report], vec![asked])
            }
        }
    }

    pub(super) fn decide_several(self: &Arc<Self>, asked: Vec<Asked>) -> Decided {
        if asked.is_empty() {
            return Decided::Pass(Passed::default());
        }
        match self.charge(&asked) {
            Ok(all) if self.is_to_wait(&all) => {
                let turns = Rules::turns(&asked, all);
                Decided::Wait(asked, turns)
            }
            Ok(all) => Decided::Pass(self.passed(all, asked)),
            Err(reports) => self.refused_at_first(reports, asked),
        }
    }

    /// Charges all limits of this process, or none; then their reports say why.
    pub(super) fn charge(&self, asked: &[Asked]) -> Result<AllowedAll<'static>, Vec<LimitReport>> {
        let limits: Vec<_> = asked.iter().map(|asked| self.limits[asked.limit].on(*asked)).collect();
        // One has refused, even if by now none would.
        check_all(&limits).map_err(|denied| self.reports(asked, denied.limits(), Some(denied.index())))
    }

    pub(super) fn is_to_wait(&self, all: &AllowedAll<'_>) -> bool {
        !self.shadow && !all.delay().is_zero()
    }

    /// What was charged, as turns to wait for.
    pub(super) fn turns(asked: &[Asked], all: AllowedAll<'_>) -> Vec<(Asked, Turn)> {
        let turns = all.into_turns().into_iter();
        turns.map(|(index, tag, cost, turn)| (Asked { limit: asked[index].limit, tag, cost }, turn)).collect()
    }

    /// A request that all limits of this process let pass.
    pub(super) fn passed(self: &Arc<Self>, all: AllowedAll<'static>, asked: Vec<Asked>) -> Passed {
        let reports = if self.tells() { self.reports(&asked, all.limits(), None) } else { Vec::new() };
        let paid = self.paid(&asked);
        let outlasts = asked.iter().any(|asked| self.limits[asked.limit].outlasts_the_check());
        let guard = outlasts.then(|| Guard::new(all, Vec::new(), Arc::clone(self), asked));
        Passed { reports, guard, paid, refused: false }
    }

    /// What they say, and the one that binds, which refuses.
    fn reports(
        &self,
        asked: &[Asked],
        limits: impl Iterator<Item = LimitStatus>,
        binding: Option<usize>,
    ) -> Vec<LimitReport> {
        let report = |status: LimitStatus| {
            let Asked { limit, cost, .. } = asked[status.index()];
            let refuses = status.refuses() || binding == Some(status.index());
            self.limits[limit].report(status.figures(), cost, status.retry_after(), refuses)
        };
        limits.map(report).collect()
    }

    /// Refused now; but it may wait.
    fn refused_at_first(&self, reports: Vec<LimitReport>, asked: Vec<Asked>) -> Decided {
        let refused = Refused { why: Why::Limits, reports };
        match self.max_delay {
            Some(_) if !self.shadow => Decided::Wait(asked, Vec::new()),
            _ => Decided::Refuse(refused),
        }
    }

    /// Whether both are about one limiter and one key, and so are charged, waited for and settled as one.
    pub(super) fn are_one(&self, one: &Asked, other: &Asked) -> bool {
        one.tag == other.tag && self.limits[one.limit].shares_limiter_with(&self.limits[other.limit])
    }

    /// Those of the limits that a request has paid which it may meet again.
    pub(super) fn paid(&self, asked: &[Asked]) -> Vec<usize> {
        let limits = asked.iter().map(|asked| &self.limits[asked.limit]);
        limits.filter(|limit| limit.is_used_elsewhere()).map(Checked::identity).collect()
    }

    /// A place among those that are held, if there is one.
    pub(super) fn hold(self: &Arc<Self>) -> Option<HeldPlace> {
        let more = |held: usize| (held < self.max_held).then_some(held + 1);
        self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(HeldPlace(Arc::clone(self)))
    }
}

pub(super) fn has_paid(extensions: &Extensions, limit: usize) -> bool {
    extensions.get::<Paid>().is_some_and(|paid| paid.contains(limit))
}

/// Leaves a note of the limits that a request has paid.
pub(super) fn note(paid: Vec<usize>, extensions: &mut Extensions) {
    for limit in paid {
        match extensions.get_mut::<Paid>() {
            Some(paid) => paid.more.push(limit),
            None => drop(extensions.insert(Paid { first: limit, more: Vec::new() })),
        }
    }
}

/// One of those that are held, until it is dropped.
pub(super) struct HeldPlace(Arc<Rules>);

impl Drop for HeldPlace {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Rules");
        text.field("limits", &self.limits);
        #[cfg(feature = "distributed")]
        text.field("global", &self.global);
        text.field("dialects", &self.dialects).field("shadow", &self.shadow);
        text.field("max_delay", &self.max_delay).finish_non_exhaustive()
    }
}
