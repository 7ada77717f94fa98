//! [`Verdict`]: what a set of policies says of a request.

mod standing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;

pub use self::standing::Standing;

use self::standing::Answer;
use super::decide::{Asked, Decision, Fate, Group, Why};
use super::model::Policy;
use super::remote::{AskedThere, RemoteGroup};
use super::version::Version;
use crate::clock::Instant;
use crate::decision::Figures;
use crate::distributed::{GlobalDecision, Source};
use crate::limiter::Outcome;

/// What a set of policies says of a request, all of it by one version.
///
/// Places in concurrency limits are held as long as the verdict is, or until it is [finished](Verdict::finish).
///
/// For examples see [`PolicySet`](super::PolicySet) and [`Standing`].
#[must_use = "it says whether the request may go on, and holds its places"]
pub struct Verdict {
    pub(super) version: Guard<Arc<Version>>,
    pub(super) decision: Decision,
}

/// Why a request is refused.
///
/// For an example see [`Standing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A limit is reached.
    LimitReached,
    /// A backend cannot be asked, and the policy is [closed](super::OnFailure::Closed) then: it is the service that lacks something, not the client.
    BackendFailed,
    /// It is on a policy's list of those that are denied.
    Denied,
    /// A policy, or an override in it, lets nothing through.
    Blocked,
    /// It lacks an attribute that a policy's scope asks for.
    MissingKey,
}

/// A policy that concerns a request.
///
/// ```
/// use tollgate::policy::{Attributes, Format, Policies, PolicySet};
///
/// let set = PolicySet::new();
/// set.apply(Policies::parse("[[policy]]\nid = \"trial\"\nlimit = \"0/min\"\nshadow = true", Format::Toml)?)?;
/// let verdict = set.check(&Attributes::new());
/// assert!(verdict.is_allowed());
/// let would_refuse: Vec<_> = verdict.policies().filter(|policy| policy.refuses()).collect();
/// assert_eq!(would_refuse[0].policy().id, "trial");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct PolicyMatch<'v> {
    policy: &'v Arc<Policy>,
    shadow: bool,
    refused: bool,
}

impl Verdict {
    /// What is decided, is decided in place: it is large.
    #[inline(always)]
    pub(super) fn decided(
        version: Guard<Arc<Version>>,
        decide: impl FnOnce(&Version, &mut Decision),
    ) -> Verdict {
        let mut verdict = Verdict { version, decision: Decision::new() };
        decide(&verdict.version, &mut verdict.decision);
        verdict
    }

