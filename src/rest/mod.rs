//! Plain HTTP routes: assignments and extensions as JSON, their OpenAPI document; is it alive, can it
//! take work, what does it count, and what is here.
//!
//! What all transports share of HTTP is here too: [`body`] and [`caller`].

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use serde::{Deserialize, Deserializer};
use tokio::sync::watch;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::admission::Admission;
use crate::service::Services;
use crate::service::authenticate::Authenticator;
use error::{ErrorCode, Refused};
use metrics::Metrics;

mod assignments;
pub(crate) mod body;
pub(crate) mod caller;
mod error;
mod extensions;
mod media;
pub mod metrics;
mod openapi;

pub use openapi::document;

/// What these routes work with.
#[derive(Clone)]
pub struct RestState {
    /// The use cases.
    pub services: Arc<Services>,
    /// Who checks tokens.
    pub authenticator: Arc<Authenticator>,
    /// Limits of users, agencies and addresses.
    pub admission: Arc<Admission>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// True once the server takes no more work.
    pub drain: watch::Receiver<bool>,
}

/// The routes, without [`metrics_router`]. Pages of `allowed_origins` may call those below `/api` from a browser.
pub fn router(state: RestState, allowed_origins: &[String]) -> Router {
    Router::new()
        .merge(api(allowed_origins))
        .route("/", get(front_page))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/media/{id}", get(media::media))
        .with_state(state)
}

/// `GET /metrics` alone: it needs no token, so an operator may want it at an address of its own.
pub fn metrics_router(state: RestState) -> Router {
    Router::new().route("/metrics", get(show_metrics)).with_state(state)
}

fn api(allowed_origins: &[String]) -> Router<RestState> {
    let origins: Vec<HeaderValue> = allowed_origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE]);
    let assignments = get(assignments::list).patch(assignments::change);
    Router::new()
        .route("/api/sms-numbers/agency/{agency}/assignments", assignments)
        .route("/api/extensions", post(extensions::create))
        .route("/api/extensions/{id}", patch(extensions::update).delete(extensions::deactivate))
        .route("/api/extensions/agency/{agency}", get(extensions::list))
        .route("/api/openapi.json", get(openapi::show))
        .method_not_allowed_fallback(async || Refused::plain(ErrorCode::MethodNotAllowed))
        .layer(cors)
}

/// A field that is absent, and not one that is null: with `#[serde(default)]`.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// Says where the API is.
async fn front_page() -> &'static str {
    "Partyline\n\nPOST /graphql      the API, with a bearer token\nGET  /graphql/ws   live subscriptions (graphql-transport-ws)\nGET  /api/openapi.json   assignments and extensions as JSON\n"
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
        Ok(()) if state.services.restore.is_held() => {
            "ready; no text is sent: the database was restored from a backup, run `partyline restored`\n"
                .into_response()
        }
        Ok(()) => "ready\n".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
    }
}

async fn show_metrics(State(state): State<RestState>) -> Response {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match state.metrics.render(&state.services, &state.admission).await {
        Ok(text) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(fault) => {
            tracing::error!(error = %fault, "the figures could not be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
