//! The store is Redis or Valkey.

#[doc(hidden)]
pub mod scripts;
