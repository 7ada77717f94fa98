//! The counts that are kept in `counts.toml`, a table for each toolchain and architecture.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::Outcome;

const FILE: &str = "counts.toml";

/// The head of the file, which is written as a whole.
const HEAD: &str = "# Instructions for each row, by compiler and architecture. Written by:\n\
                    # cargo bench -p tollgate-instructions -- --keep\n\n";

/// A row's name and its count.
pub(crate) type Counts = BTreeMap<String, f64>;

pub(crate) struct Kept {
    file: PathBuf,
    toolchain: String,
    all: BTreeMap<String, Counts>,
}

impl Kept {
    pub(crate) fn read() -> Outcome<Kept> {
        // Where cargo says that it is now, not where it was built: several clones may share a directory for what is built.
        let package = env::var_os("CARGO_MANIFEST_DIR").ok_or("run it by cargo bench")?;
        let file = PathBuf::from(package).join(FILE);
        let text = fs::read_to_string(&file)
            .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        let all = toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Kept { file, toolchain: toolchain()?, all })
    }

    /// Under what the counts of this machine are kept.
    pub(crate) fn toolchain(&self) -> &str {
        &self.toolchain
    }

    /// What is kept for this toolchain.
    pub(crate) fn counts(&self) -> Option<&Counts> {
        self.all.get(&self.toolchain)
    }

    /// Takes these instead, and leaves those of other toolchains as they are.
    pub(crate) fn keep(&mut self, counts: Counts) -> Outcome<()> {
        self.all.insert(self.toolchain.clone(), counts);
        let text = format!("{HEAD}{}", toml::to_string(&self.all)?);
        fs::write(&self.file, text)
            .map_err(|error| format!("{} cannot be written: {error}", self.file.display()).into())
    }
}

/// Another compiler or another architecture makes other instructions of the same source.
fn toolchain() -> Outcome<String> {
    let said =
        Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output()?;
    let said = String::from_utf8(said.stdout)?;
    // "rustc 1.95.0 (59807616e 2026-04-14)"
    let version = said.split(" (").next().unwrap_or(&said).trim();
    Ok(format!("{version} {}", env::consts::ARCH))
}
