//! What a client reads for what it sends, byte for byte.

use super::*;
use crate::server::resp::request::{MAX_ARGUMENT, MAX_ARGUMENTS};

/// All that is answered to `sent`, with a note for what is done elsewhere.
fn answers(sent: &[u8]) -> String {
    let (mut session, mut replies, mut used) = (Session::new(7), Replies::default(), 0);
    while let Some((next, length)) = session.take(&sent[used..], &mut replies) {
        used += length;
        match next {
            Next::Answered => {}
            Next::Check(check) => {
                let limit = check.limit.quota;
                replies.error(format_args!("CHECK {} {limit} x{}", check.key.escape_ascii(), check.quantity));
            }
            Next::Info => replies.error("INFO"),
            Next::Close => {
                replies.error("CLOSE");
                break;
            }
        }
    }
    String::from_utf8(replies.as_bytes().to_vec()).unwrap()
}

fn array(arguments: &[&str]) -> Vec<u8> {
    let texts = arguments.iter().map(|argument| format!("${}\r\n{argument}\r\n", argument.len()));
    [format!("*{}\r\n", arguments.len())].into_iter().chain(texts).collect::<String>().into_bytes()
}

fn throttle(arguments: &str) -> String {
    let arguments: Vec<_> = ["CL.THROTTLE"].into_iter().chain(arguments.split_whitespace()).collect();
    answers(&array(&arguments))
}

#[test]
fn a_burst_of_fifteen_is_a_limit_of_sixteen() {
    assert_eq!(throttle("user123 15 30 60"), "-CHECK user123 30/min burst 16 x1\r\n");
    assert_eq!(throttle("user123 15 30 60 5"), "-CHECK user123 30/min burst 16 x5\r\n");
    assert_eq!(throttle("user123 -1 30 60 0"), "-CHECK user123 30/min burst 0 x0\r\n");
}

#[test]
fn what_redis_cell_refuses_is_refused_in_its_words() {
    let usage = "-Cell error: Store error: Usage: cl.throttle <key> <max_burst> <count per period> <period> [<quantity>]\r\n";
    assert_eq!(throttle("user123"), usage);
    assert_eq!(throttle("user123 1 2 3 4 5"), usage);
    let number = "-Cell error: Store error: Couldn't parse as integer: ";
    assert_eq!(throttle("user123 1.5 2 3"), format!("{number}1.5\r\n"));
    assert_eq!(throttle("user123 1 2 9223372036854775808"), format!("{number}9223372036854775808\r\n"));
    let zero = "-Cell error: Store error: Zero rates are not supported\r\n";
    assert_eq!(throttle("user123 1 0 60"), zero);
    assert_eq!(throttle("user123 1 30 0"), zero);
}

#[test]
fn numbers_that_make_no_sense_are_named() {
    assert_eq!(throttle("k -2 30 60"), "-ERR max_burst is -2: it must be at least -1\r\n");
    assert_eq!(throttle("k 1 -30 60"), "-ERR count per period is -30: it must be at least 1\r\n");
    assert_eq!(throttle("k 1 30 -60"), "-ERR period is -60: it must be at least 1\r\n");
    assert_eq!(throttle("k 1 30 60 -1"), "-ERR quantity is -1: it must be at least 0\r\n");
    for beyond in ["k 1 30 9223372036854775807", "k 1 9223372036854775807 1"] {
        let told = throttle(beyond);
        assert!(told.starts_with("-ERR count per period: "), "{told}");
    }
    assert!(throttle("k 9223372036854775807 1 1 9223372036854775807").starts_with("-CHECK"));
}

