use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};

use crate::domain::address::is_e164;
use crate::graphql::context::requester;
use crate::graphql::enums::ReplyBlock;
use crate::graphql::errors::{Failure, Result};
use crate::graphql::scalars::PhoneE164;
use crate::graphql::types::{Contact, PhoneNumber, Thread};
use crate::service::start_thread;

/// The objects that `startThread` would use for a text to a phone, called without `phoneNumberId`.
#[derive(SimpleObject)]
pub(super) struct StartingPoint {
    /// The phone number from which the text would be sent. Null if the viewer has no number to text from.
    phone_number: Option<PhoneNumber>,
    /// The contact with this phone. Null if there is none, or if the viewer may not see it.
    contact: Option<Contact>,
    /// The thread of the contact on `phoneNumber`. Null if there is none, or if the viewer may not see it.
    thread: Option<Thread>,
    /// The reason why nobody can text this phone from `phoneNumber`. Null if there is none.
    reply_block: Option<ReplyBlock>,
}

#[derive(Default)]
pub(super) struct StartingPointQuery;

#[Object]
impl StartingPointQuery {
    /// The number, the contact and the thread that `startThread` would use for a text to this phone, called without
    /// `phoneNumberId`. The query changes nothing.
    async fn starting_point(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The phone number of the recipient, in E.164.")] to: PhoneE164,
    ) -> Result<StartingPoint> {
        let requester = requester(ctx)?;
        if !is_e164(&to.0) {
            return Err(Failure::bad_input("Invalid value for `to`: it is not a phone number in E.164."));
        }
        let viewer = requester.viewer().await?;
        let point = start_thread::starting_point(&requester.services, &viewer, &to.0).await;
        let point = point.map_err(|fault| requester.fault(fault))?;
        Ok(StartingPoint {
            phone_number: point.number.and_then(|number| PhoneNumber::find(&viewer, number)),
            contact: point.contact.map(|row| Contact::new(&viewer, Arc::new(row))),
            thread: point.thread.map(|row| Thread::new(&viewer, Arc::new(row))),
            reply_block: point.block.map(Into::into),
        })
    }
}
