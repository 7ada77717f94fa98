//! A store in memory.

mod lease;
