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
mod wording;
mod yaml;

use std::{io, thread};

use serde::de::DeserializeOwned;

pub use format::{Format, UnknownFormat};
pub(crate) use normalize::FLAT;
pub use problem::Problem;
pub(crate) use tree::Tree;

use node::{Kind, Node};
use problem::{Place, Problems};

/// A file may have so many bytes: some 50 000 policies, and little enough to be read on any machine.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// The stack of the thread that parses, in bytes. In TOML eighty tables in one another with keys of eighty parts make
/// 6 400 levels, and the crate drops them by recursion, which without optimisation takes some kilobytes a level. On a
/// thread of its own neither that nor a parser's panic ends the program, however small the caller's stack is.
const STACK: usize = 64 << 20;

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

/// Reads a text, in time linear in its length. A wrong policy takes its own length more for each of its problems.
pub(crate) fn read<T: DeserializeOwned>(text: &str, format: Format) -> Read<T> {
    let mut problems = Problems::default();
    let mut value = None;
    let mut tree = Tree { root: Node::new(Place::START, Kind::Table(Vec::new())) };
    if let Some(root) = parse(text, format, &mut problems) {
        tree.root = root;
        problems.assign(&tree);
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
    let parsed = thread::scope(|scope| {
        let parser = thread::Builder::new().name("policy file".to_owned()).stack_size(STACK);
        let running = parser.spawn_scoped(scope, || match format {
            Format::Toml => toml::parse(text, problems),
            Format::Json => json::parse(text, problems),
            Format::Yaml => yaml::parse(text, problems),
        })?;
        Ok::<_, io::Error>(running.join())
    });
    match parsed {
        Ok(Ok(root)) => return root,
        Ok(Err(_)) => {
            problems.note(Problem::whole(format!("the {format} parser failed: please report the file")));
        }
        Err(error) => problems.note(Problem::whole(format!("there is no thread to read the file: {error}"))),
    }
    None
}
