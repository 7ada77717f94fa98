//! [`Refusal`]: what an error of a server means.

use crate::distributed::{Applied, BackendError, BackendErrorKind};

use super::address::Address;
use super::error::unknown_command;

/// What a server said instead of a result.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It does not have the script. Nothing was done.
    NoScript,
    /// The slot is another server's. Nothing was done.
    Moved(Address),
    /// The slot is on its way to another server, and this key may be there. Nothing was done.
    Ask(Address),
    /// The slot is on its way, and some of the keys are here and some there. Nothing was done.
    TryAgain,
    /// It failed.
    Failed(BackendError),
    /// It failed, and will on this connection.
    WrongConnection(BackendError),
}

/// Codes that are hidden in the text when a script runs into them, before 7.0 those of the server, too.
const HIDDEN_CODES: [&str; 10] = [
    "READONLY",
    "OOM",
    "LOADING",
    "MISCONF",
    "NOREPLICAS",
    "WRONGTYPE",
    "NOPERM",
    "BUSY",
    "MASTERDOWN",
    NOT_OURS,
];
/// So 7.0 and, with other words, later servers begin when a script comes to a command or a key that its user must not touch.
const NO_PERMISSION: [&str; 2] = ["The user executing the script can't", "ACL failure in script"];
/// What our scripts say of a value that they did not write, whatever the server's version.
const NOT_OURS: &str = "TOLLGATE";

/// What this error means, said by this server of an operation of this limit.
pub(super) fn refusal(error: &redis::RedisError, server: &Address, limit: &str) -> Refusal {
    let text = error.detail().unwrap_or_default();
    let code = code_of(error);
    let by_script = text.contains("script");
    let message = |what_to_do: &str| {
        let text = unknown_command(error).unwrap_or(text);
        format!("{server} answered {code} {text}; {what_to_do}")
    };
    let failed =
        |kind, applied, what_to_do| Refusal::Failed(BackendError::new(kind, applied, message(what_to_do)));
    let not_done = |kind, what_to_do| failed(kind, Applied::No, what_to_do);
    let redirected =
        || error.redirect_node().and_then(|(address, _)| Address::from_redirection(address, server));
    match code {
        "NOSCRIPT" => Refusal::NoScript,
        "TRYAGAIN" => Refusal::TryAgain,
        "MOVED" | "ASK" => match redirected() {
            Some(address) if code == "MOVED" => Refusal::Moved(address),
            Some(address) => Refusal::Ask(address),
            None => not_done(BackendErrorKind::Protocol, "it should name a server"),
        },
        "OOM" => not_done(
            BackendErrorKind::Overloaded,
            "raise maxmemory there, or set maxmemory-policy volatile-ttl",
        ),
        "BUSY" => not_done(BackendErrorKind::Overloaded, "a script of somebody else runs for too long there"),
        "LOADING" => not_done(BackendErrorKind::Overloaded, "it is starting and reads its data"),
        "NOREPLICAS" => {
            not_done(BackendErrorKind::Overloaded, "it has fewer replicas than min-replicas-to-write")
        }
        "MISCONF" => not_done(BackendErrorKind::Overloaded, "it cannot save to its disk; see its log"),
        "MASTERDOWN" => not_done(BackendErrorKind::Unavailable, "its master is down"),
        "CLUSTERDOWN" => {
            not_done(BackendErrorKind::Unavailable, "the cluster has slots that no server serves")
        }
        "READONLY" => {
            let what_to_do = "it is a replica; the connection is made anew";
            Refusal::WrongConnection(BackendError::new(
                BackendErrorKind::NotPrimary,
                Applied::No,
                message(what_to_do),
            ))
        }
        "NOAUTH" => {
            let what_to_do = "give username and password";
            let kind = BackendErrorKind::Configuration;
            Refusal::WrongConnection(BackendError::new(kind, Applied::No, message(what_to_do)))
        }
        // A script may have written something before it came to what it must not do.
        "NOPERM" => {
            let applied = if by_script { Applied::Maybe } else { Applied::No };
            let rule = format!("grant the user by ACL SETUSER: {}", super::ACL_RULE);
            failed(BackendErrorKind::Configuration, applied, &rule)
        }
        "WRONGTYPE" | NOT_OURS => not_done(
            BackendErrorKind::Configuration,
            &format!(
                "a key of limit {limit:?} holds something that is not ours; delete that key, or give another prefix"
            ),
        ),
        "CROSSSLOT" => not_done(
            BackendErrorKind::Configuration,
            &format!("keys of limit {limit:?} that are checked together need a common tag"),
        ),
        _ if unknown_command(error).is_some() => {
            not_done(BackendErrorKind::Configuration, "allow EVAL and EVALSHA there")
        }
        _ => failed(BackendErrorKind::Configuration, Applied::Maybe, "this server cannot run the scripts"),
    }
}

