//! How many at once: limits on the number of requests in flight.

mod adaptive;
mod saturated;

pub use adaptive::{
    AdaptiveBuilder, AdaptiveConcurrency, AdaptiveError, AdaptivePermit, Aimd, Gradient2, LimitRule, Outcome,
    Partition, Sample,
};
pub use saturated::Saturated;
