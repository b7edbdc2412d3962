use std::sync::Arc;

use async_graphql::{Context, Object};

use super::threads::search_text;
use crate::graphql::context::caller;
use crate::graphql::errors::Result;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::types::Contact;
use crate::store::contacts;

#[derive(Default)]
pub(super) struct ContactsQuery;

#[Object]
impl ContactsQuery {
    /// The contacts that are visible to the viewer, newest first: contacts with a thread that the viewer may see, and
    /// contacts with a thread on a number that has the viewer in its pool. ADMINs see all contacts.
    async fn contacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Matches contacts whose name or phone contains this text. Letter case is ignored in every script; a phone matches its digits as typed, such as `(303) 555-01`."
        )]
        search: Option<String>,
        #[graphql(desc = "How many, from the start: 25 unless given, at most 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; not together with `first`.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<Connection<Contact>> {
        let caller = caller(ctx)?;
        let viewer = caller.viewer().await?;
        let window = PageArgs { first, after, last, before }.window()?;
        let (scope, search) = (viewer.scope(), search_text(search)?);
        let page = contacts::page(caller.services.request_reader(), &scope, search.as_deref(), &window).await;
        let page = page.map_err(|error| caller.fault(error))?;
        let total = Total::later(move |caller| {
            let (scope, search) = (scope.clone(), search.clone());
            async move { Ok(contacts::count(caller.services.request_reader(), &scope, search.as_deref()).await?) }
        });
        Ok(Connection::new(page.map(|row| Contact::new(&viewer, Arc::new(row))), total))
    }
}
