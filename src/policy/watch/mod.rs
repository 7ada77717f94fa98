//! [`Watcher`]: a file of policies in force, and whatever becomes of the file.

mod bell;
mod error;
mod events;
#[cfg(unix)]
mod hangup;
mod reload;

use std::fmt;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use error::WatchError;
pub use reload::{PolicyReload, WatcherStats};

use self::bell::Bell;
use self::events::Events;
#[cfg(unix)]
use self::hangup::Hangup;
use self::reload::{Reloader, Status};
use super::set::PolicySet;
use crate::observe::Observer;

/// Programs write a file in several strokes, milliseconds apart; nobody who saves one notices this delay.
const GATHER: Duration = Duration::from_millis(100);
/// Reading a small file so often costs nothing, and an operator waits no longer for a change to show.
const POLL: Duration = Duration::from_secs(5);
/// A file that takes a millisecond to read keeps no processor busy at this pace.
const SHORTEST_POLL: Duration = Duration::from_millis(10);

impl PolicySet {
    /// Puts the policies of a file in force, now and whenever the file changes: [`Watcher::builder`] with nothing set.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the file cannot be read or what it says is wrong. The set is as it was.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tollgate::policy::{Attributes, PolicySet};
    ///
    /// let directory = std::env::temp_dir().join(format!("tollgate-watch-{}", std::process::id()));
    /// std::fs::create_dir_all(&directory)?;
    /// let file = directory.join("policies.toml");
    /// std::fs::write(&file, "[[policy]]\nid = \"api\"\nlimit = \"1/min\"")?;
    ///
    /// let set = Arc::new(PolicySet::new());
    /// let watcher = set.watch(&file)?;
    /// assert!(set.check(&Attributes::new()).is_allowed());
    /// assert!(!set.check(&Attributes::new()).is_allowed());
    /// assert_eq!(watcher.stats().applied, 1);
    /// # drop(watcher);
    /// # std::fs::remove_dir_all(directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn watch(self: &Arc<Self>, file: impl AsRef<Path>) -> Result<Watcher, WatchError> {
        Watcher::builder(file).start(self)
    }
}

/// Keeps a [`PolicySet`] as a file says. It ends when it is dropped; the policies stay in force.
///
/// Changes are seen in whatever way they are made: the file is written anew, replaced by rename, reached by a symbolic
/// link that is swapped (as in volumes of Kubernetes), or deleted and made again with its directory. The system tells
/// of changes in the file's directory, and the file is [polled](WatcherBuilder::poll) besides: for file systems that
/// tell of nothing, and for links that lead out of the directory. A file that is written in place may be read half
/// done: replace it by rename. (An empty file is valid, and limits nothing.)
///
/// A file that cannot be read, or is wrong, leaves in force what is. [`last_error`](Watcher::last_error) says why, and
/// so does the [observer](WatcherBuilder::observer). Only the text counts: one that was read last is not applied again,
/// so changes to the set by [`upsert`](PolicySet::upsert) and the like last until the file changes.
///
/// For an example see [`PolicySet::watch`].
#[must_use = "a watcher ends when it is dropped"]
pub struct Watcher {
    file: PathBuf,
    status: Arc<Status>,
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
    #[cfg(unix)]
    _hangup: Option<Hangup>,
}

/// Builds a [`Watcher`].
///
/// For an example see [`Watcher::builder`].
#[must_use = "a builder does nothing until `start`"]
pub struct WatcherBuilder {
    file: PathBuf,
    gather: Duration,
    poll: Duration,
    observer: Arc<dyn Observer>,
    #[cfg(unix)]
    on_sighup: bool,
}

impl Watcher {
    /// A watcher of this file, whose name says how it is written, as for [`Policies::read`](super::Policies::read).
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// use std::time::Duration;
    /// use tollgate::policy::{PolicySet, Watcher};
    ///
    /// let set = Arc::new(PolicySet::new());
    /// let watcher = Watcher::builder("/etc/tollgate/policies.toml").poll(Duration::from_secs(30)).start(&set)?;
    /// # Ok::<(), tollgate::policy::WatchError>(())
    /// ```
    pub fn builder(file: impl AsRef<Path>) -> WatcherBuilder {
        WatcherBuilder {
            file: file.as_ref().to_owned(),
            gather: GATHER,
            poll: POLL,
            observer: Arc::new(()),
            #[cfg(unix)]
            on_sighup: false,
        }
    }

