//! What is counted in memory, in a file: a restart grants no fresh burst.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::policy::PolicySnapshot;
use crate::server::caller::{CallerLimits, CallerSnapshot};
use crate::server::error::ServerError;
use crate::server::service::Service;

/// What is counted in memory.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    pub(crate) policies: PolicySnapshot,
    /// `None` if they are not counted in memory.
    pub(crate) callers: Option<CallerSnapshot>,
}

/// Reads what was saved; nothing if there is no file yet.
pub(crate) fn read(file: &Path) -> Result<Option<Saved>, ServerError> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(file, format!("the snapshot cannot be read: {error}"))),
    };
    serde_json::from_reader(BufReader::new(opened)).map(Some).map_err(|error| {
        let message = format!(
            "the snapshot cannot be used: {error}; move the file away to start as if nothing had been spent, or put an intact one in \
             its place"
        );
        wrong(file, message)
    })
}

/// Writes what is counted now, beside the old file, and then in its place: whatever happens, one of the two is whole.
pub(crate) async fn write(service: &Arc<Service>) -> Result<(), ServerError> {
    let Some(file) = service.settings.snapshot.file.clone() else { return Ok(()) };
    let service = Arc::clone(service);
    let writing = tokio::task::spawn_blocking(move || write_now(&service, &file));
    writing.await.unwrap_or_else(|_| {
        Err(wrong(Path::new(""), "the snapshot was not written: there was a panic".into()))
    })
}

fn write_now(service: &Service, file: &PathBuf) -> Result<(), ServerError> {
    let _saving = service.saving.lock();
    let saved = Saved {
        policies: service.policies.snapshot(),
        callers: service.callers.as_ref().and_then(CallerLimits::snapshot),
    };
    let replace = || -> io::Result<()> {
        let directory = match file.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            _ => Path::new("."),
        };
        // Readable by nobody else: from what is in it keys could be told.
        let mut beside = NamedTempFile::new_in(directory)?;
        let mut buffered = BufWriter::new(&mut beside);
        serde_json::to_writer(&mut buffered, &saved)?;
        buffered.flush()?;
        drop(buffered);
        beside.as_file().sync_all()?;
        beside.persist(file)?;
        // So that the new name survives a crash, too. Not every system lets a directory be opened.
        File::open(directory).map_or(Ok(()), |directory| directory.sync_all())
    };
    replace().map_err(|error| wrong(file, format!("the snapshot cannot be written: {error}")))?;
    tracing::debug!(file = %file.display(), bytes = fs::metadata(file).map_or(0, |file| file.len()), "snapshot written");
    Ok(())
}

fn wrong(file: &Path, message: String) -> ServerError {
    ServerError::Snapshot { file: file.to_owned(), message }
}
