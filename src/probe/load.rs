//! [`run`]: many connections at once, each with one request at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::account::Account;
use super::client::{Client, Connector, Told};
use super::keys::Chooser;
use super::plan::{Plan, PlanError, Until};
use super::progress::Progress;
use super::report::Report;

/// The longest latency that is told, in nanoseconds: a minute, far longer than anybody waits for an answer here.
const LONGEST: u64 = 60_000_000_000;

/// Latencies are told to a part in a thousand.
const DIGITS: u8 = 3;

/// Between two attempts to connect, so that a service that is away is not asked in a loop.
const BEFORE_NEXT_ATTEMPT: Duration = Duration::from_millis(50);

/// The most different reasons of failure that are told apart.
const MOST_REASONS: usize = 20;

/// How often the bar is drawn anew.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// What all connections share.
struct Shared {
    plan: Arc<Plan>,
    connector: Connector,
    accounts: Vec<Mutex<Account>>,
    /// What keys begin with, so that nobody has asked for them before.
    prefix: String,
    started: Instant,
    /// Checks that were given to a connection to make.
    given: AtomicU64,
    answered: AtomicU64,
    /// Whoever asked for the probe has seen enough.
    over: CancellationToken,
}

/// What one connection has seen, or all of them.
pub(super) struct Seen {
    pub(super) latencies: Histogram<u64>,
    pub(super) admitted: u64,
    pub(super) refused: u64,
    /// Reasons, and how many checks failed for them.
    pub(super) failed: BTreeMap<String, u64>,
}

/// Asks until it is over, or interrupted (Ctrl-C), and tells what came of it.
///
/// # Errors
///
/// The plan cannot be followed. That the service does not answer is told in the report.
pub async fn run(plan: Plan, progress: &Progress) -> Result<Report, PlanError> {
    let plan = Arc::new(plan);
    let shared = Arc::new(Shared {
        connector: Connector::new(&plan)?,
        accounts: (0..plan.keys.count).map(|_| Mutex::default()).collect(),
        prefix: prefix(),
        started: Instant::now(),
        given: AtomicU64::new(0),
        answered: AtomicU64::new(0),
        over: CancellationToken::new(),
        plan: plan.clone(),
    });
    let chooser = Chooser::new(plan.keys);
    let mut connections = JoinSet::new();
    for place in 0..plan.connections {
        connections.spawn(Connection::new(&shared, chooser.fork(place as u64)).run());
    }
    let mut all = Seen::new();
    let mut last = (Duration::ZERO, 0);
    let mut look = tokio::time::interval(BETWEEN_LOOKS);
    loop {
        tokio::select! {
            ended = connections.join_next() => match ended {
                Some(Ok(seen)) => all.add(&seen),
                Some(Err(error)) => all.fail(error.to_string(), 1),
                None => break,
            },
            _ = look.tick() => last = shared.show(progress, last),
            _ = tokio::signal::ctrl_c() => shared.over.cancel(),
        }
    }
    progress.clear();
    let elapsed = shared.started.elapsed();
    Ok(Report::new(&plan, elapsed, &all, shared.accounts.iter().map(|account| account.lock().clone())))
}

/// Differs from one run to the next.
fn prefix() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("probe:{:x}:", now.as_nanos())
}

impl Shared {
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The place of the next request among all, and the checks in it; `None` if it is over.
    fn next(&self) -> Option<(u64, usize)> {
        let batch = self.plan.batch as u64;
        let before = self.given.fetch_add(batch, Ordering::Relaxed);
        let left = match self.plan.until {
            Until::Checks(all) => all.saturating_sub(before),
            Until::Elapsed(all) if self.started.elapsed() < all => batch,
            Until::Elapsed(_) => 0,
        };
        let checks = usize::try_from(left.min(batch)).unwrap_or(0);
        (checks > 0 && !self.over.is_cancelled()).then_some((before / batch, checks))
    }

    fn show(&self, progress: &Progress, (last, before): (Duration, u64)) -> (Duration, u64) {
        let (elapsed, answered) = (self.started.elapsed(), self.answered.load(Ordering::Relaxed));
        let millis = elapsed.saturating_sub(last).as_millis().max(1);
        let per_second = u128::from(answered - before) * 1_000 / millis;
        progress.show(self.plan.until, elapsed, answered, u64::try_from(per_second).unwrap_or(u64::MAX));
        (elapsed, answered)
    }
}

/// When a request is to be sent.
enum Due {
    Now,
    /// It is late.
    Since(Instant),
    /// The probe is over before.
    Never,
}

/// One connection, and who it asks about.
struct Connection {
    shared: Arc<Shared>,
    chooser: Chooser,
    seen: Seen,
    /// Of the request that is under way: the places of its keys, and their names.
    places: Vec<usize>,
    names: Vec<String>,
    told: Vec<Told>,
}

