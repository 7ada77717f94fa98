//! [`Values`]: what a request has of the attributes that policies ask for.

use std::borrow::Cow;
use std::net::IpAddr;

use smallvec::SmallVec;

use super::RequestAttributes;
use crate::http::key::Found;
use crate::http::{Head, KeyValue, Trouble};
use crate::policy::{Attributes, Value};

/// Policies that ask for more attributes are rare.
const FEW: usize = 8;

/// What a request has of the attributes that policies ask for.
pub(super) struct Values<'n, 'a> {
    found: SmallVec<[(&'n str, Known<'a>); FEW]>,
    /// The attribute that was not found as one would expect, and why.
    pub(super) trouble: Option<(&'n str, Trouble)>,
}

impl<'n, 'a> Values<'n, 'a> {
    pub(super) fn find(
        names: &'n [Box<str>],
        attributes: &RequestAttributes,
        head: &Head<'a>,
    ) -> Values<'n, 'a> {
        let mut values = Values { found: SmallVec::new(), trouble: None };
        for name in names {
            let value = match attributes.find(name, head) {
                Found::Key(value) => value,
                Found::Troubled(value, trouble) => {
                    values.trouble = Some((name, trouble));
                    value
                }
                Found::Nothing => continue,
            };
            values.found.push((name, value.into()));
        }
        values
    }

    pub(super) fn attributes(&self) -> Attributes<'_> {
        self.found.iter().fold(Attributes::new(), |all, (name, known)| all.with(name, known.value()))
    }
}

/// A value as policies know them.
enum Known<'a> {
    Text(Cow<'a, str>),
    Secret(Cow<'a, str>),
    Address(IpAddr),
    Number(u64),
}

impl<'a> From<KeyValue<'a>> for Known<'a> {
    fn from(value: KeyValue<'a>) -> Known<'a> {
        match value {
            KeyValue::Address(address) => Known::Address(address),
            KeyValue::Number(number) => Known::Number(number),
            secret @ KeyValue::Secret(_) => Known::Secret(plain(secret)),
            combined @ KeyValue::Several(_) if has_secret(&combined) => Known::Secret(plain(combined)),
            other => Known::Text(plain(other)),
        }
    }
}

impl Known<'_> {
    fn value(&self) -> Value<'_> {
        match self {
            Known::Text(text) => Value::Text(text),
            Known::Secret(text) => Value::Secret(text),
            Known::Address(address) => Value::Address(*address),
            Known::Number(number) => Value::Number(*number),
        }
    }
}

fn has_secret(value: &KeyValue<'_>) -> bool {
    match value {
        KeyValue::Secret(_) => true,
        KeyValue::Several(values) => values.iter().any(has_secret),
        _ => false,
    }
}

fn plain(value: KeyValue<'_>) -> Cow<'_, str> {
    match value {
        KeyValue::Shared => Cow::Borrowed(""),
        KeyValue::Text(text) => text,
        KeyValue::Bytes(bytes) => bytes.escape_ascii().to_string().into(),
        KeyValue::Secret(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => bytes.escape_ascii().to_string().into(),
        },
        KeyValue::Address(address) => address.to_string().into(),
        KeyValue::Number(number) => number.to_string().into(),
        // In quotes, so that no two combinations are one text.
        KeyValue::Several(values) => {
            let quoted: Vec<_> = values.into_iter().map(|value| format!("{:?}", plain(value))).collect();
            quoted.join(" ").into()
        }
    }
}
