//! The commands there are, and what the service says of itself.

use std::borrow::Cow;

use super::reply::{Protocol, Replies};

/// A command, as `COMMAND` describes it.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// How many arguments it takes, its name among them; below zero: at least so many.
    arity: i64,
    /// Its first argument is a key.
    has_key: bool,
}

const fn command(name: &'static str, arity: i64) -> Command {
    Command { name, arity, has_key: false }
}

static COMMANDS: [Command; 10] = [
    Command { has_key: true, ..command("CL.THROTTLE", -5) },
    command("CLIENT", -2),
    command("COMMAND", -1),
    command("ECHO", 2),
    command("HELLO", -1),
    command("INFO", -1),
    command("PING", -1),
    command("QUIT", -1),
    command("RESET", 1),
    command("SELECT", 2),
];

impl Command {
    pub(crate) fn takes(&self, arguments: usize) -> bool {
        let arguments = i64::try_from(arguments).unwrap_or(i64::MAX);
        if self.arity < 0 { arguments >= -self.arity } else { arguments == self.arity }
    }

    /// Name, arity, flags, and which arguments are keys: the first, the last, and the step between them.
    fn describe(&self, replies: &mut Replies) {
        let key = i64::from(self.has_key);
        replies.array(6);
        replies.bulk(self.name.to_ascii_lowercase().as_bytes());
        replies.integer(self.arity);
        replies.array(1);
        replies.simple(if self.has_key { "write" } else { "fast" });
        for place in [key; 3] {
            replies.integer(place);
        }
    }
}

pub(crate) fn find(name: &[u8]) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
}

/// All names, for a message.
pub(crate) fn names() -> String {
    COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(", ")
}

/// `COMMAND`, `COMMAND COUNT`, `COMMAND INFO [name ..]`, `COMMAND DOCS [name ..]`
pub(crate) fn describe(arguments: &[Cow<'_, [u8]>], protocol: Protocol, replies: &mut Replies) {
    let Some(subcommand) = arguments.get(1) else {
        replies.array(COMMANDS.len());
        return COMMANDS.iter().for_each(|command| command.describe(replies));
    };
    match subcommand.to_ascii_uppercase().as_slice() {
        b"COUNT" => replies.integer(i64::try_from(COMMANDS.len()).unwrap_or(i64::MAX)),
        b"INFO" => {
            replies.array(arguments.len() - 2);
            for name in &arguments[2..] {
                match find(name) {
                    Some(command) => command.describe(replies),
                    None => replies.nil(protocol),
                }
            }
        }
        // redis-cli asks for them when it starts, and goes on without.
        b"DOCS" => replies.map(protocol, 0),
        _ => {
            replies
                .error("ERR unknown subcommand. Try COMMAND, COMMAND COUNT, COMMAND INFO or COMMAND DOCS.");
        }
    }
}

/// What `HELLO` answers.
pub(crate) fn introduce(id: u64, protocol: Protocol, replies: &mut Replies) {
    replies.map(protocol, 7);
    for (field, value) in [("server", "tollgate"), ("version", env!("CARGO_PKG_VERSION"))] {
        replies.bulk(field.as_bytes());
        replies.bulk(value.as_bytes());
    }
    replies.bulk(b"proto");
    replies.integer(match protocol {
        Protocol::Resp2 => 2,
        Protocol::Resp3 => 3,
    });
    replies.bulk(b"id");
    replies.integer(i64::try_from(id).unwrap_or(i64::MAX));
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        replies.bulk(field.as_bytes());
        replies.bulk(value.as_bytes());
    }
    replies.bulk(b"modules");
    replies.array(0);
}
