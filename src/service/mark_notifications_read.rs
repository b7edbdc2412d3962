//! Mark notifications as read.

use std::collections::HashSet;

use sea_orm::DbErr;

use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{AgencyId, NotificationId, UserId};
use crate::entity::notification;
use crate::store::notifications;
use crate::store::writer::{Tx, Unit};

/// How many may be marked at once.
pub const MAX_IDS: usize = 100;

/// Marks these notifications of the viewer's as read: all of them, or none if one is not theirs.
///
/// # Errors
/// When the database fails.
pub async fn mark_notifications_read(
    services: &Services,
    viewer: &Viewer,
    ids: Vec<NotificationId>,
) -> Outcome<Vec<notification::Model>> {
    if ids.len() > MAX_IDS {
        return Ok(Err(Refusal::invalid(format!("At most {MAX_IDS} notifications at a time."), "ids")));
    }
    if ids.is_empty() {
        return Ok(Ok(Vec::new()));
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
    type Output = Result<Vec<notification::Model>, Refusal>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let mut own = notifications::own_among(tx.conn, self.agency, self.user, &self.ids).await?;
        let wanted: HashSet<NotificationId> = self.ids.iter().copied().collect();
        if own.len() < wanted.len() {
            return Ok(Err(Refusal::not_found("notification", "ids")));
        }
        notifications::mark_read(tx.conn, self.agency, self.user, &self.ids, tx.now).await?;
        for row in &mut own {
            row.read_at = row.read_at.or(Some(tx.now));
        }
        own.sort_by_key(|row| self.ids.iter().position(|id| *id == row.id));
        Ok(Ok(own))
    }
}
