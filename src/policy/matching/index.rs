//! [`Index`]: from a request to the policies that may concern it, without a look at the others.

use std::collections::{BTreeMap, HashMap, HashSet};

use ahash::RandomState;
use smallvec::SmallVec;

use super::attributes::{Column, Seen, Value};
use super::conditions::CompiledConditions;
use super::pattern::Matcher;
use super::prefixes::Prefixes;

/// The places of the policies that a request may concern. More are rare.
pub(in crate::policy) type Places = SmallVec<[u32; 16]>;

/// Each policy is filed under one of its conditions: under the texts, and the beginnings of texts, that a value must have to fit. Those
/// that have no such condition (none at all, or only networks and patterns that begin with a wildcard) are asked every time.
#[derive(Clone, Debug, Default)]
pub(in crate::policy) struct Index {
    always: Vec<u32>,
    columns: Vec<Filed>,
}

/// The policies that are filed under one attribute.
#[derive(Clone, Debug)]
struct Filed {
    column: Column,
    texts: HashMap<Box<str>, Vec<u32>, RandomState>,
    prefixes: Prefixes,
}

impl Index {
    pub(in crate::policy) fn new<'c>(all: impl Iterator<Item = &'c CompiledConditions> + Clone) -> Index {
        let variety = variety(all.clone());
        let mut always = Vec::new();
        let mut filed: BTreeMap<&Column, (HashMap<Box<str>, Vec<u32>, RandomState>, Vec<(Box<str>, u32)>)> =
            BTreeMap::new();
        for (place, conditions) in (0..).zip(all) {
            let Some((column, matcher)) = best(conditions, &variety) else {
                always.push(place);
                continue;
            };
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
            texts,
            prefixes: Prefixes::new(prefixes),
        });
        Index { always, columns: columns.collect() }
    }

    /// The places of those that may concern a request, in order.
    #[inline]
    pub(in crate::policy) fn candidates(&self, seen: &Seen<'_, '_>) -> Places {
        let mut places = Places::from_slice(&self.always);
        for filed in &self.columns {
            match seen.get(&filed.column) {
                Some(Value::Text(text)) => filed.find(text, &mut places),
                Some(other) => filed.find(&other.to_string(), &mut places),
                None => {}
            }
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}

impl Filed {
    #[inline]
    fn find(&self, text: &str, places: &mut Places) {
        if let Some(found) = self.texts.get(text) {
            places.extend_from_slice(found);
        }
        if !self.prefixes.is_empty() {
            self.prefixes.of(text, |place| places.push(place));
        }
    }
}

/// Texts, and then beginnings.
fn keys<'m>(
    (texts, prefixes): (&'m [Box<str>], impl Iterator<Item = &'m str>),
) -> impl Iterator<Item = (&'m str, bool)> {
    texts.iter().map(|text| (&**text, false)).chain(prefixes.map(|prefix| (prefix, true)))
}

/// How many different texts and beginnings there are for each attribute: the more, the fewer policies share one.
fn variety<'c>(all: impl Iterator<Item = &'c CompiledConditions>) -> HashMap<&'c Column, usize> {
    let mut texts: HashMap<&Column, HashSet<&str>> = HashMap::new();
    for (column, matcher) in all.flat_map(CompiledConditions::iter) {
        let texts = texts.entry(column).or_default();
        texts.extend(matcher.leads().into_iter().flat_map(keys).map(|(text, _)| text));
    }
    texts.into_iter().map(|(column, texts)| (column, texts.len())).collect()
}

/// The condition to file a policy under: without wildcards if there is one, and then the one of the greatest variety.
fn best<'c>(
    conditions: &'c CompiledConditions,
    variety: &HashMap<&Column, usize>,
) -> Option<(&'c Column, &'c Matcher)> {
    let findable = conditions.iter().filter(|(_, matcher)| matcher.leads().is_some());
    let best = findable.max_by_key(|(column, matcher)| (matcher.is_plain(), variety.get(column)));
    best.map(|(column, matcher)| (column, matcher))
}
