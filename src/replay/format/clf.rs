//! [`LogLine`]: what a replay needs of one line in Common or Combined Log Format.

use std::borrow::Cow;

use super::super::fields::Entry;
use super::super::key::KeyBy;
use super::super::policies::push_attribute;
use super::super::time::{UnixNanos, parse_clf_time};
use super::line_error::{LineError, excerpt};

/// How a field that the server had nothing to say for is written.
pub(in super::super) const ABSENT: &[u8] = b"-";

/// One request: `host ident user [time] "request" status bytes`.
///
/// What follows the bytes (referrer and user agent in the Combined format, or fields of one's own) is not looked
/// at. A field that is absent is `-`, as in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The client: an address, or a name where the server looks names up.
    pub host: &'a [u8],
    /// The authenticated user. May contain spaces.
    pub user: &'a [u8],
    /// When, to the second.
    pub time: UnixNanos,
    /// The request's method; absent when the client sent something that is not HTTP.
    pub method: &'a [u8],
    /// The request's target without its query string; absent like the method.
    pub path: &'a [u8],
    /// The response's status: three digits.
    pub status: &'a [u8],
    /// The size of the response; 0 when absent.
    pub bytes: u64,
}

impl<'a> LogLine<'a> {
    /// Reads one line, given without its line end.
    ///
    /// # Errors
    ///
    /// [`LineError`] names the first field that is not as the format has it.
    pub fn parse(line: &'a [u8]) -> Result<LogLine<'a>, LineError> {
        let (Client { host, user }, rest) = parse_client(line)?;
        let (time, rest) = split_once(rest, b"] ").ok_or(LineError::NoTime)?;
        let time = parse_clf_time(time).map_err(|error| LineError::clf_time(time, error))?;
        let (request, rest) = split_quoted(rest).ok_or(LineError::NoRequest)?;
        let (status, bytes) = parse_response(rest)?;
        let (method, path) = split_request(request).unwrap_or((ABSENT, ABSENT));
        Ok(LogLine { host, user, time, method, path, status, bytes })
    }
}

/// How lines in Common or Combined Log Format are read.
#[derive(Clone, Debug)]
pub(in super::super) enum ClfLines {
    Key {
        /// What each request is counted by.
        key: KeyBy,
        /// Whether a request costs the bytes of its response instead of 1.
        cost_bytes: bool,
    },
    /// By the attributes with these names.
    Attributes(Vec<String>),
}

impl ClfLines {
    /// Reads one line, and writes its key, or its attributes, over what is in `key`.
    pub(super) fn read(&self, line: &[u8], key: &mut Vec<u8>) -> Result<Entry, LineError> {
        let line = LogLine::parse(line)?;
        match self {
            ClfLines::Key { key: by, cost_bytes } => {
                by.write(&line, key);
                Ok(Entry { time: line.time, cost: if *cost_bytes { line.bytes } else { 1 } })
            }
            ClfLines::Attributes(names) => {
                key.clear();
                for name in names {
                    push_attribute(name, &attribute(&line, name), key);
                }
                Ok(Entry { time: line.time, cost: 1 })
            }
        }
    }
}

/// What a line says of an attribute; nothing of those that the format has no place for.
fn attribute<'a>(line: &LogLine<'a>, name: &str) -> Cow<'a, [u8]> {
    match name {
        "ip" => Cow::Borrowed(line.host),
        "user" => Cow::Borrowed(line.user),
        "route" => Cow::Borrowed(line.path),
        "method" => Cow::Borrowed(line.method),
        "status" => Cow::Borrowed(line.status),
        "bytes" => Cow::Owned(line.bytes.to_string().into_bytes()),
        _ => Cow::Borrowed(ABSENT),
    }
}

/// Who sent the request.
struct Client<'a> {
    host: &'a [u8],
    user: &'a [u8],
}

