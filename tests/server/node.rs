//! [`Node`]: a `tollgate serve` of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::curl::{Answer, curl};
use crate::servers::{Directory, wait_until};

/// A `tollgate serve` on ports of its own, with logs in JSON. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    log: Log,
    tls: bool,
    directory: Arc<Directory>,
}

/// How a node is started.
#[derive(Debug)]
pub(crate) struct Builder {
    directory: Arc<Directory>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Node {
    /// A node with these flags, which listens on any free port unless they say otherwise.
    pub(crate) fn start(flags: &[&str]) -> Node {
        Node::builder().flags(flags).start()
    }

    pub(crate) fn builder() -> Builder {
        let directory = Arc::new(Directory::new());
        Builder { directory, arguments: Vec::new(), environment: Vec::new() }
    }

    /// A node that is asked about these policies, in TOML.
    pub(crate) fn with_policies(policies: &str) -> Node {
        let builder = Node::builder();
        let file = builder.file("policies.toml", policies);
        builder.flags(&["--policies", file.to_str().unwrap()]).start()
    }

    /// `http://127.0.0.1:port`, or `https`.
    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.http())
    }

    /// `host:port` for HTTP and gRPC.
    pub(crate) fn http(&self) -> String {
        self.log.address("listening for HTTP and gRPC")
    }

    /// `host:port` for the protocol of Redis.
    pub(crate) fn resp(&self) -> String {
        self.log.address("listening for RESP")
    }

    /// A file in the node's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What `GET` gets.
    pub(crate) fn get(&self, path: &str) -> Answer {
        curl([self.url(path)])
    }

    /// What `POST` of JSON gets.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body)
    }

    /// What any method gets with a body of JSON.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let (url, body) = (self.url(path), body.to_string());
        curl(["-X", method, "-H", "Content-Type: application/json", "--data-binary", &body, &url])
    }

    /// The lines of the log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.0.lock().unwrap().clone()
    }

    /// Waits until a line of the log has this text, and returns it.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        let mut found = None;
        wait_until(&format!("the log has {text:?}: {:#?}", self.log()), || {
            found = self.log().into_iter().find(|line| line.contains(text));
            found.is_some()
        });
        found.unwrap()
    }

    /// Sends a signal, by its name as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success(), "kill -s {name}: {status}");
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the service ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// As operators do.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Bytes of memory that it has now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.status("VmRSS").trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Threads that it has now.
    pub(crate) fn threads(&self) -> u64 {
        self.status("Threads").parse().unwrap()
    }

    /// What the system says of it under this name.
    fn status(&self, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let mut lines = status.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(field, _)| *field == name).unwrap().1.trim().to_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("the node's log: {:#?}", self.log());
        }
    }
}

impl Builder {
    /// More flags.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Builder {
        self.arguments.extend(flags.iter().map(ToString::to_string));
        self
    }

    /// An environment variable.
    pub(crate) fn environment(mut self, name: &str, value: &str) -> Builder {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// In the directory of another node, as after a restart.
    pub(crate) fn in_directory_of(mut self, other: &Node) -> Builder {
        self.directory = Arc::clone(&other.directory);
        self
    }

    /// The node's own directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file into the node's own directory.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub(crate) fn start(self) -> Node {
        let tls = self.arguments.iter().any(|argument| argument == "--tls-certificate");
        let directory = Arc::clone(&self.directory);
        let mut child = self.command().spawn().unwrap();
        let log = Log::of(child.stderr.take().unwrap());
        let mut node = Node { child, log, tls, directory };
        let mut ended = false;
        wait_until("the service listens", || {
            ended = node.has_ended();
            ended || node.log().iter().any(|line| line.contains("\"ready\""))
        });
        assert!(!ended, "the service ended: {:#?}", node.log());
        node
    }

    /// What it says when it does not start: its status, and its last words.
    pub(crate) fn fails(self) -> (Option<i32>, String) {
        let output = self.command().stdout(Stdio::null()).output().unwrap();
        assert!(!output.status.success(), "it does start");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs it to its end, which must be a good one.
    pub(crate) fn succeeds(self) {
        let output = self.command().output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        let ours = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("TOLLGATE_"));
        for name in ours {
            command.env_remove(name);
        }
        command
            .arg("serve")
            .args(["--log-format", "json"])
            .args(&self.arguments)
            .current_dir(self.directory())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let says_where = |name: &str| {
            self.arguments.iter().any(|argument| argument == name)
                || self.environment.iter().any(|(variable, _)| variable == "TOLLGATE_LISTEN")
        };
        if !says_where("--listen") && !says_where("--config") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command
    }
}

/// The lines of a log, as they come.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn of(stderr: ChildStderr) -> Log {
        let log = Log::default();
        let lines = Arc::clone(&log.0);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        log
    }

    /// The address that a line with this message tells.
    fn address(&self, message: &str) -> String {
        let lines = self.0.lock().unwrap();
        let told = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut listening = told.filter(|line| line["message"] == message);
        let line = listening.next().unwrap_or_else(|| panic!("nothing says {message:?}: {lines:#?}"));
        line["address"].as_str().unwrap().to_owned()
    }
}
