//! The API of recordings: lists, resources, files, deletion.
//! Source: Twilio, "Recordings resource".

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::super::api::{VERSION, authorize, error, list_error, not_found};
use super::super::api_faults::RecordingFault;
use super::super::carrier::Carrier;
use super::super::list_faults::List;
use super::super::paging::{DateFilter, LastDay, QueryFields, field, page_json};
use super::super::settings::Account;
use super::store::Recording;

/// The length and the header of a silent MPEG-1 layer III frame at 128 kbit/s and 44.1 kHz.
/// Source: ISO/IEC 11172-3, 2.4.1.3.
const FRAME_BYTES: usize = 417;
const FRAME_HEADER: [u8; 4] = [0xff, 0xfb, 0x90, 0x00];

pub(super) fn router() -> Router<Arc<Carrier>> {
    Router::new()
        .route("/Accounts/{account}/Calls/{call}/Recordings.json", get(recordings_of_call))
        .route("/Accounts/{account}/Recordings.json", get(recordings))
        .route("/Accounts/{account}/Recordings/{recording}", get(recording).delete(delete))
}

async fn recording(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    match carrier.api_faults().recording {
        Some(RecordingFault::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            return error(status, 20000 + u32::from(status.as_u16()), "The recording was rejected.");
        }
        Some(RecordingFault::NotAudio) => {
            return ([(CONTENT_TYPE, "application/octet-stream")], "secret").into_response();
        }
        None => {}
    }
    let (recording_sid, kind) = name.split_once('.').unwrap_or((&name, "mp3"));
    match (carrier.calls.recording(&account.sid, recording_sid), kind) {
        (Some(recording), "json") => Json(recording_json(&carrier, &recording)).into_response(),
        (Some(recording), "mp3") if recording.seconds > 0 => {
            let silence = silence(carrier.settings.recording_bytes);
            ([(CONTENT_TYPE, "audio/mpeg")], silence).into_response()
        }
        _ => not_found(),
    }
}

/// Deletes a recording with its file.
async fn delete(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    let is_deleted = carrier.calls.delete_recording(&account.sid, name.trim_end_matches(".json"));
    if is_deleted { StatusCode::NO_CONTENT.into_response() } else { not_found() }
}

/// The recordings of a call, newest first.
async fn recordings_of_call(
    State(carrier): State<Arc<Carrier>>,
    Path((sid, call)): Path<(String, String)>,
    headers: HeaderMap,
    Query(query): Query<QueryFields>,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    if carrier.calls.entry(&account.sid, &call).is_none() {
        return not_found();
    }
    let path = format!("/{VERSION}/Accounts/{}/Calls/{call}/Recordings.json", account.sid);
    list(&carrier, account, &path, Some(&call), &query)
}

/// The recordings of an account, newest first.
async fn recordings(
    State(carrier): State<Arc<Carrier>>,
    Path(sid): Path<String>,
    headers: HeaderMap,
    Query(query): Query<QueryFields>,
) -> Response {
    let account = match authorize(&carrier, &sid, &headers) {
        Ok(account) => account,
        Err(denied) => return *denied,
    };
    let path = format!("/{VERSION}/Accounts/{}/Recordings.json", account.sid);
    list(&carrier, account, &path, field(&query, "CallSid"), &query)
}

fn list(carrier: &Carrier, account: &Account, path: &str, call: Option<&str>, query: &QueryFields) -> Response {
    if let Some(error) = list_error(carrier, List::Recordings) {
        return error;
    }
    let created = match DateFilter::read(query, "DateCreated", LastDay::Excluded) {
        Ok(created) => created,
        Err(invalid) => return *invalid,
    };
    let found = carrier.calls.recordings(|recording| {
        recording.account == account.sid
            && call.is_none_or(|call| recording.call == call)
            && created.matches(Some(recording.created))
    });
    let json = |recording: &Recording| recording_json(carrier, recording);
    Json(page_json(path, "recordings", query, &found, |recording| &recording.sid, json)).into_response()
}

fn recording_json(carrier: &Carrier, recording: &Recording) -> Value {
    let uri = format!("/{VERSION}/Accounts/{}/Recordings/{}", recording.account, recording.sid);
    let created = recording.created.to_rfc2822();
    json!({
        "sid": recording.sid,
        "account_sid": recording.account,
        "call_sid": recording.call,
        "conference_sid": null,
        "duration": recording.seconds.to_string(),
        "channels": 1,
        "source": "RecordVerb",
        "status": recording.status(),
        "error_code": null,
        "track": null,
        "price": null,
        "price_unit": "USD",
        "encryption_details": null,
        "date_created": created,
        "date_updated": created,
        "start_time": created,
        "api_version": VERSION,
        "uri": format!("{uri}.json"),
        "media_url": format!("{}{uri}", carrier.base),
        "subresource_uris": {"transcriptions": format!("{uri}/Transcriptions.json")},
    })
}

/// Silent MP3 frames of this total length. The last frame may be incomplete.
fn silence(bytes: usize) -> Vec<u8> {
    let byte_at = |n: usize| FRAME_HEADER.get(n % FRAME_BYTES).copied().unwrap_or(0);
    (0..bytes).map(byte_at).collect()
}
