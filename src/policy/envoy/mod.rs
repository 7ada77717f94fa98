//! Configurations of Envoy's rate limit service (`envoyproxy/ratelimit`) as policies.

mod choice;
mod descriptor;
mod document;
mod ids;
mod import;

use std::fmt;

pub use descriptor::Descriptor;

use super::file::{Format, Problem, read};
use super::validate::validate;
use super::{Invalid, Policies};
use document::Document;
use import::{Import, MAX_PROBLEMS};

impl Policies {
    /// The policies of a configuration file of Envoy's rate limit service: one domain, in YAML.
    ///
    /// Each `rate_limit` becomes a policy of its own, about the attributes that a [`Descriptor`] has. It limits the
    /// requests that the service would apply it to, and no others: in each list a descriptor with the entry's very value
    /// comes before those with a `*` that it fits, in their order, and these before the one without a value; whatever
    /// is chosen there, no other is tried if nothing deeper fits; and a rate limit counts for requests that have as many
    /// entries as it is deep. A value that is not given, or given with a `*`, has a counter of its own for each value,
    /// unless `share_threshold` is set. Time is counted in fixed windows.
    ///
    /// In a few things it differs:
    ///
    /// - The service joins key and value by `_`, and so takes an entry `a_b: c` for `a: b_c`. Here they stay apart.
    /// - `quota_mode` and keys with a `*` are refused: policies cannot say that.
    /// - Where the service takes a number or a truth value for text, quotes are needed, and a field in the wrong place
    ///   is refused.
    /// - `replaces` speaks of all descriptors of a request:
    ///   [`check_together`](super::PolicySet::check_together) has it so, which spends for all of them or for none.
    ///
    /// `detailed_metric`, `value_to_metric` and `metadata` have no effect. Several files can be put together: their
    /// domains must not be the same.
    ///
    /// # Errors
    ///
    /// [`EnvoyError`], with all that is wrong in the file.
    ///
    /// ```
    /// use tollgate::policy::Policies;
    ///
    /// let policies = Policies::from_envoy(
    ///     "
    ///     domain: messaging
    ///     descriptors:
    ///       - key: message_type
    ///         value: marketing
    ///         descriptors:
    ///           - key: to_number
    ///             rate_limit: { unit: day, requests_per_unit: 5 }
    ///     ",
    /// )?;
    /// let policy = &policies.policy[0];
    /// assert_eq!(policy.id, "messaging/message_type:marketing/to_number");
    /// assert_eq!(policy.scope.to_string(), "envoy.2.to_number");
    /// assert_eq!(policy.limits[0].limit.to_string(), "5/d");
    /// # Ok::<(), tollgate::policy::EnvoyError>(())
    /// ```
    pub fn from_envoy(yaml: &str) -> Result<Policies, EnvoyError> {
        let file = read::<Document>(yaml, Format::Yaml);
        let error = EnvoyError { problems: file.problems, omitted: file.omitted };
        match file.value {
            Some(document) => {
                let policies = Policies::from(Import::new(&document, &file.tree, error).policies()?);
                match validate(&policies, true, None) {
                    invalid if invalid.is_empty() => Ok(policies),
                    invalid => Err(EnvoyError::of(invalid)),
                }
            }
            None => Err(error),
        }
    }
}

/// What is wrong in a configuration file of Envoy's rate limit service.
///
/// Its `Display` has a line for each problem. [`Policies::from_envoy`] tells one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnvoyError {
    /// The problems by line. The descriptor that is wrong stands under the name of its policy,
    /// as `messaging/message_type:marketing/to_number`.
    pub problems: Vec<Problem>,
    /// How many more there are: about 100 are told at a time.
    pub omitted: usize,
}

impl EnvoyError {
    /// Of policies that were made of a sound file, and are none: a value may be longer than any pattern.
    fn of(invalid: Vec<Invalid>) -> EnvoyError {
        let omitted = invalid.len().saturating_sub(MAX_PROBLEMS);
        let problems = invalid.into_iter().take(MAX_PROBLEMS).map(|invalid| {
            let field = invalid.field().to_owned();
            Problem { policy: Some(invalid.policy), field, ..Problem::whole(invalid.message) }
        });
        EnvoyError { problems: problems.collect(), omitted }
    }
}

impl fmt::Display for EnvoyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.omitted > 0 { write!(f, "\nand {} more", self.omitted) } else { Ok(()) }
    }
}

impl std::error::Error for EnvoyError {}
