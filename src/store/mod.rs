//! Where keys' words live: the word table, and every memory ordering it needs.
//!
//! For words, from the inside out: a [`slot`] is a word and its owner's tag; a page is 64 lines of four slots ([`pages`]); a
//! [`directory`] leads from a tag to its page; the [`table`] finds, claims, splits and forgets. `src/docs/design.md` tells why.
//!
//! For lists: a [`log_table`] is shards behind locks; a [`log_shard`] finds, adds and forgets, and keeps its keys in the order of [`recency`].

mod directory;
#[cfg(all(test, tollgate_loom))]
mod log_loom_tests;
mod log_shard;
mod log_table;
#[cfg(all(test, tollgate_loom))]
mod loom_tests;
mod pages;
mod recency;
mod sizing;
mod slot;
pub(crate) mod table;

pub(crate) use log_shard::{Bounds, Change, NoRoom};
pub(crate) use log_table::LogTable;
pub(crate) use slot::Pending;
pub(crate) use table::{Outcome, Rule, Step, WordTable};
