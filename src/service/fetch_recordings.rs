//! Fetch what callers said from the carrier and keep it, so that it can be heard here.

use chrono::TimeDelta;
use futures_util::stream::{self, StreamExt as _};
use sea_orm::DbErr;

use super::account_trouble::{observe, shown_by_answer};
use super::{Fault, Services};
use crate::domain::{MediaState, TwilioRequest, VoicemailFailure};
use crate::entity::voicemail;
use crate::ports::twilio_rest::{Fetched, TwilioError};
use crate::store::calls;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit};

/// How many recordings one round takes.
const ROUND: u64 = 20;
/// How many are fetched at a time.
const AT_A_TIME: usize = 4;
/// How long to wait after each attempt, in seconds: a recording is there some moments after it was made. One that
/// is not there after the last is given up.
const PAUSES: [i64; 9] = [2, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200];
/// How long to wait where the fault is ours, or nobody's: it is tried for as long as it takes.
const OURS: i64 = 300;

/// Fetches the recordings that are due. Running it twice keeps them once, and what is wrong with one holds up no other.
///
/// # Errors
/// When the database fails; the next round makes up for it.
pub async fn fetch_recordings(services: &Services) -> Result<(), Fault> {
    let due = calls::recordings_due(services.reader(), services.clock.now(), ROUND).await?;
    let fetching = due.into_iter().map(|voicemail| async move { (fetch(services, &voicemail).await, voicemail) });
    let mut fetched = stream::iter(fetching).buffer_unordered(AT_A_TIME);
    while let Some((found, voicemail)) = fetched.next().await {
        services.writer.run(voicemail.agency_id, Keep { voicemail, found }).await?;
    }
    Ok(())
}

enum Found {
    /// It is kept, under this name and of this type.
    Kept(String, String),
    /// The carrier does not have it, or what it delivers is not audio. It may be there after some time.
    Missing(VoicemailFailure),
    /// It can never be kept.
    Unusable(VoicemailFailure),
    /// It could not be asked for, or not be kept.
    NotNow,
}

async fn fetch(services: &Services, voicemail: &voicemail::Model) -> Found {
    let account = match services.accounts.by_id(voicemail.twilio_account_id).await {
        Ok(account) => account,
        Err(error) => {
            tracing::error!(%error, voicemail = %voicemail.id, "a recording cannot be asked for");
            return Found::NotNow;
        }
    };
    let Some(account) = account else { return Found::NotNow };
    let Some(credentials) = account.credentials() else { return Found::NotNow };
    let fetched = services.sending.twilio.recording(&credentials, &voicemail.recording_sid).await;
    observe(services, &account, TwilioRequest::Recording, shown_by_answer(&fetched)).await;
    let Fetched { content_type, bytes } = match fetched {
        Ok(fetched) => fetched,
        Err(error) => {
            let found = unfetched(&error);
            tracing::warn!(%error, voicemail = %voicemail.id, "a recording was not fetched");
            return found;
        }
    };
    let scratch = services.ids.uuid(services.clock.now());
    match services.media.put(voicemail.agency_id, &bytes, scratch).await {
        Ok(digest) => Found::Kept(digest, content_type),
        Err(error) => {
            tracing::error!(%error, voicemail = %voicemail.id, "a recording cannot be kept");
            Found::NotNow
        }
    }
}

/// Only 404 and 410 say that Twilio does not have a recording. Whatever is wrong with the account, with the network or
/// at Twilio passes.
fn unfetched(error: &TwilioError) -> Found {
    match error {
        TwilioError::Missing => Found::Missing(VoicemailFailure::Missing),
        TwilioError::NotAudio => Found::Missing(VoicemailFailure::NotAudio),
        TwilioError::TooLarge => Found::Unusable(VoicemailFailure::TooLarge),
        TwilioError::Unreachable
        | TwilioError::Account(_)
        | TwilioError::Busy
        | TwilioError::TooMany
        | TwilioError::Answer(_) => Found::NotNow,
    }
}

struct Keep {
    voicemail: voicemail::Model,
    found: Found,
}

impl Unit for Keep {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let agency = self.voicemail.agency_id;
        let Some(before) = calls::voicemail(tx.conn, agency, self.voicemail.id).await? else { return Ok(()) };
        if before.state != MediaState::Pending {
            return Ok(());
        }
        let pause = usize::try_from(before.attempts).ok().and_then(|tried| PAUSES.get(tried)).copied();
        let later = |attempts, pause| voicemail::Model {
            attempts,
            due_at: tx.now + TimeDelta::seconds(pause),
            ..before.clone()
        };
        let after = match (&self.found, pause) {
            (Found::Kept(digest, content_type), _) => voicemail::Model {
                state: MediaState::Ready,
                digest: Some(digest.clone()),
                content_type: Some(content_type.clone()),
                ..before
            },
            (Found::NotNow, _) => later(before.attempts, OURS),
            (Found::Missing(_), Some(pause)) => later(before.attempts + 1, pause),
            (Found::Missing(failure), None) | (Found::Unusable(failure), _) => {
                voicemail::Model { state: MediaState::Failed, failure: Some(*failure), ..before }
            }
        };
        let settled = after.state != MediaState::Pending;
        let call = after.call_id;
        save(tx.conn, after).await?;
        if settled && let Some(call) = calls::by_id(tx.conn, agency, call).await? {
            tx.call_updated(&call, Vec::new())?;
        }
        Ok(())
    }
}
