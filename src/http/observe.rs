//! Observes each HTTP request: its duration as a metric, and its panics.

use std::any::Any;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use tracing::Instrument as _;

use crate::metrics::{Component, Metrics};
use crate::ports::Clock;

/// The state of [`observe`].
#[derive(Clone)]
pub(crate) struct Observer {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Middleware that records the duration and the status of a request.
pub(crate) async fn observe(State(observer): State<Observer>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let started = observer.clock.monotonic();
    let span = tracing::debug_span!("http_request", %method, route = route.as_ref().map(MatchedPath::as_str));
    let response = next.run(request).instrument(span).await;
    let took = observer.clock.monotonic() - started;
    let route = route.as_ref().map(MatchedPath::as_str);
    observer.metrics.http_request(method.as_str(), route, response.status().as_u16(), took);
    response
}

/// The response to a request whose handler panicked. The panic hook has logged the panic.
pub(crate) fn respond_to_panic(metrics: &Metrics, _: Box<dyn Any + Send>) -> Response {
    metrics.panicked(Component::Http);
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}