/// `host ident user [`, and what follows the bracket.
fn parse_client(line: &[u8]) -> Result<(Client<'_>, &[u8]), LineError> {
    let (host, rest) = split_once(line, b" ").ok_or(LineError::NoClient)?;
    let (ident, rest) = split_once(rest, b" ").ok_or(LineError::NoClient)?;
    if host.is_empty() || ident.is_empty() || rest.starts_with(b"[") {
        return Err(LineError::NoClient);
    }
    // With the virtual host in front the client would be taken for the ident, and every request of the site
    // would count as one client's.
    if ident != ABSENT && is_address(ident) {
        return Err(LineError::VirtualHostFirst);
    }
    let (user, rest) = split_once(rest, b" [").ok_or(LineError::NoTime)?;
    if user.is_empty() {
        return Err(LineError::NoClient);
    }
    Ok((Client { host, user }, rest))
}

fn is_address(text: &[u8]) -> bool {
    str::from_utf8(text).is_ok_and(|text| text.parse::<std::net::IpAddr>().is_ok())
}

/// The fields of ` status bytes`, with anything after them.
fn parse_response(text: &[u8]) -> Result<(&[u8], u64), LineError> {
    let mut fields = text.strip_prefix(b" ").unwrap_or(text).split(|byte| *byte == b' ');
    let status = fields.next().unwrap_or_default();
    if status.len() != 3 || !is_number(status) {
        return Err(LineError::Status(excerpt(status)));
    }
    let bytes = fields.next().unwrap_or_default();
    if bytes == ABSENT {
        return Ok((status, 0));
    }
    let number = is_number(bytes).then(|| str::from_utf8(bytes).ok()?.parse().ok()).flatten();
    number.map(|bytes| (status, bytes)).ok_or_else(|| LineError::Bytes(excerpt(bytes)))
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// Method and path of `GET /path?query HTTP/1.1`; nothing when the client did not speak HTTP.
fn split_request(request: &[u8]) -> Option<(&[u8], &[u8])> {
    let (method, target) = split_once(request, b" ")?;
    let target = match target.iter().rposition(|byte| *byte == b' ') {
        Some(space) if target[space..].starts_with(b" HTTP/") => &target[..space],
        _ => target,
    };
    let path = split_once(target, b"?").map_or(target, |(path, _query)| path);
    let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_alphabetic);
    (is_method && !path.is_empty()).then_some((method, path))
}

/// The inside of a leading `"..."`, in which `\"` does not end it, and what follows.
fn split_quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    Some((&text[..end], &text[end + 1..]))
}

