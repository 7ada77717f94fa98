//! [`Record`]: what was done in one history, and which laws count.

use super::violation::Law;

/// A law that does not hold, before anybody has asked how it came to that.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) law: Law,
    pub(super) finding: String,
}

/// The account of one history.
#[derive(Debug)]
pub(super) struct Record<'a> {
    left_out: &'a [(Law, &'static str)],
    lines: Vec<String>,
}

impl<'a> Record<'a> {
    pub(super) fn new(left_out: &'a [(Law, &'static str)]) -> Record<'a> {
        Record { left_out, lines: Vec::new() }
    }

    pub(super) fn note(&mut self, line: String) {
        self.lines.push(line);
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines
    }

    pub(super) fn leaves_out(&self, law: Law) -> bool {
        self.left_out.iter().any(|(left_out, _)| *left_out == law)
    }

    /// Goes on if the law holds here, or does not count.
    pub(super) fn expect(
        &self,
        law: Law,
        holds: bool,
        finding: impl FnOnce() -> String,
    ) -> Result<(), Broken> {
        if holds || self.leaves_out(law) { Ok(()) } else { Err(Broken { law, finding: finding() }) }
    }
}
