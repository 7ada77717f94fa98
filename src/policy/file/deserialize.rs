//! Any type of serde's out of a [`Node`].

use serde::Deserializer;
use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::failure::Failure;
use super::node::{Entry, Kind, Node};

/// A value to read, or only what lies along a path of positions in it: the rest is then as if it were not given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    node: &'a Node,
    only: &'a [usize],
}

impl<'a> Value<'a> {
    pub(super) fn new(node: &'a Node, only: &'a [usize]) -> Value<'a> {
        Value { node, only }
    }
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &self.node.kind {
            Kind::Null | Kind::Removed => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Unsigned(value) => visitor.visit_u64(*value),
            Kind::Negative(value) => visitor.visit_i64(*value),
            Kind::Float(value) => visitor.visit_f64(*value),
            Kind::Text(text) => visitor.visit_borrowed_str(text),
            Kind::List(elements) => {
                let mut list = Elements { all: elements, inside: Inside::new(elements.len(), self.only) };
                let value = visitor.visit_seq(&mut list)?;
                match list.position() {
                    Some(_) => Err(Failure::invalid_length(elements.len(), &"fewer")),
                    None => Ok(value),
                }
            }
            Kind::Table(entries) => visitor.visit_map(Entries {
                all: entries,
                inside: Inside::new(entries.len(), self.only),
                current: 0,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if matches!(self.node.kind, Kind::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        match &self.node.kind {
            Kind::Text(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            Kind::Table(entries) => {
                let entries =
                    Entries { all: entries, inside: Inside::new(entries.len(), self.only), current: 0 };
                visitor.visit_enum(MapAccessDeserializer::new(entries))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    /// Serde would take a list for the fields in their order.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if matches!(self.node.kind, Kind::List(_)) {
            return Err(Failure::invalid_type(Unexpected::Seq, &visitor));
        }
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The positions still to read in a list or table.
struct Inside<'a> {
    next: usize,
    end: usize,
    /// What to read of the values there.
    only: &'a [usize],
}

impl<'a> Inside<'a> {
    fn new(length: usize, only: &'a [usize]) -> Inside<'a> {
        match only {
            [] => Inside { next: 0, end: length, only },
            [position, rest @ ..] => Inside { next: *position, end: length.min(position + 1), only: rest },
        }
    }

    /// The next position whose value is in.
    fn position(&mut self, is_removed: impl Fn(usize) -> bool) -> Option<usize> {
        while self.next < self.end {
            self.next += 1;
            if !is_removed(self.next - 1) {
                return Some(self.next - 1);
            }
        }
        None
    }
}

struct Elements<'a> {
    all: &'a [Node],
    inside: Inside<'a>,
}

impl Elements<'_> {
    fn position(&mut self) -> Option<usize> {
        self.inside.position(|position| self.all[position].is_removed())
    }
}

impl<'de> SeqAccess<'de> for Elements<'de> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let Some(position) = self.position() else { return Ok(None) };
        let element = Value::new(&self.all[position], self.inside.only);
        seed.deserialize(element).map(Some).map_err(|failure| failure.within(position))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inside.end.checked_sub(self.inside.next)
    }
}

struct Entries<'a> {
    all: &'a [Entry],
    inside: Inside<'a>,
    /// The entry whose value is next.
    current: usize,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let position = self.inside.position(|position| self.all[position].value.is_removed());
        let Some(position) = position else { return Ok(None) };
        self.current = position;
        let key = BorrowedStrDeserializer::new(&self.all[position].key);
        seed.deserialize(key).map(Some).map_err(|failure: Failure| failure.of_key(position))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let Some(entry) = self.all.get(self.current) else {
            return Err(Failure::custom("a value is asked for before its key"));
        };
        let value = Value::new(&entry.value, self.inside.only);
        seed.deserialize(value).map_err(|failure| failure.within(self.current))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inside.end.checked_sub(self.inside.next)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::IgnoredAny;

    use super::super::problem::Place;
    use super::*;

    fn node(kind: Kind) -> Node {
        Node::new(Place::START, kind)
    }

    fn list(numbers: impl IntoIterator<Item = u64>) -> Node {
        node(Kind::List(numbers.into_iter().map(|number| node(Kind::Unsigned(number))).collect()))
    }

    fn table(key: &str, value: Node) -> Node {
        node(Kind::Table(vec![Entry { key: key.into(), place: Place::START, value }]))
    }

    fn to<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, String> {
        T::deserialize(Value::new(node, &[])).map_err(|failure| failure.to_string())
    }

    #[derive(Debug, Deserialize, PartialEq)]
    enum Shape {
        Point,
        Circle(u64),
        Square { side: u64 },
    }

    #[test]
    fn a_variant_is_text_or_a_table_with_its_name_as_the_only_key() {
        let number = || node(Kind::Unsigned(7));
        assert_eq!(to(&node(Kind::Text("Point".into()))), Ok(Shape::Point));
        assert_eq!(to(&table("Circle", number())), Ok(Shape::Circle(7)));
        assert_eq!(to(&table("Square", table("side", number()))), Ok(Shape::Square { side: 7 }));
        assert_eq!(to::<Shape>(&number()), Err("expected text in quotes, found the number 7".into()));
    }

    #[test]
    fn a_tuple_takes_neither_fewer_nor_more_elements() {
        assert_eq!(to(&list([1, 2])), Ok((1, 2)));
        assert!(to::<(u64, u64)>(&list([1])).is_err());
        assert_eq!(to::<(u64, u64)>(&list([1, 2, 3])), Err("expected fewer, found 3 elements".into()));
    }

    #[test]
    fn a_table_is_not_a_list_of_its_values() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Square {
            side: u64,
        }
        assert_eq!(to(&table("side", node(Kind::Unsigned(7)))), Ok(Square { side: 7 }));
        assert_eq!(to::<Square>(&list([7])), Err("expected a table, found a list".into()));
    }

    #[test]
    fn null_is_no_value_and_everything_can_be_ignored() {
        assert_eq!(to::<Option<u64>>(&node(Kind::Null)), Ok(None));
        assert_eq!(to::<Option<u64>>(&node(Kind::Unsigned(1))), Ok(Some(1)));
        assert_eq!(to::<u64>(&node(Kind::Null)), Err("expected a whole number, found nothing".into()));
        assert_eq!(to::<IgnoredAny>(&table("a", list([1]))), Ok(IgnoredAny));
    }

    #[test]
    fn along_a_path_only_its_values_are_read() {
        let value = table("a", list([1, 2, 3]));
        let read = std::collections::BTreeMap::<&str, Vec<u64>>::deserialize(Value::new(&value, &[0, 1]));
        assert_eq!(read.unwrap()["a"], [2]);
    }
}
