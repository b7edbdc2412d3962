//! The errors in the `userErrors` of mutation payloads: expected refusals, as opposed to failures.

use std::sync::Arc;

use async_graphql::{Enum, Interface, SimpleObject};

use super::{Message, User};
use crate::graphql::scalars::DateTime;
use crate::service::{Refusal, RefusalCode, Viewer};

/// The kind of a user error.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
pub enum UserErrorCode {
    /// An input field has an invalid value.
    Invalid,
    /// The object does not exist, or the viewer may not see it. The two cases are not distinguished.
    NotFound,
    /// The mutation conflicts with the current state of the data, for example because the extension's digits are taken.
    Conflict,
    /// The viewer lacks the permission for this mutation, for example because it is for ADMINs only.
    Forbidden,
    /// Another user holds the thread.
    AlreadyClaimed,
    /// The thread has another assignee or none, and the mutation is only for the assignee or an ADMIN.
    NotAssignee,
    /// The contact opted out, or the carrier blocks texts from this number to the contact.
    OptedOut,
    /// A rate limit of the viewer, the agency or a phone has been reached.
    LimitExceeded,
}

/// A reason why a mutation was rejected. A rejected mutation changes nothing.
#[derive(Interface)]
#[graphql(
    field(name = "code", ty = "&UserErrorCode", desc = "The kind of the error."),
    field(name = "message", ty = "&String", desc = "The error in plain language, to be shown to the user."),
    field(
        name = "path",
        ty = "&Option<Vec<String>>",
        desc = "The path of the input field that caused the error, outermost first and relative to `input`. Null if no \
                single field caused it."
    )
)]
pub enum UserError {
    InvalidInput(InvalidInputError),
    ThreadAlreadyClaimed(ThreadAlreadyClaimedError),
    StaleView(StaleViewError),
    LimitExceeded(LimitExceededError),
}

/// The mutation was rejected for a reason that has no error type of its own; `code` gives the reason.
#[derive(SimpleObject)]
pub struct InvalidInputError {
    /// The kind of the error.
    code: UserErrorCode,
    /// The error in plain language, to be shown to the user.
    message: String,
    /// The path of the input field that caused the error, outermost first and relative to `input`. Null if no single
    /// field caused it.
    path: Option<Vec<String>>,
}

/// The thread cannot be claimed, because another user holds it.
#[derive(SimpleObject)]
pub struct ThreadAlreadyClaimedError {
    /// The kind of the error, always ALREADY_CLAIMED.
    code: UserErrorCode,
    /// The error in plain language, to be shown to the user.
    message: String,
    /// The path of the input field that caused the error, outermost first and relative to `input`. Null if no single
    /// field caused it.
    path: Option<Vec<String>>,
    /// The user who holds the thread.
    claimed_by: User,
    /// The time at which the current assignee got the thread.
    claimed_at: DateTime,
}

/// Another user has sent a message in the thread after `lastSeenMessageId`. Nothing was sent.
#[derive(SimpleObject)]
pub struct StaleViewError {
    /// The kind of the error, always CONFLICT.
    code: UserErrorCode,
    /// The error in plain language, to be shown to the user.
    message: String,
    /// The path of the input field that caused the error, outermost first and relative to `input`. Null if no single
    /// field caused it.
    path: Option<Vec<String>>,
    /// The newer message of the other user.
    newer_message: Message,
}

/// A rate limit of the viewer, the agency or a phone has been reached. Nothing was changed.
#[derive(SimpleObject)]
pub struct LimitExceededError {
    /// The kind of the error, always LIMIT_EXCEEDED.
    code: UserErrorCode,
    /// The error in plain language, to be shown to the user.
    message: String,
    /// The path of the input field that caused the error, outermost first and relative to `input`. Null if no single
    /// field caused it.
    path: Option<Vec<String>>,
    /// The number of seconds after which the same mutation may succeed. Null if that does not depend on time alone, for
    /// example because a call has to end first.
    retry_after_seconds: Option<i32>,
}

impl UserError {
    /// Builds the error for a stale view that can show the newer message.
    pub fn stale_view(refusal: Refusal, newer_message: Message) -> Self {
        let Refusal { message, path, .. } = refusal;
        Self::StaleView(StaleViewError { code: UserErrorCode::Conflict, message, path: Some(path), newer_message })
    }

    /// Converts a refusal of the service into the error that the viewer sees.
    pub fn new(viewer: &Arc<Viewer>, refusal: Refusal) -> Self {
        let Refusal { code, message, path } = refusal;
        let path = (!path.is_empty()).then_some(path);
        let code = match code {
            RefusalCode::Invalid => UserErrorCode::Invalid,
            RefusalCode::NotFound => UserErrorCode::NotFound,
            RefusalCode::Conflict => UserErrorCode::Conflict,
            RefusalCode::Forbidden => UserErrorCode::Forbidden,
            RefusalCode::NotAssignee => UserErrorCode::NotAssignee,
            RefusalCode::OptedOut => UserErrorCode::OptedOut,
            RefusalCode::LimitExceeded { retry_after_seconds } => {
                let code = UserErrorCode::LimitExceeded;
                return Self::LimitExceeded(LimitExceededError { code, message, path, retry_after_seconds });
            }
            // The newer message could not be loaded, so there is no `StaleViewError`.
            RefusalCode::StaleView { .. } => UserErrorCode::Conflict,
            RefusalCode::AlreadyClaimed { by, at } => {
                let code = UserErrorCode::AlreadyClaimed;
                // `claimedBy` is not nullable: without the assignee in the directory, only the code is reported.
                if let Some(claimed_by) = User::find(viewer, by) {
                    let claimed_at = at.into();
                    let error = ThreadAlreadyClaimedError { code, message, path, claimed_by, claimed_at };
                    return Self::ThreadAlreadyClaimed(error);
                }
                code
            }
        };
        Self::InvalidInput(InvalidInputError { code, message, path })
    }
}
