//! [`Process`]: a process in a directory of its own.

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The server to test, a name on the PATH or a path. Whether it is Redis or Valkey, the tests are the same.
const CHOICE: &str = "TOLLGATE_REDIS_SERVER";

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    directory: Directory,
    arguments: Vec<String>,
}

impl Process {
    pub(super) fn start(directory: Directory, configuration: &str, arguments: &[&str]) -> Process {
        fs::write(directory.configuration(), configuration).unwrap();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let child = spawn(&directory, &arguments);
        Process { child, directory, arguments }
    }

    pub(super) fn kill(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        self.child.wait().unwrap();
    }

    pub(super) fn restart(&mut self) {
        self.child = spawn(&self.directory, &self.arguments);
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success(), "kill -s {name}: {status}");
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.directory.log()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(directory: &Directory, arguments: &[String]) -> Child {
    let program = env::var(CHOICE).unwrap_or_else(|_| "redis-server".to_owned());
    let log = File::options().create(true).append(true).open(directory.log()).unwrap();
    let spawned = Command::new(&program)
        .arg(directory.configuration())
        .args(arguments)
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .stderr(log.try_clone().unwrap())
        .stdout(log)
        .spawn();
    match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => panic!(
            "there is no {program}: install one, on Debian and Ubuntu with \
             `apt-get install redis-server redis-sentinel`, or name another in {CHOICE}"
        ),
        Err(error) => panic!("{program}: {error}"),
    }
}

/// Where Linux keeps files in memory. A node of a cluster waits for the disk with every change of its slots, and with it
/// all who ask it: where the disk is kept busy by compilers, that would be what is tested.
const IN_MEMORY: &str = "/dev/shm";

/// A directory for a server, in memory if there is a place for it; it is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tollgate-server-{}-{number}", process::id());
        let in_memory = Path::new(IN_MEMORY).join(&name);
        if fs::create_dir(&in_memory).is_ok() {
            return Directory(in_memory);
        }
        let on_disk = env::temp_dir().join(name);
        fs::create_dir_all(&on_disk).unwrap();
        Directory(on_disk)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn configuration(&self) -> PathBuf {
        self.0.join("server.conf")
    }

    fn log(&self) -> PathBuf {
        self.0.join("log")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What remains there is in the place for temporary things.
        drop(fs::remove_dir_all(&self.0));
    }
}
