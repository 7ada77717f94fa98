//! Policies: limits as configuration that changes while the program runs.
//!
//! A [`Policy`] says which requests it concerns, by what they are told apart, and what their limits are. A [`PolicySet`] holds those in force and is asked
//! about each request's [`Attributes`]; the [`Verdict`] says whether it may go on, and where it stands at every limit.
//!
//! ```
//! use tollgate::policy::{Attributes, Format, Policies, PolicySet};
//!
//! const FILE: &str = r#"
//! [[policy]]
//! id = "issue-cards"
//! scope = ["user"]
//! match = { route = "/cards/issue", method = "POST", tier = "free" }
//! limits = [{ algorithm = "gcra", limit = "5/min", burst = 10 }, { algorithm = "sliding_log", limit = "100/day" }]
//! concurrency = 4
//!
//! [[policy]]
//! id = "per-client"
//! scope = "ip"
//! limit = "600/min"
//! "#;
//!
//! let set = PolicySet::new();
//! set.apply(Policies::parse(FILE, Format::Toml)?)?;
//!
//! let request = Attributes::new()
//!     .user("alice")
//!     .tier("free")
//!     .route("/cards/issue")
//!     .method("POST")
//!     .ip([192, 0, 2, 1].into());
//! let verdict = set.check(&request);
//! assert!(verdict.is_allowed());
//! let names: Vec<_> = verdict.limits().map(|standing| standing.name()).collect();
//! assert_eq!(names, ["issue-cards/1", "issue-cards/2", "issue-cards/at-once", "per-client"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is asked
//!
//! All policies that concern a request are asked, those of the highest [priority](Policy::priority) first, and the request passes all their limits or is charged
//! by none. A policy concerns a request if all its [conditions](Conditions) are true, none of its [`allow`](Policy::allow) lists is, and no other
//! policy that concerns the request [replaces](Policy::replaces) it. One that is [`unlimited`](Amount::Unlimited) keeps those of lower priority from being asked; one
//! that [blocks](Amount::Block), or has the request on its [`deny`](Policy::deny) list, refuses it. Policies that only watch ([`shadow`](Policy::shadow),
//! [`enforce_percent`](Policy::enforce_percent)) are asked once all others have let the request through (those with backends at the same time as the others), and refuse nothing.
//!
//! # What a change does
//!
//! [`PolicySet::apply`] puts other policies in force, wholly or not at all. Limits that stay as they are keep what every key has spent, and so do those of which only
//! the rate, the burst or the number changes: a debt keeps its meaning, in tokens. Others begin anew, and the [`Change`] says which and why. Nobody who asks ever
//! waits for a change, and a verdict is wholly of one version: what was begun under a version is decided by it, as of the moment at which it ended.
//!
//! # Backends
//!
//! A policy that names a [backend](Policy::backend) is counted there, for all nodes together; one that names none is counted in memory. Backends are
//! [handed in](Builder::backend) by name, and [`check_async`](PolicySet::check_async) asks them.
//!
//! ```
//! use tollgate::distributed::{MemoryBackend, SharedStore, Source};
//! use tollgate::policy::{Attributes, Format, Policies, PolicySet};
//!
//! const FILE: &str = r#"
//! [[policy]]
//! id = "issue-cards"
//! scope = "user"
//! limit = "2/min"
//! concurrency = 4
//! backend = "redis"
//! mode = "direct"        # or "leased": most requests are decided without the backend
//! budget = "25ms"        # no request waits longer for it
//! on_failure = "closed"  # or "open", or "local": this node's share of the limits
//! "#;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let store = SharedStore::new(MemoryBackend::new()); // in production a `redis::RedisBackend`
//! let node = || PolicySet::builder().backend("redis", &store).build();
//! let (one, other) = (node(), node());
//! for node in [&one, &other] {
//!     node.apply(Policies::parse(FILE, Format::Toml)?)?;
//! }
//!
//! let alice = Attributes::new().user("alice");
//! assert!(one.check_async(&alice).await.is_allowed() && other.check_async(&alice).await.is_allowed());
//! let refused = one.check_async(&alice).await;
//! assert_eq!(refused.policy(), Some("issue-cards"));
//! assert_eq!(refused.binding().and_then(|standing| standing.source()), Some(Source::Remote));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A request passes all limits or is charged by none, wherever they are counted: what memory refuses is not asked elsewhere, and what a backend
//! refuses is given back in memory. [`Reason::BackendFailed`] tells a closed policy whose backend is away from a limit that is reached.
//! [`check`](PolicySet::check) never waits, and decides by what this node knows.
//!
//! A backend knows a limit by its [name](Standing::name) and by how it counts, and a key by the values of the scope: `user=alice`, but of a
//! [secret](Value::Secret) value, and of a key of more than 255 bytes, by a digest. Under the same
//! name the count goes on when a limit changes, of gcra as the time until all is back. A leaky bucket cannot be shared. A place under a concurrency
//! cap whose node has died is free again after 60 seconds. Limits of single customers are counted as `issue-cards/override`.
//!
//! | to | see |
//! |---|---|
//! | read a file, or all that is wrong with it | [`Policies::read`], [`FileError`]; `tollgate check-config FILE` |
//! | say what a request costs, ask one policy, look without spending, give back, forget | [`PolicySet::query`] |
//! | ask about several requests that are one | [`PolicySet::check_together`] |
//! | keep what was spent over a restart | `PolicySet::snapshot`, `Builder::restore` (feature `serde`) |
//! | follow a file as it changes | [`PolicySet::watch`] |
//! | change one policy in code, or take a change back | [`PolicySet::upsert`], [`remove`](PolicySet::remove), [`transition`](PolicySet::transition), [`rollback`](PolicySet::rollback) |
//! | give single customers a tier or a limit of their own | [`Policy::overrides`], [`Tier`], [`Builder::lookup`] |
//! | put policies in front of a service | `http::Builder::policies` (feature `tower`) |
//! | see what a file would have done to a log | `tollgate replay LOG --policy FILE --against OTHER` (feature `cli`) |
//! | bring the configuration of envoyproxy/ratelimit | [`Policies::from_envoy`], [`Descriptor`] |
//! | complete and check files in an editor | [`Policies::json_schema`] |

