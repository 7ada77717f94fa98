//! What would become of a request, without spending anything.

use super::decide::{Decision, More, Why};
use super::remote::{RemoteGroup, look_all};
use super::verdict::Verdict;
use super::version::Version;

impl Verdict {
    /// What a question that was only collected would be told.
    pub(super) async fn peeked(self) -> Verdict {
        let mut verdict = self.kept();
        let Verdict { decision, version } = &mut verdict;
        decision.look(version).await;
        verdict
    }
}

impl Decision {
    async fn look(&mut self, version: &Version) {
        if self.refused.is_some() {
            return;
        }
        if !self.would_pass(version) {
            self.refused = Some(Why::Limit);
            return;
        }
        let Some(more) = &mut self.more else { return };
        look_all(std::iter::once(&mut more.remote).chain(&mut more.remote_watched)).await;
        if more.remote.refuses() {
            self.refused = Some(if more.remote.fails() { Why::Backend } else { Why::Limit });
            return;
        }
        let More { watched, customers, remote_watched, .. } = &mut **more;
        let here = watched.iter_mut().filter_map(|group| {
            let policy = group.policy();
            policy.filter(|_| !group.would_pass(version, customers))
        });
        let there = remote_watched.iter().filter(|group| group.refuses()).filter_map(RemoteGroup::policy);
        let refused: Vec<u32> = here.chain(there).collect();
        for matched in &mut self.matched {
            matched.refused |= refused.contains(&matched.policy);
        }
    }

    fn would_pass(&mut self, version: &Version) -> bool {
        let customers = self.more.as_deref().map_or(&[][..], |more| &more.customers);
        self.enforced.would_pass(version, customers)
    }
}
