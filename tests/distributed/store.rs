//! What a store does for all limits on it.
