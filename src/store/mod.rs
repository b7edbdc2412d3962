//! All database queries. Functions that read an agency's rows take the agency's id.
//!
//! Reads use a pool of connections. Writes go through [`writer::Writer`] only.

pub mod account_trouble;
pub mod accounts;
mod batched_pages;
pub mod bulk;
pub mod call_visibility;
pub mod calls;
mod cancellation;
pub mod carrier_deletions;
mod checkpoint;
pub mod connect;
pub mod contacts;
mod direct_sqlite;
pub mod directory;
pub mod directory_cache;
pub mod directory_writes;
pub mod drafts;
pub mod erasure;
pub mod error_class;
pub mod event_log;
pub mod files;
pub mod idempotency;
pub mod inbound;
pub mod inbox;
pub mod media;
pub mod message_writes;
pub mod messages;
pub mod notifications;
pub mod notify_listen;
pub mod outbox;
pub mod page;
pub mod pairs;
pub mod phone_verifications;
pub mod quarantine;
pub mod reconciliation;
pub mod restore_mark;
pub mod retention;
mod revisions;
pub mod sign_in_codes;
pub mod sqlite_file;
pub mod stand_ins;
pub mod statements;
pub mod text_quotas;
pub mod thread_writes;
pub mod threads;
pub mod timeline;
pub mod writer;

/// Delay before work or a read is retried while the database is unavailable.
pub const RETRY_DELAY: std::time::Duration = std::time::Duration::from_millis(250);

pub use cancellation::cancel_on_drop;
pub use checkpoint::Checkpointer;
pub use connect::{ConnectError, Database, REQUEST_CONNECTIONS, sqlite_file};
pub use directory::Directory;
pub use directory_cache::DirectoryCache;
