//! [`Log`]: what was decided and when; the oracle says by how much that is more than a limit allows.

use std::time::{Duration, Instant};

use tollgate::distributed::Source;

/// One decision about one token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
    pub(crate) allowed: bool,
    pub(crate) source: Source,
}

/// What was decided about one key, by all who asked.
#[derive(Clone, Debug)]
pub(crate) struct Log(Vec<Decided>);

impl Log {
    pub(crate) fn new(mut decisions: Vec<Decided>) -> Log {
        decisions.sort_by_key(|decided| decided.answered);
        Log(decisions)
    }

    pub(crate) fn decisions(&self) -> &[Decided] {
        &self.0
    }

    /// By how many tokens the worst of all intervals has more than `burst + rate · length` of them. Zero or less is what
    /// a limiter promises.
    ///
    /// It is the deepest debt of a bucket that lets itself be overdrawn. A token was spent at some time before the answer,
    /// so an interval may hold as many more as come at the rate in the longest wait for one.
    pub(crate) fn excess(&self, rate: f64, burst: f64) -> f64 {
        let admitted = || self.0.iter().filter(|decided| decided.allowed);
        let Some(first) = admitted().next() else { return -burst };
        let (mut level, mut lowest, mut last) = (burst, burst, first.answered);
        for decided in admitted() {
            let refill = rate * (decided.answered - last).as_secs_f64();
            level = burst.min(level + refill) - 1.0;
            lowest = lowest.min(level);
            last = decided.answered;
        }
        let wait = admitted().map(Decided::took).max().unwrap_or_default();
        -lowest - rate * wait.as_secs_f64()
    }

    /// The longest that anybody waited for a decision.
    pub(crate) fn longest(&self) -> Duration {
        self.0.iter().map(Decided::took).max().unwrap_or_default()
    }

    /// When somebody had an answer from this source first.
    pub(crate) fn first_from(&self, source: Source) -> Option<Instant> {
        self.0.iter().find(|decided| decided.source == source).map(|decided| decided.answered)
    }

    /// How many decisions were made for the store, because it failed.
    pub(crate) fn failures(&self) -> usize {
        self.0.iter().filter(|decided| decided.source.is_failure()).count()
    }

    pub(crate) fn admitted(&self) -> usize {
        self.0.iter().filter(|decided| decided.allowed).count()
    }

    /// What was asked and answered between these moments.
    pub(crate) fn between(&self, start: Instant, end: Instant) -> Log {
        let within = |decided: &&Decided| decided.asked >= start && decided.answered <= end;
        Log(self.0.iter().filter(within).copied().collect())
    }

    /// What was asked from this moment on.
    pub(crate) fn since(&self, moment: Instant) -> Log {
        Log(self.0.iter().filter(|decided| decided.asked >= moment).copied().collect())
    }
}

impl Decided {
    pub(crate) fn took(&self) -> Duration {
        self.answered - self.asked
    }
}

/// So many tokens admitted at each of these milliseconds.
fn log(admitted: &[(u64, usize)]) -> Log {
    let start = Instant::now();
    let at = |&(millisecond, count): &(u64, usize)| {
        let answered = start + Duration::from_millis(millisecond);
        vec![Decided { asked: answered, answered, allowed: true, source: Source::Remote }; count]
    };
    Log::new(admitted.iter().flat_map(at).collect())
}

#[test]
fn the_oracle_finds_the_worst_of_all_intervals() {
    // 10 a second, 5 at once: exactly that is no excess.
    assert!(log(&[(0, 5), (100, 1), (300, 2)]).excess(10.0, 5.0).abs() < 1e-9);
    // Quiet before does not make up for it, nor quiet afterwards.
    let excess = log(&[(0, 5), (10_000, 8), (10_100, 1), (90_000, 1)]).excess(10.0, 5.0);
    assert!((excess - 3.0).abs() < 1e-9, "{excess}");
    assert!(log(&[]).excess(10.0, 5.0) < 0.0);
}
