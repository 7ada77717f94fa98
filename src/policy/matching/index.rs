//! [`Index`]: from a request to the policies that may concern it, without a look at the others.

use std::collections::{BTreeMap, HashMap};

use smallvec::SmallVec;

use super::attributes::{Column, Seen, Value};
use super::conditions::CompiledConditions;
use super::pattern::Matcher;
use super::prefixes::Prefixes;
use super::texts::Texts;

/// The places of the policies that a request may concern. More are rare.
pub(in crate::policy) type Places = SmallVec<[u32; 8]>;

/// Each policy is filed under one of its conditions: under the texts, and the beginnings of texts, that a value must have to fit. Those
/// that have no such condition (none at all, or only networks and patterns that begin with a wildcard) are asked every time.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct Index {
    always: Vec<u32>,
    columns: Vec<Filed>,
    /// What is left to ask of each policy that is found: its conditions, without the one that led to it if that was by whole texts.
    left: Vec<CompiledConditions>,
}

/// Whole texts, each with the places of the policies that it leads to.
type Whole = BTreeMap<Box<str>, Vec<u32>>;

/// Beginnings of texts, each with the place of a policy that it leads to.
type Beginnings = Vec<(Box<str>, u32)>;

/// The policies that are filed under one attribute.
#[derive(Clone, Debug)]
struct Filed {
    column: Column,
    texts: Texts<Vec<u32>>,
    prefixes: Prefixes,
}

impl Index {
    pub(in crate::policy) fn new<'c>(all: impl Iterator<Item = &'c CompiledConditions> + Clone) -> Index {
        let crowds = Crowds::of(all.clone());
        let mut always = Vec::new();
        let mut filed: BTreeMap<&Column, (Whole, Beginnings)> = BTreeMap::new();
        let mut left = Vec::new();
        for (place, conditions) in (0..).zip(all) {
            let Some((column, matcher)) = crowds.best(conditions) else {
                always.push(place);
                left.push(conditions.clone());
                continue;
            };
            left.push(if matcher.is_plain() { conditions.without(column) } else { conditions.clone() });
            let (texts, prefixes) = filed.entry(column).or_default();
            for (text, prefix) in matcher.leads().into_iter().flat_map(keys) {
                if prefix {
                    prefixes.push((text.into(), place));
                } else {
                    texts.entry(text.into()).or_default().push(place);
                }
            }
        }
        let columns = filed.into_iter().map(|(column, (texts, prefixes))| Filed {
            column: column.clone(),
            texts: Texts::new(texts.into_iter()),
            prefixes: Prefixes::new(prefixes),
        });
        Index { always, columns: columns.collect(), left }
    }

    /// Whether a request that led to the policy at this place fits all its conditions.
    #[inline]
    pub(in crate::policy) fn fits(&self, place: u32, seen: &Seen<'_, '_>) -> bool {
        self.left[place as usize].fit(seen)
    }

    /// The places of those that may concern a request, in order.
    #[inline]
    pub(in crate::policy) fn candidates(&self, seen: &Seen<'_, '_>) -> Places {
        let mut places = Places::new();
        push_all(&self.always, &mut places);
        for filed in &self.columns {
            match seen.get(&filed.column) {
                Some(Value::Text(text) | Value::Secret(text)) => filed.find(text, &mut places),
                Some(other) => filed.find(&other.to_string(), &mut places),
                None => {}
            }
        }
        if places.len() > 1 {
            places.sort_unstable();
            places.dedup();
        }
        places
    }
}

impl Filed {
    #[inline]
    fn find(&self, text: &str, places: &mut Places) {
        if let Some(found) = self.texts.get(text) {
            push_all(found, places);
        }
        if !self.prefixes.is_empty() {
            self.prefixes.of(text, |place| places.push(place));
        }
    }
}

/// One by one: there are few, for which it is faster than as a slice.
#[inline]
fn push_all(more: &[u32], places: &mut Places) {
    for place in more {
        places.push(*place);
    }
}

/// Texts, and then beginnings.
fn keys<'m>(
    (texts, prefixes): (&'m [Box<str>], impl Iterator<Item = &'m str>),
) -> impl Iterator<Item = (&'m str, bool)> {
    texts.iter().map(|text| (&**text, false)).chain(prefixes.map(|prefix| (prefix, true)))
}

/// Of each attribute all texts and beginnings in the conditions, sorted.
struct Crowds<'c>(HashMap<&'c Column, Vec<&'c str>>);

impl<'c> Crowds<'c> {
    fn of(all: impl Iterator<Item = &'c CompiledConditions>) -> Crowds<'c> {
        let mut crowds: HashMap<&Column, Vec<&str>> = HashMap::new();
        for (column, matcher) in all.flat_map(CompiledConditions::iter) {
            let keys = matcher.leads().into_iter().flat_map(keys).map(|(text, _)| text);
            crowds.entry(column).or_default().extend(keys);
        }
        for texts in crowds.values_mut() {
            texts.sort_unstable();
        }
        Crowds(crowds)
    }

    /// The condition to file a policy under: the one whose values lead to the fewest policies.
    fn best(&self, conditions: &'c CompiledConditions) -> Option<(&'c Column, &'c Matcher)> {
        let findable = conditions.iter().filter_map(|(column, matcher)| {
            let crowd = matcher.leads()?;
            let crowd: usize = keys(crowd).map(|(text, prefix)| self.crowd(column, text, prefix)).sum();
            Some((crowd, column, matcher))
        });
        findable.min_by_key(|(crowd, ..)| *crowd).map(|(_, column, matcher)| (column, matcher))
    }

    /// How many texts there are like this one; of a beginning, how many that have it.
    fn crowd(&self, column: &Column, text: &str, prefix: bool) -> usize {
        let Some(texts) = self.0.get(column) else { return 0 };
        let from = &texts[texts.partition_point(|other| *other < text)..];
        from.partition_point(|other| if prefix { other.starts_with(text) } else { *other == text })
    }
}
