//! Slots: a key's, and who has which.

use redis::Value;

use crate::redis::address::Address;

/// How many slots every cluster has.
pub(in crate::redis) const SLOTS: u16 = 16_384;

/// The slot of a key: of what is between its first brace and the next closing one, if there is anything, or of the
/// whole.
pub(in crate::redis) fn slot(key: &[u8]) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(hash_tag(key).unwrap_or(key)) % SLOTS
}

fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let opening = key.iter().position(|byte| *byte == b'{')?;
    let after = &key[opening + 1..];
    let closing = after.iter().position(|byte| *byte == b'}')?;
    (closing > 0).then(|| &after[..closing])
}

/// Slots and the master that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SlotRange {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) master: Address,
}

/// Reads the answer to `CLUSTER SLOTS`. What cannot be used is left out: other servers tell of it by their
/// redirections.
pub(super) fn parse(answer: &Value, asked: &Address) -> Vec<SlotRange> {
    let Value::Array(ranges) = answer else { return Vec::new() };
    ranges.iter().filter_map(|range| parse_range(range, asked)).collect()
}

/// What most of the servers told; of what equally many told, what came first.
pub(super) fn most_told(mut told: Vec<Vec<SlotRange>>) -> Option<Vec<SlotRange>> {
    for slots in &mut told {
        // Each server has an order of its own before 7.0.
        slots.sort_by_key(|range| range.first);
    }
    let votes = |slots: &Vec<SlotRange>| told.iter().filter(|other| *other == slots).count();
    // Reversed, since of equal ones the last is taken.
    told.iter().rev().max_by_key(|slots| votes(slots)).cloned()
}

fn parse_range(range: &Value, asked: &Address) -> Option<SlotRange> {
    let Value::Array(parts) = range else { return None };
    let [first, last, master, ..] = parts.as_slice() else { return None };
    let Value::Array(master) = master else { return None };
    let [host, port, ..] = master.as_slice() else { return None };
    let port = number(port)?;
    let master = match (host, asked) {
        // It does not know its own name: it is where it was asked.
        (Value::Nil, Address::Tcp { host, .. }) => Address::tcp(host, port),
        (Value::BulkString(text), Address::Tcp { host, .. }) if text.is_empty() => Address::tcp(host, port),
        // It does not know the other's.
        (Value::BulkString(text), _) if text == b"?" => return None,
        (Value::BulkString(text), _) => Address::tcp(str::from_utf8(text).ok()?, port),
        (Value::SimpleString(text), _) => Address::tcp(text, port),
        _ => return None,
    };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last && last < SLOTS).then_some(SlotRange { first, last, master })
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(slot(b"123456789"), 0x31C3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), slot(b"foo{}{bar}"));
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{{bar}"));
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
        assert_ne!(slot(b"foo{}{bar}"), slot(b"bar"));
    }

    #[test]
    fn slots_are_read_from_the_first_server_of_each_range() {
        let text = b"*2\r\n*4\r\n:0\r\n:5460\r\n*3\r\n$9\r\n127.0.0.1\r\n:7000\r\n$1\r\na\r\n*3\r\n$9\r\n127.0.0.1\r\n:7003\r\n$1\r\nd\r\n*3\r\n:5461\r\n:16383\r\n*3\r\n$0\r\n\r\n:7001\r\n$1\r\nb\r\n";
        let answer = redis::parse_redis_value(text).unwrap();
        let expected = vec![
            SlotRange { first: 0, last: 5460, master: Address::tcp("127.0.0.1", 7000) },
            SlotRange { first: 5461, last: 16_383, master: Address::tcp("me", 7001) },
        ];
        assert_eq!(parse(&answer, &Address::tcp("me", 1)), expected);
    }

    #[test]
    fn a_server_that_is_cut_off_is_outvoted_wherever_it_comes() {
        let range = |first, last, port| SlotRange { first, last, master: Address::tcp("10.0.0.1", port) };
        let old = vec![range(0, 99, 1), range(100, 199, 2)];
        let new = vec![range(0, 99, 3), range(100, 199, 2)];
        let in_another_order = vec![range(100, 199, 2), range(0, 99, 3)];
        for told in [
            vec![old.clone(), new.clone(), in_another_order.clone()],
            vec![in_another_order, old.clone(), new.clone()],
        ] {
            assert_eq!(most_told(told), Some(new.clone()));
        }
        assert_eq!(most_told(vec![new.clone(), old.clone()]), Some(new));
        assert_eq!(most_told(Vec::new()), None);
    }

    #[test]
    fn nonsense_is_left_out() {
        for text in ["*1\r\n:1\r\n", "*1\r\n*3\r\n:5\r\n:99999\r\n*2\r\n$1\r\na\r\n:1\r\n", "+OK\r\n"] {
            let answer = redis::parse_redis_value(text.as_bytes()).unwrap();
            assert_eq!(parse(&answer, &Address::tcp("me", 1)), Vec::new(), "{text}");
        }
    }
}
