//! The use cases, one per file: load a small snapshot, let `domain` decide, write the result.
//!
//! An expected refusal is data ([`Refusal`]). An unexpected failure is a [`Fault`], which is logged once where it is
//! answered.

use std::sync::Arc;

use sea_orm::DatabaseConnection;

use crate::domain::text_quota::TextLimits;
use crate::domain::{AgencyId, UserId};
use crate::events::{Feeds, PresenceBoard};
use crate::ports::media_store::MediaStore;
use crate::ports::{Clock, IdGen};
use crate::store::error_class::is_unavailable;
use crate::store::{Database, DirectoryCache, RETRY_DELAY};

pub mod abandon_message;
mod account_trouble;
pub mod accounts;
pub mod apply_directory;
mod attachments;
pub mod authenticate;
pub mod backup;
pub mod calls;
pub mod carrier_deletions;
mod carrier_files;
pub mod claim_thread;
pub mod close_thread;
pub mod compose;
mod delivery;
pub mod drafts;
pub mod erase_contact;
mod error;
pub mod escalate;
pub mod fetch_media;
pub mod fetch_recordings;
pub mod holds;
pub mod inbound;
mod issuer_keys;
pub mod manage_extensions;
pub mod manage_pool;
pub mod mark_notifications_read;
pub mod mark_thread_read;
pub mod mark_voicemail;
pub mod media_links;
mod outbound;
mod own_numbers;
pub mod purge_expired;
mod purge_uploads;
pub mod quarantine;
mod quarantine_alerts;
pub mod receive_receipt;
pub mod reconcile;
pub mod release_thread;
pub mod reopen_thread;
pub mod reseal_accounts;
pub mod resend_message;
pub mod restore;
pub mod retention;
pub mod revoke_tokens;
pub mod seal;
pub mod send_message;
pub mod sending;
pub mod sessions;
pub mod set_availability;
pub mod set_opt_out;
pub mod set_presence;
pub mod show_media;
pub mod start_thread;
mod text_limits;
mod thread_action;
pub mod transfer_thread;
mod unused_files;
pub mod update_contact;
pub mod update_pool;
pub mod upload_media;
pub mod verify_phone;
mod viewer;

pub use carrier_files::{CarrierFile, Fetcher};
pub use error::{Error, Fault, Outcome, Refusal, RefusalCode};
pub use viewer::{Viewer, ViewerUse};

/// The writer, whose bulk unit is the inbound texts.
pub type Writer = crate::store::writer::Writer<inbound::InboundTexts>;

/// The dependencies of the use cases.
pub struct Services {
    /// Verifies and issues bearer tokens.
    pub authenticator: authenticate::Authenticator,
    pub database: Database,
    pub writer: Arc<Writer>,
    /// The directories of the agencies, at most one second old.
    pub directories: Arc<DirectoryCache>,
    /// The live events.
    pub feeds: Arc<Feeds>,
    /// Which users view a thread or compose a text in it.
    pub presence: Arc<PresenceBoard>,
    /// The Twilio accounts and their tokens.
    pub accounts: accounts::Accounts,
    pub sending: Arc<sending::Sending>,
    /// The daily limits for texts of staff.
    pub text_limits: TextLimits,
    /// Holds sending after a restore.
    pub restore: restore::RestoreGuard,
    pub calls: calls::Calls,
    /// Compares the accounts with the carrier.
    pub reconciliation: reconcile::Reconciliation,
    /// How far old data has been deleted.
    pub retention: retention::Progress,
    /// Stores recordings, attachments and uploads.
    pub media: MediaStore,
    /// Signs the URLs at which they are served.
    pub media_links: Arc<media_links::MediaLinks>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGen>,
}

impl Services {
    /// The connection pool for webhooks and workers. It is separate from the API's pool, so that requests of users
    /// cannot exhaust it.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.database.reader
    }

    /// The connection pool for requests of the API.
    pub fn request_reader(&self) -> &DatabaseConnection {
        &self.database.request_reader
    }

    /// Reads, and retries while the database is away. There is no time limit: the callers are webhooks, which have
    /// their own.
    ///
    /// # Errors
    /// If the read fails for any other reason.
    pub async fn read_with_retry<T, E, F>(&self, read: impl Fn() -> F) -> Result<T, Fault>
    where
        E: Into<Fault>,
        F: Future<Output = Result<T, E>>,
    {
        loop {
            match read().await.map_err(E::into) {
                Err(Fault::Read(error)) if is_unavailable(&error) => self.clock.sleep(RETRY_DELAY).await,
                result => return result,
            }
        }
    }

    /// The current state of a user; `None` if the user does not exist or is inactive.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn viewer(&self, agency: AgencyId, user: UserId) -> Result<Option<Viewer>, Fault> {
        let directory = self.directories.get(agency).await?;
        Ok(directory.and_then(|directory| Viewer::of(directory, user)))
    }
}
