//! What a unit of work sees of the transaction that it is part of.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::Shared;
use super::batch::directory_under_lock;
use super::ledger::Ledger;
use crate::domain::{
    AgencyId, AuditId, CallId, EventKind, MessageId, NotificationId, NotificationKind, RoutingRung, ThreadId, UserId,
};
use crate::entity::{agency_position, audit, call, event, message, notification, outbox};
use crate::store::{Directory, bulk};

/// A savepoint, the time, and the log of the locked agencies.
pub struct Tx<'a> {
    /// Statements go here.
    pub conn: &'a DatabaseTransaction,
    /// The time of the whole batch.
    pub now: DateTime<Utc>,
    shared: &'a Shared,
    ledger: &'a mut Ledger,
    notifications: Vec<notification::Model>,
    audits: Vec<audit::Model>,
    given_up: bool,
}

/// What users are told besides the event itself.
#[derive(Debug, Clone)]
pub struct Notice {
    /// What it tells.
    pub kind: NotificationKind,
    /// Each once.
    pub users: Vec<UserId>,
    /// The thread it is about.
    pub thread: Option<ThreadId>,
    /// The message it is about.
    pub message: Option<MessageId>,
    /// The call it is about.
    pub call: Option<CallId>,
    /// The rung that named the users, if one did.
    pub rung: Option<RoutingRung>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        conn: &'a DatabaseTransaction,
        now: DateTime<Utc>,
        ledger: &'a mut Ledger,
    ) -> Self {
        Self { conn, now, shared, ledger, notifications: Vec::new(), audits: Vec::new(), given_up: false }
    }

    /// A new id.
    pub fn new_id(&self) -> Uuid {
        self.shared.ids.uuid(self.now)
    }

    /// The directory of one of this work's agencies, as it stands within the transaction.
    ///
    /// # Errors
    /// When the database fails, or the agency is not one of this work's.
    pub async fn directory(&mut self, agency: AgencyId) -> Result<Arc<Directory>, DbErr> {
        directory_under_lock(self.shared, self.conn, self.ledger, agency).await
    }

    /// Begins the log of an agency that this work makes.
    ///
    /// # Errors
    /// When the database fails.
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

    /// Appends that a thread changed. `lost_by` names users who could see it until now.
    ///
    /// # Errors
    /// When the agency is not one of this work's.
    pub fn thread_updated(
        &mut self,
        agency: AgencyId,
        thread: ThreadId,
        lost_by: &[UserId],
        notices: Vec<Notice>,
    ) -> Result<(), DbErr> {
        let lost_by = (!lost_by.is_empty()).then(|| event::join_users(lost_by));
        let event = event::Model { thread_id: Some(thread), lost_by, ..self.blank(agency, EventKind::ThreadUpdated) };
        let position = self.ledger.append(event)?;
        for notice in notices {
            self.notify(agency, position, notice);
        }
        Ok(())
    }

    /// Appends that a message went out, or got further.
    ///
    /// # Errors
    /// When the agency is not one of this work's.
    pub fn message_changed(&mut self, message: &message::Model, notices: Vec<Notice>) -> Result<(), DbErr> {
        let event = event::Model {
            thread_id: Some(message.thread_id),
            message_id: Some(message.id),
            ..self.blank(message.agency_id, EventKind::ThreadUpdated)
        };
        let position = self.ledger.append(event)?;
        for notice in notices {
            self.notify(message.agency_id, position, notice);
        }
        Ok(())
    }

    /// Appends that a call began, or got further.
    ///
    /// # Errors
    /// When the agency is not one of this work's.
    pub fn call_updated(&mut self, call: &call::Model, notices: Vec<Notice>) -> Result<(), DbErr> {
        let event = event::Model {
            thread_id: call.thread_id,
            call_id: Some(call.id),
            ..self.blank(call.agency_id, EventKind::CallUpdated)
        };
        let position = self.ledger.append(event)?;
        for notice in notices {
            self.notify(call.agency_id, position, notice);
        }
        Ok(())
    }

    /// Appends that something about the agency changed that is not part of its directory, such as whether Twilio serves
    /// its account.
    ///
    /// # Errors
    /// When the agency is not one of this work's.
    pub fn agency_updated(&mut self, agency: AgencyId, notices: Vec<Notice>) -> Result<(), DbErr> {
        let node = Some(agency.to_string());
        let event = event::Model { node_id: node, ..self.blank(agency, EventKind::DirectoryUpdated) };
        let position = self.ledger.append(event)?;
        for notice in notices {
            self.notify(agency, position, notice);
        }
        Ok(())
    }

    /// Puts a text into the outbox. Whoever sends is told once this work is committed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_into_outbox(&mut self, row: outbox::Model) -> Result<(), DbErr> {
        self.ledger.sends(row.agency_id, row.phone_number_id);
        bulk::insert(self.conn, vec![row]).await
    }

    /// Notes for the audit log who did what, and why.
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

    /// Appends that something in the directory changed, and notes who changed it for the audit log.
    ///
    /// # Errors
    /// When the agency is not one of this work's.
    pub fn directory_updated(
        &mut self,
        agency: AgencyId,
        node_id: &str,
        action: &str,
        actor: Option<UserId>,
    ) -> Result<(), DbErr> {
        self.ledger.directory_changed(agency);
        let node = Some(node_id.to_owned());
        let event = event::Model { node_id: node, ..self.blank(agency, EventKind::DirectoryUpdated) };
        self.ledger.append(event)?;
        self.audit(agency, node_id.to_owned(), action, actor, None);
        Ok(())
    }

    fn notify(&mut self, agency: AgencyId, position: i64, notice: Notice) {
        for user in notice.users {
            let row = notification::Model {
                agency_id: agency,
                id: NotificationId(self.new_id()),
                user_id: user,
                event_position: position,
                kind: notice.kind,
                thread_id: notice.thread,
                message_id: notice.message,
                call_id: notice.call,
                rung: notice.rung,
                read_at: None,
                resolved_at: None,
                created_at: self.now,
            };
            self.notifications.push(row);
        }
    }

    fn blank(&self, agency: AgencyId, kind: EventKind) -> event::Model {
        event::Model {
            agency_id: agency,
            position: 0,
            kind,
            thread_id: None,
            message_id: None,
            call_id: None,
            node_id: None,
            lost_by: None,
            created_at: self.now,
        }
    }

    /// Undoes all that this unit did; its output is answered all the same. For work that finds out
    /// late that it cannot be done.
    pub fn give_up(&mut self) {
        self.given_up = true;
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Writes what the unit collected, still within its savepoint.
    pub(super) async fn flush(&mut self) -> Result<(), DbErr> {
        bulk::insert(self.conn, std::mem::take(&mut self.notifications)).await?;
        bulk::insert(self.conn, std::mem::take(&mut self.audits)).await
    }
}
