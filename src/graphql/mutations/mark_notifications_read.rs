use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::domain::NotificationId;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::{Notification, NotificationsPayload};
use crate::service::Refusal;
use crate::service::mark_notifications_read::mark_notifications_read;

/// Which notifications.
#[derive(InputObject)]
pub(super) struct MarkNotificationsReadInput {
    /// The viewer's own notifications, all of which must be there.
    ids: Vec<ID>,
}

#[derive(Default)]
pub(super) struct MarkNotificationsReadMutation;

#[Object]
impl MarkNotificationsReadMutation {
    /// Marks notifications as read; those that are read already keep their time.
    async fn mark_notifications_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which notifications.")] input: MarkNotificationsReadInput,
    ) -> Result<NotificationsPayload> {
        let act = Act::begin(ctx).await?;
        let named = |id: &ID| ids::named::<NotificationId>(id, "notification", "ids");
        let outcome = match input.ids.iter().map(named).collect::<std::result::Result<Vec<_>, Refusal>>() {
            Ok(ids) => mark_notifications_read(act.services(), act.viewer(), ids).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        let (viewer, settled) = act.settle(outcome).await?;
        Ok(match settled {
            Ok(rows) => NotificationsPayload {
                notifications: rows.into_iter().map(|row| Notification::new(&viewer, row)).collect(),
                user_errors: vec![],
            },
            Err(user_errors) => NotificationsPayload { notifications: vec![], user_errors },
        })
    }
}
