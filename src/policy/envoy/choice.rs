//! The values of rules as patterns, and which of two rules comes first.

use super::document::Rule;
use crate::policy::Pattern;

/// Which values of an entry choose a rule, of those that its key and its list stand for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// What the value must fit.
    pub(super) pattern: String,
    /// And must not: the values that choose another rule of the list.
    pub(super) others: Vec<String>,
    /// Whether it is about more than one value.
    pub(super) is_open: bool,
}

impl Choice {
    /// Of these rules, all of one list and one key and in their order, the one at `position`.
    ///
    /// The service takes the rule with the very value of the entry, even if that value has a `*`; else the first whose
    /// `*` fits; else the one without a value.
    pub(super) fn new(rules: &[&Rule], position: usize) -> Choice {
        let value = &rules[position].value;
        let valued = || rules.iter().map(|rule| rule.value.as_str()).filter(|value| !value.is_empty());
        if value.is_empty() {
            return Choice {
                pattern: "*".to_owned(),
                others: valued().map(pattern).collect(),
                is_open: true,
            };
        }
        let mut earlier =
            rules[..position].iter().map(|rule| rule.value.as_str()).filter(|value| is_wildcard(value));
        if !is_wildcard(value) || earlier.clone().any(|earlier| fits(earlier, value)) {
            // What fits a later wildcard fits the earlier one too if the later one's own text does.
            return Choice { pattern: Pattern::escaped(value), others: Vec::new(), is_open: false };
        }
        let mut others: Vec<_> = earlier.by_ref().map(pattern).collect();
        others.extend(valued().filter(|other| *other != value && fits(value, other)).map(Pattern::escaped));
        Choice { pattern: pattern(value), others, is_open: true }
    }
}

/// Whether a rule's value is about several values.
pub(super) fn is_wildcard(value: &str) -> bool {
    value.contains('*')
}

/// A rule's value as a pattern: there `\` is a character like others.
fn pattern(value: &str) -> String {
    value.replace('\\', r"\\")
}

/// Whether `text` fits a wildcard.
fn fits(wildcard: &str, text: &str) -> bool {
    let Some((start, rest)) = wildcard.split_once('*') else { return wildcard == text };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    let inner = text.strip_prefix(start).and_then(|text| text.strip_suffix(end));
    let Some(mut inner) = inner else { return false };
    middle.split('*').all(|part| match inner.split_once(part) {
        Some((_, after)) => {
            inner = after;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_fits_any_run_of_characters_also_of_none() {
        for (wildcard, text) in
            [("a*", "a"), ("*", ""), ("a*b*c", "abc"), ("a*b*c", "axbbxc"), ("*x*", "x"), ("**", "a")]
        {
            assert!(fits(wildcard, text), "{wildcard} {text}");
        }
        for (wildcard, text) in
            [("a*", "ba"), ("ab*ba", "aba"), ("a*b*c", "acb"), ("a*bb*c", "abc"), ("a", "ab")]
        {
            assert!(!fits(wildcard, text), "{wildcard} {text}");
        }
    }
}
