use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::domain::NotificationId;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Notification;
use crate::graphql::types::user_error::UserError;
use crate::service::Refusal;
use crate::service::mark_notifications_read::mark_notifications_read;

/// The input of `markNotificationsRead`.
#[derive(InputObject)]
pub(super) struct MarkNotificationsReadInput {
    /// The IDs of the viewer's own notifications, at most 100. If one of them does not exist, none is changed.
    ids: Vec<ID>,
}

/// The result of `markNotificationsRead`.
#[derive(SimpleObject)]
pub(super) struct MarkNotificationsReadPayload {
    /// The notifications in the order of the input. Empty if the mutation was rejected.
    notifications: Vec<Notification>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct MarkNotificationsReadMutation;

#[Object]
impl MarkNotificationsReadMutation {
    /// Marks notifications of the viewer as read. Notifications that are already read keep their `readAt`. Errors:
    /// INVALID (too many IDs), NOT_FOUND.
    async fn mark_notifications_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `markNotificationsRead`.")] input: MarkNotificationsReadInput,
    ) -> Result<MarkNotificationsReadPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let named = |id: &ID| ids::parse_input::<NotificationId>(id, "notification", "ids");
        let outcome = match input.ids.iter().map(named).collect::<std::result::Result<Vec<_>, Refusal>>() {
            Ok(ids) => mark_notifications_read(mutation.services(), mutation.viewer(), ids).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (viewer, resolved) = mutation.resolve(outcome).await?;
        Ok(match resolved {
            Ok(rows) => MarkNotificationsReadPayload {
                notifications: rows.into_iter().map(|row| Notification::new(&viewer, row)).collect(),
                user_errors: vec![],
            },
            Err(user_errors) => MarkNotificationsReadPayload { notifications: vec![], user_errors },
        })
    }
}
