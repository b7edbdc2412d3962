//! Limits on request bodies: media type, size and time.

use std::error::Error as _;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::LengthLimitError;

use crate::ports::Clock;

#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// The maximum size.
    pub(crate) bytes: usize,
    /// The time within which the body must arrive.
    pub(crate) timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is too long")]
    TooLong,
    #[error("the body took too long to arrive")]
    TooSlow,
    /// The connection broke.
    #[error("the body is incomplete")]
    Broken,
}

/// Reads a body within its limits. A body whose announced size is too large is rejected without waiting for it.
pub(crate) async fn read(clock: &dyn Clock, body: Body, limits: BodyLimits) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > limits.bytes as u64 {
        return Err(BodyError::TooLong);
    }
    tokio::select! {
        read = to_bytes(body, limits.bytes) => read.map_err(|error| {
            let too_long = error.source().is_some_and(|cause| cause.is::<LengthLimitError>());
            if too_long { BodyError::TooLong } else { BodyError::Broken }
        }),
        () = clock.sleep(limits.timeout) => Err(BodyError::TooSlow),
    }
}

/// Whether the headers declare JSON in UTF-8. A browser sends a CORS preflight before a page of another origin can send
/// it.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = value.split(';').map(str::trim);
    parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_json_in_utf_8_is_accepted() {
        for (value, expected) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("Application/JSON;charset=\"UTF-8\"", true),
            ("application/json; charset=utf-16", false),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=x", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_json(&headers), expected, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
