//! Prints the sample log that lies beside it, the same on every machine:
//!
//! ```text
//! cargo run --example generate_log > examples/access.log
//! ```
//!
//! One hour of a small web site: visitors who read a page and come back, a crawler that takes a page every few
//! seconds, one client that tries passwords for two minutes, and visitors who change their IPv6 address within
//! their network. Slow responses are written late, as web servers do, so lines are out of order; two lines are
//! broken. All addresses are reserved for documentation.

use std::fmt::Write as _;
use std::io::{self, Write as _};

/// The hour that the log covers, in seconds.
const HOUR: u64 = 3_600;

const PAGES: [&str; 8] =
    ["/", "/docs", "/docs/install", "/docs/limits?lang=en", "/blog", "/blog/bursts", "/about", "/pricing"];

const ASSETS: [&str; 3] = ["/static/site.css", "/static/site.js", "/static/logo.svg"];

const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/136.0",
    "Mozilla/5.0 (Macintosh) Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0) Chrome/134.0",
];

fn main() -> io::Result<()> {
    io::stdout().write_all(log().as_bytes())
}

/// The sample log.
pub(crate) fn log() -> String {
    let mut random = Random(2_025);
    let mut requests = Vec::new();
    visitors(&mut random, &mut requests);
    crawler(&mut random, &mut requests);
    abuser(&mut requests);
    requests.sort_by_key(|request| request.arrival + request.duration);
    let mut lines: Vec<String> = requests.iter().map(Request::line).collect();
    lines.insert(1_234, "198.51.100.24 - - [10/Mar/2025:08:2".to_owned());
    lines.insert(2_345, r"logrotate: stat of access.log failed: no such file".to_owned());
    lines.join("\n") + "\n"
}

/// One request, as a server would log it.
struct Request {
    host: String,
    user: &'static str,
    /// Seconds since the log's beginning. The line bears this time...
    arrival: u64,
    /// ...but is written when the response is complete, so many seconds later.
    duration: u64,
    method_and_path: String,
    status: u16,
    bytes: u64,
    agent: &'static str,
}

impl Request {
    fn line(&self) -> String {
        let Request { host, user, arrival, method_and_path, status, bytes, agent, .. } = self;
        let (minute, second) = (arrival / 60, arrival % 60);
        let mut line = format!("{host} - {user} [10/Mar/2025:08:{minute:02}:{second:02} +0000] ");
        // Writing to a string cannot fail.
        let _ = write!(line, r#""{method_and_path} HTTP/1.1" {status} {bytes} "-" "{agent}""#);
        line
    }
}

/// People: a page with its assets, then some reading time, then the next page. Some are logged in; every sixth
/// comes over IPv6 with a new address for every page.
fn visitors(random: &mut Random, requests: &mut Vec<Request>) {
    for visitor in 0..60 {
        let agent = random.pick(&AGENTS);
        let user = if visitor % 10 == 3 { "ada" } else { "-" };
        let mut arrival = random.below(HOUR / 2);
        for _ in 0..3 + random.below(8) {
            let host = match visitor % 6 {
                0 => format!("2001:db8:0:{visitor:x}::{:x}", 1 + random.below(0xffff)),
                _ => format!("198.51.100.{}", visitor + 1),
            };
            let page = random.pick(&PAGES);
            for path in std::iter::once(page).chain(ASSETS) {
                requests.push(Request {
                    host: host.clone(),
                    user,
                    arrival,
                    duration: if random.below(50) == 0 { random.below(40) } else { 0 },
                    method_and_path: format!("GET {path}"),
                    status: 200,
                    bytes: 400 + random.below(20_000),
                    agent,
                });
            }
            arrival = (arrival + 5 + random.below(240)).min(HOUR - 1);
        }
    }
}

/// A search engine's crawler: one page after the other, the whole hour long.
fn crawler(random: &mut Random, requests: &mut Vec<Request>) {
    for (number, arrival) in (0..HOUR).step_by(4).enumerate() {
        requests.push(Request {
            host: "203.0.113.9".to_owned(),
            user: "-",
            arrival,
            duration: 0,
            method_and_path: format!("GET /archive/{number}"),
            status: 200,
            bytes: 2_000 + random.below(9_000),
            agent: "ExampleBot/1.0 (+http://bot.example/)",
        });
    }
}

/// One client that tries ten passwords a second for two minutes.
fn abuser(requests: &mut Vec<Request>) {
    for arrival in 1_500..1_620 {
        for _ in 0..10 {
            requests.push(Request {
                host: "203.0.113.66".to_owned(),
                user: "-",
                arrival,
                duration: 0,
                method_and_path: "POST /login".to_owned(),
                status: 401,
                bytes: 58,
                agent: "python-requests/2.32",
            });
        }
    }
}

/// A small generator of numbers that look random (`SplitMix64`): the sample must not depend on anybody's version.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// One of `choices`.
    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let position = usize::try_from(self.below(choices.len() as u64)).unwrap_or(0);
        choices[position]
    }
}
