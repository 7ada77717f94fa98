//! A game server that limits what players do, per player and per kind of action.
//!
//! Four threads play the game for two seconds. Every action has a limit of its own kind, all on one coarse clock: a game does not
//! care about a millisecond, and reading such a clock is one load. Nobody is disconnected for being too fast: a refused action is
//! left undone, and the player told when to try again.
//!
//! ```sh
//! cargo run --release --example game_server
//! ```

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use tollgate::{BuildError, Clock, Denied, Gcra, LeakyBucket, Limiter, Quota, SlidingLog};

const THREADS: u32 = 4;
const PLAYERS_PER_THREAD: u32 = 25;
const ROUND: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Move,
    Shout,
    Craft,
}

/// What a player is told.
enum Answer {
    Done,
    /// It will be done by itself after this time.
    Queued(Duration),
    NotNow(Denied),
}

/// One limiter per kind of action; the keys are players.
struct Limits {
    /// Smooth, with room for a short burst after a lag.
    moves: Limiter<Gcra>,
    /// Nobody shouts more than three times in any second, wherever the second begins.
    shouts: Limiter<SlidingLog>,
    /// A workbench: one thing after another, five may wait.
    crafts: Limiter<LeakyBucket>,
}

impl Limits {
    fn new() -> Result<Limits, BuildError> {
        let clock = Clock::coarse(Duration::from_millis(1));
        let moves = Gcra::new(Quota::per_second(20).burst(30));
        let shouts = SlidingLog::new(3, Duration::from_secs(1));
        let crafts = LeakyBucket::new(Quota::per_second(4), 5);
        Ok(Limits {
            moves: Limiter::builder(moves).clock(clock.clone()).build()?,
            shouts: Limiter::builder(shouts).clock(clock.clone()).build()?,
            crafts: Limiter::builder(crafts).clock(clock).build()?,
        })
    }

    fn act(&self, player: u32, action: Action) -> Answer {
        let checked = match action {
            Action::Move => self.moves.check(&player),
            Action::Shout => self.shouts.check(&player),
            Action::Craft => self.crafts.check(&player),
        };
        match checked {
            Ok(allowed) if allowed.delay() > Duration::ZERO => Answer::Queued(allowed.delay()),
            Ok(_) => Answer::Done,
            Err(denied) => Answer::NotNow(denied),
        }
    }
}

/// What became of one kind of action.
#[derive(Default)]
struct Tally {
    done: u64,
    queued: u64,
    longest_queue: Duration,
    refused: u64,
    last_words: Option<String>,
}

impl Tally {
    fn count(&mut self, player: u32, action: Action, answer: &Answer) {
        match answer {
            Answer::Done => self.done += 1,
            Answer::Queued(delay) => {
                self.queued += 1;
                self.longest_queue = self.longest_queue.max(*delay);
            }
            Answer::NotNow(denied) => {
                self.refused += 1;
                let wait = denied.retry_after().unwrap_or(Duration::MAX).as_millis();
                self.last_words = Some(format!("player {player}, you can {action:?} again in {wait} ms"));
            }
        }
    }

    fn add(&mut self, other: Tally) {
        self.done += other.done;
        self.queued += other.queued;
        self.longest_queue = self.longest_queue.max(other.longest_queue);
        self.refused += other.refused;
        self.last_words = other.last_words.or(self.last_words.take());
    }
}

type Tallies = BTreeMap<Action, Tally>;

/// Some players' round: they move all the time, shout often, and craft now and then.
fn play(limits: &Limits, players: std::ops::Range<u32>) -> Tallies {
    let mut tallies = Tallies::new();
    let start = Instant::now();
    let mut tick = 0_u32;
    while start.elapsed() < ROUND {
        for player in players.clone() {
            let action = match (tick + player) % 8 {
                0 => Action::Craft,
                1 | 2 => Action::Shout,
                _ => Action::Move,
            };
            let answer = limits.act(player, action);
            tallies.entry(action).or_default().count(player, action, &answer);
        }
        tick += 1;
        // A frame of the game.
        thread::sleep(Duration::from_millis(16));
    }
    tallies
}

fn main() -> Result<(), BuildError> {
    let limits = Limits::new()?;
    println!("{} players for {ROUND:?}", THREADS * PLAYERS_PER_THREAD);

    let mut all = Tallies::new();
    thread::scope(|scope| {
        let rounds: Vec<_> = (0..THREADS)
            .map(|n| n * PLAYERS_PER_THREAD..(n + 1) * PLAYERS_PER_THREAD)
            .map(|players| scope.spawn(|| play(&limits, players)))
            .collect();
        // A thread that has panicked has nothing to add.
        for tallies in rounds.into_iter().filter_map(|round| round.join().ok()) {
            for (action, tally) in tallies {
                all.entry(action).or_default().add(tally);
            }
        }
    });

    println!("action    done  queued (longest)  refused  the last one refused was told");
    for (action, tally) in all {
        let Tally { done, queued, longest_queue, refused, last_words } = tally;
        let (name, longest) = (format!("{action:?}"), format!("({} ms)", longest_queue.as_millis()));
        println!(
            "{name:<6}{done:>8}{queued:>8}{longest:>10}{refused:>9}  {}",
            last_words.unwrap_or_default()
        );
    }
    Ok(())
}
