//! [`Service`]: what all fronts share. Whoever asks, asks here, so that it is counted once.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::caller::{Answer, Ask, CallerError, CallerLimit, CallerLimits};
use super::counting::{Counting, Sample};
use super::operate::Health;
use super::policy_file::PolicyFile;
use super::settings::{Secret, Settings};
use super::told;
use crate::distributed::SharedStore;
use crate::policy::{Attributes, PolicySet, Query, Verdict, Watcher};
use crate::redis::RedisBackend;

/// What all fronts share.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Settings,
    /// What the configuration API asks for; anybody may use it if there is none, and then only this machine can reach it.
    pub(crate) token: Option<Secret>,
    pub(crate) policies: Arc<PolicySet>,
    pub(crate) policy_file: PolicyFile,
    /// Limits that come with the request; `None` if they are switched off.
    pub(crate) callers: Option<CallerLimits>,
    pub(crate) backends: BTreeMap<String, NamedBackend>,
    pub(crate) health: Health,
    pub(crate) activity: Activity,
    pub(crate) counting: Arc<Counting>,
    /// Follows the file of policies, if there is one.
    pub(crate) watcher: OnceLock<Watcher>,
    /// Held by whoever writes what is counted to the disk: an older state must not take the place of a newer one.
    pub(crate) saving: Mutex<()>,
    pub(crate) started: Instant,
    /// Cancelled when the service ends: streams that would never end by themselves end then.
    pub(crate) stop: CancellationToken,
}

/// A backend and what can be told of it.
#[derive(Debug)]
pub(crate) struct NamedBackend {
    pub(crate) store: SharedStore,
    pub(crate) redis: Arc<RedisBackend>,
}

impl Service {
    /// Asks the policies about a request. The attributes are those of the query.
    pub(crate) async fn check(&self, query: Query<'_>, attributes: &Attributes<'_>) -> Verdict {
        let begun = Instant::now();
        let verdict = query.check_async().await;
        self.note(&verdict, attributes, begun.elapsed());
        verdict
    }

    /// Counts what was decided, for whoever asked the policies himself.
    pub(crate) fn note(&self, verdict: &Verdict, attributes: &Attributes<'_>, took: Duration) {
        self.counting.with(&self.policies, &self.backends, |observer| {
            told::of(verdict, attributes, took, observer);
        });
        told::note(verdict, attributes, &self.activity);
    }

    /// Asks a limit that came with the request.
    pub(crate) async fn check_caller(
        &self,
        key: &[u8],
        limit: CallerLimit,
        cost: u64,
    ) -> Result<Answer, CallerError> {
        let begun = Instant::now();
        let answer = self.callers()?.check(key, limit, cost).await;
        self.note_caller(key, &answer, begun.elapsed());
        answer
    }

    /// The same of many keys. Appends an answer for each, in their order; nothing if such limits are switched off.
    pub(crate) async fn check_callers(
        &self,
        asks: &[Ask<'_>],
        answers: &mut Vec<Result<Answer, CallerError>>,
    ) -> Result<(), CallerError> {
        let callers = self.callers()?;
        let (begun, already) = (Instant::now(), answers.len());
        callers.check_many(asks, answers).await;
        let asked = asks.iter().map(|ask| ask.key).zip(&answers[already..]);
        self.counting.note_callers(asked, begun.elapsed(), &self.activity);
        Ok(())
    }

    fn callers(&self) -> Result<&CallerLimits, CallerError> {
        self.callers.as_ref().ok_or(CallerError::Off)
    }

    fn note_caller(&self, key: &[u8], answer: &Result<Answer, CallerError>, took: Duration) {
        self.counting.note_callers([(key, answer)], took, &self.activity);
    }

    /// What was admitted and refused so far by each policy, and under [`CALLER`](super::counting::CALLER); it only grows.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.counting.samples(&self.policies, &self.backends)
    }

    /// All metrics as Prometheus reads them.
    pub(crate) fn metrics(&self) -> String {
        self.counting.render(self)
    }
}
