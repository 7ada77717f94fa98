//! [`Prefixes`]: which of many texts a value begins with.

/// Texts, each with what it leads to.
///
/// They are sorted, and each knows the longest other that it begins with. Among them, the last that is not above a value is one that the value begins
/// with, or has such among those it begins with itself. O(log texts + those it begins with and their like).
#[derive(Clone, Debug, Default)]
pub(super) struct Prefixes {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Node {
    text: Box<str>,
    /// The place of the longest other that this one begins with.
    shorter: Option<usize>,
    leads: Vec<u32>,
}

impl Prefixes {
    pub(super) fn new(mut pairs: Vec<(Box<str>, u32)>) -> Prefixes {
        pairs.sort();
        let mut nodes: Vec<Node> = Vec::new();
        for (text, lead) in pairs {
            match nodes.last_mut() {
                Some(last) if last.text == text => last.leads.push(lead),
                _ => {
                    let mut shorter = nodes.len().checked_sub(1);
                    while let Some(place) = shorter
                        && !text.starts_with(&*nodes[place].text)
                    {
                        shorter = nodes[place].shorter;
                    }
                    nodes.push(Node { text, shorter, leads: vec![lead] });
                }
            }
        }
        Prefixes { nodes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Calls `found` with what the texts lead to that `value` begins with.
    pub(super) fn of(&self, value: &str, mut found: impl FnMut(u32)) {
        let after = self.nodes.partition_point(|node| &*node.text <= value);
        let mut place = after.checked_sub(1);
        while let Some(here) = place {
            let node = &self.nodes[here];
            if value.starts_with(&*node.text) {
                node.leads.iter().for_each(|lead| found(*lead));
            }
            place = node.shorter;
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