mod algorithms;
#[cfg(feature = "tower")]
mod asking;
mod builder;
mod change;
mod conclude;
mod correct;
mod customers;
mod decide;
mod envoy;
mod error;
mod file;
mod in_force;
mod limits;
mod load;
mod lookup;
mod matching;
mod model;
mod peek;
mod query;
mod question;
mod remote;
mod set;
#[cfg(feature = "serde")]
mod snapshot;
mod together;
mod validate;
mod verdict;
mod version;
mod watch;

#[cfg(feature = "cli")]
pub(crate) use algorithms::{InPolicies, WithAlgorithm};
pub use builder::Builder;
pub use change::{Change, Restart, Restarted};
pub use correct::QueryError;
pub use customers::{LookupSettings, LookupStats};
pub use envoy::{Descriptor, EnvoyError};
pub use error::PolicyError;
#[cfg(feature = "server")]
pub(crate) use file::read as read_text;
pub use file::{Format, Problem, UnknownFormat};
#[cfg(feature = "server")]
pub(crate) use load::is_envoy;
pub use load::{FileError, FileErrorKind};
pub use lookup::{Customer, Lookup, LookupError};
pub use matching::{Attributes, Value};
pub use model::*;
pub use query::Query;
#[cfg(feature = "server")]
pub(crate) use remote::shared_rule;
pub use set::{LimitStats, PolicySet};
#[cfg(feature = "serde")]
pub use snapshot::PolicySnapshot;
pub use validate::Invalid;
pub use verdict::{PolicyMatch, Reason, Standing, Verdict};
pub use watch::{PolicyReload, WatchError, Watcher, WatcherBuilder, WatcherStats};
