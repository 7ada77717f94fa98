//! A worker that takes jobs from a queue and limits each customer, in batches.
//!
//! One customer has queued a thousand jobs at once, the others a few. The worker looks at a batch of jobs with one `check_many`, does those
//! that may be done, and puts the others back for the time at which they may. So the busy customer gets its rate, and nobody waits behind it.
//!
//! ```sh
//! cargo run --release --example worker
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use tollgate::{BuildError, Clock, Gcra, Limiter, Quota};

/// Jobs that are looked at together.
const BATCH: usize = 64;

/// Jobs by the time at which they may be tried, then in the order in which they came.
#[derive(Default)]
struct Queue {
    jobs: BinaryHeap<Reverse<(Duration, u64, Customer)>>,
    count: u64,
}

type Customer = &'static str;

impl Queue {
    fn push(&mut self, due: Duration, customer: Customer) {
        self.count += 1;
        self.jobs.push(Reverse((due, self.count, customer)));
    }

    /// Up to a batch of jobs that are due.
    fn take_due(&mut self, now: Duration) -> Vec<Customer> {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH && self.next_due().is_some_and(|due| due <= now) {
            batch.extend(self.jobs.pop().map(|Reverse((_, _, customer))| customer));
        }
        batch
    }

    fn next_due(&self) -> Option<Duration> {
        self.jobs.peek().map(|Reverse((due, _, _))| *due)
    }
}

fn main() -> Result<(), BuildError> {
    // The day's work in a moment: time is moved by hand. A real worker leaves the clock out and sleeps.
    let (clock, hand) = Clock::manual();
    let per_customer = Gcra::new(Quota::per_second(50).burst(100));
    let limiter = Limiter::builder(per_customer).clock(clock.clone()).build()?;

    let mut queue = Queue::default();
    for _ in 0..1_000 {
        queue.push(Duration::ZERO, "busy");
    }
    for customer in ["ann", "ben", "cid"] {
        for _ in 0..20 {
            queue.push(Duration::ZERO, customer);
        }
    }

    let mut last_done: BTreeMap<Customer, (u32, Duration)> = BTreeMap::new();
    let mut answers = Vec::new();
    while let Some(due) = queue.next_due() {
        hand.set(due.max(clock.now()));
        let now = clock.now();
        let batch = queue.take_due(now);
        limiter.check_many(&batch, &mut answers);
        for (customer, answer) in batch.into_iter().zip(&answers) {
            match answer {
                Ok(_) => {
                    let (count, last) = last_done.entry(customer).or_default();
                    (*count, *last) = (*count + 1, now);
                }
                Err(denied) => match denied.retry_after() {
                    Some(wait) => queue.push(now + wait, customer),
                    None => eprintln!("{customer}'s quota admits nothing, the job is dropped"),
                },
            }
        }
    }

    println!("customer   jobs   the last one done after");
    for (customer, (jobs, last)) in last_done {
        println!("{customer:<8} {jobs:>6}   {last:?}");
    }
    Ok(())
}
