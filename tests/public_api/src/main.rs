//! Whether the public interface is the one that is listed, and each item of it has an example or leads to one:
//! `cargo run --manifest-path tests/public_api/Cargo.toml`, from the root of the repository.
//!
//! A change of the listing is then a part of the change that makes it, to be looked at. With `--update` it writes the listing.

mod examples;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustdoc_types::FORMAT_VERSION;
use serde::Deserialize;
use similar::TextDiff;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The directory of this package, as `cargo run` tells it. Where it was when it was built says nothing: several clones may share a directory for what is built.
const HERE: &str = "CARGO_MANIFEST_DIR";

const UPDATE: &str = "cargo run --manifest-path tests/public_api/Cargo.toml -- --update";

/// The listings, and with what cargo is asked for them.
const LISTINGS: [(&str, &[&str]); 2] = [("default.txt", &[]), ("all-features.txt", &["--all-features"])];

/// Of the compiler's own concern: nobody can name them on stable, and which type has them is no promise.
const INTERNAL: [&str; 3] =
    ["core::marker::Freeze for ", "core::marker::StructuralPartialEq for ", "core::marker::UnsafeUnpin for "];

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("public_api: {error}");
        ExitCode::FAILURE
    })
}

fn run() -> Outcome<ExitCode> {
    let update = match env::args().nth(1).as_deref() {
        None => false,
        Some("--update") => true,
        Some(other) => return Err(format!("unknown option {other}: there is --update").into()),
    };
    let here = env::var_os(HERE).map(PathBuf::from).ok_or("run it by cargo")?;
    let (mut changed, mut without_example) = (false, Vec::new());
    for (name, features) in LISTINGS {
        let json = json(&here, features)?;
        let format = format(&json)?;
        if format != FORMAT_VERSION {
            let refused =
                format!("this rustdoc writes format {format}, and {FORMAT_VERSION} is what can be read");
            if update {
                return Err(refused.into());
            }
            println!("NOT TESTED: whether the public interface is the one that is listed ({refused})");
            return Ok(ExitCode::SUCCESS);
        }
        changed |= !agrees(&here.join(name), &listing(&json)?, update)?;
        // The last listing is of all there is.
        without_example = examples::missing(&json)?;
    }
    if changed {
        eprintln!(
            "\nThe public interface has changed. If it is meant to, write the listing anew and commit it:\n{UPDATE}"
        );
    }
    for item in &without_example {
        eprintln!("{item} has no example, and no link to an item that has one");
    }
    let sound = !changed && without_example.is_empty();
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The file that rustdoc makes of the library with these features.
fn json(here: &Path, features: &[&str]) -> Outcome<PathBuf> {
    let root = here.join("../..");
    let target = root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let json = target.join("doc/tollgate.json");
    // Both sets of features have the same file: without it cargo knows that it must make it, and it is no older one that is read.
    if json.exists() {
        fs::remove_file(&json)?;
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What `cargo run` tells of this package: to the build scripts of others it would be a change.
    for (name, _) in env::vars_os() {
        if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
    let status = cargo
        .current_dir(&root)
        .env("RUSTDOC", here.join("rustdoc"))
        .args(["rustdoc", "--locked", "--quiet", "--lib", "--target-dir"])
        .arg(&target)
        .args(features)
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .status()?;
    if !status.success() {
        return Err(format!("cargo rustdoc: {status}").into());
    }
    Ok(json)
}

/// What tells whether the rest can be read.
#[derive(Deserialize)]
struct Format {
    format_version: u32,
}

fn format(json: &Path) -> Outcome<u32> {
    let Format { format_version } = serde_json::from_str(&fs::read_to_string(json)?)?;
    Ok(format_version)
}

/// A line for each item and each trait of a type.
fn listing(json: &Path) -> Outcome<String> {
    let interface = public_api::Builder::from_rustdoc_json(json).omit_blanket_impls(true).build()?;
    let lines = interface.items().map(|item| format!("{item}\n"));
    Ok(lines.filter(|line| !INTERNAL.iter().any(|marker| line.contains(marker))).collect())
}

/// Whether the file says this; if it is to be updated, it does from now on.
fn agrees(file: &Path, now: &str, update: bool) -> Outcome<bool> {
    if update {
        fs::write(file, now)?;
        return Ok(true);
    }
    let listed = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if listed == now {
        return Ok(true);
    }
    let diff = TextDiff::from_lines(&listed, now);
    eprint!("{}", diff.unified_diff().header(&format!("{name}, as listed"), "as it is"));
    Ok(false)
}
