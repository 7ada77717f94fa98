//! [`Ask`]: what is asked about one descriptor.

use std::time::Duration;

use tonic::Code;

use super::status::{Charged, Told};
use crate::digest::digest;
use crate::policy::{AlgorithmName, Attributes, Descriptor, Query, Reason, Verdict};
use crate::quota::Quota;
use crate::server::caller::{Answer, CallerError, CallerLimit, CallerLimits};
use crate::server::grpc::failure::Failure;
use crate::server::grpc::generated::envoy::extensions::common::ratelimit::v3::RateLimitDescriptor;
use crate::server::grpc::generated::envoy::extensions::common::ratelimit::v3::rate_limit_descriptor::{
    Entry, RateLimitOverride,
};
use crate::server::grpc::generated::envoy::service::ratelimit::v3::RateLimitRequest;
use crate::server::grpc::generated::envoy::r#type::v3::RateLimitUnit;
use crate::server::service::Service;

/// Each is compared with what policies ask for; configurations nest a handful deep.
const MOST_ENTRIES: usize = 32;

/// The longest value that is counted as it is, in bytes: as long as keys may be elsewhere. A longer one counts by its digest: its sender is a client of
/// Envoy, and an error would let whoever sends a long header field through.
const LONGEST_VALUE: usize = 4_096;

/// What is asked about one descriptor.
#[derive(Debug)]
pub(super) struct Ask<'r> {
    domain: &'r str,
    entries: &'r [Entry],
    hits: Hits,
    /// The limit that came with it, in place of policies.
    limit: Option<RateLimitOverride>,
    place: usize,
}

/// What becomes of the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hits {
    Spend(u64),
    Look,
    GiveBack(u64),
}

impl<'r> Ask<'r> {
    /// About this descriptor, which is at this place of the request.
    pub(super) fn new(
        request: &'r RateLimitRequest,
        descriptor: &'r RateLimitDescriptor,
        place: usize,
    ) -> Result<Ask<'r>, Failure> {
        let wrong = |field: &str, message: String| {
            Err(Failure::field(format!("descriptors[{place}].{field}"), message))
        };
        let given = descriptor.entries.len();
        if given == 0 || given > MOST_ENTRIES {
            return wrong("entries", format!("there are {given}: send 1 to {MOST_ENTRIES}"));
        }
        if let Some(entry) = descriptor.entries.iter().position(|entry| entry.key.is_empty()) {
            return wrong(&format!("entries[{entry}].key"), "is empty".to_owned());
        }
        if descriptor.limit.is_some_and(|limit| seconds_of(limit).is_none()) {
            return wrong("limit.unit", "is none of those that there are: send SECOND to YEAR".to_owned());
        }
        // Of the whole request 0 is not said, of a descriptor it is.
        let hits = descriptor.hits_addend.unwrap_or(u64::from(request.hits_addend).max(1));
        let hits = match hits {
            0 => Hits::Look,
            hits if descriptor.is_negative_hits => Hits::GiveBack(hits),
            hits => Hits::Spend(hits),
        };
        let (domain, entries) = (request.domain.as_str(), descriptor.entries.as_slice());
        Ok(Ask { domain, entries, hits, limit: descriptor.limit, place })
    }

    /// As policies see it.
    pub(super) fn descriptor(&self) -> Descriptor {
        let value = |entry: &Entry| match entry.value.len() {
            ..=LONGEST_VALUE => entry.value.clone(),
            _ => digest(entry.value.as_bytes()),
        };
        let entries = self.entries.iter().map(|entry| (&entry.key, value(entry)));
        Descriptor::new(self.domain, entries)
    }

    /// What policies are to charge, if they are to.
    pub(super) fn charge<'q>(
        &self,
        service: &'q Service,
        attributes: &'q Attributes<'q>,
    ) -> Option<Query<'q>> {
        match self.hits {
            Hits::Spend(hits) if self.limit.is_none() => Some(service.policies.query(attributes).cost(hits)),
            _ => None,
        }
    }

    /// Where it stands now. `charged` is what policies have said, if they were to charge.
    pub(super) async fn told(
        &self,
        service: &Service,
        attributes: &Attributes<'_>,
        charged: Option<Charged>,
    ) -> Result<Told, Failure> {
        match (self.limit, charged) {
            (Some(limit), _) if limit.requests_per_unit == 0 => Ok(Told::blocked(limit)),
            (Some(limit), _) => self.by_limit(service, limit).await,
            (None, Some(charged)) => {
                if matches!(self.hits, Hits::Spend(2..))
                    && charged.verdict.reason() == Some(Reason::LimitReached)
                {
                    spend_rest(service.policies.query(attributes), &charged.verdict).await;
                }
                Ok(Told::of_verdict(charged))
            }
            (None, None) => self.by_policies(service.policies.query(attributes)).await,
        }
    }

    /// Where nothing is charged.
    async fn by_policies(&self, query: Query<'_>) -> Result<Told, Failure> {
        let Hits::GiveBack(hits) = self.hits else {
            // Whether there is anything left.
            return Ok(Told::of_look(query.cost(1).peek().await));
        };
        let given_back = query.refund(hits).await;
        given_back.map_err(|error| Failure::other(Code::Unavailable, error.to_string()))?;
        Ok(Told::of_refund(query.cost(0).peek().await))
    }

    async fn by_limit(&self, service: &Service, limit: RateLimitOverride) -> Result<Told, Failure> {
        let (key, asked) = (self.key(service.settings.callers.max_key_bytes), self.caller_limit(limit)?);
        let told = match self.hits {
            Hits::Spend(hits) => spend(service, key, asked, hits)
                .await
                .map(|(answer, key)| Told::of_answer(answer, limit).spent(key, asked, hits)),
            Hits::Look => look(service, &key, asked).await.map(|answer| Told::of_answer(answer, limit)),
            Hits::GiveBack(hits) => {
                give_back(service, &key, asked, hits).await.map(|answer| Told::of_answer(answer, limit))
            }
        };
        told.map_err(|error| Failure::of_caller(&error, |field| self.field(field)))
    }

    /// Counted as Envoy's service does: in windows of the clock.
    fn caller_limit(&self, limit: RateLimitOverride) -> Result<CallerLimit, Failure> {
        let period = Duration::from_secs(seconds_of(limit).unwrap_or_default());
        let quota = Quota::new(u64::from(limit.requests_per_unit), period);
        let quota = quota.map_err(|error| Failure::field(self.field("limit"), error.to_string()))?;
        Ok(CallerLimit { algorithm: AlgorithmName::FixedWindow, quota })
    }

    /// Where the request has what limits from callers have under this name.
    fn field(&self, name: &str) -> String {
        let place = self.place;
        match name {
            "key" => format!("descriptors[{place}].entries"),
            _ => format!("descriptors[{place}].limit.requests_per_unit"),
        }
    }

    /// The domain and the entries, told apart by their lengths; their digest if that is longer than a key may be.
    fn key(&self, longest: usize) -> Vec<u8> {
        let entries = self.entries.iter().flat_map(|entry| [&*entry.key, &*entry.value]);
        let mut key = Vec::new();
        for text in [self.domain].into_iter().chain(entries) {
            key.extend_from_slice(&(text.len() as u64).to_le_bytes());
            key.extend_from_slice(text.as_bytes());
        }
        if key.len() > longest { digest(&key).into_bytes() } else { key }
    }
}

