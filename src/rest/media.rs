//! `GET /media/{id}`: a recording, an attachment or an upload at a signed URL. Range requests are supported, so players
//! can seek.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::RestState;
use crate::domain::byte_range::{RequestedBytes, requested_bytes};
use crate::domain::media_type::{OCTET_STREAM, extension, is_shown_inline};
use crate::domain::{AgencyId, UserId};
use crate::http::content_disposition::content_disposition;
use crate::service::show_media::{MediaFile, show_media, show_media_to_carrier};
use crate::service::{Fault, Services};

/// A file must not run scripts in the server's origin, whatever its content is. What browsers show in a tab loads
/// itself once more, with a style of the browser.
const POLICY_INLINE: &str = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox";
const POLICY: &str = "default-src 'none'; sandbox";

#[derive(Deserialize)]
pub(super) struct SignedQuery {
    agency: String,
    /// Absent in URLs for the carrier.
    user: Option<String>,
    expires: i64,
    signature: String,
}

pub(super) async fn media(
    State(state): State<RestState>,
    Path(id): Path<String>,
    signed: Result<Query<SignedQuery>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let Ok(Query(signed)) = signed else { return StatusCode::FORBIDDEN.into_response() };
    let served = match find(&state.services, &id, &signed).await {
        Ok(Found::File(file)) => serve(&state, &id, file, &method, &headers).await,
        Ok(Found::Forbidden) => Ok(StatusCode::FORBIDDEN.into_response()),
        Ok(Found::Missing) => Ok(StatusCode::NOT_FOUND.into_response()),
        Err(fault) => Err(fault),
    };
    served.unwrap_or_else(|fault| {
        tracing::error!(error = %fault, "a file could not be served");
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    })
}

enum Found {
    File(MediaFile),
    /// The signature is wrong or has expired.
    Forbidden,
    Missing,
}

async fn find(services: &Services, id: &str, signed: &SignedQuery) -> Result<Found, Fault> {
    let SignedQuery { agency, user, expires, signature } = signed;
    let (links, now) = (&services.media_links, services.clock.now());
    let Ok(agency) = agency.parse::<AgencyId>() else { return Ok(Found::Forbidden) };
    let file = match user.as_deref().map(str::parse::<UserId>) {
        Some(Ok(user)) if links.is_valid((agency, user), id, *expires, signature, now) => {
            show_media(services, (agency, user), id).await?
        }
        None if links.is_valid_for_carrier(agency, id, *expires, signature, now) => {
            show_media_to_carrier(services, agency, id).await?
        }
        Some(_) | None => return Ok(Found::Forbidden),
    };
    Ok(file.map_or(Found::Missing, Found::File))
}

async fn serve(
    state: &RestState,
    id: &str,
    file: MediaFile,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Fault> {
    let media = &state.services.media;
    let etag = format!("\"{}\"", file.digest);
    if headers.get(IF_NONE_MATCH).is_some_and(|given| names(given, &etag)) {
        return Ok(respond(state, id, &file, StatusCode::NOT_MODIFIED, Body::empty()));
    }
    let Some(size) = media.size(file.agency, &file.digest).await? else {
        tracing::error!(digest = file.digest, "a file is missing in the media store");
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    // A part is served only of the version that the client has a part of.
    let is_same = headers.get(IF_RANGE).is_none_or(|given| *given == etag);
    let requested =
        headers.get(RANGE).filter(|_| is_same && method == Method::GET).and_then(|range| range.to_str().ok());
    let (status, bytes) = match requested.map_or(RequestedBytes::Whole, |range| requested_bytes(range, size)) {
        RequestedBytes::Whole => (StatusCode::OK, 0..size),
        RequestedBytes::Part(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
        RequestedBytes::Unsatisfiable => {
            let mut response = respond(state, id, &file, StatusCode::RANGE_NOT_SATISFIABLE, Body::empty());
            response.headers_mut().insert(CONTENT_RANGE, header(format!("bytes */{size}")));
            return Ok(response);
        }
    };
    let length = bytes.end - bytes.start;
    let content_range = header(format!("bytes {}-{}/{size}", bytes.start, bytes.end.saturating_sub(1)));
    let body = if method == Method::HEAD || length == 0 {
        Body::empty()
    } else {
        match media.open(file.agency, &file.digest, Some(bytes)).await? {
            Some(content) => Body::from_stream(content),
            None => return Ok(StatusCode::NOT_FOUND.into_response()),
        }
    };
    let mut response = respond(state, id, &file, status, body);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::PARTIAL_CONTENT {
        response.headers_mut().insert(CONTENT_RANGE, content_range);
    }
    Ok(response)
}

/// A response with the headers that all responses about a file have.
fn respond(state: &RestState, id: &str, file: &MediaFile, status: StatusCode, body: Body) -> Response {
    let is_inline = is_shown_inline(&file.content_type);
    let name = file.file_name.clone().unwrap_or_else(|| format!("{id}.{}", extension(&file.content_type)));
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (ACCEPT_RANGES, "bytes"),
        // The URL is secret, so shared caches must not store the file.
        (CACHE_CONTROL, "private, max-age=900"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, if is_inline { POLICY_INLINE } else { POLICY }),
        (HeaderName::from_static("cross-origin-resource-policy"), state.resource_policy),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let content_type = HeaderValue::try_from(&file.content_type);
    headers.insert(CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static(OCTET_STREAM)));
    headers.insert(CONTENT_DISPOSITION, content_disposition(is_inline, &name));
    headers.insert(ETAG, header(format!("\"{}\"", file.digest)));
    response
}

/// A value of digits and ASCII letters.
fn header(value: String) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(""))
}

/// Whether an `If-None-Match` header names this entity tag.
fn names(header: &HeaderValue, etag: &str) -> bool {
    let tags = header.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.map(|tag| tag.strip_prefix("W/").unwrap_or(tag)).any(|tag| tag == etag || tag == "*")
}
