//! [`Asker`] and [`Seen`]: a user and an api, and what was asked so far.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use quick_cache::Equivalent;

use super::AskerActivity;

/// Names are kept up to so many bytes: four times a SHA-256 in hexadecimal, and strangers choose them.
const LONGEST_NAME: usize = 256;

/// A user and an api.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asker {
    pub(super) user: Option<Box<str>>,
    pub(super) api: Option<Box<str>>,
}

/// The same, borrowed.
#[derive(Clone, Copy, Hash)]
pub(super) struct AskerRef<'a> {
    user: Option<&'a str>,
    api: Option<&'a str>,
}

impl<'a> AskerRef<'a> {
    pub(super) fn new(user: Option<&'a str>, api: Option<&'a str>) -> AskerRef<'a> {
        AskerRef { user: user.map(cut), api: api.map(cut) }
    }

    pub(super) fn user(&self) -> Option<&'a str> {
        self.user
    }

    pub(super) fn owned(self) -> Asker {
        Asker { user: self.user.map(Box::from), api: self.api.map(Box::from) }
    }
}

impl Equivalent<Asker> for AskerRef<'_> {
    fn equivalent(&self, asker: &Asker) -> bool {
        self.user == asker.user.as_deref() && self.api == asker.api.as_deref()
    }
}

fn cut(name: &str) -> &str {
    let mut end = name.len().min(LONGEST_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// What was asked so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    requests: AtomicU64,
    blocked: AtomicU64,
    /// In milliseconds since 1970.
    last: AtomicU64,
}

impl Seen {
    pub(super) fn note(&self, now: u64, allowed: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !allowed {
            self.blocked.fetch_add(1, Ordering::Relaxed);
        }
        self.last.fetch_max(now, Ordering::Relaxed);
    }

    pub(super) fn told_of(&self, asker: Asker) -> AskerActivity {
        // In this order: never more refused than asked.
        let blocked = self.blocked.load(Ordering::Relaxed);
        AskerActivity {
            user: asker.user.map(String::from),
            api: asker.api.map(String::from),
            requests: self.requests.load(Ordering::Relaxed).max(blocked),
            blocked,
            last_seen: UNIX_EPOCH + Duration::from_millis(self.last.load(Ordering::Relaxed)),
        }
    }
}
