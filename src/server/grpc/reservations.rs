//! [`Reservations`]: verdicts that are kept until somebody says what the request has cost.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::crypto::ring;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tonic::Code;

use super::failure::Failure;
use crate::policy::Verdict;
use crate::server::settings::GrpcSettings;

/// How long a reservation lasts that does not say so: as long as most calls have at most.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

/// As many as cannot be guessed.
const ID_BYTES: usize = 16;

/// Verdicts that are kept.
#[derive(Debug)]
pub(super) struct Reservations {
    kept: Arc<Mutex<HashMap<String, Kept>>>,
    places: Arc<Semaphore>,
    longest: Duration,
}

#[derive(Debug)]
struct Kept {
    verdict: Verdict,
    end: AbortHandle,
    _place: OwnedSemaphorePermit,
}

/// A place for one more.
#[derive(Debug)]
pub(super) struct Place<'r> {
    reservations: &'r Reservations,
    place: OwnedSemaphorePermit,
}

impl Reservations {
    pub(super) fn new(settings: &GrpcSettings) -> Reservations {
        Reservations {
            kept: Arc::default(),
            places: Arc::new(Semaphore::new(settings.reservations.min(Semaphore::MAX_PERMITS))),
            longest: settings.reservation_lifetime,
        }
    }

    /// How long a reservation lasts.
    pub(super) fn lifetime(&self, asked: Option<prost_types::Duration>) -> Result<Duration, Failure> {
        let Some(asked) = asked else { return Ok(DEFAULT_LIFETIME.min(self.longest)) };
        let longest = self.longest;
        match Duration::try_from(asked) {
            Ok(asked) if asked > longest => {
                Err(Failure::field("lifetime", format!("{asked:?} is longer than the longest, {longest:?}")))
            }
            Ok(asked) if !asked.is_zero() => Ok(asked),
            _ => Err(Failure::field("lifetime", "is zero, negative, or no duration: give more than nothing")),
        }
    }

    /// A place, before anything is taken for what it is to hold.
    pub(super) fn place(&self) -> Result<Place<'_>, Failure> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Ok(Place { reservations: self, place }),
            Err(_) => Err(Failure::other(
                Code::ResourceExhausted,
                "there are as many reservations as the service keeps: settle some, or raise grpc.reservations",
            )),
        }
    }

    /// What is kept under this id, once.
    pub(super) fn take(&self, id: &str) -> Result<Verdict, Failure> {
        match self.kept.lock().remove(id) {
            Some(kept) => {
                kept.end.abort();
                Ok(kept.verdict)
            }
            None => Err(Failure::other(
                Code::NotFound,
                "no such reservation: it was settled or cancelled before, or its lifetime is over",
            )),
        }
    }
}

impl Place<'_> {
    /// Keeps a verdict for so long, and says under which id.
    pub(super) fn keep(self, verdict: Verdict, lifetime: Duration) -> Result<String, Failure> {
        let id = match new_id() {
            Ok(id) => id,
            Err(failure) => {
                verdict.cancel();
                return Err(failure);
            }
        };
        let kept = &self.reservations.kept;
        // Locked, so that no end comes before the beginning.
        let mut locked = kept.lock();
        let (all, ended) = (Arc::downgrade(kept), id.clone());
        let end = tokio::spawn(async move {
            tokio::time::sleep(lifetime).await;
            if let Some(all) = all.upgrade() {
                // Its places are given back without the lock.
                let _ended = all.lock().remove(&ended);
            }
        });
        let verdict = verdict.kept();
        locked.insert(id.clone(), Kept { verdict, end: end.abort_handle(), _place: self.place });
        Ok(id)
    }
}

/// An id that nobody can guess.
fn new_id() -> Result<String, Failure> {
    let mut bytes = [0; ID_BYTES];
    let random = ring::default_provider().secure_random;
    random
        .fill(&mut bytes)
        .map_err(|_| Failure::other(Code::Internal, "the system has no random numbers"))?;
    let mut id = String::with_capacity(2 * ID_BYTES);
    for byte in bytes {
        // Text takes all that is written.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(id)
}
