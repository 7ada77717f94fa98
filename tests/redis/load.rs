//! [`Load`]: tasks that ask for one key without pause, and write down what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tollgate::distributed::{GlobalLimiter, Source};

use crate::oracle::{Decided, Log};

/// Tasks that ask until they are stopped.
#[derive(Debug)]
pub(crate) struct Load {
    tasks: JoinSet<Vec<Decided>>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    stop: AtomicBool,
    /// So many decisions were the store's.
    by_store: AtomicUsize,
}

impl Load {
    /// So many tasks of this process, each asking again so long after an answer.
    pub(crate) fn start(limiter: &GlobalLimiter, key: &str, tasks: usize, pause: Duration) -> Load {
        let state = Arc::new(State::default());
        let ask = |_| {
            let (limiter, key, state) = (limiter.clone(), key.to_owned(), Arc::clone(&state));
            async move {
                let mut decisions = Vec::new();
                while !state.stop.load(Ordering::Relaxed) {
                    let decided = decide(&limiter, &key).await;
                    state
                        .by_store
                        .fetch_add(usize::from(decided.source == Source::Remote), Ordering::Relaxed);
                    decisions.push(decided);
                    tokio::time::sleep(pause).await;
                }
                decisions
            }
        };
        Load { tasks: (0..tasks).map(ask).collect(), state }
    }

    /// How many decisions were the store's by now.
    pub(crate) fn by_store(&self) -> usize {
        self.state.by_store.load(Ordering::Relaxed)
    }

    /// All that they were told. Fails if one of them panicked.
    pub(crate) async fn stop(self) -> Log {
        self.state.stop.store(true, Ordering::Relaxed);
        Log::new(self.tasks.join_all().await.concat())
    }
}

pub(crate) async fn decide(limiter: &GlobalLimiter, key: &str) -> Decided {
    let asked = Instant::now();
    let decision = limiter.check(key).await;
    Decided { asked, answered: Instant::now(), allowed: decision.is_allowed(), source: decision.source() }
}
