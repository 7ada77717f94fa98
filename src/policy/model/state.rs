//! [`State`]: whether a policy is in force, and what may become of it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a policy is in force.
///
/// Only an [`Active`](State::Active) one is. A policy goes from draft to active or inactive, from active to suspended or inactive, from suspended to
/// active or inactive, and from inactive to active.
///
/// ```
/// use tollgate::policy::{Attributes, Format, Policies, PolicySet, State};
///
/// let text = r#"{ "policy": [{ "id": "api", "scope": "user", "limit": "0/min" }] }"#;
/// let set = PolicySet::new();
/// set.apply(Policies::parse(text, Format::Json)?)?;
/// let ann = Attributes::new().user("ann");
/// assert!(!set.check(&ann).is_allowed());
/// set.transition("api", State::Suspended)?;
/// assert!(set.check(&ann).is_allowed());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum State {
    /// Being written: not in force, and never was.
    Draft,
    /// In force.
    #[default]
    Active,
    /// Not in force for a while. What keys have spent is kept, and counts when it is active again.
    Suspended,
    /// Not in force. What keys have spent is forgotten, but by a backend: there it comes back in time.
    Inactive,
}

impl State {
    /// Its name, as in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::Active => "active",
            State::Suspended => "suspended",
            State::Inactive => "inactive",
        }
    }

    /// The states that a policy may go to from this one.
    #[must_use]
    pub fn successors(self) -> &'static [State] {
        match self {
            State::Draft | State::Suspended => &[State::Active, State::Inactive],
            State::Active => &[State::Suspended, State::Inactive],
            State::Inactive => &[State::Active],
        }
    }

    /// Goes to another state. To stay is no change, and always possible.
    ///
    /// # Errors
    ///
    /// [`TransitionError`] if there is no way from this state to that one.
    ///
    /// ```
    /// use tollgate::policy::State;
    ///
    /// assert_eq!(State::Active.transition(State::Suspended), Ok(State::Suspended));
    /// let error = State::Active.transition(State::Draft).unwrap_err();
    /// assert_eq!(error.to_string(), "a policy cannot go from active to draft: from active it can go to suspended or inactive");
    /// ```
    pub fn transition(self, to: State) -> Result<State, TransitionError> {
        if self == to || self.successors().contains(&to) {
            Ok(to)
        } else {
            Err(TransitionError { from: self, to })
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// There is no way from one state to the other.
///
/// For an example see [`State::transition`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransitionError {
    /// The state that the policy is in.
    pub from: State,
    /// The state that it cannot go to.
    pub to: State,
}

impl fmt::Display for TransitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TransitionError { from, to } = self;
        let possible: Vec<_> = from.successors().iter().map(|state| state.as_str()).collect();
        write!(
            f,
            "a policy cannot go from {from} to {to}: from {from} it can go to {}",
            possible.join(" or ")
        )
    }
}

impl std::error::Error for TransitionError {}
