//! Expected refusals, as data of a mutation's payload.

use std::sync::Arc;

use async_graphql::{Enum, Interface, SimpleObject};

use super::{Message, User};
use crate::graphql::scalars::DateTime;
use crate::service::{Refusal, RefusalCode, Viewer};

/// The kinds of refusal.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
pub enum UserErrorCode {
    /// The input is wrong.
    Invalid,
    /// There is no such thing, or not for the viewer: which of the two is not told.
    NotFound,
    /// It clashes with what is there.
    Conflict,
    /// The viewer may not.
    Forbidden,
    /// Somebody else holds the thread.
    AlreadyClaimed,
    /// The viewer does not hold the thread.
    NotAssignee,
    /// The contact does not want texts.
    OptedOut,
    /// A limit of the user, the agency or a phone is reached.
    LimitExceeded,
}

/// Why a mutation was refused. Then it changed nothing.
#[derive(Interface)]
#[graphql(
    field(name = "code", ty = "&UserErrorCode", desc = "Its kind."),
    field(name = "message", ty = "&String", desc = "In words, for a person."),
    field(name = "path", ty = "&Option<Vec<String>>", desc = "Where in the arguments, outermost first.")
)]
pub enum UserError {
    /// The input does not fit.
    InvalidInput(InvalidInputError),
    /// Somebody else was first.
    ThreadAlreadyClaimed(ThreadAlreadyClaimedError),
    /// A colleague has written since.
    StaleView(StaleViewError),
    /// A limit is reached.
    LimitExceeded(LimitExceededError),
}

/// The mutation was refused; `code` says why.
#[derive(SimpleObject)]
pub struct InvalidInputError {
    /// Its kind.
    code: UserErrorCode,
    /// In words, for a person.
    message: String,
    /// Where in the arguments, outermost first.
    path: Option<Vec<String>>,
}

/// Somebody else holds the thread.
#[derive(SimpleObject)]
pub struct ThreadAlreadyClaimedError {
    /// ALREADY_CLAIMED.
    code: UserErrorCode,
    /// In words, for a person.
    message: String,
    /// Where in the arguments, outermost first.
    path: Option<Vec<String>>,
    /// Who.
    claimed_by: User,
    /// Since when.
    claimed_at: DateTime,
}

/// A colleague has written into the thread since the viewer looked. Nothing was sent.
#[derive(SimpleObject)]
pub struct StaleViewError {
    /// CONFLICT.
    code: UserErrorCode,
    /// In words, for a person.
    message: String,
    /// Where in the arguments, outermost first.
    path: Option<Vec<String>>,
    /// What the colleague wrote.
    newer_message: Message,
}

/// A limit of the user, the agency or a phone is reached. Nothing was changed.
#[derive(SimpleObject)]
pub struct LimitExceededError {
    /// LIMIT_EXCEEDED.
    code: UserErrorCode,
    /// In words, for a person.
    message: String,
    /// Where in the arguments, outermost first.
    path: Option<Vec<String>>,
    /// In how many seconds the same mutation may succeed. Null if that depends on something other than time, such as a
    /// call that has to end first.
    retry_after_seconds: Option<i32>,
}

impl UserError {
    /// That a colleague has written since.
    pub fn stale_view(refusal: Refusal, newer_message: Message) -> Self {
        let Refusal { message, path, .. } = refusal;
        Self::StaleView(StaleViewError { code: UserErrorCode::Conflict, message, path: Some(path), newer_message })
    }

    /// A service's refusal as the viewer reads it.
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
            // Of a message that cannot be shown.
            RefusalCode::StaleView { .. } => UserErrorCode::Conflict,
            RefusalCode::AlreadyClaimed { by, at } => {
                let code = UserErrorCode::AlreadyClaimed;
                // A winner who is not in the directory cannot be named; that there is one still can.
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
