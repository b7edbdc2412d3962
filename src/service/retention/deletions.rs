//! The deletions of each kind of data. With `at_carrier`, the same is deleted at the carrier later; what is to be deleted
//! there is stored in the same transaction.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::batch::{Deleted, Deletion};
use crate::domain::retention::{call_path, media_path, message_path, recording_path};
use crate::domain::{
    AccountId, ActivityId, AgencyId, CallId, CarrierDeletionId, LateArrivalId, MediaId, MessageId, NotificationId,
    QuarantineId, VoicemailId,
};
use crate::entity::carrier_deletion;
use crate::store::writer::Tx;
use crate::store::{bulk, carrier_deletions, files, retention, statements};

/// Stores what is to be deleted at the carrier.
pub(crate) async fn delete_at_carrier(tx: &Tx<'_>, paths: Vec<(AccountId, Option<String>)>) -> Result<(), DbErr> {
    let rows = paths.into_iter().filter_map(|(account, path)| {
        Some(carrier_deletion::Model {
            id: CarrierDeletionId(tx.new_id()),
            twilio_account_id: account,
            path: path?,
            attempts: 0,
            due_at: tx.now,
            created_at: tx.now,
        })
    });
    carrier_deletions::add(tx.conn, rows.collect()).await
}

/// Messages without files, with everything that belongs to them.
pub(crate) struct DeleteMessages {
    pub(crate) agency: AgencyId,
    pub(crate) ids: Vec<MessageId>,
    pub(crate) before: Option<DateTime<Utc>>,
    pub(crate) at_carrier: bool,
}

impl Deletion for DeleteMessages {
    async fn delete(&mut self, tx: &mut Tx<'_>) -> Result<Deleted, DbErr> {
        let rows = retention::deletable_messages(tx.conn, self.agency, &self.ids, self.before).await?;
        let deleted = retention::delete_messages(tx.conn, self.agency, &rows).await?;
        if self.at_carrier {
            let paths = rows.iter().map(|row| (row.twilio_account_id, message_path(row.provider_sid.as_deref())));
            let paths = paths.collect();
            delete_at_carrier(tx, paths).await?;
        }
        Ok(Deleted::rows(deleted))
    }
}

/// Calls that have ended and have no recordings, with everything that belongs to them.
pub(crate) struct DeleteCalls {
    pub(crate) agency: AgencyId,
    pub(crate) ids: Vec<CallId>,
    pub(crate) before: Option<DateTime<Utc>>,
    pub(crate) at_carrier: bool,
}

impl Deletion for DeleteCalls {
    async fn delete(&mut self, tx: &mut Tx<'_>) -> Result<Deleted, DbErr> {
        let rows = retention::deletable_calls(tx.conn, self.agency, &self.ids, self.before).await?;
        let ids: Vec<CallId> = rows.iter().map(|row| row.call.id).collect();
        let deleted = retention::delete_calls(tx.conn, self.agency, &ids).await?;
        if self.at_carrier {
            let paths = rows.iter().flat_map(carrier_paths).collect();
            delete_at_carrier(tx, paths).await?;
        }
        Ok(Deleted::rows(deleted))
    }
}

/// The recordings, the legs and the call itself at the carrier.
fn carrier_paths(row: &retention::DeletableCall) -> Vec<(AccountId, Option<String>)> {
    let recordings = row.voicemails.iter().map(|voicemail| recording_path(&voicemail.recording_sid));
    let legs = row.legs.iter().map(|leg| call_path(leg.provider_sid.as_deref()));
    let paths = recordings.chain(legs).chain([call_path(row.call.provider_sid.as_deref())]);
    paths.map(|path| (row.call.twilio_account_id, path)).collect()
}

/// Files of messages. The rows stay, with the state DELETED.
pub(crate) struct DeleteMedia {
    pub(crate) agency: AgencyId,
    pub(crate) ids: Vec<MediaId>,
    pub(crate) at_carrier: bool,
}

