//! The API of media files, and the server of their content, to which the API redirects.
//! Source: Twilio, "Media subresource".

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::api::{VERSION, authorize, error, list_error, not_found};
use super::carrier::Carrier;
use super::list_faults::List;
use super::media::{Location, Media, MediaFault};
use super::paging::{DateFilter, LastDay, QueryFields, page_json};

/// The size of one part of an endless body.
const PART_BYTES: usize = 16 * 1_024;

pub(super) fn router() -> Router<Arc<Carrier>> {
    Router::new()
        .route("/2010-04-01/Accounts/{account}/Messages/{message}/Media.json", get(list))
        .route("/2010-04-01/Accounts/{account}/Messages/{message}/Media/{media}", get(fetch).delete(delete))
        .route("/cdn/{token}", get(content))
}

fn path(account: &str, message: &str) -> String {
    format!("/{VERSION}/Accounts/{account}/Messages/{message}/Media")
}

impl Carrier {
    /// The URL of a media file in webhooks.
    pub(super) fn media_url(&self, media: &Media) -> String {
        format!("{}{}/{}", self.base, path(&media.account, &media.message), media.sid)
    }
}

fn media_json(media: &Media) -> Value {
    let created = media.created.to_rfc2822();
    json!({
        "sid": media.sid,
        "account_sid": media.account,
        "parent_sid": media.message,
        "content_type": media.file.content_type,
        "date_created": created,
        "date_updated": created,
        "uri": format!("{}/{}.json", path(&media.account, &media.message), media.sid),
    })
}

async fn list(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, message)): Path<(String, String)>,
    headers: HeaderMap,
    Query(query): Query<QueryFields>,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    if let Some(error) = list_error(&carrier, List::Media) {
        return error;
    }
    let created = match DateFilter::read(&query, "DateCreated", LastDay::Excluded) {
        Ok(created) => created,
        Err(invalid) => return *invalid,
    };
    let found: Vec<Media> = {
        let state = carrier.state();
        let of_message = state.media.of_message(&message).filter(|media| media.account == account.sid);
        of_message.filter(|media| created.matches(Some(media.created))).cloned().collect()
    };
    if found.is_empty() && carrier.message(&account.sid, &message).is_none() {
        return not_found();
    }
    let path = format!("{}.json", path(&account.sid, &message));
    Json(page_json(&path, "media_list", &query, &found, |media| &media.sid, media_json)).into_response()
}

/// With `.json`, the resource; without, a redirect to the content.
async fn fetch(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, message, name)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    if let Some(media) = name.strip_suffix(".json") {
        let state = carrier.state();
        let media = state.media.get(&account.sid, &message, media);
        return media.map_or_else(not_found, |media| Json(media_json(media)).into_response());
    }
    let located = carrier.state().media.locate(&account.sid, &message, &name);
    let location = match located {
        Some(Location::Content(token)) => format!("{}/cdn/{token}", carrier.base),
        Some(Location::Foreign(location)) => location,
        Some(Location::Error { status, seconds }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = error(status, 20_000 + u32::from(status.as_u16()), "The media file was not returned.");
            if let Some(seconds) = seconds {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            return response;
        }
        None => return not_found(),
    };
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)]).into_response()
}

async fn delete(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, message, name)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    let is_removed = carrier.state().media.remove(&account.sid, &message, name.trim_end_matches(".json"));
    if is_removed { StatusCode::NO_CONTENT.into_response() } else { not_found() }
}

/// The content of a file. Like S3, this rejects a request that carries credentials besides the URL itself.
async fn content(State(carrier): State<Arc<Carrier>>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    if headers.contains_key(AUTHORIZATION) {
        carrier.state().media.leaks += 1;
        let body = "<Error><Code>InvalidArgument</Code><Message>Only one authentication is allowed</Message></Error>";
        return (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "application/xml")], body).into_response();
    }
    let found = carrier.state().media.content(&token);
    match found {
        Some((_, Some(status))) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
        Some((media, None)) => content_response(&media),
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

fn content_response(media: &Media) -> Response {
    let file = &media.file;
    let (content_type, bytes) = match &file.fault {
        Some(MediaFault::Replaced { content_type, bytes }) => (content_type, bytes),
        _ => (&file.content_type, &file.bytes),
    };
    let part = |after: usize| bytes.slice(..after.min(bytes.len()));
    let (body, length) = match &file.fault {
        Some(MediaFault::Endless) => {
            let part = Bytes::from(vec![0; PART_BYTES]);
            (Body::from_stream(stream::repeat_with(move || Ok::<_, io::Error>(part.clone()))), None)
        }
        Some(MediaFault::Truncated { after }) => {
            let end = stream::once(async {
                // The pause lets the server send the headers and the part before the connection is closed.
                tokio::task::yield_now().await;
                Err(io::Error::from(io::ErrorKind::ConnectionAborted))
            });
            let parts = stream::iter([Ok(part(*after))]).chain(end);
            // One more byte is announced than the file has, so that a cut at its end is also recognized.
            (Body::from_stream(parts), Some(bytes.len() + 1))
        }
        Some(MediaFault::Stalled { after }) => {
            let parts = stream::iter([Ok::<_, io::Error>(part(*after))]).chain(stream::pending());
            (Body::from_stream(parts), Some(bytes.len() + 1))
        }
        _ => (Body::from(bytes.clone()), None),
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    let name = file.file_name.as_ref().map(|name| name.replace(['"', '\\'], "_"));
    let disposition = name.map(|name| HeaderValue::from_bytes(format!("inline; filename=\"{name}\"").as_bytes()));
    if let Some(Ok(disposition)) = disposition {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    response
}
