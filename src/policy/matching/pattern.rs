//! [`Matcher`]: the patterns for one attribute, one of which must fit.

use std::net::IpAddr;

use ipnet::IpNet;
use regex_lite::Regex;

use super::attributes::{Column, Value};
use super::texts::Texts;
use crate::policy::model::Pattern;
use crate::quota::Excerpt;

/// The longest pattern, in bytes: longer than any route that people write, and short enough that none makes much work.
pub(in crate::policy) const LONGEST_PATTERN: usize = 1_024;

/// The patterns for one attribute.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct Matcher {
    /// Texts that stand for themselves.
    texts: Vec<Box<str>>,
    /// The same, to be looked up.
    set: Texts<()>,
    globs: Vec<Glob>,
    /// Sorted, and none within another.
    networks: Vec<IpNet>,
}

/// A pattern with wildcards.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Glob {
    /// What every value begins with that fits.
    pub(in crate::policy) prefix: Box<str>,
    rest: Rest,
}

/// What follows the prefix.
#[derive(Clone, Debug)]
enum Rest {
    Anything,
    /// Anything without a slash.
    Segment,
    /// By a regular expression, for the whole value.
    Other(Regex),
}

impl Matcher {
    /// Compiles patterns.
    ///
    /// # Errors
    ///
    /// The place of the pattern that is wrong, and what is wrong with it.
    pub(in crate::policy) fn new(column: &Column, patterns: &[Pattern]) -> Result<Matcher, (usize, String)> {
        let mut matcher = Matcher::default();
        for (place, pattern) in patterns.iter().enumerate() {
            matcher.add(column, pattern.as_str()).map_err(|message| (place, message))?;
        }
        matcher.networks = IpNet::aggregate(&matcher.networks);
        matcher.networks.sort_by_key(IpNet::network);
        matcher.set = Texts::new(matcher.texts.iter().map(|text| (text.clone(), ())));
        Ok(matcher)
    }

    fn add(&mut self, column: &Column, text: &str) -> Result<(), String> {
        if text.len() > LONGEST_PATTERN {
            return Err(format!("a pattern of {} bytes is too long: at most {LONGEST_PATTERN}", text.len()));
        }
        if column.is_ip() {
            self.networks.push(network(text)?);
            return Ok(());
        }
        if column.is_method() && text.chars().any(|character| character.is_ascii_lowercase()) {
            return Err(format!("methods are written in capitals: {:?}", Excerpt::of(&text.to_uppercase())));
        }
        match parse(text, column.is_route())? {
            Parsed::Text(text) => self.texts.push(text.into()),
            Parsed::Glob(glob) => self.globs.push(glob),
        }
        Ok(())
    }

    /// Whether a value fits.
    #[inline]
    pub(in crate::policy) fn fits(&self, value: &Value<'_>) -> bool {
        match value {
            Value::Text(text) | Value::Secret(text) if self.networks.is_empty() => self.fits_text(text),
            Value::Text(_) | Value::Secret(_) | Value::Address(_) if !self.networks.is_empty() => {
                value.address().is_some_and(|address| self.fits_address(address))
            }
            // Rare enough for an allocation.
            other => self.fits_text(&other.to_string()),
        }
    }

    #[inline]
    fn fits_text(&self, text: &str) -> bool {
        self.set.get(text).is_some()
            || (!self.globs.is_empty() && self.globs.iter().any(|glob| glob.fits(text)))
    }

    fn fits_address(&self, address: IpAddr) -> bool {
        // The last network that begins at or before it: none lies within another.
        let after = self.networks.partition_point(|network| network.network() <= address);
        after.checked_sub(1).is_some_and(|place| self.networks[place].contains(&address))
    }

    /// The texts and the prefixes by which a value that fits can be found; `None` if some can be found by neither.
    pub(in crate::policy) fn leads(&self) -> Option<(&[Box<str>], impl Iterator<Item = &str>)> {
        let findable = self.networks.is_empty() && self.globs.iter().all(|glob| !glob.prefix.is_empty());
        findable.then(|| (&*self.texts, self.globs.iter().map(|glob| &*glob.prefix)))
    }

    /// Whether every value that fits is one of its texts.
    pub(in crate::policy) fn is_plain(&self) -> bool {
        self.globs.is_empty() && self.networks.is_empty()
    }
}

impl Glob {
    fn fits(&self, text: &str) -> bool {
        text.strip_prefix(&*self.prefix).is_some_and(|rest| match &self.rest {
            Rest::Anything => true,
            Rest::Segment => !rest.contains('/'),
            Rest::Other(expression) => expression.is_match(text),
        })
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().ok().map(|address| IpNet::from(address.to_canonical()));
    let network = text.parse::<IpNet>().ok().map(canonical).or_else(address);
    network.ok_or_else(|| {
        format!("{:?} is no address and no network: write 192.0.2.7 or 10.0.0.0/8", Excerpt::of(text))
    })
}

/// Of IPv4 addresses in IPv6 form the IPv4 network, as which they are looked for.
fn canonical(network: IpNet) -> IpNet {
    /// The bits before the IPv4 address.
    const MAPPED: u8 = 96;
    let mapped = match network {
        IpNet::V6(network) => network.addr().to_ipv4_mapped().zip(network.prefix_len().checked_sub(MAPPED)),
        IpNet::V4(_) => None,
    };
    let mapped = mapped.and_then(|(address, length)| IpNet::new(address.into(), length).ok());
    mapped.unwrap_or(network).trunc()
}

enum Parsed {
    Text(String),
    Glob(Glob),
}

/// `slashes`: a single `*` stops at one.
fn parse(text: &str, slashes: bool) -> Result<Parsed, String> {
    let (mut prefix, mut expression, mut wildcards) = (String::new(), "(?s)^".to_owned(), 0);
    let mut rest = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let literal = match character {
            '*' => {
                let across = characters.next_if_eq(&'*').is_some() || !slashes;
                expression.push_str(if across { ".*" } else { "[^/]*" });
                wildcards += 1;
                rest = Some(if across { Rest::Anything } else { Rest::Segment });
                continue;
            }
            '\\' => {
                characters.next().ok_or("a backslash at the end says nothing: write \\\\ for a backslash")?
            }
            literal => literal,
        };
        if wildcards == 0 {
            prefix.push(literal);
        } else {
            rest = None;
        }
        expression.push_str(&regex_lite::escape(literal.encode_utf8(&mut [0; 4])));
    }
    if wildcards == 0 {
        return Ok(Parsed::Text(prefix));
    }
    let rest = match rest {
        Some(rest) if wildcards == 1 => rest,
        _ => {
            expression.push('$');
            let too_large = |_| "too long for a pattern with wildcards: make it shorter".to_owned();
            Rest::Other(Regex::new(&expression).map_err(too_large)?)
        }
    };
    Ok(Parsed::Glob(Glob { prefix: prefix.into(), rest }))
}
