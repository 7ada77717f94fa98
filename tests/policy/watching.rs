//! What becomes of a set when the file that it follows changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

use tollgate::observe::Observer;
use tollgate::policy::{PolicyReload, PolicySet, WatchError, Watcher, WatcherBuilder};

/// Far longer than anything here takes: who waits for so long waits in vain.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// Often enough that nobody waits long for a test.
const SOON: Duration = Duration::from_millis(20);
pub(crate) const NEVER: Duration = Duration::MAX;

/// A directory of a test's own.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tollgate-watching-{}-{number}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Passes on the version that came in force, or why none did.
pub(crate) struct Teller(pub(crate) Sender<Result<u64, String>>);

impl Observer for Teller {
    fn policies_reloaded(&self, reload: &PolicyReload<'_>) {
        let outcome = reload.outcome.map(|change| change.version).map_err(ToString::to_string);
        // The test may be over.
        let _ = self.0.send(outcome);
    }
}

/// A set that follows a file.
struct Following {
    set: Arc<PolicySet>,
    watcher: Watcher,
    told: Receiver<Result<u64, String>>,
}

impl Following {
    fn new(file: &Path, settings: impl FnOnce(WatcherBuilder) -> WatcherBuilder) -> Following {
        let (teller, told) = channel();
        let set = Arc::new(PolicySet::new());
        let builder = settings(Watcher::builder(file).observer(Arc::new(Teller(teller))));
        let following = Following { watcher: builder.start(&set).unwrap(), set, told };
        assert_eq!(following.outcome(), Ok(1));
        following
    }

    fn outcome(&self) -> Result<u64, String> {
        self.told.recv_timeout(DEADLINE).unwrap()
    }

    /// The ids of the policies in force.
    fn ids(&self) -> Vec<String> {
        self.set.policies().policy.iter().map(|policy| policy.id.clone()).collect()
    }
}

pub(crate) fn policy(id: &str) -> String {
    format!("[[policy]]\nid = \"{id}\"\nlimit = \"5/min\"\n")
}

/// As editors and deployments do: no reader ever sees a half.
pub(crate) fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, file).unwrap();
}

#[test]
fn a_file_is_in_force_at_once_and_again_when_another_takes_its_place() {
    let directory = Directory::new();
    let file = directory.file("policies.toml");
    fs::write(&file, policy("a")).unwrap();
    let before = SystemTime::now();
    let following = Following::new(&file, |builder| builder.poll(NEVER));
    assert_eq!(following.ids(), ["a"]);
    assert_eq!(following.watcher.file(), file);
    for (id, version) in [("b", 2), ("c", 3)] {
        replace(&file, &policy(id));
        assert_eq!(following.outcome(), Ok(version));
        assert_eq!(following.ids(), [id]);
    }
    let stats = following.watcher.stats();
    assert_eq!((stats.applied, stats.failed), (3, 0));
    assert!(stats.last_applied >= before);
}

#[test]
fn a_text_that_was_read_before_is_not_applied_again() {
    let directory = Directory::new();
    let file = directory.file("policies.json");
    let text = |id: &str| format!("{{\"policy\": [{{\"id\": \"{id}\", \"limit\": \"1/s\"}}]}}");
    fs::write(&file, text("a")).unwrap();
    let following = Following::new(&file, |builder| builder.poll(SOON));
    replace(&file, &text("a"));
    replace(&file, &text("a"));
    replace(&file, &text("b"));
    assert_eq!(following.outcome(), Ok(2));
    assert_eq!(following.ids(), ["b"]);
}

#[test]
fn what_is_wrong_at_the_start_is_returned_with_its_line() {
    let directory = Directory::new();
    let set = Arc::new(PolicySet::new());
    let file = directory.file("policies.toml");
    let error = set.watch(&file).unwrap_err();
    assert!(matches!(error, WatchError::File(_)) && error.to_string().contains("cannot be read"), "{error}");
    fs::write(&file, "[[policy]]\nid = \"a\"\nlimit = \"5/fortnight\"").unwrap();
    let error = set.watch(&file).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: line 3: policy \"a\", ", file.display())), "{error}");
    assert_eq!(set.version(), 0);
}

#[test]
fn a_file_that_becomes_wrong_leaves_in_force_what_is_and_says_why() {
    let directory = Directory::new();
    let file = directory.file("policies.toml");
    fs::write(&file, policy("a")).unwrap();
    let following = Following::new(&file, |builder| builder.poll(SOON));
    replace(&file, "[[policy]]\nid = \"b\"\nlimit = \"5/fortnight\"\n");
    let told = following.outcome().unwrap_err();
    assert!(told.contains("line 3"), "{told}");
    assert_eq!(following.watcher.last_error().unwrap().to_string(), told);
    assert_eq!(following.ids(), ["a"]);
    assert_eq!(following.watcher.stats().failed, 1);

    replace(&file, &policy("b"));
    assert_eq!(following.outcome(), Ok(2));
    assert!(following.watcher.last_error().is_none());
    assert_eq!(following.watcher.stats().applied, 2);
}

#[test]
fn a_state_to_which_there_is_no_way_leaves_in_force_what_is() {
    let directory = Directory::new();
    let file = directory.file("policies.toml");
    fs::write(&file, policy("a")).unwrap();
    let following = Following::new(&file, |builder| builder.poll(NEVER));
    replace(&file, &format!("{}state = \"draft\"\n", policy("a")));
    let told = following.outcome().unwrap_err();
    assert!(told.contains("\"a\", state"), "{told}");
    assert!(matches!(&*following.watcher.last_error().unwrap(), WatchError::Policies(_)));
    assert_eq!(following.set.version(), 1);
}