impl Connection {
    fn new(shared: &Arc<Shared>, chooser: Chooser) -> Connection {
        let (places, names, told) = Default::default();
        Connection { shared: shared.clone(), chooser, seen: Seen::new(), places, names, told }
    }

    async fn run(mut self) -> Seen {
        let mut client = None;
        while let Some((number, checks)) = self.shared.next() {
            let due = match self.wait_for(number).await {
                Due::Now => None,
                Due::Since(due) => Some(due),
                Due::Never => break,
            };
            let open = match &mut client {
                Some(open) => open,
                None => match self.shared.connector.connect().await {
                    Ok(new) => client.insert(new),
                    Err(error) => {
                        self.seen.fail(error, checks as u64);
                        tokio::time::sleep(BEFORE_NEXT_ATTEMPT).await;
                        continue;
                    }
                },
            };
            if let Err(error) = self.ask(open, checks, due).await {
                self.seen.fail(error, checks as u64);
                client = None;
            }
        }
        self.seen
    }

    /// With a rate, waits until the request is due. If it was due before, its latency counts from then: a service that answers late
    /// makes its callers wait in line, and a loader that only then asked would not see it (coordinated omission).
    async fn wait_for(&self, number: u64) -> Due {
        let Shared { plan, started, over, .. } = &*self.shared;
        let Some(rate) = plan.rate else { return Due::Now };
        let checks = u128::from(number) * plan.batch as u128;
        let nanos = checks * 1_000_000_000 / u128::from(rate.max(1));
        let after = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        if matches!(plan.until, Until::Elapsed(all) if all < after) {
            return Due::Never;
        }
        let due = *started + after;
        if due <= Instant::now() {
            return Due::Since(due);
        }
        // That the timer wakes late is not the service's doing.
        match over.run_until_cancelled(tokio::time::sleep_until(due.into())).await {
            Some(()) => Due::Now,
            None => Due::Never,
        }
    }

    async fn ask(&mut self, client: &mut Client, checks: usize, due: Option<Instant>) -> Result<(), String> {
        let shared = self.shared.clone();
        self.choose(checks);
        let (sent_at, sent) = (shared.now(), Instant::now());
        let memories: Vec<_> =
            self.places.iter().map(|place| shared.accounts[*place].lock().send(sent_at)).collect();
        self.told.clear();
        client.check(&self.names, &mut self.told).await?;
        if self.told.len() != checks {
            return Err(format!("{} answers to {checks} checks", self.told.len()));
        }
        let received = shared.now();
        self.seen.wait(due.unwrap_or(sent).elapsed());
        for ((place, memory), told) in self.places.iter().zip(memories).zip(self.told.drain(..)) {
            match told {
                Told::Admitted => {
                    shared.accounts[*place].lock().admit(received, shared.plan.limit);
                    self.seen.admitted += 1;
                }
                Told::Refused => {
                    shared.accounts[*place].lock().refuse(memory, received, shared.plan.limit);
                    self.seen.refused += 1;
                }
                Told::Failed(reason) => self.seen.fail(reason, 1),
            }
        }
        shared.answered.fetch_add(checks as u64, Ordering::Relaxed);
        Ok(())
    }

    fn choose(&mut self, checks: usize) {
        use std::fmt::Write;

        self.places.clear();
        self.names.resize_with(checks, String::new);
        for name in &mut self.names {
            let place = self.chooser.next();
            self.places.push(place);
            name.clear();
            // Writing into a string does not fail.
            let _ = write!(name, "{}{place}", self.shared.prefix);
        }
    }
}

impl Seen {
    fn new() -> Seen {
        Seen {
            // The bounds are right, as one sees at the first use.
            latencies: Histogram::new_with_bounds(1, LONGEST, DIGITS).unwrap_or_else(|_| unreachable!()),
            admitted: 0,
            refused: 0,
            failed: BTreeMap::new(),
        }
    }

    fn wait(&mut self, latency: Duration) {
        self.latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    fn fail(&mut self, reason: String, checks: u64) {
        let is_known = self.failed.contains_key(&reason);
        let reason =
            if is_known || self.failed.len() < MOST_REASONS { reason } else { "other reasons".to_owned() };
        *self.failed.entry(reason).or_default() += checks;
    }

    fn add(&mut self, other: &Seen) {
        // Both have the same bounds, so there is nothing that one could not hold.
        let _ = self.latencies.add(&other.latencies);
        self.admitted += other.admitted;
        self.refused += other.refused;
        for (reason, checks) in &other.failed {
            self.fail(reason.clone(), *checks);
        }
    }
}
