//! [`LeaseSettings`]: how tokens are taken in advance.

use std::time::Duration;

/// How nodes take tokens of a limit in advance.
///
/// ```
/// use std::time::Duration;
/// use tollgate::distributed::LeaseSettings;
///
/// let settings = LeaseSettings::default().life(Duration::from_millis(200));
/// # let _ = settings;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaseSettings {
    life: Option<Duration>,
}

impl LeaseSettings {
    /// How long a node may spend what it has leased, from 1 ms to 60 s (a value outside counts as the nearest of the two).
    #[must_use]
    pub fn life(self, life: Duration) -> LeaseSettings {
        LeaseSettings { life: Some(life) }
    }
}
