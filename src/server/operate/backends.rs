//! Backends from settings.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use crate::distributed::SharedStore;
use crate::server::counting::Counting;
use crate::server::error::ServerError;
use crate::server::service::NamedBackend;
use crate::server::settings::{BackendSettings, SettingsError};

/// Builds all backends. None need be there yet: they are connected to in the background.
pub(crate) async fn connect(
    settings: &BTreeMap<String, BackendSettings>,
    counting: &Counting,
) -> Result<BTreeMap<String, NamedBackend>, ServerError> {
    let mut backends = BTreeMap::new();
    for (name, settings) in settings {
        let builder = settings.builder().map_err(|(field, message)| {
            let field = format!("backends.{name}.{field}");
            SettingsError::Value { field, message: message.to_owned() }
        })?;
        let mut building = pin!(builder.lazy().build());
        // It registers metrics while it is built, and that must be with this service's recorder.
        let redis = poll_fn(|cx| counting.register(|| building.as_mut().poll(cx))).await;
        let redis = redis.map_err(|error| ServerError::Backend { name: name.clone(), error })?;
        let redis = Arc::new(redis);
        let store = SharedStore::from_arc(Arc::clone(&redis) as _);
        backends.insert(name.clone(), NamedBackend { store, redis });
    }
    Ok(backends)
}
