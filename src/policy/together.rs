//! Several requests that are one: asked together.

use std::sync::Arc;

use arc_swap::Guard;

use super::query::Query;
use super::question::Wanted;
use super::remote::all;
use super::set::PolicySet;
use super::verdict::Verdict;
use crate::distributed::BoxFuture;

/// Verdicts as they come. Dropped, they give back all that was taken.
struct Coming {
    verdicts: Vec<Option<Verdict>>,
}

impl Coming {
    fn give_back(&mut self) {
        for Verdict { decision, version } in self.verdicts.iter_mut().flatten() {
            decision.cancel(version);
        }
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl PolicySet {
    /// Asks about several requests that are one, as the descriptors of a request to Envoy's service are: all of them pass, or none is charged. There is a
    /// verdict about each, in their order: one that is allowed beside one that is refused was not charged either.
    ///
    /// All are decided by one version. Where a policy that concerns one of them [replaces](super::Policy::replaces) another policy, that does not
    /// concern any of them. If several are counted under one key, each is charged for itself. Backends are asked about all at the same time.
    /// Whatever set the queries came from, it is this one that is asked.
    ///
    /// **Cancel safety**: a future that is dropped gives back all that it has taken.
    ///
    /// ```
    /// use tollgate::policy::{Attributes, Format, Policies, PolicySet};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// let set = PolicySet::new();
    /// set.apply(Policies::parse("[[policy]]\nid = \"each\"\nscope = \"user\"\nlimit = \"1/min\"", Format::Toml)?)?;
    /// let (ann, bob) = (Attributes::new().user("ann"), Attributes::new().user("bob"));
    /// assert!(set.check(&bob).is_allowed());
    ///
    /// let verdicts = set.check_together(&[set.query(&ann), set.query(&bob)]).await;
    /// assert!(verdicts[0].is_allowed() && !verdicts[1].is_allowed());
    /// assert!(set.check(&ann).is_allowed(), "she was not charged, because of bob");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn check_together(&self, queries: &[Query<'_>]) -> Vec<Verdict> {
        let version = Arc::clone(&self.in_force());
        let mut replaced = Vec::new();
        for query in queries {
            self.seen(&version, query.attributes, |seen, _| replaced.extend(version.replaced_for(seen)));
        }
        let decide = |query: &Query<'_>| {
            let wanted = Wanted { without: &replaced, ..query.wanted };
            Verdict::decided(Guard::from_inner(Arc::clone(&version)), |version, decision| {
                self.decide(version, query.attributes, &wanted, decision);
            })
        };
        let mut coming = Coming { verdicts: queries.iter().map(|_| None).collect() };
        let mut asking: Vec<BoxFuture<'_, bool>> = Vec::new();
        for (query, verdict) in queries.iter().zip(&mut coming.verdicts) {
            let concluded = decide(query).concluded();
            asking.push(Box::pin(async move {
                *verdict = Some(concluded.await);
                true
            }));
        }
        all(asking).await;
        if coming.verdicts.iter().flatten().any(|verdict| !verdict.is_allowed()) {
            coming.give_back();
        }
        std::mem::take(&mut coming.verdicts).into_iter().flatten().collect()
    }
}
