//! The bodies of `POST /check` and `POST /check/batch`.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::json;

use super::json::{self, Text};
use super::limit_fields::{LimitFields, WrongField};
use super::problem::Problem;
use crate::policy::AlgorithmName;
use crate::server::caller::CallerLimit;

/// The most keys at once. A thousand at a time is as fast per key, and nobody else waits for longer than milliseconds.
pub(super) const MOST_KEYS: usize = 10_000;

/// A body whose fields are beside those of a limit. (Serde's way to share fields would copy all of them before it looks at them.)
macro_rules! body_with_a_limit {
    ($(#[$about:meta])* $name:ident { $($(#[$about_field:meta])* $field:ident: $kind:ty,)* }) => {
        #[derive(Debug, Deserialize, JsonSchema)]
        $(#[$about])*
        #[serde(deny_unknown_fields)]
        pub(super) struct $name<K> {
            $($(#[$about_field])* pub(super) $field: $kind,)*
            /// How it counts. `gcra` if nothing is said; one of the windows with `limit` and `window`.
            algorithm: Option<AlgorithmName>,
            /// So many per `interval`.
            rate: Option<u64>,
            /// In seconds.
            #[schemars(extend("exclusiveMinimum" = 0))]
            interval: Option<f64>,
            /// So many at once, with `rate` and `interval`; as many as `rate` if nothing is said.
            burst: Option<u64>,
            /// So many at once, with `refill_rate`.
            capacity: Option<u64>,
            /// So many come back a second.
            #[schemars(range(min = 0))]
            refill_rate: Option<f64>,
            /// So many in a `window`.
            limit: Option<u64>,
            /// In seconds.
            #[schemars(extend("exclusiveMinimum" = 0))]
            window: Option<f64>,
            /// What it costs, in tokens; 1 if nothing is said, and 0 only looks.
            cost: Option<u64>,
        }

        impl<K> $name<K> {
            fn limit_fields(&self) -> LimitFields {
                LimitFields {
                    algorithm: self.algorithm,
                    rate: self.rate,
                    interval: self.interval,
                    burst: self.burst,
                    capacity: self.capacity,
                    refill_rate: self.refill_rate,
                    limit: self.limit,
                    window: self.window,
                }
            }
        }
    };
}

body_with_a_limit! {
    /// May this key go on, under this limit?
    #[schemars(rename = "Check", transform = without_null, transform = in_one_shape)]
    Check {
        /// Whom to count. At most 4096 bytes, unless the service is set otherwise.
        #[schemars(length(min = 1))]
        key: K,
    }
}

body_with_a_limit! {
    /// The same of many keys: `checks`, each with its limit, or `keys` and one limit for all.
    #[schemars(rename = "Batch", transform = without_null, transform = one_of_two)]
    Batch {
        /// Keys and their limits.
        #[schemars(length(max = MOST_KEYS))]
        checks: Option<Vec<Check<K>>>,
        /// Keys under one limit.
        #[schemars(length(max = MOST_KEYS))]
        keys: Option<Vec<K>>,
    }
}

/// A check, ready to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// Whom to count.
    pub(super) key: &'a str,
    /// Its limit.
    pub(super) limit: CallerLimit,
    /// How it is written, for errors.
    fields: LimitFields,
    /// What it costs.
    pub(super) cost: u64,
}

impl Question<'_> {
    /// What a part of the limit is called in the body.
    pub(super) fn name_of(&self, part: &'static str) -> &'static str {
        self.fields.shape().map_or(part, |shape| shape.name_of(part))
    }
}

/// Reads the body of `POST /check`.
pub(super) fn check(body: &[u8]) -> Result<Check<Text<'_>>, Problem> {
    json::parse::<Check<Text<'_>>, Check<String>>(body)
}

/// Reads the body of `POST /check/batch`.
pub(super) fn batch(body: &[u8]) -> Result<Batch<Text<'_>>, Problem> {
    json::parse::<Batch<Text<'_>>, Batch<String>>(body)
}

impl Check<Text<'_>> {
    /// What is asked. `at` leads to this check within its body.
    pub(super) fn question(&self, at: impl Fn(&str) -> String) -> Result<Question<'_>, Problem> {
        let fields = self.limit_fields();
        let limit = fields.limit().map_err(|wrong| wrong.into_problem(&at))?;
        let key = key(&self.key, &at)?;
        Ok(Question { key, limit, fields, cost: self.cost.unwrap_or(1) })
    }
}

