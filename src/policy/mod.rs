//! Policies: limits as configuration that changes while the program runs.

mod change;
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

pub use change::{Change, Restart, Restarted};
pub use envoy::{Descriptor, EnvoyError};
pub use error::PolicyError;
pub use file::{Format, Problem, UnknownFormat};
pub use load::{FileError, FileErrorKind};
pub use lookup::Customer;
pub use matching::{Attributes, Value};
pub use model::*;
pub use set::{Builder, PolicySet};
pub use validate::Invalid;
pub use verdict::{PolicyMatch, Reason, Standing, Verdict};