    /// Whether the request may go on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.decision.refused.is_none()
    }

    /// Why it may not; `None` if it may.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.decision.refused.map(|why| match why {
            Why::Limit => Reason::LimitReached,
            Why::Backend => Reason::BackendFailed,
            Why::Denied(_) => Reason::Denied,
            Why::Blocked(_) => Reason::Blocked,
            Why::NoKey(_) => Reason::MissingKey,
        })
    }

    /// The version of the policies that decided.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.number
    }

    /// The policies that concern the request, those of the highest priority first. Where one refuses by itself (a list of those denied, a block), those
    /// after it are not asked.
    pub fn policies(&self) -> impl Iterator<Item = PolicyMatch<'_>> {
        self.decision.matched.iter().map(|matched| PolicyMatch {
            policy: &self.version.policies[matched.policy as usize].policy,
            shadow: matched.shadow,
            refused: matched.refused,
        })
    }

    /// The policy that refuses, or that is closest to it: of the limits that refuse the one with the longest wait, and if none does the one with the
    /// least left. `None` if no limit is in force for the request.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        match self.decision.refused {
            Some(Why::Denied(place) | Why::Blocked(place) | Why::NoKey(place)) => {
                Some(&self.version.policies[place as usize].policy.id)
            }
            Some(Why::Limit | Why::Backend) | None => self.binding().map(|standing| standing.policy),
        }
    }

    /// Where the request stands at each limit: those that are enforced, then those that only watch; of either, those that are counted in memory
    /// first. Limits of backends that were not asked, because others had refused already, are left out.
    ///
    /// Of a request that was allowed it is where it stood then; of one that was refused, where it stands now: ask at once. What a backend said is
    /// as of when it said so.
    pub fn limits(&self) -> impl Iterator<Item = Standing<'_>> {
        let more = self.decision.more.as_deref();
        // Who is refused by others is not watched.
        let watching = more.filter(|_| self.is_allowed());
        let at_backend = |(asked, told)| self.there(asked, &told);
        let counted_here = self.here(std::iter::once(&self.decision.enforced));
        let told = more.into_iter().flat_map(|more| more.remote.answers()).map(at_backend);
        let watched = watching.map(|more| self.here(more.watched.iter())).into_iter().flatten();
        let told_to_watchers = watching.into_iter().flat_map(|more| &more.remote_watched);
        let told_to_watchers = told_to_watchers.flat_map(RemoteGroup::answers).map(at_backend);
        let shadows = watched.chain(told_to_watchers).map(|standing| Standing { shadow: true, ..standing });
        counted_here.chain(told).chain(shadows)
    }

    /// Where it stands at limits that are counted in memory.
    fn here<'v>(&'v self, groups: impl Iterator<Item = &'v Group>) -> impl Iterator<Item = Standing<'v>> {
        let mut instant = Instant::default();
        let all = groups.flat_map(|group| group.iter().map(move |asked| (group, asked)));
        all.filter_map(move |(group, asked)| self.standing(group, asked, &mut instant))
    }

    /// Where it stands at a limit that a backend counts.
    fn there<'v>(&'v self, asked: &'v AskedThere, told: &GlobalDecision) -> Standing<'v> {
        Standing {
            policy: &self.version.policies[asked.policy as usize].policy.id,
            name: &asked.limit.name,
            window: asked.limit.window,
            holds: asked.limit.spec.holds(),
            cost: asked.cost,
            figures: figures(told, asked.limit.spec.holds()),
            shadow: false,
            answer: if told.is_allowed() { Answer::Passes } else { Answer::Refused },
            source: Some(told.source()),
        }
    }

    fn standing<'v>(&'v self, group: &Group, asked: &Asked, instant: &mut Instant) -> Option<Standing<'v>> {
        let limit = self.decision.limit(&self.version, asked)?;
        let policy = self.version.policies[asked.policy as usize].policy.id.as_str();
        let gate = limit.gate();
        let stands = |figures| Standing {
            policy,
            name: &limit.name,
            window: limit.window,
            holds: limit.holds(),
            cost: asked.cost,
            figures,
            shadow: false,
            answer: Answer::Passes,
            source: None,
        };
        if let Fate::Taken(now, receipt) = asked.fate {
            return Some(stands(gate.after(now, asked.tag, asked.cost, receipt)));
        }
        Some(match group.look(gate, asked, instant) {
            Ok(allowed) => stands(*allowed.figures()),
            Err(denied) => {
                let answer = if denied.at_capacity() { Answer::NoRoom } else { Answer::Refused };
                Standing { answer, ..stands(*denied.figures()) }
            }
        })
    }

    /// The limit that binds: of those that refuse the one with the longest wait; if the request may go on, the one with the least left.
    #[must_use]
    pub fn binding(&self) -> Option<Standing<'_>> {
        let enforced = || self.limits().filter(|standing| !standing.shadow);
        if self.is_allowed() {
            return enforced().min_by_key(Standing::remaining);
        }
        // Never is the longest. Of equal ones the first.
        let wait = |standing: &Standing<'_>| standing.retry_after().unwrap_or(Duration::MAX);
        let refusing = enforced().filter(Standing::refuses);
        let binding =
            refusing.reduce(|binding, other| if wait(&other) > wait(&binding) { other } else { binding });
        // If none refuses any more, it is the one that did.
        binding.or_else(|| {
            let group = &self.decision.enforced;
            let asked = group.iter().find(|asked| matches!(asked.fate, Fate::Refused))?;
            self.standing(group, asked, &mut Instant::default())
        })
    }

    /// The least that any limit has left: tokens, or places; [`u64::MAX`] if no limit is enforced.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        let enforced = self.limits().filter(|standing| !standing.shadow);
        enforced.map(|standing| standing.remaining()).min().unwrap_or(u64::MAX)
    }

    /// How long to wait until the same request is let through, if nobody else spends meanwhile; zero if it was, `None` if waiting does not help.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.decision.refused {
            None => Some(Duration::ZERO),
            Some(Why::Limit | Why::Backend) => self.binding().and_then(|standing| standing.retry_after()),
            Some(Why::Denied(_) | Why::Blocked(_) | Why::NoKey(_)) => None,
        }
    }

    /// The longest time to wait before going on that any limit asks for; see [`Allowed::delay`](crate::Allowed::delay). Only leaky buckets do.
    #[must_use]
    pub fn delay(&self) -> Duration {
        if !self.is_allowed() {
            return Duration::ZERO;
        }
        let enforced = self.limits().filter(|standing| !standing.shadow);
        enforced.map(|standing| standing.figures.delay()).max().unwrap_or_default()
    }

    /// Charges `actual` tokens to each policy whose cost is that of an attribute, in place of what was charged. Other costs stay; but if a
    /// [query](super::Query::cost) said the cost, it is charged to all. Gives places back, as after
    /// [`Outcome::Success`].
    pub fn settle(self, actual: u64) {
        let estimates =
            |policy: u32| self.decision.cost_is_told || self.version.policies[policy as usize].estimates();
        let more = self.decision.more.as_deref();
        let watched = more.into_iter().flat_map(|more| &more.watched);
        let groups = std::iter::once(&self.decision.enforced).chain(watched);
        for asked in groups.flat_map(Group::iter) {
            if let (Fate::Taken(_, receipt), Some(limit)) =
                (asked.fate, self.decision.limit(&self.version, asked))
                && estimates(asked.policy)
                && !limit.holds()
            {
                limit.gate().settle(asked.tag, asked.cost, actual, receipt);
            }
        }
        for group in
            more.into_iter().flat_map(|more| std::iter::once(&more.remote).chain(&more.remote_watched))
        {
            group.settle(actual, estimates);
        }
        self.finish(Outcome::Success);
    }

    /// Gives places back. Dropped, it is [`Outcome::Ignore`].
    pub fn finish(mut self, outcome: Outcome) {
        self.decision.release(&self.version, outcome);
    }
}

