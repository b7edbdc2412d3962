//! One use case per file: load a small snapshot, ask `domain`, write the result.
//!
//! An expected refusal is data ([`Refusal`]); what failed is a [`Fault`], which is logged once where
//! it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, DbErr};

use crate::domain::claim::Actor;
use crate::domain::text_quota::TextLimits;
use crate::domain::{AgencyId, MessageId, Role, ThreadId, UserId};
use crate::entity::user;
use crate::events::Feeds;
use crate::ports::jwks::JwksError;
use crate::ports::media_store::MediaStore;
use crate::ports::{Clock, IdGen};
use crate::store::failure::{describe, is_away};
use crate::store::threads::Scope;
use crate::store::writer::{WriteError, Writer};
use crate::store::{Database, Directory, DirectoryCache, RETRY_DELAY};

pub mod abandon_message;
mod account_trouble;
pub mod accounts;
pub mod apply_directory;
pub mod authenticate;
pub mod calls;
pub mod claim_thread;
pub mod close_thread;
pub mod compose;
pub mod escalate;
pub mod fetch_recordings;
pub mod forget_keys;
mod issuer_keys;
pub mod manage_extensions;
pub mod manage_pool;
pub mod mark_notifications_read;
pub mod mark_thread_read;
pub mod mark_voicemail_listened;
pub mod media_links;
mod own_numbers;
pub mod quarantine;
pub mod receive_receipt;
pub mod receive_sms;
pub mod release_thread;
pub mod reopen_thread;
mod report;
pub mod reseal_accounts;
pub mod resend_message;
pub mod restore;
pub mod revoke_tokens;
pub mod seal;
pub mod send_message;
pub mod sending;
pub mod set_availability;
pub mod set_opt_out;
pub mod show_media;
pub mod start_thread;
mod text_limits;
mod thread_act;
pub mod transfer_thread;
pub mod update_pool;
pub mod verify_phone;

/// What every use case works with.
pub struct Services {
    /// Where to read.
    pub database: Database,
    /// Where to write.
    pub writer: Arc<Writer>,
    /// Agencies' directories, at most a second old.
    pub directories: Arc<DirectoryCache>,
    /// Live events.
    pub feeds: Arc<Feeds>,
    /// Twilio accounts and their tokens.
    pub accounts: accounts::Accounts,
    /// The way to the carrier.
    pub sending: Arc<sending::Sending>,
    /// The most texts that staff may send in a day.
    pub text_limits: TextLimits,
    /// Holds sending after a restore.
    pub restore: restore::RestoreGuard,
    /// Calls.
    pub calls: calls::Calls,
    /// Where recordings are kept.
    pub media: MediaStore,
    /// The addresses by which they are shown.
    pub media_links: media_links::MediaLinks,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Names and randomness.
    pub ids: Arc<dyn IdGen>,
}

impl Services {
    /// The pool for webhooks, workers and what they need, whatever users ask for at the same time.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.database.reader
    }

    /// The pool for requests of the API.
    pub fn request_reader(&self) -> &DatabaseConnection {
        &self.database.request_reader
    }

    /// Reads, and reads again while the database is away. It has no time limit of its own: its callers are webhooks, which
    /// stop waiting in time.
    ///
    /// # Errors
    /// When the read fails for any other reason.
    pub async fn read_with_retry<T, E, F>(&self, read: impl Fn() -> F) -> Result<T, Fault>
    where
        E: Into<Fault>,
        F: Future<Output = Result<T, E>>,
    {
        loop {
            match read().await.map_err(E::into) {
                Err(Fault::Read(error)) if is_away(&error) => self.clock.sleep(RETRY_DELAY).await,
                done => return done,
            }
        }
    }

    /// A user as they stand now; `None` if they are not there or not active.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn viewer(&self, agency: AgencyId, user: UserId) -> Result<Option<Viewer>, Fault> {
        let directory = self.directories.get(agency).await?;
        Ok(directory.and_then(|directory| Viewer::of(directory, user)))
    }
}

/// An active user and the directory of their agency, as both stand now. Everything that a user asks
/// for is asked as one.
///
/// What depends on the agency and on the [`role`](Self::role) is the same for many; whatever else is
/// asked of a viewer makes an answer this user's own, and is noted for whoever watches.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Their agency's directory.
    pub directory: Arc<Directory>,
    user: Arc<user::Model>,
    watched: Option<WhoAsked>,
}

/// Whether an answer has come to depend on who asked, and not only on their agency and role.
#[derive(Debug, Clone, Default)]
pub struct WhoAsked(Arc<AtomicBool>);

