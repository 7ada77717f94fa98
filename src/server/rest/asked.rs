//! [`Asked`]: what the parameters of a request ask about policies.

use std::net::IpAddr;

use axum::extract::Query;
use http::Uri;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::policy::{AlgorithmName, Attributes};

/// What the names of other attributes begin with.
const OTHER: &str = "attr.";

/// Nobody needs more parameters; each is compared with those before it.
const MOST_PARAMETERS: usize = 64;

/// The longest value, in bytes. What is longer is no name but a document: send its digest.
const LONGEST_VALUE: usize = 4_096;

/// What is asked about policies: of whom, and by which of them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) user: Option<String>,
    pub(super) api: Option<String>,
    pub(super) policy: Option<String>,
    pub(super) algorithm: Option<AlgorithmName>,
    pub(super) cost: Option<u64>,
    ip: Option<IpAddr>,
    route: Option<String>,
    method: Option<String>,
    tier: Option<String>,
    others: Vec<(String, String)>,
}

/// The parameters, for the description.
pub(super) fn parameters(with_cost: bool) -> Vec<Value> {
    let text = || json!({ "type": "string", "minLength": 1, "maxLength": LONGEST_VALUE });
    let parameter = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "query", "description": about, "schema": schema });
    let mut all = vec![
        parameter("userID", "Who asks: the attribute `user`.", text()),
        parameter("api", "What is asked: the attribute `api`.", text()),
        parameter("policyID", "Only this policy.", text()),
        parameter(
            "algorithm",
            "Only policies that count by this algorithm.",
            json!({ "type": "string", "enum": ALGORITHMS.map(AlgorithmName::as_str) }),
        ),
        parameter(
            "ip",
            "The client's address.",
            json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] }),
        ),
        parameter("route", "The route, as `/cards/issue`.", text()),
        parameter("method", "The method, as `POST`.", text()),
        parameter("tier", "The tier of who asks.", text()),
    ];
    if with_cost {
        let about = "What it costs, in place of what the policies say; 0 only looks.";
        all.push(parameter("cost", about, json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX })));
    }
    all
}

const ALGORITHMS: [AlgorithmName; 6] = [
    AlgorithmName::Gcra,
    AlgorithmName::TokenBucket,
    AlgorithmName::LeakyBucket,
    AlgorithmName::FixedWindow,
    AlgorithmName::SlidingWindow,
    AlgorithmName::SlidingLog,
];

impl Asked {
    /// Reads the query of a request.
    pub(super) fn of(uri: &Uri) -> Result<Asked, Problem> {
        let pairs = pairs(uri)?;
        let mut asked = Asked::default();
        for (name, value) in pairs {
            asked.set(name, value)?;
        }
        if asked.policy.is_some() && asked.algorithm.is_some() {
            return Err(Problem::unfit("algorithm", "send policyID or algorithm: a policy has its own"));
        }
        Ok(asked)
    }

    fn set(&mut self, name: String, value: String) -> Result<(), Problem> {
        if value.is_empty() {
            return Err(Problem::bad(format!("{name}: is empty: leave it out, or say what")).field(name));
        }
        if value.len() > LONGEST_VALUE {
            let detail =
                format!("{name}: has {} bytes: send at most {LONGEST_VALUE}, or a digest of it", value.len());
            return Err(Problem::bad(detail).field(name));
        }
        match name.as_str() {
            "userID" => self.user = Some(value),
            "api" => self.api = Some(value),
            "policyID" => self.policy = Some(value),
            "algorithm" => self.algorithm = Some(algorithm(&value)?),
            "cost" => self.cost = Some(cost(&value)?),
            "ip" => self.ip = Some(address(&value)?),
            "route" => self.route = Some(value),
            "method" => self.method = Some(value),
            "tier" => self.tier = Some(value),
            _ => match name.strip_prefix(OTHER) {
                Some(other) if !other.is_empty() => self.others.push((other.to_owned(), value)),
                _ => {
                    return Err(unknown(
                        &name,
                        "userID, api, policyID, algorithm, cost, ip, route, method, tier, or attr.NAME for any other attribute",
                    ));
                }
            },
        }
        Ok(())
    }

