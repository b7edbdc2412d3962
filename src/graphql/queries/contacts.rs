use std::sync::Arc;

use async_graphql::{Context, Object};

use super::threads::search_text;
use crate::graphql::context::requester;
use crate::graphql::enums::ContactOrder;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::Contact;
use crate::store::contacts::{self, ContactFilter};

#[derive(Default)]
pub(super) struct ContactsQuery;

#[Object]
impl ContactsQuery {
    /// The contacts that the viewer may see: contacts with a thread that the viewer may see, and contacts with a
    /// thread on a number that has the viewer in its pool. ADMINs see all contacts.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the field")]
    async fn contacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Returns only contacts whose name or phone contains this text, in any letter case. A phone matches \
                    its digits as typed, such as `(303) 555-01`. At most 200 characters."
        )]
        search: Option<String>,
        #[graphql(desc = "True: contacts who opted out of texts. False: all others. Default: all contacts.")]
        opted_out: Option<bool>,
        #[graphql(
            desc = "The order of the contacts. Default: RECENT. A cursor is valid only with the order of its list.",
            default_with = "Some(ContactOrder::Recent)"
        )]
        order_by: Option<ContactOrder>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Contact>> {
        let requester = requester(ctx)?;
        let viewer = requester.viewer().await?;
        let args = PageArgs { first, after, last, before };
        let (scope, filter) = (viewer.scope(), ContactFilter { search: search_text(search)?, opted_out });
        let order = order_by.map_or_else(contacts::ContactOrder::default, Into::into);
        let conn = requester.services.request_reader();
        let page = match order {
            contacts::ContactOrder::Recent => contacts::page(conn, &scope, &filter, &args.window()?).await,
            contacts::ContactOrder::Name => contacts::page_by_name(conn, &scope, &filter, &args.window_by()?).await,
        };
        let page = page.map_err(|error| requester.fault(error))?;
        let total = Total::later(move |requester| {
            let (scope, filter) = (scope.clone(), filter.clone());
            async move { Ok(contacts::count(requester.services.request_reader(), &scope, &filter).await?) }
        });
        Ok(Connection::new(page.map(|row| Contact::in_list(&viewer, Arc::new(row), order)), total))
    }
}