impl Batch<Text<'_>> {
    /// Where a field of the check at this place stands.
    pub(super) fn pointer(&self, place: usize, field: &str) -> String {
        match (&self.checks, field) {
            (Some(_), _) => format!("/checks/{place}/{field}"),
            (None, "key") => format!("/keys/{place}"),
            (None, _) => format!("/{field}"),
        }
    }

    /// All that is asked, in order.
    pub(super) fn questions(&self) -> Result<Vec<Question<'_>>, Problem> {
        match (&self.checks, &self.keys) {
            (Some(checks), None) if self.limit_fields().are_none() && self.cost.is_none() => {
                few_enough(checks, "checks")?;
                // Not collected as a `Result`, which would not know how many there are.
                let mut questions = Vec::with_capacity(checks.len());
                for (place, check) in checks.iter().enumerate() {
                    questions.push(check.question(|field| self.pointer(place, field))?);
                }
                Ok(questions)
            }
            (Some(_), None) => Err(Problem::unfit(
                "/checks",
                "each of the checks has its own limit and cost: leave out those beside them",
            )),
            (None, Some(keys)) => {
                few_enough(keys, "keys")?;
                let fields = self.limit_fields();
                let limit =
                    fields.limit().map_err(|wrong| wrong.into_problem(|field| self.pointer(0, field)))?;
                let cost = self.cost.unwrap_or(1);
                let mut questions = Vec::with_capacity(keys.len());
                for (place, asked) in keys.iter().enumerate() {
                    let key = key(asked, |field| self.pointer(place, field))?;
                    questions.push(Question { key, limit, fields, cost });
                }
                Ok(questions)
            }
            (Some(_), Some(_)) => Err(Problem::unfit("/keys", "send checks or keys, not both")),
            (None, None) => {
                Err(Problem::unfit("/keys", "is missing: send checks, or keys and one limit for all"))
            }
        }
    }
}

impl WrongField {
    fn into_problem(self, at: impl Fn(&str) -> String) -> Problem {
        Problem::unfit(at(self.field), format!("{}: {}", self.field, self.message))
    }
}

fn few_enough<T>(list: &[T], field: &str) -> Result<(), Problem> {
    if list.len() <= MOST_KEYS {
        return Ok(());
    }
    let detail = format!("{field}: {} at once are too many: send at most {MOST_KEYS}", list.len());
    Err(Problem::unfit(format!("/{field}"), detail))
}

fn key<'a>(key: &'a Text<'_>, at: impl Fn(&str) -> String) -> Result<&'a str, Problem> {
    if key.0.is_empty() {
        return Err(Problem::unfit(at("key"), "key: is empty: say whom to count"));
    }
    Ok(&key.0)
}

/// What is optional is left out, and not null.
fn without_null(schema: &mut Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(|properties| properties.as_object_mut())
    else {
        return;
    };
    for property in properties.values_mut().filter_map(|property| property.as_object_mut()) {
        if let Some(types) = property.get_mut("type").filter(|types| types.is_array()) {
            *types = types[0].clone();
        }
        if let Some(one) =
            property.remove("anyOf").and_then(|any| any.as_array().and_then(|any| any.first()).cloned())
        {
            property.extend(one.as_object().cloned().unwrap_or_default());
        }
    }
}

/// The shapes of a limit.
fn shapes() -> serde_json::Value {
    json!([
        { "required": ["rate", "interval"], "not": { "anyOf": [absent("capacity"), absent("refill_rate"), absent("limit"), absent("window")] }, "properties": { "algorithm": { "enum": ["gcra", "token_bucket", "leaky_bucket"] } } },
        { "required": ["capacity", "refill_rate"], "not": { "anyOf": [absent("rate"), absent("interval"), absent("burst"), absent("limit"), absent("window")] }, "properties": { "algorithm": { "enum": ["gcra", "token_bucket", "leaky_bucket"] } } },
        { "required": ["algorithm", "limit", "window"], "not": { "anyOf": [absent("rate"), absent("interval"), absent("burst"), absent("capacity"), absent("refill_rate")] }, "properties": { "algorithm": { "enum": ["fixed_window", "sliding_window", "sliding_log"] } } },
    ])
}

fn absent(field: &str) -> serde_json::Value {
    json!({ "required": [field] })
}

fn in_one_shape(schema: &mut Schema) {
    schema.insert("oneOf".to_owned(), shapes());
}

fn one_of_two(schema: &mut Schema) {
    let limit = [
        "algorithm",
        "rate",
        "interval",
        "burst",
        "capacity",
        "refill_rate",
        "limit",
        "window",
        "cost",
        "keys",
    ];
    schema.insert(
        "oneOf".to_owned(),
        json!([
            { "required": ["checks"], "not": { "anyOf": limit.map(absent) } },
            { "required": ["keys"], "not": absent("checks"), "oneOf": shapes() },
        ]),
    );
}
