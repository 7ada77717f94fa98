//! [`Progress`]: how far a probe is, for whoever waits before a terminal.

use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::plan::Until;

const BAR: &str = "probing {wide_bar} {msg}";

/// A bar on standard error that goes away at the end.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows a bar if standard error is a terminal.
    #[must_use]
    pub fn on_terminal() -> Progress {
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress { bar: ProgressBar::no_length().with_style(style) }
    }

    /// So much is done in all, of late so many checks a second.
    pub(super) fn show(&self, until: Until, elapsed: Duration, checks: u64, per_second: u64) {
        let (position, length) = match until {
            Until::Elapsed(whole) => (millis(elapsed), millis(whole)),
            Until::Checks(whole) => (checks, whole),
        };
        self.bar.set_length(length);
        self.bar.set_position(position);
        self.bar.set_message(format!("{} checks, {}/s", HumanCount(checks), HumanCount(per_second)));
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
