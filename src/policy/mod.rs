//! Policies: limits as configuration that changes while the program runs.

#[cfg(feature = "tower")]
mod asking;
mod change;
mod customers;
mod decide;
mod envoy;
mod error;
mod file;
mod in_force;
mod limits;
mod load;
mod lookup;
mod matching;
mod model;
mod set;
mod validate;
mod verdict;
mod version;
mod watch;

pub use change::{Change, Restart, Restarted};
pub use customers::{LookupSettings, LookupStats};
pub use envoy::{Descriptor, EnvoyError};
pub use error::PolicyError;
pub use file::{Format, Problem, UnknownFormat};
pub use load::{FileError, FileErrorKind};
pub use lookup::{Customer, Lookup, LookupError};
pub use matching::{Attributes, Value};
pub use model::*;
pub use set::{Builder, PolicySet};
pub use validate::Invalid;
pub use verdict::{PolicyMatch, Reason, Standing, Verdict};
pub use watch::{PolicyReload, WatchError, Watcher, WatcherBuilder, WatcherStats};
