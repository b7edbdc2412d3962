use async_graphql::{Context, Object};

use crate::graphql::context::caller;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::Notification;
use crate::store::notifications;

#[derive(Default)]
pub(super) struct NotificationsQuery;

#[Object]
impl NotificationsQuery {
    /// The viewer's notifications, newest first.
    async fn notifications(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those without `readAt`.", default_with = "Some(false)")] unread_only: Option<bool>,
        #[graphql(desc = "How many, from the start: 25 unless given, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Notification>> {
        let caller = caller(ctx)?;
        let viewer = caller.viewer().await?;
        let window = PageArgs { first, after, last, before }.window()?;
        let (agency, user, unread) = (viewer.agency(), viewer.id(), unread_only.unwrap_or(false));
        let page = notifications::page(caller.services.request_reader(), agency, user, unread, &window).await;
        let page = page.map_err(|error| caller.fault(error))?;
        let total = Total::later(move |caller| async move {
            Ok(notifications::count(caller.services.request_reader(), agency, user, unread).await?)
        });
        Ok(Connection::new(page.map(|row| Notification::new(&viewer, row)), total))
    }
}
