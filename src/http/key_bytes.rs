//! [`KeyValue::to_bytes`]: a key as a shared store knows it.

use std::borrow::Cow;

use super::KeyValue;

/// What all forms but plain text begin with. It is rare in what people choose, and stands for itself in shells and Redis's patterns.
const MARK: u8 = b'~';

/// Longer keys are stored as their digest, so that strangers who choose them cannot fill the store: no longer than an identifier
/// usually is, and than names of files may be.
const LONGEST: usize = 255;

impl KeyValue<'_> {
    /// The key by which a [`GlobalLimiter`](crate::distributed::GlobalLimiter) counts it: the same on all nodes and in all releases. To look a key up, or
    /// reset it, as the middleware knows it.
    ///
    /// | value | bytes |
    /// |---|---|
    /// | [`Text`](KeyValue::Text) | as it is; one that begins with `~` with one more |
    /// | [`Shared`](KeyValue::Shared) | `~all` |
    /// | [`Address`](KeyValue::Address) | `~address:192.0.2.7` |
    /// | [`Number`](KeyValue::Number) | `~number:42` |
    /// | [`Bytes`](KeyValue::Bytes) | `~bytes:` and the bytes |
    /// | [`Secret`](KeyValue::Secret) | `~secret:` and its SHA-256 in hexadecimal |
    /// | [`Several`](KeyValue::Several) | `~each:` and for each the number of its bytes, a colon, and these: `3:ann4:POST` |
    /// | whatever would be longer than 255 bytes | `~digest:` and the SHA-256 of what it would be, in hexadecimal |
    ///
    /// No two different values have the same bytes. A secret that can be guessed can be found from its digest, too: let only those into the store who may.
    ///
    /// ```
    /// use tollgate::http::KeyValue;
    ///
    /// assert_eq!(*KeyValue::from("user:42").to_bytes(), *b"user:42");
    /// assert_eq!(*KeyValue::from(42_u64).to_bytes(), *b"~number:42");
    /// ```
    #[must_use]
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        let bytes = self.of_any_length();
        if bytes.len() > LONGEST { Cow::Owned(digest("digest", &bytes)) } else { bytes }
    }

    fn of_any_length(&self) -> Cow<'_, [u8]> {
        let bytes = match self {
            KeyValue::Text(text) if text.as_bytes().first() != Some(&MARK) => {
                return Cow::Borrowed(text.as_bytes());
            }
            KeyValue::Text(text) => [&[MARK], text.as_bytes()].concat(),
            KeyValue::Shared => marked("all", b""),
            KeyValue::Address(address) => marked("address:", address.to_string().as_bytes()),
            KeyValue::Number(number) => marked("number:", number.to_string().as_bytes()),
            KeyValue::Bytes(bytes) => marked("bytes:", bytes),
            KeyValue::Secret(bytes) => digest("secret", bytes),
            KeyValue::Several(values) => {
                let mut all = marked("each:", b"");
                for value in values {
                    let value = value.to_bytes();
                    all.extend_from_slice(value.len().to_string().as_bytes());
                    all.push(b':');
                    all.extend_from_slice(&value);
                }
                all
            }
        };
        Cow::Owned(bytes)
    }
}

fn marked(kind: &str, rest: &[u8]) -> Vec<u8> {
    [&[MARK], kind.as_bytes(), rest].concat()
}

fn digest(kind: &str, bytes: &[u8]) -> Vec<u8> {
    format!("{}{kind}:{}", char::from(MARK), crate::digest::digest(bytes)).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    fn shown(value: &KeyValue<'_>) -> String {
        String::from_utf8(value.to_bytes().into_owned()).unwrap()
    }

    #[test]
    fn each_kind_of_value_can_be_read_and_stays_as_it_is_in_later_releases() {
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let pair = KeyValue::Several(vec!["ann".into(), "POST".into(), KeyValue::Shared]);
        for (value, bytes) in [
            ("ann".into(), "ann"),
            ("~all".into(), "~~all"),
            (KeyValue::Shared, "~all"),
            (address.into(), "~address:2001:db8::1"),
            (7.into(), "~number:7"),
            (pair, "~each:3:ann4:POST4:~all"),
            // As `printf abc | sha256sum` says.
            (
                KeyValue::Secret(b"abc"),
                "~secret:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            assert_eq!(shown(&value), bytes);
        }
        assert_eq!(*KeyValue::Bytes(Cow::Borrowed(b"\xff")).to_bytes(), *b"~bytes:\xff");
    }

    #[test]
    fn a_long_key_is_a_digest_and_no_secret_is_shown() {
        let (longest, longer) = ("x".repeat(255), "x".repeat(256));
        assert_eq!(shown(&longest.as_str().into()), longest);
        let digest = shown(&longer.as_str().into());
        assert!(digest.starts_with("~digest:") && digest.len() == 72, "{digest}");
        let combined = KeyValue::Several(vec![longest.as_str().into(), KeyValue::Secret(b"s3cret")]);
        assert!(shown(&combined).starts_with("~digest:"));
        let short = KeyValue::Several(vec!["ann".into(), KeyValue::Secret(b"s3cret")]);
        assert!(!shown(&short).contains("s3cret"));
    }

    fn values() -> impl Strategy<Value = KeyValue<'static>> {
        let one = prop_oneof![
            Just(KeyValue::Shared),
            "[~:a0-9]{0,4}".prop_map(KeyValue::from),
            prop::collection::vec(any::<u8>(), 0..3).prop_map(|bytes| KeyValue::Bytes(Cow::Owned(bytes))),
            any::<u8>().prop_map(|number| KeyValue::Number(number.into())),
            any::<[u8; 4]>().prop_map(|address| IpAddr::from(address).into()),
            Just(KeyValue::Secret(b"~")),
        ];
        one.prop_recursive(2, 8, 3, |part| prop::collection::vec(part, 0..4).prop_map(KeyValue::Several))
    }

    /// Whether they are the same: each kind of value apart.
    fn same(a: &KeyValue<'_>, b: &KeyValue<'_>) -> bool {
        match (a, b) {
            (KeyValue::Shared, KeyValue::Shared) => true,
            (KeyValue::Text(a), KeyValue::Text(b)) => a == b,
            (KeyValue::Bytes(a), KeyValue::Bytes(b)) => a == b,
            (KeyValue::Address(a), KeyValue::Address(b)) => a == b,
            (KeyValue::Number(a), KeyValue::Number(b)) => a == b,
            (KeyValue::Secret(a), KeyValue::Secret(b)) => a == b,
            (KeyValue::Several(a), KeyValue::Several(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn no_two_values_have_the_same_bytes(a in values(), b in values()) {
            prop_assert_eq!(a.to_bytes() == b.to_bytes(), same(&a, &b));
        }
    }
}
