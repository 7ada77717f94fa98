//! Policies: what they decide, and what becomes of it when they change.
#![cfg(feature = "policy")]

mod decisions;
