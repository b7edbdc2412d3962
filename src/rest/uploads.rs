//! `POST /media`: uploads a file to send it with texts.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::RestState;
use super::error::{ErrorCode, ErrorResponse};
use super::openapi::UploadErrors;
use super::requester::Requester;
use crate::domain::attachments::MAX_BYTES;
use crate::http::body::BodyError;
use crate::ports::Clock;
use crate::service::upload_media::{ReceivedFile, upload_media};

/// The time within which a file must arrive: a slow mobile connection needs 40 s for the largest one.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The size of the headers and of further fields of a form.
const FORM_OVERHEAD_BYTES: usize = 64 * 1024;
/// The size up to which a body that is too long is read to its end. Otherwise the connection would be closed while the
/// client still sends, and the client might not see the response.
const MAX_DISCARDED_BYTES: usize = 32 * 1024 * 1024;

/// A file as a field of a form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the OpenAPI document uses it")]
pub(super) struct FileForm {
    /// The file, at most 5 MB (5 × 1024 × 1024 bytes). Other fields are ignored.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// The bytes of a file, at most 5 MB.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only the OpenAPI document uses it")]
pub(super) struct FileBytes(Vec<u8>);

/// An uploaded file. It can be sent for 24 hours.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Upload {
    #[schema(pattern = "^upl_[0-9a-f]{32}$")]
    id: String,
    /// The URL of the file, for `mediaUrls` of `sendMessage` and `startThread`. The file can be viewed there for 15
    /// minutes.
    url: String,
    /// The MIME type of the file, determined by its content.
    content_type: String,
    byte_size: i32,
}

/// Uploads a file.
///
/// Files of any type can be uploaded. Which types can be sent is decided when a text is sent.
#[utoipa::path(
    post,
    path = "/media",
    operation_id = "uploadMedia",
    tag = "media",
    request_body(content((FileForm = "multipart/form-data"), (FileBytes = "application/octet-stream"))),
    responses((status = 201, body = Upload, description = "The uploaded file."), UploadErrors),
)]
pub(super) async fn create(
    State(state): State<RestState>,
    request: Request,
) -> Result<(StatusCode, Json<Upload>), ErrorResponse> {
    let (parts, body) = request.into_parts();
    let requester = Requester::authenticate_upload(&state, &parts.extensions, &parts.headers).await?;
    let services = &requester.services;
    let file = receive(&*services.clock, &parts.headers, body).await?;
    let row = upload_media(services, &requester.viewer, file).await?;
    let id = row.id.to_string();
    let url = services.media_links.link((row.agency_id, row.user_id), &id, services.clock.now());
    let upload = Upload { id, url, content_type: row.content_type, byte_size: row.byte_size };
    Ok((StatusCode::CREATED, Json(upload)))
}

async fn receive(clock: &dyn Clock, headers: &HeaderMap, body: Body) -> Result<ReceivedFile, ErrorResponse> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_form = content_type.trim_start().to_ascii_lowercase().starts_with("multipart/");
    let limit = if is_form { MAX_BYTES + FORM_OVERHEAD_BYTES } else { MAX_BYTES };
    let bytes = read(clock, body, limit).await.map_err(|error| match error {
        BodyError::TooLong => too_large(),
        BodyError::TooSlow => ErrorResponse::with_message(ErrorCode::RequestTimeout, UploadErrors::TOO_SLOW),
        BodyError::Broken => error.into(),
    })?;
    if !is_form {
        return Ok(ReceivedFile { bytes, file_name: None });
    }
    let file = file_field(content_type, bytes.into()).await?;
    if file.bytes.len() > MAX_BYTES { Err(too_large()) } else { Ok(file) }
}

fn too_large() -> ErrorResponse {
    ErrorResponse::with_message(ErrorCode::PayloadTooLarge, UploadErrors::TOO_LARGE)
}

/// Reads a body of at most `limit` bytes within the time limit.
async fn read(clock: &dyn Clock, mut body: Body, limit: usize) -> Result<Vec<u8>, BodyError> {
    if body.size_hint().lower() > MAX_DISCARDED_BYTES as u64 {
        return Err(BodyError::TooLong);
    }
    let mut bytes = Vec::new();
    let mut length = 0;
    let reading = async {
        while let Some(frame) = body.frame().await {
            let data = frame.map_err(|_| BodyError::Broken)?.into_data().unwrap_or_default();
            length += data.len();
            if length > MAX_DISCARDED_BYTES {
                break;
            }
            if length <= limit {
                bytes.extend_from_slice(&data);
            } else {
                bytes = Vec::new();
            }
        }
        if length > limit { Err(BodyError::TooLong) } else { Ok(bytes) }
    };
    tokio::select! {
        read = reading => read,
        () = clock.sleep(TIMEOUT) => Err(BodyError::TooSlow),
    }
}

/// The field `file` of a form.
async fn file_field(content_type: &str, body: Bytes) -> Result<ReceivedFile, ErrorResponse> {
    let malformed = |_| ErrorResponse::invalid("The body is not a valid multipart/form-data body.");
    let boundary = multer::parse_boundary(content_type).map_err(malformed)?;
    let whole = futures_util::stream::once(std::future::ready(Ok::<_, std::convert::Infallible>(body)));
    let mut form = multer::Multipart::new(whole, boundary);
    while let Some(field) = form.next_field().await.map_err(malformed)? {
        if field.name() == Some("file") {
            let file_name = field.file_name().map(str::to_owned);
            let bytes = field.bytes().await.map_err(malformed)?.to_vec();
            return Ok(ReceivedFile { bytes, file_name });
        }
    }
    Err(ErrorResponse::invalid("The form has no field `file`."))
}
