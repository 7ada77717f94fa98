//! [`Prefixes`]: which of many texts a value begins with.

/// Texts, each with what it leads to, as a tree: what several have in common is told apart from a value once. O(length of the value).
#[derive(Clone, Debug, Default)]
pub(super) struct Prefixes {
    /// What stands between the node above and this one.
    label: Box<[u8]>,
    leads: Vec<u32>,
    /// By the first byte of their labels.
    below: Vec<Prefixes>,
}

impl Prefixes {
    pub(super) fn new(mut pairs: Vec<(Box<str>, u32)>) -> Prefixes {
        pairs.sort();
        let pairs: Vec<_> = pairs.iter().map(|(text, lead)| (text.as_bytes(), *lead)).collect();
        Prefixes::under(&pairs, 0)
    }

    /// The node for sorted texts, all of which have the first `from` bytes in common. At most as deep as a text is long.
    fn under(pairs: &[(&[u8], u32)], from: usize) -> Prefixes {
        let (first, last) = match (pairs.first(), pairs.last()) {
            (Some((first, _)), Some((last, _))) => (&first[from..], &last[from..]),
            _ => return Prefixes::default(),
        };
        // Of sorted texts, the first and the last have the least in common.
        let common = first.iter().zip(last).take_while(|(one, other)| one == other).count();
        let end = from + common;
        let here = pairs.partition_point(|(text, _)| text.len() == end);
        let below = pairs[here..].chunk_by(|(one, _), (other, _)| one[end] == other[end]);
        Prefixes {
            label: first[..common].into(),
            leads: pairs[..here].iter().map(|(_, lead)| *lead).collect(),
            below: below.map(|pairs| Prefixes::under(pairs, end)).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.leads.is_empty() && self.below.is_empty()
    }

    /// Calls `found` with what the texts lead to that `value` begins with.
    #[inline]
    pub(super) fn of(&self, value: &str, mut found: impl FnMut(u32)) {
        let (mut node, mut rest) = (self, value.as_bytes());
        loop {
            let Some(after) = rest.strip_prefix(&*node.label) else { return };
            node.leads.iter().for_each(|lead| found(*lead));
            let Some(first) = after.first() else { return };
            // Other nodes than the root have a label of at least one byte.
            let Ok(place) = node.below.binary_search_by_key(first, |below| below.label[0]) else { return };
            (node, rest) = (&node.below[place], after);
        }
    }
}

#[cfg(all(test, not(tollgate_loom)))]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::Prefixes;

    proptest! {
        #[test]
        fn all_prefixes_are_found_and_nothing_else(texts in vec("[ab]{0,4}", 0..20), value in "[abc]{0,6}") {
            let pairs = texts.iter().zip(0..).map(|(text, lead)| (text.as_str().into(), lead)).collect();
            let mut found = Vec::new();
            Prefixes::new(pairs).of(&value, |lead| found.push(lead as usize));
            found.sort_unstable();
            let expected: Vec<_> = (0..texts.len()).filter(|place| value.starts_with(&texts[*place])).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
