//! The errors in the `userErrors` of mutation payloads: expected refusals, as opposed to failures.

use std::sync::Arc;

use async_graphql::{Enum, Interface, SimpleObject};

use super::{Extension, Message, User};
use crate::graphql::enums::MessageStatus;
use crate::graphql::scalars::DateTime;
use crate::service::{Refusal, RefusalCode, Viewer};

/// The kind of a user error. Each kind belongs to one error type, except CONFLICT, which belongs to `ConflictError` and
/// `ExtensionTakenError`.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
pub enum UserErrorCode {
    /// An input field has an invalid value.
    Invalid,
    /// The object does not exist, or the viewer may not see it. The two cases are not distinguished.
    NotFound,
    /// The viewer lacks the permission for this mutation, for example because it is for ADMINs only.
    Forbidden,
    /// The mutation conflicts with the current state of the data, for example because the extension's digits are taken.
    Conflict,
    /// Another user holds the thread.
    AlreadyClaimed,
    /// The thread has another assignee or none, and the mutation is only for the assignee or an ADMIN.
    NotAssignee,
    /// Another user has sent a message in the thread that the viewer has not seen.
    StaleView,
    /// The recipient opted out of texts.
    OptedOut,
    /// The carrier blocks texts from this number to the contact, because the contact texted STOP to it.
    CarrierBlocked,
    /// The viewer has not verified the phone that the mutation needs.
    NotVerified,
    /// The message cannot be canceled, because it is being sent or was already sent.
    TooLate,
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
    Input(InputError),
    NotFound(NotFoundError),
    Forbidden(ForbiddenError),
    Conflict(ConflictError),
    ExtensionTaken(ExtensionTakenError),
    ThreadAlreadyClaimed(ThreadAlreadyClaimedError),
    NotAssignee(NotAssigneeError),
    StaleView(StaleViewError),
    OptedOut(OptedOutError),
    CarrierBlocked(CarrierBlockedError),
    NotVerified(NotVerifiedError),
    TooLate(TooLateError),
    LimitExceeded(LimitExceededError),
}

