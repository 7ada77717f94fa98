//! [`Progress`]: how far the reading of a log is, for whoever waits before a terminal.

use std::io::Read;

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// How many lines are read between two looks at the bar: a few milliseconds' worth.
const EVERY: u64 = 4_096;

const BAR: &str = "reading {wide_bar} {binary_bytes} of {binary_total_bytes}, {msg} lines";
const SPINNER: &str = "{spinner} reading {binary_bytes}, {msg} lines";

/// A bar on standard error that goes away when the log is read.
#[derive(Clone, Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows a bar if standard error is a terminal.
    #[must_use]
    pub fn on_terminal() -> Progress {
        Progress { bar: ProgressBar::no_length().with_finish(ProgressFinish::AndClear) }
    }

    /// Shows nothing.
    #[must_use]
    pub fn hidden() -> Progress {
        Progress { bar: ProgressBar::hidden() }
    }

    /// Counts the bytes that are read from `input`, of `size` if that is known.
    pub(super) fn watch<R: Read>(&self, input: R, size: Option<u64>) -> impl Read + use<R> {
        let template = if size.is_some() { BAR } else { SPINNER };
        if let Some(size) = size {
            self.bar.set_length(size);
        }
        self.bar.set_message("0");
        // The templates are right, as one sees at the first use; the default style would do as well.
        self.bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        self.bar.wrap_read(input)
    }

    /// Says how many lines have been read.
    pub(super) fn lines(&self, count: u64) {
        if count.is_multiple_of(EVERY) && !self.bar.is_hidden() {
            self.bar.set_message(super::text::number(count));
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
