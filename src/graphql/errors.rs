//! GraphQL errors with codes. They never contain internal details.
//!
//! Resolvers fail with [`Failure`]. Database errors do not convert to it automatically: internal errors go through
//! [`Requester::fault`](super::context::Requester::fault), which logs them once and returns only the request id.
//! Expected refusals of mutations are data, see [`types::user_error`](super::types::user_error).

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Pos, ServerError, Value};

use super::limits::{MAX_ERRORS, MAX_MESSAGE_CHARS};
use crate::admission::Limited;
use crate::domain::cursor::Cursor;
use crate::service::authenticate::TokenProblem;

/// The code of an error, in `extensions.code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The token is missing or not accepted. `extensions.reason` is the reason.
    Unauthenticated,
    /// The user lacks the permission.
    Forbidden,
    /// An argument or the request is invalid.
    BadUserInput,
    /// The document is not valid GraphQL.
    ParseFailed,
    /// The document does not match the schema.
    ValidationFailed,
    /// The document queries the schema, but introspection is disabled.
    IntrospectionDisabled,
    /// The request contains the hash of a persisted query instead of a document. Apollo's clients respond to this
    /// code by sending the document.
    PersistedQueryNotSupported,
    /// The document exceeds one of the [`limits`](super::limits).
    QueryTooComplex,
    /// The cursor is older than the retained log, or beyond its end.
    CursorExpired,
    /// The subscription fell behind. `extensions.cursor` is the cursor to resubscribe with.
    Resume,
    /// A limit of the user, the agency or the address is reached. `extensions.retryAfterSeconds` is the delay to wait.
    RateLimited,
    /// The request exceeded its timeout.
    Timeout,
    /// An internal error. `extensions.requestId` identifies its line in the log.
    Internal,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::ParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::ValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::IntrospectionDisabled => "INTROSPECTION_DISABLED",
            Self::PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::QueryTooComplex => "QUERY_TOO_COMPLEX",
            Self::CursorExpired => "CURSOR_EXPIRED",
            Self::Resume => "RESUME",
            Self::RateLimited => "RATE_LIMITED",
            Self::Timeout => "TIMEOUT",
            Self::Internal => "INTERNAL",
        }
    }
}

/// The error of a field or a request.
///
/// It deliberately does not implement `Display`: async-graphql converts every `Display` type to an error, so database
/// errors could then be returned by `?` and shown.
#[derive(Debug, Clone)]
pub struct Failure {
    code: Code,
    message: Arc<str>,
    position: Option<Pos>,
    /// A further entry of `extensions`.
    detail: Option<Detail>,
}

/// A further entry of `extensions`. Small, because every resolver returns one inside its error.
#[derive(Debug, Clone)]
enum Detail {
    RequestId(Arc<str>),
    Cursor(Arc<str>),
    RetryAfterSeconds(u64),
    Reason(TokenProblem),
}

pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// The message is shown to the client.
    pub fn new(code: Code, message: impl Into<Arc<str>>) -> Self {
        Self { code, message: message.into(), position: None, detail: None }
    }

    pub fn unauthenticated(problem: TokenProblem) -> Self {
        let message = match problem {
            TokenProblem::Invalid => "A valid bearer token is required.",
            TokenProblem::Expired => "The bearer token has expired. Sign in again.",
            TokenProblem::Revoked => "The bearer token was revoked. Sign in again.",
            TokenProblem::Inactive => "The user of the bearer token is not active.",
        };
        Self { detail: Some(Detail::Reason(problem)), ..Self::new(Code::Unauthenticated, message) }
    }

    pub fn bad_input(message: impl Into<Arc<str>>) -> Self {
        Self::new(Code::BadUserInput, message)
    }

    /// An internal error that has been logged under this request id.
    pub(super) fn internal(request_id: &Arc<str>) -> Self {
        let detail = Some(Detail::RequestId(Arc::clone(request_id)));
        Self { detail, ..Self::new(Code::Internal, "internal error") }
    }

    /// The subscription fell behind. `cursor` is the position after the last delivered event.
    pub(super) fn resume(cursor: Cursor) -> Self {
        let detail = Some(Detail::Cursor(cursor.to_string().into()));
        Self {
            detail,
            ..Self::new(Code::Resume, "The subscription fell behind. Subscribe again after `extensions.cursor`.")
        }
    }

    pub(super) fn limited(limited: &Limited) -> Self {
        let detail = Some(Detail::RetryAfterSeconds(limited.retry_after_seconds()));
        Self { detail, ..Self::new(Code::RateLimited, limited.message()) }
    }

    pub(super) fn parse(error: &async_graphql::parser::Error) -> Self {
        let mut positions = error.positions();
        Self { position: positions.next(), ..Self::new(Code::ParseFailed, "The document is not valid GraphQL.") }
    }

    /// `None` unless a limit was reached.
    pub(super) fn retry_after_seconds(&self) -> Option<u64> {
        match &self.detail {
            Some(Detail::RetryAfterSeconds(seconds)) => Some(*seconds),
            _ => None,
        }
    }

    pub fn code(&self) -> Code {
        self.code
    }

    /// Converts the failure to an error of a response without data.
    pub fn into_server_error(self) -> ServerError {
        let position = self.position;
        let error = async_graphql::Error::from(self);
        let mut server_error = error.into_server_error(position.unwrap_or_default());
        if position.is_none() {
            server_error.locations.clear();
        }
        server_error
    }
}

impl From<Failure> for async_graphql::Error {
    fn from(failure: Failure) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", failure.code.as_str());
        match &failure.detail {
            Some(Detail::RequestId(id)) => extensions.set("requestId", &**id),
            Some(Detail::Cursor(cursor)) => extensions.set("cursor", &**cursor),
            Some(Detail::RetryAfterSeconds(seconds)) => extensions.set("retryAfterSeconds", *seconds),
            Some(Detail::Reason(problem)) => extensions.set("reason", problem.as_str()),
            None => {}
        }
        Self { message: failure.message.to_string(), source: None, extensions: Some(extensions) }
    }
}

pub fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// Adds codes to the errors that async-graphql created. An error without a path comes from validation, one with a path
/// from an argument. Their messages may quote values of the request, such as variables; those parts are removed.
pub(super) fn add_codes(errors: &mut Vec<ServerError>) {
    // Otherwise the response to a document with many errors would be many times longer than the document.
    errors.truncate(MAX_ERRORS);
    for error in errors {
        if code_of(error).is_some() {
            continue;
        }
        let code = match error.message.as_str() {
            "Query is nested too deep." => Code::QueryTooComplex,
            _ if error.path.is_empty() => Code::ValidationFailed,
            _ => Code::BadUserInput,
        };
        for quote in [", found ", " does not contain the value "] {
            if let Some(at) = error.message.find(quote) {
                error.message.truncate(at);
            }
        }
        if let Some((at, _)) = error.message.char_indices().nth(MAX_MESSAGE_CHARS) {
            error.message.truncate(at);
        }
        error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code.as_str());
    }
}
