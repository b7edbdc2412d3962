//! The ways in which a use case does not succeed: an expected refusal, or a fault.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::authenticate::IssueError;
use super::seal::UnsealError;
use crate::domain::{ExtensionId, MessageId, MessageStatus, ThreadId, UserId};
use crate::ports::jwks::JwksError;
use crate::ports::media_store::MediaStoreError;
use crate::store::error_class::describe;
use crate::store::writer::{UnitError, WriteError};

/// The result of a use case that can be refused.
pub type Outcome<T> = Result<T, Error>;

/// Why a use case did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An expected answer, shown to the user.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// A failure, logged and answered with a request id.
    #[error(transparent)]
    Failed(Fault),
}

/// The reason why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: RefusalCode,
    /// A sentence for the person who made the request.
    pub message: String,
    /// The input field at fault, as a path from the outermost field.
    pub path: Vec<String>,
}

/// The kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    Invalid,
    /// The object does not exist, or the user may not see it.
    NotFound,
    /// The request conflicts with the current state.
    Conflict,
    Forbidden,
    AlreadyClaimed {
        by: UserId,
        at: DateTime<Utc>,
    },
    /// The user is not the assignee of the thread.
    NotAssignee {
        assignee: Option<UserId>,
    },
    /// Another active extension of the same scope has the digits.
    ExtensionTaken {
        by: ExtensionId,
    },
    OptedOut {
        /// When the contact opted out; `None` if the recipient is not a contact.
        at: Option<DateTime<Utc>>,
    },
    /// The carrier blocks texts from the number to the contact.
    CarrierBlocked,
    /// The user's own phone is not verified.
    NotVerified,
    /// The text is being sent or was already sent.
    TooLate {
        status: MessageStatus,
    },
    LimitExceeded {
        /// The time after which the same request may succeed, if it is known.
        retry_after_seconds: Option<i32>,
    },
    /// A colleague sent a message that the user has not seen.
    StaleView {
        thread: ThreadId,
        newer: MessageId,
    },
}

impl Refusal {
    /// A refusal that is not about one input field.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), path: Vec::new() }
    }

    /// Used both for objects that do not exist and for objects that the user may not see, so that the two cannot be
    /// told apart.
    pub fn not_found(what: &str, field: &str) -> Self {
        Self::new(RefusalCode::NotFound, format!("There is no such {what}.")).at(field)
    }

    pub fn invalid(message: impl Into<String>, field: &str) -> Self {
        Self::new(RefusalCode::Invalid, message).at(field)
    }

    pub fn admins_only() -> Self {
        Self::new(RefusalCode::Forbidden, "Only an admin of the agency may do this.")
    }

    /// Twilio does not serve the account. The admins are notified of the reason separately.
    pub fn not_served() -> Self {
        let message =
            "The carrier does not accept requests of this account at the moment. Your admins have been notified.";
        Self::new(RefusalCode::Conflict, message)
    }

    /// The same refusal, about one field of the input.
    #[must_use]
    pub fn at(mut self, field: &str) -> Self {
        self.path = vec!["input".to_owned(), field.to_owned()];
        self
    }

    /// The same refusal, about one item of a list in the input, counted from 0.
    #[must_use]
    pub fn at_item(self, field: &str, position: usize) -> Self {
        let mut refusal = self.at(field);
        refusal.path.push(position.to_string());
        refusal
    }
}

/// An unexpected failure. Its text is safe to log and is never shown to users.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("reading failed: {}", describe(.0))]
    Read(DbErr),
    /// The writer has logged the cause.
    #[error("writing failed: {0}")]
    Write(#[from] WriteError),
    /// A stored secret cannot be decrypted.
    #[error(transparent)]
    Sealed(#[from] UnsealError),
    /// The keys that verify tokens are not available.
    #[error(transparent)]
    Keys(#[from] JwksError),
    /// A token cannot be issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// A file cannot be stored, read or deleted.
    #[error(transparent)]
    Media(#[from] MediaStoreError),
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        Self::Read(error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Failed(error.into())
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<UnsealError> for Error {
    fn from(error: UnsealError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<IssueError> for Error {
    fn from(error: IssueError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<WriteError<Refusal>> for Error {
    fn from(error: WriteError<Refusal>) -> Self {
        match error.into_refusal() {
            Ok(refusal) => Self::Refused(refusal),
            Err(fault) => fault.into(),
        }
    }
}

impl From<Refusal> for UnitError<Refusal> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<UnitError> for UnitError<Refusal> {
    fn from(error: UnitError) -> Self {
        error.widen()
    }
}
