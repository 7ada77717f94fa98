//! Longer reading: how to choose and to begin, how it works, how fast it is, where it ends.
//!
//! | you want to know | read |
//! |---|---|
//! | which limit, for whom, and what to do when it is two in the morning | [`choosing`] |
//! | what each algorithm promises, with a picture | [`algorithms`] |
//! | how to come from governor or tower_governor | [`migration`] |
//! | whether something else suits you better | [`comparison`] |
//! | how to run it as a service | [`service`] |
//! | how it works, and why it can be believed | [`design`] |
//! | how fast it is | [`performance`] |
//! | what it does not do | [`limitations`] |

// The examples of these two use what the features add.
#[cfg(any(not(doctest), feature = "full"))]
#[doc = include_str!("choosing.md")]
pub mod choosing {}

#[cfg(any(not(doctest), feature = "full"))]
#[doc = include_str!("migration.md")]
pub mod migration {}

// The pictures are what `examples/worst_cases` draws. HTML ends at an empty line, which is not part of an included file.
#[doc = include_str!("algorithms.md")]
#[doc = include_str!("algorithms/gcra.md")]
#[doc = include_str!("pictures/gcra.svg")]
#[doc = ""]
#[doc = include_str!("algorithms/token_bucket.md")]
#[doc = include_str!("pictures/token_bucket.svg")]
#[doc = ""]
#[doc = include_str!("algorithms/leaky_bucket.md")]
#[doc = include_str!("pictures/leaky_bucket.svg")]
#[doc = ""]
#[doc = include_str!("algorithms/fixed_window.md")]
#[doc = include_str!("pictures/fixed_window.svg")]
#[doc = ""]
#[doc = include_str!("algorithms/sliding_window.md")]
#[doc = include_str!("pictures/sliding_window.svg")]
#[doc = ""]
#[doc = include_str!("algorithms/sliding_log.md")]
#[doc = include_str!("pictures/sliding_log.svg")]
#[doc = ""]
#[doc = include_str!("algorithms/per_call.md")]
#[doc = include_str!("pictures/per_call.svg")]
#[doc = ""]
#[doc = include_str!("algorithms/concurrency.md")]
#[doc = include_str!("pictures/fixed.svg")]
#[doc = ""]
#[doc = include_str!("algorithms/aimd.md")]
#[doc = include_str!("pictures/aimd.svg")]
#[doc = ""]
#[doc = include_str!("algorithms/gradient2.md")]
#[doc = include_str!("pictures/gradient2.svg")]
pub mod algorithms {}

#[doc = include_str!("comparison.md")]
pub mod comparison {}

#[doc = include_str!("design.md")]
pub mod design {}

#[doc = include_str!("performance.md")]
pub mod performance {}

#[doc = include_str!("service.md")]
pub mod service {}

#[doc = include_str!("limitations.md")]
pub mod limitations {}
