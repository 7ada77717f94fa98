//! What one bucket in one place would have admitted, and by how much its limit was exceeded.

/// A bucket that fills with the time, as the moment at which it is full again: exact, since a token takes whole
/// nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Nanoseconds in which a token comes back.
    pub(crate) interval: u64,
    pub(crate) burst: u64,
}

/// For each key the moment at which an ideal bucket and the one that was really spent from are full again.
#[derive(Debug)]
pub(crate) struct Oracle {
    limit: Limit,
    ideal: Vec<u64>,
    spent: Vec<u64>,
    /// The deepest debt that any key was in, in nanoseconds.
    debt: u64,
}

impl Oracle {
    pub(crate) fn new(limit: Limit, keys: usize) -> Oracle {
        Oracle { limit, ideal: vec![0; keys], spent: vec![0; keys], debt: 0 }
    }

    /// Whether one bucket for all nodes, with no way to it, admits a token.
    pub(crate) fn admits(&mut self, now: u64, key: usize) -> bool {
        let full_at = self.ideal[key].max(now) + self.limit.interval;
        let admits = full_at - now <= self.limit.interval * self.limit.burst;
        if admits {
            self.ideal[key] = full_at;
        }
        admits
    }

    /// A token was admitted.
    pub(crate) fn admitted(&mut self, now: u64, key: usize) {
        let full_at = self.spent[key].max(now) + self.limit.interval;
        self.spent[key] = full_at;
        self.debt = self.debt.max((full_at - now).saturating_sub(self.limit.interval * self.limit.burst));
    }

    /// By how many tokens the worst interval of any key had more than `burst + rate · length`. What comes back in the
    /// store's microsecond is not counted: it does not know how far into one it is.
    pub(crate) fn excess(&self) -> u64 {
        self.debt.saturating_sub(1_000).div_ceil(self.limit.interval)
    }
}
