//! [`FaultBackend`]: a backend that fails as it is told to, for tests.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::backend::{Applied, Backend, BackendError, BackendErrorKind, BoxFuture};
use super::operation::Operation;
use super::reply::Reply;
use super::subject::Subject;
use crate::random::Random;

/// What goes wrong with an operation.
///
/// For an example see [`FaultBackend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// There is no connection: it is not carried out, and fails at once.
    Refuse,
    /// It is lost on its way: it is not carried out, and nothing is heard of it until the deadline.
    Lose,
    /// The answer is lost: it is carried out, and nothing is heard of it until the deadline.
    LoseReply,
    /// The connection breaks before the answer: it is carried out, and fails at once.
    Reset,
    /// It arrives twice: it is carried out twice, and answered as the first time.
    Duplicate,
    /// The store is there, but cannot do it now.
    Overload,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 6] =
        [Fault::Refuse, Fault::Lose, Fault::LoseReply, Fault::Reset, Fault::Duplicate, Fault::Overload];

    /// How often the operation is carried out.
    fn times(self) -> u32 {
        match self {
            Fault::Refuse | Fault::Lose | Fault::Overload => 0,
            Fault::LoseReply | Fault::Reset => 1,
            Fault::Duplicate => 2,
        }
    }

    /// How it fails, if it does.
    fn error(self) -> Option<BackendError> {
        use BackendErrorKind::{Overloaded, Timeout, Unavailable};
        let (kind, applied, text) = match self {
            Fault::Refuse => (Unavailable, Applied::No, "no connection"),
            Fault::Lose | Fault::LoseReply => (Timeout, Applied::Maybe, "no answer in time"),
            Fault::Reset => (Unavailable, Applied::Maybe, "the connection broke"),
            Fault::Overload => (Overloaded, Applied::No, "out of memory"),
            Fault::Duplicate => return None,
        };
        Some(BackendError::new(kind, applied, text))
    }

    fn is_silent(self) -> bool {
        matches!(self, Fault::Lose | Fault::LoseReply)
    }
}

/// The switches of a [`FaultBackend`], which has an example. Clones are the same switches.
#[derive(Clone, Debug)]
pub struct Faults {
    switches: Arc<Mutex<Switches>>,
}

#[derive(Debug)]
struct Switches {
    always: Option<Fault>,
    next: VecDeque<Option<Fault>>,
    /// So many of a thousand operations each.
    chances: Vec<(Fault, u32)>,
    delay: Duration,
    jitter: Duration,
    random: Random,
}

impl Faults {
    fn new(seed: u64) -> Faults {
        let switches = Switches {
            always: None,
            next: VecDeque::new(),
            chances: Vec::new(),
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            random: Random::new(seed),
        };
        Faults { switches: Arc::new(Mutex::new(switches)) }
    }

    /// From now on every operation meets this fault; with `None` the others decide again.
    pub fn always(&self, fault: Option<Fault>) {
        self.switches.lock().always = fault;
    }

    /// The next operation, after those that were said before, meets this fault, or surely none. Greetings do not count: they come in the
    /// background.
    pub fn next(&self, fault: Option<Fault>) {
        self.switches.lock().next.push_back(fault);
    }

    /// From now on so many of a thousand operations meet this fault, chosen by the seed.
    pub fn chance(&self, fault: Fault, per_thousand: u32) {
        let mut switches = self.switches.lock();
        switches.chances.retain(|(known, _)| *known != fault);
        switches.chances.push((fault, per_thousand));
    }

    /// From now on a batch takes so long, and up to `jitter` longer, half of it before it is carried out.
    pub fn delay(&self, delay: Duration, jitter: Duration) {
        let mut switches = self.switches.lock();
        (switches.delay, switches.jitter) = (delay, jitter);
    }

    /// All is well from now on.
    pub fn clear(&self) {
        let mut switches = self.switches.lock();
        (switches.always, switches.delay, switches.jitter) = (None, Duration::ZERO, Duration::ZERO);
        switches.next.clear();
        switches.chances.clear();
    }
}

impl Switches {
    fn fault(&mut self, operation: &Operation) -> Option<Fault> {
        if self.always.is_some() {
            return self.always;
        }
        if !matches!(operation, Operation::Hello(_))
            && let Some(next) = self.next.pop_front()
        {
            return next;
        }
        let mut drawn = self.random.below(1_000);
        for &(fault, chance) in &self.chances {
            if drawn < u64::from(chance) {
                return Some(fault);
            }
            drawn -= u64::from(chance);
        }
        None
    }

