//! [`Session`]: what one client has asked for so far, and the answers that need no limit.

use std::borrow::Cow;

use super::catalogue::{self, Command};
use super::reply::{Protocol, Replies};
use super::request::{Arguments, Request, excerpt, number};
use super::throttle::Throttle;

/// One client's side of a connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// Tells connections apart, in `HELLO` and `CLIENT ID`.
    id: u64,
    protocol: Protocol,
    name: Vec<u8>,
}

/// What is left to be done for a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// Nothing: its answer is written.
    Answered,
    /// A limit is to be asked, and its answer written.
    Check(Throttle<'a>),
    /// The service is to tell about itself.
    Info,
    /// Its answer is written, and the connection ends.
    Close,
}

impl Session {
    pub(crate) fn new(id: u64) -> Session {
        Session { id, protocol: Protocol::default(), name: Vec::new() }
    }

    /// Answers the first request of `input`, or says what is to be done for it, and how long it is; `None` while there is only a part
    /// of it. After a [`Close`](Next::Close) nothing more is to be read.
    pub(crate) fn take<'a>(&mut self, input: &'a [u8], replies: &mut Replies) -> Option<(Next<'a>, usize)> {
        match Request::read(input) {
            Ok(Some(Request { arguments, length })) => Some((self.answer(arguments, replies), length)),
            Ok(None) => None,
            Err(error) => {
                replies.error(format_args!("ERR Protocol error: {error}"));
                Some((Next::Close, input.len()))
            }
        }
    }

    fn answer<'a>(&mut self, mut arguments: Arguments<'a>, replies: &mut Replies) -> Next<'a> {
        let Some(name) = arguments.first() else {
            return Next::Answered;
        };
        // The command that all of this is for.
        if name.eq_ignore_ascii_case(b"CL.THROTTLE") {
            return match Throttle::read(&mut arguments) {
                Ok(throttle) => Next::Check(throttle),
                Err(error) => {
                    replies.error(error);
                    Next::Answered
                }
            };
        }
        let Some(command) = catalogue::find(name) else {
            return unknown(&arguments, replies);
        };
        if !command.takes(arguments.len()) {
            wrong_number(command, replies);
            return Next::Answered;
        }
        match command.name {
            "PING" => match &arguments[1..] {
                [] => replies.simple("PONG"),
                [text] => replies.bulk(text),
                _ => wrong_number(command, replies),
            },
            "ECHO" => replies.bulk(&arguments[1]),
            "HELLO" => self.hello(&arguments, replies),
            "CLIENT" => self.client(&arguments, replies),
            "COMMAND" => catalogue::describe(&arguments, self.protocol, replies),
            "SELECT" => match number(&arguments[1]) {
                Some(0) => replies.simple("OK"),
                Some(_) => replies.error("ERR DB index is out of range"),
                None => replies.error("ERR value is not an integer or out of range"),
            },
            "RESET" => {
                *self = Session::new(self.id);
                replies.simple("RESET");
            }
            "QUIT" => {
                replies.simple("OK");
                return Next::Close;
            }
            _ => return Next::Info,
        }
        Next::Answered
    }

    /// `HELLO [protover [AUTH username password] [SETNAME clientname]]`
    fn hello(&mut self, arguments: &[Cow<'_, [u8]>], replies: &mut Replies) {
        let protocol = match arguments.get(1).map(|version| number(version)) {
            None => self.protocol,
            Some(Some(2)) => Protocol::Resp2,
            Some(Some(3)) => Protocol::Resp3,
            Some(Some(_)) => return replies.error("NOPROTO unsupported protocol version"),
            Some(None) => return replies.error("ERR Protocol version is not an integer or out of range"),
        };
        let mut name = None;
        let mut options = arguments.get(2..).unwrap_or_default();
        while let Some(option) = options.first() {
            options = match options {
                // There are no users. Clients that always send a password are let in.
                [auth, _, _, rest @ ..] if auth.eq_ignore_ascii_case(b"AUTH") => rest,
                [set_name, new, rest @ ..] if set_name.eq_ignore_ascii_case(b"SETNAME") => {
                    name = Some(new);
                    rest
                }
                _ => {
                    let option = excerpt(option);
                    return replies.error(format_args!("ERR Syntax error in HELLO option '{option}'"));
                }
            };
        }
        match name {
            Some(name) if !is_client_name(name) => return replies.error(CLIENT_NAME_ERROR),
            Some(name) => self.name = name.to_vec(),
            None => {}
        }
        self.protocol = protocol;
        catalogue::introduce(self.id, protocol, replies);
    }

    fn client(&mut self, arguments: &[Cow<'_, [u8]>], replies: &mut Replies) {
        let subcommand = arguments[1].to_ascii_uppercase();
        match (subcommand.as_slice(), &arguments[2..]) {
            (b"SETNAME", [name]) if is_client_name(name) => {
                self.name = name.to_vec();
                replies.simple("OK");
            }
            (b"SETNAME", [_]) => replies.error(CLIENT_NAME_ERROR),
            (b"GETNAME", []) if self.name.is_empty() => replies.nil(self.protocol),
            (b"GETNAME", []) => replies.bulk(&self.name),
            (b"ID", []) => replies.integer(i64::try_from(self.id).unwrap_or(i64::MAX)),
            // Which library it is does not matter here.
            (b"SETINFO", [_, _]) => replies.simple("OK"),
            _ => {
                let subcommand = excerpt(&arguments[1]);
                replies.error(format_args!(
                    "ERR unknown subcommand or wrong number of arguments for '{subcommand}'"
                ));
            }
        }
    }
}

const CLIENT_NAME_ERROR: &str = "ERR Client names cannot contain spaces, newlines or special characters.";

/// As Redis allows them.
fn is_client_name(name: &[u8]) -> bool {
    name.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

fn wrong_number(command: &Command, replies: &mut Replies) {
    let name = command.name.to_ascii_lowercase();
    replies.error(format_args!("ERR wrong number of arguments for '{name}' command"));
}

fn unknown<'a>(arguments: &Arguments<'a>, replies: &mut Replies) -> Next<'a> {
    // The beginning of an HTTP request: a browser was made to send it, and its body would be understood as commands.
    if ["POST", "Host:"].iter().any(|word| arguments[0].eq_ignore_ascii_case(word.as_bytes())) {
        return Next::Close;
    }
    let name = excerpt(&arguments[0]);
    replies.error(format_args!(
        "ERR unknown command '{name}': this is Tollgate, which answers {}",
        catalogue::names()
    ));
    Next::Answered
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
