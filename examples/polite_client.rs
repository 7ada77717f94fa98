//! A client of somebody else's API that keeps to its limits by itself: five requests a second, and three at a time.
//!
//! Whoever sends what is refused pays twice: for the request, and for trying again. So each request waits for its turn before it is sent, in the order
//! in which they came. The API here is a function that takes some time and counts who asked too soon: nobody does.
//!
//! ```sh
//! cargo run --release --features tokio --example polite_client
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tollgate::concurrency::ConcurrencyLimit;
use tollgate::{Clock, Gcra, Limiter, Quota};

/// What the API allows, as its documentation says.
const RATE: Quota = Quota::per_second(5);
const AT_ONCE: usize = 3;
/// Longer than this nobody wants to wait for a page.
const PATIENCE: Duration = Duration::from_secs(10);

struct Client {
    rate: Limiter,
    at_once: ConcurrencyLimit,
}

impl Client {
    /// Asks for a page when it may.
    async fn page(&self, account: &str, number: u64) -> Result<String, Box<dyn Error + Send + Sync>> {
        // The place first: a token that is spent while others hold all places would be late when it is used.
        let place = self.at_once.acquire_within(PATIENCE).await.map_err(|full| full.to_string())?;
        let turn = self.rate.until_allowed_within(account, 1, PATIENCE).await;
        let _allowed = turn.map_err(|denied| denied.to_string())?;
        let page = the_api(number).await;
        drop(place);
        Ok(page)
    }
}

/// Each answer takes its time.
async fn the_api(number: u64) -> String {
    sleep(Duration::from_millis(200 + 150 * (number % 5))).await;
    format!("page {number}")
}

// Tokio's time stands still until everybody waits for it, and then it jumps: the example takes no time. A real client leaves `start_paused` and the
// clock out.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let rate = Limiter::builder(Gcra::new(RATE.burst(5))).clock(Clock::tokio()).build()?;
    let at_once = ConcurrencyLimit::builder(AT_ONCE).queue(100).build();
    let client = Arc::new(Client { rate, at_once });

    let begun = Instant::now();
    let mut pages = JoinSet::new();
    for number in 1..=20 {
        let client = Arc::clone(&client);
        pages.spawn(async move { client.page("account-7", number).await });
    }
    while let Some(page) = pages.join_next().await {
        println!("{:>5.2} s  {}", begun.elapsed().as_secs_f64(), page??);
    }
    Ok(())
}
