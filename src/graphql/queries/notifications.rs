use async_graphql::{Context, Object};

use crate::graphql::context::requester;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::Notification;
use crate::store::notifications;

#[derive(Default)]
pub(super) struct NotificationsQuery;

#[Object]
impl NotificationsQuery {
    /// The notifications of the viewer, newest first.
    async fn notifications(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "True to return only notifications without `readAt`. Default: false.",
            default_with = "Some(false)"
        )]
        unread_only: Option<bool>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Notification>> {
        let requester = requester(ctx)?;
        let viewer = requester.viewer().await?;
        let window = PageArgs { first, after, last, before }.window_by()?;
        let (agency, user, unread) = (viewer.agency(), viewer.id(), unread_only.unwrap_or(false));
        let page = notifications::page(requester.services.request_reader(), agency, user, unread, &window).await;
        let page = page.map_err(|error| requester.fault(error))?;
        let total = Total::later(move |requester| async move {
            Ok(notifications::count(requester.services.request_reader(), agency, user, unread).await?)
        });
        Ok(Connection::new(page.map(|row| Notification::new(&viewer, row)), total))
    }
}
