//! Plain HTTP routes: assignments and extensions as JSON with their OpenAPI document, uploads and files, health checks,
//! metrics and the front page.

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
use crate::metrics::Metrics;
use crate::service::Services;
use error::{ErrorCode, ErrorResponse};

mod assignments;
mod error;
mod extensions;
mod media;
mod openapi;
mod requester;
mod uploads;

pub use openapi::document;

#[derive(Clone)]
pub struct RestState {
    pub services: Arc<Services>,
    pub admission: Arc<Admission>,
    pub metrics: Arc<Metrics>,
    /// True once the server drains.
    pub drain: watch::Receiver<bool>,
    /// Which pages may embed files: the `Cross-Origin-Resource-Policy` of [`resource_policy`].
    pub resource_policy: &'static str,
}

/// Which pages may embed files in a browser. The URL of a file is secret, so the policy is a second line of defense; it
/// cannot name single origins.
pub fn resource_policy(public_url: &str, allowed_origins: &[String]) -> &'static str {
    let has_others = allowed_origins.iter().any(|origin| origin != public_url);
    if has_others { "cross-origin" } else { "same-origin" }
}

/// The routes without [`metrics_router`]. Pages of `allowed_origins` may call the routes below `/api` and `/media` from
/// a browser.
pub fn router(state: RestState, allowed_origins: &[String]) -> Router {
    Router::new()
        .merge(api(allowed_origins))
        .route("/", get(front_page))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(state)
}

/// The route `GET /metrics`. It is separate because it requires no token, so operators can serve it at another address.
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
        .route("/media", post(uploads::create))
        .route("/media/{id}", get(media::media))
        .method_not_allowed_fallback(async || ErrorResponse::plain(ErrorCode::MethodNotAllowed))
        .layer(cors)
}

/// Deserializes a field that may be omitted but not null. Requires `#[serde(default)]`.
fn deserialize_present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

async fn front_page() -> &'static str {
    "Partyline\n\nPOST /graphql      the API, with a bearer token\nGET  /graphql/ws   live subscriptions (graphql-transport-ws)\nPOST /media        files to send\nGET  /api/openapi.json   assignments, extensions and uploads as JSON\n"
}

/// Liveness: the process responds.
async fn healthz() -> &'static str {
    "ok\n"
}

/// Readiness: the server is not draining, the database responds, and the writer takes work. Further lines show the
/// background tasks; they do not affect the status.
async fn readyz(State(state): State<RestState>) -> Response {
    if *state.drain.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    let services = &state.services;
    let (status, summary) = if services.database.ping().await.is_err() {
        (StatusCode::SERVICE_UNAVAILABLE, "the database is unavailable")
    } else if !services.writer.is_serving() {
        (StatusCode::SERVICE_UNAVAILABLE, "a writer lane has ended: restart this instance")
    } else if services.restore.is_held() {
        let held = "ready; sending is held because the database was restored from a backup: run `partyline restored`";
        (StatusCode::OK, held)
    } else {
        (StatusCode::OK, "ready")
    };
    let workers = state.metrics.workers.all();
    let lines = std::iter::once(summary.to_owned()).chain(workers.iter().map(|worker| worker.to_string()));
    (status, lines.collect::<Vec<_>>().join("\n") + "\n").into_response()
}

async fn show_metrics(State(state): State<RestState>) -> Response {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match state.metrics.render(&state.services, &state.admission).await {
        Ok(text) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(fault) => {
            tracing::error!(error = %fault, "metrics could not be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
