use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::{Context, ID, Subscription};
use futures_util::stream::BoxStream;

use crate::domain::PhoneNumberId;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::live::{Sight, Topic, follow};
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{InboundMessageEvent, Message};

#[derive(Default)]
pub(super) struct InboundMessageSubscription;

#[Subscription]
impl InboundMessageSubscription {
    /// Texts that come in to threads that the viewer may see.
    async fn inbound_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only to these numbers; to all of them unless given.")] phone_number_ids: Option<Vec<ID>>,
        #[graphql(desc = "Where to go on from; from now on unless given.")] after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<InboundMessageEvent>>> {
        let numbers = phone_number_ids.map(|given| given.iter().filter_map(ids::parse).collect());
        follow(ctx, Topic::InboundMessages, after, async move |sight| Ok(pick(&sight, numbers.as_ref())))
    }
}

fn pick(sight: &Sight, numbers: Option<&HashSet<PhoneNumberId>>) -> Option<InboundMessageEvent> {
    let (thread, message) = (sight.thread()?, sight.facts.message.clone()?);
    if numbers.is_some_and(|numbers| !numbers.contains(&thread.number())) {
        return None;
    }
    let (cursor, replayed) = (EventCursor(sight.cursor), sight.replayed);
    Some(InboundMessageEvent { cursor, replayed, message: Message::within(&thread, Arc::clone(&message)), thread })
}
