//! Downloads voicemail recordings from the carrier into the media store.

use std::convert::Infallible;

use super::account_trouble::{evidence_from_response, observe};
use super::retention::files::remove_unused;
use super::{Fault, Services};
use crate::domain::{MediaState, TwilioRequest, VoicemailFailure};
use crate::entity::voicemail;
use crate::ports::twilio_rest::{RecordingFile, TwilioError};
use crate::store::calls;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit, UnitError};
use chrono::TimeDelta;
use futures_util::stream::{self, StreamExt as _};

const BATCH_SIZE: u64 = 20;
const MAX_CONCURRENT: usize = 4;
/// The delay after each failed attempt, in seconds. A recording becomes available a few seconds after it was made. One
/// that is still missing after the last delay is marked as failed.
const RETRY_DELAYS: [i64; 9] = [2, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200];
/// The delay in seconds after an error that says nothing about the recording. These attempts are not counted, so they
/// continue until the recording can be fetched.
const UNCOUNTED_RETRY_DELAY: i64 = 300;

/// Fetches the recordings that are due. A second run stores nothing twice, and a failure of one recording does not
/// delay the others.
pub async fn fetch_recordings(services: &Services) -> Result<(), Fault> {
    let due = calls::recordings_due(services.reader(), services.clock.now(), BATCH_SIZE).await?;
    let fetching = due.into_iter().map(|voicemail| async move { (fetch(services, &voicemail).await, voicemail) });
    let mut fetched = stream::iter(fetching).buffer_unordered(MAX_CONCURRENT);
    while let Some((outcome, voicemail)) = fetched.next().await {
        let agency = voicemail.agency_id;
        let stored = match &outcome {
            FetchOutcome::Stored { digest, .. } => Some(digest.clone()),
            _ => None,
        };
        let is_recorded = services.writer.run(agency, RecordFetch { voicemail, outcome }).await?;
        if let Some(digest) = stored.filter(|_| !is_recorded) {
            // The voicemail was deleted while its recording was fetched.
            remove_unused(services, agency, vec![digest]).await?;
        }
    }
    Ok(())
}

enum FetchOutcome {
    /// Stored in the media store.
    Stored { digest: String, content_type: String },
    /// The carrier does not have the recording, or the response is not audio. It may become available later.
    Missing(VoicemailFailure),
    /// The recording cannot be stored, now or later.
    Unusable(VoicemailFailure),
    /// The request or the storage failed for a reason that may pass.
    RetryLater,
}

async fn fetch(services: &Services, voicemail: &voicemail::Model) -> FetchOutcome {
    let account = match services.accounts.by_id(voicemail.twilio_account_id).await {
        Ok(account) => account,
        Err(error) => {
            tracing::error!(%error, voicemail = %voicemail.id, "failed to read the Twilio account of a recording");
            return FetchOutcome::RetryLater;
        }
    };
    let Some(account) = account else { return FetchOutcome::RetryLater };
    let Some(credentials) = account.credentials() else { return FetchOutcome::RetryLater };
    let fetched = services.sending.twilio.recording(&credentials, &voicemail.recording_sid).await;
    observe(services, &account, TwilioRequest::Recording, evidence_from_response(&fetched)).await;
    let RecordingFile { content_type, bytes } = match fetched {
        Ok(fetched) => fetched,
        Err(error) => {
            let outcome = outcome_of_error(&error);
            tracing::warn!(%error, voicemail = %voicemail.id, "failed to fetch a recording");
            return outcome;
        }
    };
    let scratch = services.ids.uuid(services.clock.now());
    match services.media.put(voicemail.agency_id, &bytes, scratch).await {
        Ok(digest) => FetchOutcome::Stored { digest, content_type },
        Err(error) => {
            tracing::error!(%error, voicemail = %voicemail.id, "failed to store a recording");
            FetchOutcome::RetryLater
        }
    }
}

/// Only 404 and 410 mean that Twilio does not have the recording. Errors of the account, the network or Twilio's
/// servers are temporary.
fn outcome_of_error(error: &TwilioError) -> FetchOutcome {
    match error {
        TwilioError::Missing => FetchOutcome::Missing(VoicemailFailure::Missing),
        TwilioError::NotAudio => FetchOutcome::Missing(VoicemailFailure::NotAudio),
        TwilioError::TooLarge => FetchOutcome::Unusable(VoicemailFailure::TooLarge),
        TwilioError::Unreachable
        | TwilioError::Account(_)
        | TwilioError::Busy
        | TwilioError::TooMany
        | TwilioError::Answer(_) => FetchOutcome::RetryLater,
    }
}

struct RecordFetch {
    voicemail: voicemail::Model,
    outcome: FetchOutcome,
}

impl Unit for RecordFetch {
    /// Whether the voicemail was still waiting for its recording.
    type Output = bool;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, UnitError> {
        let agency = self.voicemail.agency_id;
        let Some(before) = calls::voicemail(tx.conn, agency, self.voicemail.id).await? else { return Ok(false) };
        if before.state != MediaState::Pending {
            return Ok(false);
        }
        let delay = usize::try_from(before.attempts).ok().and_then(|tried| RETRY_DELAYS.get(tried)).copied();
        let retry = |attempts, delay| voicemail::Model {
            attempts,
            due_at: tx.now + TimeDelta::seconds(delay),
            ..before.clone()
        };
        let after = match (&self.outcome, delay) {
            (FetchOutcome::Stored { digest, content_type }, _) => voicemail::Model {
                state: MediaState::Ready,
                digest: Some(digest.clone()),
                content_type: Some(content_type.clone()),
                ..before
            },
            (FetchOutcome::RetryLater, _) => retry(before.attempts, UNCOUNTED_RETRY_DELAY),
            (FetchOutcome::Missing(_), Some(delay)) => retry(before.attempts + 1, delay),
            (FetchOutcome::Missing(failure), None) | (FetchOutcome::Unusable(failure), _) => {
                voicemail::Model { state: MediaState::Failed, failure: Some(*failure), ..before }
            }
        };
        let is_final = after.state != MediaState::Pending;
        let call = after.call_id;
        save(tx.conn, after).await?;
        if is_final && let Some(call) = calls::by_id(tx.conn, agency, call).await? {
            tx.call_updated(&call, Vec::new())?;
        }
        Ok(true)
    }
}