#[test]
fn a_file_that_is_deleted_and_made_again_with_its_directory_is_in_force_again() {
    let directory = Directory::new();
    let inner = directory.file("etc");
    let file = inner.join("policies.toml");
    fs::create_dir(&inner).unwrap();
    fs::write(&file, policy("a")).unwrap();
    let following = Following::new(&file, |builder| builder.poll(SOON));
    fs::remove_dir_all(&inner).unwrap();
    let told = following.outcome().unwrap_err();
    assert!(told.contains("cannot be read"), "{told}");
    assert_eq!(following.ids(), ["a"]);

    // Filled elsewhere and moved: nobody sees it empty.
    let made = directory.file("made");
    fs::create_dir(&made).unwrap();
    fs::write(made.join("policies.toml"), policy("b")).unwrap();
    fs::rename(&made, &inner).unwrap();
    assert_eq!(following.outcome(), Ok(2));
    assert_eq!(following.ids(), ["b"]);
    replace(&file, &policy("c"));
    assert_eq!(following.outcome(), Ok(3));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::symlink;
    use std::process::Command;
    use std::sync::Mutex;

    use super::*;

    /// A volume as Kubernetes mounts it: the file is a link through `..data`, which is swapped.
    #[test]
    fn a_link_on_the_way_to_the_file_may_be_swapped_for_another() {
        let directory = Directory::new();
        for (release, id) in [("..2026_11_20", "a"), ("..2026_11_21", "b"), ("..2026_11_22", "c")] {
            fs::create_dir(directory.file(release)).unwrap();
            fs::write(directory.file(release).join("policies.toml"), policy(id)).unwrap();
        }
        let file = directory.file("policies.toml");
        symlink("..2026_11_20", directory.file("..data")).unwrap();
        symlink("..data/policies.toml", &file).unwrap();
        let following = Following::new(&file, |builder| builder.poll(NEVER));
        let swaps = [("..2026_11_20", "..2026_11_21", 2, "b"), ("..2026_11_21", "..2026_11_22", 3, "c")];
        for (old, new, version, id) in swaps {
            symlink(new, directory.file("..data_tmp")).unwrap();
            fs::rename(directory.file("..data_tmp"), directory.file("..data")).unwrap();
            fs::remove_dir_all(directory.file(old)).unwrap();
            assert_eq!(following.outcome(), Ok(version));
            assert_eq!(following.ids(), [id]);
        }
    }

    #[test]
    fn a_change_that_the_system_does_not_tell_of_is_seen_by_polling() {
        let (here, elsewhere) = (Directory::new(), Directory::new());
        let (link, file) = (here.file("policies.yaml"), elsewhere.file("policies.yaml"));
        let text = |id: &str| format!("policy:\n  - id: {id}\n    limit: 5/min\n");
        fs::write(&file, text("a")).unwrap();
        symlink(&file, &link).unwrap();
        let following = Following::new(&link, |builder| builder.poll(SOON));
        replace(&file, &text("b"));
        assert_eq!(following.outcome(), Ok(2));
        assert_eq!(following.ids(), ["b"]);
    }

    /// One test at a time: a signal is for all watchers of the process.
    static HANGUPS: Mutex<()> = Mutex::new(());

    fn hang_up() {
        let sent = Command::new("kill").args(["-HUP", &process::id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    #[test]
    fn a_hangup_puts_the_file_in_force_at_once_though_it_be_unchanged() {
        let _alone = HANGUPS.lock();
        let directory = Directory::new();
        let file = directory.file("policies.toml");
        fs::write(&file, policy("a")).unwrap();
        let following = Following::new(&file, |builder| builder.poll(NEVER).gather(NEVER).on_sighup());
        following.set.remove("a").unwrap();
        hang_up();
        assert_eq!(following.outcome(), Ok(3));
        assert_eq!(following.ids(), ["a"]);
    }

    #[test]
    fn a_directory_that_was_made_again_is_watched_once_the_file_is_found_there() {
        let _alone = HANGUPS.lock();
        let directory = Directory::new();
        let inner = directory.file("etc");
        let file = inner.join("policies.toml");
        fs::create_dir(&inner).unwrap();
        fs::write(&file, policy("a")).unwrap();
        let following = Following::new(&file, |builder| builder.poll(NEVER).on_sighup());
        fs::remove_dir_all(&inner).unwrap();
        assert!(following.outcome().is_err());
        fs::create_dir(&inner).unwrap();
        fs::write(&file, policy("b")).unwrap();
        // In place of the poll, which would see what follows, too.
        hang_up();
        assert_eq!(following.outcome(), Ok(2));
        replace(&file, &policy("c"));
        assert_eq!(following.outcome(), Ok(3));
    }
}

#[test]
fn a_watcher_ends_when_it_is_dropped_and_the_policies_stay() {
    let directory = Directory::new();
    let file = directory.file("policies.toml");
    fs::write(&file, policy("a")).unwrap();
    let Following { set, watcher, told } = Following::new(&file, |builder| builder.poll(NEVER).gather(NEVER));
    // It is at work on a change now, perhaps.
    replace(&file, &policy("b"));
    drop(watcher);
    assert!(told.recv().is_err(), "nobody is left to tell");
    assert_eq!(Arc::strong_count(&set), 1);
    assert_eq!(set.policies().policy[0].id, "a");
}
