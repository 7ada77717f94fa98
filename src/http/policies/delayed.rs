//! [`Delayed`]: a request that a leaky bucket holds for a while.

use std::time::Duration;

use tokio::time::sleep;

use crate::http::rules::{HeldPlace, Passed, Refused};

/// A request that has paid and goes on a little later. Dropped, it gives back its places, and nothing else.
pub(in crate::http) struct Delayed {
    passed: Passed,
    delay: Duration,
    place: HeldPlace,
}

impl Delayed {
    pub(super) fn new(passed: Passed, delay: Duration, place: HeldPlace) -> Delayed {
        Delayed { passed, delay, place }
    }

    pub(in crate::http) async fn turn(self) -> Result<Passed, Refused> {
        let Delayed { passed, delay, place } = self;
        sleep(delay).await;
        drop(place);
        Ok(passed)
    }
}
