//! [`Standalone`]: a server by itself.

use std::ops::{Deref, DerefMut};

use super::server::Server;

/// A server by itself, empty whenever it starts.
#[derive(Debug)]
pub(crate) struct Standalone(Server);

/// How a server by itself is started.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    lines: Vec<String>,
    password: Option<String>,
}

impl Standalone {
    pub(crate) fn start() -> Standalone {
        Standalone::builder().start()
    }

    pub(crate) fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// A line of configuration, as in `redis.conf`.
    pub(crate) fn line(mut self, line: impl Into<String>) -> Builder {
        self.lines.push(line.into());
        self
    }

    /// The password of the user `default`.
    pub(crate) fn password(self, password: &str) -> Builder {
        Builder { password: Some(password.to_owned()), ..self }
    }

    pub(crate) fn start(mut self) -> Standalone {
        // `DEBUG` fills it. Replicas need not wait for more of them to come, which takes 5 seconds by default.
        self.lines.insert(
            0,
            "save \"\"\nappendonly no\nenable-debug-command local\nrepl-diskless-sync-delay 0".to_owned(),
        );
        Standalone(Server::start(&self.lines, self.password.as_deref(), &[]))
    }
}

impl Deref for Standalone {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

impl DerefMut for Standalone {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.0
    }
}