    /// What is known of the request.
    pub(super) fn attributes(&self) -> Attributes<'_> {
        let texts = [
            ("user", &self.user),
            ("api", &self.api),
            ("route", &self.route),
            ("method", &self.method),
            ("tier", &self.tier),
        ];
        let mut attributes = Attributes::new();
        for (name, value) in &self.others {
            attributes = attributes.with(name, value.as_str());
        }
        for (name, value) in texts {
            if let Some(value) = value {
                attributes = attributes.with(name, value.as_str());
            }
        }
        self.ip.into_iter().fold(attributes, Attributes::ip)
    }
}

/// The parameters of a query, each given once.
pub(super) fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
        return Err(Problem::bad("the query cannot be read: write it as name=value&name=value"));
    };
    if pairs.len() > MOST_PARAMETERS {
        return Err(Problem::bad(format!(
            "the query has {} parameters: send at most {MOST_PARAMETERS}",
            pairs.len()
        )));
    }
    for (place, (name, value)) in pairs.iter().enumerate() {
        // What is no UTF-8 was replaced by this character, which nobody is called.
        if name.contains(char::REPLACEMENT_CHARACTER) || value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Problem::bad(format!("{name}: is not UTF-8: escape it as that")).field(name.as_str()));
        }
        if pairs[..place].iter().any(|(other, _)| other == name) {
            return Err(Problem::bad(format!("{name}: is given twice: leave one out")).field(name.as_str()));
        }
    }
    Ok(pairs)
}

/// There is no such parameter.
pub(super) fn unknown(name: &str, known: &str) -> Problem {
    let shown: String = name.chars().take(40).collect();
    Problem::bad(format!("there is no parameter {shown:?}: send {known}")).field(shown)
}

fn algorithm(value: &str) -> Result<AlgorithmName, Problem> {
    ALGORITHMS.into_iter().find(|algorithm| algorithm.as_str() == value).ok_or_else(|| {
        let known = ALGORITHMS.map(AlgorithmName::as_str).join(", ");
        Problem::bad(format!("algorithm: there is no such: send {known}")).field("algorithm")
    })
}

fn cost(value: &str) -> Result<u64, Problem> {
    value.parse().map_err(|_| {
        let shown: String = value.chars().take(40).collect();
        let detail = format!("cost: {shown:?} is not a whole number from 0 to {}", u64::MAX);
        Problem::bad(detail).field("cost")
    })
}

fn address(value: &str) -> Result<IpAddr, Problem> {
    value.parse().map_err(|_| {
        let shown: String = value.chars().take(50).collect();
        Problem::bad(format!("ip: {shown:?} is not an address, as 192.0.2.1 or 2001:db8::1")).field("ip")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<Asked, Problem> {
        Asked::of(&format!("/check?{query}").parse().unwrap())
    }

    #[test]
    fn parameters_are_attributes() {
        let asked = asked("userID=ann%20b&api=cards&ip=192.0.2.1&attr.region=eu&cost=5&policyID=p").unwrap();
        let attributes = asked.attributes();
        let get = |name| attributes.get(name).map(|value| value.to_string()).unwrap_or_default();
        assert_eq!(
            [get("user"), get("api"), get("ip"), get("region")],
            ["ann b", "cards", "192.0.2.1", "eu"]
        );
        assert_eq!((asked.cost, asked.policy.as_deref()), (Some(5), Some("p")));
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        for (query, field) in [
            ("user=ann", "\"user\""),
            ("userID=", "userID: is empty"),
            ("userID=a&userID=b", "userID: is given twice"),
            ("userID=%ff", "userID: is not UTF-8"),
            ("cost=-1", "cost: \"-1\""),
            ("cost=1.5", "cost: \"1.5\""),
            ("cost=18446744073709551616", "cost: "),
            ("ip=localhost", "ip: "),
            ("algorithm=leaky", "algorithm: "),
            ("attr.=x", "\"attr.\""),
            ("policyID=a&algorithm=gcra", "policyID or algorithm"),
        ] {
            let problem = asked(query).unwrap_err();
            assert!(problem.to_string().contains(field), "{query}: {problem}");
        }
    }
}
