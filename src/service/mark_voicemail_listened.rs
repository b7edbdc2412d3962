use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{AgencyId, NotificationKind, UserId, VoicemailId};
use crate::entity::voicemail;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{calls, notifications};

/// Records that the viewer has listened to a voicemail, and resolves its notifications for all users. The first
/// listener stays recorded.
pub async fn mark_voicemail_listened(
    services: &Services,
    viewer: &Viewer,
    voicemail: VoicemailId,
) -> Outcome<voicemail::Model> {
    let unit = MarkListened { agency: viewer.agency(), user: viewer.id(), voicemail };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct MarkListened {
    agency: AgencyId,
    user: UserId,
    voicemail: VoicemailId,
}

impl Unit for MarkListened {
    type Output = voicemail::Model;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<voicemail::Model, UnitError<Refusal>> {
        let not_found = || Refusal::not_found("voicemail", "voicemailId");
        let directory = tx.directory(self.agency).await?;
        let viewer = Viewer::of(directory, self.user).ok_or_else(not_found)?;
        let before = calls::voicemail(tx.conn, self.agency, self.voicemail).await?.ok_or_else(not_found)?;
        let call = calls::in_full(tx.conn, &viewer.scope(), before.call_id).await?.ok_or_else(not_found)?;
        if before.listened_at.is_some() {
            return Ok(before);
        }
        let after = voicemail::Model { listened_at: Some(tx.now), listened_by_id: Some(self.user), ..before };
        save(tx.conn, after.clone()).await?;
        // Notifications refer to the call, so they are resolved only when all of its voicemails have been listened to.
        let voicemails = calls::voicemails_of(tx.conn, self.agency, &[call.id]).await?;
        if voicemails.iter().all(|voicemail| voicemail.listened_at.is_some()) {
            notifications::resolve_of_call(tx.conn, self.agency, call.id, NotificationKind::Voicemail, tx.now).await?;
        }
        tx.call_updated(&call, Vec::new())?;
        Ok(after)
    }
}
