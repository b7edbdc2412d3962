//! Downloads the attachments of inbound texts from the carrier into the media store.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::account_trouble::{AccountEvidence, evidence_from_error, observe};
use super::carrier_files::{CarrierFile, Fetcher, account_of, store_file};
use super::{Fault, Services};
use crate::domain::fetching::{DAY, FIRST_MINUTES, FetchOutcome, FetchStep, StoredFile, next_step};
use crate::domain::file_name::safe_file_name;
use crate::domain::media_type::{OCTET_STREAM, essence, is_as_declared, sniff, stored_type};
use crate::domain::sid::sid_in_url;
use crate::domain::{AgencyId, MediaFailure, MediaState, TwilioRequest};
use crate::entity::media;
use crate::ports::twilio_rest::{MediaDownload, MediaError, TwilioError};
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, UnitError};
use crate::store::{self, messages};

/// Fetches all attachments that are due. A second run stores nothing twice.
pub async fn fetch_media(services: &Arc<Services>) -> Result<(), Fault> {
    media_fetcher(services).run_until_idle().await
}

/// The background task that fetches attachments.
pub fn media_fetcher(services: &Arc<Services>) -> Fetcher<media::Model> {
    Fetcher::new(Arc::clone(services))
}

impl CarrierFile for media::Model {
    type Failure = MediaFailure;

    fn agency(&self) -> AgencyId {
        self.agency_id
    }

    async fn due(services: &Services, limit: u64) -> Result<Vec<Self>, DbErr> {
        store::media::due(services.reader(), services.clock.now(), limit).await
    }

    async fn lease(&self, tx: &Tx<'_>, until: DateTime<Utc>) -> Result<bool, DbErr> {
        store::media::lease(tx.conn, self, tx.now, until).await
    }

    async fn fetch(&self, services: &Services) -> FetchOutcome<MediaFailure> {
        let message = match messages::by_id(services.reader(), self.agency_id, self.message_id).await {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%error, media = %self.id, "failed to read the message of an attachment");
                return FetchOutcome::RetryLater;
            }
        };
        // The host and the folders of the announced URL are not used.
        let sids = message.as_ref().and_then(|row| row.provider_sid.as_deref()).zip(sid_in_url(&self.source_url));
        let (Some(message), Some((message_sid, media_sid))) = (&message, sids) else {
            return FetchOutcome::Unusable(MediaFailure::Missing);
        };
        let Some((account, credentials)) = account_of(services, message.twilio_account_id, self.id).await else {
            return FetchOutcome::RetryLater;
        };
        let fetched = services.sending.twilio.media(&credentials, message_sid, media_sid).await;
        observe(services, &account, TwilioRequest::Media, evidence_from_download(&fetched)).await;
        match fetched {
            Ok(file) => self.keep(services, file).await,
            Err(error) => {
                tracing::warn!(%error, media = %self.id, "failed to fetch an attachment");
                outcome_of_error(&error)
            }
        }
    }

    async fn record(&self, tx: &mut Tx<'_>, outcome: &FetchOutcome<MediaFailure>) -> Result<bool, UnitError> {
        let Some(before) = store::media::by_id(tx.conn, self.agency_id, self.id).await? else { return Ok(false) };
        if before.state != MediaState::Pending {
            return Ok(false);
        }
        let after = match next_step(outcome, before.attempts) {
            FetchStep::Complete(StoredFile { digest, content_type, byte_size, file_name }) => media::Model {
                state: MediaState::Ready,
                digest: Some(digest),
                content_type,
                byte_size: Some(byte_size),
                file_name,
                due_at: None,
                ..before
            },
            FetchStep::GiveUp(failure) => {
                media::Model { state: MediaState::Failed, failure: Some(failure), due_at: None, ..before }
            }
            FetchStep::Retry { attempts, delay } => media::Model { attempts, due_at: Some(tx.now + delay), ..before },
        };
        let is_final = after.state != MediaState::Pending;
        save(tx.conn, after).await?;
        if is_final && let Some(message) = messages::by_id(tx.conn, self.agency_id, self.message_id).await? {
            tx.message_changed(&message, Vec::new())?;
        }
        Ok(true)
    }
}

impl media::Model {
    /// Stores a downloaded file, unless its content is of another kind than announced.
    async fn keep(&self, services: &Services, file: MediaDownload) -> FetchOutcome<MediaFailure> {
        let MediaDownload { content_type, file_name, bytes } = file;
        // A text may leave the type to the server that has the file.
        let declared = match essence(&self.content_type) {
            unknown if unknown == OCTET_STREAM => content_type.as_deref().map(essence).unwrap_or(unknown),
            known => known,
        };
        let content = sniff(&bytes);
        if !is_as_declared(&declared, content) {
            tracing::warn!(media = %self.id, content, "the content of an attachment is not as announced");
            return FetchOutcome::Unusable(MediaFailure::WrongType);
        }
        let content_type = stored_type(&declared, content);
        let stored = store_file(services, self.agency_id, self.id, &bytes).await;
        stored.map_or(FetchOutcome::RetryLater, |digest| {
            FetchOutcome::Stored(StoredFile {
                digest,
                content_type: content_type.to_owned(),
                byte_size: i32::try_from(bytes.len()).unwrap_or(i32::MAX),
                file_name: file_name.and_then(|name| safe_file_name(&name, content_type)),
            })
        })
    }
}

/// A redirect or a file shows that Twilio serves the account, whatever the server that has the file answers.
fn evidence_from_download(fetched: &Result<MediaDownload, MediaError>) -> AccountEvidence {
    match fetched {
        Err(MediaError::Api(error)) => evidence_from_error(error),
        _ => Some(Ok(())),
    }
}

/// Twilio has a file shortly after the webhook, so a missing one is requested again for some minutes. Errors of the
/// account and of the API are temporary.
fn outcome_of_error(error: &MediaError) -> FetchOutcome<MediaFailure> {
    match error {
        MediaError::Api(TwilioError::Missing) | MediaError::Missing => {
            FetchOutcome::Unavailable { failure: MediaFailure::Missing, max_attempts: FIRST_MINUTES }
        }
        MediaError::Api(_) => FetchOutcome::RetryLater,
        MediaError::UnsafeAddress => FetchOutcome::Unusable(MediaFailure::UnsafeAddress),
        MediaError::TooLarge => FetchOutcome::Unusable(MediaFailure::TooLarge),
        MediaError::Incomplete => FetchOutcome::Unavailable { failure: MediaFailure::Unreachable, max_attempts: DAY },
    }
}
