use async_graphql::{Context, ID, InputObject, Object};

use crate::graphql::context::requester;
use crate::graphql::enums::{CallStatus, Direction};
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::pagination::{Connection, PageArgs, Total};
use crate::graphql::scalars::DateTime;
use crate::graphql::types::Call;
use crate::store::calls::CallFilter;
use crate::store::page::Page;

/// The filter of `Query.calls`. A call must meet all conditions that are given.
#[derive(InputObject, Default)]
#[graphql(name = "CallFilter")]
pub(super) struct CallFilterInput {
    /// Returns only inbound or only outbound calls.
    direction: Option<Direction>,
    /// Returns calls with any of these statuses. An empty list means any status.
    status: Option<Vec<CallStatus>>,
    /// Returns only calls on the phone numbers with these IDs. An empty list means any phone number.
    phone_number_ids: Option<Vec<ID>>,
    /// Returns only calls with the contact with this ID.
    contact_id: Option<ID>,
    /// Returns only calls that the user with this ID answered.
    answered_by_id: Option<ID>,
    /// True: inbound calls that ended without an answer, with or without a voicemail. False: all other calls.
    missed: Option<bool>,
    /// Returns only calls that began later than this time.
    started_after: Option<DateTime>,
    /// Returns only calls that began earlier than this time.
    started_before: Option<DateTime>,
}

impl CallFilterInput {
    /// Parses the IDs. `None` if no call can match, because an ID is malformed.
    fn parse(self) -> Option<CallFilter> {
        let contact = self.contact_id.as_ref().map(ids::parse);
        let answered_by = self.answered_by_id.as_ref().map(ids::parse);
        if contact == Some(None) || answered_by == Some(None) {
            return None;
        }
        Some(CallFilter {
            direction: self.direction.map(Into::into),
            status: self.status.unwrap_or_default().into_iter().map(Into::into).collect(),
            numbers: ids::parse_some(&self.phone_number_ids.unwrap_or_default())?,
            contact: contact.flatten(),
            answered_by: answered_by.flatten(),
            missed: self.missed,
            started_after: self.started_after.map(|at| at.0),
            started_before: self.started_before.map(|at| at.0),
        })
    }
}

#[derive(Default)]
pub(super) struct CallsQuery;

#[Object]
impl CallsQuery {
    /// The calls that the viewer may see, newest first: calls on numbers in whose pool the viewer is, in threads that
    /// the viewer may see, and to the viewer's voicemail. Of calls that the viewer took part in and may no longer see,
    /// only the viewer's own part is shown. ADMINs see all calls.
    async fn calls(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The conditions that a call must meet. Default: none, so that all calls are returned.")]
        filter: Option<CallFilterInput>,
        #[graphql(desc = "The number of items from the start, 0 to 100. Default: 25.")] first: Option<i32>,
        #[graphql(desc = "Returns only the items after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "The number of items from the end, 0 to 100. Not allowed with `first`.")] last: Option<i32>,
        #[graphql(desc = "Returns only the items before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Call>> {
        let requester = requester(ctx)?;
        let viewer = requester.viewer().await?;
        let args = PageArgs { first, after, last, before };
        match filter.unwrap_or_default().parse() {
            Some(filter) => Call::page(requester, &viewer, filter, &args).await,
            None => args.window().map(|_| Connection::new(Page::default(), Total::Known(0))),
        }
    }
}
