//! [`PolicyFile`]: the file that holds the policies, kept as they are changed.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::policy::{Change, FileError, Format, Policies, PolicySet, is_envoy};

/// What stands before policies in TOML, which has comments.
const HEADING: &str =
    "# Written by tollgate when the policies were changed over HTTP, which keeps no comments.\n\n";

/// The file that holds the policies, if there is one: whoever changes them changes them here, one after the other.
///
/// The file is replaced by another one in its directory, so that nobody ever reads half of it. Symbolic links are followed: it is what they lead to that
/// is replaced.
#[derive(Debug)]
pub(crate) struct PolicyFile {
    path: Option<PathBuf>,
}

/// Why policies were not changed.
#[derive(Debug)]
pub(crate) enum ChangeError<E> {
    /// The change was refused.
    Refused(E),
    /// The file says other than what is in force: somebody else has changed it, and that is not in force yet, or cannot be.
    Conflict { path: PathBuf, why: Option<FileError> },
    /// The file is a configuration of Envoy's rate limit service, which is read and never written.
    Foreign { path: PathBuf },
    /// The file cannot be written, and nothing was changed.
    Unwritable { path: PathBuf, error: io::Error },
    /// The policies cannot be written in the file's format.
    Unwritten { path: PathBuf, message: String },
}

impl PolicyFile {
    /// The policies are in this file.
    pub(crate) fn at(path: impl Into<PathBuf>) -> PolicyFile {
        PolicyFile { path: Some(path.into()) }
    }

    /// They are in none: changes last as long as the process.
    pub(crate) fn none() -> PolicyFile {
        PolicyFile { path: None }
    }

    /// Changes the policies, and the file if there is one. It waits for the disk, and for other changes.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]. What was in force still is.
    pub(crate) fn change<E>(
        &self,
        set: &PolicySet,
        change: impl FnOnce(&PolicySet) -> Result<Change, E>,
    ) -> Result<Change, ChangeError<E>> {
        // Who follows the file waits, and then finds in it what is in force.
        let _editing = set.editing();
        let Some(path) = &self.path else { return change(set).map_err(ChangeError::Refused) };
        let before = set.version();
        // All that can fail is done first, as far as it goes.
        let replacing = Replacing::begin(path, &set.policies())?;
        let made = change(set).map_err(ChangeError::Refused)?;
        match replacing.finish(path, &set.policies()) {
            Ok(()) => Ok(made),
            Err(error) => {
                // It is kept, as the one before the newest.
                let _ = set.rollback(before);
                Err(error)
            }
        }
    }
}

/// A file that is about to be replaced.
struct Replacing {
    /// What links lead to.
    target: PathBuf,
    was: Vec<u8>,
    format: Format,
    new: NamedTempFile,
}

impl Replacing {
    fn begin<E>(path: &Path, in_force: &Policies) -> Result<Replacing, ChangeError<E>> {
        let unwritable = |error| ChangeError::Unwritable { path: path.to_owned(), error };
        let conflict = |why| ChangeError::Conflict { path: path.to_owned(), why };
        let format = Format::of_path(path)
            .map_err(|error| unwritable(io::Error::new(io::ErrorKind::InvalidInput, error.to_string())))?;
        let was = fs::read(path).map_err(unwritable)?;
        if std::str::from_utf8(&was).is_ok_and(|text| is_envoy(text, format)) {
            return Err(ChangeError::Foreign { path: path.to_owned() });
        }
        match Policies::read(path) {
            Ok(policies) if policies == *in_force => {}
            Ok(_) => return Err(conflict(None)),
            Err(error) => return Err(conflict(Some(error))),
        }
        let target = fs::canonicalize(path).map_err(unwritable)?;
        // Hidden, and with another ending: nobody who reads all policy files of a directory takes it for one.
        let new = Builder::new()
            .prefix(".tollgate-")
            .suffix(".tmp")
            .tempfile_in(target.parent().unwrap_or(&target));
        let new = new.map_err(unwritable)?;
        let metadata = fs::metadata(&target).map_err(unwritable)?;
        let permissions = metadata.permissions();
        if permissions.readonly() {
            // To replace it only its directory needs to be writable, but whoever made it so meant something by it.
            return Err(unwritable(io::Error::new(io::ErrorKind::PermissionDenied, "the file is read-only")));
        }
        // Where it is another's, only an administrator can leave it so.
        #[cfg(unix)]
        let _ = std::os::unix::fs::fchown(new.as_file(), Some(metadata.uid()), Some(metadata.gid()));
        new.as_file().set_permissions(permissions).map_err(unwritable)?;
        Ok(Replacing { target, was, format, new })
    }

