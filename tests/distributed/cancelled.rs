//! Callers who leave.
