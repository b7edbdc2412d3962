//! What a caller says to nobody. It is durable before the carrier is told that we have it; the recording itself
//! is fetched afterwards.

use sea_orm::DbErr;

use super::rows::{Legs, advance, find_or_begin};
use super::settle::{end, settle};
use super::{CallKey, Progress, Reached};
use crate::domain::ivr::{Course, Happened, Plan, plan};
use crate::domain::{CallEnd, CallStage, MediaState, VoicemailId};
use crate::entity::voicemail;
use crate::service::{Fault, Services};
use crate::store::bulk::insert;
use crate::store::calls;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit};

/// The longest transcript that is kept, in characters.
const MAX_TRANSCRIPT_CHARS: usize = 10_000;

/// A recording as the carrier names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Twilio's name for it.
    pub sid: String,
    /// How long it is.
    pub seconds: i32,
}

/// Takes a voicemail up; the same twice is one. `hung_up` tells whether the caller has gone.
///
/// # Errors
/// When it is not stored; the carrier must say it again.
pub async fn left_voicemail(
    services: &Services,
    reached: &Reached,
    key: CallKey,
    course: &Course,
    recording: Recording,
    says_end: bool,
) -> Result<Plan, Fault> {
    let happened = if recording.seconds > 0 { Happened::Recorded } else { Happened::Silent };
    take(services, reached, key, course, happened, Some(recording), says_end).await
}

/// The caller said nothing after the tone.
///
/// # Errors
/// When it is not stored; the carrier must say it again.
pub async fn said_nothing(
    services: &Services,
    reached: &Reached,
    key: CallKey,
    course: &Course,
) -> Result<Plan, Fault> {
    take(services, reached, key, course, Happened::Silent, None, true).await
}

async fn take(
    services: &Services,
    reached: &Reached,
    key: CallKey,
    course: &Course,
    happened: Happened<'_>,
    recording: Option<Recording>,
    says_end: bool,
) -> Result<Plan, Fault> {
    services.calls.log.written().await;
    let now = services.clock.now();
    let plan = plan(&reached.office(now), course, happened, now.timestamp());
    let recording = recording.filter(|recording| recording.seconds > 0);
    let mailbox = Progress {
        step: course.step.into(),
        stage: Some(CallStage::Recording),
        extension: reached.extension_of(course),
        ..Progress::default()
    };
    let agency = key.agency;
    let unit = Leave { key, mailbox, says_end, recording, done: Progress::of(&plan, reached) };
    services.writer.run(agency, unit).await?;
    Ok(plan)
}

struct Leave {
    key: CallKey,
    mailbox: Progress,
    done: Progress,
    recording: Option<Recording>,
    says_end: bool,
}

impl Unit for Leave {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let Some(mut row) = find_or_begin(tx, self.key.agency, &[&self.key]).await?.pop() else { return Ok(()) };
        let legs = Legs::of(tx, &row).await?;
        advance(&mut row.after, &self.mailbox);
        let is_new = !row.after.recorded;
        let recording = self.recording.clone().filter(|_| is_new);
        row.after.recorded |= recording.is_some();
        if self.says_end {
            advance(&mut row.after, &self.done);
            end(tx, &mut row.after, CallEnd::Completed, false, None);
        }
        let call = settle(tx, row.before, row.after, legs).await?;
        if let Some(Recording { sid, seconds }) = recording {
            let voicemail = voicemail::Model {
                agency_id: call.agency_id,
                id: VoicemailId(tx.new_id()),
                call_id: call.id,
                twilio_account_id: call.twilio_account_id,
                recording_sid: sid,
                state: MediaState::Pending,
                digest: None,
                content_type: None,
                attempts: 0,
                due_at: tx.now,
                duration_seconds: seconds,
                transcript: None,
                listened_at: None,
                listened_by_id: None,
                created_at: tx.now,
            };
            insert(tx.conn, vec![voicemail]).await?;
        }
        Ok(())
    }
}

/// Takes up what a voicemail says in words. One of a recording that is not known changes nothing.
///
/// # Errors
/// When it is not stored; the carrier must say it again.
pub async fn transcribed(services: &Services, key: CallKey, recording: String, text: &str) -> Result<(), Fault> {
    let text = text.chars().filter(|c| *c != '\0').take(MAX_TRANSCRIPT_CHARS).collect();
    let agency = key.agency;
    Ok(services.writer.run(agency, Transcribe { key, recording, text }).await?)
}

struct Transcribe {
    key: CallKey,
    recording: String,
    text: String,
}

impl Unit for Transcribe {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let CallKey { agency, account, sid, .. } = &self.key;
        let Some(call) = calls::by_sids(tx.conn, *agency, *account, &[sid]).await?.pop() else { return Ok(()) };
        let found = calls::voicemails_of(tx.conn, *agency, &[call.id]).await?.pop();
        let Some(before) = found.filter(|row| row.recording_sid == self.recording && row.transcript.is_none()) else {
            return Ok(());
        };
        save(tx.conn, voicemail::Model { transcript: Some(self.text.clone()), ..before }).await?;
        tx.call_updated(&call, Vec::new())
    }
}
