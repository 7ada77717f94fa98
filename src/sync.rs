//! The primitives that the core synchronises with: std and `parking_lot`, or loom's models of them.
//!
//! This is the only file that knows which. `--cfg tollgate_loom` chooses loom (plain `--cfg loom` would also
//! change tokio under our users' feet).

#[cfg(not(tollgate_loom))]
mod real {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::sync::OnceLock;
    pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}

#[cfg(tollgate_loom)]
mod model {
    #[cfg(test)]
    pub(crate) use loom::{model, sync::Arc, thread};

    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
    // loom has no once-cell. std's is right here too: nothing loom can interleave runs inside its initialiser, and
    // every cell is filled before the modelled atomic that leads to it is stored.
    pub(crate) use std::sync::OnceLock;

    /// loom's mutex with `parking_lot`'s interface: no poisoning.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }
}

#[cfg(tollgate_loom)]
pub(crate) use model::*;
#[cfg(not(tollgate_loom))]
pub(crate) use real::*;
