use async_graphql::{Context, Object};

use crate::graphql::context::requester;
use crate::graphql::errors::{Code, Failure, Result};
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::QuarantinedMessage;
use crate::store::quarantine;

#[derive(Default)]
pub(super) struct QuarantinedMessagesQuery;

#[Object]
impl QuarantinedMessagesQuery {
    /// The quarantined texts of the agency, newest first: texts that could not be put into a thread and wait for an
    /// ADMIN. For MEMBERs this is an error with the code FORBIDDEN.
    async fn quarantined_messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<QuarantinedMessage>> {
        let requester = requester(ctx)?;
        let viewer = requester.viewer().await?;
        if !viewer.is_admin() {
            return Err(Failure::new(Code::Forbidden, "Only an admin of the agency may do this."));
        }
        let window = PageArgs { first, after, last, before }.window()?;
        let agency = viewer.agency();
        let page = quarantine::page(requester.services.request_reader(), agency, &window).await;
        let page = page.map_err(|error| requester.fault(error))?;
        let total = Total::later(move |requester| async move {
            Ok(quarantine::count(requester.services.request_reader(), agency).await?)
        });
        Ok(Connection::new(page.map(QuarantinedMessage::new), total))
    }
}
