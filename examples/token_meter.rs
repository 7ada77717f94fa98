//! A gateway to a language model that is paid by the token: it charges an estimate before a call, and the actual cost after it.
//!
//! Nobody knows before how long an answer will be. To charge nothing until then would let a customer start a hundred calls that cost a month's
//! budget; to charge the most that it might be would waste most of it. So each call reserves an estimate, together with one of the customer's requests, one of
//! everybody's tokens and a place among the calls in flight; all or none. When the answer is there, the estimate is settled.
//!
//! ```sh
//! cargo run --release --example token_meter
//! ```

use std::error::Error;
use std::time::Duration;

use tollgate::concurrency::KeyedConcurrencyLimit;
use tollgate::{AllowedAll, Clock, DeniedBy, Gcra, Limiter, Quota, check_all};

/// What the gateway promises to whom.
struct Gateway {
    /// The model's own limit, shared by all.
    model_tokens: Limiter,
    customer_tokens: Limiter,
    customer_requests: Limiter,
    customer_calls: KeyedConcurrencyLimit,
}

impl Gateway {
    fn new(clock: &Clock) -> Result<Gateway, Box<dyn Error>> {
        let limiter = |quota| Limiter::builder(Gcra::new(quota)).clock(clock.clone()).build();
        Ok(Gateway {
            model_tokens: limiter(Quota::per_minute(100_000))?,
            customer_tokens: limiter(Quota::per_minute(20_000))?,
            customer_requests: limiter(Quota::per_minute(60).burst(10))?,
            customer_calls: KeyedConcurrencyLimit::new(2),
        })
    }

    /// What is returned is kept as long as the call takes, and then settled. Dropped on the way, by an error or a panic, the estimate
    /// stays charged and the place is given back.
    fn begin(&self, customer: &str, estimate: u64) -> Result<AllowedAll<'_>, DeniedBy<'_>> {
        check_all(&[
            self.customer_requests.on(customer).label("requests per minute"),
            self.customer_tokens.on(customer).label("tokens per minute").reserve(estimate),
            self.model_tokens.on(&()).label("the model's tokens").reserve(estimate),
            self.customer_calls.on(customer).label("calls at once"),
        ])
    }

    fn left(&self, customer: &str) -> u64 {
        self.customer_tokens.peek(customer).remaining()
    }
}

/// A call: whose, what was estimated, what it turned out to cost (unless the model failed), and how long it took.
const CALLS: [(&str, u64, Option<u64>, Duration); 9] = [
    ("ann", 2_000, Some(1_200), Duration::from_secs(3)),
    ("ben", 500, Some(4_100), Duration::from_secs(9)),
    ("ann", 8_000, Some(6_500), Duration::from_secs(8)),
    ("ann", 9_000, Some(40_000), Duration::from_secs(20)), // an answer that would not end: a debt
    ("ben", 15_000, None, Duration::from_secs(1)),         // nothing is to be paid
    ("ann", 1_000, Some(900), Duration::from_secs(2)),     // has to wait until the debt is paid off
    ("ben", 25_000, Some(25_000), Duration::from_secs(1)), // more than a minute's tokens: never
    ("ben", 3_000, Some(2_800), Duration::from_secs(4)),
    ("ann", 1_000, Some(950), Duration::from_secs(2)),
];

fn main() -> Result<(), Box<dyn Error>> {
    // The afternoon in a moment: time is moved by hand. A real gateway leaves the clock out.
    let (clock, hand) = Clock::manual();
    let gateway = Gateway::new(&clock)?;
    println!("{:>6}  {:<4} {:>8} {:>8} {:>8}  what happened", "time", "who", "estimate", "actual", "left");
    for (customer, estimate, actual, takes) in CALLS {
        let begun = clock.now();
        let (spent, story) = match (gateway.begin(customer, estimate), actual) {
            (Ok(call), Some(actual)) => {
                hand.advance(takes);
                call.settle(actual);
                (actual, format!("answered after {takes:?}"))
            }
            (Ok(call), None) => {
                hand.advance(takes);
                call.cancel();
                (0, "the model failed".to_owned())
            }
            (Err(denied), _) => {
                let story = denied.to_string();
                // A caller who may come back does; this one is patient.
                hand.advance(denied.retry_after().unwrap_or_default());
                (0, story)
            }
        };
        let left = gateway.left(customer);
        println!("{:>5.0}s  {customer:<4} {estimate:>8} {spent:>8} {left:>8}  {story}", begun.as_secs_f64());
    }

    // Two calls at once are the most.
    let first = gateway.begin("cid", 100).map_err(|denied| denied.to_string())?;
    let second = gateway.begin("cid", 100).map_err(|denied| denied.to_string())?;
    let third = gateway.begin("cid", 100).map(AllowedAll::cancel).map_err(|denied| denied.label());
    assert_eq!(third, Err(Some("calls at once")));
    first.settle(150);
    drop(second); // lost on the way: its estimate stays charged, its place is free
    assert_eq!(gateway.left("cid"), 20_000 - 150 - 100);
    gateway.begin("cid", 100).map_err(|denied| denied.to_string())?.cancel();
    assert_eq!(gateway.left("cid"), 20_000 - 150 - 100);
    Ok(())
}
