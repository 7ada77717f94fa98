//! [`Failure`]: why a call, or a check among others, comes to nothing.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::generated::tollgate::v1::CheckError;
use crate::server::caller::CallerError;

/// Why a call, or a check among others, comes to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    code: Code,
    message: String,
    /// The field that is wrong, or nothing.
    field: String,
}

impl Failure {
    /// A field is wrong.
    pub(super) fn field(field: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure { code: Code::InvalidArgument, message: message.into(), field: field.into() }
    }

    /// Something else is.
    pub(super) fn other(code: Code, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), field: String::new() }
    }

    /// A limit is not asked that came with the call; `place` finds its fields there by the names that the error has for them.
    pub(super) fn of_caller(error: &CallerError, place: impl FnOnce(&str) -> String) -> Failure {
        let code = match error {
            CallerError::Off => Code::FailedPrecondition,
            CallerError::Field { field, message } => return Failure::field(place(field), message),
            CallerError::TooManyLimits { .. } | CallerError::TooManyKeys { .. } => Code::ResourceExhausted,
            CallerError::Backend { .. } => Code::Unavailable,
        };
        Failure::other(code, error.to_string())
    }
}

impl From<Failure> for Status {
    fn from(Failure { code, message, field }: Failure) -> Status {
        if field.is_empty() {
            return Status::new(code, message);
        }
        let text = format!("{field}: {message}");
        Status::with_error_details(code, text, ErrorDetails::with_bad_request_violation(field, message))
    }
}

impl From<Failure> for CheckError {
    fn from(Failure { code, message, field }: Failure) -> CheckError {
        CheckError { code: code.into(), message, field }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_field_is_named_in_the_message_and_in_the_details() {
        let status = Status::from(Failure::field("key.limit.period", "is missing"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "key.limit.period: is missing");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!((&*violations[0].field, &*violations[0].description), ("key.limit.period", "is missing"));
    }

    #[test]
    fn limits_that_are_switched_off_are_no_wrong_argument() {
        let failure = Failure::of_caller(&CallerError::Off, |_| unreachable!());
        assert_eq!(CheckError::from(failure).code, i32::from(Code::FailedPrecondition));
    }
}
