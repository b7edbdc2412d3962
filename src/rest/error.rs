//! Errors of these routes: `{"error": {"code", "message"}}`, each code with one status.

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::body::BodyError;
use crate::admission::Limited;
use crate::service::{Fault, Refusal, RefusalCode};
use crate::store::writer::WriteError;

/// The longest message: it may quote what was sent.
const MAX_MESSAGE_CHARS: usize = 200;

/// What went wrong.
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

    /// As the document says it.
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Invalid => "The input is wrong; nothing was changed.",
            Self::Unauthenticated => "A valid bearer token of an active user is needed.",
            Self::Forbidden => "Only an admin of the agency may do this.",
            Self::NotFound => "There is no such thing, or it is another agency's.",
            Self::MethodNotAllowed => "This is not done here.",
            Self::RequestTimeout => "The body took longer than 10 s to arrive.",
            Self::Conflict => "It clashes with what is there; nothing was changed.",
            Self::PayloadTooLarge => "The body is longer than 64 KiB.",
            Self::UnsupportedMediaType => "The body must be application/json in UTF-8.",
            Self::RateLimited => "Too many requests: `Retry-After` says in how many seconds to try again.",
            Self::Internal => "Something failed here and has been logged.",
            Self::Unavailable => "The database does not answer, or too much is waiting: try again.",
        }
    }
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorBody {
    error: ErrorDetail,
}

/// What went wrong, for a program and for a person.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorDetail {
    code: ErrorCode,
    /// In words, for a person.
    #[schema(max_length = 200)]
    message: String,
}

/// A request that is answered with an error.
#[derive(Debug)]
pub(super) struct Refused {
    code: ErrorCode,
    message: String,
    /// In seconds.
    retry_after: Option<u64>,
}

impl Refused {
    /// An error in its usual words.
    pub(super) fn plain(code: ErrorCode) -> Self {
        Self { code, message: code.description().to_owned(), retry_after: None }
    }

    pub(super) fn unauthenticated() -> Self {
        Self::plain(ErrorCode::Unauthenticated)
    }

    pub(super) fn unsupported_media_type() -> Self {
        Self::plain(ErrorCode::UnsupportedMediaType)
    }

    pub(super) fn invalid(message: &str) -> Self {
        Self { message: message.to_owned(), ..Self::plain(ErrorCode::Invalid) }
    }

    /// What was sent is no JSON, or not of the shape.
    pub(super) fn malformed(error: &serde_json::Error) -> Self {
        let message = format!("The body does not fit: {error}");
        Self { message: message.chars().take(MAX_MESSAGE_CHARS).collect(), ..Self::plain(ErrorCode::Invalid) }
    }

    /// Logs what failed, once; the answer says no more than whether to try again.
    pub(super) fn fault(fault: &Fault) -> Self {
        tracing::error!(error = %fault, "a request could not be answered");
        Self::plain(match fault {
            Fault::Write(WriteError::Refused) | Fault::Sealed(_) => ErrorCode::Internal,
            Fault::Write(WriteError::Overloaded | WriteError::Failed) | Fault::Read(_) | Fault::Keys(_) => {
                ErrorCode::Unavailable
            }
        })
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.code {
            RefusalCode::Invalid => ErrorCode::Invalid,
            RefusalCode::NotFound => ErrorCode::NotFound,
            RefusalCode::Forbidden | RefusalCode::NotAssignee => ErrorCode::Forbidden,
            RefusalCode::Conflict
            | RefusalCode::AlreadyClaimed { .. }
            | RefusalCode::OptedOut
            | RefusalCode::LimitExceeded { .. }
            | RefusalCode::StaleView { .. } => ErrorCode::Conflict,
        };
        Self { message: refusal.message, ..Self::plain(code) }
    }
}

impl From<Limited> for Refused {
    fn from(limited: Limited) -> Self {
        let retry_after = Some(limited.retry_after_seconds());
        Self { code: ErrorCode::RateLimited, message: limited.message(), retry_after }
    }
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLong => Self::plain(ErrorCode::PayloadTooLarge),
            BodyError::TooSlow => Self::plain(ErrorCode::RequestTimeout),
            BodyError::Broken => Self::invalid("The body did not arrive."),
        }
    }
}

impl IntoResponse for Refused {
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
