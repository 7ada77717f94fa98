//! The end of a decision: what backends say, and what policies see that only watch.

use std::sync::Arc;

use arc_swap::Guard;

use super::decide::{Decision, More, Why};
use super::remote::{RemoteGroup, ask_all};
use super::verdict::Verdict;
use super::version::Version;

impl Decision {
    /// Whether backends are asked.
    pub(crate) fn asks_backends(&self) -> bool {
        let asks = |more: &More| !more.remote.is_empty() || !more.remote_watched.is_empty();
        self.refused.is_none() && self.more.as_deref().is_some_and(asks)
    }

    /// Asks what is left to ask, without waiting for anybody.
    #[inline]
    pub(super) fn conclude_now(&mut self, version: &Version) {
        if self.more.is_some() && self.refused.is_none() {
            self.ask_backends_now(version);
        }
    }

    #[cold]
    fn ask_backends_now(&mut self, version: &Version) {
        let Some(more) = &mut self.more else { return };
        let passes = more.remote.ask_now();
        if passes {
            for group in &mut more.remote_watched {
                group.ask_now();
            }
        }
        self.hear(version, passes);
    }

    /// Asks what is left to ask. Dropped, it has to be [cancelled](Decision::cancel).
    async fn conclude(&mut self, version: &Version) {
        let Some(more) = self.more.as_deref_mut().filter(|_| self.refused.is_none()) else { return };
        let passes = ask_all(&mut more.remote, &mut more.remote_watched).await;
        self.hear(version, passes);
    }

    /// The backends have answered.
    fn hear(&mut self, version: &Version, passes: bool) {
        if !passes {
            self.cancel(version);
            let fails = self.more.as_deref().is_some_and(|more| more.remote.fails());
            self.refused = Some(if fails { Why::Backend } else { Why::Limit });
            return;
        }
        let Some(more) = &mut self.more else { return };
        let More { watched, customers, .. } = &mut **more;
        let mut refused = Vec::new();
        for group in watched {
            let passes = group.take(version, customers);
            refused.extend(group.policy().filter(|_| !passes));
        }
        self.holds |= more.remote.holds() || more.remote_watched.iter().any(RemoteGroup::holds);
        let there = more.remote_watched.iter().filter(|group| group.refuses());
        refused.extend(there.filter_map(RemoteGroup::policy));
        for matched in &mut self.matched {
            matched.refused |= refused.contains(&matched.policy);
        }
    }
}

/// A verdict that is not there yet. Dropped, it gives back all that was taken.
struct Undecided {
    verdict: Option<Verdict>,
}

impl Undecided {
    async fn concluded(mut self) -> Verdict {
        if let Some(Verdict { decision, version }) = &mut self.verdict {
            decision.conclude(version).await;
        }
        match self.verdict.take() {
            Some(verdict) => verdict,
            // There until now.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        if let Some(verdict) = self.verdict.take() {
            verdict.cancel();
        }
    }
}

impl Verdict {
    /// The verdict once all backends have answered. Dropped before, be it without having been polled, it gives back all that was taken.
    pub(super) fn concluded(self) -> impl Future<Output = Verdict> + Send + use<> {
        let verdict = if self.decision.asks_backends() { self.kept() } else { self };
        let undecided = Undecided { verdict: Some(verdict) };
        undecided.concluded()
    }

    /// The request does not go on after all: all that it was charged comes back, places too.
    pub(crate) fn cancel(mut self) {
        self.decision.cancel(&self.version);
    }

    /// To be kept for long. A thread can borrow few versions at a time without a count of who has them: those are for checks.
    pub(crate) fn kept(mut self) -> Verdict {
        self.version = Guard::from_inner(Arc::clone(&self.version));
        self
    }
}