/// Declares an error type: the fields of the interface, and its own.
macro_rules! user_error {
    ($(#[$description:meta])* $name:ident { $($(#[$field_description:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$description])*
        #[derive(SimpleObject)]
        pub struct $name {
            /// The kind of the error, which is always the same for this type.
            code: UserErrorCode,
            /// The error in plain language, to be shown to the user.
            message: String,
            /// The path of the input field that caused the error, outermost first and relative to `input`. Null if no
            /// single field caused it.
            path: Option<Vec<String>>,
            $($(#[$field_description])* $field: $type,)*
        }
    };
}

user_error! {
    /// An input field has an invalid value. The code is INVALID.
    InputError {}
}

user_error! {
    /// The object does not exist, or the viewer may not see it. The code is NOT_FOUND.
    NotFoundError {}
}

user_error! {
    /// The viewer lacks the permission for this mutation. The code is FORBIDDEN.
    ForbiddenError {}
}

user_error! {
    /// The mutation conflicts with the current state of the data. The code is CONFLICT.
    ConflictError {}
}

user_error! {
    /// Another active extension of the same scope has these digits. The code is CONFLICT.
    ExtensionTakenError {
        /// The extension that has the digits.
        taken_by: Extension,
    }
}

user_error! {
    /// The thread cannot be claimed, because another user holds it. The code is ALREADY_CLAIMED.
    ThreadAlreadyClaimedError {
        /// The user who holds the thread.
        claimed_by: User,
        /// The time at which the current assignee got the thread.
        claimed_at: DateTime,
    }
}

user_error! {
    /// The mutation was rejected because the viewer is not the assignee of the thread. Some mutations also allow ADMINs
    /// or the author of the message. The code is NOT_ASSIGNEE.
    NotAssigneeError {
        /// The user who holds the thread. Null if the thread has no assignee.
        assignee: Option<User>,
    }
}

user_error! {
    /// Another user has sent a message in the thread after `lastSeenMessageId`. Nothing was sent. The code is
    /// STALE_VIEW.
    StaleViewError {
        /// The newer message of the other user.
        newer_message: Message,
    }
}

user_error! {
    /// The recipient opted out of texts. Nothing was sent. The code is OPTED_OUT.
    OptedOutError {
        /// The time at which the contact opted out. Null if the recipient is not a contact but a user's own phone.
        opted_out_at: Option<DateTime>,
    }
}

user_error! {
    /// The carrier blocks texts from this number to the contact, because the contact texted STOP to it. Nothing was
    /// sent. The contact ends the block by texting START. The code is CARRIER_BLOCKED.
    CarrierBlockedError {}
}

user_error! {
    /// The viewer has not verified their own phone. Use `startPhoneVerification` first. The code is NOT_VERIFIED.
    NotVerifiedError {}
}

user_error! {
    /// The message cannot be canceled, because it is being sent or was already sent. The code is TOO_LATE.
    TooLateError {
        /// The delivery status of the message.
        status: MessageStatus,
    }
}

user_error! {
    /// A rate limit of the viewer, the agency or a phone has been reached. Nothing was changed. The code is
    /// LIMIT_EXCEEDED.
    LimitExceededError {
        /// The number of seconds after which the same mutation may succeed. Null if that does not depend on time alone,
        /// for example because a call has to end first.
        retry_after_seconds: Option<i32>,
    }
}

impl UserError {
    /// Builds the error for a stale view that can show the newer message.
    pub fn stale_view(refusal: Refusal, newer_message: Message) -> Self {
        let Refusal { message, path, .. } = refusal;
        Self::StaleView(StaleViewError { code: UserErrorCode::StaleView, message, path: Some(path), newer_message })
    }

    /// Converts a refusal of the service into the error that the viewer sees.
    pub fn new(viewer: &Arc<Viewer>, refusal: Refusal) -> Self {
        let Refusal { code, message, path } = refusal;
        let path = (!path.is_empty()).then_some(path);
        match code {
            RefusalCode::Invalid => Self::invalid(message, path),
            RefusalCode::NotFound => {
                let code = UserErrorCode::NotFound;
                Self::NotFound(NotFoundError { code, message, path })
            }
            RefusalCode::Forbidden => {
                let code = UserErrorCode::Forbidden;
                Self::Forbidden(ForbiddenError { code, message, path })
            }
            RefusalCode::NotAssignee { assignee } => {
                let (code, assignee) = (UserErrorCode::NotAssignee, assignee.and_then(|id| User::find(viewer, id)));
                Self::NotAssignee(NotAssigneeError { code, message, path, assignee })
            }
            RefusalCode::OptedOut { at } => {
                let (code, opted_out_at) = (UserErrorCode::OptedOut, at.map(DateTime));
                Self::OptedOut(OptedOutError { code, message, path, opted_out_at })
            }
            RefusalCode::CarrierBlocked => {
                let code = UserErrorCode::CarrierBlocked;
                Self::CarrierBlocked(CarrierBlockedError { code, message, path })
            }
            RefusalCode::NotVerified => {
                let code = UserErrorCode::NotVerified;
                Self::NotVerified(NotVerifiedError { code, message, path })
            }
            RefusalCode::TooLate { status } => {
                let (code, status) = (UserErrorCode::TooLate, status.into());
                Self::TooLate(TooLateError { code, message, path, status })
            }
            RefusalCode::LimitExceeded { retry_after_seconds } => {
                let code = UserErrorCode::LimitExceeded;
                Self::LimitExceeded(LimitExceededError { code, message, path, retry_after_seconds })
            }
            RefusalCode::AlreadyClaimed { by, at } => match User::find(viewer, by) {
                Some(claimed_by) => {
                    let (code, claimed_at) = (UserErrorCode::AlreadyClaimed, at.into());
                    let error = ThreadAlreadyClaimedError { code, message, path, claimed_by, claimed_at };
                    Self::ThreadAlreadyClaimed(error)
                }
                None => Self::conflict(message, path),
            },
            RefusalCode::ExtensionTaken { by } => match Extension::find(viewer, by) {
                Some(taken_by) => {
                    let code = UserErrorCode::Conflict;
                    Self::ExtensionTaken(ExtensionTakenError { code, message, path, taken_by })
                }
                None => Self::conflict(message, path),
            },
            // The newer message of a stale view could not be loaded.
            RefusalCode::Conflict | RefusalCode::StaleView { .. } => Self::conflict(message, path),
        }
    }

    /// Converts the refusal of a request without a viewer, which can only be about its input.
    pub fn input(refusal: Refusal) -> Self {
        let Refusal { message, path, .. } = refusal;
        Self::invalid(message, (!path.is_empty()).then_some(path))
    }

    fn invalid(message: String, path: Option<Vec<String>>) -> Self {
        Self::Input(InputError { code: UserErrorCode::Invalid, message, path })
    }

    /// Also used where the object that a more specific error would name is gone.
    fn conflict(message: String, path: Option<Vec<String>>) -> Self {
        Self::Conflict(ConflictError { code: UserErrorCode::Conflict, message, path })
    }
}
