//! [`RateLimitLayer`], and its [`Builder`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tower_layer::Layer;

use super::fields::HeaderDialect;
use super::limit::{Checked, Limit};
#[cfg(feature = "policy")]
use super::policies::{PolicyRules, RequestAttributes};
use super::refusal::Refusal;
use super::rules::Rules;
use super::service::RateLimit;
use super::{Head, LayerError};
use crate::observe::Observer;
#[cfg(feature = "policy")]
use crate::policy::PolicySet;

/// How many requests are held at most, if nothing else is said: as many as wait in a concurrency limit's queue.
const DEFAULT_MAX_HELD: usize = 1024;

/// Checks limits before requests go on to a service. For `axum`, `tonic`, and anything else that takes a tower layer.
///
/// Clones share everything.
///
/// ```
/// use std::sync::Arc;
/// use tollgate::http::{ClientAddress, Key, Limit, Missing, RateLimitLayer};
/// use tollgate::{Limiter, Quota};
///
/// let limiter = Arc::new(Limiter::new(Quota::per_second(10).burst(20)));
/// let by_client = Key::client(ClientAddress::peer()).or(Missing::Shared);
/// let layer = RateLimitLayer::new(Limit::new("per-client", limiter).by(by_client))?;
/// let app: axum::Router = axum::Router::new()
///     .route("/ping", axum::routing::get(async || "pong"))
///     .layer(layer);
/// # Ok::<(), tollgate::http::LayerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RateLimitLayer {
    rules: Arc<Rules>,
}

impl RateLimitLayer {
    /// Checks one limit, refuses at once, and tells clients where they stand in the fields `RateLimit` and `RateLimit-Policy`.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new(limit: Limit) -> Result<RateLimitLayer, LayerError> {
        RateLimitLayer::builder().limit(limit).build()
    }

    /// Checks several limits, or does it in another way.
    pub fn builder() -> Builder {
        Builder {
            limits: Vec::new(),
            rules: Rules {
                limits: Box::default(),
                #[cfg(feature = "distributed")]
                global: Box::default(),
                skip: Vec::new(),
                dialects: vec![HeaderDialect::default()],
                shadow: false,
                leaves_decision: false,
                max_delay: None,
                max_held: DEFAULT_MAX_HELD,
                held: AtomicUsize::new(0),
                observer: None,
                respond: None,
                #[cfg(feature = "policy")]
                policies: None,
            },
        }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> RateLimit<S> {
        self.rules.limits.iter().for_each(Checked::used_once_more);
        #[cfg(feature = "distributed")]
        self.rules.global.iter().for_each(Checked::used_once_more);
        #[cfg(feature = "policy")]
        if let Some(policies) = &self.rules.policies {
            policies.used_once_more();
        }
        RateLimit::new(inner, Arc::clone(&self.rules))
    }
}

/// Builds a [`RateLimitLayer`].
///
/// For an example see [`Limit`].
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    limits: Vec<Limit>,
    rules: Rules,
}

impl Builder {
    /// One more limit. All must admit a request, or none is spent from ([`check_all`](crate::check_all)). Those that many nodes share are asked last, and told
    /// of last.
    pub fn limit(mut self, limit: Limit) -> Builder {
        self.limits.push(limit);
        self
    }

    /// Checks policies, in place of limits: those in force when a request comes, whatever they are by then. `attributes` says how is found what
    /// they ask of a request. Given again, it replaces what was given before.
    ///
    /// Everything else is as with limits:
    ///
    /// - fields and problems name the policies' limits, as [`Standing::name`](crate::policy::Standing::name) does. Policies that only watch are not
    ///   among them; observers are told of those too. They are told of each policy once, by its id;
    /// - what a policy denies or blocks is answered as a limit of 0 would be, with status 429 and no `Retry-After`. What lacks an attribute that a
    ///   policy demands is answered 400 Bad Request (gRPC: `INVALID_ARGUMENT`);
    /// - places in a policy's `concurrency` are held until the answer's body has ended;
    /// - what a `leaky_bucket` delays is held that long, as one of [`max_held`](Builder::max_held). It has paid: if its client leaves meanwhile, nothing
    ///   comes back but its places;
    /// - a request that meets the same layer twice is charged once;
    /// - where a policy names a backend, a request that the limits in memory let pass waits for its answer, as
    ///   [`check_async`](PolicySet::check_async) does. If there is none in time, a policy that is closed then is answered 503 Service Unavailable, with
    ///   `Retry-After`.
    ///
    /// Limits of the layer's own and policies could not be charged as one, so a layer has one or the other: where both are wanted, put a layer of limits
    /// around this one. Refused requests do not [`wait`](Builder::wait). Costs are what a request says of itself: an answer settles none.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tollgate::http::{ClientAddress, Key, RateLimitLayer, RequestAttributes};
    /// use tollgate::policy::{Format, Policies, PolicySet};
    ///
    /// let policies = r#"
    ///     [[policy]]
    ///     id = "issue-cards"
    ///     match = { route = "/cards/{id}/issue", method = "POST" }
    ///     scope = "user"
    ///     limit = "5/min"
    ///     overrides = [{ match = { tier = "gold" }, limit = "50/min" }]
    ///
    ///     [[policy]]
    ///     id = "per-client"
    ///     scope = "ip"
    ///     limit = "100/s"
    /// "#;
    /// let set = Arc::new(PolicySet::new());
    /// set.apply(Policies::parse(policies, Format::Toml)?)?;
    ///
    /// let attributes = RequestAttributes::new()
    ///     .client(ClientAddress::behind(["10.0.0.0/8"])?)
    ///     .attribute("user", Key::bearer())
    ///     .attribute("tier", Key::header("x-tier"));
    /// let layer = RateLimitLayer::builder().policies(Arc::clone(&set), attributes).build()?;
    /// let app: axum::Router = axum::Router::new()
    ///     .route("/cards/{id}/issue", axum::routing::post(async || "issued"))
    ///     .layer(layer);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "policy")]
    pub fn policies(mut self, set: Arc<PolicySet>, attributes: RequestAttributes) -> Builder {
        self.rules.policies = Some(PolicyRules::new(set, attributes));
        self
    }

