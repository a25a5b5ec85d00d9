//! What whoever runs this cloud may ask it on the API port: is it alive, does it take work, how much has it done.
//!
//! `/healthz` answers as long as anything does. `/readyz` says no while the store takes no writes: what needs the disk is refused then,
//! and reading goes on. `/metrics` is for Prometheus.

mod metered;
mod metrics;
mod text;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use thingwire_broker::Broker;

use crate::files;
use crate::refusals::Refusals;
pub(crate) use metered::Metered;
pub(crate) use metrics::Counts;

/// The API leaves this in its answers: which operation it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation(pub(crate) &'static str);

/// What the answers are made of.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    pub(crate) broker: Broker,
    pub(crate) store: Arc<Metered>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) counts: Arc<Counts>,
}

impl Health {
    /// `router`, with its calls counted, and the three paths of this module.
    pub(crate) fn watch(self, router: Router) -> Router {
        let counts = Arc::clone(&self.counts);
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self)
            .fallback_service(router.layer(from_fn_with_state(counts, count)))
    }
}

/// Waits for the disk, if nothing was written lately.
async fn ready(State(health): State<Health>) -> (StatusCode, String) {
    let store = Arc::clone(&health.store);
    match tokio::task::spawn_blocking(move || store.takes_writes()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n".to_owned()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the store takes no writes");
            let answer = format!("not ready: {error}; make room, or make the disk writable\n");
            (StatusCode::SERVICE_UNAVAILABLE, answer)
        }
        Err(error) => {
            tracing::error!(%error, "asking the store failed");
            let answer = "not ready: asking the store failed\n".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, answer)
        }
    }
}

async fn metrics(State(health): State<Health>) -> Response {
    let page = metrics::page(&metrics::Sources {
        counts: &health.counts,
        broker: health.broker.statistics(),
        store: health.store.measured(),
        refusals: health.refusals.counts(),
        file_limit: files::limit(),
    });
    ([(CONTENT_TYPE, text::CONTENT_TYPE)], page).into_response()
}

/// Counts a call once it is answered; what is not an operation is counted under one name.
async fn count(State(counts): State<Arc<Counts>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let operation = response.extensions().get::<Operation>();
    let name = operation.map_or("none", |operation| operation.0);
    counts.called(name, response.status().as_u16());
    response
}
