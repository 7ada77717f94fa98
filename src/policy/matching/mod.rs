//! Which policies concern a request: attributes, compiled conditions, and an index that leads from the one to the other.

mod attributes;
mod conditions;
mod index;
mod pattern;
mod prefixes;
mod texts;

pub use attributes::{Attributes, Value};
pub(super) use attributes::{Column, Seen};
pub(super) use conditions::CompiledConditions;
pub(super) use index::{Index, Places};
pub(super) use pattern::LONGEST_PATTERN;
