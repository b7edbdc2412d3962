//! Fetch what callers said from the carrier and keep it, so that it can be heard here.

use chrono::TimeDelta;
use sea_orm::DbErr;

use super::{Fault, Services};
use crate::domain::MediaState;
use crate::entity::voicemail;
use crate::ports::twilio_rest::{Fetched, TwilioError};
use crate::store::calls;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit};

/// How many recordings one round takes.
const ROUND: u64 = 20;
/// How long to wait after each attempt, in seconds: a recording is there some moments after it was made. After
/// the last one it is given up.
const PAUSES: [i64; 9] = [2, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200];

/// Fetches the recordings that are due. Running it twice keeps them once.
///
/// # Errors
/// When the database fails; the next round makes up for it.
pub async fn fetch_recordings(services: &Services) -> Result<(), Fault> {
    for voicemail in calls::recordings_due(services.reader(), services.clock.now(), ROUND).await? {
        let account = services.accounts.by_id(voicemail.twilio_account_id).await?;
        let fetched = match account.and_then(|account| account.credentials()) {
            Some(credentials) => services.sending.twilio.recording(&credentials, &voicemail.recording_sid).await,
            None => Err(TwilioError::Unauthorised),
        };
        let kept = match fetched {
            Ok(Fetched { content_type, bytes }) => match services.media.put(voicemail.agency_id, &bytes).await {
                Ok(digest) => Some((digest, content_type)),
                Err(error) => {
                    tracing::error!(%error, "a recording cannot be kept");
                    None
                }
            },
            Err(error) => {
                tracing::info!(%error, voicemail = %voicemail.id, "a recording is not there yet");
                None
            }
        };
        services.writer.run(voicemail.agency_id, Keep { voicemail, kept }).await?;
    }
    Ok(())
}

struct Keep {
    voicemail: voicemail::Model,
    kept: Option<(String, String)>,
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
        let after = match (&self.kept, pause) {
            (Some((digest, content_type)), _) => voicemail::Model {
                state: MediaState::Ready,
                digest: Some(digest.clone()),
                content_type: Some(content_type.clone()),
                ..before
            },
            (None, Some(pause)) => {
                voicemail::Model { attempts: before.attempts + 1, due_at: tx.now + TimeDelta::seconds(pause), ..before }
            }
            (None, None) => voicemail::Model { state: MediaState::Failed, ..before },
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
