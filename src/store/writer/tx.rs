//! The view of a unit of work on its transaction.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use uuid::Uuid;

use super::Context;
use super::ledger::Ledger;
use super::transaction::Transaction;
use crate::domain::{
    ActivityId, AgencyId, AuditId, CallId, EventKind, MessageId, NotificationId, NotificationKind, RoutingRung,
    ThreadId, UserId,
};
use crate::entity::{activity, agency_position, audit, call, event, message, notification, outbox, thread};
use crate::store::{Directory, bulk, revisions};

/// A savepoint, the time of the batch, and the event logs of the locked agencies.
pub struct Tx<'a> {
    pub conn: &'a Transaction<'a>,
    /// The time of the whole batch.
    pub now: DateTime<Utc>,
    context: &'a Context,
    ledger: &'a mut Ledger,
    activities: Vec<activity::Model>,
    notifications: Vec<notification::Model>,
    audits: Vec<audit::Model>,
    /// The threads and calls of events whose revisions are not incremented yet, once for each event.
    revised: Vec<(AgencyId, ThreadId)>,
    revised_calls: Vec<(AgencyId, CallId)>,
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
    /// The external id of another object that the notification is about.
    pub node: Option<String>,
    /// The rung that routed to the users; `None` if they were not selected by routing.
    pub rung: Option<RoutingRung>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        context: &'a Context,
        conn: &'a Transaction<'a>,
        now: DateTime<Utc>,
        ledger: &'a mut Ledger,
    ) -> Self {
        Self {
            conn,
            now,
            context,
            ledger,
            activities: Vec::new(),
            notifications: Vec::new(),
            audits: Vec::new(),
            revised: Vec::new(),
            revised_calls: Vec::new(),
        }
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
        let row = agency_position::Model::begin(agency, self.new_id());
        bulk::insert(self.conn, vec![row.clone()]).await?;
        self.ledger.begin(row);
        Ok(())
    }

    /// Appends an event, with the notifications that accompany it. If it is about a thread, the caller increments the
    /// revision in the row that it writes.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn append(&mut self, event: event::Model, notices: Vec<Notice>) -> Result<(), DbErr> {
        let agency = event.agency_id;
        let position = self.ledger.append(event)?;
        for Notice { kind, users, thread, message, call, node, rung } in notices {
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
                    node_id: node.clone(),
                    rung,
                    read_at: None,
                    resolved_at: None,
                    created_at: self.now,
                });
            }
        }
        Ok(())
    }

    /// Appends that a thread changed, with the entry of its history that tells why. `lost_by` are the users who can no
    /// longer see it.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn thread_updated(
        &mut self,
        thread: &mut thread::Model,
        activity: Option<ActivityId>,
        lost_by: &[UserId],
        notices: Vec<Notice>,
    ) -> Result<(), DbErr> {
        let lost_by = (!lost_by.is_empty()).then(|| event::join_users(lost_by));
        let node_id = activity.map(|id| id.to_string());
        let event = event::Model::begin(thread.agency_id, EventKind::ThreadActivity, self.now);
        self.append(event::Model { thread_id: Some(thread.id), node_id, lost_by, ..event }, notices)?;
        self.count_revision(thread);
        Ok(())
    }

    /// Appends that a message was queued in a thread.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn message_queued(&mut self, thread: &mut thread::Model, message: &message::Model) -> Result<(), DbErr> {
        self.append(event::Model::of_message(message, EventKind::OutboundMessage, self.now), Vec::new())?;
        self.count_revision(thread);
        Ok(())
    }

    /// Appends that the delivery status of a message changed, or the state of one of its attachments.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn message_changed(&mut self, message: &message::Model, notices: Vec<Notice>) -> Result<(), DbErr> {
        self.append(event::Model::of_message(message, EventKind::MessageStatus, self.now), notices)?;
        self.revised.push((message.agency_id, message.thread_id));
        Ok(())
    }

    /// Appends that the contact of a thread changed. `lost_by` are the users who can no longer see the thread.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn contact_updated(&mut self, thread: &mut thread::Model, lost_by: &[UserId]) -> Result<(), DbErr> {
        let lost_by = (!lost_by.is_empty()).then(|| event::join_users(lost_by));
        let event = event::Model::begin(thread.agency_id, EventKind::ContactUpdated, self.now);
        self.append(event::Model { thread_id: Some(thread.id), lost_by, ..event }, Vec::new())?;
        self.count_revision(thread);
        Ok(())
    }

    /// Appends that a user read a thread, or marked it as unread.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn thread_read(&mut self, thread: &thread::Model, user: UserId) -> Result<(), DbErr> {
        let event = event::Model::begin(thread.agency_id, EventKind::ThreadRead, self.now);
        let node_id = Some(user.to_string());
        self.append(event::Model { thread_id: Some(thread.id), node_id, ..event }, Vec::new())
    }

    /// Appends that a user's draft in a thread was saved or deleted.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn draft_changed(&mut self, thread: &thread::Model, user: UserId) -> Result<(), DbErr> {
        let event = event::Model::begin(thread.agency_id, EventKind::DraftChanged, self.now);
        let node_id = Some(user.to_string());
        self.append(event::Model { thread_id: Some(thread.id), node_id, ..event }, Vec::new())
    }

    /// Appends that a user read a notification.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn notification_read(&mut self, notification: &notification::Model) -> Result<(), DbErr> {
        let event = event::Model::begin(notification.agency_id, EventKind::NotificationRead, self.now);
        self.append(event::Model { node_id: Some(notification.id.to_string()), ..event }, Vec::new())
    }

    /// Appends that a call began or changed.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn call_updated(&mut self, call: &call::Model, notices: Vec<Notice>) -> Result<(), DbErr> {
        let event = event::Model::begin(call.agency_id, EventKind::CallUpdated, self.now);
        self.append(event::Model { thread_id: call.thread_id, call_id: Some(call.id), ..event }, notices)?;
        self.revised.extend(call.thread_id.map(|thread| (call.agency_id, thread)));
        self.revised_calls.push((call.agency_id, call.id));
        Ok(())
    }

    /// Increments the revision of a thread: the row now, so that a response shows it, and the stored one when the unit
    /// ends.
    fn count_revision(&mut self, thread: &mut thread::Model) {
        thread.revision += 1;
        self.revised.push((thread.agency_id, thread.id));
    }

    /// Appends that a property of the agency changed that is not part of its directory, such as whether Twilio serves
    /// its account or whether texts are in quarantine.
    ///
    /// # Errors
    /// If the agency is not locked.
    pub fn agency_updated(&mut self, agency: AgencyId, notices: Vec<Notice>) -> Result<(), DbErr> {
        self.append(event::Model::of_agency(agency, self.now), notices)
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
        bulk::insert(self.conn, std::mem::take(&mut self.audits)).await?;
        revisions::increment_threads(self.conn, std::mem::take(&mut self.revised)).await?;
        revisions::increment_calls(self.conn, std::mem::take(&mut self.revised_calls)).await
    }
}
