//! What Redis is asked: an [`Operation`](crate::distributed::Operation) as a script with its keys and arguments, and what it answers as a
//! [`Reply`](crate::distributed::Reply).
//!
//! Public so that tests can hold the scripts against the other backend; not a part of the API.

mod call;
mod key;
mod reply;

pub use call::{Call, call, key_of};
pub use reply::reply;

use std::sync::LazyLock;

const PRELUDE: &str = include_str!("prelude.lua");
const COUNT: &str = include_str!("count.lua");
const RULES: [&str; 6] = [
    include_str!("gcra.lua"),
    include_str!("token_bucket.lua"),
    include_str!("fixed_window.lua"),
    include_str!("sliding_window.lua"),
    include_str!("sliding_log.lua"),
    include_str!("leased.lua"),
];

static GCRA: LazyLock<Script> = LazyLock::new(|| Script::of(&[RULES[0], COUNT]));
static TOKEN_BUCKET: LazyLock<Script> = LazyLock::new(|| Script::of(&[RULES[1], COUNT]));
static FIXED_WINDOW: LazyLock<Script> = LazyLock::new(|| Script::of(&[RULES[2], COUNT]));
static SLIDING_WINDOW: LazyLock<Script> = LazyLock::new(|| Script::of(&[RULES[3], COUNT]));
static SLIDING_LOG: LazyLock<Script> = LazyLock::new(|| Script::of(&[RULES[4], COUNT]));
static LEASED: LazyLock<Script> = LazyLock::new(|| Script::of(&[RULES[5], COUNT]));
static LEASE: LazyLock<Script> = LazyLock::new(|| Script::of(&[RULES[5], include_str!("lease.lua")]));
/// For subjects of different rules.
static ALL_RULES: LazyLock<Script> = LazyLock::new(|| Script::of(&[&RULES.concat(), COUNT]));
/// Also for nodes.
static PLACES: LazyLock<Script> = LazyLock::new(|| Script::of(&[include_str!("places.lua")]));
static RESET: LazyLock<Script> = LazyLock::new(|| Script::of(&[include_str!("reset.lua")]));

/// A script in both forms.
#[derive(Debug)]
pub struct Script {
    /// For any server.
    pub plain: Source,
    /// For 7.0 or later, which then sees to it that nothing runs where nothing can be written; earlier ones do not understand it.
    pub flagged: Source,
}

/// A script's text.
#[derive(Debug)]
pub struct Source {
    /// For `EVAL`.
    pub body: String,
    /// For `EVALSHA`: in hexadecimal.
    pub sha1: String,
}

impl Script {
    fn of(parts: &[&str]) -> Script {
        let body = format!("{PRELUDE}{}", parts.concat());
        Script { flagged: Source::of(format!("#!lua\n{body}")), plain: Source::of(body) }
    }
}

impl Source {
    fn of(body: String) -> Source {
        let sha1 = ::redis::Script::new(&body).get_hash().to_owned();
        Source { body, sha1 }
    }
}