/// Takes what is left, which is less than what was asked for.
async fn spend_rest(query: Query<'_>, refused: &Verdict) {
    let left = refused.remaining();
    if left > 0 {
        let _taken = query.cost(left).check_async().await;
    }
}

async fn spend(
    service: &Service,
    key: Vec<u8>,
    limit: CallerLimit,
    hits: u64,
) -> Result<(Answer, Vec<u8>), CallerError> {
    let answer = service.check_caller(&key, limit, hits).await?;
    if !answer.allowed && answer.remaining > 0 {
        let _rest = callers(service)?.check(&key, limit, answer.remaining).await?;
    }
    Ok((answer, key))
}

/// Whether there is anything left.
async fn look(service: &Service, key: &[u8], limit: CallerLimit) -> Result<Answer, CallerError> {
    callers(service)?.peek(key, limit, 1).await
}

async fn give_back(
    service: &Service,
    key: &[u8],
    limit: CallerLimit,
    hits: u64,
) -> Result<Answer, CallerError> {
    callers(service)?.refund(key, limit, hits).await?;
    callers(service)?.peek(key, limit, 0).await
}

fn callers(service: &Service) -> Result<&CallerLimits, CallerError> {
    service.callers.as_ref().ok_or(CallerError::Off)
}

/// How long a unit is for Envoy's service, which has no calendar; `None` if it is none.
pub(super) fn seconds_of(limit: RateLimitOverride) -> Option<u64> {
    match limit.unit() {
        RateLimitUnit::Unknown => None,
        RateLimitUnit::Second => Some(1),
        RateLimitUnit::Minute => Some(60),
        RateLimitUnit::Hour => Some(3_600),
        RateLimitUnit::Day => Some(86_400),
        RateLimitUnit::Month => Some(30 * 86_400),
        RateLimitUnit::Year => Some(365 * 86_400),
    }
}
