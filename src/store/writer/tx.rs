//! The view of a unit of work on its transaction.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::Context;
use super::ledger::Ledger;
use crate::domain::{
    AgencyId, AuditId, CallId, EventKind, MessageId, NotificationId, NotificationKind, RoutingRung, ThreadId, UserId,
};
use crate::entity::{activity, agency_position, audit, call, event, message, notification, outbox, thread};
use crate::store::{Directory, bulk};

/// A savepoint, the time of the batch, and the event logs of the locked agencies.
pub struct Tx<'a> {
    pub conn: &'a DatabaseTransaction,
    /// The time of the whole batch.
    pub now: DateTime<Utc>,
    context: &'a Context,
    ledger: &'a mut Ledger,
    activities: Vec<activity::Model>,
    notifications: Vec<notification::Model>,
    audits: Vec<audit::Model>,
}

/// Notifications that accompany an event: one per user.
#[derive(Debug, Clone)]
pub struct Notice {
    pub kind: NotificationKind,
    /// Without duplicates.
    pub users: Vec<UserId>,
    pub thread: Option<ThreadId>,
    pub message: Option<MessageId>,
    pub call: Option<CallId>,
    /// The rung that routed to the users; `None` if they were not selected by routing.
    pub rung: Option<RoutingRung>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        context: &'a Context,
        conn: &'a DatabaseTransaction,
        now: DateTime<Utc>,
        ledger: &'a mut Ledger,
    ) -> Self {
        Self { conn, now, context, ledger, activities: Vec::new(), notifications: Vec::new(), audits: Vec::new() }
    }

    pub fn new_id(&self) -> Uuid {
        self.context.ids.uuid(self.now)
    }

    /// Whether the agency is locked by this transaction, so that events can be appended to its log.
    pub fn is_locked(&self, agency: AgencyId) -> bool {
        self.ledger.is_locked(agency)
    }

    /// The directory of a locked agency as it is within this transaction.
    ///
    /// # Errors
    /// If the database fails or the agency is not locked.
    pub async fn directory(&mut self, agency: AgencyId) -> Result<Arc<Directory>, DbErr> {
        let unknown = || DbErr::RecordNotFound("the agency of this work".to_owned());
        let version = self.ledger.directory_version(agency).ok_or_else(unknown)?;
        if let Some(own) = self.ledger.own_directory(agency) {
            return Ok(own);
        }
        if !self.ledger.changes_directory(agency)
            && let Some(cached) = self.context.directories.at_version(agency, version)
        {
            return Ok(cached);
        }
        let directory = Arc::new(Directory::load(self.conn, agency).await?.ok_or_else(unknown)?);
        if self.ledger.changes_directory(agency) {
            // Uncommitted: valid for this transaction only, until the next change.
            self.ledger.set_own_directory(agency, directory.clone());
        } else {
            self.context.directories.insert(directory.clone(), None);
        }
        Ok(directory)
    }

    /// Begins the event log of an agency that this work creates.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn begin_log(&mut self, agency: AgencyId) -> Result<(), DbErr> {
        if self.ledger.is_locked(agency) {
            return Ok(());
        }
        let row = agency_position::Model {
            agency_id: agency,
            epoch: self.new_id(),
            position: 0,
            directory_version: 0,
            first_kept: 0,
        };
        bulk::insert(self.conn, vec![row.clone()]).await?;
        self.ledger.begin(row);
        Ok(())
    }

    /// Appends an event, with the notifications that accompany it.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn append(&mut self, event: event::Model, notices: Vec<Notice>) -> Result<(), DbErr> {
        let agency = event.agency_id;
        let position = self.ledger.append(event)?;
        for Notice { kind, users, thread, message, call, rung } in notices {
            for user in users {
                self.notifications.push(notification::Model {
                    agency_id: agency,
                    id: NotificationId(self.new_id()),
                    user_id: user,
                    event_position: position,
                    kind,
                    thread_id: thread,
                    message_id: message,
                    call_id: call,
                    rung,
                    read_at: None,
                    resolved_at: None,
                    created_at: self.now,
                });
            }
        }
        Ok(())
    }

    /// Appends that a thread changed. `lost_by` are the users who can no longer see it.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn thread_updated(
        &mut self,
        thread: &thread::Model,
        lost_by: &[UserId],
        notices: Vec<Notice>,
    ) -> Result<(), DbErr> {
        let lost_by = (!lost_by.is_empty()).then(|| event::join_users(lost_by));
        let event = event::Model::begin(thread.agency_id, EventKind::ThreadUpdated, self.now);
        self.append(event::Model { thread_id: Some(thread.id), lost_by, ..event }, notices)
    }

    /// Appends that a message was queued, or that its delivery status changed.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn message_changed(&mut self, message: &message::Model, notices: Vec<Notice>) -> Result<(), DbErr> {
        self.append(event::Model::of_message(message, EventKind::ThreadUpdated, self.now), notices)
    }

    /// Appends that a call began or changed.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn call_updated(&mut self, call: &call::Model, notices: Vec<Notice>) -> Result<(), DbErr> {
        let event = event::Model::begin(call.agency_id, EventKind::CallUpdated, self.now);
        self.append(event::Model { thread_id: call.thread_id, call_id: Some(call.id), ..event }, notices)
    }

    /// Appends that a property of the agency changed that is not part of its directory, such as whether Twilio serves its
    /// account.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn agency_updated(&mut self, agency: AgencyId, notices: Vec<Notice>) -> Result<(), DbErr> {
        let event = event::Model::begin(agency, EventKind::DirectoryUpdated, self.now);
        self.append(event::Model { node_id: Some(agency.to_string()), ..event }, notices)
    }

    /// Appends that the directory changed, and adds the change to the audit log.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn directory_updated(
        &mut self,
        agency: AgencyId,
        node_id: &str,
        action: &str,
        actor: Option<UserId>,
    ) -> Result<(), DbErr> {
        self.ledger.directory_changed(agency);
        let event = event::Model::begin(agency, EventKind::DirectoryUpdated, self.now);
        self.append(event::Model { node_id: Some(node_id.to_owned()), ..event }, Vec::new())?;
        self.audit(agency, node_id.to_owned(), action, actor, None);
        Ok(())
    }

    /// Inserts texts into the outbox. The senders are woken after the commit.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn enqueue(&mut self, rows: Vec<outbox::Model>) -> Result<(), DbErr> {
        for row in &rows {
            self.ledger.add_sending(row.agency_id, row.phone_number_id);
        }
        bulk::insert(self.conn, rows).await
    }

    /// Adds an entry to the history of a thread.
    pub fn add_activity(&mut self, activity: activity::Model) {
        self.activities.push(activity);
    }

    /// Adds an entry to the audit log.
    pub fn audit(
        &mut self,
        agency: AgencyId,
        node_id: String,
        action: &str,
        actor: Option<UserId>,
        note: Option<String>,
    ) {
        self.audits.push(audit::Model {
            agency_id: agency,
            id: AuditId(self.new_id()),
            actor_id: actor,
            action: action.to_owned(),
            node_id,
            note,
            created_at: self.now,
        });
    }

    /// Writes the collected rows, still within the savepoint.
    pub(super) async fn flush(&mut self) -> Result<(), DbErr> {
        bulk::insert(self.conn, std::mem::take(&mut self.activities)).await?;
        bulk::insert(self.conn, std::mem::take(&mut self.notifications)).await?;
        bulk::insert(self.conn, std::mem::take(&mut self.audits)).await
    }
}
