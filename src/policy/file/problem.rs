//! [`Problem`]: what is wrong in a file, and where.

use std::fmt;

use super::lines::Lines;
use super::node::quoted;
use super::tree::Tree;

/// One thing that is wrong in a file, and where it stands.
///
/// For an example see [`Policies::parse`](crate::policy::Policies::parse). Its `Display` is one line: `line 12: policy "issue-cards", limits[1].burst: expected a whole number, found text "x"`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The line, from 1; 0 if it is the whole file that is wrong.
    pub line: u32,
    /// The column in characters, from 1; 0 if it is the whole file that is wrong.
    pub column: u32,
    /// The `id` of the policy, or `number 3` for the third of the file if it has none. `None` outside of policies.
    pub policy: Option<String>,
    /// The field, as the file has it: `limits[1].burst`, or `burst` for a limit that stands beside `id`. Empty if no
    /// single field is wrong. Outside of policies it starts at the top of the file.
    pub field: String,
    /// What is wrong, and what to change.
    pub message: String,
}

impl Problem {
    /// Something wrong at a place, whatever policy that is in.
    pub(crate) fn at(place: Place, message: impl Into<String>) -> Problem {
        let Place { line, column } = place;
        Problem { line, column, policy: None, field: String::new(), message: message.into() }
    }

    /// Something wrong right behind this beginning of a file.
    pub(crate) fn at_end(beginning: &str, message: impl Into<String>) -> Problem {
        Problem::at(Lines::new(beginning).place(beginning.len()), message)
    }

    /// Something wrong with the file as a whole.
    pub(crate) fn whole(message: impl Into<String>) -> Problem {
        Problem::at(Place { line: 0, column: 0 }, message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        match self.policy.as_deref() {
            // An id has no blanks, so this is never one.
            Some(number) if number.starts_with("number ") => write!(f, "policy {number}")?,
            Some(id) => write!(f, "policy {}", quoted(id))?,
            None => {}
        }
        if self.policy.is_some() && !self.field.is_empty() {
            f.write_str(", ")?;
        }
        f.write_str(&self.field)?;
        if self.policy.is_some() || !self.field.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// From 1.
    pub(crate) line: u32,
    /// In characters, from 1.
    pub(crate) column: u32,
}

impl Place {
    /// The start of a file.
    pub(crate) const START: Place = Place { line: 1, column: 1 };
}

/// The problems of a file as they are found.
#[derive(Debug, Default)]
pub(super) struct Problems {
    kept: Vec<Problem>,
    /// Of some of them, the tables they are about.
    tables: Vec<(usize, Place)>,
    found: usize,
}

impl Problems {
    /// More are not read at a time: about two screens.
    pub(super) const KEPT: usize = 100;

    /// Keeps the problem, or counts it where there are too many.
    pub(super) fn note(&mut self, problem: Problem) {
        self.found += 1;
        if self.kept.len() < Problems::KEPT {
            self.kept.push(problem);
        }
    }

    /// The same of a key of the table that begins at a place: which policy that is in shows when all is read.
    pub(super) fn note_key(&mut self, problem: Problem, table: Place) {
        self.tables.push((self.kept.len(), table));
        self.tables.truncate(Problems::KEPT);
        self.note(problem);
    }

    /// Names the policies of the keys noted.
    pub(super) fn assign(&mut self, tree: &Tree) {
        for (position, table) in self.tables.drain(..) {
            if let Some(problem) = self.kept.get_mut(position) {
                problem.policy = tree.policy_at(table);
            }
        }
    }

    /// How many there are, with those that are not kept.
    pub(super) fn found(&self) -> usize {
        self.found
    }

    /// Those kept, by line and column, and how many more there are.
    pub(super) fn sorted(mut self) -> (Vec<Problem>, usize) {
        self.kept.sort_by_key(|problem| (problem.line, problem.column));
        let omitted = self.found - self.kept.len();
        (self.kept, omitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(policy: Option<&str>, field: &str) -> Problem {
        let place = Place { line: 12, column: 3 };
        Problem { policy: policy.map(String::from), field: field.into(), ..Problem::at(place, "no") }
    }

    #[test]
    fn a_problem_shows_its_line_policy_and_field_as_far_as_it_has_them() {
        assert_eq!(
            problem(Some("cards"), "limits[1].burst").to_string(),
            "line 12: policy \"cards\", limits[1].burst: no"
        );
        assert_eq!(problem(Some("number 3"), "").to_string(), "line 12: policy number 3: no");
        assert_eq!(problem(None, "tier[0].name").to_string(), "line 12: tier[0].name: no");
        assert_eq!(problem(None, "").to_string(), "line 12: no");
        assert_eq!(Problem::whole("no").to_string(), "no");
    }

    #[test]
    fn so_many_are_kept_the_rest_is_counted_and_lines_are_in_order() {
        let mut problems = Problems::default();
        for line in (1..=150).rev() {
            problems.note(Problem::at(Place { line, column: 1 }, "no"));
        }
        let (kept, omitted) = problems.sorted();
        assert_eq!((kept.len(), omitted), (100, 50));
        assert!(kept.is_sorted_by_key(|problem| problem.line));
    }
}
