//! `tollgate check-config`: whether files of policies are right, and what they put in force.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use tollgate::policy::Policies;
use tollgate::replay::write_policies;

use crate::print;

/// Tell whether files of policies are right, and what they put in force.
///
/// Each file is read for itself. All that is wrong in any of them is printed with its file and line, and the command
/// fails; otherwise a table of each file's policies.
#[derive(Debug, Args)]
pub(crate) struct CheckConfigArgs {
    /// The files, whose names end in .toml, .json, .yaml or .yml
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    files: Vec<PathBuf>,

    /// Read configurations of Envoy's rate limit service, and show the policies that they become
    #[arg(long)]
    envoy: bool,

    /// Print the JSON Schema of such a file, for editors
    #[arg(long, conflicts_with_all = ["files", "envoy"])]
    schema: bool,
}

pub(crate) fn run(args: &CheckConfigArgs) -> Result<(), Box<dyn Error>> {
    if args.schema {
        return print(|out| {
            serde_json::to_writer_pretty(&mut *out, &Policies::json_schema())?;
            writeln!(out)
        });
    }
    let (mut read, mut wrong) = (Vec::new(), Vec::new());
    for file in &args.files {
        let policies = if args.envoy { read_envoy(file) } else { read_policies(file) };
        match policies {
            Ok(policies) => read.push((file, policies)),
            Err(problems) => wrong.push(problems),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n").into());
    }
    print(|mut out| {
        for (place, (file, policies)) in read.iter().enumerate() {
            if read.len() > 1 {
                let between = if place == 0 { "" } else { "\n" };
                writeln!(out, "{between}{}\n", file.display())?;
            }
            write_policies(policies, &mut out)?;
        }
        Ok(())
    })
}

/// Reads a file of policies; else what is wrong in it, line by line.
fn read_policies(file: &Path) -> Result<Policies, String> {
    Policies::read(file).map_err(|error| error.to_string())
}

/// Reads a configuration of Envoy's rate limit service; else what is wrong in it, line by line.
fn read_envoy(file: &Path) -> Result<Policies, String> {
    let text = fs::read_to_string(file);
    let text = text.map_err(|error| format!("{}: cannot be read: {error}", file.display()))?;
    Policies::from_envoy(&text).map_err(|error| {
        let lines: Vec<String> =
            error.to_string().lines().map(|line| format!("{}: {line}", file.display())).collect();
        lines.join("\n")
    })
}
