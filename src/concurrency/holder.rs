//! [`Holder`]: how a permit holds on to its limit.

use std::ops::Deref;
use std::sync::Arc;

/// A limit, borrowed or shared.
#[derive(Debug)]
pub(crate) enum Holder<'a, T> {
    Borrowed(&'a T),
    Shared(Arc<T>),
}

impl<T> Clone for Holder<'_, T> {
    fn clone(&self) -> Self {
        match self {
            Holder::Borrowed(limit) => Holder::Borrowed(limit),
            Holder::Shared(limit) => Holder::Shared(Arc::clone(limit)),
        }
    }
}

impl<T> Deref for Holder<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self {
            Holder::Borrowed(limit) => limit,
            Holder::Shared(limit) => limit,
        }
    }
}
