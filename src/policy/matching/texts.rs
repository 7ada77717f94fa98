//! [`Texts`]: whole texts, each with what it leads to.

use std::collections::HashMap;

use ahash::RandomState;

/// Up to so many texts are compared one by one, which is as fast as hashing.
const FEW: usize = 4;

/// Whole texts, each with what it leads to.
#[derive(Clone, Debug)]
pub(super) enum Texts<T> {
    Few(Box<[(Box<str>, T)]>),
    Many(HashMap<Box<str>, T, RandomState>),
}

impl<T> Texts<T> {
    /// Each text is there once.
    pub(super) fn new(texts: impl ExactSizeIterator<Item = (Box<str>, T)>) -> Texts<T> {
        if texts.len() <= FEW { Texts::Few(texts.collect()) } else { Texts::Many(texts.collect()) }
    }

    #[inline]
    pub(super) fn get(&self, text: &str) -> Option<&T> {
        match self {
            Texts::Few(few) => few.iter().find(|(other, _)| **other == *text).map(|(_, leads)| leads),
            Texts::Many(many) => many.get(text),
        }
    }
}

impl<T> Default for Texts<T> {
    fn default() -> Texts<T> {
        Texts::Few(Box::default())
    }
}
