//! [`Server`]: one server, listening on a port of its own.

use std::time::Duration;

use redis::{Client, Cmd, FromRedisValue, RedisResult, cmd};

use super::ports::free_port;
use super::process::{Directory, Process};
use super::wait_until;

/// A server that does not answer a question of the tests in this time is taken for dead.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// One server. It is killed, and its directory removed, when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    password: Option<String>,
    process: Process,
}

impl Server {
    /// Starts a server with these lines of configuration, and waits until it answers.
    pub(super) fn start(lines: &[String], password: Option<&str>, arguments: &[&str]) -> Server {
        // A port may be taken between the moment it is found free and the moment the server asks for it.
        let mut logs = String::new();
        for _ in 0..5 {
            let port = free_port();
            let directory = Directory::new();
            let password_line =
                password.map(|password| format!("requirepass {password}\n")).unwrap_or_default();
            let configuration = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\n{password_line}{}\n",
                directory.path().display(),
                lines.join("\n")
            );
            let process = Process::start(directory, &configuration, arguments);
            let mut server = Server { port, password: password.map(String::from), process };
            if server.wait_until_it_answers() {
                return server;
            }
            logs.push_str(&server.process.log());
        }
        panic!("the server does not start:\n{logs}");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// With the password, if there is one.
    pub(crate) fn url(&self) -> String {
        let login = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{login}{}/", self.address())
    }

    /// Asks it something, over a connection of its own.
    pub(crate) fn ask<T: FromRedisValue>(&self, question: &Cmd) -> RedisResult<T> {
        let mut connection = Client::open(self.url())?.get_connection_with_timeout(ANSWERS_WITHIN)?;
        connection.set_read_timeout(Some(ANSWERS_WITHIN))?;
        connection.set_write_timeout(Some(ANSWERS_WITHIN))?;
        question.query(&mut connection)
    }

    /// Asks it something as one types it into `redis-cli`; no word may have a space in it.
    ///
    /// # Panics
    ///
    /// If it answers with an error, or not at all.
    pub(crate) fn say<T: FromRedisValue>(&self, words: &str) -> T {
        self.ask(&question(words)).unwrap_or_else(|error| panic!("{words}: {error}"))
    }

    /// The value of a line `name:value` of what it answers, as to `INFO`; nothing if it does not answer.
    pub(crate) fn value_of(&self, words: &str, name: &str) -> Option<String> {
        let lines: String = self.ask(&question(words)).ok()?;
        lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(String::from))
    }

    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after a kill, on its port; it has what it saved, by default nothing. Waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.restart_without_waiting();
        assert!(self.wait_until_it_answers(), "the server does not start again:\n{}", self.process.log());
    }

    /// As [`restart`](Server::restart), but does not wait.
    pub(crate) fn restart_without_waiting(&mut self) {
        self.process.restart();
    }

    /// Stops it where it is, as `SIGSTOP` does: it takes connections and bytes, but does nothing with them.
    pub(crate) fn freeze(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on after a [`freeze`](Server::freeze).
    pub(crate) fn thaw(&self) {
        self.process.signal("CONT");
    }

    /// False if it ended.
    fn wait_until_it_answers(&mut self) -> bool {
        let mut ended = false;
        wait_until("a server that was started answers", || {
            ended = self.process.has_ended();
            // While it loads its data it does answer, with an error.
            ended || self.ask::<String>(&cmd("PING")).is_ok_and(|pong| pong == "PONG")
        });
        // Another server may have the port.
        !ended && !self.process.has_ended()
    }
}

pub(super) fn question(words: &str) -> Cmd {
    let mut words = words.split_whitespace();
    let mut question = cmd(words.next().expect("a question has a word"));
    question.arg(words.collect::<Vec<_>>());
    question
}