#[test]
fn commands_are_understood_in_any_case_and_on_a_line() {
    assert_eq!(answers(b"ping\r\nPiNg\r\n"), "+PONG\r\n+PONG\r\n");
    assert_eq!(answers(b"cl.throttle user123 15 30 60\n"), "-CHECK user123 30/min burst 16 x1\r\n");
    assert_eq!(answers(br#"ECHO "a b\x21\n\"""#), "");
    assert_eq!(answers(b"ECHO \"a b\\x21\\\"\"\r\n"), "$6\r\na b!\"\r\n".replace("$6", "$5"));
    assert_eq!(answers(b"  ECHO   'it\\'s'  \r\n"), "$4\r\nit's\r\n");
}

#[test]
fn what_is_empty_gets_no_answer() {
    assert_eq!(answers(b"\r\n\n*0\r\n*-1\r\nPING\r\n"), "+PONG\r\n");
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let sent = array(&["CL.THROTTLE", "user\r\n123", "15", "30", "60"]);
    for end in 0..sent.len() {
        let mut replies = Replies::default();
        assert_eq!(Session::new(7).take(&sent[..end], &mut replies), None, "{end}");
        assert_eq!(replies.len(), 0);
    }
    assert_eq!(answers(&sent), "-CHECK user\\r\\n123 30/min burst 16 x1\r\n");
}

#[test]
fn broken_bytes_are_told_as_redis_tells_them_and_end_the_connection() {
    let error = |text: &str| format!("-ERR Protocol error: {text}\r\n-CLOSE\r\n");
    for (sent, told) in [
        ("*x\r\n", "invalid multibulk length"),
        ("*1000000000\r\n", "invalid multibulk length"),
        ("*99999999999999999999\r\n", "invalid multibulk length"),
        ("*1\n", "invalid multibulk length"),
        ("*1\r\n:5\r\n", "expected '$', got ':'"),
        ("*1\r\n\u{0}", "expected '$', got '\\x00'"),
        ("*1\r\n*1\r\n", "expected '$', got '*'"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$999999999999\r\n", "invalid bulk length"),
        ("*1\r\n$4\r\nPINGxx", "invalid bulk length"),
        ("*0000000000000000000000000000000001\r\n", "too big mbulk count string"),
        ("*1\r\n$0000000000000000000000000000000001\r\n", "too big bulk count string"),
        ("ECHO \"a\r\n", "unbalanced quotes in request"),
        ("ECHO \"a\"b\r\n", "unbalanced quotes in request"),
        ("ECHO 'a\r\n", "unbalanced quotes in request"),
    ] {
        assert_eq!(answers(sent.as_bytes()), error(told), "{sent:?}");
    }
    assert_eq!(answers(&[b'a'; 8 * 1024]), error("too big inline request"));
    assert_eq!(answers("a ".repeat(MAX_ARGUMENTS + 1).as_bytes()), "");
    let words = "a ".repeat(MAX_ARGUMENTS + 1) + "\r\n";
    assert_eq!(answers(words.as_bytes()), error("invalid multibulk length"));
}

#[test]
fn the_largest_argument_is_taken_and_one_byte_more_is_not() {
    let largest = "a".repeat(MAX_ARGUMENT);
    assert_eq!(answers(&array(&["ECHO", &largest])), format!("${MAX_ARGUMENT}\r\n{largest}\r\n"));
    let beyond = format!("*2\r\n$4\r\nECHO\r\n${}\r\n", MAX_ARGUMENT + 1);
    assert_eq!(answers(beyond.as_bytes()), "-ERR Protocol error: invalid bulk length\r\n-CLOSE\r\n");
    let many = array(&["ECHO", &largest, &largest]);
    assert_eq!(answers(&many), "-ERR Protocol error: invalid bulk length\r\n-CLOSE\r\n");
}

#[test]
fn requests_of_a_pipeline_are_answered_in_order_up_to_the_one_that_ends_it() {
    let sent = b"ECHO 1\r\nPING\r\nINFO\r\nECHO 2\r\nQUIT\r\nPING\r\n";
    assert_eq!(answers(sent), "$1\r\n1\r\n+PONG\r\n-INFO\r\n$1\r\n2\r\n+OK\r\n-CLOSE\r\n");
}

#[test]
fn hello_chooses_the_protocol_and_names_the_client() {
    let resp3 = answers(b"HELLO 3 AUTH default secret SETNAME ann\r\nCLIENT GETNAME\r\nCOMMAND DOCS\r\n");
    assert!(resp3.starts_with("%7\r\n$6\r\nserver\r\n$8\r\ntollgate\r\n"), "{resp3}");
    assert!(resp3.contains("$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:7\r\n"), "{resp3}");
    assert!(resp3.ends_with("$3\r\nann\r\n%0\r\n"), "{resp3}");
    let resp2 = answers(b"HELLO\r\nCLIENT GETNAME\r\n");
    assert!(resp2.starts_with("*14\r\n") && resp2.ends_with("*0\r\n$-1\r\n"), "{resp2}");
    assert!(answers(b"HELLO 3\r\nRESET\r\nHELLO\r\n").ends_with(&resp2[..resp2.len() - 5]));
    assert_eq!(answers(b"HELLO 4\r\n"), "-NOPROTO unsupported protocol version\r\n");
    assert!(answers(b"HELLO x\r\n").starts_with("-ERR Protocol version is not an integer"));
    assert_eq!(answers(b"HELLO 3 SETNAME\r\n"), "-ERR Syntax error in HELLO option 'SETNAME'\r\n");
    let refused = answers(b"HELLO 3 SETNAME 'a b'\r\nCLIENT GETNAME\r\n");
    assert!(refused.starts_with("-ERR Client names cannot") && refused.ends_with("$-1\r\n"), "{refused}");
}

#[test]
fn clients_may_say_who_they_are() {
    assert_eq!(answers(b"CLIENT SETINFO LIB-NAME redis-py\r\nclient id\r\n"), "+OK\r\n:7\r\n");
    assert_eq!(answers(b"CLIENT SETNAME ann\r\nCLIENT GETNAME\r\n"), "+OK\r\n$3\r\nann\r\n");
    assert!(answers(b"CLIENT KILL x\r\n").starts_with("-ERR unknown subcommand"));
}

#[test]
fn there_is_one_database() {
    assert_eq!(answers(b"SELECT 0\r\n"), "+OK\r\n");
    assert_eq!(answers(b"SELECT 1\r\n"), "-ERR DB index is out of range\r\n");
    assert_eq!(answers(b"SELECT one\r\n"), "-ERR value is not an integer or out of range\r\n");
}

#[test]
fn command_describes_what_there_is() {
    assert!(
        answers(b"COMMAND\r\n")
            .starts_with("*10\r\n*6\r\n$11\r\ncl.throttle\r\n:-5\r\n*1\r\n+write\r\n:1\r\n:1\r\n:1\r\n")
    );
    assert_eq!(answers(b"COMMAND COUNT\r\n"), ":10\r\n");
    assert_eq!(
        answers(b"COMMAND INFO ping get\r\n"),
        "*2\r\n*6\r\n$4\r\nping\r\n:-1\r\n*1\r\n+fast\r\n:0\r\n:0\r\n:0\r\n$-1\r\n"
    );
}

#[test]
fn errors_are_one_line_whatever_they_quote() {
    let told = answers(&array(&["GET\r\n+OK", "x"]));
    assert!(told.starts_with("-ERR unknown command 'GET  +OK'"), "{told}");
    assert_eq!(told.matches("\r\n").count(), 1);
    assert!(answers(&array(&[&"x".repeat(5_000)])).len() < 500);
    assert_eq!(answers(b"PING a b\r\n"), "-ERR wrong number of arguments for 'ping' command\r\n");
    assert_eq!(answers(b"ECHO\r\n"), "-ERR wrong number of arguments for 'echo' command\r\n");
}

#[test]
fn the_beginning_of_an_http_request_ends_the_connection() {
    assert_eq!(answers(b"POST / HTTP/1.1\r\nCL.THROTTLE k 1 1 1\r\n"), "-CLOSE\r\n");
    let get = answers(b"GET / HTTP/1.1\r\nHost: localhost\r\nPING\r\n");
    assert!(get.starts_with("-ERR unknown command 'GET'") && get.ends_with("\r\n-CLOSE\r\n"), "{get}");
}
