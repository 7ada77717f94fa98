//! [`Events`]: what the system tells of a directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::bell::Bell;

/// Rings when something changes in a directory. A file that is replaced, by rename or by another link, is another file:
/// only its directory tells of it.
#[derive(Debug)]
pub(super) struct Events {
    watcher: RecommendedWatcher,
    directory: PathBuf,
}

impl Events {
    /// Those of a file's directory. `None` where the system has none, or no more of them: then there is polling.
    pub(super) fn of_directory(file: &Path, bell: &Arc<Bell>) -> Option<Events> {
        let bell = Arc::clone(bell);
        let tell = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| !is_reading(event.kind)) {
                bell.ring(|rung| rung.changed = true);
            }
        };
        let watcher = notify::recommended_watcher(tell).ok()?;
        let mut events = Events { watcher, directory: file.parent()?.to_owned() };
        events.watch_anew();
        Some(events)
    }

    /// Watches what is the directory now: it may be gone and made again, or be a link to another.
    pub(super) fn watch_anew(&mut self) {
        // It fails if the directory is not there, and is done again when the file is.
        let _ = self.watcher.unwatch(&self.directory);
        let _ = self.watcher.watch(&self.directory, RecursiveMode::NonRecursive);
    }
}

/// Whether nothing has changed. Our own reading would wake us for ever.
fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use notify::event::ModifyKind;

    use super::*;

    #[test]
    fn reading_a_file_is_no_change_and_the_end_of_writing_is_one() {
        let read = [AccessKind::Open(AccessMode::Any), AccessKind::Read, AccessKind::Close(AccessMode::Read)];
        assert!(read.into_iter().all(|kind| is_reading(EventKind::Access(kind))));
        assert!(!is_reading(EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(!is_reading(EventKind::Modify(ModifyKind::Any)));
    }
}
