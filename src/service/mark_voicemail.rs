//! Voicemails that a user has listened to, or has taken care of.

use chrono::{DateTime, Utc};

use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{AgencyId, NotificationKind, UserId, VoicemailId};
use crate::entity::voicemail;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{calls, notifications};

/// Records that the viewer has listened to a voicemail. The first listener stays recorded.
pub async fn mark_voicemail_listened(
    services: &Services,
    viewer: &Viewer,
    voicemail: VoicemailId,
) -> Outcome<voicemail::Model> {
    mark(services, viewer, voicemail, Mark::Listened).await
}

/// Records that the viewer has taken care of a voicemail, for example by calling back. The first user stays recorded.
pub async fn mark_voicemail_handled(
    services: &Services,
    viewer: &Viewer,
    voicemail: VoicemailId,
) -> Outcome<voicemail::Model> {
    mark(services, viewer, voicemail, Mark::Handled).await
}

async fn mark(services: &Services, viewer: &Viewer, voicemail: VoicemailId, mark: Mark) -> Outcome<voicemail::Model> {
    let unit = MarkVoicemail { agency: viewer.agency(), user: viewer.id(), voicemail, mark };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

#[derive(Debug, Clone, Copy)]
enum Mark {
    Listened,
    Handled,
}

impl Mark {
    /// The voicemail with this mark; `None` if it has the mark already. A voicemail that is handled needs no listener.
    fn set(self, before: &voicemail::Model, user: UserId, now: DateTime<Utc>) -> Option<voicemail::Model> {
        let after = before.clone();
        match self {
            Self::Listened if before.listened_at.is_none() => {
                Some(voicemail::Model { listened_at: Some(now), listened_by_id: Some(user), ..after })
            }
            Self::Handled if before.handled_at.is_none() => {
                Some(voicemail::Model { handled_at: Some(now), handled_by_id: Some(user), ..after })
            }
            Self::Listened | Self::Handled => None,
        }
    }
}

struct MarkVoicemail {
    agency: AgencyId,
    user: UserId,
    voicemail: VoicemailId,
    mark: Mark,
}

impl Unit for MarkVoicemail {
    type Output = voicemail::Model;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<voicemail::Model, UnitError<Refusal>> {
        let not_found = || Refusal::not_found("voicemail", "voicemailId");
        let directory = tx.directory(self.agency).await?;
        let viewer = Viewer::of(directory, self.user).ok_or_else(not_found)?;
        let before = calls::voicemail(tx.conn, self.agency, self.voicemail).await?.ok_or_else(not_found)?;
        let call = calls::in_full(tx.conn, &viewer.scope(), before.call_id).await?.ok_or_else(not_found)?;
        let Some(after) = self.mark.set(&before, self.user, tx.now) else { return Ok(before) };
        save(tx.conn, after.clone()).await?;
        // Notifications refer to the call, so they are resolved only when nothing is left to do for any of its
        // voicemails.
        let voicemails = calls::voicemails_of(tx.conn, self.agency, &[call.id]).await?;
        if voicemails.iter().all(|voicemail| voicemail.listened_at.or(voicemail.handled_at).is_some()) {
            notifications::resolve_of_call(tx.conn, self.agency, call.id, NotificationKind::Voicemail, tx.now).await?;
        }
        tx.call_updated(&call, Vec::new())?;
        Ok(after)
    }
}
