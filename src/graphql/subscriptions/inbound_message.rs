use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::{Context, ID, Subscription};
use futures_util::stream::BoxStream;

use crate::domain::PhoneNumberId;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::live::{EventView, Topic, resolve_event};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{InboundMessageEvent, Message};

#[derive(Default)]
pub(super) struct InboundMessageSubscription;

#[Subscription]
impl InboundMessageSubscription {
    /// Delivers each text that a contact sends to a thread that the viewer may see.
    async fn inbound_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The IDs of the phone numbers whose texts are delivered. Default: all phone numbers.")]
        phone_number_ids: Option<Vec<ID>>,
        #[graphql(desc = "Delivers the events after this cursor and then new ones. Default: only new events.")]
        after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<InboundMessageEvent>>> {
        let numbers = phone_number_ids.map(|given| given.iter().filter_map(ids::parse).collect());
        resolve_event(ctx, Topic::InboundMessages, after, async move |view| Ok(payload(&view, numbers.as_ref())))
    }
}

fn payload(view: &EventView, numbers: Option<&HashSet<PhoneNumberId>>) -> Option<InboundMessageEvent> {
    let (thread, message) = (view.thread()?, view.context.message.clone()?);
    if numbers.is_some_and(|numbers| !numbers.contains(&thread.number())) {
        return None;
    }
    let (cursor, replayed) = (EventCursor(view.cursor), view.replayed);
    Some(InboundMessageEvent { cursor, replayed, message: Message::within(&thread, Arc::clone(&message)), thread })
}
