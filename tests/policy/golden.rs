//! What a user is told about a file that is wrong: each file in `broken` with the text beside it.
//!
//! `TOLLGATE_ACCEPT=1 cargo test --features policy --test policy golden` writes the texts anew.

use std::fs;
use std::path::{Path, PathBuf};

use tollgate::policy::Policies;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policy/broken");

#[test]
fn every_broken_file_is_answered_with_the_text_beside_it() {
    let accept = std::env::var_os("TOLLGATE_ACCEPT").is_some();
    let mut wrong = Vec::new();
    for file in broken_files() {
        let beside = PathBuf::from(format!("{}.expected", file.display()));
        let answer = answer(&file);
        if accept {
            fs::write(&beside, &answer).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if answer != expected {
            wrong.push(format!("{}\nis answered with\n{answer}\nexpected\n{expected}", file.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nTo accept the answers: TOLLGATE_ACCEPT=1 cargo test --features policy --test policy golden",
        wrong.join("\n")
    );
}

#[test]
fn every_expected_text_belongs_to_a_file() {
    let files = broken_files();
    for path in paths().filter(|path| path.extension().is_some_and(|ending| ending == "expected")) {
        assert!(files.contains(&path.with_extension("")), "{}", path.display());
    }
}

/// What a user reads, without the folder.
fn answer(file: &Path) -> String {
    let is_envoy = file.to_string_lossy().ends_with(".envoy.yaml");
    let answer = if is_envoy {
        Policies::from_envoy(&fs::read_to_string(file).unwrap()).map_err(|error| error.to_string())
    } else {
        Policies::read(file).map_err(|error| error.to_string())
    };
    let folder = format!("{FOLDER}{}", std::path::MAIN_SEPARATOR);
    match answer {
        Ok(policies) => panic!("{} is no broken file: {policies:?}", file.display()),
        Err(error) => error.replace(&folder, "") + "\n",
    }
}

fn broken_files() -> Vec<PathBuf> {
    let is_hidden =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let is_expected = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "expected");
    let mut files: Vec<_> = paths().filter(|path| !is_hidden(path) && !is_expected(path)).collect();
    files.sort();
    files
}

fn paths() -> impl Iterator<Item = PathBuf> {
    fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path())
}