    fn finish<E>(mut self, path: &Path, policies: &Policies) -> Result<(), ChangeError<E>> {
        let unwritable = |error| ChangeError::Unwritable { path: path.to_owned(), error };
        let text = text_of(policies, self.format)
            .map_err(|message| ChangeError::Unwritten { path: path.to_owned(), message })?;
        self.new.write_all(text.as_bytes()).map_err(unwritable)?;
        self.new.as_file().sync_all().map_err(unwritable)?;
        if fs::read(path).map_err(unwritable)? != self.was {
            return Err(ChangeError::Conflict { path: path.to_owned(), why: None });
        }
        self.new.persist(&self.target).map_err(|failed| unwritable(failed.error))?;
        // So that the new name survives a crash, too. Not every system lets a directory be opened.
        if let Some(Ok(directory)) = self.target.parent().map(File::open) {
            let _ = directory.sync_all();
        }
        Ok(())
    }
}

/// Policies as a file has them. What could not be read again would keep the service from its next start.
fn text_of(policies: &Policies, format: Format) -> Result<String, String> {
    let text = match format {
        Format::Toml => toml::to_string(policies)
            .map(|text| format!("{HEADING}{text}"))
            .map_err(|error| error.to_string()),
        // JSON is YAML, too.
        Format::Json | Format::Yaml => serde_json::to_string_pretty(policies)
            .map(|text| format!("{text}\n"))
            .map_err(|error| error.to_string()),
    }?;
    match Policies::parse(&text, format) {
        Ok(read) if read == *policies => Ok(text),
        Ok(_) => Err("they would be others when the file is read".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl<E: fmt::Display> fmt::Display for ChangeError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChangeError::Refused(error) => error.fmt(f),
            ChangeError::Conflict { path, why: None } => write!(
                f,
                "{} was changed by somebody else, and that is not in force yet: try again in some seconds",
                path.display()
            ),
            ChangeError::Conflict { why: Some(why), .. } => {
                write!(
                    f,
                    "the file of policies is not as it was put in force, and must be put right first: {why}"
                )
            }
            ChangeError::Foreign { path } => write!(
                f,
                "{} is a configuration of Envoy's rate limit service, which is not written: change it there, or put the policies in a file of their own",
                path.display()
            ),
            ChangeError::Unwritable { path, error } if is_read_only(error) => write!(
                f,
                "{} cannot be replaced ({error}): change it where it comes from (as a ConfigMap), or put it in a directory that tollgate may write to",
                path.display()
            ),
            ChangeError::Unwritable { path, error } => {
                write!(f, "{} cannot be replaced: {error}", path.display())
            }
            ChangeError::Unwritten { path, message } => {
                write!(f, "{} cannot hold these policies in its format: {message}", path.display())
            }
        }
    }
}

/// Whether nobody is to write there.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

impl<E: std::error::Error> std::error::Error for ChangeError<E> {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::policy::{Policy, PolicyError, State, Watcher};

    const ONE: &str = "[[policy]]\nid = \"a\"\nscope = \"user\"\nlimit = \"5/min burst 9\"\n";

    /// One in force would have to enforce something.
    fn draft(id: &str) -> Policy {
        let mut policy = Policy::new(id);
        policy.state = State::Draft;
        policy
    }

