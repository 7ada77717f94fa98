//! [`Segment`]: the part of a path that is a name.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use super::problem::Problem;

/// The part of a path that is a name, as `{policyID}`.
pub(super) struct Segment(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Segment, Problem> {
        let Ok(Path(name)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(Problem::bad("the path is not UTF-8: escape it as that").field("path"));
        };
        Ok(Segment(name))
    }
}
