use async_graphql::{Context, Object};

use crate::graphql::context::caller;
use crate::graphql::errors::{Code, Failure, Result};
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::QuarantinedMessage;
use crate::store::quarantine;

#[derive(Default)]
pub(super) struct QuarantinedMessagesQuery;

#[Object]
impl QuarantinedMessagesQuery {
    /// The texts that fitted no number of the agency and wait for somebody to look at them, newest
    /// first. For ADMINs; to MEMBERs an error with the code FORBIDDEN.
    async fn quarantined_messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start: 25 unless given, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<QuarantinedMessage>> {
        let caller = caller(ctx)?;
        let viewer = caller.viewer().await?;
        if !viewer.is_admin() {
            return Err(Failure::new(Code::Forbidden, "Only an admin of the agency may do this."));
        }
        let window = PageArgs { first, after, last, before }.window()?;
        let agency = viewer.agency();
        let page = quarantine::page(caller.services.request_reader(), agency, &window).await;
        let page = page.map_err(|error| caller.fault(error))?;
        let total = Total::later(move |caller| async move {
            Ok(quarantine::count(caller.services.request_reader(), agency).await?)
        });
        Ok(Connection::new(page.map(QuarantinedMessage::new), total))
    }
}
