//! Limits in a file that changes while the program runs, and customers of a tier that has another.
//!
//! An operator raises a limit: who waited for an hour goes on at once, and what everybody has spent stays spent. Then he makes a mistake: the file
//! is wrong, all that is wrong in it is told, and the last good one stays in force.
//!
//! ```sh
//! cargo run --release --features policy --example live_policies
//! ```

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tollgate::policy::{Attributes, PolicySet, Watcher};

const AT_FIRST: &str = r#"
[[policy]]
id = "exports"
scope = "user"
match = { route = "/export" }
limit = "3/h"
overrides = [{ match = { tier = "gold" }, limit = "300/h" }]

[[tier]]
name = "gold"
members = [{ user = ["gus", "acme-*"] }]
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::temp_dir().join(format!("tollgate-live-policies-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let shown = show(&directory.join("policies.toml"));
    fs::remove_dir_all(&directory)?;
    shown
}

fn show(file: &Path) -> Result<(), Box<dyn Error>> {
    fs::write(file, AT_FIRST)?;
    let set = Arc::new(PolicySet::new());
    // A service has no need of `poll`: it is told of changes by the system, and looks by itself every few seconds where it is not.
    let watcher = Watcher::builder(file).poll(Duration::from_millis(20)).start(&set)?;

    println!("three an hour:");
    for _ in 0..4 {
        ask(&set, "ann");
    }
    ask(&set, "gus");

    println!("\nthirty an hour, from now on:");
    change(file, &AT_FIRST.replace("\"3/h\"", "\"30/h\""), || set.version() > 1)?;
    // What she spent stays spent; a token comes back in two minutes, no longer in twenty.
    ask(&set, "ann");

    println!("\na mistake:");
    change(file, &AT_FIRST.replace("\"3/h\"", "\"3/fortnight\""), || watcher.last_error().is_some())?;
    if let Some(error) = watcher.last_error() {
        println!("{error}");
    }
    ask(&set, "bob");
    Ok(())
}

fn ask(set: &PolicySet, user: &str) {
    let verdict = set.check(&Attributes::new().user(user).route("/export"));
    if verdict.is_allowed() {
        println!("  {user}: go on, {} left", verdict.remaining());
    } else if let Some(wait) = verdict.retry_after() {
        println!("  {user}: retry in {wait:.0?}");
    } else {
        println!("  {user}: never");
    }
}

/// Writes the file, and waits until it was read: at most ten seconds.
fn change(file: &Path, text: &str, is_read: impl Fn() -> bool) -> Result<(), Box<dyn Error>> {
    fs::write(file, text)?;
    for _ in 0..1_000 {
        if is_read() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err("nobody has read the file".into())
}
