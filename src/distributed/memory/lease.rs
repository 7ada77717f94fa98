//! Leases.

use crate::distributed::backend::BackendError;
use crate::distributed::unfit::unfit;

/// Not yet.
pub(super) fn lease() -> BackendError {
    unfit("this store gives no leases: use direct mode")
}