/// What comes before and after the first `separator`.
fn split_once<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(separator.len()).position(|window| window == separator)?;
    Some((&text[..at], &text[at + separator.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMBINED: &str = concat!(
        r#"83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a/b.png?x=1 HTTP/1.1" 200 203023 "#,
        r#""http://example.com/" "Mozilla/5.0""#
    );

    fn parse(line: &str) -> Result<LogLine<'_>, LineError> {
        LogLine::parse(line.as_bytes())
    }

    /// A line whose request is `request`, in quotes.
    fn with_request(request: &str) -> String {
        format!(r#"1.2.3.4 - - [17/May/2015:10:05:03 +0000] "{request}" 200 1"#)
    }

    #[track_caller]
    fn assert_request(request: &str, method: &str, path: &str) {
        let line = with_request(request);
        let parsed = parse(&line).unwrap();
        assert_eq!((parsed.method, parsed.path), (method.as_bytes(), path.as_bytes()));
    }

    #[test]
    fn combined_and_common_lines_give_the_same_fields() {
        let expected = LogLine {
            host: b"83.149.9.216",
            user: b"-",
            time: 1_431_857_103_000_000_000,
            method: b"GET",
            path: b"/a/b.png",
            status: b"200",
            bytes: 203_023,
        };
        let common = COMBINED.split(" \"http").next().unwrap();
        assert_eq!(parse(COMBINED), Ok(expected));
        assert_eq!(parse(common), Ok(expected));
    }

    #[test]
    fn the_offset_of_the_time_counts() {
        let line = COMBINED.replace("10:05:03 +0000", "15:35:03 +0530");
        assert_eq!(parse(&line).unwrap().time, parse(COMBINED).unwrap().time);
    }

    #[test]
    fn bytes_that_are_absent_are_none_and_too_many_are_malformed() {
        let with_bytes = |bytes: &str| COMBINED.replace("203023", bytes);
        assert_eq!(parse(&with_bytes("-")).unwrap().bytes, 0);
        assert_eq!(parse(&with_bytes("18446744073709551615")).unwrap().bytes, u64::MAX);
        let error = LineError::Bytes("18446744073709551616".to_owned());
        assert_eq!(parse(&with_bytes("18446744073709551616")), Err(error));
    }

    #[test]
    fn a_user_may_contain_spaces() {
        let line = COMBINED.replace("- -", "- john smith");
        assert_eq!(parse(&line).unwrap().user, b"john smith");
    }

    #[test]
    fn a_host_may_be_a_name_or_an_ipv6_address() {
        for host in ["crawler.example.net", "2001:db8::1"] {
            let line = COMBINED.replace("83.149.9.216", host);
            assert_eq!(parse(&line).unwrap().host, host.as_bytes());
        }
    }

    #[test]
    fn an_escaped_quote_does_not_end_the_request() {
        assert_request(r#"GET /say/\"hi\" HTTP/1.1"#, "GET", r#"/say/\"hi\""#);
        assert_request(r"GET /back\\ HTTP/1.1", "GET", r"/back\\");
    }

    #[test]
    fn the_path_ends_at_the_query_and_may_contain_spaces() {
        assert_request("GET /a b?c d HTTP/1.1", "GET", "/a b");
        assert_request("GET /http-0.9", "GET", "/http-0.9");
    }

    #[test]
    fn a_request_that_is_not_http_has_neither_method_nor_path() {
        for request in ["-", "", r"\x16\x03\x01", r"\x16\x03 \x01", "GET", "GET ", "GET ?q HTTP/1.1"] {
            assert_request(request, "-", "-");
        }
    }

    #[test]
    fn every_defect_is_named() {
        let line = |from: &str, to: &str| COMBINED.replace(from, to);
        let cases = [
            ("word".to_owned(), LineError::NoClient),
            (line("83.149.9.216 ", " "), LineError::NoClient),
            (line("- - [", "- ["), LineError::NoClient),
            (line("83.149", "example.com:80 83.149"), LineError::VirtualHostFirst),
            (line(" [", " "), LineError::NoTime),
            (line("] ", " "), LineError::NoTime),
            (line("May", "Mai"), LineError::Time("17/Mai/2015:10:05:03 +0000".to_owned())),
            (line("17/May", "31/Feb"), LineError::Time("31/Feb/2015:10:05:03 +0000".to_owned())),
            (line("2015", "1915"), LineError::Year("17/May/1915:10:05:03 +0000".to_owned())),
            (line("2015", "2100"), LineError::Year("17/May/2100:10:05:03 +0000".to_owned())),
            (line("\"GET", "GET"), LineError::NoRequest),
            (line(" 200 ", " OK "), LineError::Status("OK".to_owned())),
            (line(" 203023 ", " many "), LineError::Bytes("many".to_owned())),
        ];
        for (line, error) in cases {
            assert_eq!(parse(&line), Err(error), "{line}");
        }
    }

    #[test]
    fn a_line_cut_off_anywhere_is_read_or_malformed() {
        let bytes = COMBINED.find("203023").unwrap();
        for end in 0..COMBINED.len() {
            assert_eq!(parse(&COMBINED[..end]).is_ok(), end > bytes, "{}", &COMBINED[..end]);
        }
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_kept() {
        let mut line = COMBINED.as_bytes().to_vec();
        let at = COMBINED.find("b.png").unwrap();
        line[at] = 0xff;
        assert_eq!(LogLine::parse(&line).unwrap().path, b"/a/\xff.png");
    }
}
