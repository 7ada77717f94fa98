//! [`Limiter::until_allowed`]: waiting for a slot, asynchronously (feature `tokio`).

use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use super::engine::Engine;
use super::{Limiter, Scheduled};
use crate::decision::{Allowed, Denied};

impl<A: Engine, S: BuildHasher> Limiter<A, S> {
    /// Waits until `key` may spend a token, however long that takes. As [`until_allowed_within`](Limiter::until_allowed_within).
    ///
    /// # Errors
    ///
    /// [`Denied`] at once when it never can: the capacity is zero, or the slot lies beyond the clock's end.
    ///
    /// ```
    /// use tollgate::{Clock, Gcra, Limiter, Quota};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
    /// let gcra = Gcra::new(Quota::per_second(50).burst(1));
    /// let limiter = Limiter::builder(gcra).clock(Clock::tokio()).build()?;
    /// for page in 0..10 {
    ///     let _allowed = limiter.until_allowed("crawler").await?; // the first at once, then one every 20 ms
    ///     println!("fetching page {page}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn until_allowed<K: Hash + ?Sized>(&self, key: &K) -> Result<Allowed, Denied> {
        self.until_allowed_within(key, 1, Duration::MAX).await
    }

    /// Waits until `key` may spend `cost`, if that is within `max_delay`; if not, spends nothing and refuses at once.
    ///
    /// It [takes a slot](Limiter::schedule) when it is first polled, and sleeps until the slot comes. So callers of a key go in
    /// the order in which they came, a large cost is not overtaken by small ones, and each wakes once, when it is its turn.
    /// The answer says where the key stands when it goes on.
    ///
    /// **Cancel safety**: dropped before the slot has come, it [gives the slot back](Scheduled::cancel), unless others stand behind it.
    ///
    /// It needs a tokio runtime with time enabled. Timers of tokio go by milliseconds, so it goes on up to a millisecond late, never
    /// early. With [`Clock::tokio`](crate::Clock::tokio) the limiter follows tokio's time, paused or not.
    ///
    /// # Errors
    ///
    /// [`Denied`] as [`schedule`](Limiter::schedule): at once, without waiting.
    pub async fn until_allowed_within<K: Hash + ?Sized>(
        &self,
        key: &K,
        cost: u64,
        max_delay: Duration,
    ) -> Result<Allowed, Denied> {
        let turn = Turn(Some(self.schedule(key, cost, max_delay)?));
        while let Some(rest) = turn.rest() {
            // More than once where the limiter's clock and tokio's do not go alike.
            tokio::time::sleep(rest).await;
        }
        turn.go_on();
        let status = self.peek(key);
        Ok(Allowed::new(*status.figures()))
    }
}

/// A slot that is waited for; given back if it is dropped before it was used.
struct Turn<'a, A: Engine, S>(Option<Scheduled<'a, A, S>>);

impl<A: Engine, S> Turn<'_, A, S> {
    /// How long it is still to come; `None` when it has.
    fn rest(&self) -> Option<Duration> {
        self.0.as_ref().map(Scheduled::rest).filter(|rest| !rest.is_zero())
    }

    /// It has come and is used.
    fn go_on(mut self) {
        self.0 = None;
    }
}

impl<A: Engine, S> Drop for Turn<'_, A, S> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.cancel();
        }
    }
}