/// The code that matters: the one in the text if the outer one says only that a script failed.
pub(super) fn code_of(error: &redis::RedisError) -> &str {
    let (code, text) = (error.code().unwrap_or_default(), error.detail().unwrap_or_default());
    if code != "ERR" || !text.contains("script") {
        return code;
    }
    if NO_PERMISSION.iter().any(|start| text.starts_with(start)) {
        return "NOPERM";
    }
    let mut words = text.split(|character: char| !character.is_ascii_uppercase());
    words.find(|word| HIDDEN_CODES.contains(word)).unwrap_or(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Refusal {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        let error = value.extract_error().unwrap_err();
        refusal(&error, &Address::tcp("10.0.0.1", 7000), "api")
    }

    fn failure(line: &str) -> BackendError {
        match said(line) {
            Refusal::Failed(error) | Refusal::WrongConnection(error) => error,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn redirections_name_where_to_go_and_an_empty_host_is_the_speaker_s() {
        assert!(
            matches!(said("MOVED 3999 127.0.0.1:6381"), Refusal::Moved(address) if address == Address::tcp("127.0.0.1", 6381))
        );
        assert!(
            matches!(said("ASK 3999 ::1:6381"), Refusal::Ask(address) if address == Address::tcp("::1", 6381))
        );
        assert!(
            matches!(said("MOVED 3999 :6381"), Refusal::Moved(address) if address == Address::tcp("10.0.0.1", 6381))
        );
        assert_eq!(failure("MOVED nonsense").kind(), BackendErrorKind::Protocol);
    }

    #[test]
    fn what_surely_was_not_carried_out_says_so() {
        let cases = [
            ("OOM command not allowed when used memory > 'maxmemory'.", BackendErrorKind::Overloaded),
            ("BUSY Redis is busy running a script.", BackendErrorKind::Overloaded),
            ("LOADING Redis is loading the dataset in memory", BackendErrorKind::Overloaded),
            ("NOREPLICAS Not enough good replicas to write.", BackendErrorKind::Overloaded),
            ("MISCONF Redis is configured to save RDB snapshots", BackendErrorKind::Overloaded),
            ("MASTERDOWN Link with MASTER is down", BackendErrorKind::Unavailable),
            ("CLUSTERDOWN Hash slot not served", BackendErrorKind::Unavailable),
            ("READONLY You can't write against a read only replica.", BackendErrorKind::NotPrimary),
            ("NOAUTH Authentication required.", BackendErrorKind::Configuration),
            (
                "NOPERM this user has no permissions to run the 'evalsha' command",
                BackendErrorKind::Configuration,
            ),
            (
                "WRONGTYPE Operation against a key holding the wrong kind of value",
                BackendErrorKind::Configuration,
            ),
            ("CROSSSLOT Keys in request don't hash to the same slot", BackendErrorKind::Configuration),
            ("ERR unknown command 'EVALSHA', with args beginning with: ", BackendErrorKind::Configuration),
        ];
        for (line, kind) in cases {
            let error = failure(line);
            assert_eq!((error.kind(), error.applied()), (kind, Applied::No), "{line}");
        }
    }

    #[test]
    fn the_arguments_of_an_unknown_command_are_not_repeated() {
        let error = failure("ERR unknown command 'AUTH', with args beginning with: 'default' 'secret' ");
        assert!(error.to_string().contains("unknown command 'AUTH'"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn redis_6_hides_the_code_in_the_text_of_a_script_s_error() {
        let error = failure(
            "ERR Error running script (call to f_4ca238f611c9d0ae4e9a75a5dbac22aedc1e48ba): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.",
        );
        assert_eq!((error.kind(), error.applied()), (BackendErrorKind::NotPrimary, Applied::No));
    }

    #[test]
    fn an_error_inside_a_script_may_have_come_after_a_write() {
        for line in [
            "ERR user_script:3: attempt to index a nil value script: 0123",
            "ERR The user executing the script can't run this command or subcommand script: 0123",
        ] {
            assert_eq!(failure(line).applied(), Applied::Maybe, "{line}");
        }
    }

    #[test]
    fn a_key_that_is_not_ours_is_reported_with_its_limit() {
        for line in [
            "WRONGTYPE Operation against a key holding the wrong kind of value script: 0123, on @user_script:25.",
            "ERR user_script:31: TOLLGATE what is stored at this key is not a state script: 0123",
        ] {
            let error = failure(line);
            assert_eq!(
                (error.kind(), error.applied()),
                (BackendErrorKind::Configuration, Applied::No),
                "{line}"
            );
            assert!(error.to_string().contains("\"api\""), "{error}");
        }
    }
}
