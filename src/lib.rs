//! Exact, in-memory rate limiting by key.

mod algorithm;
mod clock;
mod decision;
mod limiter;
mod quota;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod replay;
mod store;
mod sync;

pub use algorithm::{Algorithm, Gcra, MAX_VALUE, TokenReading};
pub use clock::{Clock, ManualClock};
pub use decision::{Allowed, Denied, Figures, Status};
pub use limiter::{AtCapacity, BuildError, Builder, KeyHasher, Limiter, RandomState, Stats};
pub use quota::{Quota, QuotaError, QuotaSyntax};