    fn begin(name: &str, text: &str) -> (tempfile::TempDir, PathBuf, PolicySet, PolicyFile) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        let set = PolicySet::new();
        set.apply(Policies::read(&path).unwrap()).unwrap();
        let file = PolicyFile::at(&path);
        (directory, path, set, file)
    }

    fn add(file: &PolicyFile, set: &PolicySet, id: &str) -> Result<Change, ChangeError<PolicyError>> {
        file.change(set, |set| set.upsert(draft(id)))
    }

    #[test]
    fn a_change_is_read_back_from_the_file_whatever_its_format() {
        let json = serde_json::to_string(&Policies::parse(ONE, Format::Toml).unwrap()).unwrap();
        for (name, text) in
            [("p.toml", ONE), ("p.json", &json), ("p.yaml", "policy:\n- id: a\n  limit: 5/min\n")]
        {
            let (directory, path, set, file) = begin(name, text);
            add(&file, &set, "b").unwrap();
            assert_eq!(Policies::read(&path).unwrap(), *set.policies(), "{name}");
            assert_eq!(set.policies().policy.len(), 2);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
        }
    }

    #[test]
    fn a_change_that_is_refused_leaves_the_file_as_it_was() {
        let (_directory, path, set, file) = begin("p.toml", ONE);
        let error = file.change(&set, |set| set.transition("a", State::Draft)).unwrap_err();
        assert!(matches!(error, ChangeError::Refused(PolicyError::Transition { .. })));
        assert_eq!(fs::read_to_string(path).unwrap(), ONE);
    }

    #[test]
    fn what_somebody_else_wrote_is_not_lost() {
        let (_directory, path, set, file) = begin("p.toml", ONE);
        let other = format!("{ONE}\n[[policy]]\nid = \"c\"\nstate = \"draft\"\n");
        fs::write(&path, &other).unwrap();
        let error = add(&file, &set, "b").unwrap_err().to_string();
        assert!(error.contains("changed by somebody else"), "{error}");
        fs::write(&path, "[[policy]]\nid = 7").unwrap();
        let error = add(&file, &set, "b").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert_eq!(set.version(), 1);

        // While it is being changed, too.
        fs::write(&path, ONE).unwrap();
        let meanwhile = |set: &PolicySet| {
            fs::write(&path, &other).unwrap();
            set.upsert(draft("b"))
        };
        assert!(matches!(file.change(&set, meanwhile), Err(ChangeError::Conflict { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), other);
        assert_eq!(*set.policies(), Policies::parse(ONE, Format::Toml).unwrap(), "back to what it was");
    }

    #[test]
    fn none_of_many_changes_at_once_is_lost() {
        let (_directory, path, set, file) = begin("p.toml", ONE);
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (set, file) = (&set, &file);
                scope.spawn(move || add(file, set, &format!("p{number}")).unwrap());
            }
        });
        assert_eq!(Policies::read(&path).unwrap().policy.len(), 9);
    }

    #[test]
    fn who_follows_the_file_undoes_no_change() {
        let (_directory, path, _set, file) = begin("p.toml", ONE);
        let set = Arc::new(PolicySet::new());
        // It reads after each event, without waiting for more.
        let _watcher = Watcher::builder(&path).gather(Duration::ZERO).start(&set).unwrap();
        for number in 1..=50 {
            add(&file, &set, &format!("p{number}")).unwrap();
            assert_eq!(set.policies().policy.len(), 1 + number);
        }
        assert_eq!(set.version(), 51, "nothing but the changes was put in force");
    }

    #[test]
    fn a_configuration_of_envoys_service_is_never_written() {
        const ENVOY: &str =
            "domain: d\ndescriptors:\n- key: k\n  rate_limit: { unit: day, requests_per_unit: 5 }\n";
        let (_directory, path, set, file) = begin("p.yaml", ENVOY);
        assert!(matches!(add(&file, &set, "b"), Err(ChangeError::Foreign { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), ENVOY);
        assert_eq!(set.version(), 1);
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let (_directory, path, set, file) = begin("p.toml", ONE);
        let mut large = draft("b");
        // More than a file may have.
        large.name = Some("x".repeat(17 << 20));
        let error = file.change(&set, |set| set.upsert(large)).unwrap_err();
        assert!(matches!(error, ChangeError::Unwritten { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), ONE);
        assert_eq!(*set.policies(), Policies::parse(ONE, Format::Toml).unwrap(), "back to what it was");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_permissions_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let (directory, path, set, _file) = begin("p.toml", ONE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = directory.path().join("link.toml");
        symlink("p.toml", &link).unwrap();
        add(&PolicyFile::at(&link), &set, "b").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(Policies::read(&path).unwrap().policy.len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_read_only_says_so_and_nothing_changes() {
        use std::os::unix::fs::PermissionsExt;

        let (_directory, path, set, file) = begin("p.toml", ONE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let error = add(&file, &set, "b").unwrap_err();
        assert!(matches!(&error, ChangeError::Unwritable { error, .. } if is_read_only(error)), "{error}");
        assert!(error.to_string().contains("ConfigMap"));
        assert_eq!(set.version(), 1);
    }

    #[test]
    fn without_a_file_changes_last_as_long_as_the_process() {
        let set = Arc::new(PolicySet::new());
        assert_eq!(add(&PolicyFile::none(), &set, "b").unwrap().added, ["b"]);
    }
}
