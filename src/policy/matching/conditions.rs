//! [`CompiledConditions`]: whether a request fits.

use super::attributes::{Column, Seen};
use super::pattern::Matcher;
use crate::policy::model::Conditions;

/// Of each attribute named, a matcher that its value must fit.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct CompiledConditions(Box<[(Column, Matcher)]>);

impl CompiledConditions {
    /// Compiles conditions.
    ///
    /// # Errors
    ///
    /// The attribute, the place of its pattern, and what is wrong with it.
    pub(in crate::policy) fn new(
        conditions: &Conditions,
    ) -> Result<CompiledConditions, (String, usize, String)> {
        let compiled = conditions.iter().map(|(attribute, patterns)| {
            let column = Column::of(attribute);
            match Matcher::new(&column, patterns) {
                Ok(matcher) => Ok((column, matcher)),
                Err((place, message)) => Err((attribute.to_owned(), place, message)),
            }
        });
        compiled.collect::<Result<_, _>>().map(CompiledConditions)
    }

    #[inline]
    pub(in crate::policy) fn fit(&self, seen: &Seen<'_, '_>) -> bool {
        for (column, matcher) in &self.0 {
            if !seen.get(column).is_some_and(|value| matcher.fits(&value)) {
                return false;
            }
        }
        true
    }

    /// The same, but for what is said of one attribute.
    pub(super) fn without(&self, column: &Column) -> CompiledConditions {
        CompiledConditions(self.0.iter().filter(|(other, _)| other != column).cloned().collect())
    }

    pub(in crate::policy) fn iter(&self) -> impl Iterator<Item = &(Column, Matcher)> {
        self.0.iter()
    }
}
