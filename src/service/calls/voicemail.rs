//! Voicemails. A voicemail is durable before the carrier gets its answer; the recording itself is fetched afterwards.

use std::convert::Infallible;

use super::record::{RecordedCall, write};
use super::recordings::{RecordingChange, RecordingReport};
use super::rows::find_or_begin;
use super::{CallKey, CalledNumber, commit, recording_event, step_event};
use crate::domain::call::{CallEvent, CallStep};
use crate::domain::ivr::{IvrEvent, IvrState, MAX_STEPS, Plan, plan};
use crate::domain::{CallEnd, CallStage};
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit, UnitError, WhenAway};

/// The longest transcript that is stored, in characters.
const MAX_TRANSCRIPT_CHARS: usize = 10_000;

/// A recording, as the carrier identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    pub sid: String,
    /// The length, if the carrier reported it; 0 is silence.
    pub seconds: Option<i32>,
}

impl Recording {
    /// `None` for silence, which is not a voicemail.
    pub(super) fn into_report(self) -> Option<RecordingReport> {
        let Self { sid, seconds } = self;
        (seconds != Some(0)).then(|| RecordingReport { sid, seconds, ..RecordingReport::default() })
    }
}

/// Records a voicemail. Repeated requests record one. `is_over` is whether the caller's part of the call ends with it.
///
/// # Errors
/// If it is not stored; the carrier must repeat it.
pub async fn record_voicemail(
    services: &Services,
    number: &CalledNumber,
    key: CallKey,
    state: &IvrState,
    recording: Recording,
    is_over: bool,
) -> Result<Plan, Fault> {
    let event = if recording.seconds != Some(0) { IvrEvent::VoicemailLeft } else { IvrEvent::NoMessageLeft };
    finish_recording(services, number, key, state, event, Some(recording), is_over).await
}

/// Records that the caller left no message after the tone.
///
/// # Errors
/// If it is not stored; the carrier must repeat it.
pub async fn record_no_message(
    services: &Services,
    number: &CalledNumber,
    key: CallKey,
    state: &IvrState,
) -> Result<Plan, Fault> {
    finish_recording(services, number, key, state, IvrEvent::NoMessageLeft, None, true).await
}

async fn finish_recording(
    services: &Services,
    number: &CalledNumber,
    key: CallKey,
    state: &IvrState,
    event: IvrEvent<'_>,
    recording: Option<Recording>,
    is_over: bool,
) -> Result<Plan, Fault> {
    let now = services.clock.now();
    let plan = plan(&number.office(now), state, event, now.timestamp());
    let agency = key.agency;
    let mut after = Vec::new();
    if is_over {
        after.push(step_event(&plan, number, now, None));
        after.push(CallEvent::Ended { end: CallEnd::Completed, seconds: None });
    }
    let report = recording.and_then(Recording::into_report);
    let unit = RecordVoicemail { key, before: Some(recording_event(number, state)), report, after };
    commit(services, agency, unit).await?;
    Ok(plan)
}

/// Records that a recording is too short or silent and thus not a voicemail. A voicemail that was created from it is
/// withdrawn.
///
/// # Errors
/// If it is not stored; the carrier must repeat it.
pub async fn withdraw_recording(
    services: &Services,
    number: &CalledNumber,
    key: CallKey,
    state: &IvrState,
    sid: String,
) -> Result<(), Fault> {
    let agency = key.agency;
    let report = Some(RecordingReport { sid, is_absent: true, ..RecordingReport::default() });
    // No voicemail will arrive, so the end of the call need not wait for one.
    let done = CallStep { step: MAX_STEPS.into(), stage: Some(CallStage::Done), ..CallStep::default() };
    let before = Some(recording_event(number, state));
    Ok(commit(services, agency, RecordVoicemail { key, before, report, after: vec![CallEvent::Step(done)] }).await?)
}

/// Stores a voicemail that the carrier has and whose callbacks did not arrive.
///
/// # Errors
/// If it is not stored.
pub(super) async fn store_missed_voicemail(
    services: &Services,
    key: CallKey,
    recording: Recording,
) -> Result<(), Fault> {
    let Some(report) = recording.into_report() else { return Ok(()) };
    let agency = key.agency;
    let unit = RecordVoicemail { key, before: None, report: Some(report), after: Vec::new() };
    Ok(commit(services, agency, unit).await?)
}

/// Records the transcript of a voicemail.
///
/// # Errors
/// If it is not stored; the carrier must repeat it.
pub async fn record_transcript(
    services: &Services,
    number: &CalledNumber,
    key: CallKey,
    state: &IvrState,
    sid: String,
    text: &str,
) -> Result<(), Fault> {
    let text = text.chars().filter(|c| *c != '\0').take(MAX_TRANSCRIPT_CHARS).collect();
    let report = Some(RecordingReport { sid, transcript: Some(text), ..RecordingReport::default() });
    let agency = key.agency;
    let before = Some(recording_event(number, state));
    Ok(commit(services, agency, RecordVoicemail { key, before, report, after: Vec::new() }).await?)
}

struct RecordVoicemail {
    key: CallKey,
    /// Applied before the recording.
    before: Option<CallEvent>,
    report: Option<RecordingReport>,
    /// Applied after the recording.
    after: Vec<CallEvent>,
}

impl Unit for RecordVoicemail {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let Some(row) = find_or_begin(tx, self.key.agency, &[&self.key], tx.now).await?.pop() else { return Ok(()) };
        let mut call = RecordedCall::load(tx, row).await?;
        if let Some(event) = &self.before {
            call.apply(tx, event);
        }
        let change = match &self.report {
            Some(report) => Some(RecordingChange::of(tx, &call, report).await?),
            None => None,
        };
        if let Some(RecordingChange { has_voicemail, .. }) = &change {
            call.apply(tx, &CallEvent::Recorded { has_voicemail: *has_voicemail });
        }
        for event in &self.after {
            call.apply(tx, event);
        }
        let call = write(tx, call).await?;
        match change {
            Some(change) => Ok(change.write(tx, &call).await?),
            None => Ok(()),
        }
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
}
