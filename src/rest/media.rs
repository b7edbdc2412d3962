//! `GET /media/{id}`: a recording at a signed URL. Range requests are supported, so players can seek.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;

use super::RestState;
use crate::domain::{AgencyId, UserId};
use crate::service::show_media::{MediaFile, show_media};

#[derive(Deserialize)]
pub(super) struct SignedQuery {
    agency: String,
    user: String,
    expires: i64,
    signature: String,
}

pub(super) async fn media(
    State(state): State<RestState>,
    Path(id): Path<String>,
    signed: Result<Query<SignedQuery>, QueryRejection>,
    request: Request,
) -> Response {
    let Ok(Query(SignedQuery { agency, user, expires, signature })) = signed else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let services = &state.services;
    let owner = agency.parse::<AgencyId>().ok().zip(user.parse::<UserId>().ok());
    let valid = |owner: &(AgencyId, UserId)| {
        services.media_links.is_valid(*owner, &id, expires, &signature, services.clock.now())
    };
    let Some(owner) = owner.filter(valid) else { return StatusCode::FORBIDDEN.into_response() };
    match show_media(services, owner, &id).await {
        Ok(Some(shown)) => serve(shown, request).await,
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(fault) => {
            tracing::error!(error = %fault, "a recording could not be served");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn serve(shown: MediaFile, request: Request) -> Response {
    let Ok(mime) = shown.content_type.parse() else { return StatusCode::NOT_FOUND.into_response() };
    let served = ServeFile::new_with_mime(&shown.path, &mime).oneshot(request).await;
    let Ok(mut response) = served.map(IntoResponse::into_response);
    // Received content must not run in a browser and must not be stored by shared caches.
    for (name, value) in [
        (CACHE_CONTROL, "private, max-age=900"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (CONTENT_DISPOSITION, "inline"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