impl WhoAsked {
    /// Whether it has.
    pub fn mattered(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Viewer {
    /// This user, if they are there and active.
    pub fn of(directory: Arc<Directory>, user: UserId) -> Option<Self> {
        let user = directory.active_user(user)?.clone();
        Some(Self { directory, user, watched: None })
    }

    /// The same user, whom an answer cannot come to depend on unnoticed.
    #[must_use]
    pub fn watched_by(&self, who_asked: &WhoAsked) -> Self {
        Self { watched: Some(who_asked.clone()), ..self.clone() }
    }

    fn note(&self) {
        if let Some(WhoAsked(mattered)) = &self.watched {
            mattered.store(true, Ordering::Relaxed);
        }
    }

    /// Themselves.
    pub fn user(&self) -> &Arc<user::Model> {
        self.note();
        &self.user
    }

    /// Their id.
    pub fn id(&self) -> UserId {
        self.note();
        self.user.id
    }

    /// What they may do in the agency.
    pub fn role(&self) -> Role {
        self.user.role
    }

    /// Their agency.
    pub fn agency(&self) -> AgencyId {
        self.directory.agency_id()
    }

    /// Whether they run the agency.
    pub fn is_admin(&self) -> bool {
        self.role() == Role::Admin
    }

    /// Themselves as somebody who acts on a thread.
    pub fn actor(&self) -> Actor {
        Actor { user: self.id(), role: self.role() }
    }

    /// What they may see of the agency's threads, contacts and calls.
    pub fn scope(&self) -> Scope {
        let (agency, user, is_admin) = (self.agency(), self.id(), self.is_admin());
        let mut scope = Scope {
            agency,
            user,
            is_admin,
            is_default_user: false,
            numbers: Vec::new(),
            pool_numbers: Vec::new(),
            extensions: Vec::new(),
        };
        if !is_admin {
            scope.is_default_user = self.directory.agency.default_user_id == Some(user);
            scope.numbers = self.directory.eligible_numbers(user);
            scope.pool_numbers = self.directory.pool_numbers(user);
            scope.extensions = self.directory.extensions_of(user).map(|row| row.id).collect();
        }
        scope
    }
}

/// Why something that was asked for is not done. Each is an expected answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Its kind.
    pub code: RefusalCode,
    /// In words, for a person.
    pub message: String,
    /// Where in the input, outermost first.
    pub path: Vec<String>,
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// The input is wrong.
    Invalid,
    /// There is no such thing, or not for this user.
    NotFound,
    /// It clashes with what is there.
    Conflict,
    /// The user may not.
    Forbidden,
    /// Somebody else holds the thread.
    AlreadyClaimed {
        /// Who.
        by: UserId,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// The user does not hold the thread.
    NotAssignee,
    /// The contact does not want texts.
    OptedOut,
    /// It has been done too often.
    LimitExceeded {
        /// When the same may succeed, if that is known.
        retry_after_seconds: Option<i32>,
    },
    /// A colleague has written since.
    StaleView {
        /// Where.
        thread: ThreadId,
        /// What.
        newer: MessageId,
    },
}

impl Refusal {
    /// A refusal without a place in the input.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), path: Vec::new() }
    }

    /// There is no such thing, or not for this user: which of the two is not told.
    pub fn not_found(what: &str, field: &str) -> Self {
        Self::new(RefusalCode::NotFound, format!("There is no such {what}.")).at(field)
    }

    /// The input is wrong.
    pub fn invalid(message: impl Into<String>, field: &str) -> Self {
        Self::new(RefusalCode::Invalid, message).at(field)
    }

    /// Only admins may.
    pub fn admins_only() -> Self {
        Self::new(RefusalCode::Forbidden, "Only an admin of the agency may do this.")
    }

    /// Twilio does not serve the account; the admins have been told why.
    pub fn not_served() -> Self {
        let message = "The carrier does not accept requests of this account at the moment. Your admins have been told.";
        Self::new(RefusalCode::Conflict, message)
    }

    /// The same, about a field of the input.
    #[must_use]
    pub fn at(mut self, field: &str) -> Self {
        self.path = vec!["input".to_owned(), field.to_owned()];
        self
    }
}

/// What failed. Its text is safe to log; it is never shown outside.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A query failed.
    #[error("reading failed: {}", describe(.0))]
    Read(DbErr),
    /// A commit failed; the writer has logged why.
    #[error("writing failed: {0}")]
    Write(#[from] WriteError),
    /// A stored secret cannot be opened.
    #[error(transparent)]
    Sealed(#[from] seal::UnsealError),
    /// Tokens cannot be checked.
    #[error(transparent)]
    Keys(#[from] JwksError),
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        Self::Read(error)
    }
}

/// A result, a refusal, or a fault.
pub type Outcome<T> = Result<Result<T, Refusal>, Fault>;