    /// The file, by its absolute path.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Why what the file says is not in force; `None` if it is.
    #[must_use]
    pub fn last_error(&self) -> Option<Arc<WatchError>> {
        self.status.last_error()
    }

    /// How often the file was put in force, and how often it could not be.
    #[must_use]
    pub fn stats(&self) -> WatcherStats {
        self.status.stats()
    }
}

impl WatcherBuilder {
    /// How long changes are gathered, from the first, before the file is read; default 100 ms.
    pub fn gather(self, gather: Duration) -> WatcherBuilder {
        WatcherBuilder { gather, ..self }
    }

    /// How often the file is read whether it seems to have changed or not; default 5 s. At least 10 ms;
    /// [`Duration::MAX`] is never.
    pub fn poll(self, poll: Duration) -> WatcherBuilder {
        WatcherBuilder { poll, ..self }
    }

    /// Who is told, by [`Observer::policies_reloaded`], of every attempt to put the file in force, the first one too if
    /// it succeeds. By default nobody is.
    pub fn observer(self, observer: Arc<dyn Observer>) -> WatcherBuilder {
        WatcherBuilder { observer, ..self }
    }

    /// Reads the file at once when the process receives `SIGHUP`, and applies it even if it is unchanged: whoever asks
    /// gets an answer. Not unless told so.
    ///
    /// The signal does not end the process any more then, not even after the watcher is dropped.
    #[cfg(unix)]
    pub fn on_sighup(self) -> WatcherBuilder {
        WatcherBuilder { on_sighup: true, ..self }
    }

    /// Puts the file in force, and watches it from then on by a thread of its own. The watcher keeps the set alive.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the file cannot be read or what it says is wrong, if the signal cannot be taken, or if no
    /// thread can be started. The set is as it was, unless it is the thread.
    pub fn start(self, set: &Arc<PolicySet>) -> Result<Watcher, WatchError> {
        let system = |what| move |error| WatchError::System { what, error };
        let file = absolute(&self.file).map_err(system("find the file's directory"))?;
        let (bell, status) = (Arc::<Bell>::default(), Arc::<Status>::default());
        #[cfg(unix)]
        let hangup =
            self.on_sighup.then(|| Hangup::listen(&bell).map_err(system("listen for SIGHUP"))).transpose()?;
        // Before the file is read for the first time: no change falls between.
        let events = Events::of_directory(&file, &bell);
        let mut reloader = Reloader::new(file.clone(), set, self.observer, &status);
        reloader.begin()?;
        let (gather, poll) = (self.gather, self.poll.max(SHORTEST_POLL));
        let listening = Arc::clone(&bell);
        let thread = thread::Builder::new()
            .name("tollgate-watch".into())
            .spawn(move || follow(&listening, gather, poll, reloader, events))
            .map_err(system("start a thread"))?;
        Ok(Watcher {
            file,
            status,
            bell,
            thread: Some(thread),
            #[cfg(unix)]
            _hangup: hangup,
        })
    }
}

/// The thread of a watcher.
fn follow(bell: &Bell, gather: Duration, poll: Duration, mut reloader: Reloader, mut events: Option<Events>) {
    loop {
        if !bell.wait(poll) {
            if reloader.sees_change() {
                // As if told of it: it may be half written.
                bell.ring(|rung| rung.changed = true);
            }
            continue;
        }
        bell.wait_for_urgent(gather);
        let rung = bell.take();
        if rung.stop {
            return;
        }
        let changed = reloader.sees_change();
        if changed && let Some(events) = &mut events {
            // The directory may be another one than before. What changes after this is told of; what changed before is
            // read.
            events.watch_anew();
        }
        if changed || rung.asked {
            reloader.reload();
        }
    }
}

impl Drop for Watcher {
    /// Waits for a reading that is under way.
    fn drop(&mut self) {
        self.bell.ring(|rung| rung.stop = true);
        // An observer may hold the watcher: its thread cannot wait for itself.
        if let Some(thread) = self.thread.take_if(|thread| thread.thread().id() != thread::current().id()) {
            // It has no way to panic.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("file", &self.file)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WatcherBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatcherBuilder")
            .field("file", &self.file)
            .field("gather", &self.gather)
            .field("poll", &self.poll)
            .finish_non_exhaustive()
    }
}
