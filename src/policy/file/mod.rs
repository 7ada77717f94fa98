//! Files of policies: TOML, JSON or YAML text into any type of serde's, with all its problems at once.
//!
//! The way of a text: its syntax makes a [`Tree`] of values with their places, a limit that stands beside its policy's
//! `id` moves under `limits`, and serde makes the value of it.

mod core_schema;
mod deserialize;
mod failure;
mod format;
mod json;
mod lines;
mod node;
mod normalize;
mod problem;
mod repair;
#[cfg(test)]
mod tests;
mod toml;
mod tree;
mod yaml;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde::de::DeserializeOwned;

pub use format::{Format, UnknownFormat};
pub use problem::Problem;
pub(crate) use tree::Tree;

use node::{Kind, Node};
use problem::{Place, Problems};

/// A file may have so many bytes: some 50 000 policies, and little enough to be read on any machine.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// What a file says.
#[derive(Debug)]
pub(crate) struct Read<T> {
    /// The value; if there are problems, what is left of it without all that is wrong, and nothing if too little is.
    pub(crate) value: Option<T>,
    /// What is wrong, by line; 100 problems at most.
    pub(crate) problems: Vec<Problem>,
    /// How many problems more there are.
    pub(crate) omitted: usize,
    /// Where the values of `value` stand.
    pub(crate) tree: Tree,
}

impl<T> Read<T> {
    /// Adds a problem with the meaning of `value`: `path` leads to it as in [`Tree::locate`].
    pub(crate) fn note(&mut self, path: &str, message: impl Into<String>) {
        if self.problems.len() >= Problems::KEPT {
            self.omitted += 1;
            return;
        }
        let problem = self.tree.locate(path, message);
        let place = |problem: &Problem| (problem.line, problem.column);
        let position = self.problems.partition_point(|other| place(other) <= place(&problem));
        self.problems.insert(position, problem);
    }
}

/// The text of a file. One that is too large is not read to its end.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Reads a text. Its cost is linear in its length, also if many of its policies are wrong.
pub(crate) fn read<T: DeserializeOwned>(text: &str, format: Format) -> Read<T> {
    let mut problems = Problems::default();
    let mut value = None;
    let mut tree = Tree { root: Node::new(Place::START, Kind::Table(Vec::new())) };
    if let Some(root) = parse(text, format, &mut problems) {
        tree.root = root;
        normalize::normalize(&mut tree, &mut problems);
        value = repair::deserialize(&mut tree, &mut problems);
    }
    let (problems, omitted) = problems.sorted();
    Read { value, problems, omitted, tree }
}

fn parse(text: &str, format: Format, problems: &mut Problems) -> Option<Node> {
    if text.len() > MAX_BYTES {
        let length = text.len();
        let message = format!("the file has {length} bytes: divide it into files of at most {MAX_BYTES}");
        problems.note(Problem::whole(message));
        return None;
    }
    // Some editors write this mark; it is no part of any of the languages.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format {
        Format::Toml => toml::parse(text, problems),
        Format::Json => json::parse(text, problems),
        Format::Yaml => yaml::parse(text, problems),
    }
}
