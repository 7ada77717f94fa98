//! Limits that a backend counts: what a policy that names one asks of it, and what becomes of the answers.

mod group;
mod key;
mod limit;
mod limits;
mod question;
mod rule;
mod together;

pub(super) use group::{RemoteGroup, RemoteRates, ask_all, correct_all, look_all};
pub(super) use limit::RemoteLimit;
pub(super) use limits::{RemoteLimits, store_names};
pub(super) use question::{AskedThere, Correcting};
pub(super) use rule::rule;
#[cfg(feature = "server")]
pub(crate) use rule::shared_rule;
pub(super) use together::all;
