//! Downloads voicemail recordings from the carrier into the media store.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::account_trouble::{evidence_from_response, observe};
use super::carrier_files::{CarrierFile, Fetcher, account_of, store_file};
use super::{Fault, Services};
use crate::domain::fetching::{DAY, FetchOutcome, FetchStep, StoredFile, next_step};
use crate::domain::{AgencyId, MediaState, TwilioRequest, VoicemailFailure};
use crate::entity::voicemail;
use crate::ports::twilio_rest::{RecordingFile, TwilioError};
use crate::store::calls;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, UnitError};

/// Fetches all recordings that are due. A second run stores nothing twice.
pub async fn fetch_recordings(services: &Arc<Services>) -> Result<(), Fault> {
    recording_fetcher(services).run_until_idle().await
}

/// The background task that fetches recordings.
pub fn recording_fetcher(services: &Arc<Services>) -> Fetcher<voicemail::Model> {
    Fetcher::new(Arc::clone(services))
}

impl CarrierFile for voicemail::Model {
    type Failure = VoicemailFailure;

    fn agency(&self) -> AgencyId {
        self.agency_id
    }

    async fn due(services: &Services, limit: u64) -> Result<Vec<Self>, DbErr> {
        calls::recordings_due(services.reader(), services.clock.now(), limit).await
    }

    async fn lease(&self, tx: &Tx<'_>, until: DateTime<Utc>) -> Result<bool, DbErr> {
        calls::lease_recording(tx.conn, self, tx.now, until).await
    }

    async fn fetch(&self, services: &Services) -> FetchOutcome<VoicemailFailure> {
        let Some((account, credentials)) = account_of(services, self.twilio_account_id, self.id).await else {
            return FetchOutcome::RetryLater;
        };
        let fetched = services.sending.twilio.recording(&credentials, &self.recording_sid).await;
        observe(services, &account, TwilioRequest::Recording, evidence_from_response(&fetched)).await;
        let RecordingFile { content_type, bytes } = match fetched {
            Ok(fetched) => fetched,
            Err(error) => {
                tracing::warn!(%error, voicemail = %self.id, "failed to fetch a recording");
                return outcome_of_error(&error);
            }
        };
        let byte_size = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        let stored = store_file(services, self.agency_id, self.id, &bytes).await;
        stored.map_or(FetchOutcome::RetryLater, |digest| {
            FetchOutcome::Stored(StoredFile { digest, content_type, byte_size, file_name: None })
        })
    }

    async fn record(&self, tx: &mut Tx<'_>, outcome: &FetchOutcome<VoicemailFailure>) -> Result<bool, UnitError> {
        let agency = self.agency_id;
        let Some(before) = calls::voicemail(tx.conn, agency, self.id).await? else { return Ok(false) };
        if before.state != MediaState::Pending {
            return Ok(false);
        }
        let after = match next_step(outcome, before.attempts) {
            FetchStep::Complete(StoredFile { digest, content_type, .. }) => voicemail::Model {
                state: MediaState::Ready,
                digest: Some(digest),
                content_type: Some(content_type),
                ..before
            },
            FetchStep::GiveUp(failure) => {
                voicemail::Model { state: MediaState::Failed, failure: Some(failure), ..before }
            }
            FetchStep::Retry { attempts, delay } => voicemail::Model { attempts, due_at: tx.now + delay, ..before },
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

/// Only 404 and 410 mean that Twilio does not have the recording. Errors of the account, the network or Twilio's
/// servers are temporary.
fn outcome_of_error(error: &TwilioError) -> FetchOutcome<VoicemailFailure> {
    let unavailable = |failure| FetchOutcome::Unavailable { failure, max_attempts: DAY };
    match error {
        TwilioError::Missing => unavailable(VoicemailFailure::Missing),
        TwilioError::NotAudio => unavailable(VoicemailFailure::NotAudio),
        TwilioError::TooLarge => FetchOutcome::Unusable(VoicemailFailure::TooLarge),
        TwilioError::Unreachable
        | TwilioError::Account(_)
        | TwilioError::Busy
        | TwilioError::TooMany
        | TwilioError::Answer(_) => FetchOutcome::RetryLater,
    }
}
