//! Plain HTTP routes: is it alive, can it take work, what does it count, and what is here.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::service::Services;
use metrics::Metrics;

mod media;
pub mod metrics;

/// What these routes work with.
#[derive(Clone)]
pub struct RestState {
    /// The use cases.
    pub services: Arc<Services>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// True once the server takes no more work.
    pub drain: watch::Receiver<bool>,
}

/// The routes.
pub fn router(state: RestState) -> Router {
    Router::new()
        .route("/", get(front_page))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(show_metrics))
        .route("/media/{id}", get(media::media))
        .with_state(state)
}

/// Says where the API is.
async fn front_page() -> &'static str {
    "Partyline\n\nPOST /graphql      the API, with a bearer token\nGET  /graphql/ws   live subscriptions (graphql-transport-ws)\n"
}

/// Alive: the process answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// Can take work: not draining, and the database answers.
async fn readyz(State(state): State<RestState>) -> Response {
    if *state.drain.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    match state.services.database.ping().await {
        Ok(()) => "ready\n".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
    }
}

async fn show_metrics(State(state): State<RestState>) -> Response {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match state.metrics.render(&state.services).await {
        Ok(text) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(fault) => {
            tracing::error!(error = %fault, "the figures could not be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
