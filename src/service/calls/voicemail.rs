//! What a caller says to nobody. It is durable before the carrier is told that we have it; the recording itself
//! is fetched afterwards.

use sea_orm::DbErr;

use super::recordings::{Change, RecordingNews};
use super::rows::{Legs, advance, find_or_begin};
use super::settle::{end, settle};
use super::{CallKey, Progress, Reached, commit};
use crate::domain::ivr::{Course, Happened, MOST_STEPS, Plan, plan};
use crate::domain::{CallEnd, CallStage};
use crate::service::{Fault, Services};
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
    let agency = key.agency;
    let leave = Leave {
        key,
        mailbox: mailbox(reached, course),
        done: says_end.then(|| Progress::of(&plan, reached)),
        is_over: says_end,
        news: recording.and_then(Recording::into_news),
    };
    commit(services, agency, leave).await?;
    Ok(plan)
}

impl Recording {
    /// `None` for silence, which is not a voicemail.
    fn into_news(self) -> Option<RecordingNews> {
        let Self { sid, seconds } = self;
        (seconds != Some(0)).then(|| RecordingNews { sid, seconds, ..RecordingNews::default() })
    }
}

/// Records that a recording is too short or silent and thus not a voicemail. A voicemail that was created from it is
/// withdrawn.
///
/// # Errors
/// When it is not stored; the carrier must say it again.
pub async fn withdraw_recording(
    services: &Services,
    reached: &Reached,
    key: CallKey,
    course: &Course,
    sid: String,
) -> Result<(), Fault> {
    let agency = key.agency;
    // No voicemail is coming any more, so the end of the call need not wait for one.
    let done = Progress { step: MOST_STEPS.into(), stage: Some(CallStage::Done), ..Progress::default() };
    let news = RecordingNews { sid, is_absent: true, ..RecordingNews::default() };
    let mailbox = mailbox(reached, course);
    let leave = Leave { key, mailbox, done: Some(done), is_over: false, news: Some(news) };
    Ok(commit(services, agency, leave).await?)
}

/// Stores a voicemail that the carrier holds and whose webhooks did not arrive.
///
/// # Errors
/// When it is not stored.
pub(super) async fn store_missed_voicemail(
    services: &Services,
    key: CallKey,
    recording: Recording,
) -> Result<(), Fault> {
    let Some(news) = recording.into_news() else { return Ok(()) };
    let agency = key.agency;
    let leave = Leave { key, mailbox: Progress::default(), done: None, is_over: false, news: Some(news) };
    Ok(commit(services, agency, leave).await?)
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
    /// Whether the call is over.
    is_over: bool,
    news: Option<RecordingNews>,
}

impl Unit for Leave {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let Some(mut row) = find_or_begin(tx, self.key.agency, &[&self.key]).await?.pop() else { return Ok(()) };
        let legs = Legs::of(tx, &row).await?;
        advance(&mut row.after, &self.mailbox);
        let change = match &self.news {
            Some(news) => Some(Change::of(tx, &row, news).await?),
            None => None,
        };
        if let Some(change) = &change {
            row.after.recorded = change.has_voicemail;
        }
        if let Some(done) = &self.done {
            advance(&mut row.after, done);
        }
        if self.is_over {
            end(tx, &mut row.after, CallEnd::Completed, None);
        }
        let call = settle(tx, row.before, row.after, legs).await?;
        match change {
            Some(change) => change.write(tx, &call).await,
            None => Ok(()),
        }
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
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
    let news = RecordingNews { sid: recording, transcript: Some(text), ..RecordingNews::default() };
    let agency = key.agency;
    let leave = Leave { key, mailbox: mailbox(reached, course), done: None, is_over: false, news: Some(news) };
    Ok(commit(services, agency, leave).await?)
}
