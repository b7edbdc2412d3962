use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object};
use futures_util::future::try_join_all;

use crate::graphql::context::{loaders, requester};
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::{Call, Voicemail};
use crate::store::calls::{VoicemailFilter, voicemail_count, voicemail_page};
use crate::store::page::Page;

/// The filter of `Query.voicemails`. A voicemail must meet all conditions that are given.
#[derive(InputObject, Default)]
#[graphql(name = "VoicemailFilter")]
pub(super) struct VoicemailFilterInput {
    /// True: voicemails to which nobody has listened. False: all others.
    unheard: Option<bool>,
    /// True: voicemails that a user has taken care of. False: all others.
    handled: Option<bool>,
    /// Returns only voicemails on the phone numbers with these IDs. An empty list means any phone number.
    phone_number_ids: Option<Vec<ID>>,
}

#[derive(Default)]
pub(super) struct VoicemailsQuery;

#[Object]
impl VoicemailsQuery {
    /// The voicemails of the calls that the viewer may see in full, newest first.
    async fn voicemails(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The conditions that a voicemail must meet. Default: none, so that all voicemails are returned."
        )]
        filter: Option<VoicemailFilterInput>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Voicemail>> {
        let (requester, loaders) = (requester(ctx)?, loaders(ctx)?);
        let viewer = requester.viewer().await?;
        let window = PageArgs { first, after, last, before }.window()?;
        let VoicemailFilterInput { unheard, handled, phone_number_ids } = filter.unwrap_or_default();
        let Some(numbers) = ids::parse_some(&phone_number_ids.unwrap_or_default()) else {
            return Ok(Connection::new(Page::default(), Total::Known(0)));
        };
        let (scope, filter) = (viewer.scope(), VoicemailFilter { unheard, handled, numbers });
        let page = voicemail_page(requester.services.request_reader(), &scope, &filter, &window).await;
        let Page { rows, has_next, has_previous } = page.map_err(|error| requester.fault(error))?;
        let found = try_join_all(rows.iter().map(|row| loaders.call(row.call_id))).await?;
        let of_calls = rows.into_iter().zip(found).filter_map(|(row, call)| {
            let call = Call::new(&viewer, call?);
            call.is_full().then(|| Voicemail::within(&call, Arc::new(row)))
        });
        let total = Total::later(move |requester| {
            let (scope, filter) = (scope.clone(), filter.clone());
            async move { Ok(voicemail_count(requester.services.request_reader(), &scope, &filter).await?) }
        });
        Ok(Connection::new(Page { rows: of_calls.collect(), has_next, has_previous }, total))
    }
}