impl Deletion for DeleteMedia {
    async fn delete(&mut self, tx: &mut Tx<'_>) -> Result<Deleted, DbErr> {
        let rows = files::mark_media_deleted(tx.conn, self.agency, &self.ids).await?;
        if self.at_carrier {
            use crate::entity::message::{Column as M, Entity};
            use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
            let messages = bulk::padded_list(rows.iter().map(|row| row.message_id));
            let query = Entity::find().filter(M::AgencyId.eq(self.agency)).filter(M::Id.is_in(messages));
            let messages = statements::find(tx.conn, query).await?;
            let paths = rows.iter().filter_map(|row| {
                let message = messages.iter().find(|message| message.id == row.message_id)?;
                Some((message.twilio_account_id, media_path(message.provider_sid.as_deref(), &row.source_url)))
            });
            let paths = paths.collect();
            delete_at_carrier(tx, paths).await?;
        }
        Ok(Deleted { rows: rows.len() as u64, files: rows.into_iter().filter_map(|row| row.digest).collect() })
    }
}

/// Recordings and their transcripts. The rows stay, with the state DELETED.
pub(crate) struct DeleteRecordings {
    pub(crate) agency: AgencyId,
    pub(crate) ids: Vec<VoicemailId>,
    pub(crate) at_carrier: bool,
}

impl Deletion for DeleteRecordings {
    async fn delete(&mut self, tx: &mut Tx<'_>) -> Result<Deleted, DbErr> {
        let rows = files::mark_recordings_deleted(tx.conn, self.agency, &self.ids).await?;
        if self.at_carrier {
            let paths = rows.iter().map(|row| (row.twilio_account_id, recording_path(&row.recording_sid)));
            let paths = paths.collect();
            delete_at_carrier(tx, paths).await?;
        }
        Ok(Deleted { rows: rows.len() as u64, files: rows.into_iter().filter_map(|row| row.digest).collect() })
    }
}

/// The oldest events of a log.
pub(crate) struct DeleteEvents {
    pub(crate) agency: AgencyId,
    pub(crate) before: DateTime<Utc>,
    pub(crate) limit: u64,
}

impl Deletion for DeleteEvents {
    async fn delete(&mut self, tx: &mut Tx<'_>) -> Result<Deleted, DbErr> {
        retention::delete_events(tx.conn, self.agency, self.before, self.limit).await.map(Deleted::rows)
    }
}

pub(crate) struct DeleteNotifications {
    pub(crate) agency: AgencyId,
    pub(crate) ids: Vec<NotificationId>,
}

impl Deletion for DeleteNotifications {
    async fn delete(&mut self, tx: &mut Tx<'_>) -> Result<Deleted, DbErr> {
        retention::delete_notifications(tx.conn, self.agency, &self.ids).await.map(Deleted::rows)
    }
}

/// Entries of the histories of threads.
pub(crate) struct DeleteActivities {
    pub(crate) agency: AgencyId,
    pub(crate) ids: Vec<ActivityId>,
}

impl Deletion for DeleteActivities {
    async fn delete(&mut self, tx: &mut Tx<'_>) -> Result<Deleted, DbErr> {
        retention::delete_activities(tx.conn, self.agency, &self.ids).await.map(Deleted::rows)
    }
}

pub(crate) struct DeleteLateArrivals {
    pub(crate) agency: AgencyId,
    pub(crate) ids: Vec<LateArrivalId>,
    /// The notifications about them.
    pub(crate) notifications: Vec<NotificationId>,
}

impl Deletion for DeleteLateArrivals {
    async fn delete(&mut self, tx: &mut Tx<'_>) -> Result<Deleted, DbErr> {
        if !self.notifications.is_empty() {
            retention::delete_notifications(tx.conn, self.agency, &self.notifications).await?;
        }
        retention::delete_late_arrivals(tx.conn, self.agency, &self.ids).await.map(Deleted::rows)
    }
}

pub(crate) struct DeleteQuarantined {
    pub(crate) ids: Vec<QuarantineId>,
    /// The messages to delete at the carrier.
    pub(crate) at_carrier: Vec<(AccountId, String)>,
}

impl Deletion for DeleteQuarantined {
    async fn delete(&mut self, tx: &mut Tx<'_>) -> Result<Deleted, DbErr> {
        let paths = self.at_carrier.iter().map(|(account, sid)| (*account, message_path(Some(sid))));
        let paths = paths.collect();
        delete_at_carrier(tx, paths).await?;
        retention::delete_quarantined(tx.conn, &self.ids).await.map(Deleted::rows)
    }
}
