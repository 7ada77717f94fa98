//! What no backend can do, whatever the store: errors that both of ours give.

use super::backend::{Applied, BackendError, BackendErrorKind};
use super::lease::LeaseTerms;
use super::parameters::Parameters;
use super::subject::Subject;

/// Nothing was done, and never will be.
pub(crate) fn unfit(message: impl Into<String>) -> BackendError {
    BackendError::new(BackendErrorKind::Configuration, Applied::No, message)
}

pub(crate) fn named_twice() -> BackendError {
    unfit("a check names the same key of a limit twice: add up its costs")
}

pub(crate) fn names_none() -> BackendError {
    unfit("a check names no key of any limit")
}

pub(crate) fn parameters_of(subject: &Subject) -> Result<Parameters, BackendError> {
    Parameters::of(&subject.rule).map_err(|error| unfit(error.to_string()))
}

pub(crate) fn terms_of(subject: &Subject) -> Result<LeaseTerms, BackendError> {
    match parameters_of(subject)? {
        Parameters::Leased(terms) => Ok(terms),
        _ => Err(unfit("only of a leased rule are tokens taken in advance: check the others")),
    }
}

pub(crate) fn places_are_acquired() -> BackendError {
    unfit("places of a concurrency limit are acquired and released, not checked")
}

pub(crate) fn only_places_are_acquired() -> BackendError {
    unfit("only places of a concurrency limit are acquired: check the other rules")
}
