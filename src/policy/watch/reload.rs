//! [`Reloader`]: reads a file and puts it in force.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use super::WatchError;
use crate::observe::Observer;
use crate::policy::load::read_bytes;
use crate::policy::load::{self, FileError, FileErrorKind};
use crate::policy::{Change, PolicySet};

/// An attempt to put a file of policies in force, as an [`Observer`] is told of it.
///
/// ```
/// use tollgate::observe::Observer;
/// use tollgate::policy::PolicyReload;
///
/// struct Alarm;
///
/// impl Observer for Alarm {
///     fn policies_reloaded(&self, reload: &PolicyReload<'_>) {
///         if let Err(error) = reload.outcome {
///             eprintln!("{}: {error}", reload.file.display());
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PolicyReload<'a> {
    /// The file, by its absolute path.
    pub file: &'a Path,
    /// What it changed, or why nothing did.
    pub outcome: Result<&'a Change, &'a WatchError>,
    /// When.
    pub at: SystemTime,
}

/// Numbers about a [`Watcher`](super::Watcher), from [`Watcher::stats`](super::Watcher::stats). For an example see [`PolicySet::watch`](crate::policy::PolicySet::watch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatcherStats {
    /// How often the file was put in force.
    pub applied: u64,
    /// How often it could not be. The same error of reading, or the same wrong text, counts once (and once more for each `SIGHUP`).
    pub failed: u64,
    /// When the file was put in force last.
    pub last_applied: SystemTime,
}

/// What became of the file so far.
#[derive(Debug)]
pub(super) struct Status(Mutex<Outcomes>);

#[derive(Debug)]
struct Outcomes {
    stats: WatcherStats,
    last_error: Option<Arc<WatchError>>,
}

impl Default for Status {
    fn default() -> Status {
        let stats = WatcherStats { applied: 0, failed: 0, last_applied: SystemTime::UNIX_EPOCH };
        Status(Mutex::new(Outcomes { stats, last_error: None }))
    }
}

impl Status {
    pub(super) fn stats(&self) -> WatcherStats {
        self.0.lock().stats
    }

    pub(super) fn last_error(&self) -> Option<Arc<WatchError>> {
        self.0.lock().last_error.clone()
    }

    fn applied(&self, at: SystemTime) {
        let mut outcomes = self.0.lock();
        outcomes.stats.applied += 1;
        outcomes.stats.last_applied = at;
        outcomes.last_error = None;
    }

    fn failed(&self, why: &Arc<WatchError>) {
        let mut outcomes = self.0.lock();
        outcomes.stats.failed += 1;
        outcomes.last_error = Some(Arc::clone(why));
    }
}

/// A file and the set that follows it.
pub(super) struct Reloader {
    file: PathBuf,
    set: Arc<PolicySet>,
    observer: Arc<dyn Observer>,
    status: Arc<Status>,
    /// What was read last, whatever became of it.
    seen: Result<Vec<u8>, io::ErrorKind>,
}

impl Reloader {
    pub(super) fn new(
        file: PathBuf,
        set: &Arc<PolicySet>,
        observer: Arc<dyn Observer>,
        status: &Arc<Status>,
    ) -> Reloader {
        let (set, status) = (Arc::clone(set), Arc::clone(status));
        Reloader { file, set, observer, status, seen: Err(io::ErrorKind::NotFound) }
    }

    /// Puts the file in force for the first time. A failure is for the caller, and nobody else is told.
    pub(super) fn begin(&mut self) -> Result<(), WatchError> {
        let change = self.apply()?;
        self.tell_applied(&change);
        Ok(())
    }

    /// Whether the file is other than it was read last.
    pub(super) fn sees_change(&self) -> bool {
        match (read_bytes(&self.file), &self.seen) {
            (Ok(bytes), Ok(seen)) => bytes != *seen,
            (Err(error), Err(seen)) => error.kind() != *seen,
            _ => true,
        }
    }

    /// Puts the file in force as it is now, and tells what came of it.
    pub(super) fn reload(&mut self) {
        match self.apply() {
            Ok(change) => self.tell_applied(&change),
            Err(error) => {
                let error = Arc::new(error);
                self.status.failed(&error);
                self.tell(SystemTime::now(), Err(&error));
            }
        }
    }

    fn apply(&mut self) -> Result<Change, WatchError> {
        let _editing = self.set.editing();
        let policies = match read_bytes(&self.file) {
            Ok(bytes) => {
                let policies = load::parse_file(&self.file, &bytes);
                self.seen = Ok(bytes);
                policies
            }
            Err(error) => {
                self.seen = Err(error.kind());
                Err(FileError { file: Some(self.file.clone()), kind: FileErrorKind::Io(error) })
            }
        };
        let policies = policies.map_err(WatchError::File)?;
        if self.set.version() > 0 && *self.set.policies() == policies {
            // As when this program has written to the file what it has put in force.
            return Ok(Change::new(self.set.version()));
        }
        self.set.apply(policies).map_err(WatchError::Policies)
    }

    fn tell_applied(&self, change: &Change) {
        let now = SystemTime::now();
        self.status.applied(now);
        self.tell(now, Ok(change));
    }

    fn tell(&self, at: SystemTime, outcome: Result<&Change, &WatchError>) {
        let reload = PolicyReload { file: &self.file, outcome, at };
        // An observer that panics would end the watching, and nobody would know. The panic itself was told of.
        let _ = catch_unwind(AssertUnwindSafe(|| self.observer.policies_reloaded(&reload)));
    }
}
