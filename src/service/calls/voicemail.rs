//! What a caller says to nobody. It is durable before the carrier is told that we have it; the recording itself
//! is fetched afterwards.

use sea_orm::DbErr;

use super::rows::{Legs, advance, find_or_begin};
use super::settle::{end, settle};
use super::{CallKey, Progress, Reached, commit};
use crate::domain::ivr::{Course, Happened, Plan, plan};
use crate::domain::{CallEnd, CallStage, MediaState, VoicemailId};
use crate::entity::{call, voicemail};
use crate::service::{Fault, Services};
use crate::store::bulk::insert;
use crate::store::calls;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit, WhenAway};

/// The longest transcript that is kept, in characters.
const MAX_TRANSCRIPT_CHARS: usize = 10_000;

/// A recording as the carrier names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Twilio's name for it.
    pub sid: String,
    /// How long it is, if the carrier says; 0 is silence.
    pub seconds: Option<i32>,
}

/// Takes a voicemail up; the same twice is one. `says_end` tells whether the caller's part is over with it.
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
    let happened = if recording.seconds != Some(0) { Happened::Recorded } else { Happened::Silent };
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
    let now = services.clock.now();
    let plan = plan(&reached.office(now), course, happened, now.timestamp());
    let left = recording.filter(|recording| recording.seconds != Some(0));
    let left = left.map(|Recording { sid, seconds }| Left { sid, seconds, transcript: None });
    let agency = key.agency;
    let done = says_end.then(|| Progress::of(&plan, reached));
    commit(services, agency, Leave { key, mailbox: mailbox(reached, course), done, left }).await?;
    Ok(plan)
}

/// Whose mailbox a caller was given.
fn mailbox(reached: &Reached, course: &Course) -> Progress {
    Progress {
        step: course.step.into(),
        stage: Some(CallStage::Recording),
        extension: reached.extension_of(course),
        ..Progress::default()
    }
}

struct Leave {
    key: CallKey,
    mailbox: Progress,
    done: Option<Progress>,
    left: Option<Left>,
}

/// What is known of what was left.
#[derive(Clone)]
struct Left {
    sid: String,
    seconds: Option<i32>,
    transcript: Option<String>,
}

impl Unit for Leave {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let Some(mut row) = find_or_begin(tx, self.key.agency, &[&self.key]).await?.pop() else { return Ok(()) };
        let legs = Legs::of(tx, &row).await?;
        advance(&mut row.after, &self.mailbox);
        row.after.recorded |= self.left.is_some();
        if let Some(done) = &self.done {
            advance(&mut row.after, done);
            end(tx, &mut row.after, CallEnd::Completed, None);
        }
        let call = settle(tx, row.before, row.after, legs).await?;
        match &self.left {
            Some(left) => keep(tx, &call, left.clone()).await,
            None => Ok(()),
        }
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
}

/// Writes what is known of a voicemail. Its length and its words come in any order; of two recordings of one call
/// the first stands.
async fn keep(tx: &mut Tx<'_>, call: &call::Model, left: Left) -> Result<(), DbErr> {
    let Left { sid, seconds, transcript } = left;
    let Some(before) = calls::voicemails_of(tx.conn, call.agency_id, &[call.id]).await?.pop() else {
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
            duration_seconds: seconds.unwrap_or(0),
            transcript,
            listened_at: None,
            listened_by_id: None,
            created_at: tx.now,
        };
        return insert(tx.conn, vec![voicemail]).await;
    };
    // The carrier speaks of it once more: it may be there by now.
    let again = before.state == MediaState::Failed;
    let after = voicemail::Model {
        state: if again { MediaState::Pending } else { before.state },
        attempts: if again { 0 } else { before.attempts },
        duration_seconds: seconds.unwrap_or(before.duration_seconds),
        transcript: before.transcript.clone().or(transcript),
        ..before.clone()
    };
    if before.recording_sid != sid || after == before {
        return Ok(());
    }
    save(tx.conn, after).await?;
    tx.call_updated(call, Vec::new())
}

/// Takes up what a voicemail says in words.
///
/// # Errors
/// When it is not stored; the carrier must say it again.
pub async fn transcribed(
    services: &Services,
    reached: &Reached,
    key: CallKey,
    course: &Course,
    recording: String,
    text: &str,
) -> Result<(), Fault> {
    let text = text.chars().filter(|c| *c != '\0').take(MAX_TRANSCRIPT_CHARS).collect();
    let left = Left { sid: recording, seconds: None, transcript: Some(text) };
    let agency = key.agency;
    let unit = Leave { key, mailbox: mailbox(reached, course), done: None, left: Some(left) };
    Ok(commit(services, agency, unit).await?)
}
