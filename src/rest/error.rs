//! Errors of the REST routes: `{"error": {"code", "message"}}`. Each code has one status.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admission::Limited;
use crate::http::body::BodyError;
use crate::service::{Error, Fault, Refusal, RefusalCode};
use crate::store::writer::WriteError;

/// The maximum length of a message, which may quote the request.
const MAX_MESSAGE_CHARS: usize = 200;

/// The code of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum ErrorCode {
    Invalid,
    Unauthenticated,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Conflict,
    PayloadTooLarge,
    UnsupportedMediaType,
    RateLimited,
    Internal,
    Unavailable,
}

impl ErrorCode {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The default message, which is also the description in the OpenAPI document.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Invalid => "The input is invalid. Nothing was changed.",
            Self::Unauthenticated => "A valid bearer token of an active user is required.",
            Self::Forbidden => "Only an admin of the agency may do this.",
            Self::NotFound => "The resource does not exist or belongs to another agency.",
            Self::MethodNotAllowed => "This route does not support the method.",
            Self::RequestTimeout => "The body took longer than 10 s to arrive. Send the request again.",
            Self::Conflict => "The change conflicts with the current state. Nothing was changed.",
            Self::PayloadTooLarge => "The body is larger than 64 KiB.",
            Self::UnsupportedMediaType => "The body must be application/json in UTF-8.",
            Self::RateLimited => "Too many requests. Try again after the number of seconds in `Retry-After`.",
            Self::Internal => "An internal error occurred and was logged.",
            Self::Unavailable => "The database is unavailable or the server is overloaded. Try again.",
        }
    }
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorBody {
    error: ErrorDetail,
}

/// The code and the message of an error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorDetail {
    code: ErrorCode,
    /// A description of the error for people.
    #[schema(max_length = 200)]
    message: String,
}

#[derive(Debug)]
pub(super) struct ErrorResponse {
    code: ErrorCode,
    message: String,
    /// Seconds.
    retry_after: Option<u64>,
}

impl ErrorResponse {
    /// An error with the default message of its code.
    pub(super) fn plain(code: ErrorCode) -> Self {
        Self { code, message: code.description().to_owned(), retry_after: None }
    }

    pub(super) fn with_message(code: ErrorCode, message: &str) -> Self {
        Self { message: message.to_owned(), ..Self::plain(code) }
    }

    pub(super) fn unauthenticated() -> Self {
        Self::plain(ErrorCode::Unauthenticated)
    }

    pub(super) fn unsupported_media_type() -> Self {
        Self::plain(ErrorCode::UnsupportedMediaType)
    }

    pub(super) fn invalid(message: &str) -> Self {
        Self::with_message(ErrorCode::Invalid, message)
    }

    /// The body is not valid JSON or does not match the schema.
    pub(super) fn malformed(error: &serde_json::Error) -> Self {
        let message = format!("The body does not match the schema: {error}");
        Self { message: message.chars().take(MAX_MESSAGE_CHARS).collect(), ..Self::plain(ErrorCode::Invalid) }
    }

    /// Logs an internal error. The response only says whether to try again.
    pub(super) fn fault(fault: &Fault) -> Self {
        tracing::error!(error = %fault, "a request failed");
        Self::plain(match fault {
            Fault::Write(WriteError::Rejected) | Fault::Sealed(_) | Fault::Issue(_) => ErrorCode::Internal,
            Fault::Write(_) | Fault::Read(_) | Fault::Keys(_) | Fault::Media(_) => ErrorCode::Unavailable,
        })
    }
}

impl From<Refusal> for ErrorResponse {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.code {
            RefusalCode::Invalid => ErrorCode::Invalid,
            RefusalCode::NotFound => ErrorCode::NotFound,
            RefusalCode::Forbidden | RefusalCode::NotAssignee { .. } | RefusalCode::NotVerified => ErrorCode::Forbidden,
            RefusalCode::Conflict
            | RefusalCode::AlreadyClaimed { .. }
            | RefusalCode::ExtensionTaken { .. }
            | RefusalCode::OptedOut { .. }
            | RefusalCode::CarrierBlocked
            | RefusalCode::TooLate { .. }
            | RefusalCode::StaleView { .. } => ErrorCode::Conflict,
            RefusalCode::LimitExceeded { .. } => ErrorCode::RateLimited,
        };
        let retry_after = match refusal.code {
            RefusalCode::LimitExceeded { retry_after_seconds } => retry_after_seconds.and_then(|s| s.try_into().ok()),
            _ => None,
        };
        Self { code, message: refusal.message, retry_after }
    }
}

impl From<Error> for ErrorResponse {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::Failed(fault) => Self::fault(&fault),
        }
    }
}

impl From<Limited> for ErrorResponse {
    fn from(limited: Limited) -> Self {
        let retry_after = Some(limited.retry_after_seconds());
        Self { code: ErrorCode::RateLimited, message: limited.message(), retry_after }
    }
}

impl From<BodyError> for ErrorResponse {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLong => Self::plain(ErrorCode::PayloadTooLarge),
            BodyError::TooSlow => Self::plain(ErrorCode::RequestTimeout),
            BodyError::Broken => Self::invalid("The body is incomplete. Send the request again."),
        }
    }
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        let Self { code, message, retry_after } = self;
        let body = Json(ErrorBody { error: ErrorDetail { code, message } });
        let mut response = (code.status(), body).into_response();
        if code == ErrorCode::Unauthenticated {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
