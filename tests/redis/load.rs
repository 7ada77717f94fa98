//! [`Load`]: tasks that ask for one key without pause, and write down what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tollgate::distributed::GlobalLimiter;

use crate::oracle::{Decided, Log};

/// Tasks that ask until they are stopped.
#[derive(Debug)]
pub(crate) struct Load {
    tasks: JoinSet<Vec<Decided>>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// So many tasks of this process, each asking again so long after an answer.
    pub(crate) fn start(limiter: &GlobalLimiter, key: &str, tasks: usize, pause: Duration) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let ask = |_| {
            let (limiter, key, stop) = (limiter.clone(), key.to_owned(), Arc::clone(&stop));
            async move {
                let mut decisions = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    decisions.push(decide(&limiter, &key).await);
                    tokio::time::sleep(pause).await;
                }
                decisions
            }
        };
        Load { tasks: (0..tasks).map(ask).collect(), stop }
    }

    /// All that they were told. Fails if one of them panicked.
    pub(crate) async fn stop(self) -> Log {
        self.stop.store(true, Ordering::Relaxed);
        Log::new(self.tasks.join_all().await.concat())
    }
}

pub(crate) async fn decide(limiter: &GlobalLimiter, key: &str) -> Decided {
    let asked = Instant::now();
    let decision = limiter.check(key).await;
    Decided { asked, answered: Instant::now(), allowed: decision.is_allowed(), source: decision.source() }
}
