//! How a request's body arrives: of which media type, how long, how slowly.

use std::error::Error as _;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;

use super::error::Refused;
use crate::ports::Clock;

/// What a body may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long it may be.
    pub(crate) bytes: usize,
    /// How long it may take to arrive.
    pub(crate) within: Duration,
}

/// Many times the longest change of a pool.
const BOUNDS: Bounds = Bounds { bytes: 64 * 1024, within: Duration::from_secs(10) };

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is longer than its bound.
    #[error("the body is too long")]
    TooLong,
    /// It took longer than its bound.
    #[error("the body took too long to arrive")]
    TooSlow,
    /// It broke off.
    #[error("the body did not arrive")]
    Broken,
}

/// Reads a body within its bounds. One that announces that it is too long is not waited for.
pub(crate) async fn read(clock: &dyn Clock, body: Body, bounds: Bounds) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > bounds.bytes as u64 {
        return Err(BodyError::TooLong);
    }
    tokio::select! {
        read = to_bytes(body, bounds.bytes) => read.map_err(|error| {
            let too_long = error.source().is_some_and(|cause| cause.is::<LengthLimitError>());
            if too_long { BodyError::TooLong } else { BodyError::Broken }
        }),
        () = clock.sleep(bounds.within) => Err(BodyError::TooSlow),
    }
}

/// Whether the body says that it is JSON in UTF-8. A page of another origin cannot have a browser
/// send that without asking first (CORS).
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

/// The JSON object that a request of these routes carries.
pub(super) async fn object<T: DeserializeOwned>(
    clock: &dyn Clock,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Refused> {
    if !is_json(headers) {
        return Err(Refused::unsupported_media_type());
    }
    let body = read(clock, body, BOUNDS).await?;
    // serde would take a list of the values for the object.
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => serde_json::from_slice(&body).map_err(|error| Refused::malformed(&error)),
        _ => Err(Refused::invalid("The body is no JSON object.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_json_in_utf_8_is_read() {
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
