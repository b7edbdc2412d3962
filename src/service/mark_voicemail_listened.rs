//! Note that somebody has listened to a voicemail: its notifications are resolved for all users.

use sea_orm::DbErr;

use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{AgencyId, NotificationKind, UserId, VoicemailId};
use crate::entity::{call, voicemail};
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit};
use crate::store::{calls, notifications};

/// Notes it; the first who listened stands.
///
/// # Errors
/// When the database fails.
pub async fn mark_voicemail_listened(
    services: &Services,
    viewer: &Viewer,
    voicemail: VoicemailId,
) -> Outcome<call::Model> {
    let unit = Listen { agency: viewer.agency(), user: viewer.id(), voicemail };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct Listen {
    agency: AgencyId,
    user: UserId,
    voicemail: VoicemailId,
}

impl Unit for Listen {
    type Output = Result<call::Model, Refusal>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let absent = || Ok(Err(Refusal::not_found("voicemail", "voicemailId")));
        let directory = tx.directory(self.agency).await?;
        let Some(viewer) = Viewer::of(directory, self.user) else { return absent() };
        let Some(before) = calls::voicemail(tx.conn, self.agency, self.voicemail).await? else { return absent() };
        let Some(call) = calls::in_full(tx.conn, &viewer.scope(), before.call_id).await? else { return absent() };
        if before.listened_at.is_some() {
            return Ok(Ok(call));
        }
        let after = voicemail::Model { listened_at: Some(tx.now), listened_by_id: Some(self.user), ..before };
        save(tx.conn, after).await?;
        // Notifications name the call: they are settled once all its voicemails have been listened to.
        let voicemails = calls::voicemails_of(tx.conn, self.agency, &[call.id]).await?;
        if voicemails.iter().all(|voicemail| voicemail.listened_at.is_some()) {
            notifications::resolve_of_call(tx.conn, self.agency, call.id, NotificationKind::Voicemail, tx.now).await?;
        }
        tx.call_updated(&call, Vec::new())?;
        Ok(Ok(call))
    }
}
