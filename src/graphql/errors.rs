//! Errors as clients see them: each has a code, none has a secret.
//!
//! Resolvers fail with [`Failure`], which no database error turns into by itself: what failed inside
//! goes through [`Caller::fault`](super::context::Caller::fault), is logged there once, and shows
//! nothing but the request's id. Expected refusals of mutations are data, see
//! [`types::user_error`](super::types::user_error).

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, Pos, ServerError, Value};

use super::limits::{MAX_ERRORS, MAX_MESSAGE_CHARS};
use crate::admission::Limited;
use crate::domain::cursor::Cursor;

/// What `extensions.code` says of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// There is no valid token, it has expired, or its user is not active any more.
    Unauthenticated,
    /// The user may not.
    Forbidden,
    /// An argument or a request is wrong.
    BadUserInput,
    /// The document is no GraphQL.
    ParseFailed,
    /// The document does not fit the schema.
    ValidationFailed,
    /// The document queries the schema, but introspection is disabled.
    IntrospectionDisabled,
    /// The request contains the hash of a persisted query instead of a document. Apollo's clients respond to this
    /// code by sending the document.
    PersistedQueryNotSupported,
    /// The document exceeds a bound of [`limits`](super::limits).
    QueryTooComplex,
    /// The log does not reach back, or not forward, to the cursor.
    CursorExpired,
    /// The subscription fell behind; `extensions.cursor` is where to go on from.
    Resume,
    /// A limit of the user, the agency or the address is reached; `extensions.retryAfterSeconds` says when to try again.
    RateLimited,
    /// The request took longer than its deadline.
    Timeout,
    /// Something failed here; `extensions.requestId` names the line in the log.
    Internal,
}

impl Code {
    /// As clients read it.
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

/// Why a field, or a whole request, has no answer. It is not `Display` on purpose: the library would
/// take anything that is, a database error too, and show it.
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
}

/// What a resolver answers.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// An error with this code; the message is shown.
    pub fn new(code: Code, message: impl Into<Arc<str>>) -> Self {
        Self { code, message: message.into(), position: None, detail: None }
    }

    /// The user is not, or no longer, one of ours.
    pub fn unauthenticated() -> Self {
        Self::new(Code::Unauthenticated, "A valid bearer token of an active user is needed.")
    }

    /// An argument is wrong.
    pub fn bad_input(message: impl Into<Arc<str>>) -> Self {
        Self::new(Code::BadUserInput, message)
    }

    /// Something failed and has been logged under this id.
    pub(super) fn internal(request_id: &Arc<str>) -> Self {
        let detail = Some(Detail::RequestId(Arc::clone(request_id)));
        Self { detail, ..Self::new(Code::Internal, "internal error") }
    }

    /// The subscription is too far behind.
    pub(super) fn resume(cursor: Cursor) -> Self {
        let detail = Some(Detail::Cursor(cursor.to_string().into()));
        Self { detail, ..Self::new(Code::Resume, "The subscription fell behind. Subscribe again after this cursor.") }
    }

    /// A limit is reached.
    pub(super) fn limited(limited: &Limited) -> Self {
        let detail = Some(Detail::RetryAfterSeconds(limited.retry_after_seconds()));
        Self { detail, ..Self::new(Code::RateLimited, limited.message()) }
    }

    /// The document could not be parsed.
    pub(super) fn parse(error: &async_graphql::parser::Error) -> Self {
        let mut positions = error.positions();
        Self { position: positions.next(), ..Self::new(Code::ParseFailed, "The document is no valid GraphQL.") }
    }

    /// When to try again, if a limit is reached.
    pub(super) fn retry_after_seconds(&self) -> Option<u64> {
        match &self.detail {
            Some(Detail::RetryAfterSeconds(seconds)) => Some(*seconds),
            _ => None,
        }
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The same as an error of a response that has no data.
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
            None => {}
        }
        Self { message: failure.message.to_string(), source: None, extensions: Some(extensions) }
    }
}

/// The code of an error, if it has one.
pub fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// Gives a code to the errors of a response that the library made: what has no path did not get as far
/// as a field, so the document is wrong; else it is an argument. They may quote what was sent, a
/// variable among it; that part is cut off. So is what is too much.
pub(super) fn label(errors: &mut Vec<ServerError>) {
    // A document of many mistakes would be answered with many times its length.
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
