//! How many of the same requests each admits, beside a bucket that counts exactly.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::Outcome;
use crate::common::keys;
use crate::common::setup::{Setup, live};
use crate::common::subject::Subject;
use crate::peers::{PEERS, Visit, visit};

/// 100/s, 100 at once: what every peer can be told, those with windows too (100 in a second).
const LIMIT: Setup = Setup { interval: 10_000_000, burst: 100, max_keys: 1_000 };

/// Requests of one key, in nanoseconds from the start.
pub(crate) struct Traffic {
    pub(crate) name: &'static str,
    every: Duration,
    at_once: u32,
}

/// Below the limit, far above it, and all at once when the bucket is just full again.
pub(crate) const TRAFFICS: [Traffic; 4] = [
    Traffic { name: "50/s", every: Duration::from_millis(20), at_once: 1 },
    Traffic { name: "200/s", every: Duration::from_millis(5), at_once: 1 },
    Traffic { name: "1000/s", every: Duration::from_millis(1), at_once: 1 },
    Traffic { name: "120 at once, each 0.75 s", every: Duration::from_millis(750), at_once: 120 },
];

/// Admitted of exact, by the traffic and, in it, by the peer.
pub(crate) fn of_traffic(length: Duration) -> Outcome<Vec<Vec<f64>>> {
    let mut lanes = TRAFFICS.iter().map(Lane::new).collect::<Outcome<Vec<_>>>()?;
    let start = Instant::now();
    while let Some(lane) = lanes.iter_mut().min_by_key(|lane| lane.next).filter(|lane| lane.next < length) {
        std::thread::sleep(lane.next.saturating_sub(start.elapsed()));
        for _ in 0..lane.traffic.at_once {
            lane.ask(start);
        }
        lane.next += lane.traffic.every;
    }
    Ok(lanes.iter().map(Lane::ratios).collect())
}

/// One key's traffic, and what came of it. Each peer has a limiter for it alone, since some know no keys.
struct Lane {
    traffic: &'static Traffic,
    next: Duration,
    exact: Exact,
    peers: Vec<(Check, u32)>,
    turn: usize,
}

impl Lane {
    fn new(traffic: &'static Traffic) -> Outcome<Self> {
        let peers = PEERS.iter().map(|peer| Ok((visit(peer.name, &CheckOf(LIMIT))?, 0)));
        Ok(Self {
            traffic,
            next: Duration::ZERO,
            exact: Exact::default(),
            peers: peers.collect::<Outcome<_>>()?,
            turn: 0,
        })
    }

    /// One request, for everybody at the same time but for some microseconds, in which another one begins each time.
    fn ask(&mut self, start: Instant) {
        let key = keys::text(keys::key(7));
        self.exact.ask(start.elapsed());
        let count = self.peers.len();
        for turn in 0..count {
            let (check, admitted) = &mut self.peers[(turn + self.turn) % count];
            *admitted += u32::from(check(&key));
        }
        self.turn += 1;
    }

    fn ratios(&self) -> Vec<f64> {
        self.peers.iter().map(|&(_, admitted)| f64::from(admitted) / f64::from(self.exact.admitted)).collect()
    }
}

/// A token bucket in whole nanoseconds.
#[derive(Default)]
struct Exact {
    /// When the debt is paid off.
    paid: Duration,
    admitted: u32,
}

impl Exact {
    fn ask(&mut self, now: Duration) {
        let interval = Duration::from_nanos(LIMIT.interval);
        let paid = self.paid.max(now) + interval;
        if paid <= now + interval * LIMIT.burst {
            self.paid = paid;
            self.admitted += 1;
        }
    }
}

type Check = Box<dyn Fn(&String) -> bool + Sync>;

/// Some peer's check, of a limiter of its own.
struct CheckOf(Setup);

impl Visit for CheckOf {
    type Output = Check;

    fn visit<S: Subject<String> + 'static>(&self) -> Outcome<Check> {
        let subject = S::build(&self.0)?;
        Ok(Box::new(move |key| subject.check(key)))
    }
}

/// Admitted of exact, where two threads ask at the same moment for the last tokens, in so many limiters of each peer.
pub(crate) fn of_two_threads(limiters: usize) -> Outcome<Vec<f64>> {
    let burst = 100;
    // No token comes back before the end.
    let setup = Setup { max_keys: 1_000, ..live(1, burst) };
    let key = keys::text(keys::key(7));
    PEERS
        .iter()
        .map(|peer| {
            let mut admitted = 0;
            for _ in 0..limiters {
                let check = visit(peer.name, &CheckOf(setup))?;
                let ready = AtomicUsize::new(0);
                let ask = || {
                    // A barrier of the system wakes the second thread when the first is through with its requests.
                    ready.fetch_add(1, Ordering::AcqRel);
                    while ready.load(Ordering::Acquire) < 2 {
                        std::hint::spin_loop();
                    }
                    (0..burst).map(|_| u32::from(check(&key))).sum::<u32>()
                };
                admitted += std::thread::scope(|scope| {
                    let other = scope.spawn(ask);
                    ask() + other.join().unwrap_or_default()
                });
            }
            #[allow(clippy::cast_precision_loss, reason = "some hundreds")]
            let exact = f64::from(burst) * limiters as f64;
            Ok(f64::from(admitted) / exact)
        })
        .collect()
}
