//! `GET /media/{id}`: a recording, by a signed address, with ranges so that it can be played from the middle.

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
use crate::service::show_media::{Shown, show_media};

#[derive(Deserialize)]
pub(super) struct Signed {
    agency: String,
    user: String,
    expires: i64,
    signature: String,
}

pub(super) async fn media(
    State(state): State<RestState>,
    Path(id): Path<String>,
    signed: Result<Query<Signed>, QueryRejection>,
    request: Request,
) -> Response {
    let Ok(Query(Signed { agency, user, expires, signature })) = signed else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let services = &state.services;
    let whose = agency.parse::<AgencyId>().ok().zip(user.parse::<UserId>().ok());
    let valid = |whose: &(AgencyId, UserId)| {
        services.media_links.is_valid(*whose, &id, expires, &signature, services.clock.now())
    };
    let Some(whose) = whose.filter(valid) else { return StatusCode::FORBIDDEN.into_response() };
    match show_media(services, whose, &id).await {
        Ok(Some(shown)) => serve(shown, request).await,
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(fault) => {
            tracing::error!(error = %fault, "a recording could not be shown");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn serve(shown: Shown, request: Request) -> Response {
    let Ok(mime) = shown.content_type.parse() else { return StatusCode::NOT_FOUND.into_response() };
    let served = ServeFile::new_with_mime(&shown.path, &mime).oneshot(request).await;
    let Ok(mut answer) = served.map(IntoResponse::into_response);
    // Nothing that somebody sent is ever run, or kept by whoever stands in between.
    for (name, value) in [
        (CACHE_CONTROL, "private, max-age=900"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
        (CONTENT_DISPOSITION, "inline"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