/// What a backend said, as of when it said so.
fn figures(told: &GlobalDecision, holds: bool) -> Figures {
    let standing = told.standing();
    let counted = !matches!(told.source(), Source::FailOpen | Source::FailClosed);
    if holds && counted {
        // Of a place it is only known when it is free at the latest.
        let retry_at = standing.retry_after.map(|_| 0);
        return Figures::new(told.limit(), standing.remaining, Some(0), retry_at);
    }
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).ok();
    let retry_at = standing.retry_after.and_then(nanos);
    Figures::new(told.limit(), standing.remaining, nanos(standing.reset_after), retry_at)
}

impl Drop for Verdict {
    #[inline]
    fn drop(&mut self) {
        self.decision.release(&self.version, Outcome::Ignore);
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verdict")
            .field("version", &self.version())
            .field("reason", &self.reason())
            .field("policies", &self.policies().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl<'v> PolicyMatch<'v> {
    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &'v Policy {
        self.policy
    }

    /// Whether it only watches: because it was told so, or because this key is not among those that it is enforced for.
    #[must_use]
    pub fn is_shadow(&self) -> bool {
        self.shadow
    }

    /// Whether a policy that only watches would have refused the request; or the one that decided did so by itself, without a look at any limit.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.refused
    }
}

impl fmt::Debug for PolicyMatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyMatch")
            .field("policy", &self.policy.id)
            .field("shadow", &self.shadow)
            .field("refuses", &self.refused)
            .finish()
    }
}
