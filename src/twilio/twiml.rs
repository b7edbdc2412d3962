//! What Twilio is told to do.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// Nothing: automatic texts go through the outbox, never through an answer.
pub fn nothing() -> Response {
    ([(CONTENT_TYPE, "text/xml")], r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#).into_response()
}
