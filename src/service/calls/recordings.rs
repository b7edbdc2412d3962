//! The recordings of a call as rows. Each recording has a row of its own, found by its SID, so that reports of its
//! length, its transcript and its absence give the same result in any order.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::missed_call::notice;
use super::record::RecordedCall;
use crate::domain::{MediaState, NotificationKind, VoicemailId};
use crate::entity::{call, voicemail};
use crate::store::bulk::insert;
use crate::store::calls;
use crate::store::directory_writes::save;
use crate::store::writer::Tx;

/// A report about one recording.
#[derive(Debug, Clone, Default)]
pub(super) struct RecordingReport {
    /// Twilio's SID of the recording.
    pub(super) sid: String,
    /// The length in seconds, if the report contains it.
    pub(super) seconds: Option<i32>,
    pub(super) transcript: Option<String>,
    /// Whether the carrier reports that the recording is too short or silent.
    pub(super) is_absent: bool,
    /// When the recording was made, if it is imported from the carrier's list.
    pub(super) made_at: Option<DateTime<Utc>>,
}

/// The effect of a report on the recordings of a call.
pub(super) struct RecordingChange {
    /// The row to write; `None` if the report changes nothing.
    row: Option<voicemail::Model>,
    is_new: bool,
    /// Whether the call had a voicemail before, and whether it has one afterwards.
    had_voicemail: bool,
    pub(super) has_voicemail: bool,
}

impl RecordingChange {
    /// Combines a report with the stored recordings of the call.
    pub(super) async fn of(tx: &Tx<'_>, call: &RecordedCall, report: &RecordingReport) -> Result<Self, DbErr> {
        let known = match call.before() {
            Some(call) => calls::recordings_of(tx.conn, call.agency_id, call.id).await?,
            None => Vec::new(),
        };
        let had_voicemail = known.iter().any(|row| row.absent_at.is_none());
        let (others, before): (Vec<_>, Vec<_>) = known.into_iter().partition(|row| row.recording_sid != report.sid);
        let before = before.into_iter().next();
        let after = before.as_ref().map_or_else(|| begin(tx, call.row(), report), |before| merge(tx, before, report));
        let has_voicemail = after.absent_at.is_none() || others.iter().any(|row| row.absent_at.is_none());
        let is_new = before.is_none();
        Ok(Self {
            row: Some(after).filter(|after| before.as_ref() != Some(after)),
            is_new,
            had_voicemail,
            has_voicemail,
        })
    }

    /// Writes the row. The call must have been written, which notifies users of a call's first voicemail;
    /// this notifies them of each further one.
    pub(super) async fn write(self, tx: &mut Tx<'_>, call: &call::Model) -> Result<(), DbErr> {
        let Some(row) = self.row else { return Ok(()) };
        let is_further = self.is_new && self.had_voicemail && row.absent_at.is_none();
        if self.is_new {
            insert(tx.conn, vec![row]).await?;
        } else {
            save(tx.conn, row).await?;
        }
        if is_further {
            let directory = tx.directory(call.agency_id).await?;
            tx.call_updated(call, vec![notice(&directory, call, NotificationKind::Voicemail)])
        } else if !self.is_new && self.had_voicemail == self.has_voicemail {
            tx.call_updated(call, Vec::new())
        } else {
            Ok(())
        }
    }
}

fn begin(tx: &Tx<'_>, call: &call::Model, report: &RecordingReport) -> voicemail::Model {
    voicemail::Model {
        handled_at: None,
        handled_by_id: None,
        agency_id: call.agency_id,
        id: VoicemailId(tx.new_id()),
        call_id: call.id,
        twilio_account_id: call.twilio_account_id,
        recording_sid: report.sid.clone(),
        absent_at: report.is_absent.then_some(tx.now),
        state: MediaState::Pending,
        failure: None,
        digest: None,
        content_type: None,
        attempts: 0,
        due_at: tx.now,
        duration_seconds: report.seconds.unwrap_or(0),
        transcript: report.transcript.clone(),
        listened_at: None,
        listened_by_id: None,
        created_at: report.made_at.unwrap_or(tx.now),
    }
}

fn merge(tx: &Tx<'_>, before: &voicemail::Model, report: &RecordingReport) -> voicemail::Model {
    if before.absent_at.is_some() {
        return before.clone();
    }
    // A stored file proves that the recording exists.
    if report.is_absent && before.state != MediaState::Ready {
        return voicemail::Model { absent_at: Some(tx.now), ..before.clone() };
    }
    // The carrier reports the recording again, so it may be available now.
    let again = before.state == MediaState::Failed;
    voicemail::Model {
        state: if again { MediaState::Pending } else { before.state },
        failure: before.failure.filter(|_| !again),
        attempts: if again { 0 } else { before.attempts },
        duration_seconds: report.seconds.unwrap_or(before.duration_seconds),
        transcript: before.transcript.clone().or_else(|| report.transcript.clone()),
        ..before.clone()
    }
}