    /// In which fields clients are told where they stand; nothing, in none but `Retry-After`. Default: [`HeaderDialect::Draft11`].
    pub fn headers(mut self, dialects: impl IntoIterator<Item = HeaderDialect>) -> Builder {
        self.rules.dialects.clear();
        for dialect in dialects {
            if !self.rules.dialects.contains(&dialect) {
                self.rules.dialects.push(dialect);
            }
        }
        self
    }

    /// Holds a request that would be refused until its turn comes, if that is within `max_delay`; then it is first come first served for each key. Default: it is refused at
    /// once.
    ///
    /// Turns are slots of rates ([`Limiter::schedule`](crate::Limiter::schedule)), and then places in a
    /// [`ConcurrencyLimit`](crate::concurrency::ConcurrencyLimit)'s queue. (Other concurrency limits have no queue, nor have
    /// requests that take more than one place: they are refused when their turn comes and there is no room.) If the client goes away, its turn goes back.
    ///
    /// What a [`LeakyBucket`](crate::LeakyBucket) admits with a delay is held as long, with this or without. Limits that many nodes share have no turns: a
    /// layer has them or this.
    pub fn wait(mut self, max_delay: Duration) -> Builder {
        self.rules.max_delay = Some(max_delay);
        self
    }

    /// How many requests are held at most; more are answered 503 Service Unavailable. Default 1024.
    pub fn max_held(mut self, max_held: usize) -> Builder {
        self.rules.max_held = max_held;
        self
    }

    /// Lets requests pass unchecked for which `skip` says so: health checks. May be given several times; any of them suffices.
    ///
    /// ```
    /// use tollgate::http::RateLimitLayer;
    ///
    /// let builder = RateLimitLayer::builder().skip(|head| head.path().starts_with("/health"));
    /// ```
    pub fn skip(mut self, skip: impl for<'a> Fn(&Head<'a>) -> bool + Send + Sync + 'static) -> Builder {
        self.rules.skip.push(Arc::new(skip));
        self
    }

    /// Decides and counts, but never refuses or holds, and tells clients nothing: to try limits on real traffic. Default: off.
    pub fn shadow(mut self, shadow: bool) -> Builder {
        self.rules.shadow = shadow;
        self
    }

    /// Leaves the [`Decision`](super::Decision) in the extensions of the request and of its answer. Default: off; it costs two small allocations.
    pub fn decision_in_extensions(mut self, leaves_decision: bool) -> Builder {
        self.rules.leaves_decision = leaves_decision;
        self
    }

    /// Tells `observer` of every decision.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Builder {
        self.rules.observer = Some(observer);
        self
    }

    /// Answers refused requests in another way than with an RFC 9457 problem. The fields that tell where the client stands, and `Retry-After` unless it is
    /// there, are added to it. (gRPC requests are answered as gRPC demands.)
    ///
    /// ```
    /// use tollgate::http::RateLimitLayer;
    ///
    /// let builder = RateLimitLayer::builder().respond_with(|refusal| {
    ///     let seconds = refusal.retry_after_seconds().unwrap_or(3600);
    ///     let mut response = http::Response::new(format!("come back in {seconds} s").into());
    ///     *response.status_mut() = refusal.status();
    ///     response
    /// });
    /// ```
    pub fn respond_with(
        mut self,
        respond: impl for<'a> Fn(&Refusal<'a>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Builder {
        self.rules.respond = Some(Arc::new(respond));
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// [`LayerError`]: there is no limit, two have one name, a name cannot stand in a header field, or a request may have no key and nothing is said about
    /// that. With limits that many nodes share: requests are to wait, or to take several places. With policies: there are limits beside them, requests are to wait, or an attribute's key cannot be one.
    pub fn build(self) -> Result<RateLimitLayer, LayerError> {
        let Builder { limits, mut rules } = self;
        #[cfg(feature = "policy")]
        if let Some(policies) = &rules.policies {
            policies.fit(&limits, rules.max_delay)?;
            return Ok(RateLimitLayer { rules: Arc::new(rules) });
        }
        if limits.is_empty() {
            return Err(LayerError::NoLimit);
        }
        for (place, limit) in limits.iter().enumerate() {
            if limits[..place].iter().any(|other| other.name == limit.name) {
                return Err(LayerError::NameTwice { limit: limit.name.clone() });
            }
        }
        let of_this_process = limits.iter().filter_map(Limit::local);
        rules.limits = of_this_process.collect::<Result<_, _>>()?;
        #[cfg(feature = "distributed")]
        {
            rules.global = limits.iter().filter_map(Limit::global).collect::<Result<_, _>>()?;
            if let (Some(shared), Some(_)) = (rules.global.first(), rules.max_delay) {
                return Err(LayerError::GlobalDoesNotWait { limit: shared.name.to_string() });
            }
        }
        Ok(RateLimitLayer { rules: Arc::new(rules) })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("limits", &self.limits).field("rules", &self.rules).finish()
    }
}