    fn delay(&mut self) -> Duration {
        let jitter = u64::try_from(self.jitter.as_micros()).unwrap_or(u64::MAX - 1);
        self.delay.saturating_add(Duration::from_micros(self.random.below(jitter + 1)))
    }
}

/// A backend that fails as its [`Faults`] are told to, and otherwise is the one that it is made of.
///
/// The same seed and the same order of operations meet the same faults. A delay needs a tokio runtime; where its time is paused, nobody really waits.
///
/// ```
/// use tollgate::Quota;
/// use tollgate::distributed::{
///     Fault, FaultBackend, FailurePolicy, GlobalLimiter, MemoryBackend, Rule, SharedStore, Source,
/// };
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let backend = FaultBackend::new(MemoryBackend::new(), 1);
/// let faults = backend.faults();
/// let store = SharedStore::new(backend);
/// let limiter = GlobalLimiter::builder("api", Rule::Gcra(Quota::per_second(10)), &store)
///     .on_failure(FailurePolicy::Open)
///     .build()?;
///
/// assert_eq!(limiter.check("ann").await.source(), Source::Remote);
/// faults.always(Some(Fault::Refuse));
/// assert_eq!(limiter.check("ann").await.source(), Source::FailOpen);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FaultBackend<B> {
    backend: B,
    faults: Faults,
}

impl<B> FaultBackend<B> {
    /// This backend, with no faults yet.
    #[must_use]
    pub fn new(backend: B, seed: u64) -> FaultBackend<B> {
        FaultBackend { backend, faults: Faults::new(seed) }
    }

    /// Its switches.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }
}

impl<B: Backend> FaultBackend<B> {
    /// Carries out each as often as its fault says; the first answer of each that was.
    async fn carry_out(
        &self,
        operations: &[Operation],
        faults: &[Option<Fault>],
        deadline: Instant,
    ) -> Vec<Option<Result<Reply, BackendError>>> {
        let mut first = vec![None; operations.len()];
        for round in 0..2 {
            let due = |fault: &Option<Fault>| fault.map_or(1, Fault::times) > round;
            let chosen: Vec<usize> = (0..operations.len()).filter(|&index| due(&faults[index])).collect();
            let batch: Vec<_> = chosen.iter().map(|&index| operations[index].clone()).collect();
            if batch.is_empty() {
                break;
            }
            let answers = self.backend.execute(&batch, deadline).await;
            for (index, answer) in chosen.into_iter().zip(answers) {
                first[index].get_or_insert(answer);
            }
        }
        first
    }
}

impl<B: Backend> Backend for FaultBackend<B> {
    fn execute<'a>(
        &'a self,
        operations: &'a [Operation],
        deadline: Instant,
    ) -> BoxFuture<'a, Vec<Result<Reply, BackendError>>> {
        Box::pin(async move {
            let (faults, delay) = {
                let mut switches = self.faults.switches.lock();
                let faults: Vec<_> = operations.iter().map(|operation| switches.fault(operation)).collect();
                (faults, switches.delay())
            };
            sleep(delay / 2).await;
            let answers = self.carry_out(operations, &faults, deadline).await;
            sleep(delay / 2).await;
            if faults.iter().flatten().any(|fault| fault.is_silent()) {
                tokio::time::sleep_until(deadline.into()).await;
            }
            let answer = |(fault, answer): (&Option<Fault>, Option<Result<Reply, BackendError>>)| {
                let unanswered =
                    || BackendError::new(BackendErrorKind::Protocol, Applied::Maybe, "no answer");
                match fault.and_then(Fault::error) {
                    Some(error) => Err(error),
                    None => answer.unwrap_or_else(|| Err(unanswered())),
                }
            };
            faults.iter().zip(answers).map(answer).collect()
        })
    }

    fn place(&self, subject: &Subject) -> u32 {
        self.backend.place(subject)
    }

    fn failure_domain(&self, place: u32) -> u16 {
        self.backend.failure_domain(place)
    }

    fn failure_domains(&self) -> u16 {
        self.backend.failure_domains()
    }
}

async fn sleep(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
