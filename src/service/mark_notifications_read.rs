use std::collections::HashSet;

use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{AgencyId, NotificationId, UserId};
use crate::entity::notification;
use crate::store::notifications;
use crate::store::writer::{Tx, Unit, UnitError};

pub const MAX_IDS: usize = 100;

/// Marks notifications of the viewer as read and returns them in the order of `ids`. If one of them does not exist or
/// belongs to another user, none is marked.
pub async fn mark_notifications_read(
    services: &Services,
    viewer: &Viewer,
    ids: Vec<NotificationId>,
) -> Outcome<Vec<notification::Model>> {
    if ids.len() > MAX_IDS {
        let message = format!("At most {MAX_IDS} notifications can be marked at once.");
        return Err(Refusal::invalid(message, "ids").into());
    }
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let unit = MarkRead { agency: viewer.agency(), user: viewer.id(), ids };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct MarkRead {
    agency: AgencyId,
    user: UserId,
    ids: Vec<NotificationId>,
}

impl Unit for MarkRead {
    type Output = Vec<notification::Model>;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<notification::Model>, UnitError<Refusal>> {
        let mut own = notifications::own_among(tx.conn, self.agency, self.user, &self.ids).await?;
        let wanted: HashSet<NotificationId> = self.ids.iter().copied().collect();
        if own.len() < wanted.len() {
            return Err(Refusal::not_found("notification", "ids").into());
        }
        notifications::mark_read(tx.conn, self.agency, self.user, &self.ids, tx.now).await?;
        for row in own.iter_mut().filter(|row| row.read_at.is_none()) {
            row.read_at = Some(tx.now);
            tx.notification_read(row)?;
        }
        own.sort_by_key(|row| self.ids.iter().position(|id| *id == row.id));
        Ok(own)
    }
}
